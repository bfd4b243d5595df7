//! The figures of some samples.
//!
//! Owns which figures there are. Must not know whose samples they are of. Invariant: times are of answered
//! samples only.

use super::distribution::{Distribution, Ends};
use super::money::{Money, Total};
use super::tally::{Counts, Tally, TokenKind, TokenTotal};

/// The figures of some samples. Times are ns; of answered samples only.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// How many there are, and how they ended.
    pub counts: Counts,
    /// To the first token, samples set aside left out.
    pub ttft_ns: Option<Distribution>,
    /// To the first token of the answer, samples set aside left out.
    pub ttfa_ns: Option<Distribution>,
    /// From the first attempt to the first token, samples set aside left out.
    pub experienced_ttft_ns: Option<Distribution>,
    /// To the end of the answer.
    pub latency_ns: Option<Distribution>,
    /// Mean gap of each answer.
    pub request_gap_ns: Option<Distribution>,
    /// Completion tokens a second after the first chunk.
    pub output_rate: Option<Distribution>,
    /// Completion tokens a second over the latency.
    pub end_to_end_rate: Option<Distribution>,
    /// Visible characters a second over the latency.
    pub chars_per_second: Option<Distribution>,
    /// Tokens, in the order of [`TokenKind::ALL`].
    tokens: [TokenTotal; TokenKind::ALL.len()],
    /// What the samples cost.
    pub money: Money,
}

impl Figures {
    /// Of a tally, whose lists are sorted on the way.
    pub(super) fn of(tally: &mut Tally, ends: &mut Ends) -> Self {
        Self {
            counts: tally.counts.clone(),
            ttft_ns: Distribution::of_integers(&mut tally.ttft_ns, ends),
            ttfa_ns: Distribution::of_integers(&mut tally.ttfa_ns, ends),
            experienced_ttft_ns: Distribution::of_integers(&mut tally.experienced_ttft_ns, ends),
            latency_ns: Distribution::of_integers(&mut tally.latency_ns, ends),
            request_gap_ns: Distribution::of_integers(&mut tally.request_gap_ns, ends),
            output_rate: Distribution::of_floats(&mut tally.output_rate, ends),
            end_to_end_rate: Distribution::of_floats(&mut tally.end_to_end_rate, ends),
            chars_per_second: Distribution::of_floats(&mut tally.chars_per_second, ends),
            tokens: tally.tokens,
            money: tally.money,
        }
    }

    /// Tokens of a kind.
    pub const fn tokens(&self, kind: TokenKind) -> TokenTotal {
        self.tokens[kind as usize]
    }

    /// The price of a request that variants are ranked on: the catalogue's list price, else the
    /// gateway's own. What was billed is not ranked, because own keys make it 0.
    pub const fn ranked_cost(&self) -> Total {
        if self.money.list.n > 0 {
            self.money.list
        } else {
            self.money.market
        }
    }
}
