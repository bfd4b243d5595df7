#!/bin/sh
# Builds the release archive of a target: dist/bakeoff-TARGET.tar.gz with the program, the licences, completions and
# manual pages. Usage: sh scripts/package.sh x86_64-unknown-linux-musl
set -eu
target=$1
cd "$(dirname "$0")/.."
rustup target add "$target"
cargo build --release --locked --target "$target"
program=target/$target/release/bakeoff
folder=bakeoff-$target
rm -rf "dist/$folder"
mkdir -p "dist/$folder/completions" "dist/$folder/man"
cp "$program" LICENSE-MIT LICENSE-APACHE README.md CHANGELOG.md "dist/$folder/"
for shell in bash zsh fish; do
  "$program" completions "$shell" > "dist/$folder/completions/bakeoff.$shell"
done
"$program" man "dist/$folder/man" 2> /dev/null
# Linux binaries run on any distribution: they must not ask for a loader.
case "$target" in
  *-musl) if readelf -l "$program" | grep -q INTERP; then echo "$program is not static" >&2; exit 1; fi ;;
esac
tar -czf "dist/$folder.tar.gz" -C dist "$folder"
rm -rf "dist/$folder"
ls -l "dist/$folder.tar.gz"
