//! Small values as people write them: durations, percentages, amounts of money, URLs; and the limits and
//! defaults of every file.
//!
//! Owns their grammars. Must not know TOML, nor what a suite is made of. Invariant: nothing in here imports
//! another part of `suite`.

pub(super) mod answer_schema;
pub(super) mod base_url;
pub mod defaults;
mod disguise;
pub(super) mod duration;
pub(super) mod filler;
pub(super) mod glob;
pub mod limits;
pub(super) mod money;
pub(super) mod pattern;
pub(super) mod percent;
pub(super) mod price;
pub(super) mod rate;
pub(super) mod redactor;
pub(super) mod secret;
pub(super) mod template;
pub(super) mod text;
