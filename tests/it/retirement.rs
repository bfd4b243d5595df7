//! Models that retire: warnings with date and source, own dates, and histories that go on with a successor.

use crate::support::program::Home;

use serde_json::Value;

/// Two models of the simulator, one of which retires by the user's own entry.
fn suite(models: &str, reference: &str) -> String {
    let prompts =
        (1..=8).map(|n| format!("[[prompts]]\nid = \"p{n}\"\nuser = \"Question {n}?\"\n"));
    let prompts: String = prompts.collect();
    format!(
        "name = \"ci\"\nmodels = [{models}]\nreference = \"{reference}\"\nrepetitions = 2\nwarmup = 0\n\
         concurrency = 8\n{prompts}"
    )
}

const OLD: &str = "sim/constant-20ms-1ms-8";
const NEW: &str = "sim/constant-10ms-1ms-8";
const STEADY: &str = "sim/constant-15ms-1ms-8";
const PAST: &str = "[endpoints.sim.retires]\n\"sim/constant-20ms*\" = \"2026-10-23\"\n";

fn models(ids: &[&str]) -> String {
    let quoted: Vec<String> = ids.iter().map(|id| format!("\"{id}\"")).collect();
    quoted.join(", ")
}

#[test]
fn a_retired_model_is_named_wherever_it_is_used_and_never_blocks() {
    // A history against it ends, a forecast of it is money for nothing; but a gateway may serve it on.
    let home = Home::new()
        .with("bakeoff.toml", PAST)
        .with("suite.toml", &suite(&models(&[OLD, STEADY]), OLD));
    let warning = format!(
        "`{OLD}` retired on 2026-10-23 (bakeoff.toml): requests may fail, or another model may answer"
    );
    home.bakeoff("suite check suite.toml").says(&warning).run();
    // A job looks at annotations alone.
    let annotation = format!("::warning title=bakeoff%3A a model retires::{warning}");
    home.bakeoff("run suite.toml")
        .env("GITHUB_ACTIONS", "true")
        .complains(&format!("warning: {warning}"))
        .complains(&annotation)
        .says("retired on 2026-10-23 (bakeoff.toml)")
        .run();
    home.bakeoff("compare reports/ci/latest")
        .env("GITHUB_ACTIONS", "true")
        .complains(&format!("warning: {warning}"))
        .complains(&annotation)
        .run();
    assert!(
        home.read("reports/ci/latest/report.md")
            .contains("retired on 2026-10-23")
    );
    home.bakeoff("report reports/ci/latest --format summary")
        .says("retired on 2026-10-23 (bakeoff.toml)")
        .run();
    home.bakeoff("forecast reports/ci/latest --requests 1M/month")
        .says(&warning)
        .run();
    let never = PAST.replace("2026-10-23", "never");
    std::fs::write(home.path("bakeoff.toml"), never).unwrap_or_else(|error| panic!("{error}"));
    let checked = home.bakeoff("suite check suite.toml").run();
    assert!(!checked.out.contains("retire"), "{}", checked.out);
}

#[test]
fn a_model_shows_its_retirement_with_the_source() {
    // A date without its source cannot be checked.
    let home = Home::new();
    home.bakeoff("models show openai/gpt-4.1-nano")
        .says("retires       2026-10-23 (OpenAI's deprecations page, read 2026-11-29)")
        .complains("warning: `openai/gpt-4.1-nano` retired on 2026-10-23")
        .run();
    let shown = home.bakeoff("models show openai/gpt-4.1-nano --json").run();
    let json: Value = serde_json::from_str(&shown.out).unwrap_or_default();
    assert_eq!(json["retires"]["date"], "2026-10-23");
    let shown = home.bakeoff("models show openai/gpt-5.6-luna").run();
    assert!(!shown.out.contains("retires"), "{}", shown.out);
}

#[test]
fn an_invalid_date_is_an_error_with_its_line() {
    // A date that is silently ignored would warn of nothing.
    Home::new()
        .with(
            "bakeoff.toml",
            "[endpoints.sim.retires]\n\"a/b\" = \"next year\"\n\"[x\" = \"never\"\n",
        )
        .bakeoff("models")
        .exits(2)
        .complains("bakeoff.toml:2:9")
        .complains("`a/b` must be a date such as")
        .complains("bakeoff.toml:3:1")
        .run();
}

#[test]
fn shipped_suites_name_no_model_with_a_known_retirement() {
    // A suite that a new user runs must not begin with a model that is gone.
    let home = Home::new();
    for name in ["ci", "code", "quickstart", "reasoning", "support", "switch"] {
        let file = format!("{}/suites/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        let checked = home.bakeoff(&format!("suite check {file}")).run();
        assert!(!checked.out.contains("retire"), "{name}: {}", checked.out);
    }
}

#[test]
fn a_history_goes_on_with_the_successor() {
    // Replacing the reference must not throw ten runs away: the next run is judged by them, at the ratio of the two.
    const HISTORY: &str = "--history h.jsonl";
    let home = Home::new()
        .with("old.toml", &suite(&models(&[OLD, STEADY]), OLD))
        .with("both.toml", &suite(&models(&[NEW, OLD, STEADY]), NEW))
        .with("new.toml", &suite(&models(&[NEW, STEADY]), NEW));
    for _ in 0..3 {
        home.bakeoff("run old.toml --quiet").run();
        home.bakeoff(&format!("accept reports/ci/latest {HISTORY}"))
            .run();
    }
    home.bakeoff(&format!("run new.toml --quiet {HISTORY}"))
        .complains("cannot be compared")
        .run();
    home.bakeoff("run both.toml --quiet").run();
    home.bakeoff(&format!(
        "accept reports/ci/latest {HISTORY} --successor-of absent"
    ))
    .exits(2)
    .complains("--successor-of: no variant of the suite matches `absent`")
    .run();
    home.bakeoff(&format!(
        "accept reports/ci/latest {HISTORY} --successor-of {OLD}"
    ))
    .says(&format!(
        "h.jsonl: {NEW} replaces {OLD} in 3 runs, scaled by"
    ))
    .run();
    let judged = home.bakeoff(&format!("run new.toml {HISTORY}")).run();
    assert!(!judged.err.contains("cannot be compared"), "{}", judged.err);
    let report = home.read("reports/ci/latest/report.md");
    let note = format!("{NEW}: 3 runs of 3 earlier ones measured {OLD}; its levels are scaled by");
    assert!(report.contains(&note), "{report}");
    // A second time there is nothing left to replace.
    home.bakeoff(&format!(
        "accept reports/ci/latest {HISTORY} --successor-of {OLD}"
    ))
    .exits(2)
    .run();
}
