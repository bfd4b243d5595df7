//! Whether prompt caching pays: hits, tokens read and written, money saved or lost, times of hits and
//! of misses.
//!
//! Owns which sample counts for which of these. Must not know how a run filled its caches or how a figure
//! is shown. Invariants: what the server does not tell is absent, never 0; money is exact; hits and misses
//! are never pooled; the order of samples changes nothing.

use crate::catalog::{Prices, Rates, TokenCounts, cost};
use crate::record::{Sample, Usage};
use crate::stats::interval::Interval;
use crate::stats::quantile::Percentile;
use crate::stats::rates::Passes;
use crate::units::Usd;

use super::distribution::{Distribution, Ends, Estimate};
use super::means::{of_samples, share};
use super::tally::is_set_aside;

/// What prompt caches did for one variant.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Caching {
    /// Samples whose server told how many tokens it read from a cache.
    pub told: u64,
    /// Of them: those whose counts of tokens contradict each other, and have no price.
    pub contradicting: u64,
    /// Of all told: those that read any.
    pub hits: u64,
    /// Hits over told samples, for prompts like these.
    pub hit_share: Option<Estimate>,
    /// Prompt tokens read from a cache over all prompt tokens of told samples.
    pub read_share: Option<f64>,
    /// Tokens read; absent where nobody told.
    pub read: Option<u128>,
    /// Tokens written, of told samples whose server counts them; absent where it counts none of them.
    pub written: Option<u128>,
    /// By list price; absent where the records hold no prices, or no told sample has all counts.
    pub saving: Option<Saving>,
    /// TTFT of hits, samples set aside left out.
    pub hit_ttft_ns: Option<Distribution>,
    /// TTFT of misses, samples set aside left out.
    pub miss_ttft_ns: Option<Distribution>,
    /// When writing pays; absent without prices, and where nothing was read or written.
    pub break_even: Option<BreakEven>,
}

/// What caches saved (below 0: lost) on the samples of a variant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Saving {
    /// Samples that told, with all counts that a cost needs.
    pub n: u64,
    /// What their tokens cost.
    pub with: Usd,
    /// What the same tokens would cost with every prompt token at the input price.
    pub without: Usd,
    /// 95 % interval of what was saved on a request, USD, for prompts like these; no ends below two
    /// prompts.
    pub per_request: Interval,
}

/// How often what is written to a cache must be read before writing has paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakEven {
    /// So many times, within the cache's life.
    Reuses(u64),
    /// Writing costs no more than not writing.
    NoPremium,
    /// Writing costs more, and reading no less.
    Never,
}

impl Saving {
    /// What was saved; below 0 where caching cost more than it saved.
    pub const fn saved(&self) -> Usd {
        Usd(self.without.0.saturating_sub(self.with.0))
    }

    /// What was saved on a request, rounded half up to a pico-dollar.
    pub const fn mean(&self) -> Usd {
        let n = self.n as i128;
        Usd(self.saved().0.saturating_add(n / 2).div_euclid(n))
    }

    /// What was saved over what it would have cost; absent where that is nothing.
    pub fn share(&self) -> Option<f64> {
        let without = self.without.as_f64();
        (without > 0.0).then(|| self.saved().as_f64() / without)
    }
}

impl Caching {
    /// Median TTFT of hits over that of misses.
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

    /// Whether a cache held or kept anything.
    pub fn took_part(&self) -> bool {
        self.read.is_some_and(|read| read > 0) || self.written.is_some_and(|written| written > 0)
    }
}

/// What is kept of the samples of one variant.
#[derive(Debug, Default)]
pub(super) struct CachingTally {
    prices: Option<Prices>,
    /// By the prompt's place in the suite.
    prompts: Vec<OfPrompt>,
    contradicting: u64,
    prompt_tokens: u128,
    /// Of samples with a plausible count of prompt tokens.
    read_of_prompts: u128,
    read: u128,
    written: Option<u128>,
    writes: Terms,
    reads: Terms,
    hit_ttft_ns: Vec<u64>,
    miss_ttft_ns: Vec<u64>,
}

/// What is kept of one prompt.
#[derive(Debug, Clone, Default)]
struct OfPrompt {
    told: u32,
    hits: u32,
    priced: u64,
    with: i128,
    without: i128,
}

/// The price list's terms for tokens that were written, or that were read.
#[derive(Debug, Default)]
struct Terms {
    /// Samples that have such tokens, and prices for them.
    n: u64,
    /// What writing them costs above the input price, pico-dollars.
    premium: i128,
    /// What reading them costs below the input price, pico-dollars.
    discount: i128,
}

impl CachingTally {
    /// Of a variant with these list prices, for so many prompts.
    pub(super) fn new(prices: Option<Prices>, prompts: usize) -> Self {
        Self {
            prices,
            prompts: vec![OfPrompt::default(); prompts],
            ..Self::default()
        }
    }

    /// Adds a sample, however it ended; its time counts only where it was answered.
    pub(super) fn add(&mut self, sample: &Sample, prompt: usize) {
        // Counts of a cache that exceed the prompt's are counted; others that cannot be true are left out.
        let usable = |usage: &Usage| usage.contradicts_itself() || !sample.has_unknown_usage();
        let Some(usage) = sample.usage.filter(usable) else {
            return;
        };
        let Some(read) = usage.cached_tokens else {
            return;
        };
        let of_prompt = &mut self.prompts[prompt];
        of_prompt.told += 1;
        of_prompt.hits += u32::from(read > 0);
        self.contradicting += u64::from(usage.contradicts_itself());
        self.read += u128::from(read);
        if let Some(written) = usage.cache_write_tokens {
            *self.written.get_or_insert(0) += u128::from(written);
        }
        if let Some(prompt_tokens) = usage.prompt_tokens
            && prompt_tokens >= read
        {
            self.prompt_tokens += u128::from(prompt_tokens);
            self.read_of_prompts += u128::from(read);
        }
        self.add_money(&usage, prompt);
        if sample.outcome.answered() && !is_set_aside(sample) {
            let class = if read > 0 {
                &mut self.hit_ttft_ns
            } else {
                &mut self.miss_ttft_ns
            };
            class.extend(sample.ttft_ns.map(|span| span.0));
        }
    }

    /// Adds what the sample costs and what it would cost without caches, where both are known.
    fn add_money(&mut self, usage: &Usage, prompt: usize) {
        let Some(prices) = &self.prices else { return };
        let Some(counts) = usage.counts() else {
            return;
        };
        let uncached = TokenCounts {
            cached: 0,
            cache_write: 0,
            ..counts
        };
        let (Some(with), Some(without)) = (cost(prices, &counts), cost(prices, &uncached)) else {
            return;
        };
        let of_prompt = &mut self.prompts[prompt];
        of_prompt.priced += 1;
        of_prompt.with = of_prompt.with.saturating_add(with.0);
        of_prompt.without = of_prompt.without.saturating_add(without.0);
        let rates = prices.rates(counts.prompt);
        self.writes.add(counts.cache_write, rates);
        self.reads.add(counts.cached, rates);
    }

    /// The figures of everything that was added; `None` where no server told of a cache.
    pub(super) fn finish(mut self, ends: &mut Ends) -> Option<Caching> {
        let told = self.prompts.iter().map(|one| u64::from(one.told)).sum();
        if told == 0 {
            return None;
        }
        let share = self.read_of_prompts as f64 / self.prompt_tokens as f64;
        Some(Caching {
            told,
            contradicting: self.contradicting,
            hits: self.prompts.iter().map(|one| u64::from(one.hits)).sum(),
            hit_share: self.hit_share(),
            read_share: (self.prompt_tokens > 0).then_some(share),
            read: Some(self.read),
            written: self.written,
            saving: self.saving(),
            hit_ttft_ns: Distribution::of_integers(&mut self.hit_ttft_ns, ends),
            miss_ttft_ns: Distribution::of_integers(&mut self.miss_ttft_ns, ends),
            break_even: self.break_even(),
        })
    }

    /// Prompts are the units: the cache of one says little of another's.
    fn hit_share(&self) -> Option<Estimate> {
        let prompts = self.prompts.iter();
        let passes: Vec<Passes> = prompts
            .filter_map(|one| Passes::new(one.hits, one.told))
            .collect();
        share(&passes)
    }

    fn saving(&self) -> Option<Saving> {
        let priced = || self.prompts.iter().filter(|one| one.priced > 0);
        let sum = |of: fn(&OfPrompt) -> i128| {
            let amounts = priced().map(|one| Usd(of(one)));
            amounts.sum::<Usd>()
        };
        let n: u64 = priced().map(|one| one.priced).sum();
        if n == 0 {
            return None;
        }
        let saved = priced().map(|one| {
            let saved = Usd(one.without.saturating_sub(one.with));
            (saved.as_f64() / one.priced as f64, one.priced)
        });
        Some(Saving {
            n,
            with: sum(|one| one.with),
            without: sum(|one| one.without),
            per_request: of_samples(saved),
        })
    }

    /// The smallest number of reads whose discount makes up for the premium of a write, both on the
    /// average over the samples that have one. Where nothing was written, or nothing read, the same
    /// tokens stand for both.
    fn break_even(&self) -> Option<BreakEven> {
        let or = |first, second| {
            [first, second]
                .into_iter()
                .find(|terms: &&Terms| terms.n > 0)
        };
        let write = or(&self.writes, &self.reads)?;
        let read = or(&self.reads, &self.writes)?;
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

impl Terms {
    /// Adds so many tokens of a request with these rates; without an input price there is nothing to
    /// compare with.
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
