//! The retry rule: another attempt or none, and the wait before it.
//!
//! Owns the rule. Must not know the clock: the failure is an argument, the wait is returned. Invariant: no
//! retry after a token has arrived, because that would hide a failure and pay twice.

use crate::gateway::HONOURED_WAIT_MAX;
use crate::record::Outcome;
use crate::units::Nanos;

/// First step of the back-off; each further one doubles it.
const BACK_OFF_FIRST: Nanos = Nanos::from_millis(500);

/// Longest step of the back-off.
const BACK_OFF_MAX: Nanos = Nanos::from_millis(30_000);

/// The facts about a failed attempt that the rule needs.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct FailedAttempt {
    /// The outcome.
    pub(in crate::engine) outcome: Outcome,
    /// HTTP status, if there was one.
    pub(in crate::engine) status: Option<u16>,
    /// True if a token had arrived.
    pub(in crate::engine) token_arrived: bool,
    /// The wait that the server demands.
    pub(in crate::engine) retry_after: Option<Nanos>,
    /// Failures of its model in a row, this one included.
    pub(in crate::engine) failures_in_row: u32,
    /// The longest step of the back-off that the patience allows.
    pub(in crate::engine) longest_wait: Nanos,
}

/// The wait before the next attempt, or `None` for no further one.
///
/// `attempt` counts from 1. `jitter` in [0, 1) spreads trials that failed together: a wait is the back-off step
/// times (0.5 + jitter / 2), and never shorter than the server demands.
pub(in crate::engine) fn wait(
    failed: &FailedAttempt,
    attempt: u32,
    max_attempts: u32,
    jitter: f64,
) -> Option<Nanos> {
    if attempt >= max_attempts || failed.token_arrived || !is_transient(failed) {
        return None;
    }
    if failed
        .retry_after
        .is_some_and(|requested_wait| requested_wait > HONOURED_WAIT_MAX)
    {
        return None;
    }
    let doubled = BACK_OFF_FIRST.0.saturating_mul(1 << (attempt - 1).min(16));
    let step = doubled.min(BACK_OFF_MAX.0).min(failed.longest_wait.0);
    let spread = step / 2 + scaled(step / 2, jitter);
    Some(Nanos(spread).max(failed.retry_after.unwrap_or(Nanos::ZERO)))
}

/// True if the failure may be transient.
fn is_transient(failed: &FailedAttempt) -> bool {
    match failed.outcome {
        Outcome::RateLimited
        | Outcome::ServerError
        | Outcome::ConnectFailed
        | Outcome::ConnectionLost
        | Outcome::Cut => true,
        // One may be a gateway's mistake; a second one is the account's balance.
        Outcome::PaymentRequired => failed.failures_in_row <= 1,
        // 408 (request timeout) and 409 (conflict) are the two rejections that invite a retry.
        Outcome::Rejected => matches!(failed.status, Some(408 | 409)),
        // An abandoned request among them: with it the run has ended.
        _ => false,
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Both factors are bounded.
fn scaled(span: u64, share: f64) -> u64 {
    (span as f64 * share.clamp(0.0, 1.0)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn failed(outcome: Outcome) -> FailedAttempt {
        FailedAttempt {
            outcome,
            status: None,
            token_arrived: false,
            retry_after: None,
            failures_in_row: 1,
            longest_wait: BACK_OFF_MAX,
        }
    }

    #[test]
    fn only_passing_failures_are_tried_again() {
        // A wrong key or model fails the same way each time: a retry only costs.
        let again: Vec<Outcome> = Outcome::ALL
            .into_iter()
            .filter(|&outcome| wait(&failed(outcome), 1, 3, 0.0).is_some())
            .collect();
        assert_eq!(
            again,
            [
                Outcome::Cut,
                Outcome::RateLimited,
                Outcome::PaymentRequired,
                Outcome::ServerError,
                Outcome::ConnectFailed,
                Outcome::ConnectionLost,
            ]
        );
        for (status, expected) in [(400, false), (408, true), (409, true), (422, false)] {
            let failed = FailedAttempt {
                status: Some(status),
                ..failed(Outcome::Rejected)
            };
            assert_eq!(wait(&failed, 1, 3, 0.0).is_some(), expected, "{status}");
        }
    }

    #[test]
    fn a_repeated_402_is_no_mistake() {
        // An empty account stays empty: once it repeats, every further request only costs time.
        let repeated = FailedAttempt {
            failures_in_row: 2,
            ..failed(Outcome::PaymentRequired)
        };
        assert_eq!(wait(&repeated, 1, 3, 0.0), None);
    }

    #[test]
    fn a_token_forbids_another_try() {
        // After a token the answer was paid for; a second one would be counted as the first.
        for outcome in Outcome::ALL {
            let failed = FailedAttempt {
                token_arrived: true,
                ..failed(outcome)
            };
            assert_eq!(wait(&failed, 1, 3, 0.5), None);
        }
    }

    #[test]
    fn a_server_is_obeyed_up_to_a_limit() {
        // Retry-After has precedence over a shorter back-off; an hour would hold the slot for nothing.
        let requested_wait = |retry_after| FailedAttempt {
            retry_after: Some(retry_after),
            ..failed(Outcome::RateLimited)
        };
        let ten = Nanos::from_millis(10_000);
        assert_eq!(wait(&requested_wait(ten), 1, 3, 0.9), Some(ten));
        assert_eq!(
            wait(&requested_wait(Nanos::from_millis(3_600_000)), 1, 3, 0.9),
            None
        );
    }

    proptest! {
        // Waits are bounded, attempts are bounded, and jitter is at most half of the step.
        #[test]
        fn waits_are_bounded(attempt in 1_u32..40, max in 1_u32..40, jitter in 0.0..1.0) {
            match wait(&failed(Outcome::ServerError), attempt, max, jitter) {
                None => prop_assert!(attempt >= max),
                Some(waited) => {
                    prop_assert!(attempt < max);
                    prop_assert!(waited <= BACK_OFF_MAX);
                    prop_assert!(waited.0 >= BACK_OFF_FIRST.0 / 2);
                }
            }
        }
    }
}
