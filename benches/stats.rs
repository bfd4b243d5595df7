//! The duration of the computations of a comparison: `cargo bench --bench stats`. The goals: 30 prompts x 10
//! repetitions x 4 models with all metrics under 0.3 s, 1,000 x 100 x 4 under 10 s.

#![allow(
    clippy::print_stdout,
    reason = "a benchmark's figures go to standard output"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bakeoff::stats::distributions::normal_isf;
use bakeoff::stats::interval::Alpha;
use bakeoff::stats::mean::Weights;
use bakeoff::stats::paired::Paired;
use bakeoff::stats::quantile::Percentile;
use bakeoff::stats::rates::Passes;
use bakeoff::stats::{car, cost, quantile_interval, rates, sequential, tail};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt as _, SeedableRng as _};

const ALPHA: Alpha = Alpha::FIVE_PERCENT;
const MODELS: usize = 4;
/// TTFT, TTFA, latency, mean gap, output tokens.
const METRICS: usize = 5;

/// One model's values of one metric, prompt by prompt.
type Values = Vec<Vec<f64>>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!(
        "prompts x repetitions x models: all metrics (car, each without, tail, rates and cost, percentiles)"
    );
    for (prompts, repetitions, goal) in [(30, 10, 0.3), (1_000, 100, 10.0)] {
        let took = comparison(prompts, repetitions)?;
        let total: f64 = took.iter().map(Duration::as_secs_f64).sum();
        let parts: Vec<String> = took.iter().map(|part| format!("{part:.1?}")).collect();
        println!(
            "{prompts} x {repetitions} x {MODELS}: {total:.3} s ({}), goal {goal} s",
            parts.join(", ")
        );
    }
    let started = Instant::now();
    let looks: Vec<f64> = (1..=10).map(|look| f64::from(look) / 10.0).collect();
    black_box(sequential::boundaries(&looks, 0.025)?);
    println!("boundaries of ten looks: {:.1?}", started.elapsed());
    Ok(())
}

/// Every computation that a report of one run needs: three candidates against a reference.
fn comparison(
    prompts: usize,
    repetitions: usize,
) -> Result<[Duration; 5], Box<dyn std::error::Error>> {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let models: Vec<Vec<Values>> = (0..MODELS)
        .map(|_| {
            (0..METRICS)
                .map(|_| values(&mut rng, prompts, repetitions))
                .collect()
        })
        .collect();
    let mut took = [Duration::ZERO; 5];
    for candidate in &models[1..] {
        for (reference, candidate) in models[0].iter().zip(candidate) {
            let started = Instant::now();
            let pairs: Vec<_> = reference.iter().zip(candidate).collect();
            let paired = Paired::new(&pairs)?;
            black_box(car::compare(&paired, ALPHA));
            took[0] += started.elapsed();
            let started = Instant::now();
            for level in [1.05_f64, 1.2, 1.0 / 1.05] {
                black_box(car::without_each(&paired, level.ln()));
            }
            took[1] += started.elapsed();
            let started = Instant::now();
            black_box(tail::compare(&paired, tail::TAIL_FROM));
            took[2] += started.elapsed();
        }
        let started = Instant::now();
        rates_and_cost(&models[0][0], &candidate[0]);
        took[3] += started.elapsed();
    }
    let started = Instant::now();
    for metric in models.iter().flatten() {
        let mut sorted = metric.concat();
        sorted.sort_unstable_by(f64::total_cmp);
        for percentile in Percentile::ALL {
            black_box(quantile_interval::for_these_prompts(
                &sorted,
                percentile.q(),
                ALPHA,
            ));
            black_box(quantile_interval::for_prompts_like_these(
                metric,
                percentile.q(),
                ALPHA,
            ));
        }
    }
    took[4] += started.elapsed();
    Ok(took)
}

fn rates_and_cost(reference: &Values, candidate: &Values) {
    let passes = |values: &[f64]| {
        let passed = values.iter().filter(|value| **value < 1.0).count();
        let whole = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Passes::new(whole(passed), whole(values.len())).expect("a prompt has answers")
    };
    let answers: Vec<_> = reference
        .iter()
        .zip(candidate)
        .map(|(a, b)| (passes(a), passes(b)))
        .collect();
    let only: Vec<Passes> = answers.iter().map(|(_, b)| *b).collect();
    black_box(rates::rate(&only, ALPHA));
    black_box(rates::paired_difference(&answers, ALPHA));
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let costs: Vec<_> = reference
        .iter()
        .zip(candidate)
        .map(|(a, b)| (mean(a), mean(b)))
        .collect();
    let weights = Weights::equal(costs.len());
    let only: Vec<f64> = costs.iter().map(|(_, b)| *b).collect();
    black_box(cost::mean_cost(&only, &weights));
    black_box(cost::ratio(&costs, &weights, ALPHA));
}

/// Log-normal noise of 0.5 on levels that differ by 0.45 from prompt to prompt; one value in twenty is five
/// times as large.
fn values(rng: &mut ChaCha8Rng, prompts: usize, repetitions: usize) -> Values {
    (0..prompts)
        .map(|_| {
            let level = 0.45 * normal(rng);
            (0..repetitions)
                .map(|_| {
                    let slow = if rng.random::<f64>() < 0.05 { 5.0 } else { 1.0 };
                    slow * (level + 0.5 * normal(rng)).exp()
                })
                .collect()
        })
        .collect()
}

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    normal_isf(rng.random::<f64>().max(f64::MIN_POSITIVE))
}
