//! TTFTs that are those of a delayed acknowledgement and not of a model.
//!
//! Owns the cluster that they make. Must not know what follows from it. Invariant: a few values are no cluster.

use super::Observation;
use super::figures::CellSamples;

/// TTFTs of a delayed acknowledgement cluster here: the timer is 40 ms on Linux, and the actual TTFT of a
/// nearby server adds little.
const DELAYED_ACK_NS: std::ops::RangeInclusive<u64> = 38_000_000..=46_000_000;
/// Minimum share of all TTFTs that counts as a cluster ...
const DELAYED_ACK_SHARE: f64 = 0.3;
/// ... and minimum number of TTFTs: a few cluster anywhere by chance.
const DELAYED_ACK_MIN: usize = 20;

/// The TTFT of a sample, unless it is excluded from times to a first token.
pub(super) fn ttft_ns(one: &Observation) -> Option<u64> {
    let span = one.ttft_ns.get().filter(|_| !one.excluded);
    span.map(|span| span.0)
}

/// The share of TTFTs near 40 ms, if they form a cluster.
pub(super) fn delayed_ack_share(samples: &CellSamples<'_>) -> Option<f64> {
    let (mut near, mut count) = (0_usize, 0_usize);
    for ttft_ns in samples.answered().filter_map(ttft_ns) {
        near += usize::from(DELAYED_ACK_NS.contains(&ttft_ns));
        count += 1;
    }
    let share = near as f64 / count as f64;
    (count >= DELAYED_ACK_MIN && share >= DELAYED_ACK_SHARE).then_some(share)
}
