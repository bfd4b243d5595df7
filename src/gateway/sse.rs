//! Server-sent events: from the bytes of a whole body to events.
//!
//! Owns the event stream format (WHATWG HTML, 9.2). Must not know what an event's text means. Invariant: the
//! work is linear in the bytes, nothing panics, and each event has the offset at which it was complete, so that
//! it gets the instant of the frame with that byte.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

/// Most bytes of the text of one event. Images come as base64 inside one event and take megabytes.
pub const BYTES_PER_EVENT: usize = 32 << 20;

/// Most events of one stream: far above the longest answers at one token an event.
pub const EVENTS_PER_STREAM: usize = 1_000_000;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SseEvent<'a> {
    /// Its `event:` name; empty when it has none.
    pub name: &'a [u8],
    /// Its `data:` lines, joined by line feeds.
    pub text: Cow<'a, [u8]>,
    /// Offset just after the byte that completed it.
    pub end: usize,
    /// True if its closing blank line came. An event without one may have been truncated.
    pub closed: bool,
}

/// A limit that a stream exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StreamTooLarge {
    /// [`BYTES_PER_EVENT`].
    #[error("an event is larger than {BYTES_PER_EVENT} bytes")]
    Bytes,
    /// [`EVENTS_PER_STREAM`].
    #[error("the stream has more than {EVENTS_PER_STREAM} events")]
    Events,
}

/// The events of a whole body. Comments, unknown fields and events without `data:` are skipped; a field `error`
/// is the text of an event of that name. After a
/// [`StreamTooLarge`] nothing follows.
pub fn events(bytes: &[u8]) -> Events<'_> {
    let bom = if bytes.starts_with(b"\xEF\xBB\xBF") {
        3
    } else {
        0
    };
    Events {
        bytes,
        at: bom,
        left: EVENTS_PER_STREAM,
    }
}

/// See [`events`].
#[derive(Debug, Clone)]
pub struct Events<'a> {
    bytes: &'a [u8],
    at: usize,
    left: usize,
}

/// A line without its end.
struct FieldLine<'a> {
    text: &'a [u8],
    /// Offset just after the byte that completed it: the CR of a CRLF, since nothing can follow it that would
    /// still belong to the line.
    end: usize,
    terminated: bool,
}

impl<'a> Events<'a> {
    /// The bytes after the last event.
    pub(super) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// Skips the next event, whose length is known. Returns the offset at which it was complete; `None`, and nothing
    /// is skipped, if it is one too many.
    pub(super) fn skip_event(&mut self, length: usize) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let end = self.at + length;
        let is_half = self.bytes[..end].ends_with(b"\r") && self.bytes[end..].starts_with(b"\n");
        self.at = end + usize::from(is_half);
        Some(end)
    }

    /// The next line; `None` at the end of the bytes.
    fn line(&mut self) -> Option<FieldLine<'a>> {
        let rest = &self.bytes[self.at..];
        let Some(length) = memchr2(b'\n', b'\r', rest) else {
            self.at = self.bytes.len();
            return (!rest.is_empty()).then_some(FieldLine {
                text: rest,
                end: self.at,
                terminated: false,
            });
        };
        let end = self.at + length + 1;
        let crlf = rest[length..].starts_with(b"\r\n");
        self.at = end + usize::from(crlf);
        Some(FieldLine {
            text: &rest[..length],
            end,
            terminated: true,
        })
    }

    /// Returns the event, unless it is one too many.
    fn emit(&mut self, event: SseEvent<'a>) -> Result<SseEvent<'a>, StreamTooLarge> {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Ok(event)
            }
            None => Err(self.stop(StreamTooLarge::Events)),
        }
    }

    fn stop(&mut self, excess: StreamTooLarge) -> StreamTooLarge {
        self.at = self.bytes.len();
        excess
    }
}

impl<'a> Iterator for Events<'a> {
    type Item = Result<SseEvent<'a>, StreamTooLarge>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut name: &[u8] = b"";
        let mut text: Option<Cow<'a, [u8]>> = None;
        while let Some(line) = self.line() {
            if line.text.is_empty() {
                if let Some(text) = text.take() {
                    return Some(self.emit(SseEvent {
                        name,
                        text,
                        end: line.end,
                        closed: true,
                    }));
                }
                name = b"";
                continue;
            }
            match field(line.text) {
                (b"data", value) => {
                    let held = text.as_ref().map_or(0, |text| text.len() + 1);
                    if held + value.len() > BYTES_PER_EVENT {
                        return Some(Err(self.stop(StreamTooLarge::Bytes)));
                    }
                    append(&mut text, value);
                }
                // No field of the format: some servers write an error so, after they have begun a stream.
                (b"error", value) => {
                    name = b"error";
                    append(&mut text, value);
                }
                // A name that the end of the stream cut off is no name.
                (b"event", value) if line.terminated => name = value,
                _ => {}
            }
        }
        let text = text?;
        Some(self.emit(SseEvent {
            name,
            text,
            end: self.bytes.len(),
            closed: false,
        }))
    }
}

/// Splits a line into field name and value, without the one space that may follow the colon. A
/// comment's name is empty.
fn field(line: &[u8]) -> (&[u8], &[u8]) {
    match memchr(b':', line) {
        Some(colon) => {
            let value = &line[colon + 1..];
            (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
        }
        None => (line, b""),
    }
}

/// Adds a `data:` line. One line, the ordinary case, is borrowed.
fn append<'a>(text: &mut Option<Cow<'a, [u8]>>, value: &'a [u8]) {
    match text {
        None => *text = Some(Cow::Borrowed(value)),
        Some(text) => {
            let joined = text.to_mut();
            joined.push(b'\n');
            joined.extend_from_slice(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Name, text, end and closed flag of every event.
    fn all(bytes: &[u8]) -> Vec<(String, String, usize, bool)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        events(bytes)
            .map(|event| event.unwrap())
            .map(|event| (text(event.name), text(&event.text), event.end, event.closed))
            .collect()
    }

    #[test]
    fn every_line_end_closes_an_event_at_once() {
        // A bare CR must not wait for a byte that may never come; a CRLF is one line end.
        for (bytes, end) in [
            ("data: x\n\n", 9),
            ("data: x\r\r", 9),
            ("data: x\r\n\r\n", 10),
            ("data: x\r\n\n", 10),
            ("data: x\n\r\n", 9),
        ] {
            let one = (String::new(), "x".to_owned(), end, true);
            assert_eq!(all(bytes.as_bytes()), [one], "{bytes:?}");
        }
    }

    #[test]
    fn fields_are_read_as_the_format_says() {
        // Missing spaces, doubled spaces, several lines, names, comments, unknown fields, a BOM.
        let bytes = b"\xEF\xBB\xBF:hi\nid: 7\nevent:error\ndata:a\ndata:  b\ndata\n\nretry: 5\n\nevent: x\n\ndata: c\n\n";
        assert_eq!(
            all(bytes),
            [
                ("error".to_owned(), "a\n b\n".to_owned(), 47, true),
                (String::new(), "c".to_owned(), bytes.len(), true),
            ]
        );
    }

    #[test]
    fn an_unclosed_event_is_marked() {
        // The reader of the event decides by its content whether it was truncated.
        for bytes in ["data: {\"a\":1}", "data: {\"a\":1}\n"] {
            let one = (String::new(), "{\"a\":1}".to_owned(), bytes.len(), false);
            assert_eq!(all(bytes.as_bytes()), [one]);
        }
        assert_eq!(all(b"event: error"), []);
        // Half a name is no name.
        let cut = all(b"data: x\nevent: err");
        assert_eq!(cut, [(String::new(), "x".to_owned(), 18, false)]);
    }

    #[test]
    fn limits_end_the_stream() {
        // Neither one endless event nor endless small ones may be collected.
        let mut endless = b"data: ".to_vec();
        endless.resize(BYTES_PER_EVENT + 7, b'x');
        assert_eq!(events(&endless).next(), Some(Err(StreamTooLarge::Bytes)));
        let many = b"data:\n\n".repeat(EVENTS_PER_STREAM + 2);
        let mut stream = events(&many);
        assert_eq!(stream.by_ref().flatten().count(), EVENTS_PER_STREAM);
        let mut stream = events(&many);
        assert_eq!(
            stream.nth(EVENTS_PER_STREAM),
            Some(Err(StreamTooLarge::Events))
        );
        assert_eq!(stream.next(), None);
    }

    proptest! {
        // Arbitrary bytes never panic, and the work is linear: each call reads on from where the last one
        // stopped, no further than its event, and copies a byte at most once.
        #[test]
        fn work_is_linear(bytes in prop::collection::vec(
            prop_oneof![4 => Just(b'\n'), 2 => Just(b'\r'), 2 => Just(b':'), 1 => any::<u8>(),
                        4 => prop::sample::select(b"data: event".to_vec())], 0..400)) {
            let mut stream = events(&bytes);
            let (mut start, mut copied) = (stream.at, 0);
            while let Some(event) = stream.next() {
                let event = event.unwrap();
                prop_assert!(event.end > start);
                prop_assert!((event.end..=event.end + 1).contains(&stream.at));
                start = stream.at;
                if let Cow::Owned(text) = event.text {
                    copied += text.len();
                }
            }
            prop_assert_eq!(stream.at, bytes.len());
            prop_assert!(copied <= bytes.len());
        }

        // Written events, with any line end, are read as the same events.
        #[test]
        fn events_survive_being_written(
            texts in prop::collection::vec(prop::collection::vec("[^\\n\\r]{0,12}", 1..4), 0..6),
            line_end in prop_oneof![Just("\n"), Just("\r\n"), Just("\r")],
            space in any::<bool>(), comment in any::<bool>(),
        ) {
            let mut bytes = String::new();
            for lines in &texts {
                if comment {
                    bytes.push_str(": wait");
                    bytes.push_str(line_end);
                }
                for line in lines {
                    // Without a space in between, a leading space of the text would be skipped.
                    let gap = if space || line.starts_with(' ') { " " } else { "" };
                    bytes.extend(["data:", gap, line, line_end]);
                }
                bytes.push_str(line_end);
            }
            let read: Vec<String> = all(bytes.as_bytes()).into_iter().map(|event| event.1).collect();
            let written: Vec<String> = texts.iter().map(|lines| lines.join("\n")).collect();
            prop_assert_eq!(read, written);
        }
    }
}
