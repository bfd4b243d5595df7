//! Tests of a suite's power and of the lints that follow from it.

use proptest::prelude::*;

use crate::stats::size::Noise;
use crate::suite::{Bounds, Gate, GateLimit, LimitBound, OnInconclusive};
use crate::units::Nanos;
use crate::verdict::fixture::manifest;
use crate::verdict::power::{Power, TYPICAL_NOISE, power};

use super::*;

const P99: Quantity = Quantity::Time {
    metric: Metric::Ttft,
    percent: 99,
};

/// A suite of two variants with a gate of TTFT alone.
fn suite(prompts: usize, repetitions: u32) -> Suite {
    let ids: Vec<String> = (0..prompts).map(|index| format!("p{index}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut suite = manifest(&["a/x", "b/y"], &ids, repetitions).suite;
    suite.gate = Some(Gate {
        primary: vec![Metric::Ttft],
        ..Gate::default()
    });
    suite
}

fn gate_of(suite: &mut Suite) -> &mut Gate {
    suite.gate.as_mut().unwrap()
}

fn lints(suite: &Suite) -> Vec<GateLint> {
    lints_of(suite, &power(suite, TYPICAL_NOISE))
}

fn lints_of(suite: &Suite, power: &Power) -> Vec<GateLint> {
    gate::lint_gate(suite, power)
}

#[test]
fn known_figures_are_reproduced() {
    // 20 x 10 at typical noise: +20 % is found in 8 of 10 runs at tolerance 0, and an unchanged run is `ok`
    // within 20 % as often; at the default tolerance about +27 % is needed.
    let mut plain = suite(20, 10);
    let found = power(&plain, TYPICAL_NOISE).interleaved.unwrap();
    let (ttft, ok) = (found.ttft.unwrap(), found.ttft_ok.unwrap());
    assert!((0.23..0.29).contains(&ttft), "{ttft}");
    assert!((0.76..0.88).contains(&ok), "{ok}");
    gate_of(&mut plain).bounds = vec![(
        Metric::Ttft,
        Bounds {
            tolerance: 0.0,
            ..Bounds::default_of(Metric::Ttft)
        },
    )];
    let strict = power(&plain, TYPICAL_NOISE)
        .interleaved
        .unwrap()
        .ttft
        .unwrap();
    assert!((0.17..0.21).contains(&strict), "{strict}");
    // Against ten runs no number of requests finds a change as small as the differences between runs.
    let against = power(&suite(20, 1000), TYPICAL_NOISE)
        .against_history
        .unwrap();
    assert!((0.15..0.22).contains(&against), "{against}");
    assert_eq!(lints(&plain), []);
}

fn plain_limit(quantity: Quantity, bound: LimitBound) -> GateLimit {
    GateLimit {
        quantity,
        bound,
        per_prompt: false,
        abort: false,
    }
}

#[test]
fn each_gate_that_cannot_work_has_a_lint() {
    // The table of warnings: one suite each, with one change.
    let changed = |change: &dyn Fn(&mut Suite)| {
        let mut suite = suite(20, 10);
        change(&mut suite);
        lints(&suite)
    };
    let limited = |quantity, bound| {
        changed(&|suite| {
            gate_of(suite).limits = vec![plain_limit(quantity, bound)];
        })
    };
    let second = LimitBound::Time(Nanos::from_millis(1_000));
    assert_eq!(changed(&|_| ()), []);
    assert_eq!(
        changed(&|suite| suite.prompts.truncate(5)),
        [GateLint::FewPrompts {
            worth: 5,
            prompts: 5
        }]
    );
    assert_eq!(
        changed(&|suite| suite.prompts[0].weight = 1_000.0),
        [GateLint::FewPrompts {
            worth: 1,
            prompts: 20
        }]
    );
    assert_eq!(
        changed(&|suite| suite.stream = false),
        [GateLint::NotStreamed(Metric::Ttft)]
    );
    assert_eq!(
        changed(&|suite| gate_of(suite).primary.push(Metric::PassRate)),
        [GateLint::NotGraded]
    );
    assert_eq!(
        changed(&|suite| {
            suite.variants.truncate(1);
            gate_of(suite).against_reference = true;
        }),
        [GateLint::NoCandidate]
    );
    assert_eq!(
        limited(P99, second),
        [GateLint::NoUpperEnd {
            per_prompt: false,
            quantity: P99,
            answers: 200,
            needs: 368,
            can_fail: true,
        }]
    );
    let median = Quantity::Time {
        metric: Metric::Latency,
        percent: 50,
    };
    let five = changed(&|suite| {
        suite.prompts.truncate(5);
        suite.repetitions = 1;
        let quantity = median;
        gate_of(suite).limits = vec![plain_limit(quantity, second)];
    });
    assert!(
        matches!(
            five[..],
            [
                _,
                GateLint::NoUpperEnd {
                    can_fail: false,
                    ..
                }
            ]
        ),
        "{five:?}"
    );
    let p95 = Quantity::Time {
        metric: Metric::Latency,
        percent: 95,
    };
    assert_eq!(limited(p95, second), []);
    let found = limited(Quantity::ErrorRate, LimitBound::Share(0.02));
    let [
        GateLint::ErrorRateTooFine {
            reached,
            needs: Some(needed),
            per_prompt: false,
            ..
        },
    ] = found[..]
    else {
        panic!("{found:?}")
    };
    assert!(
        (0.15..0.2).contains(&reached) && (180..220).contains(&needed),
        "{found:?}"
    );
    assert_eq!(limited(Quantity::ErrorRate, LimitBound::Share(0.2)), []);
}

#[test]
fn flapping_gates_have_a_lint() {
    // A margin of 10 % cannot be confirmed with 200 requests: unchanged runs are `ok` in a third.
    let mut narrow = suite(20, 10);
    let margin = |suite: &mut Suite, margin| {
        let bounds = Bounds {
            margin,
            ..Bounds::default_of(Metric::Ttft)
        };
        gate_of(suite).bounds = vec![(Metric::Ttft, bounds)];
    };
    margin(&mut narrow, 0.1);
    let [
        GateLint::Flaps {
            metric: Metric::Ttft,
            ok,
            fails: false,
            ..
        },
    ] = lints(&narrow)[..]
    else {
        panic!("{:?}", lints(&narrow))
    };
    assert!((0.25..0.42).contains(&ok), "{ok}");
    gate_of(&mut narrow).on_inconclusive = OnInconclusive::Fail;
    assert!(matches!(
        lints(&narrow)[..],
        [GateLint::Flaps { fails: true, .. }]
    ));
    margin(&mut narrow, 0.3);
    assert_eq!(lints(&narrow), []);
    // Few samples at an alpha that many comparisons share find nothing.
    let mut low_n = suite(6, 1);
    gate_of(&mut low_n).primary = vec![Metric::Ttft, Metric::Cost, Metric::Completed];
    gate_of(&mut low_n).alpha = 0.001;
    assert!(matches!(
        lints(&low_n)[..],
        [
            GateLint::FindsTooLittle { comparisons: 3, .. },
            GateLint::Flaps { .. }
        ]
    ));
}

#[test]
fn suites_without_a_gate_have_only_general_lints() {
    // Without a gate there are no warnings about gates.
    let mut free = suite(6, 1);
    free.gate = None;
    assert_eq!(lints(&free), []);
    free.prompts.truncate(5);
    assert!(matches!(lints(&free)[..], [GateLint::FewPrompts { .. }]));
    assert_eq!(power(&free, TYPICAL_NOISE).interleaved, None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    // More prompts or repetitions find smaller changes, and add no warning.
    #[test]
    fn more_finds_more(
        prompts in 6_usize..60, repetitions in 1_u32..20, within in 0.1_f64..1.0, error in 0.005_f64..0.5,
    ) {
        let noise = Noise { within, between: 0.1 };
        let at = |prompts, repetitions| {
            let mut suite = suite(prompts, repetitions);
            gate_of(&mut suite).limits = vec![
                plain_limit(P99, LimitBound::Time(Nanos(1))),
                plain_limit(Quantity::ErrorRate, LimitBound::Share(error)),
            ];
            let power = power(&suite, noise);
            let lints = lints_of(&suite, &power).len();
            (power, lints)
        };
        let (small, small_lints) = at(prompts, repetitions);
        for (large, large_lints) in [at(prompts + 1, repetitions), at(prompts, repetitions + 1)] {
            let (few, many) = (small.interleaved.as_ref().unwrap(), large.interleaved.as_ref().unwrap());
            prop_assert!(many.ttft.unwrap() <= few.ttft.unwrap());
            prop_assert!(many.ttft_ok.unwrap() >= few.ttft_ok.unwrap());
            prop_assert!(many.completed <= few.completed);
            prop_assert!(large.against_history.unwrap() <= small.against_history.unwrap());
            if repetitions > 1 {
                // A second repetition of the same prompts makes an error rate a matter of prompts.
                prop_assert!(large_lints <= small_lints);
            }
        }
    }
}
