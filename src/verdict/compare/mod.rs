//! Comparison of two variants of one run, metric by metric.
//!
//! Owns the path from observations to p values, effects and the reasons that withhold a verdict. Must not know
//! past runs or reports. Invariant: exchanging the sides exchanges *worse* and *better*; nothing depends on the
//! order of samples.

pub(super) mod approach;
pub(super) mod claim;
pub(super) mod comparability;
pub(super) mod finding;
pub(super) mod influence;
pub(super) mod means;
pub(super) mod power;
pub(super) mod procedure;
pub(super) mod ranks;
pub(super) mod routes;
pub(super) mod ruling;
pub(super) mod run_notes;
pub(super) mod shares;
pub(super) mod sides;
