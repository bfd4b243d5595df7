//! From a recording to what happened: the outcome, the answer, its instants, its counts and costs.
//!
//! Owns the decision how an exchange ended, and the flags that its bytes justify. Must not know how
//! it was asked (but for the model and whether to stream), nor of any other exchange. Invariant:
//! [`read`] is a pure function; however the network cut the bytes, only instants differ.

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use memchr::memchr3;

use super::chunk::Chunk;
use super::decode::{DecodeFault, Decoded, decode};
use super::fault::{self, Fault};
use super::model_name::{file_name, same_model};
use super::recording::{Body, Deadline, Ending, Recording, Response};
use super::route;
use super::sse::{self, Event};
use super::stamps::Stamps;
use super::transcript::Transcript;
use crate::record::{ErrorReport, Flag, Outcome, ToolCall, Usage};
use crate::suite::Redacted;
use crate::units::{ModelId, Nanos, Usd};

pub use super::stamps::{BUFFERED_CHUNKS, GapList};

/// What one exchange came to. Instants are nanoseconds since the run began; absent is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// How it ended.
    pub outcome: Outcome,
    /// The error as it was told, without secrets.
    pub error: Option<ErrorReport>,
    /// How long the server asks us to wait.
    pub retry_after: Option<RetryAfter>,
    /// HTTP status.
    pub status: Option<u16>,
    /// When the headers came.
    pub headers: Option<Nanos>,
    /// When the first token came: reasoning, content, refusal or tool call.
    pub first_token: Option<Nanos>,
    /// When the first token that is not reasoning came.
    pub first_answer: Option<Nanos>,
    /// When the last token-bearing chunk came.
    pub last_token: Option<Nanos>,
    /// When the answer was over: `[DONE]` or another route's last event, else the end of the body; where a finished answer left
    /// the connection open until a deadline, its last event.
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
    /// Verbatim.
    pub finish_reason: Option<String>,
    /// What was billed, surcharges included where they are told.
    pub billed_usd: Option<Usd>,
    /// Of that: what the gateway added to the price of inference, where it tells the two apart.
    pub surcharge_usd: Option<Usd>,
    /// The list price as the gateway says it.
    pub market_usd: Option<Usd>,
    /// The provider that answered.
    pub provider: Option<String>,
    /// How many providers were tried.
    pub provider_attempts: Option<u32>,
    /// The model that answered, in the server's spelling, where that is not the id asked for. A
    /// mere date or prefix is told here too; only [`Flag::Fallback`] says that it is another model.
    pub served_model: Option<String>,
    /// The gateway's id of the generation, else the id on the answer.
    pub generation_id: Option<String>,
    /// Sorted, no doubles.
    pub flags: Vec<Flag>,
    /// The answer's text: content, else the refusal.
    pub answer: Option<String>,
    /// The text of visible reasoning.
    pub reasoning: Option<String>,
    /// Put together from their fragments.
    pub tool_calls: Vec<ToolCall>,
}

/// What a `Retry-After` header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// A span, rounded up to whole seconds.
    Seconds(u64),
    /// An HTTP date; it means something only against the wall clock.
    Date(Timestamp),
}

impl RetryAfter {
    /// Reads the header's value; `None` for what is neither seconds nor a date.
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

    /// The wait from `now` on; zero for a date that has passed.
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

/// Reads a recording. `asked` is the model that was asked for; without `streamed` the answer has no
/// instants of tokens, whatever the server sent.
pub fn read(recording: &Recording, asked: &ModelId, streamed: bool) -> Redacted<Reading> {
    recording
        .redactor
        .apply(read_as_it_came(recording, asked, streamed))
}

/// The reading with the server's own texts, after decoding and joining: only the filter may have it.
fn read_as_it_came(recording: &Recording, asked: &ModelId, streamed: bool) -> Reading {
    let mut reading = blank(recording);
    let Some(response) = &recording.response else {
        (reading.outcome, reading.error) = without_answer(&recording.ending, None);
        if recording.ending == Ending::Complete {
            reading.error = Some(told(None, "the exchange ended without a response"));
        }
        return reading;
    };
    let decoded = decode(response);
    if decoded.compressed {
        reading.flags.push(Flag::Compressed);
    }
    if (200..300).contains(&response.status) {
        read_answer(&mut reading, recording, response, &decoded, asked, streamed);
    } else {
        read_error(&mut reading, response, &decoded);
    }
    reading.flags.sort_unstable();
    reading.flags.dedup();
    reading
}

/// What is known before the body is looked at.
fn blank(recording: &Recording) -> Reading {
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

/// A status other than 2xx: the body tells the error.
fn read_error(reading: &mut Reading, response: &Response, decoded: &Decoded<'_>) {
    let body = decoded.body.bytes();
    let fault = match sse::events(body).next() {
        Some(Ok(event)) if !event.text.is_empty() && form(body) == Form::Events => {
            fault::of_body(&event.text)
        }
        _ => fault::of_body(body),
    };
    reading.outcome = fault.outcome_of_status(response.status);
    let mut report = fault.report(reading.status);
    if report.message.is_empty() {
        report.message = match &decoded.fault {
            Some(fault) => fault.to_string(),
            None => "the response has no body".to_owned(),
        };
    }
    reading.error = Some(report);
    if fault.generation_id.is_some() {
        reading.generation_id = fault.generation_id;
    }
}

/// What a body looks like from its first bytes; content types are often wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Empty,
    Json,
    Events,
    Other,
}

fn form(body: &[u8]) -> Form {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let body = body.trim_ascii_start();
    let fields: [&[u8]; 5] = [b"", b"data", b"event", b"id", b"retry"];
    let name = &body[..memchr3(b':', b'\n', b'\r', body).unwrap_or(body.len())];
    match body.first() {
        None => Form::Empty,
        Some(b'{' | b'[') => Form::Json,
        Some(_) if fields.contains(&name) => Form::Events,
        Some(_) => Form::Other,
    }
}

/// What was gathered from a body.
#[derive(Default)]
struct Gathered {
    transcript: Transcript,
    /// `[DONE]`, another route's last event, or the end of a whole JSON answer.
    done: bool,
    /// When the last event came that there can be.
    done_at: Option<Nanos>,
    /// When the last event came.
    last_event: Option<Nanos>,
    /// What came was not what the protocol allows.
    broken: Option<String>,
    /// A limit that was exceeded.
    excess: Option<String>,
    /// Text where a chunk should have been; only told when nothing better is known.
    stray: Option<String>,
}

fn read_answer(
    reading: &mut Reading,
    recording: &Recording,
    response: &Response,
    decoded: &Decoded<'_>,
    asked: &ModelId,
    streamed: bool,
) {
    let body = &*decoded.body;
    let mut stamps = Stamps::new(body.frames());
    let mut gathered = Gathered::default();
    match form(body.bytes()) {
        Form::Events => gather_events(&mut gathered, &mut stamps, body),
        Form::Json => gather_json(&mut gathered, body.bytes()),
        Form::Other => gathered.broken = Some(fault::of_body(body.bytes()).message),
        Form::Empty => gathered.broken = Some("the answer is empty".to_owned()),
    }
    (reading.outcome, reading.error) =
        conclude(&gathered, &recording.ending, decoded, reading.status);
    reading.end = match (gathered.done_at, gathered.last_event) {
        (Some(done), _) => done,
        (None, Some(last))
            if reading.outcome.answered() && recording.ending != Ending::Complete =>
        {
            last
        }
        _ => recording.end,
    };
    if streamed {
        if stamps.buffered() {
            reading.flags.push(Flag::Buffered);
        }
        reading.first_token = stamps.first_token;
        reading.first_answer = stamps.first_answer;
        reading.last_token = stamps.last_token;
        reading.first_chunk_chars = stamps.first_chunk_chars;
        reading.gaps = stamps.gaps;
    }
    tell(reading, gathered.transcript, asked, response);
}

/// Reads a stream, up to `[DONE]` (or what other routes have in its place) or its end.
fn gather_events(gathered: &mut Gathered, stamps: &mut Stamps<'_>, body: &Body) {
    for event in sse::events(body.bytes()) {
        let event = match event {
            Ok(event) => event,
            Err(excess) => {
                gathered.excess = Some(excess.to_string());
                return;
            }
        };
        let Some(frame) = body.frame_completing(event.end) else {
            return;
        };
        gathered.last_event = Some(body.frames()[frame].at);
        if event.text.trim_ascii() == b"[DONE]" {
            gathered.done = true;
            gathered.done_at = gathered.last_event;
            return;
        }
        gathered.done = gather_event(gathered, stamps, &event, frame);
        if gathered.done {
            gathered.done_at = gathered.last_event;
            return;
        }
        if gathered.transcript.too_many_calls {
            gathered.excess = Some("the answer has too many tool calls".to_owned());
            return;
        }
    }
}

/// Reads an event, and says whether it ends the answer.
fn gather_event(
    gathered: &mut Gathered,
    stamps: &mut Stamps<'_>,
    event: &Event<'_>,
    frame: usize,
) -> bool {
    let text = event.text.trim_ascii();
    let is_error = event.name == b"error";
    if !text.starts_with(b"{") {
        // `data: ping` and the like; under the name `error` it is the error.
        if is_error && gathered.transcript.fault.is_none() {
            gathered.transcript.fault = Some(fault::of_body(text));
        } else if !text.is_empty() && event.closed {
            let stray = || String::from_utf8_lossy(text).into_owned();
            gathered.stray.get_or_insert_with(stray);
        }
        return false;
    }
    let mended: Vec<u8>;
    let mut parsed = route::parse(text);
    if parsed.is_none() {
        mended = route::mend(text).unwrap_or_default();
        parsed = route::parse(&mended);
    }
    let Some(mut chunk) = parsed else {
        // Without its closing line it was cut off: the ending says why.
        if event.closed {
            let told = || format!("an event is not JSON: {}", String::from_utf8_lossy(text));
            gathered.broken.get_or_insert_with(told);
        }
        return false;
    };
    if is_error && chunk.fault.is_none() {
        chunk.fault = Some(fault::of_body(text));
    }
    let ends = chunk.ends;
    let added = gathered.transcript.take(chunk);
    stamps.take(frame, added);
    ends
}

/// Reads an answer that was not streamed.
fn gather_json(gathered: &mut Gathered, bytes: &[u8]) {
    let bytes = bytes
        .strip_prefix(b"\xEF\xBB\xBF")
        .unwrap_or(bytes)
        .trim_ascii();
    let mended = match route::parse(bytes) {
        Some(chunk) => return gather_whole(gathered, chunk, bytes),
        None => route::mend(bytes),
    };
    match mended.as_deref().map(|json| (json, route::parse(json))) {
        Some((json, Some(chunk))) => gather_whole(gathered, chunk, json),
        Some((json, None)) => {
            let told = fault::of_body(json).message;
            gathered.broken = Some(format!("the answer is not a JSON object: {told}"));
        }
        None => gathered.broken = Some("the answer is not JSON to its end".to_owned()),
    }
}

fn gather_whole(gathered: &mut Gathered, chunk: Chunk<'_>, json: &[u8]) {
    gathered.transcript.take(chunk);
    gathered.done = gathered.transcript.has_choice;
    if !gathered.done && gathered.transcript.fault.is_none() {
        let told = fault::of_body(json).message;
        gathered.broken = Some(format!("the answer has no choices: {told}"));
    }
}

/// How the answer ended: what it says itself comes first, then how the exchange ended.
fn conclude(
    gathered: &Gathered,
    ending: &Ending,
    decoded: &Decoded<'_>,
    status: Option<u16>,
) -> (Outcome, Option<ErrorReport>) {
    let transcript = &gathered.transcript;
    if let Some(fault) = &transcript.fault {
        return (fault.outcome_in_stream(), Some(fault.report(status)));
    }
    // An event that could not be read was a part of the answer.
    let finished = gathered.done || transcript.finish_reason.is_some();
    if let (Some(broken), true) = (&gathered.broken, finished) {
        return (Outcome::ProtocolError, Some(told(status, broken)));
    }
    if let Some(reason) = transcript.finish_reason.as_deref() {
        return by_finish_reason(reason, transcript, status);
    }
    if gathered.done {
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
    if let Some(excess) = &gathered.excess {
        return (Outcome::TooLarge, Some(told(status, excess)));
    }
    if let Some(fault) = &decoded.fault {
        let outcome = match fault {
            DecodeFault::TooLarge => Outcome::TooLarge,
            DecodeFault::Unknown(_) | DecodeFault::Corrupt(_) => Outcome::ProtocolError,
        };
        return (outcome, Some(told(status, &fault.to_string())));
    }
    if *ending != Ending::Complete {
        return without_answer(ending, status);
    }
    let silent = transcript.answer_chars + transcript.reasoning_chars == 0;
    match (&gathered.broken, &gathered.stray) {
        (Some(broken), _) => (Outcome::ProtocolError, Some(told(status, broken))),
        (None, Some(stray)) if silent => (Outcome::ProtocolError, Some(told(status, stray))),
        _ => (Outcome::Cut, None),
    }
}

/// What the server's own reason means.
fn by_finish_reason(
    reason: &str,
    transcript: &Transcript,
    status: Option<u16>,
) -> (Outcome, Option<ErrorReport>) {
    let outcome = match reason.to_ascii_lowercase().as_str() {
        "error" | "insufficient_system_resource" | "failed" | "cancelled" => {
            let fault = Fault {
                kind: Some(reason.to_owned()),
                message: format!("the answer ended with finish_reason \"{reason}\""),
                ..Fault::default()
            };
            return (Outcome::StreamError, Some(fault.report(status)));
        }
        "content_filter" => Outcome::Filtered,
        "refusal" => Outcome::Refused,
        _ if transcript.is_refusal() => Outcome::Refused,
        "length" | "max_tokens" | "max_output_tokens" | "model_context_window_exceeded" => {
            Outcome::Length
        }
        // Ended early, for a reason that was not told.
        "incomplete" => Outcome::Cut,
        _ => Outcome::Complete,
    };
    (outcome, None)
}

/// How an exchange ended that gave no answer to its end.
fn without_answer(ending: &Ending, status: Option<u16>) -> (Outcome, Option<ErrorReport>) {
    let (outcome, words) = match ending {
        Ending::Complete => (Outcome::ProtocolError, None),
        Ending::ConnectFailed(words) => (Outcome::ConnectFailed, Some(words)),
        Ending::TlsFailed(words) => (Outcome::TlsFailed, Some(words)),
        Ending::ConnectionLost(words) => (Outcome::ConnectionLost, Some(words)),
        Ending::TimedOut(Deadline::Connect) => (Outcome::TimedOutConnect, None),
        Ending::TimedOut(Deadline::Headers) => (Outcome::TimedOutHeaders, None),
        Ending::TimedOut(Deadline::Gap) => (Outcome::TimedOutGap, None),
        Ending::TimedOut(Deadline::Total) => (Outcome::TimedOutTotal, None),
        Ending::TooLarge => (Outcome::TooLarge, None),
        Ending::Abandoned => (Outcome::Abandoned, None),
    };
    (outcome, words.map(|words| told(status, words)))
}

fn told(status: Option<u16>, message: &str) -> ErrorReport {
    ErrorReport {
        status,
        kind: None,
        message: message.to_owned(),
    }
}

/// Moves what was said into the reading, with the flags it justifies.
fn tell(reading: &mut Reading, mut said: Transcript, asked: &ModelId, response: &Response) {
    let route = said.route.take().unwrap_or_default();
    let routed = route.other_model.is_some();
    let served = route.other_model.or(said.model.take());
    let other_model = served
        .as_deref()
        .is_some_and(|served| file_name(served).is_none() && !same_model(asked.as_str(), served));
    reading.served_model = served
        .map(|served| file_name(&served).map_or(served.clone(), str::to_owned))
        .filter(|served| served != asked.as_str());
    let proxy_fell_back = response
        .header("x-litellm-attempted-fallbacks")
        .and_then(|count| count.trim().parse::<u64>().ok())
        .is_some_and(|count| count > 0);
    let header_cost = response.header("x-litellm-response-cost");
    let header_cost = header_cost.and_then(|cost| cost.parse().ok());
    let refused = said.is_refusal();
    let calls = said.tool_calls();
    let silent = said.answer_chars == 0 && calls.is_empty();
    let hidden = said.hidden_reasoning
        || (said.reasoning_chars == 0
            && said.usage.and_then(|usage| usage.reasoning_tokens) > Some(0));
    let opening = said.content.trim_start();
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
        // Some templates open the thought themselves: only its end stands in the answer then.
        (
            Flag::ThinkTags,
            opening.starts_with("<think>") || opening.contains("</think>"),
        ),
    ];
    let raised = flags
        .into_iter()
        .filter_map(|(flag, up)| up.then_some(flag));
    reading.flags.extend(raised);

    reading.usage = said.usage;
    reading.total_tokens = said.total_tokens;
    reading.finish_reason = said.finish_reason;
    reading.billed_usd = said.bill.billed().or(header_cost);
    reading.surcharge_usd = said.bill.surcharge();
    reading.market_usd = said.bill.list();
    reading.provider = route.provider.or(said.provider);
    reading.provider_attempts = route.attempts;
    reading.generation_id = said
        .generation_id
        .or(reading.generation_id.take())
        .or(said.envelope_id);
    reading.answer_chars = Some(said.answer_chars);
    reading.reasoning_chars = Some(said.reasoning_chars);
    let answer = if refused { said.refusal } else { said.content };
    reading.answer = Some(answer).filter(|text| !text.is_empty());
    reading.reasoning = Some(said.reasoning).filter(|text| !text.is_empty());
    reading.tool_calls = calls;
}

#[cfg(test)]
#[path = "reading_tests.rs"]
mod tests;
