#!/bin/sh
# Checks of loads, with the simulator as a process of its own; needs a quiet machine and a release build:
#     sh scripts/load.sh schedule [BAKEOFF]              # open loop, 500 requests/s for 60 s: distance to the plan, lag
#     sh scripts/load.sh memory [REQUESTS] [BAKEOFF]     # one run of 1,000,000 requests: resident memory. Linux alone
#     sh scripts/load.sh knee [SWEEPS] [BAKEOFF]         # 100 sweeps of a model that answers four requests at once
# `schedule` exits 1 if the arrivals are 0.02 or more from the planned process (Kolmogorov and Smirnov), or the lag p99 is 2 ms
# or more. `memory` samples the run's resident memory each second while requests are sent, and exits 1 if it exceeds what it
# was after the first tenth by more than 10 %. `knee` exits 1 if the intervals of fewer than nine in ten sweeps contain four.
set -eu
cd "$(dirname "$0")/.."
check=${1:-schedule}
requests=1000000
sweeps=100
if [ "$check" != schedule ] && [ $# -gt 1 ]; then
    requests=$2
    sweeps=$2
    shift
fi
bakeoff=$(realpath "${2:-target/release/bakeoff}")
work=$(mktemp -d)
model=sim/constant-20ms-1ms-4
[ "$check" != knee ] || model=known/busy
trap 'kill ${run:-} ${sim:-} 2>/dev/null || true; rm -rf "$work"' EXIT
{
    echo 'name = "load"'
    echo "models = [\"$model\"]"
    echo 'warmup = 0'
    echo 'keep_answers = false'
    for prompt in $(seq 1 100); do
        printf '[[prompts]]\nid = "p%s"\nuser = "Question %s?"\n' "$prompt" "$prompt"
    done
} > "$work/suite.toml"
echo "load average before: $(cut -d' ' -f1-3 /proc/loadavg 2>/dev/null || uptime)"

if [ "$check" = knee ]; then
    cat > "$work/scenario.toml" <<'END'
[prompts]
tokens_sigma = 0
ttft_sigma = 0
[models."known/busy"]
capacity = 4
price = { input = "0.000001", output = "0.000001" }
ttft = { median_ms = 40, sigma = 0.2 }
gap = { median_ms = 5, sigma = 0.2 }
tokens = { median = 5, sigma = 0 }
prefill_ms_per_ktok = 0
END
    # Four at a time: a sweep waits for simulated answers, and needs little of a processor.
    seq "$sweeps" | xargs -P 4 -I SEED sh -c '"$1" run "$2/suite.toml" --scenario "$2/scenario.toml" --sim-seed SEED --seed SEED --yes \
        --quiet --output "$2/reports" --sweep concurrency=1,2,4,8,16 --requests 60' sweep "$bakeoff" "$work" > "$work/run.out" 2>&1 || true
    grep 'in flight (' "$work/run.out" | sort | uniq -c
    awk -v sweeps="$sweeps" '
        match($0, /^known\/busy saturates at .*\(.*\)/) {
            interval = $0
            sub(/^.*\(/, "", interval)
            sub(/\).*$/, "", interval)
            split(interval, ends, "–")
            found += ends[1] + 0 <= 4 && 4 <= ends[2] + 0
        }
        END {
            printf "%d of %d sweeps have four in flight within their interval\n", found, sweeps
            exit found * 10 < sweeps * 9
        }' "$work/run.out" || { tail -n 3 "$work/run.out"; echo FAILED; exit 1; }
    exit 0
fi

"$bakeoff" sim --port 0 > "$work/sim.out" 2>&1 &
sim=$!
until grep -q 'http://' "$work/sim.out"; do sleep 1; done
url=$(sed -n 's/.*\(http:[^ ]*\).*/\1/p' "$work/sim.out")

if [ "$check" = schedule ]; then
    "$bakeoff" run "$work/suite.toml" --endpoint "$url" --output "$work/reports" --yes --quiet \
        --rate 500/s --arrivals poisson --duration 60s > "$work/run.out" 2>&1 || true
    cat "$work/run.out"
    awk -F, '
        NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i }
        NR == 2 {
            distance = $at["arrival_distance"]; lag = $at["lag_p99_ms"]
            printf "%s requests, distance to the plan %s (below 0.02), lag p99 %s ms (below 2)\n", $at["requests"], distance, lag
            exit !(distance < 0.02 && lag < 2)
        }' "$work"/reports/load/latest/load.csv || { echo FAILED; exit 1; }
    exit 0
fi

"$bakeoff" run "$work/suite.toml" --endpoint "$url" --output "$work/reports" --yes --quiet \
    --sweep concurrency=64 --requests "$requests" > "$work/run.out" 2>&1 &
run=$!
line=0
while kill -0 "$run" 2>/dev/null; do
    sleep 1
    samples=$(ls "$work"/reports/load/2*/samples.jsonl 2>/dev/null || true)
    [ -n "$samples" ] || continue
    # Lines are counted by their mean length: reading all of them each second would be the load.
    bytes=$(wc -c < "$samples")
    if [ "$line" -eq 0 ]; then
        [ "$bytes" -gt 2000000 ] || continue
        line=$(head -n 1000 "$samples" | wc -c)
    fi
    done_so_far=$((bytes * 1000 / line))
    rss=$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$run/status" 2>/dev/null || true)
    # Reports are made after the last request.
    [ "$done_so_far" -lt $((requests * 99 / 100)) ] || break
    [ -z "$rss" ] || echo "$done_so_far $rss"
done > "$work/rss"
awk -v requests="$requests" '
    $1 >= requests / 10 && !first { first = $2 }
    first { if ($2 > most) most = $2; last = $2; n++ }
    END {
        printf "RSS in MiB: %.1f after the first tenth of %d requests, %.1f at the end, %.1f at most (%d samples)\n",
            first / 1024, requests, last / 1024, most / 1024, n
        exit !(n > 0 && most <= first * 1.1)
    }' "$work/rss" || { echo FAILED; exit 1; }
wait "$run" || true
tail -n 5 "$work/run.out"
