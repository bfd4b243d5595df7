//! Torture: runs that are killed again and again, against a gateway with faults, and resumed until they are finished.
//!
//! The kill comes at seeded instants of the gateway's own count of answers, so that no clock decides where it strikes.

#![cfg(unix)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::TcpListener;
use std::sync::mpsc;

use bakeoff::sim::truth::TraceRecord;
use bakeoff::sim::{Scenario, Simulator, SimulatorHandle};
use bakeoff::units::Usd;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use rustix::process::Signal;
use serde_json::Value;

use super::program::{FAST_WORLD, Home};

/// Prompts and repetitions: 2 models make 96 trials.
const PROMPTS: usize = 12;
const REPETITIONS: usize = 4;
const TRIALS: usize = 2 * PROMPTS * REPETITIONS;

/// Kills of each run, each after at most [`ANSWERS_MAX`] further answers: fewer than there are trials.
const KILLS: usize = 5;
const ANSWERS_MAX: usize = 14;

/// Failures before the answer, within it and at its end, and odd framings.
const FAULTS: &str = "faults = { \"500\" = 0.05, \"429-ms\" = 0.03, \"reset\" = 0.05, \"reset-headers\" = 0.04, \"cut\" = 0.05, \
                      \"bad-json\" = 0.03, \"error-midstream\" = 0.05, \"bytewise\" = 0.05, \"no-usage\" = 0.05, \"400\" = 0.03 }\n";

/// A file of the gateway's trace that hands each record to the test.
struct TraceLines {
    records: mpsc::Sender<TraceRecord>,
    line: Vec<u8>,
}

impl Write for TraceLines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        for &byte in bytes {
            if byte == b'\n' {
                let record = serde_json::from_slice(&self.line)?;
                self.line.clear();
                // At the end of the test there is no receiver any more.
                let _ = self.records.send(record);
            } else {
                self.line.push(byte);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn gateway() -> (SimulatorHandle, mpsc::Receiver<TraceRecord>) {
    let scenario = Scenario::parse(&format!("{FAST_WORLD}{FAULTS}")).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (records, received) = mpsc::channel();
    let lines = TraceLines {
        records,
        line: Vec::new(),
    };
    let handle = Simulator::start(scenario, listener, Some(Box::new(lines)), 1).unwrap();
    (handle, received)
}

fn home(gateway: &SimulatorHandle) -> Home {
    let prompts: Vec<String> = (0..PROMPTS)
        .map(|prompt| format!("[[prompts]]\nid = \"p{prompt}\"\nuser = \"Question {prompt}\"\n"))
        .collect();
    let suite = format!(
        "name = \"torture\"\nmodels = [\"openai/gpt-4.1-nano\", \"openai/gpt-5-mini\"]\nrepetitions = {REPETITIONS}\n\
         concurrency = 3\nwarmup = 1\nmax_attempts = 2\ncache = \"bust\"\n[parameters]\nmax_tokens = 60\n{}",
        prompts.concat()
    );
    let suite = format!("endpoint = \"{}\"\n{suite}", gateway.base_url());
    Home::new().with("suite.toml", &suite)
}

fn folder(home: &Home) -> String {
    let runs = std::fs::read_dir(home.path("reports/torture")).unwrap();
    let names = runs.map(|run| run.unwrap().file_name().into_string().unwrap());
    let names: Vec<String> = names.filter(|name| name != "latest").collect();
    assert_eq!(names.len(), 1);
    format!("reports/torture/{}", names[0])
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

/// The sample of each trial, by the keys of the trial; every trial has exactly one.
fn by_trial(home: &Home) -> BTreeMap<(u64, String, u64, String, String), Value> {
    let samples = lines(&home.read(&format!("{}/samples.jsonl", folder(home))));
    let count = samples.len();
    let text = |sample: &Value, key: &str| sample[key].as_str().unwrap().to_owned();
    let keyed = samples.into_iter().map(|sample| {
        let key = (
            sample["trial"].as_u64().unwrap(),
            text(&sample, "prompt"),
            sample["repetition"].as_u64().unwrap(),
            text(&sample, "variant"),
            text(&sample, "prompt_digest"),
        );
        (key, sample)
    });
    let keyed: BTreeMap<_, _> = keyed.collect();
    assert_eq!(keyed.len(), count, "a trial has two samples");
    assert_eq!(keyed.len(), TRIALS);
    keyed
}

/// Returns true if a request is of this part of a run, from 1.
fn is_of_part(record: &TraceRecord, part: usize) -> bool {
    let id = record.request_id.as_deref();
    part == 1 || id.is_some_and(|id| id.contains(&format!("-p{part}-")))
}

/// A run whose parts are killed after these counts of their own answers: those in flight at a kill are of no later part.
fn tortured(
    home: &Home,
    answers: &mpsc::Receiver<TraceRecord>,
    kills: &[usize],
) -> Vec<TraceRecord> {
    let mut seen = Vec::new();
    for (index, &count) in kills.iter().enumerate() {
        let call = if index == 0 {
            "run suite.toml --max-cost 5 --quiet".to_owned()
        } else {
            format!("resume {} --quiet", folder(home))
        };
        let underway = home.bakeoff(&call).exits(-1).begin();
        let mut left = count;
        while left > 0 {
            let record = answers.recv().unwrap();
            left -= usize::from(is_of_part(&record, index + 1));
            seen.push(record);
        }
        underway.signal(Signal::KILL);
        underway.end();
    }
    seen
}

#[test]
fn a_run_that_is_killed_again_and_again_is_the_run_it_would_have_been() {
    let (whole_gateway, _answers) = gateway();
    let whole_home = home(&whole_gateway);
    whole_home
        .bakeoff("run suite.toml --max-cost 5 --quiet")
        .run();
    let whole = by_trial(&whole_home);
    for seed in 0..2 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let kills: Vec<usize> = (0..KILLS)
            .map(|_| random.random_range(1..=ANSWERS_MAX))
            .collect();
        let (gateway, answers) = gateway();
        let home = home(&gateway);
        let mut seen = tortured(&home, &answers, &kills);
        let folder = folder(&home);
        let output = home.bakeoff(&format!("resume {folder} --quiet")).run();
        seen.extend(answers.try_iter());

        // The same trials, each once.
        let samples = by_trial(&home);
        assert!(samples.keys().eq(whole.keys()), "{kills:?}");
        check_answers(&samples, &seen);
        check_costs(&home, &seen);

        // The reports are those that the joined records give.
        let made = home.read(&format!("{folder}/report.md"));
        let again = home.bakeoff(&format!("report {folder}")).run();
        assert_eq!(again.out, output.out);
        assert_eq!(home.read(&format!("{folder}/report.md")), made);
        let manifest = home.read(&format!("{folder}/manifest.json"));
        let manifest: Value = serde_json::from_str(&manifest).unwrap();
        assert_eq!(manifest["parts"].as_array().unwrap().len(), KILLS + 1);
    }
}

/// Every sample has the answer that the gateway gave to its request, and no request was sent under two names.
fn check_answers(
    samples: &BTreeMap<(u64, String, u64, String, String), Value>,
    seen: &[TraceRecord],
) {
    let by_id: BTreeMap<&str, &TraceRecord> = seen
        .iter()
        .filter_map(|record| Some((record.request_id.as_deref()?, record)))
        .collect();
    let mut answered = 0;
    for sample in samples.values() {
        let id = sample["request_id"].as_str().unwrap();
        let Some(record) = by_id.get(id) else {
            continue;
        };
        if sample["outcome"] == "complete" {
            assert_eq!(
                sample["generation_id"].as_str(),
                record.generation_id.as_deref(),
                "{id}"
            );
            answered += 1;
        }
    }
    assert!(answered > TRIALS / 2, "{answered}");
}

/// Whatever the gateway charged is in the ledger, as spent or as reserved for requests of unknown cost; and each
/// request that was sent is counted once.
fn check_costs(home: &Home, seen: &[TraceRecord]) {
    let charged: Usd = seen.iter().filter_map(|record| record.cost_usd).sum();
    let line = lines(&home.read("reports/ledger.jsonl")).pop().unwrap();
    assert_eq!(line["status"], "complete");
    let models = line["models"].as_array().unwrap();
    let known: Usd = models.iter().map(|model| usd(&model["spent_usd"])).sum();
    let reserved = usd(&line["reserved_usd"]);
    assert!(
        charged.0 <= known.0 + reserved.0,
        "{charged} {known} {reserved}"
    );
    let log = lines(&home.read(&format!("{}/requests.jsonl", folder(home))));
    let sent = log
        .iter()
        .filter_map(|line| line["event"]["sent"]["request_id"].as_str());
    let sent: Vec<&str> = sent.collect();
    let different: BTreeSet<&str> = sent.iter().copied().collect();
    assert_eq!(
        sent.len(),
        different.len(),
        "a request was sent under the name of another"
    );
    let counted = models.iter().filter_map(|model| model["requests"].as_u64());
    assert_eq!(counted.sum::<u64>(), sent.len() as u64);
    for record in seen {
        let id = record.request_id.as_deref().unwrap();
        assert!(different.contains(id), "{id} was sent without a line");
    }
}
