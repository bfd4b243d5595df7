//! Conversion of a recording: the outcome, the answer, its instants, its counts and costs.
//!
//! Owns the outcome of an exchange, and the flags that its bytes justify. Must not know the request (except the
//! model and whether to stream), nor any other exchange. Invariant: [`read`] is a pure function; however the
//! network cut the bytes, only instants differ.

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use memchr::memchr3;

use super::chunk::Chunk;
use super::decode::{DecodeError, DecodedBody, decode};
use super::fault::{self, ApiError};
use super::model_name::{file_name, same_model};
use super::recording::{Body, Deadline, ExchangeEnd, Recording, Response};
use super::route;
use super::sse::{self, SseEvent};
use super::stamps::Stamps;
use super::transcript::Transcript;
use crate::record::{ErrorReport, Flag, Outcome, ToolCall, Usage};
use crate::suite::Redacted;
use crate::units::{ModelId, Nanos, Usd};

pub use super::stamps::{BUFFERED_CHUNKS, GapList};

/// The result of one exchange. Instants are nanoseconds since the run began; unknown values are absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The outcome.
    pub outcome: Outcome,
    /// The reported error, without secrets.
    pub error: Option<ErrorReport>,
    /// The wait that the server demands before a retry.
    pub retry_after: Option<RetryAfter>,
    /// HTTP status.
    pub status: Option<u16>,
    /// The instant of the headers.
    pub headers: Option<Nanos>,
    /// The instant of the first token: reasoning, content, refusal or tool call.
    pub first_token: Option<Nanos>,
    /// The instant of the first token that is not reasoning.
    pub first_answer: Option<Nanos>,
    /// The instant of the last token-bearing chunk.
    pub last_token: Option<Nanos>,
    /// The end of the answer: `[DONE]` or another route's last event, else the end of the body; if a finished
    /// answer left the connection open until a deadline, its last event.
    pub end: Nanos,
    /// Times between token-bearing chunks.
    pub gaps: GapList,
    /// Characters of content, refusal and tool calls.
    pub answer_chars: Option<u64>,
    /// Characters of visible reasoning.
    pub reasoning_chars: Option<u64>,
    /// Characters of the first token-bearing chunk.
    pub first_chunk_chars: Option<u64>,
    /// The last counts that were reported; `record::check_usage` decides what they mean.
    pub usage: Option<Usage>,
    /// The last `total_tokens` that was reported.
    pub total_tokens: Option<u64>,
    /// The finish reason, verbatim.
    pub finish_reason: Option<String>,
    /// The billed amount, surcharges included where they are reported.
    pub billed_usd: Option<Usd>,
    /// The gateway's surcharge within `billed_usd`, where it is reported separately.
    pub surcharge_usd: Option<Usd>,
    /// The list price as reported by the gateway.
    pub market_usd: Option<Usd>,
    /// The provider that answered.
    pub provider: Option<String>,
    /// The number of providers tried.
    pub provider_attempts: Option<u32>,
    /// The model that answered, in the server's spelling, where that differs from the requested id. A mere date
    /// or prefix is included here too; only [`Flag::Fallback`] means another model.
    pub served_model: Option<String>,
    /// The gateway's id of the generation, else the id on the answer.
    pub generation_id: Option<String>,
    /// The flags, sorted and unique.
    pub flags: Vec<Flag>,
    /// The answer's text: content, else the refusal.
    pub answer: Option<String>,
    /// The text of visible reasoning.
    pub reasoning: Option<String>,
    /// The tool calls, joined from their fragments.
    pub tool_calls: Vec<ToolCall>,
}

/// The value of a `Retry-After` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// A span, rounded up to whole seconds.
    Seconds(u64),
    /// An HTTP date; it means something only against the wall clock.
    Date(Timestamp),
}

impl RetryAfter {
    /// Parses the header's value; `None` if it is neither seconds nor a date.
    pub fn parse(value: &str) -> Option<Self> {
        let value = value.trim();
        if let Ok(date) = DateTimeParser::new().parse_timestamp(value) {
            return Some(Self::Date(date));
        }
        let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) {
            return None;
        }
        let more = u64::from(fraction.bytes().any(|byte| byte != b'0'));
        whole
            .parse::<u64>()
            .ok()?
            .checked_add(more)
            .map(Self::Seconds)
    }

    /// The wait from `now` on; zero for a date in the past.
    pub fn wait(self, now: Timestamp) -> Nanos {
        match self {
            Self::Seconds(seconds) => Nanos(seconds.saturating_mul(1_000_000_000)),
            Self::Date(date) => {
                let nanos = date.duration_since(now).as_nanos().max(0);
                Nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
            }
        }
    }
}

/// Reads a recording. `requested` is the model in the request; without `streamed` the answer has no token
/// instants, whatever the server sent.
pub fn read(recording: &Recording, requested: &ModelId, streamed: bool) -> Redacted<Reading> {
    recording
        .redactor
        .apply(read_unfiltered(recording, requested, streamed))
}

/// The reading with the server's own texts, decoded and joined: only the filter may have it.
fn read_unfiltered(recording: &Recording, requested: &ModelId, streamed: bool) -> Reading {
    let mut reading = new_reading(recording);
    let Some(response) = &recording.response else {
        (reading.outcome, reading.error) = outcome_without_answer(&recording.ending, None);
        if recording.ending == ExchangeEnd::Complete {
            reading.error = Some(error_report(None, "the exchange ended without a response"));
        }
        return reading;
    };
    let decoded = decode(response);
    if decoded.compressed {
        reading.flags.push(Flag::Compressed);
    }
    if (200..300).contains(&response.status) {
        read_answer(
            &mut reading,
            recording,
            response,
            &decoded,
            requested,
            streamed,
        );
    } else {
        read_error(&mut reading, response, &decoded);
    }
    reading.flags.sort_unstable();
    reading.flags.dedup();
    reading
}

/// The reading before the body is examined.
fn new_reading(recording: &Recording) -> Reading {
    let response = recording.response.as_ref();
    let header = |name| response.and_then(|response| response.header(name));
    Reading {
        outcome: Outcome::ProtocolError,
        error: None,
        retry_after: header("retry-after").and_then(RetryAfter::parse),
        status: response.map(|response| response.status),
        headers: response.map(|response| response.at),
        first_token: None,
        first_answer: None,
        last_token: None,
        end: recording.end,
        gaps: GapList::default(),
        answer_chars: None,
        reasoning_chars: None,
        first_chunk_chars: None,
        usage: None,
        total_tokens: None,
        finish_reason: None,
        billed_usd: None,
        surcharge_usd: None,
        market_usd: None,
        provider: None,
        provider_attempts: None,
        served_model: None,
        generation_id: header("x-generation-id").map(str::to_owned),
        flags: recording.connect.map(|_| Flag::Cold).into_iter().collect(),
        answer: None,
        reasoning: None,
        tool_calls: Vec::new(),
    }
}

/// Reads a response with a status other than 2xx: the body holds the error.
fn read_error(reading: &mut Reading, response: &Response, decoded: &DecodedBody<'_>) {
    let body = decoded.body.bytes();
    let error = match sse::events(body).next() {
        Some(Ok(event)) if !event.text.is_empty() && body_form(body) == BodyForm::Events => {
            fault::from_body(&event.text)
        }
        _ => fault::from_body(body),
    };
    reading.outcome = error.outcome_of_status(response.status);
    let mut report = error.report(reading.status);
    if report.message.is_empty() {
        report.message = match &decoded.error {
            Some(error) => error.to_string(),
            None => "the response has no body".to_owned(),
        };
    }
    reading.error = Some(report);
    if error.generation_id.is_some() {
        reading.generation_id = error.generation_id;
    }
}

/// The form of a body by its first bytes; content types are often wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyForm {
    Empty,
    Json,
    Events,
    Other,
}

fn body_form(body: &[u8]) -> BodyForm {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let body = body.trim_ascii_start();
    let fields: [&[u8]; 5] = [b"", b"data", b"event", b"id", b"retry"];
    let name = &body[..memchr3(b':', b'\n', b'\r', body).unwrap_or(body.len())];
    match body.first() {
        None => BodyForm::Empty,
        Some(b'{' | b'[') => BodyForm::Json,
        Some(_) if fields.contains(&name) => BodyForm::Events,
        Some(_) => BodyForm::Other,
    }
}

/// The parts collected from a body.
#[derive(Default)]
struct AnswerParts {
    transcript: Transcript,
    /// True after `[DONE]`, another route's last event, or a whole JSON answer.
    done: bool,
    /// The instant of the event that ended the answer.
    done_at: Option<Nanos>,
    /// The instant of the last event.
    last_event: Option<Nanos>,
    /// A violation of the protocol.
    broken: Option<String>,
    /// A limit that was exceeded.
    excess: Option<String>,
    /// Text in place of a chunk; reported only if there is no better explanation.
    stray: Option<String>,
}

fn read_answer(
    reading: &mut Reading,
    recording: &Recording,
    response: &Response,
    decoded: &DecodedBody<'_>,
    requested: &ModelId,
    streamed: bool,
) {
    let body = &*decoded.body;
    let mut stamps = Stamps::new(body.frames());
    let mut parts = AnswerParts::default();
    match body_form(body.bytes()) {
        BodyForm::Events => gather_events(&mut parts, &mut stamps, body),
        BodyForm::Json => gather_json(&mut parts, body.bytes()),
        BodyForm::Other => parts.broken = Some(fault::from_body(body.bytes()).message),
        BodyForm::Empty => parts.broken = Some("the answer is empty".to_owned()),
    }
    (reading.outcome, reading.error) =
        decide_outcome(&parts, &recording.ending, decoded, reading.status);
    reading.end = match (parts.done_at, parts.last_event) {
        (Some(done), _) => done,
        (None, Some(last))
            if reading.outcome.answered() && recording.ending != ExchangeEnd::Complete =>
        {
            last
        }
        _ => recording.end,
    };
    if streamed {
        if stamps.is_buffered() {
            reading.flags.push(Flag::Buffered);
        }
        reading.first_token = stamps.first_token;
        reading.first_answer = stamps.first_answer;
        reading.last_token = stamps.last_token;
        reading.first_chunk_chars = stamps.first_chunk_chars;
        reading.gaps = stamps.gaps;
    }
    fill_reading(reading, parts.transcript, requested, response);
}

/// Reads a stream, up to `[DONE]` (or its equivalent on other routes) or its end.
fn gather_events(parts: &mut AnswerParts, stamps: &mut Stamps<'_>, body: &Body) {
    for event in sse::events(body.bytes()) {
        let event = match event {
            Ok(event) => event,
            Err(excess) => {
                parts.excess = Some(excess.to_string());
                return;
            }
        };
        let Some(frame) = body.frame_completing(event.end) else {
            return;
        };
        parts.last_event = Some(body.frames()[frame].at);
        if event.text.trim_ascii() == b"[DONE]" {
            parts.done = true;
            parts.done_at = parts.last_event;
            return;
        }
        parts.done = gather_event(parts, stamps, &event, frame);
        if parts.done {
            parts.done_at = parts.last_event;
            return;
        }
        if parts.transcript.too_many_calls {
            parts.excess = Some("the answer has too many tool calls".to_owned());
            return;
        }
    }
}

/// Reads an event; returns true if it ends the answer.
fn gather_event(
    parts: &mut AnswerParts,
    stamps: &mut Stamps<'_>,
    event: &SseEvent<'_>,
    frame: usize,
) -> bool {
    let text = event.text.trim_ascii();
    let is_error = event.name == b"error";
    if !text.starts_with(b"{") {
        // `data: ping` and the like; in an event named `error` it is the error.
        if is_error && parts.transcript.error.is_none() {
            parts.transcript.error = Some(fault::from_body(text));
        } else if !text.is_empty() && event.closed {
            let stray = || String::from_utf8_lossy(text).into_owned();
            parts.stray.get_or_insert_with(stray);
        }
        return false;
    }
    let repaired: Vec<u8>;
    let mut parsed = route::parse(text);
    if parsed.is_none() {
        repaired = route::repair_json(text).unwrap_or_default();
        parsed = route::parse(&repaired);
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
    }
    let ends = chunk.is_last;
    let added = parts.transcript.add_chunk(chunk);
    stamps.add_chunk(frame, added);
    ends
}

/// Reads an answer that was not streamed.
fn gather_json(parts: &mut AnswerParts, bytes: &[u8]) {
    let bytes = bytes
        .strip_prefix(b"\xEF\xBB\xBF")
        .unwrap_or(bytes)
        .trim_ascii();
    let repaired = match route::parse(bytes) {
        Some(chunk) => return gather_whole(parts, chunk, bytes),
        None => route::repair_json(bytes),
    };
    match repaired.as_deref().map(|json| (json, route::parse(json))) {
        Some((json, Some(chunk))) => gather_whole(parts, chunk, json),
        Some((json, None)) => {
            let message = fault::from_body(json).message;
            parts.broken = Some(format!("the answer is not a JSON object: {message}"));
        }
        None => parts.broken = Some("the answer is not JSON to its end".to_owned()),
    }
}

fn gather_whole(parts: &mut AnswerParts, chunk: Chunk<'_>, json: &[u8]) {
    parts.transcript.add_chunk(chunk);
    parts.done = parts.transcript.has_choice;
    if !parts.done && parts.transcript.error.is_none() {
        let message = fault::from_body(json).message;
        parts.broken = Some(format!("the answer has no choices: {message}"));
    }
}

/// The outcome of an answer: its own words have precedence over the end of the exchange.
fn decide_outcome(
    parts: &AnswerParts,
    ending: &ExchangeEnd,
    decoded: &DecodedBody<'_>,
    status: Option<u16>,
) -> (Outcome, Option<ErrorReport>) {
    let transcript = &parts.transcript;
    if let Some(error) = &transcript.error {
        return (error.outcome_in_stream(), Some(error.report(status)));
    }
    // An event that could not be read was a part of the answer.
    let finished = parts.done || transcript.finish_reason.is_some();
    if let (Some(broken), true) = (&parts.broken, finished) {
        return (Outcome::ProtocolError, Some(error_report(status, broken)));
    }
    if let Some(reason) = transcript.finish_reason.as_deref() {
        return outcome_of_finish_reason(reason, transcript, status);
    }
    if parts.done {
        let refused = transcript.is_refusal();
        return (
            if refused {
                Outcome::Refused
            } else {
                Outcome::Ended
            },
            None,
        );
    }
    if let Some(excess) = &parts.excess {
        return (Outcome::TooLarge, Some(error_report(status, excess)));
    }
    if let Some(error) = &decoded.error {
        let outcome = match error {
            DecodeError::TooLarge => Outcome::TooLarge,
            DecodeError::Unknown(_) | DecodeError::Corrupt(_) => Outcome::ProtocolError,
        };
        return (outcome, Some(error_report(status, &error.to_string())));
    }
    if *ending != ExchangeEnd::Complete {
        return outcome_without_answer(ending, status);
    }
    let silent = transcript.answer_chars + transcript.reasoning_chars == 0;
    match (&parts.broken, &parts.stray) {
        (Some(broken), _) => (Outcome::ProtocolError, Some(error_report(status, broken))),
        (None, Some(stray)) if silent => {
            (Outcome::ProtocolError, Some(error_report(status, stray)))
        }
        _ => (Outcome::Cut, None),
    }
}

/// The outcome that the server's finish reason means.
fn outcome_of_finish_reason(
    reason: &str,
    transcript: &Transcript,
    status: Option<u16>,
) -> (Outcome, Option<ErrorReport>) {
    let outcome = match reason.to_ascii_lowercase().as_str() {
        "error" | "insufficient_system_resource" | "failed" | "cancelled" => {
            let error = ApiError {
                kind: Some(reason.to_owned()),
                message: format!("the answer ended with finish_reason \"{reason}\""),
                ..ApiError::default()
            };
            return (Outcome::StreamError, Some(error.report(status)));
        }
        "content_filter" => Outcome::Filtered,
        "refusal" => Outcome::Refused,
        _ if transcript.is_refusal() => Outcome::Refused,
        "length" | "max_tokens" | "max_output_tokens" | "model_context_window_exceeded" => {
            Outcome::Length
        }
        // Ended early, without a reported reason.
        "incomplete" => Outcome::Cut,
        _ => Outcome::Complete,
    };
    (outcome, None)
}

/// The outcome of an exchange without a complete answer.
fn outcome_without_answer(
    ending: &ExchangeEnd,
    status: Option<u16>,
) -> (Outcome, Option<ErrorReport>) {
    let (outcome, words) = match ending {
        ExchangeEnd::Complete => (Outcome::ProtocolError, None),
        ExchangeEnd::ConnectFailed(words) => (Outcome::ConnectFailed, Some(words)),
        ExchangeEnd::TlsFailed(words) => (Outcome::TlsFailed, Some(words)),
        ExchangeEnd::ConnectionLost(words) => (Outcome::ConnectionLost, Some(words)),
        ExchangeEnd::InvalidHttp(words) => (Outcome::ProtocolError, Some(words)),
        ExchangeEnd::TimedOut(Deadline::Connect) => (Outcome::TimedOutConnect, None),
        ExchangeEnd::TimedOut(Deadline::Headers) => (Outcome::TimedOutHeaders, None),
        ExchangeEnd::TimedOut(Deadline::Gap) => (Outcome::TimedOutGap, None),
        ExchangeEnd::TimedOut(Deadline::Total) => (Outcome::TimedOutTotal, None),
        ExchangeEnd::TooLarge => (Outcome::TooLarge, None),
        ExchangeEnd::Abandoned => (Outcome::Abandoned, None),
    };
    (outcome, words.map(|words| error_report(status, words)))
}

fn error_report(status: Option<u16>, message: &str) -> ErrorReport {
    ErrorReport {
        status,
        kind: None,
        message: message.to_owned(),
    }
}

/// Moves the transcript into the reading, with the flags that it justifies.
fn fill_reading(
    reading: &mut Reading,
    mut transcript: Transcript,
    requested: &ModelId,
    response: &Response,
) {
    let route = transcript.route.take().unwrap_or_default();
    let routed = route.other_model.is_some();
    let served = route.other_model.or(transcript.model.take());
    let other_model = served.as_deref().is_some_and(|served| {
        file_name(served).is_none() && !same_model(requested.as_str(), served)
    });
    reading.served_model = served
        .map(|served| file_name(&served).map_or(served.clone(), str::to_owned))
        .filter(|served| served != requested.as_str());
    let proxy_fell_back = response
        .header("x-litellm-attempted-fallbacks")
        .and_then(|count| count.trim().parse::<u64>().ok())
        .is_some_and(|count| count > 0);
    let header_cost = response.header("x-litellm-response-cost");
    let header_cost = header_cost.and_then(|cost| cost.parse().ok());
    let refused = transcript.is_refusal();
    let calls = transcript.tool_calls();
    let silent = transcript.answer_chars == 0 && calls.is_empty();
    let hidden = transcript.hidden_reasoning
        || (transcript.reasoning_chars == 0
            && transcript.usage.and_then(|usage| usage.reasoning_tokens) > Some(0));
    let opening = transcript.content.trim_start();
    let flags = [
        (
            Flag::Fallback,
            route.fell_back || proxy_fell_back || (routed && other_model),
        ),
        (Flag::OtherModel, other_model && !routed),
        (Flag::HiddenReasoning, hidden),
        (
            Flag::EatenByReasoning,
            reading.outcome == Outcome::Length && silent,
        ),
        // Some templates open the reasoning themselves: then only its end is in the answer.
        (
            Flag::ThinkTags,
            opening.starts_with("<think>") || opening.contains("</think>"),
        ),
    ];
    let raised = flags
        .into_iter()
        .filter_map(|(flag, up)| up.then_some(flag));
    reading.flags.extend(raised);

    reading.usage = transcript.usage;
    reading.total_tokens = transcript.total_tokens;
    reading.finish_reason = transcript.finish_reason;
    reading.billed_usd = transcript.bill.billed().or(header_cost);
    reading.surcharge_usd = transcript.bill.surcharge();
    reading.market_usd = transcript.bill.list();
    reading.provider = route.provider.or(transcript.provider);
    reading.provider_attempts = route.attempts;
    reading.generation_id = transcript
        .generation_id
        .or(reading.generation_id.take())
        .or(transcript.envelope_id);
    reading.answer_chars = Some(transcript.answer_chars);
    reading.reasoning_chars = Some(transcript.reasoning_chars);
    let answer = if refused {
        transcript.refusal
    } else {
        transcript.content
    };
    reading.answer = Some(answer).filter(|text| !text.is_empty());
    reading.reasoning = Some(transcript.reasoning).filter(|text| !text.is_empty());
    reading.tool_calls = calls;
}

#[cfg(test)]
#[path = "reading_tests.rs"]
mod tests;
