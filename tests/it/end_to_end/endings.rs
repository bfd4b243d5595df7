//! Runs that end otherwise than well: exit codes, and what is kept.

use std::net::TcpListener;

use bakeoff::sim::{Scenario, Simulator};
use serde_json::Value;

use super::SUITE;
use super::program::Home;
use super::server::{Server, Then, response};

fn home() -> Home {
    Home::new().with("suite.toml", SUITE)
}

#[test]
fn an_unreachable_endpoint_is_reported_at_once() {
    // Exit code 4, the URL and what to do; no folder is left for a run that never began.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    let home = home();
    for call in ["", "--verify"] {
        home.bakeoff(&format!("run suite.toml --endpoint {url} {call}"))
            .exits(4)
            .complains(&format!("no connection to {url}"))
            .complains("Check the URL")
            .run();
    }
    home.bakeoff("run suite.toml --endpoint http://no-such-host.invalid/v1")
        .exits(4)
        .complains("no-such-host.invalid")
        .run();
    assert!(!home.path("reports").exists());
}

#[test]
fn a_wrong_scheme_is_reported_as_such() {
    // The commonest slip with own servers: https for http.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let running = Simulator::start(Scenario::built_in(), listener, None, 1).unwrap();
    let url = running.base_url().replace("http://", "https://");
    home()
        .bakeoff(&format!("run suite.toml --endpoint {url}"))
        .exits(4)
        .complains("no TLS connection")
        .complains("write `http://` in the base URL")
        .run();
}

#[test]
fn a_refused_key_ends_the_run_early() {
    // A hundred requests with a wrong key are a hundred entries in somebody's log of attacks.
    let refused = r#"{"error":{"message":"Invalid API key","type":"authentication_error"}}"#;
    let server = Server::start(move |_, _| (response("401 Unauthorized", "", refused), Then::Keep));
    let home = home();
    let call = format!(
        "run suite.toml --repetitions 50 --endpoint {}",
        server.base_url()
    );
    home.bakeoff(&call)
        .exits(4)
        .complains("does not accept the key")
        .run();
    // The warm-up of three variants and one slot.
    assert_eq!(server.questions().len(), 6);
    let manifest = manifest(&home, "reports/small/latest");
    assert!(
        manifest["status"]["incomplete"]
            .as_str()
            .unwrap()
            .contains("key")
    );
}

#[test]
fn a_variant_without_answers_makes_the_run_incomplete() {
    // The others are compared and reported; CI learns that the comparison is not whole.
    let suite = SUITE.replace("openai/gpt-5-mini", "openai/gpt-5-mini+400");
    let home = Home::new().with("suite.toml", &suite);
    home.bakeoff("run suite.toml --scenario scenario.toml --sim-seed 1")
        .exits(4)
        .says("openai/gpt-5-mini+400")
        .run();
    assert_eq!(home.samples("small").len(), 12);
    assert_eq!(
        manifest(&home, "reports/small/latest")["status"],
        "complete"
    );
}

fn manifest(home: &Home, folder: &str) -> Value {
    serde_json::from_str(&home.read(&format!("{folder}/manifest.json"))).unwrap()
}

/// A run of seconds: 300 trials of about 40 ms one after the other, one line of progress after each tenth at most.
#[cfg(unix)]
mod in_mid_run {
    use rustix::process::Signal;

    use super::super::program::Underway;
    use super::*;

    const LONG_SUITE: &str = r#"
name = "long"
models = ["sim/constant-30ms-1ms-5"]
repetitions = 300
concurrency = 1
warmup = 0
[[prompts]]
id = "hello"
user = "Hello"
"#;

    /// Trials that have ended when the first line of progress is printed.
    const FIRST_PROGRESS: usize = 30;

    fn begun(home: &Home, status: i32) -> Underway {
        let call = "run suite.toml --sim-seed 1";
        let underway = home.bakeoff(call).exits(status).begin();
        // Warnings and the estimate of the duration come first.
        let mut line = underway.next_line();
        while line.starts_with("warning: ") || line.starts_with("note: ") {
            line = underway.next_line();
        }
        assert!(
            line.starts_with(&format!("{FIRST_PROGRESS}/300 trials")),
            "{line}"
        );
        underway
    }

    /// The only run there is; `latest` may not point at it yet.
    fn folder(home: &Home) -> String {
        let runs = std::fs::read_dir(home.path("reports/long")).unwrap();
        let names = runs.map(|run| run.unwrap().file_name().into_string().unwrap());
        let names: Vec<String> = names.filter(|name| name != "latest").collect();
        assert_eq!(names.len(), 1);
        format!("reports/long/{}", names[0])
    }

    #[test]
    fn an_interrupt_keeps_what_finished() {
        // Ctrl-C, and the request to end that CI services send: samples and reports stay, marked.
        for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
            let home = Home::new().with("suite.toml", LONG_SUITE);
            let underway = begun(&home, 130);
            underway.signal(signal);
            let output = underway.end();
            assert!(
                output.err.contains("stopping: interrupted"),
                "{}",
                output.err
            );
            assert!(output.out.contains("interrupted"), "{}", output.out);
            let folder = folder(&home);
            let sample_count = home
                .read(&format!("{folder}/samples.jsonl"))
                .lines()
                .count();
            assert!(
                (FIRST_PROGRESS..300).contains(&sample_count),
                "{sample_count}"
            );
            assert_eq!(manifest(&home, &folder)["status"], "interrupted");
            let report = home.read(&format!("{folder}/report.md"));
            assert!(report.contains("This run was interrupted"), "{report}");
            let csv = home.read(&format!("{folder}/samples.csv"));
            assert_eq!(csv.lines().count(), sample_count + 1);
            // `latest` is for runs that say something.
            assert!(!home.path("reports/long/latest").exists());
        }
    }

    #[test]
    fn a_killed_run_can_be_reported() {
        // Out of memory, power loss: every complete line counts, the truncated one is reported.
        let home = Home::new().with("suite.toml", LONG_SUITE);
        let underway = begun(&home, -1);
        underway.signal(Signal::KILL);
        underway.end();
        let folder = folder(&home);
        assert_eq!(manifest(&home, &folder)["status"], "running");
        let journal = home.read(&format!("{folder}/samples.jsonl"));
        let whole = journal.rfind('\n').unwrap() + 1;
        let lines = journal[..whole].lines().count();
        assert!(lines >= FIRST_PROGRESS);
        // The kill may have come between two lines: this one is truncated for certain.
        let truncated_line = &journal[..journal.find('\n').unwrap() / 2];
        let home = home.with(
            &format!("{folder}/samples.jsonl"),
            &format!("{}{truncated_line}", &journal[..whole]),
        );
        home.bakeoff(&format!("report {folder}"))
            .says("sim/constant-30ms-1ms-5")
            .complains(&format!("line {} of the samples is incomplete", lines + 1))
            .run();
        let report = home.read(&format!("{folder}/report.md"));
        assert!(
            report.contains("has not finished, or was killed"),
            "{report}"
        );
        let csv = home.read(&format!("{folder}/samples.csv"));
        assert_eq!(csv.lines().count(), lines + 1);
        // It could not record its cost: the next reader of the ledger closes it.
        let output = home
            .bakeoff("spend --simulated")
            .complains("was killed; it cost $")
            .run();
        assert!(!output.out.contains("has not ended"), "{}", output.out);
        let manifest = manifest(&home, &folder);
        assert!(
            manifest["status"]["incomplete"]
                .as_str()
                .unwrap()
                .contains("killed")
        );
    }
}
