#!/bin/sh
# Checks docs/kubernetes.yml by the schema of Kubernetes 1.37, and by those rules for Jobs that the schema does not have and
# an API server enforces. Needs Python and its registry; everything is installed in a temporary folder.
# Usage: sh scripts/check_kubernetes.sh
set -eu
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q kubernetes-validate==1.37.0
"$folder/venv/bin/kubernetes-validate" --strict docs/kubernetes.yml
"$folder/venv/bin/python" - docs/kubernetes.yml <<'PYTHON'
import sys
import yaml

jobs = {job["metadata"]["name"]: job for job in yaml.safe_load_all(open(sys.argv[1]))}
run, merge = jobs["bakeoff"], jobs["bakeoff-merge"]
spec = run["spec"]
assert spec["completionMode"] == "Indexed", "the index is that of an Indexed Job"
assert spec["completions"] >= spec["parallelism"] > 0
for job in jobs.values():
    assert job["kind"] == "Job" and job["apiVersion"] == "batch/v1"
    pod = job["spec"]["template"]["spec"]
    assert pod["restartPolicy"] == "Never", "backoffLimitPerIndex needs it"
    names = {volume["name"] for volume in pod["volumes"]}
    for container in pod["containers"]:
        assert all(isinstance(word, str) for word in container["args"]), "arguments are text"
        assert {mount["name"] for mount in container["volumeMounts"]} <= names
args = run["spec"]["template"]["spec"]["containers"][0]["args"]
assert args[args.index("--shard") + 1] == f"auto/{spec['completions']}", "as many shards as completions"
print("ok: the rules of Jobs")
PYTHON
