//! Does one prompt decide?
//!
//! Owns which prompt is asked about: the one whose absence moves the deciding test the most. Must not know
//! reports. Invariant: only verdicts that stand on tests alone have an influential prompt.

use crate::verdict::judgement::{Influence, Tests, Verdict};

use super::approach::{approach, tests};
use super::claim::Claim;
use super::finding::Finding;

/// The most influential prompt of a finding. `verdict_of` gives the verdict that it would have with other
/// tests, all else being equal.
pub(in crate::verdict) fn influence(
    finding: &Finding<'_>,
    verdict: Verdict,
    verdict_of: impl FnOnce(Tests) -> Verdict,
) -> Option<Influence> {
    let [part] = finding.parts.as_slice() else {
        return None;
    };
    let question = finding.question;
    let claim = deciding(finding.tests?, verdict);
    let line = claim.line(question.metric, question.bounds);
    let p = part.approach.p_without_each(line);
    // A verdict is lost where its claim becomes less certain; where there is none, one may be won.
    let is_more = |one: f64, other: f64| {
        if verdict == Verdict::Inconclusive {
            one < other
        } else {
            one > other
        }
    };
    let mut most: Option<(usize, f64)> = None;
    for (place, &p) in p.iter().enumerate() {
        if most.is_none_or(|(_, before)| is_more(p, before)) {
            most = Some((place, p));
        }
    }
    let (absent, _) = most?;
    let rest = part.sides.without(absent)?;
    let approach = approach(question.metric, &rest)?;
    let without = verdict_of(tests(approach.as_ref(), question.metric, question.bounds)?);
    let prompt = finding
        .pair
        .evidence
        .prompts
        .get(part.sides.places[absent])?;
    Some(Influence {
        prompt: prompt.id.clone(),
        verdict_without: without,
        decides: without != verdict,
    })
}

/// The claim that a verdict stands on, or came nearest to.
fn deciding(tests: Tests, verdict: Verdict) -> Claim {
    match verdict {
        Verdict::Regressed => Claim::Worse,
        Verdict::Improved => Claim::Better,
        Verdict::Ok => Claim::WithinMargin,
        Verdict::Inconclusive => {
            let nearest = tests.worse.min(tests.better).min(tests.within_margin);
            if tests.within_margin <= nearest {
                Claim::WithinMargin
            } else if tests.worse <= nearest {
                Claim::Worse
            } else {
                Claim::Better
            }
        }
    }
}
