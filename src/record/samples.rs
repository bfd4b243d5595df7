//! The samples of a run, read one by one.
//!
//! Owns which samples are read, and their amendments. Must not know where the journals lie. Invariant: of each trial the sample
//! that counts is read.

use std::vec;

use super::amendment::Amendments;
use super::journal::{FileReader, JournalError};
use super::{Sample, StandingSamples};

/// The samples of a run with their amendments applied. Ends like the `FileReader` it reads from.
#[derive(Debug)]
pub struct Samples {
    reader: FileReader<Sample>,
    /// The samples that count; absent: all of them do.
    standing: Option<StandingSamples>,
    amendments: Amendments,
    problems: vec::IntoIter<JournalError>,
}

impl Samples {
    /// The samples of a journal; problems with its amendments come first.
    pub(super) fn new(
        reader: FileReader<Sample>,
        standing: Option<StandingSamples>,
        amendments: Amendments,
        problems: Vec<JournalError>,
    ) -> Self {
        Self {
            reader,
            standing,
            amendments,
            problems: problems.into_iter(),
        }
    }

    /// Number of the last line of samples, where it is incomplete; known at the end.
    pub fn truncated_line(&self) -> Option<u64> {
        self.reader.truncated_line()
    }
}

impl Iterator for Samples {
    type Item = Result<Sample, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(problem) = self.problems.next() {
            return Some(Err(problem));
        }
        loop {
            let mut read = self.reader.next()?;
            let line = self.reader.line();
            let counts = |standing: &StandingSamples| standing.counts(line);
            if let Ok(sample) = &mut read {
                if !self.standing.as_ref().is_none_or(counts) {
                    continue;
                }
                self.amendments.apply(sample);
            }
            return Some(read);
        }
    }
}
