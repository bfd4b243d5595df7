#!/bin/sh
# Runs against full and read-only file systems, which need mounts of their own: `sudo sh scripts/disks.sh [BAKEOFF]`, or
# without root `unshare --user --map-root-user --mount sh scripts/disks.sh`. Prints a line for each case, exits 1 at the first
# that is not as docs/faults.md has it. Linux alone.
set -eu
bakeoff=$(realpath "${1:-target/release/bakeoff}")
if [ -z "${BAKEOFF_MOUNTS:-}" ]; then
    # The mounts end with this process.
    BAKEOFF_MOUNTS=1 exec unshare --mount sh "$0" "$bakeoff"
fi

work=$(mktemp -d)
trap 'umount -q "$work/runs" "$work/tmp" || true; rm -rf "$work"' EXIT
cd "$work"
mkdir runs tmp
cat > suite.toml <<'SUITE'
name = "s"
models = ["openai/gpt-4.1-nano", "openai/gpt-5-mini"]
repetitions = 40
warmup = 0
concurrency = 4
[parameters]
max_tokens = 40
[[prompts]]
id = "a"
user = "Why?"
[[prompts]]
id = "b"
user = "How?"
SUITE
trials=160
cat > scenario.toml <<'SCENARIO'
[default]
ttft = { median_ms = 6, sigma = 0.2 }
gap = { median_ms = 1, sigma = 0.2 }
tokens = { median = 12, sigma = 0.3 }
SCENARIO

fail() {
    echo "FAILED: $1"
    tail -n 20 out err 2>/dev/null || true
    exit 1
}

# Mounts `$1` with `$2` KiB, and makes the run or `resume` with the other arguments; the exit code is in `code`.
mounted() {
    umount -q "$1" || true
    mount -t tmpfs -o "size=${2}k" tmpfs "$1"
}
call() {
    code=0
    TMPDIR=$work/tmp BAKEOFF_CACHE_DIR=$work/cache "$bakeoff" "$@" --scenario scenario.toml >out 2>err || code=$?
}
run() {
    call run suite.toml --sim-seed 1 --output runs
}
folder() {
    ls -d runs/s/2*
}
has() {
    grep -q "$1" err || fail "no '$1' on standard error"
}
exits() {
    [ "$code" = "$1" ] || fail "exit code $code instead of $1"
}
# Every trial has one sample.
finished() {
    found=$(grep -o '"trial":[0-9]*' "$(folder)/samples.jsonl" | sort -u | wc -l)
    lines=$(wc -l < "$(folder)/samples.jsonl")
    [ "$found" = "$trials" ] && [ "$lines" = "$trials" ] || fail "$found trials in $lines lines"
}

# A disk that is full before the first request: nothing is sent.
mounted runs 64
head -c 65536 /dev/zero > runs/ballast 2>/dev/null || true
run
exits 2
has "No space left on device"
echo "ok: full before the run: exit 2"

# A disk that fills up in its course: the rest is in the folder for temporary files, and is joined.
mounted runs 160
run
exits 4
has "No space left on device"
has "puts them together and finishes the run"
grep -q '"incomplete"' "$(folder)/manifest.json" || fail "the manifest does not say so"
rescued=$(ls -d tmp/bakeoff-*/s/2*)
before=$(cat "$(folder)/samples.jsonl" "$rescued/samples.jsonl" | grep -c '}$')
mount -o remount,size=20m runs
call resume "$(folder)" --rescued "$rescued"
exits 0
has "resuming: $((trials - before)) trials of $trials are left"
finished
echo "ok: full in its course: exit 4, $before samples stored, joined and finished"

# The same, with a full folder for temporary files: the samples are on standard error.
mounted runs 160
mounted tmp 4
head -c 4096 /dev/zero > tmp/ballast
run
exits 4
has "store these lines in a file"
cp err printed
mount -o remount,size=20m runs
call resume "$(folder)" --rescued printed
exits 0
has " joined"
finished
echo "ok: both full: exit 4, $(grep -c '^{' printed) samples on standard error, joined and finished"
umount tmp

# A read-only folder: before the run, and of a run that is to be resumed or reported.
mounted runs 20480
run
exits 0
mount -o remount,ro runs
run
exits 2
has "Read-only file system"
call resume "$(folder)" --retry-failed
exits 2
has "Read-only file system"
call report "$(folder)" || true
echo "ok: read-only: exit 2, report $code"
