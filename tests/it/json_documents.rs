//! Output of `--json`: it matches the schemas under `docs/schemas/`, and these describe today's program.
//! `BAKEOFF_UPDATE=1` writes them again.

#![allow(clippy::unwrap_used, reason = "a test ends where its own set-up fails")]

use crate::support::program;
use crate::support::schema;
use crate::support::verbs;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use bakeoff::command::schema::Shape;
use program::Home;
use schema::misfits;
use serde_json::{Value, json};
use verbs::verbs;

/// Shapes of files that are read: their schemas lie under `suites/`.
const READ: [Shape; 2] = [Shape::Suite, Shape::Project];

/// The call, its exit code, and the shape of its output. The first words are the verb's.
const CALLS: [(&str, i32, Shape); 28] = [
    ("run suite.toml --json --quiet", 0, Shape::Comparison),
    ("run failing.toml --json --quiet", 4, Shape::Comparison),
    (
        "resume reports/failing/latest --retry-failed --json --quiet",
        4,
        Shape::Comparison,
    ),
    ("run suite.toml --list --json", 0, Shape::Plan),
    ("run suite.toml --verify --json", 0, Shape::Verification),
    ("run failing.toml --verify --json", 4, Shape::Verification),
    (
        "report reports/failing/latest --format json",
        0,
        Shape::Comparison,
    ),
    ("suite check suite.toml --json", 0, Shape::Check),
    (
        "suite check suite.toml wrong.toml rows.toml absent.toml --json",
        2,
        Shape::Check,
    ),
    ("models --json", 0, Shape::Models),
    ("models google reasoning --json", 0, Shape::Models),
    ("models show deepseek/deepseek-v3.2 --json", 0, Shape::Model),
    ("models diff --json", 0, Shape::ModelsDiff),
    ("runs --json", 0, Shape::Runs),
    ("runs reports/suite --json", 0, Shape::Runs),
    ("runs prune --keep 0 --json", 0, Shape::Prune),
    ("size suite.toml --json", 0, Shape::Sizes),
    (
        "compare reports/failing/latest --format json",
        4,
        Shape::Verdicts,
    ),
    (
        "compare reports/suite/latest --format json",
        0,
        Shape::Verdicts,
    ),
    (
        "accept reports/suite/latest --history past.jsonl --json",
        0,
        Shape::Accepted,
    ),
    ("history past.jsonl --json", 0, Shape::Trends),
    ("estimate suite.toml --json", 0, Shape::Estimate),
    (
        "forecast reports/suite/latest --requests 2M/month --json",
        0,
        Shape::Forecast,
    ),
    (
        "forecast reports/failing/latest --requests 3/s --cache-hit-rate 50% --json",
        4,
        Shape::Forecast,
    ),
    ("spend --simulated --json", 0, Shape::Spent),
    (
        "size suite.toml --detect 30% --from reports/suite/latest --json",
        0,
        Shape::Sizes,
    ),
    ("runs prune --keep 0 --yes --json", 0, Shape::Prune),
    ("merge shards/suite -o merged --json", 0, Shape::Comparison),
];

fn path(shape: Shape) -> PathBuf {
    let schemas = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/schemas");
    schemas.join(format!("{}.schema.json", shape.word()))
}

/// A suite of models of the simulator that answer at once.
fn suite(name: &str, models: &str) -> String {
    format!(
        "name = \"{name}\"\nmodels = [{models}]\nrepetitions = 5\n\
         [[prompts]]\nid = \"p\"\nuser = \"hi\"\n\n[[prompts]]\nid = \"q\"\nuser = \"ho\"\n"
    )
}

/// A folder with runs that went well and ill, and with suites that are right and wrong.
fn folder() -> Home {
    let home = Home::new()
        .with("suite.toml", &suite("suite", r#""sim/constant-40ms-1ms-5", "sim/constant-60ms-1ms-5""#))
        .with("failing.toml", &suite("failing", r#""sim/constant-1ms-1ms-5", "openai/no-such-model""#))
        .with("wrong.toml", "name = 1\nmodls = []\n")
        .with("rows.jsonl", "{\"q\": \"a\"}\nno JSON\n")
        .with(
            "rows.toml",
            "name = \"rows\"\nmodels = [\"m\"]\n[[prompt_files]]\npath = \"rows.jsonl\"\nuser = \"{{q}}\"\n",
        );
    // Twice, so that one of them is not the latest; and a folder that is no run.
    home.bakeoff("run suite.toml --quiet").run();
    home.bakeoff("run suite.toml --quiet").run();
    for index in 1..=2 {
        home.bakeoff(&format!(
            "run suite.toml --quiet --sim-seed 1 --shard {index}/2 --output shards"
        ))
        .run();
    }
    fs::create_dir_all(home.path("reports/other/site")).unwrap();
    home.with("reports/other/site/manifest.json", "{}")
}

#[test]
fn what_is_printed_fits_its_schema() {
    // A program that trusts the schema must never meet a document that it does not describe.
    let home = folder();
    let mut printed = BTreeSet::new();
    for (call, code, shape) in CALLS {
        let output = home.bakeoff(call).exits(code).run();
        let document: Value = serde_json::from_str(&output.out).unwrap();
        let misfits = misfits(&shape.schema(), &document);
        assert!(misfits.is_empty(), "`bakeoff {call}`: {misfits:#?}");
        assert!(
            document["version"].is_u64(),
            "`bakeoff {call}` has no version"
        );
        printed.insert(shape.word());
    }
    for shape in Shape::ALL.iter().filter(|shape| !READ.contains(shape)) {
        let word = shape.word();
        assert!(printed.contains(word), "no call in CALLS prints `{word}`");
    }
}

#[test]
fn every_verb_that_prints_json_is_called() {
    // A new verb must not print what no schema describes.
    let mut found = BTreeSet::new();
    for verb in verbs() {
        if verb.has_flag("--json") || verb.help.contains("- json:") {
            let name = format!("{} ", verb.name);
            assert!(
                CALLS.iter().any(|(call, ..)| call.starts_with(&name)),
                "`bakeoff {name}` prints JSON: add a `Shape` to src/command/schema.rs and a call to \
                 CALLS in tests/it/json_documents.rs"
            );
            found.insert(verb.name.clone());
        }
    }
    for known in ["run", "report", "models show", "runs prune"] {
        assert!(found.contains(known), "the search misses `{known}`");
    }
}

#[test]
fn committed_schemas_are_current() {
    // Programs are written against the committed ones.
    let mut expected = BTreeSet::new();
    for shape in Shape::ALL.iter().filter(|shape| !READ.contains(shape)) {
        let path = path(*shape);
        let made = format!("{:#}\n", shape.schema());
        if std::env::var_os("BAKEOFF_UPDATE").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &made).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            made == committed,
            "{} is stale: run the tests with BAKEOFF_UPDATE=1",
            path.display()
        );
        expected.insert(path);
    }
    let folder = path(Shape::Runs).parent().unwrap().to_owned();
    let there = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    assert_eq!(there.collect::<BTreeSet<_>>(), expected);
}

#[test]
fn the_verb_prints_what_is_committed() {
    // Who has only the program gets the same schemas, those of files included.
    let home = Home::new();
    for shape in Shape::ALL {
        let output = home.bakeoff(&format!("schema {}", shape.word())).run();
        assert_eq!(output.out, shape.committed());
    }
}

#[test]
fn a_mismatching_document_is_reported() {
    // The referee itself: each kind of misfit, against a schema of the same words as ours.
    let schema = json!({
        "definitions": { "Row": {
            "type": "object",
            "properties": { "n": { "type": "integer", "minimum": 0 }, "kind": { "enum": ["a"] } },
            "required": ["n"]
        } },
        "type": "object",
        "properties": { "rows": { "type": "array", "items": { "$ref": "#/definitions/Row" } } },
        "required": ["rows"]
    });
    assert_eq!(
        misfits(&schema, &json!({ "rows": [{ "n": 1, "kind": "a" }] })),
        [""; 0]
    );
    for wrong in [
        json!([]),
        json!({}),
        json!({ "rows": 1 }),
        json!({ "rows": [], "more": 1 }),
        json!({ "rows": [{ "n": -1 }] }),
        json!({ "rows": [{ "n": 1.5 }] }),
        json!({ "rows": [{ "n": null }] }),
        json!({ "rows": [{ "n": 1, "kind": "b" }] }),
        json!({ "rows": [{ "kind": "a" }] }),
    ] {
        assert_eq!(misfits(&schema, &wrong).len(), 1, "{wrong}");
    }
}
