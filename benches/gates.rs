//! How often a build fails that should not, and how often one fails that should: whole runs of the program
//! on its own simulated gateway, judged by `bakeoff compare` at tolerance 0.
//!
//! `cargo bench --bench gates` (about ten minutes), `cargo bench --bench gates -- quick` (a tenth of the
//! runs). Prints a table; it judges nothing but the program's exit codes and words.
#![allow(clippy::print_stdout)]

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

const PROMPTS: usize = 20;
const REPETITIONS: u32 = 10;
const REFERENCE: &str = "bench/steady";
const CANDIDATE: &str = "bench/candidate";

/// One kind of world, and what is counted in it.
struct Case {
    name: &'static str,
    runs: usize,
    /// The candidate's TTFT over the reference's.
    ratio: f64,
    /// Relative growth of every TTFT a minute, for both models alike.
    drift_per_minute: f64,
    counted: Counted,
    goal: &'static str,
}

/// What a case counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Counted {
    /// Exit code 1.
    Failing,
    /// The candidate's TTFT is called this.
    Ttft(&'static str),
}

/// A run of this suite takes about so long; what it drifts by is stated for one run.
const RUN_SECONDS: f64 = 2.0;

fn main() {
    let quick = std::env::args().any(|argument| argument == "quick");
    let cases = [
        Case {
            name: "nothing changed",
            runs: 200,
            ratio: 1.0,
            drift_per_minute: 0.0,
            counted: Counted::Failing,
            goal: "at most 12 of 200",
        },
        Case {
            name: "+25 % on one model's TTFT",
            runs: 40,
            ratio: 1.25,
            drift_per_minute: 0.0,
            counted: Counted::Ttft("regressed"),
            goal: "at least 30 of 40",
        },
        Case {
            name: "everything 30 % slower within the run",
            runs: 100,
            ratio: 1.0,
            drift_per_minute: 0.3 * 60.0 / RUN_SECONDS,
            counted: Counted::Failing,
            goal: "at most 6 of 100",
        },
        Case {
            name: "one model 30 % faster",
            runs: 40,
            ratio: 0.7,
            drift_per_minute: 0.0,
            counted: Counted::Ttft("improved"),
            goal: "at least 30 of 40",
        },
    ];
    println!(
        "| world | runs | counted | seen | goal | median length of a run |\n| --- | ---: | --- | ---: | --- | ---: |"
    );
    for (place, case) in cases.iter().enumerate() {
        let runs = if quick { case.runs / 10 } else { case.runs };
        let folder = tempfile::tempdir().expect("a folder for runs");
        let mut seen = 0;
        let mut seconds: Vec<f64> = Vec::new();
        for number in 0..runs {
            let began = std::time::Instant::now();
            seen += usize::from(run(case, folder.path(), place * 10_000 + number));
            seconds.push(began.elapsed().as_secs_f64());
        }
        seconds.sort_by(f64::total_cmp);
        let counted = match case.counted {
            Counted::Failing => "failing exits".to_owned(),
            Counted::Ttft(word) => format!("TTFT {word}"),
        };
        println!(
            "| {} | {runs} | {counted} | {seen} | {} | {:.1} s |",
            case.name,
            case.goal,
            seconds[seconds.len() / 2]
        );
    }
}

/// One run and its judgement; whether what the case counts was seen.
fn run(case: &Case, folder: &Path, salt: usize) -> bool {
    let (suite, world) = (folder.join("suite.toml"), folder.join("world.toml"));
    std::fs::write(&suite, suite_text()).expect("the suite is written");
    std::fs::write(&world, world_text(case)).expect("the world is written");
    let runs = folder.join("runs");
    let asked = Command::new(env!("CARGO_BIN_EXE_bakeoff"))
        .args(["run", "--quiet", "--salt", &salt.to_string()])
        .arg(&suite)
        .arg("--world")
        .arg(&world)
        .arg("--output")
        .arg(&runs)
        .output()
        .expect("the program runs");
    assert!(asked.status.success(), "{asked:?}");
    let compared = Command::new(env!("CARGO_BIN_EXE_bakeoff"))
        .arg("compare")
        .arg(runs.join("gates").join("latest"))
        .args(["--format", "csv"])
        .output()
        .expect("the program compares");
    let seen = match case.counted {
        Counted::Failing => match compared.status.code() {
            Some(0 | 3) => false,
            Some(1) => true,
            code => panic!("exit {code:?}: {compared:?}"),
        },
        Counted::Ttft(word) => ttft_verdict(&compared.stdout) == word,
    };
    std::fs::remove_dir_all(&runs).expect("our own runs are removed");
    seen
}

/// The verdict on the candidate's TTFT in the comparisons as CSV.
fn ttft_verdict(csv: &[u8]) -> String {
    let mut rows = csv::Reader::from_reader(csv);
    let headers = rows.headers().expect("there is a header").clone();
    let place = |name: &str| {
        let found = headers.iter().position(|header| header == name);
        found.unwrap_or_else(|| panic!("no column {name} in {headers:?}"))
    };
    let (candidate, metric, verdict) = (place("candidate"), place("metric"), place("verdict"));
    rows.records()
        .map(|row| row.expect("the rows are CSV"))
        .find(|row| &row[candidate] == CANDIDATE && &row[metric] == "ttft")
        .map(|row| row[verdict].to_owned())
        .expect("the candidate's TTFT is compared")
}

fn suite_text() -> String {
    let mut text = format!(
        "name = \"gates\"\nmodels = [\"{REFERENCE}\", \"{CANDIDATE}\"]\nrepetitions = {REPETITIONS}\n\
         concurrency = 24\nkeep_answers = false\n\n[gate]\ntolerance = \"0%\"\n\n\
         [gate.metrics.completed]\ntolerance = \"0%\"\n\n[parameters]\nmax_tokens = 16\n"
    );
    for prompt in 0..PROMPTS {
        let _ = write!(
            text,
            "\n[[prompts]]\nid = \"p{prompt}\"\nuser = \"Say something about the number {prompt}.\"\n"
        );
    }
    text
}

/// Two models of equal ways but for the candidate's TTFT, which never is below 50 ms but by a rare chance.
fn world_text(case: &Case) -> String {
    let model = |id: &str, factor: f64| {
        format!(
            "[models.\"{id}\"]\n\
             ttft = {{ median_ms = {:.1}, sigma = 0.4, outlier_share = 0.03, outlier_factor = 3 }}\n\
             gap = {{ median_ms = 1, sigma = 0.3 }}\n\
             tokens = {{ median = 8, sigma = 0.3 }}\n\
             reasoning = {{ median = 0, sigma = 0, shown = \"visible\" }}\n\
             drift_per_minute = {}\n\
             price = {{ input = \"0.000001\", output = \"0.000002\" }}\n\n",
            150.0 * factor,
            case.drift_per_minute,
        )
    };
    model(REFERENCE, 1.0) + &model(CANDIDATE, case.ratio)
}
