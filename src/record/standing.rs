//! The sample that counts for each trial.
//!
//! Owns the rule by which one of several samples of a trial counts. Must not know why a trial was sent again.
//! Invariant: of each trial one sample counts, the last one that was not abandoned; if all were, the last one.

use std::collections::HashMap;
use std::io::BufRead;

use serde::{Deserialize, Serialize};

use super::journal::{Entry, JournalError, JournalReader};
use super::{InvalidRecord, Outcome, Sample};

/// The fields of a sample that a count needs; the rest of the line is skipped.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct SampleHeader {
    version: u32,
    /// Number of the trial in the plan.
    pub trial: u64,
    /// Outcome of the last attempt.
    pub outcome: Outcome,
}

impl Entry for SampleHeader {
    const FILE: &'static str = Sample::FILE;
    const VERSION: u32 = Sample::VERSION;

    fn version(&self) -> u32 {
        self.version
    }

    fn check(&self) -> Result<(), InvalidRecord> {
        Ok(())
    }
}

/// The sample that counts for each trial of a journal.
#[derive(Debug, Clone, Default)]
pub struct StandingSamples {
    /// Outcome and line, by trial.
    counted: HashMap<u64, (Outcome, u64)>,
    /// Lines of samples that another one replaces, ascending.
    replaced: Vec<u64>,
}

impl StandingSamples {
    /// Reads a journal to its end. Lines that are no samples are left out.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub(super) fn read(
        mut reader: JournalReader<impl BufRead, SampleHeader>,
    ) -> Result<Self, JournalError> {
        let mut standing = Self::default();
        while let Some(read) = reader.next() {
            match read {
                Ok(header) => standing.add(header, reader.line()),
                Err(JournalError::Line { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        standing.replaced.sort_unstable();
        Ok(standing)
    }

    fn add(&mut self, header: SampleHeader, line: u64) {
        let SampleHeader { trial, outcome, .. } = header;
        match self.counted.get_mut(&trial) {
            None => {
                self.counted.insert(trial, (outcome, line));
            }
            // It ended with its part of the run, and says nothing of the trial.
            Some((before, _)) if outcome.is_abandoned() && !before.is_abandoned() => {
                self.replaced.push(line);
            }
            Some(before) => {
                self.replaced.push(before.1);
                *before = (outcome, line);
            }
        }
    }

    /// The outcome of a trial that ended; `None` if it has no sample, or was abandoned.
    pub fn outcome(&self, trial: u64) -> Option<Outcome> {
        let (outcome, _) = self.counted.get(&trial)?;
        (!outcome.is_abandoned()).then_some(*outcome)
    }

    /// Outcomes of all trials that ended.
    pub fn outcomes(&self) -> impl Iterator<Item = Outcome> {
        let all = self.counted.values().map(|(outcome, _)| *outcome);
        all.filter(|outcome| !outcome.is_abandoned())
    }

    /// Returns true if the sample in this line counts for its trial.
    pub(super) fn counts(&self, line: u64) -> bool {
        self.replaced.binary_search(&line).is_err()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn journal(samples: &[(u64, Outcome)]) -> String {
        let line = |(trial, outcome): &(u64, Outcome)| {
            format!(
                "{{\"version\":2,\"trial\":{trial},\"outcome\":\"{}\"}}\n",
                outcome.word()
            )
        };
        samples.iter().map(line).collect::<Vec<_>>().concat()
    }

    fn read(text: &str) -> StandingSamples {
        StandingSamples::read(JournalReader::new(text.as_bytes())).unwrap()
    }

    proptest! {
        // Of each trial exactly one sample counts, and an abandoned one only where there is no other.
        #[test]
        fn one_sample_of_each_trial_counts(
            samples in prop::collection::vec((0_u64..6, 0_usize..Outcome::ALL.len()), 0..40)
        ) {
            let samples: Vec<(u64, Outcome)> =
                samples.into_iter().map(|(trial, at)| (trial, Outcome::ALL[at])).collect();
            let standing = read(&journal(&samples));
            for trial in 0..6 {
                let lines = (1..).zip(&samples).filter(|(_, (other, _))| *other == trial);
                let lines: Vec<(u64, Outcome)> = lines.map(|(line, (_, outcome))| (line, *outcome)).collect();
                let counted: Vec<Outcome> = lines.iter().filter(|(line, _)| standing.counts(*line))
                    .map(|(_, outcome)| *outcome).collect();
                let ended: Vec<Outcome> = lines.iter().map(|(_, outcome)| *outcome)
                    .filter(|outcome| !outcome.is_abandoned()).collect();
                prop_assert_eq!(counted.len(), usize::from(!lines.is_empty()));
                prop_assert_eq!(standing.outcome(trial), ended.last().copied());
                if let (Some(counted), Some(last)) = (counted.first(), ended.last()) {
                    prop_assert_eq!(counted, last);
                }
            }
        }
    }

    #[test]
    fn a_line_that_is_no_sample_shifts_no_other() {
        // Lines are counted by the reader: a damaged one must not make another one count in its place.
        let text = format!(
            "{}broken\n\n{}",
            journal(&[(0, Outcome::Abandoned)]),
            journal(&[(0, Outcome::Complete), (1, Outcome::Abandoned)])
        );
        let standing = read(&text);
        assert_eq!(
            [1, 4, 5].map(|line| standing.counts(line)),
            [false, true, true]
        );
        assert_eq!(standing.outcome(0), Some(Outcome::Complete));
        assert_eq!(standing.outcome(1), None);
        assert_eq!(standing.outcomes().count(), 1);
    }
}
