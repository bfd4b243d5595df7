use proptest::prelude::*;

use super::*;
use crate::record::example::plain_sample;

fn amendment(trial: u64) -> Amendment {
    Amendment {
        version: Amendment::VERSION,
        trial,
        ..Amendment::default()
    }
}

fn amended(all: impl IntoIterator<Item = Amendment>) -> Sample {
    let mut amendments = Amendments::default();
    all.into_iter().for_each(|later| amendments.add(later));
    let mut sample = plain_sample(1);
    amendments.apply(&mut sample);
    sample
}

#[test]
fn a_later_amendment_takes_nothing_away() {
    // A bill that was looked up stays when only a score is learned afterwards.
    let bill = Amendment {
        billed_usd: Some(Usd(5)),
        ..amendment(1)
    };
    let score = Amendment {
        grades: vec![Grade::new("right", 1.0, true)],
        ..amendment(1)
    };
    let sample = amended([bill, score]);
    assert_eq!(sample.billed_usd, Some(Usd(5)));
    assert_eq!(sample.passed(), Some(true));
}

#[test]
fn other_trials_are_left_alone() {
    // An amendment is of one trial.
    let bill = Amendment {
        billed_usd: Some(Usd(5)),
        ..amendment(2)
    };
    assert_eq!(amended([bill]), plain_sample(1));
}

#[test]
fn grading_anew_removes_the_checks_of_the_suite_alone() {
    // A check that the suite no longer has must not decide; a grade by people took long, and stays.
    let human = Grade {
        external: true,
        ..Grade::new("human", 1.0, true)
    };
    let first = Amendment {
        grades: vec![Grade::new("gone", 0.0, false), human.clone()],
        pass_threshold: Some(0.9),
        ..amendment(1)
    };
    let second = Amendment {
        grades: vec![Grade::new("new", 1.0, true)],
        regraded: true,
        ..amendment(1)
    };
    let expected = vec![human, Grade::new("new", 1.0, true)];
    let sample = amended([first.clone(), second.clone()]);
    assert_eq!((&sample.grades, sample.pass_threshold), (&expected, None));
    // The same where the first grades stand in the sample itself.
    let mut sample = amended([first]);
    let mut later = Amendments::default();
    later.add(second);
    later.apply(&mut sample);
    assert_eq!((&sample.grades, sample.pass_threshold), (&expected, None));
}

proptest! {
    // The last amendment of each fact wins, whatever came before and between.
    #[test]
    fn the_last_one_wins(amendments in prop::collection::vec(
        (prop::option::of(any::<i32>()), prop::option::of(any::<i32>()), prop::option::of(0..2_u8)),
        0..8,
    )) {
        let money = |amount: Option<i32>| amount.map(|pico| Usd(i128::from(pico)));
        let sample = amended(amendments.iter().map(|(billed, market, score)| Amendment {
            billed_usd: money(*billed),
            market_usd: money(*market),
            grades: score.iter().map(|score| Grade::new("s", f64::from(*score), true)).collect(),
            ..amendment(1)
        }));
        let last_billed = amendments.iter().rev().find_map(|(billed, ..)| *billed);
        let last_market = amendments.iter().rev().find_map(|(_, market, _)| *market);
        let last_score = amendments.iter().rev().find_map(|(.., score)| *score);
        prop_assert_eq!(sample.billed_usd, money(last_billed));
        prop_assert_eq!(sample.market_usd, money(last_market));
        let score = sample.grades.first().map(|grade| grade.score);
        prop_assert_eq!(score, last_score.map(f64::from));
    }
}
