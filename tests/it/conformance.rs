//! `run --verify` against routes that ignore or refuse parameters: each verdict is compared with what the simulator does.

use std::collections::BTreeMap;

use bakeoff::report::PROBE_RULES;
use serde_json::Value;

use crate::support::program::Home;

/// Answers within milliseconds, after some reasoning.
const SCENARIO: &str = r#"
[default]
ttft = { median_ms = 3, sigma = 0.1 }
gap = { median_ms = 0.1, sigma = 0.1 }
tokens = { median = 30, sigma = 0.2 }
reasoning = { median = 120, sigma = 0.1, display = "hidden" }
prefill_ms_per_ktok = 0
"#;

const MODEL: &str = "openai/gpt-5-mini";

/// The names of a parameter in faults, and in suites.
const PARAMETERS: [(&str, &str); 5] = [
    ("max-tokens", "max_tokens"),
    ("stop", "stop"),
    ("format", "response_format"),
    ("seed", "seed"),
    ("effort", "reasoning_effort"),
];

fn suite(models: &[String], more: &str) -> String {
    let models: Vec<String> = models.iter().map(|model| format!("\"{model}\"")).collect();
    format!(
        "name = \"s\"\nmodels = [{}]\nrepetitions = 6\nwarmup = 0\n{more}\n[[prompts]]\nid = \"a\"\nuser = \"Why?\"\n",
        models.join(", ")
    )
}

/// The verdicts of a verification, by variant and parameter.
fn verdicts(document: &Value) -> BTreeMap<(String, String), String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let checks = document["parameters"].as_array().unwrap().iter();
    let verdicts = checks.map(|check| {
        let place = (text(&check["variant"]), text(&check["parameter"]));
        (place, text(&check["verdict"]))
    });
    verdicts.collect()
}

#[test]
fn every_verdict_is_what_the_route_does() {
    // A route that drops a schema or a limit breaks a program or a budget, and its answers look like any other's.
    let mut models = vec![MODEL.to_owned()];
    for (word, _) in PARAMETERS {
        models.extend(["ignores", "refuses"].map(|does| format!("{MODEL}+{does}-{word}")));
    }
    let home = Home::new()
        .with("scenario.toml", SCENARIO)
        .with("suite.toml", &suite(&models, ""));
    let output = home
        .bakeoff("run suite.toml --scenario scenario.toml --sim-seed 1 --verify --json --quiet")
        .run();
    let document: Value = serde_json::from_str(&output.out).unwrap();
    assert_eq!(document["answered"], 11);
    let found = verdicts(&document);
    assert_eq!(found.len(), models.len() * PARAMETERS.len());
    for ((variant, parameter), verdict) in &found {
        let (word, _) = PARAMETERS
            .iter()
            .find(|(_, name)| name == parameter)
            .unwrap();
        let expected = match variant.split_once('+') {
            Some((_, fault)) if fault == format!("ignores-{word}") => "ignored",
            Some((_, fault)) if fault == format!("refuses-{word}") => "refused",
            // Every probe has a token limit: what is refused for it says nothing of the others.
            Some((_, "refuses-max-tokens")) => "unknown",
            _ => "honoured",
        };
        assert_eq!(verdict, expected, "{parameter} on {variant}: {document:#}");
    }
    let probes = &document["probes"];
    assert_eq!(probes["requests"], 11 * 10);
    assert_eq!(probes["unknown"], 0);
    assert!(probes["spent_usd"].as_str().unwrap() > "0");
}

#[test]
fn an_answer_that_shows_nothing_gives_no_verdict() {
    // A model that always says the same, never reasons and stops early honours nothing visibly, and ignores nothing either.
    let scenario = "[default]\nttft = { median_ms = 3, sigma = 0.1 }\ngap = { median_ms = 0.1, sigma = 0.1 }\n\
         reasoning = { median = 0, sigma = 0, display = \"hidden\" }\n[[answers]]\nright = \"Yes.\"\nwrong = \"Yes.\"\n";
    let home = Home::new()
        .with("scenario.toml", scenario)
        .with("suite.toml", &suite(&[MODEL.to_owned()], ""));
    let output = home
        .bakeoff("run suite.toml --scenario scenario.toml --sim-seed 1 --verify --json --quiet")
        .run();
    let found = verdicts(&serde_json::from_str(&output.out).unwrap());
    for ((_, parameter), verdict) in found {
        // An answer that is no JSON is one, whatever the model likes.
        let expected = if parameter == "response_format" {
            "ignored"
        } else {
            "unknown"
        };
        assert_eq!(verdict, expected, "{parameter}");
    }
}

#[test]
fn other_routes_are_probed_as_far_as_they_can_express() {
    // The Messages route has no seed, the Responses route no stop either.
    for (api, absent) in [
        ("messages", &["seed"][..]),
        ("responses", &["seed", "stop"]),
    ] {
        let home = Home::new()
            .with("scenario.toml", SCENARIO)
            .with(
                "bakeoff.toml",
                &format!("[endpoints.sim]\napi = \"{api}\"\n"),
            )
            .with(
                "suite.toml",
                &suite(&[MODEL.to_owned()], "[parameters]\nmax_tokens = 400"),
            );
        let output = home
            .bakeoff("run suite.toml --scenario scenario.toml --sim-seed 1 --verify --json --quiet")
            .run();
        for ((_, parameter), verdict) in verdicts(&serde_json::from_str(&output.out).unwrap()) {
            let expected = match parameter.as_str() {
                name if absent.contains(&name) => "not_sent",
                // The simulated Messages route counts no reasoning, as Anthropic's did until its thinking tokens.
                "reasoning_effort" if api == "messages" => "unknown",
                _ => "honoured",
            };
            assert_eq!(verdict, expected, "{parameter} on {api}");
        }
    }
}

#[test]
fn a_route_that_ignores_max_tokens_has_no_cap_until_it_is_declared() {
    // The bound of a request is its limit times a price: a route that writes on would cross any cap.
    let model = MODEL.to_owned();
    let long = SCENARIO.replace("median = 30", "median = 400")
        + &format!(
            "[models.\"{MODEL}\"]
always = [\"ignores-max-tokens\"]
"
        );
    let home = || {
        Home::new().with("scenario.toml", &long).with(
            "suite.toml",
            &suite(
                std::slice::from_ref(&model),
                "concurrency = 1\n[parameters]\nmax_tokens = 20",
            ),
        )
    };
    let call = "run suite.toml --scenario scenario.toml --sim-seed 1 --max-cost";
    home()
        .bakeoff(&format!("{call} $0.1 --verify"))
        .exits(4)
        .says(&format!("{model}: ignored `max_tokens` ("))
        .complains("a cap does not hold for a route that ignores max_tokens")
        .run();
    // A run stops at the first answer that shows it, before its other slots.
    let capped = home();
    capped
        .bakeoff(&format!("{call} $0.1"))
        .exits(4)
        .complains("tokens at a limit of 20: a cap does not hold where max_tokens is ignored")
        .run();
    assert_eq!(capped.samples("s").len(), 1);
    // Declared, each answer counts with the 128,000 tokens that the model can write: $0.256.
    let declared = || {
        home().with(
            "bakeoff.toml",
            "[endpoints.sim]\nignores_max_tokens = [\"openai/*\"]\n",
        )
    };
    declared()
        .bakeoff(&format!("{call} $0.1"))
        .exits(2)
        .complains("does not hold the warm-up and the first slot, which can cost $0.7")
        .run();
    let enough = declared();
    enough.bakeoff(&format!("{call} $1")).run();
    assert_eq!(enough.samples("s").len(), 6);
}

#[test]
fn probes_stay_below_the_cap() {
    // They cost real money: what the trials left is all that they have.
    let home = Home::new().with("scenario.toml", SCENARIO).with(
        "suite.toml",
        &suite(
            &[MODEL.to_owned()],
            "max_attempts = 1\n[parameters]\nmax_tokens = 400",
        ),
    );
    let call = "run suite.toml --scenario scenario.toml --sim-seed 1 --verify --max-cost";
    home.bakeoff(&format!("{call} $0.001"))
        .complains("no parameter is probed: the probes can cost up to $0.0")
        .says("1 of 1 trials completed")
        .run();
    home.bakeoff(&format!("{call} $1"))
        .complains("parameters are probed by 10 requests, for at most $0.0")
        .says("parameters were probed by 10 requests for $0.00")
        .run();
}

#[test]
fn the_rules_of_the_documents_are_those_of_the_probes() {
    // Every checked parameter has its rule, in the order of the verdicts.
    let names: Vec<&str> = PROBE_RULES.iter().map(|rule| rule.parameter).collect();
    let known: Vec<&str> = PARAMETERS.iter().map(|(_, name)| *name).collect();
    assert_eq!(names, known);
}
