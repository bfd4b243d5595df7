//! Invariants of every run, for any samples: tests on generated evidence.

use std::sync::Arc;

use proptest::prelude::*;

use crate::record::Outcome;
use crate::suite::{Bounds, Gate, Metric};
use crate::units::compact::OptionalSpan;
use crate::units::{Nanos, Usd};
use crate::verdict::evidence::{Evidence, PromptKey, VariantEvidence};
use crate::verdict::judgement::{Judgement, Reason, Verdict};
use crate::verdict::observation::Observation;
use crate::verdict::sequential::{InterimLooks, compare_sequential};

use super::tests::{answer, failure};
use super::{compare_interleaved, primary_verdicts};

/// Any sample: answers of every speed, price and kind, and failures.
fn any_observation(round: usize, slot: usize) -> impl Strategy<Value = Observation> {
    let time = prop_oneof![Just(0_u64), 1..5_000_000_000_u64, Just(u64::MAX / 2)];
    let cost = prop_oneof![
        Just(0_i128),
        1..1_000_000_i128,
        Just(i128::MAX),
        Just(-1_i128)
    ];
    let rate = prop_oneof![Just(0.0), 1e-300..1e300_f64, Just(f64::INFINITY)];
    let outcome = prop_oneof![
        8 => Just(Outcome::Complete),
        1 => Just(Outcome::ServerError),
        1 => Just(Outcome::TimedOutTotal),
        1 => Just(Outcome::RateLimited),
    ];
    let marks = (
        any::<[bool; 3]>(),
        proptest::option::of(any::<bool>()),
        proptest::option::of(0_u32..3),
    );
    (time, cost, rate, outcome, marks).prop_map(
        move |(ns, cost, rate, outcome, ([aside, retried, reasons], hit, provider))| {
            let mut one = answer(slot, round, ns);
            one.latency_ns = Some(Nanos(ns.saturating_add(1_000))).into();
            one.cost = Some(Usd(cost)).into();
            one.output_rate = Some(rate).into();
            one.output_tokens = Some(ns % 400).into();
            one.excluded = aside && ns % 7 == 0;
            one.retried = retried;
            if retried {
                one.set_retry_times(one.ttft_ns.get(), Some(Nanos(ns / 3)));
            }
            one.visible_reasoning = reasons && ns % 5 == 0;
            one.cache_hit = hit;
            one.provider = provider.into();
            one.passed = hit;
            if outcome.answered() {
                one
            } else {
                failure(one, outcome)
            }
        },
    )
}

fn any_evidence() -> impl Strategy<Value = Evidence> {
    (1_usize..4, 1_usize..10, 0_usize..4).prop_flat_map(|(variants, prompts, rounds)| {
        let of_prompt = move |prompt: usize| {
            let observed: Vec<_> = (1..=rounds)
                .map(|round| any_observation(round, (round - 1) * prompts + prompt))
                .collect();
            // Some are missing.
            (observed, any::<u64>()).prop_map(|(mut observed, random)| {
                if random % 9 == 0 {
                    observed.pop();
                }
                observed
            })
        };
        let of_variant = move || (0..prompts).map(of_prompt).collect::<Vec<_>>();
        let all: Vec<_> = (0..variants).map(|_| of_variant()).collect();
        (
            all,
            proptest::collection::vec(0.1_f64..10.0, prompts),
            any::<bool>(),
        )
            .prop_map(|(all, weights, weighted)| evidence(all, &weights, weighted))
    })
}

fn evidence(all: Vec<Vec<Vec<Observation>>>, weights: &[f64], weighted: bool) -> Evidence {
    let label = |variant: usize| format!("v{variant}");
    Evidence {
        prompts: weights
            .iter()
            .enumerate()
            .map(|(prompt, &weight)| PromptKey {
                id: format!("p{prompt}").into(),
                digest: Arc::default(),
                weight: if weighted { weight } else { 1.0 },
            })
            .collect(),
        variants: all
            .into_iter()
            .enumerate()
            .map(|(variant, prompts)| VariantEvidence {
                label: label(variant),
                model: format!("made/{}", label(variant)).parse().unwrap(),
                prompts,
            })
            .collect(),
        sharing: Vec::new(),
        part_starts: Vec::new(),
        providers: vec!["x".to_owned(), "y".to_owned(), "z".to_owned()],
        limited: Vec::new(),
    }
}

/// Two variants with times around a second, `ratio` apart, without failures or flags.
fn plain_pair() -> impl Strategy<Value = Evidence> {
    (6_usize..14, 2_usize..6, 0.5_f64..2.0).prop_flat_map(|(prompts, repetitions, ratio)| {
        let noise = proptest::collection::vec(0.5_f64..1.5, 2 * prompts * repetitions);
        noise.prop_map(move |noise| {
            let value = |variant: usize, prompt: usize, repetition: usize| {
                let by = if variant == 1 { ratio } else { 1.0 };
                let level = 1e9 * by * (1.0 + prompt as f64 / 5.0);
                level * noise[(prompt * repetitions + repetition) * 2 + variant]
            };
            let all = (0..2).map(|variant| {
                let of_prompt = |prompt| {
                    let one = |repetition| {
                        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                        // Far below 2^53.
                        let ns = value(variant, prompt, repetition) as u64;
                        let mut one = answer(repetition * prompts + prompt, repetition + 1, ns);
                        one.cost = Some(Usd(i128::from(ns))).into();
                        one.passed = Some(!ns.is_multiple_of(3));
                        one
                    };
                    (0..repetitions).map(one).collect()
                };
                (0..prompts).map(of_prompt).collect()
            });
            evidence(all.collect(), &vec![1.0; prompts], false)
        })
    })
}

fn gate(tolerance: f64, primary: &[Metric]) -> Gate {
    let bounds = Bounds {
        tolerance,
        margin: tolerance.max(0.2),
        floor_ns: None,
    };
    Gate {
        primary: primary.to_vec(),
        bounds: Metric::ALL.map(|metric| (metric, bounds)).to_vec(),
        ..Gate::default()
    }
}

fn verdicts(judgement: &Judgement) -> Vec<(String, Metric, Verdict)> {
    let all = judgement.comparisons.iter();
    all.map(|one| (one.candidate.clone(), one.metric, one.verdict))
        .collect()
}

fn check_consistency(judgement: &Judgement) -> Result<(), TestCaseError> {
    for one in &judgement.comparisons {
        let withhold_reasons = one.verdict == Verdict::Inconclusive;
        prop_assert!(!withhold_reasons || !one.reasons.is_empty(), "{:?}", one);
        prop_assert!(withhold_reasons || one.tests.is_some(), "{:?}", one);
        if let Some(effect) = one.effect {
            prop_assert!(effect.estimate.is_finite(), "{:?}", one);
            let ends = [effect.interval.lower, effect.interval.upper];
            prop_assert!(
                ends.iter().flatten().all(|end| end.is_finite()),
                "{:?}",
                one
            );
        }
        if let Some(tests) = one.tests {
            let p = [tests.worse, tests.better, tests.within_margin];
            prop_assert!(p.iter().all(|p| (0.0..=1.0).contains(p)), "{:?}", one);
        }
        prop_assert!(one.per_prompt.iter().all(|(_, effect)| effect.is_finite()));
        prop_assert!(one.detectable_change.is_none_or(f64::is_finite));
        if one.verdict == Verdict::Inconclusive && one.reasons.contains(&Reason::NotMeasured) {
            prop_assert_eq!(one.tests, None);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    // For any samples there is a consistent judgement: it never panics, an inconclusive verdict has its reason,
    // every number is finite; twice the same; and the fast path has the same verdicts.
    #[test]
    fn any_evidence_is_judged(evidence in any_evidence(), tolerance in 0.0_f64..0.3, done in 0_u32..5) {
        let all = [Metric::Ttft, Metric::Cost, Metric::Completed, Metric::PassRate, Metric::TtftTail];
        let gate = gate(tolerance, &all);
        let judgement = compare_interleaved(&evidence, "v0", &gate);
        check_consistency(&judgement)?;
        prop_assert_eq!(&compare_interleaved(&evidence, "v0", &gate), &judgement);
        let primary: Vec<_> = judgement.comparisons.iter().filter(|one| one.primary).cloned().collect();
        let primary = Judgement { comparisons: primary, ..judgement };
        prop_assert_eq!(verdicts(&primary), primary_verdicts(&evidence, "v0", &gate));
        let looks = InterimLooks::from_rounds(&[2, 4], 4, evidence.variants.len(), &gate).unwrap();
        check_consistency(&compare_sequential(&evidence, "v0", &gate, &looks, done))?;
    }

    // With sides exchanged, regressed becomes improved and nothing else changes.
    #[test]
    fn exchanging_the_sides_exchanges_the_verdicts(evidence in plain_pair()) {
        let gate = gate(0.0, &[Metric::Ttft, Metric::Cost, Metric::PassRate]);
        let there = compare_interleaved(&evidence, "v0", &gate);
        let back = compare_interleaved(&evidence, "v1", &gate);
        for (one, other) in there.comparisons.iter().zip(&back.comparisons) {
            prop_assert_eq!(one.metric, other.metric);
            for (word, mirrored) in [
                (Verdict::Regressed, Verdict::Improved),
                (Verdict::Improved, Verdict::Regressed),
            ] {
                prop_assert_eq!(one.verdict == word, other.verdict == mirrored, "{:?}", one.metric);
            }
        }
    }

    // Neither the order of samples and prompts nor the unit of time matters.
    #[test]
    fn order_and_unit_change_nothing(evidence in plain_pair(), seed in any::<u64>()) {
        let gate = gate(0.05, &[Metric::Ttft, Metric::Cost, Metric::PassRate]);
        let plain = verdicts(&compare_interleaved(&evidence, "v0", &gate));
        let mut other = evidence.clone();
        for variant in &mut other.variants {
            variant.prompts.reverse();
            for observations in &mut variant.prompts {
                observations.sort_by_key(|one| one.sent_ns.0.wrapping_mul(seed | 1));
                for one in observations {
                    let longer = |span: OptionalSpan| span.get().map(|span| Nanos(span.0 * 1_000));
                    one.ttft_ns = longer(one.ttft_ns).into();
                    one.ttfa_ns = longer(one.ttfa_ns).into();
                    one.latency_ns = longer(one.latency_ns).into();
                    one.mean_gap_ns = longer(one.mean_gap_ns).into();
                }
            }
        }
        other.prompts.reverse();
        prop_assert_eq!(verdicts(&compare_interleaved(&other, "v0", &gate)), plain);
    }

    // A larger tolerance finds no regression that a smaller one does not. (Of money and shares; t of ranks may
    // cross a level twice where values are few.)
    #[test]
    fn tolerance_only_forgives(evidence in plain_pair(), low in 0.0_f64..0.3, more in 0.0_f64..0.3) {
        for metric in [Metric::Cost, Metric::PassRate] {
            let regressed = |tolerance| {
                let judgement = compare_interleaved(&evidence, "v0", &gate(tolerance, &[metric]));
                let mut all = judgement.comparisons.into_iter();
                all.find(|one| one.metric == metric).unwrap().verdict == Verdict::Regressed
            };
            prop_assert!(!regressed(low + more) || regressed(low));
        }
    }
}
