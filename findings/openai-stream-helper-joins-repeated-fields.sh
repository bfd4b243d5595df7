#!/usr/bin/env bash
# openai (Python): the stream helper joins fields that a server repeats: role "assistantassistantassistant"
#
# Expected: chat.completions.stream() adds up content and arguments. A field that names something, such as role, a tool
#   call's id and name, or the model, is taken once however often it comes.
# Happens: every text of a delta is appended and every number is added, except index and type. Servers that send
#   `role` with each chunk, as Ollama does, give role "assistantassistantassistant"; a tool call's repeated id
#   and name are doubled, so that no tool of that name exists; a vendor's `cost` per chunk is summed. Fields beside
#   choices are the first chunk's: with a first chunk of prompt filter results, whose model is empty, model is "".
#   An answer that reaches max_tokens raises LengthFinishReasonError, also where no format was asked for, and a
#   stream cut before its finish reason raises nothing.
# Why it matters: the final message is meant to be appended to the conversation; the next request is then refused
#   for its role. Answers are lost by their length, and half answers are accepted.
# Package: openai 3.57.0 (PyPI), openai/lib/streaming/_deltas.py, accumulate_delta.
# Seen 2026-11-30:
#   role in each of 3 chunks     role 'assistantassistantassistant', content 'ab'
#   tool id and name twice       id 'tt', name 'ff', arguments '{}'
#   number in 2 chunks           cost 1.0
#   first chunk without model    model ''
#   finish_reason length         LengthFinishReasonError
#   cut before a finish reason   finish_reason None, content 'ab'
# Needs: python3 (3.10 or newer) with venv. The server is on 127.0.0.1.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --no-compile --disable-pip-version-check openai==3.57.0
cat > "$dir/check.py" <<'PY'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from openai import OpenAI


def chunk(delta, finish=None, model="m"):
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": [choice]}


def call(arguments):
    function = {"name": "f", "arguments": arguments}
    return chunk({"tool_calls": [{"index": 0, "id": "t", "type": "function", "function": function}]})


role = {"role": "assistant"}
filtered = chunk({}, model="") | {"choices": [], "prompt_filter_results": []}
streams = [
    ("role in each of 3 chunks", [chunk(role | {"content": "a"}), chunk(role | {"content": "b"}), chunk(role, "stop")]),
    ("tool id and name twice", [call("{"), call("}"), chunk({}, "tool_calls")]),
    ("number in 2 chunks", [chunk({"content": "a", "cost": 0.5}), chunk({"content": "b", "cost": 0.5}, "stop")]),
    ("first chunk without model", [filtered, chunk(role | {"content": "a"}, "stop")]),
    ("finish_reason length", [chunk(role | {"content": "a"}, "length")]),
    ("cut before a finish reason", [chunk(role | {"content": "a"}), chunk({"content": "b"})]),
]
current = []


class Server(BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        body = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in current)
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = OpenAI(base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key="k", max_retries=0)


def describe(label):
    try:
        with client.chat.completions.stream(model="m", messages=[{"role": "user", "content": "?"}]) as stream:
            completion = stream.get_final_completion()
    except Exception as problem:
        return type(problem).__name__
    choice = completion.choices[0]
    message = choice.message
    if label.startswith("role"):
        return f"role {message.role!r}, content {message.content!r}"
    if label.startswith("tool"):
        tool = message.tool_calls[0]
        return f"id {tool.id!r}, name {tool.function.name!r}, arguments {tool.function.arguments!r}"
    if label.startswith("number"):
        return f"cost {message.model_dump()['cost']}"
    if label.startswith("first"):
        return f"model {completion.model!r}"
    return f"finish_reason {choice.finish_reason}, content {message.content!r}"


expected = [
    "role 'assistantassistantassistant', content 'ab'",
    "id 'tt', name 'ff', arguments '{}'",
    "cost 1.0",
    "model ''",
    "LengthFinishReasonError",
    "finish_reason None, content 'ab'",
]
for (label, current), right in zip(streams, expected, strict=True):
    seen = describe(label)
    print(f"{label:<28} {seen}")
    assert seen == right
server.shutdown()
PY
timeout 60 "$dir/venv/bin/python" "$dir/check.py"
