#!/usr/bin/env bash
# Mistral's templates v2 to v7 put the tools before the LAST user message: each new user turn moves them
#
# Expected: tool definitions stand at the start of the prompt, next to the system prompt, as in the request. A second
#   turn then only appends, and a prompt cache serves the whole first turn.
# Happens: the tools stand before the last user message. A second user turn moves them behind the first answer, so that
#   the two prompts part where the first user message begins. In v3 the system prompt moves with them: nothing
#   but the start token is common. Without tools v7 has the whole first turn as its prefix. (In the package's
#   source the position is `first` from template v13 on.)
# Why it matters: cost and TTFT of tool-using conversations are measured with prompt caches. With these templates the
#   cache can serve a handful of tokens of each new turn, however long tools and history are; a model of the
#   same family with a newer template serves all of it. `cached_tokens` near 0 is then neither the gateway's
#   fault nor a cold cache, and a suite without tools does not show it.
# Package: mistral-common 1.13.1 with sentencepiece 0.2.3 (PyPI; the vocabularies are in the wheel),
#   tokens/tokenizers/instruct.py: _message_position_to_encode_tools_settings.
# Seen 2026-11-29 (tokens that turn 1 and turn 2 share from the start, of the tokens of turn 1):
#   v3 without tools       2 of 9
#   v3 with a tool         1 of 51
#   v7 without tools       9 of 9
#   v7 with a tool         5 of 51
# Needs: python3 (3.10 or newer) with venv. Sends nothing.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --no-compile --disable-pip-version-check mistral-common==1.13.1 sentencepiece==0.2.3
cat > "$dir/check.py" <<'PY'
from mistral_common.protocol.instruct.messages import AssistantMessage, SystemMessage, UserMessage
from mistral_common.protocol.instruct.request import ChatCompletionRequest
from mistral_common.protocol.instruct.tool_calls import Function, Tool
from mistral_common.tokens.tokenizers.mistral import MistralTokenizer

tool = Tool(function=Function(name="get_w", description="d", parameters={"type": "object", "properties": {}}))
first = [SystemMessage(content="SYS"), UserMessage(content="U1")]
second = first + [AssistantMessage(content="A1"), UserMessage(content="U2")]
cases = [
    ("v3 without tools", MistralTokenizer.v3, None, 2, 9),
    ("v3 with a tool", MistralTokenizer.v3, [tool], 1, 51),
    ("v7 without tools", MistralTokenizer.v7, None, 9, 9),
    ("v7 with a tool", MistralTokenizer.v7, [tool], 5, 51),
]
for label, template, tools, shared, length in cases:
    encode = template().encode_chat_completion
    a = encode(ChatCompletionRequest(messages=first, tools=tools)).tokens
    turn = encode(ChatCompletionRequest(messages=second, tools=tools))
    b = turn.tokens
    common = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
    print(f"{label:<18} {common:>5} of {len(a)}")
    assert (common, len(a)) == (shared, length), (shared, length)
    if tools:
        text = turn.text
        assert text.index("U1") < text.index("[AVAILABLE_TOOLS]") < text.index("U2")
PY
timeout 120 "$dir/venv/bin/python" "$dir/check.py" 2>/dev/null
