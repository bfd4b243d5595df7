//! The names of version 0.1: its runs, histories and ledgers stay readable, and its flags and keys are errors that
//! name the new ones. `tests/stored_0_1` was written, and `printed` in it printed, by version 0.1.

#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bakeoff::renamed::{NamePlace, RENAMED, renamed_error};
use bakeoff::sim::Scenario;
use serde_json::Value;

use crate::support::program::Home;

const BEFORE: &str = "reports/stored/20261130T022142Z-t9qq77";
const RUN: &str = "reports/stored/20261130T022150Z-c7yyd2";

/// Columns that are sentences, or words of verdicts, whose wording is free to change.
const PROSE: [&str; 4] = ["meaning", "explanation", "verdict", "verdict_without"];

/// Columns and keys that have a new name, and the words of cells.
const NEW_NAMES: [(&str, &str); 10] = [
    ("set_aside", "excluded"),
    ("situation", "design"),
    ("eaten_by_reasoning", "truncated_in_reasoning"),
    ("cache_told", "cache_reported"),
    ("late", "retried"),
    ("new_level", "baseline_reset"),
    ("prompts_worth", "effective_prompts"),
    ("kept_usd", "reserved_usd"),
    ("left_out", "skipped"),
    ("no_past", "no_baseline"),
];

fn stored() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stored_0_1"))
}

fn copy(from: &Path, home: Home, below: &str) -> Home {
    let mut home = home;
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::create_dir_all(home.path(below)).unwrap();
        let name = format!("{below}{}", path.file_name().unwrap().to_string_lossy());
        home = if path.is_dir() {
            copy(&path, home, &format!("{name}/"))
        } else {
            home.with(&name, &fs::read_to_string(&path).unwrap())
        };
    }
    home
}

/// A project whose runs, history and ledger version 0.1 wrote.
fn home() -> Home {
    copy(stored(), Home::new(), "")
}

fn printed(name: &str) -> String {
    fs::read_to_string(stored().join("printed").join(name)).unwrap()
}

fn new_name(old: &str) -> String {
    let found = NEW_NAMES.iter().find(|(name, _)| *name == old);
    found.map_or(old, |(_, new)| new).to_owned()
}

/// A table by row and column, under the names of today. `late` was the count of `retried` once more.
fn cells(csv: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let headers = reader.headers().unwrap().clone();
    let rows = reader.records().map(|row| {
        let row = row.unwrap();
        let cells = headers
            .iter()
            .zip(&row)
            .filter(|(name, _)| !PROSE.contains(name));
        let words = |cell: &str| cell.split(';').map(new_name).collect::<Vec<_>>().join(";");
        cells
            .map(|(name, cell)| (new_name(name), as_number(&words(cell))))
            .collect()
    });
    rows.collect()
}

/// The effects of comparisons and what they stand on, by candidate and metric.
fn effects(rows: &[BTreeMap<String, String>]) -> Vec<Vec<&str>> {
    let columns = [
        "candidate",
        "metric",
        "effect",
        "prompts",
        "candidate_n",
        "reference_n",
        "prompts_better",
        "prompts_worse",
    ];
    let measured = rows.iter().filter(|row| !row["effect"].is_empty());
    let mut effects: Vec<Vec<&str>> = measured
        .map(|row| columns.iter().map(|column| row[*column].as_str()).collect())
        .collect();
    effects.sort_unstable();
    effects
}

/// A number in one spelling: `1` is `1.0`.
fn as_number(cell: &str) -> String {
    cell.parse::<f64>()
        .map_or_else(|_| cell.to_owned(), |number| number.to_string())
}

/// A document under the names of today.
fn renamed(value: &Value) -> Value {
    match value {
        Value::Object(entries) => {
            // `concerned` is new; the most that sizes cost includes every attempt and the warm-up since 0.2.
            let is_new = |name: &str| ["version", "concerned", "cost_usd_max"].contains(&name);
            let entries = entries.iter().filter(|(name, _)| !is_new(name));
            entries
                .map(|(name, value)| (new_name(name), renamed(value)))
                .collect()
        }
        Value::Array(items) => items.iter().map(renamed).collect(),
        Value::String(word) => Value::String(new_name(word)),
        other => other.clone(),
    }
}

#[test]
fn stored_runs_of_0_1_have_the_same_figures() {
    // A user who updates keeps the past: a figure that changes with the program is a measurement lost.
    let home = home();
    for (call, exit, name) in [
        (format!("report {RUN} --format csv"), 0, "comparison.csv"),
        (
            format!("report {RUN} --format samples-csv"),
            0,
            "samples.csv",
        ),
        (format!("compare {RUN} --format csv"), 0, "interleaved.csv"),
        (
            format!("compare {BEFORE} {RUN} --format csv"),
            1,
            "two_runs.csv",
        ),
    ] {
        let output = home.bakeoff(&call).exits(exit).run();
        let (then, now) = (cells(&printed(name)), cells(&output.out));
        assert!(then.len() > 3, "{name}");
        if name == "two_runs.csv" {
            // Times are judged by their departure from the shift that all variants share; all else stays.
            let unshifted = |rows| {
                let mut rows = effects(rows);
                rows.retain(|row| ["cost", "completed", "output_tokens"].contains(&row[1]));
                assert!(rows.len() > 3, "{rows:?}");
                rows.concat().join(",")
            };
            assert_eq!(unshifted(&then), unshifted(&now), "{call}");
            continue;
        }
        if name == "interleaved.csv" {
            // TTFA is judged in the place of TTFT as soon as one variant reasons: effects and their sizes stay.
            assert_eq!(effects(&then), effects(&now), "{call}");
            continue;
        }
        assert_eq!(then.len(), now.len(), "{call}");
        for (then, now) in then.iter().zip(&now) {
            // Agreeing answers count as their prompts now: ends of shares are others.
            let is_share_end =
                |column: &str| column.ends_with("_share_lower") || column.ends_with("_share_upper");
            for (column, value) in then.iter().filter(|(column, _)| !is_share_end(column)) {
                assert_eq!(now.get(column), Some(value), "{call}: {column}");
            }
        }
    }
}

/// Asserts that everything in `then` is in `now`, which may have more keys.
fn assert_within(then: &Value, now: &Value, place: &str) {
    match (then, now) {
        (Value::Object(then), Value::Object(now)) => {
            // The worst case counts every attempt now.
            for (key, value) in then.iter().filter(|(key, _)| *key != "cost_usd_max") {
                let place = format!("{place}.{key}");
                let found = now.get(key).unwrap_or_else(|| panic!("{place} is gone"));
                assert_within(value, found, &place);
            }
        }
        (Value::Array(then), Value::Array(now)) => {
            assert_eq!(then.len(), now.len(), "{place}");
            for (then, now) in then.iter().zip(now) {
                assert_within(then, now, place);
            }
        }
        _ => assert_eq!(then, now, "{place}"),
    }
}

#[test]
fn stored_documents_of_0_1_have_the_same_figures() {
    // The ledger and the history are the only memory of money spent, and of what later runs are judged by.
    let home = home();
    for (call, name) in [
        ("history history.jsonl --json".to_owned(), "history.json"),
        (
            "size stored.toml --detect 100% --json".to_owned(),
            "size.json",
        ),
        ("spend --simulated --json".to_owned(), "spend.json"),
        (
            format!("forecast {RUN} --requests 1000/day --json"),
            "forecast.json",
        ),
    ] {
        let output = home.bakeoff(&call).run();
        let then: Value = serde_json::from_str(&printed(name)).unwrap();
        let now: Value = serde_json::from_str(&output.out).unwrap();
        assert_within(&renamed(&then), &renamed(&now), &call);
    }
}

#[test]
fn a_history_of_0_1_goes_on() {
    // Its old lines stay as they are, and new ones stand behind them: both count.
    let home = home();
    let lines = home.read("history.jsonl");
    let earlier: String = lines.split_inclusive('\n').take(2).collect();
    let home = home.with("history.jsonl", &earlier);
    home.bakeoff(&format!(
        "accept {RUN} --history history.jsonl --reset --force"
    ))
    .run();
    let after = home.read("history.jsonl");
    let added = after.strip_prefix(&earlier).unwrap();
    let line: Value = serde_json::from_str(added).unwrap();
    assert_eq!(
        (&line["version"], &line["standing"]),
        (&3.into(), &"baseline_reset".into())
    );
    let output = home.bakeoff("history history.jsonl --json").run();
    let shown: Value = serde_json::from_str(&output.out).unwrap();
    assert_eq!(shown["runs"], 3);
}

#[test]
fn an_old_flag_names_the_new_one() {
    // A script of 0.1 must fail with the word to type, not run without its scenario.
    let home = Home::new();
    let flags = RENAMED
        .iter()
        .filter(|(place, ..)| *place == NamePlace::Flag);
    for (_, old, new) in flags {
        for verb in ["run x.toml", "sim", "accept x --history h"] {
            home.bakeoff(&format!("{verb} {old} 1"))
                .exits(2)
                .complains(&format!("`{old}` has been renamed: write `{new}`"))
                .run();
        }
    }
}

#[test]
fn an_old_key_of_a_scenario_names_the_new_one() {
    for (key, text) in [
        ("fixed_salt", "fixed_salt = true"),
        (
            "shown",
            "[default]\nreasoning = { median = 1, sigma = 0, shown = \"hidden\" }",
        ),
    ] {
        let error = Scenario::parse(text).unwrap_err().to_string();
        let expected = renamed_error(NamePlace::ScenarioKey, key).unwrap();
        assert!(error.contains(&expected), "{error}");
        assert!(error.contains("line "), "its place: {error}");
    }
}

#[test]
fn the_changelog_has_every_renamed_name() {
    let changelog = include_str!("../../CHANGELOG.md");
    for (_, old, new) in RENAMED {
        let row =
            |line: &str| line.contains(&format!("`{old}`")) && line.contains(&format!("`{new}`"));
        assert!(changelog.lines().any(row), "{old} -> {new}");
        assert!(
            RENAMED.iter().all(|(_, other, _)| *other != new),
            "{new} is an old name, too"
        );
    }
}
