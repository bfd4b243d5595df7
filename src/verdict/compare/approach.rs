//! How a metric is compared: one shape for ranks, means and shares.
//!
//! Owns that shape, and the steps that procedures share. Must not know verdicts. Invariant: whatever the procedure, a p value is
//! that of one claim about the candidate, seen from the same side.

use crate::stats::interval::{Alpha, Interval};
use crate::stats::mean::{Mean, Weights};
use crate::suite::{Bounds, Metric};
use crate::verdict::judgement::Tests;

use super::claim::{self, Line};

/// Two sides, compared by one procedure.
pub(in crate::verdict) trait Approach {
    /// The chance of such values if the effect lay on the line, and not beyond it; `None` where there is
    /// no test.
    fn p(&self, line: Line) -> Option<f64>;

    /// The same with each prompt left out in turn; empty where that cannot be done.
    fn p_without_each(&self, line: Line) -> Vec<f64>;

    /// The effect and its interval: a ratio or a difference of shares; `None` where there is none.
    fn effect(&self, alpha: Alpha) -> Option<(f64, Interval)>;

    /// The effect on each prompt; `None` where it has none.
    fn by_prompt(&self) -> Vec<Option<f64>>;

    /// Degrees of freedom of the test; infinite where it is one of normal scores.
    fn df(&self) -> f64;

    /// Where no answer of either side differs from any other: the interval of `factor` times as many such
    /// answers. It does not fall with the root of their number.
    fn interval_of_more(&self, _factor: f64, _alpha: Alpha) -> Option<Interval> {
        None
    }

    /// More repetitions of the same prompts could change nothing but by giving other answers than before.
    fn is_exhausted(&self) -> bool {
        false
    }
}

/// The p values of the three claims.
pub(in crate::verdict) fn tests(
    approach: &dyn Approach,
    metric: Metric,
    bounds: Bounds,
) -> Option<Tests> {
    claim::tests(metric, bounds, |line| approach.p(line))
}

/// The p value of the claim that the mean lies above, or below, 0.
pub(in crate::verdict) fn p_beyond(mean: &Mean, bound: f64, above: bool) -> Option<f64> {
    if above {
        mean.p_greater(bound)
    } else {
        mean.p_less(bound)
    }
}

/// The mean of all values but one, each left out in turn; none of fewer than two.
pub(in crate::verdict) fn without_each(
    values: &[f64],
    weights: &Weights,
) -> impl Iterator<Item = Mean> {
    (0..values.len()).filter_map(move |absent| {
        let others = |all: &[f64]| -> Vec<f64> {
            let (before, after) = (&all[..absent], &all[absent + 1..]);
            [before, after].concat()
        };
        let rest = Weights::new(&others(weights.shares()))?;
        Mean::weighted(&others(values), &rest)
    })
}
