//! The samples of a run, with a warning about every line that is not one.
//!
//! Owns the warnings about lines that cannot be read. Must not know what samples mean. Invariant: one bad line
//! costs no other.

use std::io::{self, Write};

use crate::record::{JournalError, Manifest, Run, Sample, SampleWorker, Samples};
use crate::report::SampleRows;
use crate::verdict::{FoldedRun, RunFold, SampleFold};

use super::failure::Failure;
use super::stdio::stderr;

/// Unreadable lines that are reported one by one; the others are counted.
const MAX_LINES_PRINTED: usize = 5;

/// The warnings about lines that are no records.
#[derive(Default)]
struct LineWarnings {
    lost: usize,
}

impl LineWarnings {
    fn add(&mut self, problem: &JournalError) {
        self.lost += 1;
        if self.lost <= MAX_LINES_PRINTED {
            // With standard error closed the warning is lost.
            let _ = writeln!(stderr(), "warning: {problem}; it is left out");
        }
    }

    /// Prints the warnings that are known only at the end; `truncated_line`: the number of the last line, where it is incomplete.
    fn end(self, truncated_line: Option<u64>) -> io::Result<()> {
        let mut err = stderr();
        if self.lost > MAX_LINES_PRINTED {
            let more = self.lost - MAX_LINES_PRINTED;
            writeln!(err, "warning: {more} more lines were skipped")?;
        }
        if let Some(line) = truncated_line {
            writeln!(
                err,
                "note: line {line} of the samples is incomplete; it is left out"
            )?;
        }
        Ok(())
    }
}

/// The samples of a run; lines that are no samples are reported on standard error, and returned as errors.
pub(in crate::command) struct SampleReader {
    samples: Samples,
    warnings: LineWarnings,
}

impl SampleReader {
    /// Opens the samples of a run.
    pub(in crate::command) fn open(run: &Run) -> Result<Self, Failure> {
        Ok(Self {
            samples: run.samples()?,
            warnings: LineWarnings::default(),
        })
    }

    /// Prints the warnings that are known only at the end.
    pub(in crate::command) fn end(self) -> io::Result<()> {
        self.warnings.end(self.samples.truncated_line())
    }
}

impl Iterator for SampleReader {
    type Item = Result<Sample, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = self.samples.next()?;
        if let Err(error @ JournalError::Line { .. }) = &read {
            self.warnings.add(error);
        }
        Some(read)
    }
}

/// Folds samples, and makes their rows of `samples.csv` where they are needed.
struct FoldWorker<'f> {
    fold: SampleFold<'f>,
    rows: Option<SampleRows>,
}

impl SampleWorker for FoldWorker<'_> {
    type Output = String;

    fn add(&mut self, sample: &Sample) {
        self.fold.add(sample);
        if let Some(rows) = &mut self.rows {
            rows.add(sample);
        }
    }

    fn add_lost_line(&mut self) {
        self.fold.add_lost_line();
    }

    fn output(&mut self) -> String {
        self.rows.as_mut().map(SampleRows::take).unwrap_or_default()
    }
}

/// Reads a run once.
pub(in crate::command) fn read(run: &Run, manifest: &Manifest) -> Result<FoldedRun, Failure> {
    fold(run, manifest, None::<io::Sink>)
}

/// Reads a run once, and writes `samples.csv` on the way.
pub(in crate::command) fn read_with_rows(
    run: &Run,
    manifest: &Manifest,
    mut samples_csv: impl Write,
) -> Result<FoldedRun, Failure> {
    samples_csv.write_all(SampleRows::header().as_bytes())?;
    fold(run, manifest, Some(samples_csv))
}

fn fold(
    run: &Run,
    manifest: &Manifest,
    mut samples_csv: Option<impl Write>,
) -> Result<FoldedRun, Failure> {
    let fold = RunFold::new(manifest);
    let workers = std::iter::repeat_with(|| FoldWorker {
        fold: fold.samples(),
        rows: samples_csv.as_ref().map(|_| SampleRows::default()),
    });
    let workers = workers.take(run.reading_threads()).collect();
    let mut warnings = LineWarnings::default();
    let read = run.read_samples(workers, |rows: String, problems| {
        for problem in &problems {
            warnings.add(problem);
        }
        if let Some(out) = &mut samples_csv {
            out.write_all(rows.as_bytes())?;
        }
        Ok::<(), Failure>(())
    })?;
    warnings.end(read.truncated_line)?;
    if let Some(out) = &mut samples_csv {
        out.flush()?;
    }
    let workers = read.workers.into_iter();
    let sums: Vec<_> = workers.map(|worker| worker.fold.end()).collect();
    Ok(fold.finish(sums))
}
