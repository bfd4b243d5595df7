//! The spans of the parts of a run that was resumed or merged.
//!
//! Owns the time for which a run was active. Must not know samples. Invariant: a pause between two parts counts for nothing.

use crate::plan::Shard;
use crate::record::RunPart;
use crate::units::Nanos;

/// The span of a part on the clock of the run.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PartSpan {
    /// Its share of the plan, in a merged run.
    pub(super) shard: Option<Shard>,
    /// Its start.
    pub(super) start: Nanos,
    /// Its last end so far.
    pub(super) end: Nanos,
}

impl PartSpan {
    /// The span of a part of which no sample was seen.
    pub(super) fn new(part: &RunPart) -> Self {
        Self {
            shard: part.shard,
            start: part.start_ns,
            end: part.start_ns,
        }
    }
}

/// The time for which a run was active: the sum of its parts, and of several shares the longest one's, because they go
/// on at the same time.
pub(super) fn active(parts: &[PartSpan]) -> Nanos {
    let shares = parts.chunk_by(|one, next| one.shard == next.shard);
    let spans = shares.map(|share| share.iter().map(|part| part.end.since(part.start).0).sum());
    Nanos(spans.max().unwrap_or(0))
}
