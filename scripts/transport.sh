#!/bin/sh
# The error, processor time and memory of timed requests, against a server that knows its own times and the cheapest client:
#     sh scripts/transport.sh TRUTH [BAKEOFF] [ROUNDS] [LOAD...]
# TRUTH is a folder with `truth-server` (`--port --ttft-ms --itl-ms --tokens`; `/truth` dumps its times as CSV) and `floor` (`--port
# -n -c --out`). Each round runs the floor and the program one after the other on each load (W1 to W5); one table at the end. Needs a
# release build and GNU time; figures of a machine with other work mean nothing but by their ratio. Linux alone.
set -eu
[ $# -ge 1 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 2; }
truth=$(realpath "$1")
scripts=$(realpath "$(dirname "$0")")
bakeoff=$(realpath "${2:-$scripts/../target/release/bakeoff}")
rounds=${3:-3}
[ $# -le 3 ] && loads="W1 W2 W3 W4 W5" || { shift 3; loads=$*; }
port=8791
work=$(mktemp -d)
trap 'kill ${server:-} 2>/dev/null || true; rm -rf "$work"' EXIT
ulimit -n "$(ulimit -Hn)"

# columns FILE NAMES
columns() { awk -f "$scripts/columns.awk" -v names="$2" "$1"; }

# Runs a command, and notes its peak memory in KiB in `peak`, and in `ticks` the uptime and its processor time so far, every 20 ms.
# Its output is in `output`.
measured() {
    /usr/bin/time -o "$work/peak" -f %M sh -c 'echo $$ > "$0"; exec "$@"' "$work/pid" "$@" > "$work/output" 2>&1 &
    timed=$!
    until [ -s "$work/pid" ]; do sleep 0.001; done
    pid=$(cat "$work/pid")
    while read -r uptime _ < /proc/uptime && read -r stat < "/proc/$pid/stat"; do
        set -- ${stat##*) }
        echo "$uptime $((${12} + ${13}))"
        sleep 0.02
    done > "$work/ticks" 2> /dev/null
    rm "$work/pid"
    wait $timed
}

# One line of figures: row LOAD PROGRAM TIMES(xid ttft sent end)
row() {
    curl -s "http://127.0.0.1:$port/truth" > "$work/truth.csv"
    columns "$work/truth.csv" 'xid krx_ns read_ns first_ns last_done_ns' |
        awk '{ print $1, $4 - ($2 > 0 ? $2 : $3), $3, $5 }' > "$work/true"
    # Processor time from the first request that the server read to the last byte that it wrote, between two notes in a straight line.
    cpu=$(awk -v rate="$(getconf CLK_TCK)" '
        FILENAME ~ /times$/ { is_ours[$1]; next }
        FILENAME ~ /true$/ && $1 in is_ours { if (!first || $3 < first) first = $3; if ($4 > last) last = $4; next }
        FILENAME ~ /ticks$/ { at[++notes] = $1; ticks[notes] = $2 }
        function until(t) {
            for (i = 2; i < notes && at[i] < t; i++) {}
            return ticks[i - 1] + (ticks[i] - ticks[i - 1]) * (t - at[i - 1]) / (at[i] - at[i - 1])
        }
        END { print (until(last / 1e9) - until(first / 1e9)) / rate }' "$3" "$work/true" "$work/ticks")
    awk 'NR == FNR { true_ttft[$1] = $2; next } $1 in true_ttft && $2 != "-" { print ($2 - true_ttft[$1]) / 1e6 }' \
        "$work/true" "$3" | sort -g > "$work/errors"
    wall=$(awk 'NR == 1 || $3 < first { first = $3 } $4 > last { last = $4 } END { print (last - first) / 1e9 }' "$3")
    awk -v load="$1" -v program="$2" -v wall="$wall" -v tokens="$((requests * chunks))" -v cpu="$cpu" -v rss="$(tail -n 1 "$work/peak")" \
        -v ideal="$(awk -v n="$requests" -v c="$streams" -v t="$chunks" -v g="$gap" 'BEGIN {
            batches = int((n + c - 1) / c); print batches * (50 + (t - 1) * g) / 1000 }')" '
        { error[NR] = $1 }
        function at(q) { i = int(q * NR + 0.999); return error[i < 1 ? 1 : i] }
        END {
            printf "%s %s %d %.3f %.3f %.3f %.2f %.1f %.3f\n", load, program, NR, at(0.5), at(0.9), at(0.99),
                cpu * 1e6 / tokens, rss / 1024, wall / ideal
        }' "$work/errors" >> "$work/rows"
    tail -n 1 "$work/rows"
}

run_load() {
    load=$1
    case $load in
    W1) streams=1 requests=200 gap=5 chunks=64 ;;
    W2) streams=64 requests=1000 gap=5 chunks=64 ;;
    W3) streams=256 requests=2000 gap=5 chunks=64 ;;
    W4) streams=1000 requests=3000 gap=20 chunks=64 ;;
    W5) streams=4000 requests=8000 gap=50 chunks=32 ;;
    *) echo "no load $load: W1 to W5" >&2; exit 2 ;;
    esac
    "$truth/truth-server" --port $port --ttft-ms 50 --itl-ms $gap --tokens $chunks > "$work/server.out" 2>&1 &
    server=$!
    until curl -s "http://127.0.0.1:$port/truth" > /dev/null; do sleep 0.1; done
    measured "$truth/floor" --port $port -n $requests -c $streams --out "$work/floor.csv"
    columns "$work/floor.csv" 'xid send_ns first_ns end_ns' | awk '{ print $1, $3 - $2, $2, $4 }' > "$work/times"
    row "$load" floor "$work/times"
    {
        printf 'name = "transport"\nmodels = ["const"]\nrepetitions = %d\nconcurrency = %d\nwarmup = 0\nkeep_answers = false\n' \
            $((requests / 20)) $streams
        for prompt in $(seq 1 20); do printf '[[prompts]]\nid = "p%s"\nuser = "Question %s?"\n' "$prompt" "$prompt"; done
    } > "$work/suite.toml"
    rm -rf "$work/reports"
    measured env BAKEOFF_CACHE_DIR="$work/cache" "$bakeoff" run "$work/suite.toml" --quiet --yes \
        --endpoint "http://127.0.0.1:$port/v1" --output "$work/reports" || tail -n 3 "$work/output"
    if [ -e "$work/reports/transport/latest/samples.csv" ]; then
        columns "$work/reports/transport/latest/samples.csv" 'request_id ttft_ns sent_ns latency_ns' |
            awk '{ print $1, $2, $3, $3 + $4 }' > "$work/times"
        row "$load" bakeoff "$work/times"
    fi
    kill $server
    wait $server 2> /dev/null || true
}

echo "load average before: $(cut -d' ' -f1-3 /proc/loadavg)"
echo "load program matched p50 p90 p99 cpu rss wall"
for round in $(seq 1 "$rounds"); do
    for load in $loads; do run_load "$load"; done
done
echo
echo "medians: TTFT error in ms; CPU in ms per 1,000 tokens, from the first request to the last byte; peak RSS in MiB; wall clock over the ideal"
awk '{ n[$1 " " $2]++; for (i = 3; i <= NF; i++) value[$1 " " $2, i, n[$1 " " $2]] = $i }
    END {
        printf "| load | program | matched | p50 | p90 | p99 | CPU | RSS | wall |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
        for (key in n) {
            split(key, part, " ")
            line = "| " part[1] " | " part[2]
            for (i = 3; i <= 9; i++) {
                for (j = 1; j <= n[key]; j++) sorted[j] = value[key, i, j] + 0
                for (j = 2; j <= n[key]; j++) for (k = j; k > 1 && sorted[k] < sorted[k - 1]; k--) {
                    swap = sorted[k]; sorted[k] = sorted[k - 1]; sorted[k - 1] = swap
                }
                line = line " | " sorted[int((n[key] + 1) / 2)]
            }
            print line " |" | "sort"
        }
    }' "$work/rows"
