//! From findings to exit codes.
//!
//! Owns which finding wins where several hold. Must not know how anything was found out. Invariant: the
//! order is 130, 1, 4, 3, 0, whatever else is true (2 never gets so far).

use std::io::{self, Write};

use crate::suite::OnInconclusive;
use crate::verdict::{GateStatus, RunSummary};

use super::exit;
use super::printed::stderr;

/// What a run or a comparison came to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outcome {
    /// Someone asked the run to end.
    pub(super) interrupted: bool,
    /// It ended before its plan did, or too much failed to judge it.
    pub(super) incomplete: bool,
    /// What the gate says.
    pub(super) gate_status: GateStatus,
    /// What the suite says an inconclusive gate does.
    pub(super) on_inconclusive: OnInconclusive,
}

impl Outcome {
    /// The exit code.
    pub(super) fn code(self) -> u8 {
        let inconclusive = self.gate_status == GateStatus::Inconclusive
            && self.on_inconclusive == OnInconclusive::Fail;
        if self.interrupted {
            exit::INTERRUPTED
        } else if self.gate_status == GateStatus::Failed {
            exit::FAILED
        } else if self.incomplete {
            exit::INCOMPLETE
        } else if inconclusive {
            exit::INCONCLUSIVE
        } else {
            exit::DONE
        }
    }
}

/// Says that something could not be told, where the suite wants to hear of it but not to fail.
pub(super) fn warn_of_inconclusive(
    gate_status: GateStatus,
    asked: OnInconclusive,
) -> io::Result<()> {
    if gate_status == GateStatus::Inconclusive && asked == OnInconclusive::Warn {
        writeln!(
            stderr(),
            "warning: inconclusive: not all that this suite's gate asks could be told; nothing fails"
        )?;
    }
    Ok(())
}

/// Whether each variant answered at least half of its trials: below that a comparison is about who was
/// left, not about the variants.
pub(super) fn enough_was_answered(summary: &RunSummary) -> bool {
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
            Outcome {
                interrupted,
                incomplete,
                gate_status,
                on_inconclusive,
            }
            .code()
        };
        assert_eq!(code(true, true, Failed, Fail), exit::INTERRUPTED);
        assert_eq!(code(false, true, Failed, Fail), exit::FAILED);
        assert_eq!(code(false, true, Inconclusive, Fail), exit::INCOMPLETE);
        assert_eq!(code(false, false, Inconclusive, Fail), exit::INCONCLUSIVE);
        for asked in [Pass, Warn] {
            assert_eq!(code(false, false, Inconclusive, asked), exit::DONE);
            assert_eq!(code(false, true, Passed, asked), exit::INCOMPLETE);
        }
        assert_eq!(code(false, false, Passed, Fail), exit::DONE);
    }
}
