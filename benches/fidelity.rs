//! The error of the program's clock: its TTFT minus the true one.
//!
//!     cargo bench --bench fidelity
//!     cargo bench --bench fidelity -- kernel     # the kernel's clock
//!     cargo bench --bench fidelity -- grading    # the same with grading on and off, alternated
//!
//! The simulated gateway runs in a process of its own and logs the true instants of each answer; the whole
//! program runs against it: 64 streams, 1,000 requests, 64 tokens at 5 ms. Both sides are matched by request
//! id. It prints figures and checks plausibility only: an error below zero would mean that one of the two
//! clocks is wrong, and fails. With `grading`, p50 and p99 of the TTFT error with five asserts on each answer must be within 10 % or
//! 0.1 ms of those without.

#![allow(clippy::print_stdout)] // A benchmark prints its figures.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use bakeoff::sim::trace::TraceRecord;
use bakeoff::stats::quantile::quantile_f64;
use serde_json::Value;

const BAKEOFF: &str = env!("CARGO_BIN_EXE_bakeoff");
const STREAMS: u32 = 64;
const PROMPTS: u32 = 20;
const REPETITIONS: u32 = 50;
/// TTFT 50 ms, a token every 5 ms, 64 tokens, exactly.
const MODEL: &str = "sim/constant-50ms-5ms-64";

/// Asserts of every kind of work: search, pattern, counting, edits, n-grams.
const ASSERTS: &str = r#"assert = [
  { type = "icontains", value = "the", weight = 0 },
  { type = "regex", value = "(?i)[a-z]+ing\\b", weight = 0 },
  { type = "word-count", value = { max = 500 }, weight = 0 },
  { type = "levenshtein", value = "An answer of some forty characters, or so.", threshold = 1000 },
  { type = "rouge-n", value = "An answer of some forty characters, or so.", threshold = 0, n = 2 },
]
"#;
/// Alternations of grading on and off; each has two runs of both.
const ALTERNATIONS: usize = 3;

fn main() {
    if std::env::args().any(|argument| argument == "grading") {
        return compare_grading();
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (mut ttft, mut last) = measure(folder.path(), "");
    println!(
        "{} requests over {STREAMS} streams, 64 tokens at 5 ms",
        ttft.len()
    );
    print_errors("TTFT error", &mut ttft);
    print_errors("last-token error", &mut last);
    assert!(
        ttft[0] >= 0.0,
        "ours is below the true one by {} ns",
        -ttft[0]
    );
}

/// Alternates runs without and with asserts (off, on, on, off), and compares the pooled errors.
fn compare_grading() {
    let (mut off, mut on) = (Vec::new(), Vec::new());
    for _ in 0..ALTERNATIONS {
        for asserts in ["", ASSERTS, ASSERTS, ""] {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let (ttft, _) = measure(folder.path(), asserts);
            let pool = if asserts.is_empty() {
                &mut off
            } else {
                &mut on
            };
            pool.extend(ttft);
        }
    }
    println!(
        "{} requests without and {} with five asserts each, over {STREAMS} streams",
        off.len(),
        on.len()
    );
    print_errors("grading off", &mut off);
    print_errors("grading on", &mut on);
    let mut holds = true;
    for (name, q) in [("p50", 0.5), ("p99", 0.99)] {
        let at = |errors: &[f64]| quantile_f64(errors, q).unwrap_or(f64::NAN) / 1e6;
        let (off, on) = (at(&off), at(&on));
        let is_within = on <= off * 1.1 || on - off <= 0.1;
        println!(
            "{name}: {:.2}x, {:+.3} ms: {}",
            on / off,
            on - off,
            if is_within {
                "within 10 % or 0.1 ms"
            } else {
                "beyond 10 % and 0.1 ms"
            }
        );
        holds &= is_within;
    }
    assert!(holds, "grading disturbs the clock");
}

/// The errors of TTFT and of the last token of a run, ns.
fn measure(folder: &Path, asserts: &str) -> (Vec<f64>, Vec<f64>) {
    let trace = folder.join("trace.jsonl");
    let (simulator, url) = start_simulator(&trace);
    let samples = run(folder, &url, asserts);
    interrupt(simulator);
    let trace = by_request_id(&trace);
    let mut ttft = Vec::new();
    let mut last = Vec::new();
    for (id, sample) in by_request_id(&samples) {
        assert_eq!(
            sample["grades"].as_array().map_or(0, Vec::len) == 5,
            !asserts.is_empty()
        );
        let Some(record) = trace.get(&id) else {
            panic!("no trace record for {id}")
        };
        let ours = number(&sample, "ttft_ns").expect("an answer has a TTFT");
        let trace: TraceRecord = serde_json::from_value(record.clone()).expect("a trace record");
        let first = trace.ttft().expect("the trace has a first token");
        ttft.push(ours - first.0 as f64);
        let token = trace.chunks_ns.last();
        if let (Some(ours), Some(token)) = (number(&sample, "last_token_ns"), token) {
            last.push(ours - token.since(trace.arrival_ns).0 as f64);
        }
    }
    assert_eq!(
        ttft.len(),
        (PROMPTS * REPETITIONS) as usize,
        "every request has its trace record"
    );
    (ttft, last)
}

fn print_errors(what: &str, errors_ns: &mut [f64]) {
    errors_ns.sort_by(f64::total_cmp);
    let at = |q: f64| quantile_f64(errors_ns, q).unwrap_or(f64::NAN) / 1e6;
    println!(
        "{what:>17}: min {:.3} ms  p50 {:.3} ms  p90 {:.3} ms  p99 {:.3} ms  max {:.3} ms",
        at(0.0),
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0)
    );
}

fn start_simulator(trace: &Path) -> (Child, String) {
    let mut simulator = Command::new(BAKEOFF)
        .args(["sim", "--port", "0", "--sim-seed", "1", "--trace"])
        .arg(trace)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the simulator starts");
    let mut line = String::new();
    let stdout = simulator.stdout.take().expect("its output is piped");
    BufReader::new(stdout)
        .read_line(&mut line)
        .expect("it says where it is");
    let url = line
        .split_whitespace()
        .find(|word| word.starts_with("http://"));
    (simulator, url.expect("the line names the URL").to_owned())
}

/// The clock to measure.
fn clock() -> &'static str {
    let is_kernel = std::env::args().any(|argument| argument == "kernel");
    if is_kernel { "kernel" } else { "user" }
}

/// Runs the whole program and returns the path of its samples.
fn run(folder: &Path, url: &str, asserts: &str) -> std::path::PathBuf {
    let prompts: String = (1..=PROMPTS)
        .map(|n| format!("[[prompts]]\nid = \"p{n}\"\nuser = \"Prompt number {n}\"\n"))
        .collect::<Vec<_>>()
        .concat();
    let suite = folder.join("fidelity.toml");
    let head = format!(
        "name = \"fidelity\"\nmodels = [\"{MODEL}\"]\nrepetitions = {REPETITIONS}\n\
         concurrency = {STREAMS}\n{asserts}"
    );
    fs::write(&suite, head + &prompts).expect("the suite is written");
    let status = Command::new(BAKEOFF)
        .args([
            "run",
            "--quiet",
            "--clock",
            clock(),
            "--endpoint",
            url,
            "--output",
        ])
        .arg(folder)
        .arg(&suite)
        // The simulator's model list ends with it: it must not stay in the user's cache.
        .env("BAKEOFF_CACHE_DIR", folder.join("cache"))
        .stdout(Stdio::null())
        .status()
        .expect("the program runs");
    assert!(status.success(), "the run ended with {status}");
    folder.join("fidelity/latest/samples.jsonl")
}

fn by_request_id(path: &Path) -> HashMap<String, Value> {
    let text = fs::read_to_string(path).expect("the file can be read");
    text.lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"))
        .filter_map(|row| Some((row["request_id"].as_str()?.to_owned(), row)))
        .collect()
}

#[allow(clippy::cast_precision_loss)] // Nanoseconds of one run fit exactly.
fn number(row: &Value, field: &str) -> Option<f64> {
    row[field].as_u64().map(|value| value as f64)
}

/// Ends the simulator, so that it closes its log.
fn interrupt(mut simulator: Child) {
    let id = simulator.id().to_string();
    let sent = Command::new("kill")
        .args(["-INT", &id])
        .status()
        .is_ok_and(|s| s.success());
    if !sent {
        let _ = simulator.kill();
    }
    let _ = simulator.wait();
}
