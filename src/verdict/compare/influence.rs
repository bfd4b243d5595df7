//! Does one prompt decide?
//!
//! Owns which prompt is asked about: the one whose absence makes the deciding test least certain, or, of an
//! inconclusive, some test most certain. Must not know reports. Invariant: only verdicts that stand on tests alone have an influential prompt.

use crate::stats::FEWEST_PROMPTS;
use crate::verdict::judgement::{Influence, Tests, Verdict};

use super::approach::tests;
use super::claim::Claim;
use super::finding::Finding;
use super::procedure::approach;

/// Of more prompts than this none is looked for: one of so many decides only what lies on the line anyway, and
/// leaving out each in turn takes as many times as long as there are prompts.
const PROMPTS_MAX: usize = 200;

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
    // Without one of the fewest prompts that a verdict needs there is none anyway.
    if !(FEWEST_PROMPTS + 1..=PROMPTS_MAX).contains(&part.sides.places.len()) {
        return None;
    }
    let question = finding.question;
    let p = |claim: Claim| {
        let line = claim.line(question.metric, question.bounds);
        part.approach.p_without_each(line)
    };
    let (absent, _) = match deciding(verdict) {
        Some(claim) => extreme(&p(claim), f64::gt),
        // There is none to lose: whichever claim comes nearest without one of the prompts.
        None => Claim::ALL
            .iter()
            .filter_map(|&claim| extreme(&p(claim), f64::lt))
            .reduce(|one, other| if other.1 < one.1 { other } else { one }),
    }?;
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

/// The claim that a verdict stands on.
const fn deciding(verdict: Verdict) -> Option<Claim> {
    match verdict {
        Verdict::Regressed => Some(Claim::Worse),
        Verdict::Improved => Some(Claim::Better),
        Verdict::Ok => Some(Claim::WithinMargin),
        Verdict::Inconclusive => None,
    }
}

/// The place of the largest, or smallest, p value, and that value; the first of equal ones.
fn extreme(p: &[f64], beats: fn(&f64, &f64) -> bool) -> Option<(usize, f64)> {
    let places = p.iter().copied().enumerate();
    places.reduce(|one, other| if beats(&other.1, &one.1) { other } else { one })
}
