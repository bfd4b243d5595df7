#!/usr/bin/env bash
# anthropic 2.x writes a span of its own for each call: with any instrumentation the tokens of a trace are doubled
#
# Expected: a call has one span that states its tokens, that of the instrumentation that was set up: OpenTelemetry's own,
#   OpenLLMetry's, OpenInference's, Pydantic AI's, or the Langfuse handler of LangChain. At the least, these know of the SDK's
#   span and drop one of the two.
# Happens: the SDK depends on opentelemetry-api and writes a span with the whole usage as soon as the process has a tracer
#   provider, which each of the five sets up or is given. Both spans are CLIENT spans of a chat, or a generation and a span of
#   gen_ai attributes, mostly in one trace, so that the sum is twice the usage. Langfuse's default filter exports both.
#   It ends with ANTHROPIC_OPEN_TELEMETRY=false, or open_telemetry=False for the client.
#   The two differ: OpenLLMetry adds the output token that a stream begins with to the final count (6 for 5), and tokens
#   written to the cache are cache_write in one span and cache_creation in the other (Pydantic AI, OpenLLMetry).
# Why it matters: tokens and costs summed from traces double for one vendor's models with an upgrade of the SDK, and those of
#   the others do not (openai 3.57.0 writes no spans): a comparison of models by their traces shows Claude at twice its cost.
# Packages: anthropic 2.14.0 (anthropic/_tracing.py), opentelemetry-sdk 1.45.2, opentelemetry-instrumentation-genai-anthropic 1.3b0,
#   opentelemetry-instrumentation-anthropic 0.62.4 (OpenLLMetry), openinference-instrumentation-anthropic 3.1.0,
#   pydantic-ai-slim 2.68.0, langfuse 5.0.4, langchain-anthropic 1.7.10 (PyPI).
# Seen 2026-12-01 (one call of 100 input tokens, 12 of them written to the cache, and 5 output tokens):
#                                  traces  spans with usage  input  output  names of cache writes
#   SDK alone                           1                 1    100       5  cache_write
#   OpenTelemetry                       1                 2    200      10  cache_write
#   OpenTelemetry, SDK's spans off      1                 1    100       5  cache_write
#   OpenLLMetry                         2                 2    200      10  cache_creation, cache_write
#   OpenLLMetry, stream                 2                 2    200      11  cache_creation, cache_write
#   OpenInference                       1                 2    200      10  cache_write
#   Pydantic AI                         1                 2    200      10  cache_creation, cache_write
#   Langfuse handler of LangChain       1                 2    200      10  cache_write
# Needs: python3 (3.10 or newer) with venv. The server is on 127.0.0.1.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --no-compile --disable-pip-version-check anthropic==2.14.0 opentelemetry-sdk==1.45.2 \
  opentelemetry-instrumentation-genai-anthropic==1.3b0 opentelemetry-instrumentation-anthropic==0.62.4 \
  openinference-instrumentation-anthropic==3.1.0 'pydantic-ai-slim[anthropic]==2.68.0' langfuse==5.0.4 langchain-anthropic==1.7.10
cat > "$dir/check.py" <<'PY'
import importlib
import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

USAGE = {"input_tokens": 8, "cache_read_input_tokens": 80, "cache_creation_input_tokens": 12, "output_tokens": 5}
TEXT = {"type": "text", "text": "hi"}
MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5", "content": [TEXT],
           "stop_reason": "end_turn", "stop_sequence": None, "usage": USAGE}
START = MESSAGE | {"content": [], "stop_reason": None, "usage": USAGE | {"output_tokens": 1}}
EVENTS = [
    {"type": "message_start", "message": START},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": USAGE},
    {"type": "message_stop"},
]


class Server(BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if request.get("stream"):
            body = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in EVENTS)
        else:
            body = json.dumps(MESSAGE)
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if request.get("stream") else "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
base = f"http://127.0.0.1:{server.server_port}"
exporter = InMemorySpanExporter()
question = [{"role": "user", "content": "?"}]


def provider():
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(tracers)


def call_sdk(module=None, stream=False):
    provider()
    if module:
        importlib.import_module(module).AnthropicInstrumentor().instrument()
    from anthropic import Anthropic
    client = Anthropic(base_url=base, api_key="k")
    answer = client.messages.create(model="claude-haiku-4-5", max_tokens=9, messages=question, stream=stream)
    if stream:
        list(answer)


def call_pydantic():
    provider()
    from pydantic_ai import Agent
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider
    Agent.instrument_all()
    model = AnthropicModel("claude-haiku-4-5", provider=AnthropicProvider(api_key="k", base_url=base))
    Agent(model).run_sync("?")


def call_langfuse():
    from langchain_anthropic import ChatAnthropic
    from langfuse import Langfuse
    from langfuse.langchain import CallbackHandler
    langfuse = Langfuse(public_key="p", secret_key="s", host=base, span_exporter=exporter)
    model = ChatAnthropic(model="claude-haiku-4-5", base_url=base, api_key="k")
    model.invoke("?", config={"callbacks": [CallbackHandler()]})
    langfuse.flush()


def tokens(span):
    """Input tokens (cached ones included) and output tokens of a span of one call, by the names of each convention."""
    attributes = span.attributes
    for names in (("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"),
                  ("llm.token_count.prompt", "llm.token_count.completion")):
        if names[0] in attributes:
            return attributes[names[0]], attributes[names[1]]
    if details := attributes.get("langfuse.observation.usage_details"):
        usage = json.loads(details)
        return sum(usage[n] for n in ("input", "cache_read_input_tokens", "cache_creation_input_tokens")), usage["output"]
    return None


case = sys.argv[1]
{
    "SDK alone": call_sdk,
    "OpenTelemetry": lambda: call_sdk("opentelemetry.instrumentation.genai.anthropic"),
    "OpenTelemetry, SDK's spans off": lambda: call_sdk("opentelemetry.instrumentation.genai.anthropic"),
    "OpenLLMetry": lambda: call_sdk("opentelemetry.instrumentation.anthropic"),
    "OpenLLMetry, stream": lambda: call_sdk("opentelemetry.instrumentation.anthropic", stream=True),
    "OpenInference": lambda: call_sdk("openinference.instrumentation.anthropic"),
    "Pydantic AI": call_pydantic,
    "Langfuse handler of LangChain": call_langfuse,
}[case]()
spans = [span for span in exporter.get_finished_spans() if tokens(span)]
names = {name for span in spans for name in re.findall(r"gen_ai\.usage\.(\w+)\.input_tokens", " ".join(span.attributes))}
names.discard("cache_read")
traces = len({span.context.trace_id for span in spans})
row = traces, len(spans), *map(sum, zip(*map(tokens, spans))), ", ".join(sorted(names))
print(f"{case:<31}{row[0]:6}{row[1]:18}{row[2]:7}{row[3]:8}  {row[4]}")
old, new = "cache_creation", "cache_write"
assert row == {
    "SDK alone": (1, 1, 100, 5, new),
    "OpenTelemetry": (1, 2, 200, 10, new),
    "OpenTelemetry, SDK's spans off": (1, 1, 100, 5, new),
    "OpenLLMetry": (2, 2, 200, 10, f"{old}, {new}"),
    "OpenLLMetry, stream": (2, 2, 200, 11, f"{old}, {new}"),
    "OpenInference": (1, 2, 200, 10, new),
    "Pydantic AI": (1, 2, 200, 10, f"{old}, {new}"),
    "Langfuse handler of LangChain": (1, 2, 200, 10, new),
}[case], row
server.shutdown()
PY
echo "                               traces  spans with usage  input  output  names of cache writes"
run() {
  timeout 120 "$dir/venv/bin/python" -W ignore "$dir/check.py" "$1"
}
run "SDK alone"
run "OpenTelemetry"
ANTHROPIC_OPEN_TELEMETRY=false run "OpenTelemetry, SDK's spans off"
run "OpenLLMetry"
run "OpenLLMetry, stream"
run "OpenInference"
run "Pydantic AI"
run "Langfuse handler of LangChain"
