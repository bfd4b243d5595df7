//! The gate: verdicts and absolute limits, turned into one answer for a build.
//!
//! Owns what fails, and whether a limit is met. Must not know exit codes. Invariants: an undecided comparison
//! never counts as passed if the suite makes it fail; a limit is never called met by values that are only known
//! as lower bounds.

use crate::stats::cost::mean_cost;
use crate::stats::interval::{Alpha, Interval};
use crate::stats::mean::Weights;
use crate::stats::quantile::{Percentile, Support, quantile_f64};
use crate::stats::quantile_interval::order_statistics;
use crate::stats::rates::{Passes, rate};
use crate::suite::{Gate, LimitBound, Metric, OnExceeded, OnInconclusive, Quantity};
use crate::units::Usd;

use super::evidence::{Evidence, MetricValue, Observation, PromptKey, VariantEvidence};
use super::judgement::{Comparison, Judgement, LimitCheck, LimitStatus, Verdict};

/// Above this share of trials without an answer, the times of the remaining trials no longer represent the
/// variant.
const FAILED_SHARE_MAX: f64 = 0.1;

/// The status of the gate for a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GateStatus {
    /// No comparison and no limit fails.
    Passed,
    /// A primary comparison or a limit is inconclusive, and the suite asks for a warning (`on_inconclusive =
    /// "warn"`) or a failure.
    Inconclusive,
    /// A primary metric regressed, or a limit is exceeded.
    Failed,
}

/// Checks the absolute limits of the gate, for every variant, in the order of suite and gate. Intervals have a
/// level of 95 %; those of times are for these prompts.
pub fn check_limits(evidence: &Evidence, gate: &Gate) -> Vec<LimitCheck> {
    let checks = evidence.variants.iter().flat_map(|variant| {
        gate.limits.iter().map(|limit| {
            let estimate = estimate_quantity(variant, &evidence.prompts, limit.quantity);
            let bound = bound_in_unit(limit.bound);
            LimitCheck {
                variant: variant.label.clone(),
                quantity: limit.quantity,
                bound,
                estimate: estimate.estimate,
                interval: estimate.interval,
                n: estimate.n,
                status: estimate.status(limit.quantity, bound),
            }
        })
    });
    checks.collect()
}

/// The status of these judgements and limits together. Exploratory comparisons are ignored. A judgement without
/// comparisons passes, as that of the first run of a history, but not one whose history cannot be compared.
pub fn gate_status(judgements: &[&Judgement], limits: &[LimitCheck], gate: &Gate) -> GateStatus {
    let primary = judgements
        .iter()
        .flat_map(|judgement| &judgement.comparisons)
        .filter(|comparison| comparison.primary);
    let of_comparison = |comparison: &Comparison| match comparison.verdict {
        Verdict::Regressed => GateStatus::Failed,
        Verdict::Inconclusive => GateStatus::Inconclusive,
        Verdict::Improved | Verdict::Ok => GateStatus::Passed,
    };
    let incomparable = judgements.iter().filter(|one| one.incomparable.is_some());
    let incomparable = incomparable.map(|_| GateStatus::Inconclusive);
    let fails = gate.shared_shift.on_exceeded == OnExceeded::Fail;
    let shifts = judgements.iter().flat_map(|one| &one.shared_shifts);
    let shifts = shifts.filter(|shift| fails && shift.status == LimitStatus::Exceeded);
    let shifts = shifts.map(|_| GateStatus::Failed);
    let of_limit = |check: &LimitCheck| match check.status {
        LimitStatus::Within => GateStatus::Passed,
        LimitStatus::Exceeded => GateStatus::Failed,
        LimitStatus::Inconclusive => GateStatus::Inconclusive,
    };
    let worst = primary
        .map(of_comparison)
        .chain(limits.iter().map(of_limit))
        .chain(incomparable)
        .chain(shifts)
        .max()
        .unwrap_or(GateStatus::Passed);
    match (worst, gate.on_inconclusive) {
        (GateStatus::Inconclusive, OnInconclusive::Pass) => GateStatus::Passed,
        _ => worst,
    }
}

/// The bound in the unit of a [`LimitCheck`]: ns, share, USD.
fn bound_in_unit(bound: LimitBound) -> f64 {
    match bound {
        LimitBound::Time(time) => time.0 as f64,
        LimitBound::Share(share) => share,
        LimitBound::Usd(usd) => usd.as_f64(),
    }
}

/// A quantity of one variant.
#[derive(Debug, Clone, Copy, PartialEq)]
struct LimitEstimate {
    estimate: Option<f64>,
    interval: Interval,
    n: u64,
    /// True if so many trials failed that the others may meet a limit only because they survived.
    survivors_only: bool,
}

impl LimitEstimate {
    const NONE: Self = Self {
        estimate: None,
        interval: Interval::NONE,
        n: 0,
        survivors_only: false,
    };

    fn status(&self, quantity: Quantity, bound: f64) -> LimitStatus {
        let Interval { lower, upper } = self.interval;
        let (within, beyond) = match quantity {
            _ if quantity.has_minimum() => (
                lower.is_some_and(|end| end >= bound),
                upper.is_some_and(|end| end < bound),
            ),
            _ => (
                upper.is_some_and(|end| end <= bound),
                lower.is_some_and(|end| end > bound),
            ),
        };
        match (within, beyond) {
            (_, true) => LimitStatus::Exceeded,
            (true, false) if !self.survivors_only => LimitStatus::Within,
            _ => LimitStatus::Inconclusive,
        }
    }
}

fn estimate_quantity(
    variant: &VariantEvidence,
    prompts: &[PromptKey],
    quantity: Quantity,
) -> LimitEstimate {
    match quantity {
        Quantity::Time { metric, percent } => time(variant, metric, percent),
        Quantity::Within { metric, time } => {
            let counted = |observed: &Observation| observed.counts_toward_completion();
            let is_valid = |observed: &Observation| metric == Metric::Latency || !observed.excluded;
            let is_within = |observed: &Observation| {
                let value = observed.value(metric);
                value.is_some_and(|value| !value.censored && value.value <= time.0 as f64)
            };
            // An excluded sample has no first token of the model's; a failed one is not within.
            let has_value = |observed: &Observation| !observed.answered() || is_valid(observed);
            share(
                variant,
                |observed| counted(observed) && has_value(observed),
                |observed| observed.answered() && is_within(observed),
            )
        }
        Quantity::ErrorRate => {
            let counted = |observed: &Observation| observed.counts_toward_completion();
            share(variant, counted, |observed| !observed.answered())
        }
        Quantity::PassRate => {
            let graded = |observed: &Observation| observed.passed.is_some();
            share(variant, graded, |observed| observed.passed == Some(true))
        }
        Quantity::CostPerRequest => cost(variant, prompts),
    }
}

/// A percentile, type 8, and its interval from order statistics. A value known only as a lower bound is entered
/// as that bound where this makes the percentile smaller, and as infinite where it makes it larger; a
/// percentile that falls on an infinite value has no point estimate.
fn time(variant: &VariantEvidence, metric: Metric, percent: u8) -> LimitEstimate {
    let Some(percentile) = Percentile::ALL
        .into_iter()
        .find(|percentile| percentile.percent() == u64::from(percent))
    else {
        return LimitEstimate::NONE;
    };
    // The total time of an answer is valid even if the time of its first token is not.
    let is_valid = |observed: &&Observation| metric == Metric::Latency || !observed.excluded;
    let counted = || {
        let all = variant.prompts.iter().flatten();
        all.filter(|observed| observed.counts_toward_completion())
    };
    let values: Vec<MetricValue> = counted()
        .filter(is_valid)
        .filter_map(|observed| observed.value(metric))
        .collect();
    let sorted_by = |key: fn(&MetricValue) -> f64| {
        let mut sorted: Vec<f64> = values.iter().map(key).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted
    };
    let min_values = sorted_by(|value| value.value);
    let max_values = sorted_by(|value| {
        if value.censored {
            f64::INFINITY
        } else {
            value.value
        }
    });
    let n = values.len() as u64;
    let ranks = order_statistics(n, percentile.q(), Alpha::FIVE_PERCENT);
    let at = |sorted: &[f64], rank: Option<u64>| {
        let index = usize::try_from(rank?.checked_sub(1)?).ok()?;
        sorted.get(index).copied().filter(|end| end.is_finite())
    };
    let estimate = || quantile_f64(&max_values, percentile.q()).filter(|value| value.is_finite());
    let failed =
        counted().filter(|observed| observed.value(metric).is_none() && !observed.answered());
    LimitEstimate {
        estimate: (percentile.support(n) != Support::TooFew)
            .then(estimate)
            .flatten(),
        interval: Interval {
            lower: at(&min_values, ranks.lower),
            upper: at(&max_values, ranks.upper),
        },
        n,
        survivors_only: failed.count() as f64 > FAILED_SHARE_MAX * counted().count() as f64,
    }
}

/// The share of `counted` trials that satisfy `happened`, with prompts as clusters.
fn share(
    variant: &VariantEvidence,
    counted: impl Fn(&Observation) -> bool,
    happened: impl Fn(&Observation) -> bool,
) -> LimitEstimate {
    let passes: Vec<Passes> = variant
        .prompts
        .iter()
        .filter_map(|observations| {
            let counted = observations.iter().filter(|observed| counted(observed));
            let (total, passed) = counted.fold((0, 0), |(total, passed), observed| {
                (total + 1, passed + u32::from(happened(observed)))
            });
            Passes::new(passed, total)
        })
        .collect();
    rate(&passes, Alpha::FIVE_PERCENT).map_or(LimitEstimate::NONE, |rate| LimitEstimate {
        estimate: Some(rate.estimate),
        interval: rate.interval,
        n: rate.answers,
        survivors_only: false,
    })
}

/// The mean list price per request at the suite's weights, over prompts with a known price.
fn cost(variant: &VariantEvidence, prompts: &[PromptKey]) -> LimitEstimate {
    let mut n = 0;
    let (mut costs, mut weights) = (Vec::new(), Vec::new());
    for (observations, prompt) in variant.prompts.iter().zip(prompts) {
        let known: Vec<Usd> = observations.iter().filter_map(|seen| seen.cost).collect();
        if !known.is_empty() {
            let sum: Usd = known.iter().copied().sum();
            costs.push(sum.as_f64() / known.len() as f64);
            weights.push(prompt.weight);
            n += known.len() as u64;
        }
    }
    let mean = Weights::new(&weights).and_then(|weights| mean_cost(&costs, &weights));
    mean.map_or(LimitEstimate::NONE, |cost| LimitEstimate {
        estimate: Some(cost.mean.estimate),
        interval: cost.interval(Alpha::FIVE_PERCENT),
        n,
        survivors_only: false,
    })
}

#[cfg(test)]
mod tests;
