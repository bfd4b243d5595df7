//! The history: one line for each run of a suite, the baseline that CI compares with.
//!
//! Owns the stored form of a run's levels and of the decisions about it. Must not know how levels are computed
//! or compared. Invariant: lines are only appended; of marks of one run the last one wins; the order of lines
//! has no other meaning, runs are in the order in which they began.

use std::collections::BTreeMap;
use std::io::{BufRead, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::suite::{ClockSource, Metric};
use crate::units::ModelId;

use super::journal::{Entry, JournalError, JournalReader, JournalWriter, LineProblem, LockWait};
use super::metric_levels::MetricLevels;
use super::{InvalidRecord, Run, RunError};

/// A condensed run: a robust level of each metric for each prompt.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HistoryRun {
    /// Name of the run.
    pub run: String,
    /// Name of its suite.
    pub suite: String,
    /// Time at which it began, UTC.
    pub started_at: jiff::Timestamp,
    /// Name and version of the program.
    pub tool: String,
    /// The conditions that must be the same for levels to be comparable.
    pub conditions: Conditions,
    /// The variants, in the order of the suite.
    pub variants: Vec<HistoryVariant>,
}

/// The conditions that must be the same for two runs to be comparable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conditions {
    /// Name of the endpoint's profile, or its URL.
    pub endpoint: String,
    /// Slots in flight at once.
    pub concurrency: u32,
    /// Requests sent at the same moment.
    pub slot_size: u32,
    /// True if answers were streamed.
    pub stream: bool,
    /// The user's label of the environment of the run (`--environment`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The clock that stamped what arrived.
    #[serde(default, skip_serializing_if = "ClockSource::is_user")]
    pub clock: ClockSource,
    /// Digest of the load, if requests were sent by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<String>,
}

/// A variant of a condensed run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryVariant {
    /// Its label.
    pub label: String,
    /// The requested model.
    pub model: ModelId,
    /// Digest of the variant's own additions to requests: system text and parameters.
    pub overrides: String,
    /// Number of answers of each provider.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub providers: BTreeMap<String, u64>,
    /// True if its level drifted during the run (`stats::drift`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drifted: bool,
    /// The kinds of its answers.
    #[serde(default)]
    pub mix: AnswerMix,
    /// The model that was measured in its place, if its levels come from another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spliced: Option<Splice>,
    /// The prompts, in the order of the suite.
    pub prompts: Vec<HistoryPrompt>,
}

/// The origin of levels that were not measured: those of another model, at the ratio of the two in a run in which
/// both stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Splice {
    /// Label of the variant that was measured.
    pub label: String,
    /// Its model.
    pub model: ModelId,
    /// Name of the run in which both stood side by side.
    pub bridge: String,
}

/// The kinds of a variant's answers: where that mix changes, levels do not measure the same thing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerMix {
    /// Trials answered to the end.
    pub answered: u64,
    /// Answers that are buffered, cold or client-limited: excluded from TTFT.
    #[serde(alias = "set_aside")]
    pub excluded: u64,
    /// Answers after more than one attempt.
    pub retried: u64,
    /// Answers with readable reasoning before them.
    pub reasoned: u64,
    /// Answers that report their use of the prompt cache.
    #[serde(alias = "cache_told")]
    pub cache_reported: u64,
    /// Answers that report tokens read from the cache.
    pub cache_hits: u64,
}

/// A prompt of a condensed variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryPrompt {
    /// Its id.
    pub prompt: Arc<str>,
    /// Digest of the whole prompt: system text, messages and parameters.
    pub digest: Arc<str>,
    /// Digest of its system text and messages alone.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub text: Arc<str>,
    /// Digest of its parameters alone.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub parameters: Arc<str>,
    /// Trials, rate-limited ones left out.
    #[serde(alias = "asked")]
    pub trials: u32,
    /// Trials answered to the end.
    pub completed: u32,
    /// Answers that were graded.
    #[serde(default)]
    pub graded: u32,
    /// Graded answers that passed.
    #[serde(default)]
    pub passed: u32,
    /// Level by metric.
    pub levels: MetricLevels,
    /// The levels within the answers of each provider; empty where one provider gave all of the variant's answers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub levels_by_provider: BTreeMap<String, MetricLevels>,
}

/// The decision about a run of a history.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum RunStanding {
    /// Accepted: part of the baseline that later runs are compared with.
    Accepted,
    /// Accepted, and the first of a reset baseline: earlier runs are no longer compared with.
    #[serde(alias = "new_level")]
    BaselineReset,
    /// Found regressed; a second run, an hour or more later, decides (`confirm = true`).
    Pending,
    /// Found regressed, without waiting for a second run.
    Flagged,
    /// Found regressed, and confirmed by the next run: a real change, not noise.
    Confirmed,
    /// Found regressed, but not by the next run: noise, which shows how much runs differ.
    Cleared,
    /// Confirmed earlier, and a later run was clean again.
    Recovered,
}

impl RunStanding {
    /// The stored word.
    pub fn word(self) -> &'static str {
        self.into()
    }

    /// Returns true if the run is part of a baseline.
    pub const fn accepted(self) -> bool {
        matches!(self, Self::Accepted | Self::BaselineReset)
    }

    /// Returns true if a finding of the run waits for later runs.
    pub const fn open(self) -> bool {
        matches!(self, Self::Pending | Self::Flagged | Self::Confirmed)
    }
}

/// A finding: the regressed metric of a variant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// Label of the variant.
    pub variant: String,
    /// The regressed metric.
    pub metric: Metric,
}

/// A run of a history, with the decision about it.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryEntry {
    /// The run.
    pub run: HistoryRun,
    /// The decision about it.
    pub standing: RunStanding,
    /// The metrics that were found regressed when it was judged.
    pub findings: Vec<Finding>,
}

/// One line of a history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "LineWire", try_from = "LineWire")]
pub enum HistoryLine {
    /// A run.
    Run(Box<HistoryEntry>),
    /// A later decision about a run of this name.
    Mark {
        /// Name of the run.
        run: String,
        /// The decision that holds from now on.
        standing: RunStanding,
    },
}

/// A line as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(expecting = "an object of a history")]
struct LineWire {
    version: u32,
    kind: LineKind,
    standing: RunStanding,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    findings: Vec<Finding>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run: Option<HistoryRun>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LineKind {
    Run,
    Mark,
}

impl From<HistoryLine> for LineWire {
    fn from(line: HistoryLine) -> Self {
        let version = HistoryLine::VERSION;
        match line {
            HistoryLine::Run(entry) => Self {
                version,
                kind: LineKind::Run,
                standing: entry.standing,
                of: None,
                findings: entry.findings,
                run: Some(entry.run),
            },
            HistoryLine::Mark { run, standing } => Self {
                version,
                kind: LineKind::Mark,
                standing,
                of: Some(run),
                findings: Vec::new(),
                run: None,
            },
        }
    }
}

impl TryFrom<LineWire> for HistoryLine {
    type Error = String;

    fn try_from(wire: LineWire) -> Result<Self, String> {
        if !(1..=Self::VERSION).contains(&wire.version) {
            return Err(format!("version {}", wire.version));
        }
        match (wire.kind, wire.run, wire.of) {
            (LineKind::Run, Some(run), None) => Ok(Self::Run(Box::new(HistoryEntry {
                run,
                standing: wire.standing,
                findings: wire.findings,
            }))),
            (LineKind::Mark, None, Some(run)) => Ok(Self::Mark {
                run,
                standing: wire.standing,
            }),
            (LineKind::Run, ..) => Err("a line of kind `run` holds a `run` and no `of`".to_owned()),
            (LineKind::Mark, ..) => {
                Err("a line of kind `mark` holds an `of` and no `run`".to_owned())
            }
        }
    }
}

impl HistoryLine {
    /// A run that was judged or accepted.
    pub fn run(run: HistoryRun, standing: RunStanding, findings: Vec<Finding>) -> Self {
        Self::Run(Box::new(HistoryEntry {
            run,
            standing,
            findings,
        }))
    }
}

impl Entry for HistoryLine {
    const FILE: &'static str = "past.jsonl";
    const VERSION: u32 = 3;

    fn version(&self) -> u32 {
        // A line of another version is never made: see `try_from`.
        Self::VERSION
    }

    fn check(&self) -> Result<(), InvalidRecord> {
        match self {
            Self::Run(entry) => entry.run.check(),
            Self::Mark { run, .. } if run.is_empty() => Err(InvalidRecord::new("of", "is empty")),
            Self::Mark { .. } => Ok(()),
        }
    }
}

impl HistoryRun {
    /// Checks that the figures agree with each other.
    fn check(&self) -> Result<(), InvalidRecord> {
        if self.run.is_empty() {
            return Err(InvalidRecord::new("run", "has no name"));
        }
        for prompt in self.variants.iter().flat_map(|variant| &variant.prompts) {
            if prompt.completed > prompt.trials {
                return Err(InvalidRecord::new("completed", "is above `trials`"));
            }
            if prompt.passed > prompt.graded {
                return Err(InvalidRecord::new("passed", "is above `graded`"));
            }
            let within = prompt.levels_by_provider.values();
            let mut levels = within.chain([&prompt.levels]).flat_map(MetricLevels::iter);
            if levels.any(|(_, level)| !level.ln.is_finite() || level.n == 0) {
                let problem = "has one that is not a number, or of no values";
                return Err(InvalidRecord::new("levels", problem));
            }
        }
        Ok(())
    }

    /// The variant of this label.
    pub fn variant(&self, label: &str) -> Option<&HistoryVariant> {
        self.variants.iter().find(|variant| variant.label == label)
    }
}

/// A history: its runs in the order in which they began, each with the last decision about it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    entries: Vec<HistoryEntry>,
    /// Names of runs that have a mark and no line.
    unmatched_marks: Vec<String>,
    /// Numbers of lines that were never finished.
    truncated_lines: Vec<u64>,
}

impl History {
    /// Builds a history from lines. A later line of the same run replaces the earlier one; a mark applies to
    /// the run of its name, wherever that stands.
    pub fn resolve(lines: impl IntoIterator<Item = HistoryLine>) -> Self {
        let mut runs: BTreeMap<String, (usize, HistoryEntry)> = BTreeMap::new();
        let mut marks: BTreeMap<String, RunStanding> = BTreeMap::new();
        for line in lines {
            match line {
                HistoryLine::Run(entry) => {
                    // This line replaces decisions written before it.
                    marks.remove(&entry.run.run);
                    let index = runs.len();
                    let known = runs.get(&entry.run.run).map(|(index, _)| *index);
                    runs.insert(entry.run.run.clone(), (known.unwrap_or(index), *entry));
                }
                HistoryLine::Mark { run, standing } => {
                    marks.insert(run, standing);
                }
            }
        }
        let mut unmatched_marks = Vec::new();
        for (name, standing) in marks {
            match runs.get_mut(&name) {
                Some((_, entry)) => entry.standing = standing,
                None => unmatched_marks.push(name),
            }
        }
        // Runs that began in the same second stay in the order of their lines.
        let mut placed: Vec<(usize, HistoryEntry)> = runs.into_values().collect();
        placed.sort_by_key(|(index, entry)| (entry.run.started_at, *index));
        let entries = placed.into_iter().map(|(_, entry)| entry).collect();
        Self {
            entries,
            unmatched_marks,
            truncated_lines: Vec::new(),
        }
    }

    /// Reads the history of this file.
    ///
    /// # Errors
    /// The file cannot be read, or one of its lines is not a line of a history: a baseline must be known whole.
    /// A line that is incomplete, as a killed process leaves it, is skipped and reported by
    /// [`History::truncated_lines`]: the last one, or one that others were appended after.
    pub fn read(path: &Path) -> Result<Self, JournalError> {
        Self::of_lines(JournalReader::<_, HistoryLine>::open_file(path)?)
    }

    fn of_lines<R: BufRead>(
        mut reader: JournalReader<R, HistoryLine>,
    ) -> Result<Self, JournalError> {
        let (mut lines, mut truncated_lines) = (Vec::new(), Vec::new());
        while let Some(read) = reader.next() {
            match read {
                Ok(line) => lines.push(line),
                Err(JournalError::Line {
                    line,
                    problem: LineProblem::Broken(error),
                    ..
                }) if error.is_eof() || reader.cut_within_a_number(&error) => {
                    truncated_lines.push(line);
                }
                Err(error) => return Err(error),
            }
        }
        truncated_lines.extend(reader.truncated_line());
        Ok(Self {
            truncated_lines,
            ..Self::resolve(lines)
        })
    }

    /// Reads the history of this file, an empty one if the file does not exist yet.
    ///
    /// # Errors
    /// As [`History::read`].
    pub fn read_or_empty(path: &Path) -> Result<Self, JournalError> {
        match Self::read(path) {
            Err(JournalError::File { source, .. }) if source.kind() == ErrorKind::NotFound => {
                Ok(Self::default())
            }
            read => read,
        }
    }

    /// Appends lines to the history of this file, which is made with its folder where there is none, in
    /// one write, and has them put on the disk.
    ///
    /// # Errors
    /// A line could not be read again, and then none is written; or the file failed.
    pub fn append(
        path: &Path,
        lines: &[HistoryLine],
        wait: LockWait<'_>,
    ) -> Result<(), JournalError> {
        let mut writer = JournalWriter::append_to_file(path)?;
        // Without locks lines are one write all the same.
        if let Err(held @ JournalError::Held { .. }) = writer.lock(wait) {
            return Err(held);
        }
        writer.append_all(lines)?;
        writer.sync()
    }

    /// Appends the lines that `decide` returns for the history as it is now, and returns the new history. Other
    /// processes wait meanwhile, so that each decides by what the one before it wrote; on a file system without
    /// locks they do not.
    ///
    /// # Errors
    /// That of `decide`, and then nothing is written; or as [`History::read`] and [`History::append`].
    pub fn update<E: From<JournalError>>(
        path: &Path,
        decide: impl FnOnce(&Self) -> Result<Vec<HistoryLine>, E>,
        wait: LockWait<'_>,
    ) -> Result<Self, E> {
        let mut writer = JournalWriter::append_to_file(path)?;
        if let Err(held @ JournalError::Held { .. }) = writer.lock(wait) {
            return Err(held.into());
        }
        let lines = decide(&Self::of_lines(writer.read()?)?)?;
        writer.append_all(&lines)?;
        writer.sync()?;
        Ok(Self::of_lines(writer.read()?)?)
    }

    /// Checks that lines could be appended now. Creates the folder if it does not exist, but no history:
    /// another run may begin one at this moment.
    ///
    /// # Errors
    /// The file, or a new one in its folder, cannot be written.
    pub fn can_append(path: &Path) -> Result<(), JournalError> {
        JournalWriter::<HistoryLine>::can_append_to_file(path)
    }

    /// The runs, in the order in which they began.
    pub fn entries(&self) -> &[HistoryEntry] {
        &self.entries
    }

    /// The run of this name.
    pub fn entry(&self, run: &str) -> Option<&HistoryEntry> {
        self.entries.iter().find(|entry| entry.run.run == run)
    }

    /// Names of runs that were marked but are not here.
    pub fn unmatched_marks(&self) -> &[String] {
        &self.unmatched_marks
    }

    /// Numbers of lines that were never finished, and so are not here.
    pub fn truncated_lines(&self) -> &[u64] {
        &self.truncated_lines
    }

    /// Index in [`History::entries`] of the first run of the current baseline; 0 if the baseline was never
    /// reset.
    pub fn level_start(&self) -> usize {
        let newest = |entry: &HistoryEntry| entry.standing == RunStanding::BaselineReset;
        self.entries.iter().rposition(newest).unwrap_or(0)
    }

    /// The lines from which this history can be built again.
    pub fn lines(&self) -> Vec<HistoryLine> {
        let line = |entry: &HistoryEntry| HistoryLine::Run(Box::new(entry.clone()));
        self.entries.iter().map(line).collect()
    }
}

impl Run {
    /// Stores the history that the run was judged against, replacing an earlier one: a source of its reports,
    /// like its samples.
    ///
    /// # Errors
    /// It cannot be written; the one before stays.
    pub fn write_past(&self, lines: &[HistoryLine]) -> Result<(), RunError> {
        self.write_source(HistoryLine::FILE, |file| {
            for line in lines {
                serde_json::to_writer(&mut *file, line)?;
                file.write_all(b"\n")?;
            }
            Ok(())
        })
    }

    /// Returns true if the run is judged by a history.
    pub fn has_past(&self) -> bool {
        self.folder().join(HistoryLine::FILE).exists()
    }

    /// The history that the run was judged against; `None` if it was judged against none. The first run of a
    /// history has an empty one.
    ///
    /// # Errors
    /// It cannot be read, or one of its lines is not a line of a history; for an unfinished line as
    /// [`History::read`].
    pub fn past(&self) -> Result<Option<History>, RunError> {
        let reader = match JournalReader::<_, HistoryLine>::open(self.folder()) {
            Ok(reader) => reader,
            Err(JournalError::File { source, .. }) if source.kind() == ErrorKind::NotFound => {
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        Ok(Some(History::of_lines(reader)?))
    }
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
