//! The outcome of an answer: its own words, and how its exchange ended.
//!
//! Owns the precedence among them. Must not know times or bytes. Invariant: an answer without a token, a tool call
//! or a refusal is a failure, and every failure but a cut, a refusal and a filter says why.

use super::decode::{DecodeError, DecodedBody};
use super::fault::ApiError;
use super::finish;
use super::first_unit::UnitFrames;
use super::recording::{Deadline, ExchangeEnd};
use super::transcript::Transcript;
use crate::record::{ErrorReport, Outcome};
use crate::units::Nanos;

/// Sentence about an answer in which the server said nothing at all.
const NO_TOKEN: &str = "the answer ended without a token";

/// The parts collected from a body.
#[derive(Default)]
pub(super) struct AnswerParts {
    pub(super) transcript: Transcript,
    /// The frames that brought its text and calls.
    pub(super) unit_frames: UnitFrames,
    /// True after `[DONE]`, another route's last event, or a whole JSON answer.
    pub(super) done: bool,
    /// The instant of the event that ended the answer.
    pub(super) done_at: Option<Nanos>,
    /// The instant of the last event.
    pub(super) last_event: Option<Nanos>,
    /// A violation of the protocol.
    pub(super) broken: Option<String>,
    /// A limit that was exceeded.
    pub(super) excess: Option<String>,
    /// Text in place of a chunk; reported only if there is no better explanation.
    pub(super) stray: Option<String>,
    /// The words of an event that is no chunk and no known error: the cause of an answer without a token, if there is none better.
    pub(super) odd: Option<String>,
}

/// The outcome of an answer: its own words have precedence over the end of the exchange.
pub(super) fn decide_outcome(
    parts: &AnswerParts,
    ending: &ExchangeEnd,
    decoded: &DecodedBody<'_>,
    status: Option<u16>,
) -> (Outcome, Option<ErrorReport>) {
    let transcript = &parts.transcript;
    if let Some(error) = &transcript.error {
        let has_token = !transcript.is_silent();
        return (
            error.outcome_in_stream(has_token),
            Some(error.report(status)),
        );
    }
    // An event that could not be read was a part of the answer.
    let finished = parts.done || transcript.finish_reason.is_some();
    if let (Some(broken), true) = (&parts.broken, finished) {
        return (Outcome::ProtocolError, Some(error_report(status, broken)));
    }
    if let Some(reason) = transcript.finish_reason.as_deref() {
        return match outcome_of_finish_reason(reason, transcript) {
            Outcome::Empty => (Outcome::Empty, Some(empty_report(parts, status))),
            outcome @ (Outcome::StreamError | Outcome::Incomplete | Outcome::UnknownFinish) => {
                let message = format!("the answer ended with finish_reason \"{reason}\"");
                let error = ApiError {
                    kind: Some(reason.to_owned()),
                    ..ApiError::from_message(message)
                };
                (outcome, Some(error.report(status)))
            }
            outcome => (outcome, None),
        };
    }
    if parts.done {
        return match &parts.stray {
            _ if transcript.is_refusal() => (Outcome::Refused, None),
            _ if transcript.is_empty() => (Outcome::Empty, Some(empty_report(parts, status))),
            // Without a reason for its end, text between the chunks is the only one.
            Some(stray) => (Outcome::ProtocolError, Some(error_report(status, stray))),
            None => (Outcome::Ended, None),
        };
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
    match (&parts.broken, &parts.stray) {
        (Some(broken), _) => (Outcome::ProtocolError, Some(error_report(status, broken))),
        (None, Some(stray)) if transcript.is_silent() => {
            (Outcome::ProtocolError, Some(error_report(status, stray)))
        }
        _ => (Outcome::Cut, None),
    }
}

/// The outcome that the server's finish reason means, with this answer before it.
fn outcome_of_finish_reason(reason: &str, transcript: &Transcript) -> Outcome {
    let outcome = finish::outcome_of_word(reason);
    match outcome {
        Outcome::Complete | Outcome::Length | Outcome::Incomplete if transcript.is_refusal() => {
            Outcome::Refused
        }
        Outcome::Complete | Outcome::UnknownFinish if transcript.is_incomplete => {
            Outcome::Incomplete
        }
        Outcome::Complete if transcript.is_empty() => Outcome::Empty,
        outcome => outcome,
    }
}

/// The report of an answer without a token: in the server's words where it wrote any.
fn empty_report(parts: &AnswerParts, status: Option<u16>) -> ErrorReport {
    let words = parts.stray.as_deref().or(parts.odd.as_deref());
    error_report(status, words.unwrap_or(NO_TOKEN))
}

/// The outcome of an exchange without a complete answer.
pub(super) fn outcome_without_answer(
    ending: &ExchangeEnd,
    status: Option<u16>,
) -> (Outcome, Option<ErrorReport>) {
    let (outcome, words) = match ending {
        ExchangeEnd::Complete => (
            Outcome::ProtocolError,
            Some("the exchange ended without a response"),
        ),
        ExchangeEnd::ConnectFailed(words) => (Outcome::ConnectFailed, Some(words.as_str())),
        ExchangeEnd::TlsFailed(words) => (Outcome::TlsFailed, Some(words.as_str())),
        ExchangeEnd::ConnectionLost(words) => (Outcome::ConnectionLost, Some(words.as_str())),
        ExchangeEnd::InvalidHttp(words) => (Outcome::ProtocolError, Some(words.as_str())),
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
    ApiError::from_message(message).report(status)
}
