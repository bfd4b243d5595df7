#!/usr/bin/env bash
# LiteLLM: a model that is listed without a price costs 0, a model that is not listed is an error, except at Fireworks
#
# Expected: completion_cost raises where it knows no price ("This model isn't mapped yet"), whether the name is
#   missing from the price map or listed there without one.
# Happens: only a missing name raises. An entry without a price is priced 0 without an error or a warning: it exists
#   for its capabilities, and absent prices are read as 0. Of 46 hosted chat models of that kind 45 cost 0.
#   A missing name at Fireworks does not raise either: if the name holds a size (70b) it gets the price of
#   that size, otherwise the entry fireworks-ai-default, which is 0.
# Why it matters: the cost column has no hole. A comparison calls such a model the cheapest, spend reports
#   leave it out, and a budget (max_budget) is never reached.
# Package: litellm 1.110.2 (PyPI), with the price map of the package; litellm/llms/fireworks_ai/cost_calculator.py.
# Seen 2026-11-30 (1,000 tokens in, 1,000 out):
#   perplexity/google/gemini-3-pro-preview             listed, no price   0
#   heroku/claude-4-sonnet                             listed, no price   0
#   gradient_ai/openai-gpt-4o                          listed, no price   0
#   snowflake/jamba-1.5-large                            listed, no price   0
#   heroku/no-such-model                               not listed         ModelNotMappedError
#   fireworks_ai/accounts/fireworks/models/new         not listed         0
#   fireworks_ai/accounts/fireworks/models/new-70b     not listed         0.0018
#   hosted entries without a price that cost 0: 45 of 46
# Needs: python3 (3.10 or newer) with venv. Sends nothing.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --no-compile --disable-pip-version-check litellm==1.110.2
cat > "$dir/check.py" <<'PY'
import litellm
from litellm import ModelResponse, Usage, completion_cost

litellm.suppress_debug_info = True
listed = {name: dict(entry) for name, entry in litellm.model_cost.items()}


def cost(model, provider=None):
    usage = Usage(prompt_tokens=1000, completion_tokens=1000, total_tokens=2000)
    try:
        return completion_cost(ModelResponse(model=model, usage=usage), model=model, custom_llm_provider=provider)
    except Exception as problem:
        return type(problem).__name__


fireworks = "fireworks_ai/accounts/fireworks/models/"
for model, expected in [
    ("perplexity/google/gemini-3-pro-preview", 0),
    ("heroku/claude-4-sonnet", 0),
    ("gradient_ai/openai-gpt-4o", 0),
    ("snowflake/jamba-1.5-large", 0),
    ("heroku/no-such-model", "ModelNotMappedError"),
    (fireworks + "new", 0),
    (fireworks + "new-70b", 0.0018),
]:
    seen = cost(model)
    kind = "listed, no price" if model in listed else "not listed"
    print(f"{model:50} {kind:18} {seen if isinstance(seen, str) else format(seen, 'g')}")
    assert not any("cost" in key for key in listed.get(model, {}))
    assert seen == expected if isinstance(expected, str) else abs(seen - expected) < 1e-9

unpriced = [
    (name, entry.get("litellm_provider"))
    for name, entry in listed.items()
    if entry.get("mode") in ("chat", "responses")
    and not any("cost" in key or "pricing" in key for key in entry)
    and entry.get("litellm_provider") not in ("chatgpt", "github_copilot")
]
free = [name for name, provider in unpriced if cost(name, provider) == 0]
print(f"hosted entries without a price that cost 0: {len(free)} of {len(unpriced)}")
assert (len(free), len(unpriced)) == (45, 46)
PY
LITELLM_LOCAL_MODEL_COST_MAP=True timeout 120 "$dir/venv/bin/python" "$dir/check.py"
