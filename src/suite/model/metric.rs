//! The metrics that are compared, their names, and which direction is better.
//!
//! Owns the words that stand in `[gate]`, in reports and in histories. Must not know how a metric is
//! compared. Invariant: a word never changes its meaning, because stored histories use it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::VariantArray as _;

/// A metric of answers by which two sides can be compared.
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
    JsonSchema,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Metric {
    /// Time to first token of the answered attempt.
    Ttft,
    /// Time to the first token of the answer, reasoning left out.
    Ttfa,
    /// From the trial's first attempt to the first token, waits between attempts included.
    ExperiencedTtft,
    /// To the end of the answer.
    Latency,
    /// Share of answers whose TTFT lies beyond the common 90th percentile of their prompt.
    TtftTail,
    /// Mean gap between token-bearing chunks of an answer.
    InterTokenLatency,
    /// Completion tokens a second after the first chunk.
    OutputRate,
    /// Completion tokens of an answer, reasoning included.
    OutputTokens,
    /// List price of a request.
    Cost,
    /// Share of trials that were answered to the end; rate-limited ones are excluded.
    Completed,
    /// Share of graded answers that passed.
    PassRate,
}

/// The direction in which a metric improves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Times, money, tokens, errors.
    LowerIsBetter,
    /// Rates of output and of success.
    HigherIsBetter,
}

/// The scale on which two sides of a metric are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Candidate over reference, by logarithms.
    Ratio,
    /// Candidate less reference, a difference of shares.
    Points,
}

impl Metric {
    /// Every metric, in display order.
    pub const ALL: [Self; Self::VARIANTS.len()] = *Self::VARIANTS.first_chunk().expect("as many");

    /// The stored word, also the one in suites.
    pub fn word(self) -> &'static str {
        self.into()
    }

    /// Returns the metric with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.word() == word)
    }

    /// The direction in which it improves.
    pub const fn direction(self) -> Direction {
        match self {
            Self::OutputRate | Self::Completed | Self::PassRate => Direction::HigherIsBetter,
            _ => Direction::LowerIsBetter,
        }
    }

    /// The scale on which its sides are compared.
    pub const fn scale(self) -> Scale {
        match self {
            Self::TtftTail | Self::Completed | Self::PassRate => Scale::Points,
            _ => Scale::Ratio,
        }
    }

    /// Returns true for a time, whose absolute change may be too small to matter.
    pub const fn is_time(self) -> bool {
        matches!(
            self,
            Self::Ttft
                | Self::Ttfa
                | Self::ExperiencedTtft
                | Self::Latency
                | Self::InterTokenLatency
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_words_are_the_serialized_ones() {
        // The word in a history and the word in a suite must be the same.
        for (index, metric) in Metric::ALL.into_iter().enumerate() {
            assert_eq!(metric as usize, index);
            let json = serde_json::to_string(&metric).unwrap();
            assert_eq!(json, format!("\"{}\"", metric.word()));
            assert_eq!(Metric::from_word(metric.word()), Some(metric));
        }
    }
}
