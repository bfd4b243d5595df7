//! The history: one line a run of a suite, the past that CI compares with.
//!
//! Owns the stored form of a run's levels and of what was decided about it. Must not know how levels are
//! computed or compared. Invariant: lines are only appended; of marks of one run the last one wins; the
//! order of lines says nothing else, runs are in the order in which they began.

use std::collections::BTreeMap;
use std::io::{BufRead, ErrorKind};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::suite::Metric;
use crate::units::ModelId;

use super::journal::{Entry, JournalError, JournalReader, JournalWriter, LineProblem};
use super::{InvalidRecord, Run, RunError};

/// A run, condensed: a robust level of each metric, prompt by prompt.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HistoryRun {
    /// Name of the run.
    pub run: String,
    /// Name of its suite.
    pub suite: String,
    /// When it began, UTC.
    pub started_at: jiff::Timestamp,
    /// Name and version of the program.
    pub tool: String,
    /// What must be the same for levels to be comparable.
    pub conditions: Conditions,
    /// One a variant, in the order of the suite.
    pub variants: Vec<HistoryVariant>,
}

/// What must be the same for two runs to be comparable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conditions {
    /// Name of the endpoint's profile, or its URL.
    pub endpoint: String,
    /// Slots in flight at once.
    pub concurrency: u32,
    /// Requests sent at the same moment.
    pub slot_size: u32,
    /// Whether answers were streamed.
    pub stream: bool,
    /// The user's label of where the run was made (`--environment`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
}

/// A variant of a condensed run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryVariant {
    /// Its label.
    pub label: String,
    /// The model asked for.
    pub model: ModelId,
    /// Digest of what the variant itself adds to requests: system text and parameters.
    pub overrides: String,
    /// Answers by the provider that gave them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub providers: BTreeMap<String, u64>,
    /// Whether its level moved during the run (`stats::drift`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drifted: bool,
    /// Of what kind its answers were.
    #[serde(default)]
    pub mix: AnswerMix,
    /// One a prompt, in the order of the suite.
    pub prompts: Vec<HistoryPrompt>,
}

/// Of what kind a variant's answers were: where that changes, levels are not of the same thing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerMix {
    /// Trials answered to the end.
    pub answered: u64,
    /// Of them buffered, cold or client-limited.
    #[serde(rename = "set_aside")]
    pub excluded: u64,
    /// Of them after more than one attempt.
    pub retried: u64,
    /// Of them with readable reasoning before the answer.
    pub reasoned: u64,
    /// Of them with a word on the prompt cache.
    #[serde(rename = "cache_told")]
    pub cache_reported: u64,
    /// Of these from the cache.
    pub cache_hits: u64,
}

/// A prompt of a condensed variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryPrompt {
    /// Its id.
    pub prompt: String,
    /// Digest of all that it asks: system text, messages and parameters.
    pub digest: String,
    /// Digest of its system text and messages alone.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Digest of its parameters alone.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub parameters: String,
    /// Trials, rate-limited ones left out.
    #[serde(rename = "asked")]
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
    pub levels: BTreeMap<Metric, Level>,
}

/// The level of a metric on one prompt.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// Natural logarithm of the level, in the metric's unit (ns, tokens a second, tokens, pico-dollars):
    /// the Hodges-Lehmann estimate of logarithms, of cost and tokens the logarithm of the mean.
    pub ln: f64,
    /// Values it was computed from.
    pub n: u32,
}

/// What was decided about a run of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStanding {
    /// Accepted: part of the level that later runs are compared with.
    Accepted,
    /// Accepted, and the first of a new level: earlier runs are no longer compared with.
    NewLevel,
    /// Found regressed; a second run, an hour or more later, decides (`confirm = true`).
    Pending,
    /// Found regressed, and nobody was to wait for a second run.
    Flagged,
    /// Found regressed, and the next run said the same: a real change, no noise.
    Confirmed,
    /// Found regressed, but the next run did not repeat it: noise, which tells how much runs differ.
    Cleared,
    /// Was confirmed, and a later run was clean again.
    Recovered,
}

impl RunStanding {
    /// The stored word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::NewLevel => "new_level",
            Self::Pending => "pending",
            Self::Flagged => "flagged",
            Self::Confirmed => "confirmed",
            Self::Cleared => "cleared",
            Self::Recovered => "recovered",
        }
    }

    /// Whether the run is part of a level.
    pub const fn accepted(self) -> bool {
        matches!(self, Self::Accepted | Self::NewLevel)
    }

    /// Whether a finding of the run still waits for what later runs say.
    pub const fn open(self) -> bool {
        matches!(self, Self::Pending | Self::Flagged | Self::Confirmed)
    }
}

/// What was found regressed: the metric of a variant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// Label of the variant.
    pub variant: String,
    /// Which of its metrics.
    pub metric: Metric,
}

/// A run of a history, with what was decided about it.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryEntry {
    /// The run.
    pub run: HistoryRun,
    /// What holds of it.
    pub standing: RunStanding,
    /// What was found regressed when it was judged.
    pub findings: Vec<Finding>,
}

/// One line of a history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "LineWire", try_from = "LineWire")]
pub enum HistoryLine {
    /// A run.
    Run(Box<HistoryEntry>),
    /// What was decided later about a run of this name.
    Mark {
        /// Name of the run.
        run: String,
        /// What holds of it from now on.
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
        if wire.version != Self::VERSION {
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
    const VERSION: u32 = 1;

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
    /// Whether a run of that name can have left these figures.
    fn check(&self) -> Result<(), InvalidRecord> {
        if self.run.is_empty() {
            return Err(InvalidRecord::new("run", "has no name"));
        }
        for prompt in self.variants.iter().flat_map(|variant| &variant.prompts) {
            if prompt.completed > prompt.trials {
                return Err(InvalidRecord::new("completed", "is above `asked`"));
            }
            if prompt.passed > prompt.graded {
                return Err(InvalidRecord::new("passed", "is above `graded`"));
            }
            let mut levels = prompt.levels.values();
            if levels.any(|level| !level.ln.is_finite() || level.n == 0) {
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

/// A history: its runs in the order in which they began, each with what was last decided about it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    entries: Vec<HistoryEntry>,
    /// Names of runs that marks speak of and no line holds.
    unmatched_marks: Vec<String>,
    /// Numbers of lines that were never finished.
    torn: Vec<u64>,
}

impl History {
    /// Puts lines together. A later line of the same run replaces the earlier one; a mark holds of the
    /// run of its name, wherever that stands.
    pub fn resolve(lines: impl IntoIterator<Item = HistoryLine>) -> Self {
        let mut runs: BTreeMap<String, (usize, HistoryEntry)> = BTreeMap::new();
        let mut marks: BTreeMap<String, RunStanding> = BTreeMap::new();
        for line in lines {
            match line {
                HistoryLine::Run(entry) => {
                    // What was decided before this line was written is what it replaces.
                    marks.remove(&entry.run.run);
                    let place = runs.len();
                    let known = runs.get(&entry.run.run).map(|(place, _)| *place);
                    runs.insert(entry.run.run.clone(), (known.unwrap_or(place), *entry));
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
        // Of runs that began in the same second the one that was written first was the earlier.
        let mut placed: Vec<(usize, HistoryEntry)> = runs.into_values().collect();
        placed.sort_by_key(|(place, entry)| (entry.run.started_at, *place));
        let entries = placed.into_iter().map(|(_, entry)| entry).collect();
        Self {
            entries,
            unmatched_marks,
            torn: Vec::new(),
        }
    }

    /// Reads the history of this file.
    ///
    /// # Errors
    /// Where the file cannot be read, or one of its lines is no line of a history: what is compared
    /// with must be known whole. A line that was never finished, as a process leaves it that is killed
    /// while it writes, is passed over and told by [`History::torn`]: the last one, and one that others
    /// were appended after.
    pub fn read(path: &Path) -> Result<Self, JournalError> {
        Self::of_lines(JournalReader::<_, HistoryLine>::open_file(path)?)
    }

    fn of_lines<R: BufRead>(
        mut reader: JournalReader<R, HistoryLine>,
    ) -> Result<Self, JournalError> {
        let (mut lines, mut torn) = (Vec::new(), Vec::new());
        while let Some(read) = reader.next() {
            match read {
                Ok(line) => lines.push(line),
                Err(JournalError::Line {
                    line,
                    problem: LineProblem::Broken(error),
                    ..
                }) if error.is_eof() || reader.cut_within_a_number(&error) => torn.push(line),
                Err(error) => return Err(error),
            }
        }
        torn.extend(reader.torn());
        Ok(Self {
            torn,
            ..Self::resolve(lines)
        })
    }

    /// The same; an empty one where there is no such file yet.
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
    /// Where a line could not be read again, and then none is written; or where the file failed.
    pub fn append(path: &Path, lines: &[HistoryLine]) -> Result<(), JournalError> {
        let mut writer = JournalWriter::append_to_file(path)?;
        writer.append_all(lines)?;
        writer.sync()
    }

    /// Whether lines could be appended now. Makes the folder where there is none, but no history: another run
    /// may begin one at this moment.
    ///
    /// # Errors
    /// Where the file, or a new one in its folder, cannot be written.
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
    pub fn torn(&self) -> &[u64] {
        &self.torn
    }

    /// Place in [`History::entries`] of the first run of the current level; 0 where no level was begun
    /// anew.
    pub fn level_start(&self) -> usize {
        let newest = |entry: &HistoryEntry| entry.standing == RunStanding::NewLevel;
        self.entries.iter().rposition(newest).unwrap_or(0)
    }

    /// The lines that this history would be made of again.
    pub fn lines(&self) -> Vec<HistoryLine> {
        let line = |entry: &HistoryEntry| HistoryLine::Run(Box::new(entry.clone()));
        self.entries.iter().map(line).collect()
    }
}

impl Run {
    /// Stores the past that the run was judged against, in place of the one before: a source of its
    /// reports, like its samples.
    ///
    /// # Errors
    /// Where it cannot be written; the one before stays.
    pub fn write_past(&self, lines: &[HistoryLine]) -> Result<(), RunError> {
        self.write_source(HistoryLine::FILE, |file| {
            for line in lines {
                serde_json::to_writer(&mut *file, line)?;
                file.write_all(b"\n")?;
            }
            Ok(())
        })
    }

    /// The past that the run was judged against; `None` where it was judged against none. An empty one
    /// is the past of the first run of a history.
    ///
    /// # Errors
    /// Where it cannot be read, or one of its lines is no line of a history; of one that was never finished
    /// as [`History::read`].
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
