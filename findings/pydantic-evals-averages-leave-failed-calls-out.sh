#!/usr/bin/env bash
# pydantic-evals: a case whose call failed, or whose evaluator raised, is not in the average
#
# Expected: a case without an answer counts as not passed, or the average says of how many cases it is. A case for which
#   `EqualsExpected` has no expected output is an error, or not passed.
# Happens: none of these is part of `report.averages()`. Nine refused calls and one right answer have the average 1.0; a
#   model that answers all ten and is wrong once has 0.9. An evaluator that raises (a judge that
#   cannot read its answer) takes its case out, too. The printed table has a row "Averages" of the remaining cases,
#   "100.0%" and a check mark, without their number; failures are in a table of their own below.
# Why it matters: models are ranked by this average. An endpoint that fails or times out for hard prompts ranks higher
#   than one that answers them, and a judge that raises for wrong answers alone makes all answers right.
# Package: pydantic-evals 2.62.0 (PyPI), Dataset.evaluate_sync and EvaluationReport.averages.
# Seen 2026-12-01 (10 cases):
#   9 right, 1 wrong                    average 0.9  cases 10  failures 0
#   1 right, 9 calls raise              average 1.0  cases 1   failures 9
#   5 right, 5 wrong                    average 0.5  cases 10  failures 0
#   the same, judge raises if wrong     average 1.0  cases 10  failures 0
#   5 right, 5 without expected output  average 1.0  cases 10  failures 0
#   printed: Averages 100.0% ✔
# Needs: python3 (3.10 or newer) with venv. Sends nothing.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --no-compile --disable-pip-version-check pydantic-evals==2.62.0
cat > "$dir/check.py" <<'PY'
import io
import re

from pydantic_evals import Case, Dataset
from pydantic_evals.evaluators import EqualsExpected, Evaluator
from rich.console import Console

RIGHT, WRONG, REFUSED = "42", "41", "refused"


class Judge(Evaluator):
    def evaluate(self, context):
        if context.output != context.expected_output:
            raise ValueError("the judge's answer is not JSON")
        return True


def model(answer):
    if answer == REFUSED:
        raise RuntimeError("429")
    return answer


def evaluate(answers, evaluator, expected=10):
    cases = [
        Case(name=f"case {number}", inputs=answer, expected_output=RIGHT if number < expected else None)
        for number, answer in enumerate(answers)
    ]
    return Dataset(name="suite", cases=cases, evaluators=[evaluator]).evaluate_sync(model, progress=False)


for label, report, expected in [
    ("9 right, 1 wrong", evaluate([RIGHT] * 9 + [WRONG], EqualsExpected()), (0.9, 10, 0)),
    ("1 right, 9 calls raise", evaluate([RIGHT] + [REFUSED] * 9, EqualsExpected()), (1.0, 1, 9)),
    ("5 right, 5 wrong", evaluate([RIGHT] * 5 + [WRONG] * 5, EqualsExpected()), (0.5, 10, 0)),
    ("the same, judge raises if wrong", evaluate([RIGHT] * 5 + [WRONG] * 5, Judge()), (1.0, 10, 0)),
    ("5 right, 5 without expected output", evaluate([RIGHT] * 10, EqualsExpected(), expected=5), (1.0, 10, 0)),
]:
    average, cases, failures = report.averages().assertions, len(report.cases), len(report.failures)
    print(f"{label:<35} average {average:.1f}  cases {cases:<3} failures {failures}")
    assert (round(average, 3), cases, failures) == expected

out = io.StringIO()
evaluate([RIGHT] + [REFUSED] * 9, EqualsExpected()).print(console=Console(file=out, width=120), include_durations=False)
[row] = [line for line in out.getvalue().splitlines() if "Averages" in line]
print("printed:", " ".join(re.sub("[│┃|]", " ", row).split()))
assert "100.0%" in row
PY
timeout 120 "$dir/venv/bin/python" "$dir/check.py"
