//! The arguments of the verbs that judge: `compare`, `accept`, `history`.
//!
//! Owns their flags and help texts. Must not know the commands. Invariant: every flag that `--help` documents
//! is accepted.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, ValueEnum};

use crate::command::compare::CompareFormat;
use crate::command::{accept, compare, history};
use crate::suite::Metric;
use crate::verdict::DeclaredChange;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    bakeoff compare reports/quickstart/latest\n  \
    bakeoff compare reports/quickstart/20261101T070000Z-ab12cd reports/quickstart/latest\n  \
    bakeoff compare before after --changed model --format markdown\n\n\
    Exit codes: 0 nothing regressed, 1 a primary metric regressed, 2 the runs cannot be compared,\n\
    3 inconclusive where the suite asks that to fail, 4 too many failures to judge.")]
pub(super) struct CompareArgs {
    /// Folder of a run, or the `latest` beside it: its models against its reference
    run: PathBuf,
    /// A later run, judged against the first: each model against itself
    #[arg(value_name = "LATER")]
    later: Option<PathBuf>,
    /// What was changed on purpose between the two runs; repeatable
    #[arg(long, value_enum, value_name = "WHAT", requires = "later")]
    changed: Vec<ChangedArg>,
    /// Format of the comparison
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = ComparisonArg::Terminal)]
    format: ComparisonArg,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ChangedArg {
    /// The texts of prompts: they are paired by id
    Prompt,
    /// The model behind a label
    Model,
    /// Parameters or system texts
    Parameters,
    /// The endpoint, or who serves the model
    Provider,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum ComparisonArg {
    /// Sentences and a table
    Terminal,
    /// The same for a pull request
    Markdown,
    /// One row per candidate and metric
    Csv,
    /// For other programs
    Json,
    /// For CI services: one test case per candidate and metric
    Junit,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    bakeoff accept reports/quickstart/latest --history baselines/quickstart.jsonl\n  \
    bakeoff accept reports/quickstart/latest --history baselines/quickstart.jsonl --reset")]
#[allow(clippy::struct_excessive_bools)] // Each is a flag.
pub(super) struct AcceptArgs {
    /// Folder of a run, or the `latest` beside it
    run: PathBuf,
    /// The history, a file of JSON lines; made where it is not there
    #[arg(long, value_name = "FILE")]
    history: PathBuf,
    /// Reset the baseline: later runs are compared with this one and those after it
    #[arg(long)]
    reset: bool,
    /// Where the run was made, in place of what `run --environment` said
    #[arg(long, value_name = "LABEL")]
    environment: Option<String>,
    /// Accept a run that is incomplete, failed too often or was found regressed
    #[arg(long)]
    force: bool,
    /// Pass over a run that was found regressed, and succeed: for jobs that accept what passed
    #[arg(long, conflicts_with_all = ["force", "reset"])]
    unless_flagged: bool,
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    bakeoff history baselines/quickstart.jsonl\n  \
    bakeoff history baselines/quickstart.jsonl --suite suites/quickstart.toml\n  \
    bakeoff history baselines/quickstart.jsonl --metric latency --json")]
pub(super) struct HistoryArgs {
    /// The history, a file of JSON lines
    file: PathBuf,
    /// Show this metric
    #[arg(
        short,
        long,
        value_name = "METRIC",
        default_value = Metric::Ttft.word(),
        value_parser = PossibleValuesParser::new(Metric::ALL.map(Metric::word))
            .map(|word| Metric::from_word(&word).expect("it is one of the words"))
    )]
    metric: Metric,
    /// The suite: what the next run can show is told by its `[gate]` in place of the defaults
    #[arg(long, value_name = "SUITE")]
    suite: Option<PathBuf>,
    /// Read files outside the project that the suite names: only for a suite that you trust
    #[arg(long, requires = "suite")]
    allow_outside: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
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
            json: args.json,
        }
    }
}
