//! The arguments of the verbs of money: `estimate`, `forecast` and `spend`.
//!
//! Owns their flags. Must not know the work of the commands. Invariant: every flag that `--help` documents is
//! accepted.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::command;
use crate::report::spend::GroupBy;
use crate::suite::{OwnPrice, parse_dollars, parse_own_price, parse_percent};
use crate::units::Usd;
use crate::verdict::Traffic;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    bakeoff estimate suites/quickstart.toml\n  \
    bakeoff estimate suites/support.toml -e vercel -m openai/gpt-5-mini -m anthropic/claude-haiku-4.5\n\n\
    Prices are those of the list that `bakeoff models` kept, else of the one compiled in. With\n\
    --endpoint and its key, the worst case is that of the most expensive provider of each model: for these the\n\
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
    /// Read files outside the project that the suite names: only for a suite that you trust
    #[arg(long)]
    allow_outside: bool,
    /// Print JSON, prompt by prompt
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print CSV, prompt by prompt
    #[arg(long)]
    csv: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    bakeoff forecast reports/quickstart/latest --requests 2M/month\n  \
    bakeoff forecast reports/quickstart/latest --requests 1M-3M/month --mix traffic.csv\n  \
    bakeoff forecast reports/quickstart/latest --requests 50k/day --cache-hit-rate 60%\n  \
    bakeoff forecast reports/quickstart/latest --requests 3/s --price 'openai/*:input=0.2,output=1.6'\n\n\
    A mix is CSV: a column `prompt` or `tag`, and a column `share` or `requests`:\n  \
    prompt,share\n  \
    capital,70\n  \
    code*,30\n\n\
    Nothing is sent. Figures are list prices; what own keys or discounts change is not in them.\n\
    Exit code 4: no model has an answer with a cost.")]
pub(super) struct ForecastArgs {
    /// Folder of a run, or the `latest` beside it
    run: PathBuf,
    /// How many requests, over s, min, h, day, week, month or year; a range is written 1M-3M/month
    #[arg(long, value_name = "COUNT/TIME")]
    requests: Traffic,
    /// CSV file that says how much of the traffic looks like which prompt; else the suite's weights
    #[arg(long, value_name = "FILE")]
    mix: Option<PathBuf>,
    /// The prompts are every kind of request there is, and the mix is known: only repetitions vary
    #[arg(long)]
    mix_complete: bool,
    /// Requests that are paid twice, such as 2%; else as many as the run shows
    #[arg(long, value_name = "PERCENT", value_parser = share)]
    retry_rate: Option<f64>,
    /// What if a model cost this, USD per million tokens: MODEL:input=0.25,output=2 (also `cache_read=`
    /// and `cache_write=`); repeatable
    #[arg(long = "price", value_name = "MODEL:PRICES", value_parser = parse_own_price)]
    given: Vec<OwnPrice>,
    /// By which prices
    #[arg(long, value_enum, value_name = "WHICH", default_value_t = PricesArg::Recorded)]
    prices: PricesArg,
    /// What if this share of prompt tokens came from the cache, where a prompt can be cached
    #[arg(long, value_name = "PERCENT", value_parser = share)]
    cache_hit_rate: Option<f64>,
    /// Project file with own endpoints; bakeoff.toml is read when it is there
    #[arg(long, value_name = "FILE")]
    project: Option<PathBuf>,
    /// Print JSON
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print CSV
    #[arg(long)]
    csv: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum PricesArg {
    /// Those of the run
    Recorded,
    /// What if: those of the list that `bakeoff models` kept, else of the one compiled in
    Now,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    bakeoff spend --since 7d --by model\n  \
    bakeoff spend --endpoint vercel        # and what is left of the account\n  \
    bakeoff spend a/reports b/reports --by project")]
pub(super) struct SpendArgs {
    /// Folders that hold the runs [default: reports]
    #[arg(value_name = "DIR")]
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

/// A percentage up to 100 %, as a share.
fn share(text: &str) -> Result<f64, String> {
    let share = parse_percent(text).filter(|share| *share <= 1.0);
    share.ok_or_else(|| "write a percentage from 0% to 100%, such as 2.5%".to_owned())
}

/// The format of an estimate, from two flags that exclude each other.
const fn form(csv: bool, json: bool) -> command::estimate::EstimateFormat {
    match (csv, json) {
        (true, _) => command::estimate::EstimateFormat::Csv,
        (false, true) => command::estimate::EstimateFormat::Json,
        (false, false) => command::estimate::EstimateFormat::Table,
    }
}

/// The options of these flags.
pub(super) fn forecast_options(args: ForecastArgs) -> command::forecast::Options {
    command::forecast::Options {
        run: args.run,
        requests: args.requests,
        mix: args.mix,
        mix_complete: args.mix_complete,
        retry_rate: args.retry_rate,
        given: args.given,
        prices_now: args.prices == PricesArg::Now,
        cache_hit_rate: args.cache_hit_rate,
        project: args.project,
        form: form(args.csv, args.json),
    }
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
            scenario: None,
            sim_seed: None,
            output: args.output,
            project: args.project,
            allow_outside: args.allow_outside,
            max_cost: None,
            history: None,
            environment: None,
            until_decided: false,
            mode: command::run::Mode::Measure,
            quiet: false,
            json: args.json,
            yes: false,
            verbose: false,
            aside: false,
        },
        form: form(args.csv, args.json),
    }
}

/// The options of these flags.
pub(super) fn spend_options(args: SpendArgs) -> command::spend::Options {
    command::spend::Options {
        folders: args.folders,
        since: args.since,
        by: match args.by {
            ByArg::Suite => GroupBy::Suite,
            ByArg::Model => GroupBy::Model,
            ByArg::Day => GroupBy::Day,
            ByArg::Project => GroupBy::Project,
        },
        simulated: args.simulated,
        endpoint: args.endpoint,
        project: args.project,
        json: args.json,
    }
}
