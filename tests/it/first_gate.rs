//! From an empty folder to a gate that fires, by the commands of docs/tutorial-gate.md, which shows what they print.

#![cfg(unix)]

use std::fs;
use std::path::Path;

use crate::support::program::{Home, ProgramOutput};

/// The same answers in every run of this test.
const SEED: &str = "--sim-seed 1";

/// A command that the page shows, and the lines of its output.
struct ShownCommand {
    command: String,
    lines: Vec<String>,
}

/// The commands of a block of the page.
fn commands(block: &str) -> Vec<ShownCommand> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/tutorial-gate.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, rest) = page.split_once(&format!("```console,{block}\n")).unwrap();
    let (text, _) = rest.split_once("```").unwrap();
    let mut commands: Vec<ShownCommand> = Vec::new();
    for line in text.lines() {
        match line.strip_prefix("$ ") {
            Some(command) => commands.push(ShownCommand {
                command: command.to_owned(),
                lines: Vec::new(),
            }),
            None => commands.last_mut().unwrap().lines.push(line.to_owned()),
        }
    }
    commands
}

/// A line without what differs from run to run: figures, their units, the widths of columns, the ids of runs.
fn without_figures(line: &str) -> String {
    let words = line
        .split_whitespace()
        .filter(|word| !["ms", "s"].contains(word));
    let word = |word: &str| match word {
        word if word.starts_with("20") && word.contains("Z-") => "RUN".to_owned(),
        word => word.replace(|c: char| c.is_ascii_digit() || c == '.', ""),
    };
    words.map(word).collect::<Vec<_>>().join(" ")
}

/// Checks that each line that the page shows is one of the output; `...` at its end leaves the rest out.
fn check_shown(shown: &ShownCommand, output: &ProgramOutput) {
    let printed: Vec<String> = output.out.lines().map(without_figures).collect();
    for line in &shown.lines {
        let (begin, is_cut) = match line.strip_suffix("...") {
            Some(begin) => (without_figures(begin), true),
            None => (without_figures(line), false),
        };
        let is_shown = |printed: &String| {
            if is_cut {
                printed.starts_with(&begin)
            } else {
                *printed == begin
            }
        };
        let command = &shown.command;
        assert!(
            printed.iter().any(is_shown),
            "`{command}` does not print `{line}`: {output:?}"
        );
    }
}

/// Types the commands of a block, of which the last one ends with this exit code.
fn type_in(home: &Home, block: &str, code: i32) -> ProgramOutput {
    let commands = commands(block);
    let mut last = None;
    for (index, shown) in commands.iter().enumerate() {
        let expected = if index + 1 == commands.len() { code } else { 0 };
        let seeded = if shown.command.starts_with("bakeoff run") {
            format!("{} {SEED}", shown.command)
        } else {
            shown.command.clone()
        };
        // A machine that is too busy excludes what it delayed itself, and the gate is inconclusive: it runs again.
        let line = if expected == 0 {
            seeded
        } else {
            format!("for i in 1 2 3 4 5; do {seeded}; code=$?; [ $code = 0 ] || exit $code; done")
        };
        let output = home.shell(&line).exits(expected).run();
        check_shown(shown, &output);
        last = Some(output);
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
    home.bakeoff(&format!("{run} {SEED} --scenario scenario.toml"))
        .complains("`h.jsonl` has no accepted run, so that the history finds nothing yet")
        .complains("the reference of the same run finds TTFT +")
        .run();
}
