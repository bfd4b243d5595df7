//! The Messages and the Responses route: their streams and whole answers through the whole reading,
//! their requests through a real socket. Nothing says which route an answer is of but its bytes.

#![allow(
    clippy::unwrap_used,
    reason = "a failed step of a test is a failed test"
)]

use crate::support::recorded;
use crate::support::server;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use bakeoff::gateway::Reading;
use bakeoff::record::{Flag, Outcome, ToolCall};
use proptest::prelude::*;
use recorded::{answered, failed, ms, read_recording, recording, timeless};
use server::{Server, Then};

const MODEL: &str = "claude-haiku-4-5";

/// An event as these routes write it: its name is its JSON's `type` as well.
fn event(json: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(json).unwrap();
    let name = value["type"].as_str().unwrap();
    format!("event: {name}\ndata: {json}\n\n")
}

/// The events, each in a frame of its own.
fn stream(events: &[&str]) -> Vec<String> {
    events.iter().map(|json| event(json)).collect()
}

/// Prompt, completion, reasoning, cached, written.
fn counts(reading: &Reading) -> [Option<u64>; 5] {
    let usage = reading.usage.unwrap_or_default();
    [
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.reasoning_tokens,
        usage.cached_tokens,
        usage.cache_write_tokens,
    ]
}

fn texts(reading: &Reading) -> (&str, &str) {
    (
        reading.reasoning.as_deref().unwrap_or(""),
        reading.answer.as_deref().unwrap_or(""),
    )
}

fn weather(id: &str) -> ToolCall {
    ToolCall {
        id: Some(id.to_owned()),
        name: "weather".to_owned(),
        arguments: "{\"city\":\"Bern\"}".to_owned(),
    }
}

const MESSAGES: [&str; 15] = [
    r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-haiku-4-5-20251001","content":[],"stop_reason":null,"usage":{"input_tokens":20,"cache_creation_input_tokens":100,"cache_read_input_tokens":300,"output_tokens":1}}}"#,
    r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
    r#"{"type":"ping"}"#,
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm"}}"#,
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"EqQB"}}"#,
    r#"{"type":"content_block_stop","index":0}"#,
    r#"{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}"#,
    r#"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Hi"}}"#,
    r#"{"type":"content_block_stop","index":1}"#,
    r#"{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"toolu_1","name":"weather","input":{}}}"#,
    r#"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"city\":"}}"#,
    r#"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"\"Bern\"}"}}"#,
    r#"{"type":"content_block_stop","index":2}"#,
    r#"{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":30,"output_tokens_details":{"thinking_tokens":12}}}"#,
    r#"{"type":"message_stop"}"#,
];

const RESPONSES: [&str; 16] = [
    r#"{"type":"response.created","sequence_number":0,"response":{"id":"resp_1","object":"response","status":"in_progress","model":"gpt-5-mini-2025-08-07","output":[],"usage":null,"error":null}}"#,
    r#"{"type":"response.in_progress","sequence_number":1,"response":{"id":"resp_1","object":"response","status":"in_progress","output":[]}}"#,
    r#"{"type":"response.output_item.added","output_index":0,"item":{"id":"rs_1","type":"reasoning","summary":[]}}"#,
    r#"{"type":"response.reasoning_summary_part.added","output_index":0,"summary_index":0,"part":{"type":"summary_text","text":""}}"#,
    r#"{"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":0,"delta":"Hm"}"#,
    r#"{"type":"response.reasoning_summary_text.done","output_index":0,"text":"Hm"}"#,
    r#"{"type":"response.output_item.added","output_index":1,"item":{"id":"msg_1","type":"message","role":"assistant","status":"in_progress","content":[]}}"#,
    r#"{"type":"response.content_part.added","output_index":1,"content_index":0,"part":{"type":"output_text","text":"","annotations":[]}}"#,
    r#"{"type":"response.output_text.delta","output_index":1,"content_index":0,"delta":"Hi","logprobs":[],"obfuscation":"xyz"}"#,
    r#"{"type":"response.output_text.done","output_index":1,"content_index":0,"text":"Hi"}"#,
    r#"{"type":"response.content_part.done","output_index":1,"content_index":0,"part":{"type":"output_text","text":"Hi"}}"#,
    r#"{"type":"response.output_item.added","output_index":2,"item":{"id":"fc_1","type":"function_call","call_id":"call_1","name":"weather","arguments":""}}"#,
    r#"{"type":"response.function_call_arguments.delta","output_index":2,"item_id":"fc_1","delta":"{\"city\":\"Bern\"}"}"#,
    r#"{"type":"response.function_call_arguments.done","output_index":2,"item_id":"fc_1","arguments":"{\"city\":\"Bern\"}"}"#,
    r#"{"type":"response.output_item.done","output_index":2,"item":{"id":"fc_1","type":"function_call","call_id":"call_1","name":"weather","arguments":"{\"city\":\"Bern\"}"}}"#,
    r#"{"type":"response.completed","sequence_number":15,"response":{"id":"resp_1","object":"response","status":"completed","model":"gpt-5-mini-2025-08-07","error":null,"incomplete_details":null,"output":[{"type":"reasoning","summary":[{"type":"summary_text","text":"Hm"}]},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Hi"}]},{"type":"function_call","call_id":"call_1","name":"weather","arguments":"{\"city\":\"Bern\"}"}],"usage":{"input_tokens":40,"input_tokens_details":{"cached_tokens":32},"output_tokens":25,"output_tokens_details":{"reasoning_tokens":16},"total_tokens":65},"providerMetadata":{"gateway":{"routing":{"finalProvider":"azure"},"cost":"0.00004","marketCost":"0.00004","generationId":"gen_5"}}}}"#,
];

#[test]
fn a_stream_of_the_messages_route() {
    // Every clock, text, call and count; pings, signatures and block marks are no tokens.
    let reading = answered(MODEL, true, &stream(&MESSAGES));
    assert_eq!(reading.outcome, Outcome::Complete);
    assert_eq!(reading.finish_reason.as_deref(), Some("tool_use"));
    assert_eq!(texts(&reading), ("Hm", "Hi"));
    assert_eq!(reading.tool_calls, [weather("toolu_1")]);
    assert_eq!(reading.first_token, Some(ms(40)));
    assert_eq!(reading.first_answer, Some(ms(80)));
    assert_eq!(reading.last_token, Some(ms(120)));
    assert_eq!(reading.end, ms(150));
    // The prompt is what was fresh, what was read from the cache and what was written to it.
    assert_eq!(
        counts(&reading),
        [Some(420), Some(30), Some(12), Some(300), Some(100)]
    );
    assert_eq!(reading.generation_id.as_deref(), Some("msg_1"));
    assert_eq!(reading.flags, []);
}

#[test]
fn the_gateways_own_messages() {
    // It knows the counts at the end only, writes 0 before, and adds what it knows of the route.
    let start = r#"{"type":"message_start","message":{"id":"gen_1","type":"message","role":"assistant","model":"anthropic/claude-haiku-4.5","content":[],"usage":{"input_tokens":0,"output_tokens":0}}}"#;
    let text =
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}"#;
    let end = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":13,"output_tokens":5,"cache_read_input_tokens":0,"cache_creation":{"ephemeral_5m_input_tokens":4,"ephemeral_1h_input_tokens":3}},"provider_metadata":{"gateway":{"routing":{"finalProvider":"bedrock","totalProviderAttemptCount":2},"cost":"0.000038","gatewayCost":"0.000138","marketCost":"0.000038","generationId":"gen_1"}}}"#;
    let stop = r#"{"type":"message_stop"}"#;
    let model = "anthropic/claude-haiku-4.5";
    let reading = answered(model, true, &stream(&[start, text, end, stop]));
    assert_eq!(
        counts(&reading),
        [Some(20), Some(5), None, Some(0), Some(7)]
    );
    assert_eq!(reading.billed_usd, Some("0.000138".parse().unwrap()));
    assert_eq!(reading.market_usd, Some("0.000038".parse().unwrap()));
    assert_eq!(reading.provider.as_deref(), Some("bedrock"));
    assert_eq!(reading.flags, [Flag::Fallback]);
    // Cut before it knew them, they are not known: 0 tokens would be a lie.
    let cut = answered(model, true, &stream(&[start, text]));
    assert_eq!((cut.outcome, cut.usage), (Outcome::Cut, None));
    // Without the mark of its end, the reason alone says that it is whole.
    let unmarked = answered(model, true, &stream(&[start, text, end]));
    assert_eq!(unmarked.outcome, Outcome::Complete);
}

#[test]
fn whole_answers_of_the_messages_route() {
    // Not streamed: the blocks in any order, and arguments as an object.
    let body = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-haiku-4-5","content":[{"type":"text","text":"Hi"},{"type":"thinking","thinking":"Hm","signature":"x"},{"type":"tool_use","id":"toolu_1","name":"weather","input":{"city":"Bern"}},{"type":"tool_use","id":"toolu_2","name":"now","input":{}}],"stop_reason":"tool_use","usage":{"input_tokens":3,"output_tokens":4}}"#;
    let reading = answered(MODEL, false, &[body]);
    assert_eq!(reading.outcome, Outcome::Complete);
    assert_eq!(texts(&reading), ("Hm", "Hi"));
    assert_eq!(reading.tool_calls[0], weather("toolu_1"));
    assert_eq!(reading.tool_calls[1].arguments, "{}");
    assert_eq!(counts(&reading), [Some(3), Some(4), None, None, None]);
    assert_eq!(reading.first_token, None);
}

#[test]
fn a_stream_of_the_responses_route() {
    // The last event repeats everything: nothing may be counted twice, and it ends the answer.
    let reading = answered("gpt-5-mini", true, &stream(&RESPONSES));
    assert_eq!(reading.outcome, Outcome::Complete);
    assert_eq!(reading.finish_reason.as_deref(), Some("completed"));
    assert_eq!(texts(&reading), ("Hm", "Hi"));
    assert_eq!(reading.tool_calls, [weather("call_1")]);
    assert_eq!(reading.first_token, Some(ms(50)));
    assert_eq!(reading.first_answer, Some(ms(90)));
    assert_eq!(reading.last_token, Some(ms(130)));
    assert_eq!(reading.end, ms(160));
    assert_eq!(
        counts(&reading),
        [Some(40), Some(25), Some(16), Some(32), None]
    );
    assert_eq!(reading.billed_usd, Some("0.00004".parse().unwrap()));
    assert_eq!(reading.provider.as_deref(), Some("azure"));
    assert_eq!(reading.generation_id.as_deref(), Some("gen_5"));
    // A summary is not the thought.
    assert_eq!(reading.flags, [Flag::HiddenReasoning]);
}

#[test]
fn responses_that_come_at_once() {
    // Not streamed, or streamed by a server that has nothing to say before the end.
    let last = RESPONSES[RESPONSES.len() - 1];
    let value: serde_json::Value = serde_json::from_str(last).unwrap();
    let whole = answered("gpt-5-mini", false, &[value["response"].to_string()]);
    let late = answered("gpt-5-mini", true, &stream(&[RESPONSES[0], last]));
    for reading in [&whole, &late] {
        assert_eq!(reading.outcome, Outcome::Complete);
        assert_eq!(texts(reading), ("Hm", "Hi"));
        assert_eq!(reading.tool_calls, [weather("call_1")]);
        assert_eq!(reading.answer_chars, Some(24));
    }
    assert_eq!((whole.first_token, late.first_token), (None, Some(ms(20))));
}

#[test]
fn arguments_that_come_late_are_taken_once() {
    // Some servers tell a call only when it is done: its arguments are tokens of that instant. Where
    // parts of them came before, the done events repeat them.
    let [start, added, delta, done, item, end] =
        [0, 11, 12, 13, 14, 15].map(|place| RESPONSES[place]);
    let bare = |event: &str| event.replace(r#""output_index":2,"#, "");
    let (bare_done, bare_item) = (bare(done), bare(item));
    let chars = Some("weather{\"city\":\"Bern\"}".len() as u64);
    for (events, first, last) in [
        (vec![start, added, done, item, end], 20, 30),
        (vec![start, added, item, end], 20, 30),
        (vec![start, item, end], 20, 20),
        (vec![start, done, item, end], 20, 30),
        (vec![start, added, &bare_done, &bare_item, end], 20, 30),
        (vec![start, added, delta, done, item, end], 20, 30),
        (
            vec![start, added, delta, &bare_done, &bare_item, end],
            20,
            30,
        ),
    ] {
        let reading = answered("gpt-5-mini", true, &stream(&events));
        assert_eq!(reading.tool_calls, [weather("call_1")], "{events:?}");
        assert_eq!(reading.answer_chars, chars);
        assert_eq!(reading.first_answer, Some(ms(first)), "{events:?}");
        assert_eq!(reading.last_token, Some(ms(last)), "{events:?}");
    }
    // A call with parts and one without, and a tool of free text.
    let other = item.replace("call_1", "call_2");
    let other = other.replace(r#""output_index":2"#, r#""output_index":3"#);
    let free = r#"{"type":"response.custom_tool_call_input.done","output_index":4,"item_id":"ctc_1","input":"x = 1"}"#;
    let named = r#"{"type":"response.output_item.done","output_index":4,"item":{"id":"ctc_1","type":"custom_tool_call","call_id":"call_3","name":"run","input":"x = 1"}}"#;
    let events = [start, added, delta, &other, done, item, free, named, end];
    let reading = answered("gpt-5-mini", true, &stream(&events));
    let run = ToolCall {
        id: Some("call_3".to_owned()),
        name: "run".to_owned(),
        arguments: "x = 1".to_owned(),
    };
    let calls = [weather("call_1"), weather("call_2"), run];
    assert_eq!(reading.tool_calls, calls);
    let all = calls
        .iter()
        .map(|call| call.name.len() + call.arguments.len());
    assert_eq!(reading.answer_chars, Some(all.sum::<usize>() as u64));
}

#[test]
fn ends_have_their_outcomes() {
    // Each route has its own words for a limit, a refusal, a filter and a failure.
    let stopped = |reason: &str| {
        let end = format!(
            r#"{{"type":"message_delta","delta":{{"stop_reason":"{reason}"}},"usage":{{"output_tokens":9}}}}"#
        );
        let text =
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}"#;
        let text = if reason == "refusal" {
            r#"{"type":"ping"}"#
        } else {
            text
        };
        answered(
            MODEL,
            true,
            &stream(&[text, &end, r#"{"type":"message_stop"}"#]),
        )
    };
    let ended = |kind: &str, rest: &str| {
        let text = r#"{"type":"response.output_text.delta","output_index":0,"delta":"Hi"}"#;
        let end = format!(r#"{{"type":"response.{kind}","response":{{"status":"{kind}"{rest}}}}}"#);
        answered("gpt-5-mini", true, &stream(&[text, &end]))
    };
    let reason = |reason: &str| format!(r#","incomplete_details":{{"reason":"{reason}"}}"#);
    for (reading, outcome) in [
        (stopped("end_turn"), Outcome::Complete),
        (stopped("stop_sequence"), Outcome::Complete),
        (stopped("max_tokens"), Outcome::Length),
        (stopped("model_context_window_exceeded"), Outcome::Length),
        (stopped("refusal"), Outcome::Refused),
        (ended("completed", ""), Outcome::Complete),
        (
            ended("incomplete", &reason("max_output_tokens")),
            Outcome::Length,
        ),
        (
            ended("incomplete", &reason("content_filter")),
            Outcome::Filtered,
        ),
        (ended("incomplete", ""), Outcome::Incomplete),
        (
            ended("incomplete", &reason("max_messages")),
            Outcome::Incomplete,
        ),
        // The reason is of tomorrow, but the answer is not whole.
        (
            ended("incomplete", &reason("quota_of_tomorrow")),
            Outcome::Incomplete,
        ),
        (stopped("pause_turn"), Outcome::Incomplete),
        (stopped("a_word_of_tomorrow"), Outcome::UnknownFinish),
        (ended("cancelled", ""), Outcome::StreamError),
        (ended("failed", ""), Outcome::StreamError),
    ] {
        assert_eq!(reading.outcome, outcome, "{:?}", reading.finish_reason);
    }
    // A limit eaten by thoughts is named on these routes as well.
    let eaten = r#"{"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"output_tokens":9}}"#;
    let eaten = answered(MODEL, true, &stream(&[eaten]));
    assert_eq!(eaten.flags, [Flag::TruncatedInReasoning]);
    let refusal = r#"{"type":"response.refusal.delta","output_index":0,"delta":"I cannot"}"#;
    let end = r#"{"type":"response.completed","response":{"status":"completed"}}"#;
    let refused = answered("gpt-5-mini", true, &stream(&[refusal, end]));
    assert_eq!(refused.outcome, Outcome::Refused);
    assert_eq!(refused.answer.as_deref(), Some("I cannot"));
}

#[test]
fn thoughts_out_of_sight_are_flagged() {
    // Rates over visible time mean nothing where tokens were thought unseen.
    let end = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}}"#;
    let redacted = r#"{"type":"content_block_start","index":0,"content_block":{"type":"redacted_thinking","data":"x"}}"#;
    let signed = r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"x"}}"#;
    let encrypted = r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"reasoning","summary":[],"encrypted_content":"x"}}"#;
    let closed = r#"{"type":"response.completed","response":{"status":"completed"}}"#;
    for events in [[redacted, end], [signed, end], [encrypted, closed]] {
        let reading = answered(MODEL, true, &stream(&events));
        assert_eq!(reading.flags, [Flag::HiddenReasoning], "{events:?}");
        assert_eq!(reading.first_token, None);
    }
    let open = r#"{"type":"response.reasoning_text.delta","output_index":0,"delta":"Hm"}"#;
    let open = answered(MODEL, true, &stream(&[open, closed]));
    assert_eq!((texts(&open), open.flags.len()), (("Hm", ""), 0));
}

#[test]
fn errors_of_these_routes_are_read() {
    // As a status, as the first event, in the middle, and as the end of a response.
    let overloaded =
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    let limited = r#"{"type":"error","error":{"type":"rate_limit_error","message":"slow down"},"request_id":"req_1"}"#;
    let unknown =
        r#"{"type":"error","error":{"type":"not_found_error","message":"model: claude-x"}}"#;
    let flat = r#"{"type":"error","code":"server_error","message":"it broke","param":null,"sequence_number":3}"#;
    let end = r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"rate_limit_exceeded","message":"slow down"}}}"#;
    let first = answered(MODEL, true, &stream(&[overloaded]));
    let middle = answered(
        MODEL,
        true,
        &stream(&[MESSAGES[0], MESSAGES[7], overloaded]),
    );
    for (reading, outcome, kind, message) in [
        (
            failed(MODEL, 529, overloaded),
            Outcome::ServerError,
            "overloaded_error",
            "Overloaded",
        ),
        (
            failed(MODEL, 429, limited),
            Outcome::RateLimited,
            "rate_limit_error",
            "slow down",
        ),
        (
            failed(MODEL, 404, unknown),
            Outcome::ModelNotFound,
            "not_found_error",
            "model: claude-x",
        ),
        (
            first,
            Outcome::StreamError,
            "overloaded_error",
            "Overloaded",
        ),
        (
            middle,
            Outcome::StreamError,
            "overloaded_error",
            "Overloaded",
        ),
        (
            answered(MODEL, true, &stream(&[RESPONSES[0], flat])),
            Outcome::StreamError,
            "server_error",
            "it broke",
        ),
        (
            answered(MODEL, true, &stream(&[RESPONSES[8], end])),
            Outcome::RateLimited,
            "rate_limit_exceeded",
            "slow down",
        ),
    ] {
        let error = reading.error.unwrap();
        assert_eq!(
            (reading.outcome, error.message.as_str()),
            (outcome, message)
        );
        assert_eq!(error.kind.as_deref(), Some(kind));
    }
}

/// Streams of these routes: a few of their events in any order, under any line end, perhaps cut.
fn any_stream() -> impl Strategy<Value = String> {
    let known: Vec<&str> = MESSAGES.iter().chain(&RESPONSES).copied().collect();
    let text = r#"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"#;
    let piece = prop_oneof![
        8 => prop::sample::select(known).prop_map(event),
        2 => "[a-zä世🦀 ]{0,6}".prop_map(move |content| event(&format!("{text}\"{content}\"}}}}"))),
        1 => Just(event(r#"{"type":"error","error":{"type":"api_error","message":"no"}}"#)),
        1 => Just("data: {broken\n\n".to_owned()),
    ];
    let line_end = prop_oneof![Just("\n"), Just("\r\n"), Just("\r")];
    let cut = prop_oneof![Just(0_usize), 0_usize..40];
    (prop::collection::vec(piece, 0..12), line_end, cut).prop_map(|(events, end, cut)| {
        let mut stream = events.concat().replace('\n', end);
        let at = stream.len().saturating_sub(cut);
        let at = (0..=at).rev().find(|at| stream.is_char_boundary(*at));
        stream.truncate(at.unwrap_or(0));
        stream
    })
}

proptest! {
    // Any split of the bytes into frames gives the same answer; only instants differ.
    #[test]
    fn any_split_gives_the_same_reading(
        stream in any_stream(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let bytes = stream.as_bytes();
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        ends.push(bytes.len());
        ends.sort_unstable();
        let mut start = 0;
        let frames: Vec<&[u8]> =
            ends.into_iter().map(|end| &bytes[std::mem::replace(&mut start, end)..end]).collect();
        let split = answered(MODEL, true, &frames);
        prop_assert!(split.first_token <= split.last_token);
        prop_assert!(split.last_token.is_none_or(|last| last <= split.end));
        prop_assert_eq!(timeless(split), timeless(answered(MODEL, true, &[bytes])));
    }

    // A byte changed in a real stream or whole answer, under any status: a reading, no panic.
    #[test]
    fn damaged_answers_are_read(
        stream in any_stream(), json in any::<bool>(), at in any::<prop::sample::Index>(),
        byte in any::<u8>(), status in 200_u16..600,
    ) {
        let mut bytes = if json { MESSAGES[0].as_bytes().to_vec() } else { stream.into_bytes() };
        bytes.push(b'\n');
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let reading = read_recording(MODEL, true, &recording(status, &[], &[bytes]));
        prop_assert!(reading.first_token <= reading.last_token);
    }
}

/// An answer on the Messages route after which the connection stays open and silent.
fn holding() -> Server {
    Server::start(|_, _| {
        let mut reply = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n".to_owned();
        for event in stream(&MESSAGES) {
            write!(reply, "{event}").unwrap();
        }
        (reply.into_bytes(), Then::Hold)
    })
}

/// Runs a suite with this parameter line against an endpoint with these keys.
fn bakeoff(folder: &Path, endpoint: &str, parameters: &str) -> Output {
    let suite = format!(
        "name = \"routes\"\nmodels = [\"{MODEL}\"]\nrepetitions = 1\nwarmup = 0\n\
         system = \"Be brief.\"\n[parameters]\n{parameters}\n\
         [[prompts]]\nid = \"p\"\nuser = \"hi\"\n"
    );
    std::fs::write(folder.join("suite.toml"), suite).unwrap();
    std::fs::write(
        folder.join("bakeoff.toml"),
        format!("[endpoints.own]\n{endpoint}"),
    )
    .unwrap();
    Command::new(env!("CARGO_BIN_EXE_bakeoff"))
        .args([
            "run",
            "suite.toml",
            "--quiet",
            "--verify",
            "--endpoint",
            "own",
        ])
        .current_dir(folder)
        .env("OWN_KEY", "marker-key")
        .output()
        .unwrap()
}

#[test]
fn a_run_goes_over_the_route_of_its_endpoint() {
    // Path, headers, key and query as the profile says; the answer is over at the route's last
    // event, although the server leaves the connection open.
    let server = holding();
    let folder = tempfile::tempdir().unwrap();
    let endpoint = format!(
        "base_url = \"{}\"\nkey = \"OWN_KEY\"\nkey_header = \"x-api-key\"\n\
         api = \"messages\"\napi_version = \"2024-10-21\"\n",
        server.base_url()
    );
    let output = bakeoff(folder.path(), &endpoint, "max_tokens = 7");
    let content = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(content.contains("1 of 1 trials completed"), "{content}");
    let questions = server.questions();
    // The trial, and probes of every parameter but the seed, which the route does not have.
    assert_eq!(questions.len(), 1 + 7, "{questions:?}");
    for question in &questions {
        let line = question.head.lines().next();
        assert_eq!(
            line,
            Some("POST /v1/messages?api-version=2024-10-21 HTTP/1.1")
        );
        assert_eq!(question.header("anthropic-version"), Some("2023-06-01"));
        assert_eq!(question.header("x-api-key"), Some("marker-key"));
        assert_eq!(question.header("authorization"), None);
    }
    let question = &questions[0];
    let body: serde_json::Value = serde_json::from_str(&question.body).unwrap();
    assert_eq!(body["system"], "Be brief.");
    assert_eq!(body["max_tokens"], 7);
}

#[test]
fn unsupported_parameters_are_reported_before_anything_is_sent() {
    // A run that fails at every trial for the same reason would cost time and perhaps money.
    let server = holding();
    let folder = tempfile::tempdir().unwrap();
    let endpoint = format!("base_url = \"{}\"\napi = \"messages\"\n", server.base_url());
    let output = bakeoff(folder.path(), &endpoint, "seed = 3");
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(String::from_utf8_lossy(&output.stderr), @"error: a request without `max_tokens` cannot be sent on the `messages` route: add it to the suite's `parameters` (first met in p on claude-haiku-4-5)");
    assert!(server.seen().is_empty());
}
