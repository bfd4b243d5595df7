//! Mistakes of users that are found before anything is sent: one message, exit code 2, nothing written.

use super::SUITE;
use super::program::Home;

fn home() -> Home {
    Home::new().with("suite.toml", SUITE)
}

fn leaves_nothing(home: &Home) {
    assert!(!home.path("reports").exists());
}

#[test]
fn a_bad_suite_reports_all_its_problems() {
    // One round of corrections instead of one per mistake; each with its place.
    let bad = r#"
name = "bad"
models = ["openai/gpt-5-mini"]
repetitons = 3
concurrency = 0

[[prompts]]
id = "a"
user = "Hello"

[[prompts]]
id = "a"
weight = -1
user = "Hello again"
"#;
    let home = Home::new().with("bad.toml", bad).with("suite.toml", SUITE);
    for call in [
        "run bad.toml",
        "run bad.toml --list",
        "suite check suite.toml bad.toml",
    ] {
        let output = home
            .bakeoff(call)
            .exits(2)
            .complains("bad.toml has 4 problems")
            .complains("bad.toml:4")
            .complains("repetitions")
            .complains("bad.toml:5")
            .complains("bad.toml:12")
            .complains("bad.toml:13")
            .run();
        assert!(!output.err.contains('\u{1b}'), "{}", output.err);
    }
    let check = home.bakeoff("suite check suite.toml").run();
    let first = "suite.toml: ok, 2 prompts, 3 models, 12 trials\n";
    assert!(check.out.starts_with(first), "{}", check.out);
    leaves_nothing(&home);
}

#[test]
fn flags_and_files_that_do_not_exist_are_named() {
    // The message names what was typed, and the exit code is that of bad usage.
    let home = home();
    for (call, named) in [
        ("run suite.toml --repetitons 3", "--repetitions"),
        ("run suite.toml --repetitions 0", "repetitions"),
        ("run suite.toml --list --verify", "--verify"),
        ("run missing.toml", "missing.toml"),
        ("run scenario.toml", "scenario.toml"),
        ("run suite.toml --scenario missing.toml", "missing.toml"),
        (
            "run suite.toml --scenario suite.toml",
            "suite.toml is not a scenario",
        ),
        ("run suite.toml --project missing.toml", "missing.toml"),
        ("run suite.toml --prompt nothing", "nothing"),
        ("report nowhere", "nowhere"),
        ("report .", "manifest.json"),
        ("report scenario.toml", "scenario.toml"),
        ("bake", "bake"),
    ] {
        let output = home.bakeoff(call).exits(2).complains(named).run();
        assert_eq!(output.out, "", "{call}");
    }
    leaves_nothing(&home);
}

#[test]
fn unknown_endpoints_are_reported_with_the_nearest() {
    // `vercle` is a typo; `nonsense` gets the list of endpoints.
    let home = home();
    home.bakeoff("run suite.toml --endpoint vercle")
        .exits(2)
        .complains("vercle")
        .complains("did you mean `vercel`?")
        .run();
    home.bakeoff("run suite.toml --endpoint nonsense")
        .exits(2)
        .complains("openai, openrouter, sim, vercel")
        .run();
    home.bakeoff("run suite.toml --endpoint http://user:pass@host/v1")
        .exits(2)
        .run();
    leaves_nothing(&home);
}

#[test]
fn a_missing_key_is_reported_with_its_variable() {
    // And nothing is sent: not even a connection is opened.
    let home = home();
    for (endpoint, variables) in [
        ("vercel", ["AI_GATEWAY_API_KEY", "VERCEL_OIDC_TOKEN"]),
        ("openrouter", ["OPENROUTER_API_KEY"; 2]),
        ("openai", ["OPENAI_API_KEY"; 2]),
    ] {
        let call = format!("run suite.toml --endpoint {endpoint}");
        home.bakeoff(&call)
            .env("AI_GATEWAY_API_KEY", "")
            .exits(2)
            .complains(variables[0])
            .complains(variables[1])
            .complains("--endpoint sim")
            .run();
    }
    leaves_nothing(&home);
}

#[test]
fn simulator_flags_are_refused_elsewhere() {
    // A sim seed that has no effect would make two runs look comparable that are not.
    let home = home();
    for flag in ["--sim-seed 1", "--scenario scenario.toml"] {
        home.bakeoff(&format!(
            "run suite.toml --endpoint http://127.0.0.1:9/v1 {flag}"
        ))
        .exits(2)
        .complains("--endpoint sim")
        .run();
    }
}
