//! Variants of one run against its reference: the same prompts at the same moments.
//!
//! Owns which metrics are asked about, and what is told of each. Must not know the past. Invariant:
//! deterministic; exchanging candidate and reference turns *regressed* into *improved* at
//! tolerance 0; the order of samples and the unit of times change nothing.

use crate::stats::interval::Alpha;
use crate::suite::{Bounds, Gate, Metric};

use super::compare::during;
use super::compare::finding::{Finding, Question};
use super::compare::influence::influence;
use super::compare::outlook::{detectable, needed};
use super::compare::procedure::procedure;
use super::compare::routes::within_routes;
use super::compare::ruling::{Standard, by_tests, ruled};
use super::compare::screen::Facts;
use super::compare::sides::Pair;
use super::evidence::Evidence;
use super::judgement::{Comparison, Effect, Judgement, Reason, Situation, Verdict};

/// Every round.
const ALL_ROUNDS: u32 = u32::MAX;

/// Judges every other variant of a run against the reference, on every metric that both have. Primary
/// metrics always have a comparison. No comparisons, and a note, where there is no such reference.
///
/// Where TTFT cannot be compared because one side shows its reasoning, TTFA is primary in its place; where
/// retries differ, the experienced TTFT is primary beside it. Both have the bounds of TTFT unless they have
/// their own.
pub fn interleaved(evidence: &Evidence, reference: &str, gate: &Gate) -> Judgement {
    let pairs = pairs(evidence, reference);
    if pairs.is_empty() {
        return Judgement {
            situation: Situation::Interleaved,
            comparisons: Vec::new(),
            notes: vec![format!("There is nothing to compare with {reference}.")],
        };
    }
    let alpha = alpha_of(gate);
    let found = Found::of(&pairs, gate, ALL_ROUNDS, Scope::EVERYTHING);
    let shared = found.tested_primary();
    let comparisons = found.compare((alpha, Standard::Together), alpha.shared_by(shared));
    Judgement {
        situation: Situation::Interleaved,
        comparisons,
        notes: during::notes(evidence),
    }
}

/// The primary comparisons of a run with nothing but their verdicts: (candidate, metric, verdict), the same
/// that [`interleaved`] gives, in its order.
pub fn primary_verdicts(
    evidence: &Evidence,
    reference: &str,
    gate: &Gate,
) -> Vec<(String, Metric, Verdict)> {
    let pairs = pairs(evidence, reference);
    let found = Found::of(&pairs, gate, ALL_ROUNDS, Scope::PRIMARY);
    found.verdicts((alpha_of(gate), Standard::Together))
}

/// The reference with every other variant, in the order of the suite.
pub(super) fn pairs<'a>(evidence: &'a Evidence, reference: &str) -> Vec<Pair<'a>> {
    let Some(reference) = evidence.variant(reference) else {
        return Vec::new();
    };
    let others = evidence
        .variants
        .iter()
        .filter(|variant| variant.label != reference.label);
    others
        .map(|candidate| Pair {
            evidence,
            reference,
            candidate,
        })
        .collect()
}

/// The error rate of a gate; 5 % where it is none, which no checked gate has.
pub(super) fn alpha_of(gate: &Gate) -> Alpha {
    Alpha::new(gate.alpha).unwrap_or(Alpha::FIVE_PERCENT)
}

/// Which metrics are looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope {
    /// Also those that can fail nothing.
    exploratory: bool,
    /// Whether a metric may become primary beside the planned ones by what is seen: it would take a share
    /// of an error rate that looks have spent by plan.
    more: bool,
}

impl Scope {
    const PRIMARY: Self = Self {
        exploratory: false,
        more: true,
    };
    const EVERYTHING: Self = Self {
        exploratory: true,
        more: true,
    };
    /// The primary ones as planned.
    pub(super) const PLANNED: Self = Self {
        exploratory: false,
        more: false,
    };
    /// As planned, and all others.
    pub(super) const PLANNED_AND_EXPLORATORY: Self = Self {
        exploratory: true,
        more: false,
    };
}

/// What was found about all pairs of a run.
pub(super) struct Found<'a> {
    findings: Vec<Finding<'a>>,
    /// One a finding.
    facts: Vec<Facts>,
    rounds: u32,
}

impl<'a> Found<'a> {
    /// Looks at every pair, in the rounds up to one.
    pub(super) fn of(pairs: &[Pair<'a>], gate: &Gate, rounds: u32, scope: Scope) -> Self {
        let (mut findings, mut all_facts) = (Vec::new(), Vec::new());
        for pair in pairs {
            let facts = Facts::of(pair, rounds);
            let first = findings.len();
            for question in questions(gate, &facts, scope) {
                let asked = (question, rounds);
                let finding = Finding::of(*pair, &facts, asked, &findings[first..]);
                if question.primary || !finding.is_not_measured() {
                    findings.push(finding);
                    all_facts.push(facts.clone());
                }
            }
        }
        Self {
            findings,
            facts: all_facts,
            rounds,
        }
    }

    /// How many primary comparisons have a test.
    fn tested_primary(&self) -> usize {
        let tested = |finding: &&Finding<'_>| finding.question.primary && finding.tests.is_some();
        self.findings.iter().filter(tested).count()
    }

    /// The findings.
    pub(super) fn findings(&self) -> &[Finding<'a>] {
        &self.findings
    }

    /// (candidate, metric, verdict) of each finding.
    pub(super) fn verdicts(&self, how: (Alpha, Standard)) -> Vec<(String, Metric, Verdict)> {
        let ruled = ruled(&self.findings, &self.facts, how);
        let named = self.findings.iter().zip(ruled);
        named
            .map(|(finding, (verdict, _))| {
                let label = finding.pair.candidate.label.clone();
                (label, finding.question.metric, verdict)
            })
            .collect()
    }

    /// Everything that is told of each finding; intervals of primary ones have the level `shown`.
    pub(super) fn compare(&self, how: (Alpha, Standard), shown: Alpha) -> Vec<Comparison> {
        let by_tests_alone = by_tests(&self.findings, |_, finding| finding.tests, how);
        let ruled = ruled(&self.findings, &self.facts, how);
        let rows = self.findings.iter().zip(ruled).enumerate();
        rows.map(|(place, (finding, (verdict, reasons)))| {
            let alpha = if finding.question.primary {
                shown
            } else {
                how.0
            };
            let mut comparison = told(finding, alpha, verdict, reasons);
            comparison.within_routes =
                within_routes(finding, &self.facts[place], self.rounds, how.0);
            if verdict == by_tests_alone[place] {
                comparison.influence = influence(finding, verdict, |tests| {
                    let changed = |at: usize, other: &Finding<'_>| {
                        if at == place {
                            Some(tests)
                        } else {
                            other.tests
                        }
                    };
                    by_tests(&self.findings, changed, how)[place]
                });
            }
            comparison
        })
        .collect()
    }
}

/// The metrics asked about, in their order.
fn questions(gate: &Gate, facts: &Facts, scope: Scope) -> Vec<Question> {
    let named = |metric: Metric| gate.bounds.iter().any(|(named, _)| *named == metric);
    let instead = facts.reasoning_differs() && gate.is_primary(Metric::Ttft);
    let as_well = scope.more
        && facts.retries_differ()
        && !facts.reasoning_differs()
        && gate.is_primary(Metric::Ttft);
    let question = |metric: Metric| {
        let (primary, from_ttft) = match metric {
            Metric::Ttft if instead => (false, false),
            Metric::Ttfa if instead => (true, true),
            Metric::ExperiencedTtft if as_well => (true, true),
            _ => (gate.is_primary(metric), false),
        };
        let bounds: Bounds = if from_ttft && !named(metric) {
            gate.bounds_of(Metric::Ttft)
        } else {
            gate.bounds_of(metric)
        };
        Question {
            metric,
            primary,
            bounds,
        }
    };
    let asked = Metric::ALL.into_iter().map(question);
    asked
        .filter(|question| question.primary || scope.exploratory)
        .collect()
}

/// A comparison, but for its influential prompt and its routes.
fn told(finding: &Finding<'_>, alpha: Alpha, verdict: Verdict, reasons: Vec<Reason>) -> Comparison {
    let question = finding.question;
    let effect = finding.effect(alpha).map(|(estimate, interval)| Effect {
        estimate,
        interval,
        level: 1.0 - alpha.two_sided(),
    });
    // Of two parts neither alone says what the comparison could have found.
    let (mut detectable_change, mut needed_size) = (None, None);
    if let ([part], Some(effect)) = (finding.parts.as_slice(), &effect) {
        detectable_change = detectable(question, part, effect.interval, alpha);
        if reasons.contains(&Reason::TooWide) {
            needed_size = needed(question, part, effect.interval, alpha);
        }
    }
    Comparison {
        candidate: finding.pair.candidate.label.clone(),
        reference: finding.pair.reference.label.clone(),
        metric: question.metric,
        primary: question.primary,
        procedure: procedure(question.metric),
        bounds: question.bounds,
        size: finding.size(),
        effect,
        tests: finding.tests,
        verdict,
        reasons,
        detectable: detectable_change,
        needed: needed_size,
        per_prompt: per_prompt(finding),
        influence: None,
        within_routes: Vec::new(),
    }
}

/// The effect on each prompt; none where hits and misses of a cache stand apart.
fn per_prompt(finding: &Finding<'_>) -> Vec<(String, f64)> {
    let [part] = finding.parts.as_slice() else {
        return Vec::new();
    };
    let effects = part.approach.by_prompt();
    let rows = part.sides.places.iter().zip(effects);
    rows.filter_map(|(&place, effect)| {
        let prompt = finding.pair.evidence.prompts.get(place)?;
        Some((prompt.id.clone(), effect?))
    })
    .collect()
}

#[cfg(test)]
mod properties;
#[cfg(test)]
pub(super) mod tests;
