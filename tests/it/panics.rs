//! Panics of the program end as its other errors do. They are provoked at points that exist in programs
//! with debug assertions alone.

// Without debug assertions nothing provokes one.
#![cfg(debug_assertions)]
#![allow(clippy::unwrap_used, reason = "a test ends where its own set-up fails")]

use serde_json::Value;

use crate::support::program::{Call, Home, ProgramOutput};

const SUITE: &str = "name = \"x\"\nmodels = [\"openai/gpt-5-mini\", \"openai/gpt-5-nano\"]\nrepetitions = 3\n\
                     warmup = 0\n[[prompts]]\nid = \"a\"\nuser = \"Why?\"\n";

/// A run that panics at this point.
fn broken_run(home: &Home, point: &str) -> Call {
    let call = home.bakeoff("run x.toml --scenario scenario.toml");
    call.env("BAKEOFF_DEBUG_PANIC", point)
}

fn manifest(home: &Home) -> Value {
    serde_json::from_str(&home.read("reports/x/latest/manifest.json")).unwrap()
}

/// One message with what to do, and nothing that the code held.
fn is_one_message(output: &ProgramOutput) {
    let ProgramOutput { err, .. } = output;
    assert_eq!(err.matches("internal error at `").count(), 1, "{err}");
    assert!(err.contains("please report it"), "{err}");
    assert!(
        !err.contains("panicked") && !err.contains("deadbeef"),
        "{err}"
    );
}

#[test]
fn before_the_first_request_a_panic_is_bad_usage() {
    // Nothing was sent, so that a script may simply try again: exit code 2 and no run folder.
    let home = Home::new().with("x.toml", SUITE);
    is_one_message(&broken_run(&home, "start").exits(2).run());
    assert!(!home.path("reports").exists());
}

#[test]
fn during_a_run_what_was_paid_for_stays() {
    // The journal holds every finished sample, the manifest says how the run went, reports are made.
    let home = Home::new().with("x.toml", SUITE);
    let output = broken_run(&home, "sample").exits(4).run();
    is_one_message(&output);
    // The other request of the slot ends in its own time, and is paid for as well.
    assert!(home.samples("x").len() >= 2);
    let manifest = manifest(&home);
    let reason = manifest["status"]["incomplete"].as_str().unwrap();
    assert!(reason.starts_with("internal error at `"), "{manifest}");
    assert!(home.path("reports/x/latest/comparison.csv").exists());
    let ledger = home.read("reports/ledger.jsonl");
    assert_eq!(ledger.lines().count(), 2, "{ledger}");
}

#[test]
fn after_a_run_the_reports_can_be_made_again() {
    // The samples are whole: only the reports are missing, and the message says how to get them.
    let home = Home::new().with("x.toml", SUITE);
    let output = broken_run(&home, "report").exits(4).run();
    is_one_message(&output);
    assert!(output.err.contains("`bakeoff report "), "{}", output.err);
    assert_eq!(manifest(&home)["status"], "complete");
    assert_eq!(home.samples("x").len(), 6);
    home.bakeoff("report reports/x/latest").run();
    assert!(home.path("reports/x/latest/comparison.csv").exists());
}

#[test]
fn details_are_there_for_those_who_want_them() {
    // A report of a defect needs its trace; only a user who sets the variable gets it.
    let home = Home::new().with("x.toml", SUITE);
    let call = broken_run(&home, "start").env("RUST_BACKTRACE", "1");
    call.exits(2).complains("panicked at").run();
}
