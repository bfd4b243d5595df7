//! The calibration of this machine, applied to a run.
//!
//! Owns which calibration applies. Must not know how it was made. Invariant: without one nothing is said.

use crate::record::{Calibration, TtftError};
use crate::suite::ClockSource;
use crate::verdict::{Lint, lint_capacity};

use crate::command::base::model_list::cache_folder;

/// The warning of a run with more requests at once than the machine times well.
pub(super) fn capacity_lint(clock: ClockSource, requests: usize) -> Option<Lint> {
    lint_capacity(requests as u64, &calibration(clock)?)
}

/// The error of a run's times, as far as it is known before the run.
pub(super) fn calibrated_error(clock: ClockSource, requests: usize) -> TtftError {
    let calibration = calibration(clock);
    TtftError {
        calibrated: calibration.and_then(|found| found.error_at(requests as u64)),
        client_delay: None,
    }
}

fn calibration(clock: ClockSource) -> Option<Calibration> {
    Calibration::read(&cache_folder()?, clock)
}
