//! The effect of prompt caching: hits, tokens read and written, money saved or lost, TTFT of hits and of
//! misses.
//!
//! Owns which sample counts for which of these. Must not know how a run warmed its caches or how a figure is
//! shown. Invariants: a count that the server does not report is absent, never 0; money is exact; hits and
//! misses are never pooled; the order of samples changes nothing.

use crate::catalog::{Rates, TokenCounts, TokenPrices, cost};
use crate::record::{Sample, Usage};
use crate::stats::interval::Interval;
use crate::stats::quantile::Percentile;
use crate::stats::rates::Passes;
use crate::units::Usd;

use super::cell_tally::{CachedAnswer, VariantCells};
use super::distribution::{Distribution, Estimate, RankBounds};
use super::means::{sample_mean_interval, share};

/// Figures of the prompt cache for one variant.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CacheFigures {
    /// Samples whose server reported the number of tokens read from a cache.
    pub reporting: u64,
    /// Those of them whose token counts contradict each other, and which have no price.
    pub contradicting: u64,
    /// Reporting samples that read any tokens.
    pub hits: u64,
    /// Share of hits among reporting samples, for prompts like these.
    pub hit_share: Option<Estimate>,
    /// Share of the prompt tokens of reporting samples that were read from a cache.
    pub read_share: Option<f64>,
    /// Tokens read; absent where no server reported a count.
    pub tokens_read: Option<u128>,
    /// Tokens written, among reporting samples whose server counts them; absent where it counts none of them.
    pub tokens_written: Option<u128>,
    /// At list price; absent where the manifest has no prices, or no reporting sample has all counts.
    pub saving: Option<CacheSaving>,
    /// TTFT of hits, excluded samples left out.
    pub hit_ttft_ns: Option<Distribution>,
    /// TTFT of misses, excluded samples left out.
    pub miss_ttft_ns: Option<Distribution>,
    /// The number of reads at which a write pays; absent without prices, and where nothing was read or written.
    pub break_even: Option<BreakEven>,
}

/// The money that caches saved (below 0: lost) on the samples of a variant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CacheSaving {
    /// Reporting samples with all counts that a cost needs.
    pub n: u64,
    /// The cost of their tokens.
    pub cost: Usd,
    /// The cost of the same tokens with every prompt token at the input price.
    pub uncached_cost: Usd,
    /// 95 % interval of the saving per request, USD, for prompts like these; without ends for fewer than two
    /// prompts.
    pub per_request: Interval,
}

/// The number of reads of a cached prompt after which writing it has paid for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakEven {
    /// This many reads, within the lifetime of the cache.
    Reuses(u64),
    /// Writing costs no more than not writing.
    NoPremium,
    /// Writing costs more, and reading no less.
    Never,
}

impl CacheSaving {
    /// The amount saved; below 0 where caching cost more than it saved.
    pub const fn saved(&self) -> Usd {
        Usd(self.uncached_cost.0.saturating_sub(self.cost.0))
    }

    /// The saving per request, rounded half up to a pico-dollar.
    pub const fn mean(&self) -> Usd {
        let n = self.n as i128;
        Usd(self.saved().0.saturating_add(n / 2).div_euclid(n))
    }

    /// The saving as a share of the uncached cost; absent where that is 0.
    pub fn share(&self) -> Option<f64> {
        let uncached_cost = self.uncached_cost.as_f64();
        (uncached_cost > 0.0).then(|| self.saved().as_f64() / uncached_cost)
    }
}

impl CacheFigures {
    /// Median TTFT of hits divided by that of misses.
    pub fn ttft_ratio(&self) -> Option<Estimate> {
        let median = |all: &Option<Distribution>| all.as_ref()?.percentile(Percentile::P50);
        let (hit, miss) = (median(&self.hit_ttft_ns)?, median(&self.miss_ttft_ns)?);
        (miss.value > 0.0).then(|| Estimate {
            value: hit.value / miss.value,
            n: hit.n.min(miss.n),
            bounded: hit.bounded && miss.bounded,
            interval: None,
        })
    }

    /// Returns true if a cache read or stored anything.
    pub fn is_in_use(&self) -> bool {
        self.tokens_read.is_some_and(|read| read > 0)
            || self.tokens_written.is_some_and(|written| written > 0)
    }
}

/// The fold over the samples of one variant.
#[derive(Debug, Default)]
pub(super) struct CacheFold {
    prices: Option<TokenPrices>,
    contradicting: u64,
    prompt_tokens: u128,
    /// Tokens read by samples with a plausible count of prompt tokens.
    plausible_read: u128,
    read: u128,
    written: Option<u128>,
    writes: CacheTerms,
    reads: CacheTerms,
}

/// The premium and discount of the price list for tokens that were written, or that were read.
#[derive(Debug, Default)]
struct CacheTerms {
    /// Samples that have such tokens, and prices for them.
    n: u64,
    /// Extra cost of writing them, relative to the input price, pico-dollars.
    premium: i128,
    /// Discount for reading them, relative to the input price, pico-dollars.
    discount: i128,
}

/// The share of hits with prompts as units: the cache of one prompt predicts little about another's.
fn hit_share(prompts: VariantCells<'_>) -> Option<Estimate> {
    let passes: Vec<Passes> = (prompts.iter())
        .filter_map(|one| Passes::new(one.cache_hits, one.cache_reporting))
        .collect();
    share(&passes)
}

fn saving(prompts: VariantCells<'_>) -> Option<CacheSaving> {
    let priced = || prompts.iter().filter(|one| one.cache_priced > 0);
    let n: u64 = priced().map(|one| u64::from(one.cache_priced)).sum();
    if n == 0 {
        return None;
    }
    let savings = priced().map(|one| {
        let (cost, uncached_cost) = one.cache_costs();
        let saved = Usd(uncached_cost.0.saturating_sub(cost.0));
        let n = u64::from(one.cache_priced);
        (saved.as_f64() / n as f64, n)
    });
    Some(CacheSaving {
        n,
        cost: priced().map(|one| one.cache_costs().0).sum(),
        uncached_cost: priced().map(|one| one.cache_costs().1).sum(),
        per_request: sample_mean_interval(savings),
    })
}

/// The cost of these tokens, and their cost without caches; `None` where either is not known.
pub(super) fn uncached_cost(prices: &TokenPrices, usage: &Usage) -> Option<(Usd, Usd)> {
    let counts = usage.counts()?;
    let uncached = TokenCounts {
        cached: 0,
        cache_write: 0,
        cache_write_1h: 0,
        cache_write_12h: 0,
        ..counts
    };
    Some((cost(prices, &counts)?, cost(prices, &uncached)?))
}

impl CacheFold {
    /// An empty fold for a variant with these list prices.
    pub(super) fn new(prices: Option<TokenPrices>) -> Self {
        Self {
            prices,
            ..Self::default()
        }
    }

    /// Adds a sample, whatever its outcome; returns what the sums of its prompt need, which are not kept here.
    pub(super) fn add(&mut self, sample: &Sample) -> Option<CachedAnswer> {
        let usage = sample.cache_usage()?;
        let read = usage.cached_tokens?;
        self.contradicting += u64::from(usage.contradicts_itself());
        self.read += u128::from(read);
        if let Some(written) = usage.cache_write_tokens {
            *self.written.get_or_insert(0) += u128::from(written);
        }
        if let Some(prompt_tokens) = usage.prompt_tokens
            && prompt_tokens >= read
        {
            self.prompt_tokens += u128::from(prompt_tokens);
            self.plausible_read += u128::from(read);
        }
        Some(CachedAnswer {
            is_hit: read > 0,
            costs: self.add_money(&usage),
        })
    }

    /// Adds the samples of another fold of the same variant.
    pub(super) fn absorb(&mut self, other: &Self) {
        self.contradicting += other.contradicting;
        self.prompt_tokens += other.prompt_tokens;
        self.plausible_read += other.plausible_read;
        self.read += other.read;
        if let Some(written) = other.written {
            *self.written.get_or_insert(0) += written;
        }
        self.writes.absorb(&other.writes);
        self.reads.absorb(&other.reads);
    }

    /// The cost of a sample, and its cost without caches, where both are known.
    fn add_money(&mut self, usage: &Usage) -> Option<(Usd, Usd)> {
        let prices = self.prices.as_ref()?;
        let costs = uncached_cost(prices, usage)?;
        if let Some(counts) = usage.counts() {
            let rates = prices.rates(counts.prompt);
            self.writes.add(counts.cache_write, rates);
            self.reads.add(counts.cached, rates);
        }
        Some(costs)
    }

    /// The figures of everything that was added; `None` where no server reported cache tokens. `prompts` has the sums of each
    /// prompt, and `first_tokens` gives the TTFT of each hit (true) or of each miss (false), ns.
    pub(super) fn finish(
        self,
        prompts: VariantCells<'_>,
        first_tokens: impl Fn(bool) -> Vec<u64>,
        ends: &mut RankBounds,
    ) -> Option<CacheFigures> {
        let reporting = prompts
            .iter()
            .map(|one| u64::from(one.cache_reporting))
            .sum();
        if reporting == 0 {
            return None;
        }
        let share = self.plausible_read as f64 / self.prompt_tokens as f64;
        Some(CacheFigures {
            reporting,
            contradicting: self.contradicting,
            hits: prompts.iter().map(|one| u64::from(one.cache_hits)).sum(),
            hit_share: hit_share(prompts),
            read_share: (self.prompt_tokens > 0).then_some(share),
            tokens_read: Some(self.read),
            tokens_written: self.written,
            saving: saving(prompts),
            hit_ttft_ns: Distribution::from_integers(&mut first_tokens(true), ends),
            miss_ttft_ns: Distribution::from_integers(&mut first_tokens(false), ends),
            break_even: self.break_even(),
        })
    }

    /// The smallest number of reads whose discount makes up for the premium of a write, both averaged over the
    /// samples that have one. Where nothing was written, or nothing was read, the same tokens are used for
    /// both.
    fn break_even(&self) -> Option<BreakEven> {
        let first_in_use = |first, second| {
            [first, second]
                .into_iter()
                .find(|terms: &&CacheTerms| terms.n > 0)
        };
        let write = first_in_use(&self.writes, &self.reads)?;
        let read = first_in_use(&self.reads, &self.writes)?;
        if write.premium <= 0 {
            return Some(BreakEven::NoPremium);
        }
        if read.discount <= 0 {
            return Some(BreakEven::Never);
        }
        let premium = write.premium.checked_mul(i128::from(read.n))?;
        let discount = read.discount.checked_mul(i128::from(write.n))?;
        let reuses = premium.checked_add(discount - 1)?.div_euclid(discount);
        u64::try_from(reuses).ok().map(BreakEven::Reuses)
    }
}

impl CacheTerms {
    fn absorb(&mut self, other: &Self) {
        self.n += other.n;
        self.premium = self.premium.saturating_add(other.premium);
        self.discount = self.discount.saturating_add(other.discount);
    }

    /// Adds `tokens` of a request at these rates; ignored without an input price to compare with.
    fn add(&mut self, tokens: u64, rates: &Rates) {
        let Some(input) = rates.input.filter(|_| tokens > 0) else {
            return;
        };
        let tokens = i128::from(tokens);
        let above = |rate: Option<Usd>| {
            let difference = rate.unwrap_or(input).0.saturating_sub(input.0);
            difference.saturating_mul(tokens)
        };
        self.n += 1;
        self.premium = self.premium.saturating_add(above(rates.cache_write));
        self.discount = self.discount.saturating_sub(above(rates.cache_read));
    }
}

#[cfg(test)]
mod tests;
