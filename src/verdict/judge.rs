//! The evaluation of a run: its judgements, which of them can fail a build, and limits.
//!
//! Owns the choice of judgements for a run. Must not know procedures nor how verdicts are rendered. Invariant:
//! a pure function of manifest, samples and the history that was stored with the run.

use std::collections::BTreeSet;

use crate::record::Manifest;
use crate::suite::Gate;
use crate::verdict::{
    Evidence, GateStatus, IncomparableHistory, InterimLooks, Judgement, LimitCheck, OutputChange,
    PastRuns, SwitchDecision, SwitchOutcome, check_limits, compare_interleaved, compare_sequential,
    compare_with_history, decide_switches, gate_status, output_changes_within_run, to_history_run,
};

/// Judgements and limits, with the gate they are measured against.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The judgements, the one that can fail a build first.
    pub judgements: Vec<GatedJudgement>,
    /// The absolute limits.
    pub limits: Vec<LimitCheck>,
    /// Differences in answer length from the references; these are never judged.
    pub outputs: Vec<OutputChange>,
    /// The decisions of the switch gate; none without one.
    pub switches: Vec<SwitchDecision>,
    /// The gate of the suite.
    pub gate: Gate,
}

/// A judgement, and whether it can fail a build.
#[derive(Debug, Clone, PartialEq)]
pub struct GatedJudgement {
    /// The judgement.
    pub judgement: Judgement,
    /// True if a regression in it fails a build.
    pub gates: bool,
}

impl Evaluation {
    /// Evaluates one run: against its stored history, and every other variant against the reference, which
    /// fails a build only if the suite says so.
    pub fn from_run(manifest: &Manifest, evidence: &Evidence, past: Option<&PastRuns>) -> Self {
        let suite = &manifest.suite;
        let gate = suite.gate.clone().unwrap_or_default();
        let mut judgements = Vec::new();
        if let Some(past) = past {
            let today = to_history_run(manifest, evidence);
            judgements.push(GatedJudgement {
                judgement: compare_with_history(&today, past, &gate),
                gates: true,
            });
        }
        if suite.variants.len() > 1 {
            judgements.push(GatedJudgement {
                judgement: Self::judge_variants(manifest, evidence, &gate),
                gates: gate.against_reference,
            });
        }
        Self {
            judgements,
            limits: check_limits(evidence, &gate),
            outputs: output_changes_within_run(evidence, &suite.reference),
            switches: decide_switches(evidence, &suite.reference, &gate),
            gate,
        }
    }

    /// Compares every other variant of a run with the reference; for a run with `--until-decided`, at the
    /// interim looks that it planned.
    pub fn judge_variants(manifest: &Manifest, evidence: &Evidence, gate: &Gate) -> Judgement {
        let suite = &manifest.suite;
        let planned = manifest.until_decided.as_ref();
        let candidates = suite.variants.len().saturating_sub(1);
        let looks = planned.and_then(|planned| {
            InterimLooks::from_rounds(&planned.looks, suite.repetitions, candidates, gate)
        });
        match looks {
            None => compare_interleaved(evidence, &suite.reference, gate),
            Some(looks) => {
                let rounds = whole_rounds(evidence).min(manifest.rounds());
                compare_sequential(evidence, &suite.reference, gate, &looks, rounds)
            }
        }
    }

    /// Wraps one judgement of `bakeoff compare`: it can fail a build unless the switch gate does, without limits and
    /// without differences in answer length.
    pub fn from_judgement(judgement: Judgement, gate: &Gate) -> Self {
        Self {
            judgements: vec![GatedJudgement {
                judgement,
                gates: gate.switch.is_none(),
            }],
            limits: Vec::new(),
            outputs: Vec::new(),
            switches: Vec::new(),
            gate: gate.clone(),
        }
    }

    /// The histories, or parts of them, that could not judge the run.
    pub fn incomparable(&self) -> impl Iterator<Item = &IncomparableHistory> {
        let judgements = self.judgements.iter().map(|gated| &gated.judgement);
        judgements.filter_map(|judgement| judgement.incomparable.as_ref())
    }

    /// The outcome of the switch gate; `None` without one.
    pub fn switch_outcome(&self) -> Option<SwitchOutcome> {
        SwitchOutcome::of_all(&self.switches)
    }

    /// The status of the build.
    pub fn gate_status(&self) -> GateStatus {
        let gating = self.judgements.iter().filter(|gated| gated.gates);
        let gating: Vec<&Judgement> = gating.map(|gated| &gated.judgement).collect();
        gate_status(&gating, &self.limits, &self.gate)
    }
}

/// Number of rounds, from the first on, in which every trial has ended.
fn whole_rounds(evidence: &Evidence) -> u32 {
    let cells = evidence
        .variants
        .iter()
        .flat_map(|variant| &variant.prompts);
    let whole = cells.map(|observations| {
        let rounds: BTreeSet<u32> = observations.iter().map(|one| one.round).collect();
        let whole = (1..)
            .zip(rounds)
            .take_while(|(round, found)| round == found);
        whole.last().map_or(0, |(round, _)| round)
    });
    whole.min().unwrap_or(0)
}
