//! The history that runs are judged against, as commands read it.
//!
//! Owns the messages about an unusable history. Must not know how anything is judged. Invariant: a history of
//! another suite is refused.

use std::path::Path;

use crate::record::{History, HistoryRun, JournalError, LineProblem, Manifest};
use crate::verdict::PastRuns;

use super::failure::Failure;

/// The remedy for a damaged line.
const REPAIR: &str = "what runs are judged by must be known whole: restore the file from a copy, or remove \
                      this line";

/// The history of this file, empty where there is none; refused if it is another suite's,
/// or a line of it is damaged.
pub(in crate::command) fn open_for_suite(path: &Path, suite: &str) -> Result<History, Failure> {
    let history = History::read_or_empty(path).map_err(unreadable)?;
    if let Some(line) = history.truncated_lines().first() {
        let file = path.display();
        return Err(Failure::usage(format!(
            "{file}:{line} is incomplete\n  {REPAIR}"
        )));
    }
    let other = history
        .entries()
        .iter()
        .find(|entry| entry.run.suite != suite);
    if let Some(other) = other {
        return Err(Failure::usage(format!(
            "{} is the history of the suite `{}`, but this run is of `{suite}`: \
             give each suite a history of its own",
            path.display(),
            other.run.suite
        )));
    }
    Ok(history)
}

/// The failure for a history that cannot be read, with a remedy.
pub(in crate::command) fn unreadable(error: JournalError) -> Failure {
    match error {
        JournalError::Line {
            problem: LineProblem::Newer { .. },
            ..
        } => Failure::usage(format!("{error}\n  use that version to read it")),
        JournalError::Line { .. } => Failure::usage(format!("{error}\n  {REPAIR}")),
        _ => error.into(),
    }
}

/// The number of accepted runs of the current baseline.
pub(in crate::command) fn accepted(history: &History) -> usize {
    let level = &history.entries()[history.level_start()..];
    level
        .iter()
        .filter(|entry| entry.standing.accepted())
        .count()
}

/// The runs of a history that a run is judged by.
pub(in crate::command) fn past_of(history: &History, manifest: &Manifest) -> PastRuns {
    let today = HistoryRun {
        run: manifest.run.clone(),
        started_at: manifest.started_at,
        ..HistoryRun::default()
    };
    PastRuns::from_history(history, &today)
}
