//! Comparing two variants of one run, metric by metric.
//!
//! Owns the way from observations to p values, effects and what withholds a verdict. Must not know the past,
//! nor reports. Invariant: exchanging the sides exchanges *worse* and *better*; nothing depends on the order
//! of samples.

pub(super) mod approach;
pub(super) mod claim;
pub(super) mod during;
pub(super) mod finding;
pub(super) mod influence;
pub(super) mod means;
pub(super) mod outlook;
pub(super) mod procedure;
pub(super) mod ranks;
pub(super) mod routes;
pub(super) mod ruling;
pub(super) mod screen;
pub(super) mod shares;
pub(super) mod sides;
