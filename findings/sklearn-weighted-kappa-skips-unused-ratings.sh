#!/usr/bin/env bash
# scikit-learn: weighted kappa ignores how far apart two ratings are, and falls if two more items are agreed on
#
# Expected: `cohen_kappa_score(weights="quadratic")` weighs a disagreement by the difference of the two ratings: 2 against
#   5 counts 9 times as much as 4 against 5.
# Happens: by the difference of their positions in the sorted list of the ratings that occur. If no item got a 3 or a
#   4, 2 against 5 is one step. Two more items, rated 3 and 4 by both, lower the agreement from 0.79 to 0.62.
#   Ratings as strings are sorted as text, "10" before "2". `labels=` with the whole scale mends both. There is
#   no warning, and the docstring says of `labels` that it indexes the matrix, not that it sets the distances.
# Why it matters: this is the usual figure for how well a model as a judge agrees with people. Judges use few points
#   of a scale, so each is measured on a scale of its own: figures of two judges, or of two samples of one judge,
#   cannot be compared, and a judge gains by never using the middle.
# Package: scikit-learn 1.9.1 (PyPI), metrics/_classification.py (the weights are made of np.arange(n_classes)).
# Seen 2026-12-01 (16 items, 4 times 2 against 5):
#   judge of 1, 2 and 5                   0.795
#   the same, two more exact agreements   0.617
#   the same 16 items, labels=1 to 5      0.607
#   the same 16 items, by the values      0.607
#   ratings 2, 4 and 10 as numbers        0.795
#   the same as strings                   0.333
# Needs: python3 (3.11 or newer) with venv. Sends nothing.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --no-compile --disable-pip-version-check scikit-learn==1.9.1
cat > "$dir/check.py" <<'PY'
from statistics import mean

from sklearn.metrics import cohen_kappa_score

human = [1, 1, 2, 2, 2, 5, 5, 5] * 2
judge = [1, 1, 2, 2, 5, 2, 5, 5] * 2


def by_position(one, two, **options):
    return cohen_kappa_score(one, two, weights="quadratic", **options)


def by_value(one, two):
    observed = mean((a - b) ** 2 for a, b in zip(one, two))
    by_chance = mean((a - b) ** 2 for a in one for b in two)
    return 1 - observed / by_chance


doubled = [[2 * rating for rating in ratings] for ratings in (human, judge)]
for label, seen, expected in [
    ("judge of 1, 2 and 5", by_position(human, judge), 0.795),
    ("the same, two more exact agreements", by_position(human + [3, 4], judge + [3, 4]), 0.617),
    ("the same 16 items, labels=1 to 5", by_position(human, judge, labels=[1, 2, 3, 4, 5]), 0.607),
    ("the same 16 items, by the values", by_value(human, judge), 0.607),
    ("ratings 2, 4 and 10 as numbers", by_position(*doubled), 0.795),
    ("the same as strings", by_position(*[[str(rating) for rating in ratings] for ratings in doubled]), 0.333),
]:
    print(f"{label:<37} {seen:.3f}")
    assert round(float(seen), 3) == expected, expected
PY
timeout 60 "$dir/venv/bin/python" "$dir/check.py"
