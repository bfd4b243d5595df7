//! What a report is judged by: the judgements on a run, which of them can fail a build, and limits.
//!
//! Owns which question is asked of a run. Must not know procedures nor how verdicts are told. Invariant:
//! a pure function of manifest, samples and the past that was stored with the run.

use std::collections::BTreeSet;

use crate::record::Manifest;
use crate::suite::Gate;
use crate::verdict::{
    Evidence, Judgement, LimitCheck, Looks, OutputChange, Passing, Past, against_past, condense,
    interleaved, limits, outputs_within, passing, sequential,
};

/// Judgements and limits, with what they are held to.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// What was found out, the question that can fail a build first.
    pub judgements: Vec<Gated>,
    /// The absolute limits.
    pub limits: Vec<LimitCheck>,
    /// How much longer answers are than their references'; never judged here.
    pub outputs: Vec<OutputChange>,
    /// The rules.
    pub gate: Gate,
}

/// A judgement, and whether it can fail a build.
#[derive(Debug, Clone, PartialEq)]
pub struct Gated {
    /// What was found out.
    pub judgement: Judgement,
    /// Whether a regression in it fails.
    pub gates: bool,
}

impl Judged {
    /// What one run says: today against the past that it was given, and every other variant against the
    /// reference, which fails nothing unless the suite says so.
    pub fn of_run(manifest: &Manifest, evidence: &Evidence, past: Option<&Past>) -> Self {
        let suite = &manifest.suite;
        let gate = suite.gate.clone().unwrap_or_default();
        let mut judgements = Vec::new();
        if let Some(past) = past {
            let today = condense(manifest, evidence);
            judgements.push(Gated {
                judgement: against_past(&today, past, &gate),
                gates: true,
            });
        }
        if suite.variants.len() > 1 {
            judgements.push(Gated {
                judgement: Self::of_variants(manifest, evidence, &gate),
                gates: gate.against_reference,
            });
        }
        Self {
            judgements,
            limits: limits(evidence, &gate),
            outputs: outputs_within(evidence, &suite.reference),
            gate,
        }
    }

    /// Every other variant of a run against the reference; of a run that was to end when its verdict is in,
    /// by the looks that it planned.
    pub fn of_variants(manifest: &Manifest, evidence: &Evidence, gate: &Gate) -> Judgement {
        let suite = &manifest.suite;
        let planned = manifest.until_decided.as_ref();
        let candidates = suite.variants.len().saturating_sub(1);
        let looks = planned.and_then(|planned| {
            Looks::planned(&planned.looks, suite.repetitions, candidates, gate)
        });
        match looks {
            None => interleaved(evidence, &suite.reference, gate),
            Some(looks) => {
                let rounds = whole_rounds(evidence).min(manifest.rounds());
                sequential(evidence, &suite.reference, gate, &looks, rounds)
            }
        }
    }

    /// One judgement that was asked for, as `bakeoff compare` does: it can fail, no limit is held, and no
    /// outputs are laid beside each other yet.
    pub fn of_judgement(judgement: Judgement, gate: &Gate) -> Self {
        Self {
            judgements: vec![Gated {
                judgement,
                gates: true,
            }],
            limits: Vec::new(),
            outputs: Vec::new(),
            gate: gate.clone(),
        }
    }

    /// What it says to a build.
    pub fn passing(&self) -> Passing {
        let gating = self.judgements.iter().filter(|gated| gated.gates);
        let gating: Vec<&Judgement> = gating.map(|gated| &gated.judgement).collect();
        passing(&gating, &self.limits, &self.gate)
    }
}

/// Rounds, from the first on, of which every trial has ended.
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
