#!/usr/bin/env bash
# AI SDK: `await streamText(...).text` resolves with half an answer after an error in the stream, and rejects after a reset
#
# Expected: a stream that fails before its end rejects `text`, however it fails: by an error object, by its end without
#   a finish reason, or by a closed connection. generateText rejects for the same response.
# Happens: only a closed connection rejects. After an error object in the stream, or a stream that ends early, `text`
#   is what had come; after a JSON error with status 200 it is an empty string. finishReason tells, "error" in
#   @ai-sdk/openai-compatible, but in @ai-sdk/openai an early end is "other", and an error object as the first
#   event rejects there and resolves here.
# Why it matters: "The total is 1" is graded as a wrong answer, or shown to a user, although the model was
#   about to write 12,500. Only onError and finishReason know of the failure.
# Packages: ai 6.0.326, @ai-sdk/openai-compatible 2.0.92, @ai-sdk/openai 3.0.141 (npm).
# Seen 2026-11-30 (text and finishReason):
#                                 openai-compatible                openai
#   whole answer                  "The total is 12,500" stop       "The total is 12,500" stop
#   error object after a token    "The total is 1" error           "The total is 1" error
#   end after a token             "The total is 1" error           "The total is 1" other
#   reset after a token           rejects                          rejects
#   error object as first event   "" error                         rejects
#   JSON error with status 200    "" error                         "" other
#   generateText, JSON error with status 200: rejects
# Needs: node (20 or newer) and npm. The server is on 127.0.0.1.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
npm install --silent --no-audit --no-fund --prefix "$dir" ai@6.0.326 @ai-sdk/openai-compatible@2.0.92 @ai-sdk/openai@3.0.141 >/dev/null
cat > "$dir/check.mjs" <<'JS'
import assert from "node:assert/strict";
import http from "node:http";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, streamText } from "ai";

const chunk = (delta, finish_reason = null) => ({
  id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, delta, finish_reason }],
});
const event = (value) => `data: ${JSON.stringify(value)}\n\n`;
const error = { error: { message: "overloaded", type: "server_error", code: 503 } };
const first = event(chunk({ role: "assistant", content: "The total is 1" }));
const rest = event(chunk({ content: "2,500" })) + event(chunk({}, "stop")) + "data: [DONE]\n\n";
const half = '"The total is 1"';
const cases = {
  "whole answer": [first + rest, '"The total is 12,500" stop', '"The total is 12,500" stop'],
  "error object after a token": [first + event(error), `${half} error`, `${half} error`],
  "end after a token": [first, `${half} error`, `${half} other`],
  "reset after a token": [first, "rejects", "rejects"],
  "error object as first event": [event(error), '"" error', "rejects"],
  "JSON error with status 200": [JSON.stringify(error), '"" error', '"" other'],
};

let current = "";
const server = http.createServer((request, response) => {
  request.resume().on("end", () => {
    const [body] = cases[current];
    response.writeHead(200, { "content-type": body.startsWith("{") ? "application/json" : "text/event-stream" });
    if (current.startsWith("reset")) response.write(body, () => setTimeout(() => response.destroy(), 50));
    else response.end(body);
  });
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const options = { baseURL: `http://127.0.0.1:${server.address().port}/v1`, apiKey: "k" };
const models = [createOpenAICompatible({ name: "x", ...options })("m"), createOpenAI(options).chat("m")];

async function outcome(model) {
  const result = streamText({ model, prompt: "?", maxRetries: 0, onError() {} });
  try {
    return `${JSON.stringify(await result.text)} ${await result.finishReason}`;
  } catch {
    return "rejects";
  }
}

for (const [name, [, ...expected]] of Object.entries(cases)) {
  current = name;
  const seen = [await outcome(models[0]), await outcome(models[1])];
  console.log(name.padEnd(30) + seen[0].padEnd(33) + seen[1]);
  assert.deepEqual(seen, expected);
}
await assert.rejects(generateText({ model: models[0], prompt: "?", maxRetries: 0 }));
console.log(`generateText, ${current}: rejects`);
server.close();
process.exit(0);
JS
timeout 60 node "$dir/check.mjs"
