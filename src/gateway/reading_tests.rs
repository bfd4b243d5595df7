use super::*;
use crate::gateway::{Deadline, OpeningTimes};
use crate::suite::Redactor;

fn requested() -> ModelId {
    "openai/gpt-5-mini".parse().unwrap()
}

fn answered(status: u16, headers: &[(&str, &str)], body: &str) -> Recording {
    let mut bytes = Body::default();
    bytes.push(Nanos(20), true, body.as_bytes()).unwrap();
    let headers = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Recording {
        sent: Nanos(1),
        connect: None,
        response: Some(Response {
            status,
            headers: headers.collect(),
            at: Nanos(10),
            body: bytes,
        }),
        end: Nanos(30),
        ending: ExchangeEnd::Complete,
        is_user_stamped: false,
        redactor: Redactor::default(),
    }
}

fn read(recording: &Recording, requested: &ModelId, streamed: bool) -> Reading {
    super::read(recording, requested, streamed).into_inner()
}

fn flags(body: &str) -> Vec<Flag> {
    read(&answered(200, &[], body), &requested(), false).flags
}

#[test]
fn exchanges_without_a_response_keep_their_reason() {
    // Each way of getting no answer is a row of its own in the report.
    for (ending, outcome, message) in [
        (
            ExchangeEnd::ConnectFailed("refused".to_owned()),
            Outcome::ConnectFailed,
            Some("refused"),
        ),
        (
            ExchangeEnd::TlsFailed("expired".to_owned()),
            Outcome::TlsFailed,
            Some("expired"),
        ),
        (
            ExchangeEnd::ConnectionLost("reset".to_owned()),
            Outcome::ConnectionLost,
            Some("reset"),
        ),
        (
            ExchangeEnd::TimedOut(Deadline::Connect),
            Outcome::TimedOutConnect,
            None,
        ),
        (
            ExchangeEnd::TimedOut(Deadline::Headers),
            Outcome::TimedOutHeaders,
            None,
        ),
        (ExchangeEnd::TooLarge, Outcome::TooLarge, None),
        (
            ExchangeEnd::Complete,
            Outcome::ProtocolError,
            Some("the exchange ended without a response"),
        ),
    ] {
        let recording = Recording {
            sent: Nanos(1),
            connect: Some(OpeningTimes::default()),
            response: None,
            end: Nanos(9),
            ending,
            is_user_stamped: false,
            redactor: Redactor::default(),
        };
        let reading = read(&recording, &requested(), true);
        let reported = reading.error.as_ref().map(|error| error.message.as_str());
        assert_eq!((reading.outcome, reported), (outcome, message));
        assert_eq!((reading.end, reading.headers), (Nanos(9), None));
        assert_eq!(reading.flags, [Flag::Cold]);
    }
}

#[test]
fn error_statuses_are_classed_and_quoted() {
    // The bodies are examples of real servers: their meaning must not depend on their shape.
    for (status, body, outcome, kind) in [
        (
            400,
            r#"{"error":{"message":"m","type":"invalid_request_error"}}"#,
            Outcome::Rejected,
            Some("invalid_request_error"),
        ),
        (
            401,
            r#"{"error":{"message":"m","type":"authentication_error"}}"#,
            Outcome::Unauthorized,
            Some("authentication_error"),
        ),
        (
            402,
            r#"{"error":{"message":"m","type":"insufficient_funds"}}"#,
            Outcome::PaymentRequired,
            Some("insufficient_funds"),
        ),
        (
            403,
            r#"{"error":{"message":"m","type":"customer_verification_required"}}"#,
            Outcome::Forbidden,
            Some("customer_verification_required"),
        ),
        (
            404,
            r#"{"error":{"message":"m","type":"model_not_found","param":{"modelId":"x"}}}"#,
            Outcome::ModelNotFound,
            Some("model_not_found"),
        ),
        (
            404,
            r#"{"error":{"message":"The model x does not exist","code":404}}"#,
            Outcome::ModelNotFound,
            Some("404"),
        ),
        (
            404,
            "<html><title>Not found</title></html>",
            Outcome::Rejected,
            None,
        ),
        (405, "", Outcome::Rejected, None),
        (307, "", Outcome::Rejected, None),
        (
            429,
            r#"{"error":{"message":"m","code":"429"}}"#,
            Outcome::RateLimited,
            Some("429"),
        ),
        (500, "", Outcome::ServerError, None),
        (
            503,
            "data: {\"error\":{\"message\":\"m\",\"type\":\"x\"}}\n\n",
            Outcome::ServerError,
            Some("x"),
        ),
        (
            529,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#,
            Outcome::ServerError,
            Some("overloaded_error"),
        ),
    ] {
        let reading = read(&answered(status, &[], body), &requested(), true);
        let error = reading.error.unwrap();
        assert_eq!(
            (reading.outcome, error.kind.as_deref()),
            (outcome, kind),
            "{status} {body}"
        );
        assert_eq!((reading.status, error.status), (Some(status), Some(status)));
        assert!(!error.message.is_empty());
    }
}

#[test]
fn a_dated_or_prefixed_id_is_the_same_model() {
    // A false fallback spoils a good sample; a missed one spoils the comparison.
    for (requested, served) in [
        ("gpt-4o", "gpt-4o-2024-08-06"),
        ("openai/gpt-4o", "gpt-4o-2024-08-06"),
        ("anthropic/claude-haiku-4.5", "claude-haiku-4-5-20251001"),
        ("claude-3-5-sonnet-latest", "claude-3-5-sonnet-20241022"),
        ("gemini-2.5-flash", "gemini-2.5-flash-preview-05-20"),
        ("deepseek/deepseek-r1:free", "deepseek/deepseek-r1"),
        ("gpt-4-0613", "gpt-4"),
    ] {
        assert!(same_model(requested, served), "{requested} {served}");
    }
    for (requested, served) in [
        ("gpt-4o", "gpt-4o-mini"),
        ("gpt-5", "gpt-5.4"),
        ("claude-sonnet-4", "claude-sonnet-4.5"),
        ("openai/gpt-5-mini", "openai/gpt-5-nano"),
        ("gpt-4o", "gpt-4omni"),
    ] {
        assert!(!same_model(requested, served), "{requested} {served}");
    }
}

#[test]
fn another_model_is_flagged_and_a_date_is_not() {
    // The served model is reported either way; only another model is flagged. Without the gateway's routing it
    // may be an alias, so it is no fallback yet.
    let served = |model: &str| {
        let body = format!(
            r#"{{"model":"{model}","choices":[{{"message":{{"content":"Hi"}},"finish_reason":"stop"}}]}}"#
        );
        let reading = read(&answered(200, &[], &body), &requested(), false);
        (reading.served_model, reading.flags)
    };
    assert_eq!(served("openai/gpt-5-mini"), (None, vec![]));
    assert_eq!(
        served("gpt-5-mini-2025-08-07"),
        (Some("gpt-5-mini-2025-08-07".to_owned()), vec![])
    );
    assert_eq!(
        served("openai/gpt-5-nano"),
        (Some("openai/gpt-5-nano".to_owned()), vec![Flag::OtherModel])
    );
}

#[test]
fn proxies_report_costs_and_fallbacks_in_headers() {
    // LiteLLM has no other place for them on answers that are not streamed.
    let headers = [
        ("x-litellm-response-cost", "0.0000032"),
        ("x-litellm-attempted-fallbacks", "1"),
        ("x-generation-id", "gen-9"),
    ];
    let body = r#"{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}"#;
    let reading = read(&answered(200, &headers, body), &requested(), false);
    assert_eq!(reading.billed_usd, Some("0.0000032".parse().unwrap()));
    assert_eq!(reading.generation_id.as_deref(), Some("gen-9"));
    assert_eq!(reading.flags, [Flag::Fallback]);
}

#[test]
fn a_limit_truncated_in_reasoning_is_flagged() {
    // The answer is empty because the model used its tokens for reasoning: neither a refusal nor an error.
    let eaten =
        r#"{"choices":[{"message":{"content":"","reasoning":"Hm"},"finish_reason":"length"}]}"#;
    assert_eq!(flags(eaten), [Flag::TruncatedInReasoning]);
    let short =
        r#"{"choices":[{"message":{"content":"Hi","reasoning":"Hm"},"finish_reason":"length"}]}"#;
    assert_eq!(flags(short), []);
}

#[test]
fn what_is_not_an_answer_is_a_protocol_error() {
    // HTTP 200 with something else: the error must show the content.
    for (body, message) in [
        ("", "the answer is empty"),
        ("database error", "database error"),
        (
            r#"{"status":"ok"}"#,
            r#"the answer has no choices: {"status":"ok"}"#,
        ),
        ("[1]", "the answer is not a JSON object: 1"),
        (r#"{"choices":[{"mess"#, "the answer is not complete JSON"),
        ("data: pong\n\n", "pong"),
        (
            "data: {nope}\n\ndata: [DONE]\n\n",
            "an event is not JSON: {nope}",
        ),
    ] {
        let reading = read(&answered(200, &[], body), &requested(), true);
        assert_eq!(reading.outcome, Outcome::ProtocolError, "{body}");
        assert_eq!(reading.error.unwrap().message, message);
    }
}

#[test]
fn an_unrequested_stream_has_no_instants() {
    // Without streaming there is no TTFT, whatever the server does.
    let stream = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let reading = read(&answered(200, &[], stream), &requested(), false);
    assert_eq!(
        (reading.outcome, reading.answer.as_deref()),
        (Outcome::Complete, Some("Hi"))
    );
    assert_eq!(
        (reading.first_token, reading.first_chunk_chars),
        (None, None)
    );
}

#[test]
fn a_whole_message_after_its_deltas_is_not_taken_twice() {
    // Some servers repeat the answer in their last chunk.
    let stream = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\ndata: {\"choices\":[{\"message\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}\n\n";
    let reading = read(&answered(200, &[], stream), &requested(), true);
    assert_eq!(reading.answer.as_deref(), Some("Hi"));
}

#[test]
fn no_secret_reaches_a_reading() {
    // Errors echo keys, and routing reports hold a fingerprint of the user.
    let body = r#"{"error":{"message":"bad key vck_0123456789abcdef, header Authorization: Bearer abcdef0123456789"},"providerMetadata":{"gateway":{"routing":{"clientSessionId":"f00dface1234"}}}}"#;
    for status in [200, 401] {
        let reading = format!(
            "{:?}",
            read(&answered(status, &[], body), &requested(), true)
        );
        for secret in ["vck_0123456789abcdef", "abcdef0123456789", "f00dface1234"] {
            assert!(!reading.contains(secret), "{reading}");
        }
    }
}

#[test]
fn a_gap_is_measured_where_the_reader_waited_within_it() {
    // A chunk whose first half was waited for came late, even if its rest was there at once; one that was
    // completely there already has no gap.
    let chunk = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n";
    let (head, tail) = chunk.split_at(9);
    let mut recording = answered(200, &[], chunk);
    let body = &mut recording.response.as_mut().unwrap().body;
    body.push(Nanos(50), true, head.as_bytes()).unwrap();
    body.push(Nanos(51), false, tail.as_bytes()).unwrap();
    body.push(Nanos(52), false, chunk.as_bytes()).unwrap();
    let reading = read(&recording, &requested(), true);
    assert_eq!(reading.gaps.gaps, [Nanos(31)]);
    assert_eq!(reading.gaps.coalesced, 1);
    assert_eq!(reading.last_token, Some(Nanos(52)));
}

#[test]
fn endless_tool_calls_are_too_large() {
    // Every fragment is searched among the calls before it: their number must be bounded.
    let call = |index: usize| {
        format!(
            "data: {{\"choices\":[{{\"delta\":{{\"tool_calls\":[{{\"index\":{index},\"function\":{{\"name\":\"f\"}}}}]}}}}]}}\n\n"
        )
    };
    let stream = |count: usize| (0..count).map(call).collect::<String>() + "data: [DONE]\n\n";
    let limit = crate::gateway::transcript::TOOL_CALLS_PER_ANSWER;
    let within = read(&answered(200, &[], &stream(limit)), &requested(), true);
    assert_eq!(
        (within.outcome, within.tool_calls.len()),
        (Outcome::Ended, limit)
    );
    let beyond = read(&answered(200, &[], &stream(limit + 1)), &requested(), true);
    assert_eq!(beyond.outcome, Outcome::TooLarge);
}

#[test]
fn only_the_first_of_several_choices_is_read() {
    // A suite may request several (`n`): their texts must not be mixed into one answer.
    let body = r#"{"choices":[{"index":0,"message":{"content":"one"},"finish_reason":"stop"},
        {"index":1,"message":{"content":"two"},"finish_reason":"length"}]}"#;
    let reading = read(&answered(200, &[], body), &requested(), false);
    assert_eq!(
        (reading.outcome, reading.answer.as_deref()),
        (Outcome::Complete, Some("one"))
    );
}

#[test]
fn the_last_reported_amount_counts() {
    // Costs grow from chunk to chunk where usage is cumulative; they are never added up.
    let usage = |usage: &str| format!("data: {{\"choices\":[],\"usage\":{usage}}}\n\n");
    let stream =
        usage(r#"{"cost":0.1,"market_cost":0.4}"#) + &usage(r#"{"cost":0.3}"#) + &usage("null");
    let reading = read(
        &answered(200, &[], &(stream + "data: [DONE]\n\n")),
        &requested(),
        true,
    );
    assert_eq!(reading.billed_usd, Some("0.3".parse().unwrap()));
    assert_eq!(reading.market_usd, Some("0.4".parse().unwrap()));
}

#[test]
fn a_path_for_a_model_is_cut_to_its_name_and_no_fallback() {
    // A local server names the file it loaded: its folders belong to a private machine.
    for (served, stored) in [
        (r"/srv/models/qwen-3.gguf", "qwen-3.gguf"),
        (r"C:\\models\\qwen-3.gguf", "qwen-3.gguf"),
        ("./qwen-3.gguf", "qwen-3.gguf"),
    ] {
        let body = format!(
            r#"{{"model":"{served}","choices":[{{"message":{{"content":"x"}},"finish_reason":"stop"}}]}}"#
        );
        let reading = read(&answered(200, &[], &body), &requested(), false);
        assert_eq!(reading.served_model.as_deref(), Some(stored), "{served}");
        assert!(!reading.flags.contains(&Flag::Fallback), "{served}");
    }
}

#[test]
fn a_gateway_that_maps_a_failure_to_stop_is_read_by_the_providers_word() {
    // LiteLLM writes `stop` for every word that it does not know, and keeps the word beside it.
    let of = |reason: &str, fields: &str| {
        let body = format!(
            r#"{{"choices":[{{"index":0,"message":{{"content":"Hi"}},"finish_reason":"{reason}",{fields}}}]}}"#
        );
        let reading = read(&answered(200, &[], &body), &requested(), false);
        (reading.outcome, reading.finish_reason.unwrap())
    };
    let litellm =
        |word: &str| format!(r#""provider_specific_fields":{{"native_finish_reason":"{word}"}}"#);
    let openrouter = |word: &str| format!(r#""native_finish_reason":"{word}""#);
    for (reason, fields, outcome, word) in [
        (
            "stop",
            litellm("network_error"),
            Outcome::StreamError,
            "network_error",
        ),
        ("stop", litellm("abort"), Outcome::StreamError, "abort"),
        (
            "stop",
            litellm("brand_new"),
            Outcome::UnknownFinish,
            "brand_new",
        ),
        (
            "length",
            litellm("pause_turn"),
            Outcome::Incomplete,
            "pause_turn",
        ),
        ("stop", litellm("end_turn"), Outcome::Complete, "stop"),
        ("length", litellm("MAX_TOKENS"), Outcome::Length, "length"),
        ("length", litellm("end_turn"), Outcome::Length, "length"),
        (
            "stop",
            openrouter("MALFORMED_FUNCTION_CALL"),
            Outcome::StreamError,
            "MALFORMED_FUNCTION_CALL",
        ),
        // OpenRouter maps on purpose: a provider's word that is not known may well be an end.
        ("stop", openrouter("brand_new"), Outcome::Complete, "stop"),
        (
            "tool_calls",
            openrouter("STOP"),
            Outcome::Complete,
            "tool_calls",
        ),
        (
            "content_filter",
            openrouter("STOP"),
            Outcome::Filtered,
            "content_filter",
        ),
        (
            "stop",
            r#""provider_specific_fields":null"#.to_owned(),
            Outcome::Complete,
            "stop",
        ),
    ] {
        assert_eq!(
            of(reason, &fields),
            (outcome, word.to_owned()),
            "{reason} {fields}"
        );
    }
}

#[test]
fn an_answer_without_a_token_has_the_words_of_an_event_that_is_no_chunk() {
    // A gateway in front writes its refusal as an event of its own shape; `empty` alone would send the user to the model.
    let words = |event: &str| {
        let body = format!("data: {event}\n\ndata: [DONE]\n\n");
        let recording = answered(200, &[("content-type", "text/event-stream")], &body);
        let reading = read(&recording, &requested(), true);
        assert_eq!(reading.outcome, Outcome::Empty, "{event}");
        reading.error.unwrap().message
    };
    assert_eq!(
        words(r#"{"message":"no Route matched"}"#),
        "no Route matched"
    );
    let fault = words(r#"{"fault":{"faultstring":"Quota limit exceeded"}}"#);
    assert!(fault.contains("Quota limit exceeded"), "{fault}");
    let aws = words(r#"{"__type":"ThrottlingException","message":"Too many requests"}"#);
    assert_eq!(aws, "Too many requests");
    for event in [
        r#"{"type":"ping"}"#,
        r#"{"id":"x","object":"chat.completion.chunk"}"#,
        r#"{"choices":[]}"#,
    ] {
        assert_eq!(words(event), "the answer ended without a token", "{event}");
    }
    // Beside an answer it is no news.
    let body = "data: {\"note\":\"cached\"}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let reading = read(&answered(200, &[], body), &requested(), true);
    assert_eq!((reading.outcome, reading.error), (Outcome::Complete, None));
}
