#!/bin/sh
# Sends a suite from the tasks of a Slurm array, and merges their shards: `sh slurm.sh suites/quickstart.toml 8`.
# Submit it from a folder that every node sees; `bakeoff` must be on the PATH there.
set -eu
export SUITE="$1" SHARDS="$2"

array=$(sbatch --parsable --job-name=bakeoff --array="1-$SHARDS" --requeue --output=slurm-%A_%a.out --open-mode=append <<'TASK'
#!/bin/sh
# Named by array and task: a task that is requeued finds what it has sent, and sends the rest.
out=shards/$SLURM_ARRAY_JOB_ID/$SLURM_ARRAY_TASK_ID
for run in "$out"/*/*-shard-*; do
  if [ -e "$run/manifest.json" ]; then exec bakeoff resume "$run"; fi
done
exec bakeoff run "$SUITE" --shard "auto/$SHARDS" --output "$out" --yes
TASK
)

# `afterany`: `afterok` would wait for ever where one task failed, and the missing shard would not be named.
merge=$(sbatch --parsable --job-name=bakeoff-merge --dependency="afterany:$array" --output=slurm-%j.out <<TASK
#!/bin/sh
exec bakeoff merge shards/$array/*/*/*-shard-* --output reports/merged-$array
TASK
)
echo "array $array, then $merge: slurm-$merge.out and reports/merged-$array"
