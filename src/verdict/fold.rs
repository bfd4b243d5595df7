//! One reading of a run's samples, for everything that is made of them.
//!
//! Owns which fold sees which sample. Must not know where samples come from. Invariant: `run`, `report`, `compare` and
//! `accept` see the same samples in the same way, on however many threads; a lost line is counted and ends nothing.

use crate::record::{Manifest, Sample};

use super::evidence::{Evidence, EvidenceFold};
use super::prompt_summary::SharedPromptSums;
use super::summary::{RunSummary, SummaryFold};

/// The basis of verdicts, reports and exit codes.
pub struct FoldedRun {
    /// The evidence for verdicts.
    pub evidence: Evidence,
    /// The figures of the run.
    pub summary: RunSummary,
}

/// The fold of a run: created from its manifest, fed with samples by any number of [`SampleFold`]s, finished into a
/// [`FoldedRun`].
pub struct RunFold<'m> {
    manifest: &'m Manifest,
    evidence: EvidenceFold,
    prompt_sums: SharedPromptSums,
}

/// The part of a [`RunFold`] that one thread feeds.
pub struct SampleFold<'f> {
    run: &'f RunFold<'f>,
    sums: SummaryFold,
}

impl<'m> RunFold<'m> {
    /// An empty fold for the variants and prompts of this run.
    pub fn new(manifest: &'m Manifest) -> Self {
        Self {
            manifest,
            evidence: EvidenceFold::new(manifest),
            prompt_sums: SharedPromptSums::new(manifest),
        }
    }

    /// A fold for one thread.
    pub fn samples(&self) -> SampleFold<'_> {
        SampleFold {
            run: self,
            sums: SummaryFold::new(self.manifest),
        }
    }

    /// The figures and the evidence of everything that was added; `sums` are those of all threads.
    pub fn finish(self, sums: impl IntoIterator<Item = SummaryFold>) -> FoldedRun {
        let evidence = self.evidence.finish();
        let mut all = SummaryFold::new(self.manifest);
        for part in sums {
            all.absorb(part);
        }
        let summary = all.finish(self.prompt_sums, &evidence);
        FoldedRun { evidence, summary }
    }
}

impl SampleFold<'_> {
    /// Adds a sample.
    pub fn add(&mut self, sample: &Sample) {
        self.sums.add_to_load(sample);
        let index = self.run.evidence.index();
        let Some(place) = index.place(sample) else {
            self.sums.add_unmatched();
            return;
        };
        let prompt = &self.run.manifest.suite.prompts[place.prompt];
        let cached = self.sums.add(place.variant, prompt, sample);
        self.run.prompt_sums.add(place, sample, cached);
        self.run.evidence.add_at(place, sample);
    }

    /// Counts a line of the journal that could not be read.
    pub fn add_lost_line(&mut self) {
        self.sums.add_lost_line();
    }

    /// The sums of this thread.
    pub fn end(self) -> SummaryFold {
        self.sums
    }
}

impl FoldedRun {
    /// Reads the samples of a run once, in any order, and shows each to `each`. An error that `is_lost_line`
    /// knows is one line of the journal: it is counted and read past. Any other ends the reading.
    pub fn read<E>(
        manifest: &Manifest,
        samples: impl IntoIterator<Item = Result<Sample, E>>,
        is_lost_line: impl Fn(&E) -> bool,
        mut each: impl FnMut(&Sample) -> Result<(), E>,
    ) -> Result<Self, E> {
        let run = RunFold::new(manifest);
        let mut fold = run.samples();
        for sample in samples {
            match sample {
                Ok(sample) => {
                    each(&sample)?;
                    fold.add(&sample);
                }
                Err(error) if is_lost_line(&error) => fold.add_lost_line(),
                Err(error) => return Err(error),
            }
        }
        let sums = fold.end();
        Ok(run.finish([sums]))
    }
}
