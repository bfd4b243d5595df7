#!/usr/bin/env bash
# agentevals: which side may omit arguments depends on the order mode, and `unordered` allows neither
#
# Expected: `tool_args_match_mode="superset"` accepts a call with the arguments of the reference and more, "subset" one
#   with fewer, in each `trajectory_match_mode`: the README describes both as relative to the reference.
# Happens: it holds in "strict" and in "superset". With trajectory mode "subset" the two sides are exchanged: "superset" passes
#   the call that omits an argument and fails the one that adds one. With "unordered" both directions must hold, so that
#   either setting is the same as "exact". A function in `tool_args_match_overrides` gets its two parameters
#   exchanged, or is called both ways. Calls are paired greedily: one with more arguments that comes first takes the
#   partner of a later call, and the score is False; the same calls in another order pass.
# Why it matters: "in any order, further arguments are fine" is a usual wish for agents. It fails each model that sets
#   an optional argument. Trajectory mode "subset", chosen to permit fewer calls, fails complete calls and passes those
#   without a required argument. Models are also ranked by the order of calls where order should not count.
# Package: agentevals 0.0.9 (PyPI), trajectory/subset.py and unordered.py (both call _is_trajectory_superset with the
#   sides exchanged), trajectory/utils.py (the first match is taken).
# Seen 2026-12-01 (score of a call that omits an argument, and of one that adds one):
#   args superset, strict      omits False  adds True
#   args superset, superset    omits False  adds True
#   args superset, subset      omits True   adds False
#   args superset, unordered   omits False  adds False
#   args subset, strict        omits True   adds False
#   args subset, superset      omits True   adds False
#   args subset, subset        omits False  adds True
#   args subset, unordered     omits False  adds False
#   override, strict           [('output', 'reference')]
#   override, superset         [('output', 'reference')]
#   override, subset           [('reference', 'output')]
#   override, unordered        [('output', 'reference'), ('reference', 'output')]
#   both superset, exact call first     True
#   both superset, longer call first    False
# Needs: python3 (3.10 or newer) with venv. Sends nothing.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --no-compile --disable-pip-version-check agentevals==0.0.9
cat > "$dir/check.py" <<'PY'
import json

from agentevals.trajectory.match import create_trajectory_match_evaluator


def trajectory(*arguments):
    messages = [{"role": "user", "content": "What is the weather?"}]
    for call in arguments:
        function = {"name": "weather", "arguments": json.dumps(call)}
        messages += [{"role": "assistant", "content": "", "tool_calls": [{"function": function}]},
                     {"role": "tool", "content": "sunny"}]
    return messages + [{"role": "assistant", "content": "It is sunny."}]


def score(output, reference, order, **options):
    evaluate = create_trajectory_match_evaluator(trajectory_match_mode=order, **options)
    return evaluate(outputs=trajectory(*output), reference_outputs=trajectory(*reference))["score"]


def check(label, seen, expected, text=None):
    print(f"{label:<26} {text or seen}")
    assert seen == expected, expected


place, full = {"city": "Paris"}, {"city": "Paris", "unit": "C"}
orders = ("strict", "superset", "subset", "unordered")
fewer, more, neither = (True, False), (False, True), (False, False)
for mode, scores in (("superset", (more, more, fewer, neither)), ("subset", (fewer, fewer, more, neither))):
    for order, expected in zip(orders, scores):
        omits = score([place], [full], order, tool_args_match_mode=mode)
        adds = score([full], [place], order, tool_args_match_mode=mode)
        check(f"args {mode}, {order}", (omits, adds), expected, f"omits {str(omits):<5}  adds {adds}")

right, exchanged = ("output", "reference"), ("reference", "output")
for order, expected in zip(orders, ([right], [right], [exchanged], [right, exchanged])):
    calls = []

    def accept(first, second):
        calls.append((first["side"], second["side"]))
        return True

    score([{"side": "output"}], [{"side": "reference"}], order, tool_args_match_overrides={"weather": accept})
    check(f"override, {order}", calls, expected)

for first, calls, expected in (("exact", [place, full], True), ("longer", [full, place], False)):
    seen = score(calls, [place, full], "superset", tool_args_match_mode="superset")
    check(f"both superset, {first} call first".ljust(35), seen, expected)
PY
timeout 60 "$dir/venv/bin/python" "$dir/check.py"
