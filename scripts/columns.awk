# Columns of a CSV file with a heading, by name, separated by spaces; an empty field is `-`:
#     awk -f scripts/columns.awk -v names='request_id ttft_ns' samples.csv
BEGIN { FS = ","; count = split(names, name, " ") }
NR == 1 { for (i = 1; i <= NF; i++) place[$i] = i; next }
{
    line = ""
    for (i = 1; i <= count; i++) {
        value = $place[name[i]]
        line = line (i > 1 ? " " : "") (value == "" ? "-" : value)
    }
    print line
}
