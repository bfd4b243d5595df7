//! From TOML to checked types, with the place of every problem.
//!
//! Owns the keys of suite files, project files and prompt files, and what is wrong with a value. Must not
//! know what is done with a suite. Invariant: of `suite` it imports `value` and `model` alone.

pub(super) mod cache;
pub(super) mod gate;
pub(super) mod parameters;
pub(super) mod per_model;
pub(super) mod problem;
pub(super) mod project;
pub(super) mod prompt_files;
pub(super) mod prompts;
pub(super) mod rate_limits;
pub(super) mod reader;
pub(super) mod rows;
pub(super) mod sources;
pub(super) mod suite;
pub(super) mod surcharge;
pub(super) mod syntax;
pub mod wire;
