//! Tests of interim looks.

use proptest::prelude::*;

use crate::record::Outcome;
use crate::verdict::interleaved::tests::{failure, run, slower};
use crate::verdict::judgement::Reason;

use super::*;

fn gate(primary: &[Metric]) -> Gate {
    Gate {
        primary: primary.to_vec(),
        ..Gate::default()
    }
}

fn verdict_of(judgement: &Judgement, metric: Metric) -> Verdict {
    let mut all = judgement.comparisons.iter();
    all.find(|one| one.metric == metric).unwrap().verdict
}

#[test]
fn looks_are_few_even_and_end_with_the_run() {
    // Ten at most, none after the first round alone, the last at the end.
    let rounds = |max| {
        InterimLooks::new(max, 1, &Gate::default())
            .rounds()
            .to_vec()
    };
    assert_eq!(rounds(1), [1]);
    assert_eq!(rounds(2), [2]);
    assert_eq!(rounds(6), [2, 3, 4, 5, 6]);
    assert_eq!(rounds(10), [2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(rounds(30), [3, 6, 9, 12, 15, 18, 21, 24, 27, 30]);
    assert_eq!(rounds(0), [1]);
}

#[test]
fn impossible_looks_are_rejected() {
    // An edited manifest must not make a verdict certain.
    let planned = |rounds: &[u32]| InterimLooks::from_rounds(rounds, 6, 2, &Gate::default());
    for bad in [&[][..], &[2, 2, 6], &[4, 2, 6], &[2, 4], &[2, 7], &[0, 6]] {
        assert_eq!(planned(bad), None, "{bad:?}");
    }
    let same = InterimLooks::new(6, 2, &Gate::default());
    assert_eq!(planned(same.rounds()), Some(same));
}

#[test]
fn a_large_difference_is_decided_early() {
    // Twice as slow: ten rounds are not needed.
    let evidence = run((2, 20, 10), |one, variant, _, _| {
        slower(one, if variant == 1 { 2.0 } else { 1.0 })
    });
    let gate = gate(&[Metric::Ttft]);
    let looks = InterimLooks::new(10, 1, &gate);
    let at = |round| sequential_state(&evidence, "a", &gate, &looks, round);
    assert!(!at(1).all_decided);
    let first = (2..=10).find(|&round| at(round).all_decided).unwrap();
    assert!(first <= 5, "{first}");
    assert_eq!(
        at(first).comparisons[0].decided,
        Some((Verdict::Regressed, first))
    );
    let judgement = compare_sequential(&evidence, "a", &gate, &looks, first);
    assert_eq!(verdict_of(&judgement, Metric::Ttft), Verdict::Regressed);
    // Later rounds change no decision.
    assert_eq!(
        at(10).comparisons[0].decided,
        at(first).comparisons[0].decided
    );
}

#[test]
fn a_much_better_model_is_not_merely_ok() {
    // "Not worse by more than the margin" is certain first: the run continues while "better" is promising.
    let evidence = run((2, 20, 10), |one, variant, prompt, repetition| {
        let place = (prompt * 104_729 + repetition * 7_919 + variant * 1_299_709) * 2_654_435_761;
        let scatter = (2.0 * ((place >> 9) % 997) as f64 / 997.0).exp();
        slower(one, if variant == 1 { 0.8 * scatter } else { scatter })
    });
    let gate = gate(&[Metric::Ttft]);
    let looks = InterimLooks::new(10, 1, &gate);
    let at = |round| sequential_state(&evidence, "a", &gate, &looks, round);
    let ok =
        (2..=10).find(|&round| matches!(at(round).comparisons[0].decided, Some((Verdict::Ok, _))));
    let ok = ok.expect("ok is certain first");
    assert!(at(ok).comparisons[0].promising && !at(ok).all_decided);
    let done = (2..=10).find(|&round| at(round).all_decided).unwrap();
    let judgement = compare_sequential(&evidence, "a", &gate, &looks, done);
    assert!(done > ok && done < 10, "{ok} {done}");
    assert_eq!(verdict_of(&judgement, Metric::Ttft), Verdict::Improved);
}

#[test]
fn a_run_cut_short_spends_what_is_left() {
    // Too small a difference for an early look, large enough for the last: where the run ends is last.
    let evidence = run((2, 20, 10), |one, variant, prompt, _| {
        let often = if prompt % 4 == 0 { 0.85 } else { 1.11 };
        slower(one, if variant == 1 { often } else { 1.0 })
    });
    let mut gate = gate(&[Metric::Ttft]);
    gate.bounds = vec![(
        Metric::Ttft,
        crate::suite::Bounds {
            tolerance: 0.0,
            margin: 0.01,
            floor_ns: None,
        },
    )];
    let looks = InterimLooks::new(10, 1, &gate);
    let planned = looks.levels[1];
    let cut = looks.ended_after(3);
    assert_eq!(cut.rounds(), [2, 3]);
    assert!(
        cut.levels[1] > 100.0 * planned && cut.levels[1] < 0.025,
        "{cut:?}"
    );
    let judgement = compare_sequential(&evidence, "a", &gate, &looks, 3);
    assert!(judgement.notes[0].contains("looked 2 times in 3 of at most 10 rounds"));
}

#[test]
fn undecidable_comparisons_do_not_prolong_a_run() {
    // An unknown price stays unknown. Where all is answered on both sides, more rounds do add information.
    let evidence = run((2, 20, 15), |mut one, variant, _, _| {
        one.cost = None.into();
        slower(one, if variant == 1 { 2.0 } else { 1.0 })
    });
    let gate = Gate::default();
    let looks = InterimLooks::new(15, 1, &gate);
    let state = sequential_state(&evidence, "a", &gate, &looks, 15);
    let of = |metric| {
        state
            .comparisons
            .iter()
            .find(|one| one.metric == metric)
            .unwrap()
    };
    assert!(of(Metric::Cost).exhausted && !of(Metric::Completed).exhausted);
    assert!(state.all_decided, "{state:#?}");
    // A variant that fails now and then may yet be decided.
    let failing = run((2, 20, 6), |one, variant, prompt, repetition| {
        if variant == 1 && prompt == 3 && repetition == 1 {
            failure(one, Outcome::ServerError)
        } else {
            one
        }
    });
    let looks = InterimLooks::new(6, 1, &gate);
    let state = sequential_state(&failing, "a", &gate, &looks, 2);
    let completed = state
        .comparisons
        .iter()
        .find(|one| one.metric == Metric::Completed);
    assert!(!completed.unwrap().exhausted);
}

#[test]
fn a_decision_records_its_round() {
    // Decided after two rounds; the run continues for another comparison, and later rounds bring errors.
    let evidence = run((2, 20, 10), |one, variant, _, repetition| {
        if variant == 1 && repetition > 5 {
            failure(one, Outcome::ServerError)
        } else {
            slower(one, if variant == 1 { 3.0 } else { 1.0 })
        }
    });
    let gate = gate(&[Metric::Ttft, Metric::OutputRate]);
    let looks = InterimLooks::new(10, 1, &gate);
    let judgement = compare_sequential(&evidence, "a", &gate, &looks, 10);
    let ttft = judgement
        .comparisons
        .iter()
        .find(|one| one.metric == Metric::Ttft)
        .unwrap();
    assert_eq!(ttft.verdict, Verdict::Regressed);
    let early = |reason: &Reason| matches!(reason, Reason::DecidedEarlier { .. });
    assert!(ttft.reasons.iter().any(early), "{:?}", ttft.reasons);
}

proptest! {
    // Each case integrates boundaries.
    #![proptest_config(ProptestConfig::with_cases(12))]

    // Any number of rounds can be planned, and a plan can be restored from the manifest.
    #[test]
    fn every_run_has_looks(max in 1_u32..500, candidates in 1_usize..6, cut in 0_u32..500) {
        let gate = Gate::default();
        let looks = InterimLooks::new(max, candidates, &gate);
        let rounds = looks.rounds();
        prop_assert!(rounds.len() <= 10 && *rounds.last().unwrap() == max);
        prop_assert!(rounds[0] >= 2.min(max));
        prop_assert!(looks.levels.windows(2).all(|pair| pair[0] <= pair[1]));
        let read = InterimLooks::from_rounds(rounds, max, candidates, &gate);
        prop_assert_eq!(read.as_ref(), Some(&looks));
        let ended = looks.ended_after(cut);
        prop_assert_eq!(ended.levels.len(), ended.rounds.len());
    }
}
