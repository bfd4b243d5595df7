#!/usr/bin/env bash
# anthropic: a field `dict[str, float]` of a structured answer may only be {}, and `parse` accepts it
#
# Expected: `messages.parse(output_format=Model)` sends the map as it is, so that the server can refuse it, or raises an
#   error, as it does for a field of type Any.
# Happens: the SDK sets `additionalProperties` of each object to false. A map has no properties of its own, so that the
#   schema sent permits the empty object alone, also for each item of a list. No error, no warning, and, other than for
#   a limit that is dropped, no word in the description. The answer {} is valid for the class. LangChain's
#   `method="json_schema"` sends the same; its default and LiteLLM send a tool with the whole map, the OpenAI SDK
#   sends it as it is. The documentation says that objects get `additionalProperties: false`, not what it does to a map.
# Why it matters: "extract all prices" can only be answered with nothing, and the model is blamed for it. The same class,
#   prompt and model through another library can be answered in full, so that a comparison measures the library.
# Packages: anthropic 2.15.0, lib/_parse/_transform.py (transform_schema); openai 3.57.0, langchain-anthropic 1.7.10,
#   litellm 1.110.2 (PyPI).
# Seen 2026-12-01 (schema of the field `prices` in the request, then what `parse` or `invoke` returned for {}):
#   anthropic                         {"properties": {}, "additionalProperties": false}  Prices(prices={})
#   langchain-anthropic, json_schema  {"properties": {}, "additionalProperties": false}  Prices(prices={})
#   langchain-anthropic, default      {"additionalProperties": {"type": "number"}}  Prices(prices={})
#   litellm                           {"additionalProperties": {"type": "number"}}  Prices(prices={})
#   openai                            {"additionalProperties": {"type": "number"}}  Prices(prices={})
#   anthropic, list of maps           {"type": "object", "properties": {}, "additionalProperties": false}
#   anthropic, a field of type Any    ValueError
# Needs: python3 (3.10 or newer) with venv. The server is on 127.0.0.1.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export NO_PROXY=127.0.0.1 no_proxy=127.0.0.1
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --no-compile --disable-pip-version-check anthropic==2.15.0 openai==3.57.0 \
  langchain-anthropic==1.7.10 litellm==1.110.2
cat > "$dir/check.py" <<'PY'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import anthropic
import litellm
import openai
from langchain_anthropic import ChatAnthropic
from pydantic import BaseModel

requests = []
answer = {"prices": {}}


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        requests.append(request)
        if "completions" in self.path:
            message = {"role": "assistant", "content": json.dumps(answer)}
            reply = {"id": "c", "object": "chat.completion", "created": 1, "model": "m",
                     "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
        else:
            content, reason = {"type": "text", "text": json.dumps(answer)}, "end_turn"
            if "tools" in request:
                content, reason = {"type": "tool_use", "id": "t", "name": request["tools"][0]["name"], "input": answer}, "tool_use"
            reply = {"id": "m", "type": "message", "role": "assistant", "model": model, "content": [content],
                     "stop_reason": reason, "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1}}
        body = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
base = f"http://127.0.0.1:{server.server_port}"
model = "claude-sonnet-4-5"
prompt = [{"role": "user", "content": "List all prices."}]


class Prices(BaseModel):
    prices: dict[str, float]


class PricesByDay(BaseModel):
    prices: list[dict[str, float]] = []


class Anything(BaseModel):
    prices: Any


def by_anthropic(kind):
    client = anthropic.Anthropic(base_url=base, api_key="k")
    return client.messages.parse(model=model, max_tokens=100, messages=prompt, output_format=kind).parsed_output


def by_openai():
    client = openai.OpenAI(base_url=base, api_key="k")
    return client.chat.completions.parse(model="m", messages=prompt, response_format=Prices).choices[0].message.parsed


def by_langchain(**options):
    client = ChatAnthropic(model=model, base_url=base, api_key="k")
    return client.with_structured_output(Prices, **options).invoke("List all prices.")


def by_litellm():
    reply = litellm.completion(model=f"anthropic/{model}", messages=prompt, api_base=base, api_key="k", response_format=Prices)
    return Prices.model_validate_json(reply.choices[0].message.content)


def field(request):
    if "tools" in request:
        schema = request["tools"][0]["input_schema"]
    elif "output_config" in request:
        schema = request["output_config"]["format"]["schema"]
    else:
        schema = request["response_format"]["json_schema"]["schema"]
    described = schema["properties"]["prices"]
    return {key: value for key, value in described.items() if key not in ("title", "type")}


empty, whole = {"properties": {}, "additionalProperties": False}, {"additionalProperties": {"type": "number"}}
for label, call, expected in [
    ("anthropic", lambda: by_anthropic(Prices), empty),
    ("langchain-anthropic, json_schema", lambda: by_langchain(method="json_schema"), empty),
    ("langchain-anthropic, default", by_langchain, whole),
    ("litellm", by_litellm, whole),
    ("openai", by_openai, whole),
]:
    requests.clear()
    result = call()
    seen = field(requests[0])
    print(f"{label:<33} {json.dumps(seen)}  {result!r}")
    assert seen == expected and result == Prices(prices={}), expected

nested = anthropic.transform_schema(PricesByDay)["properties"]["prices"]["items"]
print(f"{'anthropic, list of maps':<33} {json.dumps(nested)}")
assert nested == {"type": "object"} | empty
try:
    outcome = str(by_anthropic(Anything))
except ValueError as problem:
    outcome = type(problem).__name__
print(f"{'anthropic, a field of type Any':<33} {outcome}")
assert outcome == "ValueError"
server.shutdown()
PY
LITELLM_LOCAL_MODEL_COST_MAP=True timeout 120 "$dir/venv/bin/python" "$dir/check.py" 2>/dev/null
