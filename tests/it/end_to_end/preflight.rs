//! Warnings before a run, and limits that a run observes.

use serde_json::Value;

use super::SUITE;
use super::program::Home;

fn home() -> Home {
    Home::new().with("suite.toml", SUITE)
}

/// The suite of the other tests with a token limit that does not suit two of its models.
fn small_limits() -> Home {
    let suite = SUITE
        .replace("max_tokens = 400", "max_tokens = 90_000")
        .replace(
            "\"openai/gpt-5-mini\"",
            "{ label = \"mini\", model = \"openai/gpt-5-mini\", parameters = { max_tokens = 50 } }",
        );
    let home = Home::new().with("suite.toml", &suite);
    home.with(
        "bakeoff.toml",
        "[endpoints.sim.retires]\n\"openai/*\" = \"never\"\n",
    )
}

const WARNINGS: &str = "\
warning: 2 prompts give numbers, but no verdict: that needs 6 prompts, better 20; repetitions do not replace prompts
warning: max_tokens = 90000 is above what `openai/gpt-4.1-nano` writes at most, 32768 (list of 2026-08-21): set max_tokens to 32768 or less
warning: `openai/gpt-5-mini` reasons, and reasoning counts against max_tokens = 50: answers may be empty or cut; set max_tokens to 1000 or more, or a lower reasoning_effort
warning: max_tokens = 90000 is above what `anthropic/claude-haiku-4.5` writes at most, 64000 (list of 2026-08-21): set max_tokens to 64000 or less
";

#[test]
fn likely_problems_and_the_duration_are_printed_before_a_run() {
    // Before money is spent: the list, the run and the check of the suite say the same.
    let home = small_limits();
    let estimate = "note: about 1 s, by the simulated models' typical times; an estimate\n";
    let listed = home
        .bakeoff("run suite.toml --list --scenario scenario.toml")
        .run();
    let cost = listed.err.strip_prefix(&format!("{WARNINGS}{estimate}"));
    let cost = cost.unwrap_or_else(|| panic!("{}", listed.err));
    assert!(cost.starts_with("note: expected to cost about $"), "{cost}");
    assert_eq!(cost.lines().count(), 1, "{cost}");
    let ran = home
        .bakeoff("run suite.toml --scenario scenario.toml")
        .run();
    assert!(ran.err.starts_with(&listed.err), "{}", ran.err);
    let checked = home.bakeoff("suite check suite.toml").run();
    for warning in WARNINGS.lines() {
        let line = format!("  {warning}\n");
        assert!(checked.out.contains(&line), "{}", checked.out);
    }
    let expected = "suite.toml: ok, 2 prompts, 3 models, 12 trials\n";
    assert!(checked.out.starts_with(expected), "{}", checked.out);
}

#[test]
fn quiet_is_quiet() {
    // A script that reads standard error asked for failures only. (The model may really use its limit up by
    // reasoning, and that is reported in any case.)
    let home = small_limits();
    for call in [
        "run suite.toml --list",
        "run suite.toml --scenario scenario.toml",
    ] {
        let output = home.bakeoff(&format!("{call} --quiet")).run();
        let has_warnings = output.err.contains("warning: ") || output.err.contains("note: ");
        assert!(!has_warnings, "{}", output.err);
    }
}

#[test]
fn verification_needs_no_verdict() {
    // One trial of each is asked for, so that the number of prompts does not matter.
    let call = "run suite.toml --verify --scenario scenario.toml";
    let output = home().bakeoff(call).complains("note: about").run();
    assert!(!output.err.contains("verdict"), "{}", output.err);
}

#[test]
fn without_known_times_the_assumption_is_shown() {
    // No list of models says how fast one is: the estimate must say what it stands on.
    let output = home()
        .bakeoff("run suite.toml --list --endpoint http://127.0.0.1:9/v1")
        .run();
    let estimate =
        "note: about 40 s, assuming a TTFT of 1 s and 50 tokens per second; an estimate\n";
    assert!(output.err.contains(estimate), "{}", output.err);
}

#[test]
fn a_binding_rate_limit_is_reported_and_observed() {
    // The model with the limit sets the pace of all; the wait is announced beforehand and recorded as lag.
    let home = home().with(
        "bakeoff.toml",
        "[[endpoints.sim.limits]]\nmodel = \"openai/gpt-5*\"\nrequests_per_minute = 200\n",
    );
    let output = home
        .bakeoff("run suite.toml --scenario scenario.toml")
        .run();
    let warning = "warning: the limit of 200 requests a minute of `openai/gpt-5-mini` at `sim` holds the run back: \
                with 1 x 3 requests at once the run would take about 1 s, under the limit 2 s\n";
    assert!(output.err.contains(warning), "{}", output.err);
    let manifest = home.read("reports/small/latest/manifest.json");
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let client = manifest["client"].as_array().unwrap();
    let limit = |entry: &&Value| entry["name"] == "requests_per_minute openai/gpt-5-mini";
    let value = client.iter().find(limit).map(|entry| &entry["value"]);
    assert_eq!(value, Some(&Value::from("200")));
    for sample in &home.samples("small") {
        let number = |name: &str| sample[name].as_u64().unwrap_or(0);
        // 0.3 s for the warm-up and for each slot before this one: later is possible, earlier is not.
        let earliest = (number("slot") + 1) * 300_000_000;
        assert!(number("sent_ns") >= earliest, "{sample}");
        assert!(number("throttled_ns") > 0, "{sample}");
        let lag = number("sent_ns") - number("scheduled_ns");
        assert!(lag >= number("throttled_ns"), "{sample}");
    }
}
