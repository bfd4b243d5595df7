//! `bakeoff size` and the forecasts of `suite check`, as their users start them.

#![allow(
    clippy::unwrap_used,
    reason = "a failed step of a test is a failed test"
)]

use crate::support::program;

use program::Home;
use serde_json::Value;

/// A suite of this many prompts, with a gate that tolerates 10 %.
fn suite(models: &str, prompts: usize) -> String {
    let prompts: Vec<String> = (0..prompts)
        .map(|place| format!("[[prompts]]\nid = \"p{place:02}\"\nuser = \"Say {place}.\"\n"))
        .collect();
    format!(
        "name = \"s\"\nmodels = [{models}]\nrepetitions = 4\nconcurrency = 2\n\
         [parameters]\nmax_tokens = 20\n[gate]\nprimary = [\"ttft\"]\ntolerance = \"10%\"\n{}",
        prompts.concat()
    )
}

const TWO: &str = "\"openai/gpt-4.1-nano\", \"openai/gpt-5-mini\"";

fn document(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn without_a_run_the_noise_is_assumed_and_labelled_so() {
    // Nothing is sent and nothing is left; what is asked for within the tolerance is refused.
    let home = Home::new().with("s.toml", &suite(TWO, 12));
    let before = home.files();
    home.bakeoff("size s.toml")
        .says("s: 12 prompts x 4 repetitions detect TTFT +")
        .says("(typical: no run of this suite yet; --pilot makes a small one)")
        .says("To detect +20 % with 80 % power (tolerance 10 %, one comparison)")
        .says("this suite")
        .run();
    let output = home.bakeoff("size s.toml --detect 50% --json").run();
    let report = document(&output.out);
    assert_eq!(report["noise"]["source"], "typical");
    assert_eq!(report["detect"], 0.5);
    let rows = report["sizes"].as_array().unwrap();
    let own: Vec<&Value> = rows
        .iter()
        .filter(|row| row["this_suite"] == true)
        .collect();
    assert_eq!((own.len(), &own[0]["prompts"]), (1, &Value::from(12)));
    for (flags, complaint) in [
        ("--detect 10%", "is within the tolerance of `ttft`, 10 %"),
        ("--detect 0.2", "such as 20%"),
        ("--power 100%", "from 50% to 99%"),
        ("--from nowhere", "nowhere"),
    ] {
        home.bakeoff(&format!("size s.toml {flags}"))
            .exits(2)
            .complains(complaint)
            .run();
    }
    assert_eq!(home.files(), before);
}

#[test]
fn a_stored_run_shows_its_own_noise() {
    // The latest run of the suite, or a named one; a run without noise is reported.
    let home = Home::new()
        .with("s.toml", &suite(TWO, 6))
        .with("one.toml", &suite("\"openai/gpt-5-mini\"", 6));
    home.bakeoff("run s.toml --quiet --scenario scenario.toml --sim-seed 1")
        .run();
    let latest = document(&home.bakeoff("size s.toml --json").run().out);
    assert_eq!(latest["noise"]["source"], "run");
    assert_eq!(latest["noise"]["candidate"], "openai/gpt-5-mini");
    let named = document(
        &home
            .bakeoff("size s.toml --json --from reports/s/latest")
            .run()
            .out,
    );
    assert_eq!(named, latest);
    home.bakeoff("run one.toml --quiet --scenario scenario.toml --output single")
        .run();
    home.bakeoff("size s.toml --from single/s/latest")
        .exits(2)
        .complains("no noise in run")
        .run();
    home.bakeoff("size one.toml --output single")
        .says("typical: run ")
        .run();
}

#[test]
fn one_run_has_one_at_most() {
    // Two bounds of one run, and a reader believes neither.
    let home = Home::new().with("s.toml", &suite(TWO, 12));
    let at_most = |text: &str, before: &str| {
        let (_, rest) = text.split_once(before).unwrap();
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.');
        rest[..end.unwrap_or(rest.len())].to_owned()
    };
    let checked = home.bakeoff("suite check s.toml").run().out;
    let listed = home.bakeoff("run s.toml --list").run().err;
    let bound = at_most(&checked, "costs at most about $");
    assert_eq!(at_most(&listed, ", at most $"), bound);
    let estimate = document(&home.bakeoff("estimate s.toml --json").run().out);
    let worst: f64 = estimate["total"]["worst_usd"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let shown: f64 = bound.parse().unwrap();
    assert!((worst / shown - 1.0).abs() < 0.01, "{worst} {shown}");
}

#[test]
fn a_pilot_is_a_small_run_that_shows_its_noise() {
    // Ten of the prompts, three times each; its samples are kept like those of any run.
    // Times so long that a busy machine spoils no sample: those that it does show no noise.
    let scenario = "[default]\nttft = { median_ms = 250, sigma = 0.2 }\ngap = { median_ms = 1, sigma = 0.1 }\n\
                 tokens = { median = 4, sigma = 0.1 }\nprefill_ms_per_ktok = 0\n";
    let home = Home::new()
        .with("s.toml", &suite(TWO, 12))
        .with("slow.toml", scenario);
    home.bakeoff("size s.toml --pilot --scenario slow.toml")
        .says("openai/gpt-5-mini on 10 prompts")
        .says("To detect +20 %")
        .run();
    assert_eq!(home.samples("s").len(), 10 * 3 * 2);

    // For programs the sizes alone are on standard output; the pilot's comparison is on standard error.
    let output = home
        .bakeoff("size s.toml --pilot --scenario slow.toml --json")
        .complains("TTFA p50")
        .run();
    assert_eq!(document(&output.out)["noise"]["source"], "run");
}

#[test]
fn suite_check_shows_detectable_changes() {
    // The first line is what it always was; a gate that cannot work is a warning, not an error.
    let flapping = suite(TWO, 6).replace("tolerance = \"10%\"", "margin = \"6%\"")
        + "[gate.limits]\nttft_p99 = \"1s\"\nerror_rate = \"1%\"\n";
    let home = Home::new()
        .with(
            "bakeoff.toml",
            "[endpoints.sim.retires]\n\"openai/*\" = \"never\"\n",
        )
        .with("s.toml", &suite(TWO, 30))
        .with("flapping.toml", &flapping);
    insta::assert_snapshot!(home.bakeoff("suite check s.toml").run().out, @"
    s.toml: ok, 30 prompts, 2 models, 240 trials
      one run can detect (80 % power): TTFT +35 %, completed -10 points (near 95 %), pass rate -17 points (near 80 %)
      against 10 past runs (`--history`) it can detect TTFT +35 %
      an unchanged TTFT is shown to be less than 20 % higher in 71 % of runs
      costs at most about $0.0401 at list prices of 2026-08-21: a token for each byte sent, every answer at its limit, every attempt made
      assumes a noise of 50 % between repetitions and 10 % between prompts (typical)
      warning: `openai/gpt-5-mini` reasons, and reasoning counts against max_tokens = 20: answers may be empty or cut; set max_tokens to 1000 or more, or a lower reasoning_effort
    ");
    insta::assert_snapshot!(home.bakeoff("suite check flapping.toml").run().out, @"
    flapping.toml: ok, 6 prompts, 2 models, 48 trials
      one run can detect (80 % power): TTFT +81 %, completed -24 points (near 95 %), pass rate -42 points (near 80 %)
      against 10 past runs (`--history`) it can detect TTFT +54 %
      an unchanged TTFT is shown to be less than 6 % higher in 4 % of runs
      costs at most about $0.00810 at list prices of 2026-08-21: a token for each byte sent, every answer at its limit, every attempt made
      assumes a noise of 50 % between repetitions and 10 % between prompts (typical)
      warning: `ttft` would be unstable: with a margin of 6 % an unchanged run is `ok` in only 4 % of runs, else inconclusive; widen the margin or use more prompts
      warning: the limit `ttft_p99` can fail but never pass: 24 answers of each model give no upper bound, 368 would
      warning: the limit `error_rate` of 1 % can fail but never pass: a run without errors leaves up to 39 % open; 381 prompts would do, or allow more
      warning: `openai/gpt-5-mini` reasons, and reasoning counts against max_tokens = 20: answers may be empty or cut; set max_tokens to 1000 or more, or a lower reasoning_effort
    ");
    let own = "[[endpoints.sim.prices]]\nmodel = \"openai/gpt-5-mini\"\n\
               input_usd_per_mtok = 0\noutput_usd_per_mtok = 0\n";
    let home = home.with("bakeoff.toml", own);
    let free = home.bakeoff("suite check s.toml").run().out;
    assert!(free.contains("costs at most about $0.00945 at"), "{free}");
}
