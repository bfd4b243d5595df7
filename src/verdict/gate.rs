//! The gate: verdicts and absolute limits, turned into one answer for a build.
//!
//! Owns what fails. Must not know exit codes, nor how a limited quantity is estimated. Invariant: an undecided
//! comparison never counts as passed if the suite makes it fail.

use crate::stats::interval::Alpha;
use crate::suite::{Gate, GateLimit, LimitBound, OnExceeded, OnInconclusive};

use super::evidence::Evidence;
use super::judgement::{Comparison, Judgement, LimitCheck, LimitStatus, Verdict};
use super::limit_estimates::Trials;

/// The status of the gate for a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GateStatus {
    /// No comparison and no limit fails.
    Passed,
    /// A primary comparison or a limit is inconclusive, and the suite asks for a warning (`on_inconclusive =
    /// "warn"`) or a failure.
    Inconclusive,
    /// A primary metric regressed, or a limit is exceeded.
    Failed,
}

/// Checks the absolute limits of the gate, for every variant, in the order of suite and gate; one per prompt is checked
/// for each in turn. Intervals have a level of 95 %, shared by the prompts of a limit per prompt; those of times are for
/// these prompts.
pub fn check_limits(evidence: &Evidence, gate: &Gate) -> Vec<LimitCheck> {
    let mut checks = Vec::new();
    for variant in 0..evidence.variants.len() {
        for limit in &gate.limits {
            let check = |prompt, alpha| check_limit(evidence, limit, variant, prompt, alpha);
            if limit.per_prompt {
                let prompts = evidence.prompts.len();
                let alpha = Alpha::FIVE_PERCENT.shared_by(prompts.max(1));
                checks.extend((0..prompts).map(|prompt| check(Some(prompt), alpha)));
            } else {
                checks.push(check(None, Alpha::FIVE_PERCENT));
            }
        }
    }
    checks
}

fn check_limit(
    evidence: &Evidence,
    limit: &GateLimit,
    variant: usize,
    prompt: Option<usize>,
    alpha: Alpha,
) -> LimitCheck {
    let quantity = limit.quantity;
    let trials = Trials::new(evidence, variant, prompt, quantity);
    let estimate = trials.estimate(quantity, alpha);
    let bound = bound_in_unit(limit.bound);
    LimitCheck {
        variant: evidence.variants[variant].label.clone(),
        prompt: prompt.map(|prompt| evidence.prompts[prompt].id.to_string()),
        quantity,
        bound,
        estimate: estimate.estimate,
        interval: estimate.interval,
        n: estimate.n,
        status: estimate.status(quantity, bound),
    }
}

/// The status of these judgements and limits together. Exploratory comparisons are ignored. A judgement without
/// comparisons passes, as that of the first run of a history, but not one whose history cannot be compared.
pub fn gate_status(judgements: &[&Judgement], limits: &[LimitCheck], gate: &Gate) -> GateStatus {
    let primary = judgements
        .iter()
        .flat_map(|judgement| &judgement.comparisons)
        .filter(|comparison| comparison.primary);
    let of_comparison = |comparison: &Comparison| match comparison.verdict {
        Verdict::Regressed => GateStatus::Failed,
        Verdict::Inconclusive => GateStatus::Inconclusive,
        Verdict::Improved | Verdict::Ok => GateStatus::Passed,
    };
    let incomparable = judgements.iter().filter(|one| one.incomparable.is_some());
    let incomparable = incomparable.map(|_| GateStatus::Inconclusive);
    let fails = gate.shared_shift.on_exceeded == OnExceeded::Fail;
    let shifts = judgements.iter().flat_map(|one| &one.shared_shifts);
    let shifts = shifts.filter(|shift| fails && shift.status == LimitStatus::Exceeded);
    let shifts = shifts.map(|_| GateStatus::Failed);
    let of_limit = |check: &LimitCheck| match check.status {
        LimitStatus::Within => GateStatus::Passed,
        LimitStatus::Exceeded => GateStatus::Failed,
        LimitStatus::Inconclusive => GateStatus::Inconclusive,
    };
    let worst = primary
        .map(of_comparison)
        .chain(limits.iter().map(of_limit))
        .chain(incomparable)
        .chain(shifts)
        .max()
        .unwrap_or(GateStatus::Passed);
    match (worst, gate.on_inconclusive) {
        (GateStatus::Inconclusive, OnInconclusive::Pass) => GateStatus::Passed,
        _ => worst,
    }
}

/// The bound in the unit of a [`LimitCheck`]: ns, share, USD, or a number.
fn bound_in_unit(bound: LimitBound) -> f64 {
    match bound {
        LimitBound::Time(time) => time.0 as f64,
        LimitBound::Share(share) => share,
        LimitBound::Usd(usd) => usd.as_f64(),
        LimitBound::Number(number) => number,
    }
}

#[cfg(test)]
mod tests;
