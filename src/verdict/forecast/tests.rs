use proptest::prelude::*;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::catalog::{Rates, TokenCounts, TokenPrices, cost};
use crate::record::{Grade, Manifest, Outcome, Sample, Usage};
use crate::units::Usd;
use crate::verdict::fixture;

/// Options for a million requests a month, as many for each prompt, no retries.
fn terms(manifest: &Manifest) -> ForecastOptions {
    ForecastOptions {
        traffic: Traffic::new(1e6, 1e6).unwrap(),
        mix: Mix::from_suite(&manifest.suite),
        mix_complete: false,
        retry_rate: Some(0.0),
        what_if: None,
    }
}

/// Builds a run of these variants; `costs[prompt][repetition][variant]` in pico-dollars.
fn run(variants: &[&str], costs: &[Vec<Vec<i128>>]) -> (Manifest, Vec<Sample>) {
    let ids: Vec<String> = (0..costs.len())
        .map(|number| format!("p{number}"))
        .collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let manifest = fixture::manifest(variants, &ids, 1);
    let mut samples = Vec::new();
    for (prompt, repetitions) in ids.iter().zip(costs) {
        for (repetition, of_variants) in repetitions.iter().enumerate() {
            for (rank, pico) in of_variants.iter().enumerate() {
                let mut sample = fixture::answered(&manifest, rank as u64, 400);
                sample.prompt = (*prompt).to_owned();
                sample.repetition = u32::try_from(repetition).unwrap() + 1;
                sample.market_usd = Some(Usd(*pico));
                sample.cost_usd = None;
                // Own keys: nothing is billed, and the forecast must not follow that.
                sample.billed_usd = Some(Usd::ZERO);
                samples.push(sample);
            }
        }
    }
    (manifest, samples)
}

fn answers(manifest: &Manifest, samples: &[Sample]) -> RunAnswers {
    let mut fold = AnswersFold::new(manifest);
    for sample in samples {
        fold.add(sample);
    }
    fold.finish()
}

fn variant_forecast<'f>(forecast: &'f Forecast, label: &str) -> &'f VariantForecast {
    let found = forecast
        .variants
        .iter()
        .find(|variant| variant.label == label);
    found.unwrap()
}

fn recorded<'f>(forecast: &'f Forecast, label: &str) -> &'f MonthlyCost {
    variant_forecast(forecast, label).recorded.as_ref().unwrap()
}

/// Costs of two variants, prompt by prompt, two to four answers each; enough prompts for an interval.
fn some_costs() -> impl Strategy<Value = Vec<Vec<Vec<i128>>>> {
    let pair = prop::collection::vec(1_000_000..2_000_000_000_i128, 2);
    let answers = prop::collection::vec(pair, 2..5);
    prop::collection::vec(answers, 3..12)
}

#[test]
fn two_prompts_have_a_month_without_bounds() {
    // Student's t of so few leaves ends that are orders of magnitude apart: no figure to plan with.
    let costs: Vec<Vec<Vec<i128>>> = vec![
        vec![vec![7, 7]; 2],
        vec![vec![9, 9]; 2],
        vec![vec![8, 8]; 2],
    ];
    let months = [2, 3].map(|prompts| {
        let (manifest, samples) = run(&["a", "b"], &costs[..prompts]);
        let forecasts = forecast(
            &manifest.suite,
            &answers(&manifest, &samples),
            &terms(&manifest),
        );
        recorded(&forecasts, "b").clone()
    });
    assert_eq!(months[0].month_interval, Interval::NONE);
    assert!(months[0].month > 0.0);
    assert!(months[1].month_interval.contains(months[1].month));
    assert_ne!(months[1].month_interval, Interval::NONE);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    // The interval surrounds the point, all of it grows with the traffic, and retries raise all of it.
    #[test]
    fn a_month_follows_the_traffic(costs in some_costs(), complete: bool, times in 1.0..1e4_f64) {
        let (manifest, samples) = run(&["a", "b"], &costs);
        let answers = answers(&manifest, &samples);
        let plain = ForecastOptions { mix_complete: complete, ..terms(&manifest) };
        let more = ForecastOptions { traffic: Traffic::new(times * 1e6, times * 1e6).unwrap(), ..plain.clone() };
        let retried = ForecastOptions { retry_rate: Some(0.25), ..plain.clone() };
        let range = ForecastOptions { traffic: Traffic::new(5e5, 3e6).unwrap(), ..plain.clone() };
        let [plain, more, retried, range] = [plain, more, retried, range]
            .map(|terms| recorded(&forecast(&manifest.suite, &answers, &terms), "b").clone());
        let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * a.abs().max(b.abs());
        prop_assert!(plain.month_interval.contains(plain.month));
        prop_assert!(near(more.month, plain.month * times));
        prop_assert!(near(more.month_interval.lower.unwrap(), plain.month_interval.lower.unwrap() * times));
        prop_assert!(near(retried.month, plain.month * 1.25));
        prop_assert!(near(range.month, plain.month * 1.75));
        prop_assert!(near(range.month_interval.lower.unwrap(), plain.month_interval.lower.unwrap() * 0.5));
        if let (Some(wide), Some(upper)) = (range.month_interval.upper, plain.month_interval.upper) {
            prop_assert!(near(wide, upper * 3.0));
        }
    }

    // The order of samples changes not a bit of the forecast.
    #[test]
    fn the_order_of_samples_is_irrelevant(costs in some_costs(), complete: bool, seed: u64) {
        let (manifest, mut samples) = run(&["a", "b"], &costs);
        let terms = ForecastOptions { mix_complete: complete, retry_rate: None, ..terms(&manifest) };
        let before = forecast(&manifest.suite, &answers(&manifest, &samples), &terms);
        samples.sort_by_key(|sample| u64::try_from(sample.market_usd.unwrap().0).unwrap().wrapping_mul(seed | 1));
        let after = forecast(&manifest.suite, &answers(&manifest, &samples), &terms);
        prop_assert_eq!(before, after);
    }

    // A share of three is three prompts of one: the mean is that of the prompts repeated.
    #[test]
    fn shares_are_repetitions_of_a_prompt(costs in some_costs(), shares in prop::collection::vec(1..5_usize, 12)) {
        let (manifest, samples) = run(&["a", "b"], &costs);
        let mut weighted = terms(&manifest);
        weighted.mix.shares = shares[..costs.len()].iter().map(|&share| Some(share as f64)).collect();
        let repeated: Vec<_> = costs.iter().zip(&shares)
            .flat_map(|(costs, &share)| std::iter::repeat_n(costs.clone(), share))
            .collect();
        let (all, all_samples) = run(&["a", "b"], &repeated);
        let weighted = forecast(&manifest.suite, &answers(&manifest, &samples), &weighted);
        let repeated = forecast(&all.suite, &answers(&all, &all_samples), &terms(&all));
        for label in ["a", "b"] {
            let (one, other) = (recorded(&weighted, label).month, recorded(&repeated, label).month);
            prop_assert!((one - other).abs() <= 1e-9 * one);
        }
    }

    // The ratio with exchanged sides is the inverse.
    #[test]
    fn the_ratio_turns_with_its_sides(costs in some_costs(), complete: bool) {
        let (mut manifest, samples) = run(&["a", "b"], &costs);
        let answers = answers(&manifest, &samples);
        let terms = ForecastOptions { mix_complete: complete, ..terms(&manifest) };
        let ratio = |suite: &Suite, label| {
            recorded(&forecast(suite, &answers, &terms), label).ratio.unwrap()
        };
        let there = ratio(&manifest.suite, "b");
        manifest.suite.reference = "b".to_owned();
        let back = ratio(&manifest.suite, "a");
        let near = |a: f64, b: f64| (a * b - 1.0).abs() <= 1e-6;
        prop_assert!(near(there.estimate.unwrap(), back.estimate.unwrap()));
        if let (Some(lower), Some(upper)) = (there.interval.lower, back.interval.upper)
            && lower > 1e-6
        {
            prop_assert!(near(lower, upper));
        }
        // A ratio without bounds has none, never an invented one.
        prop_assert_eq!(there.interval.lower.is_some(), there.interval.upper.is_some());
    }
}

#[test]
fn a_hand_made_month() {
    // Two prompts at 1 and 3 cents and a mix of 3 to 1: 1.5 cents a request, $15,000 at a million.
    let cent = Usd::PICO / 100;
    let prompt = |cents: i128| vec![vec![cents * cent, 2 * cents * cent]; 2];
    let (manifest, mut samples) = run(&["a", "b"], &[prompt(1), prompt(3)]);
    let mut options = terms(&manifest);
    options.mix.shares = vec![Some(3.0), Some(1.0)];
    let forecasts = forecast(&manifest.suite, &answers(&manifest, &samples), &options);
    assert!((recorded(&forecasts, "a").month - 15_000.0).abs() < 1e-6);
    assert!((recorded(&forecasts, "b").month - 30_000.0).abs() < 1e-6);
    let ratio = recorded(&forecasts, "b").ratio.unwrap();
    assert!((ratio.estimate.unwrap() - 2.0).abs() < 1e-12);
    assert_eq!(recorded(&forecasts, "a").ratio, None);
    let labels: Vec<&str> = forecasts
        .variants
        .iter()
        .map(|variant_forecast| variant_forecast.label.as_str())
        .collect();
    assert_eq!(labels, ["a", "b"]);
    assert!(forecasts.variants[0].reference);
    // A prompt without an answer is reported as a missing part of the mix.
    samples.retain(|sample| sample.variant == "a" || sample.prompt == "p0");
    let forecasts = forecast(&manifest.suite, &answers(&manifest, &samples), &options);
    let b = recorded(&forecasts, "b");
    assert!((b.basis.missing_share - 0.25).abs() < 1e-12);
    assert_eq!((b.basis.prompts, b.basis.answers), (1, 2));
    assert!((b.month - 20_000.0).abs() < 1e-6);
    // One prompt has a point and no interval.
    assert_eq!(b.month_interval, Interval::NONE);
}

#[test]
fn unknown_costs_are_never_0() {
    // No answer, or answers without a price: absent, with the reason, and after all others.
    let (manifest, mut samples) = run(&["a", "b", "c"], &vec![vec![vec![10, 20, 30]; 2]; 3]);
    for sample in &mut samples {
        match sample.variant.as_str() {
            "a" => *sample = fixture::failed(sample.clone(), Outcome::RateLimited, 429, "later"),
            "b" => sample.market_usd = None,
            _ => {}
        }
    }
    let forecasts = forecast(
        &manifest.suite,
        &answers(&manifest, &samples),
        &terms(&manifest),
    );
    assert_eq!(
        variant_forecast(&forecasts, "a").recorded,
        Err(NoForecast::NoAnswers)
    );
    assert_eq!(
        variant_forecast(&forecasts, "b").recorded,
        Err(NoForecast::NoCost)
    );
    assert!(variant_forecast(&forecasts, "c").recorded.is_ok());
    let labels: Vec<&str> = forecasts
        .variants
        .iter()
        .map(|variant_forecast| variant_forecast.label.as_str())
        .collect();
    assert_eq!(labels, ["c", "a", "b"]);
}

#[test]
fn paid_failures_count_as_retries() {
    // Of ten trials two were cut: an answer takes 10/8 paid requests, and at most Wilson's limit. A rejected
    // request was not paid.
    let (manifest, mut samples) = run(&["a"], &vec![vec![vec![1_000_000]; 2]; 5]);
    for sample in &mut samples[..2] {
        *sample = fixture::failed(sample.clone(), Outcome::Cut, 200, "cut");
    }
    let turned_down = samples[9].attempts[0].clone();
    samples[9].attempts.insert(0, turned_down);
    samples[9].attempts[0].outcome = Outcome::RateLimited;
    samples[9].attempts[0].status = Some(429);
    let measured = ForecastOptions {
        retry_rate: None,
        ..terms(&manifest)
    };
    let forecasts = forecast(&manifest.suite, &answers(&manifest, &samples), &measured);
    let retries = variant_forecast(&forecasts, "a").retries;
    assert_eq!(
        (retries.failed, retries.total, retries.declared),
        (2, 10, false)
    );
    assert!((retries.rate - 0.25).abs() < 1e-12);
    assert!((recorded(&forecasts, "a").per_request - 1.25e-6).abs() < 1e-18);
    // Wilson, 2 of 10 at 95 %: 0.0567 to 0.5098 (Brown, Cai and DasGupta's formula by hand).
    assert!(
        (retries.limits.0 - 0.0567 / 0.9433).abs() < 2e-4,
        "{retries:?}"
    );
    assert!(
        (retries.limits.1 - 0.5098 / 0.4902).abs() < 5e-4,
        "{retries:?}"
    );
}

#[test]
fn other_prices_count_the_recorded_tokens() {
    // The same tokens at other prices, to the pico-dollar; with cache hits only the cacheable part changes.
    let (manifest, mut samples) = run(&["a", "b"], &vec![vec![vec![500, 500]; 2]; 2]);
    let usage = |prompt_tokens| Usage {
        prompt_tokens: Some(prompt_tokens),
        completion_tokens: Some(100),
        ..Usage::default()
    };
    for sample in &mut samples {
        sample.usage = Some(usage(if sample.prompt == "p0" { 2_000 } else { 1_000 }));
    }
    let prices = TokenPrices::flat(Rates {
        input: Some(Usd(1_000)),
        output: Some(Usd(4_000)),
        cache_read: Some(Usd(100)),
        cache_write: None,
        ..Rates::default()
    });
    let what_if = |cache_hit_rate| WhatIf {
        pricing: vec![Pricing::Custom(prices.clone()), Pricing::Unknown],
        cache_hit_rate,
    };
    let forecast_at = |cache_hit_rate| {
        let options = ForecastOptions {
            what_if: Some(what_if(cache_hit_rate)),
            ..terms(&manifest)
        };
        forecast(&manifest.suite, &answers(&manifest, &samples), &options)
    };
    let by_hand = |prompt, cached| {
        let counts = TokenCounts {
            prompt,
            cached,
            cache_write: 0,
            completion: 100,
            ..TokenCounts::default()
        };
        cost(&prices, &counts).unwrap().as_f64()
    };
    let month = |forecasts: &Forecast| {
        let a = variant_forecast(forecasts, "a").what_if.clone().unwrap();
        a.unwrap().per_request
    };
    let plain = forecast_at(None);
    let mean = f64::midpoint(by_hand(2_000, 0), by_hand(1_000, 0));
    assert!((month(&plain) - mean).abs() < 1e-18);
    assert_eq!(variant_forecast(&plain, "a").cacheable, 0);
    assert_eq!(
        variant_forecast(&plain, "b").what_if,
        Some(Err(NoForecast::NoOtherPrice))
    );
    // The recorded forecast is unchanged next to it.
    assert!((recorded(&plain, "a").per_request - 5e-10).abs() < 1e-18);
    let hits = forecast_at(Some(0.6));
    let mean = f64::midpoint(by_hand(2_000, 1_200), by_hand(1_000, 0));
    assert!((month(&hits) - mean).abs() < 1e-18);
    assert_eq!(variant_forecast(&hits, "a").cacheable, 2);
}

/// A generator of prompts whose mean costs are log-normal, answered several times with log-normal noise.
struct Generator {
    prompts: usize,
    repetitions: usize,
    between: f64,
    within: f64,
}

/// Median cost of a request: a hundredth of a cent.
const MEDIAN_USD: f64 = 1e-4;

impl Generator {
    /// Returns the true mean of a request.
    fn mean(&self) -> f64 {
        MEDIAN_USD * (0.5 * (self.between.powi(2) + self.within.powi(2))).exp()
    }

    /// Returns the true means of `prompts` prompts.
    fn levels(&self, random: &mut ChaCha8Rng) -> Vec<f64> {
        let level = |_| MEDIAN_USD * (self.between * normal(random)).exp();
        (0..self.prompts).map(level).collect()
    }

    /// Writes the costs of a run's answers into `samples`, which has `repetitions` of each prompt in turn.
    fn fill(&self, levels: &[f64], samples: &mut [Sample], random: &mut ChaCha8Rng) {
        for (rank, sample) in samples.iter_mut().enumerate() {
            let level = levels[rank / self.repetitions];
            let usd = level * (self.within * normal(random)).exp();
            sample.market_usd = Some(format!("{usd:.12}").parse().unwrap());
        }
    }
}

/// Draws a standard normal number (Box and Muller).
fn normal(random: &mut ChaCha8Rng) -> f64 {
    let (u, v): (f64, f64) = (1.0 - random.random::<f64>(), random.random());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

const REPLICATES: u32 = 1_000;

/// Counts the replicates in which the interval of a month held the true cost. `shares` makes the mix of a
/// replicate; `complete`: the prompts are always the same, and all there are.
fn coverage(
    generator: &Generator,
    complete: bool,
    shares: impl Fn(&mut ChaCha8Rng) -> Vec<f64>,
) -> f64 {
    let mut random = ChaCha8Rng::seed_from_u64(20_261_122);
    let costs = vec![vec![vec![0]; generator.repetitions]; generator.prompts];
    let (manifest, mut samples) = run(&["a"], &costs);
    let fixed = generator.levels(&mut random);
    let mut held = 0;
    for _ in 0..REPLICATES {
        let shares = shares(&mut random);
        let rows = (shares.iter().enumerate())
            .map(|(number, share)| format!("p{number},{share}"))
            .collect::<Vec<_>>();
        let mix = Mix::from_csv(
            &format!("prompt,share\n{}", rows.join("\n")),
            "mix.csv",
            &manifest.suite,
        )
        .unwrap();
        let levels = if complete {
            fixed.clone()
        } else {
            generator.levels(&mut random)
        };
        generator.fill(&levels, &mut samples, &mut random);
        let options = ForecastOptions {
            mix,
            mix_complete: complete,
            ..terms(&manifest)
        };
        let true_mean = if complete {
            let noise = (0.5 * generator.within.powi(2)).exp();
            let sum: f64 = levels
                .iter()
                .zip(&shares)
                .map(|(level, share)| level * share)
                .sum();
            sum / shares.iter().sum::<f64>() * noise
        } else {
            generator.mean()
        };
        let forecasts = forecast(&manifest.suite, &answers(&manifest, &samples), &options);
        let month = recorded(&forecasts, "a");
        held += u32::from(
            month
                .month_interval
                .contains(true_mean * options.traffic.middle()),
        );
    }
    f64::from(held) / f64::from(REPLICATES)
}

#[test]
fn intervals_hold_the_true_month() {
    // 1,000 runs of 50 prompts each with a true monthly cost that the generator knows: the 95 % interval holds
    // it in at least 92 % of them, with moderate and strong skew, at equal shares, through a mix, and where the
    // prompts are all there are. Retries are left out: they would raise the upper end.
    let generator = |between, within| Generator {
        prompts: 50,
        repetitions: 3,
        between,
        within,
    };
    let equal = |_: &mut ChaCha8Rng| vec![1.0; 50];
    // The k-th prompt has 1 / k of the first one's traffic: as informative as 12 equal ones.
    let few = |_: &mut ChaCha8Rng| (1..=50).map(|rank| 1.0 / f64::from(rank)).collect();
    let drawn = |random: &mut ChaCha8Rng| (0..50).map(|_| random.random_range(0.5..2.0)).collect();
    let mut shares_held = Vec::new();
    for (what, generator) in [
        ("moderate skew (0.5)", generator(0.5, 0.3)),
        ("strong skew (1.0)", generator(1.0, 0.5)),
    ] {
        for (mix, held) in [
            ("equal shares", coverage(&generator, false, equal)),
            ("drawn shares", coverage(&generator, false, drawn)),
            ("few have most", coverage(&generator, false, few)),
            ("all there is", coverage(&generator, true, drawn)),
        ] {
            assert!(held >= 0.92, "{what}, {mix}: {held}");
            shares_held.push(format!("{what}, {mix}: {:.1} %", held * 100.0));
        }
    }
    insta::assert_snapshot!(shares_held.join("\n"), @"
    moderate skew (0.5), equal shares: 95.8 %
    moderate skew (0.5), drawn shares: 95.4 %
    moderate skew (0.5), few have most: 94.0 %
    moderate skew (0.5), all there is: 96.4 %
    strong skew (1.0), equal shares: 95.4 %
    strong skew (1.0), drawn shares: 94.8 %
    strong skew (1.0), few have most: 94.0 %
    strong skew (1.0), all there is: 95.8 %
    ");
}

/// Grades the answers of a run: of each prompt the first ones pass.
fn graded(mut samples: Vec<Sample>, passing: impl Fn(&Sample) -> bool) -> Vec<Sample> {
    for sample in &mut samples {
        let right = passing(sample);
        sample.grades = vec![Grade::new("right", f64::from(u8::from(right)), right)];
    }
    samples
}

#[test]
fn an_answer_that_passes_pays_for_those_that_do_not() {
    // Four prompts, two answers each of one cent; one of two passes everywhere, so a passed answer costs two cents.
    let cent = Usd::PICO / 100;
    let costs: Vec<Vec<Vec<i128>>> = vec![vec![vec![cent]; 2]; 4];
    let (manifest, samples) = run(&["a/x"], &costs);
    let samples = graded(samples, |sample| sample.repetition == 1);
    for complete in [false, true] {
        let options = ForecastOptions {
            mix_complete: complete,
            retry_rate: Some(0.5),
            ..terms(&manifest)
        };
        let found = forecast(&manifest.suite, &answers(&manifest, &samples), &options);
        let passed = recorded(&found, "a/x").passed.unwrap();
        assert!((passed.pass_rate - 0.5).abs() < 1e-12 && (passed.month - 5e5).abs() < 1e-6);
        // Half of the requests are paid twice.
        assert!(
            (passed.per_passed.unwrap() - 0.03).abs() < 1e-12,
            "{passed:?}"
        );
    }
    let none = graded(samples.clone(), |_| false);
    let found = forecast(
        &manifest.suite,
        &answers(&manifest, &none),
        &terms(&manifest),
    );
    let passed = recorded(&found, "a/x").passed.unwrap();
    assert_eq!((passed.pass_rate, passed.per_passed), (0.0, None));
    let (manifest, ungraded) = run(&["a/x"], &costs);
    let found = forecast(
        &manifest.suite,
        &answers(&manifest, &ungraded),
        &terms(&manifest),
    );
    assert_eq!(recorded(&found, "a/x").passed, None);
}

proptest! {
    // Whatever the costs and grades, a passed answer costs no less than an answer, and intervals hold their points.
    #[test]
    fn a_passed_answer_costs_no_less(costs in some_costs(), seed in any::<u64>(), complete in any::<bool>()) {
        let (manifest, samples) = run(&["a/x", "a/y"], &costs);
        let samples = graded(samples, |sample| (seed >> (sample.trial % 60)) & 1 == 1 || sample.repetition == 1);
        let options = ForecastOptions { mix_complete: complete, ..terms(&manifest) };
        let found = forecast(&manifest.suite, &answers(&manifest, &samples), &options);
        let monthly = recorded(&found, "a/x");
        let passed = monthly.passed.unwrap();
        prop_assert!((0.0..=1.0 + 1e-12).contains(&passed.pass_rate));
        let holds = |interval: Interval, point: f64| {
            interval.lower.is_none_or(|end| end <= point * (1.0 + 1e-9)) && interval.upper.is_none_or(|end| end >= point * (1.0 - 1e-9))
        };
        prop_assert!(holds(passed.pass_rate_interval, passed.pass_rate), "{passed:?}");
        let per_passed = passed.per_passed.unwrap();
        prop_assert!(per_passed >= monthly.per_request * (1.0 - 1e-9));
        prop_assert!(holds(passed.per_passed_interval, per_passed), "{passed:?}");
    }
}
