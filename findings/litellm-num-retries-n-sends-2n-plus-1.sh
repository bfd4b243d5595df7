#!/usr/bin/env bash
# litellm.completion(num_retries=N) sends up to 2N+1 requests
#
# Expected: num_retries=2 means one request and at most two more, as the same setting means in litellm.Router
#   and in the OpenAI SDK that does the sending (max_retries=2).
# Happens: the value is used twice. The OpenAI client below retries N times inside the first call; when that
#   fails, LiteLLM's wrapper starts N further calls. 1, 2, 3 give 3, 5, 7 requests; the Router gives 3 for 2.
#   max_retries=N gives N+1.
# Why it matters: retries of a comparison are budgeted (money, rate limits, the load on a failing model). A failing
#   endpoint gets nearly twice the requests that the setting names, and all of it is one call, one latency and
#   one exception for the caller. A harness behind LiteLLM's SDK that multiplies the price of a request by
#   num_retries + 1 has no bound.
# Package: litellm 1.110.2 with openai 3.57.0 and tenacity (PyPI); litellm/main.py (num_retries becomes the client's
#   max_retries) and litellm/utils.py (the wrapper's retry after an exception).
# Seen 2026-11-29:
#   completion(num_retries=0): 1 request(s)
#   completion(num_retries=1): 3 request(s)
#   completion(num_retries=2): 5 request(s)
#   completion(num_retries=3): 7 request(s)
#   completion(max_retries=2): 3 request(s)
#   Router(num_retries=2): 3 request(s)
# Needs: python3 (3.10 or newer) with venv. Loopback only.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export NO_PROXY=127.0.0.1 no_proxy=127.0.0.1 LITELLM_LOCAL_MODEL_COST_MAP=True
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --no-compile --disable-pip-version-check litellm==1.110.2 openai==3.57.0 tenacity==9.2.1
cat > "$dir/check.py" <<'PY'
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import litellm

requests = []


class Failing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        requests.append(self.path)
        body = b'{"error": {"message": "overloaded", "type": "server_error"}}'
        self.send_response(500)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Failing)
threading.Thread(target=server.serve_forever, daemon=True).start()
litellm.suppress_debug_info = True
target = {"model": "openai/m", "api_base": f"http://127.0.0.1:{server.server_port}/v1", "api_key": "none"}
messages = [{"role": "user", "content": "hello"}]


def count(label, call, expected):
    requests.clear()
    try:
        call()
        raise SystemExit("the call did not fail")
    except litellm.exceptions.InternalServerError:
        pass
    print(f"{label}: {len(requests)} request(s)", flush=True)
    assert len(requests) == expected, expected


for n in range(4):
    count(f"completion(num_retries={n})",
          lambda: litellm.completion(messages=messages, num_retries=n, **target), 2 * n + 1)
count("completion(max_retries=2)", lambda: litellm.completion(messages=messages, max_retries=2, **target), 3)
router = litellm.Router(model_list=[{"model_name": "a", "litellm_params": target}], num_retries=2)
count("Router(num_retries=2)", lambda: router.completion(model="a", messages=messages), 3)
os._exit(0)
PY
timeout 120 "$dir/venv/bin/python" "$dir/check.py"
