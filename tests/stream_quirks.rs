//! The quirks of real streams, one test each, numbered as in the project's notes on the wire:
//! when the clock stops (1 to 9), bytes and framing (10 to 17), the end of a stream (18 to 22),
//! errors inside HTTP 200 (23 to 25), shapes of content (26 to 30), transport (31, 32).

use std::io::Write;

use bakeoff::gateway::{Body, Deadline, Ending, Reading, Recording, Response, read};
use bakeoff::record::{Flag, Outcome};
use bakeoff::units::{ModelId, Nanos};
use proptest::prelude::*;

const ASKED: &str = "openai/gpt-5-mini";

fn asked() -> ModelId {
    ASKED.parse().expect("the id is well formed")
}

const fn ms(millis: u64) -> Nanos {
    Nanos::from_millis(millis)
}

/// An answer of HTTP 200 whose frames were waited for: frame `n` (from 1) came at `10 n` ms.
fn recording(frames: &[impl AsRef<[u8]>]) -> Recording {
    let mut body = Body::default();
    for (at, frame) in (1..).zip(frames) {
        body.push(ms(10 * at), true, frame.as_ref())
            .expect("test frames are far below the limits");
    }
    Recording {
        sent: ms(1),
        connect: None,
        response: Some(Response {
            status: 200,
            headers: vec![("content-type".to_owned(), "text/event-stream".to_owned())],
            at: ms(5),
            body,
        }),
        end: ms(1_000),
        ending: Ending::Complete,
    }
}

fn streamed(frames: &[impl AsRef<[u8]>]) -> Reading {
    read(&recording(frames), &asked(), true)
}

fn with_status(status: u16, body: &str) -> Reading {
    let mut recording = recording(&[body]);
    let response = recording.response.as_mut();
    response.expect("it was made with one").status = status;
    read(&recording, &asked(), true)
}

/// An event of one chunk.
fn event(chunk: &str) -> String {
    format!("data: {chunk}\n\n")
}

/// A chunk with this delta.
fn delta(delta: &str) -> String {
    event(&format!(
        r#"{{"id":"gen_1","choices":[{{"index":0,"delta":{delta},"finish_reason":null}}]}}"#
    ))
}

fn content(text: &str) -> String {
    delta(&format!(r#"{{"content":"{text}"}}"#))
}

fn finish(reason: &str) -> String {
    event(&format!(
        r#"{{"choices":[{{"index":0,"delta":{{}},"finish_reason":"{reason}"}}]}}"#
    ))
}

const ROLE: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";

#[test]
fn item_01_role_only_first_chunk_is_no_token() {
    // Most servers send the role before the model has begun: counting it flatters them.
    let empty = delta(r#"{"role":"assistant","content":""}"#);
    let null = delta(r#"{"content":null,"reasoning":null,"tool_calls":null}"#);
    let reading = streamed(&[ROLE, &empty, &null, &content("Hi"), &finish("stop"), DONE]);
    assert_eq!(reading.first_token, Some(ms(40)));
    assert_eq!(reading.last_token, Some(ms(40)));
    assert_eq!(reading.outcome, Outcome::Complete);
}

#[test]
fn item_02_reasoning_stops_the_first_clock_and_content_the_second() {
    // TTFT counts from the first thought, TTFA from the first word of the answer.
    let thought =
        delta(r#"{"reasoning":"Hm","reasoning_details":[{"type":"reasoning.text","text":"Hm"}]}"#);
    let reading = streamed(&[ROLE, &thought, &content("Hi"), &finish("stop"), DONE]);
    assert_eq!(reading.headers, Some(ms(5)));
    assert_eq!(reading.first_token, Some(ms(20)));
    assert_eq!(reading.first_answer, Some(ms(30)));
    assert_eq!(reading.reasoning.as_deref(), Some("Hm"));
    assert_eq!(reading.answer.as_deref(), Some("Hi"));
    assert_eq!(
        (reading.reasoning_chars, reading.answer_chars),
        (Some(2), Some(2))
    );
}

#[test]
fn item_03_a_tool_call_is_an_answer() {
    // An answer that only calls a tool never has content: its name is the first token.
    let id_only = delta(r#"{"tool_calls":[{"index":0,"id":"call_1","type":"function"}]}"#);
    let name =
        delta(r#"{"tool_calls":[{"index":0,"function":{"name":"weather","arguments":""}}]}"#);
    let more = delta(r#"{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}"#);
    let reading = streamed(&[ROLE, &id_only, &name, &more, &finish("tool_calls"), DONE]);
    assert_eq!(reading.outcome, Outcome::Complete);
    assert_eq!(reading.first_answer, Some(ms(30)));
    assert_eq!(reading.last_token, Some(ms(40)));
    assert_eq!(reading.answer, None);
    assert_eq!(reading.answer_chars, Some(9));
    let call = &reading.tool_calls[0];
    assert_eq!(
        (call.id.as_deref(), call.name.as_str()),
        (Some("call_1"), "weather")
    );
    assert_eq!(call.arguments, "{}");
}

#[test]
fn item_04_a_refusal_is_output_and_is_told() {
    // A refusal took time and tokens, but it is no answer to compare.
    let refusal = delta(r#"{"refusal":"I cannot"}"#);
    let reading = streamed(&[ROLE, &refusal, &finish("stop"), DONE]);
    assert_eq!(reading.outcome, Outcome::Refused);
    assert_eq!(reading.first_answer, Some(ms(20)));
    assert_eq!(reading.answer.as_deref(), Some("I cannot"));
}

#[test]
fn item_05_the_finish_chunk_does_not_move_the_first_token() {
    // A whole answer in one chunk keeps that chunk's instant, not that of the usage after it.
    let usage = event(r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1}}"#);
    let reading = streamed(&[&content("Hi"), &finish("stop"), &usage, DONE]);
    assert_eq!(reading.first_token, Some(ms(10)));
    assert_eq!(reading.last_token, Some(ms(10)));
    assert!(reading.gaps.gaps.is_empty());
}

#[test]
fn item_06_no_token_is_absent_and_not_zero() {
    // An answer without a token has no TTFT, but it happened.
    let reading = streamed(&[ROLE, &finish("stop"), DONE]);
    assert_eq!(reading.outcome, Outcome::Complete);
    assert_eq!(
        (reading.first_token, reading.first_chunk_chars),
        (None, None)
    );
    assert_eq!((reading.answer_chars, reading.answer), (Some(0), None));
}

#[test]
fn item_07_a_chunk_is_not_a_token() {
    // Counts come from usage; gaps are between chunks, however many tokens each holds.
    let usage = event(r#"{"choices":[],"usage":{"completion_tokens":42}}"#);
    let reading = streamed(&[
        &content("one two"),
        &content(" three four"),
        &finish("stop"),
        &usage,
        DONE,
    ]);
    assert_eq!(reading.usage.unwrap().completion_tokens, Some(42));
    assert_eq!(reading.gaps.gaps, [ms(10)]);
    assert_eq!(reading.first_chunk_chars, Some(7));
}

#[test]
fn item_08_hidden_reasoning_is_flagged() {
    // Rates over visible time mean nothing where tokens were thought out of sight.
    let usage =
        r#""usage":{"completion_tokens":50,"completion_tokens_details":{"reasoning_tokens":40}}"#;
    let usage = event(&format!(r#"{{"choices":[],{usage}}}"#));
    let silent = streamed(&[&content("Hi"), &finish("stop"), &usage, DONE]);
    assert_eq!(silent.flags, [Flag::HiddenReasoning]);
    let thought = delta(r#"{"reasoning":"Hm"}"#);
    let open = streamed(&[&thought, &content("Hi"), &finish("stop"), &usage, DONE]);
    assert_eq!(open.flags, []);
    let summary = delta(
        r#"{"reasoning":"Hm","reasoning_details":[{"type":"reasoning.summary","summary":"Hm"}]}"#,
    );
    let summarised = streamed(&[&summary, &content("Hi"), &finish("stop"), DONE]);
    assert_eq!(summarised.flags, [Flag::HiddenReasoning]);
    let encrypted = delta(r#"{"reasoning_details":[{"type":"reasoning.encrypted","data":"xyz"}]}"#);
    let encrypted = streamed(&[&encrypted, &content("Hi"), &finish("stop"), DONE]);
    assert_eq!(encrypted.flags, [Flag::HiddenReasoning]);
    assert_eq!(encrypted.first_token, Some(ms(20)));
}

#[test]
fn item_09_progress_comments_and_metadata_are_no_tokens() {
    // Servers keep a line alive with many things; none of them is the model speaking.
    let reading = streamed(&[
        ": PROCESSING\n\n".to_owned(),
        "event: ping\ndata: {\"type\":\"ping\"}\n\n".to_owned(),
        event(r#"{"choices":[],"prompt_progress":{"total":9,"processed":3}}"#),
        delta(r#"{"provider_metadata":{"gateway":{"cost":"0.1"}}}"#),
        delta(r#"{"obfuscation":"xxxxxx"}"#),
        content("Hi"),
        finish("stop"),
        DONE.to_owned(),
    ]);
    assert_eq!(reading.first_token, Some(ms(60)));
    assert_eq!(reading.outcome, Outcome::Complete);
}

#[test]
fn item_10_events_are_cut_at_their_end_and_not_at_reads() {
    // One event in several reads, several events in one read: the instant is that of the read
    // that completed the event.
    let (one, two) = (content("one"), content("two"));
    let (head, tail) = one.split_at(20);
    let rest = format!("{tail}{two}{}", finish("stop"));
    let reading = streamed(&[head, &rest, DONE]);
    assert_eq!(reading.answer.as_deref(), Some("onetwo"));
    assert_eq!(
        (reading.first_token, reading.last_token),
        (Some(ms(20)), Some(ms(20)))
    );
    assert_eq!((reading.gaps.gaps.len(), reading.gaps.coalesced), (0, 1));
}

#[test]
fn item_11_a_read_may_end_inside_a_character() {
    // One byte per read: a decoder that works read by read loses every character beyond ASCII.
    let stream = format!("{}{}{DONE}", content("Grüße, 世界 🦀"), finish("stop"));
    let bytes: Vec<[u8; 1]> = stream.bytes().map(|byte| [byte]).collect();
    let reading = streamed(&bytes);
    assert_eq!(reading.answer.as_deref(), Some("Grüße, 世界 🦀"));
    assert_eq!(reading.answer_chars, Some(11));
    assert_eq!(reading.outcome, Outcome::Complete);
}

#[test]
fn item_12_crlf_and_cr_end_lines_even_when_split() {
    // Line ends of either kind, a pair split over two reads, and no waiting for what may follow a CR.
    for line_end in ["\r\n", "\r"] {
        let stream = [content("Hi"), finish("stop"), DONE.to_owned()];
        let reading = streamed(&stream.map(|event| event.replace('\n', line_end)));
        assert_eq!(reading.answer.as_deref(), Some("Hi"));
        assert_eq!((reading.first_token, reading.end), (Some(ms(10)), ms(30)));
    }
    let one = content("Hi").replace('\n', "\r\n");
    let (head, line_feed) = one.split_at(one.len() - 1);
    let reading = streamed(&[head, line_feed, &finish("stop"), DONE]);
    assert_eq!(
        (reading.answer.as_deref(), reading.first_token),
        (Some("Hi"), Some(ms(10)))
    );
}

#[test]
fn item_13_no_space_several_lines_and_a_bom() {
    // The format allows all three; a stream that uses them is a stream.
    let stream = format!(
        "\u{feff}data:{}\n\ndata: {{\"choices\":\ndata: [{{\"delta\":{{\"content\":\"b\"}},\ndata:\"finish_reason\":\"stop\"}}]}}\n\ndata:[DONE]\n\n",
        r#"{"choices":[{"delta":{"content":"a"}}]}"#
    );
    let reading = streamed(&[stream]);
    assert_eq!(reading.answer.as_deref(), Some("ab"));
    assert_eq!(reading.outcome, Outcome::Complete);
}

#[test]
fn item_14_comments_may_stand_anywhere() {
    // Even between the lines of an event.
    let hi = content("Hi");
    let stream = format!(
        ": a\n{}: b\n\n:\n{}{DONE}",
        hi.trim_end_matches('\n').to_owned() + "\n",
        finish("stop")
    );
    let reading = streamed(&[stream]);
    assert_eq!(reading.answer.as_deref(), Some("Hi"));
    assert_eq!(reading.outcome, Outcome::Complete);
}

#[test]
fn item_15_blank_lines_before_a_json_body() {
    // A queueing server sends blank lines until it answers; the answer counts, TTFT does not exist.
    let body = r#"{"id":"gen_2","choices":[{"message":{"role":"assistant","content":"Hi","reasoning":"Hm"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#;
    for streamed in [false, true] {
        let reading = read(&recording(&["\n", "\n\n", body]), &asked(), streamed);
        assert_eq!(reading.outcome, Outcome::Complete);
        assert_eq!(reading.answer.as_deref(), Some("Hi"));
        assert_eq!(reading.reasoning.as_deref(), Some("Hm"));
        assert_eq!(reading.usage.unwrap().completion_tokens, Some(2));
        assert_eq!((reading.first_token, reading.last_token), (None, None));
        assert_eq!(reading.end, ms(1_000));
    }
}

#[test]
fn item_16_a_last_event_without_its_blank_line_counts_when_its_json_is_whole() {
    // Some servers forget the last blank line; a cut leaves half a chunk. The JSON tells them apart.
    let last = finish("stop");
    let whole = streamed(&[&content("Hi"), last.trim_end()]);
    assert_eq!(whole.outcome, Outcome::Complete);
    let half = streamed(&[&content("Hi"), &last[..last.len() - 10]]);
    assert_eq!(
        (half.outcome, half.answer.as_deref()),
        (Outcome::Cut, Some("Hi"))
    );
    let done = streamed(&[&content("Hi"), "data: [DONE]"]);
    assert_eq!(done.outcome, Outcome::Ended);
}

#[test]
fn item_17_a_very_large_event_is_read() {
    // Images and routing reports make events of megabytes: no line limit may stop them.
    let text = "x".repeat(3 << 20);
    let stream = [content(&text), finish("stop"), DONE.to_owned()].concat();
    let frames: Vec<&[u8]> = stream.as_bytes().chunks(16 << 10).collect();
    let reading = streamed(&frames);
    assert_eq!(reading.answer_chars, Some(3 << 20));
    assert_eq!(reading.outcome, Outcome::Complete);
}

#[test]
fn item_18_three_ways_to_end() {
    // A reason for the end, `[DONE]` only, neither: complete, ended, cut.
    let hi = content("Hi");
    assert_eq!(streamed(&[&hi, &finish("stop")]).outcome, Outcome::Complete);
    assert_eq!(streamed(&[&hi, DONE]).outcome, Outcome::Ended);
    assert_eq!(streamed(&[&hi]).outcome, Outcome::Cut);
    for (reason, outcome) in [
        ("length", Outcome::Length),
        ("content_filter", Outcome::Filtered),
        ("tool_calls", Outcome::Complete),
        ("eos", Outcome::Complete),
    ] {
        let reading = streamed(&[&hi, &finish(reason), DONE]);
        assert_eq!(
            (reading.outcome, reading.finish_reason.as_deref()),
            (outcome, Some(reason))
        );
    }
}

#[test]
fn item_18_a_broken_line_after_the_end_does_not_unmake_the_answer() {
    // What had been said to its end stays said; what had not keeps its stamps and its failure.
    let endings = [
        (
            Ending::ConnectionLost("reset".to_owned()),
            Outcome::ConnectionLost,
        ),
        (Ending::TimedOut(Deadline::Gap), Outcome::TimedOutGap),
        (Ending::TimedOut(Deadline::Total), Outcome::TimedOutTotal),
    ];
    for (ending, outcome) in endings {
        let with = |frames: &[&str]| {
            let recording = Recording {
                ending: ending.clone(),
                ..recording(frames)
            };
            read(&recording, &asked(), true)
        };
        let hi = content("Hi");
        let finished = with(&[&hi, &finish("stop")]);
        assert_eq!(
            (finished.outcome, finished.end),
            (Outcome::Complete, ms(20))
        );
        let done = with(&[&hi, DONE]);
        assert_eq!((done.outcome, done.end), (Outcome::Ended, ms(20)));
        let broken = with(&[&hi, &hi]);
        assert_eq!((broken.outcome, broken.end), (outcome, ms(1_000)));
        assert_eq!(
            (broken.first_token, broken.last_token),
            (Some(ms(10)), Some(ms(20)))
        );
    }
}

#[test]
fn item_19_a_null_finish_reason_on_a_complete_answer() {
    // The answer is there: it ended, without saying why.
    let reading = streamed(&[&content("Hi"), &delta("{}"), DONE]);
    assert_eq!(
        (reading.outcome, reading.finish_reason),
        (Outcome::Ended, None)
    );
    let json = r#"{"choices":[{"message":{"content":"Hi"},"finish_reason":null}]}"#;
    assert_eq!(with_status(200, json).outcome, Outcome::Ended);
}

#[test]
fn item_20_the_last_usage_that_speaks_counts() {
    // In the finish chunk, after it, on every chunk and cumulative, null or zero before the end.
    let usage = |tokens: &str| event(&format!(r#"{{"choices":[],"usage":{tokens}}}"#));
    let counted = |frames: &[String]| {
        streamed(frames)
            .usage
            .and_then(|usage| usage.completion_tokens)
    };
    let three = r#"{"prompt_tokens":9,"completion_tokens":3}"#;
    let in_finish = event(&format!(
        r#"{{"choices":[{{"delta":{{}},"finish_reason":"stop"}}],"usage":{three}}}"#
    ));
    let (hi, end, done) = (content("Hi"), finish("stop"), DONE.to_owned());
    let zero = usage(r#"{"prompt_tokens":9,"completion_tokens":0}"#);
    let one = usage(r#"{"prompt_tokens":9,"completion_tokens":1}"#);
    assert_eq!(counted(&[hi.clone(), in_finish, done.clone()]), Some(3));
    assert_eq!(
        counted(&[hi.clone(), end.clone(), usage(three), done.clone()]),
        Some(3)
    );
    assert_eq!(
        counted(&[
            zero,
            hi.clone(),
            one,
            end.clone(),
            usage(three),
            usage("null"),
            done.clone()
        ]),
        Some(3)
    );
    let groq = event(r#"{"choices":[],"x_groq":{"usage":{"completion_tokens":3}}}"#);
    assert_eq!(counted(&[hi.clone(), groq, done.clone()]), Some(3));
    assert_eq!(counted(&[hi, end, done]), None);
}

#[test]
fn item_21_choices_may_be_empty_null_or_missing() {
    // Such chunks carry usage or nothing at all; they end nothing and break nothing.
    let reading = streamed(&[
        event(r#"{"choices":[]}"#),
        event(r#"{"choices":null}"#),
        event(r#"{"object":"chat.completion.chunk"}"#),
        content("Hi"),
        event(r#"{"choices":null,"usage":{"prompt_tokens":4}}"#),
        finish("stop"),
    ]);
    assert_eq!(
        (reading.outcome, reading.first_token),
        (Outcome::Complete, Some(ms(40)))
    );
    assert_eq!(reading.usage.unwrap().prompt_tokens, Some(4));
}

#[test]
fn item_22_usage_after_the_finish_reason_is_read_and_nothing_after_done() {
    // Whoever stops at the finish reason loses the bill; whoever reads past `[DONE]` reads noise.
    let bill = event(r#"{"choices":[],"usage":{"completion_tokens":3,"cost":0.0001}}"#);
    let reading = streamed(&[
        &content("Hi"),
        &finish("stop"),
        &bill,
        DONE,
        &content("noise"),
    ]);
    assert_eq!(reading.billed_usd, Some("0.0001".parse().unwrap()));
    assert_eq!(
        (reading.answer.as_deref(), reading.end),
        (Some("Hi"), ms(40))
    );
}

#[test]
fn item_23_errors_inside_an_answer_that_began_well() {
    // HTTP 200 is only the beginning: an error may come as any event, in many shapes.
    for error in [
        event(r#"{"error":{"message":"overloaded","type":"overloaded_error"}}"#),
        event(r#"{"choices":[],"error":{"message":"overloaded","code":529}}"#),
        event(r#"{"choices":[{"delta":{"content":""},"finish_reason":"error"}],"error":{"message":"overloaded"}}"#),
        "event: error\ndata: {\"message\":\"overloaded\"}\n\n".to_owned(),
        "event: error\ndata: overloaded\n\n".to_owned(),
        event(r#"{"choices":[{"delta":{"content":""}}],"error_type":"server","error_message":"overloaded"}"#),
        event(r#"{"choices":[],"x_groq":{"error":"overloaded"}}"#),
        event(r#"{"error":{"code":"error","message":"Stream error occurred","name":"AI_TypeValidationError",
            "value":{"error_message":"{\"error\":{\"message\":\"overloaded\"}}"}}}"#)
            .replace("\n            ", " "),
    ] {
        for end in ["", DONE] {
            let reading = streamed(&[ROLE, &content("Hi"), &error, end]);
            assert_eq!(reading.outcome, Outcome::StreamError, "{error}");
            let report = reading.error.unwrap();
            assert!(report.message.contains("overloaded"), "{}", report.message);
            assert_eq!((report.status, reading.first_token), (Some(200), Some(ms(20))));
        }
    }
    let first = streamed(&[event(
        r#"{"error":{"message":"slow down","type":"rate_limit_exceeded"}}"#,
    )]);
    assert_eq!(first.outcome, Outcome::RateLimited);
    assert_eq!(
        first.error.unwrap().kind.as_deref(),
        Some("rate_limit_exceeded")
    );
}

#[test]
fn item_24_finish_reason_error_is_a_failure() {
    // It may come without any error beside it, and with `usage: null`.
    let failed = event(r#"{"choices":[{"delta":{},"finish_reason":"error"}],"usage":null}"#);
    let reading = streamed(&[&content("Hi"), &failed, DONE]);
    assert_eq!(reading.outcome, Outcome::StreamError);
    assert_eq!(reading.finish_reason.as_deref(), Some("error"));
    assert_eq!(reading.usage, None);
}

#[test]
fn item_25_a_page_from_a_proxy_is_named() {
    // The page's title is what tells the user which proxy stands in between.
    let page = "<!DOCTYPE html><html><head><title>Sign in</title></head></html>";
    let reading = with_status(200, page);
    assert_eq!(reading.outcome, Outcome::ProtocolError);
    assert!(reading.error.unwrap().message.contains("Sign in"));
    let reading = with_status(502, page);
    assert_eq!(reading.outcome, Outcome::ServerError);
    assert!(reading.error.unwrap().message.contains("Sign in"));
    let reading = with_status(200, "upstream connect error");
    assert_eq!(reading.outcome, Outcome::ProtocolError);
    assert_eq!(reading.error.unwrap().message, "upstream connect error");
}

#[test]
fn item_26_azures_first_chunk_names_no_model_and_no_id() {
    // Its empty strings must not stand in for the real ones that follow.
    let first = event(
        r#"{"choices":[],"created":0,"id":"","model":"","prompt_filter_results":[{"prompt_index":0}]}"#,
    );
    let second = event(
        r#"{"id":"chatcmpl-7","model":"gpt-5-mini","choices":[{"delta":{"content":"Hi"},"finish_reason":"stop"}]}"#,
    );
    let reading = streamed(&[&first, &second, DONE]);
    assert_eq!(reading.generation_id.as_deref(), Some("chatcmpl-7"));
    assert_eq!(reading.first_token, Some(ms(20)));
    assert_eq!(reading.flags, []);
}

#[test]
fn item_27_content_as_parts_with_finish_and_usage() {
    // Mistral sends thinking and text as parts of a list, padding, and everything in one chunk.
    let thinking = delta(
        r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"Hm"}]}],"p":"abcdef"}"#,
    );
    let last = event(
        r#"{"choices":[{"delta":{"content":[{"type":"text","text":"Hi"}]},"finish_reason":"stop"}],"usage":{"completion_tokens":2},"p":"ab"}"#,
    );
    let reading = streamed(&[&thinking, &last, DONE]);
    assert_eq!(reading.reasoning.as_deref(), Some("Hm"));
    assert_eq!(reading.answer.as_deref(), Some("Hi"));
    assert_eq!(
        (reading.first_token, reading.first_answer),
        (Some(ms(10)), Some(ms(20)))
    );
    assert_eq!(reading.usage.unwrap().completion_tokens, Some(2));
}

#[test]
fn item_28_reasoning_under_two_names_is_taken_once() {
    // Servers in transition send both names, and details beside them.
    let both = delta(
        r#"{"reasoning":"Hm","reasoning_content":"Hm","reasoning_details":[{"type":"reasoning.text","text":"Hm"}]}"#,
    );
    let newer = delta(r#"{"reasoning":"","reasoning_content":", well"}"#);
    let reading = streamed(&[&both, &newer, &content("Hi"), &finish("stop")]);
    assert_eq!(reading.reasoning.as_deref(), Some("Hm, well"));
    assert_eq!(reading.reasoning_chars, Some(8));
    let details = delta(r#"{"reasoning_details":[{"type":"reasoning.text","text":"Hm"}]}"#);
    let reading = streamed(&[&details, &content("Hi"), &finish("stop")]);
    assert_eq!(
        (reading.reasoning.as_deref(), reading.first_token),
        (Some("Hm"), Some(ms(10)))
    );
}

#[test]
fn item_29_tool_fragments_are_joined_by_index() {
    // Interleaved calls, calls without numbers, and several calls all numbered 0.
    let call = |part: &str| delta(&format!(r#"{{"tool_calls":[{part}]}}"#));
    let joined = |parts: &[&str]| -> Vec<(String, String)> {
        let frames: Vec<String> = parts.iter().map(|part| call(part)).collect();
        let calls = streamed(&frames).tool_calls;
        calls
            .into_iter()
            .map(|call| (call.name, call.arguments))
            .collect()
    };
    let expected = [
        ("a".to_owned(), "12".to_owned()),
        ("b".to_owned(), "34".to_owned()),
    ];
    let numbered = joined(&[
        r#"{"index":0,"id":"x","function":{"name":"a","arguments":""}}"#,
        r#"{"index":1,"id":"y","function":{"name":"b","arguments":"3"}}"#,
        r#"{"index":0,"function":{"arguments":"12"}},{"index":1,"function":{"arguments":"4"}}"#,
    ]);
    assert_eq!(numbered, expected);
    let unnumbered = joined(&[
        r#"{"id":"x","function":{"name":"a","arguments":"1"}}"#,
        r#"{"function":{"arguments":"2"}}"#,
        r#"{"id":"y","function":{"name":"b","arguments":"3"}}"#,
        r#"{"function":{"arguments":"4"}}"#,
    ]);
    assert_eq!(unnumbered, expected);
    let all_zero = joined(&[
        r#"{"index":0,"id":"x","function":{"name":"a","arguments":"12"}}"#,
        r#"{"index":0,"id":"y","function":{"name":"b","arguments":"34"}}"#,
    ]);
    assert_eq!(all_zero, expected);
}

#[test]
fn item_30_think_tags_in_content_are_flagged() {
    // A server without a parser mixes thought and answer: it is counted as answer, and told.
    for parts in [["<thi", "nk>Hm</think>Hi"], ["Hm</think>", "Hi"]] {
        let reading = streamed(&[&content(parts[0]), &content(parts[1]), &finish("stop")]);
        assert_eq!(reading.flags, [Flag::ThinkTags]);
        assert_eq!(reading.answer, Some(parts.concat()));
    }
    let prose = streamed(&[&content("the <think> tag"), &finish("stop")]);
    assert_eq!(prose.flags, []);
}

#[test]
fn item_31_a_burst_is_buffered() {
    // Held back by a proxy, an answer comes all at once: its TTFT is its latency.
    let burst = |chunks: usize, waited: bool| {
        let mut recording = recording(&[ROLE]);
        let body = &mut recording.response.as_mut().unwrap().body;
        for chunk in 0..chunks {
            let at = ms(500 + chunk as u64);
            body.push(at, chunk == 0 || waited, content("word ").as_bytes())
                .unwrap();
        }
        body.push(
            ms(600),
            false,
            format!("{}{DONE}", finish("stop")).as_bytes(),
        )
        .unwrap();
        read(&recording, &asked(), true)
    };
    let buffered = burst(8, false);
    assert_eq!(buffered.flags, [Flag::Buffered]);
    assert_eq!((buffered.gaps.gaps.len(), buffered.gaps.coalesced), (0, 7));
    assert_eq!(burst(7, false).flags, []);
    assert_eq!(burst(8, true).flags, []);
    assert_eq!(burst(8, true).gaps.gaps, [ms(1); 7]);
    let one_read = streamed(&[[content("w").repeat(8), finish("stop")].concat()]);
    assert_eq!(one_read.flags, [Flag::Buffered]);
}

#[test]
fn item_31_a_burst_in_several_reads_is_buffered() {
    // A quick reader is done with one part of a burst before the next is there: it waited, but for
    // the copying alone, and such a sample must not bring in its latency as a TTFT.
    let parts = |apart_us: u64, chunks: usize| {
        let mut recording = recording(&[ROLE]);
        let body = &mut recording.response.as_mut().unwrap().body;
        for chunk in 0..chunks {
            let at = Nanos(500_000_000 + chunk as u64 * apart_us * 1_000);
            body.push(at, true, content("word ").as_bytes()).unwrap();
        }
        let end = format!("{}{DONE}", finish("stop"));
        body.push(ms(600), false, end.as_bytes()).unwrap();
        read(&recording, &asked(), true)
    };
    assert_eq!(parts(99, 8).flags, [Flag::Buffered]);
    assert_eq!(parts(99, 7).flags, []);
    assert_eq!(parts(100, 8).flags, []);
}

#[test]
fn item_32_compressed_answers_are_decoded_and_flagged() {
    // We ask for identity; a proxy that compresses all the same is read with its times.
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut frames = Vec::new();
    for text in [content("Hi"), content(" there"), finish("stop")] {
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.flush().unwrap();
        frames.push(std::mem::take(encoder.get_mut()));
    }
    frames.push(encoder.finish().unwrap());
    let with_encoding = |encoding: &str| {
        let mut recording = recording(&frames);
        let headers = &mut recording.response.as_mut().unwrap().headers;
        headers.push(("content-encoding".to_owned(), encoding.to_owned()));
        read(&recording, &asked(), true)
    };
    let reading = with_encoding("gzip");
    assert_eq!(
        (reading.outcome, reading.answer.as_deref()),
        (Outcome::Complete, Some("Hi there"))
    );
    assert_eq!(
        (reading.first_token, reading.last_token),
        (Some(ms(10)), Some(ms(20)))
    );
    assert_eq!(reading.flags, [Flag::Compressed]);
    let unknown = with_encoding("zstd");
    assert_eq!(unknown.outcome, Outcome::ProtocolError);
    assert!(unknown.error.unwrap().message.contains("zstd"));
}

/// Streams of every kind, for properties: each a whole stream of realistic events.
fn stream() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-zäß世🦀 ]{0,6}".prop_map(|text| content(&text)),
        "[a-z ]{1,6}".prop_map(|text| delta(&format!(r#"{{"reasoning":"{text}"}}"#))),
        Just(": comment\n\n".to_owned()),
        Just(delta(
            r#"{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"{}"}}]}"#
        )),
        (0_u64..99)
            .prop_map(|tokens| event(&format!(r#"{{"usage":{{"completion_tokens":{tokens}}}}}"#))),
        Just(event("{broken")),
        Just(event(
            r#"{"error":{"message":"no","type":"overloaded_error"}}"#
        )),
        Just(finish("stop")),
    ];
    let line_end = prop_oneof![Just("\n"), Just("\r\n"), Just("\r")];
    let tail = prop_oneof![
        Just(DONE),
        Just("data: [DONE]"),
        Just("data: {\"cho"),
        Just("")
    ];
    (prop::collection::vec(piece, 0..10), line_end, tail)
        .prop_map(|(events, end, tail)| (events.concat() + tail).replace('\n', end))
}

/// What must not depend on how the network cut the bytes: all but instants and what follows from
/// them.
fn timeless(reading: Reading) -> Reading {
    let mut flags = reading.flags;
    flags.retain(|flag| *flag != Flag::Buffered);
    Reading {
        headers: None,
        first_token: reading.first_token.map(|_| Nanos::ZERO),
        first_answer: reading.first_answer.map(|_| Nanos::ZERO),
        last_token: reading.last_token.map(|_| Nanos::ZERO),
        end: Nanos::ZERO,
        gaps: bakeoff::gateway::GapList::default(),
        flags,
        ..reading
    }
}

proptest! {
    // Any split of the bytes into frames gives the same answer; only instants differ, and those
    // stand in order: the first token is never before the first frame nor after the last token.
    #[test]
    fn any_split_gives_the_same_reading(
        stream in stream(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..12),
    ) {
        let bytes = stream.as_bytes();
        let mut ends: Vec<(usize, bool)> =
            cuts.iter().map(|(cut, waited)| (cut.index(bytes.len() + 1), *waited)).collect();
        ends.push((bytes.len(), true));
        ends.sort_unstable();
        let mut split = recording(&[""; 0]);
        let mut start = 0;
        for (at, (end, waited)) in (1..).zip(ends) {
            let body = &mut split.response.as_mut().unwrap().body;
            body.push(ms(10 * at), waited, &bytes[start..end]).unwrap();
            start = end;
        }
        let split = read(&split, &asked(), true);
        let whole = streamed(&[bytes]);
        prop_assert!(split.first_token <= split.last_token);
        prop_assert!(split.first_answer <= split.last_token);
        prop_assert!(split.first_answer.is_none_or(|answer| split.first_token <= Some(answer)));
        prop_assert!(split.last_token.is_none_or(|last| last <= split.end));
        let span = split.last_token.unwrap_or_default().since(split.first_token.unwrap_or_default());
        let gaps: u64 = split.gaps.gaps.iter().map(|gap| gap.0).sum();
        prop_assert!(gaps <= span.0);
        prop_assert_eq!(timeless(split), timeless(whole));
    }

    // Arbitrary bytes, plain or claimed to be compressed, with any status: a reading, no panic,
    // and a failure says why.
    #[test]
    fn arbitrary_bytes_are_read(
        bytes in prop::collection::vec(any::<u8>(), 0..300), status in 100_u16..1000,
        encoding in prop_oneof!["", "gzip", "br", "deflate"], streamed in any::<bool>(),
    ) {
        let mut recording = recording(&[bytes]);
        let response = recording.response.as_mut().unwrap();
        response.status = status;
        response.headers.push(("content-encoding".to_owned(), encoding));
        let reading = read(&recording, &asked(), streamed);
        let silent = [Outcome::Cut, Outcome::Refused, Outcome::Filtered];
        let told = reading.error.is_some() || silent.contains(&reading.outcome);
        prop_assert!(reading.outcome.answered() || told, "{:?}", reading.outcome);
    }

    // One byte changed, dropped or doubled in a real stream: still a reading, no panic.
    #[test]
    fn damaged_streams_are_read(stream in stream(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = stream.into_bytes();
        let at = at.index(bytes.len() + 1);
        if at < bytes.len() {
            bytes[at] = byte;
        } else {
            bytes.push(byte);
        }
        let reading = streamed(&[bytes]);
        prop_assert!(reading.first_token <= reading.last_token);
    }
}
