//! Shapes of content: items 26 to 30.

use super::*;

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
    // A server without a parser mixes thought and answer: it is counted as answer, and flagged.
    for parts in [["<thi", "nk>Hm</think>Hi"], ["Hm</think>", "Hi"]] {
        let reading = streamed(&[&content(parts[0]), &content(parts[1]), &finish("stop")]);
        assert_eq!(reading.flags, [Flag::ThinkTags]);
        assert_eq!(reading.answer, Some(parts.concat()));
    }
    let prose = streamed(&[&content("the <think> tag"), &finish("stop")]);
    assert_eq!(prose.flags, []);
}
