//! Closing runs whose process is gone: killed, or gone with the machine.
//!
//! Owns the amounts that such a run counts with. Must not know how runs are made. Invariants: a run whose
//! process goes on is never closed; a run is closed once, whichever process tries; and each request that was
//! sent counts with its cost or, if that is unknown, with the most that it can cost.

use std::collections::HashMap;
use std::fs;
use std::io::{BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::super::requests::{Liveness, RequestEvent, RequestLine, is_of_another_boot, liveness};
use super::super::{JournalError, JournalReader, Manifest, Outcome, Run, Sample, Status};
use super::{LedgerLine, LockedLedger, Spending, reserve_rest};
use crate::units::{ModelId, Usd};

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
    /// Its process goes on.
    Alive,
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
            Liveness::Alive => return Ok(CloseOutcome::Alive),
            Liveness::Unknown => return Ok(CloseOutcome::Unknown),
            Liveness::Ended(log) => log,
        };
        settle(&mut line, &folder, &log)?;
        let status = Status::Incomplete(KILLED.to_owned());
        line.status = status.clone();
        line.version = LedgerLine::VERSION;
        // Before the ledger's line: should this process be killed here, the next one does both again.
        if let Ok(run) = Run::open(&folder)
            && let Ok(mut manifest) = run.manifest()
            && manifest.status == Status::Running
        {
            manifest.status = status;
            manifest.version = Manifest::VERSION;
            // A folder that cannot be written is no reason to leave the ledger open.
            let _ = run.write_manifest(&manifest);
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
pub fn close_ended(reports: &Path) -> Result<Vec<LedgerLine>, JournalError> {
    if !super::read(reports)?.lines.iter().any(LedgerLine::is_open) {
        return Ok(Vec::new());
    }
    LockedLedger::lock(reports)?.close_ended()
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

/// The part of a request's cost that its records leave open.
enum OpenCost {
    /// None: this is known, or it certainly cost nothing.
    Known,
    /// Up to its bound; so much of that is counted as spent.
    UpToBound(Usd),
}

/// Fills in the cost of the run: its samples, and for each request that was sent and whose cost they do not
/// give, its bound.
fn settle(line: &mut LedgerLine, folder: &Path, log: &fs::File) -> Result<(), JournalError> {
    let mut spending = Spending::default();
    let mut settled = HashMap::new();
    let samples = Run::open(folder).and_then(|run| run.samples());
    // A sample that cannot be read leaves its requests unknown.
    for sample in samples.into_iter().flatten().flatten() {
        spending.add_sample(&sample);
        settle_sample(&sample, &mut settled);
    }
    let RequestHistory {
        sent,
        ended,
        is_whole,
    } = read_log(log)?;
    let mut open_cost = Some(Usd::ZERO);
    for (request_id, model, bound) in sent {
        let state = match (settled.remove(&request_id), ended.get(&request_id)) {
            (Some(state), _) => state,
            (None, Some(&(outcome, spent))) => {
                spending.add_untimed(&model, outcome, spent);
                match spent {
                    Some(spent) if !outcome.is_whole() => OpenCost::UpToBound(spent),
                    None if !super::is_rejected(outcome) => OpenCost::UpToBound(Usd::ZERO),
                    Some(_) | None => OpenCost::Known,
                }
            }
            (None, None) => {
                spending.add_unknown(&model);
                OpenCost::UpToBound(Usd::ZERO)
            }
        };
        if let OpenCost::UpToBound(spent) = state {
            let left = bound.map(|bound| Usd(bound.0 - spent.0).max(Usd::ZERO));
            open_cost = open_cost
                .zip(left)
                .and_then(|(open_cost, left)| open_cost.plus(left));
        }
    }
    line.models = spending.into_models();
    if !is_whole || (open_cost.is_none() && line.cap_usd.is_some()) {
        // Lines may be missing: the rest of the cap bounds what they say.
        reserve_rest(line);
        return Ok(());
    }
    let has_cap = line.cap_usd.is_some();
    line.reserved_usd = open_cost.filter(|open_cost| has_cap && *open_cost > Usd::ZERO);
    Ok(())
}

/// Notes what a sample's attempts leave open, by their request ids.
fn settle_sample(sample: &Sample, settled: &mut HashMap<String, OpenCost>) {
    let last = sample.attempts.len().saturating_sub(1);
    for (index, attempt) in sample.attempts.iter().enumerate() {
        let spent = sample.spent().filter(|_| index == last);
        let state = match spent {
            Some(_) if attempt.outcome.is_whole() => OpenCost::Known,
            Some(spent) => OpenCost::UpToBound(spent),
            None if attempt.outcome.costs_nothing(attempt.status) => OpenCost::Known,
            None => OpenCost::UpToBound(Usd::ZERO),
        };
        settled.insert(attempt.request_id.clone(), state);
    }
}

/// The contents of the log of requests.
struct RequestHistory {
    /// Every request, in order: its id, its model and its bound.
    sent: Vec<(String, ModelId, Option<Usd>)>,
    /// Outcome and cost of the requests that leave no sample.
    ended: HashMap<String, (Outcome, Option<Usd>)>,
    /// True if no line can be missing.
    is_whole: bool,
}

fn read_log(mut file: &fs::File) -> Result<RequestHistory, JournalError> {
    let failed = |source| JournalError::File {
        path: RequestLine::FILE.into(),
        source,
    };
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let mut log = RequestHistory {
        sent: Vec::new(),
        ended: HashMap::new(),
        is_whole: false,
    };
    let mut broken = false;
    // A last line that was cut short is of a request that was not sent.
    let lines = JournalReader::<_, RequestLine>::new(BufReader::new(file));
    for (index, line) in lines.enumerate() {
        match line.map(|line| line.event) {
            Ok(RequestEvent::Opened { boot }) => {
                log.is_whole = index == 0 && !is_of_another_boot(boot.as_deref());
            }
            Ok(RequestEvent::Sent {
                request_id,
                model,
                bound_usd,
            }) => log.sent.push((request_id, model, bound_usd)),
            Ok(RequestEvent::Ended {
                request_id,
                outcome,
                spent_usd,
            }) => {
                log.ended.insert(request_id, (outcome, spent_usd));
            }
            Err(JournalError::Line { .. }) => broken = true,
            Err(error) => return Err(error),
        }
    }
    log.is_whole &= !broken;
    Ok(log)
}

#[cfg(test)]
mod tests;
