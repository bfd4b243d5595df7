#!/usr/bin/env bash
# openai 3.x sends through httpx2: httpx mocks let the request out, httpx tracing sees nothing
#
# Expected: tests that mock OpenAI calls with respx, and traces made by opentelemetry-instrumentation-httpx, go on
#   working after an upgrade of the SDK, or fail loudly.
# Happens: openai 3.57.0 depends on httpx2, a package of its own, which neither of the two patches. The mocked call
#   reaches the real server, and is paid for, while the mock raises nothing. The instrumentation writes no
#   span for it, and still does for a plain httpx request in the same process. VCR.py 9.4.2 does intercept.
# Why it matters: a test run that was offline becomes a run with a bill; a comparison that takes its latencies from
#   HTTP spans loses one SDK's requests without an error, and compares the rest.
# Packages: openai 3.57.0, respx 0.23.1, httpx 0.28.1, opentelemetry-instrumentation-httpx 0.66b2,
#   opentelemetry-sdk 1.45.2, vcrpy 9.4.2 (PyPI).
# Seen 2026-11-29:
#   respx around an httpx call:   answer mock, requests at the server 0
#   respx around an openai call:  answer real, requests at the server 1
#   spans of an httpx call:       1
#   spans of an openai call:      0
#   VCR.py replay, openai call:   answer real, requests at the server 0
# Needs: python3 (3.10 or newer) with venv. Loopback only.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export NO_PROXY=127.0.0.1 no_proxy=127.0.0.1
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --no-compile --disable-pip-version-check openai==3.57.0 httpx==0.28.1 respx==0.23.1 vcrpy==9.4.2 \
    opentelemetry-instrumentation-httpx==0.66b2 opentelemetry-sdk==1.45.2
cat > "$dir/check.py" <<'PY'
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import openai
import respx
import vcr
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

requests = []


def completion(text):
    message = {"role": "assistant", "content": text}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        requests.append(self.path)
        body = json.dumps(completion("real")).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
base = f"http://127.0.0.1:{server.server_port}/v1"
body = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


def by_openai():
    client = openai.OpenAI(base_url=base, api_key="none")
    return client.chat.completions.create(**body).choices[0].message.content


def by_httpx():
    answer = httpx.post(f"{base}/chat/completions", json=body)
    return answer.json()["choices"][0]["message"]["content"]


def show(label, call, expected):
    requests.clear()
    seen = (call(), len(requests))
    print(f"{label:<29} answer {seen[0]}, requests at the server {seen[1]}")
    assert seen == expected, expected


with respx.mock(assert_all_called=False) as mock:
    mock.post(f"{base}/chat/completions").mock(return_value=httpx.Response(200, json=completion("mock")))
    show("respx around an httpx call:", by_httpx, ("mock", 0))
    show("respx around an openai call:", by_openai, ("real", 1))

spans = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
HTTPXClientInstrumentor().instrument(tracer_provider=provider)
for name, call, expected in (("an httpx", by_httpx, 1), ("an openai", by_openai, 0)):
    spans.clear()
    call()
    count = len(spans.get_finished_spans())
    print(f"{f'spans of {name} call:':<29} {count}")
    assert count == expected, expected
HTTPXClientInstrumentor().uninstrument()

cassette = sys.argv[1] + "/cassette.yaml"
with vcr.use_cassette(cassette):
    by_openai()
with vcr.use_cassette(cassette, record_mode="none"):
    show("VCR.py replay, openai call:", by_openai, ("real", 0))
sys.stdout.flush()
os._exit(0)
PY
timeout 60 "$dir/venv/bin/python" "$dir/check.py" "$dir"
