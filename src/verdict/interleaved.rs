//! Variants of one run against its reference: the same prompts at the same moments.
//!
//! Owns which metrics are compared, and the contents of each comparison. Must not know past runs. Invariant:
//! deterministic; exchanging candidate and reference turns *regressed* into *improved* at tolerance 0; the
//! order of samples and the unit of times change nothing.

use std::ops::Range;
use std::sync::Arc;

use crate::stats::interval::Alpha;
use crate::suite::{Bounds, Gate, Metric};
use crate::threads::Threads;

use super::compare::comparability::{Comparability, any_variant_reasons};
use super::compare::finding::{ComparisonSpec, LastSides, OpenFinding, SideFinding};
use super::compare::influence::influence;
use super::compare::power::{detectable_change, required_size};
use super::compare::procedure::procedure;
use super::compare::routes::compare_routes;
use super::compare::ruling::{ErrorControl, decide_all, verdicts_by_tests};
use super::compare::run_notes;
use super::compare::sides::{VariantPair, is_to_first_token};
use super::evidence::Evidence;
use super::judgement::{Comparison, ComparisonDesign, Effect, Judgement, Reason, Verdict};
use super::prompt_effects::EffectByPrompt;

/// Every round.
pub(super) const ALL_ROUNDS: u32 = u32::MAX;

/// Compares every other variant of a run with the reference, on every metric that both have. Primary metrics
/// always have a comparison. Without such a reference there are no comparisons, and a note.
///
/// A run has one speed metric: as soon as any of its variants shows or hides reasoning, TTFA is primary in the
/// place of TTFT for all of them. Where retries differ, the experienced TTFT is primary as well. Both take the
/// bounds of TTFT unless they have their own.
pub fn compare_interleaved(evidence: &Evidence, reference: &str, gate: &Gate) -> Judgement {
    let variant_pairs = variant_pairs(evidence, reference);
    if variant_pairs.is_empty() {
        let note = format!("There is nothing to compare with {reference}.");
        return Judgement::new(ComparisonDesign::Interleaved, Vec::new(), vec![note]);
    }
    let alpha = gate_alpha(gate);
    let findings = PairFindings::new(&variant_pairs, gate, ALL_ROUNDS, Scope::EVERYTHING);
    let shared = findings.tested_primary();
    let comparisons = findings.compare((alpha, ErrorControl::Holm), alpha.shared_by(shared));
    let notes = run_notes::run_notes(evidence);
    Judgement::new(ComparisonDesign::Interleaved, comparisons, notes)
}

/// The verdicts of the primary comparisons of a run: (candidate, metric, verdict), the same as in
/// [`compare_interleaved`], in its order.
pub fn primary_verdicts(
    evidence: &Evidence,
    reference: &str,
    gate: &Gate,
) -> Vec<(String, Metric, Verdict)> {
    let variant_pairs = variant_pairs(evidence, reference);
    let findings = PairFindings::new(&variant_pairs, gate, ALL_ROUNDS, Scope::PRIMARY);
    findings.verdicts((gate_alpha(gate), ErrorControl::Holm))
}

/// The reference with every other variant, in the order of the suite.
pub(super) fn variant_pairs<'a>(evidence: &'a Evidence, reference: &str) -> Vec<VariantPair<'a>> {
    let Some(reference) = evidence.variant(reference) else {
        return Vec::new();
    };
    let others = evidence
        .variants
        .iter()
        .filter(|variant| variant.label != reference.label);
    let pair = |candidate| VariantPair::new(evidence, reference, candidate);
    others.map(pair).collect()
}

/// The error rate of a gate; 5 % if it is invalid, which a checked gate never is.
pub(super) fn gate_alpha(gate: &Gate) -> Alpha {
    Alpha::new(gate.alpha).unwrap_or(Alpha::FIVE_PERCENT)
}

/// The metrics to compare.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope {
    /// True to include exploratory metrics.
    exploratory: bool,
    /// True if the data may make further metrics primary: each would take a share of an error rate that interim
    /// looks have already planned to spend.
    adds_primary: bool,
}

impl Scope {
    pub(super) const PRIMARY: Self = Self {
        exploratory: false,
        adds_primary: true,
    };
    const EVERYTHING: Self = Self {
        exploratory: true,
        adds_primary: true,
    };
    /// The primary metrics as planned.
    pub(super) const PLANNED: Self = Self {
        exploratory: false,
        adds_primary: false,
    };
    /// The planned primary metrics, and all others as exploratory.
    pub(super) const PLANNED_AND_EXPLORATORY: Self = Self {
        exploratory: true,
        adds_primary: false,
    };

    /// The threads for a comparison. Interim looks are taken while requests are timed, which other threads would
    /// disturb.
    fn threads(self) -> Threads {
        if self.exploratory || self.adds_primary {
            Threads::for_processors()
        } else {
            Threads::ONE
        }
    }
}

/// The findings on all pairs of a run.
pub(super) struct PairFindings<'a> {
    findings: Vec<SideFinding<'a>>,
    /// The findings that may compare the same values, next to each other.
    groups: Vec<Range<usize>>,
    /// One per finding.
    comparability: Vec<Comparability>,
    rounds: u32,
    threads: Threads,
}

impl<'a> PairFindings<'a> {
    /// Compares every pair, in the rounds up to `rounds`.
    pub(super) fn new(
        variant_pairs: &[VariantPair<'a>],
        gate: &Gate,
        rounds: u32,
        scope: Scope,
    ) -> Self {
        let threads = scope.threads();
        let run_reasons = variant_pairs
            .first()
            .is_some_and(|pair| any_variant_reasons(pair.evidence, rounds));
        let of_pairs = threads.map(variant_pairs, |pair| Comparability::new(pair, rounds));
        let mut tasks = Vec::new();
        for (pair, comparability) in variant_pairs.iter().zip(&of_pairs) {
            let specs = comparison_specs(gate, comparability, scope, run_reasons);
            let of_group = specs.chunk_by(|one, next| may_share_values(one.metric, next.metric));
            tasks.extend(of_group.map(|specs| (pair, comparability, specs.to_vec())));
        }
        let results = threads.map(&tasks, |(pair, comparability, specs)| {
            let mut last = LastSides::default();
            let findings = specs
                .iter()
                .map(|&spec| SideFinding::new(pair, comparability, (spec, rounds), &mut last));
            let findings =
                findings.filter(|finding| finding.spec.primary || !finding.is_not_measured());
            findings.collect::<Vec<_>>()
        });
        let (mut findings, mut groups, mut all_comparability) =
            (Vec::new(), Vec::new(), Vec::new());
        for (found, (_, comparability, _)) in results.into_iter().zip(&tasks) {
            let first = findings.len();
            findings.extend(found);
            groups.push(first..findings.len());
            all_comparability.resize_with(findings.len(), || (*comparability).clone());
        }
        Self {
            findings,
            groups,
            comparability: all_comparability,
            rounds,
            threads,
        }
    }

    /// The number of primary comparisons with a test.
    fn tested_primary(&self) -> usize {
        let tested = |finding: &&SideFinding<'_>| finding.spec.primary && finding.tests.is_some();
        self.findings.iter().filter(tested).count()
    }

    /// The findings, pair by pair.
    pub(super) fn findings(&self) -> &[SideFinding<'a>] {
        &self.findings
    }

    /// The reason for the samples that the pair of a finding excludes.
    pub(super) fn exclusion_reason(&self, index: usize) -> Reason {
        self.comparability[index].exclusion_reason()
    }

    /// (candidate, metric, verdict) of each finding.
    pub(super) fn verdicts(&self, how: (Alpha, ErrorControl)) -> Vec<(String, Metric, Verdict)> {
        let decide_all = decide_all(&self.findings, &self.comparability, how);
        let named = self.findings.iter().zip(decide_all);
        named
            .map(|(finding, (verdict, _))| {
                let label = finding.pair.candidate.label.clone();
                (label, finding.spec.metric, verdict)
            })
            .collect()
    }

    /// The full comparison of each finding; intervals of primary ones have the level `shown`.
    pub(super) fn compare(&self, how: (Alpha, ErrorControl), shown: Alpha) -> Vec<Comparison> {
        let by_tests_alone = verdicts_by_tests(&self.findings, |_, finding| finding.tests, how);
        let decide_all = decide_all(&self.findings, &self.comparability, how);
        let prompts = self.findings.first().map(|one| &one.pair.evidence.prompts);
        let prompts = prompts.into_iter().flatten();
        let prompt_ids: Arc<[Arc<str>]> = prompts.map(|prompt| Arc::clone(&prompt.id)).collect();
        let compare = |index: usize, last: &mut LastSides| {
            let finding = &self.findings[index];
            let (verdict, reasons) = decide_all[index].clone();
            let alpha = if finding.spec.primary { shown } else { how.0 };
            let open = finding.open(last);
            let mut comparison = build_comparison(&open, alpha, (verdict, reasons), &prompt_ids);
            comparison.routes =
                compare_routes(finding, &self.comparability[index], self.rounds, how.0);
            if verdict == by_tests_alone[index] {
                comparison.influence = influence(&open, verdict, |tests| {
                    let changed = |at: usize, other: &SideFinding<'_>| {
                        if at == index {
                            Some(tests)
                        } else {
                            other.tests
                        }
                    };
                    verdicts_by_tests(&self.findings, changed, how)[index]
                });
            }
            comparison
        };
        let of_groups = self.threads.map(&self.groups, |group| {
            let mut last = LastSides::default();
            let comparisons = group.clone().map(|index| compare(index, &mut last));
            comparisons.collect::<Vec<_>>()
        });
        of_groups.into_iter().flatten().collect()
    }
}

/// Returns true for two metrics that compare the same values in most runs: times to a first token, without reasoning
/// and retries.
fn may_share_values(one: Metric, other: Metric) -> bool {
    let of_first_token = |metric| is_to_first_token(metric) && metric != Metric::TtftTail;
    of_first_token(one) && of_first_token(other)
}

/// The comparisons to make, in the order of the metrics; `run_reasons`: a variant of the run reasons.
fn comparison_specs(
    gate: &Gate,
    comparability: &Comparability,
    scope: Scope,
    run_reasons: bool,
) -> Vec<ComparisonSpec> {
    let named = |metric: Metric| gate.bounds.iter().any(|(named, _)| *named == metric);
    let ttfa_instead = run_reasons && gate.is_primary(Metric::Ttft);
    let experienced_as_well = scope.adds_primary
        && comparability.retries_differ()
        && !comparability.reasoning_differs()
        && gate.is_primary(Metric::Ttft);
    let spec = |metric: Metric| {
        let (primary, from_ttft) = match metric {
            Metric::Ttft if ttfa_instead => (false, false),
            Metric::Ttfa if ttfa_instead => (true, true),
            Metric::ExperiencedTtft if experienced_as_well => (true, true),
            _ => (gate.is_primary(metric), false),
        };
        let bounds: Bounds = if from_ttft && !named(metric) {
            gate.bounds_of(Metric::Ttft)
        } else {
            gate.bounds_of(metric)
        };
        ComparisonSpec {
            metric,
            primary,
            bounds,
        }
    };
    let specs = Metric::ALL.into_iter().map(spec);
    specs
        .filter(|spec| spec.primary || scope.exploratory)
        .collect()
}

/// Builds a comparison, except for its influential prompt and its routes.
fn build_comparison(
    open: &OpenFinding<'_, '_>,
    alpha: Alpha,
    (verdict, reasons): (Verdict, Vec<Reason>),
    prompt_ids: &Arc<[Arc<str>]>,
) -> Comparison {
    let finding = open.finding;
    let spec = finding.spec;
    let effect = open.effect(alpha).map(|(estimate, interval)| Effect {
        estimate,
        interval,
        level: 1.0 - alpha.two_sided(),
    });
    // With two parts, neither alone determines what the comparison could have detected.
    let (mut detectable, mut required) = (None, None);
    if let (Some(part), Some(effect)) = (open.whole(), &effect) {
        detectable = detectable_change(spec, part, effect.interval, alpha);
        if reasons.contains(&Reason::TooWide) {
            required = required_size(spec, part, effect.interval, alpha);
        }
    }
    Comparison {
        candidate: finding.pair.candidate.label.clone(),
        reference: finding.pair.reference.label.clone(),
        metric: spec.metric,
        primary: spec.primary,
        procedure: procedure(spec.metric),
        bounds: spec.bounds,
        size: finding.size,
        effect,
        tests: finding.tests,
        verdict,
        reasons,
        detectable_change: detectable,
        required_size: required,
        per_prompt: effect_by_prompt(open, prompt_ids),
        influence: None,
        routes: Vec::new(),
    }
}

/// The effect on each prompt; none where cache hits and misses are split.
fn effect_by_prompt(open: &OpenFinding<'_, '_>, prompt_ids: &Arc<[Arc<str>]>) -> EffectByPrompt {
    let Some(part) = open.whole() else {
        return EffectByPrompt::default();
    };
    let effects = part.approach.effect_by_prompt();
    let rows = part.sides.indices.iter().zip(effects);
    let rows = rows.filter_map(|(&index, effect)| Some((index, effect?)));
    EffectByPrompt::new(prompt_ids, rows)
}

#[cfg(test)]
mod properties;
#[cfg(test)]
pub(super) mod tests;
