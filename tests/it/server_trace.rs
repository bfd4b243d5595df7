//! The program's figures of each answer, compared with the simulator's trace, by request id.
//!
//! The simulator stamps what comes after the fact and what goes before it, so that no client can see anything
//! earlier than its trace. A figure of ours below the trace is a wrong clock.

#![allow(
    clippy::unwrap_used,
    reason = "a failed step of a test is a failed test"
)]

use crate::support::program;

use std::collections::HashMap;
use std::net::TcpListener;

use bakeoff::gateway::supported_clock;
use bakeoff::record::{Flag, Sample};
use bakeoff::sim::trace::TraceRecord;
use bakeoff::sim::{Scenario, Simulator};
use bakeoff::suite::ClockSource;
use bakeoff::units::Nanos;
use program::{FAST_SCENARIO, Home};

/// Models of every kind: exact times, visible, summarised, encrypted and hidden reasoning, several
/// tokens a chunk, prompt caches, a provider that often fails, and answers that break.
const SUITE: &str = r#"
name = "traced"
models = [
  "sim/constant-20ms-3ms-16",
  "sim/constant-0ms-0ms-40",
  "openai/gpt-5-mini",
  "openai/gpt-5-nano",
  "openai/gpt-4.1-nano",
  "openai/gpt-4o-mini",
  "google/gemini-2.5-pro",
  "spacexai/grok-4.1-fast-reasoning",
  "inception/mercury-2",
  "deepseek/deepseek-v3.2",
  "openai/gpt-4.1-nano+buffered-2000",
  "openai/gpt-4.1-nano+bytewise",
  "openai/gpt-4.1-nano+503+once",
  "openai/gpt-4.1-nano+reset",
  "openai/gpt-4.1-nano+error-midstream",
]
repetitions = 4
concurrency = 2
warmup = 1

[[prompts]]
id = "short"
user = "Why is the sky blue?"

[[prompts]]
id = "long"
user = "LONG"
"#;

const SCENARIO: &str = r#"
[models."openai/gpt-4o-mini"]
providers = [{ name = "azure", failure_share = 0.5 }, { name = "openai" }]
"#;

/// The suite with a prompt that is long enough for a prompt cache.
fn home() -> Home {
    let long = "All work and no play makes a dull benchmark. ".repeat(200);
    let suite = SUITE.replace("LONG", &long);
    let scenario = format!("{FAST_SCENARIO}{SCENARIO}");
    Home::new()
        .with("suite.toml", &suite)
        .with("gateway.toml", &scenario)
}

fn samples(home: &Home) -> Vec<Sample> {
    let samples = home.samples("traced").into_iter();
    samples
        .map(|sample| serde_json::from_value(sample).unwrap())
        .collect()
}

/// Asserts that `ours`, counted from our sending, is not below the instant `theirs`, counted from
/// their receiving.
fn assert_not_before(what: &str, ours: Option<Nanos>, theirs: Option<Nanos>, trace: &TraceRecord) {
    if let (Some(ours), Some(theirs)) = (ours, theirs) {
        let theirs = theirs.since(trace.arrival_ns);
        assert!(
            ours >= theirs,
            "{what}: {ours:?} is below {theirs:?}: {trace:?}"
        );
    }
}

/// Times of the answered attempt.
fn check_times(sample: &Sample, trace: &TraceRecord) {
    assert_not_before("headers", sample.headers_ns, trace.headers_ns, trace);
    assert_not_before("TTFT", sample.ttft_ns, trace.first_token_ns, trace);
    assert_not_before("TTFA", sample.ttfa_ns, trace.first_token_ns, trace);
    assert_not_before(
        "latency",
        sample.latency_ns,
        trace.chunks_ns.last().copied(),
        trace,
    );
    if sample.outcome.answered() {
        // Only a whole answer's last token is the simulator's last.
        assert_not_before(
            "last token",
            sample.last_token_ns,
            trace.chunks_ns.last().copied(),
            trace,
        );
        assert_eq!(sample.ttft_ns.is_some(), trace.first_token_ns.is_some());
        let gaps = sample.gaps.as_ref().unwrap();
        assert_eq!(gaps.count + gaps.coalesced + 1, trace.chunks, "{trace:?}");
    }
}

/// Counts, provider and money of a whole answer.
fn check_account(sample: &Sample, trace: &TraceRecord) {
    let usage = sample.usage.as_ref().unwrap();
    assert_eq!(usage.prompt_tokens, Some(trace.prompt_tokens));
    assert_eq!(usage.completion_tokens, Some(trace.completion_tokens));
    assert_eq!(usage.reasoning_tokens.unwrap_or(0), trace.reasoning_tokens);
    assert_eq!(usage.cached_tokens.unwrap_or(0), trace.cached_tokens);
    assert_eq!(
        usage.cache_write_tokens.unwrap_or(0),
        trace.cache_write_tokens
    );
    assert_eq!(sample.provider, trace.provider);
    assert_eq!(sample.generation_id, trace.generation_id);
    assert_eq!(sample.billed_usd, trace.cost_usd);
    if let Some(list) = sample.cost_usd {
        assert_eq!(Some(list), trace.cost_usd, "{trace:?}");
    }
}

/// Every sample with its trace; each attempt has one, too.
fn check(samples: &[Sample], traces: &[TraceRecord]) {
    let mut by_id = HashMap::new();
    for trace in traces {
        let id = trace.request_id.as_deref().unwrap();
        assert!(by_id.insert(id, trace).is_none(), "{id} was sent twice");
    }
    assert_eq!(samples.len(), 15 * 2 * 4);
    for sample in samples {
        for attempt in &sample.attempts {
            let trace = by_id[attempt.request_id.as_str()];
            let shown = attempt.status.unwrap_or(0);
            assert_eq!(shown, trace.status);
            assert_eq!(trace.model.as_deref(), Some(sample.model.as_str()));
        }
        let trace = by_id[sample.request_id.as_str()];
        check_times(sample, trace);
        if sample.outcome.answered() {
            check_account(sample, trace);
        }
    }
    // The suite must not prove less than it says.
    let any =
        |holds: &dyn Fn(&Sample) -> bool| samples.iter().filter(|sample| holds(sample)).count();
    assert!(any(&|sample| sample.outcome.answered()) >= 13 * 8);
    assert!(any(&|sample| sample.attempts.len() > 1) >= 2);
    assert!(any(&|sample| sample.provider_attempts > Some(1)) >= 1);
    assert!(
        any(&|sample| sample
            .usage
            .is_some_and(|usage| usage.cached_tokens > Some(0)))
            >= 1
    );
    assert!(any(&|sample| sample.cost_usd.is_some()) >= 60);
    let warm_ups = traces.len()
        - samples
            .iter()
            .map(|sample| sample.attempts.len())
            .sum::<usize>();
    assert_eq!(warm_ups, 15);
}

#[test]
fn nothing_is_ever_earlier_than_the_trace() {
    // The promise that every figure rests on: what we measure took at least that long, and tokens,
    // provider and money are those of the answer.
    for clock in ["user", "kernel"] {
        let home = home();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let scenario = Scenario::parse(&home.read("gateway.toml")).unwrap();
        let running = Simulator::start(scenario, listener, None, 5).unwrap();
        home.bakeoff(&format!(
            "run suite.toml --quiet --clock {clock} --endpoint {}",
            running.base_url()
        ))
        .exits(4)
        .run();
        let samples = samples(&home);
        check(&samples, &running.trace());
        let has_kernel = supported_clock(ClockSource::Kernel) == ClockSource::Kernel;
        if clock == "kernel" && has_kernel {
            // Unless the wall clock is set while the test goes on.
            let own = samples.iter().filter(|one| one.has(Flag::UserStamped));
            assert!(own.count() < samples.len());
        }
    }
}

#[cfg(unix)]
#[test]
fn the_standalone_simulator_writes_its_trace_to_a_file() {
    // The same with two processes, as the benchmark of fidelity does it; and Ctrl-C ends the
    // simulator in order, with every line written.
    let home = home();
    let simulator = home
        .bakeoff("sim --port 0 --sim-seed 5 --scenario gateway.toml --trace trace.jsonl")
        .begin();
    let url = simulator.next_url();
    home.bakeoff(&format!("run suite.toml --quiet --endpoint {url}"))
        .exits(4)
        .run();
    simulator.signal(rustix::process::Signal::INT);
    simulator.end();
    let text = home.read("trace.jsonl");
    let trace: Vec<TraceRecord> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    check(&samples(&home), &trace);
}

#[test]
fn a_first_unit_is_never_earlier_than_its_last_chunk() {
    // Six words, one a chunk, 20 ms apart: the sentence ends with the third.
    let scenario = "fixed_sim_seed = true\n[[answers]]\nright = \"One two six. Ten and yes\"\nwrong = \"-\"\n\
                 [default]\nright_share = 1\nttft = { median_ms = 6, sigma = 0 }\ngap = { median_ms = 20, sigma = 0 }\n";
    let suite = "name = \"traced\"\nmodels = [\"openai/gpt-4.1-nano\"]\nrepetitions = 8\nwarmup = 0\n\
                 [[prompts]]\nid = \"a\"\nuser = \"Count.\"\n";
    let home = Home::new().with("suite.toml", suite);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let running = Simulator::start(Scenario::parse(scenario).unwrap(), listener, None, 5).unwrap();
    home.bakeoff(&format!(
        "run suite.toml --quiet --endpoint {}",
        running.base_url()
    ))
    .run();
    let trace = running.trace();
    let samples = samples(&home);
    for sample in &samples {
        let mut records = trace.iter();
        let trace = records
            .find(|one| one.request_id.as_ref() == Some(&sample.request_id))
            .unwrap();
        assert_eq!(trace.chunks, 6, "{trace:?}");
        assert_not_before(
            "first unit",
            sample.first_unit_ns,
            Some(trace.chunks_ns[2]),
            trace,
        );
        assert!(sample.first_unit_ns.is_some() && sample.first_unit_ns <= sample.last_token_ns);
    }
    // On a busy machine some answers may be read in one piece, but not all.
    assert!(
        samples
            .iter()
            .any(|sample| sample.first_unit_ns < sample.last_token_ns)
    );
    let csv = home.read("reports/traced/latest/comparison.csv");
    assert!(csv.lines().next().unwrap().contains(",first_unit_p50_ms,"));
}
