//! Runs that end with requests in flight, or by a kill: nothing that may be billed is lost from the books.
//!
//! A slow model beside a fast one: when every fast answer is there, each slow one is in flight for certain.

#![cfg(unix)]

use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use bakeoff::gateway::account::Credits;
use bakeoff::gateway::listing::{EndpointQuery, fetch};
use bakeoff::gateway::{Authorities, Endpoint};
use bakeoff::sim::{Scenario, Simulator, SimulatorHandle};
use bakeoff::units::Usd;
use rustix::process::Signal;
use serde_json::Value;

use super::program::{FAST_SCENARIO, Home, Underway};

/// A gateway that takes so long hangs.
const PATIENCE: Duration = Duration::from_mins(1);

/// Prompts, each of which is in flight once with each model.
const PROMPTS: usize = 8;

/// Begins at once, and takes a minute to its end.
const SLOW: &str = "openai/gpt-5-mini";

fn home() -> Home {
    let prompts: Vec<String> = (0..PROMPTS)
        .map(|prompt| format!("[[prompts]]\nid = \"p{prompt}\"\nuser = \"Question {prompt}\"\n"))
        .collect();
    let suite = format!(
        "name = \"half\"\nmodels = [\"openai/gpt-4.1-nano\", \"{SLOW}\"]\nrepetitions = 1\n\
         concurrency = {PROMPTS}\nwarmup = 0\n[parameters]\nmax_tokens = 40\n{}",
        prompts.concat()
    );
    Home::new().with("suite.toml", &suite)
}

fn gateway() -> SimulatorHandle {
    let scenario = format!(
        "{FAST_SCENARIO}[models.\"{SLOW}\"]\ngap = {{ median_ms = 1500, sigma = 0.01 }}\n\
         tokens = {{ median = 40, sigma = 0.01 }}\n"
    );
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    Simulator::start(Scenario::parse(&scenario).unwrap(), listener, None, 1).unwrap()
}

/// A run at the gateway whose fast answers are all recorded.
fn begun(home: &Home, gateway: &SimulatorHandle, flags: &str, status: i32) -> Underway {
    let call = format!("run suite.toml --endpoint {} {flags}", gateway.base_url());
    let underway = home.bakeoff(&call).exits(status).begin();
    // The first line of progress: the run has its folder.
    while !underway.next_line().contains("/16 trials") {}
    let journal = home.path(&folder(home)).join("samples.jsonl");
    let began = Instant::now();
    while fs::read_to_string(&journal).unwrap().lines().count() < PROMPTS {
        assert!(began.elapsed() < PATIENCE, "fast answers are missing");
        std::thread::sleep(Duration::from_millis(5));
    }
    underway
}

/// The gateway's own total, once it exceeds what was `spent` on answers: it notices with its next token that
/// the client is gone.
fn charged_above(gateway: &SimulatorHandle, spent: Usd) -> Usd {
    let endpoint = Endpoint {
        base_url: gateway.base_url(),
        key: Some("sim".to_owned().into()),
        key_header: None,
        headers: Vec::new(),
        proxy: None,
        authorities: Authorities::default(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let began = Instant::now();
    loop {
        let balance = fetch(&endpoint, EndpointQuery::Credits, PATIENCE);
        let answer = runtime.block_on(balance).unwrap();
        let charged = Credits::from_json(&answer).unwrap().used;
        if charged > spent {
            return charged;
        }
        assert!(
            began.elapsed() < PATIENCE,
            "abandoned requests cost nothing: {charged}"
        );
    }
}

/// The only run there is.
fn folder(home: &Home) -> String {
    let runs = std::fs::read_dir(home.path("reports/half")).unwrap();
    let names = runs.map(|run| run.unwrap().file_name().into_string().unwrap());
    let names: Vec<String> = names.filter(|name| name != "latest").collect();
    assert_eq!(names.len(), 1);
    format!("reports/half/{}", names[0])
}

fn lines(text: &str) -> Vec<Value> {
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn usd(value: &Value) -> Usd {
    value
        .as_str()
        .map_or(Usd::ZERO, |text| text.parse().unwrap())
}

/// The last line of the ledger: spent, reserved for unknown bills, and unknown requests.
fn booked(home: &Home) -> (Value, Usd, Usd, u64) {
    let line = lines(&home.read("reports/ledger.jsonl")).pop().unwrap();
    let models = line["models"].as_array().unwrap();
    let spent: Usd = models.iter().map(|model| usd(&model["spent_usd"])).sum();
    let unknown = models.iter().filter_map(|model| model["unknown"].as_u64());
    let (unknown, reserved) = (unknown.sum(), usd(&line["reserved_usd"]));
    (line, spent, reserved, unknown)
}

#[test]
fn requests_in_flight_at_a_signal_are_samples_and_count_as_unknown() {
    // 16 of 16 requests were billed and the ledger showed $0: every sent request is in the ledger, no matter
    // how the run ends.
    for (signal, flags) in [
        (Signal::INT, "--max-cost $5"),
        (Signal::TERM, ""),
        (Signal::HUP, "--max-cost $5"),
    ] {
        let (home, gateway) = (home(), gateway());
        let underway = begun(&home, &gateway, flags, 130);
        underway.signal(signal);
        let output = underway.end();
        let note = "abandoned in flight: 8 requests, which may cost up to $";
        assert!(output.err.contains(note), "{}", output.err);
        let folder = folder(&home);
        let samples = lines(&home.read(&format!("{folder}/samples.jsonl")));
        assert_eq!(samples.len(), 2 * PROMPTS);
        let abandoned = samples
            .iter()
            .filter(|sample| sample["outcome"] == "abandoned");
        let abandoned: Vec<&Value> = abandoned.collect();
        assert_eq!(abandoned.len(), PROMPTS);
        for sample in abandoned {
            assert_eq!(sample["model"], SLOW);
            assert!(sample["latency_ns"].is_null() && sample["ttft_ns"].is_null());
            assert_eq!(sample["attempts"].as_array().unwrap().len(), 1);
        }
        // Answered 8 of 8: an abandoned trial is in no denominator.
        let report = home.read(&format!("{folder}/report.md"));
        assert!(report.contains("8 of 16 trials have a sample"), "{report}");
        assert!(report.contains("Abandoned in flight: 8 trials"), "{report}");
        assert!(!home.path("reports/half/latest").exists());
        let (line, spent, reserved, unknown) = booked(&home);
        assert_eq!(line["status"], "interrupted");
        assert_eq!(unknown, PROMPTS as u64);
        let charged = charged_above(&gateway, spent);
        if flags.is_empty() {
            assert_eq!(reserved, Usd::ZERO);
        } else {
            assert!(
                charged.0 <= spent.0 + reserved.0,
                "{charged} {spent} {reserved}"
            );
        }
    }
}

#[test]
fn a_second_signal_ends_at_once_with_whole_records() {
    // A user who presses Ctrl-C twice does not want to wait for a grace period, and has paid all the same.
    let (home, gateway) = (home(), gateway());
    let underway = begun(&home, &gateway, "", 130);
    underway.signal(Signal::INT);
    while !underway.next_line().starts_with("stopping: interrupted") {}
    // Signals within a quarter of a second are one: the second press is the stimulus, and comes later.
    std::thread::sleep(std::time::Duration::from_millis(300));
    underway.signal(Signal::INT);
    let output = underway.end();
    assert!(
        output.err.contains("no reports were made; `bakeoff report"),
        "{}",
        output.err
    );
    let folder = folder(&home);
    assert_eq!(
        lines(&home.read(&format!("{folder}/samples.jsonl"))).len(),
        2 * PROMPTS
    );
    let manifest: Value =
        serde_json::from_str(&home.read(&format!("{folder}/manifest.json"))).unwrap();
    assert_eq!(manifest["status"], "interrupted");
    assert_eq!(booked(&home).0["status"], "interrupted");
    home.bakeoff(&format!("report {folder}")).run();
}

#[test]
fn a_hangup_that_is_ignored_stays_ignored() {
    // `nohup bakeoff run` goes on when the terminal closes.
    let home = home();
    let call = "trap '' HUP; exec bakeoff run suite.toml --scenario scenario.toml --sim-seed 1";
    let underway = home.shell(call).begin();
    while !underway.next_line().contains("/16 trials") {}
    underway.signal(Signal::HUP);
    underway.end();
    assert_eq!(home.samples("half").len(), 2 * PROMPTS);
}

#[test]
fn a_killed_run_is_closed_by_the_next_command_and_a_live_one_never() {
    // 27 killed runs held $135 of a day for $0.18. The books stay above the gateway's own.
    let (home, gateway) = (home(), gateway());
    let underway = begun(&home, &gateway, "--max-cost $5", -1);
    let folder = folder(&home);
    home.bakeoff("spend").run();
    home.bakeoff(&format!("runs close {folder}"))
        .exits(2)
        .complains("is still running")
        .run();
    assert_eq!(booked(&home).0["status"], "running");
    underway.signal(Signal::KILL);
    underway.end();
    let output = home
        .bakeoff("spend")
        .complains("was killed; it cost $")
        .run();
    assert!(!output.out.contains("has not ended"), "{}", output.out);
    let (line, spent, reserved, unknown) = booked(&home);
    let status = line["status"]["incomplete"].as_str().unwrap();
    assert!(status.contains("killed"), "{status}");
    assert_eq!(unknown, PROMPTS as u64);
    assert!(reserved < "1".parse().unwrap(), "{reserved}");
    let charged = charged_above(&gateway, spent);
    assert!(
        charged.0 <= spent.0 + reserved.0,
        "{charged} {spent} {reserved}"
    );
    // Once.
    let ledger = home.read("reports/ledger.jsonl");
    home.bakeoff(&format!("runs close {folder}"))
        .says("already ended; it cost $")
        .run();
    home.bakeoff("runs").says("killed").run();
    assert_eq!(home.read("reports/ledger.jsonl"), ledger);
}
