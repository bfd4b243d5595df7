//! Hints about the failures of a run, for the terminal.
//!
//! Owns which hints are printed, and how often. Must not know how a failure is explained. Invariant: however
//! many trials fail, it stays small.

use std::collections::HashSet;
use std::io::Write;

use crate::gateway::Explanation;
use crate::record::{Flag, Outcome, Sample};
use crate::units::ModelId;

/// Maximum number of hints after a run; more would push the table out of sight.
const MAX_HINTS: usize = 5;

/// Hints about the failures of a run: one for each model and kind of failure, in order of their first
/// occurrence. They name the endpoint and its key, so they belong to the terminal and to no report.
#[derive(Default)]
pub(super) struct FailureHints {
    met: HashSet<(ModelId, Outcome)>,
    lines: Vec<String>,
}

impl FailureHints {
    /// Adds a sample; `explain` is called once for each model and kind of failure.
    pub(super) fn add(&mut self, sample: &Sample, explain: impl FnOnce() -> Option<Explanation>) {
        let trouble = !sample.outcome.answered() || sample.has(Flag::TruncatedInReasoning);
        if !trouble || !self.met.insert((sample.model.clone(), sample.outcome)) {
            return;
        }
        let Some(explanation) = explain() else { return };
        let line = format!("{} {}", explanation.what, explanation.remedy);
        if !self.lines.contains(&line) && self.lines.len() < MAX_HINTS {
            self.lines.push(line);
        }
    }

    /// Prints the hints. With standard error closed they are lost.
    pub(super) fn print(&self, mut err: impl Write) {
        if !self.lines.is_empty() {
            let _ = writeln!(err, "What to do");
        }
        for line in &self.lines {
            let _ = writeln!(err, "  {line}");
        }
    }
}
