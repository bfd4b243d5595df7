//! Which procedure compares a metric.
//!
//! Owns the choice. Must not know verdicts. Invariant: every metric has one.

use crate::suite::Metric;
use crate::verdict::judgement::Procedure;

use super::approach::Approach;
use super::means::Means;
use super::ranks::Ranks;
use super::shares::Shares;
use super::sides::Sides;

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
