//! How long verdicts take, with every metric measured.

use std::time::Instant;

use bakeoff::record::{EndpointRecord, Manifest, Selection, Status};
use bakeoff::suite::{Gate, Message, Parameters, Prompt, Role, Suite, Timeouts, Variant};
use bakeoff::units::{Nanos, Usd};
use bakeoff::verdict::{Evidence, Observation, VariantEvidence, interleaved};

use crate::world::{Noise, TYPICAL, answer, levels, prompts};

const VARIANTS: usize = 4;

/// The time of a small run and of a very large one, with their goals. Printed, not held: a machine may be
/// busy.
pub(crate) fn table() -> bool {
    println!("\n### Time of all comparisons\n");
    println!("| prompts x repetitions x models | comparisons | took | goal |");
    println!("|---|---|---|---|");
    for (prompts, repetitions, goal) in [(30, 10, 0.3), (1_000, 100, 10.0)] {
        let evidence = everything(prompts, repetitions);
        let started = Instant::now();
        let judgement = interleaved(&evidence, "v0", &Gate::default());
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
    let mut noise = Noise::of(500, count as u64);
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
        providers: vec!["azure".to_owned()],
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "all are positive and far below 2^53"
)]
fn full(round: usize, slot: u64, level: f64, noise: &mut Noise) -> Observation {
    let mut draw = |unit: f64| unit * (level + TYPICAL.noise(noise, None)).exp();
    let (ttft, rest, gap) = (draw(5e8), draw(2e9), draw(2e7));
    let (rate, tokens, cost) = (draw(60.0), draw(300.0), draw(1e9));
    let mut one = answer(round, slot, ttft);
    one.ttfa_ns = one.ttft_ns;
    one.experienced_ttft_ns = one.ttft_ns;
    one.latency_ns = Some(Nanos((ttft + rest) as u64));
    one.mean_gap_ns = Some(Nanos(gap as u64));
    one.output_rate = Some(rate);
    one.output_tokens = Some(tokens as u64);
    one.cost = Some(Usd(cost as i128));
    one.provider = Some(0);
    one.cache_hit = Some(false);
    one.passed = Some(noise.happens(0.9));
    one
}

/// The manifest of a run that nobody made.
pub(crate) fn manifest(labels: &[&str], prompts: usize, repetitions: usize) -> Manifest {
    let variant = |label: &&str| Variant {
        label: (*label).to_owned(),
        model: format!("made/{label}").parse().expect("a model id"),
        cache: None,
        system: None,
        parameters: Parameters::default(),
    };
    let prompt = |place| Prompt {
        id: format!("p{place}"),
        system: None,
        messages: vec![Message::text(Role::User, "Why?".to_owned())],
        weight: 1.0,
        tags: Vec::new(),
        parameters: Parameters::default(),
    };
    let deadline = Nanos::from_millis(1_000);
    let suite = Suite {
        name: "made".to_owned(),
        description: None,
        endpoint: "made".to_owned(),
        variants: labels.iter().map(variant).collect(),
        reference: labels.first().copied().unwrap_or_default().to_owned(),
        repetitions: u32::try_from(repetitions).expect("few repetitions"),
        warmup: 0,
        concurrency: 1,
        seed: 7,
        stream: true,
        keep_answers: true,
        gate: None,
        max_cost: None,
        cache: bakeoff::suite::CacheMode::AsIs,
        reuse: bakeoff::suite::Reuse::default(),
        max_attempts: 1,
        timeouts: Timeouts {
            connect_ns: deadline,
            headers_ns: deadline,
            gap_ns: deadline,
            total_ns: deadline,
        },
        system: None,
        parameters: Parameters::default(),
        prompts: (0..prompts).map(prompt).collect(),
    };
    Manifest {
        version: Manifest::VERSION,
        tool: "bakeoff 0.1.0".to_owned(),
        run: "made".to_owned(),
        started_at: jiff::Timestamp::UNIX_EPOCH,
        status: Status::Complete,
        suite_digest: String::new(),
        suite,
        selection: Selection::default(),
        endpoint: EndpointRecord {
            name: "made".to_owned(),
            base_url: None,
            key_variable: None,
            world: None,
        },
        prices: None,
        client: Vec::new(),
        environment: None,
        until_decided: None,
        estimate: None,
        warming: Vec::new(),
        planned_trials: (labels.len() * prompts * repetitions) as u64,
        plan_digest: String::new(),
        platform: String::new(),
    }
}
