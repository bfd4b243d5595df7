//! The sums of the samples of one variant and prompt, beside its observations.
//!
//! Owns which sums a prompt has figures of. Must not know the figures themselves. Invariant: all that is stored of a variant and
//! prompt beside its observations, in at most 160 bytes; adding is commutative, and sums beyond 64 bits saturate, which only a
//! forged record reaches.

use crate::record::{FailureKind, Sample};
use crate::units::Usd;

use super::money::{Total, market_price};
use super::quality::{QualityTally, graded_score};
use super::tally::{SampleCounts, TokenKind, TokenTotal, token_counts};

/// Counts, tokens and costs of the samples of one variant and prompt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct CellTally {
    tokens: [u64; TokenKind::ALL.len()],
    /// Pico-dollars, in the order of [`Price`].
    costs: [i64; PRICES],
    score_units: u64,
    /// Costs of samples with known cache tokens, as they were and without caches, pico-dollars.
    cache_costs: [i64; 2],
    tokens_n: [u32; TokenKind::ALL.len()],
    costs_n: [u32; PRICES],
    /// Trials in the plan.
    pub(super) planned: u32,
    /// Trials that ended; abandoned ones are not among them.
    pub(super) done: u32,
    /// Trials answered to the end.
    pub(super) answered: u32,
    /// Trials that failed by a rate limit.
    pub(super) rate_limited: u32,
    /// Answers that were graded.
    pub(super) graded: u32,
    /// Graded answers that passed.
    pub(super) passed: u32,
    /// Samples whose server reported the tokens read from a cache.
    pub(super) cache_reporting: u32,
    /// Those of them that read any.
    pub(super) cache_hits: u32,
    /// Those of them whose cost is known.
    pub(super) cache_priced: u32,
}

/// The sums of one variant, in the order of the prompts.
#[derive(Debug, Clone, Copy)]
pub(super) struct VariantCells<'a> {
    cells: &'a [Box<[CellTally]>],
    variant: usize,
}

impl<'a> VariantCells<'a> {
    /// The sums of the variant at an index, in the lists of each prompt.
    pub(super) const fn new(cells: &'a [Box<[CellTally]>], variant: usize) -> Self {
        Self { cells, variant }
    }

    /// The sums of each prompt.
    pub(super) fn iter(self) -> impl Iterator<Item = &'a CellTally> {
        self.cells.iter().map(move |prompt| &prompt[self.variant])
    }
}

/// A sample whose server reported the tokens read from a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CachedAnswer {
    /// True if any were read.
    pub(super) is_hit: bool,
    /// Its cost, and its cost without caches, where both are known.
    pub(super) costs: Option<(Usd, Usd)>,
}

/// The prices of a sample that a prompt has figures of.
#[derive(Debug, Clone, Copy)]
enum Price {
    List,
    Billed,
    Market,
}

/// Number of [`Price`]s.
const PRICES: usize = 3;

impl CellTally {
    /// Empty sums of so many planned trials.
    pub(super) fn new(planned: u32) -> Self {
        Self {
            planned,
            ..Self::default()
        }
    }

    /// Adds a sample, whatever its outcome; of an abandoned one nothing but its use of a cache.
    pub(super) fn add(&mut self, sample: &Sample, cached: Option<CachedAnswer>) {
        if let Some(cached) = cached {
            self.add_cached(cached);
        }
        if sample.outcome.is_abandoned() {
            return;
        }
        self.done += 1;
        self.answered += u32::from(sample.outcome.answered());
        let is_rate_limited = sample.outcome.failure() == Some(FailureKind::RateLimit);
        self.rate_limited += u32::from(is_rate_limited);
        let prices = [sample.cost_usd, sample.billed_usd, market_price(sample)];
        for (index, price) in prices.into_iter().enumerate() {
            if let Some(price) = price {
                add_usd(&mut self.costs[index], price);
                self.costs_n[index] += 1;
            }
        }
        for (index, count) in token_counts(sample).into_iter().enumerate() {
            if let Some(count) = count {
                self.tokens[index] = self.tokens[index].saturating_add(count);
                self.tokens_n[index] += 1;
            }
        }
        if let Some((passed, units)) = graded_score(sample) {
            self.graded += 1;
            self.passed += u32::from(passed);
            self.score_units = self.score_units.saturating_add(units);
        }
    }

    fn add_cached(&mut self, cached: CachedAnswer) {
        self.cache_reporting += 1;
        self.cache_hits += u32::from(cached.is_hit);
        if let Some((cost, uncached_cost)) = cached.costs {
            self.cache_priced += 1;
            add_usd(&mut self.cache_costs[0], cost);
            add_usd(&mut self.cache_costs[1], uncached_cost);
        }
    }

    /// The numbers of its trials. Those of flags, retries and other failures than rate limits are not kept of a prompt: they
    /// are 0.
    pub(super) fn counts(&self) -> SampleCounts {
        SampleCounts::of_trials(self.planned.into(), self.done.into(), self.answered.into())
    }

    /// Total tokens of a kind.
    pub(super) fn tokens(&self, kind: TokenKind) -> TokenTotal {
        TokenTotal {
            sum: self.tokens[kind as usize].into(),
            n: self.tokens_n[kind as usize].into(),
            zeros: 0,
        }
    }

    fn total(&self, price: Price) -> Total {
        Total {
            sum: Usd(self.costs[price as usize].into()),
            n: self.costs_n[price as usize].into(),
        }
    }

    /// The costs at the catalog's list prices.
    pub(super) fn list(&self) -> Total {
        self.total(Price::List)
    }

    /// The costs that the gateway billed.
    pub(super) fn billed(&self) -> Total {
        self.total(Price::Billed)
    }

    /// The costs at the gateway's own list prices.
    pub(super) fn market(&self) -> Total {
        self.total(Price::Market)
    }

    /// Its graded answers. The time of trials is not kept of a prompt.
    pub(super) fn quality(&self) -> QualityTally {
        QualityTally::of_grades(
            self.graded.into(),
            self.passed.into(),
            self.score_units.into(),
        )
    }

    /// The cost of the samples with known cache tokens, and their cost without caches.
    pub(super) fn cache_costs(&self) -> (Usd, Usd) {
        let [cost, uncached_cost] = self.cache_costs;
        (Usd(cost.into()), Usd(uncached_cost.into()))
    }
}

fn add_usd(sum: &mut i64, amount: Usd) {
    let nearest_end = if amount.0 < 0 { i64::MIN } else { i64::MAX };
    let amount = i64::try_from(amount.0).unwrap_or(nearest_end);
    *sum = sum.saturating_add(amount);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_and_prompt_takes_little_memory() {
        // A suite of 100,000 prompts has as many for each variant.
        assert!(size_of::<CellTally>() <= 160, "{}", size_of::<CellTally>());
    }
}
