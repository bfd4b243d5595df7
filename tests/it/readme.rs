//! The README: its commands work, its outputs are what they print, its picture and links are current.
//!
//! A `console` block is run, line by line, in a folder with the repository's suites, its example run and
//! the files that the README shows; what is printed on standard output must stand below the command. In a
//! `console,no-run` block (network, a key, a server that does not end) only the arguments are read.
//! `BAKEOFF_UPDATE=1` writes outputs and picture again.

// The commands are a POSIX shell's.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test ends where its own set-up fails")]

use crate::picture;
use crate::support::program;

use std::error::Error;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use bakeoff::command::exit;
use bakeoff::record::Run;
use bakeoff::report::{Report, Style};
use bakeoff::suite::{parse_project, parse_suite, render};
use program::Home;
use rustix::process::Signal;

/// The picture at the head of the README.
const PICTURE: &str = "docs/quickstart.svg";
/// Columns of the terminal in the picture: as many as a page shows in readable letters.
const PICTURE_COLUMNS: usize = 112;
/// Columns of an output that goes into a pipe: nothing is cut.
const PIPE_COLUMNS: usize = usize::MAX;
/// The longest that the simulator may keep the test waiting.
const PATIENCE: Duration = Duration::from_secs(30);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn updating() -> bool {
    std::env::var_os("BAKEOFF_UPDATE").is_some()
}

/// The README; where that was asked for, its outputs and its picture are written again first.
fn readme() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let path = root().join("README.md");
        let text = fs::read_to_string(&path).unwrap();
        if !updating() {
            return text;
        }
        fs::write(root().join(PICTURE), drawn()).unwrap();
        let written = with_outputs(&text);
        fs::write(path, &written).unwrap();
        written
    });
    &TEXT
}

/// A fenced block: what stands behind the fence, and its lines.
struct Block<'a> {
    language: &'a str,
    lines: Vec<&'a str>,
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let mut open = false;
    for line in text.lines() {
        match line.strip_prefix("```") {
            Some(language) if !open => {
                open = true;
                blocks.push(Block {
                    language,
                    lines: Vec::new(),
                });
            }
            Some(_) => open = false,
            None if open => blocks.last_mut().unwrap().lines.push(line),
            None => {}
        }
    }
    assert!(!open, "a block of the README is not closed");
    blocks
}

/// The commands of the blocks in this language, without the comments behind them.
fn commands(language: &str) -> Vec<&'static str> {
    let blocks = blocks(readme())
        .into_iter()
        .filter(|block| block.language == language);
    let lines = blocks.flat_map(|block| block.lines);
    let commands = lines.filter_map(|line| line.strip_prefix("$ "));
    commands
        .map(|line| line.split("  #").next().unwrap().trim_end())
        .collect()
}

/// A folder like the one a reader is in.
fn folder() -> Home {
    let home = Home::new()
        .with_folder("suites")
        .with_folder("reports/example");
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let shown = shown_files(&text).into_iter();
    shown.fold(home, |home, (name, text)| home.with(&name, &text))
}

/// The TOML files that the README shows: their first line is `# NAME`.
fn shown_files(text: &str) -> Vec<(String, String)> {
    let tables = blocks(text)
        .into_iter()
        .filter(|block| block.language == "toml");
    tables
        .map(|block| {
            let name = block.lines[0].strip_prefix("# ").unwrap().to_owned();
            (name, format!("{}\n", block.lines.join("\n")))
        })
        .collect()
}

fn printed(command: &str, folder: &Home) -> String {
    folder.shell(command).run().out
}

/// The README with the output of each command below it, as it is today.
fn with_outputs(text: &str) -> String {
    let folder = folder();
    let mut written = String::new();
    let mut language = None;
    for line in text.lines() {
        if let Some(fence) = line.strip_prefix("```") {
            language = language.is_none().then_some(fence);
        } else if language == Some("console") && !line.starts_with("$ ") {
            continue;
        }
        written.push_str(line);
        written.push('\n');
        if let (Some("console"), Some(command)) = (language, line.strip_prefix("$ ")) {
            written.push_str(&printed(command, &folder));
        }
    }
    written
}

#[test]
fn outputs_are_what_the_commands_print() {
    // A reader who types a command must see what the README shows.
    let today = with_outputs(readme());
    for (shown, printed) in readme().lines().zip(today.lines()) {
        assert_eq!(shown, printed, "run the tests with BAKEOFF_UPDATE=1");
    }
    assert_eq!(
        readme().len(),
        today.len(),
        "run the tests with BAKEOFF_UPDATE=1"
    );
    assert!(commands("console").len() >= 5, "the README shows no output");
}

#[test]
fn excerpts_show_what_they_are_about() {
    // Columns are cut by number: where one is added before them, the excerpt must not tell of another.
    for header in [
        "variant,n,ttft_p50_ms,ttft_p95_ms,latency_p50_ms",
        "variant,prompt_tokens_mean,completion_tokens_mean,cost_usd_mean,cost_usd_total,billed_usd_mean",
    ] {
        assert!(readme().contains(&format!("\n{header}\n")), "{header}");
    }
}

#[test]
fn commands_that_are_not_run_have_valid_arguments() {
    // A flag that was renamed must not live on in the README.
    let folder = folder();
    let mut read = 0;
    for command in commands("console,no-run") {
        // Where its output goes is the reader's own place.
        let command = command.split(" > ").next().unwrap();
        let ours = command.replace("cargo run --release -- ", "bakeoff ");
        let line = match ours.split(' ').take(2).collect::<Vec<_>>()[..] {
            ["bakeoff", "run"] => format!("{} --list", ours.replace(" --verify", "")),
            ["bakeoff", _] => format!("{ours} --help"),
            ["cargo", "test"] | ["export" | "curl", ..] => continue,
            _ => panic!("a command of which the test knows nothing: {command}"),
        };
        assert!(!printed(&line, &folder).is_empty(), "{line}");
        read += 1;
    }
    assert!(read >= 6, "the README shows no command");
}

#[test]
fn both_commands_stand_there() {
    // One command to see it work, one to test it: that is what a stranger is promised.
    for command in [
        "cargo run --release -- run suites/quickstart.toml",
        "cargo test",
    ] {
        assert!(commands("console,no-run").contains(&command), "{command}");
    }
}

#[test]
fn shown_files_are_valid() {
    // A reader begins by copying them.
    let shown = shown_files(readme());
    assert!(shown.len() >= 2);
    for (name, text) in shown {
        let problems = match name.as_str() {
            "bakeoff.toml" => parse_project(&text).err(),
            // It names files: tests/it/prompts.rs reads it beside them.
            "questions.toml" => None,
            _ => parse_suite(&text).err(),
        };
        let rendered = problems.map(|problems| render(&problems, &name, &text, false));
        assert_eq!(rendered, None);
    }
}

#[test]
fn exit_codes_are_listed() {
    // A CI job decides by them.
    for code in [
        exit::DONE,
        exit::FAILED,
        exit::USAGE,
        exit::INCONCLUSIVE,
        exit::INCOMPLETE,
        exit::INTERRUPTED,
    ] {
        assert!(readme().contains(&format!("\n| {code} | ")), "{code}");
    }
}

#[test]
fn links_lead_somewhere() {
    // A file that was moved must take its links along.
    assert!(readme().contains("]("));
    for page in [
        "README.md",
        "METHODOLOGY.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "FORMAT.md",
    ] {
        let text = fs::read_to_string(root().join(page)).unwrap();
        let targets = text
            .split("](")
            .skip(1)
            .map(|rest| rest.split(')').next().unwrap());
        for target in
            targets.filter(|target| !target.starts_with("https://") && !target.starts_with('#'))
        {
            assert!(root().join(target).exists(), "{page} links to {target}");
        }
    }
}

/// The terminal's view of the example run.
fn screen(style: Style) -> String {
    let run = Run::open(&root().join("reports/example")).unwrap();
    let manifest = run.manifest().unwrap();
    let samples = run.samples().unwrap();
    let samples = samples.map(|sample| sample.map_err(Box::<dyn Error>::from));
    let report = Report::read(&manifest, samples, |_| false, None, std::io::sink()).unwrap();
    report.terminal(style)
}

/// The picture: what a terminal shows at the end of a run.
fn drawn() -> String {
    let coloured = screen(Style {
        colour: true,
        width: PICTURE_COLUMNS,
    });
    picture::svg(
        "What `bakeoff run suites/quickstart.toml` prints at its end",
        &format!("$ bakeoff run suites/quickstart.toml\n\n{coloured}"),
    )
}

#[test]
fn the_picture_is_of_the_example_run() {
    // A picture of another version's output would be a broken promise.
    let folder = folder();
    let piped = printed("bakeoff report reports/example --format terminal", &folder);
    let plain = screen(Style {
        colour: false,
        width: PIPE_COLUMNS,
    });
    assert!(
        plain == piped,
        "the picture is not drawn from what the program prints"
    );

    assert!(readme().contains(&format!("]({PICTURE})")));
    let committed = fs::read_to_string(root().join(PICTURE)).unwrap_or_default();
    assert!(
        drawn() == committed,
        "{PICTURE} is stale: run the tests with BAKEOFF_UPDATE=1"
    );
}

#[test]
fn the_simulator_answers_the_request_that_is_shown() {
    // A user who tries the simulator with curl must get an answer.
    let commands = commands("console,no-run");
    let curl = commands
        .iter()
        .find(|command| command.starts_with("curl "))
        .unwrap();
    let body = curl.split('\'').nth(1).unwrap();
    let path = curl
        .split("8787")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap();

    let home = Home::new();
    let served = home.bakeoff("sim --port 0").begin();
    let url = served.next_url();
    let address = url.strip_prefix("http://").unwrap().split('/').next();
    let mut stream = TcpStream::connect(address.unwrap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // The content type is the one that curl sends with `-d`.
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("data: [DONE]"), "{answer}");
    served.signal(Signal::INT);
    served.end();
}
