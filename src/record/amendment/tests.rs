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
        scores: BTreeMap::from([("right".to_owned(), 1.0)]),
        ..amendment(1)
    };
    let sample = amended([bill, score]);
    assert_eq!(sample.billed_usd, Some(Usd(5)));
    assert_eq!(sample.scores["right"].to_bits(), 1.0_f64.to_bits());
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

proptest! {
    // The last amendment of each fact wins, whatever came before and between.
    #[test]
    fn the_last_one_wins(amendments in prop::collection::vec(
        (prop::option::of(any::<i32>()), prop::option::of(any::<i32>()), prop::option::of(any::<i32>())),
        0..8,
    )) {
        let money = |amount: Option<i32>| amount.map(|pico| Usd(i128::from(pico)));
        let sample = amended(amendments.iter().map(|(billed, market, score)| Amendment {
            billed_usd: money(*billed),
            market_usd: money(*market),
            scores: score.iter().map(|score| ("s".to_owned(), f64::from(*score))).collect(),
            ..amendment(1)
        }));
        let last_billed = amendments.iter().rev().find_map(|(billed, ..)| *billed);
        let last_market = amendments.iter().rev().find_map(|(_, market, _)| *market);
        let last_score = amendments.iter().rev().find_map(|(.., score)| *score);
        prop_assert_eq!(sample.billed_usd, money(last_billed));
        prop_assert_eq!(sample.market_usd, money(last_market));
        prop_assert_eq!(sample.scores.get("s").copied(), last_score.map(f64::from));
    }
}
