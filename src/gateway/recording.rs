//! What the transport saw of one exchange, untouched (keys and all, until it is read): bytes with the instants at which they came.
//!
//! Owns the shape of a recording, its limits, and the watch for the end of a stream. Must not know what the
//! bytes mean. Invariant: a [`Body`]'s frames lie side by side, cover its bytes, are never empty,
//! and stay within the limits below, whoever sends them.

use memchr::memchr2;

use crate::suite::Redactor;
use crate::units::Nanos;

/// Most bytes of one answer. A long answer of 128,000 tokens is about 40 MB as chunks of one token
/// with their envelopes; beyond this a server is broken or hostile.
pub const BYTES_PER_ANSWER: usize = 64 << 20;

/// Most frames of one answer: twice the events that are allowed, since an event may come in two
/// pieces. Bounds what a server can make us remember by sending single bytes.
pub const FRAMES_PER_ANSWER: usize = 2_000_000;

/// Everything the transport saw of one exchange. Instants are nanoseconds since the run began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// Just before our own write of the request.
    pub sent: Nanos,
    /// The span it took to open a connection, only when this exchange opened one.
    pub connect: Option<Nanos>,
    /// What came back; absent when nothing did.
    pub response: Option<Response>,
    /// When the exchange was over.
    pub end: Nanos,
    /// Why it was over.
    pub ending: ExchangeEnd,
    /// The filter that every text read from it goes through: the key that was sent is removed.
    pub redactor: Redactor,
}

impl Recording {
    /// The recording of an exchange that was dropped while it was under way. What had come is not kept: it says
    /// neither how the answer would have ended nor what it cost.
    pub fn abandoned(sent: Nanos, end: Nanos) -> Self {
        Self {
            sent,
            connect: None,
            response: None,
            end,
            ending: ExchangeEnd::Abandoned,
            redactor: Redactor::default(),
        }
    }
}

/// A response, from its headers on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// In the order in which they came; names in lower case, values that are not text left out.
    pub headers: Vec<(String, String)>,
    /// When the headers were handed over.
    pub at: Nanos,
    /// What followed them.
    pub body: Body,
}

impl Response {
    /// The first header of this (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// The bytes of a body and the frames in which they came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Body {
    bytes: Vec<u8>,
    frames: Vec<BodyFrame>,
}

/// One piece of a body, as it was handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyFrame {
    /// When it was handed over.
    pub at: Nanos,
    /// Whether the reader had to wait for it. A frame that was there already says nothing of when
    /// it was sent.
    pub waited: bool,
    /// Offset just after its last byte in the whole body.
    pub end: usize,
}

/// A body that would exceed a limit; what had come before is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyTooLarge {
    /// [`BYTES_PER_ANSWER`].
    #[error("the answer is larger than {BYTES_PER_ANSWER} bytes")]
    Bytes,
    /// [`FRAMES_PER_ANSWER`].
    #[error("the answer came in more than {FRAMES_PER_ANSWER} frames")]
    Frames,
}

impl Body {
    /// Adds a frame. An empty one is left out: it brought nothing that could be stamped.
    pub fn push(&mut self, at: Nanos, waited: bool, bytes: &[u8]) -> Result<(), BodyTooLarge> {
        if bytes.is_empty() {
            return Ok(());
        }
        if bytes.len() > BYTES_PER_ANSWER - self.bytes.len() {
            return Err(BodyTooLarge::Bytes);
        }
        if self.frames.len() == FRAMES_PER_ANSWER {
            return Err(BodyTooLarge::Frames);
        }
        self.bytes.extend_from_slice(bytes);
        self.frames.push(BodyFrame {
            at,
            waited,
            end: self.bytes.len(),
        });
        Ok(())
    }

    /// All bytes, side by side.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// All frames, in order.
    pub fn frames(&self) -> &[BodyFrame] {
        &self.frames
    }

    /// Each frame with its own bytes.
    pub fn pieces(&self) -> impl Iterator<Item = (BodyFrame, &[u8])> {
        let mut start = 0;
        self.frames.iter().map(move |frame| {
            let piece = &self.bytes[start..frame.end];
            start = frame.end;
            (*frame, piece)
        })
    }

    /// Index of the frame that brought the byte just before `end`: the frame that completed
    /// whatever ends there. `None` for `end` 0 or beyond the body.
    pub fn frame_completing(&self, end: usize) -> Option<usize> {
        let index = self.frames.partition_point(|frame| frame.end < end);
        (end > 0 && index < self.frames.len()).then_some(index)
    }
}

/// Why an exchange was over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExchangeEnd {
    /// The body ended as the protocol says, or `[DONE]` (or what other routes have in its place) was
    /// seen and the line went quiet.
    Complete,
    /// No connection could be made; the client's words.
    ConnectFailed(String),
    /// The TLS handshake failed; the client's words.
    TlsFailed(String),
    /// The connection broke; the client's words.
    ConnectionLost(String),
    /// One of our deadlines passed.
    TimedOut(Deadline),
    /// A limit on what comes from outside was exceeded ([`BodyTooLarge`]).
    TooLarge,
    /// The run ended while it was under way, and the exchange was dropped.
    Abandoned,
}

/// The deadlines of one exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deadline {
    /// To open a connection.
    Connect,
    /// From `sent` to the headers.
    Headers,
    /// Between two frames.
    Gap,
    /// Of the whole exchange.
    Total,
}

/// Most bytes of the beginning of a line that [`DoneWatch`] remembers: the longest line by whose
/// beginning it knows the end, and room for blanks.
const HEAD: usize = 64;

/// The events that end an answer on the Messages and on the Responses route.
const LAST_EVENTS: [&[u8]; 5] = [
    b"message_stop",
    b"response.completed",
    b"response.incomplete",
    b"response.failed",
    b"response.cancelled",
];

/// Watches for a stream that ends with the line `data: [DONE]`, or with the event that other routes
/// have in its place, so that the transport need not wait for a server that leaves the connection
/// open. It costs nanoseconds a frame: it looks for the ends of lines, and remembers how the last
/// one begins. It errs on the side of waiting.
#[derive(Debug, Clone, Copy)]
pub struct DoneWatch {
    head: [u8; HEAD],
    stored: usize,
    /// The line goes on beyond what is remembered of it.
    longer: bool,
    /// The byte before: a LF after a CR is of the same line end.
    before: u8,
    /// The event under way is a last one, by its name.
    last_event: bool,
    /// The last line that is not blank ended the stream.
    done: bool,
}

impl Default for DoneWatch {
    fn default() -> Self {
        Self {
            head: [0; HEAD],
            stored: 0,
            longer: false,
            before: 0,
            last_event: false,
            done: false,
        }
    }
}

impl DoneWatch {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the bytes of the next frame and says whether the stream so far ends with the line.
    pub fn feed(&mut self, frame: &[u8]) -> bool {
        let mut rest = frame;
        while let Some(end) = memchr2(b'\n', b'\r', rest) {
            self.extend(&rest[..end]);
            let half = self.before == b'\r' && rest[end] == b'\n';
            if !half {
                self.end_line();
            }
            self.before = rest[end];
            rest = &rest[end + 1..];
        }
        self.extend(rest);
        self.done()
    }

    /// Whether the stream so far ends with the line, blank lines after it allowed.
    pub fn done(&self) -> bool {
        if self.head().is_empty() && !self.longer {
            return self.done;
        }
        self.is_done_line()
    }

    fn extend(&mut self, more: &[u8]) {
        let fits = more.len().min(HEAD - self.stored);
        self.head[self.stored..self.stored + fits].copy_from_slice(&more[..fits]);
        self.stored += fits;
        self.longer |= fits < more.len();
        self.before = more.last().copied().unwrap_or(self.before);
    }

    fn head(&self) -> &[u8] {
        self.head[..self.stored].trim_ascii_end()
    }

    /// Whether the line under way is `data: [DONE]`: the one that is known before it has ended.
    fn is_done_line(&self) -> bool {
        !self.longer && value_of(self.head(), b"data") == Some(b"[DONE]")
    }

    fn end_line(&mut self) {
        let head = self.head();
        if head.is_empty() && !self.longer {
            self.last_event = false;
        } else if let Some(name) = value_of(head, b"event") {
            self.last_event = !self.longer && LAST_EVENTS.contains(&name);
            self.done = false;
        } else {
            let text = value_of(head, b"data");
            let ends = |text| self.last_event || is_last_event(text);
            self.done = self.is_done_line() || text.is_some_and(ends);
        }
        self.stored = 0;
        self.longer = false;
    }
}

/// The value of a line of this field.
fn value_of<'a>(line: &'a [u8], field: &[u8]) -> Option<&'a [u8]> {
    let value = line.strip_prefix(field)?.strip_prefix(b":")?;
    Some(value.strip_prefix(b" ").unwrap_or(value))
}

/// Whether JSON begins as a last event does that bears no name of its own: with its `type`.
fn is_last_event(json: &[u8]) -> bool {
    let mut rest = json;
    for token in [&b"{"[..], b"\"type\"", b":", b"\""] {
        match rest.trim_ascii_start().strip_prefix(token) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    let ends = |name: &&[u8]| {
        rest.strip_prefix(*name)
            .is_some_and(|rest| rest.starts_with(b"\""))
    };
    LAST_EVENTS.iter().any(ends)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn done_is_a_whole_line_at_the_end() {
        // The transport hangs up on this word: text that only contains it must not be taken for it.
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
            // The character before the line lies beyond what is remembered.
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
        // These routes have no `[DONE]`. An event's text is long: it is known by its name, or by
        // its beginning, but not before its line has ended.
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
    fn a_full_body_refuses_and_keeps_what_it_had() {
        // A hostile server must not make us hold more than the limit, by any size of frame.
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
        // A frame costs more memory than the byte it brings: their number is bounded as well.
        let mut body = Body::default();
        for _ in 0..FRAMES_PER_ANSWER {
            body.push(Nanos(1), true, b"x").unwrap();
        }
        assert_eq!(body.push(Nanos(1), true, b"x"), Err(BodyTooLarge::Frames));
    }

    /// A watch that saw this stream in the frames that the cuts make of it.
    fn fed(stream: &[u8], cuts: Vec<usize>) -> DoneWatch {
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
        // However the bytes are cut, the watch says what a look at the whole stream would say.
        #[test]
        fn the_watch_does_not_depend_on_frames(
            before in "[ -~\\n\\r]{0,40}", line in prop_oneof!["data: ?\\[DONE\\]", "data: ?\\[DONE"],
            after in "[\\n\\r]{0,4}", cuts in prop::collection::vec(0_usize..60, 0..8),
        ) {
            let stream = format!("{before}{line}{after}").into_bytes();
            let watch = fed(&stream, cuts);
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
            let watch = fed(&stream, cuts);
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
            for end in 0..=body.bytes().len() + 1 {
                let first = body.frames().iter().position(|frame| frame.end >= end);
                prop_assert_eq!(body.frame_completing(end), first.filter(|_| end > 0));
            }
            let pieces: Vec<u8> = body.pieces().flat_map(|(_, piece)| piece.to_vec()).collect();
            prop_assert_eq!(pieces, body.bytes());
        }
    }
}
