#!/usr/bin/env bash
# sqlglot's executor: UNION, EXCEPT and INTERSECT of two queries of one table take one side twice
#
# Expected: `sqlglot.executor.execute` runs set operations of any two queries, and UNION has the rows of both.
# Happens: if both sides read the same table by the same name, only one side is evaluated and stands for both. Which one
#   changes from process to process. `EXCEPT` is always empty, and a total below a GROUP BY
#   replaces the groups or disappears. There is no error. Two aliases (`FROM runs AS p`, `FROM runs AS q`) or two tables
#   give the right rows; common table expressions do not help.
# Why it matters: the executor is an easy way to grade generated SQL without a database. A right query fails, or passes
#   against a reference in the same form that is as wrong; repeated runs of one suite give different scores.
# Package: sqlglot 30.30.0 (PyPI), executor; the same queries in sqlite3.
# Seen 2026-12-01 (x = 1, 2, 3; 8 processes each):
#   x > 1 UNION ALL x < 2     sqlite [1, 2, 3]  sqlglot [1, 1] or [2, 2, 3, 3]
#   max UNION ALL min         sqlite [1, 3]     sqlglot [1, 1] or [3, 3]
#   x > 1 INTERSECT x < 3     sqlite [2]        sqlglot [1, 2] or [2, 3]
#   all EXCEPT x > 1          sqlite [1]        sqlglot []
#   the same in two WITH      sqlite [1, 2, 3]  sqlglot [1, 1] or [2, 2, 3, 3]
#   with two aliases          sqlite [1, 2, 3]  sqlglot [1, 2, 3]
# Needs: python3 (3.10 or newer) with venv. Sends nothing.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --no-compile --disable-pip-version-check sqlglot==30.30.0
cat > "$dir/query.py" <<'PY'
import json
import sys

from sqlglot.executor import execute

rows = [{"x": 1}, {"x": 2}, {"x": 3}]
results = [
    sorted(row[0] for row in execute(sql, schema={"runs": {"x": "int"}}, tables={"runs": rows}, dialect="sqlite").rows)
    for sql in json.load(sys.stdin)
]
print(json.dumps(results))
PY
cat > "$dir/check.py" <<'PY'
import json
import sqlite3
import subprocess
import sys

cases = [
    ("x > 1 UNION ALL x < 2", "SELECT x FROM runs WHERE x > 1 UNION ALL SELECT x FROM runs WHERE x < 2",
     [[1, 1], [2, 2, 3, 3]]),
    ("max UNION ALL min", "SELECT MAX(x) AS x FROM runs UNION ALL SELECT MIN(x) AS x FROM runs", [[1, 1], [3, 3]]),
    ("x > 1 INTERSECT x < 3", "SELECT x FROM runs WHERE x > 1 INTERSECT SELECT x FROM runs WHERE x < 3", [[1, 2], [2, 3]]),
    ("all EXCEPT x > 1", "SELECT x FROM runs EXCEPT SELECT x FROM runs WHERE x > 1", [[]]),
    ("the same in two WITH", "WITH l AS (SELECT x FROM runs WHERE x > 1), r AS (SELECT x FROM runs WHERE x < 2) "
     "SELECT x FROM l UNION ALL SELECT x FROM r", [[1, 1], [2, 2, 3, 3]]),
    ("with two aliases", "SELECT p.x FROM runs AS p WHERE p.x > 1 UNION ALL SELECT q.x FROM runs AS q WHERE q.x < 2",
     [[1, 2, 3]]),
]
database = sqlite3.connect(":memory:")
database.execute("CREATE TABLE runs (x INTEGER)")
database.executemany("INSERT INTO runs VALUES (?)", [(1,), (2,), (3,)])

queries = json.dumps([sql for _, sql, _ in cases])
processes = [
    json.loads(subprocess.run([sys.executable, sys.argv[1]], input=queries, capture_output=True, text=True, check=True).stdout)
    for _ in range(8)
]
for number, (label, sql, possible) in enumerate(cases):
    right = sorted(row[0] for row in database.execute(sql))
    seen = sorted({tuple(results[number]) for results in processes})
    print(f"{label:<25} sqlite {str(right):<10} sqlglot {' or '.join(str(list(rows)) for rows in seen)}")
    assert all(list(rows) in possible for rows in seen), seen
    assert (right in possible) == (label == "with two aliases")
PY
timeout 120 "$dir/venv/bin/python" "$dir/check.py" "$dir/query.py"
