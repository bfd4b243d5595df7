//! The content of a body: events, or one JSON answer.
//!
//! Owns the way from bytes to the parts of an answer. Must not know headers, nor how the exchange ended. Invariant: however the network
//! cut the bytes, only instants differ; a chunk costs no allocation if it differs from the one before in its text alone,
//! but for the growth of the answer.

use memchr::memmem;

use super::chunk::Chunk;
use super::delta_template::DeltaTemplate;
use super::ending::AnswerParts;
use super::recording::Body;
use super::sse::{self, SseEvent};
use super::stamps::Stamps;
use super::transcript::AddedChars;
use super::{fault, route};

/// Reads a stream, up to `[DONE]` (or its equivalent on other routes) or its end.
pub(super) fn gather_events<'a>(parts: &mut AnswerParts, stamps: &mut Stamps<'a>, body: &'a Body) {
    let mut gatherer = EventGatherer {
        parts,
        stamps,
        body,
        frame: 0,
        template: None,
    };
    let mut events = sse::events(body.bytes());
    let mut scratch = String::new();
    loop {
        let rest = events.rest();
        let template = gatherer.template;
        let repeated = template.and_then(|template| template.read(rest, &mut scratch));
        if let Some((piece, length)) = repeated
            && let Some(end) = events.skip_event(length)
        {
            gatherer.arrive(end);
            let added = gatherer
                .parts
                .transcript
                .add_piece(piece, AddedChars::default());
            gatherer.stamp(added);
            continue;
        }
        let event = match events.next() {
            Some(Ok(event)) => event,
            Some(Err(excess)) => {
                gatherer.parts.excess = Some(excess.to_string());
                return;
            }
            None => return,
        };
        gatherer.arrive(event.end);
        let start = body.bytes().len() - rest.len();
        if gatherer.add_event(&event, &body.bytes()[start..event.end]) {
            gatherer.parts.done = true;
            gatherer.parts.done_at = gatherer.parts.last_event;
            return;
        }
        if gatherer.parts.transcript.too_many_calls {
            gatherer.parts.excess = Some("the answer has too many tool calls".to_owned());
            return;
        }
    }
}

/// The events so far.
struct EventGatherer<'a, 'p> {
    parts: &'p mut AnswerParts,
    stamps: &'p mut Stamps<'a>,
    body: &'a Body,
    /// The frame that completed the last event.
    frame: usize,
    /// The last event, if the next one may differ from it in its text alone.
    template: Option<DeltaTemplate<'a>>,
}

/// Keys of which an event of any route has one, with or without a token.
const EVENT_KEYS: [&[u8]; 3] = [br#""choices":"#, br#""type":"#, br#""object":"#];

/// True for the JSON of an event of any route.
fn is_event(text: &[u8]) -> bool {
    EVENT_KEYS
        .iter()
        .any(|key| memmem::find(text, key).is_some())
}

/// True for the text of an event that only keeps a connection open.
fn is_keep_alive(text: &[u8]) -> bool {
    let words: [&[u8]; 5] = [
        b"ping",
        b"keep-alive",
        b"keepalive",
        b"heartbeat",
        b"processing",
    ];
    words.iter().any(|word| text.eq_ignore_ascii_case(word))
}

impl<'a> EventGatherer<'a, '_> {
    /// Notes the arrival of an event that was complete at this offset.
    fn arrive(&mut self, end: usize) {
        let completing = self.body.frame_completing(end, self.frame);
        self.frame = completing.unwrap_or(self.frame);
        self.parts.last_event = self.body.frames().get(self.frame).map(|frame| frame.at);
    }

    /// Notes what the last event added.
    fn stamp(&mut self, added: AddedChars) {
        self.stamps.add_chunk(self.frame, added);
        let transcript = &self.parts.transcript;
        let (length, has_call) = (transcript.content.len(), transcript.has_complete_call);
        self.parts.unit_frames.add(self.frame, length, has_call);
    }

    /// Reads an event, given all its bytes; returns true if it ends the answer.
    fn add_event(&mut self, event: &SseEvent<'_>, bytes: &'a [u8]) -> bool {
        self.template = None;
        let parts = &mut *self.parts;
        let text = event.text.trim_ascii();
        if text == b"[DONE]" {
            return true;
        }
        let is_error = event.name == b"error";
        if !text.starts_with(b"{") {
            // `data: ping` and the like; in an event named `error` it is the error.
            if is_error && parts.transcript.error.is_none() {
                parts.transcript.error = Some(fault::from_body(text));
            } else if !text.is_empty() && event.closed && !is_keep_alive(text) {
                let stray = || String::from_utf8_lossy(text).into_owned();
                parts.stray.get_or_insert_with(stray);
            }
            return false;
        }
        let repaired: Vec<u8>;
        let mut parsed = route::parse(text);
        if parsed.is_none() {
            repaired = route::repair_json(text).unwrap_or_default();
            parsed = route::parse(&repaired).map(with_halves);
        }
        let Some(mut chunk) = parsed else {
            // Without its closing line it was truncated: the end of the exchange has the reason.
            if event.closed {
                let message = || format!("an event is not JSON: {}", String::from_utf8_lossy(text));
                parts.broken.get_or_insert_with(message);
            }
            return false;
        };
        if is_error && chunk.error.is_none() {
            chunk.error = Some(fault::from_body(text));
        } else if chunk.is_blank() {
            chunk.error = fault::from_other_names(text);
            if chunk.error.is_none() && parts.odd.is_none() && !is_event(text) {
                parts.odd = Some(fault::from_body(text).message);
            }
        }
        if event.closed {
            self.template = DeltaTemplate::new(bytes, &chunk);
        }
        let ends = chunk.is_last;
        let added = parts.transcript.add_chunk(chunk);
        self.stamp(added);
        ends
    }
}

/// The chunk of repaired JSON.
fn with_halves(chunk: Chunk<'_>) -> Chunk<'_> {
    Chunk {
        has_halves: true,
        ..chunk
    }
}

/// Reads an answer that was not streamed.
pub(super) fn gather_json(parts: &mut AnswerParts, bytes: &[u8]) {
    let bytes = bytes
        .strip_prefix(b"\xEF\xBB\xBF")
        .unwrap_or(bytes)
        .trim_ascii();
    let repaired = match route::parse(bytes) {
        Some(chunk) => return gather_whole(parts, chunk, bytes),
        None => route::repair_json(bytes),
    };
    match repaired.as_deref().map(|json| (json, route::parse(json))) {
        Some((json, Some(chunk))) => gather_whole(parts, with_halves(chunk), json),
        Some((json, None)) => {
            let message = fault::from_body(json).message;
            parts.broken = Some(format!("the answer is not a JSON object: {message}"));
        }
        None => parts.broken = Some("the answer is not complete JSON".to_owned()),
    }
}

fn gather_whole(parts: &mut AnswerParts, mut chunk: Chunk<'_>, json: &[u8]) {
    if chunk.is_blank() {
        chunk.error = fault::from_other_names(json);
    }
    parts.transcript.add_chunk(chunk);
    parts.done = parts.transcript.has_choice;
    if !parts.done && parts.transcript.error.is_none() {
        let message = fault::from_body(json).message;
        parts.broken = Some(format!("the answer has no choices: {message}"));
    }
}
