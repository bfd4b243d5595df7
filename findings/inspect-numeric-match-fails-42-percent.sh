#!/usr/bin/env bash
# Inspect: match(numeric=True) fails "42%" for 42, passes "25%" for "5%"
#
# Expected: numeric=True finds the number in the answer whatever unit touches it, and compares numbers.
# Happens: both depend on a blank and on the target.
#   A number is a word, split at white space, that parses as a number after some punctuation is cut off. `$`, `€`
#   and `*` are cut off; `%`, `km`, `ms`, `~`, `=` and `/` are not. So "It is 42%" has no number for the target 42,
#   and "It is 42 %" has. A comma is removed wherever it stands: "1,5" is 15.
#   A target that is not itself a number ("5%", "5 km", "1/2") turns numeric comparison off without a word, and the
#   comparison is then the default one: the answer ends with the target. "25%" passes for "5%", "11/2" for "1/2".
# Why it matters: models differ in how they write units. The pass rate of one that writes "42%" is 0 where one that
#   writes "42 percent" has 100 %, with the same numbers; and a wrong answer passes where the target has a unit.
# Package: inspect_ai 0.3.285 (PyPI), inspect_ai/scorer/_common.py, match_str.
# Seen 2026-11-29 (answer, target, score; C is correct, I incorrect):
#   'It is 42%'          '42'     I
#   'It is 42 %'         '42'     C
#   'It is 42 percent'   '42'     C
#   'It took 42ms'       '42'     I
#   'It costs $42'       '42'     C
#   'x=42'               '42'     I
#   'It is 1,5'          '15'     C
#   'It is 25%'          '5%'     C
#   'It is 25 km'        '5 km'   C
#   'It is 11/2'         '1/2'    C
# Needs: python3 (3.10 or newer) with venv. Sends nothing.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --no-compile --disable-pip-version-check inspect_ai==0.3.285
cat > "$dir/check.py" <<'PY'
import asyncio

from inspect_ai.model import ModelOutput
from inspect_ai.scorer import Target, match
from inspect_ai.solver import TaskState

cases = [
    ("It is 42%", "42", "I"),
    ("It is 42 %", "42", "C"),
    ("It is 42 percent", "42", "C"),
    ("It took 42ms", "42", "I"),
    ("It costs $42", "42", "C"),
    ("x=42", "42", "I"),
    ("It is 1,5", "15", "C"),
    ("It is 25%", "5%", "C"),
    ("It is 25 km", "5 km", "C"),
    ("It is 11/2", "1/2", "C"),
]


async def main():
    score = match(numeric=True)
    for answer, target, expected in cases:
        state = TaskState(model="mockllm/model", sample_id=1, epoch=1, input="question", messages=[],
                          output=ModelOutput.from_content("mockllm/model", answer))
        seen = (await score(state, Target(target))).value
        print(f"{answer!r:<20} {target!r:<8} {seen}")
        assert seen == expected, expected


asyncio.run(main())
PY
HOME="$dir" timeout 120 "$dir/venv/bin/python" "$dir/check.py"
