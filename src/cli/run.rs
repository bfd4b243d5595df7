//! The arguments of `bakeoff run`.
//!
//! Owns its flags. Must not know the work of the command. Invariant: every flag that `--help` documents is
//! accepted.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::command;
use crate::command::run::shard::{ShardChoice, parse_shard};
use crate::suite::{ClockSource, parse_time};
use crate::units::{Nanos, Usd};

use super::compare::GateArg;
use super::load::LoadArgs;
use super::money::dollars;
use super::selection::SelectionArgs;

/// `--clock`.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum ClockArg {
    User,
    Kernel,
}

impl ClockArg {
    pub(super) const fn source(self) -> ClockSource {
        match self {
            Self::User => ClockSource::User,
            Self::Kernel => ClockSource::Kernel,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    bakeoff run suites/quickstart.toml\n  \
    bakeoff run suites/quickstart.toml --endpoint vercel -m openai/gpt-5.6-luna -m openai/gpt-6-luna\n  \
    bakeoff run suites/quickstart.toml --endpoint http://127.0.0.1:8000/v1 -m Qwen/Qwen3-8B\n  \
    bakeoff run -p 'Why is the sky blue?' -m openai/gpt-5.6-luna -m openai/gpt-6-luna\n  \
    bakeoff run suites/support.toml --list\n  \
    bakeoff run suites/quickstart.toml --until-decided\n  \
    bakeoff run suites/quickstart.toml --shard 3/8\n  \
    bakeoff run suites/quickstart.toml --history baselines/quickstart.jsonl\n  \
    bakeoff run suites/quickstart.toml --rate 5/s --arrivals poisson --duration 10s\n  \
    bakeoff run suites/quickstart.toml --sweep concurrency=1,4,16 --slo 'ttft_p95 < 1.5s'\n  \
    bakeoff run suites/quickstart.toml --concurrency 8 --duration 10s\n  \
    bakeoff run -m openai/gpt-5.6-luna --trace trace.jsonl --trace-rows 100")]
#[allow(clippy::struct_excessive_bools)] // Each is a flag.
pub(super) struct RunArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    load: LoadArgs,
    /// Slots (one prompt sent to all models) in flight at once
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=16_384))]
    concurrency: Option<u32>,
    /// Seed of the order of prompts and models
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Send one share of the plan, for `bakeoff merge`: `3/8`, or `auto/8` for the index that Kubernetes
    /// (`JOB_COMPLETION_INDEX`) or a Slurm array gives
    #[arg(long, value_name = "INDEX/COUNT", value_parser = parse_shard,
          conflicts_with_all = ["verify", "history", "until_decided", "gate"])]
    shard: Option<ShardChoice>,
    /// Scenario of the simulated gateway, a TOML file (endpoint sim only)
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Seed of the simulated answers; the same seed gives the same answers (endpoint sim only)
    #[arg(long, value_name = "N")]
    sim_seed: Option<u64>,
    /// Folder that holds the runs
    #[arg(short, long, value_name = "DIR", default_value = "reports")]
    output: PathBuf,
    /// PEM file of certificate authorities to trust in addition to the system's
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Project file with endpoints and prices [default: bakeoff.toml, if present]
    #[arg(long, value_name = "FILE")]
    project: Option<PathBuf>,
    /// Allow the suite to read files outside the project; only for suites that you trust
    #[arg(long)]
    allow_outside: bool,
    /// Run the commands of `exec` asserts
    #[arg(long)]
    allow_exec: bool,
    /// Compare the run with the accepted runs in this history (see `bakeoff accept`); flagged runs are
    /// recorded in it
    #[arg(long, value_name = "FILE", conflicts_with = "verify")]
    history: Option<PathBuf>,
    /// Label of the machine or network; a history compares only runs with the same label
    #[arg(long, value_name = "LABEL")]
    environment: Option<String>,
    /// Clock that stamps what arrives: the program's own, or the kernel's (Linux) [default: user]
    #[arg(long, value_enum, value_name = "CLOCK")]
    clock: Option<ClockArg>,
    /// Stop as soon as every primary comparison with the reference is decided
    #[arg(long, conflicts_with_all = ["verify", "history"])]
    until_decided: bool,
    /// How long a model may fail before it is dropped and the others finish [default: the suite's, or 5m]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    patience: Option<Nanos>,
    /// Gate that sets the exit code: `switch` exits with 0 only if a candidate should replace the reference
    #[arg(long, value_enum, value_name = "GATE", conflicts_with_all = ["verify", "until_decided"])]
    gate: Option<GateArg>,
    /// Maximum cost of the run in USD; the smallest of several caps applies
    #[arg(long, value_name = "USD", value_parser = dollars)]
    max_cost: Option<Usd>,
    /// Print the plan with estimated time and cost; sends no requests
    #[arg(long, conflicts_with = "verify")]
    list: bool,
    /// Send one trial per prompt and model and list those that did not complete
    #[arg(long)]
    verify: bool,
    /// Print only the result: no progress, no warnings
    #[arg(short, long)]
    quiet: bool,
    /// Print intervals, exploratory comparisons and footnotes as well
    #[arg(short, long, conflicts_with_all = ["quiet", "json", "list", "verify"])]
    verbose: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// Do not ask for confirmation of a run that may cost more than `confirm_above` (default $1)
    #[arg(short, long)]
    yes: bool,
}

pub(super) fn run_options(args: RunArgs) -> command::run::Options {
    command::run::Options {
        concurrency: args.concurrency,
        seed: args.seed,
        shard: args.shard,
        scenario: args.scenario,
        sim_seed: args.sim_seed,
        output: args.output,
        ca_file: args.ca_file,
        project: args.project,
        allow_outside: args.allow_outside,
        allow_exec: args.allow_exec,
        history: args.history,
        environment: args.environment,
        clock: args.clock.map(ClockArg::source),
        until_decided: args.until_decided,
        patience: args.patience,
        switch_gate: args.gate == Some(GateArg::Switch),
        max_cost: args.max_cost,
        mode: match (args.list, args.verify) {
            (true, _) => command::run::Mode::List,
            (false, true) => command::run::Mode::Verify,
            (false, false) => command::run::Mode::Measure,
        },
        quiet: args.quiet,
        json: args.json,
        yes: args.yes,
        verbose: args.verbose,
        aside: false,
        trace: args.load.trace(),
        load: args.load.into(),
        ..args.selection.into()
    }
}
