#!/usr/bin/env bash
# maud writes SVG elements without an end tag, and each next one becomes a child of the last
#
# Expected: `path d="M0 0";` in an inline SVG gives an element that is closed, as an empty element of HTML such as
#   `br;` needs no more, or the macro refuses it.
# Happens: `;` writes `<path d="M0 0">`, which HTML parsers do not close: the next `circle` is its child. Paths show
#   no children, so that every mark but the first is missing, without an error. `{}` writes the end tag.
# Why it matters: charts of a report lose their points, and a check of the text finds every element.
# Packages: maud 0.27.0 (crates.io), html5lib 1.1 (PyPI).
# Seen 2026-11-30:
#   semicolon  <svg><path d="M0 0"><circle r="1"></svg>
#   semicolon  the parent of circle is path
#   braces     <svg><path d="M0 0"></path><circle r="1"></circle></svg>
#   braces     the parent of circle is svg
# Needs: cargo, python3 (3.10 or newer) with venv.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/page/src"
cat > "$dir/page/Cargo.toml" <<'TOML'
[package]
name = "page"
version = "0.0.0"
edition = "2021"

[dependencies]
maud = "=0.27.0"
TOML
cat > "$dir/page/src/main.rs" <<'RS'
use maud::html;

fn main() {
    let semicolon = html! { svg { path d="M0 0"; circle r="1"; } };
    let braces = html! { svg { path d="M0 0" {} circle r="1" {} } };
    println!("{}\n{}", semicolon.into_string(), braces.into_string());
}
RS
cargo run --quiet --manifest-path "$dir/page/Cargo.toml" --target-dir "$dir/target" > "$dir/pages.txt"
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --no-compile --disable-pip-version-check html5lib==1.1
cat > "$dir/check.py" <<'PY'
import sys

import html5lib

pages = open(sys.argv[1]).read().splitlines()
for name, page, parent in zip(("semicolon", "braces"), pages, ("path", "svg")):
    print(f"{name:9}  {page}")
    tree = html5lib.parseFragment(page)
    parents = {child: element for element in tree.iter() for child in element}
    circle = next(element for element in tree.iter() if str(element.tag).endswith("}circle"))
    seen = parents[circle].tag.split("}")[1]
    print(f"{name:9}  the parent of circle is {seen}")
    assert seen == parent, seen
assert pages[0].count("</") == 1, pages[0]
PY
"$dir/venv/bin/python" "$dir/check.py" "$dir/pages.txt"
