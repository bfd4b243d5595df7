#!/usr/bin/env bash
# json_repair: of several objects of one shape only the last is returned, of different shapes all
#
# Expected: an answer with two JSON objects in it gives the first, or a list of both, whatever is in them.
# Happens: an object whose keys and value types equal those of the one before it replaces it ("treat repeated objects
#   as updates"). If one key or one type differs, the result is a list of both. A comma between them makes a
#   list of both as well. The README does not say it. A number with a comma becomes text without a remark,
#   prose without JSON becomes an empty string.
# Why it matters: it serves to read structured answers before they are graded. A model that writes a draft and then a final
#   object, or JSON lines of ten records, is graded by its last object; a model that repeats the example of the
#   prompt after its answer is graded by the example. Whether a list comes back depends on a value's
#   type (1 or 1.0, null or text), so that one prompt passes and the next raises an error in the grader.
# Package: json_repair 0.64.6 (PyPI), json_parser.py and utils/object_comparer.py (is_same_object compares keys
#   and types, not values).
# Seen 2026-11-29:
#   draft, then final                {'score': 9}
#   three lines of records           {'id': 3}
#   the same, one value 2.0          [{'id': 1}, {'id': 2.0}, {'id': 3}]
#   other keys                       [{'score': 2}, {'reason': 'short'}]
#   comma between                    [{'score': 2}, {'score': 9}]
#   strict=True                      ValueError
#   thousands separator              {'tokens': '1,234'}
#   prose                            ''
# Needs: python3 (3.10 or newer) with venv. Sends nothing.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --no-compile --disable-pip-version-check json_repair==0.64.6
cat > "$dir/check.py" <<'PY'
import json_repair

cases = [
    ("draft, then final", 'Draft: {"score": 2}. Final: {"score": 9}', {}, {"score": 9}),
    ("three lines of records", '{"id": 1}\n{"id": 2}\n{"id": 3}\n', {}, {"id": 3}),
    ("the same, one value 2.0", '{"id": 1}\n{"id": 2.0}\n{"id": 3}\n', {}, [{"id": 1}, {"id": 2.0}, {"id": 3}]),
    ("other keys", '{"score": 2} {"reason": "short"}', {}, [{"score": 2}, {"reason": "short"}]),
    ("comma between", '{"score": 2}, {"score": 9}', {}, [{"score": 2}, {"score": 9}]),
    ("strict=True", '{"score": 2} {"score": 9}', {"strict": True}, "ValueError"),
    ("thousands separator", '{"tokens": 1,234}', {}, {"tokens": "1,234"}),
    ("prose", "I cannot answer that.", {}, ""),
]
for label, text, options, expected in cases:
    try:
        seen = json_repair.loads(text, **options)
    except ValueError as problem:
        seen = type(problem).__name__
    print(f"{label:<32} {seen if isinstance(expected, str) and expected else repr(seen)}")
    assert seen == expected and type(seen) is type(expected), expected
PY
timeout 60 "$dir/venv/bin/python" "$dir/check.py"
