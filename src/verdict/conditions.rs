//! Conditions that differ: when two sides, or today and the past, were not asked or answered alike.
//!
//! Owns the shares beyond which a verdict is withheld or something is said beside it. Must not know whose
//! shares they are. Invariant: exchanging the sides changes nothing.

use crate::suite::Metric;

use super::judgement::Reason;

/// Above this share of failed or censored requests times say more about errors than about speed.
const ERRORS_MAX: f64 = 0.10;
/// Shares of the sides that differ by more than this are different conditions.
pub(super) const SHARES_APART: f64 = 0.10;
/// The same of retried trials.
pub(super) const RETRIES_APART: f64 = 0.02;
/// A share of cache hits is told where at least this share of answers says whether it was one.
pub(super) const CACHE_KNOWN_MIN: f64 = 0.5;
/// Rounding of a difference of shares.
const ROUNDING: f64 = 1e-12;

/// Whether two shares are further apart than this.
pub(super) fn apart(one: f64, other: f64, by_more_than: f64) -> bool {
    (one - other).abs() > by_more_than + ROUNDING
}

/// The reason of a share of errors at which nothing is said about speed.
pub(super) fn too_many_errors(share: f64) -> Option<Reason> {
    (share > ERRORS_MAX + ROUNDING).then_some(Reason::TooManyErrors { share })
}

/// Whether a metric is spoiled by the requests that have none: all that is about speed.
pub(super) const fn feels_errors(metric: Metric) -> bool {
    metric.is_time() || matches!(metric, Metric::TtftTail | Metric::OutputRate)
}

/// Whether a metric feels that other trials needed more attempts.
pub(super) const fn feels_retries(metric: Metric) -> bool {
    matches!(metric, Metric::Ttft | Metric::ExperiencedTtft)
}
