//! A run that ends when its verdict is in.
//!
//! Owns what is gathered between looks, and what is said at one. Must not know how a verdict is found.
//! Invariant: whether a run goes on depends on whole rounds alone.

use std::ops::ControlFlow;

use crate::record::{Manifest, Sample};
use crate::suite::Gate;
use crate::verdict::{EvidenceFold, InterimLooks, SequentialState, sequential_state};

/// The samples so far of a run that looks.
pub(super) struct EarlyStop {
    fold: EvidenceFold,
    looks: InterimLooks,
    reference: String,
    gate: Gate,
    rounds_max: u32,
}

impl EarlyStop {
    /// Of a run that looks; `None` of any other.
    pub(super) fn of(manifest: &Manifest) -> Option<Self> {
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

    /// Takes in a trial that ended.
    pub(super) fn add(&mut self, sample: &Sample) {
        self.fold.add(sample);
    }

    /// Looks after a round: whether the run goes on, and a sentence on how it stands.
    pub(super) fn look(&self, round: u32) -> (ControlFlow<()>, String) {
        let evidence = self.fold.snapshot();
        let state = sequential_state(&evidence, &self.reference, &self.gate, &self.looks, round);
        let said = told(&state, self.rounds_max);
        if state.all_decided {
            (ControlFlow::Break(()), said)
        } else {
            (ControlFlow::Continue(()), said)
        }
    }
}

fn told(state: &SequentialState, rounds_max: u32) -> String {
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
