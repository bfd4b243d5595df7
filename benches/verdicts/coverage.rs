//! How often intervals hold the truth.

use bakeoff::stats::cost;
use bakeoff::stats::interval::{Alpha, Interval};
use bakeoff::stats::mean::Weights;
use bakeoff::stats::quantile::quantile_f64;
use bakeoff::stats::quantile_interval::{for_prompts_like_these, for_these_prompts};
use bakeoff::stats::rates::{Passes, paired_difference, rate};

use crate::world::{Noise, Profile, TYPICAL, levels};
use crate::{Limit, experiments, percent, share};

const ALPHA: Alpha = Alpha::FIVE_PERCENT;
/// Draws from which a true quantile is taken.
const DRAWS: usize = 2_000_000;

/// All coverages.
pub(crate) fn tables(count: u64) -> bool {
    println!("\n### Coverage of 95 % intervals\n");
    println!("| figure | size | truth | covered | limit |");
    println!("|---|---|---|---|---|");
    let fixed = quantiles_of_these_prompts(count);
    let alike = quantiles_of_prompts_like_these(count);
    let shares = shares(count);
    let costs = costs(count);
    fixed && alike && shares && costs
}

fn told(figure: &str, size: &str, truth: &str, covered: f64, limit: Limit) -> bool {
    let (limit, holds) = limit.told(covered);
    println!(
        "| {figure} | {size} | {truth} | {} | {limit} |",
        percent(covered)
    );
    holds
}

fn holds(interval: Interval, truth: f64) -> bool {
    interval.contains(truth)
}

/// Values of a run without drift, prompt by prompt.
fn values(
    profile: Profile,
    levels: &[f64],
    repetitions: usize,
    noise: &mut Noise,
) -> Vec<Vec<f64>> {
    levels
        .iter()
        .map(|level| {
            let one = |_| (level + profile.noise(noise, None)).exp();
            (0..repetitions).map(one).collect()
        })
        .collect()
}

fn sorted(values: &[Vec<f64>]) -> Vec<f64> {
    let mut all = values.concat();
    all.sort_unstable_by(f64::total_cmp);
    all
}

const QUANTILES: [(&str, f64); 3] = [("p50", 0.5), ("p75", 0.75), ("p90", 0.9)];

fn quantiles_of_these_prompts(count: u64) -> bool {
    let mut noise = Noise::of(400, u64::MAX);
    let fixed = levels(TYPICAL, 20, &mut noise);
    let truth = sorted(&values(TYPICAL, &fixed, DRAWS / 20, &mut noise));
    let mut all = true;
    for (name, q) in QUANTILES {
        let true_value = quantile_f64(&truth, q).expect("many draws");
        let held = experiments(count, |experiment| {
            let mut noise = Noise::of(401, experiment);
            let seen = sorted(&values(TYPICAL, &fixed, 10, &mut noise));
            holds(for_these_prompts(&seen, q, ALPHA), true_value)
        });
        let figure = format!("{name}, these prompts");
        all &= told(
            &figure,
            "20 x 10",
            "typical",
            share(&held, |held| *held),
            Limit::AtLeast(0.95),
        );
    }
    all
}

fn quantiles_of_prompts_like_these(count: u64) -> bool {
    let mut noise = Noise::of(402, u64::MAX);
    let many = levels(TYPICAL, DRAWS, &mut noise);
    let truth = sorted(&values(TYPICAL, &many, 1, &mut noise));
    for (name, q) in QUANTILES {
        let true_value = quantile_f64(&truth, q).expect("many draws");
        let held = experiments(count, |experiment| {
            let mut noise = Noise::of(403, experiment);
            let drawn = levels(TYPICAL, 20, &mut noise);
            let seen = values(TYPICAL, &drawn, 10, &mut noise);
            let interval = for_prompts_like_these(&seen, q, ALPHA);
            interval.is_some_and(|found| holds(found.interval, true_value))
        });
        let figure = format!("{name}, prompts like these");
        told(
            &figure,
            "20 x 10",
            "typical",
            share(&held, |held| *held),
            Limit::None,
        );
    }
    true
}

/// Of each design the cell that is covered worst.
fn shares(count: u64) -> bool {
    let mut all = true;
    let mut number = 410;
    for (prompts, repetitions) in [(10, 5), (20, 5), (20, 10)] {
        let mut worst = [(1.0, String::new()), (1.0, String::new())];
        for true_rate in [0.02, 0.5, 0.9] {
            for alike in [0.0, 0.2, 0.6] {
                number += 1;
                let held = experiments(count, |experiment| {
                    let mut noise = Noise::of(number, experiment);
                    one_rate(&mut noise, (prompts, repetitions), (true_rate, alike))
                });
                let covered = [share(&held, |held| held.0), share(&held, |held| held.1)];
                for (worst, covered) in worst.iter_mut().zip(covered) {
                    if covered < worst.0 {
                        let cell = format!("{true_rate}, correlation {alike} (worst of nine)");
                        *worst = (covered, cell);
                    }
                }
            }
        }
        let size = format!("{prompts} x {repetitions}");
        let [(of_rate, where_rate), (of_difference, where_difference)] = worst;
        all &= told("rate", &size, &where_rate, of_rate, Limit::AtLeast(0.90));
        let none = Limit::None;
        told(
            "difference of rates",
            &size,
            &where_difference,
            of_difference,
            none,
        );
    }
    all
}

/// Whether the intervals of a rate, and of its difference from another that is as high, hold the truth.
fn one_rate(
    noise: &mut Noise,
    (prompts, repetitions): (usize, u32),
    (true_rate, alike): (f64, f64),
) -> (bool, bool) {
    let passes = |own: f64, noise: &mut Noise| {
        let passed = (0..repetitions).filter(|_| noise.happens(own)).count();
        let passed = u32::try_from(passed).expect("few repetitions");
        Passes::new(passed, repetitions).expect("no more passes than answers")
    };
    let pairs: Vec<(Passes, Passes)> = (0..prompts)
        .map(|_| {
            // Both models find the same prompts hard.
            let own = noise.rate(true_rate, alike);
            (passes(own, noise), passes(own, noise))
        })
        .collect();
    let first: Vec<Passes> = pairs.iter().map(|(a, _)| *a).collect();
    let found = rate(&first, ALPHA).expect("there are prompts");
    let difference = paired_difference(&pairs, ALPHA).expect("there are prompts");
    (
        holds(found.interval, true_rate),
        holds(difference.interval, 0.0),
    )
}

fn costs(count: u64) -> bool {
    let mut all = true;
    let mut number = 450;
    for (prompts, goal) in [(10, 0.90), (20, 0.90), (50, 0.94)] {
        for sd in [0.5, 1.0_f64] {
            number += 1;
            let held = experiments(count, |experiment| {
                let mut noise = Noise::of(number, experiment);
                one_cost(&mut noise, prompts, sd)
            });
            let (size, truth) = (format!("{prompts} prompts"), format!("log SD {sd}"));
            let limit = Limit::AtLeast(goal);
            all &= told(
                "mean cost",
                &size,
                &truth,
                share(&held, |held| held.0),
                limit,
            );
            told(
                "ratio of mean costs",
                &size,
                &truth,
                share(&held, |held| held.1),
                Limit::None,
            );
        }
    }
    all
}

/// Whether the intervals of a mean cost, and of its ratio to another, hold the truth.
fn one_cost(noise: &mut Noise, prompts: usize, sd: f64) -> (bool, bool) {
    const OTHER_SD: f64 = 0.1;
    let pairs: Vec<(f64, f64)> = (0..prompts)
        .map(|_| {
            let log = noise.normal(sd);
            (log.exp(), (log + noise.normal(OTHER_SD)).exp())
        })
        .collect();
    let first: Vec<f64> = pairs.iter().map(|(a, _)| *a).collect();
    let weights = Weights::equal(prompts);
    let mean = cost::mean_cost(&first, &weights).expect("costs are positive");
    let ratio = cost::ratio(&pairs, &weights, ALPHA).expect("costs are positive");
    (
        holds(mean.interval(ALPHA), (0.5 * sd * sd).exp()),
        holds(ratio.interval, (0.5 * OTHER_SD * OTHER_SD).exp()),
    )
}
