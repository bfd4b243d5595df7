//! Conditions that differ between two sides, or between today and the past.
//!
//! Owns the thresholds beyond which a verdict is withheld or carries a caveat. Must not know which shares they
//! are applied to. Invariant: exchanging the sides changes nothing.

use crate::suite::Metric;

use super::judgement::Reason;

/// A share of each side: the reference's, or that of past runs, and the candidate's, or today's.
pub(super) type SharePair = (f64, f64);

/// Above this share of failed or censored requests, times reflect errors more than speed, and those of the other requests do
/// not represent the variant.
pub const MAX_FAILED_SHARE: f64 = 0.10;
/// Above this share of prompts without a value, the others no longer represent the suite.
pub const MAX_DROPPED_SHARE: f64 = 0.20;
/// Shares of the sides that differ by more than this are different conditions.
pub(super) const SHARES_APART: f64 = 0.10;
/// The same threshold for shares of retried trials.
pub(super) const RETRIES_APART: f64 = 0.02;
/// The share of cache hits counts as known if at least this share of answers reports a hit or miss.
pub(super) const CACHE_KNOWN_MIN: f64 = 0.5;
/// Rounding error of a difference of shares.
const ROUNDING: f64 = 1e-12;

/// Returns true if two shares differ by more than `by_more_than`.
pub(super) fn differ_by_more_than(one: f64, other: f64, by_more_than: f64) -> bool {
    (one - other).abs() > by_more_than + ROUNDING
}

/// The provider whose shares of the answers differ most, if they make another route.
pub(super) fn route_shift<P>(providers: &[(P, SharePair)]) -> Option<&(P, SharePair)> {
    let apart = |(_, shares): &&(P, SharePair)| (shares.0 - shares.1).abs();
    let largest = providers
        .iter()
        .max_by(|a, b| apart(a).total_cmp(&apart(b)));
    largest.filter(|(_, shares)| differ_by_more_than(shares.0, shares.1, SHARES_APART))
}

/// The reason for a share of errors that is too large to judge speed.
pub(super) fn too_many_errors(share: f64) -> Option<Reason> {
    (share > MAX_FAILED_SHARE + ROUNDING).then_some(Reason::TooManyErrors { share })
}

/// Returns true if failed requests bias the metric: every metric of speed.
pub(super) const fn is_affected_by_errors(metric: Metric) -> bool {
    metric.is_time() || matches!(metric, Metric::TtftTail | Metric::OutputRate)
}

/// Returns true if retries affect the metric.
pub(super) const fn is_affected_by_retries(metric: Metric) -> bool {
    matches!(metric, Metric::Ttft | Metric::ExperiencedTtft)
}
