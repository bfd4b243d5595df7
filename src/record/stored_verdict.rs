//! Verdicts of judges and similarities on disk, so that the same answer is not graded, and paid for, twice.
//!
//! Owns the stored form. Must not know what was judged: a digest of the whole request names it. Invariant: a line that cannot
//! be read counts as absent.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::InvalidRecord;
use super::journal::{Entry, JournalError, JournalReader, JournalWriter};

/// One line of `verdicts.jsonl` in the cache folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredVerdict {
    /// Version of this format: [`StoredVerdict::VERSION`].
    pub version: u32,
    /// Digest of the endpoint and the request.
    pub request: String,
    /// From 0 to 1.
    pub score: f64,
    /// The judge's reason; empty for a similarity.
    pub reason: String,
}

impl StoredVerdict {
    /// Name of the file in the cache folder.
    pub const FILE: &'static str = "verdicts.jsonl";
    /// Version of the stored format.
    pub const VERSION: u32 = 1;

    /// The stored verdicts by request; none where there is no file that can be read.
    pub fn read_all(folder: &Path) -> HashMap<String, (f64, String)> {
        let reader = JournalReader::<_, Self>::open(folder).into_iter().flatten();
        let verdicts = reader.flatten();
        verdicts
            .map(|verdict| (verdict.request, (verdict.score, verdict.reason)))
            .collect()
    }

    /// Appends verdicts; creates the file, for its owner alone, if there is none.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn append_all(folder: &Path, verdicts: &[Self]) -> Result<(), JournalError> {
        let mut journal = JournalWriter::append_to_file(&folder.join(Self::FILE))?;
        journal.append_all(verdicts)?;
        journal.sync()
    }
}

impl Entry for StoredVerdict {
    const FILE: &'static str = Self::FILE;
    const VERSION: u32 = Self::VERSION;

    fn version(&self) -> u32 {
        self.version
    }

    fn check(&self) -> Result<(), InvalidRecord> {
        if (0.0..=1.0).contains(&self.score) {
            return Ok(());
        }
        Err(InvalidRecord::new("score", "is not from 0 to 1"))
    }
}
