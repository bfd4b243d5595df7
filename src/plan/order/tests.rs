use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::plan::example::suite;

fn slots(plan: &Plan) -> Vec<Slot> {
    plan.slots().collect()
}

#[test]
fn a_small_plan_is_pinned() {
    // These places and digests were computed by a second program, written from the documentation
    // of the derivation alone. If this test fails, old plans cannot be made again: raise
    // ORDER_VERSION, or undo the change.
    let plan = plan(&suite(4, 3, 2));
    let seen: Vec<_> = plan
        .slots()
        .map(|slot| (slot.number, slot.round, slot.prompt, slot.order))
        .collect();
    let pinned = [
        (0, 1, 2, vec![1, 2, 0]),
        (1, 1, 3, vec![1, 0, 2]),
        (2, 1, 1, vec![0, 1, 2]),
        (3, 1, 0, vec![0, 1, 2]),
        (4, 2, 0, vec![0, 1, 2]),
        (5, 2, 2, vec![0, 2, 1]),
        (6, 2, 3, vec![0, 2, 1]),
        (7, 2, 1, vec![0, 1, 2]),
    ];
    assert_eq!(seen, pinned);
    assert_eq!(plan.digest(), "0890fe2be84c03ee");
}

#[test]
fn each_variant_takes_each_place_about_equally() {
    // A variant that always starts first would have an advantage. The chi-square statistic of a
    // 4 x 4 table of places, scaled for permutations, has 9 degrees of freedom; 27.9 is its 99.9 %
    // point, and the seed is fixed.
    let (variants, repetitions) = (4, 200);
    let plan = plan(&suite(10, variants, repetitions));
    let mut counts = vec![vec![0_u32; variants]; variants];
    for slot in plan.slots() {
        for (index, variant) in slot.order.iter().enumerate() {
            counts[*variant][index] += 1;
        }
    }
    let expected = plan.slot_count() as f64 / variants as f64;
    let sum: f64 = (counts.iter().flatten())
        .map(|count| (f64::from(*count) - expected).powi(2) / expected)
        .sum();
    let statistic = sum * (variants as f64 - 1.0) / variants as f64;
    assert!(statistic < 27.9, "{statistic}: {counts:?}");
}

#[test]
fn bounded_draws_reach_every_number() {
    // The draw must cover its whole range and never leave it, at bounds that are powers of two and
    // at the largest, where rejection is likeliest.
    let mut rng = OrderRng::new(1, 1);
    for bound in [1, 2, 3, 8, 10] {
        let seen: BTreeSet<u64> = (0..500).map(|_| rng.below(bound)).collect();
        assert_eq!(seen, (0..bound).collect(), "{bound}");
    }
    let half = (1 << 63) + 1;
    assert!((0..500).all(|_| rng.below(half) < half));
}

#[test]
fn the_warm_up_prompt_is_not_in_the_suite() {
    // A warm-up with a prompt of the set would warm caches for the first measured request.
    let mut suite = suite(3, 2, 1);
    let first = warm_up_prompt(&suite).messages[0].content.clone();
    suite.prompts[0].messages[0].content.clone_from(&first);
    let second = warm_up_prompt(&suite).messages[0].content.clone();
    assert_ne!(first, second);
    suite.prompts[1].messages[0].content.clone_from(&second);
    let third = warm_up_prompt(&suite).messages[0].content.clone();
    assert!(third != first && third != second);
}

#[test]
fn a_warm_up_has_a_token_limit_where_all_prompts_have_one() {
    // Prompts of stated lengths have limits and their suite has none: its warm-up was unbounded, and no cap was possible.
    let mut suite = suite(2, 1, 1);
    suite.parameters.max_tokens = None;
    let limit = |suite: &Suite| warm_up_prompt(suite).parameters.max_tokens;
    let prompt_limit = |max_tokens| {
        let parameters = Parameters {
            max_tokens: Some(max_tokens),
            ..Parameters::default()
        };
        parameters.into()
    };
    suite.prompts[0].parameters = prompt_limit(100);
    assert_eq!(limit(&suite), None);
    suite.prompts[1].parameters = prompt_limit(150);
    assert_eq!(limit(&suite), Some(150));
    suite.parameters.max_tokens = Some(9);
    assert_eq!(limit(&suite), None);
}

#[test]
fn warm_ups_take_turns() {
    // Each variant gets as many untimed requests as the suite says, none twice in a row.
    let mut suite = suite(1, 2, 1);
    suite.warmup = 2;
    let seen: Vec<_> = plan(&suite)
        .warm_ups()
        .map(|warm_up| (warm_up.number, warm_up.variant))
        .collect();
    assert_eq!(seen, [(1, 0), (1, 1), (2, 0), (2, 1)]);
}

#[test]
fn the_order_does_not_depend_on_later_rounds() {
    // Asking for more repetitions extends a plan and leaves its beginning as it was.
    let short = slots(&plan(&suite(5, 3, 2)));
    let long = slots(&plan(&suite(5, 3, 4)));
    assert_eq!(short, long[..short.len()]);
}

proptest! {
    // Nothing is left out and nothing is sent twice: every (prompt, variant, repetition) is
    // planned once, every round holds every prompt once, every slot every variant once, and trial
    // numbers count up without a hole.
    #[test]
    fn every_trial_is_planned_once(
        prompts in 0_usize..12, variants in 0_usize..6, repetitions in 0_u32..5, seed: u64,
    ) {
        let mut suite = suite(prompts, variants, repetitions);
        suite.seed = seed;
        let plan = plan(&suite);
        let slots = slots(&plan);
        prop_assert_eq!(slots.len() as u64, plan.slot_count());
        let trials: Vec<Trial> = slots.iter().flat_map(Slot::trials).collect();
        prop_assert!(trials.iter().map(|trial| trial.number).eq(0..plan.trial_count()));
        let planned: BTreeSet<_> = trials
            .iter()
            .map(|trial| (trial.prompt, trial.variant, trial.repetition))
            .collect();
        prop_assert_eq!(planned.len(), trials.len());
        prop_assert_eq!(planned.len(), prompts * variants * repetitions as usize);
        for (number, slot) in slots.iter().enumerate() {
            prop_assert_eq!(slot.number, number as u64);
            prop_assert_eq!(slot.round, slot.repetition);
            prop_assert_eq!(u64::from(slot.round - 1), slot.number / prompts as u64);
            let present: BTreeSet<_> = slot.order.iter().copied().collect();
            prop_assert_eq!(present, (0..variants).collect::<BTreeSet<_>>());
            prop_assert!(slot.trials().all(|trial| trial.slot == slot.number));
        }
    }

    // The same seed gives the same order, another seed another one (of 20! orders of prompts), and
    // the digest distinguishes them.
    #[test]
    fn the_order_is_the_seeds(seed: u64, other: u64) {
        prop_assume!(seed != other);
        let plan_with = |seed| {
            let mut suite = suite(20, 3, 2);
            suite.seed = seed;
            plan(&suite)
        };
        prop_assert_eq!(slots(&plan_with(seed)), slots(&plan_with(seed)));
        prop_assert_eq!(plan_with(seed).digest(), plan_with(seed).digest());
        prop_assert_ne!(slots(&plan_with(seed)), slots(&plan_with(other)));
        prop_assert_ne!(plan_with(seed).digest(), plan_with(other).digest());
    }

    // Rounds differ from each other: each is a fresh order.
    #[test]
    fn rounds_are_fresh(seed: u64) {
        let mut suite = suite(20, 1, 2);
        suite.seed = seed;
        let slots = slots(&plan(&suite));
        let (first, second) = slots.split_at(20);
        let prompts = |slots: &[Slot]| slots.iter().map(|slot| slot.prompt).collect::<Vec<_>>();
        prop_assert_ne!(prompts(first), prompts(second));
    }
}
