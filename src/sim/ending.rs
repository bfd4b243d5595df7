//! How streams go wrong: errors in mid-stream, cuts, stalls and resets, applied to a whole answer's
//! events.
//!
//! Owns where a stream breaks and the bodies of in-stream errors. Must not know bytes or sockets.
//! Invariant: events are only removed from the end or added, never reordered.

use serde_json::{Value, json};

use super::chat::Identity;
use super::dialect::Dialect;
use super::envelope;
use super::fault::{Fault, Faults};
use super::render::{Envelope, Event, Payload};
use super::request::Api;
use crate::units::Nanos;

/// What happens after the last byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The answer ends in order.
    Clean,
    /// The connection closes without the last chunk of HTTP.
    Cut,
    /// The connection is reset.
    Reset,
    /// Nothing more comes, and the connection stays open.
    Stall,
}

/// A cut or reset comes a little after the last bytes, so that they have left the machine.
pub const BREAK_DELAY: Nanos = Nanos::from_millis(5);

/// Applies the faults that concern the course of the stream.
pub fn apply(events: &mut Vec<Event>, identity: &Identity, faults: &Faults, api: Api) -> Ending {
    match api {
        Api::Chat => in_stream_error(events, identity, faults),
        Api::Messages | Api::Responses => named_error(events, faults, api),
    }
    strange_events(events, faults);
    if faults.has(Fault::NoDone) || faults.has(Fault::NoLastBlank) {
        events.retain(|event| !is_done(event));
    }
    let half = |events: &mut Vec<Event>| {
        let kept = after_half(events);
        events.truncate(kept);
    };
    if faults.has(Fault::Cut) {
        half(events);
        return Ending::Clean;
    }
    if faults.has(Fault::CutDone) {
        half(events);
        let at = events.last().map_or(Nanos::ZERO, |event| event.at);
        if api == Api::Chat {
            events.push(Event::done(at));
        }
        return Ending::Clean;
    }
    if faults.has(Fault::CutTransport) {
        half(events);
        return Ending::Cut;
    }
    if faults.has(Fault::Reset) || faults.has(Fault::Stall) {
        events.truncate(after_first(events));
        return if faults.has(Fault::Reset) {
            Ending::Reset
        } else {
            Ending::Stall
        };
    }
    if faults.has(Fault::StallFirst) {
        let first = events.iter().position(|event| event.token);
        events.truncate(first.unwrap_or(1));
        return Ending::Stall;
    }
    if faults.has(Fault::Linger) {
        Ending::Stall
    } else {
        Ending::Clean
    }
}

fn is_done(event: &Event) -> bool {
    match &event.payload {
        Payload::Chunk(json) => json == b"[DONE]",
        Payload::Named(name, _) => {
            ["message_stop", "response.completed", "response.incomplete"].contains(name)
        }
        Payload::Comment(_) => false,
    }
}

/// How many events to keep so that the first token is the last.
fn after_first(events: &[Event]) -> usize {
    let first = events.iter().position(|event| event.token);
    first.map_or(events.len().min(1), |index| index + 1)
}

/// How many events to keep so that half of the token-bearing ones stay, at least one, and at least
/// one is lost where there are several.
fn after_half(events: &[Event]) -> usize {
    let tokens = events.iter().filter(|event| event.token).count();
    let wanted = (tokens / 2).max(1);
    let mut seen = 0;
    for (index, event) in events.iter().enumerate() {
        seen += usize::from(event.token);
        if seen == wanted {
            return index + 1;
        }
    }
    events.len().min(1)
}

/// The faults that are an error among the events.
const IN_STREAM: [Fault; 7] = [
    Fault::ErrorFirst,
    Fault::ErrorMidstream,
    Fault::ErrorMidstreamDone,
    Fault::ErrorWithChoices,
    Fault::ErrorNamedEvent,
    Fault::ErrorBeside,
    Fault::ErrorNested,
];

/// Makes room for an error: which one, and the instant of the first event that is lost, which the
/// error takes the place of.
fn room_for_error(events: &mut Vec<Event>, faults: &Faults) -> Option<(Fault, Nanos)> {
    let kind = IN_STREAM.into_iter().find(|kind| faults.has(*kind))?;
    let kept = match kind {
        Fault::ErrorFirst => 0,
        _ => after_half(events),
    };
    let lost = events.get(kept).or(events.last());
    let at = lost.map_or(Nanos::ZERO, |event| event.at);
    events.truncate(kept);
    Some((kind, at))
}

/// An error among the events of a route whose events have names: always an event `error`.
fn named_error(events: &mut Vec<Event>, faults: &Faults, api: Api) {
    let Some((_, at)) = room_for_error(events, faults) else {
        return;
    };
    let error = match api {
        Api::Responses => json!({
            "type": "error", "code": "server_error", "message": "The provider is overloaded",
            "param": null, "sequence_number": events.len(),
        })
        .to_string(),
        Api::Chat | Api::Messages => overloaded(),
    };
    events.push(Event {
        at,
        payload: Payload::Named("error", error.into_bytes()),
        token: false,
    });
}

/// The errors that come as events of a chat: each replaces the rest of the stream.
fn in_stream_error(events: &mut Vec<Event>, identity: &Identity, faults: &Faults) {
    let Some((kind, at)) = room_for_error(events, faults) else {
        return;
    };
    let envelope = Envelope::new(identity, faults.dialect);
    let plain = || match faults.dialect {
        Dialect::Vercel => envelope.bare(&stream_error("Upstream closed the stream")),
        Dialect::OpenRouter => envelope.bare(WITH_CHOICES),
        dialect => {
            let problem = envelope::provider_trouble("Upstream closed the stream");
            let told = envelope::body(&problem, dialect, Api::Chat);
            // Among events every decoder looks for the key `error`, also where bodies are flat.
            let keyed = told.get("error").is_some();
            (if keyed {
                told
            } else {
                json!({ "error": told })
            })
            .to_string()
        }
    };
    let event = match kind {
        Fault::ErrorNamedEvent => Event {
            at,
            payload: Payload::Named("error", overloaded().into_bytes()),
            token: false,
        },
        Fault::ErrorWithChoices => Event::chunk(at, envelope.bare(WITH_CHOICES)),
        Fault::ErrorBeside => Event::chunk(at, envelope.bare(BESIDE)),
        Fault::ErrorNested => Event::chunk(at, envelope.bare(&stream_error(&nested_text()))),
        _ => Event::chunk(at, plain()),
    };
    events.push(event);
    if kind == Fault::ErrorMidstreamDone {
        events.push(Event::done(at));
    }
}

/// An error as `OpenRouter` sends it, beside a choice that finishes with `error`.
const WITH_CHOICES: &str = r#","choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}],"error":{"code":502,"message":"Provider disconnected","metadata":{"error_type":"provider_unavailable","provider_code":null}}"#;
/// Error keys beside choices.
const BESIDE: &str = r#","choices":[{"index":0,"delta":{},"finish_reason":null}],"error_type":"provider_overloaded","error_message":"The provider is overloaded""#;

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

/// The same error as a whole body.
pub fn error_body(dialect: Dialect, api: Api) -> Value {
    if dialect != Dialect::Vercel || api == Api::Messages {
        let problem = envelope::provider_trouble("Stream error occurred");
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

/// Events that cannot be read, after the first token.
fn strange_events(events: &mut Vec<Event>, faults: &Faults) {
    let place = after_first(events).min(events.len());
    let at = place
        .checked_sub(1)
        .map_or(Nanos::ZERO, |last| events[last].at);
    if faults.has(Fault::BadJson) {
        events.insert(place, Event::chunk(at, r#"{"id":"gen_"#));
    }
    if faults.has(Fault::BadUtf8) {
        let mut json = br#"{"choices":[{"index":0,"delta":{"content":""#.to_vec();
        json.extend_from_slice(b"\xff\xfe");
        json.extend_from_slice(br#""}}]}"#);
        events.insert(place, Event::chunk(at, json));
    }
}
