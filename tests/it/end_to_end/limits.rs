//! Limits: those that end a run early, those of each prompt, and those of measures that no verdict has.

use super::program::Home;

const SUITE: &str = "name = \"limits\"
models = [\"sim/constant-60ms-1ms-5\", \"sim/constant-20ms-1ms-5\"]
repetitions = 20
warmup = 0
concurrency = 4
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
    assert!((54..78).contains(&sent), "{sent}");
    let manifest = home.read("reports/limits/latest/manifest.json");
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let status = manifest["status"]["incomplete"].as_str().unwrap();
    assert!(
        status.starts_with("`sim/constant-60ms-1ms-5` can no longer keep the limit `ttft_p50`")
    );
    assert!(status.ends_with("of 80 trials not sent"), "{status}");
    // Without it the run goes on to its end.
    let home = Home::new().with("suite.toml", &format!("{SUITE}ttft_p50 = \"40ms\""));
    home.bakeoff("run suite.toml").exits(1).run();
    assert_eq!(home.samples("limits").len(), 80);
}

#[test]
fn gaps_prompts_and_counts_have_limits() {
    // A stream that stutters passes every limit on first tokens; one slow prompt passes every limit on all of them.
    let suite = "name = \"limits\"
models = [\"sim/constant-20ms-30ms-6\"]
repetitions = 15
warmup = 0
concurrency = 30
prompts = [{ id = \"a\", user = \"Why?\" }, { id = \"b\", user = \"How?\" }]
[gate.limits]
fallbacks = 0
output_rate_p50 = 5
";
    let home = Home::new().with("suite.toml", suite);
    home.bakeoff("run suite.toml").run();
    let broken = "gap_p95 = \"10ms\"\nlatency_p50 = { limit = \"50ms\", per_prompt = true }\n";
    let home = home.with("suite.toml", &format!("{suite}{broken}"));
    home.bakeoff("run suite.toml")
        .exits(1)
        .says("the limit gap_p95 of at most 10.0 ms is broken")
        .says("the limit latency_p50 of prompt a of at most 50.0 ms is broken")
        .run();
    let junit = home.read("reports/limits/latest/junit.xml");
    for name in [": limit fallbacks", ": limit latency_p50 of prompt b"] {
        assert!(junit.contains(&format!("{name}\"")), "{junit}");
    }
    let page = home.read("reports/limits/latest/report.md");
    assert!(page.contains("prompt"), "{page}");
    // What can never be decided is an error before anything is sent.
    let undecidable = [
        (
            "gap_p95 = { limit = \"10ms\", abort = true }",
            "`gap_p95` cannot end a run early",
        ),
        (
            "consistency = { limit = \"90%\", per_prompt = true }",
            "`consistency` of one prompt has no interval",
        ),
        (
            "output_rate_p50 = \"30 tok/s\"",
            "a number above 0 such as 30",
        ),
        ("gap_p96 = \"10ms\"", "did you mean `gap_p9"),
    ];
    let suite = suite.replace("output_rate_p50 = 5\n", "");
    for (limit, complaint) in undecidable {
        std::fs::write(home.path("suite.toml"), format!("{suite}{limit}")).unwrap();
        home.bakeoff("suite check suite.toml")
            .exits(2)
            .complains(complaint)
            .run();
    }
}
