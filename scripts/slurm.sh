#!/bin/sh
# Runs docs/slurm.sh on a Slurm of one machine: an array of eight shards, one of which is requeued, and its merge job.
# Needs root and Debian's packages slurmctld, slurmd, slurm-client and munge; the daemons run from a temporary folder
# and end with this script. Usage: sudo sh scripts/slurm.sh [BAKEOFF]
set -eu
bakeoff=$(realpath "${1:-target/release/bakeoff}")
script=$(realpath "$(dirname "$0")/../docs/slurm.sh")
work=$(mktemp -d)
daemons=
stop() {
    for pid in $daemons; do kill "$pid" 2> /dev/null || true; done
    wait
    rm -rf "$work"
}
trap stop EXIT
fail() {
    echo "FAILED: $1"
    tail -n 20 "$work"/*.log "$work"/runs/slurm-*.out 2> /dev/null || true
    exit 1
}
# Runs a command until it succeeds, for at most so many seconds.
within() {
    seconds=$1
    shift
    while ! "$@" > /dev/null 2>&1; do
        seconds=$((seconds - 1))
        [ "$seconds" -gt 0 ] || return 1
        sleep 1
    done
}

chmod 755 "$work"
mkdir "$work/state" "$work/spool" "$work/runs" "$work/bin"
ln -s "$bakeoff" "$work/bin/bakeoff"
dd if=/dev/urandom of="$work/munge.key" bs=128 count=1 2> /dev/null
chmod 600 "$work/munge.key"
node=$(hostname -s)
user=$(id -un)
cat > "$work/slurm.conf" <<CONF
ClusterName=check
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=26817
SlurmdPort=26818
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
AuthInfo=socket=$work/munge.socket
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
NodeName=$node NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES State=UP
CONF
export SLURM_CONF="$work/slurm.conf"
munged --force --foreground --socket="$work/munge.socket" --key-file="$work/munge.key" --pid-file="$work/munge.pid" \
    --seed-file="$work/munge.seed" --log-file="$work/munge.log" > "$work/munged.log" 2>&1 &
daemons=$!
within 20 munge -n --socket="$work/munge.socket" || fail "munged did not start"
slurmctld -D > "$work/slurmctld.log" 2>&1 &
daemons="$daemons $!"
slurmd -D > "$work/slurmd.log" 2>&1 &
daemons="$daemons $!"
idle() { sinfo --noheader --format=%T | grep -q idle; }
within 60 idle || fail "the node did not come up"

cd "$work/runs"
PATH=$work/bin:$PATH
export PATH BAKEOFF_SIM_SEED=1 BAKEOFF_SCENARIO="$work/runs/scenario.toml"
cat > scenario.toml <<'SCENARIO'
[default]
ttft = { median_ms = 150, sigma = 0.2 }
gap = { median_ms = 5, sigma = 0.2 }
tokens = { median = 12, sigma = 0.3 }
SCENARIO
cat > suite.toml <<'SUITE'
name = "array"
models = ["anthropic/claude-haiku-4.5", "openai/gpt-6-luna"]
repetitions = 40
concurrency = 1
max_cost = 1
[parameters]
max_tokens = 40
SUITE
for id in a b c d e f; do printf '[[prompts]]\nid = "%s"\nuser = "Question %s?"\n' $id $id >> suite.toml; done
sh "$script" suite.toml 8
begun() { ls shards/*/1/array/*-shard-1-of-8/samples.jsonl; }
within 60 begun || fail "no task began"
array=$(basename "$(ls -d shards/*)")
# What a node failure does, or an operator.
scontrol requeue "${array}_1"
merged() { [ -e "reports/merged-$array/report.md" ]; }
within 600 merged || fail "the shards were not merged"
idle_queue() { [ -z "$(squeue --noheader)" ]; }
within 60 idle_queue || fail "jobs are left"

samples=$(cut -d, -f1 "reports/merged-$array/samples.csv" | tail -n +2 | sort -u | wc -l)
[ "$samples" = 480 ] || fail "$samples of 480 trials"
grep -q '"status": "complete"' "reports/merged-$array/manifest.json" || fail "the merged run is incomplete"
parts=$(grep -c '"start_ns"' "reports/merged-$array/manifest.json")
sort -u shards/*/*/ledger.jsonl | grep -o '"run":"[^"]*"\|"cap_usd":"[^"]*"' | paste - - | sort -u
echo "ok: 8 shards, $parts parts (one shard was requeued and resumed), $samples trials, merged by a job after the array"
tail -n 6 "slurm-$((array + 1)).out"
