//! The figures of some samples.
//!
//! Owns which figures there are. Must not know whose samples they are of. Invariant: times are of answered
//! samples only.

use super::distribution::{Distribution, RankBounds};
use super::money::{Money, Total};
use super::quality::QualityTally;
use super::tally::{SampleCounts, Tally, TokenKind, TokenTotal};

/// The figures of some samples. Times are in ns, of answered samples only.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// Numbers of samples by outcome.
    pub counts: SampleCounts,
    /// Time to the first token; excluded samples left out.
    pub ttft_ns: Option<Distribution>,
    /// Time to the first token of the answer; excluded samples left out.
    pub ttfa_ns: Option<Distribution>,
    /// Time to the first useful unit of the answer; excluded samples left out.
    pub first_unit_ns: Option<Distribution>,
    /// Time from the first attempt to the first token; excluded samples left out.
    pub experienced_ttft_ns: Option<Distribution>,
    /// Time to the end of the answer.
    pub latency_ns: Option<Distribution>,
    /// Mean gap per answer.
    pub request_gap_ns: Option<Distribution>,
    /// Completion tokens per second after the first chunk.
    pub output_rate: Option<Distribution>,
    /// Completion tokens per second over the latency.
    pub end_to_end_rate: Option<Distribution>,
    /// Visible characters per second over the latency.
    pub chars_per_second: Option<Distribution>,
    /// Tokens, in the order of [`TokenKind::ALL`].
    tokens: [TokenTotal; TokenKind::ALL.len()],
    /// Costs of the samples.
    pub money: Money,
    /// Graded answers, and the time of all trials.
    pub quality: QualityTally,
}

impl Figures {
    /// Computes the figures of a tally; sorts its lists in place.
    pub(super) fn from_tally(tally: &mut Tally, ends: &mut RankBounds) -> Self {
        Self {
            counts: tally.counts.clone(),
            ttft_ns: Distribution::from_integers(&mut tally.ttft_ns, ends),
            ttfa_ns: Distribution::from_integers(&mut tally.ttfa_ns, ends),
            first_unit_ns: Distribution::from_integers(&mut tally.first_unit_ns, ends),
            experienced_ttft_ns: Distribution::from_integers(&mut tally.experienced_ttft_ns, ends),
            latency_ns: Distribution::from_integers(&mut tally.latency_ns, ends),
            request_gap_ns: Distribution::from_integers(&mut tally.request_gap_ns, ends),
            output_rate: Distribution::from_floats(&mut tally.output_rate, ends),
            end_to_end_rate: Distribution::from_floats(&mut tally.end_to_end_rate, ends),
            chars_per_second: Distribution::from_floats(&mut tally.chars_per_second, ends),
            tokens: tally.tokens,
            money: tally.money,
            quality: tally.quality,
        }
    }

    /// Total tokens of a kind.
    pub const fn tokens(&self, kind: TokenKind) -> TokenTotal {
        self.tokens[kind as usize]
    }

    /// The price per request that variants are ranked by: the catalog's list price, else the gateway's own.
    /// Billed amounts are not ranked, because own keys make them 0.
    pub const fn ranked_cost(&self) -> Total {
        if self.money.list.n > 0 {
            self.money.list
        } else {
            self.money.market
        }
    }

    /// The list price of all trials, failed ones included, over the completed answers, USD; `None` where the price
    /// of an answer is not known.
    pub fn cost_per_completed(&self) -> Option<f64> {
        let (cost, answered) = (self.ranked_cost(), self.counts.answered);
        (answered > 0 && cost.n >= answered).then(|| cost.sum.as_f64() / answered as f64)
    }

    /// The same over the answers that passed: where some answers were not graded, they are taken to pass as often
    /// as the others.
    pub fn cost_per_passed(&self) -> Option<f64> {
        let rate = self.quality.pass_rate().filter(|rate| *rate > 0.0)?;
        Some(self.cost_per_completed()? / rate)
    }

    /// The time of all trials, with retries, their waits and failures, over the completed answers, ns.
    pub fn latency_per_completed(&self) -> Option<f64> {
        self.quality.time_over(self.counts.answered)
    }

    /// The same over the answers that passed, ns.
    pub fn latency_per_passed(&self) -> Option<f64> {
        let rate = self.quality.pass_rate().filter(|rate| *rate > 0.0)?;
        Some(self.latency_per_completed()? / rate)
    }
}
