//! Tests of the fold over a run's samples.

use proptest::prelude::*;

use crate::record::{FailureKind, Flag, Outcome, Sample};
use crate::stats::quantile::Percentile;
use crate::units::{Nanos, Usd};

use super::fixture::{answered, failed, flagged, manifest};
use super::*;

fn summarised<'a>(
    run: &crate::record::Manifest,
    samples: impl IntoIterator<Item = &'a Sample>,
) -> RunSummary {
    folded(run, samples).summary
}

fn folded<'a>(
    run: &crate::record::Manifest,
    samples: impl IntoIterator<Item = &'a Sample>,
) -> FoldedRun {
    let run = RunFold::new(run);
    let mut summaries = run.samples();
    for sample in samples {
        summaries.add(sample);
    }
    let sums = summaries.end();
    run.finish([sums])
}

#[test]
fn failed_trials_have_no_times_and_stay_in_every_denominator() {
    // The slowest model must not look fast because its time-outs were dropped silently.
    let run = manifest(&["a/x"], &["p"], 8);
    let mut samples: Vec<Sample> = (0..8).map(|t| answered(&run, t, 100 + t)).collect();
    samples[3] = failed(samples[3].clone(), Outcome::TimedOutGap, 200, "no chunk");
    samples[3].ttft_ns = Some(Nanos(1));
    samples[5] = failed(samples[5].clone(), Outcome::RateLimited, 429, "slow down");
    let summary = summarised(&run, &samples);
    let figures = &summary.variants[0].figures;
    let counts = &figures.counts;
    assert_eq!((counts.planned, counts.done, counts.answered), (8, 8, 6));
    assert_eq!(counts.failed(), 2);
    assert_eq!(counts.failure(FailureKind::Timeout), 1);
    assert_eq!(counts.failure(FailureKind::RateLimit), 1);
    assert_eq!(figures.ttft_ns.as_ref().unwrap().n, 6);
    assert_eq!(figures.latency_ns.as_ref().unwrap().n, 6);
    assert_eq!(figures.money.list.n, 6);
}

#[test]
fn excluded_samples_are_counted_and_not_in_ttft() {
    // Buffered, cold and client-limited samples have a TTFT that is not the model's.
    let run = manifest(&["a/x"], &["p"], 10);
    let flags = [
        Flag::Buffered,
        Flag::Cold,
        Flag::ClientLimited,
        Flag::Retried,
    ];
    let samples: Vec<Sample> = (0..10)
        .map(|trial| {
            let sample = answered(&run, trial, 100);
            match flags.get(usize::try_from(trial).unwrap()) {
                Some(&flag) => flagged(sample, flag),
                None => sample,
            }
        })
        .collect();
    let summary = summarised(&run, &samples);
    let figures = &summary.variants[0].figures;
    assert_eq!(figures.counts.excluded, 3);
    assert_eq!(figures.counts.flag(Flag::Retried), 1);
    assert_eq!(figures.ttft_ns.as_ref().unwrap().n, 7);
    assert_eq!(figures.experienced_ttft_ns.as_ref().unwrap().n, 7);
    assert_eq!(figures.latency_ns.as_ref().unwrap().n, 10);
    // This machine delayed one answer in ten: a report begins with that.
    assert_eq!(summary.client_bottleneck(), Some(0.1));
    assert_eq!(summarised(&run, &samples[4..]).client_bottleneck(), None);
}

#[test]
fn ratios_are_over_the_reference_and_absent_without_it() {
    // The first question is *should we switch*: every candidate is compared with the model in use.
    let run = manifest(&["a/x", "b/y"], &["p"], 6);
    let mut samples: Vec<Sample> = (0..12)
        .map(|trial| answered(&run, trial, if trial % 2 == 0 { 200 } else { 100 }))
        .collect();
    for candidate in samples.iter_mut().skip(1).step_by(2) {
        candidate.cost_usd = Some(Usd(125_000_000));
    }
    let FoldedRun { evidence, summary } = folded(&run, &samples);
    let ratio = |index: usize| summary.variants[index].ratios.ttft_p50.unwrap().value;
    assert_eq!(
        [ratio(0), ratio(1)].map(f64::to_bits),
        [1.0, 0.5].map(f64::to_bits)
    );
    assert_eq!(summary.variants[1].ratios.cost_mean, Some(0.25));
    let timings = RunTimings::new(evidence);
    let prompts = PromptSummaries::new(&summary.prompts, &timings);
    let prompt = prompts.of([0]).next().unwrap();
    let (figures, ratios) = &prompt.variants[1];
    assert_eq!(ratios, &summary.variants[1].ratios);
    assert_eq!(figures.ttft_ns, summary.variants[1].figures.ttft_ns);
    let candidates = samples.iter().skip(1).step_by(2);
    let without = summarised(&run, candidates);
    assert_eq!(without.variants[1].ratios, Ratios::default());
}

#[test]
fn ttfts_near_forty_milliseconds_are_a_cluster_only_if_many() {
    // The delayed-ACK fault shows as a cluster at 40 ms; 5 of 20 may be chance, 6 of 20 are reported.
    let run = manifest(&["a/x"], &["p"], 20);
    let share = |near: u64| {
        let samples: Vec<Sample> = (0..20)
            .map(|trial| answered(&run, trial, if trial < near { 41 } else { 300 }))
            .collect();
        summarised(&run, &samples).variants[0].delayed_ack_share
    };
    assert_eq!(share(5), None);
    assert_eq!(share(6), Some(0.3));
}

#[test]
fn gaps_of_all_answers_are_one_distribution() {
    // A stall must not vanish in a mean of means: percentiles are of all gaps together.
    let run = manifest(&["a/x"], &["p"], 2);
    let mut samples: Vec<Sample> = (0..2).map(|t| answered(&run, t, 100)).collect();
    let mut gaps = vec![Nanos::from_millis(10); 89];
    gaps.push(Nanos::from_millis(900));
    samples[1].gaps = Some(crate::record::summarize_gaps(&gaps, 25));
    let summary = summarised(&run, &samples);
    let variant = &summary.variants[0];
    let all = variant.gaps.distribution.as_ref().unwrap();
    assert_eq!(all.n, 100);
    assert!((all.mean - 18.9e6).abs() < 1e3, "{}", all.mean);
    assert!((all.max - 900e6).abs() < 1e-3);
    let p50 = all.percentile(Percentile::P50).unwrap().value;
    assert!((p50 / 10e6 - 1.0).abs() < 0.001, "{p50}");
    assert_eq!(variant.gaps.coalesced_share(), Some(0.2));
    assert_eq!(variant.figures.request_gap_ns.as_ref().unwrap().n, 2);
}

#[test]
fn damaged_histograms_are_counted() {
    // A journal may be damaged: the rest of the sample counts, and the loss is reported.
    let run = manifest(&["a/x"], &["p"], 2);
    let mut samples: Vec<Sample> = (0..2).map(|t| answered(&run, t, 100)).collect();
    samples[0].gaps.as_mut().unwrap().hdr = Some("not a histogram".to_owned());
    let summary = summarised(&run, &samples);
    let gaps = &summary.variants[0].gaps;
    assert_eq!(gaps.unreadable, 1);
    assert_eq!(gaps.distribution.as_ref().unwrap().n, 10);
    assert_eq!(summary.variants[0].figures.counts.answered, 2);
}

#[test]
fn samples_without_a_variant_in_the_manifest_are_in_no_figure() {
    // A line of another run must not slip into a comparison.
    let run = manifest(&["a/x"], &["p"], 2);
    let mut samples: Vec<Sample> = (0..2).map(|t| answered(&run, t, 100)).collect();
    samples[1].variant = "c/z".to_owned();
    let summary = summarised(&run, &samples);
    assert_eq!(summary.unmatched_marks, 1);
    assert_eq!(summary.variants[0].figures.counts.done, 1);
}

#[test]
fn equal_errors_are_one_group_with_its_first_trial() {
    // Hundreds of failures are reported as two lines, each with a trial to look up.
    let run = manifest(&["a/x"], &["p"], 5);
    let samples: Vec<Sample> = (0..5)
        .map(|trial| {
            let sample = answered(&run, trial, 100);
            if trial == 0 {
                failed(sample, Outcome::ServerError, 500, "boom")
            } else {
                let message = format!("wait {trial} s");
                failed(sample, Outcome::RateLimited, 429, &message)
            }
        })
        .collect();
    let summary = summarised(&run, samples.iter().rev());
    let groups = &summary.variants[0].errors;
    let lines: Vec<_> = groups
        .iter()
        .map(|group| (group.message.as_str(), group.count, group.first_trial))
        .collect();
    assert_eq!(lines, [("wait 1 s", 4, 1), ("boom", 1, 0)]);
}

/// A run of two variants and two prompts with every outcome that a trial can have.
fn eventful_samples() -> impl Strategy<Value = Vec<Sample>> {
    let run = manifest(&["a/x", "b/y"], &["p", "q"], 10);
    let kinds = prop::collection::vec((0_u8..8, 2_u64..5000), 40);
    kinds.prop_map(move |kinds| {
        let trials = kinds.into_iter().zip(0_u64..);
        trials
            .map(|((kind, ttft_ms), trial)| {
                let mut sample = answered(&run, trial, ttft_ms);
                sample.cost_usd = Some(Usd(i128::from(ttft_ms) * 7919));
                match kind {
                    0 => failed(sample, Outcome::ServerError, 503, "gone"),
                    1 => failed(
                        sample,
                        Outcome::TimedOutTotal,
                        200,
                        &format!("after {ttft_ms}"),
                    ),
                    2 => flagged(sample, Flag::Cold),
                    3 => flagged(sample, Flag::Fallback),
                    _ => sample,
                }
            })
            .collect()
    })
}

proptest! {
    // Samples finish in any order, and the figures do not depend on it: not by one bit.
    #[test]
    fn the_order_of_samples_changes_nothing(
        (samples, shuffled) in eventful_samples()
            .prop_flat_map(|samples| (Just(samples.clone()), Just(samples).prop_shuffle())),
    ) {
        let run = manifest(&["a/x", "b/y"], &["p", "q"], 10);
        let (ours, theirs) = (summarised(&run, &samples), summarised(&run, &shuffled));
        prop_assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
    }

    // Every trial is in exactly one cell, answered or failed in exactly one way.
    #[test]
    fn counts_add_up(samples in eventful_samples()) {
        let run = manifest(&["a/x", "b/y"], &["p", "q"], 10);
        let FoldedRun { evidence, summary } = folded(&run, &samples);
        let timings = RunTimings::new(evidence);
        let prompts = PromptSummaries::new(&summary.prompts, &timings);
        let prompts: Vec<PromptSummary<'_>> = prompts.of(0..prompts.len()).collect();
        let mut done = 0;
        for (index, variant) in summary.variants.iter().enumerate() {
            let counts = &variant.figures.counts;
            let failures: u64 = FailureKind::ALL.iter().map(|&f| counts.failure(f)).sum();
            prop_assert_eq!(failures, counts.failed());
            prop_assert_eq!(counts.done, counts.answered + counts.failed());
            let by_prompt = |count: fn(&SampleCounts) -> u64| -> u64 {
                let cells = prompts.iter().map(|prompt| &prompt.variants[index]);
                cells.map(|(figures, _)| count(&figures.counts)).sum()
            };
            prop_assert_eq!(by_prompt(|counts| counts.done), counts.done);
            prop_assert_eq!(by_prompt(|counts| counts.answered), counts.answered);
            let grouped: u64 = variant.errors.iter().map(|group| group.count).sum();
            prop_assert_eq!(grouped, counts.failed());
            done += counts.done + counts.abandoned();
        }
        prop_assert_eq!(done, samples.len() as u64);
    }
}
