//! What to do about the failures of a run, for the person at the terminal.
//!
//! Owns which remedies are told, and how often. Must not know how a failure is explained. Invariant:
//! however many trials fail, it stays small.

use std::collections::HashSet;
use std::io::Write;

use crate::gateway::Explanation;
use crate::record::{Flag, Outcome, Sample};
use crate::units::ModelId;

/// Remedies told after a run; more would push the table out of sight.
const REMEDIES_TOLD: usize = 5;

/// What to do about the failures of a run: one for each model and way to fail, first come first
/// told. They speak of the endpoint and its key, so they belong to the terminal and to no report.
#[derive(Default)]
pub(super) struct FailureHints {
    met: HashSet<(ModelId, Outcome)>,
    told: Vec<String>,
}

impl FailureHints {
    /// Takes a sample in; `explain` is asked once for each model and way to fail.
    pub(super) fn add(&mut self, sample: &Sample, explain: impl FnOnce() -> Option<Explanation>) {
        let trouble = !sample.outcome.answered() || sample.has(Flag::EatenByReasoning);
        if !trouble || !self.met.insert((sample.model.clone(), sample.outcome)) {
            return;
        }
        let Some(said) = explain() else { return };
        let line = format!("{} {}", said.what, said.remedy);
        if !self.told.contains(&line) && self.told.len() < REMEDIES_TOLD {
            self.told.push(line);
        }
    }

    /// Prints what was gathered. With standard error gone there is nobody left to tell.
    pub(super) fn tell(&self, mut err: impl Write) {
        if !self.told.is_empty() {
            let _ = writeln!(err, "What to do");
        }
        for line in &self.told {
            let _ = writeln!(err, "  {line}");
        }
    }
}
