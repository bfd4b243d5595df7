#!/usr/bin/env bash
# OpenLLMetry: a stream with `with_raw_response` is a span of 0 s without tokens, and is in no metric
#
# Expected: `with_raw_response`, and LangChain's `include_response_headers=True`, only add the response headers.
#   Duration, TTFT and tokens in traces are those of the same stream without them.
# Happens: OpenLLMetry ends the span when the headers are there, before the first token: no tokens, no TTFT, and the
#   request is missing from `gen_ai.client.operation.duration`. Raw responses that are not streams are complete.
#   OpenInference, on the same requests, has everything in both cases.
# Why it matters: a comparison of gateways reads headers (request id, rate limits, upstream, cache), perhaps for some
#   of the models only. Those then seem to cost nothing and to answer at once; no span has an error.
# Packages: opentelemetry-instrumentation-openai 0.62.4, openinference-instrumentation-openai 0.1.66, openai 3.57.0,
#   langchain-openai 1.7.4, opentelemetry-sdk 1.45.2 (PyPI).
# Seen 2026-12-01 (the headers come at once, the first chunk after 0.5 s, the end after 1 s; 100 prompt tokens):
#   OpenLLMetry    stream                    1.0 s  100 tokens  TTFT 0.5
#   OpenLLMetry    raw stream                0.0 s  no tokens   TTFT none
#   OpenLLMetry    LangChain                 1.0 s  100 tokens  TTFT 0.5
#   OpenLLMetry    LangChain with headers    0.0 s  no tokens   TTFT none
#   OpenLLMetry    raw, no stream            1.0 s  100 tokens  TTFT none
#   OpenInference  stream                    1.0 s  100 tokens  TTFT 0.5
#   OpenInference  raw stream                1.0 s  100 tokens  TTFT 0.5
#   OpenInference  LangChain                 1.0 s  100 tokens  TTFT 0.5
#   OpenInference  LangChain with headers    1.0 s  100 tokens  TTFT 0.5
#   OpenInference  raw, no stream            1.0 s  100 tokens  TTFT none
# Needs: python3 (3.10 or newer) with venv. The server is on 127.0.0.1.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --no-compile --disable-pip-version-check opentelemetry-instrumentation-openai==0.62.4 \
  openinference-instrumentation-openai==0.1.66 openai==3.57.0 langchain-openai==1.7.4 opentelemetry-sdk==1.45.2
cat > "$dir/check.py" <<'PY'
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import openai
from langchain_openai import ChatOpenAI
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

USAGE = {"prompt_tokens": 100, "completion_tokens": 2, "total_tokens": 102}
HEAD = {"id": "c", "created": 1, "model": "m"}


class Server(BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if request.get("stream") else "application/json")
        self.end_headers()
        self.wfile.flush()
        if request.get("stream"):
            for delta, finish in (({"role": "assistant", "content": "4"}, None), ({"content": "2"}, "stop")):
                time.sleep(0.5)
                self.event([{"index": 0, "delta": delta, "finish_reason": finish}])
            self.event([], USAGE)
            self.wfile.write(b"data: [DONE]\n\n")
        else:
            time.sleep(1)
            message = {"role": "assistant", "content": "42"}
            choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
            answer = HEAD | {"object": "chat.completion", "choices": choices, "usage": USAGE}
            self.wfile.write(json.dumps(answer).encode())

    def event(self, choices, usage=None):
        chunk = HEAD | {"object": "chat.completion.chunk", "choices": choices, "usage": usage}
        self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        self.wfile.flush()


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
base = f"http://127.0.0.1:{server.server_port}/v1"

exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
tracers, meters = TracerProvider(), MeterProvider([reader])
tracers.add_span_processor(SimpleSpanProcessor(exporter))
library = sys.argv[1]
if library == "OpenLLMetry":
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument(tracer_provider=tracers, meter_provider=meters)
else:
    from openinference.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument(tracer_provider=tracers)

completions = openai.OpenAI(base_url=base, api_key="k", max_retries=0).chat.completions
question = {"model": "m", "messages": [{"role": "user", "content": "6 x 7?"}]}
streamed = question | {"stream": True, "stream_options": {"include_usage": True}}
chat = {"model": "m", "base_url": base, "api_key": "k", "stream_usage": True, "use_responses_api": False}


def requests_counted():
    data = reader.get_metrics_data()
    scopes = [scope for resource in (data.resource_metrics if data else []) for scope in resource.scope_metrics]
    return sum(
        point.count
        for scope in scopes for metric in scope.metrics if metric.name == "gen_ai.client.operation.duration"
        for point in metric.data.data_points
    )


def measure(send):
    exporter.clear()
    before = requests_counted()
    send()
    [span] = exporter.get_finished_spans()
    tokens = span.attributes.get("gen_ai.usage.input_tokens", span.attributes.get("llm.token_count.prompt"))
    first = [event.timestamp for event in span.events if "First Token" in event.name or event.name.endswith("chunk")]
    ttft = (first[0] - span.start_time) / 1e9 if first else None
    return (span.end_time - span.start_time) / 1e9, tokens, ttft, requests_counted() - before


complete, whole = (1.0, 100, 0.5), (1.0, 100, None)
raw = (0.0, None, None) if library == "OpenLLMetry" else complete
for label, send, expected in [
    ("stream", lambda: list(completions.create(**streamed)), complete),
    ("raw stream", lambda: list(completions.with_raw_response.create(**streamed).parse()), raw),
    ("LangChain", lambda: list(ChatOpenAI(**chat).stream("6 x 7?")), complete),
    ("LangChain with headers", lambda: list(ChatOpenAI(**chat, include_response_headers=True).stream("6 x 7?")), raw),
    ("raw, no stream", lambda: completions.with_raw_response.create(**question).parse(), whole),
]:
    seconds, tokens, ttft, counted = measure(send)
    amount = "no tokens" if tokens is None else f"{tokens} tokens"
    print(f"{library:<14} {label:<24} {seconds:4.1f} s  {amount:<10}  TTFT {'none' if ttft is None else f'{ttft:.1f}'}")
    assert abs(seconds - expected[0]) < 0.3, seconds
    assert tokens == expected[1], tokens
    assert (ttft is None) == (expected[2] is None), ttft
    assert ttft is None or abs(ttft - expected[2]) < 0.2, ttft
    if library == "OpenLLMetry":
        assert counted == (0 if expected == raw else 1), counted
server.shutdown()
PY
for library in OpenLLMetry OpenInference; do
  timeout 120 "$dir/venv/bin/python" "$dir/check.py" "$library"
done
