//! Confirmation before a build fails: the standing of a finding, and of earlier ones.
//!
//! Owns when a regression is confirmed, and the standing in the history of runs that found one. Must not know
//! files, nor a clock. Invariant: with `confirm`, a single run never establishes a regression; a finding that
//! was once confirmed never counts as noise.

use crate::record::{Finding, HistoryEntry, HistoryLine, HistoryRun, RunStanding};

use super::super::judgement::{Comparison, Judgement, Reason, Verdict};
use super::PastRuns;

/// A second run this much later samples another moment of the network and of the provider.
const CONFIRM_AFTER_S: i64 = 3600;

/// Returns true if an open run has the same finding, long enough before today.
fn repeats(open: &HistoryEntry, finding: &Finding, today: &HistoryRun) -> bool {
    let elapsed = today.started_at.as_second() - open.run.started_at.as_second();
    elapsed >= CONFIRM_AFTER_S && open.findings.contains(finding)
}

fn finding(comparison: &Comparison) -> Finding {
    Finding {
        variant: comparison.candidate.clone(),
        metric: comparison.metric,
    }
}

/// Makes regressions inconclusive that no earlier run found: a second run decides.
pub(super) fn withhold_unconfirmed(
    comparisons: &mut [Comparison],
    today: &HistoryRun,
    past: &PastRuns,
) {
    for comparison in comparisons
        .iter_mut()
        .filter(|comparison| comparison.primary)
    {
        let found = finding(comparison);
        let confirmed = past.open.iter().any(|open| repeats(open, &found, today));
        if comparison.verdict == Verdict::Regressed && !confirmed {
            comparison.verdict = Verdict::Inconclusive;
            comparison.reasons.insert(0, Reason::Unconfirmed);
        }
    }
}

/// The lines to append to the history after a run was judged against it: the run, if it found a regression; and
/// the new standing of earlier findings. Empty after an ordinary run.
///
/// A finding is *pending* at first (*flagged* without `confirm`), *confirmed* by the next run that repeats it
/// an hour or more later, and *cleared* by one that does not. A confirmed finding is *recovered* after a clean
/// run. A run that could not judge the metric changes nothing.
pub fn history_updates(
    today: &HistoryRun,
    past: &PastRuns,
    judgement: &Judgement,
) -> Vec<HistoryLine> {
    let primary = || judgement.comparisons.iter().filter(|c| c.primary);
    let unconfirmed = |c: &Comparison| c.reasons.contains(&Reason::Unconfirmed);
    let findings: Vec<Finding> = primary()
        .filter(|c| c.verdict == Verdict::Regressed || unconfirmed(c))
        .map(finding)
        .collect();
    let repeated = |found: &Finding| past.open.iter().any(|open| repeats(open, found, today));
    let confirmed: Vec<&Finding> = findings.iter().filter(|found| repeated(found)).collect();
    let mut lines = Vec::new();
    for open in &past.open {
        let is_repeated = |found: &Finding| confirmed.contains(&found);
        let is_clean = |found: &Finding| {
            let comparison = primary().find(|c| finding(c) == *found);
            comparison.is_some_and(|c| c.tests.is_some()) && !findings.contains(found)
        };
        let standing = if open.findings.iter().any(is_repeated) {
            RunStanding::Confirmed
        } else if !open.findings.iter().all(is_clean) {
            continue;
        } else if open.standing == RunStanding::Confirmed {
            RunStanding::Recovered
        } else {
            RunStanding::Cleared
        };
        if standing != open.standing {
            lines.push(HistoryLine::Mark {
                run: open.run.run.clone(),
                standing,
            });
        }
    }
    if !findings.is_empty() {
        let standing = if !confirmed.is_empty() {
            RunStanding::Confirmed
        } else if primary().any(unconfirmed) {
            RunStanding::Pending
        } else {
            RunStanding::Flagged
        };
        lines.push(HistoryLine::run(today.clone(), standing, findings));
    }
    lines
}
