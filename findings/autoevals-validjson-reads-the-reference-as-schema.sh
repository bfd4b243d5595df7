#!/usr/bin/env bash
# autoevals: ValidJSON(schema=...) ignores its schema, and reads the reference answer as the schema
#
# Expected: the documented use, ValidJSON(schema=schema) and then eval(output=...), scores 0 for JSON that breaks
#   the schema; the reference answer, which eval frameworks pass as `expected`, plays no part.
# Happens: the constructor stores the schema and nothing reads it: every JSON object or array scores 1. The base
#   class hands `expected` on by position, and there ValidJSON's own method has `schema`. So the reference
#   answer is the schema: most objects allow everything (unknown keywords), one with a key such as `type` raises
#   SchemaError, and eval(schema=...) is a TypeError. The only way in is expected=schema.
# Why it matters: a structured-output check that cannot fail makes every model equal on it, with a pass rate of
#   100 % that looks like a result; and rows of a data set fail or pass by the names of their keys.
# Package: autoevals 0.4.1 (PyPI), autoevals/json.py, class ValidJSON (self.schema is set and not used; the class's
#   own example passes the schema to the constructor), and autoevals/score.py, Scorer.eval.
#   The package of the same name on npm takes the schema by name, and scores the first case 0.
# Seen 2026-11-29:
#   ValidJSON(schema), wrong type                          1
#   ValidJSON(schema), missing key                         1
#   ValidJSON(schema), array                               1
#   ValidJSON(schema), wrong type, with reference          1
#   ValidJSON(schema), not JSON                            0
#   eval(schema=schema)                                    TypeError
#   eval(expected=schema), wrong type                      0
#   eval(expected=schema), right type                      1
#   eval(expected={"type": "bug"}), the same answer        SchemaError
# Needs: python3 (3.10 or newer) with venv. Sends nothing.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --no-compile --disable-pip-version-check autoevals==0.4.1
cat > "$dir/check.py" <<'PY'
from autoevals import ValidJSON

schema = {
    "type": "object",
    "properties": {"priority": {"type": "integer"}},
    "required": ["priority"],
}
wrong, right = '{"priority": "high"}', '{"priority": 3}'
stored, plain = ValidJSON(schema=schema), ValidJSON()
cases = [
    ("ValidJSON(schema), wrong type", 1, lambda: stored.eval(output=wrong)),
    ("ValidJSON(schema), missing key", 1, lambda: stored.eval(output="{}")),
    ("ValidJSON(schema), array", 1, lambda: stored.eval(output="[]")),
    ("ValidJSON(schema), wrong type, with reference", 1,
     lambda: stored.eval(output=wrong, expected={"priority": 3})),
    ("ValidJSON(schema), not JSON", 0, lambda: stored.eval(output="priority: 3")),
    ("eval(schema=schema)", "TypeError", lambda: plain.eval(output=wrong, schema=schema)),
    ("eval(expected=schema), wrong type", 0, lambda: plain.eval(output=wrong, expected=schema)),
    ("eval(expected=schema), right type", 1, lambda: plain.eval(output=right, expected=schema)),
    ('eval(expected={"type": "bug"}), the same answer', "SchemaError",
     lambda: plain.eval(output='{"type": "bug"}', expected={"type": "bug"})),
]
for label, expected, run in cases:
    try:
        seen = run().score
    except Exception as problem:
        seen = type(problem).__name__
    print(f"{label:<54} {seen}")
    assert seen == expected, expected
PY
timeout 60 "$dir/venv/bin/python" "$dir/check.py"
