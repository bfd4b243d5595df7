//! From samples to the figures of each variant, in one pass.
//!
//! Owns the fold over a run's samples. Must not know how figures are shown. Invariant: the order of
//! samples changes nothing; per sample it keeps less than 150 bytes, texts of failures apart.

use std::collections::{BTreeMap, HashMap};

use hdrhistogram::Histogram;

use crate::record::{Flag, Gaps, HdrReader, Manifest, Sample, empty_histogram, recordable_us};
use crate::stats::quantile::Percentile;
use crate::units::{ModelId, Nanos, Usd};

use super::caching::{Caching, CachingTally};
use super::distribution::{Distribution, Ends, Estimate};
use super::error_groups::{ErrorGroup, ErrorGroups};
use super::figures::Figures;
use super::means::Means;
use super::tally::{Tally, TokenKind};

/// Most characters kept of a name that a server gave (a provider, a served model).
const NAME_CHARS: usize = 100;
/// TTFTs of a delayed acknowledgement cluster here: the timer is 40 ms on Linux, and the true TTFT of
/// a nearby server adds little.
const DELAYED_ACK_NS: std::ops::RangeInclusive<u64> = 38_000_000..=46_000_000;
/// A cluster is this share of all TTFTs or more ...
const DELAYED_ACK_SHARE: f64 = 0.3;
/// ... of at least this many: fewer gather anywhere by chance.
const DELAYED_ACK_FEWEST: usize = 20;

/// The figures of a run.
#[derive(Debug)]
pub struct RunSummary {
    /// In the order of the suite.
    pub variants: Vec<VariantSummary>,
    /// In the order of the suite.
    pub prompts: Vec<PromptSummary>,
    /// Samples of a variant or prompt that the manifest does not name; in no other figure.
    pub strays: u64,
    /// Lines of the journal that could not be read; in no figure.
    pub lost_lines: u64,
    /// Lines of the past that the run is judged by that were never finished.
    pub torn_past: u64,
    /// When the last attempt ended, since the run began.
    pub end: Nanos,
}

/// The figures of one variant over all prompts.
#[derive(Debug)]
pub struct VariantSummary {
    /// How reports call it.
    pub label: String,
    /// The model asked for.
    pub model: ModelId,
    /// Whether it is the variant in use today.
    pub is_reference: bool,
    /// Its figures.
    pub figures: Figures,
    /// The figures over the reference's.
    pub ratios: Ratios,
    /// What its means and shares are worth, with prompts as clusters.
    pub means: Means,
    /// What prompt caches did; absent where no answer told of them.
    pub caching: Option<Caching>,
    /// Gaps of all answers taken together.
    pub gaps: GapFigures,
    /// Our own delay before sending, every sample, ns.
    pub lag: Option<Distribution>,
    /// Times of all samples, for other tools.
    pub histograms: Histograms,
    /// Samples by the provider that answered.
    pub providers: BTreeMap<String, u64>,
    /// Samples by the model that answered, where it was not the one asked for.
    pub served_models: BTreeMap<String, u64>,
    /// What failed and how, the most frequent first.
    pub errors: Vec<ErrorGroup>,
    /// Share of TTFTs that cluster where a delayed acknowledgement puts them; absent: no cluster.
    pub delayed_ack_share: Option<f64>,
}

/// The figures of one prompt.
#[derive(Debug)]
pub struct PromptSummary {
    /// Id of the prompt.
    pub prompt: String,
    /// Per variant, in the order of the suite: its figures, and these over the reference's.
    pub variants: Vec<(Figures, Ratios)>,
}

/// Figures over the reference's; absent where either is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Ratios {
    /// Of the medians of TTFT.
    pub ttft_p50: Option<Estimate>,
    /// Of the medians of TTFA.
    pub ttfa_p50: Option<Estimate>,
    /// Of the medians of latency.
    pub latency_p50: Option<Estimate>,
    /// Of the medians of output rate.
    pub output_rate_p50: Option<Estimate>,
    /// Of the mean completion tokens.
    pub completion_tokens_mean: Option<f64>,
    /// Of the mean list prices of a request.
    pub cost_mean: Option<f64>,
}

/// The gaps of all answers of a variant.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GapFigures {
    /// All gaps, ns; percentiles and the smallest within 0.1 %.
    pub distribution: Option<Distribution>,
    /// Gaps left out because their chunks came together.
    pub coalesced: u64,
    /// Gaps below 1 us or above 1 h: in no figure.
    pub out_of_range: u64,
    /// Samples whose stored histogram could not be read: their gaps are in no figure.
    pub unreadable: u64,
}

/// Times of a variant's samples, in microseconds.
#[derive(Debug)]
pub struct Histograms {
    /// (metric, histogram, values out of its range), in the order of columns.
    pub metrics: [(&'static str, Histogram<u64>, u64); 5],
}

/// The fold: made from a manifest, fed with samples, finished into a [`RunSummary`].
pub struct Summaries {
    variants: Vec<Side>,
    prompts: Vec<String>,
    variant_places: HashMap<String, usize>,
    prompt_places: HashMap<String, usize>,
    /// One per (variant, prompt), variant by variant.
    cells: Vec<Tally>,
    hdr: HdrReader,
    strays: u64,
    lost_lines: u64,
    end: Nanos,
}

/// What is kept per variant and not per prompt.
struct Side {
    label: String,
    model: ModelId,
    is_reference: bool,
    caching: CachingTally,
    gap_histogram: Histogram<u64>,
    gaps: GapFigures,
    gap_sum_ns: u128,
    gap_longest_ns: u64,
    providers: BTreeMap<String, u64>,
    served_models: BTreeMap<String, u64>,
    errors: ErrorGroups,
}

impl Summaries {
    /// An empty fold for the variants and prompts of this run.
    pub fn new(manifest: &Manifest) -> Self {
        let suite = &manifest.suite;
        let places = |names: &[String]| -> HashMap<String, usize> {
            let numbered = names.iter().cloned().enumerate();
            numbered.map(|(place, name)| (name, place)).collect()
        };
        let labels: Vec<String> = suite.variants.iter().map(|v| v.label.clone()).collect();
        let prompts: Vec<String> = suite.prompts.iter().map(|p| p.id.clone()).collect();
        let empty_cell = || {
            let mut cell = Tally::default();
            cell.counts.planned = u64::from(manifest.rounds());
            cell
        };
        Self {
            variant_places: places(&labels),
            prompt_places: places(&prompts),
            cells: std::iter::repeat_with(empty_cell)
                .take(labels.len() * prompts.len())
                .collect(),
            variants: suite
                .variants
                .iter()
                .map(|variant| {
                    let prices = manifest.prices_of(&variant.model);
                    Side {
                        caching: CachingTally::new(prices, prompts.len()),
                        ..Side::new(&variant.label, &variant.model, &suite.reference)
                    }
                })
                .collect(),
            prompts,
            hdr: HdrReader::default(),
            strays: 0,
            lost_lines: 0,
            end: Nanos::ZERO,
        }
    }

    /// Adds a sample.
    pub fn add(&mut self, sample: &Sample) {
        let variant = self.variant_places.get(&sample.variant);
        let prompt = self.prompt_places.get(&sample.prompt);
        let (Some(&variant), Some(&prompt)) = (variant, prompt) else {
            self.strays += 1;
            return;
        };
        let attempts_end = sample.attempts.iter().map(|attempt| attempt.end_ns).max();
        self.end = self.end.max(attempts_end.unwrap_or(sample.sent_ns));
        self.cells[variant * self.prompts.len() + prompt].add(sample);
        let side = &mut self.variants[variant];
        side.caching.add(sample, prompt);
        side.add(sample, &mut self.hdr);
    }

    /// Counts a line of the journal that could not be read.
    pub fn add_lost_line(&mut self) {
        self.lost_lines += 1;
    }

    /// The figures of everything that was added.
    pub fn finish(self) -> RunSummary {
        let prompt_count = self.prompts.len();
        let mut cells = self.cells.into_iter();
        let mut per_variant: Vec<Vec<Figures>> = Vec::new();
        let mut variants: Vec<VariantSummary> = Vec::new();
        let mut ends = Ends::default();
        for side in self.variants {
            let mut whole = Tally::default();
            let mut per_prompt = Vec::with_capacity(prompt_count);
            for mut cell in cells.by_ref().take(prompt_count) {
                per_prompt.push(Figures::of(&mut cell, &mut ends));
                whole.absorb(cell);
            }
            let mut variant = side.finish(whole, &mut ends);
            variant.means = Means::of(&per_prompt);
            per_variant.push(per_prompt);
            variants.push(variant);
        }
        let reference = variants.iter().position(|variant| variant.is_reference);
        if let Some(reference) = reference {
            let figures = variants[reference].figures.clone();
            for variant in &mut variants {
                variant.ratios = Ratios::of(&variant.figures, &figures);
            }
        }
        let prompts = self.prompts.into_iter().enumerate();
        let prompts = prompts
            .map(|(place, prompt)| PromptSummary::new(prompt, place, &per_variant, reference))
            .collect();
        RunSummary {
            variants,
            prompts,
            strays: self.strays,
            lost_lines: self.lost_lines,
            torn_past: 0,
            end: self.end,
        }
    }
}

impl PromptSummary {
    fn new(
        prompt: String,
        place: usize,
        per_variant: &[Vec<Figures>],
        reference: Option<usize>,
    ) -> Self {
        let reference = reference.map(|reference| &per_variant[reference][place]);
        let with_ratios = |figures: &Figures| {
            let ratios = reference.map(|reference| Ratios::of(figures, reference));
            (figures.clone(), ratios.unwrap_or_default())
        };
        Self {
            prompt,
            variants: per_variant
                .iter()
                .map(|prompts| with_ratios(&prompts[place]))
                .collect(),
        }
    }
}

impl Side {
    fn new(label: &str, model: &ModelId, reference: &str) -> Self {
        Self {
            label: label.to_owned(),
            model: model.clone(),
            is_reference: label == reference,
            caching: CachingTally::default(),
            gap_histogram: empty_histogram(),
            gaps: GapFigures::default(),
            gap_sum_ns: 0,
            gap_longest_ns: 0,
            providers: BTreeMap::new(),
            served_models: BTreeMap::new(),
            errors: ErrorGroups::default(),
        }
    }

    fn add(&mut self, sample: &Sample, hdr: &mut HdrReader) {
        let count = |names: &mut BTreeMap<String, u64>, name: &Option<String>| {
            let Some(name) = name else { return };
            if let Some(seen) = names.get_mut(name) {
                *seen += 1;
            } else {
                *names
                    .entry(name.chars().take(NAME_CHARS).collect())
                    .or_insert(0) += 1;
            }
        };
        count(&mut self.providers, &sample.provider);
        count(&mut self.served_models, &sample.served_model);
        if !sample.outcome.answered() {
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
            Some(text) => hdr.add(text, &mut self.gap_histogram),
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

    fn finish(self, mut whole: Tally, places: &mut Ends) -> VariantSummary {
        let mut gaps = self.gaps;
        let recorded = self.gap_histogram.len();
        if recorded > 0 {
            let measured = recorded.saturating_add(gaps.out_of_range);
            let mean = self.gap_sum_ns as f64 / measured as f64;
            let ends = (
                self.gap_histogram.min() as f64 * 1e3,
                self.gap_longest_ns as f64,
            );
            // A bucket's upper end may lie above the longest gap: no percentile may.
            let value_at = |q| {
                let bucket_ns = self.gap_histogram.value_at_quantile(q) as f64 * 1e3;
                Some(bucket_ns.min(self.gap_longest_ns as f64))
            };
            gaps.distribution = Some(Distribution::new(recorded, mean, ends, value_at));
        }
        let figures = Figures::of(&mut whole, places);
        VariantSummary {
            label: self.label,
            model: self.model,
            is_reference: self.is_reference,
            figures,
            ratios: Ratios::default(),
            means: Means::default(),
            caching: self.caching.finish(places),
            lag: whole.lag(places),
            delayed_ack_share: delayed_ack_share(&whole.ttft_ns),
            histograms: Histograms::of(&whole, self.gap_histogram, gaps.out_of_range),
            gaps,
            providers: self.providers,
            served_models: self.served_models,
            errors: self.errors.finish(),
        }
    }
}

impl VariantSummary {
    /// The one name under which every answer came, where it is not that of the model asked for and
    /// no gateway tells of a fallback: servers have names of their own for what they were asked.
    pub fn alias(&self) -> Option<&str> {
        let counts = &self.figures.counts;
        let always = counts.answered > 0 && counts.flag(Flag::OtherModel) == counts.answered;
        match self.served_models.iter().next() {
            Some((name, _)) if always && self.served_models.len() == 1 => Some(name),
            _ => None,
        }
    }

    /// Samples that name another model, although others of the variant do not: a fallback that the
    /// endpoint does not tell of.
    pub fn untold_fallbacks(&self) -> u64 {
        match self.alias() {
            Some(_) => 0,
            None => self.figures.counts.flag(Flag::OtherModel),
        }
    }
}

/// The share of TTFTs near 40 ms, where it is a cluster.
fn delayed_ack_share(ttft_ns: &[u64]) -> Option<f64> {
    if ttft_ns.len() < DELAYED_ACK_FEWEST {
        return None;
    }
    let near = ttft_ns.iter().filter(|&ns| DELAYED_ACK_NS.contains(ns));
    let share = near.count() as f64 / ttft_ns.len() as f64;
    (share >= DELAYED_ACK_SHARE).then_some(share)
}

impl Histograms {
    fn of(tally: &Tally, gap: Histogram<u64>, gaps_out_of_range: u64) -> Self {
        let of = |metric, spans: &[u64]| {
            let mut histogram = empty_histogram();
            let mut out_of_range = 0;
            for &span in spans {
                let value = recordable_us(Nanos(span));
                let recorded = value.is_some_and(|value| histogram.record(value).is_ok());
                out_of_range += u64::from(!recorded);
            }
            (metric, histogram, out_of_range)
        };
        Self {
            metrics: [
                of("ttft", &tally.ttft_ns),
                of("ttfa", &tally.ttfa_ns),
                of("experienced_ttft", &tally.experienced_ttft_ns),
                of("latency", &tally.latency_ns),
                ("gap", gap, gaps_out_of_range),
            ],
        }
    }
}

impl GapFigures {
    /// Share of gaps that were left out because their chunks came together.
    pub fn coalesced_share(&self) -> Option<f64> {
        let recorded = self.distribution.as_ref().map_or(0, |gaps| gaps.n);
        let measured = recorded.saturating_add(self.out_of_range);
        let all = measured.saturating_add(self.coalesced);
        (all > 0).then(|| self.coalesced as f64 / all as f64)
    }
}

impl Ratios {
    fn of(ours: &Figures, reference: &Figures) -> Self {
        let medians = |ours: &Option<Distribution>, reference: &Option<Distribution>| {
            let ours = ours.as_ref()?.percentile(Percentile::P50)?;
            let reference = reference.as_ref()?.percentile(Percentile::P50)?;
            quotient(ours.value, reference.value).map(|value| Estimate {
                value,
                n: ours.n.min(reference.n),
                bounded: ours.bounded && reference.bounded,
                interval: None,
            })
        };
        let tokens = |figures: &Figures| figures.tokens(TokenKind::Completion).mean();
        let cost = |figures: &Figures| figures.ranked_cost().mean().map(Usd::as_f64);
        let means = |mean_of: &dyn Fn(&Figures) -> Option<f64>| {
            quotient(mean_of(ours)?, mean_of(reference)?)
        };
        Self {
            ttft_p50: medians(&ours.ttft_ns, &reference.ttft_ns),
            ttfa_p50: medians(&ours.ttfa_ns, &reference.ttfa_ns),
            latency_p50: medians(&ours.latency_ns, &reference.latency_ns),
            output_rate_p50: medians(&ours.output_rate, &reference.output_rate),
            completion_tokens_mean: means(&tokens),
            cost_mean: means(&cost),
        }
    }
}

/// `None` where the divisor is 0.
fn quotient(dividend: f64, divisor: f64) -> Option<f64> {
    (divisor > 0.0).then(|| dividend / divisor)
}
