#!/usr/bin/env bash
# TokenLens charges cached prompt tokens twice
#
# Expected: in OpenAI's usage, and in the AI SDK's, cached tokens are part of the prompt tokens. The cost of the
#   input is (prompt - cached) x input price + cached x cache-read price.
# Happens: all prompt tokens are charged at the input price and the cached ones once more at the cache-read price.
#   A cache hit makes a request look more expensive. breakdownTokens in the same package, given the same
#   usage, does not say that the one is part of the other either.
# Why it matters: with 80 % of the prompt from the cache, gpt-5-mini's input is shown at 3.9 times its price, and
#   a comparison of a model with prompt caching and one without is turned round. The package serves to show the
#   cost of conversations held through the AI SDK.
# Package: tokenlens 1.3.1 (npm), getTokenCosts and getUsage with the catalog that it ships.
# Seen 2026-11-29 (gpt-5-mini, $0.25 in; 1,000,000 prompt tokens, of them 800,000 cached):
#   no cache hit:            input 0.25, cache read 0, total 0.25
#   OpenAI usage, 80 % hit:  input 0.25, cache read 0.02, total 0.27
#   AI SDK usage, 80 % hit:  input 0.25, cache read 0.02, total 0.27
#   by the price list:       input 0.05, cache read 0.02, total 0.07
# Needs: node 18 or newer with npm. Sends nothing.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-audit --no-fund --cache "$dir/cache" --prefix "$dir" tokenlens@1.3.1
cat > check.mjs <<'JS'
import assert from 'node:assert';
import {getTokenCosts} from 'tokenlens';

const modelId = 'openai/gpt-5-mini';
const round = (x) => Number((x ?? 0).toFixed(6));
const show = (label, c) => console.log(label.padEnd(24), `input ${c.input}, cache read ${c.read}, total ${c.total}`);
const cost = async (usage) => {
  const c = await getTokenCosts({modelId, usage});
  return {input: round(c.inputUSD), read: round(c.cacheReadUSD), total: round(c.totalUSD)};
};

const none = await cost({prompt_tokens: 1_000_000, completion_tokens: 0});
const openai = await cost({
  prompt_tokens: 1_000_000, completion_tokens: 0, prompt_tokens_details: {cached_tokens: 800_000},
});
const sdk = await cost({inputTokens: 1_000_000, outputTokens: 0, cachedInputTokens: 800_000});
const price = none.total;                 // USD per million, from the package's own catalog
const readPrice = openai.read / 0.8;
const right = {input: round(0.2 * price), read: round(0.8 * readPrice), total: round(0.2 * price + 0.8 * readPrice)};
show('no cache hit:', none);
show('OpenAI usage, 80 % hit:', openai);
show('AI SDK usage, 80 % hit:', sdk);
show('by the price list:', right);
assert.deepEqual(none, {input: 0.25, read: 0, total: 0.25});
assert.deepEqual(openai, {input: 0.25, read: 0.02, total: 0.27});
assert.deepEqual(sdk, openai);
assert.deepEqual(right, {input: 0.05, read: 0.02, total: 0.07});
JS
timeout 60 node check.mjs
