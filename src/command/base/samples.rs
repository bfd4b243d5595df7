//! The samples of a run, with a warning about every line that is not one.
//!
//! Owns the warnings about lines that cannot be read. Must not know what samples mean. Invariant: one bad line
//! costs no other.

use std::io::{self, Write};

use crate::record::{JournalError, Manifest, Run, Sample, Samples};
use crate::verdict::FoldedRun;

use super::failure::Failure;
use super::stdio::stderr;

/// Unreadable lines that are reported one by one; the others are counted.
const MAX_LINES_PRINTED: usize = 5;

/// The samples of a run; lines that are no samples are reported on standard error, and returned as errors.
pub(in crate::command) struct SampleReader {
    samples: Samples,
    lost: usize,
}

impl SampleReader {
    /// Opens the samples of a run.
    pub(in crate::command) fn open(run: &Run) -> Result<Self, Failure> {
        Ok(Self {
            samples: run.samples()?,
            lost: 0,
        })
    }

    /// Prints the warnings that are known only at the end.
    pub(in crate::command) fn end(self) -> io::Result<()> {
        let mut err = stderr();
        if self.lost > MAX_LINES_PRINTED {
            let more = self.lost - MAX_LINES_PRINTED;
            writeln!(err, "warning: {more} more lines were skipped")?;
        }
        if let Some(line) = self.samples.torn() {
            writeln!(
                err,
                "note: line {line} of the samples is incomplete; it is left out"
            )?;
        }
        Ok(())
    }
}

impl Iterator for SampleReader {
    type Item = Result<Sample, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = self.samples.next()?;
        if let Err(error @ JournalError::Line { .. }) = &read {
            self.lost += 1;
            if self.lost <= MAX_LINES_PRINTED {
                // With standard error closed the warning is lost.
                let _ = writeln!(stderr(), "warning: {error}; it is left out");
            }
        }
        Some(read)
    }
}

/// Reads a run once.
pub(in crate::command) fn read(run: &Run, manifest: &Manifest) -> Result<FoldedRun, Failure> {
    let mut samples = SampleReader::open(run)?;
    let is_lost_line = |error: &JournalError| matches!(error, JournalError::Line { .. });
    let folded = FoldedRun::read(manifest, samples.by_ref(), is_lost_line, |_| Ok(()))?;
    samples.end()?;
    Ok(folded)
}
