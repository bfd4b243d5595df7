#!/usr/bin/env bash
# kubernetes-validate --strict passes `restartPolicy: Sometimes` and `memory: lots`; kubernetes-models refuses them. Both pass -4 completions
#
# Expected: strict validation against the schema of Kubernetes 1.37 refuses words that the API does not have, quantities
#   that are none, negative counts, a port above 65535 and an invalid name. Two validators of one schema agree.
# Happens: in the schema that kubernetes-validate ships, the only enumerations are those of `kind` and `apiVersion`: types and, with
#   --strict, unknown fields are checked, and everything else passes with exit code 0. kubernetes-models adds enumerations and a format for
#   quantities, and refuses five of the ten values that the other passes; it passes the other five, and an unknown field.
# Why it matters: an Indexed Job that divides a load over machines is green in CI with a lower-case `indexed` or a restart policy
#   that the API does not have, and fails when it is applied. A validator's "passed" says little without what it can refuse.
# Packages: PyPI kubernetes-validate 1.37.0, npm kubernetes-models 5.1.0.
# Seen 2026-12-01 (a valid Job with one change):
#                                        kubernetes-validate --strict  kubernetes-models
#   nothing changed                      passes                        passes
#   no such field                        refuses                       passes
#   completions: eight                   refuses                       refuses
#   restartPolicy: Sometimes             passes                        refuses
#   completionMode: indexed              passes                        refuses
#   imagePullPolicy: Occasionally        passes                        refuses
#   protocol: HTTP                       passes                        refuses
#   limits.memory: lots                  passes                        refuses
#   completions: -4                      passes                        passes
#   containerPort: 99999                 passes                        passes
#   metadata.name: Not A Name!           passes                        passes
#   an Indexed Job without completions   passes                        passes
#   two containers of one name           passes                        passes
# Needs: python3 (3.10 or newer) with venv, node 20 or newer with npm.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check kubernetes-validate==1.37.0
npm install --silent --no-audit --no-fund --cache "$dir/cache" --prefix "$dir" kubernetes-models@5.1.0
cat > validate.mjs <<'JS'
import { readFileSync } from 'fs';
import { Job } from 'kubernetes-models/batch/v1';
for (const { apiVersion, kind, ...job } of JSON.parse(readFileSync(0, 'utf8'))) {
  try {
    new Job(job).validate();
    console.log('passes');
  } catch {
    console.log('refuses');
  }
}
JS
cat > check.py <<'PY'
import copy
import json
import subprocess
import sys

JOB = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "load"},
    "spec": {
        "completionMode": "Indexed",
        "completions": 8,
        "parallelism": 8,
        "template": {
            "spec": {
                "restartPolicy": "Never",
                "containers": [
                    {
                        "name": "load",
                        "image": "load:1",
                        "imagePullPolicy": "Always",
                        "ports": [{"containerPort": 80, "protocol": "TCP"}],
                        "resources": {"limits": {"memory": "1Gi"}},
                    }
                ],
            }
        },
    },
}
POD = ["spec", "template", "spec"]
CONTAINER = [*POD, "containers", 0]
CASES = [
    ("nothing changed", ["metadata", "name"], "load", "passes", "passes"),
    ("no such field", ["spec", "nonsense"], 1, "refuses", "passes"),
    ("completions: eight", ["spec", "completions"], "eight", "refuses", "refuses"),
    ("restartPolicy: Sometimes", [*POD, "restartPolicy"], "Sometimes", "passes", "refuses"),
    ("completionMode: indexed", ["spec", "completionMode"], "indexed", "passes", "refuses"),
    ("imagePullPolicy: Occasionally", [*CONTAINER, "imagePullPolicy"], "Occasionally", "passes", "refuses"),
    ("protocol: HTTP", [*CONTAINER, "ports", 0, "protocol"], "HTTP", "passes", "refuses"),
    ("limits.memory: lots", [*CONTAINER, "resources", "limits", "memory"], "lots", "passes", "refuses"),
    ("completions: -4", ["spec", "completions"], -4, "passes", "passes"),
    ("containerPort: 99999", [*CONTAINER, "ports", 0, "containerPort"], 99999, "passes", "passes"),
    ("metadata.name: Not A Name!", ["metadata", "name"], "Not A Name!", "passes", "passes"),
    ("an Indexed Job without completions", ["spec", "completions"], None, "passes", "passes"),
    ("two containers of one name", [*POD, "containers"], 2, "passes", "passes"),
]


def changed(path, value):
    job = copy.deepcopy(JOB)
    *way, last = path
    place = job
    for step in way:
        place = place[step]
    if value is None:
        del place[last]
    elif last == "containers":
        place[last] *= value
    else:
        place[last] = value
    return job


jobs = [changed(path, value) for _, path, value, _, _ in CASES]
node = subprocess.run(["node", "validate.mjs"], input=json.dumps(jobs), capture_output=True, text=True, check=True)
same = True
print(f"{'':36} kubernetes-validate --strict  kubernetes-models")
for job, (what, _, _, *expected), models in zip(jobs, CASES, node.stdout.split()):
    with open("job.yaml", "w") as file:
        json.dump(job, file)  # JSON is YAML
    strict = subprocess.run(["venv/bin/kubernetes-validate", "--strict", "job.yaml"], capture_output=True)
    seen = ["refuses" if strict.returncode else "passes", models]
    print(f"{what:36} {seen[0]:29} {seen[1]}")
    same &= seen == expected
sys.exit(0 if same else "the behaviour changed")
PY
venv/bin/python check.py
