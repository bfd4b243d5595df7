//! Early stop: a run that ends when every primary comparison is decided.
//!
//! Owns when a run looks, the samples gathered between looks, and the line about each look. Must not know how a verdict is found.
//! Invariant: the decision to go on depends on whole rounds alone.

use std::ops::ControlFlow;

use crate::command::base::failure::Failure;
use crate::record::{Manifest, Sample};
use crate::suite::{Gate, Metric, Suite};
use crate::verdict::{EvidenceFold, InterimLooks, SequentialState, sequential_state};

/// The rounds after which a run of this suite checks for a decision.
pub(super) fn looks(suite: &Suite) -> Result<Vec<u32>, Failure> {
    let candidates = suite.variants.len().saturating_sub(1);
    if candidates == 0 {
        return Err(Failure::usage(format!(
            "--until-decided compares with the reference, but `{}` is the only model: add another model",
            suite.reference
        )));
    }
    let gate = suite.gate.clone().unwrap_or_default();
    if gate.is_primary(Metric::PassRate) && suite.has_deferred_checks() {
        return Err(Failure::usage(
            "--until-decided looks at verdicts during the run, and `pass_rate` waits for grades that are made after it (`judge`, \
             `similar`, `exec`): remove it, or `pass_rate` from `primary`",
        ));
    }
    let looks = InterimLooks::new(suite.repetitions, candidates, &gate);
    if looks.rounds().len() < 2 {
        return Err(Failure::usage(format!(
            "--until-decided first checks after round 2, but there are {} repetitions: at least 3 are needed",
            suite.repetitions
        )));
    }
    Ok(looks.rounds().to_vec())
}

/// The samples so far of a run that looks.
pub(super) struct EarlyStop {
    fold: EvidenceFold,
    looks: InterimLooks,
    reference: String,
    gate: Gate,
    rounds_max: u32,
}

impl EarlyStop {
    /// The early stop of a run with `until_decided`; `None` for any other.
    pub(super) fn from_manifest(manifest: &Manifest) -> Option<Self> {
        let planned = manifest.until_decided.as_ref()?;
        let suite = &manifest.suite;
        let gate = suite.gate.clone().unwrap_or_default();
        let candidates = suite.variants.len().saturating_sub(1);
        let looks =
            InterimLooks::from_rounds(&planned.looks, suite.repetitions, candidates, &gate)?;
        Some(Self {
            fold: EvidenceFold::new(manifest),
            looks,
            reference: suite.reference.clone(),
            gate,
            rounds_max: suite.repetitions,
        })
    }

    /// Adds a trial that ended.
    pub(super) fn add(&mut self, sample: &Sample) {
        self.fold.add(sample);
    }

    /// Evaluates the samples after a round. Returns whether the run goes on, and a sentence about its state.
    pub(super) fn look(&self, round: u32) -> (ControlFlow<()>, String) {
        let evidence = self.fold.snapshot();
        let state = sequential_state(&evidence, &self.reference, &self.gate, &self.looks, round);
        let sentence = progress_sentence(&state, self.rounds_max);
        if state.all_decided {
            (ControlFlow::Break(()), sentence)
        } else {
            (ControlFlow::Continue(()), sentence)
        }
    }
}

fn progress_sentence(state: &SequentialState, rounds_max: u32) -> String {
    let all = state.comparisons.len();
    let settled = state.comparisons.iter();
    let settled = settled.filter(|one| one.decided.is_some() || one.exhausted);
    let settled = settled.count();
    let next = if state.all_decided { ", enough" } else { "" };
    format!(
        "look after round {} of {rounds_max}: {settled} of {all} primary comparisons settled{next}",
        state.rounds
    )
}
