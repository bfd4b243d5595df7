#!/usr/bin/env bash
# langchain-anthropic streams: input tokens are 0 where message_delta carries output_tokens alone
#
# Expected: input tokens come from message_start, output tokens from message_delta, as in the first years of the
#   Messages API, and as its schema still allows: every count of a message_delta but output_tokens is optional.
#   A later event completes the earlier one.
# Happens: langchain-anthropic reads no usage from message_start at all and takes all counts from message_delta. A
#   server whose message_delta has output_tokens alone gives 0 input tokens, no cache counts and a total
#   equal to the output. Anthropic's SDK, on the same bytes, has them all. Where the delta repeats the
#   counts both agree.
# Why it matters: a server may send the short form, and recordings of older streams have it. Input is usually
#   most of the bill: its cost is then 0, without an error, for one framework and one server only.
# Packages: langchain-anthropic 1.7.10 with anthropic 2.14.0 (PyPI), langchain_anthropic/chat_models.py: the branch of
#   message_start says that usage will come with message_delta.
# Seen 2026-11-29:
#   short delta   sdk        input 20, cache read 100, output 7
#   short delta   langchain  input 0, cache read None, output 7
#   full delta    sdk        input 20, cache read 100, output 7
#   full delta    langchain  input 120, cache read 100, output 7   (its input includes the cache)
# Needs: python3 (3.10 or newer) with venv. Loopback only.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export NO_PROXY=127.0.0.1 no_proxy=127.0.0.1 LANGSMITH_TRACING=false
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --no-compile --disable-pip-version-check langchain-anthropic==1.7.10 anthropic==2.14.0
cat > "$dir/check.py" <<'PY'
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anthropic
from langchain_anthropic import ChatAnthropic

start = {"input_tokens": 20, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 100, "output_tokens": 1}
deltas = {"short": {"output_tokens": 7}, "full": {**start, "output_tokens": 7}}


def events(delta):
    message = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [],
               "stop_reason": None, "stop_sequence": None, "usage": start}
    yield {"type": "message_start", "message": message}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hello"}}
    yield {"type": "content_block_stop", "index": 0}
    yield {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": delta}
    yield {"type": "message_stop"}


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        delta = deltas[self.path.split("/")[1]]
        body = "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events(delta)).encode()
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
for name, expected in (("short", (0, None, 7)), ("full", (120, 100, 7))):
    base = f"http://127.0.0.1:{server.server_port}/{name}"
    body = {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "hello"}]}
    with anthropic.Anthropic(base_url=base, api_key="none").messages.stream(**body) as stream:
        usage = stream.get_final_message().usage
    sdk = (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens)
    whole = None
    for chunk in ChatAnthropic(model="m", base_url=base, api_key="none", max_tokens=10).stream("hello"):
        whole = chunk if whole is None else whole + chunk
    usage = whole.usage_metadata
    chain = (usage["input_tokens"], usage["input_token_details"].get("cache_read"), usage["output_tokens"])
    for who, seen in (("sdk", sdk), ("langchain", chain)):
        print(f"{name} delta".ljust(13), who.ljust(10), f"input {seen[0]}, cache read {seen[1]}, output {seen[2]}")
    assert sdk == (20, 100, 7), "sdk"
    assert chain == expected, expected
sys.stdout.flush()
os._exit(0)
PY
timeout 120 "$dir/venv/bin/python" "$dir/check.py"
