//! The comparison of one metric: one interface for ranks, means and shares.
//!
//! Owns the choice of procedure. Must not know verdicts. Invariant: with every procedure, a p value belongs to
//! one claim about the candidate, in the same direction.

use crate::stats::interval::{Alpha, Interval};
use crate::suite::{Bounds, Metric};
use crate::verdict::judgement::{Procedure, Tests};

use super::claim::{self, Line};
use super::means::CostMeans;
use super::ranks::AlignedRanks;
use super::shares::ShareDifference;
use super::sides::MetricSides;

/// The comparison of two sides by one procedure.
pub(in crate::verdict) trait Approach {
    /// The one-sided p value of the claim that the effect lies beyond the line; `None` where there is no test.
    fn p(&self, line: Line) -> Option<f64>;

    /// The p values with each prompt left out in turn; empty where that is not possible.
    fn p_without_each(&self, line: Line) -> Vec<f64>;

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

/// The procedure for a metric of two interleaved variants.
pub(in crate::verdict) const fn procedure(metric: Metric) -> Procedure {
    match metric {
        Metric::Ttft
        | Metric::Ttfa
        | Metric::ExperiencedTtft
        | Metric::Latency
        | Metric::InterTokenLatency
        | Metric::OutputRate
        | Metric::OutputTokens => Procedure::AlignedRanks,
        Metric::Cost => Procedure::RatioOfMeans,
        Metric::TtftTail => Procedure::TailShares,
        Metric::Completed | Metric::PassRate => Procedure::RateDifference,
    }
}

/// The approach for these sides; `None` where there is no prompt or a value that cannot be compared.
pub(in crate::verdict) fn approach(
    metric: Metric,
    sides: &MetricSides,
) -> Option<Box<dyn Approach>> {
    Some(match procedure(metric) {
        Procedure::AlignedRanks => Box::new(AlignedRanks::new(sides)?),
        Procedure::RatioOfMeans => Box::new(CostMeans::new(sides)?),
        Procedure::TailShares => Box::new(ShareDifference::from_tail(sides)?),
        _ => Box::new(ShareDifference::from_successes(sides)?),
    })
}

/// The p values of the three claims.
pub(in crate::verdict) fn tests(
    approach: &dyn Approach,
    metric: Metric,
    bounds: Bounds,
) -> Option<Tests> {
    claim::tests(metric, bounds, |line| approach.p(line))
}
