//! From an empty folder to a gate that fires, by the commands of docs/ci.md.

#![cfg(unix)]

use std::fs;
use std::path::Path;

use crate::support::program::{Home, ProgramOutput};

/// The same answers in every run of this test.
const SEED: &str = "--sim-seed 1";

/// The commands of a block of docs/ci.md.
fn commands(block: &str) -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ci.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, rest) = page.split_once(&format!("```console,{block}\n")).unwrap();
    let (text, _) = rest.split_once("```").unwrap();
    let commands = text.lines().filter_map(|line| line.strip_prefix("$ "));
    commands.map(str::to_owned).collect()
}

/// Types the commands of a block, of which the last one ends with this exit code.
fn type_in(home: &Home, block: &str, code: i32) -> ProgramOutput {
    let commands = commands(block);
    let mut last = None;
    for (place, command) in commands.iter().enumerate() {
        let expected = if place + 1 == commands.len() { code } else { 0 };
        let seeded = if command.starts_with("bakeoff run") {
            format!("{command} {SEED}")
        } else {
            command.clone()
        };
        // A machine that is too busy excludes what it delayed itself, and the gate is inconclusive: it runs again.
        let line = if expected == 0 {
            seeded
        } else {
            format!("for i in 1 2 3 4 5; do {seeded}; code=$?; [ $code = 0 ] || exit $code; done")
        };
        last = Some(home.shell(&line).exits(expected).run());
    }
    last.unwrap()
}

#[test]
fn copied_commands_end_in_a_gate_that_fires() {
    // The recipe must find a slowdown on its first day, without a key and without a past.
    let home = Home::new();
    type_in(&home, "first-gate", 0);
    let fired = type_in(&home, "first-gate-fires", 1);
    assert!(fired.out.contains("new"), "{fired:?}");
    let checked = type_in(&home, "first-history", 0);
    for part in [
        "`baselines/ci.jsonl` has 1 accepted run: TTFT +",
        " with 9 more; ",
        "the reference of the same run finds TTFT +",
    ] {
        assert!(checked.out.contains(part), "{part}: {checked:?}");
    }
}

#[test]
fn a_run_says_what_its_history_can_find() {
    // Two weeks of mornings passed before anybody noticed that a new history finds nothing.
    let home = Home::new();
    home.bakeoff("init").run();
    let run = "run suites/ci.toml --history h.jsonl --repetitions 1 --concurrency 20";
    home.bakeoff(&format!("{run} {SEED} --scenario world.toml"))
        .complains("`h.jsonl` has no accepted run, so that the history finds nothing yet")
        .complains("the reference of the same run finds TTFT +")
        .run();
}
