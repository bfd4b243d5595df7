#!/bin/sh
# Memory of a long run on 201 streams whose answers are hostile in the ways that the simulator knows:
#     sh scripts/soak.sh [MINUTES] [BAKEOFF]
# Samples the resident memory of the run each 10 s, without the simulator, which is a process of its own. Prints minimum, median
# and maximum after a warm-up of a tenth of the time, and exits 1 where one is more than 10 % from the median. Linux alone.
set -eu
cd "$(dirname "$0")/.."
minutes=${1:-30}
bakeoff=$(realpath "${2:-target/release/bakeoff}")
work=$(mktemp -d)
trap 'kill "$run" "$sim" 2>/dev/null || true; rm -rf "$work"' EXIT

# Half of the requests get one of all faults but those that end a run by design: no key, no money.
faults=$(sed -n 's/^    [A-Z][A-Za-z0-9]* "\([a-z0-9-]*\)" ".*/\1/p' src/sim/fault.rs | grep -v '^401\|^402\|quota')
share=$(echo "$faults" | awk 'END { print 0.5 / NR }')
{
    echo '[default]'
    echo 'ttft = { median_ms = 60, sigma = 0.5 }'
    echo 'gap = { median_ms = 10, sigma = 0.3 }'
    echo 'tokens = { median = 60, sigma = 0.5 }'
    echo "faults = { $(echo "$faults" | awk -v share="$share" '{ printf "%s\"%s\" = %s", separator, $1, share; separator = ", " }') }"
} > "$work/scenario.toml"
{
    echo 'name = "soak"'
    echo 'models = ["openai/gpt-4.1-nano", "openai/gpt-5-mini", "openai/gpt-4o-mini"]'
    echo 'repetitions = 10000'
    echo 'concurrency = 67'
    echo 'timeouts = { headers = "5s", gap = "5s", total = "30s" }'
    echo '[parameters]'
    echo 'max_tokens = 200'
    for prompt in $(seq 1 50); do
        printf '[[prompts]]\nid = "p%s"\nuser = "Question %s?"\n' "$prompt" "$prompt"
    done
} > "$work/suite.toml"

"$bakeoff" sim --scenario "$work/scenario.toml" --port 0 > "$work/sim.out" 2>&1 &
sim=$!
until grep -q 'http://' "$work/sim.out"; do sleep 1; done
url=$(sed -n 's/.*\(http:[^ ]*\).*/\1/p' "$work/sim.out")
"$bakeoff" run "$work/suite.toml" --endpoint "$url" --output "$work/reports" --yes > "$work/run.out" 2>&1 &
run=$!

samples=$((minutes * 6))
for _ in $(seq "$samples"); do
    sleep 10
    sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$run/status" 2>/dev/null || true
done > "$work/rss"
kill -INT "$run"
wait "$run" || true
cat "$work/reports/soak"/2*/samples.jsonl > "$work/samples"
trials=$(wc -l < "$work/samples")
failed=$(grep -vc '"outcome":"complete"' "$work/samples" || true)
tail -n 5 "$work/run.out"
tail -n +"$((samples / 10 + 1))" "$work/rss" > "$work/judged"
# A peak is not a trend: the medians of the first and the last quarter tell them apart.
quarter=$((samples * 9 / 40))
median() { sort -n | awk '{ rss[NR] = $1 } END { printf "%.1f", rss[int((NR + 1) / 2)] / 1024 }'; }
echo "RSS in MiB, medians of the first and the last quarter: $(head -n "$quarter" "$work/judged" | median), $(tail -n "$quarter" "$work/judged" | median)"
sort -n "$work/judged" | awk -v trials="$trials" -v failed="$failed" -v expected="$((samples - samples / 10))" '
    { rss[NR] = $1 }
    END {
        median = rss[int((NR + 1) / 2)]
        printf "%d trials, %d of them not complete; RSS of %d samples in MiB: min %.1f, median %.1f, max %.1f\n",
            trials, failed, NR, rss[1] / 1024, median / 1024, rss[NR] / 1024
        if (NR < expected || rss[1] < median * 0.9 || rss[NR] > median * 1.1) { print "FAILED"; exit 1 }
    }'
