//! Every fault of the simulator, through the whole program.

use std::fmt::Write as _;

use bakeoff::sim::dialect::Dialect;
use bakeoff::sim::fault::Fault;
use bakeoff::units::Usd;
use serde_json::Value;

use super::program::{FAST_SCENARIO, Home};

/// Each outcome, and the faults that come to it when nothing is tried again.
const OUTCOMES: [(&str, &[&str]); 21] = [
    (
        "complete",
        &[
            // How it ends.
            "no-done",
            "no-last-blank",
            "linger",
            // Parameters that these requests do not have, but for the token limit.
            "ignores-effort",
            "ignores-format",
            "ignores-max-tokens",
            "ignores-seed",
            "ignores-stop",
            "refuses-effort",
            "refuses-format",
            "refuses-max-tokens",
            "refuses-seed",
            "refuses-stop",
            // Bytes and framing.
            "bytewise",
            "split-char",
            "split-crlf",
            "crlf",
            "cr",
            "no-space",
            "multi-line",
            "bom",
            "comments",
            "fields",
            "blank-lines",
            "huge-event",
            "bad-utf8",
            // Transport.
            "gzip",
            "gzip-held",
            "brotli",
            "buffered",
            "no-accel-header",
            // Usage and shape of chunks.
            "no-usage",
            "openai-usage",
            "usage-each",
            "usage-each-null",
            "usage-zeros",
            "usage-zero",
            "usage-no-prompt",
            "usage-no-completion",
            "usage-half",
            "usage-cached-above",
            "reasoning-beside",
            "reasoning-in-total",
            "reasoning-outside",
            "reasoning-content",
            "reasoning-both",
            "azure-first",
            "progress",
            "obfuscation",
            "null-choices",
            "empty-content",
            "one-chunk",
            "tool-call",
            "tool-no-index",
            "tool-name",
            "tool-late",
            "think-tags",
            // Routing and money.
            "fallback",
            "fallback-model",
            "byok",
            "surcharge",
        ],
    ),
    ("empty", &["no-token", "done-only"]),
    ("incomplete", &["finish-pause"]),
    ("unknown_finish", &["finish-unknown"]),
    ("length", &["eaten-by-length"]),
    ("ended", &["cut-done", "no-finish"]),
    ("refused", &["refusal"]),
    ("filtered", &["filtered"]),
    ("cut", &["cut"]),
    (
        "rate_limited",
        &[
            "429",
            "429-seconds",
            "429-date",
            "429-ms",
            "429-body",
            "429-long",
            "error-in-choice",
            "429-junk",
            "429-free",
            "429-provider",
        ],
    ),
    ("unauthorized", &["401"]),
    ("payment_required", &["402-funds", "402-quota", "429-quota"]),
    ("forbidden", &["403-card", "403-forbidden"]),
    ("model_not_found", &["404"]),
    (
        "rejected",
        &["400", "400-type", "408", "409", "413", "424", "redirect"],
    ),
    ("server_error", &["500", "502", "503", "529"]),
    (
        "stream_error",
        &[
            "error-first",
            "error-midstream",
            "error-midstream-done",
            "error-choices",
            "error-event",
            "error-beside",
            "error-nested",
            "finish-error",
            "finish-abort",
        ],
    ),
    (
        "connection_lost",
        &["cut-transport", "reset-headers", "reset"],
    ),
    ("protocol_error", &["html", "bad-json"]),
    ("timed_out_headers", &["stall-headers"]),
    ("timed_out_gap", &["stall-first", "stall"]),
];

/// Each flag that a fault earns, and the faults that do. The others come from the machine's load,
/// and from what the model is.
const FLAGS: [(&str, &[&str]); 7] = [
    ("buffered", &["buffered", "gzip-held"]),
    ("compressed", &["gzip", "gzip-held", "brotli"]),
    ("fallback", &["fallback", "fallback-model"]),
    ("truncated_in_reasoning", &["eaten-by-length"]),
    ("think_tags", &["think-tags"]),
    // Reasoning in other places has none: the gateway's own bill decides.
    ("usage_mismatch", &["usage-cached-above"]),
    (
        "usage_impossible",
        &[
            "usage-zero",
            "usage-no-prompt",
            "usage-no-completion",
            "usage-cached-above",
        ],
    ),
];

/// Models of one suite: their number is limited.
const AT_ONCE: usize = 36;

/// A suite of one prompt, and prices for its models, which no catalog knows.
fn home(models: &[String], keys: &str) -> Home {
    let mut project = String::from("[endpoints.sim]\n");
    for model in models {
        write!(
            project,
            "[[endpoints.sim.prices]]\nmodel = \"{model}\"\ninput_usd_per_mtok = 0.25\n\
             output_usd_per_mtok = 2\ncache_read_usd_per_mtok = 0.025\n"
        )
        .unwrap();
    }
    let suite = format!(
        "name = \"faults\"\nmodels = {models:?}\nrepetitions = 1\nconcurrency = 1\nwarmup = 0\n\
         {keys}\n[[prompts]]\nid = \"sky\"\nuser = \"Why is the sky blue?\"\n"
    );
    // A busy machine must not make a burst of chunks that the simulator sent apart.
    let scenario = FAST_SCENARIO.replace("gap = { median_ms = 1,", "gap = { median_ms = 12,");
    assert_ne!(scenario, FAST_SCENARIO);
    Home::new()
        .with("scenario.toml", &scenario)
        .with("suite.toml", &suite)
        .with("bakeoff.toml", &project)
}

/// The fault that a sample's model names.
fn fault(sample: &Value) -> &str {
    let model = sample["model"].as_str().unwrap();
    model.split_once('+').unwrap().1
}

/// One sample of each of these faults, by one run or more.
fn samples(faults: &[&str], keys: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let runs = faults.len().div_ceil(AT_ONCE);
    for run in 0..runs {
        // Every so many, so that each run has faults that fail.
        let faults: Vec<&str> = faults.iter().copied().skip(run).step_by(runs).collect();
        let model = |fault: &&str| format!("openai/gpt-5-mini+{fault}");
        let models: Vec<String> = faults.iter().map(model).collect();
        let home = home(&models, keys);
        // Incomplete, because some variant has no answer.
        home.bakeoff("run suite.toml --scenario scenario.toml --sim-seed 3 --quiet")
            .exits(4)
            .run();
        let samples = home.samples("faults");
        assert_eq!(samples.len(), faults.len());
        all.extend(samples);
    }
    all
}

/// Every fault once; those that fall silent with deadlines that they are sure to miss.
fn every_fault() -> Vec<Value> {
    let stalls = |fault: &&str| fault.starts_with("stall");
    let (silent, loud): (Vec<&str>, Vec<&str>) = Fault::ALL
        .iter()
        .map(|fault| fault.name())
        .partition(stalls);
    let mut all = samples(&loud, "max_attempts = 1");
    let deadlines = "max_attempts = 1\n[timeouts]\nheaders = \"1s\"\ngap = \"1s\"";
    all.extend(samples(&silent, deadlines));
    all
}

fn usd(value: &Value) -> Option<Usd> {
    value.as_str().map(|text| text.parse().unwrap())
}

#[test]
fn each_fault_has_its_outcome_its_flags_and_its_cost() {
    // Whatever a server does ends in one named outcome; and two readings of the price formula, the
    // simulator's bill and our list cost, agree to the last digit.
    let mut named: Vec<&str> = OUTCOMES
        .iter()
        .flat_map(|(_, faults)| *faults)
        .copied()
        .collect();
    let mut known: Vec<&str> = Fault::ALL.iter().map(|fault| fault.name()).collect();
    named.sort_unstable();
    known.sort_unstable();
    assert_eq!(named, known, "every fault stands in the table once");

    let (mut priced, mut wrong) = (0, Vec::new());
    for sample in every_fault() {
        let fault = fault(&sample);
        let (expected, _) = OUTCOMES
            .iter()
            .find(|(_, faults)| faults.contains(&fault))
            .unwrap();
        if sample["outcome"] != *expected {
            wrong.push(format!(
                "{fault}: {} instead of {expected}",
                sample["outcome"]
            ));
        }
        let flags = sample["flags"].as_array().cloned().unwrap_or_default();
        for (flag, faults) in FLAGS {
            if flags.contains(&flag.into()) != faults.contains(&fault) {
                wrong.push(format!("{fault}: {flag} in {flags:?}"));
            }
        }
        let (list, billed) = (usd(&sample["cost_usd"]), usd(&sample["billed_usd"]));
        let market = usd(&sample["market_usd"]);
        let expected = match (fault, list) {
            ("byok", _) => Some(Usd::ZERO),
            // A lie that no text gives away: the bill does.
            ("usage-half", _) => None,
            ("surcharge", Some(list)) => list.plus("0.0001".parse().unwrap()),
            _ => list,
        };
        if let (Some(expected), Some(billed)) = (expected, billed) {
            priced += 1;
            if expected != billed || market.is_some_and(|market| Some(market) != list) {
                wrong.push(format!(
                    "{fault}: list {list:?}, billed {billed}, market {market:?}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(priced > 30, "only {priced} samples have both costs");
}

#[test]
fn what_passes_is_tried_again() {
    // The same faults on the first of two equal requests: the trial is answered, late, and both
    // attempts are on record. After a token there is no second one.
    let passing = [
        "408",
        "409",
        "429-seconds",
        "429-ms",
        "429-body",
        "429-junk",
        "500",
        "503",
        "529",
        "reset-headers",
    ];
    let standing = [
        "400",
        "401",
        "403-card",
        "404",
        "429-long",
        "finish-abort",
        "done-only",
        "error-midstream",
        "reset",
        "html",
    ];
    let once: Vec<String> = passing
        .iter()
        .chain(&standing)
        .map(|fault| format!("{fault}+once"))
        .collect();
    let once: Vec<&str> = once.iter().map(String::as_str).collect();
    for sample in samples(&once, "max_attempts = 3") {
        let fault = fault(&sample).strip_suffix("+once").unwrap();
        let attempts = sample["attempts"].as_array().unwrap();
        let flags = sample["flags"].as_array().cloned().unwrap_or_default();
        let late = flags.contains(&"retried".into());
        if passing.contains(&fault) {
            assert_eq!(sample["outcome"], "complete", "{sample}");
            assert_eq!((attempts.len(), late), (2, true), "{sample}");
            assert_ne!(attempts[0]["outcome"], "complete");
            assert!(sample["experienced_ttft_ns"].as_u64() > sample["ttft_ns"].as_u64());
        } else {
            assert_ne!(sample["outcome"], "complete", "{sample}");
            assert_eq!((attempts.len(), late), (1, false), "{sample}");
        }
    }
}

#[test]
fn every_dialect_says_the_same() {
    // A team must get the same comparison whichever server stands between: one suite, every dialect
    // of the chat route, the same texts and the same counts.
    let chats = Dialect::ALL
        .iter()
        .filter(|dialect| dialect.name() != "anthropic");
    let words: Vec<&str> = chats.map(|dialect| dialect.name()).collect();
    let models: Vec<String> = words
        .iter()
        .map(|word| format!("openai/gpt-4.1-nano+{word}"))
        .collect();
    let home = home(&models, "[parameters]\nmax_tokens = 300");
    home.bakeoff("run suite.toml --scenario scenario.toml --sim-seed 3 --quiet")
        .exits(0)
        .run();
    let samples = home.samples("faults");
    assert_eq!(samples.len(), words.len());
    let first = &samples[0];
    assert!(
        first["answer"]
            .as_str()
            .is_some_and(|answer| answer.len() > 10)
    );
    for sample in &samples {
        let word = fault(sample);
        assert_eq!(sample["outcome"], first["outcome"], "{word}");
        assert_eq!(sample["answer"], first["answer"], "{word}");
        for count in ["prompt_tokens", "completion_tokens"] {
            assert_eq!(
                sample["usage"][count], first["usage"][count],
                "{word} {count}"
            );
        }
    }
}

#[test]
fn a_call_reported_only_when_done_is_complete() {
    // Some servers of the Responses route send no parts of a call's arguments: they must neither be
    // lost nor counted at the call's announcement. Sent in parts, the same arguments result.
    let models = ["late", "call"].map(|kind| format!("openai/gpt-4.1-nano+tool-{kind}"));
    let home = home(&models, "");
    let project = home.read("bakeoff.toml");
    let project = project.replace("[endpoints.sim]", "[endpoints.sim]\napi = \"responses\"");
    let home = home.with("bakeoff.toml", &project);
    home.bakeoff("run suite.toml --scenario scenario.toml --sim-seed 3 --quiet")
        .run();
    let samples = home.samples("faults");
    let of = |name: &str| samples.iter().find(|sample| fault(sample) == name).unwrap();
    let (late, parts) = (of("tool-late"), of("tool-call"));
    assert_eq!(late["outcome"], "complete");
    let arguments = late["tool_calls"][0]["arguments"].as_str().unwrap();
    assert!(serde_json::from_str::<Value>(arguments).unwrap()["query"].is_string());
    assert_eq!(late["tool_calls"], parts["tool_calls"]);
    assert_eq!(late["answer_chars"], parts["answer_chars"]);
    // The name, and then all of the arguments: one gap, measured or not.
    let gaps = |sample: &Value| {
        let count = |key: &str| sample["gaps"][key].as_u64().unwrap_or(0);
        count("count") + count("coalesced")
    };
    assert_eq!(gaps(late), 1);
    assert!(gaps(parts) > 1);
}
