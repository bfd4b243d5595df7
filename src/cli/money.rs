//! The arguments of the verbs of money: `estimate`, `forecast` and `spend`.
//!
//! Owns their flags. Must not know the work of the commands. Invariant: every flag that `--help` documents is
//! accepted.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::command;
use crate::command::forecast::ForecastFormat;
use crate::report::spend::GroupBy;
use crate::suite::{OwnPrice, parse_dollars, parse_own_price, parse_percent};
use crate::units::Usd;
use crate::verdict::Traffic;

use super::selection::SelectionArgs;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    bakeoff estimate suites/quickstart.toml\n  \
    bakeoff estimate suites/support.toml -e vercel -m openai/gpt-5.6-luna -m openai/gpt-6-luna\n\n\
    Prices are those of the list that `bakeoff models` cached, else of the built-in one. With\n\
    --endpoint and its key, the worst case uses the most expensive provider of each model; providers\n\
    are fetched at most once a day. No model receives a request.")]
pub(super) struct EstimateArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    /// Folder of past runs that the estimate is based on
    #[arg(short, long, value_name = "DIR", default_value = "reports")]
    output: PathBuf,
    /// Project file with endpoints and prices [default: bakeoff.toml, if present]
    #[arg(long, value_name = "FILE")]
    project: Option<PathBuf>,
    /// Allow the suite to read files outside the project; only for suites that you trust
    #[arg(long)]
    allow_outside: bool,
    /// Print JSON with one entry per prompt
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print CSV with one row per prompt
    #[arg(long)]
    csv: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    bakeoff forecast reports/quickstart/latest --requests 2M/month\n  \
    bakeoff forecast reports/quickstart/latest --requests 1M-3M/month --mix traffic.csv\n  \
    bakeoff forecast reports/quickstart/latest --requests 50k/day --cache-hit-rate 60%\n  \
    bakeoff forecast reports/quickstart/latest --requests 2M/month --format html > forecast.html\n  \
    bakeoff forecast reports/quickstart/latest --requests 3/s --price 'openai/*:input=0.2,output=1.6'\n\n\
    A mix is a CSV file with a column `prompt` or `tag` and a column `share` or `requests`:\n  \
    prompt,share\n  \
    capital,70\n  \
    code*,30\n\n\
    Sends no requests. Costs are at list prices, without own keys and discounts.\n\
    Exit code 4: no model has an answer with a cost.")]
pub(super) struct ForecastArgs {
    /// Run folder, such as reports/quickstart/latest
    run: PathBuf,
    /// Requests per s, min, h, day, week, month or year, such as 2M/month; a range is written 1M-3M/month
    #[arg(long, value_name = "COUNT/TIME")]
    requests: Traffic,
    /// CSV file with each prompt's share of the traffic [default: the suite's weights]
    #[arg(long, value_name = "FILE")]
    mix: Option<PathBuf>,
    /// Treat the prompts as the whole traffic, so that only repetitions vary
    #[arg(long)]
    mix_complete: bool,
    /// Share of requests that are retried and billed, such as 2% [default: that of the run]
    #[arg(long, value_name = "PERCENT", value_parser = share)]
    retry_rate: Option<f64>,
    /// Hypothetical prices, USD per million tokens: MODEL:input=0.25,output=2 (also `cache_read=` and
    /// `cache_write=`); repeatable
    #[arg(long = "price", value_name = "MODEL:PRICES", value_parser = parse_own_price)]
    given: Vec<OwnPrice>,
    /// Prices to use
    #[arg(long, value_enum, value_name = "WHICH", default_value_t = PricesArg::Recorded)]
    prices: PricesArg,
    /// Hypothetical share of prompt tokens read from the cache, for prompts that can be cached
    #[arg(long, value_name = "PERCENT", value_parser = share)]
    cache_hit_rate: Option<f64>,
    /// Project file with endpoints and prices [default: bakeoff.toml, if present]
    #[arg(long, value_name = "FILE")]
    project: Option<PathBuf>,
    /// Format to print
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    format: ForecastArg,
    /// Same as --format json
    #[arg(long, conflicts_with_all = ["csv", "format"])]
    json: bool,
    /// Same as --format csv
    #[arg(long, conflicts_with = "format")]
    csv: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ForecastArg {
    /// A table with the assumptions
    Table,
    /// One row per model
    Csv,
    /// JSON
    Json,
    /// One page with a chart
    Html,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum PricesArg {
    /// Prices recorded in the run
    Recorded,
    /// Prices of the list that `bakeoff models` cached, else of the built-in one
    Now,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    bakeoff spend --since 7d --by model\n  \
    bakeoff spend --by variant --json\n  \
    bakeoff spend --endpoint vercel        # with the balance of the account\n  \
    bakeoff spend a/reports b/reports --by project")]
pub(super) struct SpendArgs {
    /// Folders that hold the runs [default: reports]
    #[arg(value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Count only runs started since: 12h, 7d, 4w, or a date (UTC)
    #[arg(long, value_name = "SPAN|DATE")]
    since: Option<command::spend::Since>,
    /// Group by
    #[arg(long, value_enum, default_value_t = ByArg::Suite)]
    by: ByArg,
    /// Sum the simulated runs instead; their costs are invented
    #[arg(long)]
    simulated: bool,
    /// Also show the account balance at this endpoint
    #[arg(short, long, value_name = "NAME|URL")]
    endpoint: Option<String>,
    /// Project file with endpoints and prices [default: bakeoff.toml, if present]
    #[arg(long, value_name = "FILE")]
    project: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ByArg {
    /// Suite
    Suite,
    /// Model
    Model,
    /// Variant: a model under a label, such as one reasoning effort of it
    Variant,
    /// Day (UTC)
    Day,
    /// Folder of runs
    Project,
}

/// A sum of money that can be a cap.
pub(super) fn dollars(text: &str) -> Result<Usd, String> {
    let usd = parse_dollars(text).map_err(|error| error.to_string())?;
    if usd < Usd::ZERO {
        return Err("must be $0 or more".to_owned());
    }
    Ok(usd)
}

/// A percentage up to 100 %, as a share.
fn share(text: &str) -> Result<f64, String> {
    let share = parse_percent(text).filter(|share| *share <= 1.0);
    share.ok_or_else(|| "must be a percentage from 0% to 100%, such as 2.5%".to_owned())
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
        form: match args.format {
            _ if args.json => ForecastFormat::Json,
            _ if args.csv => ForecastFormat::Csv,
            ForecastArg::Table => ForecastFormat::Table,
            ForecastArg::Csv => ForecastFormat::Csv,
            ForecastArg::Json => ForecastFormat::Json,
            ForecastArg::Html => ForecastFormat::Html,
        },
    }
}

/// The options of these flags.
pub(super) fn estimate_options(args: EstimateArgs) -> command::estimate::Options {
    command::estimate::Options {
        run: command::run::Options {
            output: args.output,
            project: args.project,
            allow_outside: args.allow_outside,
            json: args.json,
            ..args.selection.into()
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
            ByArg::Variant => GroupBy::Variant,
            ByArg::Day => GroupBy::Day,
            ByArg::Project => GroupBy::Project,
        },
        simulated: args.simulated,
        endpoint: args.endpoint,
        project: args.project,
        json: args.json,
    }
}
