//! `bakeoff forecast`, through the binary: against sums by hand, other prices, mixes, and mistakes.

#![allow(clippy::unwrap_used, reason = "a test ends where its own set-up fails")]

use crate::support::program;

use std::fs;

use program::Home;
use serde_json::Value;

/// Three prompts of different length, two models.
const SUITE: &str = r#"
name = "small"
reference = "openai/gpt-5-mini"
models = ["openai/gpt-5-mini", "openai/gpt-4.1-nano"]
repetitions = 2
concurrency = 4
warmup = 0

[parameters]
max_tokens = 200

[[prompts]]
id = "capital"
tags = ["short"]
user = "What is the capital of Australia?"

[[prompts]]
id = "sky"
tags = ["long"]
weight = 2.0
user = "Why is the sky blue?"

[[prompts]]
id = "sea"
tags = ["long"]
user = "Why is the sea blue, and why is it sometimes green? Explain it to a child."
"#;

fn home() -> Home {
    let home = Home::new().with("suite.toml", SUITE);
    home.bakeoff("run suite.toml --quiet --sim-seed 3").run();
    home
}

fn json(home: &Home, arguments: &str) -> Value {
    let call = format!("forecast reports/small/latest --json {arguments}");
    serde_json::from_str(&home.bakeoff(&call).run().out).unwrap()
}

fn usd(value: &Value) -> f64 {
    value.as_str().unwrap().parse().unwrap()
}

/// The mean cost of a variant's answers to a prompt, straight from `samples.jsonl`.
fn mean(home: &Home, variant: &str, prompt: &str, cost: impl Fn(&Value) -> f64) -> f64 {
    let samples = home.samples("small");
    let costs: Vec<f64> = (samples.iter())
        .filter(|sample| sample["variant"] == variant && sample["prompt"] == prompt)
        .map(cost)
        .collect();
    assert_eq!(costs.len(), 2);
    costs.iter().sum::<f64>() / costs.len() as f64
}

fn market(sample: &Value) -> f64 {
    usd(&sample["market_usd"])
}

fn assert_near(found: f64, expected: f64) {
    let apart = (found - expected).abs();
    assert!(apart <= 1e-9 * expected, "{found} is not {expected}");
}

fn variant<'d>(document: &'d Value, label: &str) -> &'d Value {
    let variants = document["variants"].as_array().unwrap();
    let found = variants.iter().find(|variant| variant["variant"] == label);
    found.unwrap()
}

#[test]
fn a_month_is_the_sum_by_hand() {
    // Weights of the suite (1, 2, 1), and a mix (70 to 30): the point is the sum anybody can make of the
    // samples. Three prompts of such weights bound no month of prompts like these; of these very prompts the
    // interval lies around the point.
    let home = home().with("traffic.csv", "tag,requests\nshort,70\nlong,30\n");
    for (mix, shares) in [
        ("", [0.25, 0.5, 0.25]),
        ("--mix traffic.csv", [0.7, 0.2, 0.1]),
    ] {
        let arguments = format!("--requests 50k/day --retry-rate 2% {mix}");
        let document = json(&home, &arguments);
        let complete = json(&home, &format!("{arguments} --mix-complete"));
        assert_eq!(document["simulated"], true);
        for label in ["openai/gpt-5-mini", "openai/gpt-4.1-nano"] {
            let prompts = ["capital", "sky", "sea"];
            let request: f64 = (prompts.iter().zip(shares))
                .map(|(prompt, share)| share * mean(&home, label, prompt, market))
                .sum();
            let month = &variant(&document, label)["recorded"];
            let by_hand = 50_000.0 * (365.25 / 12.0) * request * 1.02;
            assert_near(usd(&month["month_usd"]), by_hand);
            assert!(month.get("month_usd_lower").is_none());
            let month = &variant(&complete, label)["recorded"];
            assert_near(usd(&month["month_usd"]), by_hand);
            assert!(usd(&month["month_usd_lower"]) < by_hand);
            assert!(usd(&month["month_usd_upper"]) > by_hand);
            assert_eq!(
                (&month["prompts"], &month["answers"]),
                (&3.into(), &6.into())
            );
        }
        let first = &document["variants"][0];
        assert_eq!(first["variant"], "openai/gpt-4.1-nano");
        let ratio = first["recorded"]["ratio"].as_f64().unwrap();
        let months = ["openai/gpt-4.1-nano", "openai/gpt-5-mini"]
            .map(|label| usd(&variant(&document, label)["recorded"]["month_usd"]));
        assert_near(ratio, months[0] / months[1]);
    }
}

#[test]
fn other_prices_are_laid_over_the_recorded_tokens() {
    // What if the reference cost $1 and $10: its tokens at these prices, before and after, the other as it was.
    let home = home();
    let document = json(
        &home,
        "--requests 1M/month --retry-rate 0% --price openai/gpt-5-mini:input=1,output=10",
    );
    let mini = variant(&document, "openai/gpt-5-mini");
    let by_tokens = |sample: &Value| {
        let tokens = |name: &str| sample["usage"][name].as_f64().unwrap();
        (tokens("prompt_tokens") + 10.0 * tokens("completion_tokens")) / 1e6
    };
    let request: f64 = [("capital", 0.25), ("sky", 0.5), ("sea", 0.25)]
        .iter()
        .map(|(prompt, share)| share * mean(&home, "openai/gpt-5-mini", prompt, by_tokens))
        .sum();
    assert_near(usd(&mini["what_if"]["month_usd"]), request * 1e6);
    assert!(usd(&mini["recorded"]["month_usd"]) < request * 1e6);
    let nano = variant(&document, "openai/gpt-4.1-nano");
    assert_eq!(nano["recorded"]["month_usd"], nano["what_if"]["month_usd"]);
    // Today's list is the one that the run used: nothing changes, and its date is printed.
    let document = json(&home, "--requests 1M/month --retry-rate 0% --prices now");
    let mini = variant(&document, "openai/gpt-5-mini");
    assert_eq!(mini["recorded"]["month_usd"], mini["what_if"]["month_usd"]);
    assert_eq!(
        document["what_if"]["prices"]["date"],
        document["prices"]["date"]
    );
    home.bakeoff("forecast reports/small/latest --requests 1M/month --prices now")
        .says("a month, as recorded")
        .says("What if: prices as of 20")
        .says("Not covered: drift of the mix of prompts")
        .says("its costs are invented")
        .run();
}

#[test]
fn runs_that_ended_early_are_flagged() {
    // A forecast from half a run is a forecast, with a word about it before anything else.
    let home = home().with(
        "bakeoff.toml",
        "[endpoints.sim.retires]\n\"openai/*\" = \"never\"\n",
    );
    let path = home.path("reports/small/latest/manifest.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    manifest["status"] = serde_json::json!({ "incomplete": "the cap of $1 was reached" });
    fs::write(&path, manifest.to_string()).unwrap();
    home.bakeoff("forecast reports/small/latest --requests 3/s")
        .says("This run is incomplete (the cap of $1 was reached): 12 of 12 trials have a sample.")
        .run();
    let document = json(&home, "--requests 3/s");
    assert_eq!(document["status"], "incomplete");
    assert_eq!(document["warnings"].as_array().unwrap().len(), 2);
}

#[test]
fn mistakes_are_reported_with_their_place() {
    // What, where, and what to do; nothing is forecast from a file that was half understood.
    let home = home()
        .with("mix.csv", "prompt,share\ncapitl,1\nsky,-1\n")
        .with("empty.csv", "");
    for (arguments, message) in [
        ("--requests 2M", "has no unit of time"),
        ("--requests 2M/month --retry-rate 2", "0% to 100%"),
        ("--requests 2M/month --cache-hit-rate 120%", "0% to 100%"),
        (
            "--requests 2M/month --price openai/gpt-5-mini:input=1",
            "`output` is missing",
        ),
        (
            "--requests 2M/month --price openai/gpt-5-maxi:input=1,output=2",
            "did you mean `openai/gpt-5-mini`?",
        ),
        (
            "--requests 2M/month --price openai/gpt-5-mini:input=1,output=2 --price openai/*:input=1,output=2",
            "`openai/gpt-5-mini` has two prices, of `openai/gpt-5-mini` and of `openai/*`; remove one",
        ),
        (
            "--requests 2M/month --mix mix.csv",
            "mix.csv:2: column `prompt`: no prompt of the suite matches `capitl`; did you mean `capital`?\n\
             mix.csv:3: column `share`: `-1` is not a number above 0",
        ),
        (
            "--requests 2M/month --mix empty.csv",
            "empty.csv:1: there is no row",
        ),
        (
            "--requests 2M/month --mix absent.csv",
            "`absent.csv` could not be read",
        ),
        ("--requests 2M/month --json --csv", "cannot be used with"),
    ] {
        let output = home
            .bakeoff(&format!("forecast reports/small/latest {arguments}"))
            .exits(2)
            .complains(message)
            .run();
        assert_eq!(output.out, "");
    }
    home.bakeoff("forecast reports/small --requests 2M/month")
        .exits(2)
        .complains("it is the folder of a suite")
        .run();
}

#[test]
fn a_forecast_without_prices_fails() {
    // A model without a price has no forecast, and never one of 0.
    let suite = SUITE
        .replace("openai/gpt-5-mini", "sim/constant-1ms-1ms-5")
        .replace("openai/gpt-4.1-nano", "sim/constant-2ms-1ms-5");
    let home = Home::new().with("suite.toml", &suite);
    home.bakeoff("run suite.toml --quiet").run();
    home.bakeoff("forecast reports/small/latest --requests 2M/month --prices now")
        .exits(4)
        .says("no forecast: the list has no price for it")
        .complains("nothing to forecast: no model")
        .run();
}
