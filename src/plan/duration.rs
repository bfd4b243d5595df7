//! How long a run will take, before it begins.
//!
//! Owns the estimate. Must not know where expectations of a model come from. Invariant: it is a sum of
//! expectations, never a promise; only what limits take at least is exact, as far as tokens are.

use crate::suite::{RateLimits, Suite};
use crate::units::Nanos;

use super::pace::{Limit, Load, Pacer};
use super::tokens::reserved_tokens;

/// What one answer of a variant is expected to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// To the first token.
    pub first_token: Nanos,
    /// For each further one.
    pub per_token: Nanos,
    /// Tokens of an answer that no limit ends, reasoning included.
    pub tokens: u64,
}

impl Expected {
    /// Of a model of which nothing is known: what hosted models take in the middle.
    pub const ASSUMED: Self = Self {
        first_token: Nanos::from_millis(1_000),
        per_token: Nanos::from_millis(20),
        tokens: 300,
    };

    /// The same of one that thinks before it answers.
    pub const ASSUMED_THINKING: Self = Self {
        tokens: 1_500,
        ..Self::ASSUMED
    };

    fn latency_ns(&self, max_tokens: Option<u64>) -> u128 {
        let tokens = max_tokens.map_or(self.tokens, |most| most.min(self.tokens));
        u128::from(self.first_token.0) + u128::from(self.per_token.0) * u128::from(tokens)
    }
}

/// Where what is expected of answers comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The typical times of the models that the simulator plays.
    Simulated,
    /// A guess that is the same for all.
    Assumed,
}

/// An estimate of a run's duration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDuration {
    /// What the answers take, with as many slots in flight as the suite allows.
    pub asking: Nanos,
    /// What the narrowest limit takes at least, and which one it is.
    pub narrowest: Option<(Nanos, Limit)>,
}

impl RunDuration {
    /// The limit that holds the run back, if one does, and how long the run takes with it.
    pub fn held_back(&self) -> Option<&(Nanos, Limit)> {
        self.narrowest
            .as_ref()
            .filter(|(least, _)| *least > self.asking)
    }
}

/// How long a run will take; `expected` for each variant, in the suite's order. Retries are not
/// foreseen.
pub fn run_duration(suite: &Suite, limits: &RateLimits, expected: &[Expected]) -> RunDuration {
    RunDuration {
        asking: asking(suite, expected),
        narrowest: narrowest(suite, limits),
    }
}

fn asking(suite: &Suite, expected: &[Expected]) -> Nanos {
    let variants = || suite.variants.iter().zip(expected);
    // A slot is over when its slowest trial is.
    let slots = suite.prompts.iter().map(|prompt| {
        let trials = variants().map(|(variant, expected)| {
            let most = suite.parameter_of(prompt, variant, |p| p.max_tokens.as_ref());
            expected.latency_ns(most.copied())
        });
        trials.max().unwrap_or(0)
    });
    let all: u128 = slots.sum::<u128>() * u128::from(suite.repetitions);
    let slot_count = suite.prompts.len() as u64 * u64::from(suite.repetitions);
    let at_once = u64::from(suite.concurrency).min(slot_count).max(1);
    let slowest = variants().map(|(_, expected)| expected.first_token).max();
    let warming = u128::from(slowest.unwrap_or_default().0) * u128::from(suite.warmup);
    clamped(warming + all / u128::from(at_once))
}

/// Every limit is busy for as long as the run's requests take it, one after the other: so long it
/// takes, whatever the order.
fn narrowest(suite: &Suite, limits: &RateLimits) -> Option<(Nanos, Limit)> {
    let repetitions = u64::from(suite.repetitions);
    let loads = suite.variants.iter().enumerate().map(|(place, variant)| {
        let asked = suite.prompts.iter();
        let tokens: u64 = if limits.count_tokens() {
            asked
                .map(|prompt| reserved_tokens(suite, prompt, variant))
                .sum()
        } else {
            0
        };
        Load {
            variant: place,
            requests: suite.prompts.len() as u64 * repetitions + u64::from(suite.warmup),
            tokens: tokens.saturating_mul(repetitions),
        }
    });
    let loads: Vec<Load> = loads.collect();
    let mut pacer = Pacer::new(suite, limits);
    pacer.take(Nanos::ZERO, &loads);
    pacer.busiest()
}

fn clamped(nanos: u128) -> Nanos {
    Nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use proptest::prelude::*;

    use super::*;
    use crate::plan::example::suite;
    use crate::plan::{Unit, plan};
    use crate::suite::PerMinute;

    const SECOND: Expected = Expected {
        first_token: Nanos::from_millis(500),
        per_token: Nanos::from_millis(5),
        tokens: 100,
    };

    fn requests(per_minute: u32) -> RateLimits {
        RateLimits {
            whole: PerMinute {
                requests: NonZeroU32::new(per_minute),
                tokens: None,
            },
            models: Vec::new(),
        }
    }

    #[test]
    fn slots_last_as_long_as_their_slowest_trial() {
        // 6 prompts, 2 repetitions, 3 at once: 4 slots after each other, and a warm-up before them.
        let mut suite = suite(6, 2, 2);
        suite.concurrency = 3;
        let slow = Expected {
            first_token: Nanos::from_millis(1_500),
            ..SECOND
        };
        let no_limits = RateLimits::default();
        let told = run_duration(&suite, &no_limits, &[SECOND, slow]);
        assert_eq!(told.asking, Nanos::from_millis(1_500 + 4 * 2_000));
        assert_eq!(told.narrowest, None);
        // A token limit ends an answer earlier.
        suite.parameters.max_tokens = Some(20);
        let told = run_duration(&suite, &no_limits, &[SECOND, slow]);
        assert_eq!(told.asking, Nanos::from_millis(1_500 + 4 * 1_600));
    }

    #[test]
    fn a_limit_that_is_slower_than_the_answers_is_named() {
        // 24 requests and 2 to warm up, 12 a minute: 130 s whatever the models do.
        let suite = suite(6, 2, 2);
        let told = run_duration(&suite, &requests(12), &[SECOND; 2]);
        let (least, limit) = told.held_back().unwrap();
        assert_eq!(*least, Nanos::from_millis(130_000));
        assert_eq!((limit.per_minute, limit.unit), (12, Unit::Requests));
        assert_eq!(limit.model, None);
        assert_eq!(
            run_duration(&suite, &requests(6_000), &[SECOND; 2]).held_back(),
            None
        );
    }

    proptest! {
        // What limits take at least is what the pacer lets a run take that asks as fast as it may, but
        // for the share of the last slot, which nothing waits for.
        #[test]
        fn the_least_is_what_the_pacer_takes(
            prompts in 1_usize..12, variants in 1_usize..4, repetitions in 1_u32..4, limit in 1_u32..300,
        ) {
            let mut suite = suite(prompts, variants, repetitions);
            suite.warmup = 0;
            let mut pacer = Pacer::new(&suite, &requests(limit));
            let mut last = Nanos::ZERO;
            for slot in plan(&suite).slots() {
                let loads = slot.trials().map(|trial| Load { variant: trial.variant, requests: 1, tokens: 0 });
                let loads: Vec<Load> = loads.collect();
                last = pacer.wait(Nanos::ZERO, &loads);
            }
            let told = run_duration(&suite, &requests(limit), &vec![SECOND; variants]);
            let least = told.narrowest.unwrap().0;
            let share = variants as u64 * 60_000_000_000 / u64::from(limit);
            prop_assert!(least.0.abs_diff(last.0 + share) <= 1_000);
        }
    }
}
