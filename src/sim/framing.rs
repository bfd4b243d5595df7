//! Events as bytes: line ends, fields, compression, buffering, and the writes that carry them.
//!
//! Owns the byte level of SSE and of content encodings. Must not know the meaning of the JSON. Invariants:
//! instants never decrease; without a buffer every event leaves in a step of its own; a step counts the chunks
//! whose last byte of JSON it holds, so that no reader sees a token before the step that counts it.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::fault::{Fault, FaultSet};
use super::render::{Payload, StreamEvent};
use crate::units::Nanos;

/// One write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteStep {
    /// Time since the request's arrival.
    pub at: Nanos,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Token-bearing chunks that are complete with it.
    pub chunks: u32,
    /// True if it must not share a write with the step before it.
    pub separate: bool,
}

impl WriteStep {
    /// Creates a step without tokens.
    pub fn plain(at: Nanos, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            at,
            bytes: bytes.into(),
            chunks: 0,
            separate: false,
        }
    }
}

/// Returns the encoding of the faults, as `content-encoding` names it.
pub fn encoding(faults: &FaultSet) -> Option<&'static str> {
    if faults.has(Fault::Gzip) || faults.has(Fault::GzipHeld) {
        Some("gzip")
    } else if faults.has(Fault::Brotli) {
        Some("br")
    } else {
        None
    }
}

/// Returns the writes of a stream.
pub fn steps(events: &[StreamEvent], faults: &FaultSet) -> Vec<WriteStep> {
    let mut steps = Vec::with_capacity(events.len());
    for (index, event) in events.iter().enumerate() {
        let first = index == 0;
        let mut frame = SseFrame::new(event, faults, first);
        if faults.has(Fault::NoLastBlank) && index + 1 == events.len() {
            frame.drop_blank_line(faults);
        }
        split(&frame, event, faults, &mut steps);
    }
    let steps = encoded(steps, faults);
    buffered(steps, faults)
}

/// Returns the writes of a body that is not a stream of events: compressed, buffered or cut all the same.
pub fn body_steps(steps: Vec<WriteStep>, faults: &FaultSet) -> Vec<WriteStep> {
    let mut cut = Vec::with_capacity(steps.len());
    for step in steps {
        let size = if faults.has(Fault::Bytewise) {
            1
        } else {
            step.bytes.len().max(1)
        };
        let separate = size < step.bytes.len();
        cut.extend(step.bytes.chunks(size).map(|bytes| WriteStep {
            separate,
            ..WriteStep::plain(step.at, bytes)
        }));
    }
    buffered(encoded(cut, faults), faults)
}

/// One event as text, with the end of its JSON.
struct SseFrame {
    bytes: Vec<u8>,
    /// One past the last byte of the data.
    data_end: usize,
}

impl SseFrame {
    fn new(event: &StreamEvent, faults: &FaultSet, first: bool) -> Self {
        let line_end = line_end(faults);
        let mut frame = Self {
            bytes: Vec::new(),
            data_end: 0,
        };
        if first && faults.has(Fault::ByteOrderMark) {
            frame.bytes.extend_from_slice("\u{feff}".as_bytes());
        }
        if first && faults.has(Fault::BlankLines) {
            frame.bytes.extend_from_slice(&line_end.repeat(3));
        }
        if faults.has(Fault::Comments) {
            frame.line(b": a comment", line_end);
            frame.line(b":", line_end);
        }
        if faults.has(Fault::Fields) {
            frame.line(b"event: message", line_end);
            frame.line(b"id: 1", line_end);
            frame.line(b"retry: 3000", line_end);
            frame.line(b"unknown: field", line_end);
        }
        match &event.payload {
            Payload::Chunk(json) => frame.payload(json, faults),
            Payload::Named(name, json) => {
                frame.line(format!("event: {name}").as_bytes(), line_end);
                frame.payload(json, faults);
            }
            Payload::Comment(text) => frame.line(format!(": {text}").as_bytes(), line_end),
        }
        frame.bytes.extend_from_slice(line_end);
        frame
    }

    fn line(&mut self, text: &[u8], line_end: &[u8]) {
        self.bytes.extend_from_slice(text);
        self.bytes.extend_from_slice(line_end);
    }

    fn payload(&mut self, json: &[u8], faults: &FaultSet) {
        let field: &[u8] = if faults.has(Fault::NoSpace) {
            b"data:"
        } else {
            b"data: "
        };
        let line_end = line_end(faults);
        let lines = if faults.has(Fault::MultiLine) {
            lines_of(json)
        } else {
            vec![json]
        };
        for line in lines {
            self.bytes.extend_from_slice(field);
            self.bytes.extend_from_slice(line);
            self.data_end = self.bytes.len();
            self.bytes.extend_from_slice(line_end);
        }
    }

    fn drop_blank_line(&mut self, faults: &FaultSet) {
        let length = self.bytes.len().saturating_sub(line_end(faults).len());
        self.bytes.truncate(length);
    }
}

fn line_end(faults: &FaultSet) -> &'static [u8] {
    if faults.has(Fault::Crlf) || faults.has(Fault::SplitCrlf) {
        b"\r\n"
    } else if faults.has(Fault::Cr) {
        b"\r"
    } else {
        b"\n"
    }
}

/// Cuts JSON at positions where a line end changes nothing: after its opening brace and before its last.
fn lines_of(json: &[u8]) -> Vec<&[u8]> {
    match json {
        [b'{', .., b'}'] => vec![
            &json[..1],
            &json[1..json.len() - 1],
            &json[json.len() - 1..],
        ],
        _ => vec![json],
    }
}

/// Cuts an event's frame into writes.
fn split(frame: &SseFrame, event: &StreamEvent, faults: &FaultSet, steps: &mut Vec<WriteStep>) {
    let cuts: Vec<usize> = if faults.has(Fault::Bytewise) {
        (1..frame.bytes.len()).collect()
    } else if faults.has(Fault::SplitCrlf) {
        let pairs = frame.bytes.windows(2).enumerate();
        let pairs = pairs.filter(|(_, pair)| pair == b"\r\n");
        pairs.map(|(index, _)| index + 1).collect()
    } else if faults.has(Fault::SplitChar) {
        // Before every byte that continues a character.
        let bytes = frame.bytes.iter().enumerate();
        let within = bytes.filter(|(_, byte)| (0x80..0xc0).contains(*byte));
        within.map(|(index, _)| index).collect()
    } else {
        Vec::new()
    };
    let separate = !cuts.is_empty();
    let mut begin = 0;
    for end in cuts.into_iter().chain([frame.bytes.len()]) {
        let whole = event.token && (begin + 1..=end).contains(&frame.data_end);
        steps.push(WriteStep {
            at: event.at,
            bytes: frame.bytes[begin..end].to_vec(),
            chunks: u32::from(whole),
            separate,
        });
        begin = end;
    }
}

/// Compresses, step by step or all at the end.
fn encoded(mut steps: Vec<WriteStep>, faults: &FaultSet) -> Vec<WriteStep> {
    if faults.has(Fault::GzipHeld) {
        steps = vec![joined(steps)];
    }
    match encoding(faults) {
        Some("gzip") => gzip(&mut steps),
        Some(_) => brotli(&mut steps),
        None => {}
    }
    steps
}

fn gzip(steps: &mut [WriteStep]) {
    const INTO_MEMORY: &str = "writing into memory cannot fail";
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let last = steps.len().saturating_sub(1);
    for (index, step) in steps.iter_mut().enumerate() {
        encoder.write_all(&step.bytes).expect(INTO_MEMORY);
        if index == last {
            encoder.try_finish().expect(INTO_MEMORY);
        } else {
            encoder.flush().expect(INTO_MEMORY);
        }
        step.bytes = std::mem::take(encoder.get_mut());
    }
}

/// Encodes as Brotli without compression: each step becomes stored meta-blocks (RFC 7932 section 9.2), which
/// end on a byte, so that a reader can decode every step at once.
fn brotli(steps: &mut [WriteStep]) {
    /// The maximum length of a stored block with a 16-bit length.
    const BLOCK_BYTES: usize = 1 << 16;
    let last = steps.len().saturating_sub(1);
    for (index, step) in steps.iter_mut().enumerate() {
        let mut encoded = Vec::with_capacity(step.bytes.len() + 8);
        for (block_index, block) in step.bytes.chunks(BLOCK_BYTES).enumerate() {
            // Bits, least significant first: [window size 16: 0,] last: 0, nibbles of the length:
            // 00 (four), length - 1: 16 bits, stored: 1.
            let length = u32::try_from(block.len() - 1).expect("a block has at most 65536 bytes");
            let header = (length << 3) | (1 << 19);
            let begins = index == 0 && block_index == 0;
            let header = if begins { header << 1 } else { header };
            encoded.extend_from_slice(&header.to_le_bytes()[..3]);
            encoded.extend_from_slice(block);
        }
        if index == last {
            // The last block, empty.
            encoded.push(0b11);
        }
        step.bytes = encoded;
    }
}

/// Joins all steps at the instant of the last.
fn joined(steps: Vec<WriteStep>) -> WriteStep {
    let at = steps.last().map_or(Nanos::ZERO, |step| step.at);
    let mut whole = WriteStep::plain(at, Vec::new());
    for step in steps {
        whole.bytes.extend_from_slice(&step.bytes);
        whole.chunks += step.chunks;
    }
    whole
}

/// Holds back what comes within a time of the first byte, as a proxy does that waits for a full segment.
fn held(mut steps: Vec<WriteStep>, hold: Nanos) -> Vec<WriteStep> {
    let Some(first) = steps.first() else {
        return steps;
    };
    let release = Nanos(first.at.0.saturating_add(hold.0));
    let rest = steps.split_off(steps.partition_point(|step| step.at < release));
    let mut beginning = joined(steps);
    if !rest.is_empty() {
        beginning.at = release;
    }
    beginning.separate = true;
    std::iter::once(beginning).chain(rest).collect()
}

/// Buffers bytes as a proxy does: until the buffer is full, or the end.
fn buffered(steps: Vec<WriteStep>, faults: &FaultSet) -> Vec<WriteStep> {
    if !faults.has(Fault::Buffered) {
        return steps;
    }
    if let Some(hold) = faults.buffer_hold {
        return held(steps, hold);
    }
    let Some(size) = faults.buffer_bytes else {
        return vec![joined(steps)];
    };
    let end = steps.last().map_or(Nanos::ZERO, |step| step.at);
    let compressed = encoding(faults).is_some();
    let mut full: Vec<WriteStep> = Vec::new();
    let mut held = WriteStep::plain(end, Vec::new());
    for step in steps {
        // The bytes of a step that a reader needs to see its token: all but the line ends. Compressed bytes may
        // show it earlier, so there the first byte counts.
        let needed = if compressed {
            1
        } else {
            step.bytes.trim_ascii_end().len().max(1)
        };
        let mut taken = 0;
        while taken < step.bytes.len() {
            let room = (size - held.bytes.len()).min(step.bytes.len() - taken);
            held.bytes
                .extend_from_slice(&step.bytes[taken..taken + room]);
            if (taken + 1..=taken + room).contains(&needed) {
                held.chunks += step.chunks;
            }
            taken += room;
            if held.bytes.len() == size {
                let next = WriteStep::plain(end, Vec::new());
                let mut leaving = std::mem::replace(&mut held, next);
                leaving.at = step.at;
                leaving.separate = true;
                full.push(leaving);
            }
        }
    }
    if !held.bytes.is_empty() {
        full.push(held);
    }
    full
}
