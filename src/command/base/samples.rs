//! The samples of a run, read for whoever wants them, with a word on every line that is none.
//!
//! Owns what is told of lines that cannot be read. Must not know what samples mean. Invariant: one bad
//! line costs no other.

use std::io::{self, Write};

use crate::record::{JournalError, Manifest, Run, Sample, Samples};
use crate::verdict::{Evidence, EvidenceFold, RunSummary, Summaries};

use super::failure::Failure;
use super::stdio::stderr;

/// Lines that cannot be read are told one by one up to this many.
const LINES_TOLD: usize = 5;

/// The samples of a run; lines that are no samples are told on standard error, and come as errors.
pub(in crate::command) struct TellingSamples {
    samples: Samples,
    lost: usize,
}

impl TellingSamples {
    pub(in crate::command) fn of(run: &Run) -> Result<Self, Failure> {
        Ok(Self {
            samples: run.samples()?,
            lost: 0,
        })
    }

    /// Says what is only known at the end.
    pub(in crate::command) fn end(self) -> io::Result<()> {
        let mut err = stderr();
        if self.lost > LINES_TOLD {
            let more = self.lost - LINES_TOLD;
            writeln!(err, "warning: {more} further lines are left out")?;
        }
        if let Some(line) = self.samples.torn() {
            writeln!(
                err,
                "note: line {line} of the samples was never finished; it is left out"
            )?;
        }
        Ok(())
    }
}

impl Iterator for TellingSamples {
    type Item = Result<Sample, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = self.samples.next()?;
        if let Err(error @ JournalError::Line { .. }) = &read {
            self.lost += 1;
            if self.lost <= LINES_TOLD {
                // With standard error gone there is nobody left to tell.
                let _ = writeln!(stderr(), "warning: {error}; it is left out");
            }
        }
        Some(read)
    }
}

/// What was read of a run.
pub(in crate::command) struct Read {
    /// What verdicts stand on.
    pub(in crate::command) evidence: Evidence,
    /// Its figures.
    pub(in crate::command) summary: RunSummary,
}

/// Reads a run once.
pub(in crate::command) fn read(run: &Run, manifest: &Manifest) -> Result<Read, Failure> {
    let (mut evidence, mut summaries) = (EvidenceFold::new(manifest), Summaries::new(manifest));
    let mut samples = TellingSamples::of(run)?;
    for sample in samples.by_ref() {
        match sample {
            Ok(sample) => {
                evidence.add(&sample);
                summaries.add(&sample);
            }
            Err(JournalError::Line { .. }) => summaries.add_lost_line(),
            Err(error) => return Err(error.into()),
        }
    }
    samples.end()?;
    Ok(Read {
        evidence: evidence.snapshot(),
        summary: summaries.finish(),
    })
}
