#!/bin/sh
# The error of both clocks, against an independent server with known timing; Linux, a quiet machine and a release build:
#     sh scripts/clock.sh SERVER [BAKEOFF] [LOAD...]    # `SERVER`: a program that records its instants (see below); W2 to W5
#     sh scripts/clock.sh stop [BAKEOFF]                # stops the client for 200 ms every 2 s: all samples, and those that are not marked
#     sh scripts/clock.sh throttle [BAKEOFF]            # `calibrate` with 0.2 of a processor, by a control group (root)
# SERVER takes `--port P --ttft-ms F --itl-ms F --tokens N`, answers the model `const`, and serves `GET /truth` as CSV with `xid` (our
# `x-request-id`), `krx_ns` (the request in its kernel, or 0), `read_ns` and `first_ns` (the first token handed to its kernel).
# Prints p50 and p99 of our TTFT minus the true one, for the samples without a flag, and the share of those with one.
set -eu
cd "$(dirname "$0")/.."
server=${1:?}
bakeoff=$(realpath "${2:-target/release/bakeoff}")
[ $# -le 2 ] && loads="W2 W3 W4 W5" || { shift 2; loads=$*; }
work=$(mktemp -d)
trap 'kill ${run:-} ${served:-} 2>/dev/null || true; rm -rf "$work"' EXIT
export BAKEOFF_CACHE_DIR="$work/cache"
ulimit -n "$(ulimit -Hn)"

# suite STREAMS REQUESTS MODEL: 50 prompts, as many repetitions as the requests need.
suite() {
    {
        printf 'name = "clock"\nmodels = ["%s"]\nrepetitions = %s\nconcurrency = %s\nwarmup = 0\nkeep_answers = false\n' \
            "$3" $(($2 / 50)) "$1"
        for prompt in $(seq 1 50); do
            printf '[[prompts]]\nid = "p%s"\nuser = "Question %s?"\n' "$prompt" "$prompt"
        done
    } > "$work/suite.toml"
}

# errors FILE: p50 and p99 in ms of the lines `error flags`, of those without a flag, and the shares of the flags.
errors() {
    awk '
        $2 == "-" { print $1 > plain }
        $2 != "-" { marked++; n = split($2, flags, ";"); for (i = 1; i <= n; i++) share[flags[i]]++ }
        END {
            close(plain); sort = "sort -g " plain
            while ((sort | getline error) > 0) sorted[++count] = error
            printf "%d unmarked: p50 %.3f ms, p99 %.3f ms; marked %.1f %%", count, at(0.5), at(0.99), 100 * marked / NR
            for (flag in share) printf ", %s %d", flag, share[flag]
            print ""
        }
        function at(q,  place) { place = int(q * count + 0.999999); return sorted[place < 1 ? 1 : place] / 1e6 }
    ' plain="$work/plain" "$1"
}

echo "load average: $(cut -d' ' -f1-3 /proc/loadavg)"

if [ "$server" = throttle ]; then
    group=/sys/fs/cgroup/cpu/bakeoff-clock
    if [ -d /sys/fs/cgroup/cpu ]; then
        mkdir -p "$group"
        echo 100000 > "$group/cpu.cfs_period_us"
        echo 20000 > "$group/cpu.cfs_quota_us"
    else
        group=/sys/fs/cgroup/bakeoff-clock
        mkdir -p "$group"
        echo "20000 100000" > "$group/cpu.max"
    fi
    sh -c "echo \$\$ > $group/cgroup.procs; exec \"$bakeoff\" calibrate" || true
    rmdir "$group"
    exit 0
fi

if [ "$server" = stop ]; then
    suite 64 1000 sim/constant-400ms-20ms-40
    "$bakeoff" sim --port 0 --trace "$work/trace.jsonl" > "$work/sim.out" &
    served=$!
    until grep -q 'http://' "$work/sim.out"; do sleep 1; done
    url=$(sed -n 's/.*\(http:[^ ]*\).*/\1/p' "$work/sim.out")
    for clock in user kernel; do
        for stopped in no yes; do
            rm -rf "$work/reports"
            "$bakeoff" run "$work/suite.toml" --endpoint "$url" --output "$work/reports" --yes --quiet --clock "$clock" > /dev/null &
            run=$!
            while [ "$stopped" = yes ] && kill -0 "$run" 2>/dev/null; do
                sleep 2
                kill -STOP "$run" 2>/dev/null || break
                sleep 0.2
                kill -CONT "$run"
            done
            wait "$run" || true
            # A constant TTFT is its own truth.
            awk -f scripts/columns.awk -v names='ttft_ns flags' "$work/reports/clock/latest/samples.csv" |
                awk '$1 != "-" { print $1 - 400e6, $2 }' > "$work/errors"
            echo "$clock, stopped: $stopped: $(errors "$work/errors")"
        done
    done
    exit 0
fi

# load NAME STREAMS REQUESTS GAP_MS TOKENS: two runs by each clock, alternated.
load() {
    "$server" --port 8765 --ttft-ms 50 --itl-ms "$4" --tokens "$5" > /dev/null 2>&1 &
    served=$!
    until curl -s http://127.0.0.1:8765/truth > /dev/null; do sleep 0.1; done
    suite "$2" "$3" const
    for clock in user kernel kernel user; do
        "$bakeoff" run "$work/suite.toml" --endpoint http://127.0.0.1:8765/v1 --output "$work/reports" --yes --quiet --clock "$clock" > /dev/null || true
        curl -s http://127.0.0.1:8765/truth > "$work/truth.csv"
        awk -f scripts/columns.awk -v names='xid krx_ns read_ns first_ns' "$work/truth.csv" > "$work/truth"
        awk -f scripts/columns.awk -v names='request_id ttft_ns flags' "$work/reports/clock/latest/samples.csv" > "$work/ours"
        awk 'NR == FNR { truth[$1] = $4 - ($2 > 0 ? $2 : $3); next }
            ($1 in truth) && $2 != "-" { print $2 - truth[$1], $3 }' "$work/truth" "$work/ours" > "$work/errors"
        echo "$1 ($2 streams x $3), $clock: $(errors "$work/errors")"
        rm -rf "$work/reports"
    done
    kill "$served"
    wait "$served" 2>/dev/null || true
}
for load in $loads; do
    case $load in
    W2) load W2 64 1000 5 64 ;;
    W3) load W3 256 2000 5 64 ;;
    W4) load W4 1000 3000 20 64 ;;
    W5) load W5 4000 8000 50 32 ;;
    *) echo "no load $load: W2 to W5" >&2; exit 2 ;;
    esac
done
