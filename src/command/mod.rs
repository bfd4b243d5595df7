//! One file per command: each reads its input, connects the modules below, and prints.
//!
//! Owns the terminal, the files a user names, and exit codes. Must not compute: a figure that a command prints
//! comes from a module below. Invariant: every failure ends in one message that gives the problem, the place
//! and the remedy, and in a documented exit code.

pub mod accept;
pub mod answers;
mod base;
pub mod calibrate;
pub mod compare;
pub mod completion;
pub mod estimate;
pub mod forecast;
pub mod history;
pub mod import;
pub mod init;
pub mod merge;
pub mod models;
#[cfg(feature = "otel")]
pub mod otlp;
pub mod pages;
pub mod report;
pub mod run;
pub mod runs;
pub mod schema;
pub mod score;
pub mod sim;
pub mod size;
pub mod spend;
pub mod suite;

pub use base::exit;
pub use base::failure::Failure;
pub(crate) use base::panics::carry_out;
