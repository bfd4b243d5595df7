//! The rate of false and of true alarms of a build: whole runs of the program on its own simulated gateway,
//! judged by `bakeoff compare` at tolerance 0.
//!
//! `cargo bench --bench gates` (about ten minutes), `cargo bench --bench gates -- quick` (a tenth of the runs).
//! Prints a table; it judges only the program's exit codes and words.
#![allow(clippy::print_stdout)]

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode};

const PROMPTS: usize = 20;
const REPETITIONS: u32 = 10;
const REFERENCE: &str = "bench/steady";
const CANDIDATE: &str = "bench/candidate";

/// A kind of scenario, and the event that is counted in it.
struct GateCase {
    name: &'static str,
    runs: usize,
    /// The ratio of the candidate's TTFT to the reference's.
    ratio: f64,
    /// Relative growth of every TTFT per minute, for both models alike.
    drift_per_minute: f64,
    counted: CountedEvent,
    /// Of all runs.
    goal: Goal,
}

/// The number of runs in which the event is to occur.
#[derive(Clone, Copy)]
enum Goal {
    AtMost(usize),
    AtLeast(usize),
}

impl Goal {
    fn is_reached(self, seen: usize) -> bool {
        match self {
            Self::AtMost(bound) => seen <= bound,
            Self::AtLeast(bound) => seen >= bound,
        }
    }

    fn words(self, runs: usize) -> String {
        match self {
            Self::AtMost(bound) => format!("at most {bound} of {runs}"),
            Self::AtLeast(bound) => format!("at least {bound} of {runs}"),
        }
    }
}

/// The words of a verdict between two models of one run.
const VERDICTS: [&str; 4] = ["worse", "better", "not_worse", "inconclusive"];

/// The event that a case counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CountedEvent {
    /// Exit code 1.
    Failing,
    /// The verdict on the candidate's TTFT.
    Ttft(&'static str),
}

/// The approximate duration of a run of this suite; the drift is stated for one run.
const RUN_SECONDS: f64 = 2.0;

fn main() -> ExitCode {
    let quick = std::env::args().any(|argument| argument == "quick");
    let cases = [
        GateCase {
            name: "nothing changed",
            runs: 200,
            ratio: 1.0,
            drift_per_minute: 0.0,
            counted: CountedEvent::Failing,
            goal: Goal::AtMost(12),
        },
        GateCase {
            name: "+25 % on one model's TTFT",
            runs: 40,
            ratio: 1.25,
            drift_per_minute: 0.0,
            counted: CountedEvent::Ttft("worse"),
            goal: Goal::AtLeast(30),
        },
        GateCase {
            name: "everything 30 % slower within the run",
            runs: 100,
            ratio: 1.0,
            drift_per_minute: 0.3 * 60.0 / RUN_SECONDS,
            counted: CountedEvent::Failing,
            goal: Goal::AtMost(6),
        },
        GateCase {
            name: "one model 30 % faster",
            runs: 40,
            ratio: 0.7,
            drift_per_minute: 0.0,
            counted: CountedEvent::Ttft("better"),
            goal: Goal::AtLeast(30),
        },
    ];
    println!(
        "| scenario | runs | counted | seen | goal | median length of a run |\n| --- | ---: | --- | ---: | --- | ---: |"
    );
    let mut all_reached = true;
    for (index, case) in cases.iter().enumerate() {
        let runs = if quick { case.runs / 10 } else { case.runs };
        let folder = tempfile::tempdir().expect("a folder for runs");
        let mut seen = 0;
        let mut seconds: Vec<f64> = Vec::new();
        for number in 0..runs {
            let began = std::time::Instant::now();
            seen += usize::from(run(case, folder.path(), index * 10_000 + number));
            seconds.push(began.elapsed().as_secs_f64());
        }
        seconds.sort_by(f64::total_cmp);
        let counted = match case.counted {
            CountedEvent::Failing => "failing exits".to_owned(),
            CountedEvent::Ttft(word) => format!("TTFT {word}"),
        };
        println!(
            "| {} | {runs} | {counted} | {seen} | {} | {:.1} s |",
            case.name,
            case.goal.words(case.runs),
            seconds[seconds.len() / 2]
        );
        all_reached &= case.goal.is_reached(seen);
    }
    // A tenth of the runs shows that the bench works, not a rate.
    if all_reached || quick {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Makes one run and its judgement; returns true if the counted event occurred.
fn run(case: &GateCase, folder: &Path, sim_seed: usize) -> bool {
    let (suite, scenario) = (folder.join("suite.toml"), folder.join("scenario.toml"));
    std::fs::write(&suite, suite_text()).expect("the suite is written");
    std::fs::write(&scenario, scenario_text(case)).expect("the scenario is written");
    let runs = folder.join("runs");
    let run_output = Command::new(env!("CARGO_BIN_EXE_bakeoff"))
        .args(["run", "--quiet", "--sim-seed", &sim_seed.to_string()])
        .arg(&suite)
        .arg("--scenario")
        .arg(&scenario)
        .arg("--output")
        .arg(&runs)
        .output()
        .expect("the program runs");
    assert!(run_output.status.success(), "{run_output:?}");
    let compared = Command::new(env!("CARGO_BIN_EXE_bakeoff"))
        .arg("compare")
        .arg(runs.join("gates").join("latest"))
        .args(["--format", "csv"])
        .output()
        .expect("the program compares");
    let seen = match case.counted {
        CountedEvent::Failing => match compared.status.code() {
            Some(0 | 3) => false,
            Some(1) => true,
            code => panic!("exit {code:?}: {compared:?}"),
        },
        CountedEvent::Ttft(verdict) => ttft_verdict(&compared.stdout) == verdict,
    };
    std::fs::remove_dir_all(&runs).expect("our own runs are removed");
    seen
}

/// Returns the verdict on the candidate's TTFT in the comparisons as CSV.
fn ttft_verdict(csv: &[u8]) -> String {
    let mut rows = csv::Reader::from_reader(csv);
    let headers = rows.headers().expect("there is a header").clone();
    let column = |name: &str| {
        let found = headers.iter().position(|header| header == name);
        found.unwrap_or_else(|| panic!("no column {name} in {headers:?}"))
    };
    let (candidate, metric, verdict) = (column("candidate"), column("metric"), column("verdict"));
    rows.records()
        .map(|row| row.expect("the rows are CSV"))
        .find(|row| &row[candidate] == CANDIDATE && &row[metric] == "ttft")
        .map(|row| row[verdict].to_owned())
        .filter(|word| VERDICTS.contains(&word.as_str()))
        .expect("the candidate's TTFT is compared, in words of these")
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

/// Two equal models except for the candidate's TTFT, which is rarely below 50 ms.
fn scenario_text(case: &GateCase) -> String {
    let model = |id: &str, factor: f64| {
        format!(
            "[models.\"{id}\"]\n\
             ttft = {{ median_ms = {:.1}, sigma = 0.4, outlier_share = 0.03, outlier_factor = 3 }}\n\
             gap = {{ median_ms = 1, sigma = 0.3 }}\n\
             tokens = {{ median = 8, sigma = 0.3 }}\n\
             reasoning = {{ median = 0, sigma = 0, display = \"visible\" }}\n\
             drift_per_minute = {}\n\
             price = {{ input = \"0.000001\", output = \"0.000002\" }}\n\n",
            150.0 * factor,
            case.drift_per_minute,
        )
    };
    model(REFERENCE, 1.0) + &model(CANDIDATE, case.ratio)
}
