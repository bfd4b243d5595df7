#!/usr/bin/env bash
# @huggingface/jinja: one chat template and one conversation give another prompt than in Python, without an error
#
# Expected: the engine that Hugging Face wrote in JavaScript for chat templates prints what Jinja2 prints with the same
#   template and messages, or raises an error for what it does not support.
# Happens: the argument of `strip`, `lstrip` and `rstrip` is ignored: `lstrip('\n')`, which templates of reasoning
#   models apply to the answer after `</think>`, removes the indentation of its first line, too. `==` is that of
#   JavaScript: 0 equals '', a missing field equals none, so that the other branch is taken. A null content prints
#   nothing instead of "None", a tool argument true prints "true" instead of "True", `capitalize` leaves capitals, a
#   remainder can be negative. The README names none of these.
# Why it matters: Transformers.js builds its prompts with it, servers in Python with Jinja2. Token counts, costs and
#   prefixes for the prompt cache computed in JavaScript are those of another prompt, and one model that
#   is compared through both was asked two different things. Code in the history loses its indentation.
# Packages: @huggingface/jinja 0.5.11 (npm), src/runtime.ts (trim, trimStart, trimEnd; `left.value == right.value`);
#   Jinja2 3.1.6 (PyPI).
# Seen 2026-12-01:
#   answer after </think> Jinja2             "    return 1"
#   answer after </think> @huggingface/jinja "return 1"
#   two spaces at the end Jinja2             "a  |"
#   two spaces at the end @huggingface/jinja "a|"
#   strip('x')            Jinja2             "a"
#   strip('x')            @huggingface/jinja "xxaxx"
#   0 as empty            Jinja2             "offset 0"
#   0 as empty            @huggingface/jinja "none"
#   1 as '1'              Jinja2             "other"
#   1 as '1'              @huggingface/jinja "same"
#   missing == none       Jinja2             "missing"
#   missing == none       @huggingface/jinja "none"
#   null content          Jinja2             "[None]"
#   null content          @huggingface/jinja "[]"
#   arguments             Jinja2             "offset=0 page=1 wind=True limit=None "
#   arguments             @huggingface/jinja "offset=0 page=1 wind=true limit= "
#   capitalize            Jinja2             "User"
#   capitalize            @huggingface/jinja "USER"
#   remainder             Jinja2             "1"
#   remainder             @huggingface/jinja "-1"
# Needs: python3 (3.10 or newer) with venv, node (20 or newer) and npm. Sends nothing.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --no-compile --disable-pip-version-check jinja2==3.1.6
npm install --silent --no-audit --no-fund --prefix "$dir" @huggingface/jinja@0.5.11 > /dev/null
cat > "$dir/cases.json" <<'JSON'
[
  ["answer after </think>", "{{ text.split('</think>')[-1].lstrip('\\n') }}", "    return 1", "return 1"],
  ["two spaces at the end", "{{ 'a  \\n'.rstrip('\\n') }}|", "a  |", "a|"],
  ["strip('x')", "{{ 'xxaxx'.strip('x') }}", "a", "xxaxx"],
  ["0 as empty", "{{ 'none' if call.offset == '' else 'offset ' ~ call.offset }}", "offset 0", "none"],
  ["1 as '1'", "{{ 'same' if call.page == '1' else 'other' }}", "other", "same"],
  ["missing == none", "{{ 'none' if call.missing == none else 'missing' }}", "missing", "none"],
  ["null content", "[{{ content }}]", "[None]", "[]"],
  ["arguments", "{% for name, value in call.items() %}{{ name }}={{ value }} {% endfor %}",
   "offset=0 page=1 wind=True limit=None ", "offset=0 page=1 wind=true limit= "],
  ["capitalize", "{{ 'USER' | capitalize }}", "User", "USER"],
  ["remainder", "{{ -1 % 2 }}", "1", "-1"]
]
JSON
cat > "$dir/values.json" <<'JSON'
{"text": "<think>A short one.</think>\n\n    return 1", "content": null,
 "call": {"offset": 0, "page": 1, "wind": true, "limit": null}}
JSON
cat > "$dir/check.py" <<'PY'
import json
import sys

from jinja2.sandbox import ImmutableSandboxedEnvironment

folder = sys.argv[1]
cases, values = (json.load(open(f"{folder}/{name}.json")) for name in ("cases", "values"))
environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
for label, template, expected, _ in cases:
    seen = environment.from_string(template).render(**values)
    print(f"{label:<21} Jinja2             {json.dumps(seen)}")
    assert seen == expected, expected
PY
cat > "$dir/check.mjs" <<'JS'
import assert from "node:assert";
import { readFileSync } from "node:fs";
import { Template } from "@huggingface/jinja";

const [cases, values] = ["cases", "values"].map((name) => JSON.parse(readFileSync(new URL(`${name}.json`, import.meta.url))));
for (const [label, template, , expected] of cases) {
  const seen = new Template(template).render(values);
  console.log(`${label.padEnd(21)} @huggingface/jinja ${JSON.stringify(seen)}`);
  assert.strictEqual(seen, expected);
}
JS
"$dir/venv/bin/python" "$dir/check.py" "$dir" > "$dir/python.txt"
node "$dir/check.mjs" > "$dir/javascript.txt"
paste -d '\n' "$dir/python.txt" "$dir/javascript.txt"
