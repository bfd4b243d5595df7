#!/usr/bin/env bash
# Usage in every chunk: LangChain and Pydantic AI add up the running totals, LiteLLM and OpenAI Agents take the last
#
# Expected: `usage` in a stream is the usage of the request so far, so that the last one counts. LangChain, which adds
#   chunks to each other, was expected to be wrong, the other three to be right.
# Happens: a stream of 4 chunks with usage in each, which ends at 10 prompt and 4 output tokens, is 40 and 10 tokens to
#   LangChain and to Pydantic AI by default. The longer the answer, the larger the factor: 1,000 chunks give
#   1,000 times the prompt and 500 times the output. LiteLLM and OpenAI Agents say 10 and 4.
# Why it matters: vLLM (continuous_usage_stats) and some hosted endpoints send usage with each chunk. Cost of the same
#   answer differs a thousandfold by the framework, and a token limit of an agent ends it after one answer.
# Packages: langchain-openai 1.7.4, pydantic-ai-slim 2.68.0, litellm 1.110.2, openai-agents 0.24.0, openai 3.57.0 (PyPI).
# Seen 2026-11-30 (tokens in, cached, out):
#   langchain-openai                              40  32  10
#   pydantic-ai                                   40  32  10
#   pydantic-ai, openai_continuous_usage_stats    10   8   4
#   litellm, stream_chunk_builder                 10   8   4
#   openai-agents                                 10   8   4
# Needs: python3 (3.10 or newer) with venv. The server is on 127.0.0.1.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --no-compile --disable-pip-version-check langchain-openai==1.7.4 \
  'pydantic-ai-slim[openai]==2.68.0' litellm==1.110.2 openai-agents==0.24.0 openai==3.57.0
cat > "$dir/check.py" <<'PY'
import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import litellm
from agents import Agent, OpenAIChatCompletionsModel, Runner, set_tracing_disabled
from langchain_openai import ChatOpenAI
from openai import AsyncOpenAI
from pydantic_ai import Agent as PydanticAgent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider


def chunk(text, tokens, finish=None):
    usage = {"prompt_tokens": 10, "completion_tokens": tokens, "total_tokens": 10 + tokens,
             "prompt_tokens_details": {"cached_tokens": 8}}
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return head | {"choices": [choice], "usage": usage}


events = [chunk("a", 1), chunk("b", 2), chunk("c", 3), chunk("d", 4, "stop")]
body = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"


class Server(BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
base = f"http://127.0.0.1:{server.server_port}/v1"


def langchain():
    model = ChatOpenAI(model="m", base_url=base, api_key="k", streaming=True, stream_usage=True, use_responses_api=False)
    usage = model.invoke("?").usage_metadata
    return usage["input_tokens"], usage["input_token_details"]["cache_read"], usage["output_tokens"]


def pydantic(**settings):
    async def run():
        model = OpenAIChatModel("m", provider=OpenAIProvider(base_url=base, api_key="k"), settings=settings)
        async with PydanticAgent(model).run_stream("?") as result:
            await result.get_output()
            usage = result.usage
            return usage.input_tokens, usage.cache_read_tokens, usage.output_tokens

    return asyncio.run(run())


def lite():
    chunks = litellm.completion(model="openai/m", messages=[{"role": "user", "content": "?"}], api_base=base,
                                api_key="k", stream=True, stream_options={"include_usage": True})
    usage = litellm.stream_chunk_builder(list(chunks)).usage
    return usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens, usage.completion_tokens


def agents():
    async def run():
        set_tracing_disabled(True)
        model = OpenAIChatCompletionsModel("m", AsyncOpenAI(base_url=base, api_key="k"))
        result = Runner.run_streamed(Agent(name="a", model=model), "?")
        async for _ in result.stream_events():
            pass
        usage = result.context_wrapper.usage
        return usage.input_tokens, usage.input_tokens_details.cached_tokens, usage.output_tokens

    return asyncio.run(run())


summed, last = (40, 32, 10), (10, 8, 4)
for label, run, expected in [
    ("langchain-openai", langchain, summed),
    ("pydantic-ai", pydantic, summed),
    ("pydantic-ai, openai_continuous_usage_stats", lambda: pydantic(openai_continuous_usage_stats=True), last),
    ("litellm, stream_chunk_builder", lite, last),
    ("openai-agents", agents, last),
]:
    seen = run()
    print(f"{label:<44} {seen[0]:3} {seen[1]:3} {seen[2]:3}")
    assert seen == expected
server.shutdown()
PY
OPENAI_API_KEY=k LITELLM_LOCAL_MODEL_COST_MAP=True timeout 120 "$dir/venv/bin/python" "$dir/check.py" 2>/dev/null | grep -v 'Provider List' | grep .
