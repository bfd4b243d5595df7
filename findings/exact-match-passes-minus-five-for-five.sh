#!/usr/bin/env bash
# Exact match in Inspect and DSPy: "-5" is correct for 5, and "10:30" for 1030; in DSPy "1.5" is correct for 15, too
#
# Expected: exact() and answer_exact_match forgive case, articles and a final full stop. Numbers and signs are compared: an answer
#   that is another number does not pass. Inspect has rules for numbers (5.0 equals 5), so that it keeps their signs.
# Happens: both compare after the normalization of the SQuAD benchmark, whose answers are spans of prose. Inspect splits
#   at hyphens before it looks for numbers, and a minus sign is one: "-5" is 5. It keeps a decimal point, and removes what
#   else is punctuation inside a word: a fraction, a time or a list becomes one number. DSPy removes all punctuation, the decimal point
#   and the sign of an exponent included, so that an answer wrong by a factor of a million passes, and does not know 5.0 as 5.
#   Both take "x < y" for "x > y", and C# for C++. The documentation of both says that text is normalized, that of
#   DSPy also how; no option turns it off.
# Why it matters: a sign error and a slipped decimal point are the usual errors of models in arithmetic, and comparison
#   operators those in code. They count as right answers, and DSPy's optimizers select prompts by this metric.
# Packages: inspect_ai 0.3.285 (inspect_ai/scorer/_classification.py, exact), dspy 3.4.1 (dspy/evaluate/metrics.py,
#   EM, which answer_exact_match calls) (PyPI).
# Seen 2026-12-01 (does the answer pass for the target?):
#   answer  target  inspect  dspy
#   -5      5       yes      yes
#   7/2     72      yes      yes
#   10:30   1030    yes      yes
#   [1,2]   12      yes      yes
#   x < y   x > y   yes      yes
#   C#      C++     yes      yes
#   1.5     15      no       yes
#   1e-3    1e3     no       yes
#   +       -       no       yes
#   5.0     5       yes      no
#   6       5       no       no
# Needs: python3 (3.10 or newer) with venv. Sends nothing.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --no-compile --disable-pip-version-check inspect-ai==0.3.285 dspy==3.4.1
cat > "$dir/check.py" <<'PY'
import asyncio
from types import SimpleNamespace

import dspy
from dspy.evaluate import answer_exact_match
from inspect_ai.scorer import Target, exact


def inspect_passes(answer, target):
    state = SimpleNamespace(output=SimpleNamespace(completion=answer))
    return asyncio.run(exact()(state, Target(target))).value == "C"


def dspy_passes(answer, target):
    return bool(answer_exact_match(dspy.Example(answer=target), dspy.Prediction(answer=answer)))


print("answer  target  inspect  dspy")
for answer, target, inspect, by_dspy in [
    ("-5", "5", True, True),
    ("7/2", "72", True, True),
    ("10:30", "1030", True, True),
    ("[1,2]", "12", True, True),
    ("x < y", "x > y", True, True),
    ("C#", "C++", True, True),
    ("1.5", "15", False, True),
    ("1e-3", "1e3", False, True),
    ("+", "-", False, True),
    ("5.0", "5", True, False),
    ("6", "5", False, False),
]:
    seen = inspect_passes(answer, target), dspy_passes(answer, target)
    print(f"{answer:<6}  {target:<6}  " + "  ".join(f"{'yes' if passes else 'no':<7}" for passes in seen).rstrip())
    assert seen == (inspect, by_dspy)
PY
HOME="$dir" timeout 120 "$dir/venv/bin/python" -W ignore "$dir/check.py"
