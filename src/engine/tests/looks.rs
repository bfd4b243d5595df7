//! Looks: the run asks whether to go on, and ends where nothing more is needed.

use proptest::prelude::*;

use super::*;

fn looking(suite: Suite, looks: &[u32]) -> Orders {
    Orders {
        looks: looks.to_vec(),
        ..orders(suite)
    }
}

fn told_at(round: u32) -> Outside {
    Outside {
        looks: Looks::EnoughAfter(round),
        ..QUIET
    }
}

/// Rounds after which the run asked.
fn looks(told: &Told) -> Vec<u32> {
    let looks = told.events.iter().filter_map(|event| match event {
        Event::Look { round } => Some(*round),
        _ => None,
    });
    looks.collect()
}

#[test]
fn a_run_ends_at_the_look_that_is_enough() {
    // Whole rounds, no slot of the next one, and no word of stopping: this is how it was to end.
    let told = carry_out_with(looking(suite(3, 2, 8), &[2, 4, 6, 8]), told_at(4), |_| {
        Reply::answer(50)
    });
    assert_eq!(told.ending, Ending::Decided { round: 4 });
    assert_eq!(looks(&told), [2, 4]);
    assert_eq!(told.samples().len(), 3 * 2 * 4);
    assert_eq!(told.fake.asked().len(), 3 * 2 * 4);
    assert!(told.reasons().is_empty());
}

#[test]
fn the_last_round_is_no_question() {
    // After it there is nothing to go on with; the verdict is the report's.
    let told = carry_out(looking(suite(2, 2, 3), &[2, 3]), |_| Reply::answer(50));
    assert_eq!(told.ending, Ending::Complete);
    assert_eq!(looks(&told), [2]);
}

#[test]
fn without_looks_rounds_flow_into_each_other() {
    // A look costs the overlap of rounds: a run that asks for none must not pay for it.
    let wide = || Suite {
        concurrency: 3,
        ..suite(4, 1, 3)
    };
    let script = |asked: &Asked| Reply::answer(if asked.prompt == Some(2) { 900 } else { 100 });
    let flowing = carry_out(orders(wide()), script);
    let looking = carry_out(looking(wide(), &[1, 2]), script);
    assert_eq!(flowing.ending, Ending::Complete);
    assert_eq!(looking.ending, Ending::Complete);
    assert!(looks(&flowing).is_empty());
    assert!(flowing.end < looking.end);
}

#[test]
fn whoever_went_away_does_not_hold_the_run_up() {
    // The engine must end in order when its listener is gone, at a look as anywhere else.
    let gone = Outside {
        looks: Looks::Gone,
        ..QUIET
    };
    let told = carry_out_with(looking(suite(2, 1, 3), &[1, 2]), gone, |_| {
        Reply::answer(10)
    });
    assert_eq!(told.ending, Ending::Complete);
    assert_eq!(told.samples().len(), 6);
}

#[test]
fn a_stop_is_heard_at_a_look() {
    // Thinking about a large run may take a moment; Ctrl-C must not wait for it.
    let thinking = Outside {
        looks: Looks::Silent,
        ..stopped_at(1_000)
    };
    let told = carry_out_with(looking(suite(2, 1, 3), &[1]), thinking, |_| {
        Reply::answer(10)
    });
    assert_eq!(told.ending, Ending::Interrupted);
    assert_eq!(told.reasons(), ["interrupted"]);
    assert_eq!(told.samples().len(), 2);
}

#[test]
fn a_hopeless_slot_is_told_before_a_look() {
    // What landed last before the look may show that there is nothing to look at.
    let told = carry_out(looking(suite(1, 2, 4), &[1]), |_| Reply::refusal(401));
    assert!(matches!(told.ending, Ending::Hopeless(_)));
    assert!(looks(&told).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    // At every look exactly the rounds up to it have been sent and told of, whatever is in flight at
    // once and however long answers take; and the samples are those of the same run without looks.
    #[test]
    fn a_look_sees_whole_rounds(
        (prompts, variants, rounds) in (1_usize..4, 1_usize..3, 2_u32..6),
        concurrency in 1_u32..6,
        every in 1_u32..3,
        enough in 1_u32..8,
    ) {
        let suite = Suite { concurrency, ..suite(prompts, variants, rounds) };
        let planned: Vec<u32> = (1..=rounds).filter(|round| round % every == 0).collect();
        let told = carry_out_with(looking(suite, &planned), told_at(enough), |asked| {
            Reply::answer(10 + 70 * asked.prompt.unwrap_or(0) as u64 + 40 * asked.variant as u64)
        });
        let a_round = prompts * variants;
        let (mut finished, mut seen) = (0, 0);
        for event in &told.events {
            match event {
                Event::Finished(sample) => {
                    finished += 1;
                    prop_assert!(sample.round > seen);
                }
                Event::Look { round } => {
                    seen = *round;
                    prop_assert_eq!(finished, a_round * seen as usize);
                }
                _ => {}
            }
        }
        let last = planned.iter().copied().find(|&round| round >= enough && round < rounds);
        let expected = last.map_or(Ending::Complete, |round| Ending::Decided { round });
        prop_assert_eq!(&told.ending, &expected);
        prop_assert_eq!(finished, a_round * last.unwrap_or(rounds) as usize);
        prop_assert_eq!(told.fake.asked().len(), finished);
    }
}
