#!/usr/bin/env bash
# statsmodels: a comparison whose p-value is NaN comes out of `multipletests` as significant
#
# Expected: a hypothesis with p = NaN, which could not be tested, is not rejected, or is an error; the others stay as
#   they are without it.
# Happens: with "holm" and "holm-sidak" (the default) it is rejected if all the others are. If one is not, it is not
#   either, and still counts as a test, so that 0.02 beside it is no longer rejected. "hommel" rejects
#   nothing at all. "fdr_bh" and "simes-hochberg" reject some, and return NaN as the adjusted p-value of all, also of
#   the rejected. No warning; neither docstring nor result mentions NaN. scipy's `false_discovery_control` raises.
# Why it matters: a paired t-test of two models with the same score on every prompt gives NaN. So the one pair without any
#   difference is reported as significantly different, if the other pairs are; with "hommel" clear differences disappear,
#   and with "fdr_bh" the verdicts and the table of p-values contradict each other.
# Packages: statsmodels 0.15.0 (PyPI), stats/multitest.py (Holm collects `pvals > threshold`, false for NaN, and rejects
#   the rest); scipy 1.17.1, numpy 2.4.6.
# Seen 2026-12-01 (rejected, adjusted p-values; the p-values in the order given):
#   ttest_rel of equal scores      p = nan
#   holm-sidak      0.001 0.002 nan            yes yes yes        0.003 0.004 nan
#   holm            0.001 0.002 nan            yes yes yes        0.003 0.004 nan
#   bonferroni      0.001 0.002 nan            yes yes no         0.003 0.006 nan
#   holm            0.001 0.01 0.02 0.6 nan    yes yes no no no   0.005 0.04 0.06 1 nan
#   holm            0.001 0.01 0.02 0.6        yes yes yes no     0.004 0.03 0.04 0.6
#   hommel          0.001 0.01 0.02 0.6 nan    no no no no no     nan nan nan nan nan
#   hommel          0.001 0.01 0.02 0.6        yes yes yes no     0.004 0.03 0.04 0.6
#   fdr_bh          0.001 0.01 0.02 0.6 nan    yes yes yes no no  nan nan nan nan nan
#   simes-hochberg  0.001 0.01 0.02 0.6 nan    yes yes no no no   nan nan nan nan nan
#   scipy false_discovery_control  ValueError
# Needs: python3 (3.11 or newer) with venv. Sends nothing.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --no-compile --disable-pip-version-check statsmodels==0.15.0 scipy==1.17.1 numpy==2.4.6
cat > "$dir/check.py" <<'PY'
import warnings
from math import isnan, nan

from scipy.stats import false_discovery_control, ttest_rel
from statsmodels.stats.multitest import multipletests


def words(numbers):
    return " ".join(f"{number:.3g}" for number in numbers)


scores = [1, 0, 1, 1, 0, 1]
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    untested = float(ttest_rel(scores, scores).pvalue)
print(f"{'ttest_rel of equal scores':<30} p = {untested}")
assert isnan(untested)

warnings.simplefilter("error")
two, four = [0.001, 0.002], [0.001, 0.01, 0.02, 0.6]
for method, pvalues, rejected, adjusted in [
    ("holm-sidak", two + [nan], "yes yes yes", "0.003 0.004 nan"),
    ("holm", two + [nan], "yes yes yes", "0.003 0.004 nan"),
    ("bonferroni", two + [nan], "yes yes no", "0.003 0.006 nan"),
    ("holm", four + [nan], "yes yes no no no", "0.005 0.04 0.06 1 nan"),
    ("holm", four, "yes yes yes no", "0.004 0.03 0.04 0.6"),
    ("hommel", four + [nan], "no no no no no", "nan nan nan nan nan"),
    ("hommel", four, "yes yes yes no", "0.004 0.03 0.04 0.6"),
    ("fdr_bh", four + [nan], "yes yes yes no no", "nan nan nan nan nan"),
    ("simes-hochberg", four + [nan], "yes yes no no no", "nan nan nan nan nan"),
]:
    result = multipletests(pvalues, method=method)
    seen = " ".join("yes" if each else "no" for each in result[0])
    print(f"{method:<15} {words(pvalues):<26} {seen:<18} {words(result[1])}")
    assert (seen, words(result[1])) == (rejected, adjusted), (rejected, adjusted)

try:
    outcome = str(false_discovery_control(four + [nan]))
except ValueError as problem:
    outcome = type(problem).__name__
print(f"{'scipy false_discovery_control':<30} {outcome}")
assert outcome == "ValueError"
PY
timeout 60 "$dir/venv/bin/python" "$dir/check.py"
