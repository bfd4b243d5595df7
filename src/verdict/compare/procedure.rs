//! Which procedure compares a metric.
//!
//! Owns the choice. Must not know verdicts. Invariant: every metric has one.

use crate::suite::Metric;
use crate::verdict::judgement::Procedure;

use super::approach::Approach;
use super::means::CostMeans;
use super::ranks::AlignedRanks;
use super::shares::ShareDifference;
use super::sides::MetricSides;

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
