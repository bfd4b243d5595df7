//! Clocks and the tokens that stop them: items 1 to 9.

use super::*;

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
fn the_first_unit_is_a_sentence_a_call_or_json() {
    // A user reads a sentence and a program a value: tokens before their end are of no use to either.
    let unit = |frames: &[&str], reason: &str| {
        let mut all: Vec<String> = frames.iter().map(|text| content(text)).collect();
        all.extend([finish(reason), DONE.to_owned()]);
        streamed(&all).first_unit
    };
    assert_eq!(
        unit(&["It is", " Paris.", " It", " lies"], "stop"),
        Some(ms(20))
    );
    assert_eq!(
        unit(&["It", " is", " 3", ".", "14 m"], "stop"),
        Some(ms(50))
    );
    assert_eq!(unit(&["It", " is"], "length"), None);
    assert_eq!(
        unit(&["{", r#"\"a\": [1, 2]"#, "}", "\\n"], "stop"),
        Some(ms(30))
    );
    assert_eq!(unit(&["{", r#"\"a\": [1, 2"#], "length"), None);
    let call = |part: &str| {
        delta(&format!(
            r#"{{"tool_calls":[{{"index":0,"id":"call_1","function":{{"name":"weather","arguments":{part}}}}}]}}"#
        ))
    };
    let frames = [
        call(r#""{\"c""#),
        call(r#""ity\":""#),
        call(r#""\"Oslo\"}""#),
    ];
    let reading = streamed(&[
        &frames[0],
        &frames[1],
        &frames[2],
        &content("x"),
        &finish("tool_calls"),
        DONE,
    ]);
    assert_eq!(reading.first_unit, Some(ms(30)));
    assert_eq!(reading.tool_calls[0].arguments, r#"{"city":"Oslo"}"#);
    let refusal = delta(r#"{"refusal":"I cannot. No."}"#);
    assert_eq!(
        streamed(&[ROLE, &refusal, &finish("stop"), DONE]).first_unit,
        None
    );
    let whole = recording(&[&content("It is. Yes."), &finish("stop"), DONE]);
    assert_eq!(read(&whole, false).first_unit, None);
}

#[test]
fn item_04_a_refusal_is_output_and_is_flagged() {
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
    // An answer without a token has no TTFT, and is none.
    let reading = streamed(&[ROLE, &finish("stop"), DONE]);
    assert_eq!(reading.outcome, Outcome::Empty);
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
