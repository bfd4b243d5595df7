//! Torture: runs that are killed again and again, against a gateway with every fault at once, and resumed until they are
//! finished.
//!
//! The kill comes at seeded instants of the gateway's own count of answers, so that no clock decides where it strikes.
//! `BAKEOFF_TORTURE=long cargo test --test it -- torture` takes 20,100 trials on 201 streams and 20 kills (CONTRIBUTING.md).

#![cfg(unix)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

use bakeoff::record::{Attempt, Outcome, Run, Sample};
use bakeoff::sim::fault::Fault;
use bakeoff::sim::trace::TraceRecord;
use bakeoff::sim::{Scenario, Simulator, SimulatorHandle};
use bakeoff::units::Usd;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use rustix::process::Signal;
use serde_json::Value;

use super::program::{FAST_SCENARIO, Home};

/// The models. Of fewer a slot might fail as a whole for lack of a key or of money, which ends a run by design.
const MODELS: [&str; 3] = [
    "openai/gpt-4.1-nano",
    "openai/gpt-5-mini",
    "openai/gpt-4o-mini",
];

/// The size of a torture.
#[derive(Debug, Clone, Copy)]
struct Size {
    prompts: usize,
    repetitions: usize,
    concurrency: usize,
    kills: usize,
    /// Each kill comes after at most so many further answers: together fewer than there are trials.
    answers_max: usize,
    /// Percentage of requests that get a fault.
    faults: f64,
    /// The time after which an answer that stalls has failed.
    stall_ms: u32,
}

const SHORT: Size = Size {
    prompts: 6,
    repetitions: 3,
    concurrency: 4,
    kills: 4,
    answers_max: 10,
    faults: 40.0,
    stall_ms: 400,
};

const LONG: Size = Size {
    prompts: 67,
    repetitions: 100,
    concurrency: 67,
    kills: 20,
    answers_max: 900,
    faults: 40.0,
    // 200 streams in a build without optimization take their time.
    stall_ms: 8_000,
};

/// An answer of the gateway that does not come within this time never will.
const PATIENCE: Duration = Duration::from_mins(2);

/// The most parts of a run beside the killed ones: one is enough, unless a model fails for longer than the patience.
const FURTHER_PARTS_MAX: usize = 10;

/// Faults with which an answer has the same text and the same price.
const HARMLESS: [&str; 15] = [
    "bytewise",
    "split-crlf",
    "crlf",
    "cr",
    "no-space",
    "multi-line",
    "bom",
    "comments",
    "fields",
    "blank-lines",
    "gzip",
    "gzip-held",
    "brotli",
    "buffered",
    "no-done",
];

/// Returns true if the answer is that of the script at its price.
fn is_plain(record: &TraceRecord) -> bool {
    let mut faults = record.faults.iter();
    faults.all(|fault| HARMLESS.contains(&fault.as_str()))
}

impl Size {
    fn from_environment() -> Self {
        match std::env::var("BAKEOFF_TORTURE").as_deref() {
            Ok("long") => LONG,
            _ => SHORT,
        }
    }

    const fn trials(self) -> usize {
        MODELS.len() * self.prompts * self.repetitions
    }
}

/// The answer to a prompt, whatever the model.
fn script(prompt: usize) -> String {
    format!("The answer to question {prompt} is {}.", prompt * 7)
}

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

/// A gateway whose answers follow from the prompt, with every fault in `faults` percent of the requests.
fn gateway(size: Size, faults: f64) -> (SimulatorHandle, mpsc::Receiver<TraceRecord>) {
    let share = faults / 100.0 / Fault::ALL.len() as f64;
    let faults = Fault::ALL
        .iter()
        .map(|fault| format!("\"{fault}\" = {share}"));
    let faults = faults.collect::<Vec<_>>().join(", ");
    let answers: Vec<String> = (0..size.prompts)
        .map(|prompt| {
            format!(
                "[[answers]]\nwhen = \"Question {prompt}?\"\nright = \"{}\"\nwrong = \"x\"\n",
                script(prompt)
            )
        })
        .collect();
    let scenario = format!(
        "{FAST_SCENARIO}right_share = 1.0\nfaults = {{ {faults} }}\n{}",
        answers.concat()
    );
    let scenario = Scenario::parse(&scenario).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (records, received) = mpsc::channel();
    let lines = TraceLines {
        records,
        line: Vec::new(),
    };
    let handle = Simulator::start(scenario, listener, Some(Box::new(lines)), 1).unwrap();
    (handle, received)
}

fn home(gateway: &SimulatorHandle, size: Size) -> Home {
    let prompts: Vec<String> = (0..size.prompts)
        .map(|prompt| format!("[[prompts]]\nid = \"p{prompt}\"\nuser = \"Question {prompt}?\"\n"))
        .collect();
    let stall = size.stall_ms;
    let suite = format!(
        "name = \"torture\"\nendpoint = \"{}\"\nmodels = {MODELS:?}\n\
         repetitions = {}\nconcurrency = {}\nwarmup = 1\nmax_attempts = 2\npatience = \"{stall}ms\"\n\
         timeouts = {{ headers = \"{stall}ms\", gap = \"{stall}ms\" }}\n\
         [parameters]\nmax_tokens = 2000\n{}",
        gateway.base_url(),
        size.repetitions,
        size.concurrency,
        prompts.concat()
    );
    Home::new().with("suite.toml", &suite)
}

const RUN: &str = "run suite.toml --max-cost 50 --yes";

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

fn usd(value: &Value) -> Option<Usd> {
    value.as_str().map(|text| text.parse().unwrap())
}

fn manifest(home: &Home) -> Value {
    serde_json::from_str(&home.read(&format!("{}/manifest.json", folder(home)))).unwrap()
}

/// A trial, as every run of the suite names it.
type TrialKey = (u64, String, u32, String, String);

/// The sample that counts of each trial; every trial has exactly one. A part that ends early abandons what is in flight,
/// which the next part sends again.
fn by_trial(home: &Home, size: Size) -> BTreeMap<TrialKey, Sample> {
    let run = Run::open(&home.path(&folder(home))).unwrap();
    let samples: Vec<Sample> = run.samples().unwrap().map(Result::unwrap).collect();
    let count = samples.len();
    let keyed = samples.into_iter().map(|sample| {
        let (prompt, variant) = (sample.prompt.clone(), sample.variant.clone());
        let digest = sample.prompt_digest.clone();
        (
            (sample.trial, prompt, sample.repetition, variant, digest),
            sample,
        )
    });
    let keyed: BTreeMap<_, _> = keyed.collect();
    assert_eq!(keyed.len(), count, "a trial has two samples");
    assert_eq!(keyed.len(), size.trials());
    keyed
}

/// The bytes of each trial's request, as the gateway saw them: the same for all of its attempts.
fn bodies(
    samples: &BTreeMap<TrialKey, Sample>,
    seen: &[TraceRecord],
) -> BTreeMap<TrialKey, String> {
    let by_id = by_request(seen);
    let body_of = |attempt: &Attempt| by_id.get(&*attempt.request_id)?.body_digest.clone();
    let of_trial = |(key, sample): (&TrialKey, &Sample)| {
        let bodies: BTreeSet<String> = sample.attempts.iter().filter_map(body_of).collect();
        assert!(bodies.len() <= 1, "{key:?}");
        Some((key.clone(), bodies.into_iter().next()?))
    };
    samples.iter().filter_map(of_trial).collect()
}

fn by_request(seen: &[TraceRecord]) -> BTreeMap<&str, &TraceRecord> {
    let named = seen
        .iter()
        .filter_map(|record| Some((record.request_id.as_deref()?, record)));
    named.collect()
}

/// Returns true if a request is of this part of a run, from 1.
fn is_of_part(record: &TraceRecord, part: usize) -> bool {
    let id = record.request_id.as_deref();
    part == 1 || id.is_some_and(|id| id.contains(&format!("-p{part}-")))
}

/// A run whose parts are killed after these counts of their own answers (those in flight at a kill are of no later part),
/// and that is resumed until it is finished. Returns what the last part printed, and the gateway's records.
fn tortured(
    home: &Home,
    (gateway, answers): (SimulatorHandle, mpsc::Receiver<TraceRecord>),
    kills: &[usize],
) -> (String, Vec<TraceRecord>) {
    let mut seen = Vec::new();
    for (index, &count) in kills.iter().enumerate() {
        let call = if index == 0 {
            RUN.to_owned()
        } else {
            format!("resume {}", folder(home))
        };
        let underway = home.bakeoff(&call).exits(-1).begin();
        let mut left = count;
        while left > 0 {
            let record = answers.recv_timeout(PATIENCE).unwrap();
            left -= usize::from(is_of_part(&record, index + 1));
            seen.push(record);
        }
        underway.signal(Signal::KILL);
        underway.end();
    }
    let mut printed = String::new();
    for _ in 0..FURTHER_PARTS_MAX {
        printed = home
            .shell(&format!("bakeoff resume {}; true", folder(home)))
            .run()
            .out;
        if manifest(home)["status"] == "complete" {
            break;
        }
    }
    assert_eq!(manifest(home)["status"], "complete", "{printed}");
    seen.extend(rest(gateway, &answers));
    (printed, seen)
}

/// The records that are left. Those of abandoned requests are written at the latest when the gateway stops.
fn rest(gateway: SimulatorHandle, answers: &mpsc::Receiver<TraceRecord>) -> Vec<TraceRecord> {
    gateway.stop().unwrap();
    answers.iter().collect()
}

#[test]
fn a_run_that_is_killed_again_and_again_is_the_run_it_would_have_been() {
    let size = Size::from_environment();
    // Without faults: an uninterrupted run has an answer to every trial.
    let (whole_gateway, answers) = gateway(size, 0.0);
    let whole_home = home(&whole_gateway, size);
    whole_home.bakeoff(RUN).run();
    let whole = by_trial(&whole_home, size);
    let whole_bodies = bodies(&whole, &rest(whole_gateway, &answers));
    assert_eq!(whole_bodies.len(), size.trials());
    assert!(
        whole
            .values()
            .all(|sample| sample.outcome == Outcome::Complete)
    );

    let mut random = ChaCha8Rng::seed_from_u64(0);
    let kills: Vec<usize> = (0..size.kills)
        .map(|_| random.random_range(1..=size.answers_max))
        .collect();
    let (gateway, answers) = gateway(size, size.faults);
    let home = home(&gateway, size);
    let (printed, seen) = tortured(&home, (gateway, answers), &kills);
    let folder = folder(&home);

    // The same trials, each once; the same bytes were sent for each.
    let samples = by_trial(&home, size);
    assert!(samples.keys().eq(whole.keys()), "{kills:?}");
    for (trial, body) in bodies(&samples, &seen) {
        assert_eq!(body, whole_bodies[&trial], "{trial:?}");
    }
    check_answers(&samples, &seen);
    check_costs(&home, &samples, &seen);

    // The reports are those that the joined records give.
    let made = home.read(&format!("{folder}/report.md"));
    let again = home.shell(&format!("bakeoff report {folder}; true")).run();
    assert_eq!(again.out, printed);
    assert_eq!(home.read(&format!("{folder}/report.md")), made);
    let parts = manifest(&home)["parts"].as_array().unwrap().len();
    assert!(parts > size.kills, "{parts} parts");
}

/// Every sample is that of the answer which the gateway gave to its request, and every complete one of a harmless answer has the text of its
/// script, as in the uninterrupted run.
fn check_answers(samples: &BTreeMap<TrialKey, Sample>, seen: &[TraceRecord]) {
    let by_id = by_request(seen);
    let mut complete = 0;
    for sample in samples.values() {
        let id = &*sample.request_id;
        let record = by_id[id];
        if sample.outcome != Outcome::Complete {
            continue;
        }
        assert_eq!(sample.generation_id, record.generation_id, "{id}");
        if is_plain(record) {
            let prompt = sample.prompt.trim_start_matches('p').parse().unwrap();
            assert_eq!(sample.answer, Some(script(prompt)), "{id} {record:?}");
        }
        complete += 1;
    }
    assert!(complete > samples.len() / 4, "{complete}");
}

/// Our account is the gateway's: the cost of each request that we know is what it charged, everything else that it charged
/// is reserved for requests of unknown cost, and each request that was sent is counted once.
fn check_costs(home: &Home, samples: &BTreeMap<TrialKey, Sample>, seen: &[TraceRecord]) {
    let by_id = by_request(seen);
    let log = lines(&home.read(&format!("{}/requests.jsonl", folder(home))));
    let untimed = log.iter().filter_map(|line| {
        let ended = &line["event"]["ended"];
        Some((ended["request_id"].as_str()?, usd(&ended["spent_usd"])?))
    });
    let timed = samples.values();
    let timed = timed.filter_map(|sample| Some((&*sample.request_id, sample.spent()?)));
    let known: BTreeMap<&str, Usd> = untimed.chain(timed).collect();
    for (id, cost) in &known {
        let record = by_id[id];
        if is_plain(record) {
            assert_eq!(Some(*cost), record.cost_usd, "{id} {record:?}");
        }
    }
    let line = lines(&home.read("reports/ledger.jsonl")).pop().unwrap();
    assert_eq!(line["status"], "complete");
    let models = line["models"].as_array().unwrap();
    let our_total: Usd = models
        .iter()
        .filter_map(|model| usd(&model["spent_usd"]))
        .sum();
    assert_eq!(our_total, known.values().copied().sum());
    let charged_unknown: Usd = seen
        .iter()
        .filter(|record| !known.contains_key(record.request_id.as_deref().unwrap()))
        .filter_map(|record| record.cost_usd)
        .sum();
    let reserved = usd(&line["reserved_usd"]).unwrap_or(Usd::ZERO);
    assert!(charged_unknown <= reserved, "{charged_unknown} {reserved}");

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
    for id in by_id.keys() {
        assert!(different.contains(id), "{id} was sent without a line");
    }
}
