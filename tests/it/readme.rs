//! The README and the pages of docs/: their commands work, outputs are what they print, picture and links are current.
//!
//! A `console` block is run, line by line, in a folder with the repository's suites, its example run and
//! the files that the page shows; standard output must be the text below the command. In a
//! `console,no-run` block (network, a key, a server that does not end) only the arguments are checked.
//! `BAKEOFF_UPDATE=1` rewrites outputs and picture.

// The commands are a POSIX shell's.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test ends where its own set-up fails")]

use crate::picture;
use crate::support::program;

use std::collections::BTreeSet;
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
use bakeoff::sim::Scenario;
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

/// A page that shows commands, by its path.
struct Page {
    path: &'static str,
    text: String,
}

/// Pages whose commands are run. Those of docs/ci.md are tested in `ci.rs`, the runs of docs/tutorial-gate.md in `first_gate.rs`.
const PAGES: [&str; 12] = [
    "README.md",
    "docs/suites.md",
    "docs/endpoints.md",
    "docs/verdicts.md",
    "docs/cost.md",
    "docs/caching.md",
    "docs/simulator.md",
    "docs/files.md",
    "docs/quality.md",
    "docs/tutorial-choose.md",
    "docs/tutorial-gate.md",
    "docs/tutorial-budget.md",
];

/// The most lines that the README may have.
const README_LINES_MAX: usize = 250;

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// The pages, README first. With `BAKEOFF_UPDATE` their outputs and the picture are written first.
fn pages() -> &'static [Page] {
    static PAGES_READ: LazyLock<Vec<Page>> = LazyLock::new(|| {
        let mut pages = PAGES
            .map(|path| Page {
                path,
                text: read(path),
            })
            .into_iter()
            .collect::<Vec<_>>();
        if updating() {
            fs::write(root().join(PICTURE), drawn()).unwrap();
            for page in &mut pages {
                page.text = with_outputs(page);
                fs::write(root().join(page.path), &page.text).unwrap();
            }
        }
        pages
    });
    &PAGES_READ
}

fn readme() -> &'static str {
    &pages()[0].text
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
    assert!(!open, "a block is not closed");
    blocks
}

/// The commands of a page's blocks in this language, without the comments behind them.
fn commands<'a>(page: &'a Page, language: &str) -> Vec<&'a str> {
    let blocks = blocks(&page.text)
        .into_iter()
        .filter(|block| block.language == language);
    let lines = blocks.flat_map(|block| block.lines);
    let commands = lines.filter_map(|line| line.strip_prefix("$ "));
    commands
        .map(|line| line.split("  #").next().unwrap().trim_end())
        .collect()
}

/// A folder like that of a page's reader.
fn folder(page: &Page) -> Home {
    let home = Home::new()
        .with_folder("suites")
        .with_folder("reports/example");
    let shown = shown_files(&page.text).into_iter();
    shown.fold(home, |home, (name, text)| home.with(&name, &text))
}

/// The TOML files that a page shows: their first line is `# NAME`.
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

/// The page with the output of each command below it, as it is today.
fn with_outputs(page: &Page) -> String {
    let text = &page.text;
    let folder = folder(page);
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
    // A reader who types a command must see what the page shows.
    std::thread::scope(|scope| {
        for page in pages() {
            scope.spawn(move || {
                let today = with_outputs(page);
                for (shown, printed) in page.text.lines().zip(today.lines()) {
                    assert_eq!(
                        shown, printed,
                        "{}: run the tests with BAKEOFF_UPDATE=1",
                        page.path
                    );
                }
                assert_eq!(
                    page.text.len(),
                    today.len(),
                    "{}: run the tests with BAKEOFF_UPDATE=1",
                    page.path
                );
            });
        }
    });
    let shown: usize = pages()
        .iter()
        .map(|page| commands(page, "console").len())
        .sum();
    assert!(shown >= 15, "the pages show {shown} outputs");
    assert!(
        commands(&pages()[0], "console").len() >= 4,
        "the README shows no output"
    );
}

#[test]
fn excerpts_show_what_they_are_about() {
    // Columns are cut by number: a column added before them must not change the excerpt's subject.
    for (path, header) in [
        (
            "docs/files.md",
            "variant,n,ttft_p50_ms,ttft_p95_ms,latency_p50_ms",
        ),
        (
            "docs/cost.md",
            "variant,prompt_tokens_mean,completion_tokens_mean,cost_usd_mean,cost_usd_total,billed_usd_mean",
        ),
    ] {
        let page = pages().iter().find(|page| page.path == path).unwrap();
        assert!(page.text.contains(&format!("\n{header}\n")), "{header}");
    }
}

#[test]
fn commands_that_are_not_run_have_valid_arguments() {
    // A flag that was renamed must not live on in a page.
    let mut read = 0;
    for page in pages() {
        let folder = folder(page);
        for command in commands(page, "console,no-run") {
            // Where its output goes is the reader's own place.
            let command = command.split(" > ").next().unwrap();
            let ours = command.replace("cargo run --release -- ", "bakeoff ");
            let line = match ours.split(' ').take(2).collect::<Vec<_>>()[..] {
                ["bakeoff", "run"] => format!("{} --list", ours.replace(" --verify", "")),
                ["bakeoff", _] => format!("{ours} --help"),
                ["cargo", "test"] | ["export" | "curl" | "git" | "tar", ..] => continue,
                _ => panic!("{}: a command unknown to the test: {command}", page.path),
            };
            assert!(!printed(&line, &folder).is_empty(), "{}: {line}", page.path);
            read += 1;
        }
    }
    assert!(read >= 20, "the pages show only {read} commands");
}

#[test]
fn both_commands_stand_there() {
    // One command to see it work, one to test it: that is what a stranger is promised.
    for command in [
        "cargo run --release -- run suites/quickstart.toml",
        "cargo test",
    ] {
        assert!(
            commands(&pages()[0], "console,no-run").contains(&command),
            "{command}"
        );
    }
}

#[test]
fn the_readme_is_short() {
    // A stranger reads one page; details belong to the page of their task.
    let lines = readme().lines().count();
    assert!(lines <= README_LINES_MAX, "the README has {lines} lines");
}

#[test]
fn shown_files_are_valid() {
    // A reader begins by copying them.
    let mut shown = 0;
    for page in pages() {
        for (name, text) in shown_files(&page.text) {
            let problems = match name.as_str() {
                "bakeoff.toml" => parse_project(&text).err(),
                // They name files: tests/it/prompts.rs and tests/it/load.rs read such beside them.
                "questions.toml" | "trace.toml" => None,
                "outage.toml" | "scripted.toml" | "busy.toml" => {
                    Scenario::parse(&text).unwrap();
                    None
                }
                _ => parse_suite(&text).err(),
            };
            let rendered = problems.map(|problems| render(&problems, &name, &text, false));
            assert_eq!(rendered, None, "{}", page.path);
            shown += 1;
        }
    }
    assert!(shown >= 6, "the pages show only {shown} files");
}

#[test]
fn exit_codes_are_listed() {
    // A CI job decides by them.
    let page = read("docs/ci.md");
    for code in [
        exit::DONE,
        exit::FAILED,
        exit::USAGE,
        exit::INCONCLUSIVE,
        exit::INCOMPLETE,
        exit::INTERRUPTED,
    ] {
        assert!(page.contains(&format!("\n| {code} | ")), "{code}");
    }
}

/// The targets of a page's links.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1);
    targets.map(|rest| rest.split(')').next().unwrap())
}

/// The anchors that GitHub gives the headings of a page.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            let letters = heading
                .chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            letters.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

#[test]
fn links_lead_somewhere() {
    // A file or a heading that was moved must take its links along, and a page without a link is not found.
    let others = [
        "METHODOLOGY.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "FORMAT.md",
        "BIAS.md",
        "SECURITY.md",
        "docs/ci.md",
        "docs/telemetry.md",
    ];
    let mut linked = BTreeSet::new();
    for path in PAGES.into_iter().chain(others) {
        let text = read(path);
        let folder = root().join(path).parent().unwrap().to_path_buf();
        for link in links(&text).filter(|link| !link.starts_with("https://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => root().join(path),
                file => folder.join(file),
            };
            assert!(target.exists(), "{path} links to {link}");
            let is_anchored = anchor.is_empty()
                || anchors(&fs::read_to_string(&target).unwrap()).contains(&anchor.to_owned());
            assert!(is_anchored, "{path} links to {link}");
            linked.insert(target.canonicalize().unwrap());
        }
    }
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let page = entry.unwrap().path();
        if page.extension().is_some_and(|extension| extension == "md") {
            let page = page.canonicalize().unwrap();
            assert!(
                linked.contains(&page),
                "no page links to {}",
                page.display()
            );
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
    let folder = folder(&pages()[0]);
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
    let page = pages()
        .iter()
        .find(|page| page.path == "docs/simulator.md")
        .unwrap();
    let commands = commands(page, "console,no-run");
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
