//! `docs/faults.md`: what a user sees when a run meets a fault of its machine or its endpoint, made by the program itself.

#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use rustix::process::Signal;

use crate::support::program::{FAST_SCENARIO, Home, ProgramOutput, Underway};
use crate::support::server::{ANSWER, Server, Then, response};

/// The page, below the folder of the package.
const PAGE: &str = "docs/faults.md";

/// The text above the tables.
const HEAD: &str = "# Faults

What a run does when its machine or its endpoint stands in the way. An answer that was paid for is never lost: every finished sample is
stored, and `bakeoff resume` sends what is missing. This page is made by a test.
";

const OF_THE_MACHINE: &str = "
## Faults of the machine

Sending stops at the first record that cannot be written.
";

const OF_THE_ENDPOINT: &str = "
## Faults of the endpoint

A model that fails gets one request at a time, at growing intervals, until it answers or its `--patience` is over; the others go on.
METHODOLOGY, *Models that fail*, has the rules.
";

const FOOT: &str = "
`RUN` is the run's folder, `TMP` the system's folder for temporary files (`TMPDIR`), `RESCUED` the folder there. Full and read-only file
systems need a mount of their own: `sudo sh scripts/disks.sh` tries them.
";

/// One row: the fault, its exit code, the message, and what is saved.
struct FaultRow {
    fault: &'static str,
    code: i32,
    message: String,
    saved: &'static str,
}

/// Trials of the suite.
const TRIALS: usize = 40;

fn suite(models: &str) -> String {
    format!(
        "name = \"s\"\nmodels = [{models}]\nrepetitions = 10\nwarmup = 0\n\
         concurrency = 2\n[parameters]\nmax_tokens = 40\n\
         [[prompts]]\nid = \"a\"\nuser = \"Why?\"\n[[prompts]]\nid = \"b\"\nuser = \"How?\"\n"
    )
}

fn home() -> Home {
    Home::new().with(
        "suite.toml",
        &suite("\"openai/gpt-4.1-nano\", \"openai/gpt-5-mini\""),
    )
}

const RUN: &str = "run suite.toml --scenario scenario.toml --sim-seed 1";

/// An endpoint that answers the first requests, and the others once it is opened: so a run certainly goes on when the test
/// strikes.
struct HeldEndpoint {
    server: Server,
    state: Arc<(Mutex<HeldState>, Condvar)>,
}

#[derive(Debug, Default)]
struct HeldState {
    arrived: usize,
    is_open: bool,
}

/// Requests that are answered at once.
const ANSWERED: usize = 8;

impl HeldEndpoint {
    fn start() -> Self {
        let state: Arc<(Mutex<HeldState>, Condvar)> = Arc::default();
        let shared = Arc::clone(&state);
        let server = Server::start(move |number, _| {
            let mut held = shared.0.lock().unwrap();
            held.arrived = held.arrived.max(number + 1);
            shared.1.notify_all();
            while number >= ANSWERED && !held.is_open {
                held = shared.1.wait(held).unwrap();
            }
            let events = "content-type: text/event-stream\r\n";
            (response("200 OK", events, ANSWER), Then::Keep)
        });
        Self { server, state }
    }

    /// Begins a run, and returns once some of its requests were answered and others wait.
    fn begin(&self, home: &Home, exits: i32) -> Underway {
        let call = format!("run suite.toml --yes --endpoint {}", self.server.base_url());
        let call = home.bakeoff(&call).env("TMPDIR", home.path("tmp"));
        let underway = call.exits(exits).begin();
        let mut held = self.state.0.lock().unwrap();
        while held.arrived <= ANSWERED {
            held = self.state.1.wait(held).unwrap();
        }
        underway
    }

    fn open(&self) {
        self.state.0.lock().unwrap().is_open = true;
        self.state.1.notify_all();
    }
}

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
    plain(&text.join("\n"), home)
}

/// The last such line, with those after it.
fn last_message(err: &str, from: &str, home: &Home) -> String {
    let at = err.rfind(&format!("\n{from}")).map_or(0, |at| at + 1);
    message(&err[at..], from, home)
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
    for fault in ["+503", "+stall-headers", "+429-long"] {
        text = text.replace(fault, "");
    }
    let words = text.split(' ').map(|word| {
        let digits = word.trim_matches(['(', ',', '.']);
        let is_number =
            !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit() || c == '.');
        if is_number {
            word.replace(digits, "N")
        } else {
            word.to_owned()
        }
    });
    let text = words.collect::<Vec<_>>().join(" ");
    // One is as good as several.
    text.replace("N sample is", "N samples are")
        .replace("N trial of", "N trials of")
}

/// The trials of the samples of a run folder, but for a truncated last line; each must be there once.
fn trials(folder: &Path) -> Vec<usize> {
    let text = fs::read_to_string(folder.join("samples.jsonl")).unwrap();
    let whole = text
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    let samples = whole.map(|line| {
        let sample: serde_json::Value = serde_json::from_str(line).unwrap();
        usize::try_from(sample["trial"].as_u64().unwrap()).unwrap()
    });
    let mut trials: Vec<usize> = samples.collect();
    trials.sort_unstable();
    trials
}

fn status(home: &Home, folder: &str) -> String {
    let manifest = home.read(&format!("{folder}/manifest.json"));
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    manifest["status"].to_string()
}

fn is_finished(home: &Home, folder: &str) {
    assert!(
        trials(&home.path(folder)).into_iter().eq(0..TRIALS),
        "{folder}"
    );
}

/// The folder of temporary files of a run that was rescued.
fn rescued(run: &str) -> String {
    let name = run.rsplit('/').next().unwrap();
    format!("tmp/bakeoff-{name}/s/{name}")
}

/// A run whose folder is deleted while it goes on.
fn deleted_folder() -> Vec<FaultRow> {
    let home = home();
    fs::create_dir(home.path("tmp")).unwrap();
    let endpoint = HeldEndpoint::start();
    let underway = endpoint.begin(&home, 4);
    let run = folder(&home);
    fs::remove_dir_all(home.path(&run)).unwrap();
    endpoint.open();
    let output = underway.end();
    // The rescued run is whole, and can be finished.
    let rescued = rescued(&run);
    assert!(!trials(&home.path(&rescued)).is_empty());
    home.bakeoff(&format!("resume {rescued}")).run();
    is_finished(&home, &rescued);
    vec![FaultRow {
        fault: "the run's folder is deleted while it goes on",
        code: 4,
        message: message(&output.err, "error: ", &home),
        saved: "every sample and the manifest, in the folder for temporary files",
    }]
}

/// A run under a limit of a file's size (`ulimit -f`) that its samples meet: the error of a full disk in its course. `TMPDIR`
/// is `tmp`.
fn limited_run(home: &Home) -> ProgramOutput {
    // Room for the manifest and some samples. The samples that follow are beyond the limit in the run's folder alone:
    // the other one begins a new file.
    let line = format!("ulimit -f 32; exec bakeoff {RUN}");
    let output = home
        .shell(&line)
        .env("TMPDIR", home.path("tmp"))
        .exits(4)
        .run();
    let status = status(home, &folder(home));
    assert!(status.contains("File too large"), "{status}");
    output
}

fn size_limit() -> Vec<FaultRow> {
    let home = home();
    fs::create_dir(home.path("tmp")).unwrap();
    let output = limited_run(&home);
    let run = folder(&home);
    let rescued = rescued(&run);
    let (in_folder, elsewhere) = (trials(&home.path(&run)), trials(&home.path(&rescued)));
    let stored = in_folder.len() + elsewhere.len();
    assert!(!elsewhere.is_empty() && stored < TRIALS);
    home.bakeoff(&format!(
        "resume {run} --scenario scenario.toml --rescued {rescued}"
    ))
    .complains(" joined")
    .run();
    is_finished(&home, &run);
    vec![FaultRow {
        fault: "the disk is full, or a file reaches its size limit",
        code: 4,
        message: message(&output.err, "error: ", &home),
        saved: "the samples before it in the run's folder, the others in that for temporary files",
    }]
}

/// The same, where the folder for temporary files cannot be written either.
fn nowhere_to_write() -> Vec<FaultRow> {
    let home = home().with("tmp", "no folder");
    let output = limited_run(&home);
    let run = folder(&home);
    let printed = output.err.lines().filter(|line| line.starts_with('{'));
    let printed = printed.count();
    assert!(printed > 0);
    // They are samples, which are not sent again; other lines among them do no harm.
    fs::write(home.path("err.log"), &output.err).unwrap();
    let left = TRIALS - trials(&home.path(&run)).len() - printed;
    home.bakeoff(&format!(
        "resume {run} --scenario scenario.toml --rescued err.log"
    ))
    .complains(" joined")
    .complains(&format!("resuming: {left} trials of {TRIALS} are left"))
    .run();
    is_finished(&home, &run);
    vec![FaultRow {
        fault: "the same, and the folder for temporary files cannot be written either",
        code: 4,
        message: last_message(&output.err, "error: ", &home),
        saved: "the samples before it in the run's folder, the others on standard error",
    }]
}

/// A folder of runs that is a file: nothing can be written before the first request.
fn unwritable_output() -> Vec<FaultRow> {
    let home = home().with("reports", "");
    let output = home.bakeoff(RUN).exits(2).run();
    vec![FaultRow {
        fault: "the folder of runs cannot be written",
        code: 2,
        message: message(&output.err, "error: ", &home),
        saved: "nothing was sent",
    }]
}

/// A run that is killed, and one that is resumed while it goes on.
fn killed_and_held() -> Vec<FaultRow> {
    let home = home();
    let endpoint = HeldEndpoint::start();
    let underway = endpoint.begin(&home, -1);
    let run = folder(&home);
    let resume = format!("resume {run}");
    let held = home.bakeoff(&resume).exits(2).run();
    underway.signal(Signal::KILL);
    underway.end();
    endpoint.open();
    let output = home.bakeoff(&resume).run();
    is_finished(&home, &run);
    vec![
        FaultRow {
            fault: "the process is killed (`kill -9`); then `bakeoff resume`",
            code: 0,
            message: message(&output.err, "resuming: ", &home),
            saved: "every sample that was received",
        },
        FaultRow {
            fault: "another process resumes a run that goes on",
            code: 2,
            message: message(&held.err, "error: ", &home),
            saved: "the run goes on",
        },
    ]
}

/// A ledger that another process holds when a run ends, until the user gives up.
fn held_ledger() -> Vec<FaultRow> {
    let home = home();
    let endpoint = HeldEndpoint::start();
    let underway = endpoint.begin(&home, 130);
    let ledger = fs::File::open(home.path("reports/ledger.jsonl")).unwrap();
    ledger.lock().unwrap();
    endpoint.open();
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
        .says("closed; it cost ")
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
                &part[part.find(')').map_or(0, |at| at + 1)..]
            ),
        });
    vec![FaultRow {
        fault: "the ledger is held when the run ends, and the user presses Ctrl-C",
        code: 130,
        message: text.collect(),
        saved: "records and reports of the run",
    }]
}

/// A fault of the endpoint that ends a run, by the models of the suite and further keys of scenario and suite.
struct EndpointFault {
    fault: &'static str,
    models: &'static str,
    scenario: &'static str,
    timeouts: &'static str,
}

const ENDPOINT_FAULTS: [EndpointFault; 6] = [
    EndpointFault {
        fault: "one model answers 503 for longer than the patience",
        models: "\"openai/gpt-4.1-nano\", \"openai/gpt-5-mini+503\"",
        scenario: "",
        timeouts: "",
    },
    EndpointFault {
        fault: "one model does not begin to answer",
        models: "\"openai/gpt-4.1-nano\", \"openai/gpt-5-mini+stall-headers\"",
        scenario: "",
        timeouts: "timeouts = { headers = \"100ms\" }\n",
    },
    EndpointFault {
        fault: "one model answers 429 and demands a wait beyond the patience",
        models: "\"openai/gpt-4.1-nano\", \"openai/gpt-5-mini+429-long\"",
        scenario: "",
        timeouts: "",
    },
    EndpointFault {
        fault: "every model answers 503 for longer than the patience",
        models: "\"openai/gpt-4.1-nano+503\", \"openai/gpt-5-mini+503\"",
        scenario: "",
        timeouts: "",
    },
    EndpointFault {
        fault: "the balance is used up (402)",
        models: "\"openai/gpt-4.1-nano\", \"openai/gpt-5-mini\"",
        scenario: "budget = { usd_per_key = \"0.0001\" }\n",
        timeouts: "",
    },
    EndpointFault {
        fault: "the key is refused (401)",
        models: "\"openai/gpt-4.1-nano+401\", \"openai/gpt-5-mini+401\"",
        scenario: "",
        timeouts: "",
    },
];

fn endpoint_fault(fault: &EndpointFault) -> Vec<FaultRow> {
    let suite = format!(
        "patience = \"1s\"\n{}{}",
        fault.timeouts,
        suite(fault.models)
    );
    let scenario = format!("{}{FAST_SCENARIO}", fault.scenario);
    let home = Home::new()
        .with("suite.toml", &suite)
        .with("scenario.toml", &scenario);
    let output = home.bakeoff(RUN).exits(4).run();
    vec![FaultRow {
        fault: fault.fault,
        code: 4,
        message: message(&output.out, "! This run is incomplete", &home),
        saved: "every answer; `bakeoff resume` sends the rest",
    }]
}

/// A model that answers, then fails until its breaker is open, and answers again.
fn short_outage() -> Vec<FaultRow> {
    let home = home();
    let of_model = AtomicUsize::new(0);
    let server = Server::start(move |_, request| {
        let is_failing = request.body.contains("gpt-5-mini")
            && (1..=6).contains(&of_model.fetch_add(1, Ordering::Relaxed));
        let reply = if is_failing {
            response(
                "503 Service Unavailable",
                "",
                "{\"error\":{\"message\":\"down\"}}",
            )
        } else {
            response("200 OK", "content-type: text/event-stream\r\n", ANSWER)
        };
        (reply, Then::Keep)
    });
    let call = format!("run suite.toml --yes --endpoint {}", server.base_url());
    let output = home.bakeoff(&call).run();
    vec![FaultRow {
        fault: "one model answers 503 for a while",
        code: 0,
        message: message(&output.err, "openai/gpt-5-mini: failing", &home),
        saved: "every answer; its trials are sent when it answers again, and the run is complete",
    }]
}

/// The rows as a table.
fn table(rows: &[FaultRow]) -> String {
    let mut table =
        "\n| fault | exit code | message | saved |\n| --- | --- | --- | --- |\n".to_owned();
    for row in rows {
        let message = row.message.replace('|', "\\|").replace('`', "");
        let message = message.replace('\n', "`<br>`");
        let row_text = format!(
            "| {} | {} | `{message}` | {} |\n",
            row.fault, row.code, row.saved
        );
        table.push_str(&row_text);
    }
    table
}

#[test]
fn the_page_of_faults_is_what_the_program_does() {
    // A user who meets a fault looks for its message, and must find what is saved and what to do.
    let machine = [
        unwritable_output,
        size_limit,
        nowhere_to_write,
        deleted_folder,
        killed_and_held,
        held_ledger,
    ];
    let (machine, endpoint) = std::thread::scope(|threads| {
        let machine = machine.map(|row| threads.spawn(row));
        let endpoint = ENDPOINT_FAULTS
            .each_ref()
            .map(|fault| threads.spawn(|| endpoint_fault(fault)));
        let endpoint = [threads.spawn(short_outage)].into_iter().chain(endpoint);
        let rows = |made: Vec<std::thread::ScopedJoinHandle<'_, Vec<FaultRow>>>| {
            let made = made.into_iter().flat_map(|rows| rows.join().unwrap());
            made.collect::<Vec<_>>()
        };
        (rows(machine.into()), rows(endpoint.collect()))
    });
    let page = [
        HEAD,
        OF_THE_MACHINE,
        &table(&machine),
        OF_THE_ENDPOINT,
        &table(&endpoint),
        FOOT,
    ]
    .concat();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    if std::env::var_os("BAKEOFF_UPDATE").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(stored, page, "BAKEOFF_UPDATE=1 writes the page");
}
