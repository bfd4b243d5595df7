//! Runs that go well: what they print, what they leave, and that it can be made again.

use std::collections::BTreeMap;

use serde_json::Value;

use super::SUITE;
use super::program::{Home, ProgramOutput};
use super::server::{ANSWER, Server, Then, response};

const RUN: &str = "run suite.toml --scenario scenario.toml --sim-seed 7";

fn home() -> Home {
    Home::new().with("suite.toml", SUITE)
}

/// The fields of a sample that do not depend on time.
fn substance(sample: &Value) -> Vec<Value> {
    let names = [
        "trial",
        "prompt",
        "variant",
        "outcome",
        "answer",
        "usage",
        "finish_reason",
        "billed_usd",
        "provider",
    ];
    names.map(|name| sample[name].clone()).to_vec()
}

#[test]
fn a_suite_goes_in_and_a_comparison_comes_out() {
    // The main job: a table, the reports beside their sources, every trial a sample.
    let home = home();
    let output = home
        .bakeoff(RUN)
        .says("openai/gpt-4.1-nano")
        .says("openai/gpt-5-mini")
        .says("anthropic/claude-haiku-4.5")
        .complains("/12 trials, ")
        .complains("report.html")
        .run();
    assert!(
        !output.out.contains('\u{1b}') && !output.err.contains('\u{1b}'),
        "{output:?}"
    );
    let samples = home.samples("small");
    assert_eq!(samples.len(), 12);
    for sample in &samples {
        assert_eq!(sample["outcome"], "complete", "{sample}");
        assert!(sample["ttft_ns"].as_u64() > Some(0));
        assert!(sample["usage"]["completion_tokens"].as_u64() > Some(0));
    }
    for name in [
        "manifest.json",
        "samples.csv",
        "comparison.csv",
        "report.md",
        "report.html",
        "histograms.hlog",
    ] {
        let text = home.read(&format!("reports/small/latest/{name}"));
        assert!(!text.is_empty(), "{name}");
    }
    let manifest: Value =
        serde_json::from_str(&home.read("reports/small/latest/manifest.json")).unwrap();
    assert_eq!(manifest["status"], "complete");
    assert_eq!(manifest["planned_trials"], 12);
}

#[test]
fn the_same_sim_seed_gives_the_same_answers() {
    // A demonstration, or a test of a user's own, must be repeatable; two ordinary runs differ.
    let home = home();
    let substances = |call: &str| -> Vec<Vec<Value>> {
        home.bakeoff(call).run();
        home.samples("small").iter().map(substance).collect()
    };
    let once = substances(RUN);
    assert_eq!(once, substances(RUN));
    assert_ne!(
        once,
        substances("run suite.toml --scenario scenario.toml --sim-seed 8")
    );
    assert_ne!(
        substances("run suite.toml --scenario scenario.toml"),
        substances("run suite.toml --scenario scenario.toml")
    );
}

#[test]
fn a_list_sends_nothing_and_is_always_the_same() {
    // What would be sent can be read, and compared with `diff`, before anything is paid for.
    let server = Server::start(|_, _| (response("200 OK", "", ANSWER), Then::Keep));
    let home = home();
    let list = format!("run suite.toml --list --endpoint {}", server.base_url());
    let plain = home.bakeoff(&list).says("12 trials").says("capital").run();
    assert_eq!(plain, home.bakeoff(&list).run());
    let json = home.bakeoff(&format!("{list} --json")).run();
    assert_eq!(json, home.bakeoff(&format!("{list} --json")).run());
    let document: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(document["trials"], 12);
    assert_eq!(document["slots"].as_array().map(Vec::len), Some(4));
    // What is said of it beforehand goes to standard error, in either form.
    assert_eq!(plain.err, json.err);
    // Another seed is another order of the same trials.
    let other = home.bakeoff(&format!("{list} --seed 99")).run();
    assert_ne!(other.out, plain.out);
    assert!(server.seen().is_empty() && !home.path("reports").exists());
}

#[test]
fn a_closed_pipe_ends_a_list_quietly() {
    // `bakeoff run --list | head` is how long plans are looked at.
    let home = home();
    let underway = home
        .bakeoff("run suite.toml --list --repetitions 10000 --quiet")
        .begin_unread();
    assert_eq!(underway.end().err, "");
}

#[test]
fn json_is_one_document_and_nothing_else() {
    // A script must be able to read standard output without looking at it.
    let home = home();
    let ProgramOutput { out, .. } = home.bakeoff(&format!("{RUN} --json")).run();
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(document["status"], "complete");
    assert_eq!(document["comparison"].as_array().map(Vec::len), Some(3));
    // It is the document that `report` prints from the records.
    let again = home
        .bakeoff("report reports/small/latest --format json")
        .run();
    assert_eq!(again.out, out);
    assert_eq!(again.err, "");
}

#[test]
fn quiet_writes_no_progress() {
    // In a log of CI only the result and the problems matter.
    let home = home();
    let loud = home.bakeoff(RUN).run();
    let quiet = home.bakeoff(&format!("{RUN} --quiet")).run();
    assert!(loud.err.contains("trials,") && !quiet.err.contains("trials,"));
    assert!(quiet.out.contains("openai/gpt-5-mini"));
    let silent = home.bakeoff(&format!("{RUN} --quiet --json")).run();
    assert_eq!(silent.err, "");
}

#[test]
fn reports_are_made_again_byte_for_byte() {
    // A report is a function of its records: every reader of these can check it.
    let home = home();
    home.bakeoff(RUN).run();
    let files = || -> BTreeMap<_, _> {
        let files = home.files().into_iter();
        files
            .map(|path| (path.clone(), std::fs::read(path).unwrap()))
            .collect()
    };
    let first = files();
    let output = home
        .bakeoff("report reports/small/latest")
        .says("gpt-5-mini")
        .run();
    assert_eq!(first, files());
    assert_eq!(output, home.bakeoff("report reports/small/latest").run());
    for (format, file) in [
        ("markdown", "report.md"),
        ("html", "report.html"),
        ("csv", "comparison.csv"),
        ("samples-csv", "samples.csv"),
        ("hlog", "histograms.hlog"),
    ] {
        let call = format!("report reports/small/latest --format {format}");
        let output = home.bakeoff(&call).run();
        assert_eq!(
            output.out,
            home.read(&format!("reports/small/latest/{file}")),
            "{format}"
        );
        assert_eq!(output.err, "");
    }
    assert_eq!(first, files());
}

#[test]
fn verify_tries_each_pair_once_and_keeps_nothing() {
    // Before an expensive run: does every prompt get an answer from every model?
    let home = home();
    home.bakeoff(&format!("{RUN} --verify"))
        .says("6 of 6 trials completed")
        .run();
    home.bakeoff(&format!(
        "{RUN} --verify -m openai/gpt-4.1-nano -m openai/gpt-5-mni"
    ))
    .exits(4)
    .says("capital on openai/gpt-5-mni: ")
    .says("sky on openai/gpt-5-mni: ")
    .says("Did you mean `openai/gpt-5-mini`")
    .says("2 of 4 trials completed")
    .run();
    assert!(!home.path("reports").exists());
}

#[test]
fn selection_narrows_a_run() {
    // One prompt, one model, once: what one does while writing a suite.
    let home = home();
    home.bakeoff(&format!("{RUN} -m *nano* -p sky -r 3")).run();
    let samples = home.samples("small");
    assert_eq!(samples.len(), 3);
    assert!(samples.iter().all(|sample| sample["prompt"] == "sky"));
    let manifest: Value =
        serde_json::from_str(&home.read("reports/small/latest/manifest.json")).unwrap();
    assert_eq!(manifest["selection"]["models"][0], "*nano*");
    assert_eq!(manifest["suite"]["repetitions"], 3);
}

#[test]
fn answers_can_be_left_out() {
    // Prompts of customers are answered with their secrets: `keep_answers = false` keeps figures only.
    let home = Home::new().with("suite.toml", &format!("keep_answers = false\n{SUITE}"));
    home.bakeoff(RUN).run();
    for sample in home.samples("small") {
        assert_eq!(
            (&sample["answer"], &sample["reasoning"]),
            (&Value::Null, &Value::Null)
        );
        assert!(sample["answer_chars"].as_u64() > Some(0));
    }
}

#[test]
fn without_streaming_there_is_no_time_to_first_token() {
    // A figure that was not measured is absent, not 0 and not the latency.
    let home = Home::new().with("suite.toml", &format!("stream = false\n{SUITE}"));
    home.bakeoff(RUN).run();
    for sample in home.samples("small") {
        assert_eq!(sample["outcome"], "complete");
        assert_eq!(sample["ttft_ns"], Value::Null);
        assert!(sample["latency_ns"].as_u64() > Some(0));
        assert!(sample["usage"]["completion_tokens"].as_u64() > Some(0));
    }
}

#[test]
fn plain_http_needs_no_certificates() {
    // In a bare container there is no certificate store, and own servers need none.
    let home = home();
    std::fs::create_dir(home.path("empty")).unwrap();
    home.bakeoff(RUN)
        .env("SSL_CERT_FILE", home.path("empty/none.pem"))
        .env("SSL_CERT_DIR", home.path("empty"))
        .run();
    assert_eq!(home.samples("small").len(), 12);
}
