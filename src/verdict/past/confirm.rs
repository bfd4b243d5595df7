//! A second look before a build fails: what becomes of a finding, and of those before it.
//!
//! Owns when a regression is believed, and what the history shall say of runs that found one. Must not
//! know files, nor a clock. Invariant: of one run nothing is believed that `confirm` forbids; a
//! finding that was once confirmed never counts as noise.

use crate::record::{Finding, HistoryEntry, HistoryLine, HistoryRun, Standing};

use super::super::judgement::{Comparison, Judgement, Reason, Verdict};
use super::Past;

/// A second run this much later has another moment of the network and of the provider.
const APART_S: i64 = 3600;

/// Whether an open run found the same, long enough before today.
fn repeats(open: &HistoryEntry, finding: &Finding, today: &HistoryRun) -> bool {
    let apart = today.started_at.as_second() - open.run.started_at.as_second();
    apart >= APART_S && open.findings.contains(finding)
}

fn finding(comparison: &Comparison) -> Finding {
    Finding {
        variant: comparison.candidate.clone(),
        metric: comparison.metric,
    }
}

/// Regressions that no earlier run found become inconclusive: a second run decides.
pub(super) fn withhold_first_flags(
    comparisons: &mut [Comparison],
    today: &HistoryRun,
    past: &Past,
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

/// What to append to the history after a run was judged against it: the run, where it found a
/// regression; and what its verdicts say of earlier findings. Nothing after an ordinary run.
///
/// A finding is *pending* at first (*flagged*, where nobody was to wait), *confirmed* with the next run
/// that repeats it an hour or more later, and *cleared* by one that does not. What was confirmed is
/// *recovered* with a clean run. A run that could not judge the metric changes nothing.
pub fn aftermath(today: &HistoryRun, past: &Past, judgement: &Judgement) -> Vec<HistoryLine> {
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
        let again = |found: &Finding| confirmed.contains(&found);
        let clean = |found: &Finding| {
            let told = primary().find(|c| finding(c) == *found);
            told.is_some_and(|c| c.tests.is_some()) && !findings.contains(found)
        };
        let standing = if open.findings.iter().any(again) {
            Standing::Confirmed
        } else if !open.findings.iter().all(clean) {
            continue;
        } else if open.standing == Standing::Confirmed {
            Standing::Recovered
        } else {
            Standing::Cleared
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
            Standing::Confirmed
        } else if primary().any(unconfirmed) {
            Standing::Pending
        } else {
            Standing::Flagged
        };
        lines.push(HistoryLine::run(today.clone(), standing, findings));
    }
    lines
}
