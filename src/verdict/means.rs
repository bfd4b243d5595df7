//! What means and shares of a variant are worth: their intervals, with prompts as clusters.
//!
//! Owns the intervals of mean cost, mean tokens and the share of completed trials. Must not know how
//! they are shown. Invariant: an interval is of the very mean that reports show, which counts every
//! sample once.

use crate::record::Failure;
use crate::stats::cost::mean_cost;
use crate::stats::interval::{Alpha, Interval};
use crate::stats::mean::{Mean, Weights};
use crate::stats::rates::{Passes, rate};

use super::distribution::Estimate;
use super::figures::Figures;
use super::money::Total;
use super::tally::TokenKind;

/// 95 % intervals for prompts like these; no ends where there are fewer than two prompts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Means {
    /// Share of trials that were answered to the end; rate-limited ones are not asked of it.
    pub completed: Option<Estimate>,
    /// Of the mean completion tokens of a sample.
    pub completion_tokens: Interval,
    /// Of the mean list price of a request, USD.
    pub list_usd: Interval,
    /// Of the mean of the gateway's own list price, USD.
    pub market_usd: Interval,
}

impl Means {
    /// From the figures of each prompt.
    pub(super) fn of(prompts: &[Figures]) -> Self {
        Self {
            completed: completed(prompts),
            completion_tokens: completion_tokens(prompts),
            list_usd: cost(prompts, |figures| figures.money.list),
            market_usd: cost(prompts, |figures| figures.money.market),
        }
    }
}

fn completed(prompts: &[Figures]) -> Option<Estimate> {
    let passes = prompts.iter().filter_map(|figures| {
        let counts = &figures.counts;
        let asked = counts.done - counts.failure(Failure::RateLimit);
        let of = u32::try_from(asked).ok()?;
        Passes::new(u32::try_from(counts.answered).ok()?, of)
    });
    share(&passes.collect::<Vec<_>>())
}

/// The share of answers that pass, with its 95 % interval; `None` of no answers.
pub(super) fn share(prompts: &[Passes]) -> Option<Estimate> {
    let rate = rate(prompts, Alpha::FIVE_PERCENT)?;
    Some(Estimate {
        value: rate.estimate,
        n: rate.answers,
        bounded: true,
        interval: Some(rate.interval),
    })
}

/// Every prompt counts by its samples, so that the mean is that of all samples.
fn weighted(prompts: impl Iterator<Item = (f64, u64)>) -> (Vec<f64>, Option<Weights>) {
    let (means, counts): (Vec<f64>, Vec<f64>) = prompts.map(|(mean, n)| (mean, n as f64)).unzip();
    let weights = Weights::new(&counts);
    (means, weights)
}

fn completion_tokens(prompts: &[Figures]) -> Interval {
    let of_prompts = prompts.iter().filter_map(|figures| {
        let tokens = figures.tokens(TokenKind::Completion);
        Some((tokens.mean()?, tokens.n))
    });
    // No answer has fewer than no tokens.
    of_samples(of_prompts).map(|end| end.max(0.0))
}

/// The 95 % interval of the mean of all samples, from the mean and the number of each prompt's.
pub(super) fn of_samples(prompts: impl Iterator<Item = (f64, u64)>) -> Interval {
    let (means, weights) = weighted(prompts);
    let mean = weights.and_then(|weights| Mean::weighted(&means, &weights));
    mean.map_or(Interval::NONE, |mean| mean.interval(Alpha::FIVE_PERCENT))
}

fn cost(prompts: &[Figures], total: impl Fn(&Figures) -> Total) -> Interval {
    let of_prompts = prompts.iter().filter_map(|figures| {
        let total = total(figures);
        Some((total.mean()?.as_f64(), total.n))
    });
    let (means, weights) = weighted(of_prompts);
    let mean = weights.and_then(|weights| mean_cost(&means, &weights));
    mean.map_or(Interval::NONE, |mean| mean.interval(Alpha::FIVE_PERCENT))
}
