//! What a report is judged by: the judgements on a run, which of them can fail a build, and limits.
//!
//! Owns which question is asked of a run. Must not know procedures nor how verdicts are told. Invariant:
//! a pure function of manifest, samples and the past that was stored with the run.

use crate::record::Manifest;
use crate::suite::Gate;
use crate::verdict::{
    Evidence, Judgement, LimitCheck, Passing, Past, against_past, condense, interleaved, limits,
    passing,
};

/// Judgements and limits, with what they are held to.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// What was found out, the question that can fail a build first.
    pub judgements: Vec<Gated>,
    /// The absolute limits.
    pub limits: Vec<LimitCheck>,
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
                judgement: interleaved(evidence, &suite.reference, &gate),
                gates: gate.against_reference,
            });
        }
        Self {
            judgements,
            limits: limits(evidence, &gate),
            gate,
        }
    }

    /// One judgement that was asked for, as `bakeoff compare` does: it can fail, and no limit is held.
    pub fn of_judgement(judgement: Judgement, gate: &Gate) -> Self {
        Self {
            judgements: vec![Gated {
                judgement,
                gates: true,
            }],
            limits: Vec::new(),
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
