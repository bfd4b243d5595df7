//! From TOML to checked types, with the place of every problem.
//!
//! Owns the keys of suite files, project files and prompt files, and what is wrong with a value. Must not
//! know what is done with a suite. Invariant: of `suite` it imports `value` and `model` alone.

pub(super) mod assert;
mod assert_schemas;
mod asserts;
mod cache;
mod fields;
mod gate;
mod load;
mod parameters;
mod per_model;
pub(super) mod problem;
pub(super) mod project;
mod prompt_files;
mod prompts;
mod rate_limits;
mod reader;
mod retirements;
pub(super) mod rows;
pub mod schema;
pub(super) mod sources;
pub(super) mod suite;
mod surcharge;
mod syntax;
mod synthetic;
mod toml_version;
pub(super) mod trace;

pub use fields::{parse_load_time, parse_time};
pub use toml_version::needs_toml_1_1;
