//! The types of a checked suite and of an endpoint's profile, and the queries on them.
//!
//! Owns the types. Must not know TOML, nor what can be wrong with a file. Invariant: of `suite` it imports
//! `value` alone.

pub(super) mod assert;
pub(super) mod cache;
mod caching;
pub(super) mod clock_source;
pub(super) mod exposed;
pub(super) mod gate;
pub(super) mod load;
pub(super) mod load_settings;
pub(super) mod measure;
pub(super) mod metric;
pub(super) mod parameters;
pub(super) mod profile;
pub(super) mod prompt;
pub(super) mod quantity;
pub(super) mod rare;
pub(super) mod rate_limits;
pub(super) mod retirement;
pub(super) mod select;
pub(super) mod suite;
pub(super) mod surcharge;
