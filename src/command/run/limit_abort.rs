//! The early end of a run whose limits can no longer hold.
//!
//! Owns the samples gathered for it, and the sentence about it. Must not know how a limit is judged. Invariant: a run
//! without a limit that asks for it stores nothing.

use std::ops::ControlFlow;

use crate::engine::RunEnd;
use crate::record::{Manifest, Sample};
use crate::suite::Gate;
use crate::verdict::{EvidenceFold, GateStatus, LimitCheck, unreachable_limit};

/// The number of times that the limits of a run are checked, evenly over its trials.
const CHECKS: u64 = 200;

/// The samples so far of a run that may end early.
pub(super) struct LimitAbort {
    fold: EvidenceFold,
    gate: Gate,
    repetitions: u32,
    planned: u64,
    done: u64,
    broken: Option<LimitCheck>,
}

impl LimitAbort {
    /// The early end of a run with a limit that asks for it; `None` for any other.
    pub(super) fn from_manifest(manifest: &Manifest) -> Option<Self> {
        if manifest.shard.is_some() || manifest.suite.time_limit().is_some() {
            // The limit is on the whole run, which this process does not see, or whose number of requests is not known.
            return None;
        }
        let gate = manifest.suite.gate.as_ref()?;
        gate.limits.iter().any(|limit| limit.abort).then(|| Self {
            fold: EvidenceFold::new(manifest),
            gate: gate.clone(),
            repetitions: manifest.suite.repetitions,
            planned: manifest.planned_trials,
            done: 0,
            broken: None,
        })
    }

    /// Adds a trial that ended; returns whether the run goes on after it.
    pub(super) fn add(&mut self, sample: &Sample) -> ControlFlow<()> {
        self.fold.add(sample);
        self.done += 1;
        let is_due = self.done.is_multiple_of((self.planned / CHECKS).max(1));
        if is_due && self.broken.is_none() && self.done < self.planned {
            let evidence = self.fold.snapshot();
            self.broken = unreachable_limit(&evidence, &self.gate, self.repetitions);
            if self.broken.is_some() {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    /// The reason that the run ended early, if a limit of it is broken.
    pub(super) fn reason(&self) -> Option<String> {
        let broken = self.broken.as_ref()?;
        let unsent = self.planned.saturating_sub(self.done);
        Some(format!(
            "`{}` can no longer keep the limit `{}`, whatever the other trials bring: {unsent} of {} trials not sent",
            broken.variant,
            broken.quantity.word(),
            self.planned
        ))
    }
}

/// The end of a run: what a broken limit stopped was not interrupted by the user.
pub(super) fn end(ending: RunEnd, broken_limit: Option<&str>) -> RunEnd {
    match (ending, broken_limit) {
        (RunEnd::Interrupted, Some(reason)) => RunEnd::Aborted(reason.to_owned()),
        (ending, _) => ending,
    }
}

/// The status of the gate: a limit that nothing can repair is broken, even if the answers so far are too few to
/// show it.
pub(super) fn status(found: GateStatus, broken_limit: Option<&str>) -> GateStatus {
    broken_limit.map_or(found, |_| GateStatus::Failed)
}
