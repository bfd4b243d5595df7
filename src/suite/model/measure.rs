//! The measures of trials, and the statistics of them that limits know.
//!
//! Owns words, units and descriptions. Must not know how anything is measured. Invariant: tables are in the order of
//! declaration.

use serde::{Deserialize, Serialize};

use crate::stats::quantile::Percentile;

use Statistic::{Max, Mean, Min, P50, P75, P90, P95, P99};

/// The unit of a quantity, and so the form of its bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A time.
    Time,
    /// A share, 0 to 1.
    Share,
    /// Money.
    Usd,
    /// A number: of tokens, of characters, or of either a second.
    Number,
    /// A number of trials.
    Trials,
}

/// A measure of single trials, or of the gaps in their answers: [`Measure::noun`] describes each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the table below describes each")]
pub enum Measure {
    Ttft,
    Ttfa,
    FirstUnit,
    ExperiencedTtft,
    Latency,
    Gap,
    RequestGap,
    OutputRate,
    EndToEndRate,
    CharsPerSecond,
    Lag,
    Connect,
    Headers,
    LastToken,
    CacheHitTtft,
    CacheMissTtft,
    PromptTokens,
    CompletionTokens,
    ReasoningTokens,
    CachedTokens,
    CacheWriteTokens,
    AnswerChars,
    ReasoningChars,
    FirstChunkChars,
    BilledUsd,
    MarketUsd,
    SurchargeUsd,
    CacheSavedUsd,
    Score,
}

/// A statistic of a measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "each is its word")]
pub enum Statistic {
    Mean,
    P50,
    P75,
    P90,
    P95,
    P99,
    Min,
    Max,
}

/// A quotient of two sums over trials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the table below describes each")]
pub enum Quotient {
    CoalescedShare,
    CacheHitShare,
    CacheReadShare,
    Consistency,
    CostPerCompleted,
    CostPerPassed,
    LatencyPerCompleted,
    LatencyPerPassed,
}

/// A kind of trials to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the table below describes each")]
pub enum TrialCount {
    Failed,
    FailedRefusal,
    FailedRateLimit,
    FailedTimeout,
    FailedServer,
    FailedConnection,
    FailedRequest,
    FailedProtocol,
    Excluded,
    Buffered,
    Cold,
    ClientLimited,
    Fallbacks,
    OtherModel,
    HiddenReasoning,
    TruncatedInReasoning,
    UsageMismatch,
    UsageImpossible,
    UsageAmbiguous,
    UsageUnread,
    UnpricedTier,
    ResponseCached,
    OwnKeyRefused,
    ProxyRetried,
    Deferred,
    Retried,
}

type MeasureEntry = (
    Measure,
    &'static str,
    Unit,
    &'static [Statistic],
    &'static str,
);

const ALL_STATISTICS: &[Statistic] = &[Mean, P50, P75, P90, P95, P99, Min, Max];
const OF_A_PART: &[Statistic] = &[P50, P95, Max];
const OF_A_COUNT: &[Statistic] = &[Mean, Max];

#[rustfmt::skip] // A table reads as a table.
const MEASURES: [MeasureEntry; 29] = [
    (Measure::Ttft, "ttft", Unit::Time, ALL_STATISTICS, "time to first token"),
    (Measure::Ttfa, "ttfa", Unit::Time, ALL_STATISTICS, "time to the first token of the answer"),
    (Measure::FirstUnit, "first_unit", Unit::Time, ALL_STATISTICS, "time to the first useful unit of the answer"),
    (Measure::ExperiencedTtft, "experienced_ttft", Unit::Time, ALL_STATISTICS, "time to first token, retries included"),
    (Measure::Latency, "latency", Unit::Time, ALL_STATISTICS, "time to the end of the answer"),
    (Measure::Gap, "gap", Unit::Time, ALL_STATISTICS, "gaps between chunks, of all answers together"),
    (Measure::RequestGap, "request_gap", Unit::Time, ALL_STATISTICS, "mean gap between chunks of an answer"),
    (Measure::OutputRate, "output_rate", Unit::Number, ALL_STATISTICS, "completion tokens a second after the first chunk"),
    (Measure::EndToEndRate, "end_to_end_rate", Unit::Number, ALL_STATISTICS, "completion tokens a second over the latency"),
    (Measure::CharsPerSecond, "chars_per_second", Unit::Number, ALL_STATISTICS, "visible characters a second over the latency"),
    (Measure::Lag, "lag", Unit::Time, OF_A_PART, "client's own delay before sending"),
    (Measure::Connect, "connect", Unit::Time, OF_A_PART, "time to open a connection, of trials that opened one"),
    (Measure::Headers, "headers", Unit::Time, OF_A_PART, "time to the head of the response"),
    (Measure::LastToken, "last_token", Unit::Time, OF_A_PART, "time to the last token"),
    (Measure::CacheHitTtft, "cache_hit_ttft", Unit::Time, &[P50], "time to first token of answers with tokens from the prompt cache"),
    (Measure::CacheMissTtft, "cache_miss_ttft", Unit::Time, &[P50], "time to first token of answers that report no token from the prompt cache"),
    (Measure::PromptTokens, "prompt_tokens", Unit::Number, OF_A_COUNT, "prompt tokens of a request"),
    (Measure::CompletionTokens, "completion_tokens", Unit::Number, OF_A_COUNT, "completion tokens of an answer, reasoning included"),
    (Measure::ReasoningTokens, "reasoning_tokens", Unit::Number, OF_A_COUNT, "reasoning tokens of an answer"),
    (Measure::CachedTokens, "cached_tokens", Unit::Number, &[Mean], "prompt tokens of a request that came from the prompt cache"),
    (Measure::CacheWriteTokens, "cache_write_tokens", Unit::Number, OF_A_COUNT, "prompt tokens of a request that were written to the prompt cache"),
    (Measure::AnswerChars, "answer_chars", Unit::Number, OF_A_COUNT, "characters of an answer"),
    (Measure::ReasoningChars, "reasoning_chars", Unit::Number, OF_A_COUNT, "characters of the readable reasoning of an answer"),
    (Measure::FirstChunkChars, "first_chunk_chars", Unit::Number, OF_A_COUNT, "characters of the first chunk of an answer"),
    (Measure::BilledUsd, "billed_usd", Unit::Usd, OF_A_COUNT, "billed amount of a request"),
    (Measure::MarketUsd, "market_usd", Unit::Usd, OF_A_COUNT, "gateway's own list price of a request"),
    (Measure::SurchargeUsd, "surcharge_usd", Unit::Usd, OF_A_COUNT, "surcharge of a request"),
    (Measure::CacheSavedUsd, "cache_saved_usd", Unit::Usd, &[Mean], "amount that the prompt cache saved of the list price of a request"),
    (Measure::Score, "score", Unit::Share, &[Mean], "score of a graded answer"),
];

#[rustfmt::skip] // A table reads as a table.
const QUOTIENTS: [(Quotient, &str, Unit, &str); 8] = [
    (Quotient::CoalescedShare, "coalesced_share", Unit::Share, "Share of gaps that were not measured because their chunks arrived together"),
    (Quotient::CacheHitShare, "cache_hit_share", Unit::Share, "Share of requests with tokens from the prompt cache, of those that report its use"),
    (Quotient::CacheReadShare, "cache_read_share", Unit::Share, "Share of prompt tokens that came from the prompt cache"),
    (Quotient::Consistency, "consistency", Unit::Share, "Chance that two repetitions of a prompt both pass or both fail"),
    (Quotient::CostPerCompleted, "cost_per_completed", Unit::Usd, "List price of all trials over the completed answers"),
    (Quotient::CostPerPassed, "cost_per_passed", Unit::Usd, "List price of all trials over the answers that passed"),
    (Quotient::LatencyPerCompleted, "latency_per_completed", Unit::Time, "Time of all trials over the completed answers"),
    (Quotient::LatencyPerPassed, "latency_per_passed", Unit::Time, "Time of all trials over the answers that passed"),
];

#[rustfmt::skip] // A table reads as a table.
const COUNTS: [(TrialCount, &str, &str); 26] = [
    (TrialCount::Failed, "failed", "that failed"),
    (TrialCount::FailedRefusal, "failed_refusal", "that were refused"),
    (TrialCount::FailedRateLimit, "failed_rate_limit", "that a rate limit ended"),
    (TrialCount::FailedTimeout, "failed_timeout", "that a deadline ended"),
    (TrialCount::FailedServer, "failed_server", "that an error of the server ended"),
    (TrialCount::FailedConnection, "failed_connection", "that a lost connection ended"),
    (TrialCount::FailedRequest, "failed_request", "whose request was rejected"),
    (TrialCount::FailedProtocol, "failed_protocol", "whose response was invalid"),
    (TrialCount::Excluded, "excluded", "answered, but excluded from times to a first token"),
    (TrialCount::Buffered, "buffered", "whose answer was buffered on its way"),
    (TrialCount::Cold, "cold", "that opened a connection"),
    (TrialCount::ClientLimited, "client_limited", "that the client's own load delayed"),
    (TrialCount::Fallbacks, "fallbacks", "that the endpoint reports as served by a fallback"),
    (TrialCount::OtherModel, "other_model", "whose response names another model than the requested one"),
    (TrialCount::HiddenReasoning, "hidden_reasoning", "with hidden reasoning"),
    (TrialCount::TruncatedInReasoning, "truncated_in_reasoning", "that the token limit ended within the reasoning"),
    (TrialCount::UsageMismatch, "usage_mismatch", "whose token counts do not fit their text"),
    (TrialCount::UsageImpossible, "usage_impossible", "whose token counts cannot be true"),
    (TrialCount::UsageAmbiguous, "usage_ambiguous", "whose token counts have two readings"),
    (TrialCount::UsageUnread, "usage_unread", "with token counts of unknown meaning"),
    (TrialCount::UnpricedTier, "unpriced_tier", "of a service tier without a price"),
    (TrialCount::ResponseCached, "response_cached", "that a response cache answered"),
    (TrialCount::OwnKeyRefused, "own_key_refused", "for which a provider refused the user's own key"),
    (TrialCount::ProxyRetried, "proxy_retried", "that a proxy retried"),
    (TrialCount::Deferred, "deferred", "that were sent apart from their slot"),
    (TrialCount::Retried, "retried", "that took more than one attempt"),
];

impl Measure {
    /// Every measure, in the order of the documentation.
    pub fn all() -> impl Iterator<Item = Self> {
        MEASURES.iter().map(|(measure, ..)| *measure)
    }

    const fn entry(self) -> &'static MeasureEntry {
        &MEASURES[self as usize]
    }

    /// The first part of its keys.
    pub const fn word(self) -> &'static str {
        self.entry().1
    }

    /// Its unit.
    pub const fn unit(self) -> Unit {
        self.entry().2
    }

    /// Its statistics that can be limited.
    pub const fn statistics(self) -> &'static [Statistic] {
        self.entry().3
    }

    /// Its name in sentences.
    pub const fn noun(self) -> &'static str {
        self.entry().4
    }

    /// Returns true if more is better.
    pub const fn has_minimum(self) -> bool {
        matches!(
            self,
            Self::OutputRate
                | Self::EndToEndRate
                | Self::CharsPerSecond
                | Self::CachedTokens
                | Self::CacheSavedUsd
                | Self::Score
        )
    }
}

impl Statistic {
    /// The last part of its keys.
    pub const fn word(self) -> &'static str {
        match self {
            Mean => "mean",
            P50 => "p50",
            P75 => "p75",
            P90 => "p90",
            P95 => "p95",
            P99 => "p99",
            Min => "min",
            Max => "max",
        }
    }

    /// The percentile that it is; `None` for any other.
    pub const fn percentile(self) -> Option<Percentile> {
        match self {
            P50 => Some(Percentile::P50),
            P75 => Some(Percentile::P75),
            P90 => Some(Percentile::P90),
            P95 => Some(Percentile::P95),
            P99 => Some(Percentile::P99),
            Mean | Min | Max => None,
        }
    }

    /// Its name in sentences.
    pub fn noun(self) -> String {
        match (self, self.percentile()) {
            (P50, _) => "median".to_owned(),
            (_, Some(percentile)) => format!("{}th percentile", percentile.percent()),
            (Min, _) => "smallest value".to_owned(),
            (Max, _) => "largest value".to_owned(),
            _ => "mean".to_owned(),
        }
    }
}

impl Quotient {
    /// Every quotient, in the order of the documentation.
    pub fn all() -> impl Iterator<Item = Self> {
        QUOTIENTS.iter().map(|(quotient, ..)| *quotient)
    }

    /// Its key.
    pub const fn word(self) -> &'static str {
        QUOTIENTS[self as usize].1
    }

    /// Its unit.
    pub const fn unit(self) -> Unit {
        QUOTIENTS[self as usize].2
    }

    /// Its name in sentences.
    pub const fn noun(self) -> &'static str {
        QUOTIENTS[self as usize].3
    }

    /// Returns true if more is better.
    pub const fn has_minimum(self) -> bool {
        matches!(
            self,
            Self::CacheHitShare | Self::CacheReadShare | Self::Consistency
        )
    }
}

impl TrialCount {
    /// Every kind, in the order of columns.
    pub fn all() -> impl Iterator<Item = Self> {
        COUNTS.iter().map(|(count, ..)| *count)
    }

    /// Its key.
    pub const fn word(self) -> &'static str {
        COUNTS[self as usize].1
    }

    /// The trials that it counts.
    pub const fn noun(self) -> &'static str {
        COUNTS[self as usize].2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_follow_the_order_of_declaration() {
        // Words are looked up by `as usize`: one out of order would be another's.
        let stored = |value: serde_json::Result<serde_json::Value>| {
            value.unwrap().as_str().map(str::to_owned).unwrap()
        };
        for (place, measure) in Measure::all().enumerate() {
            assert_eq!(measure as usize, place);
            assert_eq!(stored(serde_json::to_value(measure)), measure.word());
        }
        for (place, quotient) in Quotient::all().enumerate() {
            assert_eq!(quotient as usize, place);
            assert_eq!(stored(serde_json::to_value(quotient)), quotient.word());
        }
        for (place, count) in TrialCount::all().enumerate() {
            assert_eq!(count as usize, place);
            assert_eq!(stored(serde_json::to_value(count)), count.word());
        }
    }
}
