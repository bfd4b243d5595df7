//! The sentence about what a history can find now.
//!
//! Owns the words. Must not compute. Invariant: a history without runs promises nothing.

use crate::suite::Suite;
use crate::units::plural;
use crate::verdict::{PAST_RUNS, Power, history_power};

use super::wording::worsening;

/// Says what a run can find now with so many accepted runs in its history, and what more of them would find.
pub fn history_line(suite: &Suite, power: &Power, file: &str, accepted: usize) -> String {
    let gate = suite.gate.clone().unwrap_or_default();
    let in_run = power.interleaved.as_ref().and_then(|found| found.ttft);
    let in_run = in_run.filter(|_| gate.against_reference).map_or_else(
        || {
            "compare with the old configuration as the reference of the same run (`against_reference = true`) \
             to find one now"
                .to_owned()
        },
        |change| {
            let change = worsening(change);
            format!("the reference of the same run finds TTFT {change} now")
        },
    );
    let runs = |runs: usize| u32::try_from(runs).unwrap_or(u32::MAX);
    let finds = |count: usize| {
        let found = history_power(suite, power.noise, runs(count))?;
        Some(worsening(found))
    };
    let few = PAST_RUNS as usize;
    match (finds(accepted), finds(few)) {
        (_, None) => format!("`{file}`: no number of runs finds a change of TTFT with this suite"),
        (None, Some(later)) => format!(
            "`{file}` has no accepted run, so that the history finds nothing yet: {in_run}; with {few} accepted runs \
             TTFT {later} can be found"
        ),
        (Some(now), Some(later)) if accepted < few => format!(
            "`{file}` has {}: TTFT {now} can be found now, {later} with {} more; {in_run}",
            plural(accepted, "accepted run"),
            few - accepted
        ),
        (Some(now), _) => format!(
            "`{file}` has {}: TTFT {now} can be found now; {in_run}",
            plural(accepted, "accepted run")
        ),
    }
}
