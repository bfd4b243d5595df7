//! Runs that send only what an earlier part left.

use proptest::prelude::*;

use super::*;
use crate::engine::FinishedTrials;

/// The `x-request-id`s of the trials that a run sends, sorted.
fn request_ids(context: RunContext) -> Vec<String> {
    let finished = carry_out(context, |_| Reply::answer(5));
    assert_eq!(finished.ending, RunEnd::Complete);
    let mut ids: Vec<String> = (finished.samples().iter())
        .map(|sample| sample.request_id.clone())
        .collect();
    ids.sort();
    ids
}

proptest! {
    // Whatever was finished before, the parts together send each trial once, under the numbers of the whole plan.
    #[test]
    fn two_parts_send_every_trial_once(
        (prompts, variants, repetitions) in (1_usize..4, 1_usize..4, 1_u32..4),
        drawn in prop::collection::hash_set(0_u64..36, 0..36),
    ) {
        let suite = suite(prompts, variants, repetitions);
        let all = plan(&suite).trial_count();
        let before: Vec<u64> = drawn.into_iter().filter(|trial| *trial < all).collect();
        let second = RunContext {
            request_prefix: "run-p2".to_owned(),
            finished: before.iter().copied().collect::<FinishedTrials>(),
            ..context(suite)
        };
        let sent = request_ids(second);
        let mut expected: Vec<String> = (0..all).filter(|trial| !before.contains(trial))
            .map(|trial| format!("run-p2-{trial}-1")).collect();
        expected.sort();
        prop_assert_eq!(sent, expected);
    }
}
