//! Comparability of a history with today's run: the variants that no accepted run can be compared with.
//!
//! Owns when a history cannot judge a run, and why. Must not know metrics. Invariant: a history that holds
//! accepted runs either has a run to compare each variant with, or is reported as incomparable.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::record::{HistoryRun, HistoryVariant};
use crate::stats::MIN_PROMPTS;
use crate::suite::Gate;
use crate::units::plural;

use super::super::incomparable::IncomparableHistory;
use super::super::judgement::{Comparison, Reason, Verdict};
use super::PastRuns;
use super::before::history_differences;
use super::matching::{differing_condition, same_variant};

/// The reason why accepted runs cannot be compared with today's, or with some of its variants; `None` if all can,
/// or if no run was ever accepted.
pub fn incomparable_history(
    today: &HistoryRun,
    past: &PastRuns,
    gate: &Gate,
) -> Option<IncomparableHistory> {
    let Some(newest) = past.accepted.iter().max_by_key(|run| run.started_at) else {
        return unusable(past);
    };
    let matching = past.accepted.iter();
    let matching: Vec<&HistoryRun> = matching
        .filter(|run| differing_condition(run, today).is_none())
        .collect();
    let control = gate.control.as_ref();
    let is_control = |variant: &&HistoryVariant| control == Some(&variant.label);
    let has_no_past = |variant: &&HistoryVariant| !has_past(variant, &matching);
    // Without its control in the past no variant can be compared.
    let lacks_control = today
        .variants
        .iter()
        .find(is_control)
        .is_some_and(|variant| has_no_past(&variant));
    let judged = today.variants.iter().filter(|variant| !is_control(variant));
    let judged: Vec<&HistoryVariant> = judged.collect();
    let without = judged.iter().copied();
    let without: Vec<&HistoryVariant> = without
        .filter(|variant| lacks_control || has_no_past(variant))
        .collect();
    if without.is_empty() {
        return None;
    }
    let differences = history_differences(newest, today);
    let mut reasons = differences.reasons;
    if reasons.is_empty() {
        reasons.push(format!(
            "they share fewer than {MIN_PROMPTS} prompts with this run"
        ));
    }
    let all = without.len() == judged.len();
    let labels = without.iter().filter(|_| !all);
    Some(IncomparableHistory {
        runs: past.accepted.len(),
        variants: labels.map(|variant| variant.label.clone()).collect(),
        reasons,
        missing_flags: differences.missing_flags,
    })
}

/// The reason why a history without an accepted run before today's is not the beginning of one.
fn unusable(past: &PastRuns) -> Option<IncomparableHistory> {
    let later = past.later.len();
    let noted = past.flagged.len() + past.open.len();
    let truncated_lines = past.truncated_lines.len();
    let reason = if later > 0 {
        "they began after this run, so that a clock was wrong or the run is an old one".to_owned()
    } else if noted > 0 {
        let runs = plural(noted, "noted run");
        format!("the history has {runs} and no accepted one")
    } else if truncated_lines > 0 {
        format!(
            "{} of the history without an end",
            plural(truncated_lines, "line")
        )
    } else {
        return None;
    };
    Some(IncomparableHistory {
        runs: later,
        variants: Vec::new(),
        reasons: vec![reason],
        missing_flags: BTreeSet::new(),
    })
}

/// Returns true if one of the runs has the variant, with enough of the prompts to judge it by.
fn has_past(variant: &HistoryVariant, runs: &[&HistoryRun]) -> bool {
    fn digests(variant: &HistoryVariant) -> BTreeSet<&Arc<str>> {
        let prompts = variant.prompts.iter();
        prompts.map(|prompt| &prompt.digest).collect()
    }
    let own = digests(variant);
    let needed = MIN_PROMPTS.min(own.len());
    let variants = runs.iter().flat_map(|run| &run.variants);
    let mut same = variants.filter(|then| same_variant(then, variant));
    same.any(|then| digests(then).intersection(&own).count() >= needed)
}

/// Gives the comparisons of incomparable variants that reason, and no verdict.
pub(super) fn withhold(comparisons: &mut [Comparison], incomparable: &IncomparableHistory) {
    let labels = &incomparable.variants;
    let affected = comparisons.iter_mut();
    let affected = affected.filter(|one| labels.is_empty() || labels.contains(&one.candidate));
    for comparison in affected {
        comparison.tests = None;
        comparison.verdict = Verdict::Inconclusive;
        comparison.reasons = vec![Reason::Incomparable(incomparable.clone())];
    }
}
