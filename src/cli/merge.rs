//! The arguments of `merge`.
//!
//! Owns its flags. Must not know the work of the command. Invariant: no flag makes runs join that do not belong together.

use std::path::PathBuf;

use clap::Args;

use crate::command::merge::Options;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    bakeoff merge shards/*/quickstart/*-shard-* -o reports/quickstart/all\n  \
    bakeoff merge shards/*/quickstart/*-shard-* -o merged --json\n  \
    bakeoff merge shards/*/quickstart/*-shard-* -o judged --history baselines/quickstart.jsonl\n\n\
    The shards are those of `bakeoff run --shard`. The merged run has every report and its gates are judged; \
    while shards are missing it is incomplete (exit code 4).")]
pub(super) struct MergeArgs {
    /// Run folders of the shards, or the folder of a suite that holds them
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Folder of the merged run; must not exist
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Compare the merged run with the accepted runs in this history, as `run --history` does; a flagged one is
    /// recorded in it
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
    /// Print only the result: no warnings
    #[arg(short, long)]
    quiet: bool,
    /// Print intervals, exploratory comparisons and footnotes as well
    #[arg(short, long, conflicts_with_all = ["quiet", "json"])]
    verbose: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl From<MergeArgs> for Options {
    fn from(args: MergeArgs) -> Self {
        Self {
            runs: args.runs,
            output: args.output,
            history: args.history,
            quiet: args.quiet,
            verbose: args.verbose,
            json: args.json,
        }
    }
}
