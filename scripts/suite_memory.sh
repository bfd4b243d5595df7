#!/bin/sh
# Peak memory of each command on a suite of many prompts, with the simulator as a process of its own. Linux with GNU time:
#     sh scripts/suite_memory.sh [PROMPTS] [BAKEOFF]     # 100,000 prompts of 1 KB in one JSONL file, one model
# Exits 1 if a command needs more than twice the size of the file.
set -eu
cd "$(dirname "$0")/.."
prompts=${1:-100000}
bakeoff=$(realpath "${2:-target/release/bakeoff}")
work=$(mktemp -d)
trap 'kill ${sim:-} 2>/dev/null || true; rm -rf "$work"' EXIT
awk -v prompts="$prompts" 'BEGIN {
    srand(17)
    for (prompt = 0; prompt < prompts; prompt++) {
        text = ""
        while (length(text) < 990) text = text "word" int(rand() * 10000) " "
        printf "{\"id\":\"p%06d\",\"question\":\"%s\"}\n", prompt, substr(text, 1, 995)
    }
}' > "$work/prompts.jsonl"
cat > "$work/suite.toml" <<END
name = "many"
models = ["openai/gpt-5.6-luna"]
repetitions = 1
warmup = 0
parameters = { max_tokens = 20 }
[[prompt_files]]
path = "prompts.jsonl"
id = "id"
user = "{{question}}"
END
bytes=$(wc -c < "$work/prompts.jsonl")
"$bakeoff" sim --port 0 > "$work/sim.out" 2>&1 &
sim=$!
until grep -q 'http://' "$work/sim.out"; do sleep 1; done
url=$(sed -n 's/.*\(http:[^ ]*\).*/\1/p' "$work/sim.out")
failed=0

# measure NAME COMMAND...: the peak memory of a command, whatever its exit code.
measure() {
    name=$1
    shift
    /usr/bin/time -q -f '%M' -o "$work/peak" "$bakeoff" "$@" > "$work/out" 2>&1 || true
    awk -v name="$name" -v bytes="$bytes" '{
        printf "%-28s %5.0f MB, %4.2f times the file\n", name, $1 * 1024 / 1e6, $1 * 1024 / bytes
        exit $1 * 1024 > 2 * bytes
    }' "$work/peak" || failed=1
}

run="run $work/suite.toml --endpoint $url --concurrency 64 --yes --quiet"
answered=sim/constant-1ms-1ms-1
printf 'a file of %s bytes\n' "$bytes"
measure 'suite check' suite check "$work/suite.toml"
measure 'estimate' estimate "$work/suite.toml" --output "$work/reports"
# shellcheck disable=SC2086 # The words of a command.
measure 'run, every request refused' $run -m "$answered+400" --output "$work/refused"
# shellcheck disable=SC2086
measure 'run, every request answered' $run -m "$answered" --output "$work/reports"
measure 'estimate, after a run' estimate "$work/suite.toml" --endpoint "$url" -m "$answered" --output "$work/reports"
measure 'report' report "$work/reports/many/latest"
measure 'compare' compare "$work/reports/many/latest"
# shellcheck disable=SC2086
timeout -s INT 8 "$bakeoff" $run -m sim/constant-20ms-1ms-1 --output "$work/interrupted" > "$work/out" 2>&1 || true
interrupted=$(echo "$work"/interrupted/many/2*)
measure 'resume' resume "$interrupted"
exit "$failed"
