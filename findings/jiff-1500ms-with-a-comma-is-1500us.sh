#!/usr/bin/env bash
# jiff reads "1,500ms" as 1.5 milliseconds, and drops what is finer than a nanosecond except under the name ns
#
# Expected: a duration with a comma is an error, as numbers with one are in TOML, JSON and Rust; and a fraction that the
#   type cannot hold is an error in each unit, as "0.5ns" is.
# Happens: a comma is a decimal comma, so that a deadline of "1,500ms" is a thousandth of what was meant. "0.5ns" is an
#   error, but the same "0.0005us" is zero, and "1.0000009ms" is 1 ms. Both come out of `parse` without an error.
# Why it matters: a time-out from a configuration file becomes 1.5 ms or 0, and every request fails by it.
# Packages: jiff 0.2.46 (crates.io).
# Seen 2026-11-30:
#   1,500ms      1500000 ns
#   1.500ms      1500000 ns
#   0.5ns        error
#   0.0005us     0 ns
#   1.0000009ms  1000000 ns
# Needs: cargo.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/durations/src"
cat > "$dir/durations/Cargo.toml" <<'TOML'
[package]
name = "durations"
version = "0.0.0"
edition = "2021"

[dependencies]
jiff = { version = "=0.2.46", default-features = false, features = ["std"] }
TOML
cat > "$dir/durations/src/main.rs" <<'RS'
use jiff::SignedDuration;

fn main() {
    for (text, expected) in [
        ("1,500ms", Some(1_500_000)),
        ("1.500ms", Some(1_500_000)),
        ("0.5ns", None),
        ("0.0005us", Some(0)),
        ("1.0000009ms", Some(1_000_000)),
    ] {
        let nanos = text.parse::<SignedDuration>().ok().map(|read| read.as_nanos());
        match nanos {
            Some(nanos) => println!("{text:11}  {nanos} ns"),
            None => println!("{text:11}  error"),
        }
        assert_eq!(nanos, expected, "{text}");
    }
}
RS
cargo run --quiet --manifest-path "$dir/durations/Cargo.toml" --target-dir "$dir/target"
