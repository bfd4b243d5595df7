#!/usr/bin/env bash
# Retry-After: 3600 on a 429: five official SDKs, three behaviours; those of OpenAI differ between Python and Node
#
# Expected: the SDKs come from one generator and have max_retries = 2. A wait above 60 s is not honoured, the SDK's own
#   back-off of about a second is used (as groq still does), and a request with timeout = 1 is
#   over after some seconds at most. At the least the Python and the Node SDK of one vendor agree.
# Happens, with the same answer from the server and timeout = 1 s:
#   openai (Python 3.57.0) gives up at once: one request. It waits up to 120 s, above that it does not retry.
#   openai (Node 7.59.0) ignores the header: three requests within some seconds.
#   groq (Python 1.7.0) ignores the header: three requests within some seconds.
#   anthropic (Python 2.14.0) and @anthropic-ai/sdk (Node 1.14.0) wait the hour. The call does not return,
#   the time-out does not count, nothing is printed. The Python source allows 49 days.
# Why it matters: a daily quota or a provider's outage is answered with such values. The same 429 is then one failure
#   of some milliseconds, three requests that count against the limit, or a worker that is silent for an hour: error
#   rates, request counts and run times of models behind different SDKs cannot be compared, and a comparison
#   without a deadline of its own around each call does not end.
# Packages: PyPI openai 3.57.0 (openai/_constants.py: MAX_RETRY_AFTER_DELAY), anthropic 2.14.0, groq 1.7.0
#   (_base_client.py: _calculate_retry_timeout); npm openai 7.59.0, @anthropic-ai/sdk 1.14.0.
# Seen 2026-11-29 (those that wait were watched for 10 s):
#   python openai     RateLimitError, 1 request(s)
#   python groq       RateLimitError, 3 request(s)
#   python anthropic  still waiting, 1 request(s)
#   node openai       RateLimitError, 3 request(s)
#   node anthropic    still waiting, 1 request(s)
# Needs: python3 (3.10 or newer) with venv, node 20 or newer with npm. Loopback only.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export NO_PROXY=127.0.0.1 no_proxy=127.0.0.1
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check openai==3.57.0 anthropic==2.14.0 groq==1.7.0
npm install --silent --no-audit --no-fund --cache "$dir/cache" --prefix "$dir" openai@7.59.0 @anthropic-ai/sdk@1.14.0
cat > calls.mjs <<'JS'
import OpenAI from 'openai';
import Anthropic from '@anthropic-ai/sdk';
const [name, base] = process.argv.slice(2);
const messages = [{role: 'user', content: 'hello'}];
const options = {apiKey: 'none', timeout: 1000};
try {
  if (name === 'openai') {
    await new OpenAI({...options, baseURL: `${base}/v1`}).chat.completions.create({model: 'm', messages});
  } else {
    await new Anthropic({...options, baseURL: base}).messages.create({model: 'm', max_tokens: 5, messages});
  }
} catch (e) {
  console.log(e.constructor.name);
}
JS
cat > calls.py <<'PY'
import sys

import anthropic
import groq
import openai

name, base = sys.argv[1:]
body = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
options = {"api_key": "none", "timeout": 1}
try:
    if name == "openai":
        openai.OpenAI(base_url=f"{base}/v1", **options).chat.completions.create(**body)
    elif name == "groq":
        groq.Groq(base_url=base, **options).chat.completions.create(**body)
    else:
        anthropic.Anthropic(base_url=base, **options).messages.create(max_tokens=5, **body)
except Exception as problem:
    print(type(problem).__name__)
PY
cat > check.py <<'PY'
import json
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

requests = []


class Limited(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        requests.append(time.monotonic())
        body = json.dumps({"type": "error", "error": {"type": "rate_limit_error", "message": "daily quota"}}).encode()
        self.send_response(429)
        self.send_header("retry-after", "3600")
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Limited)
threading.Thread(target=server.serve_forever, daemon=True).start()
base = f"http://127.0.0.1:{server.server_port}"
python, node = [sys.executable, "calls.py"], ["node", "calls.mjs"]
cases = [
    ("python openai", python + ["openai"], "RateLimitError", 1),
    ("python groq", python + ["groq"], "RateLimitError", 3),
    ("python anthropic", python + ["anthropic"], "still waiting", 1),
    ("node openai", node + ["openai"], "RateLimitError", 3),
    ("node anthropic", node + ["anthropic"], "still waiting", 1),
]
for label, command, outcome, count in cases:
    requests.clear()
    child = subprocess.Popen(command + [base], stdout=subprocess.PIPE, text=True)
    begin = time.monotonic()
    while not requests and child.poll() is None and time.monotonic() - begin < 60:
        time.sleep(0.05)            # imports can take long on a busy machine
    try:
        # one that gives up has time for it on a busy machine; one that waits is watched for 10 s
        seen = child.communicate(timeout=10 if outcome == "still waiting" else 45)[0].strip()
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        seen = "still waiting"
    print(f"{label:<17} {seen}, {len(requests)} request(s)", flush=True)
    assert (seen, len(requests)) == (outcome, count), (outcome, count)
PY
timeout 400 venv/bin/python check.py
