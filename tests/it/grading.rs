//! Grading in runs: by asserts as users write them, against the simulator's knowledge of what was right.

use std::net::TcpListener;

use bakeoff::record::Sample;
use bakeoff::sim::{Scenario, Simulator};

use crate::support::program::{FAST_SCENARIO, Home};

const SUITE: &str = r#"
name = "graded"
models = ["openai/gpt-5-mini", "openai/gpt-4.1-nano"]
repetitions = 6
warmup = 0
max_attempts = 1
assert = [{ type = "not-is-refusal", name = "answers" }]

[[prompts]]
id = "refund"
user = "A customer bought shoes 10 days ago."
assert = [{ type = "icontains", value = "14 DAYS" }, { type = "word-count", value = { max = 40 }, weight = 0 }]

[[prompts]]
id = "ticket"
user = "Write a ticket as JSON."
assert = [{ type = "json-schema", extract = "json", value = { file = "ticket.json" } }]

[[prompts]]
id = "call"
user = "Call the tool."
parameters = { tools = [{ name = "refund" }] }
assert = [{ type = "tool-call", value = { name = "refund", arguments = { required = ["order"] } } }]

[[prompt_files]]
path = "questions.csv"
id = "id"
user = "{{question}}"
assert = [{ type = "equals", value = "{{expected}}", extract = "last-line" }]
"#;

const SCENARIO: &str = r#"
[prompts]
tokens_sigma = 0
ttft_sigma = 0
difficulty = 0.3

[[answers]]
when = "shoes"
right = "You can return them within 14 days."
wrong = "Ask the shop."

[[answers]]
when = "ticket"
right = "Here it is: {\"priority\": 2, \"title\": \"Light\"}"
wrong = "Here it is: {\"priority\": 7, \"title\": \"Light\"}"

[[answers]]
when = "Call"
tool = "refund"
right = "{\"order\": 7}"
wrong = "{\"other\": 7}"

[[answers]]
when = "capital of France"
right = "Let me think.\nParis"
wrong = "Paris\nor Rome"

[models."openai/gpt-5-mini"]
right_share = 0.8
[models."openai/gpt-4.1-nano"]
right_share = 0.5
refusal_share = 0.1
"#;

fn home(suite: &str) -> Home {
    Home::new()
        .with("suite.toml", suite)
        .with(
            "ticket.json",
            r#"{"properties": {"priority": {"maximum": 3}}}"#,
        )
        .with(
            "questions.csv",
            "id,question,expected\nfrance,What is the capital of France?,Paris\n",
        )
}

#[test]
fn answers_pass_where_the_simulator_was_right() {
    // The grades of a run must be those of the server trace.
    let home = home(SUITE);
    let scenario = Scenario::parse(&format!("{FAST_SCENARIO}{SCENARIO}")).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let running = Simulator::start(scenario, listener, None, 5).unwrap();
    home.bakeoff(&format!(
        "run suite.toml --quiet --endpoint {}",
        running.base_url()
    ))
    .run();
    let trace = running.trace();
    let samples: Vec<Sample> = home
        .samples("graded")
        .into_iter()
        .map(|sample| serde_json::from_value(sample).unwrap())
        .collect();
    let (mut right, mut wrong) = (0, 0);
    for sample in &samples {
        let record = trace
            .iter()
            .find(|record| record.request_id.as_deref() == Some(&*sample.request_id))
            .unwrap();
        assert_eq!(sample.passed(), record.right, "{sample:?}");
        assert!(sample.grades.iter().all(|grade| grade.reason.is_some()));
        if record.right == Some(true) {
            right += 1;
        } else {
            wrong += 1;
        }
    }
    assert!(
        samples.len() == 48 && right > 10 && wrong > 5,
        "{right} {wrong}"
    );
}

#[test]
fn answers_are_graded_although_they_are_not_stored() {
    // Who may not store answers can still know how many were right.
    let suite = SUITE.replace("warmup = 0", "warmup = 0\nkeep_answers = false");
    let home = home(&suite).with("gateway.toml", &format!("{FAST_SCENARIO}{SCENARIO}"));
    let ended = home
        .bakeoff("run suite.toml --scenario gateway.toml --sim-seed 5")
        .run();
    let samples = home.samples("graded");
    assert!(samples.iter().all(|sample| sample["grades"].is_array()));
    let text = home.read("reports/graded/latest/samples.jsonl");
    assert!(!text.contains("Ask the shop."), "a text was stored");
    assert!(
        samples
            .iter()
            .all(|sample| sample.get("tool_calls").is_none())
    );
    // A reason quotes answers; a verdict on the pass rate needs none.
    assert!(!text.contains("\"reason\""), "a reason was stored");
    assert!(!ended.out.contains("not graded"), "{}", ended.out);
    let compared = home.read("reports/graded/latest/report.md");
    assert!(compared.contains("pass_rate"), "{compared}");
}

#[test]
fn a_suite_says_what_grades_it() {
    let home = home(SUITE);
    home.bakeoff("suite check suite.toml")
        .says("grades the answers to 4 of 4 prompts: answers, equals, icontains, json-schema, tool-call, word-count")
        .run();
}

#[test]
fn an_assert_that_cannot_work_ends_the_run_before_it_begins() {
    // Nothing may be paid for with a pattern or a schema that grades nothing.
    for (assert, reason) in [
        ("{ type = \"regex\", value = \"(a\" }", "unclosed group"),
        (
            "{ type = \"json-schema\", value = { \"$ref\" = \"#\" } }",
            "without end",
        ),
        (
            "{ type = \"json-schema\", value = { file = \"none.json\" } }",
            "none.json",
        ),
        ("{ type = \"python\" }", "not supported"),
    ] {
        let suite = format!(
            "name = \"x\"\nmodels = [\"m\"]\n[[prompts]]\nid = \"a\"\nuser = \"b\"\nassert = [{assert}]\n"
        );
        let home = home(&suite);
        home.bakeoff("run suite.toml")
            .exits(2)
            .complains(reason)
            .run();
        assert!(!home.path("reports").exists(), "{assert}");
    }
    // A row's own pattern names its file and line.
    let rows = "id,pattern\na,x\nb,(\n";
    let suite = "name = \"x\"\nmodels = [\"m\"]\n[[prompt_files]]\npath = \"rows.csv\"\nid = \"id\"\nuser = \"b\"\n\
                 assert = [{ type = \"regex\", value = \"{{pattern}}\" }]\n";
    let home = home(suite).with("rows.csv", rows);
    home.bakeoff("suite check suite.toml")
        .exits(2)
        .complains("rows.csv:3")
        .complains("the assert `regex`")
        .run();
}

#[test]
fn an_old_run_is_graded_by_its_stored_answers() {
    // Who learns later what is right must not pay for the answers again; and grading anew gives what grading in the
    // run gave.
    let home = home(SUITE).with("gateway.toml", &format!("{FAST_SCENARIO}{SCENARIO}"));
    home.bakeoff("run suite.toml --scenario gateway.toml --sim-seed 5 --quiet")
        .run();
    let graded = home.read("reports/graded/latest/report.md");
    // Another rule: everything passes; then the suite's own again.
    let lenient = SUITE.replace("icontains\", value = \"14 DAYS", "icontains\", value = \"s");
    let home = home.with("lenient.toml", &lenient);
    home.bakeoff("score reports/graded/latest --suite lenient.toml")
        .complains("Stored ")
        .run();
    assert_ne!(home.read("reports/graded/latest/report.md"), graded);
    home.bakeoff("score reports/graded/latest --suite suite.toml")
        .run();
    assert_eq!(home.read("reports/graded/latest/report.md"), graded);
    let amendments = home.read("reports/graded/latest/amendments.jsonl");
    assert_eq!(amendments.lines().count(), 2 * 48);
    // What cannot be graded says why.
    let other = "name = \"x\"\nmodels = [\"m\"]\n[[prompts]]\nid = \"refund\"\nuser = \"b\"\n";
    let home = home.with("none.toml", other);
    home.bakeoff("score reports/graded/latest --suite none.toml")
        .exits(2)
        .complains("has an `assert`")
        .run();
    let changed = format!("{other}assert = [{{ type = \"word-count\", value = {{ min = 1 }} }}]\n");
    let home = home.with("changed.toml", &changed);
    home.bakeoff("score reports/graded/latest --suite changed.toml")
        .complains("does not grade 3 prompts of the run")
        .complains("differ from what the run sent")
        .run();
}
