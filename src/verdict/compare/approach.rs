//! How a metric is compared: one shape for ranks, means and shares.
//!
//! Owns the choice of procedure. Must not know verdicts. Invariant: whatever the procedure, a p value is
//! that of one claim about the candidate, seen from the same side.

use crate::stats::interval::{Alpha, Interval};
use crate::suite::{Bounds, Metric};
use crate::verdict::judgement::{Procedure, Tests};

use super::claim::{self, Line};
use super::means::Means;
use super::ranks::Ranks;
use super::shares::Shares;
use super::sides::Sides;

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

/// The procedure of a metric where both sides answered at the same moments.
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

/// The comparison of these sides; `None` where there is no prompt or a value that cannot be compared.
pub(in crate::verdict) fn approach(metric: Metric, sides: &Sides) -> Option<Box<dyn Approach>> {
    Some(match procedure(metric) {
        Procedure::AlignedRanks => Box::new(Ranks::new(sides)?),
        Procedure::RatioOfMeans => Box::new(Means::new(sides)?),
        Procedure::TailShares => Box::new(Shares::in_the_tail(sides)?),
        _ => Box::new(Shares::of_successes(sides)?),
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
