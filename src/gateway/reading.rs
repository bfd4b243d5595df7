//! Conversion of a recording: the outcome, the answer, its instants, its counts and costs.
//!
//! Owns the outcome of an exchange, and the flags that its bytes justify. Must not know the request (except the
//! model and whether to stream), nor any other exchange. Invariant: [`read`] is a pure function; however the
//! network cut the bytes, only instants differ.

use super::body_form::{BodyForm, body_form};
use super::decode::{DecodedBody, decode};
use super::ending::{AnswerParts, decide_outcome, outcome_without_answer};
use super::fault;
use super::gather::{gather_events, gather_json};
use super::model_name::{file_name, same_model};
use super::recording::{Body, ExchangeEnd, Recording, Response};
use super::response_cache;
use super::sse;
use super::stamps::Stamps;
use super::transcript::Transcript;
use super::usage::UsagePart;
use super::usage_dialect::usage_dialect;
use super::waits::{self, RetryAfter};
use super::{proxy_page, reasoning_tags};
use crate::record::{ErrorReport, Flag, Outcome, ToolCall, Usage, UsageDialect};
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
    /// The instant at which the first useful unit of the answer was complete: a sentence, a tool call, or JSON that parses.
    pub first_unit: Option<Nanos>,
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
    /// Characters of output that is paid for and not read: other choices than the first; one for images and sound.
    pub unread_chars: u64,
    /// Characters of the first token-bearing chunk.
    pub first_chunk_chars: Option<u64>,
    /// The last counts that were reported; `record::check_usage` decides what they mean.
    pub usage: Option<Usage>,
    /// The largest prompt and completion counts that were reported; above `usage` where counts shrank.
    pub largest_usage: Usage,
    /// The last `total_tokens` that was reported.
    pub total_tokens: Option<u64>,
    /// The server's way to count reasoning, as far as the answer shows it.
    pub usage_dialect: UsageDialect,
    /// Paths of positive numbers in usage blocks that have no known meaning; sorted, no duplicates.
    pub unread_usage: Vec<String>,
    /// The parts of the answer by the model that wrote each, where its counts are not those of the requested one.
    pub usage_parts: Vec<UsagePart>,
    /// The service tier that served the answer, in the server's word.
    pub service_tier: Option<String>,
    /// The finish reason, verbatim.
    pub finish_reason: Option<String>,
    /// The billed amount, surcharges included where they are reported.
    pub billed_usd: Option<Usd>,
    /// True if something stood in the place of a billed amount that is none.
    pub has_unreadable_bill: bool,
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
    if reading.outcome == Outcome::RateLimited && reading.retry_after.is_none() {
        reading.retry_after = waits::of_resets(response);
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
        retry_after: response.and_then(waits::of_headers),
        status: response.map(|response| response.status),
        headers: response.map(|response| response.at),
        first_token: None,
        first_answer: None,
        first_unit: None,
        last_token: None,
        end: recording.end,
        gaps: GapList::default(),
        answer_chars: None,
        unread_chars: 0,
        reasoning_chars: None,
        first_chunk_chars: None,
        usage: None,
        largest_usage: Usage::default(),
        total_tokens: None,
        usage_dialect: UsageDialect::default(),
        unread_usage: Vec::new(),
        usage_parts: Vec::new(),
        service_tier: None,
        finish_reason: None,
        billed_usd: None,
        has_unreadable_bill: false,
        surcharge_usd: None,
        market_usd: None,
        provider: None,
        provider_attempts: None,
        served_model: None,
        generation_id: header("x-generation-id").map(str::to_owned),
        flags: flags_of_exchange(recording),
        answer: None,
        reasoning: None,
        tool_calls: Vec::new(),
    }
}

/// The flags of an exchange, whatever its answer is.
fn flags_of_exchange(recording: &Recording) -> Vec<Flag> {
    let flags = [
        (Flag::Cold, recording.connect.is_some()),
        (Flag::UserStamped, recording.is_user_stamped),
    ];
    let raised = flags.into_iter();
    raised.filter_map(|(flag, up)| up.then_some(flag)).collect()
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
    reading.retry_after = reading.retry_after.or_else(|| error.demanded_wait());
    let mut report = error.report(reading.status);
    if report.message.is_empty() {
        report.message = match &decoded.error {
            Some(error) => error.to_string(),
            None => "the response has no body".to_owned(),
        };
    }
    // JSON is the endpoint's own, whatever passed it on.
    if body_form(body) != BodyForm::Json
        && let Some(proxy) = proxy_page::of_page(response, &String::from_utf8_lossy(body))
    {
        report.message = proxy_page::attribute(&report.message, proxy);
    }
    reading.error = Some(report);
    if error.generation_id.is_some() {
        reading.generation_id = error.generation_id;
    }
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
    parts.transcript.close_texts();
    (reading.outcome, reading.error) =
        decide_outcome(&parts, &recording.ending, decoded, reading.status);
    if let Some(error) = &parts.transcript.error {
        reading.retry_after = reading.retry_after.or_else(|| error.demanded_wait());
    }
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
        } else if stamps.is_first_bounded {
            reading.flags.push(Flag::TtftBounded);
        }
        reading.first_token = stamps.first_token;
        reading.first_answer = stamps.first_answer;
        reading.first_unit = first_unit(&parts, body, reading.outcome);
        reading.last_token = stamps.last_token;
        reading.first_chunk_chars = stamps.first_chunk_chars;
        reading.gaps = stamps.gaps;
    }
    fill_reading(reading, parts.transcript, requested, response);
}

/// The instant at which the first useful unit of an answer was complete. A refusal has none.
fn first_unit(parts: &AnswerParts, body: &Body, outcome: Outcome) -> Option<Nanos> {
    let is_whole = matches!(outcome, Outcome::Complete | Outcome::Ended);
    let frame = parts
        .unit_frames
        .first(&parts.transcript.content, is_whole)?;
    Some(body.frames()[frame].at)
}

/// Moves the transcript into the reading, with the flags that it justifies.
fn fill_reading(
    reading: &mut Reading,
    mut transcript: Transcript,
    requested: &ModelId,
    response: &Response,
) {
    let route = transcript.route.take().unwrap_or_default();
    reading.usage_dialect = usage_dialect(&transcript, route.is_vercel, requested, response);
    let routed = route.other_model.is_some() || transcript.fallback_model.is_some();
    let other = route.other_model.or(transcript.fallback_model.take());
    let served = other.or(transcript.model.take());
    let other_model = served.as_deref().is_some_and(|served| {
        file_name(served).is_none() && !same_model(requested.as_str(), served)
    });
    reading.served_model = served
        .map(|served| file_name(&served).map_or(served.clone(), str::to_owned))
        .filter(|served| served != requested.as_str());
    let header_count = |name| response.header(name)?.trim().parse::<u32>().ok();
    let proxy_fell_back = header_count("x-litellm-attempted-fallbacks") > Some(0);
    let proxy_retries = header_count("x-litellm-attempted-retries").filter(|count| *count > 0);
    let header_cost = response.header("x-litellm-response-cost");
    let header_cost = header_cost.and_then(|cost| cost.parse().ok());
    let refused = transcript.is_refusal();
    let calls = transcript.tool_calls();
    let silent = transcript.answer_chars == 0 && calls.is_empty();
    let hidden = transcript.hidden_reasoning
        || (transcript.reasoning_chars == 0
            && transcript.usage.and_then(|usage| usage.reasoning_tokens) > Some(0));
    let flags = [
        (
            Flag::Fallback,
            route.fell_back || proxy_fell_back || (routed && other_model),
        ),
        (Flag::OtherModel, other_model && !routed),
        (Flag::OwnKeyRefused, route.own_key_refused),
        (Flag::UsageUnread, !transcript.unread_usage.is_empty()),
        (Flag::ProxyRetried, proxy_retries.is_some()),
        (
            Flag::ResponseCached,
            response_cache::is_hit(|name| response.header(name)),
        ),
        (Flag::HiddenReasoning, hidden),
        (
            Flag::TruncatedInReasoning,
            reading.outcome == Outcome::Length && silent,
        ),
        (
            Flag::ThinkTags,
            reasoning_tags::has_reasoning(&transcript.content),
        ),
    ];
    let raised = flags
        .into_iter()
        .filter_map(|(flag, up)| up.then_some(flag));
    reading.flags.extend(raised);

    reading.unread_chars = transcript.unread_chars();
    reading.usage = transcript.usage;
    reading.largest_usage = transcript.largest_usage;
    reading.total_tokens = transcript.total_tokens;
    reading.unread_usage = transcript.unread_usage.into_iter().collect();
    reading.usage_parts = transcript.usage_parts;
    reading.service_tier = transcript.service_tier;
    reading.finish_reason = transcript.finish_reason;
    reading.billed_usd = transcript.bill.billed().or(header_cost);
    reading.has_unreadable_bill = transcript.bill.is_unreadable;
    reading.surcharge_usd = transcript.bill.surcharge();
    reading.market_usd = transcript.bill.list();
    reading.provider = route.provider.or(transcript.provider);
    let with_retries = proxy_retries.map(|retries| retries.saturating_add(1));
    reading.provider_attempts = route.attempts.or(with_retries);
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
