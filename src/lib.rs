//! Compare language models through one gateway: the same prompts, at the same moments, with every
//! figure saying how many samples it stands on.
//!
//! The modules, from the ground up; each may use only those above it in this list:
//!
//! * [`units`]: times, money, model ids.
//! * [`input`]: opening files to read, visiting folders.
//! * `threads`: independent work on all processors.
//! * [`sim`]: a simulated gateway (used by [`command`] alone).
//! * [`stats`]: mathematics, numbers in and numbers out.
//! * [`suite`]: prompts and models: TOML in, a checked suite out (`value`, `model`, `parse`, `import`).
//! * [`catalog`]: models and their prices.
//! * [`plan`]: the order of requests.
//! * [`record`]: samples, manifest, journal of a run.
//! * [`gateway`]: one request; the only user of the HTTP client.
//! * [`grade`]: asserts applied to answers.
//! * [`engine`]: all requests of a run.
//! * [`verdict`]: comparisons, and the exit code.
//! * [`report`]: tables and documents.
//! * [`command`]: one file per command; `run` has the parts of a run, `base` the parts that commands share.
//! * [`cli`]: the arguments, and the dispatch to commands.

pub mod catalog;
pub mod cli;
pub mod command;
pub mod engine;
pub mod gateway;
pub mod grade;
pub mod input;
pub mod plan;
mod private_file;
pub mod record;
pub mod renamed;
pub mod report;
pub mod sim;
pub mod stats;
pub mod suite;
mod threads;
pub mod units;
pub mod verdict;
