//! The fold from samples to the figures of each variant, in one pass.
//!
//! Owns the fold over a run's samples. Must not know how figures are shown. Invariant: the order of samples
//! changes nothing; beside the observations it stores nothing per sample, messages of failures not counted.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use crate::record::{
    Attempt, Flag, GapCounters, Gaps, HdrReader, Manifest, Outcome, Sample, empty_histogram,
    recordable_us,
};
use crate::stats::quantile::Percentile;
use crate::suite::{Prompt, Variant};
use crate::threads::Threads;
use crate::units::{ModelId, Nanos};

use super::caching::{CacheFigures, CacheFold};
use super::cell_tally::{CachedAnswer, VariantCells};
use super::delayed_ack::{delayed_ack_share, ttft_ns};
use super::distribution::{Distribution, RankBounds};
use super::error_groups::{ErrorGroup, ErrorGroups};
use super::evidence::{Evidence, VariantEvidence};
use super::figures::{CellSamples, Figures};
use super::load::{LoadFold, LoadSummary};
use super::means::MeanIntervals;
use super::observation::Observation;
use super::part_span::{PartSpan, active};
use super::prompt_summary::{PromptSums, SharedPromptSums};
use super::ratios::Ratios;
use super::tally::{SampleCounts, Tally};

/// The number of characters that are stored of a name from a server (a provider, a served model).
const NAME_CHARS: usize = 100;

/// The figures of a run.
#[derive(Debug)]
pub struct RunSummary {
    /// Variants in the order of the suite.
    pub variants: Vec<VariantSummary>,
    /// The sums of each prompt, of which its figures are computed.
    pub prompts: PromptSums,
    /// Samples of a variant or prompt that the manifest does not name; in no other figure.
    pub unmatched_marks: u64,
    /// Lines of the journal that could not be read; in no figure.
    pub lost_lines: u64,
    /// Truncated lines of the history that the run is judged by.
    pub truncated_history_lines: u64,
    /// The p99 of the error of its times to a first token; absent where it is not known.
    pub ttft_error: Option<Nanos>,
    /// The stages of its load, if it has one.
    pub load: Option<LoadSummary>,
    /// End of the last attempt, since the start of the run.
    pub end: Nanos,
    /// Time during which requests were sent: `end`, without the time between the parts of a run that was resumed.
    pub active: Nanos,
}

/// Share of a run's answers from which on their delay by this machine makes it the bottleneck: what is excluded is no longer
/// an accident, and a p95 of the rest is that of another load.
const BOTTLENECK_SHARE: f64 = 0.05;

/// Share of a median TTFT above which the error of the instrument is printed beside it.
const NOTABLE_ERROR_SHARE: f64 = 0.01;

impl RunSummary {
    /// The variant whose TTFT the error of the instrument distorts most, and the share of its median; `None` if that is at most
    /// 1 %.
    pub fn notable_error(&self) -> Option<(&VariantSummary, f64)> {
        let error = self.ttft_error?.0 as f64;
        let shares = self.variants.iter().filter_map(|variant| {
            let median = variant
                .figures
                .ttft_ns
                .as_ref()?
                .percentile(Percentile::P50)?;
            Some((variant, error / median.value))
        });
        let worst = shares.max_by(|one, other| one.1.total_cmp(&other.1))?;
        (worst.1 > NOTABLE_ERROR_SHARE).then_some(worst)
    }

    /// The share of answers that this machine delayed, if it was the bottleneck of the run.
    pub fn client_bottleneck(&self) -> Option<f64> {
        let sum = |count: &dyn Fn(&SampleCounts) -> u64| -> u64 {
            let variants = self.variants.iter();
            variants.map(|one| count(&one.figures.counts)).sum()
        };
        let share =
            sum(&|counts| counts.client_bound) as f64 / sum(&|counts| counts.answered) as f64;
        (share >= BOTTLENECK_SHARE).then_some(share)
    }
}

/// The figures of one variant over all prompts.
#[derive(Debug)]
pub struct VariantSummary {
    /// The label in reports.
    pub label: String,
    /// The requested model.
    pub model: ModelId,
    /// True for the reference: the variant in use today.
    pub is_reference: bool,
    /// Figures over all prompts.
    pub figures: Figures,
    /// The figures divided by the reference's.
    pub ratios: Ratios,
    /// Intervals of its means and shares, with prompts as clusters.
    pub means: MeanIntervals,
    /// Figures of the prompt cache; absent where no server reported cache tokens.
    pub caching: Option<CacheFigures>,
    /// Gaps of all answers together.
    pub gaps: GapFigures,
    /// The client's own delay before sending, over all samples, ns.
    pub lag: Option<Distribution>,
    /// Times of all samples, for export to other tools.
    pub histograms: Histograms,
    /// Samples by the provider that answered.
    pub providers: BTreeMap<String, u64>,
    /// Samples by the model that answered, where it differs from the requested one.
    pub served_models: BTreeMap<String, u64>,
    /// Samples by finish reason, of those that are not known.
    pub unknown_finishes: BTreeMap<String, u64>,
    /// The longest wait that a server demanded of an attempt.
    pub longest_wait: Option<Nanos>,
    /// Samples with a positive number in their usage that has no known meaning, by its path.
    pub unread_usage: BTreeMap<String, u64>,
    /// Samples by the service tier that served them.
    pub service_tiers: BTreeMap<String, u64>,
    /// Failures, the most frequent first.
    pub errors: Vec<ErrorGroup>,
    /// Share of TTFTs in the cluster of delayed acknowledgements; absent without a cluster.
    pub delayed_ack_share: Option<f64>,
}

/// The gaps of all answers of a variant.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GapFigures {
    /// All gaps, ns; percentiles and the smallest within 0.1 %.
    pub distribution: Option<Distribution>,
    /// Gaps not measured because their chunks arrived together.
    pub coalesced: u64,
    /// Gaps below 1 us or above 1 h: in no figure.
    pub out_of_range: u64,
    /// Samples whose stored histogram could not be read: their gaps are in no figure.
    pub unreadable: u64,
}

/// Histograms of the times of a variant's samples, in microseconds.
#[derive(Debug)]
pub struct Histograms {
    /// (metric, histogram, values out of its range), in the order of columns.
    pub metrics: [(&'static str, Histogram<u64>, u64); 5],
}

/// The sums that one thread makes of samples, by variant.
pub struct SummaryFold {
    variants: Vec<VariantFold>,
    hdr: HdrReader,
    unmatched_marks: u64,
    lost_lines: u64,
    ttft_error: Option<Nanos>,
    load: Option<LoadFold>,
    /// One part for a run in one piece.
    parts: Vec<PartSpan>,
}

/// The sums per variant that are not split by prompt.
struct VariantFold {
    label: String,
    model: ModelId,
    is_reference: bool,
    tally: Tally,
    caching: CacheFold,
    gap_counters: GapCounters,
    gaps: GapFigures,
    gap_sum_ns: u128,
    gap_longest_ns: u64,
    providers: BTreeMap<String, u64>,
    served_models: BTreeMap<String, u64>,
    unknown_finishes: BTreeMap<String, u64>,
    longest_wait: Option<Nanos>,
    unread_usage: BTreeMap<String, u64>,
    service_tiers: BTreeMap<String, u64>,
    errors: ErrorGroups,
}

impl SummaryFold {
    /// An empty fold for the variants and prompts of this run.
    pub(super) fn new(manifest: &Manifest) -> Self {
        let suite = &manifest.suite;
        let mut parts: Vec<_> = manifest.parts.iter().map(PartSpan::new).collect();
        if parts.is_empty() {
            parts.push(PartSpan::default());
        }
        let variant_fold = |variant: &Variant| {
            let prices = manifest.prices_of(&variant.model);
            VariantFold {
                caching: CacheFold::new(prices),
                ..VariantFold::new(&variant.label, &variant.model, &suite.reference)
            }
        };
        Self {
            variants: suite.variants.iter().map(variant_fold).collect(),
            hdr: HdrReader::default(),
            unmatched_marks: 0,
            ttft_error: manifest.ttft_error.p99(manifest.clock),
            load: LoadFold::new(manifest),
            lost_lines: 0,
            parts,
        }
    }

    /// Adds a sample to its stage of the load, if the run has one.
    pub(super) fn add_to_load(&mut self, sample: &Sample) {
        if let Some(load) = &mut self.load {
            load.add(sample);
        }
    }

    /// Adds a sample of the variant at an index and of its prompt; returns its use of a cache, which the sums of its prompt need.
    pub(super) fn add(
        &mut self,
        variant: usize,
        prompt: &Prompt,
        sample: &Sample,
    ) -> Option<CachedAnswer> {
        let end = sample.end();
        let begun = self.parts.partition_point(|part| part.start <= end);
        let part = &mut self.parts[begun.saturating_sub(1)];
        part.end = end.max(part.end);
        let variant_fold = &mut self.variants[variant];
        variant_fold.add(sample, prompt, &mut self.hdr);
        variant_fold.caching.add(sample)
    }

    /// Counts a sample of a variant or prompt that the manifest does not name.
    pub(super) fn add_unmatched(&mut self) {
        self.unmatched_marks += 1;
    }

    /// Counts a line of the journal that could not be read.
    pub(super) fn add_lost_line(&mut self) {
        self.lost_lines += 1;
    }

    /// Adds the samples of another fold of the same run.
    pub(super) fn absorb(&mut self, other: Self) {
        for (ours, theirs) in self.variants.iter_mut().zip(other.variants) {
            ours.absorb(theirs);
        }
        self.unmatched_marks += other.unmatched_marks;
        self.lost_lines += other.lost_lines;
        for (ours, theirs) in self.parts.iter_mut().zip(other.parts) {
            ours.end = theirs.end.max(ours.end);
        }
        if let (Some(ours), Some(theirs)) = (&mut self.load, other.load) {
            ours.absorb(theirs);
        }
    }

    /// The figures of everything that was added, to this fold and to `sums`; `evidence` is of the same samples.
    pub(super) fn finish(self, sums: SharedPromptSums, evidence: &Evidence) -> RunSummary {
        let mut variants = self.variants.iter();
        let reference = variants.position(|variant| variant.is_reference);
        let prompts = sums.finish(reference);
        let folds = self.variants.into_iter().zip(&evidence.variants);
        let folds = folds.enumerate().collect::<Vec<_>>();
        let mut variants = Threads::for_processors().map(folds, |(index, (fold, observed))| {
            fold.finish(prompts.of_variant(index), observed)
        });
        if let Some(reference) = reference {
            let figures = variants[reference].figures.clone();
            for variant in &mut variants {
                variant.ratios = Ratios::new(&variant.figures, &figures);
            }
        }
        let ends = self.parts.iter().map(|part| part.end);
        RunSummary {
            variants,
            prompts,
            unmatched_marks: self.unmatched_marks,
            lost_lines: self.lost_lines,
            truncated_history_lines: 0,
            ttft_error: self.ttft_error,
            end: ends.max().unwrap_or_default(),
            active: active(&self.parts),
            load: self.load.map(LoadFold::finish),
        }
    }
}

impl VariantFold {
    fn new(label: &str, model: &ModelId, reference: &str) -> Self {
        Self {
            label: label.to_owned(),
            model: model.clone(),
            is_reference: label == reference,
            tally: Tally::default(),
            caching: CacheFold::default(),
            gap_counters: GapCounters::default(),
            gaps: GapFigures::default(),
            gap_sum_ns: 0,
            gap_longest_ns: 0,
            providers: BTreeMap::new(),
            served_models: BTreeMap::new(),
            unknown_finishes: BTreeMap::new(),
            longest_wait: None,
            unread_usage: BTreeMap::new(),
            service_tiers: BTreeMap::new(),
            errors: ErrorGroups::default(),
        }
    }

    /// Adds the samples of another fold of the same variant.
    fn absorb(&mut self, other: Self) {
        self.tally.absorb(&other.tally);
        self.caching.absorb(&other.caching);
        self.gap_counters.absorb(&other.gap_counters);
        let (ours, theirs) = (&mut self.gaps, other.gaps);
        ours.coalesced = ours.coalesced.saturating_add(theirs.coalesced);
        ours.out_of_range = ours.out_of_range.saturating_add(theirs.out_of_range);
        ours.unreadable += theirs.unreadable;
        self.gap_sum_ns = self.gap_sum_ns.saturating_add(other.gap_sum_ns);
        self.gap_longest_ns = self.gap_longest_ns.max(other.gap_longest_ns);
        for (ours, theirs) in [
            (&mut self.providers, other.providers),
            (&mut self.served_models, other.served_models),
            (&mut self.unknown_finishes, other.unknown_finishes),
            (&mut self.unread_usage, other.unread_usage),
            (&mut self.service_tiers, other.service_tiers),
        ] {
            for (name, count) in theirs {
                *ours.entry(name).or_insert(0) += count;
            }
        }
        self.longest_wait = self.longest_wait.max(other.longest_wait);
        self.errors.absorb(other.errors);
    }

    fn add(&mut self, sample: &Sample, prompt: &Prompt, hdr: &mut HdrReader) {
        let count = |names: &mut BTreeMap<String, u64>, name: Option<&String>| {
            let Some(name) = name else { return };
            if let Some(seen) = names.get_mut(name) {
                *seen += 1;
            } else {
                *names
                    .entry(name.chars().take(NAME_CHARS).collect())
                    .or_insert(0) += 1;
            }
        };
        self.tally.add(sample, prompt);
        if sample.outcome == Outcome::UnknownFinish {
            count(&mut self.unknown_finishes, sample.finish_reason.as_ref());
        }
        let waits = sample.attempts.iter().filter_map(Attempt::demanded_wait);
        self.longest_wait = self.longest_wait.max(waits.max());
        count(&mut self.providers, sample.provider.as_ref());
        count(&mut self.served_models, sample.served_model.as_ref());
        count(&mut self.service_tiers, sample.service_tier.as_ref());
        for path in &sample.unread_usage {
            count(&mut self.unread_usage, Some(path));
        }
        if sample.outcome.failure().is_some() {
            self.errors.add(sample);
        } else if let Some(gaps) = &sample.gaps {
            self.add_gaps(gaps, hdr);
        }
    }

    fn add_gaps(&mut self, gaps: &Gaps, hdr: &mut HdrReader) {
        self.gaps.coalesced = self.gaps.coalesced.saturating_add(gaps.coalesced);
        if gaps.count == 0 {
            return;
        }
        let recorded = match &gaps.hdr {
            Some(text) => hdr.add(text, &mut self.gap_counters),
            None => Ok(0),
        };
        let Ok(recorded) = recorded else {
            self.gaps.unreadable += 1;
            return;
        };
        let unrecorded = gaps.count.saturating_sub(recorded);
        self.gaps.out_of_range = self.gaps.out_of_range.saturating_add(unrecorded);
        let mean = gaps.mean_ns.map_or(0, |mean| u128::from(mean.0));
        let sum = mean * u128::from(gaps.count);
        self.gap_sum_ns = self.gap_sum_ns.saturating_add(sum);
        self.gap_longest_ns = self.gap_longest_ns.max(gaps.max_ns.map_or(0, |max| max.0));
    }

    /// The figures of the variant, with the sums of its prompts.
    fn finish(mut self, prompts: VariantCells<'_>, observed: &VariantEvidence) -> VariantSummary {
        self.tally.counts.planned = prompts.iter().map(|one| u64::from(one.planned)).sum();
        let samples = &CellSamples(&observed.prompts);
        let mut rank_bounds = RankBounds::default();
        let mut gaps = self.gaps;
        let gap_histogram = self.gap_counters.to_histogram();
        let recorded = gap_histogram.len();
        if recorded > 0 {
            let measured = recorded.saturating_add(gaps.out_of_range);
            let mean = self.gap_sum_ns as f64 / measured as f64;
            let ends = (gap_histogram.min() as f64 * 1e3, self.gap_longest_ns as f64);
            // The upper end of a bucket may exceed the longest gap; no percentile may.
            let value_at = |q| {
                let bucket_ns = gap_histogram.value_at_quantile(q) as f64 * 1e3;
                Some(bucket_ns.min(self.gap_longest_ns as f64))
            };
            gaps.distribution = Some(Distribution::new(recorded, mean, ends, value_at));
        }
        let mut lags: Vec<u64> = samples.all().map(|one| one.lag().0).collect();
        let first_tokens_of = |hit: bool| {
            let class = samples.answered().filter(|one| one.cache_read == Some(hit));
            class.filter_map(ttft_ns).collect()
        };
        VariantSummary {
            label: self.label,
            model: self.model,
            is_reference: self.is_reference,
            figures: Figures::new(&self.tally, samples, &mut rank_bounds),
            ratios: Ratios::default(),
            means: MeanIntervals::from_prompts(prompts),
            caching: (self.caching).finish(prompts, first_tokens_of, &mut rank_bounds),
            lag: Distribution::from_integers(&mut lags, &mut rank_bounds),
            delayed_ack_share: delayed_ack_share(samples),
            histograms: Histograms::new(samples, gap_histogram, gaps.out_of_range),
            gaps,
            providers: self.providers,
            served_models: self.served_models,
            unknown_finishes: self.unknown_finishes,
            longest_wait: self.longest_wait,
            unread_usage: self.unread_usage,
            service_tiers: self.service_tiers,
            errors: self.errors.finish(),
        }
    }
}

impl VariantSummary {
    /// The single model name of every answer, if it differs from the requested one and no gateway reports a
    /// fallback: servers have their own names for models.
    pub fn alias(&self) -> Option<&str> {
        let counts = &self.figures.counts;
        let always = counts.answered > 0 && counts.flag(Flag::OtherModel) == counts.answered;
        match self.served_models.iter().next() {
            Some((name, _)) if always && self.served_models.len() == 1 => Some(name),
            _ => None,
        }
    }

    /// Samples that name another model although others of the variant do not: fallbacks that the endpoint does
    /// not report.
    pub fn unreported_fallbacks(&self) -> u64 {
        match self.alias() {
            Some(_) => 0,
            None => self.figures.counts.flag(Flag::OtherModel),
        }
    }
}

impl Histograms {
    fn new(samples: &CellSamples<'_>, gap: Histogram<u64>, gaps_out_of_range: u64) -> Self {
        let histogram_of = |metric, span: fn(&Observation) -> Option<Nanos>| {
            let mut histogram = empty_histogram();
            let mut out_of_range = 0;
            for span in samples.answered().filter_map(span) {
                let value = recordable_us(span);
                let recorded = value.is_some_and(|value| histogram.record(value).is_ok());
                out_of_range += u64::from(!recorded);
            }
            (metric, histogram, out_of_range)
        };
        let experienced = |one: &Observation| one.experienced_ttft().filter(|_| !one.excluded);
        Self {
            metrics: [
                histogram_of("ttft", |one| one.ttft_ns.get().filter(|_| !one.excluded)),
                histogram_of("ttfa", |one| one.ttfa_ns.get().filter(|_| !one.excluded)),
                histogram_of("experienced_ttft", experienced),
                histogram_of("latency", |one| one.latency_ns.get()),
                ("gap", gap, gaps_out_of_range),
            ],
        }
    }
}

impl GapFigures {
    /// Share of gaps that were not measured because their chunks arrived together.
    pub fn coalesced_share(&self) -> Option<f64> {
        let recorded = self.distribution.as_ref().map_or(0, |gaps| gaps.n);
        let measured = recorded.saturating_add(self.out_of_range);
        let all = measured.saturating_add(self.coalesced);
        (all > 0).then(|| self.coalesced as f64 / all as f64)
    }
}
