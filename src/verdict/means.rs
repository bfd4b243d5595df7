//! Intervals of means and shares of a variant, with prompts as clusters.
//!
//! Owns the intervals of mean cost, mean tokens, and the shares of completed trials and of answers that passed. Must not know how they are
//! shown. Invariant: an interval belongs to the mean that reports show, which counts every sample once.

use crate::stats::cost::mean_cost;
use crate::stats::interval::{Alpha, Interval};
use crate::stats::mean::{Mean, Weights};
use crate::stats::rates::{Passes, rate};

use super::cell_tally::{CellTally, VariantCells};
use super::distribution::Estimate;
use super::money::Total;
use super::quality::agreement;
use super::tally::TokenKind;

/// 95 % intervals for prompts like these; without ends for fewer than two prompts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MeanIntervals {
    /// Share of trials answered to the end; rate-limited ones do not count.
    pub completed: Option<Estimate>,
    /// Share of graded answers that passed.
    pub pass_rate: Option<Estimate>,
    /// Probability that two repetitions of a prompt both pass or both fail: the mean over prompts with two graded
    /// answers or more.
    pub consistency: Option<f64>,
    /// Mean completion tokens per sample.
    pub completion_tokens: Interval,
    /// Mean list price per request, USD.
    pub list_usd: Interval,
    /// Mean of the gateway's own list price, USD.
    pub market_usd: Interval,
}

impl MeanIntervals {
    /// Computes the intervals from the sums of each prompt.
    pub(super) fn from_prompts(prompts: VariantCells<'_>) -> Self {
        Self {
            completed: completed(prompts),
            pass_rate: pass_rate(prompts),
            consistency: consistency(prompts),
            completion_tokens: completion_tokens(prompts),
            list_usd: cost(prompts, CellTally::list),
            market_usd: cost(prompts, CellTally::market),
        }
    }
}

fn completed(prompts: VariantCells<'_>) -> Option<Estimate> {
    let passes = prompts
        .iter()
        .filter_map(|one| Passes::new(one.answered, one.done - one.rate_limited));
    share(&passes.collect::<Vec<_>>())
}

fn pass_rate(prompts: VariantCells<'_>) -> Option<Estimate> {
    let passes = prompts
        .iter()
        .filter_map(|one| Passes::new(one.passed, one.graded));
    share(&passes.collect::<Vec<_>>())
}

fn consistency(prompts: VariantCells<'_>) -> Option<f64> {
    let agreements = prompts
        .iter()
        .filter_map(|one| agreement(one.graded.into(), one.passed.into()));
    let (count, sum) = agreements.fold((0_u32, 0.0), |(n, sum), one| (n + 1, sum + one));
    (count > 0).then(|| sum / f64::from(count))
}

/// The share of answers that pass, with its 95 % interval; `None` without answers.
pub(super) fn share(prompts: &[Passes]) -> Option<Estimate> {
    let rate = rate(prompts, Alpha::FIVE_PERCENT)?;
    Some(Estimate {
        value: rate.estimate,
        n: rate.answers,
        bounded: true,
        interval: Some(rate.interval),
    })
}

/// Weights every prompt by its samples, so that the mean is that of all samples.
fn weighted(prompts: impl Iterator<Item = (f64, u64)>) -> (Vec<f64>, Option<Weights>) {
    let (means, counts): (Vec<f64>, Vec<f64>) = prompts.map(|(mean, n)| (mean, n as f64)).unzip();
    let weights = Weights::new(&counts);
    (means, weights)
}

fn completion_tokens(prompts: VariantCells<'_>) -> Interval {
    let means = prompts.iter().filter_map(|one| {
        let tokens = one.tokens(TokenKind::Completion);
        Some((tokens.mean()?, tokens.n))
    });
    // A number of tokens cannot be negative.
    sample_mean_interval(means).map(|end| end.max(0.0))
}

/// The 95 % interval of the mean of all samples, from the mean and number of samples of each prompt.
pub(super) fn sample_mean_interval(prompts: impl Iterator<Item = (f64, u64)>) -> Interval {
    let (means, weights) = weighted(prompts);
    let mean = weights.and_then(|weights| Mean::weighted(&means, &weights));
    mean.map_or(Interval::NONE, |mean| mean.interval(Alpha::FIVE_PERCENT))
}

fn cost(prompts: VariantCells<'_>, total: impl Fn(&CellTally) -> Total) -> Interval {
    let means = prompts.iter().filter_map(|one| {
        let total = total(one);
        Some((total.mean()?.as_f64(), total.n))
    });
    let (means, weights) = weighted(means);
    let mean = weights.and_then(|weights| mean_cost(&means, &weights));
    mean.map_or(Interval::NONE, |mean| mean.interval(Alpha::FIVE_PERCENT))
}
