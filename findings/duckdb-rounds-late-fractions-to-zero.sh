#!/usr/bin/env bash
# DuckDB rounds fractions to integers when they first appear after the sampled rows
#
# Expected: a column whose sampled rows hold only the integer 0 becomes BIGINT, and a later 0.0042 makes the
#   read fail ("could not convert"), as text in such a column does, and as Polars does for the same files.
# Happens: the read succeeds. Every later fraction is rounded half to even: 5,000 requests of $0.0042 sum to
#   exactly 0 in CSV and in JSON lines. No error, no warning. Text in the same column does fail.
#   JSON lines have a second limit, of files: 40 files of 100 rows, all far below the sampled number of rows,
#   lose the fractions of the 40th, because types are taken from the first 32 files (maximum_sample_files).
#   CSV files with such a difference are refused instead.
# Why it matters: results of a comparison often begin with a free model, a simulator or a cached answer (cost 0),
#   a grader's 0 and 1, or waits of 0 ms. The rest is then summed as 0, or a score of 0.5 becomes 0.
#   Safe: write the number as 0.0, give the types, read with sample_size = -1, or union_by_name = true
#   where there are many JSON files.
# Package: duckdb 2.0.1 (PyPI). Documents: read_csv and read_json, parameters sample_size (20480),
#   maximum_sample_files (32).
# Seen 2026-11-29:
#   csv    paid rows 5000, sum 0, type BIGINT
#   json   paid rows 5000, sum 0, type BIGINT
#   json   written as 0.0: sum 21.0, type DOUBLE
#   json   0.5, 1.5, 2.5 after integers: [0, 2, 2]
#   json   text after integers: InvalidInputException
#   json   40 files of 100 rows: sum 0, type BIGINT; with union_by_name: 0.42, DOUBLE
#   csv    40 files of 100 rows: InvalidInputException
# Needs: python3 (3.10 or newer) with venv.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --no-compile --disable-pip-version-check duckdb==2.0.1
cat > "$dir/check.py" <<'PY'
import json
import sys
from pathlib import Path

import duckdb

base = Path(sys.argv[1])
zeros, paid = 25_000, 5_000


def csv(name, rows):
    (base / name).write_text("model,cost\n" + "".join(f"{m},{c}\n" for m, c in rows))
    return str(base / name)


def lines(name, values):
    (base / name).write_text("".join(json.dumps({"model": m, "cost": c}) + "\n" for m, c in values))
    return str(base / name)


def total(source):
    query = f"select count(*) filter (model = 'paid'), sum(cost), typeof(any_value(cost)) from {source}"
    return duckdb.sql(query).fetchall()[0]


def error(source):
    try:
        return total(source)
    except duckdb.Error as problem:
        return type(problem).__name__


rows = [("free", 0)] * zeros + [("paid", 0.0042)] * paid
count, cost, kind = total(f"'{csv('a.csv', rows)}'")
print(f"csv    paid rows {count}, sum {cost}, type {kind}")
assert (count, cost, kind) == (paid, 0, "BIGINT")
count, cost, kind = total(f"'{lines('a.jsonl', rows)}'")
print(f"json   paid rows {count}, sum {cost}, type {kind}")
assert (count, cost, kind) == (paid, 0, "BIGINT")

floats = [(m, float(c)) for m, c in rows]
_, cost, kind = total(f"'{lines('b.jsonl', floats)}'")
print(f"json   written as 0.0: sum {cost:.1f}, type {kind}")
assert round(cost, 6) == 21 and kind == "DOUBLE"

halves = lines("c.jsonl", [("free", 0)] * zeros + [("paid", x) for x in (0.5, 1.5, 2.5)])
seen = [r[0] for r in duckdb.sql(f"select cost from '{halves}' where model = 'paid' order by 1").fetchall()]
print("json   0.5, 1.5, 2.5 after integers:", seen)
assert seen == [0, 2, 2]

seen = error(f"'{lines('d.jsonl', [('free', 0)] * zeros + [('paid', 'n/a')])}'")
print("json   text after integers:", seen)
assert seen == "InvalidInputException"

for i in range(40):
    part = [("paid", 0 if i < 39 else 0.0042)] * 100
    lines(f"many-{i:02}.jsonl", part)
    csv(f"many-{i:02}.csv", part)
_, cost, kind = total(f"'{base}/many-*.jsonl'")
_, right, right_kind = total(f"read_json('{base}/many-*.jsonl', union_by_name = true)")
print(f"json   40 files of 100 rows: sum {cost}, type {kind}; with union_by_name: {right:.2f}, {right_kind}")
assert (cost, kind) == (0, "BIGINT") and round(right, 6) == 0.42 and right_kind == "DOUBLE"
seen = error(f"'{base}/many-*.csv'")
print("csv    40 files of 100 rows:", seen)
assert seen == "InvalidInputException"
PY
timeout 120 "$dir/venv/bin/python" "$dir/check.py" "$dir"
