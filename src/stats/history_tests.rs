use proptest::prelude::*;

use super::*;

const ALPHA: Alpha = Alpha::FIVE_PERCENT;

fn runs(count: std::ops::Range<usize>, prompts: usize) -> impl Strategy<Value = Vec<Vec<f64>>> {
    prop::collection::vec(prop::collection::vec(-2.0..2.0_f64, prompts), count)
}

#[test]
fn invalid_rows_are_rejected() {
    // A missing level, another number of prompts or a NaN would shift every mean.
    assert_eq!(Levels::new(vec![]), None);
    assert_eq!(Levels::new(vec![vec![1.0]]), None);
    assert_eq!(Levels::new(vec![vec![1.0, 2.0], vec![1.0]]), None);
    assert_eq!(Levels::new(vec![vec![1.0, f64::NAN]]), None);
    assert_eq!(level(&[1.0, f64::INFINITY]), None);
    assert_eq!(level(&[]), None);
    let (two, three) = (
        Levels::new(vec![vec![1.0; 2]]),
        Levels::new(vec![vec![1.0; 3]]),
    );
    assert_eq!(
        predict(&two.unwrap(), &three.unwrap(), Prior::default()),
        None
    );
}

#[test]
fn a_history_without_noise_still_has_a_prior() {
    // Five equal runs do not prove that runs never differ: the interval has the prior's width.
    let past = Levels::new(vec![vec![5.0; 8]; 5]).unwrap();
    let today = Levels::new(vec![vec![5.3; 8]]).unwrap();
    let found = predict(&past, &today, Prior::default()).unwrap();
    assert!((found.estimate - 0.3).abs() < 1e-12);
    assert!(
        (found.run_sd - 0.04 * (6.0_f64 / 10.0).sqrt()).abs() < 1e-12,
        "{found:?}"
    );
    assert!(found.smallest_shift(ALPHA) > 0.05);
    // Even without a prior and without any spread nothing is divided by zero.
    let bare = predict(&past, &today, Prior { sd: 0.0, runs: 0.0 }).unwrap();
    assert!((bare.interval(ALPHA).lower.unwrap() - 0.3).abs() < 1e-9);
    let single = past.slice(0, 1).unwrap();
    let none = predict(&single, &today, Prior { sd: 0.0, runs: 0.0 }).unwrap();
    assert_eq!(none.interval(ALPHA), Interval::NONE);
}

#[test]
fn only_the_latest_runs_count() {
    // Thirty runs are stored, the last twenty predict: older ones do not.
    let mut rows = vec![vec![9.0, 9.5]; 10];
    rows.extend(vec![vec![5.0, 5.5]; 20]);
    let found = predict(
        &Levels::new(rows).unwrap(),
        &Levels::new(vec![vec![5.0, 5.5]]).unwrap(),
        Prior::default(),
    )
    .unwrap();
    assert_eq!((found.past, found.estimate), (20, 0.0));
}

#[test]
fn a_prior_is_learned_from_enough_series() {
    // Twenty series are enough, nineteen or shorter ones are not; sampling is not counted as difference.
    let spread = |runs| Spread {
        runs,
        between: 0.0029,
        sampling: 0.0004,
    };
    assert_eq!(Prior::learned(&[spread(5); 19]), None);
    assert_eq!(Prior::learned(&[spread(4); 40]), None);
    let learned = Prior::learned(&[spread(5); 20]).unwrap();
    assert!((learned.sd - 0.05).abs() < 1e-12 && (learned.runs - 6.0).abs() < 1e-12);
    let calm = Spread {
        runs: 9,
        between: 0.0001,
        sampling: 0.0004,
    };
    assert_eq!(Prior::learned(&[calm; 20]).map(|prior| prior.sd), Some(0.0));
}

#[test]
fn flagged_runs_widen_the_interval_and_do_not_move_the_level() {
    // A false alarm that was not accepted is noise: it informs the spread between runs, not their level.
    let row = |mean: f64| (0..6).map(|prompt| mean + f64::from(prompt)).collect();
    let levels =
        |means: &[f64]| Levels::new(means.iter().map(|&mean| row(mean)).collect()).unwrap();
    let (past, today) = (levels(&[5.0, 5.02, 4.99, 5.01]), levels(&[5.1]));
    let prior = Prior::default();
    let alone = predict(&past, &today, prior).unwrap();
    let flagged = predict_with_flagged(&past, Some(&levels(&[5.3])), &today, prior).unwrap();
    assert_eq!((alone.past, flagged.past), (4, 4));
    assert!((alone.estimate - flagged.estimate).abs() < 1e-12);
    assert!(flagged.run_sd > 1.5 * alone.run_sd, "{alone:?} {flagged:?}");
    // So large a difference contradicts the prior, which loses weight.
    assert!(flagged.df < alone.df, "{alone:?} {flagged:?}");
    // A run like the others shows that they are alike.
    let quiet = predict_with_flagged(&past, Some(&levels(&[5.005])), &today, prior).unwrap();
    assert!(quiet.standard_error < alone.standard_error);
    let other = Levels::new(vec![vec![5.0; 7]]).unwrap();
    assert_eq!(
        predict_with_flagged(&past, Some(&other), &today, prior),
        None
    );
}

#[test]
fn runs_that_contradict_the_prior_are_believed() {
    // Runs that differ by 15 % are no noise of 4 %: the interval must become that of the runs alone.
    let row = |mean: f64| (0..6).map(|prompt| mean + f64::from(prompt)).collect();
    let means = [0.15, -0.2, 0.1, 0.05, -0.1, -0.15, 0.2, 0.0];
    let past = Levels::new(means.map(row).to_vec()).unwrap();
    let today = Levels::new(vec![row(0.4)]).unwrap();
    let found = predict(&past, &today, Prior::default()).unwrap();
    let between = variance(&means).unwrap();
    assert!((found.run_sd - between.sqrt()).abs() < 1e-3, "{found:?}");
    assert!((found.df - 7.0).abs() < 0.1, "{found:?}");
}

#[test]
fn a_departure_knows_its_sampling() {
    // One past run: the prior has six degrees of freedom, the remainder over prompts has many more.
    let row = |mean: f64, wave: f64| -> Vec<f64> {
        let level = |prompt: u32| mean + wave * f64::from(prompt % 3) - wave;
        (0..21).map(level).collect()
    };
    let (past, today) = (row(0.0, 0.0), row(0.2, 0.2));
    let (past, today) = (Levels::new(vec![past]), Levels::new(vec![today]));
    let (past, today) = (past.unwrap(), today.unwrap());
    let plain = predict(&past, &today, Prior::of_departure(2)).unwrap();
    let departure = predict_departure(&past, None, &today, 2).unwrap();
    assert_eq!(plain.run_sd.to_bits(), departure.run_sd.to_bits());
    assert!(
        (plain.df - 6.0).abs() < 1e-12 && departure.df > 9.0,
        "{departure:?}"
    );
    assert!((Prior::of_departure(1).sd - 0.04).abs() < 1e-12);
    assert!(Prior::of_departure(3).sd < Prior::of_departure(2).sd);
}

proptest! {
    // A slow hour that hits model and control alike leaves their difference alone.
    #[test]
    fn a_control_cancels_what_is_common(
        model in runs(4..5, 6),
        control in runs(4..5, 6),
        hours in prop::collection::vec(-1.0..1.0_f64, 4),
    ) {
        let slowed = |rows: &[Vec<f64>]| {
            let slow = |(row, hour): (&Vec<f64>, &f64)| row.iter().map(|l| l + hour).collect();
            Levels::new(rows.iter().zip(&hours).map(slow).collect()).unwrap()
        };
        let plain = Levels::new(model.clone()).unwrap().less(&Levels::new(control.clone()).unwrap());
        let other = slowed(&model).less(&slowed(&control));
        for (a, b) in plain.unwrap().means().iter().zip(other.unwrap().means()) {
            prop_assert!((a - b).abs() < 1e-12);
        }
    }

    // The order of past runs within the last twenty and of prompts does not matter; today's level does.
    #[test]
    fn order_is_irrelevant(past in runs(1..12, 7), today in runs(1..4, 7), rise in -1.0..1.0_f64) {
        let levels = |rows: &[Vec<f64>]| Levels::new(rows.to_vec()).unwrap();
        let turned = |rows: &[Vec<f64>]| {
            let rows = rows.iter().rev();
            Levels::new(rows.map(|row| row.iter().rev().copied().collect()).collect()).unwrap()
        };
        let prior = Prior::default();
        let there = predict(&levels(&past), &levels(&today), prior).unwrap();
        let back = predict(&turned(&past), &turned(&today), prior).unwrap();
        prop_assert!((there.estimate - back.estimate).abs() < 1e-12);
        prop_assert!((there.run_sd - back.run_sd).abs() < 1e-12);
        let risen: Vec<Vec<f64>> =
            today.iter().map(|row| row.iter().map(|level| level + rise).collect()).collect();
        let risen = predict(&levels(&past), &levels(&risen), prior).unwrap();
        prop_assert!((risen.estimate - there.estimate - rise).abs() < 1e-12);
        prop_assert!((risen.run_sd - there.run_sd).abs() < 1e-9);
        prop_assert!(risen.interval(ALPHA).lower.is_some());
    }

    // One wild value among ten moves a robust level less than the range of the others.
    #[test]
    fn levels_are_robust(mut logs in prop::collection::vec(-1.0..1.0_f64, 9..15), wild in -500.0..500.0_f64) {
        let plain = level(&logs).unwrap();
        logs.push(wild);
        prop_assert!((level(&logs).unwrap() - plain).abs() <= 2.0);
    }
}
