use super::*;
use proptest::prelude::*;

#[test]
fn done_is_a_whole_line_at_the_end() {
    // The transport hangs up on this line: text that only contains it must not match.
    for (stream, done) in [
        ("data: [DONE]", true),
        ("data:[DONE]\n\n", true),
        ("data: {}\n\ndata: [DONE]\n\n", true),
        ("data: {}\r\rdata: [DONE]\r\r", true),
        ("data: {}\r\n\r\ndata: [DONE]\r\n\r\n", true),
        ("data: {\"content\":\"data: [DONE]", false),
        ("data: {\"content\":\"data: [DONE]\"}\n\n", false),
        ("data: [DONE]\n\ndata: {}", false),
        ("xdata: [DONE]\n", false),
        // The character before the line is beyond the stored part.
        (
            "xdata: [DONE]\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n",
            false,
        ),
        ("", false),
    ] {
        assert_eq!(DoneWatch::new().feed(stream.as_bytes()), done, "{stream}");
    }
}

#[test]
fn the_last_event_of_a_route_ends_its_stream() {
    // These routes have no `[DONE]`. An event's text is long: it is detected by its name, or by its
    // beginning, but not before its line has ended.
    let long = "x".repeat(4 * HEAD);
    let completed = format!(r#"data: {{"type":"response.completed","response":"{long}"}}"#);
    let named = format!(r#"event: response.completed{}data: {{"{long}":1}}"#, "\n");
    for (stream, done) in [
        (
            "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
            true,
        ),
        ("event:message_stop\r\ndata: {}\r\n\r\n", true),
        ("data: { \"type\" : \"message_stop\" }\n\n", true),
        (&*format!("{completed}\n"), true),
        (&*format!("{named}\n\n"), true),
        (&*completed, false),
        (&*named, false),
        ("event: message_stop\n", false),
        ("event: message_stop\n\ndata: {}\n\n", false),
        ("event: message_stopped\ndata: {}\n\n", false),
        ("data: {\"type\":\"message_stopped\"}\n\n", false),
        ("data: {\"text\":\"message_stop\"}\n\n", false),
        (
            "event: message_stop\ndata: {}\n\nevent: ping\ndata: {}\n\n",
            false,
        ),
    ] {
        assert_eq!(DoneWatch::new().feed(stream.as_bytes()), done, "{stream}");
    }
}

#[test]
fn comments_are_not_content() {
    // A server that only keeps the connection alive must meet the deadline for the next part of an answer.
    for (frames, content) in [
        (&[": ping\n\n"][..], false),
        (&[": pi", "ng\n", "\n: x\r\n\r\n"], false),
        (&[":\n\ndata: {}\n\n"], true),
        (&["data: {}\n\n", ": ping\n\n"], false),
        (&[": ping\n\nda"], true),
        (&[": ping\n", "event: ping\n\n"], true),
        (&["{", "\n"], true),
        (&["\n"], true),
        (&[""], false),
    ] {
        let mut watch = DoneWatch::new();
        for frame in frames {
            watch.feed(frame.as_bytes());
        }
        assert_eq!(watch.has_content(), content, "{frames:?}");
    }
}

#[test]
fn the_bytes_of_one_read_are_one_frame() {
    // Chunks that arrived together must not look like frames of their own.
    let mut body = Body::default();
    let mut frame = body.frame(ReadStamp::user(Nanos(1)), true);
    for piece in ["", "ab", "c"] {
        frame.push(piece.as_bytes()).unwrap();
    }
    body.push(Nanos(2), false, b"d").unwrap();
    let pieces: Vec<_> = body
        .pieces()
        .map(|(frame, piece)| (frame.at.0, piece))
        .collect();
    assert_eq!(pieces, [(1, &b"abc"[..]), (2, b"d")]);
    let mut frame = body.frame(ReadStamp::user(Nanos(3)), true);
    frame.push(b"e").unwrap();
    let rest = vec![7; BYTES_PER_ANSWER];
    assert_eq!(frame.push(&rest), Err(BodyTooLarge::Bytes));
}

#[test]
fn a_full_body_refuses_and_keeps_what_it_had() {
    // A hostile server must not make the client hold more than the limit, by any size of frame.
    let mut body = Body::default();
    body.push(Nanos(1), true, &vec![7; 1 << 20]).unwrap();
    let rest = vec![7; BYTES_PER_ANSWER - (1 << 20) + 1];
    assert_eq!(body.push(Nanos(2), true, &rest), Err(BodyTooLarge::Bytes));
    assert_eq!(body.push(Nanos(2), true, &rest[1..]), Ok(()));
    assert_eq!(body.push(Nanos(3), true, b"x"), Err(BodyTooLarge::Bytes));
    assert_eq!(body.frames().len(), 2);
}

#[test]
fn single_bytes_cannot_fill_memory_with_frames() {
    // A frame costs more memory than its byte: the number of frames is bounded as well.
    let mut body = Body::default();
    for _ in 0..FRAMES_PER_ANSWER {
        body.push(Nanos(1), true, b"x").unwrap();
    }
    assert_eq!(body.push(Nanos(1), true, b"x"), Err(BodyTooLarge::Frames));
}

/// A watch that was fed this stream in the frames that the cuts make of it.
fn watch_after(stream: &[u8], cuts: Vec<usize>) -> DoneWatch {
    let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
    cuts.sort_unstable();
    let mut watch = DoneWatch::new();
    let mut start = 0;
    for cut in cuts.into_iter().chain([stream.len()]) {
        watch.feed(&stream[start..cut]);
        start = cut;
    }
    watch
}

proptest! {
    // However the bytes are cut, the watch gives the same result as for the whole stream.
    #[test]
    fn the_watch_does_not_depend_on_frames(
        before in "[ -~\\n\\r]{0,40}", line in prop_oneof!["data: ?\\[DONE\\]", "data: ?\\[DONE"],
        after in "[\\n\\r]{0,4}", cuts in prop::collection::vec(0_usize..60, 0..8),
    ) {
        let stream = format!("{before}{line}{after}").into_bytes();
        let watch = watch_after(&stream, cuts);
        prop_assert_eq!(watch.done(), DoneWatch::new().feed(&stream));
        let at_line_start = before.is_empty() || before.ends_with(['\n', '\r']);
        prop_assert_eq!(watch.done(), at_line_start && line.ends_with(']'));
    }

    // The same for the other routes' last events.
    #[test]
    fn last_events_do_not_depend_on_frames(
        before in prop_oneof!["(data: \\{\\}\n\n){0,3}", "(event: ping\ndata: \\{\\}\r\r){0,2}"],
        name in prop_oneof!["", "event: message_stop\n", "event: response[.]failed\r\n"],
        text in prop_oneof!["\\{\\}", "\\{\"type\":\"response[.]completed\",\"a\":\"[a-z]{0,90}\"\\}"],
        after in "[\n\r]{0,4}", cuts in prop::collection::vec(0_usize..200, 0..8),
    ) {
        let stream = format!("{before}{name}data: {text}{after}").into_bytes();
        let watch = watch_after(&stream, cuts);
        let last = !name.is_empty() || text.len() > 2;
        prop_assert_eq!(watch.done(), last && !after.is_empty());
    }

    // The frame that completed an offset is the first one that reaches it.
    #[test]
    fn frames_are_found_by_offset(sizes in prop::collection::vec(0_usize..5, 0..20)) {
        let mut body = Body::default();
        for (index, size) in sizes.iter().enumerate() {
            body.push(Nanos(index as u64), true, &vec![0; *size]).unwrap();
        }
        let mut from = 0;
        for end in 0..=body.bytes().len() + 1 {
            let first = body.frames().iter().position(|frame| frame.end >= end);
            let found = body.frame_completing(end, from);
            prop_assert_eq!(found, first.filter(|_| end > 0));
            from = found.unwrap_or(from);
        }
        let pieces: Vec<u8> = body.pieces().flat_map(|(_, piece)| piece.to_vec()).collect();
        prop_assert_eq!(pieces, body.bytes());
    }
}
