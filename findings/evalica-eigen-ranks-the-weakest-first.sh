#!/usr/bin/env bash
# evalica: `eigen` ranks the weakest model first
#
# Expected: all ranking methods of the package give the highest score to the strongest model, and its result is sorted
#   from the best to the worst. On clear-cut data they agree about the order.
# Happens: `eigen` gives the highest score to the model that loses most, with both solvers. Bradley-Terry, Newman,
#   PageRank and the average win rate of the same package, given the same comparisons, say the opposite. Two models
#   get the same score, whatever the result.
#   Reason: the scores are the main eigenvector of a matrix with the wins of the row's model over the column's,
#   transposed. The docstring says "eigenvalue-based scores" and nothing about a direction.
# Why it matters: a leaderboard made with `method="eigen"` is upside down without a warning; the first row is the model
#   that one would drop.
# Package: evalica 0.4.2 (PyPI), eigen.
# Seen 2026-12-01 (4 models, 20 comparisons of each pair, no ties; a wins 12 to 15 of 20 against each):
#   average_win_rate   a b c d
#   bradley_terry      a b c d
#   newman             a b c d
#   pagerank           a b c d
#   eigen, pyo3        d c b a   0.631 0.538 0.436 0.350
#   eigen, naive       d c b a   0.631 0.538 0.436 0.350
#   eigen, a beats b 12:8        0.707 0.707
# Needs: python3 (3.10 or newer) with venv. Sends nothing.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --no-compile --disable-pip-version-check evalica==0.4.2
cat > "$dir/check.py" <<'PY'
import evalica
from evalica import Winner


def comparisons(results):
    rows = [
        (x, y, winner)
        for (x, y), (wins, losses) in results.items()
        for winner in [Winner.X] * wins + [Winner.Y] * losses
    ]
    return [list(column) for column in zip(*rows)]


four = comparisons({
    ("a", "b"): (12, 8), ("a", "c"): (14, 6), ("a", "d"): (15, 5),
    ("b", "c"): (12, 8), ("b", "d"): (14, 6), ("c", "d"): (12, 8),
})
for method in (evalica.average_win_rate, evalica.bradley_terry, evalica.newman, evalica.pagerank):
    order = list(method(*four).scores.index)
    print(f"{method.__name__:<18} {' '.join(order)}")
    assert order == ["a", "b", "c", "d"]

for solver in ("pyo3", "naive"):
    scores = evalica.eigen(*four, solver=solver).scores
    print(f"eigen, {solver:<11} {' '.join(scores.index)}   {' '.join(f'{score:.3f}' for score in scores)}")
    assert list(scores.index) == ["d", "c", "b", "a"]
    assert [round(float(score), 3) for score in scores] == [0.631, 0.538, 0.436, 0.350]

two = evalica.eigen(*comparisons({("a", "b"): (12, 8)})).scores
print(f"{'eigen, a beats b 12:8':<28} {two['a']:.3f} {two['b']:.3f}")
assert abs(two["a"] - two["b"]) < 1e-9
PY
timeout 60 "$dir/venv/bin/python" "$dir/check.py"
