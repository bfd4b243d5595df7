//! Files that a suite may read, through the binary: regular files of its project alone.

// Links, FIFOs and descriptors of a shell.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test ends where its own set-up fails")]

use std::fs;
use std::os::unix::fs::symlink;

use crate::support::program::Home;

/// A text that a suite must never get.
const SECRET: &str = "sk-test-deadbeefdeadbeef0000";

/// A suite with these lines.
fn suite(lines: &str) -> String {
    format!(
        "name = \"x\"\nmodels = [\"openai/gpt-5-mini\"]\nrepetitions = 1\nwarmup = 0\n{lines}\n\
         [[prompts]]\nid = \"own\"\nuser = \"Hi?\"\n"
    )
}

/// A folder with a project, its suite below it, and files outside.
fn project() -> Home {
    let home = Home::new().with("secret.txt", SECRET);
    fs::create_dir_all(home.path("project/suites/cases")).unwrap();
    fs::create_dir_all(home.path("outside")).unwrap();
    home.with("project/bakeoff.toml", "")
        .with("project/shared.txt", "Be brief.")
        .with("project/suites/cases/a.txt", "A?")
        .with("outside/b.txt", SECRET)
}

/// Puts a suite with these lines into the project.
fn with_suite(home: Home, lines: &str) -> Home {
    home.with("project/suites/x.toml", &suite(lines))
}

const CHECK: &str = "suite check project/suites/x.toml";

#[test]
fn a_suite_reads_no_file_outside_its_project() {
    // A suite of someone else would send any file of the machine, and write it into a manifest.
    let mut home = project();
    let secret = home.path("secret.txt").display().to_string();
    symlink(&secret, home.path("project/suites/link.txt")).unwrap();
    symlink(home.path("outside"), home.path("project/suites/folder")).unwrap();
    for lines in [
        "system_file = \"../../secret.txt\"",
        "system_file = \"link.txt\"",
        "system_file = \"/proc/self/environ\"",
        &format!("system_file = \"{secret}\""),
        "cache = { prefix_file = \"../../secret.txt\" }",
        "[[prompt_files]]\npath = \"../../secret.txt\"",
        "[[prompt_files]]\npath = \"link.txt\"",
        "[[prompt_files]]\npath = \"folder\"",
        "[[prompt_files]]\npath = \"folder/*.txt\"",
        "[[prompt_files]]\npath = \"../../out*/*.txt\"",
        "[[prompt_files]]\npath = \"/*/*.txt\"",
        "[[prompts]]\nid = \"picture\"\nuser = \"?\"\nimages = [\"../../secret.txt\"]",
    ] {
        home = with_suite(home, lines);
        for command in [
            CHECK,
            "run project/suites/x.toml --yes",
            "estimate project/suites/x.toml",
            "size project/suites/x.toml",
        ] {
            let call = home.bakeoff(command).exits(2);
            let output = call.complains("outside the project folder").run();
            assert!(output.err.contains("--allow-outside"), "{}", output.err);
            assert!(!output.err.contains(SECRET), "{}", output.err);
        }
    }
    assert!(!home.path("reports").exists());
}

#[test]
fn a_suite_reads_the_files_of_its_project() {
    // Shared texts lie above the suites' folder, and links within the project are a way to arrange files.
    let home = project();
    symlink("../shared.txt", home.path("project/suites/link.txt")).unwrap();
    let home = with_suite(
        home,
        "system_file = \"../shared.txt\"\n[[prompt_files]]\npath = \"link.txt\"\n\
         [[prompt_files]]\npath = \"cases/*.txt\"",
    );
    home.bakeoff(CHECK).says("ok, 3 prompts").run();
    // Without a mark the project is the suite's own folder.
    fs::remove_file(home.path("project/bakeoff.toml")).unwrap();
    home.bakeoff(CHECK).exits(2).complains("outside").run();
    home.bakeoff(&format!("{CHECK} --allow-outside"))
        .says("ok, 3 prompts")
        .run();
}

#[test]
fn files_that_hold_keys_stay_closed() {
    // A key must not be sent as a prompt, wherever its file lies and whatever the user allowed.
    let mut home = project().with("project/.env", SECRET);
    fs::create_dir(home.path("project/.git")).unwrap();
    home = home.with("project/.git/config", SECRET);
    symlink("../.env", home.path("project/suites/innocent.txt")).unwrap();
    for path in ["../.env", "innocent.txt", "../.git/config"] {
        home = with_suite(home, &format!("system_file = \"{path}\""));
        for flag in ["", " --allow-outside"] {
            let call = home.bakeoff(&format!("{CHECK}{flag}")).exits(2);
            let output = call.complains("can hold keys").run();
            assert!(!output.err.contains(SECRET), "{}", output.err);
        }
    }
}

#[test]
fn links_in_a_circle_end_a_search() {
    // Two links that lead to each other's folders make paths without end.
    let home = project();
    let cases = home.path("project/suites/cases");
    fs::create_dir(cases.join("deep")).unwrap();
    symlink("..", cases.join("deep/up")).unwrap();
    symlink("deep", cases.join("down")).unwrap();
    fs::write(cases.join("deep/b.txt"), "B?").unwrap();
    let home = with_suite(home, "[[prompt_files]]\npath = \"cases/**/*.txt\"");
    home.bakeoff(CHECK).says("ok, 3 prompts").run();
}

#[test]
fn a_pattern_of_deep_groups_is_a_problem() {
    // The compiler of patterns panics on deep nesting; here it is a problem with its place.
    let deep = format!("{}a{}", "{".repeat(250), "}".repeat(250));
    let home = with_suite(project(), &format!("[[prompt_files]]\npath = \"{deep}\""));
    home.bakeoff(CHECK)
        .exits(2)
        .complains("it has 250 groups")
        .run();
    for command in ["models", "run project/suites/x.toml -m"] {
        let home = with_suite(project(), "");
        let call = home.bakeoff(&format!("{command} {}*", "{".repeat(250)));
        call.exits(2).complains("it has 250 groups").run();
    }
}

#[test]
fn a_fifo_is_refused_at_once() {
    // Reading from a FIFO waits for a writer that may never come.
    let home = with_suite(project(), "").with(
        "keyed.toml",
        "[endpoints.k]\nbase_url = \"http://127.0.0.1:9/v1\"\nkey = \"K\"\n",
    );
    fs::create_dir(home.path("run")).unwrap();
    fs::create_dir(home.path("in")).unwrap();
    home.shell("mkfifo pipe .env run/manifest.json in/bakeoff.toml project/suites/cases/b.txt")
        .run();
    let fifo = "it is a FIFO, not a regular file";
    for command in [
        "suite check pipe",
        "run project/suites/x.toml --scenario pipe",
        "run project/suites/x.toml --project pipe",
        "run project/suites/x.toml --project keyed.toml -e k",
        "forecast run --requests 1/s",
        "report run",
        "history pipe",
        "import jsonl pipe",
        "sim --port 0 --scenario pipe",
    ] {
        home.bakeoff(command).exits(2).complains(fifo).run();
    }
    home.shell("cd in && bakeoff models")
        .exits(2)
        .complains(fifo)
        .run();
    for lines in [
        "system_file = \"cases/b.txt\"",
        "[[prompt_files]]\npath = \"cases\"",
        "[[prompt_files]]\npath = \"cases/*.txt\"",
    ] {
        let text = suite(lines);
        fs::write(home.path("project/suites/x.toml"), text).unwrap();
        home.bakeoff(CHECK).exits(2).complains(fifo).run();
    }
}

#[test]
fn a_device_in_place_of_a_record_is_refused_at_once() {
    // A device may have no end: a ledger or a log of requests is read to its end before anything is appended.
    let home = with_suite(project(), "");
    fs::create_dir_all(home.path("hr/x/20261130T022132Z-aaaaaa")).unwrap();
    let open = r#"{"version":1,"run":"20261130T022132Z-aaaaaa","suite":"x","started_at":"2026-11-30T02:21:32Z","endpoint":"sim","simulated":true,"status":"running","models":[]}"#;
    fs::write(home.path("hr/ledger.jsonl"), format!("{open}\n")).unwrap();
    home.shell("mkdir dev && ln -s /dev/zero dev/ledger.jsonl && ln -s /dev/zero hr/x/20261130T022132Z-aaaaaa/requests.jsonl")
        .run();
    let device = "it is a device, not a regular file";
    for command in ["run project/suites/x.toml -o dev", "spend dev"] {
        home.bakeoff(command).exits(2).complains(device).run();
    }
    // A run whose log cannot be locked is left open.
    home.bakeoff("runs hr").run();
    home.bakeoff("spend hr --simulated").run();
}

#[test]
fn a_shell_may_hand_over_a_suite() {
    // The user's own pipe is the user's choice; its files are looked for in the current folder.
    let home = Home::new()
        .with("brief.txt", "Be brief.")
        .with("x.toml", &suite("system_file = \"brief.txt\""));
    for line in [
        "cat x.toml | bakeoff suite check /dev/stdin",
        "bakeoff suite check /dev/stdin < x.toml",
        "bakeoff suite check /dev/fd/3 3< x.toml",
    ] {
        home.shell(line)
            .says("ok, 1 prompt, 1 model, 1 trial")
            .run();
    }
    let home = home.with("x.toml", &suite("system_file = \"/dev/stdin\""));
    let call = home.shell("cat brief.txt | bakeoff suite check x.toml");
    call.exits(2).complains("not a regular file").run();
}
