//! One reading of a run's samples, for everything that is made of them.
//!
//! Owns the walk. Must not know where samples come from. Invariant: `run`, `report`, `compare` and `accept` see
//! the same samples in the same way; a lost line is counted and ends nothing.

use crate::record::{Manifest, Sample};

use super::evidence::{Evidence, EvidenceFold};
use super::summary::{RunSummary, SummaryFold};

/// The basis of verdicts, reports and exit codes.
pub struct FoldedRun {
    /// The evidence for verdicts.
    pub evidence: Evidence,
    /// The figures of the run.
    pub summary: RunSummary,
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
        let (mut evidence, mut summaries) =
            (EvidenceFold::new(manifest), SummaryFold::new(manifest));
        for sample in samples {
            match sample {
                Ok(sample) => {
                    each(&sample)?;
                    summaries.add(&sample);
                    evidence.add(&sample);
                }
                Err(error) if is_lost_line(&error) => summaries.add_lost_line(),
                Err(error) => return Err(error),
            }
        }
        Ok(Self {
            evidence: evidence.finish(),
            summary: summaries.finish(),
        })
    }
}
