//! Prices as a user meets them: what changed in a list, what stands beside the price of a token, what a
//! cap makes of it, and who is asked for an estimate.

#![allow(clippy::unwrap_used, reason = "a test ends where its own set-up fails")]

use crate::support::lists;

use std::fs;
use std::path::Path;
use std::process::Output;
use std::sync::{Arc, Mutex};

use bakeoff::catalog::{CachedList, ListCache};
use lists::{Lists, bakeoff, done, err, json, out, project, simulator};
use serde_json::Value;

const CHEAP: &str = r#"{"id":"a/one","pricing":{"input":"0.000001","output":"0.000002"}}"#;
const DEAR: &str = r#"{"id":"a/one","pricing":{"input":"0.0000015","output":"0.000002"}}"#;

/// Stores a list of an endpoint's as if it had been fetched then.
fn keep(folder: &Path, base_url: &str, fetched_at: &str, list: &str) {
    let cached = CachedList {
        fetched_at: fetched_at.parse().unwrap(),
        list: bakeoff::suite::Redactor::default().apply(list.to_owned()),
    };
    let cache = ListCache::new(folder.join("cache"));
    cache.put(base_url, &cached, |_| true).unwrap();
}

fn list_of(entries: &str) -> String {
    format!(r#"{{"data":[{entries}]}}"#)
}

#[test]
fn price_changes_are_shown_until_the_next_change() {
    // A price went up and a model came: the fetch says how many, `diff` says what, and it still does after
    // the same list was fetched again.
    let folder = tempfile::tempdir().unwrap();
    let list = Arc::new(Mutex::new(list_of(CHEAP)));
    let answered = Arc::clone(&list);
    let lists = Lists::start(move |_| json("200 OK", &answered.lock().unwrap()));
    project(folder.path(), &lists.base_url());
    let models = |arguments: &[&str]| -> Output {
        bakeoff(
            folder.path(),
            &[&["models"], arguments, &["-e", "here"]].concat(),
        )
    };
    let first = models(&["--refresh"]);
    assert!(!err(&first).contains("since the list"), "{}", err(&first));
    let same = models(&["--refresh"]);
    assert!(
        err(&same).contains("no changes since the list of"),
        "{}",
        err(&same)
    );
    *list.lock().unwrap() = list_of(&format!(r#"{DEAR},{{"id":"b/two"}}"#));
    let changed = models(&["--refresh"]);
    assert!(
        err(&changed).contains("2 models changed since the list of"),
        "{}",
        err(&changed)
    );
    assert!(
        err(&changed).contains("see `bakeoff models diff --endpoint here`"),
        "{}",
        err(&changed)
    );
    for again in [&["diff"][..], &["diff", "--refresh"], &["diff"]] {
        let stdout = done(&models(again));
        let (heading, stdout) = stdout.split_once("\n\n").unwrap();
        assert!(
            heading.starts_with("Models of `here`: the list of "),
            "{heading}"
        );
        insta::allow_duplicates! {
            insta::assert_snapshot!(stdout, @"
            added
              id     context  max output  input  output
              b/two        –           –      –       –

            changed
              id      what  before  after  change
              a/one  input       1    1.5   +50 %

            Token prices in USD per million; other prices as listed.
            ");
        }
    }
    let document: Value = serde_json::from_str(&done(&models(&["diff", "--json"]))).unwrap();
    assert_eq!(document["before"]["compiled_in"], false);
    assert_eq!(document["added"][0]["id"], "b/two");
    assert_eq!(document["changed"][0]["changes"][0]["percent"], 50.0);
}

#[test]
fn without_two_lists_the_compiled_in_one_is_compared_with() {
    // The first look at an endpoint must not end in nothing; what it stands on is said.
    let folder = tempfile::tempdir().unwrap();
    let lists = Lists::of(r#"{"data":[{"id":"perplexity/sonar","context_window":1}]}"#);
    let url = lists.base_url();
    let output = bakeoff(folder.path(), &["models", "diff", "--endpoint", &url]);
    let stdout = done(&output);
    assert!(
        stdout.contains("compared with the built-in list of 2026-08-21"),
        "{stdout}"
    );
    assert!(stdout.contains("context  127000      1"), "{stdout}");
    assert!(
        err(&output).contains("compared with the built-in one"),
        "{}",
        err(&output)
    );
    let of_simulator = done(&bakeoff(folder.path(), &["models", "diff"]));
    assert!(of_simulator.contains("built-in"), "{of_simulator}");
    // Where there is not even one there is nothing to say.
    let unlisted = bakeoff(
        folder.path(),
        &["models", "diff", "--endpoint", "http://127.0.0.1:9/v1"],
    );
    assert_eq!(unlisted.status.code(), Some(4));
    assert!(err(&unlisted).contains("to compare"), "{}", err(&unlisted));
}

#[test]
fn lists_are_sorted_by_the_given_column() {
    // `models --sort price 'gpt|haiku'` is a question with one answer.
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["models", "--sort", "price", "gpt-5|*haiku*", "--json"];
    let document: Value = serde_json::from_str(&done(&bakeoff(folder.path(), &arguments))).unwrap();
    let models = document["models"].as_array().unwrap();
    assert!(
        models
            .iter()
            .any(|model| model["id"] == "anthropic/claude-haiku-4.5")
    );
    let blended: Vec<f64> = models
        .iter()
        .map(|model| {
            let price =
                |key: &str| -> f64 { model["prices"][0][key].as_str().unwrap().parse().unwrap() };
            3.0 * price("input_usd_per_mtok") + price("output_usd_per_mtok")
        })
        .collect();
    assert!(blended.len() > 3 && blended.is_sorted(), "{blended:?}");
    let wrong = bakeoff(folder.path(), &["models", "gpt|"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        err(&wrong).contains("alternative 2 of `gpt|` is empty"),
        "{}",
        err(&wrong)
    );
}

#[test]
fn further_prices_are_shown_with_what_becomes_of_them() {
    // What no cost takes in must at least be seen, as the list spells it.
    let folder = tempfile::tempdir().unwrap();
    let lists = Lists::start(|path| match path {
        "/v1/models" => json(
            "200 OK",
            r#"{"data":[{"id":"a/one","pricing":{"input":"0.000001","output":"0.000002",
                "web_search":"0.0100","regional":{"eu":{"input":"0.000002","output":"0.000003"}}}}]}"#,
        ),
        _ => json("404 Not Found", "{}"),
    });
    let url = lists.base_url();
    let page = done(&bakeoff(
        folder.path(),
        &["models", "show", "a/one", "--endpoint", &url],
    ));
    insta::assert_snapshot!(page, @r#"
    a/one
      name          a/one
      kind          other
      context       –
      max output    –
      prices        input 1, output 2 (USD per million tokens)
      other price   regional: {"eu":{"input":"0.000002","output":"0.000003"}}
                    counted in caps and worst cases, not in list costs
      other price   web_search: 0.0100
                    not supported: caps refuse the model until `surcharges` declares its maximum
    "#);
    let printed = done(&bakeoff(
        folder.path(),
        &["models", "show", "a/one", "--endpoint", &url, "--json"],
    ));
    let document: Value = serde_json::from_str(&printed).unwrap();
    let prices = &document["model"]["other_prices"];
    assert_eq!(prices[1]["value"], "0.0100");
    assert_eq!(prices[1]["treatment"], "declare");
    assert_eq!(prices[0]["treatment"], "bounded");
}

const SUITE: &str = r#"
name = "priced"
models = ["openai/gpt-5-mini"]
repetitions = 1
warmup = 0
[parameters]
max_tokens = 50
[[prompts]]
id = "p"
user = "hi"
"#;

fn suite(folder: &Path, more: &str, model: &str) {
    let text = SUITE.replace("openai/gpt-5-mini", model);
    fs::write(folder.join("suite.toml"), format!("{text}{more}")).unwrap();
}

#[test]
fn what_tokens_do_not_bound_is_refused_until_it_is_declared() {
    // Searches, images and models without a price: under a cap each is refused with a line, and with that
    // line the run goes through and keeps its cap.
    let searching = r#"{"data":[{"id":"openai/gpt-5-mini","pricing":{"input":"0.00000025",
        "output":"0.000002","web_search":"0.01"}}]}"#;
    let plain = searching.replace(r#","web_search":"0.01""#, "");
    let image = "images = [\"https://example.org/a.png\"]\n";
    let search = "[prompts.parameters.extra]\nweb_search_options = {}\n";
    let mini = "openai/gpt-5-mini";
    for (list, more, model, refused, line) in [
        (
            searching,
            "",
            mini,
            "has prices that do not depend on tokens: web_search",
            "usd_per_request = 0.01",
        ),
        (
            &plain,
            image,
            mini,
            "is sent images, whose price is not declared",
            "usd_per_image = 0.01",
        ),
        (
            &plain,
            search,
            mini,
            "has `extra.web_search_options`",
            "usd_per_request = 0.01",
        ),
        (
            r#"{"data":[{"id":"perplexity/sonar","pricing":{}}]}"#,
            "",
            "perplexity/sonar",
            "`perplexity/sonar` has no price",
            "input_usd_per_mtok = 1\noutput_usd_per_mtok = 2",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let simulator = simulator();
        project(folder.path(), &simulator.base_url());
        suite(folder.path(), more, model);
        keep(
            folder.path(),
            &simulator.base_url(),
            "2026-01-02T03:04:05Z",
            list,
        );
        let run = [
            "run",
            "suite.toml",
            "--endpoint",
            "here",
            "--max-cost",
            "$0.50",
        ];
        let output = bakeoff(folder.path(), &run);
        assert_eq!(output.status.code(), Some(2), "{}", err(&output));
        assert!(err(&output).contains(refused), "{}", err(&output));
        for part in line.split('\n') {
            assert!(err(&output).contains(part), "{}", err(&output));
        }
        assert!(!folder.path().join("reports").exists(), "nothing was sent");
        let table = if line.contains("mtok") {
            "prices"
        } else {
            "surcharges"
        };
        let file = folder.path().join("bakeoff.toml");
        let declared = format!(
            "{}\n[[endpoints.here.{table}]]\nmodel = \"{model}\"\n{line}\n",
            fs::read_to_string(&file).unwrap()
        );
        fs::write(&file, declared).unwrap();
        let output = bakeoff(folder.path(), &run);
        // The simulator has no price for one of them, and bills nothing: it answers all the same.
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        // One line before the first request and one after the last: the refused run has none.
        let ledger = fs::read_to_string(folder.path().join("reports/ledger.jsonl")).unwrap();
        let begun = ledger.matches(r#""status":"running""#).count();
        assert_eq!((begun, ledger.lines().count()), (1, 2), "{ledger}");
    }
}

#[test]
fn an_empty_price_is_an_absent_cost() {
    // Without a cap such a model is used, and its cost must not read as 0.
    let folder = tempfile::tempdir().unwrap();
    suite(folder.path(), "", "perplexity/sonar");
    done(&bakeoff(folder.path(), &["run", "suite.toml", "--quiet"]));
    let samples = folder.path().join("reports/priced/latest/samples.jsonl");
    let sample: Value = serde_json::from_str(fs::read_to_string(samples).unwrap().trim()).unwrap();
    assert!(
        sample["usage"]["completion_tokens"].as_u64() > Some(0),
        "{sample}"
    );
    assert_eq!(sample.get("cost_usd"), None, "{sample}");
}

#[test]
fn an_old_list_fails_no_run_and_its_date_stands_in_every_report() {
    // A year-old list is better than none, as long as its prices do not look like today's.
    let folder = tempfile::tempdir().unwrap();
    let simulator = simulator();
    project(folder.path(), &simulator.base_url());
    suite(folder.path(), "", "openai/gpt-5-mini");
    let list = r#"{"data":[{"id":"openai/gpt-5-mini","pricing":{"input":"0.000001","output":"0.000002"}}]}"#;
    keep(
        folder.path(),
        &simulator.base_url(),
        "2025-11-20T03:04:05Z",
        list,
    );
    let output = bakeoff(
        folder.path(),
        &["run", "suite.toml", "--endpoint", "here", "--verbose"],
    );
    let shown = done(&output);
    assert!(
        err(&output).contains("prices are of a list cached for"),
        "{}",
        err(&output)
    );
    assert!(shown.contains("2025-11-20"), "the terminal: {shown}");
    let run = folder.path().join("reports/priced/latest");
    for file in ["manifest.json", "report.md", "comparison.csv", "junit.xml"] {
        let text = fs::read_to_string(run.join(file)).unwrap();
        assert!(text.contains("2025-11-20"), "{file}");
    }
    for format in ["json", "summary", "markdown"] {
        let report = ["report", run.to_str().unwrap(), "--format", format];
        let report = done(&bakeoff(folder.path(), &report));
        assert!(report.contains("2025-11-20"), "{format}: {report}");
    }
    // Without the endpoint the list serves all the same.
    let estimate = done(&bakeoff(
        folder.path(),
        &["estimate", "suite.toml", "--endpoint", "here"],
    ));
    assert!(estimate.contains("Prices of 2025-11-20"), "{estimate}");
}

/// The worst case of an estimate.
fn worst(output: &Output) -> f64 {
    let document: Value = serde_json::from_str(&done(output)).unwrap();
    let worst = document["total"]["worst_usd"].as_str().unwrap();
    worst.parse().unwrap()
}

#[test]
fn an_estimate_uses_the_most_expensive_provider() {
    // The worst case of a named endpoint is that of a cap: its most expensive provider. The answer is cached;
    // no request goes to a model; without a key, or a name, none is sent at all.
    let folder = tempfile::tempdir().unwrap();
    let offers = r#"{"data":{"endpoints":[
        {"provider_name":"cheap","pricing":{"prompt":"0.00000025","completion":"0.000002"}},
        {"provider_name":"dear","pricing":{"prompt":"0.0000025","completion":"0.00002"}}]}}"#;
    let lists = Lists::start(move |path| match path {
        "/v1/models/openai/gpt-5-mini/endpoints" => json("200 OK", offers),
        _ => json("404 Not Found", "{}"),
    });
    project(folder.path(), &lists.base_url());
    suite(folder.path(), "", "openai/gpt-5-mini");
    let list = r#"{"data":[{"id":"openai/gpt-5-mini","pricing":{"input":"0.00000025","output":"0.000002"}}]}"#;
    keep(
        folder.path(),
        &lists.base_url(),
        "2025-11-20T03:04:05Z",
        list,
    );
    let estimate = |more: &[&str]| {
        bakeoff(
            folder.path(),
            &[&["estimate", "suite.toml", "--json"], more].concat(),
        )
    };
    let named = worst(&estimate(&["--endpoint", "here"]));
    assert_eq!(
        lists.requested_paths(),
        ["/v1/models/openai/gpt-5-mini/endpoints"]
    );
    assert_eq!(
        worst(&estimate(&["--endpoint", "here"])).to_bits(),
        named.to_bits()
    );
    assert_eq!(lists.requested_paths().len(), 1, "the answer was kept");
    // The compiled-in price of this model is the cheap provider's.
    let unnamed = worst(&estimate(&[]));
    assert!((named / unnamed - 10.0).abs() < 1e-9, "{named} {unnamed}");
    assert_eq!(lists.requested_paths().len(), 1);
    // The run that is begun with it says the same as its cap.
    fs::remove_dir_all(folder.path().join("cache")).unwrap();
    drop(lists);
    let alone = estimate(&["--endpoint", "here"]);
    assert!((worst(&alone) - unnamed).abs() < 1e-12);
    assert!(
        err(&alone).contains("who serves `openai/gpt-5-mini` is not known"),
        "{}",
        err(&alone)
    );
    let text = fs::read_to_string(folder.path().join("bakeoff.toml")).unwrap();
    fs::write(
        folder.path().join("bakeoff.toml"),
        text.replace("SIM_KEY", "NO_SUCH_KEY"),
    )
    .unwrap();
    let keyless = estimate(&["--endpoint", "here"]);
    assert!((worst(&keyless) - unnamed).abs() < 1e-12);
    assert!(
        err(&keyless).contains("because NO_SUCH_KEY is not set"),
        "{}",
        err(&keyless)
    );
}

#[test]
fn lists_and_checks_tell_what_a_run_would() {
    // A wrong id and the cost are worth knowing before anything is started, and no request is sent.
    let folder = tempfile::tempdir().unwrap();
    project(folder.path(), "http://127.0.0.1:9/v1");
    let listed = SUITE.replace(
        "name = \"priced\"",
        "name = \"priced\"\nendpoint = \"here\"",
    );
    let listed = listed.replace("openai/gpt-5-mini", "openai/gpt-5-mimi");
    fs::write(folder.path().join("suite.toml"), listed).unwrap();
    let list = r#"{"data":[{"id":"openai/gpt-5-mini","pricing":{"input":"0.000001","output":"0.000002"}}]}"#;
    keep(
        folder.path(),
        "http://127.0.0.1:9/v1",
        "2025-11-20T03:04:05Z",
        list,
    );
    let warning = "warning: `here` does not list `openai/gpt-5-mimi` (list of 2025-11-20); did you mean `openai/gpt-5-mini`?";
    let plan = bakeoff(folder.path(), &["run", "suite.toml", "--list"]);
    done(&plan);
    assert!(err(&plan).contains(warning), "{}", err(&plan));
    assert!(
        err(&plan).contains("no model has a price"),
        "{}",
        err(&plan)
    );
    let plan = bakeoff(
        folder.path(),
        &["run", "suite.toml", "--list", "-m", "openai/gpt-5-mini"],
    );
    assert!(
        err(&plan).contains("note: expected to cost about $"),
        "{}",
        err(&plan)
    );
    assert!(
        err(&plan).contains("(prices of 2025-11-20)"),
        "{}",
        err(&plan)
    );
    let checked = bakeoff(folder.path(), &["suite", "check", "suite.toml"]);
    assert!(out(&checked).contains(warning), "{}", out(&checked));
    // The simulator knows what it plays.
    suite(folder.path(), "", "openai/gpt-5-mimi+stall");
    let checked = bakeoff(folder.path(), &["suite", "check", "suite.toml"]);
    assert!(
        out(&checked).contains("warning: the simulated gateway does not know `openai/gpt-5-mimi+stall`; did you mean `openai/gpt-5-mini`"),
        "{}",
        out(&checked)
    );
    suite(folder.path(), "", "sim/constant-1ms-1ms-5");
    let checked = bakeoff(folder.path(), &["suite", "check", "suite.toml"]);
    assert!(
        !out(&checked).contains("does not know"),
        "{}",
        out(&checked)
    );
}
