//! The coverage of intervals: the share that holds the true value.

use bakeoff::stats::cost;
use bakeoff::stats::distributions::normal_isf;
use bakeoff::stats::interval::{Alpha, Interval};
use bakeoff::stats::mean::Weights;
use bakeoff::stats::quantile::quantile_f64;
use bakeoff::stats::quantile_interval::{for_prompts_like_these, for_these_prompts};
use bakeoff::stats::rates::{Passes, paired_difference, rate};

use crate::simulated_runs::{NoiseProfile, NoiseSource, TYPICAL, levels};
use crate::{ShareLimit, experiments, percent, share};

const ALPHA: Alpha = Alpha::FIVE_PERCENT;
/// The number of draws for a true quantile.
const DRAWS: usize = 2_000_000;

/// Prints all coverages.
pub(crate) fn tables(count: u64) -> bool {
    println!("\n### Coverage of 95 % intervals\n");
    println!("| figure | size | truth | covered | limit |");
    println!("|---|---|---|---|---|");
    let fixed = quantiles_of_these_prompts(count);
    let alike = quantiles_of_prompts_like_these(count);
    let gaps = gaps(count);
    let shares = shares(count);
    let costs = costs(count);
    fixed && alike && gaps && shares && costs
}

fn print_row(figure: &str, size: &str, true_text: &str, covered: f64, limit: ShareLimit) -> bool {
    let (limit, holds) = limit.format_and_check(covered);
    println!(
        "| {figure} | {size} | {true_text} | {} | {limit} |",
        percent(covered)
    );
    holds
}

fn holds(interval: Interval, true_value: f64) -> bool {
    interval.contains(true_value)
}

/// Values of a run without drift, prompt by prompt.
fn values(
    profile: NoiseProfile,
    levels: &[f64],
    repetitions: usize,
    noise: &mut NoiseSource,
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
    let mut noise = NoiseSource::from_experiment(400, u64::MAX);
    let fixed = levels(TYPICAL, 20, &mut noise);
    let draws = sorted(&values(TYPICAL, &fixed, DRAWS / 20, &mut noise));
    let mut all = true;
    for (name, q) in QUANTILES {
        let true_value = quantile_f64(&draws, q).expect("many draws");
        let held = experiments(count, |experiment| {
            let mut noise = NoiseSource::from_experiment(401, experiment);
            let seen = sorted(&values(TYPICAL, &fixed, 10, &mut noise));
            holds(for_these_prompts(&seen, q, ALPHA), true_value)
        });
        let figure = format!("{name}, these prompts");
        all &= print_row(
            &figure,
            "20 x 10",
            "typical",
            share(&held, |held| *held),
            ShareLimit::AtLeast(0.95),
        );
    }
    all
}

/// Percentiles of all gaps of a run, with answers as the units: those of one answer share a level.
fn gaps(count: u64) -> bool {
    const BETWEEN: f64 = 0.2;
    const WITHIN: f64 = 0.5;
    let sd = BETWEEN.hypot(WITHIN);
    let mut all = true;
    for (name, q, answers, each, limit) in [
        ("p50", 0.5, 40, 50, ShareLimit::AtLeast(0.92)),
        ("p95", 0.95, 20, 50, ShareLimit::AtLeast(0.92)),
        ("p95", 0.95, 200, 50, ShareLimit::AtLeast(0.92)),
        ("p99", 0.99, 40, 200, ShareLimit::None),
    ] {
        let true_value = (normal_isf(1.0 - q) * sd).exp();
        let held = experiments(count, |experiment| {
            let mut noise = NoiseSource::from_experiment(404, experiment);
            let seen: Vec<Vec<f64>> = (0..answers)
                .map(|_| {
                    let level = noise.normal(BETWEEN);
                    let one = |noise: &mut NoiseSource| (level + noise.normal(WITHIN)).exp();
                    let more = noise.uniform() < 0.5;
                    let gaps = if more { each * 3 / 2 } else { each / 2 };
                    (0..gaps).map(|_| one(&mut noise)).collect()
                })
                .collect();
            let interval = for_prompts_like_these(&seen, q, ALPHA);
            interval.is_some_and(|found| holds(found.interval, true_value))
        });
        let figure = format!("{name} of gaps, answers as units");
        let size = format!("{answers} answers of {each} gaps");
        let covered = share(&held, |held| *held);
        all &= print_row(
            &figure,
            &size,
            "log SD 0.2 between, 0.5 within",
            covered,
            limit,
        );
    }
    all
}

fn quantiles_of_prompts_like_these(count: u64) -> bool {
    let mut noise = NoiseSource::from_experiment(402, u64::MAX);
    let many = levels(TYPICAL, DRAWS, &mut noise);
    let draws = sorted(&values(TYPICAL, &many, 1, &mut noise));
    for (name, q) in QUANTILES {
        let true_value = quantile_f64(&draws, q).expect("many draws");
        let held = experiments(count, |experiment| {
            let mut noise = NoiseSource::from_experiment(403, experiment);
            let sample_levels = levels(TYPICAL, 20, &mut noise);
            let seen = values(TYPICAL, &sample_levels, 10, &mut noise);
            let interval = for_prompts_like_these(&seen, q, ALPHA);
            interval.is_some_and(|found| holds(found.interval, true_value))
        });
        let figure = format!("{name}, prompts like these");
        print_row(
            &figure,
            "20 x 10",
            "typical",
            share(&held, |held| *held),
            ShareLimit::None,
        );
    }
    true
}

/// Prints the worst covered cell of each design.
fn shares(count: u64) -> bool {
    let mut all = true;
    let mut number = 410;
    for (prompts, repetitions) in [(10, 5), (20, 5), (20, 10)] {
        let mut worst = [(1.0, String::new()), (1.0, String::new())];
        for true_rate in [0.02, 0.5, 0.9] {
            for alike in [0.0, 0.2, 0.6] {
                number += 1;
                let held = experiments(count, |experiment| {
                    let mut noise = NoiseSource::from_experiment(number, experiment);
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
        all &= print_row(
            "rate",
            &size,
            &where_rate,
            of_rate,
            ShareLimit::AtLeast(0.90),
        );
        let none = ShareLimit::None;
        print_row(
            "difference of rates",
            &size,
            &where_difference,
            of_difference,
            none,
        );
    }
    all
}

/// Returns two flags: the intervals of a rate, and of its difference from another that is as high, hold the
/// true value.
fn one_rate(
    noise: &mut NoiseSource,
    (prompts, repetitions): (usize, u32),
    (true_rate, alike): (f64, f64),
) -> (bool, bool) {
    let passes = |own: f64, noise: &mut NoiseSource| {
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
                let mut noise = NoiseSource::from_experiment(number, experiment);
                one_cost(&mut noise, prompts, sd)
            });
            let (size, true_text) = (format!("{prompts} prompts"), format!("log SD {sd}"));
            let limit = ShareLimit::AtLeast(goal);
            all &= print_row(
                "mean cost",
                &size,
                &true_text,
                share(&held, |held| held.0),
                limit,
            );
            print_row(
                "ratio of mean costs",
                &size,
                &true_text,
                share(&held, |held| held.1),
                ShareLimit::None,
            );
        }
    }
    all
}

/// Returns two flags: the intervals of a mean cost, and of its ratio to another, hold the true value.
fn one_cost(noise: &mut NoiseSource, prompts: usize, sd: f64) -> (bool, bool) {
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
