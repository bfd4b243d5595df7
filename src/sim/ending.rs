//! Endings of streams: errors in mid-stream, cuts, stalls and resets, applied to the events of a complete
//! answer.
//!
//! Owns the position of a break and the bodies of in-stream errors. Must not know bytes or sockets. Invariant:
//! events are only removed from the end or added, never reordered.

use serde_json::{Value, json};

use super::chat::Identity;
use super::dialect::Dialect;
use super::envelope;
use super::fault::{Fault, FaultSet};
use super::render::{Envelope, Payload, StreamEvent};
use super::request::ChatRoute;
use crate::units::Nanos;

/// The treatment of the connection after the last byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionEnd {
    /// The response ends in order.
    Clean,
    /// The connection closes without the last chunk of HTTP.
    Cut,
    /// The connection is reset.
    Reset,
    /// Nothing more is sent, and the connection stays open.
    Stall,
}

/// The delay of a cut or reset after the last bytes, so that they have left the machine.
pub const BREAK_DELAY: Nanos = Nanos::from_millis(5);

/// Applies the faults that concern the course of the stream.
pub fn apply(
    events: &mut Vec<StreamEvent>,
    identity: &Identity,
    faults: &FaultSet,
    api: ChatRoute,
) -> ConnectionEnd {
    match api {
        ChatRoute::Chat => in_stream_error(events, identity, faults),
        ChatRoute::Messages | ChatRoute::Responses => named_error(events, faults, api),
    }
    add_unparsable_events(events, faults);
    if faults.has(Fault::DoneOnly) {
        events.retain(is_done);
    }
    if faults.has(Fault::NoDone) || faults.has(Fault::NoLastBlank) {
        events.retain(|event| !is_done(event));
    }
    let half = |events: &mut Vec<StreamEvent>| {
        let count = after_half(events);
        events.truncate(count);
    };
    if faults.has(Fault::Cut) {
        half(events);
        return ConnectionEnd::Clean;
    }
    if faults.has(Fault::CutDone) {
        half(events);
        let at = events.last().map_or(Nanos::ZERO, |event| event.at);
        if api == ChatRoute::Chat {
            events.push(StreamEvent::done(at));
        }
        return ConnectionEnd::Clean;
    }
    if faults.has(Fault::CutTransport) {
        half(events);
        return ConnectionEnd::Cut;
    }
    if faults.has(Fault::Reset) || faults.has(Fault::Stall) {
        events.truncate(after_first(events));
        return if faults.has(Fault::Reset) {
            ConnectionEnd::Reset
        } else {
            ConnectionEnd::Stall
        };
    }
    if faults.has(Fault::StallFirst) {
        let first = events.iter().position(|event| event.token);
        events.truncate(first.unwrap_or(1));
        return ConnectionEnd::Stall;
    }
    if faults.has(Fault::Linger) {
        ConnectionEnd::Stall
    } else {
        ConnectionEnd::Clean
    }
}

fn is_done(event: &StreamEvent) -> bool {
    match &event.payload {
        Payload::Chunk(json) => json == b"[DONE]",
        Payload::Named(name, _) => {
            ["message_stop", "response.completed", "response.incomplete"].contains(name)
        }
        Payload::Comment(_) => false,
    }
}

/// Returns the number of events up to and including the first token.
fn after_first(events: &[StreamEvent]) -> usize {
    let first = events.iter().position(|event| event.token);
    first.map_or(events.len().min(1), |index| index + 1)
}

/// Returns the number of events that hold half of the token-bearing ones, at least one; at least one is lost if
/// there are several.
fn after_half(events: &[StreamEvent]) -> usize {
    let tokens = events.iter().filter(|event| event.token).count();
    let half = (tokens / 2).max(1);
    let mut seen = 0;
    for (index, event) in events.iter().enumerate() {
        seen += usize::from(event.token);
        if seen == half {
            return index + 1;
        }
    }
    events.len().min(1)
}

/// The faults that put an error among the events.
const IN_STREAM: [Fault; 8] = [
    Fault::ErrorFirst,
    Fault::ErrorMidstream,
    Fault::ErrorMidstreamDone,
    Fault::ErrorWithChoices,
    Fault::ErrorInChoice,
    Fault::ErrorNamedEvent,
    Fault::ErrorKeys,
    Fault::ErrorNested,
];

/// Truncates the events for an error. Returns the fault, and the instant of the first lost event, which is that
/// of the error.
fn truncate_for_error(events: &mut Vec<StreamEvent>, faults: &FaultSet) -> Option<(Fault, Nanos)> {
    let kind = IN_STREAM.into_iter().find(|kind| faults.has(*kind))?;
    let count = match kind {
        Fault::ErrorFirst => 0,
        _ => after_half(events),
    };
    let lost = events.get(count).or(events.last());
    let at = lost.map_or(Nanos::ZERO, |event| event.at);
    events.truncate(count);
    Some((kind, at))
}

/// Adds an error among the events of a route whose events have names: always an event `error`.
fn named_error(events: &mut Vec<StreamEvent>, faults: &FaultSet, api: ChatRoute) {
    let Some((_, at)) = truncate_for_error(events, faults) else {
        return;
    };
    let error = match api {
        ChatRoute::Responses => json!({
            "type": "error", "code": "server_error", "message": "The provider is overloaded",
            "param": null, "sequence_number": events.len(),
        })
        .to_string(),
        ChatRoute::Chat | ChatRoute::Messages => overloaded(),
    };
    events.push(StreamEvent {
        at,
        payload: Payload::Named("error", error.into_bytes()),
        token: false,
    });
}

/// Adds the errors that come as events of a chat: each replaces the rest of the stream.
fn in_stream_error(events: &mut Vec<StreamEvent>, identity: &Identity, faults: &FaultSet) {
    let Some((kind, at)) = truncate_for_error(events, faults) else {
        return;
    };
    let envelope = Envelope::new(identity, faults.dialect);
    let plain = || match faults.dialect {
        Dialect::Vercel => envelope.bare(&stream_error("Upstream closed the stream")),
        Dialect::OpenRouter => envelope.bare(WITH_CHOICES),
        dialect => {
            let problem = envelope::provider_error("Upstream closed the stream");
            let body = envelope::body(&problem, dialect, ChatRoute::Chat);
            // Every decoder looks for the key `error` in events, also where bodies are flat.
            let keyed = body.get("error").is_some();
            (if keyed {
                body
            } else {
                json!({ "error": body })
            })
            .to_string()
        }
    };
    let event = match kind {
        Fault::ErrorNamedEvent => StreamEvent {
            at,
            payload: Payload::Named("error", overloaded().into_bytes()),
            token: false,
        },
        Fault::ErrorWithChoices => StreamEvent::chunk(at, envelope.bare(WITH_CHOICES)),
        Fault::ErrorInChoice => StreamEvent::chunk(at, envelope.bare(IN_CHOICE)),
        Fault::ErrorKeys => StreamEvent::chunk(at, envelope.bare(ERROR_KEYS)),
        Fault::ErrorNested => StreamEvent::chunk(at, envelope.bare(&stream_error(&nested_text()))),
        _ => StreamEvent::chunk(at, plain()),
    };
    events.push(event);
    if kind == Fault::ErrorMidstreamDone {
        events.push(StreamEvent::done(at));
    }
}

/// An error as `OpenRouter` sends it, with a choice that finishes with `error`.
const WITH_CHOICES: &str = r#","choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}],"error":{"code":502,"message":"Provider disconnected","metadata":{"error_type":"provider_unavailable","provider_code":null}}"#;
/// A rate limit that a gateway attaches to the choice that failed.
const IN_CHOICE: &str = r#","choices":[{"index":0,"delta":{"content":""},"finish_reason":"error","error":{"code":429,"message":"The provider limits its rate"}}]"#;
/// Error keys next to choices.
const ERROR_KEYS: &str = r#","choices":[{"index":0,"delta":{},"finish_reason":null}],"error_type":"provider_overloaded","error_message":"The provider is overloaded""#;

/// The recorded shape of a failure in mid-stream.
fn stream_error(text: &str) -> String {
    let error = json!({
        "code": "error",
        "message": "Stream error occurred",
        "name": "AI_TypeValidationError",
        "cause": { "name": "ZodError", "message": "Invalid input" },
        "value": { "error_message": text },
    });
    format!(r#","error":{error}"#)
}

/// Returns the same error as a complete body.
pub fn error_body(dialect: Dialect, api: ChatRoute) -> Value {
    if dialect != Dialect::Vercel || api == ChatRoute::Messages {
        let problem = envelope::provider_error("Stream error occurred");
        return envelope::body(&problem, dialect, api);
    }
    json!({ "error": { "code": "error", "message": "Stream error occurred", "type": null } })
}

/// A provider's error as JSON text.
fn nested_text() -> String {
    json!({ "error": { "type": "overloaded_error", "message": "Overloaded" } }).to_string()
}

/// A bare error object, as a named event carries it.
fn overloaded() -> String {
    json!({ "type": "error", "error": { "type": "overloaded_error", "message": "Overloaded" } })
        .to_string()
}

/// Adds unparsable events after the first token.
fn add_unparsable_events(events: &mut Vec<StreamEvent>, faults: &FaultSet) {
    let place = after_first(events).min(events.len());
    let at = place
        .checked_sub(1)
        .map_or(Nanos::ZERO, |last| events[last].at);
    if faults.has(Fault::BadJson) {
        events.insert(place, StreamEvent::chunk(at, r#"{"id":"gen_"#));
    }
    if faults.has(Fault::BadUtf8) {
        let mut json = br#"{"choices":[{"index":0,"delta":{"content":""#.to_vec();
        json.extend_from_slice(b"\xff\xfe");
        json.extend_from_slice(br#""}}]}"#);
        events.insert(place, StreamEvent::chunk(at, json));
    }
}
