//! The basis of every command: its failure, the terminal, the files and endpoints that a user names.
//!
//! Owns code that several commands share. Must not know any command. Invariant: nothing in here imports a
//! command, nor code that only `run` needs.

pub(super) mod boundary;
pub(super) mod closing;
mod dot_env;
pub(super) mod endpoint;
pub(super) mod exposed;
pub(super) mod failure;
pub(super) mod files;
pub(super) mod github;
pub(super) mod grader_cost;
pub(super) mod history;
pub(super) mod json;
pub(super) mod locks;
pub(super) mod model_list;
pub(super) mod panics;
pub(super) mod preflight;
pub(super) mod reports;
pub(super) mod runtime;
pub(super) mod samples;
pub(super) mod signals;
pub(super) mod stdio;
pub(super) mod suite_files;
pub(super) mod viewer;
pub(super) mod worst_case;

pub use crate::verdict::exit_code as exit;
