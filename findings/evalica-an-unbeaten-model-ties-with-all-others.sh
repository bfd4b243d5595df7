#!/usr/bin/env bash
# evalica: one unbeaten model, and Bradley-Terry gives every model the same score
#
# Expected: if a model wins all its comparisons, its Bradley-Terry score has no finite maximum: a very high score, an
#   error, or a warning. The models that did lose keep their order.
# Happens: all scores become 0.000001, without a warning, and the predicted win rate of each pair is 0.5. The 7 to 3 of
#   the other two models is gone as well. Newman's method does the same. The rows then stand in the order of the
#   input, so that the unbeaten model may be the last. A model that never wins does it to Bradley-Terry, too.
#   One tie instead of a win brings the scores back. `bootstrap` draws such samples from data without
#   an unbeaten model: a model with 18 wins in 20 gets an interval that begins at 0.000001, as does every other.
# Why it matters: with some dozens of comparisons a clearly better model is often unbeaten; the table then says that all
#   are equal. Other packages tell: choix raises an error.
# Packages: evalica 0.4.2, choix 0.4.1 (PyPI).
# Seen 2026-12-01 (a beats b 10:0 and c 10:0, b beats c 7:3):
#   average_win_rate             a 1.000000  b 0.350000  c 0.150000
#   bradley_terry                a 0.000001  b 0.000001  c 0.000001
#   newman                       a 0.000001  b 0.000001  c 0.000001
#   bradley_terry, c first       c b a
#   predicted win rate of a over c: 0.5
#   bradley_terry, one tie       a 12.269057  b 0.451636  c 0.180468
#   bradley_terry, c never wins  a 0.000001  b 0.000001  c 0.000001
#   bootstrap of a 9:1 b, a 9:1 c, b 6:4 c: lower limits 0.000001 0.000001 0.000001
#   choix: ValueError
# Needs: python3 (3.10 or newer) with venv. Sends nothing.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --no-compile --disable-pip-version-check evalica==0.4.2 choix==0.4.1
cat > "$dir/check.py" <<'PY'
import warnings

import choix
import evalica
from evalica import Winner

warnings.simplefilter("error")  # a warning would fail the script


def comparisons(results):
    rows = [
        (x, y, winner)
        for (x, y), (wins, losses, ties) in results.items()
        for winner in [Winner.X] * wins + [Winner.Y] * losses + [Winner.Draw] * ties
    ]
    return [list(column) for column in zip(*rows)]


def show(label, scores):
    print(f"{label:<28} {'  '.join(f'{model} {scores[model]:.6f}' for model in 'abc')}")


def all_minimal(scores):
    return [float(score) for score in scores] == [1e-6] * 3


unbeaten = comparisons({("a", "b"): (10, 0, 0), ("a", "c"): (10, 0, 0), ("b", "c"): (7, 3, 0)})
rates = evalica.average_win_rate(*unbeaten).scores
show("average_win_rate", rates)
assert rates["a"] == 1 and rates["b"] > rates["c"]
for method in (evalica.bradley_terry, evalica.newman):
    for solver in ("pyo3", "naive"):
        scores = method(*unbeaten, solver=solver).scores
        assert all_minimal(scores), scores
    show(method.__name__, scores)

reordered = comparisons({("c", "b"): (3, 7, 0), ("c", "a"): (0, 10, 0), ("b", "a"): (0, 10, 0)})
scores = evalica.bradley_terry(*reordered).scores
print(f"{'bradley_terry, c first':<28} {' '.join(scores.index)}")
assert list(scores.index) == ["c", "b", "a"]
predicted = float(evalica.pairwise_frame(scores).loc["a", "c"])
print(f"predicted win rate of a over c: {predicted}")
assert predicted == 0.5

tie = comparisons({("a", "b"): (9, 0, 1), ("a", "c"): (10, 0, 0), ("b", "c"): (7, 3, 0)})
scores = evalica.bradley_terry(*tie).scores
show("bradley_terry, one tie", scores)
assert scores["a"] > 10 and scores["b"] > 2 * scores["c"]

winless = comparisons({("a", "b"): (6, 4, 0), ("a", "c"): (10, 0, 0), ("b", "c"): (10, 0, 0)})
scores = evalica.bradley_terry(*winless).scores
show("bradley_terry, c never wins", scores)
assert all(score < 1e-3 for score in scores)

close = comparisons({("a", "b"): (9, 1, 0), ("a", "c"): (9, 1, 0), ("b", "c"): (6, 4, 0)})
result = evalica.bootstrap(evalica.bradley_terry, *close, n_resamples=400, random_state=1, bootstrap_method="percentile")
lower = [float(result.low[model]) for model in "abc"]
print("bootstrap of a 9:1 b, a 9:1 c, b 6:4 c: lower limits", *(f"{limit:.6f}" for limit in lower))
assert all(limit < 1e-3 for limit in lower)

pairs = [(0, 1)] * 10 + [(0, 2)] * 10 + [(1, 2)] * 7 + [(2, 1)] * 3
try:
    choix.ilsr_pairwise(3, pairs)
except ValueError:
    print("choix: ValueError")
else:
    raise SystemExit("choix returned scores")
PY
timeout 120 "$dir/venv/bin/python" "$dir/check.py"
