//! `docs/faults.md`: what a user sees when a run meets a fault of its machine, made by the program itself.

#![cfg(unix)]

use std::fs;
use std::path::Path;

use rustix::process::Signal;

use crate::support::program::{FAST_WORLD, Home, Underway};

/// The page, below the folder of the package.
const PAGE: &str = "docs/faults.md";

/// The text above the table.
const HEAD: &str = "# Faults of the machine

What a run does when its disk, its folder, its process or another process stands in the way. Sending stops at the first record
that cannot be written; what was paid for is kept, and `bakeoff resume` finishes the run. This page is made by a test.
";

/// One row: the fault, its exit code, the message, and what is kept.
struct FaultRow {
    fault: &'static str,
    code: i32,
    message: String,
    retained: &'static str,
}

fn suite() -> String {
    "name = \"s\"\nmodels = [\"openai/gpt-4.1-nano\", \"openai/gpt-5-mini\"]\nrepetitions = 30\nwarmup = 0\n\
     concurrency = 2\n[parameters]\nmax_tokens = 40\n\
     [[prompts]]\nid = \"a\"\nuser = \"Why?\"\n[[prompts]]\nid = \"b\"\nuser = \"How?\"\n"
        .to_owned()
}

fn home() -> Home {
    Home::new().with("suite.toml", &suite())
}

/// A world whose answers take so long that a run is certainly going on when the test strikes.
fn slow_home() -> Home {
    let slow = FAST_WORLD.replace("median_ms = 6", "median_ms = 60");
    home().with("slow.toml", &slow)
}

const RUN: &str = "run suite.toml --scenario world.toml --sim-seed 1";
const SLOW_RUN: &str = "run suite.toml --scenario slow.toml --sim-seed 1";

/// The only run of the suite.
fn folder(home: &Home) -> String {
    let runs = fs::read_dir(home.path("reports/s")).unwrap();
    let names = runs.map(|run| run.unwrap().file_name().into_string().unwrap());
    let names: Vec<String> = names.filter(|name| name != "latest").collect();
    assert_eq!(names.len(), 1);
    format!("reports/s/{}", names[0])
}

/// The line of standard error that begins with `from`, and the indented ones after it, without names of this run.
fn message(err: &str, from: &str, home: &Home) -> String {
    let mut lines = err.lines().skip_while(|line| !line.starts_with(from));
    let first = lines
        .next()
        .unwrap_or_else(|| panic!("no `{from}` in {err}"));
    let rest = lines.take_while(|line| line.starts_with("  "));
    let text: Vec<&str> = std::iter::once(first).chain(rest.map(str::trim)).collect();
    plain(&text.join(" "), home)
}

/// The text with `RUN` for the run's folder, `TMP` for that of temporary files, and numbers that vary as `N`.
fn plain(text: &str, home: &Home) -> String {
    let tmp = home.path("tmp").display().to_string();
    let mut text = text.replace(&tmp, "TMP");
    if home.path("reports/s").exists() || text.contains("reports/s/") {
        // The name of the run: 23 characters behind the suite's.
        while let Some(at) = text.find("reports/s/2") {
            text.replace_range(at..at + "reports/s/20261101T070000Z-ab12cd".len(), "RUN");
        }
        while let Some(at) = text.find("bakeoff-2") {
            text.replace_range(
                at..at + "bakeoff-20261101T070000Z-ab12cd/s/20261101T070000Z-ab12cd".len(),
                "RESCUED",
            );
        }
    }
    let words = text.split(' ').map(|word| {
        let is_number = !word.is_empty() && word.chars().all(|c| c.is_ascii_digit());
        if is_number { "N" } else { word }
    });
    let text = words.collect::<Vec<_>>().join(" ");
    // One is as good as several.
    text.replace("N sample is", "N samples are")
}

fn wait_for_trials(underway: &Underway) {
    while !underway.next_line().contains("/120 trials") {}
}

/// The samples of a run folder, by trial; each must be there once.
fn trials(folder: &Path) -> Vec<u64> {
    let text = fs::read_to_string(folder.join("samples.jsonl")).unwrap();
    let samples = text.lines().map(|line| {
        let sample: serde_json::Value = serde_json::from_str(line).unwrap();
        sample["trial"].as_u64().unwrap()
    });
    let mut trials: Vec<u64> = samples.collect();
    trials.sort_unstable();
    trials
}

fn status(home: &Home, folder: &str) -> String {
    let manifest = home.read(&format!("{folder}/manifest.json"));
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    manifest["status"].to_string()
}

/// A run whose folder is deleted while it goes on.
fn deleted_folder() -> FaultRow {
    let home = slow_home();
    fs::create_dir(home.path("tmp")).unwrap();
    let call = home.bakeoff(SLOW_RUN).env("TMPDIR", home.path("tmp"));
    let underway = call.exits(4).begin();
    wait_for_trials(&underway);
    let run = folder(&home);
    fs::remove_dir_all(home.path(&run)).unwrap();
    let output = underway.end();
    // The rescued run is whole, and can be finished.
    let name = run.rsplit('/').next().unwrap();
    let rescued = format!("tmp/bakeoff-{name}/s/{name}");
    let before = trials(&home.path(&rescued)).len();
    assert!(before > 0);
    home.bakeoff(&format!("resume {rescued} --scenario slow.toml"))
        .run();
    assert!(trials(&home.path(&rescued)).into_iter().eq(0..120));
    FaultRow {
        fault: "the run's folder is deleted while it goes on",
        code: 4,
        message: message(&output.err, "error: ", &home),
        retained: "every sample and the manifest, in the folder for temporary files",
    }
}

/// A limit of a file's size (`ulimit -f`) that the samples meet; the same error as that of a full disk in its course.
fn size_limit() -> FaultRow {
    let home = home();
    fs::create_dir(home.path("tmp")).unwrap();
    // Room for the manifest and some samples. The samples that follow are beyond the limit in the run's folder alone:
    // the other one begins a new file.
    let line = format!("ulimit -f 48; exec bakeoff {RUN}");
    let output = home
        .shell(&line)
        .env("TMPDIR", home.path("tmp"))
        .exits(4)
        .run();
    let run = folder(&home);
    assert!(
        status(&home, &run).contains("File too large"),
        "{}",
        status(&home, &run)
    );
    let name = run.rsplit('/').next().unwrap();
    let rescued = format!("tmp/bakeoff-{name}/s/{name}");
    let in_folder = trials_of_whole_lines(&home.path(&run));
    let elsewhere = trials(&home.path(&rescued));
    assert!(!elsewhere.is_empty() && in_folder + elsewhere.len() < 120);
    home.bakeoff(&format!(
        "resume {run} --scenario world.toml --rescued {rescued}"
    ))
    .complains(" joined")
    .run();
    assert!(trials(&home.path(&run)).into_iter().eq(0..120));
    FaultRow {
        fault: "the disk is full, or a file reaches its size limit",
        code: 4,
        message: message(&output.err, "error: ", &home),
        retained: "the samples before it in the run's folder, the others in that for temporary files",
    }
}

fn trials_of_whole_lines(folder: &Path) -> usize {
    let text = fs::read_to_string(folder.join("samples.jsonl")).unwrap();
    text.matches('\n').count()
}

/// A folder of runs that is a file: nothing can be written before the first request.
fn unwritable_output() -> FaultRow {
    let home = home().with("reports", "");
    let output = home.bakeoff(RUN).exits(2).run();
    FaultRow {
        fault: "the folder of runs cannot be written",
        code: 2,
        message: message(&output.err, "error: ", &home),
        retained: "nothing was sent",
    }
}

/// A run that is killed, and one that is resumed while it goes on.
fn killed_and_held() -> [FaultRow; 2] {
    let home = slow_home();
    let underway = home.bakeoff(SLOW_RUN).exits(-1).begin();
    wait_for_trials(&underway);
    let run = folder(&home);
    let held = home
        .bakeoff(&format!("resume {run} --scenario slow.toml"))
        .exits(2)
        .run();
    underway.signal(Signal::KILL);
    underway.end();
    let output = home
        .bakeoff(&format!("resume {run} --scenario slow.toml"))
        .run();
    assert!(trials(&home.path(&run)).into_iter().eq(0..120));
    let killed = message(&output.err, "resuming: ", &home);
    [
        FaultRow {
            fault: "another process resumes a run that goes on",
            code: 2,
            message: message(&held.err, "error: ", &home),
            retained: "the run goes on",
        },
        FaultRow {
            fault: "the process is killed (`kill -9`); then `bakeoff resume`",
            code: 0,
            message: killed,
            retained: "every sample that was received",
        },
    ]
}

/// A ledger that another process holds when a run ends, until the user gives up.
fn held_ledger() -> FaultRow {
    let home = slow_home();
    let underway = home.bakeoff(SLOW_RUN).exits(130).begin();
    wait_for_trials(&underway);
    let ledger = fs::File::open(home.path("reports/ledger.jsonl")).unwrap();
    ledger.lock().unwrap();
    let mut waiting = String::new();
    while !waiting.starts_with("waiting for ") {
        waiting = underway.next_line();
    }
    let run = folder(&home);
    // The run's own files do not wait.
    assert_eq!(status(&home, &run), "\"complete\"");
    assert!(home.path(&format!("{run}/report.md")).exists());
    #[cfg(target_os = "linux")]
    assert!(
        waiting.contains(&format!("in use by process {}", std::process::id())),
        "{waiting}"
    );
    underway.signal(Signal::INT);
    let output = underway.end();
    drop(ledger);
    home.bakeoff(&format!("runs close {run}"))
        .says("closed; it cost $")
        .run();
    let text = message(&output.err, "error: ", &home);
    let text = text
        .split(" in use by ")
        .enumerate()
        .map(|(index, part)| match index {
            0 => part.to_owned(),
            // Names of test processes differ.
            _ => format!(
                " in use by process N (bakeoff){}",
                &part[part.find(") ").map_or(0, |at| at + 1)..]
            ),
        });
    FaultRow {
        fault: "the ledger is held when the run ends, and the user presses Ctrl-C",
        code: 130,
        message: text.collect(),
        retained: "records and reports of the run",
    }
}

#[test]
fn the_page_of_faults_is_what_the_program_does() {
    // A user who meets a fault looks for its message, and must find what is kept and what to do.
    let [held, killed] = killed_and_held();
    let rows = [
        unwritable_output(),
        size_limit(),
        deleted_folder(),
        killed,
        held,
        held_ledger(),
    ];
    let mut page =
        format!("{HEAD}\n| fault | exit code | message | kept |\n| --- | --- | --- | --- |\n");
    for row in rows {
        let message = row.message.replace('|', "\\|").replace('`', "");
        let row_text = format!(
            "| {} | {} | `{message}` | {} |",
            row.fault, row.code, row.retained
        );
        page.push_str(&row_text);
        page.push('\n');
    }
    page.push_str(
        "\n`RUN` is the run's folder, `TMP` the system's folder for temporary files (`TMPDIR`), `RESCUED` the folder \
         there. If that\ncannot be written either, the samples follow on standard error, one JSON object a line.\n",
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    if std::env::var_os("BAKEOFF_UPDATE").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(stored, page, "BAKEOFF_UPDATE=1 writes the page");
}
