//! The estimated duration of a run.
//!
//! Owns the estimate. Must not know the source of expectations about a model. Invariant: it is a sum of
//! expectations, never a promise; only the minimum that rate limits impose is exact, as far as token counts are.

use crate::suite::{LoadProfile, RateLimits, Suite};
use crate::units::Nanos;

use super::load::{LoadPlan, PlannedStage};
use super::order::Plan;
use super::pace::{Load, PacingLimit, RatePacer};
use super::tokens::reserved_tokens;

/// The expected timing and length of one answer of a variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpectedAnswer {
    /// Time to the first token.
    pub first_token: Nanos,
    /// Time for each further token.
    pub per_token: Nanos,
    /// Tokens of an answer that no limit truncates, reasoning included.
    pub tokens: u64,
}

impl ExpectedAnswer {
    /// The assumption for a model without data: typical values of hosted models.
    pub const ASSUMED: Self = Self {
        first_token: Nanos::from_millis(1_000),
        per_token: Nanos::from_millis(20),
        tokens: 300,
    };

    /// The assumption for a reasoning model without data.
    pub const ASSUMED_REASONING: Self = Self {
        tokens: 1_500,
        ..Self::ASSUMED
    };

    fn latency_ns(&self, max_tokens: Option<u64>) -> u128 {
        let tokens = max_tokens.map_or(self.tokens, |max| max.min(self.tokens));
        u128::from(self.first_token.0) + u128::from(self.per_token.0) * u128::from(tokens)
    }
}

/// The source of the expected answers.
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
    /// Time that the answers take, with as many slots in flight as the suite allows.
    pub answering: Nanos,
    /// The rate limit that imposes the longest minimum, with that minimum.
    pub slowest_limit: Option<(Nanos, PacingLimit)>,
}

impl RunDuration {
    /// The limit that determines the duration, with that duration; `None` if the answers take longer.
    pub fn binding_limit(&self) -> Option<&(Nanos, PacingLimit)> {
        self.slowest_limit
            .as_ref()
            .filter(|(min, _)| *min > self.answering)
    }

    /// The duration of a share of the run: its answers take a time in proportion to its slots, unless a load says when they
    /// are sent. Rate limits are divided as the slots are.
    #[must_use]
    pub fn of_share(self, plan: &Plan, suite: &Suite) -> Self {
        if suite.load.as_ref().is_some_and(LoadProfile::is_open_loop) {
            return self;
        }
        let (slots, whole) = (plan.slot_count(), plan.whole_slot_count().max(1));
        let answering = u128::from(self.answering.0) * u128::from(slots) / u128::from(whole);
        Self {
            answering: saturating_nanos(answering),
            ..self
        }
    }
}

/// The number of requests to each model that a closed loop for a time sends, on average over the variants; `None` for
/// any other run. `expected` as in [`run_duration`].
pub fn expected_loop_requests(suite: &Suite, expected: &[ExpectedAnswer]) -> Option<u64> {
    let stage = *suite.load.as_ref()?.closed_loop()?;
    let busy = u128::from(stage.duration_ns?.0) * u128::from(stage.in_flight);
    let prompts = suite.prompts.len().max(1) as u128;
    let requests = suite
        .variants
        .iter()
        .zip(expected)
        .map(|(variant, answer)| {
            let all: u128 = (suite.prompts.iter())
                .map(|prompt| {
                    let max = suite.parameter_of(prompt, variant, |p| p.max_tokens.as_ref());
                    answer.latency_ns(max.copied())
                })
                .sum();
            (busy * prompts).div_ceil(all.max(1))
        });
    let sum: u128 = requests.sum();
    let mean = sum.div_ceil(suite.variants.len().max(1) as u128);
    Some(u64::try_from(mean).unwrap_or(u64::MAX))
}

/// Estimates the duration of a run; `expected` has one entry per variant, in the suite's order. Retries are
/// not included.
pub fn run_duration(
    suite: &Suite,
    limits: &RateLimits,
    expected: &[ExpectedAnswer],
) -> RunDuration {
    RunDuration {
        answering: answering(suite, expected),
        slowest_limit: slowest_limit(suite, limits),
    }
}

fn answering(suite: &Suite, expected: &[ExpectedAnswer]) -> Nanos {
    let variants = || suite.variants.iter().zip(expected);
    // A slot ends with its slowest trial.
    let slots = suite.prompts.iter().map(|prompt| {
        let trials = variants().map(|(variant, expected)| {
            let max = suite.parameter_of(prompt, variant, |p| p.max_tokens.as_ref());
            expected.latency_ns(max.copied())
        });
        trials.max().unwrap_or(0)
    });
    let round: u128 = slots.sum();
    if let Some(load) = LoadPlan::of_stages(suite) {
        let prompts = suite.prompts.len().max(1) as u128;
        let stages = load.stages().iter();
        return saturating_nanos(stages.map(|stage| stage_ns(stage, round / prompts)).sum());
    }
    let all = round * u128::from(suite.repetitions);
    let slot_count = suite.prompts.len() as u64 * u64::from(suite.repetitions);
    let in_flight = u64::from(suite.concurrency).min(slot_count).max(1);
    let slowest = variants().map(|(_, expected)| expected.first_token).max();
    let warming = u128::from(slowest.unwrap_or_default().0) * u128::from(suite.warmup);
    saturating_nanos(warming + all / u128::from(in_flight))
}

/// The time of a stage of a load whose requests take so long each.
fn stage_ns(planned: &PlannedStage, each: u128) -> u128 {
    match planned.planned_time() {
        Some(time) => u128::from(time.0) + each,
        None => u128::from(planned.slots) * each / u128::from(planned.in_flight()),
    }
}

/// Finds the longest-lasting limit: each is occupied by the run's requests one after the other, in any
/// order.
fn slowest_limit(suite: &Suite, limits: &RateLimits) -> Option<(Nanos, PacingLimit)> {
    if suite.time_limit().is_some() {
        // It sends fewer requests, and is no longer.
        return None;
    }
    let repetitions = u64::from(suite.repetitions);
    let loads = suite.variants.iter().enumerate().map(|(index, variant)| {
        let prompts = suite.prompts.iter();
        let tokens: u64 = if limits.count_tokens() {
            prompts
                .map(|prompt| reserved_tokens(suite, prompt, variant))
                .sum()
        } else {
            0
        };
        Load {
            variant: index,
            requests: suite.prompts.len() as u64 * repetitions + u64::from(suite.warmup),
            tokens: tokens.saturating_mul(repetitions),
        }
    });
    let loads: Vec<Load> = loads.collect();
    let mut pacer = RatePacer::new(suite, limits);
    pacer.take(Nanos::ZERO, &loads);
    pacer.busiest()
}

fn saturating_nanos(nanos: u128) -> Nanos {
    Nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use proptest::prelude::*;

    use super::*;
    use crate::plan::example::suite;
    use crate::plan::{LimitUnit, plan};
    use crate::suite::PerMinute;

    const SECOND: ExpectedAnswer = ExpectedAnswer {
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
        let slow = ExpectedAnswer {
            first_token: Nanos::from_millis(1_500),
            ..SECOND
        };
        let no_limits = RateLimits::default();
        let duration = run_duration(&suite, &no_limits, &[SECOND, slow]);
        assert_eq!(duration.answering, Nanos::from_millis(1_500 + 4 * 2_000));
        assert_eq!(duration.slowest_limit, None);
        // A token limit ends an answer earlier.
        suite.parameters.max_tokens = Some(20);
        let duration = run_duration(&suite, &no_limits, &[SECOND, slow]);
        assert_eq!(duration.answering, Nanos::from_millis(1_500 + 4 * 1_600));
    }

    #[test]
    fn a_load_lasts_as_long_as_its_stages() {
        // Ten seconds at a rate and one more answer of a second; 40 requests of a second, two in flight.
        let seconds = |seconds: u64| Nanos::from_millis(seconds * 1_000);
        let mut suite = suite(6, 1, 2);
        let lasts =
            |suite: &Suite| run_duration(suite, &RateLimits::default(), &[SECOND]).answering;
        let process = crate::suite::ArrivalProcess::Constant;
        suite.load = Some(LoadProfile {
            stages: LoadProfile::rate_stages("2/s", process, seconds(10)).unwrap(),
            ..LoadProfile::default()
        });
        assert_eq!(lasts(&suite), seconds(11));
        suite.load = Some(LoadProfile {
            stages: LoadProfile::sweep_stages("concurrency=2", process, seconds(10), Some(40))
                .unwrap(),
            ..LoadProfile::default()
        });
        assert_eq!(lasts(&suite), seconds(20));
    }

    #[test]
    fn a_limit_that_is_slower_than_the_answers_is_named() {
        // 24 requests and 2 to warm up, 12 a minute: 130 s, however fast the models are.
        let suite = suite(6, 2, 2);
        let duration = run_duration(&suite, &requests(12), &[SECOND; 2]);
        let (min, limit) = duration.binding_limit().unwrap();
        assert_eq!(*min, Nanos::from_millis(130_000));
        assert_eq!((limit.per_minute, limit.unit), (12, LimitUnit::Requests));
        assert_eq!(limit.model, None);
        assert_eq!(
            run_duration(&suite, &requests(6_000), &[SECOND; 2]).binding_limit(),
            None
        );
    }

    proptest! {
        // The minimum is the time that the pacer imposes on a run that sends as fast as it may, except
        // for the share of the last slot, which nothing waits for.
        #[test]
        fn the_minimum_is_the_time_of_the_pacer(
            prompts in 1_usize..12, variants in 1_usize..4, repetitions in 1_u32..4, limit in 1_u32..300,
        ) {
            let mut suite = suite(prompts, variants, repetitions);
            suite.warmup = 0;
            let mut pacer = RatePacer::new(&suite, &requests(limit));
            let mut last = Nanos::ZERO;
            for slot in plan(&suite).slots() {
                let loads = slot.trials().map(|trial| Load { variant: trial.variant, requests: 1, tokens: 0 });
                let loads: Vec<Load> = loads.collect();
                last = pacer.wait(Nanos::ZERO, &loads);
            }
            let duration = run_duration(&suite, &requests(limit), &vec![SECOND; variants]);
            let min = duration.slowest_limit.unwrap().0;
            let share = variants as u64 * 60_000_000_000 / u64::from(limit);
            prop_assert!(min.0.abs_diff(last.0 + share) <= 1_000);
        }
    }
}
