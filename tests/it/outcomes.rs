//! What is an answer and what a failure: finish reasons, empty answers, errors in every place, waits, tool calls.

use bakeoff::gateway::error_class::{ERROR_PHRASES, ErrorCause};
use bakeoff::gateway::fault::ERROR_PLACES;
use bakeoff::gateway::finish::FINISH_WORDS;
use bakeoff::gateway::{Reading, RetryAfter};
use bakeoff::record::{Flag, Outcome};
use bakeoff::units::Nanos;

use crate::support::recorded::{answered, failed, ms, read_recording, recording};

const DONE: &str = "data: [DONE]\n\n";

fn event(json: &str) -> String {
    format!("data: {json}\n\n")
}

fn delta(delta: &str) -> String {
    event(&format!(r#"{{"choices":[{{"index":0,"delta":{delta}}}]}}"#))
}

fn text(text: &str) -> String {
    delta(&format!(r#"{{"content":"{text}"}}"#))
}

fn finish(reason: &str) -> String {
    event(&format!(
        r#"{{"choices":[{{"index":0,"delta":{{}},"finish_reason":"{reason}"}}]}}"#
    ))
}

fn streamed(frames: &[&str]) -> Reading {
    answered("m", true, frames)
}

fn message(reading: &Reading) -> &str {
    reading.error.as_ref().map_or("", |error| &error.message)
}

fn wait_of(millis: u64) -> RetryAfter {
    RetryAfter::Span(Nanos::from_millis(millis))
}

#[test]
fn a_stump_is_no_answer_whatever_its_word() {
    // An engine that gives up half-way must not make its model look fast and cheap.
    for (word, outcome) in [
        ("abort", Outcome::StreamError),
        ("network-error", Outcome::StreamError),
        ("Timeout", Outcome::StreamError),
        ("content-filter", Outcome::Filtered),
        ("ContentFilter", Outcome::Filtered),
        ("SAFETY", Outcome::Filtered),
        ("guardrailIntervened", Outcome::Filtered),
        ("FINISH_REASON_RECITATION", Outcome::Filtered),
        ("model_length", Outcome::Length),
        ("MAX_TOKENS", Outcome::Length),
        ("pause_turn", Outcome::Incomplete),
        ("interrupted", Outcome::Incomplete),
        ("moon phase", Outcome::UnknownFinish),
        ("stopp", Outcome::UnknownFinish),
        ("END_TURN", Outcome::Complete),
        ("tool-calls", Outcome::Complete),
    ] {
        let reading = streamed(&[&text("Hi"), &finish(word), DONE]);
        assert_eq!(reading.outcome, outcome, "{word}");
        assert_eq!(reading.finish_reason.as_deref(), Some(word));
        let says_word = message(&reading).contains(word);
        let is_named = matches!(
            outcome,
            Outcome::StreamError | Outcome::Incomplete | Outcome::UnknownFinish
        );
        assert_eq!(says_word, is_named, "{word}");
    }
    for known in FINISH_WORDS {
        let reading = streamed(&[&text("Hi"), &finish(known.word), DONE]);
        assert_eq!(reading.outcome, known.outcome, "{}", known.word);
    }
}

#[test]
fn nothing_is_not_an_answer() {
    // A server that loses its error sends only an end: counted as a success it would be the fastest model.
    let role = delta(r#"{"role":"assistant"}"#);
    let no_choices = event(r#"{"choices":[]}"#);
    let billed = event(r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":69}}"#);
    let call = delta(r#"{"tool_calls":[{"index":0,"id":"a","function":{}}]}"#);
    for frames in [
        vec![DONE],
        vec![role.as_str(), DONE],
        vec![no_choices.as_str(), DONE],
        vec![&role, &finish("stop"), DONE],
        vec![&finish("stop"), &billed, DONE],
        vec![&call, &finish("tool_calls"), DONE],
        vec![&finish("end_turn")],
    ] {
        let reading = streamed(&frames);
        assert_eq!(reading.outcome, Outcome::Empty, "{frames:?}");
        assert!(!message(&reading).is_empty() && reading.tool_calls.is_empty());
    }
    let whole =
        r#"{"choices":[{"message":{"role":"assistant","content":""},"finish_reason":"stop"}]}"#;
    assert_eq!(answered("m", false, &[whole]).outcome, Outcome::Empty);
    let messages = r#"{"type":"message","content":[],"stop_reason":"end_turn"}"#;
    assert_eq!(answered("m", false, &[messages]).outcome, Outcome::Empty);
    let responses = r#"{"object":"response","status":"completed","output":[]}"#;
    assert_eq!(answered("m", false, &[responses]).outcome, Outcome::Empty);
    // In the server's words, where it wrote any.
    let words = streamed(&["data: the engine is gone\n\n", DONE]);
    assert_eq!(
        (words.outcome, message(&words)),
        (Outcome::Empty, "the engine is gone")
    );

    // Hidden reasoning up to the limit, a refusal, a filter, a call, an image, reasoning: each is something.
    let image = delta(r#"{"images":[{"type":"image_url"}]}"#);
    let thought = delta(r#"{"reasoning":"Hm"}"#);
    let call = delta(r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f"}}]}"#);
    let refusal = delta(r#"{"refusal":"No."}"#);
    for (frames, outcome) in [
        (vec![&*billed, &*finish("length"), DONE], Outcome::Length),
        (vec![&*refusal, &*finish("stop"), DONE], Outcome::Refused),
        (vec![&*finish("content_filter"), DONE], Outcome::Filtered),
        (
            vec![&*call, &*finish("tool_calls"), DONE],
            Outcome::Complete,
        ),
        (vec![&*image, &*finish("stop"), DONE], Outcome::Complete),
        (vec![&*thought, &*finish("stop"), DONE], Outcome::Complete),
    ] {
        assert_eq!(streamed(&frames).outcome, outcome, "{frames:?}");
    }
}

#[test]
fn errors_are_found_in_every_place() {
    // An error under another name was an answer without a reason for its end.
    for place in ERROR_PLACES {
        let frame = format!("{}\n\n", place.example);
        for before in [None, Some(text("Hi"))] {
            let mut frames: Vec<&str> = before.iter().map(String::as_str).collect();
            frames.extend([frame.as_str(), DONE]);
            let reading = streamed(&frames);
            assert_eq!(reading.outcome, Outcome::StreamError, "{}", place.place);
            assert!(message(&reading).contains("slow down"), "{}", place.place);
        }
        // A whole answer that is the error.
        if let Some(json) = place.example.strip_prefix("data: ") {
            let reading = answered("m", false, &[json]);
            assert_eq!(reading.outcome, Outcome::StreamError, "{}", place.place);
        }
    }
    // The same fields in a success.
    let fine = r#"{"base_resp":{"status_code":0,"status_msg":""},"code":0,"choices":[{"message":{"content":"Hi"},"finish_reason":"stop","error":null}]}"#;
    assert_eq!(answered("m", false, &[fine]).outcome, Outcome::Complete);
    let progress = event(r#"{"status":"queued","message":"two before you"}"#);
    let reading = streamed(&[&progress, &text("Hi"), &finish("stop"), DONE]);
    assert_eq!(reading.outcome, Outcome::Complete);
}

#[test]
fn an_error_before_the_first_token_means_what_its_status_would() {
    // Gateways that have sent 200 attach the error to the choice; a limit on the rate is tried again.
    let in_choice = |code: u16| {
        let json = format!(
            r#"{{"choices":[{{"index":0,"message":{{"role":"assistant","content":""}},"finish_reason":"error","error":{{"code":{code},"message":"upstream says slow down"}}}}]}}"#
        );
        answered("m", false, &[json])
    };
    let limited = in_choice(429);
    assert_eq!(
        (limited.outcome, message(&limited)),
        (Outcome::RateLimited, "upstream says slow down")
    );
    assert_eq!(in_choice(502).outcome, Outcome::StreamError);
    let mini_max = |code: u16| {
        let json =
            format!(r#"{{"choices":null,"base_resp":{{"status_code":{code},"status_msg":"no"}}}}"#);
        streamed(&[&event(&json), DONE]).outcome
    };
    for (code, outcome) in [
        (1002, Outcome::RateLimited),
        (1004, Outcome::Unauthorized),
        (1008, Outcome::PaymentRequired),
        (1026, Outcome::Filtered),
        (1000, Outcome::StreamError),
    ] {
        assert_eq!(mini_max(code), outcome, "{code}");
    }
    let failed = |code: &str| {
        let json = format!(
            r#"{{"type":"response.failed","response":{{"status":"failed","error":{{"code":"{code}","message":"no"}}}}}}"#
        );
        streamed(&[&event(&json)]).outcome
    };
    for code in [
        "bio_policy",
        "cyber_policy",
        "image_content_policy_violation",
        "invalid_prompt",
    ] {
        assert_eq!(failed(code), Outcome::Filtered, "{code}");
    }
    assert_eq!(failed("server_error"), Outcome::StreamError);
}

#[test]
fn text_in_place_of_a_chunk_is_the_reason_of_an_answer_without_one() {
    // A proxy that loses its upstream writes a sentence into the stream and ends it in order.
    let sentence = "data: upstream connect error\n\n";
    let broken = streamed(&[&text("One and"), sentence, DONE]);
    assert_eq!(
        (broken.outcome, message(&broken)),
        (Outcome::ProtocolError, "upstream connect error")
    );
    let finished = streamed(&[&text("One"), sentence, &finish("stop"), DONE]);
    assert_eq!(finished.outcome, Outcome::Complete);
    let ping = streamed(&["data: ping\n\n", &text("One"), "data: keep-alive\n\n", DONE]);
    assert_eq!(ping.outcome, Outcome::Ended);
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table of bodies")]
fn error_bodies_have_the_outcome_of_their_cause() {
    // The remedy follows from the outcome: a wrong one sends its reader to the wrong place.
    for (status, body, outcome) in [
        (
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 300 tokens > 200 maximum"}}"#,
            Outcome::Rejected,
        ),
        (
            400,
            r#"{"error":{"message":"The supported API model names are a or b, but you passed c.","type":"invalid_request_error"}}"#,
            Outcome::ModelNotFound,
        ),
        (
            400,
            r#"{"error":{"message":"maker/nothing is not a valid model ID","code":400},"user_id":"u"}"#,
            Outcome::ModelNotFound,
        ),
        (
            400,
            r#"{"code":"invalid-argument","error":"Model not found: grok-none"}"#,
            Outcome::ModelNotFound,
        ),
        (
            400,
            r#"{"error":{"message":"The model `llama-2` has been decommissioned","type":"invalid_request_error","code":"model_decommissioned"}}"#,
            Outcome::ModelNotFound,
        ),
        (
            404,
            r#"{"error":{"message":"No endpoints found for maker/gone.","code":404}}"#,
            Outcome::ModelNotFound,
        ),
        (
            404,
            r#"{"error":{"message":"No endpoints found that support tool use. To learn more, visit the page","code":404}}"#,
            Outcome::Rejected,
        ),
        (
            404,
            r#"{"error":{"message":"No endpoints found matching your data policy (Free model publication).","code":404}}"#,
            Outcome::Forbidden,
        ),
        (
            404,
            r#"{"error":{"message":"tools is not supported in this model.","type":"invalid_request_error"}}"#,
            Outcome::Rejected,
        ),
        (404, r#"{"detail":"Not Found"}"#, Outcome::Rejected),
        (
            400,
            r#"{"code":"invalid-argument","error":"Incorrect API key provided: xa***. You can get one at the console."}"#,
            Outcome::Unauthorized,
        ),
        (
            400,
            r#"[{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}]"#,
            Outcome::Unauthorized,
        ),
        (
            403,
            r#"{"error":{"message":"Your input was flagged","code":403,"metadata":{"reasons":["violence"],"flagged_input":"x"}}}"#,
            Outcome::Filtered,
        ),
        (
            403,
            r#"{"error":{"message":"Provider returned error","code":403,"metadata":{"provider_name":"xAI","raw":"{\"code\":\"no permission\",\"error\":\"Content violates usage guidelines. Failed check: X\"}"}}}"#,
            Outcome::Filtered,
        ),
        (
            403,
            r#"{"error":{"message":"The model refused","code":403,"metadata":{"error_type":"refusal"}}}"#,
            Outcome::Refused,
        ),
        (
            403,
            r#"{"error":{"message":"This key may not do that","code":403}}"#,
            Outcome::Forbidden,
        ),
        (
            429,
            r#"{"error":{"message":"busy","type":"overloaded_error"}}"#,
            Outcome::RateLimited,
        ),
        (
            429,
            r#"[{"error":{"code":429,"message":"You exceeded your current quota, please check your plan and billing details.","status":"RESOURCE_EXHAUSTED"}}]"#,
            Outcome::RateLimited,
        ),
        (
            429,
            r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota"}}"#,
            Outcome::PaymentRequired,
        ),
        (
            429,
            r#"{"error":{"message":"Insufficient balance, please recharge","code":"1113"}}"#,
            Outcome::PaymentRequired,
        ),
        (
            413,
            r#"{"error":{"message":"Request too large: tokens per minute","type":"tokens","code":"rate_limit_exceeded"}}"#,
            Outcome::Rejected,
        ),
        (
            500,
            r#"{"error":{"message":"litellm.ContextWindowExceededError: too long","code":"500"}}"#,
            Outcome::Rejected,
        ),
        (503, "no healthy upstream", Outcome::ServerError),
    ] {
        let reading = failed("m", status, body);
        assert_eq!(reading.outcome, outcome, "{status} {body}");
    }
    // Each phrase of the table with the status that such errors usually have.
    for known in ERROR_PHRASES {
        let sentence = known.parts.join(" x ").replace('"', "");
        let body =
            format!(r#"{{"error":{{"message":"{sentence}","type":"invalid_request_error"}}}}"#);
        let expected = known.cause.outcome();
        assert_eq!(failed("m", 400, &body).outcome, expected, "{sentence}");
        let limited = failed("m", 429, &body).outcome;
        let is_money = known.cause == ErrorCause::Money;
        assert_eq!(limited == Outcome::PaymentRequired, is_money, "{sentence}");
    }
}

#[test]
fn a_page_of_a_proxy_names_it() {
    // The endpoint did not fail: what stands before it gave up.
    let page = "<html><head><title>504 Gateway Time-out</title></head></html>";
    let behind = |server: &str, body: &str| {
        let headers = [("server", server)];
        read_recording("m", true, &recording(504, &headers, &[body]))
    };
    let nginx = behind("nginx/1.31.3", page);
    assert_eq!(nginx.outcome, Outcome::ServerError);
    assert_eq!(
        message(&nginx),
        "an HTML page titled \"504 Gateway Time-out\", from the proxy nginx"
    );
    assert!(message(&behind("", "upstream request timeout")).ends_with("from the proxy Envoy"));
    // JSON is the endpoint's own: Envoy and Cloudflare write their name on everything.
    let own = behind("cloudflare", r#"{"error":{"message":"no"}}"#);
    assert_eq!(message(&own), "no");
    assert!(!message(&behind("uvicorn", page)).contains("proxy"));
}

#[test]
fn waits_are_read_wherever_they_stand() {
    // A wait that is not read costs two more 429s and then the trial.
    let limit = r#"{"error":{"message":"slow down","type":"rate_limit_error"}}"#;
    let wait = |headers: &[(&str, &str)], status: u16, body: &str| {
        read_recording("m", true, &recording(status, headers, &[body])).retry_after
    };
    for (headers, millis) in [
        ([("retry-after-ms", "3000")], 3_000),
        ([("retry-after", "3")], 3_000),
        ([("llm_provider-retry-after", "20")], 20_000),
        ([("llm_provider-retry-after-ms", "250")], 250),
        ([("x-ratelimit-reset-requests", "1m30s")], 90_000),
        ([("x-ratelimit-reset-tokens", "7.66s")], 7_660),
    ] {
        assert_eq!(
            wait(&headers, 429, limit),
            Some(wait_of(millis)),
            "{headers:?}"
        );
    }
    for (body, millis) in [
        (
            r#"[{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"3.2s"}]}}]"#,
            3_200,
        ),
        (
            r#"{"error":{"message":"slow down","retry_after":12}}"#,
            12_000,
        ),
        (
            r#"{"error":{"message":"Rate limit reached. Please try again in 1m2.5s."}}"#,
            62_500,
        ),
        (
            r#"{"error":{"message":"no","metadata":{"raw":"{\"error\":{\"message\":\"retry after 5 seconds\"}}"}}}"#,
            5_000,
        ),
    ] {
        assert_eq!(wait(&[], 429, body), Some(wait_of(millis)), "{body}");
    }
    // The header of a server has precedence, and a reset without a limit demands nothing.
    let body = r#"{"error":{"message":"try again in 20s"}}"#;
    assert_eq!(
        wait(&[("retry-after", "1")], 429, body),
        Some(wait_of(1_000))
    );
    assert_eq!(
        wait(&[("x-ratelimit-reset-requests", "6m")], 500, "broken"),
        None
    );
    // In a stream that began well.
    let reading = streamed(&[&event(
        r#"{"error":{"code":429,"message":"no","metadata":{"retry_after_seconds":2}}}"#,
    )]);
    assert_eq!(
        (reading.outcome, reading.retry_after),
        (Outcome::RateLimited, Some(wait_of(2_000)))
    );
}

/// The calls of an answer whose fragments are these: id, name, arguments.
fn calls(fragments: &[String]) -> Vec<(Option<String>, String, String)> {
    let frames: Vec<String> = fragments
        .iter()
        .map(|call| delta(&format!(r#"{{"tool_calls":[{call}]}}"#)))
        .chain([finish("tool_calls"), DONE.to_owned()])
        .collect();
    let reading = answered("m", true, &frames);
    assert_eq!(reading.outcome, Outcome::Complete);
    let sizes = reading.tool_calls.iter();
    let chars = sizes.map(|call| call.name.chars().count() + call.arguments.chars().count());
    assert_eq!(reading.answer_chars, Some(chars.sum::<usize>() as u64));
    let calls = reading.tool_calls.into_iter();
    calls
        .map(|call| (call.id, call.name, call.arguments))
        .collect()
}

#[test]
fn a_call_in_fragments_is_one_call() {
    // MiniMax on NIM, Novita and others repeat the name; some number nothing, some give each fragment an id.
    let own = |id: &str, name: &str, arguments: &str| {
        (Some(id.to_owned()), name.to_owned(), arguments.to_owned())
    };
    let arguments = [r#"{\"pa"#, r#"th\":"#, r#"\"a{\"}"#];
    let whole = r#"{"path":"a{"}"#;
    let fragments = |template: &dyn Fn(usize, &str) -> String| -> Vec<String> {
        (0..)
            .zip(arguments)
            .map(|(n, part)| template(n, part))
            .collect()
    };
    let repeated = fragments(&|_, part| {
        format!(r#"{{"index":0,"id":"a","function":{{"name":"read","arguments":"{part}"}}}}"#)
    });
    assert_eq!(calls(&repeated), [own("a", "read", whole)]);
    let unnumbered = fragments(&|_, part| {
        format!(r#"{{"id":"a","function":{{"name":"read","arguments":"{part}"}}}}"#)
    });
    assert_eq!(calls(&unnumbered), [own("a", "read", whole)]);
    let nothing =
        fragments(&|_, part| format!(r#"{{"function":{{"name":"read","arguments":"{part}"}}}}"#));
    assert_eq!(
        calls(&nothing),
        [(None, "read".to_owned(), whole.to_owned())]
    );
    let fresh = fragments(&|n, part| {
        let name = if n == 0 { r#""name":"read","# } else { "" };
        format!(r#"{{"index":0,"id":"i{n}","function":{{{name}"arguments":"{part}"}}}}"#)
    });
    assert_eq!(calls(&fresh), [own("i0", "read", whole)]);
    // Two calls of one function are two, also where all of them are numbered 0.
    let two: Vec<String> = repeated
        .iter()
        .cloned()
        .chain(
            repeated
                .iter()
                .map(|part| part.replace(r#""id":"a""#, r#""id":"b""#)),
        )
        .collect();
    assert_eq!(
        calls(&two),
        [own("a", "read", whole), own("b", "read", whole)]
    );
}

#[test]
fn a_long_call_with_an_id_on_each_fragment_is_not_too_large() {
    // 301 fragments were 301 calls, of which an answer may have 256.
    let mut fragments = vec![
        r#"{"index":0,"id":"i","function":{"name":"write","arguments":"{\"text\":\""}}"#.to_owned(),
    ];
    fragments.extend(
        (0..300).map(|n| format!(r#"{{"index":0,"id":"i{n}","function":{{"arguments":"x"}}}}"#)),
    );
    fragments.push(r#"{"index":0,"id":"end","function":{"arguments":"\"}"}}"#.to_owned());
    fragments.push(r#"{"index":0,"id":"more","function":{"arguments":""}}"#.to_owned());
    let written = calls(&fragments);
    assert_eq!(written.len(), 1);
    assert_eq!(written[0].2, format!(r#"{{"text":"{}"}}"#, "x".repeat(300)));
}

#[test]
fn halves_of_a_character_in_two_chunks_are_joined() {
    // Servers in JavaScript cut texts between the halves of an emoji.
    let reading = streamed(&[&text(r"a\ud83e"), &text(r"\udd80b"), &finish("stop"), DONE]);
    assert_eq!(reading.answer.as_deref(), Some("a🦀b"));
    assert_eq!(reading.answer_chars, Some(3));
    let thought = [r#"{"reasoning":"\ud83d"}"#, r#"{"reasoning":"\ude00"}"#].map(delta);
    let reading = streamed(&[&thought[0], &thought[1], &text("x"), &finish("stop")]);
    assert_eq!(reading.reasoning.as_deref(), Some("😀"));
    assert_eq!(reading.reasoning_chars, Some(1));
    let call = |part: &str| {
        delta(&format!(
            r#"{{"tool_calls":[{{"index":0,"function":{{"name":"f","arguments":"{part}"}}}}]}}"#
        ))
    };
    let reading = streamed(&[
        &call(r#"{\"a\":\"\ud83e"#),
        &call(r#"\udd80\"}"#),
        &finish("tool_calls"),
    ]);
    assert_eq!(reading.tool_calls[0].arguments, r#"{"a":"🦀"}"#);
    // A half that stays alone is replaced, in the middle and at the end.
    let reading = streamed(&[
        &text(r"a\ud83e"),
        &text("b"),
        &text(r"\ud83e"),
        &finish("stop"),
    ]);
    assert_eq!(reading.answer.as_deref(), Some("a\u{fffd}b\u{fffd}"));
}

#[test]
fn reasoning_in_parts_of_the_content_is_reasoning() {
    // Databricks and others write it as parts; counted as answer it makes TTFA too early.
    for part in [
        r#"{"type":"reasoning","text":"Hm"}"#,
        r#"{"type":"thinking","thinking":"Hm"}"#,
        r#"{"type":"reasoning_text","text":"Hm"}"#,
        r#"{"type":"reasoning","reasoning":"Hm"}"#,
        r#"{"type":"reasoning","summary":[{"type":"summary_text","text":"Hm"}]}"#,
    ] {
        let first = delta(&format!(r#"{{"content":[{part}]}}"#));
        let second = delta(r#"{"content":[{"type":"text","text":"Hi"}]}"#);
        let reading = streamed(&[&first, &second, &finish("stop"), DONE]);
        assert_eq!(reading.reasoning.as_deref(), Some("Hm"), "{part}");
        assert_eq!(reading.answer.as_deref(), Some("Hi"), "{part}");
        assert_eq!(
            (reading.first_token, reading.first_answer),
            (Some(ms(10)), Some(ms(20)))
        );
        let is_summary = part.contains("summary");
        assert_eq!(
            reading.flags.contains(&Flag::HiddenReasoning),
            is_summary,
            "{part}"
        );
    }
}

#[test]
fn output_tokens_alone_keep_the_counts_of_the_start() {
    // The last event of the Messages route has the output alone: the prompt is that of the first one.
    let reading = answered(
        "m",
        true,
        &[
            event(
                r#"{"type":"message_start","message":{"id":"m1","usage":{"input_tokens":1500,"cache_read_input_tokens":200,"cache_creation_input_tokens":30,"output_tokens":1}}}"#,
            ),
            event(
                r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}"#,
            ),
            event(
                r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":15}}"#,
            ),
            event(r#"{"type":"message_stop"}"#),
        ],
    );
    let usage = reading.usage.unwrap();
    assert_eq!(
        [
            usage.prompt_tokens,
            usage.completion_tokens,
            usage.cached_tokens,
            usage.cache_write_tokens
        ],
        [Some(1_730), Some(15), Some(200), Some(30)]
    );
}
