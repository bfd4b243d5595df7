//! The examples of `--help`: each is run as it stands, by a shell, with the built program.
//!
//! They run in a folder that holds what a reader's would: the shipped suites, a run of the
//! quickstart, files of other tools. Nothing leaves the machine: in its `bakeoff.toml` the endpoint
//! `vercel` is a simulated gateway, and so is the server at `127.0.0.1:8000`. They and the simulator
//! of the program itself answer in a fifth of a second. A server that does not end is stopped as soon as
//! it answers. No example is only read.

// The examples are lines for a POSIX shell.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test ends where its own set-up fails")]

use crate::support::program;
use crate::support::verbs;

use program::{Call, Home, Underway};
use rustix::process::Signal;
use verbs::{Verb, verbs};

/// The server of their own that examples ask.
const OWN_SERVER: &str = "http://127.0.0.1:8000/v1";

/// Short answers that begin late enough to be measured on a busy machine; and a model that no catalog knows,
/// for those who ask a server of their own.
const SCENARIO: &str = r#"
[default]
ttft = { median_ms = 150, sigma = 0.2 }
gap = { median_ms = 3, sigma = 0.2 }
tokens = { median = 12, sigma = 0.3 }
prefill_ms_per_ktok = 0

[models."Qwen/Qwen3-8B"]
price = { input = "0.000001", output = "0.000002" }
"#;

/// The verbs that wait for answers; the program itself, whose examples are those of a beginner, among them.
const SENDERS: [&str; 3] = ["", "run", "size"];

/// The verbs that write what other examples read: each of their examples is run alone, in the order of the help.
const WRITERS: [&str; 7] = [
    "accept", "import", "merge", "report", "resume", "runs", "score",
];

/// The scenario of all simulators.
const SCENARIO_FILE: &str = "my-scenario.toml";

/// A suite that grades answers to a prompt of the quickstart.
const GRADED: &str = r#"
name = "graded"
models = ["openai/gpt-5-mini"]
[[prompts]]
id = "capital"
user = "Capital?"
assert = [{ type = "word-count", value = { min = 1 } }]
"#;

const JUDGED: &str = r#"
name = "judged"
models = ["openai/gpt-5-mini"]
judge = "anthropic/claude-haiku-4.5"
[[prompts]]
id = "capital"
user = "Capital?"
assert = [{ type = "judge", rubric = "Names a capital." }]
"#;

/// A simulated gateway in a process of its own, and its URL.
fn gateway(home: &Home) -> (Underway, String) {
    let served = home
        .bakeoff("sim --port 0 --scenario my-scenario.toml")
        .begin();
    let url = served.next_url();
    (served, url)
}

/// The folder in which examples are run, with the files of its users.
fn folder() -> Home {
    let home = Home::new()
        .with_folder("suites")
        .with(SCENARIO_FILE, SCENARIO)
        .with(
            "promptfooconfig.yaml",
            "prompts: ['Say {{word}}']\nproviders: [openai:gpt-5-mini]\ntests:\n  - vars: {word: hello}\n",
        )
        .with(
            "trace.jsonl",
            "{\"timestamp\": 0, \"input_length\": 40, \"output_length\": 9}\n\
             {\"timestamp\": 300, \"input_length\": 60, \"output_length\": 5}\n",
        )
        .with("traffic.csv", "prompt,share\ncapital,1\n")
        .with("graded.toml", GRADED)
        .with("judged.toml", JUDGED)
        .with("labels.csv", "trial,pass\n0,true\n")
        .with("scores.jsonl", "{\"trial\": 0, \"scores\": {\"right\": 1}}\n")
        .with("conversations.json", "[{\"conversations\": [{\"from\": \"human\", \"value\": \"Hi\"}]}]\n")
        .with("questions.jsonl", "{\"question\": \"Why is the sky blue?\"}\n");
    // Each prompt three times, which is enough to look early, all prompts at the same time.
    let suite = home.read("suites/quickstart.toml");
    let quick = suite
        .replace("repetitions = 4", "repetitions = 3")
        .replace("concurrency = 4", "concurrency = 8");
    assert_eq!(quick.len(), suite.len());
    assert_ne!(quick, suite);
    // A pilot has no variable for its scenario: the suite names the endpoint.
    let suite = home.read("suites/ci.toml");
    let ci = suite.replace(
        "concurrency = 4",
        "concurrency = 20
endpoint = \"vercel\"",
    );
    assert_ne!(ci, suite);
    home.with("suites/quickstart.toml", &quick)
        .with("suites/ci.toml", &ci)
}

fn with_key(call: Call) -> Call {
    call.env("AI_GATEWAY_API_KEY", "any")
}

/// A call that asks the simulator where it names no endpoint: one that answers soon.
fn quickly(call: Call) -> Call {
    call.env("BAKEOFF_SCENARIO", SCENARIO_FILE)
}

/// The runs and histories that examples read.
fn add_runs(home: &Home) {
    home.bakeoff("init").run();
    std::thread::scope(|scope| {
        scope.spawn(|| add_quickstart(home));
        scope.spawn(|| add_ci(home));
        scope.spawn(|| add_shards(home));
    });
    // Two projects with runs of their own.
    home.shell("mkdir a b && cp -R reports a/reports && cp -R reports b/reports")
        .run();
}

fn add_quickstart(home: &Home) {
    one_prompt(home);
    copy_latest(home, "before");
    copy_latest(home, "reports/quickstart/20261101T070000Z-ab12cd");
    // A run of its own: none is compared with itself.
    one_prompt(home);
    copy_latest(home, "after");
    home.bakeoff("accept before --history baselines/quickstart.jsonl")
        .run();
}

/// Adds a history of one configuration alone, then both side by side.
fn add_ci(home: &Home) {
    let ci = "run suites/ci.toml --quiet --repetitions 2";
    with_key(home.bakeoff(&format!("{ci} -m old"))).run();
    home.bakeoff("accept reports/ci/latest --history baselines/ci.jsonl")
        .run();
    with_key(home.bakeoff(ci)).run();
    // On a busy machine every sample may be flagged, and noise is read from those without a flag.
    let samples = "reports/ci/latest/samples.jsonl";
    let lines = home
        .read(samples)
        .lines()
        .fold(String::new(), |text, line| {
            let mut sample: serde_json::Value = serde_json::from_str(line).unwrap();
            sample.as_object_mut().unwrap().remove("flags");
            format!("{text}{sample}\n")
        });
    std::fs::write(home.path(samples), lines).unwrap();
}

/// Adds the two shards of a run, from two machines.
fn add_shards(home: &Home) {
    for index in 1..=2 {
        let run = format!(
            "run suites/quickstart.toml --quiet --prompt capital --sim-seed 1 --shard {index}/2 --output shards/{index}"
        );
        quickly(home.bakeoff(&run)).run();
    }
}

fn copy_latest(home: &Home, to: &str) {
    home.shell(&format!("cp -RL reports/quickstart/latest {to}"))
        .run();
}

/// A run of too few prompts for a verdict, so that comparing its models fails nothing.
fn one_prompt(home: &Home) {
    quickly(home.bakeoff("run suites/quickstart.toml --quiet --prompt capital")).run();
}

/// Runs one line; what it needs of a network is at `url`.
#[allow(
    clippy::print_stdout,
    reason = "a test that fails shows which line it was"
)]
fn run(home: &Home, line: &str, url: &str) {
    println!("$ {line}");
    let line = line.replace(OWN_SERVER, url);
    if let Some(arguments) = line.strip_prefix("bakeoff sim") {
        let port = arguments.find("--port ").map(|at| {
            let number = arguments[at..].split(' ').nth(1).unwrap();
            format!("--port {number}")
        });
        let arguments = match port {
            Some(port) => arguments.replace(&port, "--port 0"),
            None => format!("{arguments} --port 0"),
        };
        let served = home.bakeoff(&format!("sim {arguments}")).begin();
        served.next_url();
        served.signal(Signal::INT);
        served.end();
        return;
    }
    let call = with_key(home.shell(&line));
    let names_endpoint = line.contains("--endpoint");
    let call = if names_endpoint { call } else { quickly(call) };
    call.run();
}

/// Runs the examples of these verbs all at once: they leave each other alone, and wait together.
fn run_together<'v>(home: &Home, verbs: impl Iterator<Item = &'v Verb>, url: &str) {
    std::thread::scope(|scope| {
        for line in verbs.flat_map(Verb::examples) {
            scope.spawn(move || run(home, line, url));
        }
    });
}

#[test]
fn every_example_works() {
    // An example that fails is worse than none. A new one that needs a file, or a verb that does not
    // end, is to be prepared in `folder` and `run` above.
    let home = folder();
    let (served, url) = gateway(&home);
    let home = home.with(
        "bakeoff.toml",
        &format!("[endpoints.vercel]\nbase_url = \"{url}\"\n"),
    );
    add_runs(&home);
    let verbs = verbs();
    let is_of = |verb: &Verb, names: &[&str]| {
        let first_word = verb.name.split(' ').next().unwrap_or_default();
        names.contains(&first_word)
    };
    let senders = verbs.iter().filter(|verb| is_of(verb, &SENDERS));
    run_together(&home, senders, &url);
    one_prompt(&home);
    let writers = verbs.iter().filter(|verb| is_of(verb, &WRITERS));
    for line in writers.flat_map(Verb::examples) {
        run(&home, line, &url);
    }
    let readers = verbs
        .iter()
        .filter(|verb| !is_of(verb, &SENDERS) && !is_of(verb, &WRITERS));
    run_together(&home, readers, &url);
    let examples: usize = verbs.iter().map(|verb| verb.examples().count()).sum();
    assert!(examples > 20, "only {examples} examples were found");
    served.signal(Signal::INT);
    served.end();
}

#[test]
fn examples_are_of_their_verb() {
    // A user who asks for the help of a verb wants to see that verb, in lines that no terminal breaks.
    for verb in verbs().iter().filter(|verb| !verb.name.is_empty()) {
        let is_group = verb.help.contains("\nCommands:\n") && !verb.help.contains(" [OPTIONS]");
        let own = format!("bakeoff {}", verb.name);
        let mut examples = verb.examples().peekable();
        assert!(
            is_group || examples.peek().is_some(),
            "`{own} --help` has no example: add one to its `after_help` in cli.rs"
        );
        for line in examples {
            assert!(line.starts_with(&own), "`{own} --help` shows `{line}`");
            assert!(
                line.len() <= 98,
                "`{line}` is broken where a screen has 100 columns"
            );
        }
    }
}
