//! Properties of every stream: realistic ones cut anywhere, arbitrary bytes, damaged ones.

use proptest::prelude::*;

use super::recorded::timeless;
use super::*;

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

/// Runs of events of one kind, as servers send them: each with its text, in JSON with any escape.
fn runs() -> impl Strategy<Value = Vec<String>> {
    let part = prop_oneof![
        4 => "[a-zäß世🦀 .]{1,6}",
        1 => r#"\\(n|t|"|/|\\|u00e9|ud83d\\ude00|ud83d|ude00)"#,
        1 => prop::sample::select(vec!["\0", "\\x", ""]).prop_map(str::to_owned),
    ];
    let text = prop::collection::vec(part, 1..4).prop_map(|parts| parts.concat());
    let around = prop::sample::select(vec![
        (
            r#"data: {"id":"a","choices":[{"delta":{"content":""#,
            "\"}}]}\n\n",
        ),
        (
            r#"data: {"id":"b","choices":[{"delta":{"content":""#,
            "\"}}],\"obfuscation\":\"xx\"}\n\n",
        ),
        (
            r#"data: {"choices":[{"delta":{"reasoning_content":""#,
            "\"}}]}\n\n",
        ),
        (r#"data: {"choices":[{"delta":{"refusal":""#, "\"}}]}\n\n"),
        (r#"data: {"choices":[{"message":{"content":""#, "\"}}]}\n\n"),
        (
            r#"data: {"choices":[{"index":1,"delta":{"content":""#,
            "\"}}]}\n\n",
        ),
        (
            r#"data: {"model":"m","choices":[{"delta":{"content":""#,
            "\"},\"finish_reason\":\"stop\"}]}\n\n",
        ),
        (
            r#"data: {"usage":{"completion_tokens":3},"choices":[{"delta":{"content":""#,
            "\"}}]}\n\n",
        ),
        (
            r#"data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":""#,
            "\"}}]}}]}\n\n",
        ),
        (
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"",
            "\"}}\n\n",
        ),
        ("event: error\ndata: {\"message\":\"", "\"}\n\n"),
    ]);
    let run = (around, prop::collection::vec(text, 1..6)).prop_map(|((before, after), texts)| {
        let events = texts.into_iter();
        events
            .map(|text| format!("{before}{text}{after}"))
            .collect::<Vec<String>>()
    });
    prop::collection::vec(run, 0..5).prop_map(|runs| runs.concat())
}

proptest! {
    // A chunk that repeats the one before in all but its text is read by a shorter way. With a comment before each chunk none does:
    // the answer is the same, its instants too, however the chunks are cut.
    #[test]
    fn repeated_chunks_are_read_as_others_are(
        events in runs(), line_end in prop_oneof![Just("\n"), Just("\r\n"), Just("\r")],
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<[bool; 2]>()), 30), done in any::<bool>(),
    ) {
        let last = done.then(|| DONE.to_owned());
        let (mut plain, mut commented) = (vec![Vec::new()], vec![Vec::new()]);
        for (index, (event, (cut, begins))) in events.into_iter().chain(last).zip(cuts).enumerate() {
            let event = event.replace('\n', line_end).into_bytes();
            let (head, tail) = event.split_at(1 + cut.index(event.len() - 1));
            let comment = format!(": {}{line_end}", index % 2);
            for (frames, head) in [
                (&mut plain, head.to_vec()),
                (&mut commented, [comment.as_bytes(), head].concat()),
            ] {
                for (part, begins) in [head.as_slice(), tail].into_iter().zip(begins) {
                    if begins {
                        frames.push(Vec::new());
                    }
                    frames.last_mut().unwrap().extend_from_slice(part);
                }
            }
        }
        prop_assert_eq!(streamed(&plain), streamed(&commented));
    }

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
        let split = read(&split, true);
        let whole = streamed(&[bytes]);
        prop_assert!(split.first_token <= split.last_token);
        prop_assert!(split.first_answer <= split.last_token);
        prop_assert!(split.first_answer.is_none_or(|answer| split.first_token <= Some(answer)));
        prop_assert!(split.first_unit.is_none_or(|unit| split.first_answer <= Some(unit) && unit <= split.end));
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
        let reading = read(&recording, streamed);
        let silent = [Outcome::Cut, Outcome::Refused, Outcome::Filtered];
        let has_reason = reading.error.is_some() || silent.contains(&reading.outcome);
        prop_assert!(reading.outcome.answered() || has_reason, "{:?}", reading.outcome);
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
