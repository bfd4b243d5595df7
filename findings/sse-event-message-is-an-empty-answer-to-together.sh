#!/usr/bin/env bash
# Four SDKs do not read all of server-sent events: with "event: message" Together's returns an empty answer, without an error
#
# Expected: official SDKs read each stream that the standard of server-sent events allows. `event: message` states the type that an event
#   without a type has anyhow, comments are skipped, the blank after `data:` is optional, and the data of one event may be on several lines.
# Happens: three of seven read all. With `event: message` Together's stream ends without a chunk and without an error; groq, of
#   the same generator as openai's SDK, raises TypeError, and openai reads it. huggingface_hub fails on data in several
#   lines; google-genai fails on comments, event lines and "data:{". All seven read CRLF, a CRLF divided over two writes, too.
# Why it matters: gateways and proxies write comments to keep a connection open while a model reasons, and some servers
#   name each event. The same endpoint has 100 % errors with one SDK, and answers of 0 tokens with another,
#   which a comparison of quality counts as wrong answers of the model.
# Packages: together 3.1.1, groq 1.7.0, huggingface_hub 2.4.0, google-genai 3.6.1, openai 3.57.0, mistralai 3.7.0,
#   openrouter 1.3.84 (PyPI).
# Seen 2026-12-01 (the answer is "one two"):
#                    plain          event-message  comment        no-blank       lines          crlf
#   openai           read           read           read           read           read           read
#   mistralai        read           read           read           read           read           read
#   openrouter       read           read           read           read           read           read
#   together         read           EMPTY          read           read           read           read
#   groq             read           error          read           read           read           read
#   huggingface_hub  read           read           read           read           error          read
#   google-genai     read           error          error          error          read           read
# Needs: python3 (3.10 or newer) with venv. The server is on 127.0.0.1.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --no-compile --disable-pip-version-check together==3.1.1 groq==1.7.0 huggingface_hub==2.4.0 \
  google-genai==3.6.1 openai==3.57.0 mistralai==3.7.0 openrouter==1.3.84
cat > "$dir/check.py" <<'PY'
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google import genai
from groq import Groq
from huggingface_hub import InferenceClient
from mistralai.client import Mistral
from openai import OpenAI
from openrouter import OpenRouter
from together import Together

SHAPES = {
    "plain": lambda text: [f"data: {text}\n\n"],
    "event-message": lambda text: [f"event: message\ndata: {text}\n\n"],
    "comment": lambda text: [f": keep-alive\n\ndata: {text}\n\n"],
    "no-blank": lambda text: [f"data:{text}\n\n"],
    "lines": lambda text: ["".join(f"data: {line}\n" for line in json.dumps(json.loads(text), indent=1).split("\n")) + "\n"],
    "crlf": lambda text: [f"data: {text}\r", "\n\r", "\n"],
}


def chat(text, finish=None):
    delta = {"role": "assistant", "content": text}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "system_fingerprint": "f",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def gemini(text):
    return {"candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": text}]}}]}


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def send(self, text):
        self.wfile.write(f"{len(text):x}\r\n{text}\r\n".encode())
        self.wfile.flush()

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        is_gemini = "streamGenerateContent" in self.path
        events = [gemini("one "), gemini("two")] if is_gemini else [chat("one "), chat("two"), chat("", "stop")]
        for event in events:
            for part in SHAPES[self.path.split("/")[1]](json.dumps(event)):
                self.send(part)
                time.sleep(0.02)
        if not is_gemini:
            self.send("data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
question = {"model": "m", "messages": [{"role": "user", "content": "?"}]}


def of_openai_shape(make, path="/v1"):
    def ask(base):
        client = make(base + path)
        return "".join(chunk.choices[0].delta.content or "" for chunk in client.chat.completions.create(stream=True, **question))
    return ask


def mistral(base):
    client = Mistral(server_url=base, api_key="k")
    return "".join(event.data.choices[0].delta.content or "" for event in client.chat.stream(**question))


def openrouter(base):
    client = OpenRouter(server_url=base, api_key="k")
    return "".join(chunk.choices[0].delta.content or "" for chunk in client.chat.send(stream=True, **question))


def google(base):
    client = genai.Client(api_key="k", http_options=genai.types.HttpOptions(base_url=base))
    return "".join(chunk.text or "" for chunk in client.models.generate_content_stream(model="m", contents="?"))


def see(ask, shape):
    try:
        answer = ask(f"http://127.0.0.1:{server.server_port}/{shape}")
    except Exception as error:
        return type(error).__name__
    return {"one two": "read", "": "EMPTY"}.get(answer, answer)


READ = ["read"] * 6
FAILED = "UnknownApiResponseError"
print(f"{'':17}" + "  ".join(f"{shape:<13}" for shape in SHAPES).rstrip())
for name, ask, expected in [
    ("openai", of_openai_shape(lambda url: OpenAI(base_url=url, api_key="k", max_retries=0)), READ),
    ("mistralai", mistral, READ),
    ("openrouter", openrouter, READ),
    ("together", of_openai_shape(lambda url: Together(base_url=url, api_key="k", max_retries=0)), ["read", "EMPTY", *READ[:4]]),
    ("groq", of_openai_shape(lambda url: Groq(base_url=url, api_key="k", max_retries=0), ""), ["read", "TypeError", *READ[:4]]),
    ("huggingface_hub", of_openai_shape(lambda url: InferenceClient(base_url=url, api_key="k")), [*READ[:4], "JSONDecodeError", "read"]),
    ("google-genai", google, ["read", FAILED, FAILED, FAILED, "read", "read"]),
]:
    seen = [see(ask, shape) for shape in SHAPES]
    print(f"{name:<17}" + "  ".join(f"{'error' if word.endswith('Error') else word:<13}" for word in seen).rstrip())
    assert seen == expected, seen
server.shutdown()
PY
timeout 120 "$dir/venv/bin/python" -W ignore "$dir/check.py" 2> "$dir/log" || { cat "$dir/log" >&2; exit 1; }
