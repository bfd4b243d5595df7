//! Today against the past: a run's levels, and what earlier runs let one expect.
//!
//! Owns how a run is condensed into a line of history, which past runs match, and the procedures of two
//! runs and of a history. Must not know files. Invariant: more requests in a run never make its difference
//! from the past certain.

use crate::record::{HistoryRun, Manifest};
use crate::suite::Gate;

use super::evidence::Evidence;
use super::judgement::{Judgement, Situation};

/// What the past was when a run was judged: the accepted and flagged runs of a history, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Past {
    /// Runs of the current level, oldest first.
    pub accepted: Vec<HistoryRun>,
    /// Flagged and not accepted: they tell how much runs differ, not where the level is.
    pub flagged: Vec<HistoryRun>,
}

/// Condenses a run into what a history keeps of it.
pub fn condense(_manifest: &Manifest, _evidence: &Evidence) -> HistoryRun {
    HistoryRun::default()
}

/// Judges today against the past, each variant against itself.
pub fn against_past(_today: &HistoryRun, _past: &Past, _gate: &Gate) -> Judgement {
    Judgement {
        situation: Situation::History,
        comparisons: Vec::new(),
        notes: Vec::new(),
    }
}
