//! When the next slot may start under an endpoint's limits per minute.
//!
//! Owns the arithmetic. Must not know a clock: it is told the time and answers with a time.
//! Invariant: whatever it is asked, a window of a minute never holds more than the limit and one
//! slot.

use std::num::{NonZeroU32, NonZeroU64};

use crate::units::Nanos;

const MINUTE_NS: u128 = 60_000_000_000;

/// Spaces slots so that neither limit is exceeded, over any minute and not only on average.
///
/// Each limit is a queue with room for one slot: a slot of `n` requests keeps the queue busy for
/// `n` minutes / limit, and the next starts when it is free. So in any window shorter than or equal
/// to a minute the slots but the last amount to less than the limit, and the whole to less than the
/// limit plus the last slot: a slot is never divided, because its trials belong together. Time that
/// passes unused is not saved up, so there is no burst after a pause.
#[derive(Debug, Clone)]
pub struct Pacer {
    requests: Lane,
    tokens: Lane,
}

/// One limit.
#[derive(Debug, Clone)]
struct Lane {
    /// `None`: no limit.
    per_minute: Option<NonZeroU64>,
    /// When the last slot's share of the minute is used up.
    free_at: Nanos,
}

impl Pacer {
    /// A pacer for these limits; `None`: no limit.
    pub fn new(
        requests_per_minute: Option<NonZeroU32>,
        tokens_per_minute: Option<NonZeroU64>,
    ) -> Self {
        Self {
            requests: Lane::new(requests_per_minute.map(NonZeroU64::from)),
            tokens: Lane::new(tokens_per_minute),
        }
    }

    /// The instant, at or after `now`, at which a slot of this many requests and tokens (prompt
    /// and completion, as far as they can be foreseen) may start. The slot counts as started then:
    /// ask once for each. `Nanos(u64::MAX)`, 584 years on, means never.
    pub fn wait(&mut self, now: Nanos, requests: u32, tokens: u64) -> Nanos {
        let start = now.max(self.requests.free_at).max(self.tokens.free_at);
        self.requests.occupy(start, u64::from(requests));
        self.tokens.occupy(start, tokens);
        start
    }
}

impl Lane {
    fn new(per_minute: Option<NonZeroU64>) -> Self {
        Self {
            per_minute,
            free_at: Nanos::ZERO,
        }
    }

    fn occupy(&mut self, start: Nanos, amount: u64) {
        let Some(per_minute) = self.per_minute else {
            return;
        };
        // Rounded up: a rounded-down share would let the limit slip, a nanosecond at a time.
        let busy = (u128::from(amount) * MINUTE_NS).div_ceil(u128::from(per_minute.get()));
        let busy = u64::try_from(busy).unwrap_or(u64::MAX);
        self.free_at = Nanos(start.0.saturating_add(busy));
    }
}

#[cfg(test)]
mod tests;
