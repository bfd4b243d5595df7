//! From findings to exit codes.
//!
//! Owns which finding wins where several hold. Must not know how anything was found out. Invariant: the
//! order is 130, 1, 4, 3, 0, whatever else is true (2 never gets so far).

use crate::suite::OnInconclusive;

use super::gate::GateStatus;
use super::summary::RunSummary;
use super::switch::SwitchOutcome;

/// Done; every gate passed.
pub const DONE: u8 = 0;
/// A gate failed: a primary metric regressed, or a limit is broken.
pub const FAILED: u8 = 1;
/// Bad usage, suite, project file or run folder.
pub const USAGE: u8 = 2;
/// A primary comparison is inconclusive, and the suite wants that to fail.
pub const INCONCLUSIVE: u8 = 3;
/// The run is incomplete: endpoint unreachable, too many failures to judge.
pub const INCOMPLETE: u8 = 4;
/// Interrupted; finished samples are on disk.
pub const INTERRUPTED: u8 = 130;

/// The result of a run or a comparison.
#[derive(Debug, Clone, Copy)]
pub struct RunResult {
    /// Someone setting the run to end.
    pub interrupted: bool,
    /// It ended before its plan did, or too much failed to judge it.
    pub incomplete: bool,
    /// The status of the gate.
    pub gate_status: GateStatus,
    /// The outcome of the switch gate, where there is one.
    pub switch: Option<SwitchOutcome>,
    /// The suite's rule for an inconclusive gate.
    pub on_inconclusive: OnInconclusive,
}

impl RunResult {
    /// The exit code.
    pub fn code(self) -> u8 {
        // An undecided switch is no switch, whatever the suite says about inconclusive comparisons.
        let inconclusive = self.switch == Some(SwitchOutcome::Undecided)
            || (self.gate_status == GateStatus::Inconclusive
                && self.on_inconclusive == OnInconclusive::Fail);
        let failed = self.gate_status == GateStatus::Failed
            || self.switch == Some(SwitchOutcome::DoNotSwitch);
        if self.interrupted {
            INTERRUPTED
        } else if failed {
            FAILED
        } else if self.incomplete {
            INCOMPLETE
        } else if inconclusive {
            INCONCLUSIVE
        } else {
            DONE
        }
    }
}

/// Whether each variant answered at least half of its trials: below that a comparison is about who was
/// left, not about the variants.
pub fn enough_was_answered(summary: &RunSummary) -> bool {
    summary.variants.iter().all(|variant| {
        let counts = &variant.figures.counts;
        counts.answered * 2 >= counts.planned
    })
}

#[cfg(test)]
mod tests {
    use GateStatus::{Failed, Inconclusive, Passed};
    use OnInconclusive::{Fail, Pass, Warn};

    use super::*;

    #[test]
    fn the_gravest_finding_wins() {
        // CI jobs branch on the code: a regression must not hide behind an incomplete run, nor an
        // interruption behind a regression.
        let code = |interrupted, incomplete, gate_status, on_inconclusive| {
            RunResult {
                interrupted,
                incomplete,
                gate_status,
                switch: None,
                on_inconclusive,
            }
            .code()
        };
        assert_eq!(code(true, true, Failed, Fail), INTERRUPTED);
        assert_eq!(code(false, true, Failed, Fail), FAILED);
        assert_eq!(code(false, true, Inconclusive, Fail), INCOMPLETE);
        assert_eq!(code(false, false, Inconclusive, Fail), INCONCLUSIVE);
        for setting in [Pass, Warn] {
            assert_eq!(code(false, false, Inconclusive, setting), DONE);
            assert_eq!(code(false, true, Passed, setting), INCOMPLETE);
        }
        assert_eq!(code(false, false, Passed, Fail), DONE);
    }

    #[test]
    fn an_undecided_switch_is_no_switch() {
        // A script that moves traffic on 0 must not do so because the run could not tell.
        let code = |switch, gate_status| {
            RunResult {
                interrupted: false,
                incomplete: false,
                gate_status,
                switch: Some(switch),
                on_inconclusive: Pass,
            }
            .code()
        };
        assert_eq!(code(SwitchOutcome::Switch, Passed), DONE);
        assert_eq!(code(SwitchOutcome::DoNotSwitch, Passed), FAILED);
        assert_eq!(code(SwitchOutcome::Undecided, Passed), INCONCLUSIVE);
        assert_eq!(code(SwitchOutcome::Switch, Failed), FAILED);
    }
}
