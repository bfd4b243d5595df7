//! Tests of the verdicts of one run.

use crate::record::Outcome;
use crate::suite::{Bounds, Gate, Metric};
use crate::units::{Nanos, Usd};
use crate::verdict::evidence::{Evidence, Observation, PromptKey, VariantEvidence};
use crate::verdict::judgement::{Comparison, Judgement, Procedure, Reason, Verdict};

use super::*;

/// An answer with this TTFT: tokens and a cost that are always the same.
pub(crate) fn answer(slot: usize, round: usize, ttft_ns: u64) -> Observation {
    Observation {
        round: u32::try_from(round).unwrap(),
        slot: slot as u64,
        sent_ns: Nanos::from_millis(1_000 * slot as u64),
        outcome: Outcome::Complete,
        ttft_ns: Some(Nanos(ttft_ns)),
        ttfa_ns: Some(Nanos(ttft_ns)),
        experienced_ttft_ns: Some(Nanos(ttft_ns)),
        latency_ns: Some(Nanos(ttft_ns + 500_000_000)),
        mean_gap_ns: Some(Nanos(10_000_000)),
        output_rate: Some(100.0),
        output_tokens: Some(101),
        cost: Some(Usd(500_000_000)),
        longest_failed_ns: None,
        set_aside: false,
        retried: false,
        cache_hit: Some(false),
        visible_reasoning: false,
        provider: Some(0),
        passed: None,
    }
}

/// The answer as a failure.
pub(crate) fn failure(mut observed: Observation, outcome: Outcome) -> Observation {
    observed.outcome = outcome;
    observed.ttft_ns = None;
    observed.ttfa_ns = None;
    observed.experienced_ttft_ns = None;
    observed.latency_ns = Some(Nanos::from_millis(30_000));
    observed.mean_gap_ns = None;
    observed.output_rate = None;
    observed.output_tokens = None;
    observed.cost = None;
    observed.provider = None;
    observed
}

/// A run of variants "a" (the reference), "b", ... on so many prompts and repetitions; `change` makes of
/// the plain answer of (variant, prompt, repetition), each from 0, what came. Plain answers have a TTFT
/// of 400 ms, more or less, that differs by prompt.
pub(crate) fn run(
    (variants, prompts, repetitions): (usize, usize, usize),
    change: impl Fn(Observation, usize, usize, usize) -> Observation,
) -> Evidence {
    let noise = |variant: usize, prompt: usize, repetition: usize| {
        // Scattered evenly over some 20 %, in no order that a procedure could mistake for a difference.
        let place = (variant * 7919 + prompt * 104_729 + repetition * 1_299_709) * 2_654_435_761;
        1.0 + 0.2 * ((place >> 7) % 1009) as f64 / 1009.0
    };
    let of_prompt = |variant: usize, prompt: usize| -> Vec<Observation> {
        (0..repetitions)
            .map(|repetition| {
                let level = 400e6 * (1.0 + prompt as f64 / 10.0);
                let ns = level * noise(variant, prompt, repetition);
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                // Far below 2^53.
                let plain = answer(repetition * prompts + prompt, repetition + 1, ns as u64);
                change(plain, variant, prompt, repetition)
            })
            .collect()
    };
    Evidence {
        prompts: (0..prompts)
            .map(|prompt| PromptKey {
                id: format!("p{prompt}"),
                digest: format!("sha256:{prompt}"),
                weight: 1.0,
            })
            .collect(),
        variants: (0..variants)
            .map(|variant| VariantEvidence {
                label: label(variant),
                model: format!("made/{}", label(variant)).parse().unwrap(),
                prompts: (0..prompts).map(|p| of_prompt(variant, p)).collect(),
            })
            .collect(),
        providers: vec!["azure".to_owned(), "bedrock".to_owned()],
    }
}

fn label(variant: usize) -> String {
    char::from(b'a' + u8::try_from(variant).unwrap()).to_string()
}

/// The answer with all its times longer by a factor.
fn slower(mut observed: Observation, factor: f64) -> Observation {
    let times = [
        &mut observed.ttft_ns,
        &mut observed.ttfa_ns,
        &mut observed.experienced_ttft_ns,
        &mut observed.latency_ns,
    ];
    for time in times {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Far below 2^53.
        let longer = time.map(|span| Nanos((span.0 as f64 * factor) as u64));
        *time = longer;
    }
    observed
}

fn judged(evidence: &Evidence) -> Judgement {
    interleaved(evidence, "a", &Gate::default())
}

fn of(judgement: &Judgement, metric: Metric) -> &Comparison {
    let mut found = judgement.comparisons.iter();
    found.find(|one| one.metric == metric).unwrap()
}

#[test]
fn a_slower_model_has_regressed_and_a_faster_one_improved() {
    // The first question of all, from both sides: half as slow again.
    let evidence = run((2, 20, 10), |one, variant, _, _| {
        slower(one, if variant == 1 { 1.5 } else { 1.0 })
    });
    let judgement = judged(&evidence);
    let ttft = of(&judgement, Metric::Ttft);
    assert_eq!(ttft.verdict, Verdict::Regressed, "{ttft:#?}");
    let effect = ttft.effect.unwrap();
    assert!((effect.estimate - 1.5).abs() < 0.05, "{effect:?}");
    assert!(effect.interval.contains(1.5), "{effect:?}");
    assert_eq!(ttft.size.prompts, 20);
    assert_eq!((ttft.size.reference, ttft.size.candidate), (200, 200));
    assert_eq!(ttft.per_prompt.len(), 20);
    assert!(!ttft.influence.as_ref().unwrap().decides);
    let back = interleaved(&evidence, "b", &Gate::default());
    assert_eq!(of(&back, Metric::Ttft).verdict, Verdict::Improved);
    // What nobody changed is ok: the cost is equal on every prompt.
    assert_eq!(of(&judgement, Metric::Cost).verdict, Verdict::Ok);
}
