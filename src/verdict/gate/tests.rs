//! Tests of limits and of the result of a gate.

use proptest::prelude::*;

use crate::record::{Grade, Manifest, Outcome, Sample};
use crate::stats::interval::Interval;
use crate::stats::quantile::Percentile;
use crate::suite::{Bounds, Metric, Quantity};
use crate::units::{Nanos, Usd};
use crate::verdict::fixture::{answered, failed, flagged, manifest};
use crate::verdict::{
    ComparisonDesign, EffectByPrompt, EvidenceFold, Procedure, Reason, SampleSize,
};

use super::*;

fn evidence(run: &Manifest, samples: &[Sample]) -> Evidence {
    let mut fold = EvidenceFold::new(run);
    for sample in samples {
        fold.add(sample);
    }
    fold.snapshot()
}

/// Checks one limit on the only variant of a run.
fn check(run: &Manifest, samples: &[Sample], quantity: Quantity, bound: LimitBound) -> LimitCheck {
    let gate = Gate {
        limits: vec![GateLimit {
            quantity,
            bound,
            per_prompt: false,
            abort: false,
        }],
        ..Gate::default()
    };
    let mut checks = check_limits(&evidence(run, samples), &gate);
    assert_eq!(checks.len(), 1);
    checks.remove(0)
}

const fn ttft(percent: u8) -> Quantity {
    Quantity::Time {
        metric: Metric::Ttft,
        percent,
    }
}

const fn ms(millis: u64) -> LimitBound {
    LimitBound::Time(Nanos::from_millis(millis))
}

/// Ten prompts, four repetitions, TTFTs of 101 to 140 ms.
fn forty() -> (Manifest, Vec<Sample>) {
    let prompts = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    let run = manifest(&["m/x"], &prompts, 4);
    let samples = (0..40).map(|t| answered(&run, t, 101 + t)).collect();
    (run, samples)
}

fn timed_out(sample: &Sample, after_ms: u64) -> Sample {
    let mut sample = failed(sample.clone(), Outcome::TimedOutHeaders, 200, "too late");
    sample.latency_ns = Some(Nanos::from_millis(after_ms));
    sample
}

#[test]
fn percentiles_are_bounded_by_their_order_statistics() {
    // Of 40 values the interval of the median are the 14th and the 27th: 114 and 127 ms.
    let (run, samples) = forty();
    let at = |bound| check(&run, &samples, ttft(50), ms(bound));
    let checked = at(127);
    assert_eq!((checked.n, checked.status), (40, LimitStatus::Within));
    assert_eq!(checked.interval, Interval::new(114e6, 127e6));
    assert!((checked.estimate.unwrap() - 120.5e6).abs() < 1.0);
    assert_eq!(at(126).status, LimitStatus::Inconclusive);
    assert_eq!(at(114).status, LimitStatus::Inconclusive);
    assert_eq!(at(113).status, LimitStatus::Exceeded);
}

#[test]
fn a_percentile_without_an_upper_end_can_be_exceeded_but_not_met() {
    // 40 values do not bound the 99th percentile from above, but from below.
    let (run, samples) = forty();
    let far = check(&run, &samples, ttft(99), ms(60_000));
    assert_eq!(
        (far.estimate, far.interval.upper, far.status),
        (None, None, LimitStatus::Inconclusive)
    );
    assert_eq!(
        check(&run, &samples, ttft(99), ms(110)).status,
        LimitStatus::Exceeded
    );
}

#[test]
fn deadlines_that_passed_are_no_short_times() {
    // A percentile on a time-out has no estimate and no upper end; a lower one keeps its own.
    let (run, mut samples) = forty();
    for sample in samples.iter_mut().skip(28) {
        *sample = timed_out(sample, 150);
    }
    let median = check(&run, &samples, ttft(50), ms(127));
    assert_eq!((median.n, median.status), (40, LimitStatus::Within));
    let third = check(&run, &samples, ttft(75), ms(60_000));
    assert_eq!(
        (third.estimate, third.interval.upper, third.status),
        (None, None, LimitStatus::Inconclusive)
    );
    // It is no lower than the deadline.
    assert_eq!(
        check(&run, &samples, ttft(90), ms(149)).status,
        LimitStatus::Exceeded
    );
}

#[test]
fn answers_left_after_failures_meet_no_limit() {
    // A variant of which every fifth trial fails is not fast because the others are.
    let (run, mut samples) = forty();
    for sample in samples.iter_mut().step_by(5) {
        *sample = failed(sample.clone(), Outcome::ServerError, 500, "gone");
    }
    let checked = check(&run, &samples, ttft(50), ms(60_000));
    assert_eq!((checked.n, checked.status), (32, LimitStatus::Inconclusive));
    // Rate limits are no failures of the variant.
    for sample in samples.iter_mut().step_by(5) {
        sample.outcome = Outcome::RateLimited;
    }
    assert_eq!(
        check(&run, &samples, ttft(50), ms(60_000)).status,
        LimitStatus::Within
    );
    let errors = check(&run, &samples, Quantity::ErrorRate, LimitBound::Share(0.02));
    assert_eq!((errors.n, errors.estimate), (32, Some(0.0)));
}

#[test]
fn excluded_samples_are_in_no_ttft_limit() {
    // A cold connection's TTFT is not the model's; its latency counts as everywhere.
    let (run, mut samples) = forty();
    for sample in samples.iter_mut().take(10) {
        *sample = flagged(sample.clone(), crate::record::Flag::Cold);
    }
    assert_eq!(check(&run, &samples, ttft(50), ms(200)).n, 30);
    let latency = Quantity::Time {
        metric: Metric::Latency,
        percent: 50,
    };
    assert_eq!(check(&run, &samples, latency, ms(300)).n, 40);
}

#[test]
fn a_share_within_a_time_counts_failures() {
    // An SLO is about requests, and one that failed was not answered in time.
    let (run, mut samples) = forty();
    let within = |samples: &[Sample], millis, share| {
        let quantity = Quantity::Within {
            metric: Metric::Ttft,
            time: Nanos::from_millis(millis),
        };
        check(&run, samples, quantity, LimitBound::Share(share))
    };
    let half = within(&samples, 120, 0.9);
    assert_eq!((half.n, half.estimate), (40, Some(0.5)));
    assert_eq!(half.status, LimitStatus::Exceeded);
    let all = within(&samples, 200, 0.5);
    assert_eq!((all.estimate, all.status), (Some(1.0), LimitStatus::Within));
    samples[0] = failed(samples[0].clone(), Outcome::ServerError, 500, "gone");
    samples[1] = flagged(samples[1].clone(), crate::record::Flag::Cold);
    let fewer = within(&samples, 200, 0.5);
    assert_eq!((fewer.n, fewer.estimate), (39, Some(38.0 / 39.0)));
}

#[test]
fn shares_are_bounded_with_prompts_as_clusters() {
    // No error in 40 trials on 10 prompts counts as 10 answers at most: 2 % cannot be shown.
    let (run, mut samples) = forty();
    let errors = |samples: &[Sample], share| {
        check(&run, samples, Quantity::ErrorRate, LimitBound::Share(share))
    };
    let none = errors(&samples, 0.02);
    assert_eq!(
        (none.estimate, none.status),
        (Some(0.0), LimitStatus::Inconclusive)
    );
    assert!(none.interval.upper.unwrap() > 0.2, "{none:?}");
    assert_eq!(errors(&samples, 0.4).status, LimitStatus::Within);
    for sample in samples.iter_mut().skip(4) {
        *sample = failed(sample.clone(), Outcome::ServerError, 500, "gone");
    }
    assert_eq!(errors(&samples, 0.4).status, LimitStatus::Exceeded);
    // No sample was graded: inconclusive, in either direction.
    let graded = check(&run, &samples, Quantity::PassRate, LimitBound::Share(0.5));
    assert_eq!((graded.n, graded.status), (0, LimitStatus::Inconclusive));
    let (run, mut samples) = forty();
    for sample in &mut samples {
        sample.grades = vec![Grade::new("right", 1.0, true)];
    }
    let passes = |samples: &[Sample]| {
        let graded = check(&run, samples, Quantity::PassRate, LimitBound::Share(0.5));
        (graded.n, graded.status)
    };
    assert_eq!(passes(&samples), (40, LimitStatus::Within));
    // A trial that failed is an error, and no wrong answer.
    samples[0] = failed(samples[0].clone(), Outcome::ServerError, 500, "gone");
    assert_eq!(passes(&samples), (39, LimitStatus::Within));
}

#[test]
fn costs_are_bounded_in_dollars() {
    // Every request costs $0.0005: a mean without spread is its own interval. Unknown is not 0.
    let (run, mut samples) = forty();
    let held = |samples: &[Sample], pico| {
        let bound = LimitBound::Usd(Usd(pico));
        check(&run, samples, Quantity::CostPerRequest, bound)
    };
    assert_eq!(held(&samples, 500_000_000).status, LimitStatus::Within);
    assert_eq!(held(&samples, 499_999_000).status, LimitStatus::Exceeded);
    for sample in &mut samples {
        (sample.cost_usd, sample.market_usd) = (None, None);
    }
    let unknown = held(&samples, 500_000_000);
    assert_eq!((unknown.n, unknown.status), (0, LimitStatus::Inconclusive));
}

fn comparison(verdict: Verdict, primary: bool, reasons: Vec<Reason>) -> Comparison {
    Comparison {
        candidate: "b".to_owned(),
        reference: "a".to_owned(),
        metric: Metric::Ttft,
        primary,
        procedure: Procedure::AlignedRanks,
        bounds: Bounds::default_of(Metric::Ttft),
        effect: None,
        size: SampleSize::default(),
        tests: None,
        verdict,
        reasons,
        detectable_change: None,
        required_size: None,
        per_prompt: EffectByPrompt::default(),
        influence: None,
        routes: Vec::new(),
    }
}

/// Returns the gate status of these comparisons, and of limits with these statuses.
fn status_of(
    comparisons: Vec<Comparison>,
    holds: &[LimitStatus],
    on_inconclusive: OnInconclusive,
) -> GateStatus {
    let judgement = Judgement::new(ComparisonDesign::Interleaved, comparisons, Vec::new());
    let checks: Vec<LimitCheck> = holds
        .iter()
        .map(|&holds| LimitCheck {
            prompt: None,
            variant: "b".to_owned(),
            quantity: Quantity::ErrorRate,
            bound: 0.1,
            estimate: None,
            interval: Interval::NONE,
            n: 0,
            status: holds,
        })
        .collect();
    let gate = Gate {
        on_inconclusive,
        ..Gate::default()
    };
    gate_status(&[&judgement], &checks, &gate)
}

#[test]
fn the_gate_reports_the_worst_of_what_counts() {
    // Exploratory metrics fail nothing; an inconclusive result passes only if the suite allows it.
    use Verdict::{Improved, Inconclusive, Ok, Regressed};
    let wide = || vec![Reason::TooWide];
    let (warn, pass) = (OnInconclusive::Warn, OnInconclusive::Pass);
    for (comparisons, holds, on_inconclusive, expected) in [
        (vec![], vec![], warn, GateStatus::Passed),
        (
            vec![comparison(Ok, true, vec![])],
            vec![],
            warn,
            GateStatus::Passed,
        ),
        (
            vec![comparison(Improved, true, vec![])],
            vec![LimitStatus::Within],
            warn,
            GateStatus::Passed,
        ),
        (
            vec![comparison(Regressed, true, vec![])],
            vec![],
            pass,
            GateStatus::Failed,
        ),
        (
            vec![comparison(Regressed, false, vec![])],
            vec![],
            warn,
            GateStatus::Passed,
        ),
        (
            vec![comparison(Inconclusive, false, wide())],
            vec![],
            warn,
            GateStatus::Passed,
        ),
        (
            vec![comparison(Inconclusive, true, wide())],
            vec![],
            warn,
            GateStatus::Inconclusive,
        ),
        (
            vec![comparison(Inconclusive, true, wide())],
            vec![],
            OnInconclusive::Fail,
            GateStatus::Inconclusive,
        ),
        (
            vec![comparison(Inconclusive, true, wide())],
            vec![LimitStatus::Exceeded],
            warn,
            GateStatus::Failed,
        ),
        (
            vec![comparison(Inconclusive, true, wide())],
            vec![],
            pass,
            GateStatus::Passed,
        ),
        (
            vec![comparison(Inconclusive, true, vec![Reason::NoHistory])],
            vec![],
            OnInconclusive::Fail,
            GateStatus::Inconclusive,
        ),
        (
            vec![comparison(Ok, true, vec![])],
            vec![LimitStatus::Within, LimitStatus::Inconclusive],
            warn,
            GateStatus::Inconclusive,
        ),
        (
            vec![],
            vec![LimitStatus::Inconclusive],
            pass,
            GateStatus::Passed,
        ),
        (
            vec![],
            vec![
                LimitStatus::Inconclusive,
                LimitStatus::Exceeded,
                LimitStatus::Within,
            ],
            pass,
            GateStatus::Failed,
        ),
    ] {
        let case = format!("{comparisons:?} {holds:?} {on_inconclusive:?}");
        assert_eq!(
            status_of(comparisons, &holds, on_inconclusive),
            expected,
            "{case}"
        );
    }
}

/// One variant on eight prompts, each trial answered after some time, timed out or failed.
fn trials() -> impl Strategy<Value = (Manifest, Vec<Sample>)> {
    prop::collection::vec((0_u8..8, 2_u64..2_000), 8..120).prop_map(|trials| {
        let prompts = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let run = manifest(&["m/x"], &prompts, 15);
        let samples = (0..).zip(trials).map(|(trial, (kind, ttft_ms))| {
            let mut sample = answered(&run, trial, ttft_ms);
            sample.cost_usd = Some(Usd(i128::from(ttft_ms) * 1_000));
            match kind {
                0 => timed_out(&sample, ttft_ms),
                1 => failed(sample, Outcome::ServerError, 500, "gone"),
                _ => sample,
            }
        });
        let samples = samples.collect();
        (run, samples)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    // A limit within a bound is within every wider one, and an exceeded one is exceeded for every narrower one.
    #[test]
    fn wider_bounds_include_narrower_ones(
        (run, samples) in trials(), first in 1_u64..2_500, more in 0_u64..2_500, percent in 0_usize..5,
    ) {
        let percent = u8::try_from(Percentile::ALL[percent].percent()).unwrap();
        let share = |of: u64| LimitBound::Share(of as f64 / 5_001.0);
        let usd = |of: u64| LimitBound::Usd(Usd(i128::from(of) * 1_000));
        for (quantity, bound) in [
            (ttft(percent), &ms as &dyn Fn(u64) -> LimitBound),
            (Quantity::ErrorRate, &share),
            (Quantity::CostPerRequest, &usd),
        ] {
            let narrow = check(&run, &samples, quantity, bound(first)).status;
            let wide = check(&run, &samples, quantity, bound(first + more)).status;
            prop_assert!(narrow != LimitStatus::Within || wide == LimitStatus::Within, "{quantity:?}");
            prop_assert!(wide != LimitStatus::Exceeded || narrow == LimitStatus::Exceeded, "{quantity:?}");
        }
    }

    // A trial without an answer in place of an answered one makes no exceeded limit pass, and a deadline later
    // than the answer repairs none.
    #[test]
    fn time_outs_meet_no_limit(
        (run, samples) in trials(), which in any::<prop::sample::Index>(), bound in 1_u64..2_500,
    ) {
        let which = which.index(samples.len());
        prop_assume!(samples[which].outcome != Outcome::ServerError);
        let before = check(&run, &samples, ttft(75), ms(bound)).status;
        let mut worse = samples.clone();
        let known = worse[which].latency_ns.unwrap_or_default();
        worse[which] = timed_out(&worse[which], known.0 / 1_000_000 + 1);
        let after = check(&run, &worse, ttft(75), ms(bound)).status;
        prop_assert!(after != LimitStatus::Within || before == LimitStatus::Within);
        prop_assert!(before != LimitStatus::Exceeded || after == LimitStatus::Exceeded);
    }

    // The order in which samples are stored changes no limit.
    #[test]
    fn order_changes_no_limit((run, samples) in trials(), bound in 1_u64..2_500) {
        let reversed: Vec<Sample> = samples.iter().rev().cloned().collect();
        for quantity in [ttft(50), ttft(95)] {
            prop_assert_eq!(
                check(&run, &samples, quantity, ms(bound)),
                check(&run, &reversed, quantity, ms(bound))
            );
        }
    }
}
