//! The pages through the whole program: of a run with its texts, of a history, of a forecast, and over all runs.

#![allow(clippy::unwrap_used, reason = "a test ends where its own set-up fails")]

use crate::support::program::Home;

const SUITE: &str = r#"
name = "small"
reference = "openai/gpt-4.1-nano"
models = ["openai/gpt-4.1-nano", "openai/gpt-5-mini"]
repetitions = 2

[[prompts]]
id = "capital"
user = "What is the capital of Australia?"

[[prompts]]
id = "sky"
user = "Why is the sky blue?"
"#;

const RUN: &str = "run suite.toml --endpoint sim --scenario scenario.toml --sim-seed 7 --quiet";
const PAGE: &str = "reports/small/latest/report.html";

/// A folder with a finished run.
fn home() -> Home {
    let home = Home::new().with("suite.toml", SUITE);
    home.bakeoff(RUN).run();
    home
}

/// A page that requests nothing and has one style and one script under its policy.
fn assert_page(page: &str) {
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
    assert!(page.contains("default-src 'none'; style-src 'sha256-"));
    for forbidden in ["src=", "href=\"http", "url(", "@import", " style=\""] {
        assert!(!page.contains(forbidden), "the page holds `{forbidden}`");
    }
    for element in ["<style>", "<script>"] {
        assert_eq!(page.matches(element).count(), 1, "{element}");
    }
}

#[test]
fn texts_come_and_go_with_the_flag() {
    // A page with answers is for its owner; the next one without them can be passed on again.
    let home = home();
    let plain = home.read(PAGE);
    assert_page(&plain);
    assert!(!plain.contains("capital of Australia"));
    home.bakeoff("report reports/small/latest --with-answers")
        .run();
    let with = home.read(PAGE);
    assert_page(&with);
    let answer = &home.samples("small")[0]["answer"];
    let answer = answer
        .as_str()
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap()
        .to_owned();
    for text in ["capital of Australia", "sky blue", answer.as_str()] {
        assert!(with.contains(text), "{text}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(home.path(PAGE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let printed = home
        .bakeoff("report reports/small/latest --with-answers --format html")
        .run();
    assert_eq!(printed.out, with);
    home.bakeoff("report reports/small/latest").run();
    assert_eq!(home.read(PAGE), plain);
}

#[test]
fn a_page_that_cannot_be_shown_is_no_failure() {
    // On a server there is no browser: the note says where the page is, and the exit code is that of the report.
    let home = home();
    home.bakeoff("report reports/small/latest --open")
        .env("PATH", home.path("empty"))
        .complains("cannot be started")
        .complains("report.html` in a browser")
        .run();
}

#[test]
fn a_history_has_a_page() {
    // Every accepted run is a mark and a row, in the order in which they began.
    let home = home();
    home.bakeoff("accept reports/small/latest --history h.jsonl")
        .run();
    home.bakeoff(&RUN.replace("seed 7", "seed 8")).run();
    home.bakeoff("accept reports/small/latest --history h.jsonl --force")
        .run();
    let page = home
        .bakeoff("history h.jsonl --metric cost --format html")
        .run()
        .out;
    assert_page(&page);
    assert_eq!(page.matches("<div class=\"fig\"").count(), 2);
    assert!(page.contains("2 runs, 2 accepted in the current level"));
    // Two marks for each model on each of the two sizes of its chart.
    assert_eq!(page.matches("class=\"mk m0\"").count(), 8);
    assert_eq!(
        page,
        home.bakeoff("history h.jsonl --metric cost --format html")
            .run()
            .out
    );
}

#[test]
fn the_index_leads_to_the_page_of_each_run() {
    // A folder that is served or moved has no dead links.
    let home = home();
    home.bakeoff(RUN).run();
    home.bakeoff("runs index").says("reports/index.html").run();
    let index = home.read("reports/index.html");
    assert_page(&index);
    let links: Vec<&str> = index
        .split("<a href=\"")
        .skip(1)
        .map(|part| part.split('"').next().unwrap())
        .filter(|link| !link.starts_with('#'))
        .collect();
    assert_eq!(links.len(), 2);
    for link in links {
        assert!(home.path("reports").join(link).is_file(), "{link}");
    }
    home.bakeoff("runs index nowhere")
        .exits(2)
        .complains("nowhere")
        .run();
}

#[test]
fn a_forecast_has_a_page() {
    // The figures and assumptions of the table, with a bar for each model.
    let home = home();
    let call = "forecast reports/small/latest --requests 2M/month";
    let page = home.bakeoff(&format!("{call} --format html")).run().out;
    assert_page(&page);
    let csv = home.bakeoff(&format!("{call} --format csv")).run().out;
    assert_eq!(csv, home.bakeoff(&format!("{call} --csv")).run().out);
    for name in [
        "openai/gpt-4.1-nano",
        "openai/gpt-5-mini",
        "Not covered",
        "its costs are invented",
    ] {
        assert!(page.contains(name), "{name}");
    }
}
