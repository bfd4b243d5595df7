//! What it means: the figures of each variant, and their ratios to the reference's.
//!
//! Owns which sample counts for which figure. Must not know how a figure is written or shown.
//! Invariant: a figure says how many samples it stands on; a failed trial has no times and stays
//! in every denominator; the order of samples changes nothing.

mod distribution;
mod error_groups;
mod evidence;
#[cfg(test)]
pub(crate) mod fixture;
mod gate;
mod interleaved;
mod judgement;
mod money;
mod past;
mod rule;
mod summary;
mod tally;
#[cfg(test)]
mod tests;

pub use distribution::{Distribution, Estimate};
pub use error_groups::ErrorGroup;
pub use evidence::{Evidence, EvidenceFold, Observation, PromptKey, Value, VariantEvidence};
pub use gate::{Passing, limits, passing};
pub use interleaved::interleaved;
pub use judgement::{
    Comparison, Effect, Holds, Influence, Judgement, LimitCheck, Needed, Procedure, Reason, Route,
    Situation, Size, Tests, Verdict,
};
pub use money::{Money, PairTotal, Total};
pub use past::{Past, against_past, condense};
pub use rule::{decide, family};
pub use summary::{
    Figures, GapFigures, Histograms, PromptSummary, Ratios, RunSummary, Summaries, VariantSummary,
};
pub use tally::{Counts, TokenKind, TokenTotal};
