//! The unfiltered record of one exchange by the transport: bytes with their instants, keys included until they
//! are read.
//!
//! Owns the shape of a recording, its limits, and the watch for the end of a stream. Must not know what the
//! bytes mean. Invariant: a [`Body`]'s frames are contiguous, cover its bytes, are never empty, and stay within
//! the limits below, whatever a server sends.

use std::sync::Arc;

use memchr::memchr2;

use crate::suite::Redactor;
use crate::units::Nanos;

use super::memory::{MemoryLimit, MemoryShare};
use super::receive::WallNanos;

/// Most bytes of one answer. A long answer of 128,000 tokens is about 40 MB as chunks of one token with their
/// envelopes; beyond this a server is broken or hostile.
pub const BYTES_PER_ANSWER: usize = 64 << 20;

/// Most frames of one answer: twice the allowed events, since an event may come in two pieces. Bounds the
/// memory that a server can use up by sending single bytes.
pub const FRAMES_PER_ANSWER: usize = 2_000_000;

/// The record of one exchange. Instants are nanoseconds since the run began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// The instant just before the request is written.
    pub sent: Nanos,
    /// The times of opening a connection, only if this exchange opened one.
    pub connect: Option<OpeningTimes>,
    /// The response; absent if there was none.
    pub response: Option<Response>,
    /// The end of the exchange.
    pub end: Nanos,
    /// The reason of the end.
    pub ending: ExchangeEnd,
    /// True if the clock of the run is the kernel's, and these instants are of the program's own.
    pub is_user_stamped: bool,
    /// The filter for every text read from it: it removes the key that was sent.
    pub redactor: Redactor,
}

impl Recording {
    /// The recording of an exchange that was dropped while in flight. The bytes so far are dropped: they show
    /// neither how the answer would have ended nor its cost.
    pub fn abandoned(sent: Nanos, end: Nanos) -> Self {
        Self {
            sent,
            connect: None,
            response: None,
            end,
            ending: ExchangeEnd::Abandoned,
            is_user_stamped: false,
            redactor: Redactor::default(),
        }
    }

    /// Bytes of its body.
    pub fn body_length(&self) -> usize {
        let response = self.response.as_ref();
        response.map_or(0, |response| response.body.bytes().len())
    }
}

/// The instant of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReadStamp {
    /// By the program's own clock, right after the read.
    pub(super) at: Nanos,
    /// The kernel's timestamp of its last byte, where it was asked for.
    pub(super) kernel: Option<WallNanos>,
}

impl ReadStamp {
    /// A stamp of the program's own clock alone.
    pub(super) const fn user(at: Nanos) -> Self {
        Self { at, kernel: None }
    }
}

/// The times of the steps that opened a connection. The name of the host was looked up before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OpeningTimes {
    /// All of them; a proxy's tunnel is the rest.
    pub total: Nanos,
    /// To connect to the server, or to the proxy in front of it.
    pub tcp: Nanos,
    /// The TLS handshake; absent without TLS.
    pub tls: Option<Nanos>,
}

/// A response, from its headers on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// The headers in the order of arrival; names in lower case, values that are not text skipped.
    pub headers: Vec<(String, String)>,
    /// The instant of the headers.
    pub at: Nanos,
    /// The bytes after the headers.
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
    memory: MemoryShare,
}

/// One piece of a body, as the client delivered it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyFrame {
    /// The instant of delivery: of its last byte.
    pub at: Nanos,
    /// The kernel's timestamp, until the exchange has ended.
    kernel: Option<WallNanos>,
    /// True if the reader had to wait for it. A frame that was there already does not show when it was sent.
    pub waited: bool,
    /// Offset just after its last byte in the whole body.
    pub end: usize,
}

/// A body that would exceed a limit; the bytes before stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyTooLarge {
    /// [`BYTES_PER_ANSWER`].
    #[error("the answer is larger than {BYTES_PER_ANSWER} bytes")]
    Bytes,
    /// [`FRAMES_PER_ANSWER`].
    #[error("the answer came in more than {FRAMES_PER_ANSWER} frames")]
    Frames,
    /// The limit of all answers together.
    #[error("the answers in flight are too large together")]
    Together,
}

impl Body {
    /// A body whose bytes count towards a limit of all answers in flight.
    pub(super) fn within(limit: &Arc<MemoryLimit>) -> Self {
        Self {
            memory: MemoryShare::new(limit),
            ..Self::default()
        }
    }

    /// Adds a frame. An empty one is skipped: it has no byte to stamp.
    pub fn push(&mut self, at: Nanos, waited: bool, bytes: &[u8]) -> Result<(), BodyTooLarge> {
        self.push_stamped(ReadStamp::user(at), waited, bytes)
    }

    fn push_stamped(
        &mut self,
        stamp: ReadStamp,
        waited: bool,
        bytes: &[u8],
    ) -> Result<(), BodyTooLarge> {
        if bytes.is_empty() {
            return Ok(());
        }
        if bytes.len() > BYTES_PER_ANSWER - self.bytes.len() {
            return Err(BodyTooLarge::Bytes);
        }
        if self.frames.len() == FRAMES_PER_ANSWER {
            return Err(BodyTooLarge::Frames);
        }
        if !self.memory.grow(bytes.len() + size_of::<BodyFrame>()) {
            return Err(BodyTooLarge::Together);
        }
        self.bytes.extend_from_slice(bytes);
        self.frames.push(BodyFrame {
            at: stamp.at,
            kernel: stamp.kernel,
            waited,
            end: self.bytes.len(),
        });
        Ok(())
    }

    /// A frame for the bytes of one read, whatever pieces they come in.
    pub(super) fn frame(&mut self, stamp: ReadStamp, waited: bool) -> FrameWriter<'_> {
        FrameWriter {
            body: self,
            stamp,
            waited,
            is_begun: false,
        }
    }

    /// The stamps of its reads.
    pub(super) fn stamps(&self) -> impl Iterator<Item = ReadStamp> {
        let stamp = |frame: &BodyFrame| ReadStamp {
            at: frame.at,
            kernel: frame.kernel,
        };
        self.frames.iter().map(stamp)
    }

    /// Sets the instants of its frames, one for each.
    pub(super) fn set_instants(&mut self, instants: impl Iterator<Item = Nanos>) {
        for (frame, at) in self.frames.iter_mut().zip(instants) {
            (frame.at, frame.kernel) = (at, None);
        }
    }

    /// All bytes.
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

    /// Index of the frame with the byte just before `end`: the frame that completed whatever ends there. It is sought
    /// from the frame `from` on, which completed something before. `None` for `end` 0 or beyond the body.
    pub fn frame_completing(&self, end: usize, from: usize) -> Option<usize> {
        let mut later = self.frames.get(from..)?.iter();
        let index = later.position(|frame| frame.end >= end)?;
        (end > 0).then_some(from + index)
    }
}

/// Adds the bytes of one read to a body, as one frame.
#[derive(Debug)]
pub(super) struct FrameWriter<'a> {
    body: &'a mut Body,
    stamp: ReadStamp,
    waited: bool,
    is_begun: bool,
}

impl FrameWriter<'_> {
    /// Adds bytes of the read.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), BodyTooLarge> {
        if !self.is_begun {
            self.body.push_stamped(self.stamp, self.waited, bytes)?;
            self.is_begun = !bytes.is_empty();
            return Ok(());
        }
        if bytes.len() > BYTES_PER_ANSWER - self.body.bytes.len() {
            return Err(BodyTooLarge::Bytes);
        }
        if !self.body.memory.grow(bytes.len()) {
            return Err(BodyTooLarge::Together);
        }
        self.body.bytes.extend_from_slice(bytes);
        if let Some(frame) = self.body.frames.last_mut() {
            frame.end = self.body.bytes.len();
        }
        Ok(())
    }
}

/// The end of an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExchangeEnd {
    /// The body ended as the protocol defines, or `[DONE]` (or its equivalent on other routes) was seen and
    /// nothing followed.
    Complete,
    /// No connection could be made; the client's message.
    ConnectFailed(String),
    /// The TLS handshake failed; the client's message.
    TlsFailed(String),
    /// The connection broke; the client's message.
    ConnectionLost(String),
    /// The server's bytes are not HTTP; the violation.
    InvalidHttp(String),
    /// A deadline passed.
    TimedOut(Deadline),
    /// A limit on the size of an answer was exceeded ([`BodyTooLarge`]).
    TooLarge,
    /// The run ended while it was in flight, and the exchange was dropped.
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
    /// For the whole exchange.
    Total,
}

/// Most bytes of the beginning of a line that [`DoneWatch`] stores: the longest line by whose beginning it
/// detects the end, and room for blanks.
const HEAD: usize = 64;

/// The events that end an answer on the Messages and on the Responses route.
const LAST_EVENTS: [&[u8]; 5] = [
    b"message_stop",
    b"response.completed",
    b"response.incomplete",
    b"response.failed",
    b"response.cancelled",
];

/// Watches for a stream that ends with the line `data: [DONE]`, or with the equivalent event of other routes,
/// so that the transport need not wait for a server that leaves the connection open. It costs nanoseconds per
/// frame: it looks for the ends of lines, and stores the beginning of the last one. In doubt it waits.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each says one thing of the bytes so far, and any of them can hold together"
)]
#[derive(Debug, Clone, Copy)]
pub struct DoneWatch {
    head: [u8; HEAD],
    stored: usize,
    /// True if the line is longer than the stored part.
    longer: bool,
    /// The previous byte: a LF after a CR belongs to the same line end.
    before: u8,
    /// True if the current event has the name of a last event.
    last_event: bool,
    /// True if the last line that is not blank ended the stream.
    done: bool,
    /// True if the last line that is not blank is a comment.
    after_comment: bool,
    /// True if the last frame had more than comments.
    has_content: bool,
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
            after_comment: false,
            has_content: false,
        }
    }
}

impl DoneWatch {
    /// A watch before the first byte.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the bytes of the next frame; returns true if the stream so far ends with the line.
    pub fn feed(&mut self, frame: &[u8]) -> bool {
        self.has_content = false;
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

    /// True if the last frame had more than comments and the blank lines after them: comments keep a connection
    /// alive, and say nothing of the answer.
    pub fn has_content(&self) -> bool {
        self.has_content
    }

    /// True if the stream so far ends with the line, blank lines after it allowed.
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
        self.has_content |= !more.is_empty() && !self.is_comment();
        self.before = more.last().copied().unwrap_or(self.before);
    }

    fn head(&self) -> &[u8] {
        self.head[..self.stored].trim_ascii_end()
    }

    /// True if the current line is `data: [DONE]`, which is detected before its end.
    fn is_done_line(&self) -> bool {
        !self.longer && value_of(self.head(), b"data") == Some(b"[DONE]")
    }

    fn is_comment(&self) -> bool {
        self.stored > 0 && self.head[0] == b':'
    }

    fn end_line(&mut self) {
        if self.stored > 0 {
            self.after_comment = self.is_comment();
        }
        self.has_content |= !self.after_comment;
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

/// The value of a line with this field name.
fn value_of<'a>(line: &'a [u8], field: &[u8]) -> Option<&'a [u8]> {
    let value = line.strip_prefix(field)?.strip_prefix(b":")?;
    Some(value.strip_prefix(b" ").unwrap_or(value))
}

/// True if JSON begins like a last event without an event name: with its `type`.
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
#[path = "recording_tests.rs"]
mod tests;
