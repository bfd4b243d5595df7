//! The counts of what is under way, held to a look at every slot.

use proptest::prelude::*;

use crate::plan::example;
use crate::record::Outcome;
use crate::suite::RateLimits;

use super::*;

const VARIANTS: usize = 3;

/// A step of a run.
#[derive(Debug, Clone)]
enum Step {
    Pass(u64),
    Choose,
    /// Ends a trial under way, by its number among them, with a failure or an answer.
    EndTrial(usize, bool),
    EndSlot(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..20_000_u64).prop_map(Step::Pass),
        Just(Step::Choose),
        Just(Step::Choose),
        (0..100_usize, any::<bool>()).prop_map(|(number, fails)| Step::EndTrial(number, fails)),
        (0..100_usize).prop_map(Step::EndSlot),
    ]
}

fn under_way(state: &PacerState) -> Vec<(u64, PendingTrial)> {
    let slots = state.slots.iter();
    let trials = slots.flat_map(|(key, slot)| slot.pending.iter().map(|one| (*key, *one)));
    trials.collect()
}

fn carry_out(state: &mut PacerState, now: &mut Nanos, step: &Step) {
    match step {
        Step::Pass(millis) => now.0 += millis * 1_000_000,
        Step::Choose => {
            let _ = state.choose(*now, &(0..VARIANTS).collect::<Vec<_>>());
        }
        Step::EndTrial(number, fails) => {
            let trials = under_way(state);
            let Some((key, trial)) = trials.get(number % trials.len().max(1)).copied() else {
                return;
            };
            let effect = if *fails {
                AttemptEffect::Failure {
                    outcome: Outcome::ServerError,
                    demanded: None,
                    permanent: false,
                }
            } else {
                AttemptEffect::Answer
            };
            let end = AttemptEnd {
                variant: trial.variant,
                sent: state.slots[&key].since,
                effect,
                probe: trial.probe,
                rate_limited: false,
            };
            state.record(*now, &end);
            state.end_trial(key, trial.variant);
        }
        Step::EndSlot(number) => {
            let keys: Vec<u64> = state.slots.keys().copied().collect();
            if let Some(key) = keys.get(number % keys.len().max(1)) {
                state.end_slot(*key);
            }
        }
    }
}

proptest! {
    #[test]
    fn counts_are_those_of_all_slots(steps in prop::collection::vec(step(), 1..200)) {
        // Each count is stored, or found at the first slots, so that thousands in flight cost no more than one.
        let mut suite = example::suite(1, VARIANTS, 1);
        suite.concurrency = 8;
        let mut state = PacerState::new(&suite, RatePacer::new(&suite, &RateLimits::default()));
        let mut now = Nanos::ZERO;
        for step in steps {
            carry_out(&mut state, &mut now, &step);
            let trials = under_way(&state);
            for variant in 0..VARIANTS {
                let counted = trials.iter().filter(|(_, one)| one.variant == variant).count();
                prop_assert_eq!(state.in_flight[variant], counted);
            }
            let lagging = state.slots.values().filter(|slot| state.is_lagging(slot, now));
            prop_assert_eq!(state.lagging(now), lagging.count());
            let overdue = trials.iter().map(|(key, one)| {
                state.overdue_at(state.slots[key].since, one.variant)
            });
            prop_assert_eq!(state.next_overdue(now), overdue.filter(|at| *at > now).min());
        }
    }
}
