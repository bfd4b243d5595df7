//! The options of `bakeoff run`, as the command line states them.
//!
//! Owns them. Must not know what follows from them. Invariant: each field is a flag, but for those that say otherwise.

use std::path::PathBuf;

use crate::suite::{ClockSource, LoadSettings, Suite};
use crate::units::{Nanos, Usd};

use super::load::TraceFlag;
use super::shard::ShardChoice;

/// The options of `bakeoff run`.
#[derive(Debug, Clone, Default)]
// Each field is the flag of the same name, documented by `--help`.
#[allow(missing_docs, clippy::struct_excessive_bools)]
pub struct Options {
    /// Absent: a suite of `models`, and of `prompts` as texts.
    pub suite: Option<PathBuf>,
    /// The suite of that file, if it was read already; no flag.
    pub read_suite: Option<Box<Suite>>,
    pub endpoint: Option<String>,
    pub models: Vec<String>,
    pub prompts: Vec<String>,
    pub tags: Vec<String>,
    pub repetitions: Option<u32>,
    pub concurrency: Option<u32>,
    pub seed: Option<u64>,
    /// The share of the plan to send, as given on the command line.
    pub shard: Option<ShardChoice>,
    pub scenario: Option<PathBuf>,
    pub sim_seed: Option<u64>,
    pub output: PathBuf,
    /// PEM file of further certificate authorities.
    pub ca_file: Option<PathBuf>,
    pub project: Option<PathBuf>,
    pub allow_outside: bool,
    pub history: Option<PathBuf>,
    pub environment: Option<String>,
    /// Absent: the default.
    pub clock: Option<ClockSource>,
    pub until_decided: bool,
    pub patience: Option<Nanos>,
    /// True to decide by the switch gate, also where the suite has none.
    pub switch_gate: bool,
    pub max_cost: Option<Usd>,
    pub mode: Mode,
    pub allow_exec: bool,
    pub quiet: bool,
    pub json: bool,
    pub yes: bool,
    pub verbose: bool,
    /// Print the comparison to standard error, next to another result; no flag.
    pub aside: bool,
    pub trace: Option<TraceFlag>,
    pub load: LoadSettings,
}

/// The mode of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// Print the plan.
    List,
    /// One trial per prompt and variant, no records.
    Verify,
    /// All of it.
    #[default]
    Measure,
}
