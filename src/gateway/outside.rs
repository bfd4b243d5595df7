//! Redaction of every text in an answer, an error or a list.
//!
//! Owns which fields of a reading are text. Must not know the forms of a key. Invariant: a field added to one
//! of these types does not compile until it is listed here as text or not.

use crate::record::{ErrorReport, ToolCall};
use crate::suite::{Redact, Redactor};

use super::decode::DecodeError;
use super::listing::FetchError;
use super::reading::Reading;
use super::recording::ExchangeEnd;
use super::usage::UsagePart;

/// Most characters of a stored error message: enough for a provider's own error inside a gateway's, too few for
/// a page of HTML or an echoed prompt to fill the records.
pub(super) const MESSAGE_CHARS: usize = 2_000;

impl Redact for Reading {
    fn redact(&mut self, redactor: &Redactor) {
        let Self {
            error,
            finish_reason,
            provider,
            served_model,
            generation_id,
            answer,
            reasoning,
            tool_calls,
            unread_usage,
            usage_parts,
            service_tier,
            usage_dialect: _,
            outcome: _,
            retry_after: _,
            status: _,
            headers: _,
            first_token: _,
            first_answer: _,
            first_unit: _,
            last_token: _,
            end: _,
            gaps: _,
            answer_chars: _,
            reasoning_chars: _,
            first_chunk_chars: _,
            usage: _,
            largest_usage: _,
            total_tokens: _,
            billed_usd: _,
            surcharge_usd: _,
            has_unreadable_bill: _,
            unread_chars: _,
            market_usd: _,
            provider_attempts: _,
            flags: _,
        } = self;
        for text in [
            finish_reason,
            provider,
            served_model,
            generation_id,
            answer,
            reasoning,
            service_tier,
        ] {
            text.redact(redactor);
        }
        error.redact(redactor);
        unread_usage.redact(redactor);
        for UsagePart { model, counts: _ } in usage_parts {
            model.redact(redactor);
        }
        tool_calls.redact(redactor);
    }
}

impl Redact for ToolCall {
    fn redact(&mut self, redactor: &Redactor) {
        let Self {
            id,
            name,
            arguments,
        } = self;
        id.redact(redactor);
        name.redact(redactor);
        arguments.redact(redactor);
    }
}

impl Redact for ErrorReport {
    fn redact(&mut self, redactor: &Redactor) {
        let Self {
            status: _,
            kind,
            message,
        } = self;
        for text in kind.iter_mut().chain([message]) {
            *text = redactor.clean_error(text, MESSAGE_CHARS);
        }
    }
}

impl Redact for ExchangeEnd {
    fn redact(&mut self, redactor: &Redactor) {
        match self {
            Self::ConnectFailed(words)
            | Self::TlsFailed(words)
            | Self::ConnectionLost(words)
            | Self::InvalidHttp(words) => {
                *words = redactor.clean_error(words, MESSAGE_CHARS);
            }
            Self::Abandoned | Self::Complete | Self::TimedOut(_) | Self::TooLarge => {}
        }
    }
}

impl Redact for FetchError {
    fn redact(&mut self, redactor: &Redactor) {
        match self {
            Self::NotConnected(words)
            | Self::Connection(words)
            | Self::Page(words)
            | Self::Status { message: words, .. }
            | Self::Encoding(DecodeError::Unknown(words)) => {
                *words = redactor.clean_error(words, MESSAGE_CHARS);
            }
            // Our own words, and the user's.
            Self::Open(_)
            | Self::Encoding(DecodeError::Corrupt(_) | DecodeError::TooLarge)
            | Self::TimedOut(_)
            | Self::TooLarge
            | Self::NotText => {}
        }
    }
}
