//! The documentation of CI: its commands exist, its YAML can be read, and the scripts of `action.yml` work.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test ends where its own set-up fails")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use saphyr_parser::{Event, Parser};

const PAGES: [&str; 4] = [
    "action.yml",
    "docs/github.yml",
    "docs/gitlab.yml",
    ".github/workflows/release.yml",
];

fn file(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The keys of a YAML file that have plain values, with these, in order.
fn pairs(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    // Of each collection around: `None` in a list, else the key that waits for its value.
    let mut open: Vec<Option<Option<String>>> = Vec::new();
    for event in Parser::new_from_str(text) {
        match event.expect("it is YAML").0 {
            Event::MappingStart(..) => open.push(Some(None)),
            Event::SequenceStart(..) => open.push(None),
            Event::MappingEnd | Event::SequenceEnd => {
                open.pop();
                open.last_mut()
                    .into_iter()
                    .flatten()
                    .for_each(|key| *key = None);
            }
            Event::Scalar(value, ..) => {
                if let Some(Some(key)) = open.last_mut() {
                    match key.take() {
                        Some(key) => found.push((key, value.into_owned())),
                        None => *key = Some(value.into_owned()),
                    }
                }
            }
            _ => {}
        }
    }
    found
}

/// The scripts of a workflow or action, with the names of their steps.
fn scripts(text: &str) -> Vec<(String, String)> {
    let mut name = String::new();
    let mut found = Vec::new();
    for (key, value) in pairs(text) {
        match key.as_str() {
            "name" => name = value,
            "run" => found.push((name.clone(), value)),
            _ => {}
        }
    }
    found
}

fn script(step: &str) -> String {
    let found = scripts(&file("action.yml"));
    let (_, script) = found.into_iter().find(|(name, _)| name == step).unwrap();
    script
}

/// Runs a script as the action's runner does, with these variables and a `PATH` that finds our program
/// after what stands in `folder/bin`.
fn run(script: &str, folder: &Path, variables: &[(&str, &str)]) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_bakeoff"));
    let mut places = vec![folder.join("bin"), program.parent().unwrap().to_path_buf()];
    places.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
    Command::new("bash")
        .args([
            "--noprofile",
            "--norc",
            "-e",
            "-o",
            "pipefail",
            "-c",
            script,
        ])
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::join_paths(places).unwrap())
        .env("RUNNER_TEMP", folder)
        .env("GITHUB_OUTPUT", folder.join("output"))
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn written(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap_or_default()
}

#[test]
fn every_file_is_yaml_without_tabs() {
    // A workflow that cannot be read is found out on the server, by everybody.
    for page in PAGES {
        let text = file(page);
        assert!(pairs(&text).len() > 10, "{page}");
        assert!(!text.contains('\t'), "{page}");
    }
}

#[test]
fn scripts_take_nothing_from_expressions() {
    // `${{ }}` within a script is replaced before the shell reads it: a branch's name could be a command.
    for page in PAGES {
        for (step, script) in scripts(&file(page)) {
            assert!(!script.contains("${{"), "{page}: {step}");
        }
    }
}

#[test]
fn shown_commands_have_valid_arguments() {
    // A flag that was renamed must not live on in a page that people copy from.
    let folder = tempfile::tempdir().unwrap();
    let page = file("docs/ci.md");
    let shown = page.lines().filter_map(|line| line.strip_prefix("$ "));
    let gitlab = file("docs/gitlab.yml");
    let words = gitlab.lines().filter_map(|line| {
        let command = &line[line.find("bakeoff ")?..];
        let command = command.split([';', '|']).next()?;
        ["bakeoff run", "bakeoff accept"]
            .iter()
            .any(|verb| command.starts_with(verb))
            .then_some(command)
    });
    let mut read = 0;
    for command in shown.chain(words) {
        let command = command.split(" > ").next().unwrap();
        let variables = [("SUITE", "suite.toml"), ("HISTORY", "history.jsonl")];
        let output = run(&format!("{command} --help"), folder.path(), &variables);
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {message}");
        read += 1;
    }
    assert!(read >= 10, "only {read} commands were found");
}

/// One prompt too few for a verdict, answered at once: enough for a script.
const SUITE: &str = r#"
name = "ci"
models = ["sim/constant-1ms-1ms-2"]
repetitions = 2
[[prompts]]
id = "p"
user = "hi"
"#;

#[test]
fn the_run_step_judges_reports_and_accepts() {
    // Every user's build depends on this step: folder and code are reported, a run that passed is accepted
    // where requested, and only there.
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("suite.toml"), SUITE).unwrap();
    let step = |accept: &str, arguments: &str| {
        run(
            &script("Run"),
            folder.path(),
            &[
                ("SUITE", "suite.toml"),
                ("HISTORY", "baselines/ci.jsonl"),
                ("ENVIRONMENT", "github"),
                ("ENDPOINT", "sim"),
                ("ARGUMENTS", arguments),
                ("OUTPUT", "reports"),
                ("ACCEPT", accept),
            ],
        )
    };
    let output = step("false", "--quiet");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        written(folder.path(), "output"),
        "exit-code=0\nrun=reports/ci/latest\n"
    );
    assert_eq!(written(folder.path(), "baselines/ci.jsonl"), "");
    let output = step("true", "");
    assert!(output.status.success(), "{output:?}");
    let history = written(folder.path(), "baselines/ci.jsonl");
    assert!(history.contains("accepted"), "{history}");
    // A failure is reported as a code and never accepted: the last step ends the job with it.
    let output = step("true", "--no-such-flag");
    assert!(output.status.success(), "{output:?}");
    let message = written(folder.path(), "output");
    // The existing `latest` is of another run: it must not be reported as this one's.
    assert!(message.ends_with("exit-code=2\nrun=\n"), "{message}");
    assert_eq!(written(folder.path(), "baselines/ci.jsonl"), history);
    let output = run(&script("Result"), folder.path(), &[("CODE", "2")]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_failure_to_accept_fails_the_step() {
    // A run that may not join the history is a warning; a history that cannot be written stood as a warning, too, and
    // the gate never learned anything. `bakeoff` is replaced by a script whose `accept` ends with a given exit code.
    let accept = |code: &str| {
        let folder = tempfile::tempdir().unwrap();
        let fake = "#!/bin/sh\n[ \"$1\" = run ] || exit \"$CODE\"\n";
        fs::create_dir_all(folder.path().join("bin")).unwrap();
        let program = folder.path().join("bin/bakeoff");
        fs::write(&program, fake).unwrap();
        let executable = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
        fs::set_permissions(program, executable).unwrap();
        let variables = [
            ("SUITE", "suite.toml"),
            ("HISTORY", "h.jsonl"),
            ("ENVIRONMENT", ""),
            ("ENDPOINT", ""),
            ("ARGUMENTS", ""),
            ("OUTPUT", "reports"),
            ("ACCEPT", "true"),
            ("CODE", code),
        ];
        let output = run(&script("Run"), folder.path(), &variables);
        let has_warning = String::from_utf8_lossy(&output.stdout).contains("::warning");
        (output.status.code(), has_warning)
    };
    assert_eq!(accept("0"), (Some(0), false));
    assert_eq!(accept("2"), (Some(0), true));
    assert_eq!(accept("1"), (Some(1), false));
    assert_eq!(accept("4"), (Some(4), false));
}

#[test]
fn the_comment_replaces_itself() {
    // A comment for every push would bury the review. `gh` is replaced by a script that records its input, and
    // has one comment of ours and one of another author.
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir_all(path("bin")).unwrap();
    fs::create_dir_all(path("bakeoff")).unwrap();
    fs::write(path("suite.toml"), SUITE).unwrap();
    let made = run("bakeoff run suite.toml --quiet", folder.path(), &[]);
    assert!(made.status.success(), "{made:?}");
    let gh = "#!/bin/sh\necho \"$@\" >> \"$RUNNER_TEMP/calls\"\n\
              case \"$*\" in *--jq*) cat \"$RUNNER_TEMP/listed\" ;; esac\n";
    fs::write(path("bin/gh"), gh).unwrap();
    let executable = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
    fs::set_permissions(path("bin/gh"), executable).unwrap();
    let comment = |listed: &str| {
        fs::write(path("listed"), listed).unwrap();
        let _ = fs::remove_file(path("calls"));
        let variables = [
            ("RUN", "reports/ci/latest"),
            ("COMMENTS", "repos/o/r/issues/7/comments"),
            ("ONE_COMMENT", "repos/o/r/issues/comments"),
        ];
        let output = run(&script("Comment"), folder.path(), &variables);
        assert!(output.status.success(), "{output:?}");
        written(folder.path(), "calls")
    };
    let calls = comment("11\tThanks!\n");
    assert!(
        calls.contains("--method POST repos/o/r/issues/7/comments "),
        "{calls}"
    );
    let calls = comment("11\tThanks!\n12\t<!-- bakeoff:ci -->\n");
    assert!(
        calls.contains("--method PATCH repos/o/r/issues/comments/12 "),
        "{calls}"
    );
    assert!(written(folder.path(), "bakeoff/comment.md").starts_with("<!-- bakeoff:ci -->\n"));
}

#[cfg(unix)]
#[test]
fn the_install_step_downloads_a_binary_or_builds_one() {
    // A job must not run a binary that is not the release's, nor fail where there is none.
    let script = script("Install");
    let install = |sums: &str, version: &str| {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("bin")).unwrap();
        let fake = |name: &str, text: &str| {
            use std::os::unix::fs::PermissionsExt as _;
            fs::write(path(&format!("bin/{name}")), format!("#!/bin/sh\n{text}")).unwrap();
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(path(&format!("bin/{name}")), mode).unwrap();
        };
        fake(
            "uname",
            "case $1 in -s) echo Linux;; -m) echo x86_64;; esac\n",
        );
        // The last argument is the URL: files of a release lie in this folder.
        fake(
            "curl",
            "for url; do :; done\ncp \"$RUNNER_TEMP/release/${url##*/}\" .\n",
        );
        fake(
            "cargo",
            "mkdir -p \"$RUNNER_TEMP/bakeoff/bin\" && echo built > \"$RUNNER_TEMP/bakeoff/bin/bakeoff\"\n",
        );
        let set_up = "mkdir -p release/bakeoff-x86_64-unknown-linux-musl && cd release \
                      && echo released > bakeoff-x86_64-unknown-linux-musl/bakeoff \
                      && tar -czf bakeoff-x86_64-unknown-linux-musl.tar.gz bakeoff-x86_64-unknown-linux-musl";
        let made = run(&format!("{set_up} && {sums}"), folder.path(), &[]);
        assert!(made.status.success(), "{made:?}");
        let paths = path("paths");
        let done = run(
            &script,
            folder.path(),
            &[
                ("PROGRAM", ""),
                ("VERSION", version),
                ("RELEASES", "https://example.org/releases"),
                ("SOURCE", "."),
                ("GITHUB_PATH", paths.to_str().unwrap()),
            ],
        );
        assert!(done.status.success(), "{done:?}");
        written(folder.path(), "bakeoff/bin/bakeoff")
    };
    let right = "sha256sum *.tar.gz > SHA256SUMS";
    assert_eq!(install(right, "v0.2.0"), "released\n");
    let wrong = "echo \"$(printf %064d 0)  bakeoff-x86_64-unknown-linux-musl.tar.gz\" > SHA256SUMS";
    assert_eq!(install(wrong, "v0.2.0"), "built\n");
    assert_eq!(install("true", "v0.2.0"), "built\n");
    assert_eq!(install(right, ""), "built\n");
}
