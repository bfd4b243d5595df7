//! Variants of one run against its reference: the same prompts at the same moments.
//!
//! Owns which procedure compares which metric, and when a verdict is withheld. Must not know the past.
//! Invariant: deterministic; exchanging candidate and reference turns *regressed* into *improved* at
//! tolerance 0; the order of samples and the unit of times change nothing.

use crate::suite::Gate;

use super::evidence::Evidence;
use super::judgement::{Judgement, Situation};

/// Judges every other variant of a run against the reference, on every metric that both have.
pub fn interleaved(_evidence: &Evidence, _reference: &str, _gate: &Gate) -> Judgement {
    // Filled in on this branch.
    Judgement {
        situation: Situation::Interleaved,
        comparisons: Vec::new(),
        notes: Vec::new(),
    }
}
