//! Looks: the run waits for the decision to continue, and ends where nothing more is needed.

use proptest::prelude::*;

use super::*;

fn with_looks(suite: Suite, looks: &[u32]) -> RunContext {
    RunContext {
        looks: looks.to_vec(),
        ..context(suite)
    }
}

fn enough_after(round: u32) -> Listener {
    Listener {
        looks: LookAnswer::EnoughAfter(round),
        ..QUIET
    }
}

/// Rounds after which the run waited for a decision.
fn looks(result: &FinishedRun) -> Vec<u32> {
    let looks = result.events.iter().filter_map(|event| match event {
        RunEvent::Look { round } => Some(*round),
        _ => None,
    });
    looks.collect()
}

#[test]
fn a_run_ends_at_the_look_that_is_enough() {
    // Whole rounds, no slot of the next one, and no stop event: this is the intended end.
    let result = carry_out_with(
        with_looks(suite(3, 2, 8), &[2, 4, 6, 8]),
        enough_after(4),
        |_| Reply::answer(50),
    );
    assert_eq!(result.ending, RunEnd::Decided { round: 4 });
    assert_eq!(looks(&result), [2, 4]);
    assert_eq!(result.samples().len(), 3 * 2 * 4);
    assert_eq!(result.fake.requests().len(), 3 * 2 * 4);
    assert!(result.reasons().is_empty());
}

#[test]
fn the_last_round_is_no_question() {
    // After it nothing is left to continue with; the verdict is the report's.
    let result = carry_out(with_looks(suite(2, 2, 3), &[2, 3]), |_| Reply::answer(50));
    assert_eq!(result.ending, RunEnd::Complete);
    assert_eq!(looks(&result), [2]);
}

#[test]
fn without_looks_rounds_flow_into_each_other() {
    // A look costs the overlap of rounds: a run without looks must not pay for it.
    let wide = || Suite {
        concurrency: 3,
        ..suite(4, 1, 3)
    };
    let script =
        |request: &SentRequest| Reply::answer(if request.prompt == Some(2) { 900 } else { 100 });
    let flowing = carry_out(context(wide()), script);
    let with_looks = carry_out(with_looks(wide(), &[1, 2]), script);
    assert_eq!(flowing.ending, RunEnd::Complete);
    assert_eq!(with_looks.ending, RunEnd::Complete);
    assert!(looks(&flowing).is_empty());
    assert!(flowing.end < with_looks.end);
}

#[test]
fn a_listener_that_went_away_does_not_block_the_run() {
    // The engine must end in order when its listener is gone, at a look as anywhere else.
    let gone = Listener {
        looks: LookAnswer::Gone,
        ..QUIET
    };
    let result = carry_out_with(with_looks(suite(2, 1, 3), &[1, 2]), gone, |_| {
        Reply::answer(10)
    });
    assert_eq!(result.ending, RunEnd::Complete);
    assert_eq!(result.samples().len(), 6);
}

#[test]
fn a_stop_is_heard_at_a_look() {
    // A decision on a large run may take a moment; Ctrl-C must not wait for it.
    let thinking = Listener {
        looks: LookAnswer::Silent,
        ..stopped_at(1_000)
    };
    let result = carry_out_with(with_looks(suite(2, 1, 3), &[1]), thinking, |_| {
        Reply::answer(10)
    });
    assert_eq!(result.ending, RunEnd::Interrupted);
    assert_eq!(result.reasons(), ["interrupted"]);
    assert_eq!(result.samples().len(), 2);
}

#[test]
fn a_slot_that_aborts_the_run_comes_before_a_look() {
    // The last slot before the look may show that there is nothing to look at.
    let result = carry_out(with_looks(suite(1, 2, 4), &[1]), |_| Reply::refusal(401));
    assert!(matches!(result.ending, RunEnd::Aborted(_)));
    assert!(looks(&result).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    // At every look exactly the rounds up to it have been sent and reported, whatever is in flight at once and
    // however long answers take; and the samples are those of the same run without looks.
    #[test]
    fn a_look_sees_whole_rounds(
        (prompts, variants, rounds) in (1_usize..4, 1_usize..3, 2_u32..6),
        concurrency in 1_u32..6,
        every in 1_u32..3,
        enough in 1_u32..8,
    ) {
        let suite = Suite { concurrency, ..suite(prompts, variants, rounds) };
        let planned: Vec<u32> = (1..=rounds).filter(|round| round % every == 0).collect();
        let result = carry_out_with(with_looks(suite, &planned), enough_after(enough), |request| {
            Reply::answer(10 + 70 * request.prompt.unwrap_or(0) as u64 + 40 * request.variant as u64)
        });
        let a_round = prompts * variants;
        let (mut finished, mut seen) = (0, 0);
        for event in &result.events {
            match event {
                RunEvent::Finished(sample) => {
                    finished += 1;
                    prop_assert!(sample.round > seen);
                }
                RunEvent::Look { round } => {
                    seen = *round;
                    prop_assert_eq!(finished, a_round * seen as usize);
                }
                _ => {}
            }
        }
        let last = planned.iter().copied().find(|&round| round >= enough && round < rounds);
        let expected = last.map_or(RunEnd::Complete, |round| RunEnd::Decided { round });
        prop_assert_eq!(&result.ending, &expected);
        prop_assert_eq!(finished, a_round * last.unwrap_or(rounds) as usize);
        prop_assert_eq!(result.fake.requests().len(), finished);
    }
}
