//! Mutations of every input from outside; the fuzzer of `fuzz/` does the same for minutes. `BAKEOFF_HOSTILE_SECONDS=300 cargo test
//! --test it -- hostile_inputs --nocapture` goes on for so long without a fuzzer.

use std::time::{Duration, Instant};

use rand::rngs::ChaCha8Rng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use crate::support::hostile_inputs::{INPUTS, Input};

/// Mutations of each input.
const MUTATIONS: usize = 60;

/// Pieces that make a difference in some format.
const PIECES: [&str; 24] = [
    "\n",
    "\0",
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "true",
    "-1",
    "0",
    "1e400",
    "18446744073709551616",
    "NaN",
    "\u{202e}",
    "\u{feff}",
    "\\ud83d",
    "data: ",
    "[DONE]",
    "''",
    "{{x}}",
];

/// A copy of the bytes with a few changes.
fn mutated(seed: &[u8], other: &[u8], dice: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..dice.random_range(1..4) {
        let at = dice.random_range(0..=bytes.len());
        let to = (at + dice.random_range(0..40)).min(bytes.len());
        match dice.random_range(0..6) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..to)),
            2 if at < bytes.len() => bytes[at] = dice.random(),
            3 => {
                let copy = bytes[at..to].to_vec();
                bytes.splice(at..at, copy);
            }
            4 => {
                let from = dice.random_range(0..=other.len());
                let end = (from + 60).min(other.len());
                bytes.splice(at..to, other[from..end].iter().copied());
            }
            _ => {
                let piece = PIECES.choose(dice).unwrap();
                bytes.splice(at..to, piece.bytes());
            }
        }
    }
    bytes
}

/// Checks mutations of an input, at least so many, until the time is over. Returns their number.
fn check_mutations(input: &Input, until: Option<Instant>) -> usize {
    let seeds = input.seeds();
    assert!(!seeds.is_empty(), "{}", input.name);
    let seed = until.map_or(13, |_| u64::from(std::process::id()));
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let mut number = 0;
    while number < MUTATIONS || until.is_some_and(|until| Instant::now() < until) {
        let [seed, other] = [(); 2].map(|()| seeds.choose(&mut dice).unwrap());
        let bytes = match seeds.get(number) {
            Some(seed) => seed.clone(),
            None => mutated(seed, other, &mut dice),
        };
        let result = std::panic::catch_unwind(|| (input.check)(&bytes));
        let text = String::from_utf8_lossy(&bytes);
        assert!(result.is_ok(), "{}: {text}", input.name);
        number += 1;
    }
    number
}

#[allow(
    clippy::print_stdout,
    reason = "the counts of a long check are for who runs it"
)]
#[test]
fn whatever_comes_in_is_read_or_refused() {
    // A server, another tool or a broken disk can write anything: none of it may end in a panic or a wrong record.
    let seconds = std::env::var("BAKEOFF_HOSTILE_SECONDS").ok();
    let seconds = seconds.map(|seconds| Duration::from_secs(seconds.parse().unwrap()));
    let until = seconds.map(|seconds| Instant::now() + seconds);
    std::thread::scope(|threads| {
        let checked = INPUTS.each_ref().map(|input| {
            (
                input.name,
                threads.spawn(move || check_mutations(input, until)),
            )
        });
        for (name, count) in checked {
            println!("{name}: {}", count.join().unwrap());
        }
    });
}
