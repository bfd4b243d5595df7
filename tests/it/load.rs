//! Loads through the built program and sockets, against simulated servers whose capacity is known.
//!
//! Counts, orders and instants of the schedule are compared; of times only what no busy machine changes: that a request was
//! late, not that it was on time.

use crate::format::{assert_same, documented};
use crate::support::program;

use program::{FAST_SCENARIO, Home};
use serde_json::Value;

const SUITE: &str = "name = \"load\"\nmodels = [\"sim/constant-20ms-1ms-8\"]\nwarmup = 0\n\
    [[prompts]]\nid = \"a\"\nuser = \"One?\"\n[[prompts]]\nid = \"b\"\nuser = \"Two?\"\n";

/// The rows of `load.csv` as objects.
fn load_rows(home: &Home) -> Vec<serde_json::Map<String, Value>> {
    let text = home.read("reports/load/latest/load.csv");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows = reader.deserialize::<serde_json::Map<String, Value>>();
    rows.map(|row| row.unwrap()).collect()
}

fn number(row: &serde_json::Map<String, Value>, column: &str) -> f64 {
    let text = row[column].to_string();
    text.trim_matches('"').parse().unwrap()
}

/// The instants at which samples were due, in ms since the first.
fn due_ms(samples: &[Value]) -> Vec<u64> {
    let at = |sample: &Value| sample["scheduled_ns"].as_u64().unwrap();
    let since_first = samples.iter().map(|sample| at(sample) - at(&samples[0]));
    since_first.map(|nanos| nanos / 1_000_000).collect()
}

fn completion_tokens(samples: &[Value]) -> Vec<u64> {
    let tokens = samples
        .iter()
        .map(|sample| &sample["usage"]["completion_tokens"]);
    tokens.map(|tokens| tokens.as_u64().unwrap()).collect()
}

#[test]
fn an_open_loop_sends_its_plan() {
    // A second at 40/s is forty requests at their instants, cycling two prompts; each is sent once.
    let home = Home::new().with("load.toml", SUITE);
    home.bakeoff("run load.toml --rate 40/s --duration 1s --slo ttft_p90<10s --quiet")
        .exits(0)
        .says("meets every objective")
        .run();
    let mut samples = home.samples("load");
    samples.sort_by_key(|sample| sample["trial"].as_u64());
    assert_eq!(samples.len(), 40);
    let at = |sample: &Value| sample["scheduled_ns"].as_u64().unwrap();
    for (index, sample) in (0_u64..).zip(&samples) {
        assert_eq!(at(sample) - at(&samples[0]), index * 25_000_000);
        assert!(sample["sent_ns"].as_u64() >= sample["scheduled_ns"].as_u64());
        assert_eq!(sample["attempts"].as_array().unwrap().len(), 1);
    }
    let rows = load_rows(&home);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["load"], "40/s");
    assert!((number(&rows[0], "answered") - 40.0).abs() < 1e-9);
    assert_eq!(rows[0]["objectives"], "met");
    // The records alone give the same report.
    let before = home.read("reports/load/latest/load.csv");
    home.bakeoff("report reports/load/latest").exits(0).run();
    assert_eq!(home.read("reports/load/latest/load.csv"), before);
}

#[test]
fn the_table_has_the_documented_columns() {
    // A script that plots a sweep relies on them.
    let home = Home::new().with("load.toml", SUITE);
    let slos = "--slo ttft_p90<10s --slo error_rate<50%";
    home.bakeoff(&format!(
        "run load.toml --sweep rate=20/s,40/s --duration 500ms {slos} --quiet"
    ))
    .exits(0)
    .run();
    let text = home.read("reports/load/latest/load.csv");
    let columns = text.lines().next().unwrap().split(',').map(str::to_owned);
    assert_same(documented("`load.csv`"), columns.collect(), "load.csv");
    assert_eq!(text.lines().count(), 3);
}

#[test]
fn a_trace_is_replayed_with_its_lengths() {
    // Four requests of the Mooncake shape, the second at the moment of the first, replayed ten times faster.
    let row = |at: u32, input: u32, output: u32| {
        format!(
            "{{\"timestamp\": {at}, \"input_length\": {input}, \"output_length\": {output}, \"hash_ids\": [1]}}\n"
        )
    };
    let trace = [
        row(0, 100, 3),
        row(0, 40, 4),
        row(2_000, 300, 5),
        row(5_000, 20, 6),
    ]
    .concat();
    let suite = "name = \"load\"\nmodels = [\"sim/constant-5ms-1ms-40\"]\nwarmup = 0\n\
        [load]\ntrace = \"trace.jsonl\"\ntrace_speed = 10\n";
    let home = Home::new()
        .with("load.toml", suite)
        .with("trace.jsonl", &trace);
    home.bakeoff("run load.toml --quiet").exits(0).run();
    let mut samples = home.samples("load");
    samples.sort_by_key(|sample| sample["trial"].as_u64());
    assert_eq!(due_ms(&samples), [0, 0, 200, 500]);
    assert_eq!(completion_tokens(&samples), [3, 4, 5, 6]);
    // With prompts of its own the suite sends those, at the same instants.
    let home = home.with(
        "load.toml",
        &format!("{suite}[[prompts]]\nid = \"a\"\nuser = \"One?\"\n"),
    );
    home.bakeoff("run load.toml --quiet").exits(0).run();
    assert!(
        home.samples("load")
            .iter()
            .all(|sample| sample["prompt"] == "a")
    );
    let home = home.with("trace.jsonl", &trace.replace("2000", "2000.5"));
    home.bakeoff("run load.toml")
        .exits(2)
        .complains("trace.jsonl:3: ")
        .complains("trace_unit")
        .run();
}

#[test]
fn a_sweep_is_sent_level_by_level_and_says_where_the_model_saturates() {
    // Each level has its number in flight, and one sentence says what the sweep found, in run and report alike. Which number that
    // is depends on this machine: what delays a lone request hides in the queue of a busy model, so a busy client makes the knee
    // too high. The numbers are those of a paused clock and of simulated queues (engine/tests/load.rs, verdict/load/tests.rs).
    let scenario = format!(
        "{FAST_SCENARIO}\n[models.\"known/busy\"]\ncapacity = 4\n\
         price = {{ input = \"0.000001\", output = \"0.000001\" }}\n"
    );
    let suite = SUITE.replace("sim/constant-20ms-1ms-8", "known/busy");
    let home = Home::new()
        .with("load.toml", &suite)
        .with("scenario.toml", &scenario);
    let output = home
        .bakeoff("run load.toml --scenario scenario.toml --sweep concurrency=1,2,8,24 --requests 60 --quiet")
        .exits(0)
        .run();
    let rows = load_rows(&home);
    let max: Vec<f64> = rows
        .iter()
        .map(|row| number(row, "in_flight_max"))
        .collect();
    assert_eq!(max, [1.0, 2.0, 8.0, 24.0]);
    let document = home
        .bakeoff("report reports/load/latest --format json")
        .exits(0)
        .run();
    let document: Value = serde_json::from_str(&document.out).unwrap();
    let finding = document["load"]["finding"][0].as_str().unwrap();
    assert!(finding.starts_with("known/busy "), "{finding}");
    assert!(output.out.contains(finding), "{finding}: {}", output.out);
}

#[test]
fn a_stalled_server_shows_in_the_response_times() {
    // The simulator sends nothing for 2 s of 4 s: a request in four was due in the first second of that, and has waited
    // for more than a second. With two in flight the client itself waits: the times from sending hide it.
    let scenario = format!("{FAST_SCENARIO}\n[[pauses]]\nfrom_ms = 1000\nfor_ms = 2000\n");
    let home = Home::new()
        .with("load.toml", SUITE)
        .with("scenario.toml", &scenario);
    home.bakeoff("run load.toml --scenario scenario.toml --rate 25/s --duration 4s -c 2 --quiet")
        .exits(0)
        .says("requests were sent late")
        .run();
    let row = &load_rows(&home)[0];
    assert!(number(row, "response_ttft_p95_ms") > 1_000.0, "{row:?}");
    assert!(number(row, "response_ttft_p99_ms") >= number(row, "service_ttft_p99_ms"));
    assert!(number(row, "lag_p95_ms") > 900.0, "{row:?}");
    let samples = home.samples("load");
    let slow = |sample: &&Value| sample["ttft_ns"].as_u64().unwrap() > 1_000_000_000;
    // Two in flight when it stalled; on a busy machine a few more may be slow for another reason.
    assert!(samples.iter().filter(slow).count() < 25);
}

#[test]
fn a_suite_states_its_load_and_its_lengths() {
    let suite = "name = \"load\"\nmodels = [\"sim/constant-5ms-1ms-4\"]\nwarmup = 0\n\
        [load]\nrate = \"30/s\"\narrivals = \"poisson\"\nduration = \"1s\"\nslo = [\"error_rate < 50%\"]\n\
        [[synthetic]]\nprompts = 3\ninput_tokens = 64\noutput_tokens = 7\nshared_prefix = \"50%\"\n";
    let home = Home::new().with("load.toml", suite);
    home.bakeoff("run load.toml --quiet")
        .exits(0)
        .says("meets every objective")
        .run();
    let manifest: Value =
        serde_json::from_str(&home.read("reports/load/latest/manifest.json")).unwrap();
    let prompts = manifest["suite"]["prompts"].as_array().unwrap();
    assert_eq!(prompts.len(), 3);
    assert_eq!(prompts[2]["id"], "synthetic-1-0003");
    assert_eq!(prompts[2]["parameters"]["max_tokens"], 7);
    assert_eq!(
        manifest["planned_trials"].as_u64(),
        Some(home.samples("load").len() as u64)
    );
    // A flag takes the place of the table.
    home.bakeoff("run load.toml --quiet --rate 10/s --duration 1s")
        .exits(0)
        .run();
    assert_eq!(home.samples("load").len(), 10);
}

#[test]
fn the_shipped_load_runs_under_a_cap() {
    // The documented command was refused: the warm-up of a suite of made prompts had no token limit.
    let suite = concat!(env!("CARGO_MANIFEST_DIR"), "/suites/load.toml");
    let home = Home::new();
    home.bakeoff(&format!(
        "run {suite} --sweep concurrency=2 --requests 4 --max-cost 2 --quiet"
    ))
    .says("8 of 8 answered")
    .exits(0)
    .run();
}

#[test]
fn what_makes_no_load_is_refused_before_anything_is_sent() {
    let home = Home::new()
        .with("load.toml", SUITE)
        .with("t.csv", "Timestamp,Request tokens,Response tokens\n1,9,9\n");
    for (flags, complaint) in [
        ("--rate 20", "`20` is not a rate such as"),
        (
            "--rate 20/s --requests 5",
            "--requests: `requests` has an effect only with a fixed concurrency",
        ),
        ("--sweep concurrency=4,1", "must rise"),
        ("--sweep users=4", "is not a sweep such as"),
        ("--slo ttft<1s", "is not an objective such as"),
        (
            "--sweep concurrency=1,4 --duration 5s",
            "--duration: `duration` has an effect only with a rate or a single concurrency",
        ),
        ("--trace none.csv", "`none.csv` could not be read"),
        ("--trace load.toml", "--trace: load.toml:"),
        ("--trace t.csv --rate 5/s", "cannot be used with"),
        ("--trace t.csv --sweep rate=1/s,2/s", "cannot be used with"),
        ("--trace-speed 2", "--trace <FILE>"),
        (
            "--trace t.csv --trace-speed 0",
            "must be a number from 0.001 to 1000",
        ),
        (
            "--trace t.csv --trace-rows 0",
            "must be an integer from 1 to",
        ),
        ("--trace t.csv --trace-unit h", "must be `s`, `ms` or `us`"),
        (
            "--trace t.csv --duration 5s",
            "--duration: `duration` has an effect only with",
        ),
        (
            "--trace t.csv -r 3",
            "--repetitions has no effect on this load",
        ),
        (
            "--trace t.csv --arrivals poisson",
            "--arrivals: `arrivals` has an effect only with a rate",
        ),
        ("--duration 5s --shard 1/2", "a closed loop is neither"),
    ] {
        home.bakeoff(&format!("run load.toml {flags}"))
            .exits(2)
            .complains(complaint)
            .run();
    }
    assert!(!home.path("reports").exists());
    let wrong = SUITE.replace(
        "[[prompts]]\nid = \"a\"",
        "[load]\nrate = \"5\"\n[[prompts]]\nid = \"a\"",
    );
    let home = Home::new().with("load.toml", &wrong);
    home.bakeoff("run load.toml")
        .exits(2)
        .complains("load.toml:5")
        .run();
}

#[test]
fn a_load_is_not_resumed() {
    // Its rest, sent later, would be another load than the one that its report shows.
    let home = Home::new().with("load.toml", SUITE);
    home.bakeoff("run load.toml --rate 20/s --duration 1s --quiet")
        .exits(0)
        .run();
    let folder = home.path("reports/load/latest");
    let samples = std::fs::read_to_string(folder.join("samples.jsonl")).unwrap();
    let half: String = samples.split_inclusive('\n').take(10).collect();
    std::fs::write(folder.join("samples.jsonl"), half).unwrap();
    home.bakeoff("resume reports/load/latest")
        .exits(2)
        .complains("a load cannot be resumed")
        .run();
}

#[test]
fn a_trace_is_a_flag() {
    // Without a suite the requests are those of the trace, lengths and all; with one, its prompts at the trace's instants.
    let trace = "Timestamp,Request tokens,Response tokens\n10,40,3\n10.2,50,4\n10.4,60,5\n";
    let home = Home::new()
        .with("load.toml", SUITE)
        .with("trace.csv", trace);
    home.bakeoff("run -m sim/constant-5ms-1ms-40 --trace ./trace.csv --trace-speed 2")
        .exits(0)
        .says("trace, 3/s on average")
        .run();
    let mut samples = home.samples("trace");
    samples.sort_by_key(|sample| sample["trial"].as_u64());
    assert_eq!(due_ms(&samples), [0, 100, 200]);
    assert_eq!(completion_tokens(&samples), [3, 4, 5]);
    let manifest = home.read("reports/trace/latest/manifest.json");
    assert!(manifest.contains("\"file\": \"trace.csv\""), "{manifest}");
    home.bakeoff("run load.toml --trace trace.csv --trace-rows 2")
        .exits(0)
        .complains("the suite's prompts are sent at the instants of the trace")
        .run();
    assert_eq!(home.samples("load").len(), 2);
    home.bakeoff("run --trace trace.csv")
        .exits(2)
        .complains("a trace without a suite needs models")
        .run();
    home.bakeoff("run")
        .exits(2)
        .complains("nothing to send")
        .run();
}

#[test]
fn a_closed_loop_goes_on_for_its_time() {
    // Answers of 28 ms: the loop sends far more than a round, its report has no missing trials, and it is finished.
    let home = Home::new().with("load.toml", SUITE);
    let run = home
        .bakeoff("run load.toml -c 2 --duration 2s --slo error_rate<50%")
        .exits(0)
        .says("for 2.0 s")
        .says("2 in flight for 2s")
        .run();
    assert!(
        !run.out.contains("missing") && !run.out.contains("without a sample"),
        "{}",
        run.out
    );
    let samples = home.samples("load");
    assert!(samples.len() > 4, "{}", samples.len());
    // What is decided within the time may be sent after it, on a busy machine: one request of each place.
    let sent = samples.iter().map(|sample| sample["sent_ns"].as_u64());
    let sent: Vec<u64> = sent.map(Option::unwrap).collect();
    let end = sent.iter().min().unwrap() + 2_000_000_000;
    assert!(sent.iter().filter(|at| **at > end).count() <= 2);
    let manifest: Value =
        serde_json::from_str(&home.read("reports/load/latest/manifest.json")).unwrap();
    assert_eq!(manifest["status"], "complete");
    assert_eq!(
        manifest["planned_trials"].as_u64(),
        Some(samples.len() as u64)
    );
    let rows = load_rows(&home);
    assert_eq!(
        (&rows[0]["load"], &rows[0]["planned"]),
        (&"2 in flight for 2s".into(), &"".into())
    );
    assert!((number(&rows[0], "requests") - samples.len() as f64).abs() < 1e-9);
    home.bakeoff("resume reports/load/latest")
        .exits(0)
        .complains("is complete; nothing was sent")
        .run();
    // The same as a suite has it.
    let suite = SUITE.replace(
        "[[prompts]]\nid = \"a\"",
        "[load]\nduration = \"1s\"\n[[prompts]]\nid = \"a\"",
    );
    let home = Home::new().with("load.toml", &suite);
    home.bakeoff("run load.toml --quiet").exits(0).run();
    home.bakeoff("run load.toml --list")
        .exits(0)
        .says("closed loop for 1.00 s")
        .run();
}

#[test]
fn a_closed_loop_for_a_time_needs_a_limit_of_its_cost() {
    // A model that answers in no time would be asked without an end that a user has seen: with a real endpoint a cap or a
    // number of requests is needed.
    let home = Home::new().with(
        "load.toml",
        &SUITE.replace("sim/constant-20ms-1ms-8", "a/b"),
    );
    let flags = "--endpoint http://127.0.0.1:9/v1 --duration 5s";
    home.bakeoff(&format!("run load.toml --list {flags}"))
        .exits(0)
        .complains("a run would be refused: a closed loop for a time")
        .run();
    home.bakeoff(&format!("run load.toml --list {flags} --requests 10"))
        .exits(0)
        .run();
}
