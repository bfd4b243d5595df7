//! The catalog as a user meets it: `bakeoff models` and what `run` knows of an endpoint's models, against the
//! simulator and a server with unusual lists.

#![allow(clippy::unwrap_used, reason = "a test ends where its own set-up fails")]

use crate::support::lists;
use crate::support::server;

use std::fs;
use std::path::Path;

use bakeoff::catalog::{CachedList, ListCache};
use lists::{Lists, bakeoff, done, err, json, project, simulator};
use serde_json::Value;
use server::{ANSWER, Server, Then, response};

/// The one file of the cache.
fn list_path(folder: &Path) -> std::path::PathBuf {
    let mut files = fs::read_dir(folder.join("cache")).unwrap();
    let file = files.next().unwrap().unwrap().path();
    assert!(files.next().is_none());
    file
}

#[test]
fn the_default_lists_the_simulated_gateway() {
    // The first thing a user types works without a key, a network or a cache.
    let folder = tempfile::tempdir().unwrap();
    let output = bakeoff(folder.path(), &["models", "claude", "HAIKU"]);
    insta::assert_snapshot!(done(&output), @r"
    id                          context  max output  input  output  cache read  cache write  tags
    anthropic/claude-haiku-4.5   200000       64000      1       5         0.1         1.25  explicit-caching file-input reasoning tool-use vision web-search
    Prices in USD per million tokens.
    ");
    assert!(err(&output).contains("simulated gateway"));
    assert!(
        !folder.path().join("cache").exists(),
        "it costs nothing to ask again"
    );
}

#[test]
fn every_list_is_sorted_and_searched() {
    // A person scans ids in order; every word narrows.
    let folder = tempfile::tempdir().unwrap();
    let output = bakeoff(folder.path(), &["models", "openai/*", "--json"]);
    let document: Value = serde_json::from_str(&done(&output)).unwrap();
    assert_eq!(document["version"], 2);
    let ids: Vec<&str> = (document["models"].as_array().unwrap().iter())
        .map(|model| model["id"].as_str().unwrap())
        .collect();
    assert!(ids.len() > 3 && ids.is_sorted());
    assert!(ids.iter().all(|id| id.starts_with("openai/")));
}

#[test]
fn a_query_without_an_answer_names_the_nearest() {
    // A slip of the finger must not look like an empty catalog.
    let folder = tempfile::tempdir().unwrap();
    let output = bakeoff(folder.path(), &["models", "gpt5-mini"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        err(&output).contains("did you mean `openai/gpt-5-mini`"),
        "{}",
        err(&output)
    );
}

#[test]
fn a_list_is_cached_and_fetched_again_on_refresh() {
    // One request a day is enough; `--refresh` is the way to a newer list; offline nothing is lost.
    let folder = tempfile::tempdir().unwrap();
    let lists = Lists::of(r#"{"object":"list","data":[{"id":"b/two"},{"id":"a/one"}]}"#);
    let url = lists.base_url();
    let models = |more: &[&str]| {
        let mut arguments = vec!["models", "--endpoint", url.as_str()];
        arguments.extend(more);
        bakeoff(folder.path(), &arguments)
    };
    let first = done(&models(&[]));
    assert!(first.find("a/one").unwrap() < first.find("b/two").unwrap());
    assert_eq!(lists.requested_paths(), ["/v1/models"]);
    let again = models(&[]);
    assert_eq!(done(&again), first);
    assert!(err(&again).contains("kept for 0 min"), "{}", err(&again));
    assert_eq!(lists.requested_paths().len(), 1, "the kept list is fresh");
    done(&models(&["--refresh"]));
    assert_eq!(lists.requested_paths().len(), 2);

    let file = list_path(folder.path());
    let text = fs::read_to_string(&file).unwrap();
    let mut old: Value = serde_json::from_str(&text).unwrap();
    old["fetched_at"] = "2026-01-02T03:04:05Z".into();
    fs::write(&file, old.to_string()).unwrap();
    done(&models(&[]));
    assert_eq!(
        lists.requested_paths().len(),
        3,
        "an old list is asked for again"
    );

    fs::write(&file, old.to_string()).unwrap();
    drop(lists);
    let offline = models(&[]);
    assert_eq!(done(&offline), first);
    let message = err(&offline);
    assert!(
        message.contains("cannot fetch the model list from") && message.contains("2026-01-02"),
        "{message}"
    );
    let refused = models(&["--refresh"]);
    assert_eq!(refused.status.code(), Some(4), "{}", err(&refused));
    assert!(
        list_path(folder.path()).exists(),
        "a failure takes nothing away"
    );
}

#[test]
fn what_is_no_list_ends_in_the_compiled_in_one() {
    // Log-in pages, wants of a key, half an answer, another shape: each is named, none is kept.
    for (answer, message) in [
        (
            json(
                "401 Unauthorized",
                r#"{"error":{"message":"key required"}}"#,
            ),
            "key required",
        ),
        (
            json("200 OK", "<html><title>Log in</title>"),
            "titled \"Log in\"",
        ),
        (json("200 OK", r#"{"models":[]}"#), "not a model list"),
        (json("302 Found", ""), "HTTP 302"),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{".to_vec(),
            "cannot fetch the model list from",
        ),
        (
            b"no HTTP\r\n\r\n".to_vec(),
            "cannot fetch the model list from",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let lists = Lists::start(move |_| answer.clone());
        let output = bakeoff(
            folder.path(),
            &["models", "haiku", "--endpoint", &lists.base_url()],
        );
        assert!(done(&output).contains("anthropic/claude-haiku-4.5"));
        assert!(err(&output).contains(message), "{}", err(&output));
        assert!(
            err(&output).contains("instead: snapshot"),
            "{}",
            err(&output)
        );
        assert!(!folder.path().join("cache").exists());
    }
}

#[test]
fn a_model_is_shown_with_its_providers() {
    // Two readings of one route: the simulator serves what the page shows.
    let folder = tempfile::tempdir().unwrap();
    let simulator = simulator();
    let url = simulator.base_url();
    let show = [
        "models",
        "show",
        "openai/gpt-5-mini",
        "--endpoint",
        url.as_str(),
    ];
    let page = done(&bakeoff(folder.path(), &show));
    assert!(page.starts_with("openai/gpt-5-mini\n"), "{page}");
    for word in ["provider ", "TTFT p50", " ms", " %", "openai "] {
        assert!(page.contains(word), "{word} is not in\n{page}");
    }
    let output = bakeoff(folder.path(), &[&show[..], &["--json"]].concat());
    let document: Value = serde_json::from_str(&done(&output)).unwrap();
    let provider = &document["providers"][0];
    assert!(provider["ttft_ms"]["p95"].as_f64() > provider["ttft_ms"]["p50"].as_f64());
    assert_eq!(
        provider["prices"]["input_usd_per_mtok"],
        document["model"]["prices"][0]["input_usd_per_mtok"]
    );
}

#[test]
fn a_model_without_providers_is_shown_all_the_same() {
    // Plain servers have no such route; what an id holds must not lead to another one.
    let folder = tempfile::tempdir().unwrap();
    let lists = Lists::start(|path| match path {
        "/v1/models" => json(
            "200 OK",
            r#"{"data":[{"id":"a/b?c","max_model_len":4096}]}"#,
        ),
        _ => json("404 Not Found", "{}"),
    });
    let url = lists.base_url();
    let output = bakeoff(
        folder.path(),
        &["models", "show", "a/b?c", "--endpoint", &url],
    );
    assert!(done(&output).contains("4096"));
    assert!(
        err(&output).contains("note: providers unknown: HTTP 404"),
        "{}",
        err(&output)
    );
    assert_eq!(lists.requested_paths()[1], "/v1/models/a/b%3Fc/endpoints");
}

#[test]
fn renamed_ids_are_reported() {
    // The creator was renamed: the user must be led to the new id, not to a similar model.
    let folder = tempfile::tempdir().unwrap();
    let output = bakeoff(folder.path(), &["models", "show", "xai/grok-4.6"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        err(&output).contains("it lists that model as `spacexai/grok-4.6`"),
        "{}",
        err(&output)
    );
}

const SUITE: &str = r#"
name = "known"
models = ["openai/gpt-5-mini", "openai/gpt-5-mimi"]
repetitions = 1
warmup = 0
[[prompts]]
id = "p"
user = "hi"
"#;

fn manifest(folder: &Path) -> Value {
    let path = folder.join("reports/known/latest/manifest.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn a_run_uses_prices_of_the_cached_list() {
    // Prices of the endpoint's own list, with its date, stand in the manifest and make the costs;
    // ids that it does not have are reported before, and requested all the same.
    let folder = tempfile::tempdir().unwrap();
    let simulator = simulator();
    project(folder.path(), &simulator.base_url());
    fs::write(folder.path().join("suite.toml"), SUITE).unwrap();
    let list = r#"{"data":[{"id":"openai/gpt-5-mini","pricing":{"input":"0","output":"0"}}]}"#;
    let cached = CachedList {
        fetched_at: "2026-01-02T03:04:05Z".parse().unwrap(),
        list: bakeoff::suite::Redactor::default().apply(list.to_owned()),
    };
    let cache = ListCache::new(folder.path().join("cache"));
    let put = cache.put(&simulator.base_url(), &cached, |_| true);
    put.unwrap();

    let output = bakeoff(folder.path(), &["run", "suite.toml", "--endpoint", "here"]);
    let message = err(&output);
    assert!(
        message.contains("warning: `here` does not list `openai/gpt-5-mimi` (list of 2026-01-02); did you mean `openai/gpt-5-mini`?"),
        "{message}"
    );
    assert!(
        message.contains("bakeoff models --endpoint here --refresh"),
        "{message}"
    );
    assert_eq!(manifest(folder.path())["prices"]["date"], "2026-01-02");
    let samples = folder.path().join("reports/known/latest/samples.jsonl");
    let samples = fs::read_to_string(samples).unwrap();
    let line = samples
        .lines()
        .find(|line| line.contains("\"complete\""))
        .unwrap();
    let sample: Value = serde_json::from_str(line).unwrap();
    assert_eq!(sample["cost_usd"], "0", "{sample}");
    assert_eq!(
        cache.get(&simulator.base_url()),
        Some(cached),
        "nothing was fetched"
    );
}

#[test]
fn a_damaged_list_is_reported_where_another_replaces_it() {
    // Prices of another list than the one that was kept must not come in without a word.
    let folder = tempfile::tempdir().unwrap();
    let simulator = simulator();
    project(folder.path(), &simulator.base_url());
    fs::write(folder.path().join("suite.toml"), SUITE).unwrap();
    let list = ["run", "suite.toml", "--endpoint", "here", "--list"];
    assert!(!err(&bakeoff(folder.path(), &list)).contains("cannot be read"));
    done(&bakeoff(folder.path(), &["models", "--endpoint", "here"]));
    fs::write(list_path(folder.path()), "{").unwrap();
    let output = bakeoff(folder.path(), &list);
    done(&output);
    let message = err(&output);
    assert!(
        message.contains("the cached model list of http://"),
        "{message}"
    );
}

#[test]
fn a_verb_behind_an_option_is_a_verb() {
    // `models --endpoint X diff` must not search for a model that is called diff.
    let folder = tempfile::tempdir().unwrap();
    let simulator = simulator();
    let url = simulator.base_url();
    let output = bakeoff(folder.path(), &["models", "--endpoint", &url, "diff"]);
    assert!(done(&output).starts_with("Models of `"));
    let show = ["models", "--endpoint", &url, "show", "openai/gpt-5-mini"];
    assert!(done(&bakeoff(folder.path(), &show)).starts_with("openai/gpt-5-mini\n"));
}

#[test]
fn a_run_without_a_list_asks_once() {
    // The first run at an endpoint fetches its list and keeps it for the next; `--list` never asks.
    let folder = tempfile::tempdir().unwrap();
    let simulator = simulator();
    project(folder.path(), &simulator.base_url());
    fs::write(folder.path().join("suite.toml"), SUITE).unwrap();
    done(&bakeoff(
        folder.path(),
        &["run", "suite.toml", "--endpoint", "here", "--list"],
    ));
    assert!(!folder.path().join("cache").exists());
    let output = bakeoff(folder.path(), &["run", "suite.toml", "--endpoint", "here"]);
    assert!(
        err(&output).contains("does not list `openai/gpt-5-mimi`"),
        "{}",
        err(&output)
    );
    // The providers of each model are cached as well.
    let files = fs::read_dir(folder.path().join("cache")).unwrap().count();
    assert!(files > 1, "{files} files");
    let source = &manifest(folder.path())["prices"]["source"];
    assert!(
        source.as_str().unwrap().contains(&simulator.base_url()),
        "{source}"
    );
}

#[test]
fn a_run_does_without_a_list() {
    // An endpoint without a list is measured all the same, by the compiled-in prices, with a note.
    let folder = tempfile::tempdir().unwrap();
    let chats = Server::start(|_, _| {
        let head = "content-type: text/event-stream\r\n";
        (response("200 OK", head, ANSWER), Then::Keep)
    });
    fs::write(folder.path().join("suite.toml"), SUITE).unwrap();
    let url = chats.base_url();
    let output = bakeoff(folder.path(), &["run", "suite.toml", "--endpoint", &url]);
    done(&output);
    assert!(
        err(&output).contains("note: cannot fetch the model list from"),
        "{}",
        err(&output)
    );
    assert!(!err(&output).contains("does not list"));
    assert!(!chats.questions().is_empty());
    let source = manifest(folder.path())["prices"]["source"].clone();
    assert!(source.as_str().unwrap().starts_with("snapshot"), "{source}");
    let quiet = bakeoff(
        folder.path(),
        &["run", "suite.toml", "--endpoint", &url, "--quiet"],
    );
    assert_eq!(err(&quiet), "");
}
