#!/bin/sh
# Fuzzes every input from outside, or those that are named: sh fuzz/run.sh [MINUTES [INPUT...]]
# Needs a nightly toolchain and cargo-fuzz. Prints the rows for TOTALS.md; what is found lies in fuzz/artifacts.
set -eu
cd "$(dirname "$0")"
minutes=${1:-5}
[ $# -gt 0 ] && shift
inputs=${*:-stream suite project samples manifest history ledger prices imports}
# Without the address sanitizer: there is no unsafe code here, and it halves the speed. With overflow checks.
cargo +nightly fuzz build --sanitizer none --debug-assertions --fuzz-dir .
target=$(ls -d target/*-*-*/release | head -n 1)
for input in $inputs; do
    mkdir -p "corpus/$input" "artifacts/$input"
    SEEDS=corpus/$input "$target/$input" > /dev/null 2>&1
    status=0
    "$target/$input" "corpus/$input" -max_total_time=$((minutes * 60)) -rss_limit_mb=1024 -timeout=20 \
        -artifact_prefix="artifacts/$input/" > "artifacts/$input.log" 2>&1 || status=$?
    runs=$(sed -n 's/^Done \([0-9]*\) runs.*/\1/p' "artifacts/$input.log")
    [ -n "$runs" ] || runs=$(sed -n 's/^#\([0-9]*\).*/\1/p' "artifacts/$input.log" | tail -n 1)
    found=$([ "$status" = 0 ] && echo nothing || echo "see artifacts/$input.log")
    echo "| $input | $(date -u +%Y-%m-%d) | $minutes | ${runs:-0} | $(ls "corpus/$input" | wc -l) | $found |"
done
