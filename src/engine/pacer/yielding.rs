//! The concurrency of one variant that yields on 429: halved by a rejection, raised by one for each round of answers.
//!
//! Owns the rule: additive increase, multiplicative decrease (D.-M. Chiu and R. Jain, "Analysis of the increase and decrease
//! algorithms for congestion avoidance", 1989). Must not know the clock. Invariant: between 1 and the level; the requests
//! that were in flight at a halving cause no further one.

use crate::units::Nanos;

/// The requests that a variant may have in flight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct YieldingLimit {
    level: f64,
    limit: f64,
    /// The instant of the last halving.
    halved_at: Option<Nanos>,
}

impl YieldingLimit {
    /// The limit at the beginning of a level.
    pub(super) fn new(level: usize) -> Self {
        Self {
            level: level as f64,
            limit: level as f64,
            halved_at: None,
        }
    }

    /// The requests that may be in flight now.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1 and the level"
    )]
    pub(super) fn in_flight(&self) -> usize {
        self.limit as usize
    }

    /// Counts an answer.
    pub(super) fn note_answer(&mut self) {
        self.limit = (self.limit + 1.0 / self.limit).min(self.level);
    }

    /// Counts a 429 of a request that was sent then; returns the new limit if this one changes it.
    pub(super) fn note_rejection(&mut self, now: Nanos, sent: Nanos) -> Option<usize> {
        if self.halved_at.is_some_and(|halved| sent <= halved) {
            return None;
        }
        self.halved_at = Some(now);
        self.limit = (self.limit / 2.0).floor().max(1.0);
        Some(self.in_flight())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_burst_of_rejections_halves_once() {
        // All requests in flight may be rejected together: that is one piece of news.
        let mut limit = YieldingLimit::new(16);
        assert_eq!(limit.note_rejection(Nanos(100), Nanos(10)), Some(8));
        assert_eq!(limit.note_rejection(Nanos(101), Nanos(50)), None);
        assert_eq!(limit.note_rejection(Nanos(300), Nanos(200)), Some(4));
        // A round of four answers is one more in flight.
        for _ in 0..5 {
            limit.note_answer();
        }
        assert_eq!(limit.in_flight(), 5);
        for _ in 0..1_000 {
            limit.note_answer();
        }
        assert_eq!(limit.in_flight(), 16);
    }

    proptest! {
        #[test]
        fn a_limit_stays_in_its_range(level in 1_usize..100, answers in prop::collection::vec(any::<bool>(), 1..300)) {
            let mut limit = YieldingLimit::new(level);
            for (at, answered) in (1_u64..).zip(answers) {
                if answered {
                    limit.note_answer();
                } else {
                    limit.note_rejection(Nanos(at), Nanos(at));
                }
                prop_assert!((1..=level).contains(&limit.in_flight()));
            }
        }
    }
}
