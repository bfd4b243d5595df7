//! Closing runs whose process is gone: killed, or gone with the machine.
//!
//! Owns the amounts that such a run counts with. Must not know how runs are made. Invariants: a run whose
//! process goes on is never closed; a run is closed once, whichever process tries; and each request that was
//! sent counts with its cost or, if that is unknown, with the most that it can cost.

use std::fs;
use std::io::{BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::super::requests::{Liveness, RequestHistory, RequestLine, liveness};
use super::super::{JournalError, JournalReader, LockHolder, LockWait, Manifest, Run, Status};
use super::recorded::RecordedCost;
use super::{LedgerLine, LockedLedger, reserve_rest};
use crate::units::Usd;

/// Name, in the folder of runs, of the folder that holds the request logs of runs without records (`--verify`).
pub const VERIFY_FOLDER: &str = ".verify";

/// The reason that the status of a closed run gives.
pub const KILLED: &str = "its process was killed, or ended with the machine";

/// The result of closing one line of the ledger.
#[derive(Debug, Clone, PartialEq)]
pub enum CloseOutcome {
    /// It is closed by this line.
    Closed(LedgerLine),
    /// It ended, or was closed before.
    AlreadyEnded(LedgerLine),
    /// Its process goes on: this one, if the system says which it is.
    Alive(Option<LockHolder>),
    /// Unknown if its process goes on: no request log, or no locks.
    Unknown,
    /// The ledger has no line of it.
    NotFound,
}

impl LockedLedger<'_> {
    /// Closes every run whose process is gone. Returns the lines that were appended.
    ///
    /// # Errors
    /// If the ledger cannot be read or written.
    pub fn close_ended(&mut self) -> Result<Vec<LedgerLine>, JournalError> {
        let open: Vec<LedgerLine> = self.open_lines()?;
        let mut closed = Vec::new();
        for line in open {
            if let CloseOutcome::Closed(line) = self.close_line(line)? {
                closed.push(line);
            }
        }
        Ok(closed)
    }

    /// Closes the run of this name, if its process is gone.
    ///
    /// # Errors
    /// As [`LockedLedger::close_ended`].
    pub fn close_run(&mut self, run: &str) -> Result<CloseOutcome, JournalError> {
        let lines = self.read()?.lines.into_iter();
        match lines.rev().find(|line| line.run == run) {
            None => Ok(CloseOutcome::NotFound),
            Some(line) if line.is_open() => self.close_line(line),
            Some(line) => Ok(CloseOutcome::AlreadyEnded(line)),
        }
    }

    fn open_lines(&self) -> Result<Vec<LedgerLine>, JournalError> {
        let lines = self.read()?.lines.into_iter();
        Ok(lines.filter(LedgerLine::is_open).collect())
    }

    fn close_line(&mut self, mut line: LedgerLine) -> Result<CloseOutcome, JournalError> {
        // Without its lock another process may close the same run at this moment.
        if self.lock_error.is_some() {
            return Ok(CloseOutcome::Unknown);
        }
        let folder = folder_of(self.reports, &line);
        let log = match liveness(&folder) {
            Liveness::Alive(holder) => return Ok(CloseOutcome::Alive(holder)),
            Liveness::Unknown => return Ok(CloseOutcome::Unknown),
            Liveness::Ended(log) => log,
        };
        settle(&mut line, &folder, &log)?;
        let status = Status::Incomplete(KILLED.to_owned());
        let stored = Run::open(&folder).and_then(|run| run.manifest());
        line.status = match stored {
            // It ended, and could not enter its line: the ledger was held.
            Ok(stored) if stored.status != Status::Running => stored.status,
            _ => status.clone(),
        };
        line.version = LedgerLine::VERSION;
        // Before the ledger's line: should this process be killed here, the next one does both again.
        if let Ok(run) = Run::open(&folder)
            && let Ok(mut manifest) = run.manifest()
            && manifest.status == Status::Running
        {
            manifest.status = status;
            manifest.version = Manifest::VERSION;
            // A folder that cannot be written is no reason to leave the ledger open.
            let _ = run.write_last_manifest(&manifest);
        }
        self.writer.append(&line)?;
        self.writer.sync()?;
        remove_verified(self.reports, &line.run);
        Ok(CloseOutcome::Closed(line))
    }
}

/// Closes every run in the ledger of `reports` whose process is gone. The ledger is held only where a run is open;
/// it is not made where there is none.
///
/// # Errors
/// If the ledger cannot be read or written.
pub fn close_ended(reports: &Path, wait: LockWait<'_>) -> Result<Vec<LedgerLine>, JournalError> {
    if !super::read(reports)?.lines.iter().any(LedgerLine::is_open) {
        return Ok(Vec::new());
    }
    LockedLedger::lock(reports, wait)?.close_ended()
}

/// Deletes the log of a run without records.
pub fn remove_verified(reports: &Path, run: &str) {
    let folder = reports.join(VERIFY_FOLDER).join(run);
    // The rest is a small file that nothing counts.
    let _ = fs::remove_file(folder.join(RequestLine::FILE));
    let _ = fs::remove_dir(&folder);
}

fn folder_of(reports: &Path, line: &LedgerLine) -> PathBuf {
    let folder = reports.join(&line.suite).join(&line.run);
    if folder.exists() {
        folder
    } else {
        reports.join(VERIFY_FOLDER).join(&line.run)
    }
}

/// Fills in the cost of the run: its samples, and for each request that was sent and whose cost they do not
/// give, its bound.
fn settle(line: &mut LedgerLine, folder: &Path, log: &fs::File) -> Result<(), JournalError> {
    let cost = RecordedCost::new(folder, read_log(log)?);
    let open = cost.reserved(|_| None);
    line.models = cost.spending.into_models();
    if !cost.is_whole || (open.is_none() && line.cap_usd.is_some()) {
        // Lines may be missing: the rest of the cap bounds what they say.
        reserve_rest(line);
        return Ok(());
    }
    let has_cap = line.cap_usd.is_some();
    line.reserved_usd = open.filter(|open| has_cap && *open > Usd::ZERO);
    Ok(())
}

fn read_log(mut file: &fs::File) -> Result<RequestHistory, JournalError> {
    file.seek(SeekFrom::Start(0))
        .map_err(|source| JournalError::File {
            path: RequestLine::FILE.into(),
            source,
        })?;
    RequestHistory::read(JournalReader::new(BufReader::new(file)))
}

#[cfg(test)]
mod tests;
