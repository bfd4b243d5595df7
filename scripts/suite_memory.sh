#!/bin/sh
# Peak memory of each command on a suite of many prompts, with the simulator as a process of its own. Linux with GNU time:
#     sh scripts/suite_memory.sh [PROMPTS] [BAKEOFF] [MODELS]     # 100,000 prompts of 1 KB in one JSONL file, one model
# Exits 1 if a command needs more than twice the size of the file (with several models 160 bytes more for each sample beyond those of one),
# or ends with another exit code than expected.
set -eu
cd "$(dirname "$0")/.."
prompts=${1:-100000}
bakeoff=$(realpath "${2:-target/release/bakeoff}")
models=${3:-1}
work=$(mktemp -d)
trap 'kill ${sim:-} 2>/dev/null || true; rm -rf "$work"' EXIT
awk -v prompts="$prompts" -v work="$work" 'BEGIN {
    srand(17)
    print "id,question" > (work "/prompts.csv")
    for (prompt = 0; prompt < prompts; prompt++) {
        text = ""
        while (length(text) < 990) text = text "word" int(rand() * 10000) " "
        text = substr(text, 1, 995)
        printf "{\"id\":\"p%06d\",\"question\":\"%s\"}\n", prompt, text > (work "/prompts.jsonl")
        printf "p%06d,\"%s, with commas\"\n", prompt, text > (work "/prompts.csv")
    }
}'

# suite NAME MODEL: the head of a suite, for the stated number of variants of a model.
suite() {
    awk -v name="$1" -v model="$2" -v models="$models" 'BEGIN {
        printf "name = \"%s\"\nrepetitions = 1\nwarmup = 0\nparameters = { max_tokens = 20 }\nmodels = [\n", name
        for (variant = 1; variant <= models; variant++) printf "  { model = \"%s\", label = \"v%d\" },\n", model, variant
        print "]"
    }'
}

# rows FORMAT: the prompts of a file.
rows() {
    printf '[[prompt_files]]\npath = "prompts.%s"\nid = "id"\nuser = "{{question}}"\n' "$1"
}

answered=sim/constant-1ms-1ms-1
{ suite refused "$answered+400"; rows jsonl; } > "$work/refused.toml"
{ suite answered "$answered"; rows jsonl; } > "$work/answered.toml"
{ suite slow sim/constant-20ms-1ms-1; rows jsonl; } > "$work/slow.toml"
{ suite csv "$answered"; rows csv; } > "$work/csv.toml"
{ suite answered "$answered"; rows jsonl; printf 'assert = [{ type = "contains", value = "a" }]\n'; } > "$work/graded.toml"
"$bakeoff" sim --port 0 > "$work/sim.out" 2>&1 &
sim=$!
until grep -q 'http://' "$work/sim.out"; do sleep 1; done
url=$(sed -n 's/.*\(http:[^ ]*\).*/\1/p' "$work/sim.out")
cat > "$work/prices.toml" <<END
[endpoints.priced]
base_url = "$url"
[[endpoints.priced.prices]]
model = "$answered"
input_usd_per_mtok = 0.25
output_usd_per_mtok = 2
END
failed=0

# measure NAME FILE COMMAND...: the peak memory of a command that ends with the exit code $expected, by the size of a file of prompts;
# $samples, those of models beyond the first that the command reads or sends.
measure() {
    name=$1
    bytes=$(wc -c < "$work/$2")
    shift 2
    code=0
    /usr/bin/time -q -f '%M' -o "$work/peak" "$bakeoff" "$@" > "$work/out" 2>&1 || code=$?
    if [ "$code" != "$expected" ]; then
        printf '%-32s exit code %s instead of %s: %s\n' "$name" "$code" "$expected" "$(tail -n 1 "$work/out")"
        failed=1
        return
    fi
    awk -v name="$name" -v bytes="$bytes" -v samples="$samples" '{
        printf "%-32s %5.0f MB, %4.2f times the file", name, $1 * 1024 / 1e6, $1 * 1024 / bytes
        if (samples) printf " (%4.2f without 160 bytes a sample)", ($1 * 1024 - 160 * samples) / bytes
        print ""
        exit $1 * 1024 > 2 * bytes + 160 * samples
    }' "$work/peak" || failed=1
}

send="--endpoint $url --concurrency 64 --yes --quiet"
# shellcheck disable=SC2086 # The words of a command.
measure_run() { measure "$1" "$2" run "$work/$3.toml" $send --output "$work/$3"; }
printf '%s prompts, %s models\n' "$prompts" "$models"
samples=0
expected=0
measure 'suite check' prompts.jsonl suite check "$work/answered.toml"
measure 'suite check, CSV' prompts.csv suite check "$work/csv.toml"
priced="--endpoint priced --project $work/prices.toml --output $work/priced"
# shellcheck disable=SC2086
measure 'estimate, with prices' prompts.jsonl estimate "$work/answered.toml" $priced
samples=$((prompts * (models - 1)))
expected=4
measure_run 'run, every request refused' prompts.jsonl refused
expected=0
measure_run 'run, every request answered' prompts.jsonl answered
run=$(cd "$work/answered/answered/latest" && pwd -P)
measure 'estimate, after a run' prompts.jsonl estimate "$work/answered.toml" --endpoint "$url" --output "$work/answered"
measure_run 'run, after a run' prompts.jsonl answered
# shellcheck disable=SC2086
measure 'run, with prices and a cap' prompts.jsonl run "$work/answered.toml" $priced --max-cost 1000 --concurrency 64 --yes --quiet
measure_run 'run, CSV' prompts.csv csv
measure 'report' prompts.jsonl report "$run"
[ "$models" = 1 ] || measure 'compare, within a run' prompts.jsonl compare "$run"
samples=$((2 * samples))
measure 'compare, two runs' prompts.jsonl compare "$run" "$work/answered/answered/latest"
samples=$((prompts * (models - 1)))
for shard in 1/2 2/2; do
    # shellcheck disable=SC2086
    "$bakeoff" run "$work/answered.toml" $send --shard "$shard" --output "$work/shards" > "$work/out" 2>&1 || true
done
measure 'merge, two shards' prompts.jsonl merge "$work"/shards/answered/2*-shard-* --output "$work/merged"
measure 'score, by a suite' prompts.jsonl score "$run" --suite "$work/graded.toml"
awk -v trials="$((prompts * models))" 'BEGIN {
    for (trial = 0; trial < trials; trial++) printf "{\"trial\": %d, \"scores\": {\"right\": 1}}\n", trial
}' > "$work/scores.jsonl"
measure 'score, from a file' prompts.jsonl score "$run" --from "$work/scores.jsonl"
# shellcheck disable=SC2086
timeout -s INT 8 "$bakeoff" run "$work/slow.toml" $send --output "$work/slow" > "$work/out" 2>&1 || true
measure 'resume' prompts.jsonl resume "$(echo "$work"/slow/slow/2*)"
exit "$failed"
