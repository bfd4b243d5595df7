//! The trials of a plan that have ended before: a resumed run sends the others.
//!
//! Owns the set. Must not know why a trial ended. Invariant: a trial in the set is never sent.

use std::collections::HashSet;

use crate::plan::{Slot, Trial};

/// Numbers of trials that are not sent.
#[derive(Debug, Clone, Default)]
pub struct FinishedTrials(HashSet<u64>);

impl FinishedTrials {
    /// The trials of the slot that are left, in starting order.
    pub fn remaining(&self, slot: &Slot) -> Vec<Trial> {
        let trials = slot.trials();
        trials
            .filter(|trial| !self.0.contains(&trial.number))
            .collect()
    }
}

impl FromIterator<u64> for FinishedTrials {
    fn from_iter<I: IntoIterator<Item = u64>>(numbers: I) -> Self {
        Self(numbers.into_iter().collect())
    }
}
