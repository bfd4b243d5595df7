//! The figures of each prompt, computed when they are read.
//!
//! Owns which figures a prompt has. Must not know how they are shown. Invariant: nothing is stored of a prompt but its
//! [`CellTally`]s and its observations.

use std::sync::Mutex;

use crate::record::{Manifest, Sample};
use crate::stats::quantile::Percentile;
use crate::suite::Metric;
use crate::threads::{lock, unlock};

use super::cell_tally::{CachedAnswer, CellTally, VariantCells};
use super::distribution::RankBounds;
use super::evidence::Evidence;
use super::figures::{CellSamples, Figures};
use super::ratios::{Ratios, quotient};
use super::run_index::SamplePlace;
use super::timings::RunTimings;

/// The figures of one prompt.
#[derive(Debug)]
pub struct PromptSummary<'a> {
    /// Id of the prompt.
    pub prompt: &'a str,
    /// Per variant, in the order of the suite: the figures that a prompt has, and their ratios to the reference's.
    pub variants: Vec<(Figures, Ratios)>,
}

/// The speed of one variant on one prompt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PromptSpeed {
    /// Median of the speed metric, ns; absent where too few samples have it.
    pub median_ns: Option<f64>,
    /// Trials that failed.
    pub failed: u32,
}

/// The prompts of a run. Their figures are computed one prompt at a time, so that a suite of many prompts takes little memory.
#[derive(Debug, Clone, Copy)]
pub struct PromptSummaries<'a> {
    sums: &'a PromptSums,
    evidence: &'a Evidence,
}

/// The sums of each variant and prompt of a run.
#[derive(Debug, Default)]
pub struct PromptSums {
    /// Prompt by prompt: a list for each fits into the memory that its turns left.
    cells: Vec<Box<[CellTally]>>,
    reference: Option<usize>,
}

/// The sums of each variant and prompt of a run, to which several threads add at once.
pub(super) struct SharedPromptSums {
    cells: Vec<Mutex<Box<[CellTally]>>>,
    /// True if the number of planned trials is that of those that were sent.
    is_timed: bool,
}

impl SharedPromptSums {
    /// Empty sums for the variants and prompts of this run.
    pub(super) fn new(manifest: &Manifest) -> Self {
        let repetitions = manifest.plan().prompt_repetitions(manifest.rounds());
        let is_timed = manifest.suite.time_limit().is_some();
        let planned = |repetitions: u32| if is_timed { 0 } else { repetitions };
        let variants = manifest.suite.variants.len();
        let new_cells = |repetitions| vec![CellTally::new(planned(repetitions)); variants];
        let cells = repetitions.into_iter().map(new_cells);
        Self {
            cells: cells.map(|cells| Mutex::new(cells.into())).collect(),
            is_timed,
        }
    }

    /// Adds a sample to the sums of its variant and prompt.
    pub(super) fn add(&self, place: SamplePlace, sample: &Sample, cached: Option<CachedAnswer>) {
        let cell = &mut lock(&self.cells[place.prompt])[place.variant];
        cell.add(sample, cached);
        // Time ends it: what was sent is all there was to send.
        cell.planned += u32::from(self.is_timed);
    }

    /// The sums of everything that was added; `reference` is the index of the reference, if it is in the suite.
    pub(super) fn finish(self, reference: Option<usize>) -> PromptSums {
        PromptSums {
            cells: self.cells.into_iter().map(unlock).collect(),
            reference,
        }
    }
}

impl PromptSums {
    /// The sums of a variant, in the order of the prompts.
    pub(super) fn of_variant(&self, variant: usize) -> VariantCells<'_> {
        VariantCells::new(&self.cells, variant)
    }
}

impl<'a> PromptSummaries<'a> {
    /// The prompts with these sums, whose trials `timings` has.
    pub const fn new(sums: &'a PromptSums, timings: &'a RunTimings) -> Self {
        let evidence = timings.evidence();
        Self { sums, evidence }
    }

    /// Their number.
    pub const fn len(self) -> usize {
        self.evidence.prompts.len()
    }

    /// Returns true if there is none.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The id of the prompt at an index in the suite.
    pub fn id(self, prompt: usize) -> &'a str {
        &self.evidence.prompts[prompt].id
    }

    /// The figures of some prompts, by their indices in the suite.
    pub fn of(
        self,
        prompts: impl IntoIterator<Item = usize>,
    ) -> impl Iterator<Item = PromptSummary<'a>> {
        let mut ends = RankBounds::default();
        prompts
            .into_iter()
            .map(move |prompt| self.summary(prompt, &mut ends))
    }

    fn summary(self, prompt: usize, ends: &mut RankBounds) -> PromptSummary<'a> {
        let figures = (0..self.evidence.variants.len()).map(|variant| {
            let cell = &self.sums.cells[prompt][variant];
            Figures::of_prompt(cell, &self.samples(variant, prompt), ends)
        });
        let figures: Vec<Figures> = figures.collect();
        let reference = self.sums.reference.map(|reference| &figures[reference]);
        let ratios = figures.iter().map(|figures| {
            let ratios = reference.map(|reference| Ratios::new(figures, reference));
            ratios.unwrap_or_default()
        });
        let ratios: Vec<Ratios> = ratios.collect();
        PromptSummary {
            prompt: self.id(prompt),
            variants: figures.into_iter().zip(ratios).collect(),
        }
    }

    fn samples(self, variant: usize, prompt: usize) -> CellSamples<'a> {
        CellSamples(&self.evidence.variants[variant].prompts[prompt..=prompt])
    }

    /// The speed of a variant on each prompt, in the order of the suite.
    pub fn speeds(self, variant: usize, metric: Metric) -> Vec<PromptSpeed> {
        let mut ends = RankBounds::default();
        let cells = self.sums.of_variant(variant).iter().take(self.len());
        let speed = |(prompt, cell): (usize, &CellTally)| {
            let samples = self.samples(variant, prompt);
            let times = samples.speed(metric, &mut ends);
            let median = times.and_then(|times| times.percentile(Percentile::P50));
            PromptSpeed {
                median_ns: median.map(|median| median.value),
                failed: cell.done - cell.answered,
            }
        };
        cells.enumerate().map(speed).collect()
    }
}

impl PromptSpeed {
    /// The ratio of the medians, as [`Ratios`] has it.
    pub fn ratio(&self, reference: &Self) -> Option<f64> {
        quotient(self.median_ns?, reference.median_ns?)
    }
}
