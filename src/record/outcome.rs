//! The closed list of ways an attempt can end.

use serde::{Deserialize, Serialize};
use strum::VariantArray as _;

/// The outcome of an attempt. Closed on purpose: whatever a server does is one of these.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Outcome {
    /// A finish reason was given that means a whole answer.
    Complete,
    /// The token limit ended the answer.
    Length,
    /// `[DONE]` came, a finish reason did not.
    Ended,
    /// The model refused.
    Refused,
    /// A content filter stopped the answer.
    Filtered,
    /// The body ended with neither a finish reason nor `[DONE]`.
    Cut,
    /// 429, or a rate-limit error by its type.
    RateLimited,
    /// 401.
    Unauthorized,
    /// 402: no balance, or a budget is used up.
    PaymentRequired,
    /// 403.
    Forbidden,
    /// 404 for the model.
    ModelNotFound,
    /// Any other 3xx or 4xx: the request itself was rejected.
    Rejected,
    /// 5xx.
    ServerError,
    /// An error inside an answer that began with HTTP 200, or a finish reason that means one.
    StreamError,
    /// The server stopped before the answer was whole: paused, interrupted, out of a limit that is not on tokens.
    Incomplete,
    /// A finish reason that is not in the table of known ones.
    UnknownFinish,
    /// An answer to its end without a token, a tool call or a refusal.
    Empty,
    /// No connection: refused, unreachable, name unknown.
    ConnectFailed,
    /// A TLS handshake failed.
    TlsFailed,
    /// The connection broke before the answer ended.
    ConnectionLost,
    /// The connect deadline passed.
    TimedOutConnect,
    /// The headers deadline passed.
    TimedOutHeaders,
    /// The deadline between two reads of the body passed.
    TimedOutGap,
    /// The deadline of the whole attempt passed.
    TimedOutTotal,
    /// The response is not valid for the protocol: HTML, broken JSON, no body.
    ProtocolError,
    /// The response exceeded a size limit.
    TooLarge,
    /// The run ended while the request was in flight: sent, perhaps billed, and neither answered nor failed. It
    /// counts among what was sent, and in no rate, time or cost.
    Abandoned,
}

/// The families in which failures are counted and shown.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum FailureKind {
    /// Refused or filtered.
    Refusal,
    /// Rate limited.
    RateLimit,
    /// Any of the four deadlines.
    Timeout,
    /// The server failed: 5xx, an error inside the stream, an answer that it did not finish or that has no token.
    Server,
    /// The connection could not be made, broke, or the body was cut.
    Connection,
    /// The request was rejected: key, money, model, parameters.
    Request,
    /// The response could not be understood, or was too large.
    Protocol,
}

impl FailureKind {
    /// Every family, in the order in which they are shown.
    pub const ALL: [Self; Self::VARIANTS.len()] = *Self::VARIANTS.first_chunk().expect("as many");

    /// The stored word, also used in column names.
    pub fn word(self) -> &'static str {
        self.into()
    }
}

impl Outcome {
    /// Returns true if an attempt with this outcome and HTTP status was certainly not billed: no connection, or
    /// a request that was rejected. A 408 is also the status of requests that took too long, which a provider
    /// may have begun, and a request that failed with 5xx may have been begun too.
    pub fn costs_nothing(self, status: Option<u16>) -> bool {
        match self {
            Self::ConnectFailed | Self::TlsFailed | Self::TimedOutConnect => true,
            _ => status.is_some_and(|status| (300..500).contains(&status) && status != 408),
        }
    }

    /// Returns true for the outcomes of [`Outcome::costs_nothing`] that are certain without the status.
    pub fn is_rejected(self) -> bool {
        self.costs_nothing(None)
            || matches!(
                self,
                Self::RateLimited
                    | Self::Unauthorized
                    | Self::PaymentRequired
                    | Self::Forbidden
                    | Self::ModelNotFound
                    | Self::Rejected
            )
    }

    /// Every outcome.
    pub const ALL: [Self; Self::VARIANTS.len()] = *Self::VARIANTS.first_chunk().expect("as many");

    /// The stored word.
    pub fn word(self) -> &'static str {
        self.into()
    }

    /// The family of failures this belongs to; `None` for an answer, and for what was abandoned.
    pub const fn failure(self) -> Option<FailureKind> {
        Some(match self {
            Self::Complete | Self::Length | Self::Ended | Self::Abandoned => return None,
            Self::Refused | Self::Filtered => FailureKind::Refusal,
            Self::RateLimited => FailureKind::RateLimit,
            Self::TimedOutConnect
            | Self::TimedOutHeaders
            | Self::TimedOutGap
            | Self::TimedOutTotal => FailureKind::Timeout,
            Self::ServerError
            | Self::StreamError
            | Self::Incomplete
            | Self::UnknownFinish
            | Self::Empty => FailureKind::Server,
            Self::ConnectFailed | Self::TlsFailed | Self::ConnectionLost | Self::Cut => {
                FailureKind::Connection
            }
            Self::Unauthorized
            | Self::PaymentRequired
            | Self::Forbidden
            | Self::ModelNotFound
            | Self::Rejected => FailureKind::Request,
            Self::ProtocolError | Self::TooLarge => FailureKind::Protocol,
        })
    }

    /// Returns true if the model answered to the end, so that its times may be compared. A refusal is an answer
    /// in time but a failure in substance: it counts as a failure.
    pub const fn answered(self) -> bool {
        self.failure().is_none() && !self.is_abandoned()
    }

    /// Returns true if there is an answer to grade. A refusal is one: some prompts must be refused.
    pub const fn is_gradable(self) -> bool {
        self.answered() || matches!(self, Self::Refused)
    }

    /// Returns true if the run ended before the request did: neither an answer nor a failure.
    pub const fn is_abandoned(self) -> bool {
        matches!(self, Self::Abandoned)
    }

    /// Returns true if the server ended the answer as it meant to, so that its token counts are those of the
    /// bill; the counts of one that was cut short may be those of its beginning.
    pub const fn is_whole(self) -> bool {
        match self {
            Self::Complete
            | Self::Length
            | Self::Ended
            | Self::Refused
            | Self::Filtered
            | Self::Incomplete
            | Self::Empty => true,
            Self::Cut
            | Self::RateLimited
            | Self::Unauthorized
            | Self::PaymentRequired
            | Self::Forbidden
            | Self::ModelNotFound
            | Self::Rejected
            | Self::ServerError
            | Self::StreamError
            | Self::UnknownFinish
            | Self::ConnectFailed
            | Self::TlsFailed
            | Self::ConnectionLost
            | Self::TimedOutConnect
            | Self::TimedOutHeaders
            | Self::TimedOutGap
            | Self::TimedOutTotal
            | Self::ProtocolError
            | Self::TooLarge
            | Self::Abandoned => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_abandoned_request_is_neither_answered_nor_failed() {
        // It ended with the run: a failure of it would be one that no model made, and it may have been billed.
        let abandoned = Outcome::Abandoned;
        assert!(!abandoned.answered() && abandoned.failure().is_none());
        assert!(!abandoned.costs_nothing(None) && !abandoned.is_whole());
        let others = Outcome::ALL.into_iter().filter(|other| *other != abandoned);
        for other in others {
            assert_eq!(other.answered(), other.failure().is_none(), "{other:?}");
        }
    }

    #[test]
    fn stored_words_are_the_serialized_ones() {
        // The word in a CSV column and the word in samples.jsonl must never drift apart.
        for outcome in Outcome::ALL {
            let json = serde_json::to_string(&outcome).unwrap();
            assert_eq!(json, format!("\"{}\"", outcome.word()));
        }
        for failure in FailureKind::ALL {
            let json = serde_json::to_string(&failure).unwrap();
            assert_eq!(json, format!("\"{}\"", failure.word()));
        }
    }
}
