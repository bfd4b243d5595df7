//! The ledger: the cost of each run, in the folder that holds the suites.
//!
//! Owns the stored form and how a run's events become a line. Must not know what is summed. Invariant: lines
//! are only appended, of one run the last one wins, and an unknown cost is never counted as 0 without a count
//! of it.
//!
//! A run has a line from before its first request, so that a killed run is not forgotten and other processes
//! count what it may still spend. A process that decides by the ledger what a run may spend holds it
//! ([`LockedLedger`]) until that line is written: of several that begin together each counts those before it.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, BufRead};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::units::{ModelId, Usd};

mod closing;
mod recorded;

pub use closing::{CloseOutcome, KILLED, VERIFY_FOLDER, close_ended, remove_verified};
pub use recorded::RecordedCost;

use super::journal::{Entry, JournalError, JournalReader, JournalWriter, LineProblem, LockWait};
use super::{Amendment, InvalidRecord, Outcome, Run, Sample, Status};

/// One line of `ledger.jsonl`. Absent means not known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LedgerLine {
    /// Version of this format: [`LedgerLine::VERSION`].
    pub version: u32,
    /// Name of the run.
    pub run: String,
    /// Name of its suite.
    pub suite: String,
    /// Time at which it began, UTC.
    pub started_at: jiff::Timestamp,
    /// Time at which its last part began, if it was resumed: a cap of that day counts the whole run too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed_at: Option<jiff::Timestamp>,
    /// Name of the endpoint's profile, or its URL.
    pub endpoint: String,
    /// True for the simulator, whose money is invented.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub simulated: bool,
    /// Its status; of a line from before the first request, running.
    pub status: Status,
    /// By model and variant, sorted.
    pub models: Vec<ModelSpending>,
    /// Under a cap: reserved in addition to the models' sums, for requests whose bill is unknown.
    #[serde(default, alias = "kept_usd", skip_serializing_if = "Option::is_none")]
    pub reserved_usd: Option<Usd>,
    /// Under a cap: the most that it may cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap_usd: Option<Usd>,
    /// The estimated cost, made before it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate_usd: Option<Usd>,
}

/// The cost of one model in a run, or of one of its variants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelSpending {
    /// The model.
    pub model: ModelId,
    /// Label of the variant that asked it, if that is not the model's id. Absent as well for the warm-up of a killed
    /// run, and in lines of older programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Requests, warm-up and retries included.
    pub requests: u64,
    /// Requests that may have cost something, with an unknown amount.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unknown: u64,
    /// The largest of list price, bill and the provider's bill, request by request.
    pub spent_usd: Usd,
    /// By list price, of trials; absent: none is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_usd: Option<Usd>,
    /// Billed by the gateway, of trials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billed_usd: Option<Usd>,
    /// The gateway's list price (with own keys the provider's bill), of trials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub market_usd: Option<Usd>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // The signature is serde's.
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl LedgerLine {
    /// Name of the file in the folder of runs.
    pub const FILE: &'static str = "ledger.jsonl";
    /// Version of the stored format.
    pub const VERSION: u32 = 2;

    /// Returns true if the run has not ended, or was killed.
    pub fn is_open(&self) -> bool {
        self.status == Status::Running
    }

    /// The cost that is known.
    pub fn spent(&self) -> Usd {
        self.models.iter().map(|model| model.spent_usd).sum()
    }

    /// Adds the cost of later requests of the run, and what is reserved for those of unknown cost.
    pub fn add(&mut self, spending: Spending, reserved: Usd) {
        for later in spending.into_models() {
            let index = self
                .models
                .binary_search_by(|one| one.model.cmp(&later.model));
            match index {
                Ok(index) => self.models[index].add(&later),
                Err(index) => self.models.insert(index, later),
            }
        }
        let reserved = [self.reserved_usd.unwrap_or(Usd::ZERO), reserved];
        let reserved: Usd = reserved.into_iter().sum();
        self.reserved_usd = (reserved > Usd::ZERO).then_some(reserved);
    }

    /// The known cost and the amount reserved for unknown bills.
    pub fn at_most(&self) -> Usd {
        [self.spent(), self.reserved_usd.unwrap_or(Usd::ZERO)]
            .into_iter()
            .sum()
    }
}

impl ModelSpending {
    fn add(&mut self, later: &Self) {
        self.requests += later.requests;
        self.unknown += later.unknown;
        self.spent_usd = sum(self.spent_usd, later.spent_usd);
        add_reported(&mut self.list_usd, later.list_usd);
        add_reported(&mut self.billed_usd, later.billed_usd);
        add_reported(&mut self.market_usd, later.market_usd);
    }
}

impl Entry for LedgerLine {
    const FILE: &'static str = Self::FILE;
    const VERSION: u32 = Self::VERSION;

    fn version(&self) -> u32 {
        self.version
    }

    fn check(&self) -> Result<(), InvalidRecord> {
        let mut sums = self.models.iter().map(|model| model.spent_usd);
        let bounds = [self.reserved_usd, self.cap_usd];
        if sums.any(|sum| sum < Usd::ZERO)
            || bounds.into_iter().flatten().any(|sum| sum < Usd::ZERO)
        {
            return Err(InvalidRecord::new("spent_usd", "is negative"));
        }
        Ok(())
    }
}

/// The cost of a run, updated as its requests end.
#[derive(Debug, Clone, Default)]
pub struct Spending(BTreeMap<(ModelId, Option<String>), ModelSpending>);

impl Spending {
    /// Adds a trial: its last attempt at its known cost, the earlier ones as unknown if they may have been
    /// billed.
    pub fn add_sample(&mut self, sample: &Sample) {
        let model = self.of(&sample.model, Some(&sample.variant));
        let may_cost = sample
            .attempts
            .iter()
            .map(|attempt| !attempt.outcome.costs_nothing(attempt.status));
        let mut may_cost: Vec<bool> = may_cost.collect();
        let last = may_cost.pop().unwrap_or(false);
        model.requests += sample.attempts.len() as u64;
        model.unknown += may_cost.into_iter().filter(|may| *may).count() as u64;
        match sample.spent() {
            Some(max) => model.spent_usd = sum(model.spent_usd, max),
            None => model.unknown += u64::from(last),
        }
        add_reported(&mut model.list_usd, sample.cost_usd);
        add_reported(&mut model.billed_usd, sample.billed_usd);
        add_reported(&mut model.market_usd, sample.market_usd);
    }

    /// Adds a request that is no trial.
    pub fn add_untimed(
        &mut self,
        model: &ModelId,
        variant: Option<&str>,
        outcome: Outcome,
        spent: Option<Usd>,
    ) {
        let model = self.of(model, variant);
        model.requests += 1;
        match spent {
            Some(spent) => model.spent_usd = sum(model.spent_usd, spent),
            None => model.unknown += u64::from(!outcome.is_rejected()),
        }
    }

    /// Adds a request of which nothing is known but that it was sent.
    pub(super) fn add_unknown(&mut self, model: &ModelId) {
        let model = self.of(model, None);
        model.requests += 1;
        model.unknown += 1;
    }

    /// Adds a bill that was looked up later, of a trial that had none. The cost known before, perhaps its list
    /// price, is counted already; the larger of both stays.
    pub fn add_bill(
        &mut self,
        model: &ModelId,
        variant: &str,
        amendment: &Amendment,
        known_before: Option<Usd>,
    ) {
        let model = self.of(model, Some(variant));
        let reported = [amendment.billed_usd, amendment.market_usd];
        let Some(max) = reported.into_iter().flatten().max() else {
            return;
        };
        let more = Usd(max.0 - known_before.unwrap_or(Usd::ZERO).0).max(Usd::ZERO);
        model.spent_usd = sum(model.spent_usd, more);
        // A bill of 0 without another figure proves as little as no bill.
        if known_before.is_none() && max > Usd::ZERO {
            model.unknown = model.unknown.saturating_sub(1);
        }
        add_reported(&mut model.billed_usd, amendment.billed_usd);
        add_reported(&mut model.market_usd, amendment.market_usd);
    }

    /// Adds the requests of `other`.
    pub fn absorb(&mut self, other: Self) {
        for (key, later) in other.0 {
            match self.0.get_mut(&key) {
                Some(sums) => sums.add(&later),
                None => {
                    self.0.insert(key, later);
                }
            }
        }
    }

    /// The known cost of all models.
    pub fn total(&self) -> Usd {
        self.0.values().map(|model| model.spent_usd).sum()
    }

    /// Sums by model and variant, sorted.
    pub fn into_models(self) -> Vec<ModelSpending> {
        self.0.into_values().collect()
    }

    fn of(&mut self, model: &ModelId, variant: Option<&str>) -> &mut ModelSpending {
        let variant = variant.filter(|label| *label != model.as_str());
        let variant = variant.map(str::to_owned);
        let new = || ModelSpending {
            model: model.clone(),
            variant: variant.clone(),
            requests: 0,
            unknown: 0,
            spent_usd: Usd::ZERO,
            list_usd: None,
            billed_usd: None,
            market_usd: None,
        };
        let key = (model.clone(), variant.clone());
        self.0.entry(key).or_insert_with(new)
    }
}

/// Adds a reported cost to a sum that is absent until a cost is reported.
fn add_reported(total: &mut Option<Usd>, cost: Option<Usd>) {
    if let Some(cost) = cost {
        *total = Some(sum(total.unwrap_or(Usd::ZERO), cost));
    }
}

fn sum(a: Usd, b: Usd) -> Usd {
    [a, b].into_iter().sum()
}

/// Every run that could be read, and the problems of the other lines.
#[derive(Debug, Default)]
pub struct Ledger {
    /// The last line of each run, in the order of the file. An open one is filled from the run's folder:
    /// `models` are its finished trials, `reserved_usd` is the rest of its cap.
    pub lines: Vec<LedgerLine>,
    /// Lines that cannot be read, an unfinished last one among them.
    pub problems: Vec<JournalError>,
}

/// The ledger, locked by this process: until it is dropped no other process appends to it, or decides by it.
#[derive(Debug)]
pub struct LockedLedger<'p> {
    reports: &'p Path,
    writer: JournalWriter<LedgerLine>,
    lock_error: Option<io::Error>,
}

impl<'p> LockedLedger<'p> {
    /// Waits for the ledger in the folder of runs and locks it; creates it if it does not exist.
    ///
    /// # Errors
    /// If it cannot be opened, or `wait` gives up.
    pub fn lock(reports: &'p Path, wait: LockWait<'_>) -> Result<Self, JournalError> {
        let mut writer = JournalWriter::append_to(reports)?;
        let lock_error = match writer.lock(wait) {
            Ok(()) => None,
            Err(JournalError::File { source, .. }) => Some(source),
            Err(held) => return Err(held),
        };
        Ok(Self {
            reports,
            writer,
            lock_error,
        })
    }

    /// The system's error if the ledger could not be locked.
    pub fn lock_error(&self) -> Option<&io::Error> {
        self.lock_error.as_ref()
    }

    /// As [`read`].
    ///
    /// # Errors
    /// As [`read`].
    pub fn read(&self) -> Result<Ledger, JournalError> {
        of_lines(self.reports, self.writer.read()?)
    }

    /// As [`append`]; unlocks the ledger.
    ///
    /// # Errors
    /// As [`append`].
    pub fn append(mut self, line: &LedgerLine) -> Result<(), JournalError> {
        self.writer.append(line)?;
        self.writer.sync()
    }
}

/// Reads the ledger in the folder of runs; an empty one where there is none.
///
/// # Errors
/// Where the file cannot be read to its end.
pub fn read(reports: &Path) -> Result<Ledger, JournalError> {
    match JournalReader::open(reports) {
        Ok(reader) => of_lines(reports, reader),
        Err(JournalError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(Ledger::default())
        }
        Err(error) => Err(error),
    }
}

fn of_lines(
    reports: &Path,
    mut reader: JournalReader<impl BufRead, LedgerLine>,
) -> Result<Ledger, JournalError> {
    let (mut lines, mut problems) = (Vec::new(), Vec::new());
    for read in &mut reader {
        match read {
            Ok(line) => lines.push(line),
            Err(problem @ JournalError::Line { .. }) => problems.push(problem),
            Err(error) => return Err(error),
        }
    }
    // A line that a killed process leaves belongs to a run that sent nothing, or that has an earlier line; but
    // a file can be cut by other causes, and the next line that is appended makes this one a broken line like
    // any other.
    problems.extend(reader.truncated_line().map(|line| JournalError::Line {
        file: LedgerLine::FILE.into(),
        line,
        problem: LineProblem::Unfinished,
    }));
    let mut lines = last_of_each(lines);
    for line in lines.iter_mut().filter(|line| line.is_open()) {
        fill(reports, line);
    }
    Ok(Ledger { lines, problems })
}

/// The last line of each run, where it stands.
fn last_of_each(lines: Vec<LedgerLine>) -> Vec<LedgerLine> {
    let mut seen = HashSet::new();
    let from_the_end = lines.into_iter().rev();
    let mut last: Vec<LedgerLine> = from_the_end
        .filter(|line| seen.insert(line.run.clone()))
        .collect();
    last.reverse();
    last
}

/// Fills in the known cost of a run that goes on, or that cannot be closed: its finished trials, if its folder
/// still exists. Other requests are not looked up; its cap bounds them, if it has one.
fn fill(reports: &Path, line: &mut LedgerLine) {
    let folder = reports.join(&line.suite).join(&line.run);
    let samples = Run::open(&folder).and_then(|run| run.all_samples());
    let mut spending = Spending::default();
    for sample in samples.into_iter().flatten().flatten() {
        spending.add_sample(&sample);
    }
    line.models = spending.into_models();
    reserve_rest(line);
}

/// Reserves the rest of the cap as perhaps spent.
fn reserve_rest(line: &mut LedgerLine) {
    let left = line.cap_usd.map(|cap| Usd(cap.0 - line.spent().0));
    line.reserved_usd = left.filter(|left| *left > Usd::ZERO);
}

/// Appends a line to the ledger in the folder of runs, and has it put on the disk. Waits while another process
/// holds it.
///
/// # Errors
/// If it cannot be written.
pub fn append(reports: &Path, line: &LedgerLine, wait: LockWait<'_>) -> Result<(), JournalError> {
    // Without locks a line is one write all the same.
    LockedLedger::lock(reports, wait)?.append(line)
}

#[cfg(test)]
mod tests;
