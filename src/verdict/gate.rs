//! The gate: verdicts and absolute limits, turned into one answer for a build.
//!
//! Owns what fails, and whether a limit holds. Must not know exit codes. Invariants: what cannot be
//! told never counts as passed where the suite asked it to fail; a limit is never found to hold by
//! values that are only known to be larger.

use crate::stats::cost::mean_cost;
use crate::stats::interval::{Alpha, Interval};
use crate::stats::mean::Weights;
use crate::stats::quantile::{Percentile, Support, quantile_f64};
use crate::stats::quantile_interval::order_statistics;
use crate::stats::rates::{Passes, rate};
use crate::suite::{Gate, LimitBound, Metric, OnInconclusive, Quantity};
use crate::units::Usd;

use super::evidence::{Evidence, Observation, PromptKey, Value, VariantEvidence};
use super::judgement::{Comparison, Holds, Judgement, LimitCheck, Reason, Verdict};

/// Above this share of trials that ended without an answer, the times of those that are left say
/// nothing of the variant.
const FAILED_SHARE_MAX: f64 = 0.1;

/// What the gate says to a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Passing {
    /// Nothing stands against it.
    Passed,
    /// A primary comparison or a limit could not be told, and the suite asks that to be said
    /// (`on_inconclusive = "warn"`) or to fail.
    Inconclusive,
    /// A primary metric regressed, or a limit is broken.
    Failed,
}

/// The absolute limits of the gate, of every variant, in the order of suite and gate. Their intervals
/// are of 95 %; those of times are for these prompts.
pub fn limits(evidence: &Evidence, gate: &Gate) -> Vec<LimitCheck> {
    let checks = evidence.variants.iter().flat_map(|variant| {
        gate.limits.iter().map(|limit| {
            let measured = measured(variant, &evidence.prompts, limit.quantity);
            let bound = in_unit(limit.bound);
            LimitCheck {
                variant: variant.label.clone(),
                quantity: limit.quantity,
                bound,
                estimate: measured.estimate,
                interval: measured.interval,
                n: measured.n,
                holds: measured.holds(limit.quantity, bound),
            }
        })
    });
    checks.collect()
}

/// What these judgements and limits together say. Exploratory comparisons say nothing, nor does one
/// that has no past yet: the first run of a history passes.
pub fn passing(judgements: &[&Judgement], limits: &[LimitCheck], gate: &Gate) -> Passing {
    let primary = judgements
        .iter()
        .flat_map(|judgement| &judgement.comparisons)
        .filter(|comparison| comparison.primary);
    let of_comparison = |comparison: &Comparison| match comparison.verdict {
        Verdict::Regressed => Passing::Failed,
        Verdict::Inconclusive if !comparison.reasons.contains(&Reason::NoPast) => {
            Passing::Inconclusive
        }
        _ => Passing::Passed,
    };
    let of_limit = |check: &LimitCheck| match check.holds {
        Holds::Yes => Passing::Passed,
        Holds::No => Passing::Failed,
        Holds::CannotTell => Passing::Inconclusive,
    };
    let worst = primary
        .map(of_comparison)
        .chain(limits.iter().map(of_limit))
        .max()
        .unwrap_or(Passing::Passed);
    match (worst, gate.on_inconclusive) {
        (Passing::Inconclusive, OnInconclusive::Pass) => Passing::Passed,
        _ => worst,
    }
}

/// The bound in the unit of a [`LimitCheck`]: ns, share, USD.
fn in_unit(bound: LimitBound) -> f64 {
    match bound {
        LimitBound::Time(time) => time.0 as f64,
        LimitBound::Share(share) => share,
        LimitBound::Usd(usd) => usd.as_f64(),
    }
}

/// A quantity of one variant.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Measured {
    estimate: Option<f64>,
    interval: Interval,
    n: u64,
    /// So many trials failed that the rest may lie within a limit only because they are the rest.
    survivors: bool,
}

impl Measured {
    const NOTHING: Self = Self {
        estimate: None,
        interval: Interval::NONE,
        n: 0,
        survivors: false,
    };

    fn holds(&self, quantity: Quantity, bound: f64) -> Holds {
        let Interval { lower, upper } = self.interval;
        let (within, beyond) = match quantity {
            Quantity::PassRate => (
                lower.is_some_and(|end| end >= bound),
                upper.is_some_and(|end| end < bound),
            ),
            _ => (
                upper.is_some_and(|end| end <= bound),
                lower.is_some_and(|end| end > bound),
            ),
        };
        match (within, beyond) {
            (_, true) => Holds::No,
            (true, false) if !self.survivors => Holds::Yes,
            _ => Holds::CannotTell,
        }
    }
}

fn measured(variant: &VariantEvidence, prompts: &[PromptKey], quantity: Quantity) -> Measured {
    match quantity {
        Quantity::Time { metric, percent } => time(variant, metric, percent),
        Quantity::ErrorRate => {
            let asked = |observed: &Observation| observed.counts_as_asked();
            share(variant, asked, |observed| !observed.answered())
        }
        Quantity::PassRate => {
            let graded = |observed: &Observation| observed.passed.is_some();
            share(variant, graded, |observed| observed.passed == Some(true))
        }
        Quantity::CostPerRequest => cost(variant, prompts),
    }
}

/// A percentile, type 8, and its interval of order statistics. A value that is only known to be larger
/// is entered as what is known where that makes the percentile smaller, and as endless where that makes
/// it larger; a percentile that lies on one has no point estimate.
fn time(variant: &VariantEvidence, metric: Metric, percent: u8) -> Measured {
    let Some(percentile) = Percentile::ALL
        .into_iter()
        .find(|percentile| percentile.percent() == u64::from(percent))
    else {
        return Measured::NOTHING;
    };
    // The whole of an answer is timed rightly also where its first token is not.
    let counts = |observed: &&Observation| metric == Metric::Latency || !observed.set_aside;
    let asked = || {
        let all = variant.prompts.iter().flatten();
        all.filter(|observed| observed.counts_as_asked())
    };
    let values: Vec<Value> = asked()
        .filter(counts)
        .filter_map(|observed| observed.value(metric))
        .collect();
    let rising = |of: fn(&Value) -> f64| {
        let mut sorted: Vec<f64> = values.iter().map(of).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted
    };
    let least = rising(|value| value.value);
    let most = rising(|value| {
        if value.censored {
            f64::INFINITY
        } else {
            value.value
        }
    });
    let n = values.len() as u64;
    let places = order_statistics(n, percentile.q(), Alpha::FIVE_PERCENT);
    let at = |sorted: &[f64], place: Option<u64>| {
        let index = usize::try_from(place?.checked_sub(1)?).ok()?;
        sorted.get(index).copied().filter(|end| end.is_finite())
    };
    let estimate = || quantile_f64(&most, percentile.q()).filter(|value| value.is_finite());
    let failed =
        asked().filter(|observed| observed.value(metric).is_none() && !observed.answered());
    Measured {
        estimate: (percentile.support(n) != Support::TooFew)
            .then(estimate)
            .flatten(),
        interval: Interval {
            lower: at(&least, places.lower),
            upper: at(&most, places.upper),
        },
        n,
        survivors: failed.count() as f64 > FAILED_SHARE_MAX * asked().count() as f64,
    }
}

/// The share of `counted` trials of which `happened` holds, with prompts as clusters.
fn share(
    variant: &VariantEvidence,
    counted: impl Fn(&Observation) -> bool,
    happened: impl Fn(&Observation) -> bool,
) -> Measured {
    let passes: Vec<Passes> = variant
        .prompts
        .iter()
        .filter_map(|observations| {
            let counted = observations.iter().filter(|observed| counted(observed));
            let (of, passed) = counted.fold((0, 0), |(of, passed), observed| {
                (of + 1, passed + u32::from(happened(observed)))
            });
            Passes::new(passed, of)
        })
        .collect();
    rate(&passes, Alpha::FIVE_PERCENT).map_or(Measured::NOTHING, |rate| Measured {
        estimate: Some(rate.estimate),
        interval: rate.interval,
        n: rate.answers,
        survivors: false,
    })
}

/// The mean list price of a request at the suite's weights, over prompts of which one is known.
fn cost(variant: &VariantEvidence, prompts: &[PromptKey]) -> Measured {
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
    mean.map_or(Measured::NOTHING, |cost| Measured {
        estimate: Some(cost.mean.estimate),
        interval: cost.interval(Alpha::FIVE_PERCENT),
        n,
        survivors: false,
    })
}

#[cfg(test)]
mod tests;
