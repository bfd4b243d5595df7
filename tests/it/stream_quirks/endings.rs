//! The end of a stream, and errors inside HTTP 200: items 18 to 25.

use bakeoff::gateway::{Deadline, ExchangeEnd};

use super::*;

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
            ExchangeEnd::ConnectionLost("reset".to_owned()),
            Outcome::ConnectionLost,
        ),
        (ExchangeEnd::TimedOut(Deadline::Gap), Outcome::TimedOutGap),
        (
            ExchangeEnd::TimedOut(Deadline::Total),
            Outcome::TimedOutTotal,
        ),
    ];
    for (ending, outcome) in endings {
        let with = |frames: &[&str]| {
            let recording = Recording {
                ending: ending.clone(),
                ..recording(frames)
            };
            read(&recording, true)
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
    // A client that stops at the finish reason loses the bill; one that reads past `[DONE]` reads noise.
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
    // The page's title shows the user which proxy stands in between.
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
