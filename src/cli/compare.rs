//! The arguments of the verbs that judge: `compare`, `accept`, `history`.
//!
//! Owns their flags and help texts. Must not know the commands. Invariant: every flag that `--help` documents
//! is accepted.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, ValueEnum};

use crate::command::compare::CompareFormat;
use crate::command::history::HistoryFormat;
use crate::command::{accept, compare, history};
use crate::suite::Metric;
use crate::verdict::DeclaredChange;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    bakeoff compare reports/quickstart/latest\n  \
    bakeoff compare reports/quickstart/20261101T070000Z-ab12cd reports/quickstart/latest\n  \
    bakeoff compare reports/quickstart/latest --gate switch || echo keep the reference\n  \
    bakeoff compare before after --changed model --format markdown\n\n\
    Exit codes: 0 nothing is worse, 1 a primary metric is worse or regressed, 2 the runs cannot be\n\
    compared, 3 inconclusive and on_inconclusive = \"fail\", 4 too many failures to judge.")]
pub(super) struct CompareArgs {
    /// Run folder; on its own, its models are compared with its reference
    run: PathBuf,
    /// Folder of a later run; each model is compared with itself
    #[arg(value_name = "LATER")]
    later: Option<PathBuf>,
    /// Intended change between the two runs; repeatable
    #[arg(long, value_enum, value_name = "WHAT", requires = "later")]
    changed: Vec<ChangedArg>,
    /// Gate that sets the exit code: `switch` exits with 0 only if a candidate should replace the reference
    #[arg(long, value_enum, value_name = "GATE", conflicts_with = "later")]
    gate: Option<GateArg>,
    /// Format of the comparison
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = ComparisonArg::Terminal)]
    format: ComparisonArg,
    /// Same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Adds legends and exploratory comparisons on the terminal
    #[arg(short, long, conflicts_with_all = ["format", "json"])]
    verbose: bool,
}

/// A gate that replaces that of the suite's comparisons.
#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
pub(super) enum GateArg {
    /// 0 switch, 1 do not, 3 undecided
    Switch,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ChangedArg {
    /// Prompt texts; prompts are paired by id
    Prompt,
    /// Model behind a label
    Model,
    /// Parameters or system texts
    Parameters,
    /// Endpoint, or provider of the model
    Provider,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum ComparisonArg {
    /// Sentences and a table
    Terminal,
    /// Markdown, for a pull request
    Markdown,
    /// One row per candidate and metric
    Csv,
    /// JSON document
    Json,
    /// JUnit XML, one test case per candidate and metric
    Junit,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    bakeoff accept reports/quickstart/latest --history baselines/quickstart.jsonl\n  \
    bakeoff accept reports/quickstart/latest --history baselines/quickstart.jsonl --reset\n  \
    bakeoff accept reports/ci/latest --history baselines/ci.jsonl --successor-of old --successor new")]
#[allow(clippy::struct_excessive_bools)] // Each is a flag.
pub(super) struct AcceptArgs {
    /// Run folder, such as reports/quickstart/latest
    run: PathBuf,
    /// History file (JSON lines); created if missing
    #[arg(long, value_name = "FILE")]
    history: PathBuf,
    /// Reset the baseline: later runs are compared with this run and those after it
    #[arg(long)]
    reset: bool,
    /// Environment label, instead of that of `run --environment`
    #[arg(long, value_name = "LABEL")]
    environment: Option<String>,
    /// Accept a run that is incomplete, failed too often or regressed
    #[arg(long)]
    force: bool,
    /// Skip a run that regressed and exit with 0, for jobs that accept every passing run
    #[arg(long, conflicts_with_all = ["force", "reset"])]
    unless_flagged: bool,
    /// Replace this variant of the history by its successor, at the ratio of the two in RUN, in which both stood
    /// side by side; RUN itself does not join the history
    #[arg(long, value_name = "VARIANT", conflicts_with_all = ["reset", "unless_flagged"])]
    successor_of: Option<String>,
    /// The successor, for `--successor-of` [default: RUN's reference, or its only other variant]
    #[arg(long, value_name = "VARIANT", requires = "successor_of")]
    successor: Option<String>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    bakeoff history baselines/quickstart.jsonl\n  \
    bakeoff history baselines/quickstart.jsonl --suite suites/quickstart.toml\n  \
    bakeoff history baselines/quickstart.jsonl --metric latency --json\n  \
    bakeoff history baselines/quickstart.jsonl --format html > history.html")]
pub(super) struct HistoryArgs {
    /// History file (JSON lines)
    file: PathBuf,
    /// Metric to show
    #[arg(
        short,
        long,
        value_name = "METRIC",
        default_value = Metric::Ttft.word(),
        value_parser = PossibleValuesParser::new(Metric::ALL.map(Metric::word))
            .map(|word| Metric::from_word(&word).expect("it is one of the words"))
    )]
    metric: Metric,
    /// Suite whose `[gate]` is used instead of the defaults
    #[arg(long, value_name = "SUITE")]
    suite: Option<PathBuf>,
    /// Allow the suite to read files outside the project; only for suites that you trust
    #[arg(long, requires = "suite")]
    allow_outside: bool,
    /// Format to print
    #[arg(short, long, value_name = "FORMAT", default_value = "terminal")]
    format: HistoryArg,
    /// Same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum HistoryArg {
    /// Sparklines and the newest runs
    Terminal,
    /// JSON
    Json,
    /// One page with a chart for each model
    Html,
}

impl From<CompareArgs> for compare::Options {
    fn from(args: CompareArgs) -> Self {
        let changed = args.changed.into_iter().map(|changed| match changed {
            ChangedArg::Prompt => DeclaredChange::Prompt,
            ChangedArg::Model => DeclaredChange::Model,
            ChangedArg::Parameters => DeclaredChange::Parameters,
            ChangedArg::Provider => DeclaredChange::Provider,
        });
        Self {
            run: args.run,
            later: args.later,
            changed: changed.collect(),
            switch_gate: args.gate == Some(GateArg::Switch),
            verbose: args.verbose,
            format: match args.format {
                _ if args.json => CompareFormat::Json,
                ComparisonArg::Terminal => CompareFormat::Terminal,
                ComparisonArg::Markdown => CompareFormat::Markdown,
                ComparisonArg::Csv => CompareFormat::Csv,
                ComparisonArg::Json => CompareFormat::Json,
                ComparisonArg::Junit => CompareFormat::Junit,
            },
        }
    }
}

impl From<AcceptArgs> for accept::Options {
    fn from(args: AcceptArgs) -> Self {
        Self {
            run: args.run,
            history: args.history,
            reset: args.reset,
            environment: args.environment,
            force: args.force,
            unless_flagged: args.unless_flagged,
            successor_of: args.successor_of,
            successor: args.successor,
            json: args.json,
        }
    }
}

impl From<HistoryArgs> for history::Options {
    fn from(args: HistoryArgs) -> Self {
        Self {
            file: args.file,
            metric: args.metric,
            suite: args.suite,
            allow_outside: args.allow_outside,
            format: match args.format {
                _ if args.json => HistoryFormat::Json,
                HistoryArg::Terminal => HistoryFormat::Terminal,
                HistoryArg::Json => HistoryFormat::Json,
                HistoryArg::Html => HistoryFormat::Html,
            },
        }
    }
}
