//! Outages and storms through the whole program, against the simulator and its trace.

use std::net::TcpListener;

use bakeoff::sim::{Scenario, Simulator, SimulatorHandle};

use super::program::{FAST_SCENARIO, Home};

const SUITE: &str = "name = \"outage\"
models = [\"openai/gpt-5-mini\", \"openai/gpt-4o-mini\"]
repetitions = 40
warmup = 0
concurrency = 4
prompts = [{ id = \"a\", user = \"Why?\" }, { id = \"b\", user = \"How?\" }]
";

fn home() -> Home {
    Home::new().with("suite.toml", SUITE)
}

fn start(outage: &str) -> SimulatorHandle {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let scenario = Scenario::parse(&format!("{outage}\n{FAST_SCENARIO}")).unwrap();
    Simulator::start(scenario, listener, None, 1).unwrap()
}

/// Requests to a model by the server's own trace: their instants in milliseconds since the first of all.
fn arrivals(server: &SimulatorHandle, model: &str) -> Vec<u64> {
    let trace = server.trace();
    let first = trace
        .iter()
        .map(|record| record.arrival_ns)
        .min()
        .unwrap_or_default();
    let of = trace
        .iter()
        .filter(|record| record.model.as_deref() == Some(model));
    of.map(|record| record.arrival_ns.since(first).0 / 1_000_000)
        .collect()
}

#[test]
fn a_short_outage_is_waited_out() {
    // A second without the endpoint must not cost the run: it finishes, and the server sees a few requests
    // meanwhile.
    let server = start("[[outages]]\nfrom_ms = 100\nfor_ms = 1000\nfault = \"503\"");
    let home = home();
    let url = server.base_url();
    home.bakeoff(&format!("run suite.toml --endpoint {url} --yes"))
        .complains("failing (server_error)")
        .complains("answers again")
        .run();
    let samples = home.samples("outage");
    assert_eq!(samples.len(), 160);
    assert!(samples.iter().all(|sample| sample["outcome"] == "complete"));
    for model in ["openai/gpt-5-mini", "openai/gpt-4o-mini"] {
        let arrivals = arrivals(&server, model);
        let during = arrivals
            .iter()
            .filter(|at| (100..1_100).contains(*at))
            .count();
        assert!((1..=4 + 10).contains(&during), "{during}");
    }
    drop(server);
}

#[test]
fn a_model_that_stays_away_is_dropped_and_stated() {
    // The others are complete, the status says what was not sent, and the exit code is that of a run to resume.
    let server = start(
        "[[outages]]\nfrom_ms = 100\nfor_ms = 600000\nfault = \"503\"\nmodels = [\"openai/gpt-4o-mini\"]",
    );
    let home = home();
    let url = server.base_url();
    home.bakeoff(&format!(
        "run suite.toml --endpoint {url} --patience 2s --yes"
    ))
    .exits(4)
    .complains("openai/gpt-4o-mini: dropped after")
    .run();
    let samples = home.samples("outage");
    let of = |variant: &str| {
        let own = samples.iter().filter(|sample| sample["variant"] == variant);
        own.count()
    };
    assert_eq!(of("openai/gpt-5-mini"), 80);
    let unsent = 80 - of("openai/gpt-4o-mini");
    assert!(unsent > 0);
    let manifest = home.read("reports/outage/latest/manifest.json");
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let status = manifest["status"]["incomplete"].as_str().unwrap();
    assert!(
        status.contains(&format!("{unsent} trials of 80 not sent")),
        "{status}"
    );
    let report = home.read("reports/outage/latest/report.md");
    assert!(report.contains("not sent"), "{report}");
    drop(server);
}

#[test]
fn a_wait_of_a_day_is_not_answered_with_the_plan() {
    // A storm of refusals: what was in flight, a few more, and the run says what was not sent.
    let home = Home::new().with(
        "suite.toml",
        &SUITE.replace("openai/gpt-4o-mini", "openai/gpt-4o-mini+429-long"),
    );
    let server = start("");
    let url = server.base_url();
    home.bakeoff(&format!(
        "run suite.toml --endpoint {url} --patience 10m --yes"
    ))
    .exits(4)
    .complains("dropped after")
    .run();
    let sent = arrivals(&server, "openai/gpt-4o-mini+429-long").len();
    assert!(sent <= 4 + 10, "{sent}");
    drop(server);
}
