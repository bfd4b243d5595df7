//! Compare language models through one gateway: the same prompts, at the same moments, with every
//! figure saying how many samples it stands on.
//!
//! The rooms, from the ground up; each may use only those above it in this list:
//!
//! * [`units`]: times, money, model ids.
//! * [`input`]: opening files to read, visiting folders.
//! * [`sim`]: a gateway to practise on (used by [`command`] alone).
//! * [`stats`]: mathematics, numbers in and numbers out.
//! * [`suite`]: what to ask: TOML in, a checked suite out (`value`, `model`, `parse`, `import`).
//! * [`catalog`]: which models exist and what they cost.
//! * [`plan`]: in which order to ask.
//! * [`record`]: what happened: samples, manifest, journal.
//! * [`gateway`]: asking once; the only user of the HTTP client.
//! * [`engine`]: asking everything.
//! * [`verdict`]: what it means, and which exit code.
//! * [`report`]: telling it.
//! * [`command`]: one file per command; `run` is what a run needs, `base` what every command needs.
//! * [`cli`]: the arguments, and which command runs.

pub mod catalog;
pub mod cli;
pub mod command;
pub mod engine;
pub mod gateway;
pub mod input;
pub mod plan;
mod private_file;
pub mod record;
pub mod report;
pub mod sim;
pub mod stats;
pub mod suite;
pub mod units;
pub mod verdict;
