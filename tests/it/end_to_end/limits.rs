//! Limits that end a run early.

use super::program::Home;

const SUITE: &str = "name = \"limits\"
models = [\"sim/constant-60ms-1ms-5\", \"sim/constant-20ms-1ms-5\"]
repetitions = 50
warmup = 0
concurrency = 2
prompts = [{ id = \"a\", user = \"Why?\" }, { id = \"b\", user = \"How?\" }]
[gate.limits]
";

#[test]
fn a_limit_that_cannot_hold_any_more_ends_the_run() {
    // Every answer is above the limit: after half of them the median is, whatever the others bring. The rest is not
    // paid for, the exit code is that of a broken limit, and the status says what was not sent.
    let abort = "ttft_p50 = { limit = \"40ms\", abort = true }";
    let home = Home::new().with("suite.toml", &format!("{SUITE}{abort}"));
    home.bakeoff("run suite.toml").exits(1).run();
    let sent = home.samples("limits").len();
    assert!((100..190).contains(&sent), "{sent}");
    let manifest = home.read("reports/limits/latest/manifest.json");
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let status = manifest["status"]["incomplete"].as_str().unwrap();
    assert!(
        status.starts_with("`sim/constant-60ms-1ms-5` can no longer keep the limit `ttft_p50`")
    );
    assert!(status.ends_with("of 200 trials not sent"), "{status}");
    // Without it the run goes on to its end.
    let home = Home::new().with("suite.toml", &format!("{SUITE}ttft_p50 = \"40ms\""));
    home.bakeoff("run suite.toml").exits(1).run();
    assert_eq!(home.samples("limits").len(), 200);
}
