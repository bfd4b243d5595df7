//! First problems of a new user, before the first answer: missing keys, wrong names.

use std::path::Path;
use std::process::{Command, Output};

/// One prompt of a model that answers at once.
const SUITE: &str = r#"
name = "first"
models = ["sim/constant-1ms-1ms-2"]
repetitions = 1
[[prompts]]
id = "p"
user = "hi"
"#;

fn bakeoff(folder: &Path, arguments: &[&str]) -> Output {
    run(folder, SUITE, arguments)
}

fn run(folder: &Path, suite: &str, arguments: &[&str]) -> Output {
    std::fs::write(folder.join("suite.toml"), suite).expect("a suite");
    Command::new(env!("CARGO_BIN_EXE_bakeoff"))
        .args(["run", "suite.toml", "--quiet"])
        .args(arguments)
        .current_dir(folder)
        .env_remove("AI_GATEWAY_API_KEY")
        .env_remove("VERCEL_OIDC_TOKEN")
        .output()
        .expect("the program runs")
}

fn output_text(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("messages are UTF-8")
}

#[test]
fn a_key_that_was_never_filled_in_is_missing() {
    // `NAME=` is what a copied template holds: an empty key must not be sent for a 401.
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join(".env"), "AI_GATEWAY_API_KEY=\n").expect("a file");
    let output = bakeoff(folder.path(), &["--endpoint", "vercel"]);
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(output_text(&output), @r"
    error: no key for the endpoint `vercel`: none was found in `AI_GATEWAY_API_KEY` or `VERCEL_OIDC_TOKEN`.
      Set AI_GATEWAY_API_KEY in the environment or in a `.env` file; `--endpoint sim` needs no key.
    ");
}

#[test]
fn a_model_that_neither_suite_nor_list_knows_is_an_error() {
    // A slip in `-m` would otherwise be measured, and billed, as a model that fails.
    let folder = tempfile::tempdir().expect("a folder");
    let messages = ["--list", "--verify"].map(|mode| {
        let output = bakeoff(folder.path(), &[mode, "-m", "claude-haiku"]);
        assert_eq!(output.status.code(), Some(2), "{}", output_text(&output));
        output_text(&output)
    });
    assert_eq!(messages[0], messages[1]);
    insta::assert_snapshot!(messages[0], @r"
    error: the simulated gateway does not know `claude-haiku`; did you mean `anthropic/claude-haiku-4.5` or `anthropic/claude-opus-5` or `anthropic/claude-fable-5`?
      To request a model that is not listed, add it to the suite's `models`.
    ");
    let output = bakeoff(
        folder.path(),
        &["--list", "-m", "anthropic/claude-haiku-4.5"],
    );
    assert_eq!(output.status.code(), Some(0), "{}", output_text(&output));
}

#[test]
fn an_unknown_endpoint_is_reported_with_the_known_ones() {
    // A slip of the finger and a wild guess: the first gets the nearest name, the second all.
    let folder = tempfile::tempdir().expect("a folder");
    let output = bakeoff(folder.path(), &["--endpoint", "vercell"]);
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(output_text(&output), @"
    error: unknown endpoint `vercell`
      did you mean `vercel`?
    ");
    let output = bakeoff(folder.path(), &["--endpoint", "zzz"]);
    assert!(
        output_text(&output).contains("openrouter"),
        "{}",
        output_text(&output)
    );
}

#[test]
fn a_run_says_what_to_do_about_a_model_that_is_not_there() {
    // A slip in an id is the commonest failure of all: the run itself names the nearest ones.
    let folder = tempfile::tempdir().expect("a folder");
    let suite = SUITE.replace("sim/constant-1ms-1ms-2", "openai/gpt-5-minni");
    let output = run(folder.path(), &suite, &["--repetitions", "3"]);
    assert_eq!(output.status.code(), Some(4));
    let message = output_text(&output);
    assert!(message.contains("What to do"), "{message}");
    assert!(message.contains("openai/gpt-5-mini`"), "{message}");
    assert_eq!(
        message.matches("does not know the model").count(),
        1,
        "{message}"
    );
}

#[cfg(unix)]
#[test]
fn too_few_open_files_are_reported_before_anything_is_sent() {
    // Otherwise a part of the trials fails in mid-run, and the journal cannot be opened either.
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("suite.toml"), SUITE).expect("a suite");
    let output = Command::new("sh")
        .args([
            "-c",
            r#"ulimit -n 512 && exec "$0" run suite.toml --concurrency 200 --quiet"#,
        ])
        .arg(env!("CARGO_BIN_EXE_bakeoff"))
        .current_dir(folder.path())
        .output()
        .expect("the program runs");
    assert_eq!(output.status.code(), Some(4));
    insta::assert_snapshot!(output_text(&output), @r"
    error: 200 requests at once need 656 open files, and the system allows 512
      lower the concurrency or compare fewer models at once, or raise the limit (`ulimit -n 656`)
    ");
    assert!(!folder.path().join("reports").exists());
}
