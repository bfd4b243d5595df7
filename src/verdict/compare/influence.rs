//! The most influential prompt of a verdict.
//!
//! Owns which prompt is examined: the one whose absence makes the deciding test least certain or, for an
//! inconclusive verdict, some test most certain. Must not know reports. Invariant: only verdicts that depend on
//! tests alone have an influential prompt.

use std::rc::Rc;

use crate::stats::MIN_PROMPTS;
use crate::verdict::judgement::{Influence, Tests, Verdict};

use super::approach::tests;
use super::claim::Claim;
use super::finding::OpenFinding;
use super::procedure::approach;

/// With more prompts than this the search is skipped: one among so many only decides a borderline verdict, and
/// leaving out each in turn costs one test per prompt.
const PROMPTS_MAX: usize = 200;

/// The most influential prompt of a finding. `verdict_of` returns the verdict that the finding would have with
/// other tests, all else being equal.
pub(in crate::verdict) fn influence(
    open: &OpenFinding<'_, '_>,
    verdict: Verdict,
    verdict_of: impl FnOnce(Tests) -> Verdict,
) -> Option<Influence> {
    let (finding, part) = (open.finding, open.whole()?);
    // With one prompt fewer than a verdict needs there is no verdict anyway.
    if !(MIN_PROMPTS + 1..=PROMPTS_MAX).contains(&part.sides.indices.len()) {
        return None;
    }
    let spec = finding.spec;
    let p = |claim: Claim| {
        let line = claim.line(spec.metric, spec.bounds);
        part.approach.p_without_each(line)
    };
    let (absent, _) = match deciding_claim(verdict) {
        Some(claim) => extreme(&p(claim), f64::gt),
        // No claim holds yet: take the claim that comes closest when one prompt is left out.
        None => Claim::ALL
            .iter()
            .filter_map(|&claim| extreme(&p(claim), f64::lt))
            .reduce(|one, other| if other.1 < one.1 { other } else { one }),
    }?;
    let rest = part.approach.without(absent).or_else(|| {
        let rest = part.sides.without(absent)?;
        Some(Rc::from(approach(spec.metric, &rest)?))
    })?;
    let without = verdict_of(tests(rest.as_ref(), spec.metric, spec.bounds)?);
    let prompt = finding
        .pair
        .evidence
        .prompts
        .get(part.sides.indices[absent])?;
    Some(Influence {
        prompt: prompt.id.to_string(),
        verdict_without: without,
        is_decisive: without != verdict,
    })
}

/// The claim that a verdict is based on.
const fn deciding_claim(verdict: Verdict) -> Option<Claim> {
    match verdict {
        Verdict::Regressed => Some(Claim::Worse),
        Verdict::Improved => Some(Claim::Better),
        Verdict::Ok => Some(Claim::WithinMargin),
        Verdict::Inconclusive => None,
    }
}

/// The index of the largest, or smallest, p value, and that value; the first among equal ones.
fn extreme(p: &[f64], beats: fn(&f64, &f64) -> bool) -> Option<(usize, f64)> {
    let indexed = p.iter().copied().enumerate();
    indexed.reduce(|one, other| if beats(&other.1, &one.1) { other } else { one })
}
