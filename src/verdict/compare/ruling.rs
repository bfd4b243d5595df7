//! From findings to verdicts: who shares the error rate, and what withholds or softens a verdict.
//!
//! Owns the order of the rules. Must not know procedures. Invariant: an inconclusive has a reason, and what
//! is exploratory never makes a primary comparison less certain.
//!
//! Primary comparisons share alpha by Holm's procedure, or each has its own boundary at a look; p values
//! of exploratory ones are adjusted by Benjamini and Hochberg's. Then, in this order: what withholds a
//! verdict; samples set aside that would have changed it; the absolute floor.

use crate::stats::interval::Alpha;
use crate::stats::multiple::benjamini_hochberg;
use crate::verdict::judgement::{Reason, Tests, Verdict};
use crate::verdict::rule::{below_floor, decide, family};

use super::finding::Finding;
use super::screen::Facts;

/// How certain a primary comparison must be.
#[derive(Debug, Clone, Copy)]
pub(in crate::verdict) enum Standard {
    /// All together at this level, by Holm.
    Together,
    /// Each by itself with this chance on a side: the boundary of a look, 0 for no chance at all.
    Each(f64),
}

/// The verdicts of all findings by their tests alone, in their order. `tests` gives those of a finding.
pub(in crate::verdict) fn by_tests(
    findings: &[Finding<'_>],
    tests: impl Fn(usize, &Finding<'_>) -> Option<Tests>,
    (alpha, standard): (Alpha, Standard),
) -> Vec<Verdict> {
    let all: Vec<Option<Tests>> = findings
        .iter()
        .enumerate()
        .map(|(place, finding)| tests(place, finding))
        .collect();
    let of = |primary: bool| -> Vec<Option<Tests>> {
        let chosen = findings.iter().zip(&all);
        chosen
            .filter(|(finding, _)| finding.question.primary == primary)
            .map(|(_, tests)| *tests)
            .collect()
    };
    let primary = match standard {
        Standard::Together => family(&of(true), alpha),
        Standard::Each(one_side) => {
            let level = Alpha::new(2.0 * one_side);
            let alone = |tests: &Option<Tests>| match (tests, level) {
                (Some(tests), Some(level)) => decide(*tests, level),
                _ => Verdict::Inconclusive,
            };
            of(true).iter().map(alone).collect()
        }
    };
    let mut primary = primary.into_iter();
    let mut exploratory = explored(&of(false), alpha).into_iter();
    let verdicts = findings.iter().filter_map(|finding| {
        if finding.question.primary {
            primary.next()
        } else {
            exploratory.next()
        }
    });
    verdicts.collect()
}

/// Verdicts of exploratory comparisons.
pub(in crate::verdict) fn explored(tests: &[Option<Tests>], alpha: Alpha) -> Vec<Verdict> {
    let tested: Vec<Tests> = tests.iter().copied().flatten().collect();
    let adjusted = |p: fn(&Tests) -> f64| {
        let all: Vec<f64> = tested.iter().map(p).collect();
        benjamini_hochberg(&all).into_iter()
    };
    let (mut worse, mut better) = (adjusted(|t| t.worse), adjusted(|t| t.better));
    let verdict = |tests: &Option<Tests>| {
        let Some(tests) = tests else {
            return Verdict::Inconclusive;
        };
        let adjusted = Tests {
            worse: worse.next().unwrap_or(1.0),
            better: better.next().unwrap_or(1.0),
            within_margin: tests.within_margin,
        };
        decide(adjusted, alpha)
    };
    tests.iter().map(verdict).collect()
}

/// The verdicts of all findings with their reasons, in their order.
pub(in crate::verdict) fn ruled(
    findings: &[Finding<'_>],
    facts: &[Facts],
    how: (Alpha, Standard),
) -> Vec<(Verdict, Vec<Reason>)> {
    let plain = by_tests(findings, |_, finding| finding.tests, how);
    let with_set_aside = |_, finding: &Finding<'_>| finding.tests_with_set_aside.or(finding.tests);
    let otherwise = by_tests(findings, with_set_aside, how);
    let both = plain.into_iter().zip(otherwise);
    let rule = |((finding, facts), (plain, otherwise))| {
        let (verdict, mut reasons) = softened(finding, facts, plain, otherwise);
        reasons.extend(finding.beside.iter().cloned());
        (verdict, reasons)
    };
    findings.iter().zip(facts).zip(both).map(rule).collect()
}

/// What withholds or softens a verdict.
fn softened(
    finding: &Finding<'_>,
    facts: &Facts,
    plain: Verdict,
    with_set_aside: Verdict,
) -> (Verdict, Vec<Reason>) {
    if !finding.withheld.is_empty() {
        return (Verdict::Inconclusive, finding.withheld.clone());
    }
    if finding.tests_with_set_aside.is_some() && plain != with_set_aside {
        return (Verdict::Inconclusive, vec![facts.set_aside_reason()]);
    }
    match plain {
        Verdict::Regressed | Verdict::Improved => {
            let question = finding.question;
            let change = || finding.median_change();
            match below_floor(question.metric, question.bounds, plain, change) {
                Some(reason) => (Verdict::Ok, vec![reason]),
                None => (plain, Vec::new()),
            }
        }
        Verdict::Ok => (plain, Vec::new()),
        Verdict::Inconclusive => (plain, vec![Reason::TooWide]),
    }
}
