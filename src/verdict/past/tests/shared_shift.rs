//! A shift that all models share, and the departures from it.

use super::*;
use crate::verdict::{DeclaredChange, GateStatus, LimitStatus, gate_status};

const MODELS: [&str; 3] = ["a/x", "b/y", "c/z"];

/// A run of these models, all slower by `day`, and each by its own change (natural logarithms).
fn day(noise: &mut SeededNoise, week: i64, day: f64, own: &[f64]) -> HistoryRun {
    let mut one = run(week, &[]);
    let variants = MODELS.iter().zip(own);
    one.variants = variants
        .map(|(label, own)| variant(label, &noise.levels(20, 0.01, day + own)))
        .collect();
    one.conditions.slot_size = u32::try_from(own.len()).unwrap();
    one
}

/// Ten runs that differ as wholes by 10 %.
fn ten(noise: &mut SeededNoise, models: usize) -> PastRuns {
    let days = (0..10).map(|week| {
        let shift = noise.normal(0.1);
        day(noise, week, shift, &[0.0; 3][..models])
    });
    past(days.collect())
}

fn verdicts(judgement: &Judgement) -> Vec<Verdict> {
    let of_ttft = judgement.comparisons.iter();
    let of_ttft = of_ttft.filter(|one| one.metric == Metric::Ttft);
    of_ttft.map(|one| one.verdict).collect()
}

#[test]
fn a_slow_day_is_no_models_fault() {
    // Everything is half slower again: the gateway or our network, which a build must not blame on a model.
    let mut noise = SeededNoise::with_seed(3);
    let past = ten(&mut noise, 3);
    let slow = day(&mut noise, 20, 0.41, &[0.0; 3]);
    let judgement = compare_with_history(&slow, &past, &strict());
    assert!(!verdicts(&judgement).contains(&Verdict::Regressed));
    assert_eq!(ttft(&judgement).procedure, Procedure::Departure);
    let [shift] = judgement.shared_shifts.as_slice() else {
        panic!("{judgement:?}");
    };
    assert_eq!(
        (shift.models.len(), shift.status),
        (3, LimitStatus::Exceeded)
    );
    assert!((shift.effect.estimate - 1.5).abs() < 0.15, "{shift:?}");
}

#[test]
fn the_model_that_departs_is_named_and_no_other() {
    // One of three is slower by 30 % on a day that is 15 % slower; the others are not better for it.
    let mut noise = SeededNoise::with_seed(4);
    let past = ten(&mut noise, 3);
    let slow = day(&mut noise, 20, 0.14, &[0.0, 0.262, 0.0]);
    let judgement = compare_with_history(&slow, &past, &strict());
    let [first, second, third] = verdicts(&judgement)[..] else {
        panic!("{judgement:?}");
    };
    assert_eq!(second, Verdict::Regressed);
    for other in [first, third] {
        assert!(
            matches!(other, Verdict::Ok | Verdict::Inconclusive),
            "{other:?}"
        );
    }
    assert_eq!(judgement.shared_shifts[0].models, ["a/x", "c/z"]);
}

#[test]
fn a_drift_withholds_no_departure() {
    // Differences within slots are as sound as those of one run. A veto by chance in one of three models cost a twentieth
    // of the power.
    let mut noise = SeededNoise::with_seed(4);
    let past = ten(&mut noise, 3);
    let slow = day(&mut noise, 20, 0.14, &[0.0, 0.262, 0.0]);
    for drifting in 0..MODELS.len() {
        let mut today = slow.clone();
        today.variants[drifting].drifted = true;
        let judgement = compare_with_history(&today, &past, &strict());
        assert_eq!(verdicts(&judgement)[1], Verdict::Regressed, "{drifting}");
    }
    // A level by itself may have moved for the hour alone.
    let mut alone = slow.clone();
    alone.variants.truncate(1);
    alone.conditions.slot_size = 1;
    alone.variants[0].drifted = true;
    let past = ten(&mut noise, 1);
    let judgement = compare_with_history(&alone, &past, &strict());
    assert_eq!(ttft(&judgement).reasons[0], Reason::Drift);
}

#[test]
fn two_models_do_not_tell_which_of_them_moved() {
    // One became faster on a day that is slower: the other only looks slower beside it.
    let mut noise = SeededNoise::with_seed(5);
    let past = ten(&mut noise, 2);
    let today = day(&mut noise, 20, 0.2, &[0.0, -0.4]);
    let judgement = compare_with_history(&today, &past, &strict());
    assert_eq!(verdicts(&judgement)[0], Verdict::Inconclusive);
    assert_eq!(ttft(&judgement).reasons[0], Reason::NotSeparable);
    assert_ne!(verdicts(&judgement)[1], Verdict::Improved);
    // Where only one moved far beyond what its past allows, it is named.
    let today = day(&mut noise, 21, 0.0, &[0.0, 0.7]);
    let judgement = compare_with_history(&today, &past, &strict());
    assert_eq!(verdicts(&judgement)[1], Verdict::Regressed);
    assert_ne!(verdicts(&judgement)[0], Verdict::Regressed);
}

#[test]
fn what_was_changed_on_purpose_shares_no_shift() {
    // After another model or other prompts the day and the change cannot be separated.
    let mut noise = SeededNoise::with_seed(6);
    let before = day(&mut noise, 1, 0.0, &[0.0; 3]);
    let mut after = day(&mut noise, 2, 0.0, &[0.0; 3]);
    let unchanged = |after: &HistoryRun| {
        pair_runs(before.clone(), after, &DeclaredChange::ALL)
            .unwrap()
            .unchanged
    };
    assert_eq!(unchanged(&after).len(), 3);
    after.variants[0].model = "a/new".parse().unwrap();
    assert_eq!(unchanged(&after).len(), 2);
    for variant in &mut after.variants {
        for prompt in &mut variant.prompts {
            prompt.digest = format!("{} changed", prompt.digest).into();
            prompt.text = format!("{} changed", prompt.text).into();
        }
    }
    assert!(unchanged(&after).is_empty());
}

#[test]
fn a_day_blames_no_model_too_often() {
    // 200 days that differ by 15 %, nothing changed: any of three models is called worse in at most 3.6 % (and what
    // 200 runs may be off by). `cargo bench --bench verdicts` has the whole table.
    let mut noise = SeededNoise::with_seed(7);
    let mut blamed = 0;
    for _ in 0..200 {
        let before = noise.normal(0.15);
        let before = day(&mut noise, 0, before, &[0.0; 3]);
        let after = noise.normal(0.15);
        let after = day(&mut noise, 1, after, &[0.0; 3]);
        let pair = pair_runs(before, &after, &[]).unwrap();
        let judgement = compare_runs(&after, &pair, &strict());
        blamed += usize::from(verdicts(&judgement).contains(&Verdict::Regressed));
    }
    assert!(blamed <= 12, "{blamed}");
}

#[test]
fn a_shared_shift_changes_no_departure() {
    // Whatever the day is like, the verdicts on models and their effects are the same.
    for seed in 0..20 {
        let judged = |shift: f64| {
            let mut noise = SeededNoise::with_seed(seed);
            let past = ten(&mut noise, 3);
            let today = day(&mut noise, 20, shift, &[0.0; 3]);
            compare_with_history(&today, &past, &strict())
        };
        let still = judged(0.0);
        for shift in [-1.0, -0.1, 0.3, 1.0] {
            let moved = judged(shift);
            assert_eq!(verdicts(&still), verdicts(&moved), "{seed}, {shift}");
            for (still, moved) in still.comparisons.iter().zip(&moved.comparisons) {
                let (still, moved) = (still.effect.unwrap(), moved.effect.unwrap());
                assert!(
                    (still.estimate - moved.estimate).abs() < 1e-9,
                    "{seed}, {shift}"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    // A history with accepted runs judges a variant or says that it cannot: it never passes as an empty one.
    #[test]
    fn a_history_is_never_silent(
        prompts in 1..9_usize, unchanged in 0..9_usize, model: bool, environment: bool, suite: bool, later: bool,
    ) {
        let accepted: Vec<HistoryRun> = (0..3).map(|week| run(week, &flat(prompts, 0.0))).collect();
        let mut today = run(if later { -5 } else { 9 }, &flat(prompts, 1.0));
        for prompt in today.variants[0].prompts.iter_mut().skip(unchanged) {
            prompt.digest = format!("{} changed", prompt.digest).into();
        }
        if model {
            today.variants[0].model = "a/new".parse().unwrap();
        }
        if environment {
            today.conditions.environment = Some("laptop".to_owned());
        }
        if suite {
            today.suite = "another".to_owned();
        }
        let lines = accepted.into_iter();
        let lines = lines.map(|run| HistoryLine::run(run, RunStanding::Accepted, Vec::new()));
        let past = PastRuns::from_history(&History::resolve(lines), &today);
        let judgement = compare_with_history(&today, &past, &strict());
        prop_assert_ne!(gate_status(&[&judgement], &[], &strict()), GateStatus::Passed);
        if model || environment || suite || later {
            prop_assert!(judgement.incomparable.is_some());
        }
    }
}
