//! Suites: every key arrives, and the invariants of all suites.

mod projects;
mod reading;
mod selection;

use serde_json::json;

use super::value::duration::parse_duration;
use super::*;

/// A suite that uses every key, as a stock of valid text to change.
const FULL: &str = r#"
name = "full.suite-1"
description = "All keys"
reference = "slow"
endpoint = "vercel"
repetitions = 3
warmup = 0
concurrency = 2
seed = 7
stream = false
keep_answers = false
max_attempts = 1
max_cost = "$0.50"
cache = "warm"
system = "Be brief."
models = [
  "m/plain",
  { model = "m/plain", label = "slow", system = "Think.", parameters = { reasoning_effort = "high", system_cache_control = "ephemeral" } },
]

[timeouts]
connect = "1s"
headers = "1.5s"
gap = "250ms"
total = "2m"

[parameters]
max_tokens = 64
max_tokens_name = "max_completion_tokens"
temperature = 1
top_p = 0.5
stop = "END"
seed = -1
caching = "off"
system_cache_control = { type = "ephemeral", ttl = "1h" }
providerOptions = { gateway = { only = ["azure"] } }
extra = { logit_bias = { 5 = -1.5 }, parallel_tool_calls = true }

[gate]
primary = ["latency", "completed"]
alpha = 0.1
tolerance = "2.5%"
margin = "10%"
on_inconclusive = "fail"
confirm = true
against_reference = true
control = "m/plain"

[gate.metrics.latency]
margin = "30%"
floor = "25ms"

[gate.metrics.completed]
tolerance = "1%"

[gate.limits]
ttft_p75 = "1.5s"
error_rate = "2%"
cost_per_request = "$0.01"
pass_rate = "90%"

[[prompts]]
id = "one"
user = "Hello"
weight = 2.5
tags = ["short", "greeting"]

[[prompts]]
id = "two"
system = "Be long."
parameters = { stop = ["A", "\n"], max_tokens = 10 }
messages = [
  { role = "user", content = "Hello", cache_control = "ephemeral" },
  { role = "assistant", content = "Yes?" },
  { role = "user", content = "Why?" },
]
"#;

fn full() -> Suite {
    parse_suite(FULL).unwrap_or_else(|problems| panic!("{}", render(&problems, "", FULL, false)))
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|&text| text.to_owned()).collect()
}

/// Asserts the invariants of every suite, without the reader's own code.
fn is_valid(suite: &Suite) -> bool {
    let unique = |names: Vec<&String>| {
        let mut sorted = names.clone();
        sorted.sort();
        sorted.dedup();
        !names.is_empty() && sorted.len() == names.len()
    };
    unique(suite.variants.iter().map(|v| &v.label).collect())
        && unique(suite.prompts.iter().map(|p| &p.id).collect())
        && suite.variant(&suite.reference).is_some()
        && suite
            .gate
            .as_ref()
            .is_none_or(|gate| is_valid_gate(suite, gate))
        && suite.repetitions > 0
        && suite.concurrency > 0
        && suite.max_attempts > 0
        && suite.prompts.iter().all(|prompt| {
            prompt.weight > 0.0
                && prompt.weight.is_finite()
                && prompt
                    .messages
                    .last()
                    .is_some_and(|last| last.role != Role::Assistant)
        })
}

/// The invariant of a gate, and that its control can be compared with.
fn is_valid_gate(suite: &Suite, gate: &Gate) -> bool {
    let bounded = |bounds: &Bounds| (0.0..=bounds.margin).contains(&bounds.tolerance);
    let positive = |limit: &GateLimit| match limit.bound {
        LimitBound::Time(time) => time.0 > 0,
        LimitBound::Share(share) => share > 0.0 && share < 1.0,
        LimitBound::Usd(usd) => usd.0 > 0,
        LimitBound::Number(number) => number >= 0.0,
    };
    gate.alpha > 0.0
        && gate.alpha <= 0.5
        && !gate.primary.is_empty()
        && gate.bounds.iter().all(|(_, bounds)| bounded(bounds))
        && gate.bounds.is_sorted_by_key(|(metric, _)| *metric)
        && gate.limits.iter().all(positive)
        && gate
            .control
            .as_ref()
            .is_none_or(|control| suite.variant(control).is_some() && suite.variants.len() > 1)
}

#[test]
fn every_key_reaches_the_suite() {
    // A key that is read but lost would silently measure something other than requested.
    let suite = full();
    assert!(is_valid(&suite));
    let ratio = |margin: f64, floor_ns: Option<u64>| match floor_ns {
        Some(floor_ns) => json!({ "tolerance": 0.025, "margin": margin, "floor_ns": floor_ns }),
        None => json!({ "tolerance": 0.025, "margin": margin }),
    };
    let expected = json!({
        "name": "full.suite-1",
        "description": "All keys",
        "endpoint": "vercel",
        "variants": [
            { "label": "m/plain", "model": "m/plain", "parameters": {} },
            { "label": "slow", "model": "m/plain", "system": "Think.",
              "parameters": { "reasoning_effort": "high",
                "system_cache_control": { "type": "ephemeral" } } },
        ],
        "reference": "slow",
        "repetitions": 3, "warmup": 0, "concurrency": 2, "seed": 7,
        "stream": false, "keep_answers": false, "max_attempts": 1, "max_cost": "0.5",
        "timeouts": { "connect_ns": 1_000_000_000, "headers_ns": 1_500_000_000,
                      "gap_ns": 250_000_000, "total_ns": 120_000_000_000_u64 },
        "cache": "warm",
        "system": "Be brief.",
        "parameters": {
            "max_tokens": 64, "max_tokens_name": "max_completion_tokens", "temperature": 1.0,
            "top_p": 0.5, "stop": ["END"], "seed": -1,
            "caching": "off", "system_cache_control": { "type": "ephemeral", "ttl": "1h" },
            "provider_options": { "gateway": { "only": ["azure"] } },
            "extra": { "logit_bias": { "5": -1.5 }, "parallel_tool_calls": true },
        },
        "gate": {
            "primary": ["latency", "completed"],
            "alpha": 0.1,
            "bounds": [
                ["ttft", ratio(0.1, Some(10_000_000))], ["ttfa", ratio(0.1, Some(10_000_000))],
                ["experienced_ttft", ratio(0.1, Some(10_000_000))],
                ["latency", ratio(0.3, Some(25_000_000))],
                ["inter_token_latency", ratio(0.1, None)], ["output_rate", ratio(0.1, None)],
                ["output_tokens", ratio(0.1, None)], ["cost", ratio(0.1, None)],
                ["completed", { "tolerance": 0.01, "margin": 0.05 }],
            ],
            "limits": [
                { "quantity": { "time": { "metric": "ttft", "percent": 75 } },
                  "bound": { "time": 1_500_000_000 } },
                { "quantity": "error_rate", "bound": { "share": 0.02 } },
                { "quantity": "cost_per_request", "bound": { "usd": "0.01" } },
                { "quantity": "pass_rate", "bound": { "share": 0.9 } },
            ],
            "on_inconclusive": "fail", "confirm": true, "against_reference": true,
            "control": "m/plain",
        },
        "prompts": [
            { "id": "one", "messages": [{ "role": "user", "content": "Hello" }], "weight": 2.5,
              "tags": ["short", "greeting"], "parameters": {} },
            { "id": "two", "system": "Be long.", "weight": 1.0, "tags": [],
              "parameters": { "stop": ["A", "\n"], "max_tokens": 10 },
              "messages": [
                { "role": "user", "content": "Hello",
                  "cache_control": { "type": "ephemeral" } },
                { "role": "assistant", "content": "Yes?" },
                { "role": "user", "content": "Why?" },
              ] },
        ],
    });
    assert_eq!(serde_json::to_value(&suite).unwrap(), expected);
    let again: Suite = serde_json::from_value(expected).unwrap();
    assert_eq!(again, suite);
}

#[test]
fn words_are_the_serialized_ones() {
    // The word in a suite and the word in a manifest and a request must never drift apart.
    for (word, effort) in ReasoningEffort::WORDS {
        assert_eq!(serde_json::to_value(effort).unwrap(), word);
    }
    for (word, name) in TokenLimitName::WORDS {
        assert_eq!(serde_json::to_value(name).unwrap(), word);
    }
    for (word, mode) in CacheMode::WORDS {
        assert_eq!(serde_json::to_value(mode).unwrap(), word);
    }
    for (word, caching) in Caching::WORDS {
        assert_eq!(serde_json::to_value(caching).unwrap(), word);
    }
    for (word, kind) in CacheKind::WORDS {
        assert_eq!(serde_json::to_value(kind).unwrap(), word);
    }
    for (word, ttl) in CacheTtl::WORDS {
        assert_eq!(serde_json::to_value(ttl).unwrap(), word);
    }
    for (word, answer) in OnInconclusive::WORDS {
        assert_eq!(serde_json::to_value(answer).unwrap(), word);
    }
    for code in [
        Code::Syntax,
        Code::UnknownKey,
        Code::TooLarge,
        Code::Secret,
        Code::OutOfRange,
    ] {
        assert_eq!(serde_json::to_value(code).unwrap(), code.word());
    }
}

#[test]
fn default_deadlines_are_durations() {
    // They are read where a suite is read, and must not fail there.
    for text in [
        defaults::PATIENCE,
        defaults::TIMEOUT_CONNECT,
        defaults::TIMEOUT_HEADERS,
        defaults::TIMEOUT_GAP,
        defaults::TIMEOUT_TOTAL,
    ] {
        let time = parse_duration(text).unwrap();
        assert!((1..=limits::TIMEOUT_NS).contains(&time.0), "{text}");
    }
}

#[test]
fn variants_that_share_a_cache_are_found() {
    // Two efforts of one model read what the other wrote; other system texts or tools stand before
    // the prompt and keep them apart; a nonce does so too, and what is warmed is warm for both.
    let mut suite = full();
    suite.cache = CacheMode::AsIs;
    assert!(suite.shared_caches().is_empty());
    suite.variants[1].system = None;
    let model = suite.variants[0].model.clone();
    let shared = vec![(&model, vec!["m/plain", "slow"])];
    assert_eq!(suite.shared_caches(), shared);
    suite.variants[1].parameters.tools = Some(Vec::new());
    assert!(suite.shared_caches().is_empty());
    suite.variants[1].parameters.tools = None;
    for cache in [CacheMode::Bust, CacheMode::Warm] {
        suite.cache = cache;
        assert!(suite.shared_caches().is_empty());
    }
}

#[test]
fn a_mark_of_the_system_text_follows_it() {
    // Whichever level the text is of and whichever level marks it; no text, no mark.
    let mut suite = full();
    let marks = |suite: &Suite| -> Vec<_> {
        let pairs = suite
            .variants
            .iter()
            .map(|variant| (&suite.prompts[0], variant));
        pairs
            .map(|(prompt, variant)| {
                let system = suite.messages_of(prompt, variant).swap_remove(0);
                (system.role, system.cache_control.map(|mark| mark.ttl))
            })
            .collect()
    };
    let hour = Some(CacheTtl::Hour);
    assert_eq!(
        marks(&suite),
        [(Role::System, Some(hour)), (Role::System, Some(None))]
    );
    suite.system = None;
    let unmarked = (Role::User, None);
    assert_eq!(marks(&suite), [unmarked, (Role::System, Some(None))]);
}

#[test]
fn the_canonical_text_follows_the_content() {
    // Prompts are paired across runs by this text: it must change with the content of the request and with
    // nothing else, least of all with variants' overrides.
    let suite = full();
    let [one, two] = suite.prompts.as_slice() else {
        panic!("two prompts")
    };
    insta::assert_snapshot!(
        prompt_canonical(&suite, one),
        @r#"{"messages":[{"content":"Hello","role":"user"}],"parameters":{"caching":"off","extra":{"logit_bias":{"5":-1.5},"parallel_tool_calls":true},"max_tokens":64,"max_tokens_name":"max_completion_tokens","provider_options":{"gateway":{"only":["azure"]}},"seed":-1,"stop":["END"],"system_cache_control":{"ttl":"1h","type":"ephemeral"},"temperature":1.0,"top_p":0.5},"system":"Be brief."}"#
    );
    assert!(prompt_canonical(&suite, two).contains("\"system\":\"Be long.\""));
    let mut changed = suite.clone();
    changed.variants.truncate(1);
    changed.repetitions += 1;
    changed.cache = CacheMode::Bust;
    changed.prompts[0].weight = 9.0;
    changed.prompts[0].tags.clear();
    changed.prompts[0].id = "renamed".to_owned();
    assert_eq!(
        prompt_canonical(&changed, &changed.prompts[0]),
        prompt_canonical(&suite, one)
    );
    changed.system = Some("Be brief!".to_owned());
    assert_ne!(
        prompt_canonical(&changed, &changed.prompts[0]),
        prompt_canonical(&suite, one)
    );
    assert_eq!(
        prompt_canonical(&changed, &changed.prompts[1]),
        prompt_canonical(&suite, two)
    );
}
