//! The arguments of the verbs of money: `estimate` and `spend`.
//!
//! Owns their flags. Must not know what the verbs do with them. Invariant: what is documented by `--help`
//! is what is accepted.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::command;
use crate::report::spend::By;
use crate::suite::parse_dollars;
use crate::units::Usd;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    bakeoff estimate suites/quickstart.toml\n  \
    bakeoff estimate suites/support.toml -e vercel -m openai/gpt-5-mini -m anthropic/claude-haiku-4.5\n\n\
    Prices are those of the list that `bakeoff models` kept, else of the one compiled in. With\n\
    --endpoint and its key, the worst case is that of the dearest provider of each model: for these the\n\
    endpoint is asked, at most once a day. No model is asked anything.")]
pub(super) struct EstimateArgs {
    /// The suite, a TOML file
    suite: PathBuf,
    /// Where it would be sent: sim, vercel, openrouter, openai, a profile of bakeoff.toml, or a base URL
    #[arg(short, long, value_name = "NAME|URL")]
    endpoint: Option<String>,
    /// Model id, or name or glob of the suite's variants; repeatable. Given ids replace the suite's
    #[arg(short, long = "model", value_name = "ID|GLOB")]
    models: Vec<String>,
    /// Only prompts with this id or glob; repeatable
    #[arg(short, long = "prompt", value_name = "ID|GLOB")]
    prompts: Vec<String>,
    /// Only prompts with this tag or glob; repeatable
    #[arg(short, long = "tag", value_name = "TAG|GLOB")]
    tags: Vec<String>,
    /// How often each prompt is asked of each model
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    repetitions: Option<u32>,
    /// Folder that holds past runs, from which the estimate learns
    #[arg(short, long, value_name = "DIR", default_value = "reports")]
    output: PathBuf,
    /// Project file with own endpoints; bakeoff.toml is read when it is there
    #[arg(long, value_name = "FILE")]
    project: Option<PathBuf>,
    /// Print JSON, prompt by prompt
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print CSV, prompt by prompt
    #[arg(long)]
    csv: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    bakeoff spend --since 7d --by model\n  \
    bakeoff spend --endpoint vercel        # and what is left of the account\n  \
    bakeoff spend a/reports b/reports --by project")]
pub(super) struct SpendArgs {
    /// Folders that hold the runs
    #[arg(value_name = "DIR", default_value = "reports")]
    folders: Vec<PathBuf>,
    /// Count only runs that began since: 12h, 7d, 4w, or a date (UTC)
    #[arg(long, value_name = "SPAN|DATE")]
    since: Option<command::spend::Since>,
    /// What to sum by
    #[arg(long, value_enum, default_value_t = ByArg::Suite)]
    by: ByArg,
    /// Sum the runs on the simulator instead, whose money is invented
    #[arg(long)]
    simulated: bool,
    /// Also ask this endpoint what is left of the account
    #[arg(short, long, value_name = "NAME|URL")]
    endpoint: Option<String>,
    /// Project file with own endpoints; bakeoff.toml is read when it is there
    #[arg(long, value_name = "FILE")]
    project: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ByArg {
    /// The suite
    Suite,
    /// The model
    Model,
    /// The day, UTC
    Day,
    /// The folder of runs
    Project,
}

/// A sum of money that can be a cap.
pub(super) fn dollars(text: &str) -> Result<Usd, String> {
    let usd = parse_dollars(text).map_err(|error| error.to_string())?;
    if usd < Usd::ZERO {
        return Err("a cap is at least $0".to_owned());
    }
    Ok(usd)
}

/// The options of these flags.
pub(super) fn estimate_options(args: EstimateArgs) -> command::estimate::Options {
    command::estimate::Options {
        run: command::run::Options {
            suite: args.suite,
            endpoint: args.endpoint,
            models: args.models,
            prompts: args.prompts,
            tags: args.tags,
            repetitions: args.repetitions,
            concurrency: None,
            seed: None,
            world: None,
            salt: None,
            output: args.output,
            project: args.project,
            max_cost: None,
            history: None,
            environment: None,
            until_decided: false,
            mode: command::run::Mode::Measure,
            quiet: false,
            json: args.json,
            yes: false,
        },
        form: match (args.csv, args.json) {
            (true, _) => command::estimate::Form::Csv,
            (false, true) => command::estimate::Form::Json,
            (false, false) => command::estimate::Form::Table,
        },
    }
}

/// The options of these flags.
pub(super) fn spend_options(args: SpendArgs) -> command::spend::Options {
    command::spend::Options {
        folders: args.folders,
        since: args.since,
        by: match args.by {
            ByArg::Suite => By::Suite,
            ByArg::Model => By::Model,
            ByArg::Day => By::Day,
            ByArg::Project => By::Project,
        },
        simulated: args.simulated,
        endpoint: args.endpoint,
        project: args.project,
        json: args.json,
    }
}
