//! The trials that a resumed run sends.
//!
//! Owns which trials these are. Must not know how they are sent. Invariant: a trial that was answered is not among
//! them.

use std::collections::BTreeSet;

use crate::engine::FinishedTrials;
use crate::record::{Manifest, Run, RunError, StandingSamples};
use crate::units::plural;

/// The trials that are left of a run.
#[derive(Debug)]
pub(super) struct Remaining {
    planned: Vec<u64>,
    left: BTreeSet<u64>,
    retries_failed: bool,
}

impl Remaining {
    /// The trials of the plan without an end or, with `retry_failed`, those that failed.
    ///
    /// # Errors
    /// If the samples cannot be read.
    pub(super) fn new(
        run: &Run,
        manifest: &Manifest,
        retry_failed: bool,
    ) -> Result<Self, RunError> {
        Ok(Self::of(manifest, &run.standing()?, retry_failed))
    }

    fn of(manifest: &Manifest, standing: &StandingSamples, retry_failed: bool) -> Self {
        let slots = manifest.plan().slots();
        let slots = slots.take_while(|slot| slot.round <= manifest.rounds());
        let planned = slots.flat_map(|slot| slot.trials().collect::<Vec<_>>());
        let planned: Vec<u64> = planned.map(|trial| trial.number).collect();
        let is_left = |trial: &&u64| match standing.outcome(**trial) {
            None => !retry_failed,
            Some(outcome) => retry_failed && !outcome.answered(),
        };
        Self {
            left: planned.iter().filter(is_left).copied().collect(),
            planned,
            retries_failed: retry_failed,
        }
    }

    /// Their number.
    pub(super) fn count(&self) -> u64 {
        self.left.len() as u64
    }

    /// The number of failed trials among them.
    pub(super) fn failed(&self) -> u64 {
        if self.retries_failed { self.count() } else { 0 }
    }

    /// Returns true if the trial is not sent again.
    pub(super) fn has_ended(&self, trial: u64) -> bool {
        !self.left.contains(&trial)
    }

    /// The trials of the plan that are not sent.
    pub(super) fn finished(&self) -> FinishedTrials {
        let ended = self.planned.iter().copied();
        ended.filter(|trial| self.has_ended(*trial)).collect()
    }

    /// The line that says what is sent.
    pub(super) fn sentence(&self) -> String {
        let trials = plural(self.count(), "trial");
        let planned = self.planned.len();
        if self.retries_failed {
            format!("resuming: {trials} of {planned} failed and are repeated")
        } else if self.left.is_empty() {
            format!("resuming: all {planned} trials have ended; the reports are missing")
        } else {
            format!("resuming: {trials} of {planned} are left")
        }
    }
}
