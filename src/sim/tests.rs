//! Invariants of every script, whatever the model, the prompt and the fault.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::answer::Moment;
use super::bill::{BillTerms, SimulatedBill};
use super::ending::ConnectionEnd;
use super::fault::{Fault, FaultSet, ModelSelector};
use super::request::{ChatRequest, ChatRoute};
use super::scenario::{DEFAULT_SCENARIO, MissingKey, RetryAfterForm, Scenario};
use super::script::Script;
use crate::units::Nanos;

/// The first request to an idle gateway.
pub(super) const MOMENT: Moment = Moment {
    ordinal: 0,
    sim_seed: 7,
    unix_ms: 1_795_000_000_123,
    minutes: 0.0,
    cached: 0,
    written: 0,
};

fn body(model: &str, text: &str, changes: &[(&str, Value)]) -> Value {
    let mut body = json!({
        "model": model, "stream": true, "messages": [{ "role": "user", "content": text }],
    });
    for (key, value) in changes {
        body[key] = value.clone();
    }
    body
}

/// Writes the script of a request in a scenario.
fn write_in_scenario(scenario: &Scenario, body: &Value, moment: &Moment) -> Script {
    let request = ChatRequest::from_body(body.to_string().as_bytes(), ChatRoute::Chat).unwrap();
    let selector: ModelSelector = request.model.parse().unwrap();
    let model = scenario.model(&selector.model).unwrap();
    Script::write(scenario, &model, &selector, &request, moment)
}

fn write(model: &str, changes: &[(&str, Value)]) -> Script {
    let body = body(model, "Why is the sky blue?", changes);
    write_in_scenario(&Scenario::built_in(), &body, &MOMENT)
}

fn bytes(script: &Script) -> Vec<u8> {
    let steps = script.steps.iter();
    steps.flat_map(|step| step.bytes.iter().copied()).collect()
}

/// Returns the text of a streamed answer; empty for a refusal.
fn content(script: &Script) -> String {
    let deltas = chunks(script);
    let texts = deltas
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str());
    texts.collect()
}

/// Returns the JSON of each event of a script without framing faults.
fn chunks(script: &Script) -> Vec<Value> {
    let text = String::from_utf8(bytes(script)).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let lines = lines.filter(|line| *line != "[DONE]");
    lines
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// Joins the texts of one kind of delta.
fn joined_text(chunks: &[Value], field: &str) -> String {
    let deltas = chunks.iter().map(|chunk| &chunk["choices"][0]["delta"]);
    deltas.filter_map(|delta| delta[field].as_str()).collect()
}

fn tokens(script: &Script) -> u32 {
    script.steps.iter().map(|step| step.chunks).sum()
}

fn any_fault() -> impl Strategy<Value = Fault> {
    prop::sample::select(Fault::ALL.to_vec())
}

fn any_model() -> impl Strategy<Value = String> {
    let models = Scenario::built_in();
    let language = models.models().filter(|model| model.language);
    let mut ids: Vec<String> = language.map(|model| model.id.clone()).collect();
    ids.push("sim/constant-20ms-5ms-64".to_owned());
    prop::sample::select(ids)
}

proptest! {
    // The purpose of the simulator: a request's script is a function, and it can be played.
    #[test]
    fn scripts_are_functions_and_playable(
        model in any_model(), fault in any_fault(), other in any_fault(), streams in any::<bool>(),
        limit in 1u64..300, ordinal in 0u64..4, text in "\\PC{0,40}",
    ) {
        let scenario = Scenario::built_in();
        let changes = [("stream", json!(streams)), ("max_tokens", json!(limit))];
        let body = body(&format!("{model}+{fault}+{other}"), &text, &changes);
        let moment = Moment { ordinal, ..MOMENT };
        let script = write_in_scenario(&scenario, &body, &moment);
        prop_assert_eq!(&script, &write_in_scenario(&scenario, &body, &moment));
        let head = script.head_at.unwrap_or(Nanos::ZERO);
        prop_assert!(script.steps.iter().all(|step| step.at >= head));
        prop_assert!(script.steps.is_sorted_by_key(|step| step.at));
        prop_assert!(script.head_at.is_some() || script.steps.is_empty());
        if let Some(account) = &script.account {
            let usage = &account.usage;
            let is_limited = ![fault, other].contains(&Fault::IgnoresLimit);
            prop_assert!(usage.completion <= limit || !is_limited);
            prop_assert!(usage.reasoning <= usage.completion);
        }
    }

    // Repetitions, runs and models must differ, or there would be nothing to measure.
    #[test]
    fn repetitions_runs_and_models_differ(model in any_model(), text in "[a-z ]{1,30}") {
        prop_assume!(!model.starts_with("sim/"));
        let scenario = Scenario::built_in();
        let request = body(&model, &text, &[]);
        let at = |moment: &Moment| write_in_scenario(&scenario, &request, moment).steps;
        let first = at(&MOMENT);
        prop_assert_ne!(&first, &at(&Moment { ordinal: 1, ..MOMENT }));
        prop_assert_ne!(&first, &at(&Moment { sim_seed: 8, ..MOMENT }));
        let fixed = Scenario::parse("fixed_sim_seed = true").unwrap();
        let with_fixed_seed = |sim_seed| write_in_scenario(&fixed, &request, &Moment { sim_seed, ..MOMENT });
        prop_assert_eq!(with_fixed_seed(7), with_fixed_seed(8));
    }

    // However the bytes are framed, compressed or buffered, every token arrives.
    #[test]
    fn framing_loses_no_token(framing in prop::sample::select(vec![
        "bytewise", "split-char", "split-crlf", "crlf", "cr", "no-space", "multi-line", "bom",
        "comments", "fields", "gzip", "gzip-held", "brotli", "buffered", "buffered-1",
        "buffered-100", "buffered-20ms", "no-accel-header", "gzip+buffered-64", "no-last-blank", "huge-event",
    ])) {
        let clean = write("openai/gpt-4.1-nano", &[]);
        let framed = write(&format!("openai/gpt-4.1-nano+{framing}"), &[]);
        let pieces = |script: &Script| script.account.as_ref().unwrap().usage.completion;
        prop_assert_eq!(u64::from(tokens(&framed)), pieces(&framed));
        prop_assert_eq!(u64::from(tokens(&clean)), pieces(&clean));
    }
}

#[test]
fn every_fault_changes_its_script_and_is_documented() {
    // A fault without effect would make the test that names it pass for no reason.
    let tool = json!([{ "type": "function", "function": { "name": "find" } }]);
    let changes = [("tools", tool), ("max_tokens", json!(120))];
    let shape = |fault: &str| {
        let script = write(&format!("anthropic/claude-haiku-4.5{fault}"), &changes);
        // A fault changes no draw: except for the id itself, any difference is its own effect.
        let bytes = bytes(&script);
        let text = String::from_utf8_lossy(&bytes).replace(fault, "");
        (
            script.head_at,
            script.status,
            script.headers,
            script.ending,
            text,
            script.steps.len(),
        )
    };
    let plain = shape("");
    for fault in Fault::ALL {
        // Documented by its name and meaning in the reference of scenarios.
        let line = format!("#   {:<22} {}", fault.name(), fault.meaning());
        assert!(DEFAULT_SCENARIO.contains(&line), "{line}");
        let usual = write("anthropic/claude-haiku-4.5", &changes);
        if matches!(
            fault,
            Fault::ReasoningExcluded | Fault::ReasoningInTotal | Fault::ReasoningUncounted
        ) {
            // They move reasoning tokens, and this model has none: see
            // `reasoning_tokens_are_reported_elsewhere`.
            continue;
        }
        if fault.name().starts_with("ignores-") || fault.name().starts_with("refuses-") {
            // This request has none of their parameters: see `parameters_are_ignored_and_refused`.
            continue;
        }
        let named = shape(&format!("+{fault}"));
        assert!(named != plain, "{fault} does nothing");
        assert!(usual.faults.iter().next().is_none());
    }
}

#[test]
fn parameters_are_ignored_and_refused() {
    // A verdict on a route is compared with what these faults do: they must do it, each to its parameter alone.
    let counting = json!([{ "role": "user", "content": "Count from 1 to 40" }]);
    let city = json!({ "type": "object", "properties": { "city": { "type": "string" } } });
    let format = json!({ "type": "json_schema", "json_schema": { "schema": city } });
    let text = |fault: &str, changes: &[(&str, Value)], ordinal: u64| {
        let body = body(&format!("openai/gpt-5-mini{fault}"), "Why?", changes);
        let moment = Moment { ordinal, ..MOMENT };
        let script = write_in_scenario(&Scenario::built_in(), &body, &moment);
        (script.status, content(&script))
    };
    let stop = [("messages", counting.clone()), ("stop", json!(["7"]))];
    assert_eq!(text("", &stop, 0).1, "1 2 3 4 5 6 ");
    assert!(text("+ignores-stop", &stop, 0).1.ends_with("39 40"));
    let formatted = [("response_format", format)];
    assert_eq!(text("", &formatted, 0).1, r#"{"city":"The answer"}"#);
    assert!(!text("+ignores-format", &formatted, 0).1.contains('{'));
    let seeded = [("seed", json!(5))];
    assert_eq!(text("", &seeded, 0).1, text("", &seeded, 1).1);
    let unseeded = |ordinal| text("+ignores-seed", &seeded, ordinal).1;
    assert_ne!(unseeded(0), unseeded(1));
    let limited = [("messages", counting), ("max_tokens", json!(1))];
    assert!(
        text("+ignores-max-tokens", &limited, 0)
            .1
            .ends_with("39 40")
    );
    let effort = [("reasoning_effort", json!("low"))];
    for (fault, changes) in [
        ("+refuses-stop", &stop[..]),
        ("+refuses-format", &formatted),
        ("+refuses-seed", &seeded),
        ("+refuses-max-tokens", &limited),
        ("+refuses-effort", &effort),
    ] {
        assert_eq!(text(fault, changes, 0).0, 400, "{fault}");
        assert_eq!(text(fault, &[("top_p", json!(1))], 0).0, 200, "{fault}");
    }
}

#[test]
fn reasoning_tokens_are_reported_elsewhere() {
    // The total is true in two dialects, and the completion lacks what one of them reports separately.
    let used = super::bill::SimulatedUsage {
        prompt: 10,
        completion: 30,
        reasoning: 20,
        ..super::bill::SimulatedUsage::default()
    };
    let counts = |fault: Fault| {
        let reported = super::miscount::reported_counts(&used, 30, &FaultSet::from_iter([fault]));
        let usage = reported.usage;
        (usage.completion, usage.reasoning, reported.total)
    };
    assert_eq!(counts(Fault::NoDone), (30, 20, 40));
    assert_eq!(counts(Fault::ReasoningExcluded), (10, 20, 40));
    assert_eq!(counts(Fault::ReasoningInTotal), (10, 0, 40));
    assert_eq!(counts(Fault::ReasoningUncounted), (10, 20, 20));
}

#[test]
fn a_plain_stream_has_the_recorded_shape() {
    // The order and the keys of the recorded Vercel streams: role, content, one last chunk with everything,
    // [DONE].
    let script = write("openai/gpt-4.1-nano", &[("max_tokens", json!(3))]);
    let all = chunks(&script);
    let deltas: Vec<String> = all
        .iter()
        .map(|chunk| chunk["choices"][0]["delta"].to_string())
        .collect();
    assert_eq!(deltas[0], r#"{"role":"assistant"}"#);
    assert!(
        deltas[1..4]
            .iter()
            .all(|delta| delta.starts_with(r#"{"content":"#))
    );
    assert_eq!(all.len(), 5);
    let finish = &all[4];
    assert_eq!(finish["choices"][0]["finish_reason"], "length");
    assert_eq!(finish["usage"]["completion_tokens"], 3);
    assert_eq!(finish["usage"]["prompt_tokens"], 3 + 4 + 5);
    assert_eq!(finish["generationId"], finish["id"]);
    let gateway = &finish["choices"][0]["delta"]["provider_metadata"]["gateway"];
    assert_eq!(gateway["routing"]["finalProvider"], "openai");
    assert_eq!(gateway["generationId"], finish["id"]);
    assert!(bytes(&script).ends_with(b"data: [DONE]\n\n"));
    let envelope = |chunk: &Value| {
        (
            chunk["id"].clone(),
            chunk["created"].clone(),
            chunk["object"].clone(),
        )
    };
    assert!(all.iter().all(|chunk| envelope(chunk) == envelope(finish)));
    // The id's time is the arrival: overhead can be computed from it.
    let ulid = finish["id"].as_str().unwrap().strip_prefix("gen_").unwrap();
    let ulid = ulid::Ulid::from_string(ulid).unwrap();
    assert_eq!(ulid.timestamp_ms(), MOMENT.unix_ms);
}

#[test]
fn the_bill_is_equal_in_three_places() {
    // Usage as numbers, metadata as decimal strings, and the formula: one amount.
    let script = write("google/gemini-2.5-flash", &[]);
    let finish = chunks(&script).pop().unwrap();
    let account = script.account.unwrap();
    let scenario = Scenario::built_in();
    let prices = scenario
        .model("google/gemini-2.5-flash")
        .unwrap()
        .prices
        .clone()
        .unwrap();
    let bill = SimulatedBill::new(&account.usage, &prices, &BillTerms::default());
    assert_eq!(account.bill, bill);
    let number = finish["usage"]["cost"].to_string();
    assert_eq!(number.parse(), Ok(bill.cost));
    let gateway = &finish["choices"][0]["delta"]["provider_metadata"]["gateway"];
    assert_eq!(gateway["cost"], bill.cost.to_string());
}

#[test]
fn constant_models_are_exact() {
    // Benchmarks compare with these times: no draw may change them.
    let script = write("sim/constant-20ms-5ms-4", &[]);
    let marked = script.steps.iter().filter(|step| step.chunks > 0);
    let at: Vec<u64> = marked.map(|step| step.at.0 / 1_000_000).collect();
    assert_eq!(at, [20, 25, 30, 35]);
    assert_eq!(script.head_at, Some(Nanos::from_millis(10)));
    let scenario = Scenario::built_in();
    for invalid in [
        "sim/constant-20ms-5ms",
        "sim/constant-20-5-4",
        "sim/constant-20ms-5ms-4-1",
        "sim/constant--1ms-5ms-4",
        "sim/constant-NaNms-5ms-4",
        "sim/other",
    ] {
        assert!(scenario.model(invalid).is_none(), "{invalid}");
    }
}

#[test]
fn reasoning_is_shown_as_the_profile_says() {
    // TTFT depends on the visible part of the reasoning: each form must be on the wire.
    let effort = |effort: &str| [("reasoning_effort", json!(effort))];
    let high = write("openai/gpt-5-mini", &effort("high"));
    let none = write("openai/gpt-5-mini", &effort("none"));
    let thought = |script: &Script| script.account.as_ref().unwrap().usage.reasoning;
    assert!(thought(&high) > 0 && thought(&none) == 0);
    let text = String::from_utf8(bytes(&high)).unwrap();
    assert!(text.contains("reasoning.summary") && text.contains("reasoning.encrypted"));
    let hidden = write(
        "openai/gpt-5-mini",
        &[("reasoning", json!({ "exclude": true }))],
    );
    assert!(thought(&hidden) > 0);
    assert_eq!(joined_text(&chunks(&hidden), "reasoning"), "");
    let encrypted = write("spacexai/grok-4.1-fast-reasoning", &[]);
    let first = encrypted.steps.iter().find(|step| step.chunks > 0).unwrap();
    assert!(String::from_utf8_lossy(&first.bytes).contains("content"));
    let visible = write("google/gemini-2.5-pro", &[]);
    assert!(!joined_text(&chunks(&visible), "reasoning").is_empty());
}

#[test]
fn lengths_are_limited_and_used_up() {
    // The classic trap: a small limit that reasoning uses up leaves an empty answer.
    let limit = [("max_completion_tokens", json!(16))];
    let eaten = write("openai/gpt-5-mini+eaten-by-length", &limit);
    let all = chunks(&eaten);
    assert_eq!(joined_text(&all, "content"), "");
    let finish = all.last().unwrap();
    assert_eq!(finish["choices"][0]["finish_reason"], "length");
    assert_eq!(
        finish["usage"]["completion_tokens_details"]["reasoning_tokens"],
        16
    );
    let empty = write("openai/gpt-4.1-nano+no-token", &[]);
    assert_eq!(tokens(&empty), 0);
    assert_eq!(
        chunks(&empty).last().unwrap()["choices"][0]["finish_reason"],
        "stop"
    );
}

#[test]
fn compressed_streams_hold_the_same_text() {
    // Both encodings must decode to the exact bytes of the plain stream.
    use std::io::Read;
    let id = |name: &str| format!("openai/gpt-4.1-nano+{name}");
    let bytes_of = |name: &str| bytes(&write(&id(name), &[]));
    let mut gzip = String::new();
    let held = bytes_of("gzip");
    flate2::read::GzDecoder::new(held.as_slice())
        .read_to_string(&mut gzip)
        .unwrap();
    let mut brotli = String::new();
    let stored = bytes_of("brotli");
    brotli_decompressor::Decompressor::new(stored.as_slice(), 4096)
        .read_to_string(&mut brotli)
        .unwrap();
    for text in [gzip, brotli] {
        assert!(text.starts_with("data: {") && text.ends_with("data: [DONE]\n\n"));
        assert_eq!(
            text.matches("\"content\"").count(),
            tokens(&write(&id("gzip"), &[])) as usize
        );
    }
    // A flush per event: the first step alone can be decoded to the first event.
    let first = write(&id("gzip"), &[]).steps.remove(0).bytes;
    let mut event = Vec::new();
    let mut decoder = flate2::write::GzDecoder::new(&mut event);
    std::io::Write::write_all(&mut decoder, &first).unwrap();
    std::io::Write::flush(&mut decoder).unwrap();
    drop(decoder);
    assert!(event.ends_with(b"\n\n"));
}

#[test]
fn tool_calls_add_up_to_json() {
    // Fragments must be joined by index: joined, they are the arguments.
    let tools = json!([{ "type": "function", "function": { "name": "find" } }]);
    let changes = [("tools", tools), ("tool_choice", json!("required"))];
    let all = chunks(&write("openai/gpt-4.1-nano", &changes));
    let calls: Vec<&Value> = all
        .iter()
        .map(|chunk| &chunk["choices"][0]["delta"]["tool_calls"][0])
        .filter(|call| !call.is_null())
        .collect();
    assert_eq!(calls[0]["function"]["name"], "find");
    let arguments = calls
        .iter()
        .filter_map(|call| call["function"]["arguments"].as_str());
    let arguments: String = arguments.collect();
    assert!(serde_json::from_str::<Value>(&arguments).unwrap()["query"].is_string());
    assert_eq!(
        all.last().unwrap()["choices"][0]["finish_reason"],
        "tool_calls"
    );
}

#[test]
fn breaks_come_at_their_named_position() {
    // Tests of cuts and stalls rely on at least one token before and none of the end after.
    let ended = |name: &str| {
        let script = write(&format!("openai/gpt-4.1-nano+{name}"), &[]);
        let text = String::from_utf8(bytes(&script)).unwrap();
        let finish = text.contains("\"finish_reason\":\"stop\"");
        (
            script.ending,
            tokens(&script) > 0,
            finish,
            text.contains("[DONE]"),
        )
    };
    assert_eq!(ended("cut"), (ConnectionEnd::Clean, true, false, false));
    assert_eq!(ended("cut-done"), (ConnectionEnd::Clean, true, false, true));
    assert_eq!(
        ended("cut-transport"),
        (ConnectionEnd::Cut, true, false, false)
    );
    assert_eq!(ended("reset"), (ConnectionEnd::Reset, true, false, false));
    assert_eq!(ended("stall"), (ConnectionEnd::Stall, true, false, false));
    assert_eq!(
        ended("stall-first"),
        (ConnectionEnd::Stall, false, false, false)
    );
    assert_eq!(ended("linger"), (ConnectionEnd::Stall, true, true, true));
    assert_eq!(ended("no-done"), (ConnectionEnd::Clean, true, true, false));
    assert_eq!(
        ended("no-finish"),
        (ConnectionEnd::Clean, true, false, true)
    );
    assert_eq!(
        ended("error-midstream"),
        (ConnectionEnd::Clean, true, false, false)
    );
    assert_eq!(
        ended("error-first"),
        (ConnectionEnd::Clean, false, false, false)
    );
}

#[test]
fn usage_has_every_known_form() {
    // A reader uses the last usage that is not null: each form must really differ.
    let usages = |name: &str, include_usage: bool| -> Vec<Value> {
        let changes = [("stream_options", json!({ "include_usage": include_usage }))];
        let script = write(&format!("openai/gpt-4.1-nano+{name}"), &changes);
        let all = chunks(&script);
        all.iter().map(|chunk| chunk["usage"].clone()).collect()
    };
    let present = |usages: &[Value]| usages.iter().filter(|usage| usage.is_object()).count();
    let late = usages("openai-usage", true);
    assert_eq!(
        (present(&late), late.last().unwrap().is_object()),
        (1, true)
    );
    assert!(late.last().unwrap()["cost"].is_null());
    assert_eq!(present(&usages("openai-usage", false)), 0);
    assert_eq!(present(&usages("no-usage", true)), 0);
    assert_eq!(present(&usages("openrouter", false)), 1);
    let each = usages("usage-each", false);
    assert_eq!(present(&each), each.len());
    let counts = each
        .iter()
        .map(|usage| usage["completion_tokens"].as_u64().unwrap());
    assert!(counts.is_sorted());
    assert!(usages("usage-each-null", false).last().unwrap().is_null());
}

#[test]
fn faults_of_a_scenario_come_by_share() {
    // A share is of all requests: 1 is always, 0 never, and a turn limits only named ones.
    let scenario = Scenario::parse(
        "[default]\nfaults = { 500 = 0.5, 503 = 0.5 }\n[models.\"openai/gpt-4.1-nano\"]\nfaults = {}",
    )
    .unwrap();
    let mut statuses = std::collections::BTreeMap::new();
    for ordinal in 0..400 {
        let moment = Moment { ordinal, ..MOMENT };
        let clean = write_in_scenario(&scenario, &body("openai/gpt-4.1-nano", "x", &[]), &moment);
        assert_eq!(clean.status, 200);
        let failed = write_in_scenario(&scenario, &body("openai/gpt-4o-mini", "x", &[]), &moment);
        *statuses.entry(failed.status).or_insert(0) += 1;
    }
    // 400 fair coins: 5 standard deviations are 50.
    assert_eq!(statuses.keys().copied().collect::<Vec<_>>(), [500, 503]);
    assert!((150..=250).contains(&statuses[&500]), "{statuses:?}");
    let once = body("openai/gpt-4.1-nano+429+once", "x", &[]);
    let status =
        |ordinal| write_in_scenario(&scenario, &once, &Moment { ordinal, ..MOMENT }).status;
    assert_eq!((status(0), status(1)), (429, 200));
}

#[test]
fn scenarios_are_layered() {
    // A file's values for a model win, then its values for all models, then the built-in scenario.
    let scenario = Scenario::parse(
        r#"
        seed = 5
        [access]
        keys = ["k"]
        missing_key = "refuse"
        [rate_limit]
        requests_per_minute = 6
        burst = 1
        retry_after = "date"
        [default]
        gap = { median_ms = 3, sigma = 0 }
        [models."openai/gpt-5-mini"]
        gap = { median_ms = 2, sigma = 0 }
        [models."acme/new"]
        price = { input = "0.000001", output = "0.000002" }
        "#,
    )
    .unwrap();
    let gap = |id: &str| scenario.model(id).unwrap().profile.gap.median_ms.nanos();
    let ttft = |id: &str| scenario.model(id).unwrap().profile.ttft.median_ms.nanos();
    assert_eq!(
        [
            gap("openai/gpt-5-mini"),
            gap("zai/glm-5.3"),
            gap("acme/new")
        ],
        [2, 3, 3].map(Nanos::from_millis)
    );
    assert_eq!(ttft("openai/gpt-5-mini"), Nanos::from_millis(420));
    assert_eq!(scenario.access.missing_key, MissingKey::Refuse);
    assert_eq!(
        scenario.rate_limit.unwrap().retry_after,
        RetryAfterForm::Date
    );
    let expensive = ttft("anthropic/claude-opus-4.5");
    assert!(
        expensive > ttft("amazon/nova-lite"),
        "more expensive models are slower"
    );
}

#[test]
fn invalid_scenarios_are_rejected_with_their_position() {
    // The message must show the mistake: line and column, and the allowed values.
    for (text, place, word) in [
        ("sede = 1", "line 1", "sede"),
        (
            "seed = 1\n[default]\nheaders_share = 1.5",
            "line 3",
            "not between 0 and 1",
        ),
        (
            "[default]\nfaults = { nonsense = 0.1 }",
            "line 2",
            "is not a fault",
        ),
        (
            "[default]\ngap = { median_ms = -1, sigma = 0 }",
            "line 2",
            "milliseconds",
        ),
        (
            "[models.\"acme/new\"]\ntokens_per_chunk = 2",
            "acme/new",
            "price",
        ),
        (
            "[default]\nfaults = { 500 = 0.6, 503 = 0.6 }",
            "model",
            "more than 1",
        ),
        ("seed = ", "line 1", ""),
    ] {
        let message = Scenario::parse(text).unwrap_err().to_string();
        assert!(
            message.contains(place) && message.contains(word),
            "{text}: {message}"
        );
    }
}

#[test]
fn the_quickstart_takes_well_under_a_minute() {
    // 5 models, 8 prompts, 4 repetitions, 4 slots in flight: by the scripts' own times, whatever the sim seed.
    // The slowest request of a slot decides how long the slot takes.
    let scenario = Scenario::built_in();
    let models = [
        "openai/gpt-5-mini",
        "anthropic/claude-haiku-4.5",
        "google/gemini-2.5-flash",
        "deepseek/deepseek-v3.2",
        "openai/gpt-4.1-nano",
    ];
    for sim_seed in 0..3 {
        let mut whole = Nanos::ZERO;
        for (prompt, ordinal) in (0..8).flat_map(|prompt| (0..4).map(move |o| (prompt, o))) {
            let text = format!("Question {prompt}");
            let moment = Moment {
                ordinal,
                sim_seed,
                ..MOMENT
            };
            let limit = [("max_tokens", json!(200))];
            let slot = models.map(|model| {
                let script = write_in_scenario(&scenario, &body(model, &text, &limit), &moment);
                script.account.unwrap().duration
            });
            whole.0 += slot.into_iter().max().unwrap().0;
        }
        assert!(whole < Nanos::from_millis(4 * 30_000), "{whole}");
    }
}
