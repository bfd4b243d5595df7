//! The samples of shards, read and written in the order of the merged run.
//!
//! Owns that order. Must not know which shards belong together. Invariant: a shard has samples of its own trials alone.

use std::io;
use std::path::Path;

use crate::plan::Plan;
use crate::record::Sample;
use crate::record::journal::{Entry, FileReader, JournalError, JournalReader, JournalWriter};
use crate::units::Nanos;

use super::{MergeError, ShardRun};

/// Samples written at once.
const BATCH: usize = 256;

/// Opens a journal; `None` if there is none.
pub(super) fn open_journal<E: Entry>(folder: &Path) -> Result<Option<FileReader<E>>, JournalError> {
    match JournalReader::open(folder) {
        Ok(reader) => Ok(Some(reader)),
        Err(JournalError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

pub(super) fn lost_line<T>(share: &ShardRun, problem: &Result<T, JournalError>) -> String {
    let problem = problem.as_ref().err().map(ToString::to_string);
    format!(
        "{}/{}",
        share.run.folder().display(),
        problem.unwrap_or_default()
    )
}

/// Joins the samples of one clock, in the order of their ends; those of a single share keep theirs.
pub(super) fn join(
    clock: &[&ShardRun],
    whole: &Plan,
    begins: Nanos,
    writer: &mut SampleWriter,
    lost: &mut Vec<String>,
) -> Result<(), MergeError> {
    let mut readers = Vec::with_capacity(clock.len());
    for share in clock {
        readers.push(ShareReader::open(share, *whole)?);
    }
    loop {
        let heads = readers.iter().enumerate();
        let heads = heads.filter_map(|(index, reader)| {
            let head = reader.head.as_ref()?;
            Some((head.end(), head.trial, index))
        });
        let Some((_, _, index)) = heads.min() else {
            break;
        };
        let Some(mut sample) = readers[index].advance()? else {
            break;
        };
        sample.move_by(begins);
        writer.append(sample)?;
    }
    lost.extend(readers.into_iter().flat_map(|reader| reader.lost));
    Ok(())
}

/// The samples of a share, checked.
struct ShareReader<'s> {
    share: &'s ShardRun,
    whole: Plan,
    reader: Option<FileReader<Sample>>,
    /// The next sample; `None` at the end.
    head: Option<Sample>,
    /// Lines that cannot be read.
    lost: Vec<String>,
}

impl<'s> ShareReader<'s> {
    fn open(share: &'s ShardRun, whole: Plan) -> Result<Self, MergeError> {
        let mut reader = Self {
            share,
            whole,
            // A share that was killed before its first sample has no file.
            reader: open_journal(share.run.folder())?,
            head: None,
            lost: Vec::new(),
        };
        reader.advance()?;
        Ok(reader)
    }

    /// Returns the next sample, and reads the one after it.
    fn advance(&mut self) -> Result<Option<Sample>, MergeError> {
        let mut next = None;
        while let Some(read) = self.reader.as_mut().and_then(Iterator::next) {
            match read {
                Ok(sample) => {
                    self.check(&sample)?;
                    next = Some(sample);
                    break;
                }
                Err(JournalError::Line { .. }) => self.lost.push(lost_line(self.share, &read)),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(std::mem::replace(&mut self.head, next))
    }

    /// Refuses a sample of a trial that the share does not have.
    fn check(&self, sample: &Sample) -> Result<(), MergeError> {
        let shard = self.share.shard;
        let variants = self.share.manifest.suite.variants.len() as u64;
        let is_own = sample.trial < self.whole.trial_count()
            && sample.trial.checked_div(variants) == Some(sample.slot)
            && shard.has_slot(sample.slot);
        if is_own {
            return Ok(());
        }
        Err(MergeError::Foreign {
            folder: self.share.run.folder().to_owned(),
            shard,
            trial: sample.trial,
        })
    }
}

/// The samples of a merged run as they are written.
pub(super) struct SampleWriter {
    pub(super) journal: JournalWriter<Sample>,
    batch: Vec<Sample>,
    /// True for each trial of the plan that has ended.
    ended: Vec<bool>,
    /// The first instant after all samples and parts so far.
    pub(super) next_free: Nanos,
}

impl SampleWriter {
    pub(super) fn new(journal: JournalWriter<Sample>, whole: &Plan) -> Self {
        Self {
            journal,
            batch: Vec::new(),
            ended: vec![false; usize::try_from(whole.trial_count()).unwrap_or(usize::MAX)],
            next_free: Nanos::ZERO,
        }
    }

    pub(super) fn append(&mut self, sample: Sample) -> Result<(), JournalError> {
        self.reserve_until(sample.end());
        if !sample.outcome.is_abandoned() {
            let trial = usize::try_from(sample.trial).ok();
            if let Some(ended) = trial.and_then(|trial| self.ended.get_mut(trial)) {
                *ended = true;
            }
        }
        self.batch.push(sample);
        if self.batch.len() == BATCH {
            self.flush()?;
        }
        Ok(())
    }

    pub(super) fn flush(&mut self) -> Result<(), JournalError> {
        self.journal.append_all(&self.batch)?;
        self.batch.clear();
        Ok(())
    }

    /// No later share begins at or before this instant.
    pub(super) fn reserve_until(&mut self, instant: Nanos) {
        self.next_free = self.next_free.max(Nanos(instant.0.saturating_add(1)));
    }

    pub(super) fn ended(&self) -> u64 {
        self.ended.iter().filter(|ended| **ended).count() as u64
    }
}
