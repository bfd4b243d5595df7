#!/usr/bin/env bash
# hdrhistogram for Python gives another p95 than hdr-histogram-js for the same encoded histogram
#
# Expected: the percentiles of one encoded histogram are equal in every reader: the smallest recorded value at or below
#   which at least p percent of the values lie.
# Happens: JavaScript rounds the rank p * n / 100 up, Python rounds it to the nearest integer. Where the fraction is
#   below one half, Python's value is one rank lower: the p95 of 12 values is the eleventh, not the largest. Of the
#   sizes 2 to 200, half have another p99, 45 % another p95. It is never higher.
# Why it matters: percentiles of short runs and of CI jobs (10 to 200 requests) are ranks in the tail, where
#   neighbours are far apart: a threshold passes in a Python script and fails in a dashboard, on the same file.
# Packages: hdrhistogram 0.10.8 (PyPI), get_target_count_at_percentile; hdr-histogram-js 3.0.1 (npm),
#   getValueAtPercentile.
# Seen 2026-11-30 (values 1 to n, so that a value is its rank; one base64 text read by both):
#   n    p   python  javascript
#     7  75       5           6
#    12  95      11          12
#    20  95      19          19
#   160  99     158         159
#   different sizes of 199: p75 50, p95 90, p99 98
# Needs: python3 (3.10 or newer) with venv, node (20 or newer) and npm.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --no-compile --disable-pip-version-check hdrhistogram==0.10.8
npm install --silent --no-audit --no-fund --prefix "$dir" hdr-histogram-js@3.0.1 >/dev/null
cat > "$dir/encode.mjs" <<'JS'
import * as hdr from "hdr-histogram-js";

const rows = [];
for (let n = 2; n <= 200; n++) {
  const histogram = hdr.build({ highestTrackableValue: 3600000, numberOfSignificantValueDigits: 3 });
  for (let value = 1; value <= n; value++) histogram.recordValue(value);
  const values = [75, 95, 99].map((p) => histogram.getValueAtPercentile(p));
  rows.push([n, hdr.encodeIntoCompressedBase64(histogram), values]);
}
console.log(JSON.stringify(rows));
JS
node "$dir/encode.mjs" > "$dir/histograms.json"
cat > "$dir/check.py" <<'PY'
import json
import sys

from hdrh.histogram import HdrHistogram

differing, shown = {75: 0, 95: 0, 99: 0}, {}
for n, text, values in json.load(open(sys.argv[1])):
    histogram = HdrHistogram.decode(text)
    assert histogram.get_total_count() == n
    for p, javascript in zip(differing, values):
        python = histogram.get_value_at_percentile(p)
        assert javascript - python in (0, 1)
        differing[p] += javascript != python
        shown[n, p] = python, javascript
print("n    p   python  javascript")
for (n, p), expected in {(7, 75): (5, 6), (12, 95): (11, 12), (20, 95): (19, 19), (160, 99): (158, 159)}.items():
    python, javascript = shown[n, p]
    print(f"{n:3} {p:3} {python:7} {javascript:11}")
    assert (python, javascript) == expected
print("different sizes of 199:", ", ".join(f"p{p} {count}" for p, count in differing.items()))
assert differing == {75: 50, 95: 90, 99: 98}
PY
timeout 60 "$dir/venv/bin/python" "$dir/check.py" "$dir/histograms.json"
