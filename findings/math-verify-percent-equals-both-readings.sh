#!/usr/bin/env bash
# Math-Verify: 10% equals 10 and equals 0.1
#
# Expected: a percentage has one value. "10%" is 0.1, so that it differs from 10, or the sign is a unit, so that it
#   differs from 0.1. And where a = b and a = c, b = c.
# Happens: both readings pass, in both directions, alone and inside a sentence or \boxed{}: the parser takes the
#   value of 10% as 1/10, and the comparison by strings or floats tries the bare number as well. 10 and 0.1 differ.
# Why it matters: an answer that is wrong by a factor of 100, the most common fault of percentages, is graded as
#   right. Pass rates on tasks with percentages are too high, and two graders of the same answers disagree.
# Package: math-verify 0.9.0 with latex2sympy2_extended 1.11.0 (PyPI); math_verify/parser.py and grader.py.
# Seen 2026-11-29 (gold, answer, verify):
#   10%     0.1                    True
#   10%     10                     True
#   10      10%                    True
#   0.1     The rate is 10%.       True
#   10      The rate is 10%.       True
#   10      \boxed{10\%}           True
#   10      0.1                    False
# Needs: python3 (3.10 or newer) with venv. Sends nothing.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --no-compile --disable-pip-version-check math-verify==0.9.0 latex2sympy2_extended==1.11.0
cat > "$dir/check.py" <<'PY'
from math_verify import parse, verify

cases = [
    ("10%", "0.1", True),
    ("10%", "10", True),
    ("10", "10%", True),
    ("0.1", "The rate is 10%.", True),
    ("10", "The rate is 10%.", True),
    ("10", r"\boxed{10\%}", True),
    ("10", "0.1", False),
]
for gold, answer, expected in cases:
    seen = verify(parse(gold), parse(answer))
    print(f"{gold:<7} {answer:<22} {seen}")
    assert seen == expected, expected
PY
timeout 120 "$dir/venv/bin/python" "$dir/check.py"
