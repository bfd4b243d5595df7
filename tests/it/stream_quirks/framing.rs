//! Bytes, and how events are cut from them: items 10 to 17.

use super::*;

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
fn fields_other_than_data_change_nothing() {
    // `message` is the name of an event without one; clients that take any name for an error or skip the event lose the answer.
    let fields = "event: message\nid: 7\nretry: 1000\n";
    let stream = [content("Hi"), finish("stop")].map(|event| format!("{fields}{event}"));
    let reading = streamed(&[stream.concat(), DONE.to_owned()]);
    assert_eq!(reading.answer.as_deref(), Some("Hi"));
    assert_eq!(reading.outcome, Outcome::Complete);
}

#[test]
fn item_15_blank_lines_before_a_json_body() {
    // A queueing server sends blank lines until it answers; the answer counts, TTFT does not exist.
    let body = r#"{"id":"gen_2","choices":[{"message":{"role":"assistant","content":"Hi","reasoning":"Hm"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#;
    for streamed in [false, true] {
        let reading = read(&recording(&["\n", "\n\n", body]), streamed);
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
    // Some servers forget the last blank line; a cut leaves half a chunk. The JSON distinguishes them.
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
