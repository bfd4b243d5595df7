//! The comparison of one metric: one interface for ranks, means and shares.
//!
//! Owns that shape, and the steps that procedures share. Must not know verdicts. Invariant: with every procedure, a p value belongs to
//! one claim about the candidate, in the same direction.

use std::rc::Rc;
use std::sync::Arc;

use crate::stats::interval::{Alpha, Interval};
use crate::stats::mean::{Mean, Weights};
use crate::stats::paired::Paired;
use crate::suite::{Bounds, Metric};
use crate::verdict::judgement::Tests;

use super::claim::{self, Line};

/// The comparison of two sides by one procedure.
pub(in crate::verdict) trait Approach {
    /// The one-sided p value of the claim that the effect lies beyond the line; `None` where there is no test.
    fn p(&self, line: Line) -> Option<f64>;

    /// The p values with each prompt left out in turn; empty where that is not possible.
    fn p_without_each(&self, line: Line) -> Vec<f64>;

    /// The same without one prompt, where that takes less than its values; else `None`.
    fn without(&self, _absent: usize) -> Option<Rc<dyn Approach>> {
        None
    }

    /// The logarithms that it compares, if it does.
    fn paired(&self) -> Option<Arc<Paired>> {
        None
    }

    /// The effect and its interval: a ratio or a difference of shares; `None` where there is none.
    fn effect(&self, alpha: Alpha) -> Option<(f64, Interval)>;

    /// The effect on each prompt; `None` for a prompt without one.
    fn effect_by_prompt(&self) -> Vec<Option<f64>>;

    /// Degrees of freedom of the test; infinite for a test of normal scores.
    fn df(&self) -> f64;

    /// The interval of `factor` times as many answers, where all answers of both sides are equal. It does not
    /// shrink with the square root of their number.
    fn interval_of_more(&self, _factor: f64, _alpha: Alpha) -> Option<Interval> {
        None
    }

    /// Returns true if more repetitions of the same prompts can change nothing unless they give other answers.
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
