#!/usr/bin/env bash
# promptfoo: contains-json takes \frac{1}{2}, {a, b} and an object that was cut off for valid JSON, and not the array [1, 2]
#
# Expected: contains-json, documented as "contains valid JSON", is is-json for a part of the text: it passes if some part of the answer
#   is JSON, and each answer that passes is-json passes.
# Happens: neither holds. What stands between braces is read as YAML, in which nearly everything is a mapping: fractions in LaTeX, a
#   set, a placeholder, code. Single quotes, names without quotes and 007 pass as well, with the schema, too. An answer
#   that max_tokens ended after a number is closed and passes ("score": 9 of "score": 95). Only objects are looked for: an array without
#   objects fails with "Expected output to contain valid JSON". Of several objects any may satisfy the schema.
# Why it matters: the share of answers with JSON in them is the usual measure of structured output. Prose with a formula counts as
#   JSON, as do answers that no parser reads and those that were cut off; a model that answers with a list of numbers, as asked, has 0 %.
# Package: promptfoo 0.123.1 (npm), run by Node 22.23.3 (npm, node): it refuses Node 20.
# Seen 2026-12-01 (schema: an object whose `score` is a number of at least 5):
#   answer                        is-json  contains-json  with the schema
#   {"score": 9}                  pass     pass           pass
#   Score: {"score": 9}           fail     pass           pass
#   Score: 9                      fail     fail           fail
#   [1, 2]                        pass     fail           fail
#   \frac{1}{2}                   fail     pass           fail
#   the set {a, b}                fail     pass           fail
#   Dear {name}                   fail     pass           fail
#   if (x) { return 1; }          fail     pass           fail
#   {'score': 9}                  fail     pass           pass
#   {score: 9}                    fail     pass           pass
#   {"score": 007}                fail     pass           pass
#   {"score": 9                   fail     pass           pass
#   {"score": 2} {"score": 9}     fail     pass           pass
# Needs: node (20 or newer) and npm; 500 MB while it runs. Sends nothing.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
npm install --silent --no-audit --no-fund --prefix "$dir/runtime" node@22.23.3 > /dev/null
npm install --silent --no-audit --no-fund --ignore-scripts --omit=optional --omit=peer --prefix "$dir" promptfoo@0.123.1 > /dev/null
cat > "$dir/check.mjs" <<'JS'
import assert from "node:assert";
import promptfoo from "promptfoo";

const schema = { type: "object", required: ["score"], properties: { score: { type: "number", minimum: 5 } } };

async function passes(type, output, value) {
  const result = await promptfoo.assertions.runAssertion({
    assertion: { type, value }, test: { vars: {} }, providerResponse: { output },
  });
  return result.pass;
}

const word = (passed) => (passed ? "pass" : "fail").padEnd(9);
console.log("answer                        is-json  contains-json  with the schema");
for (const [output, isJson, containsJson, fitsSchema] of [
  ['{"score": 9}', true, true, true],
  ['Score: {"score": 9}', false, true, true],
  ["Score: 9", false, false, false],
  ["[1, 2]", true, false, false],
  ["\\frac{1}{2}", false, true, false],
  ["the set {a, b}", false, true, false],
  ["Dear {name}", false, true, false],
  ["if (x) { return 1; }", false, true, false],
  ["{'score': 9}", false, true, true],
  ["{score: 9}", false, true, true],
  ['{"score": 007}', false, true, true],
  ['{"score": 9', false, true, true],
  ['{"score": 2} {"score": 9}', false, true, true],
]) {
  const seen = [await passes("is-json", output), await passes("contains-json", output), await passes("contains-json", output, schema)];
  console.log(`${output.padEnd(30)}${word(seen[0])}${word(seen[1]).padEnd(15)}${word(seen[2])}`.trimEnd());
  assert.deepEqual(seen, [isJson, containsJson, fitsSchema]);
}
process.exit(0);
JS
PROMPTFOO_CONFIG_DIR="$dir/config" PROMPTFOO_DISABLE_TELEMETRY=1 PROMPTFOO_DISABLE_UPDATE=1 \
  timeout 120 "$dir/runtime/node_modules/node/bin/node" "$dir/check.mjs"
