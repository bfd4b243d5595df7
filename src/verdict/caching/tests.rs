//! Tests of caching against its definition, computed another way.

use proptest::prelude::*;

use crate::catalog::Tier;
use crate::record::{Flag, Manifest, ModelPrices, Outcome};
use crate::units::Nanos;
use crate::verdict::RunFold;
use crate::verdict::fixture::{answered, failed, flagged, manifest};

use super::*;

/// USD per token, in pico-dollars.
const INPUT: i128 = 1_000_000;
const READ: i128 = 100_000;
const WRITE: i128 = 1_250_000;

fn rates(input: i128, read: Option<i128>, write: Option<i128>) -> Rates {
    Rates {
        input: Some(Usd(input)),
        output: Some(Usd(5_000_000)),
        cache_read: read.map(Usd),
        cache_write: write.map(Usd),
        ..Rates::default()
    }
}

/// Builds a run of one variant and these prompts, with prices in its records.
fn run(prompts: &[&str], repetitions: u32, prices: &TokenPrices) -> Manifest {
    let mut run = manifest(&["a/x"], prompts, repetitions);
    let model = run.suite.variants[0].model.clone();
    let prices = ModelPrices::new(model, prices);
    run.prices.as_mut().unwrap().models.push(prices);
    run
}

fn claude() -> TokenPrices {
    TokenPrices::flat(rates(INPUT, Some(READ), Some(WRITE)))
}

/// Builds the sample of a trial, with the token counts that its server reported.
fn reported_sample(
    run: &Manifest,
    trial: u64,
    prompt: u64,
    read: Option<u64>,
    written: Option<u64>,
) -> Sample {
    let mut sample = answered(run, trial, if read > Some(0) { 200 } else { 300 } + trial);
    let usage = sample.usage.as_mut().unwrap();
    usage.prompt_tokens = Some(prompt);
    usage.cached_tokens = read;
    usage.cache_write_tokens = written;
    sample
}

fn caching(run: &Manifest, samples: &[Sample]) -> Option<CacheFigures> {
    let run = RunFold::new(run);
    let mut summaries = run.samples();
    for sample in samples {
        summaries.add(sample);
    }
    let sums = summaries.end();
    let mut summary = run.finish([sums]).summary;
    summary.variants.remove(0).caching
}

#[test]
fn unreported_counts_are_not_zero() {
    // A server that reports no cache counts has no hit rate of 0 %: it has none.
    let run = run(&["p", "q"], 2, &claude());
    let silent: Vec<Sample> = (0..4)
        .map(|trial| reported_sample(&run, trial, 90, None, None))
        .collect();
    assert_eq!(caching(&run, &silent), None);
    // The writes of a server that counts reads only are unknown.
    let half: Vec<Sample> = (0..4)
        .map(|trial| reported_sample(&run, trial, 90, Some(0), None))
        .collect();
    let half = caching(&run, &half).unwrap();
    assert_eq!((half.tokens_read, half.tokens_written), (Some(0), None));
    assert_eq!((half.reporting, half.hits, half.break_even), (4, 0, None));
    // Without prices there is no money; everything else remains.
    let mut old = run.clone();
    old.prices.as_mut().unwrap().models.clear();
    let unpriced = caching(&old, &[reported_sample(&old, 0, 90, Some(64), None)]).unwrap();
    assert_eq!((unpriced.saving, unpriced.break_even), (None, None));
    assert_eq!((unpriced.hits, unpriced.tokens_read), (1, Some(64)));
}

#[test]
fn hits_and_misses_are_never_pooled() {
    // The median of a mixture describes no request. Excluded samples are in neither; failures have none.
    let run = run(&["p", "q"], 8, &claude());
    let mut samples: Vec<Sample> = (0..16)
        .map(|trial| {
            reported_sample(
                &run,
                trial,
                2_000,
                Some(if trial < 6 { 0 } else { 1_500 }),
                Some(0),
            )
        })
        .collect();
    samples[6] = flagged(samples[6].clone(), Flag::Buffered);
    samples[7] = flagged(samples[7].clone(), Flag::Cold);
    let usage = samples[8].usage;
    samples[8] = failed(samples[8].clone(), Outcome::ServerError, 500, "no");
    samples[8].usage = usage;
    let caching = caching(&run, &samples).unwrap();
    assert_eq!((caching.reporting, caching.hits), (16, 10));
    let (hits, misses) = (
        caching.hit_ttft_ns.clone().unwrap(),
        caching.miss_ttft_ns.clone().unwrap(),
    );
    assert_eq!((hits.n, misses.n), (7, 6));
    let ms = |millis| Nanos::from_millis(millis).0 as f64;
    assert_eq!(
        (hits.min.to_bits(), hits.max.to_bits()),
        (ms(209).to_bits(), ms(215).to_bits())
    );
    assert_eq!(
        (misses.min.to_bits(), misses.max.to_bits()),
        (ms(300).to_bits(), ms(305).to_bits())
    );
    let ratio = caching.ttft_ratio().unwrap();
    assert!((ratio.value - 212.0 / 302.5).abs() < 1e-12, "{ratio:?}");
}

#[test]
fn the_tier_of_the_whole_prompt_sets_its_price() {
    // Both calculations use the rates of the tier that the prompt falls in, cached tokens included.
    let tiers = vec![
        Tier {
            from_prompt_tokens: 0,
            rates: rates(INPUT, Some(READ), None),
        },
        Tier {
            from_prompt_tokens: 1_000,
            rates: rates(2 * INPUT, Some(2 * READ), None),
        },
    ];
    let prices = TokenPrices::tiered(tiers).unwrap();
    let run = run(&["p"], 2, &prices);
    let samples = [
        reported_sample(&run, 0, 999, Some(500), None),
        reported_sample(&run, 1, 1_000, Some(500), None),
    ];
    let saving = caching(&run, &samples).unwrap().saving.unwrap();
    assert_eq!(saving.saved(), Usd(500 * (INPUT - READ) * 3));
    // A single prompt gives no information about similar prompts.
    assert_eq!(saving.per_request, Interval::NONE);
}

#[test]
fn a_price_list_without_terms_of_its_own_pays_nothing() {
    // No discount: reading saves nothing, and a premium is never recovered.
    let of = |read, write| {
        let run = run(&["p"], 2, &TokenPrices::flat(rates(INPUT, read, write)));
        let samples = [
            reported_sample(&run, 0, 900, Some(0), Some(800)),
            reported_sample(&run, 1, 900, Some(800), Some(0)),
        ];
        caching(&run, &samples).unwrap()
    };
    let plain = of(None, None);
    assert_eq!(plain.break_even, Some(BreakEven::NoPremium));
    assert_eq!(plain.saving.unwrap().saved(), Usd::ZERO);
    let never = of(Some(INPUT), Some(WRITE));
    assert_eq!(never.break_even, Some(BreakEven::Never));
    assert!(never.saving.unwrap().saved() < Usd::ZERO);
    // 25 % more to write, 90 % less to read: the first reuse pays. The most expensive list requires three.
    assert_eq!(
        of(Some(READ), Some(WRITE)).break_even,
        Some(BreakEven::Reuses(1))
    );
    let dear = of(Some(INPUT / 2), Some(INPUT * 9 / 4));
    assert_eq!(dear.break_even, Some(BreakEven::Reuses(3)));
}

proptest! {
    // The saving is the discount of the tokens read minus the premium of the tokens written, to the last digit,
    // and its cost is the one that samples carry.
    #[test]
    fn the_saving_is_exact(
        counts in prop::collection::vec((0_u64..50_000, 0_u64..50_000, 0_u64..50_000), 8),
        input in 0_i64..10_000_000, read in 0_i64..10_000_000, write in 0_i64..20_000_000,
    ) {
        let (input, read, write) = (i128::from(input), i128::from(read), i128::from(write));
        let run = run(&["p", "q"], 4, &TokenPrices::flat(rates(input, Some(read), Some(write))));
        let samples: Vec<Sample> = (0..).zip(&counts).map(|(trial, &(fresh, cached, written))| {
            reported_sample(&run, trial, fresh + cached + written, Some(cached), Some(written))
        }).collect();
        let caching = caching(&run, &samples).unwrap();
        let saving = caching.saving.unwrap();
        let expected: i128 = counts.iter().map(|&(_, cached, written)| {
            i128::from(cached) * (input - read) - i128::from(written) * (write - input)
        }).sum();
        prop_assert_eq!(saving.saved(), Usd(expected));
        let rates = rates(input, Some(read), Some(write));
        let with: Usd = samples.iter().map(|sample| {
            let counts = sample.usage.unwrap().counts().unwrap();
            cost(&TokenPrices::flat(rates), &counts).unwrap()
        }).sum();
        prop_assert_eq!(saving.cost, with);
        let mean = saving.mean().as_f64();
        let inside = saving.per_request.contains(mean);
        prop_assert!(inside || (saving.saved().0 / 8 - saving.mean().0).abs() <= 1, "{saving:?}");
    }

    // After so many reuses writing has paid, and after one less it has not.
    #[test]
    fn the_break_even_is_the_smallest(
        tokens in 1_u64..100_000, premium in 1_i64..10_000_000, discount in 1_i64..1_000_000,
    ) {
        let (premium, discount) = (i128::from(premium), i128::from(discount));
        let prices = TokenPrices::flat(rates(INPUT, Some(INPUT - discount), Some(INPUT + premium)));
        let run = run(&["p"], 2, &prices);
        let written = reported_sample(&run, 0, tokens, Some(0), Some(tokens));
        let read = reported_sample(&run, 1, tokens, Some(tokens), Some(0));
        for samples in [vec![written.clone()], vec![read.clone()], vec![written, read]] {
            let Some(BreakEven::Reuses(reuses)) = caching(&run, &samples).unwrap().break_even else {
                panic!("there is a premium and a discount")
            };
            let pays = |reuses: u64| premium <= i128::from(reuses) * discount;
            prop_assert!(pays(reuses) && !pays(reuses - 1));
        }
    }

    // The order in which samples ended changes nothing.
    #[test]
    fn order_changes_nothing(order in Just((0..12_u64).collect::<Vec<_>>()).prop_shuffle()) {
        let run = run(&["p", "q", "r"], 4, &claude());
        let sample = |trial: u64| reported_sample(&run, trial, 3_000, Some(trial % 3 * 700), Some(trial % 4 * 200));
        let sorted: Vec<Sample> = (0..12).map(sample).collect();
        let shuffled: Vec<Sample> = order.into_iter().map(sample).collect();
        prop_assert_eq!(caching(&run, &sorted), caching(&run, &shuffled));
    }
}
