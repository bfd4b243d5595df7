//! The step from findings to verdicts: sharing of the error rate, and reasons that withhold or soften a
//! verdict.
//!
//! Owns the order of the rules. Must not know procedures. Invariant: an inconclusive verdict has a reason, and
//! an exploratory comparison never makes a primary one less certain.
//!
//! Primary comparisons share alpha by Holm's procedure, or each has its own boundary at an interim look; p
//! values of exploratory ones are adjusted by Benjamini and Hochberg's. Then, in this order: reasons that
//! withhold a verdict; excluded samples that would have changed it; the absolute floor.

use crate::stats::interval::Alpha;
use crate::stats::multiple::benjamini_hochberg;
use crate::verdict::judgement::{Reason, Tests, Verdict};
use crate::verdict::rule::{below_floor, decide, decide_family};

use super::comparability::Comparability;
use super::finding::SideFinding;

/// The error control of primary comparisons.
#[derive(Debug, Clone, Copy)]
pub(in crate::verdict) enum ErrorControl {
    /// All together at this level, by Holm.
    Holm,
    /// Each by itself with this one-sided level: the boundary of a look; at 0 no test can pass.
    PerTest(f64),
}

/// The verdicts of all findings by their tests alone, in their order. `tests` returns the p values of a
/// finding.
pub(in crate::verdict) fn verdicts_by_tests(
    findings: &[SideFinding<'_>],
    tests: impl Fn(usize, &SideFinding<'_>) -> Option<Tests>,
    (alpha, error_control): (Alpha, ErrorControl),
) -> Vec<Verdict> {
    let all: Vec<Option<Tests>> = findings
        .iter()
        .enumerate()
        .map(|(index, finding)| tests(index, finding))
        .collect();
    let of = |primary: bool| -> Vec<Option<Tests>> {
        let chosen = findings.iter().zip(&all);
        chosen
            .filter(|(finding, _)| finding.spec.primary == primary)
            .map(|(_, tests)| *tests)
            .collect()
    };
    let primary = match error_control {
        ErrorControl::Holm => decide_family(&of(true), alpha),
        ErrorControl::PerTest(one_side) => {
            let level = Alpha::new(2.0 * one_side);
            let alone = |tests: &Option<Tests>| match (tests, level) {
                (Some(tests), Some(level)) => decide(*tests, level),
                _ => Verdict::Inconclusive,
            };
            of(true).iter().map(alone).collect()
        }
    };
    let mut primary = primary.into_iter();
    let mut exploratory = exploratory_verdicts(&of(false), alpha).into_iter();
    let verdicts = findings.iter().filter_map(|finding| {
        if finding.spec.primary {
            primary.next()
        } else {
            exploratory.next()
        }
    });
    verdicts.collect()
}

/// Verdicts of exploratory comparisons.
pub(in crate::verdict) fn exploratory_verdicts(
    tests: &[Option<Tests>],
    alpha: Alpha,
) -> Vec<Verdict> {
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
pub(in crate::verdict) fn decide_all(
    findings: &[SideFinding<'_>],
    comparability: &[Comparability],
    how: (Alpha, ErrorControl),
) -> Vec<(Verdict, Vec<Reason>)> {
    let plain = verdicts_by_tests(findings, |_, finding| finding.tests, how);
    let p_values = |_, finding: &SideFinding<'_>| finding.tests_with_excluded.or(finding.tests);
    let with_excluded = verdicts_by_tests(findings, p_values, how);
    let both = plain.into_iter().zip(with_excluded);
    let rule = |((finding, comparability), (plain, with_excluded))| {
        let (verdict, mut reasons) = apply_rules(finding, comparability, plain, with_excluded);
        reasons.extend(finding.caveats.iter().cloned());
        (verdict, reasons)
    };
    findings
        .iter()
        .zip(comparability)
        .zip(both)
        .map(rule)
        .collect()
}

/// Applies the reasons that withhold or soften a verdict.
fn apply_rules(
    finding: &SideFinding<'_>,
    comparability: &Comparability,
    plain: Verdict,
    with_excluded: Verdict,
) -> (Verdict, Vec<Reason>) {
    if !finding.withhold_reasons.is_empty() {
        return (Verdict::Inconclusive, finding.withhold_reasons.clone());
    }
    if finding.tests_with_excluded.is_some() && plain != with_excluded {
        return (
            Verdict::Inconclusive,
            vec![comparability.exclusion_reason()],
        );
    }
    match plain {
        Verdict::Regressed | Verdict::Improved => {
            let spec = finding.spec;
            let change = || finding.median_change();
            match below_floor(spec.metric, spec.bounds, plain, change) {
                Some(reason) => (Verdict::Ok, vec![reason]),
                None => (plain, Vec::new()),
            }
        }
        Verdict::Ok => (plain, Vec::new()),
        Verdict::Inconclusive => (plain, vec![Reason::TooWide]),
    }
}
