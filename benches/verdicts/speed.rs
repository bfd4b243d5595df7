//! The duration of verdicts, with every metric measured.

use std::time::Instant;

use bakeoff::suite::Gate;
use bakeoff::units::{Nanos, Usd};
use bakeoff::verdict::{Evidence, Observation, VariantEvidence, compare_interleaved};

use crate::simulated_runs::{NoiseSource, TYPICAL, answer, levels, prompts};

const VARIANTS: usize = 4;

/// The duration of a small run and of a very large one, with their goals. Printed, not checked: a machine may
/// be busy.
pub(crate) fn table() -> bool {
    println!("\n### Time of all comparisons\n");
    println!("| prompts x repetitions x models | comparisons | took | goal |");
    println!("|---|---|---|---|");
    for (prompts, repetitions, goal) in [(30, 10, 0.3), (1_000, 100, 10.0)] {
        let evidence = everything(prompts, repetitions);
        let started = Instant::now();
        let judgement = compare_interleaved(&evidence, "v0", &Gate::default());
        let took = started.elapsed().as_secs_f64();
        println!(
            "| {prompts} x {repetitions} x {VARIANTS} | {} | {took:.3} s | {goal} s {} |",
            judgement.comparisons.len(),
            if took < goal { "pass" } else { "FAIL" }
        );
    }
    true
}

/// A run in which every metric has a value.
fn everything(count: usize, repetitions: usize) -> Evidence {
    let mut noise = NoiseSource::from_experiment(500, count as u64);
    let levels = levels(TYPICAL, count, &mut noise);
    let variants = (0..VARIANTS).map(|variant| VariantEvidence {
        label: format!("v{variant}"),
        model: format!("made/v{variant}").parse().expect("a model id"),
        prompts: levels
            .iter()
            .enumerate()
            .map(|(prompt, level)| {
                let one = |repetition| {
                    let slot = (repetition * count + prompt) as u64;
                    full(repetition + 1, slot, *level, &mut noise)
                };
                (0..repetitions).map(one).collect()
            })
            .collect(),
    });
    Evidence {
        prompts: prompts(count),
        variants: variants.collect(),
        sharing: Vec::new(),
        part_starts: Vec::new(),
        providers: vec!["azure".to_owned()],
        limited: Vec::new(),
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "all are positive and far below 2^53"
)]
fn full(round: usize, slot: u64, level: f64, noise: &mut NoiseSource) -> Observation {
    let mut draw = |unit: f64| unit * (level + TYPICAL.noise(noise, None)).exp();
    let (ttft, rest, gap) = (draw(5e8), draw(2e9), draw(2e7));
    let (rate, tokens, cost) = (draw(60.0), draw(300.0), draw(1e9));
    let mut one = answer(round, slot, ttft);
    one.ttfa_ns = one.ttft_ns;
    one.latency_ns = Some(Nanos((ttft + rest) as u64)).into();
    one.mean_gap_ns = Some(Nanos(gap as u64)).into();
    one.output_rate = Some(rate).into();
    one.output_tokens = Some(tokens as u64).into();
    one.cost = Some(Usd(cost as i128)).into();
    one.provider = Some(0).into();
    one.cache_hit = Some(false);
    one.passed = Some(noise.happens(0.9));
    one
}
