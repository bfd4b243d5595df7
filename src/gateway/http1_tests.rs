//! Responses and requests of HTTP/1.1, byte by byte.

use std::fmt::Write as _;

use super::*;
use proptest::prelude::*;

/// The response in these pieces: status, framing, body, bytes after it.
fn read(pieces: &[&[u8]]) -> Result<(ResponseHead, Vec<u8>, usize), DecodeStop> {
    let mut head = HeadReader::default();
    let mut found: Option<ResponseHead> = None;
    let (mut body, mut left_over) = (Vec::new(), 0);
    for piece in pieces {
        let mut rest = piece.to_vec();
        if found.is_none() {
            match head.feed(piece)? {
                Some((head, after)) => (found, rest) = (Some(head), after),
                None => continue,
            }
        }
        let framing = &mut found.as_mut().unwrap().framing;
        let used = framing.decode(&rest, |bytes| {
            body.extend_from_slice(bytes);
            Ok(())
        })?;
        left_over += rest.len() - used;
    }
    Ok((found.ok_or(HttpError::NotHttp)?, body, left_over))
}

fn head_of(head: &str) -> Result<ResponseHead, DecodeStop> {
    read(&[format!("{head}\r\n\r\n").as_bytes()]).map(|(head, ..)| head)
}

#[test]
fn a_request_is_written_as_configured() {
    // The wire is what a server sees: one head, the fields that describe the message written by us alone.
    let headers = [
        ("accept-encoding", "identity"),
        ("content-length", "9"),
        ("x-title", "t"),
    ];
    let headers = headers.map(|(name, value)| (name, value.as_bytes()));
    let head = RequestHead::new("POST", "/v1/chat?a=b", "host:1", headers.into_iter());
    let text = String::from_utf8(head.with_body("id-1", b"{}")).unwrap();
    let agent = concat!("bakeoff/", env!("CARGO_PKG_VERSION"));
    assert_eq!(
        text,
        format!(
            "POST /v1/chat?a=b HTTP/1.1\r\nhost: host:1\r\naccept-encoding: identity\r\n\
             x-title: t\r\nuser-agent: {agent}\r\nx-request-id: id-1\r\ncontent-length: 2\r\n\r\n{{}}"
        )
    );
}

#[test]
fn the_framing_follows_the_headers() {
    // A wrong choice here takes bytes of the next answer for this one, or waits for ever.
    let chunked = Framing::Chunked(ChunkState::Size {
        value: 0,
        digits: 0,
    });
    for (fields, framing) in [
        ("transfer-encoding: chunked", chunked),
        ("Transfer-Encoding: gzip, Chunked", chunked),
        ("transfer-encoding: chunked\r\ncontent-length: 3", chunked),
        ("transfer-encoding: gzip", Framing::UntilClose),
        ("content-length: 3", Framing::Length(3)),
        ("content-length: 3\r\ncontent-length: 3", Framing::Length(3)),
        ("content-length: 3, 3", Framing::Length(3)),
        ("x: y", Framing::UntilClose),
    ] {
        let head = head_of(&format!("HTTP/1.1 200 OK\r\n{fields}")).unwrap();
        assert_eq!(head.framing, framing, "{fields}");
    }
    for status in [204, 304] {
        let head = head_of(&format!("HTTP/1.1 {status} X\r\ncontent-length: 7")).unwrap();
        assert_eq!(head.framing, Framing::Length(0));
    }
    for fields in [
        "content-length: -1",
        "content-length: +1",
        "content-length: 3, 4",
        "content-length:",
        "content-length: 99999999999999999999",
    ] {
        let error = head_of(&format!("HTTP/1.1 200 OK\r\n{fields}")).unwrap_err();
        assert_eq!(error, DecodeStop::Http(HttpError::Length), "{fields}");
    }
}

#[test]
fn the_connection_after_a_response_is_as_announced() {
    // A connection that the server is about to close must not carry the next request.
    let keep = |seconds: Option<u64>| Persistence::Keep(seconds.map(Duration::from_secs));
    for (head, persistence) in [
        ("HTTP/1.1 200 OK\r\nx: y", keep(None)),
        ("HTTP/1.1 200 OK\r\nConnection: Close", Persistence::Close),
        (
            "HTTP/1.1 200 OK\r\nconnection: x, close",
            Persistence::Close,
        ),
        ("HTTP/1.0 200 OK\r\nx: y", Persistence::Close),
        ("HTTP/1.0 200 OK\r\nconnection: keep-alive", keep(None)),
        ("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5", keep(Some(5))),
        (
            "HTTP/1.1 200 OK\r\nkeep-alive: max=9, Timeout = 5",
            keep(Some(5)),
        ),
        ("HTTP/1.1 200 OK\r\nkeep-alive: timeout=soon", keep(None)),
    ] {
        assert_eq!(head_of(head).unwrap().persistence, persistence, "{head}");
    }
}

#[test]
fn bytes_that_are_not_http_are_recognized_at_once() {
    // A server of another protocol may leave the connection open: no deadline must be needed.
    for bytes in [
        "SSH-2.0-OpenSSH_9.9\r\n",
        "H2",
        "\x15\x03\x01",
        "HTTP/2.0 200 OK",
    ] {
        let error = HeadReader::default().feed(bytes.as_bytes());
        assert_eq!(error, Err(HttpError::NotHttp), "{bytes:?}");
    }
    let mut reader = HeadReader::default();
    assert_eq!(reader.feed(b"\r\nHT"), Ok(None));
    let upgrade = reader.feed(b"TP/1.1 101 Switching Protocols\r\n\r\n");
    assert_eq!(upgrade, Err(HttpError::Upgrade));
}

#[test]
fn heads_and_skipped_parts_are_limited() {
    // A server that never ends a head, an extension or a trailer must not fill memory.
    let line = b"x: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n".repeat(64);
    let mut reader = HeadReader::default();
    reader.feed(b"HTTP/1.1 200 OK\r\n").unwrap();
    let error = (0..HEAD_BYTES).find_map(|_| reader.feed(&line).err());
    assert_eq!(error, Some(HttpError::HeadTooLarge));
    for begin in ["1;", "0\r\nx"] {
        let mut state = ChunkState::Size {
            value: 0,
            digits: 0,
        };
        for byte in begin.bytes() {
            state = state.next(byte).unwrap();
        }
        let ended = (0..=SKIPPED_BYTES).try_fold(state, |state, _| state.next(b'a'));
        assert_eq!(ended, Err(HttpError::Chunk), "{begin}");
    }
}

#[test]
fn a_chunk_that_breaks_the_format_is_an_error() {
    for body in [
        "zz\r\n",
        "\r\n",
        "1\r\nab",
        "1\r\na\rb",
        "fffffffffffffffff\r\n",
        "1\rx",
        "g",
    ] {
        let response = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{body}");
        let error = read(&[response.as_bytes()]).unwrap_err();
        assert_eq!(error, DecodeStop::Http(HttpError::Chunk), "{body}");
    }
}

proptest! {
    // However the network cuts a response, the result is the same, and bytes after it are not taken.
    #[test]
    fn cuts_do_not_matter(
        chunks in prop::collection::vec("[a-z\r\n]{1,40}", 0..6), extension in "(;[a-z=]{0,9})?",
        trailer in "(x: [a-z]{0,9}\r\n)?", interim in "(HTTP/1[.]1 103 Early\r\nlink: x\r\n\r\n)?",
        after in "[a-z]{0,9}", cuts in prop::collection::vec(0_usize..400, 0..12),
    ) {
        let mut coded = String::new();
        for chunk in &chunks {
            write!(coded, "{:X}{extension}\r\n{chunk}\r\n", chunk.len()).unwrap();
        }
        let stream = format!(
            "{interim}HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{coded}0\r\n{trailer}\r\n{after}"
        );
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut start = 0;
        for cut in cuts.into_iter().chain([stream.len()]) {
            pieces.push(&stream.as_bytes()[start..cut]);
            start = cut;
        }
        let (head, body, left_over) = read(&pieces).unwrap();
        prop_assert!(head.framing.is_done() && head.status == 200);
        prop_assert_eq!(body, chunks.concat().into_bytes());
        prop_assert_eq!(left_over, after.len());
    }

    // Arbitrary bytes end in a result, never in a panic, and in the same one however the network cuts them.
    #[test]
    fn arbitrary_bytes_are_read_alike(
        begin in prop_oneof![
            "",
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        ],
        pieces in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..30),
                "(HTTP/1[.]1 [0-9]{3} \r\n|[a-z-]{1,9}: [a-z0-9]{0,9}\r\n|[0-9A-Fa-f]{1,2}\r\n|\r\n|0\r\n\r\n|;a=b)"
                    .prop_map(String::into_bytes),
            ],
            0..9,
        ),
    ) {
        let mut all = vec![begin.as_bytes()];
        all.extend(pieces.iter().map(Vec::as_slice));
        let whole = all.concat();
        let result = |read: Result<(ResponseHead, Vec<u8>, usize), DecodeStop>| {
            read.map(|(head, body, left_over)| (head.status, head.framing.is_done(), body, left_over))
        };
        prop_assert_eq!(result(read(&all)), result(read(&[&whole])));
    }
}
