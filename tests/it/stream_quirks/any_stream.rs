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
