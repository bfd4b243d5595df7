//! The arguments: the only file that knows the argument parser.
//!
//! Owns flags, help texts and their conversion to the options of each command. Must not know the work of a
//! command. Invariant: every flag that `--help` documents is accepted.

mod calibrate;
mod compare;
mod completion;
mod dispatch;
mod load;
mod merge;
mod money;
mod quality;
mod report;
mod resume;
mod run;
mod runs;
mod selection;
mod size;
mod variables;

use std::path::PathBuf;

use clap::builder::PossibleValue;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::catalog::Sort;
use crate::command;
use crate::command::pages::Page;
use crate::command::schema::Shape;
use crate::renamed::{NamePlace, renamed_error};
use crate::suite::import::Origin;

use calibrate::CalibrateArgs;
use compare::{AcceptArgs, CompareArgs, HistoryArgs};
use dispatch::Verb;
use merge::MergeArgs;
use money::{
    EstimateArgs, ForecastArgs, SpendArgs, estimate_options, forecast_options, spend_options,
};
use quality::{AnswersArgs, ScoreArgs};
use report::ReportArgs;
use resume::ResumeArgs;
use run::{RunArgs, run_options};
use runs::{RunsArgs, runs_options};
use size::{SizeArgs, size_options};

/// Compare language models through one gateway: the same prompts, at the same moments.
#[derive(Debug, Parser)]
#[command(
    name = "bakeoff",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    after_help = "Get started:\n  bakeoff init\n  bakeoff run suites/first.toml\n\n\
        No key or network is needed: the default endpoint is a simulated gateway.\n\n\
        Exit codes: 0 success, 1 a gate failed, 2 invalid usage or suite, 3 inconclusive and\n\
        on_inconclusive = \"fail\", 4 the run is incomplete, 130 interrupted (finished trials are kept)."
)]
struct Cli {
    #[command(subcommand)]
    verb: VerbArgs,
}

#[derive(Debug, Subcommand)]
enum VerbArgs {
    /// Send every prompt in a suite to every model and compare the results
    Run(Box<RunArgs>),
    /// Finish a run that was interrupted, killed or capped
    Resume(ResumeArgs),
    /// Join the shards of a plan that several machines sent into one run
    Merge(MergeArgs),
    /// Estimate the cost of a run without sending requests
    Estimate(EstimateArgs),
    /// Regenerate the reports of a run from its samples
    Report(ReportArgs),
    /// Show the answers of a run, all models side by side, with their grades
    Answers(AnswersArgs),
    /// Add grades to the answers of a run and regenerate its reports
    Score(ScoreArgs),
    /// Compare the models of one run, or a run with an earlier one; fails if one is worse
    Compare(CompareArgs),
    /// Add a run to a history, the baseline of later runs
    Accept(AcceptArgs),
    /// Show the trend of each model in a history
    History(HistoryArgs),
    /// List stored runs, or delete old ones
    Runs(RunsArgs),
    /// Write a suite and a project file to start from
    Init(InitArgs),
    /// Compute the sample size needed to detect a change
    Size(SizeArgs),
    /// Check suites
    #[command(subcommand)]
    Suite(SuiteArgs),
    /// Estimate the cost of a month from the samples of a run
    Forecast(ForecastArgs),
    /// Show the cost of past runs
    Spend(SpendArgs),
    /// List the models of an endpoint, with limits and prices, or show one of them
    Models(ModelsArgs),
    /// Convert another tool's file to a suite
    Import(ImportArgs),
    /// Measure how many streams at once this machine times well
    Calibrate(CalibrateArgs),
    /// Serve the simulated gateway on its own, for any client
    Sim(SimArgs),
    /// Print the JSON schema of a file or of `--json` output
    #[command(after_help = "Examples:\n  \
        bakeoff schema suite > suite.schema.json\n  \
        bakeoff schema comparison")]
    Schema {
        /// Name of the schema
        #[arg(value_enum, value_name = "NAME")]
        shape: Shape,
    },
    /// Print shell completions, which know endpoints, models and prompts
    #[command(after_help = "Examples:\n  \
        bakeoff completions bash > bakeoff.bash\n  \
        bakeoff completions zsh > _bakeoff\n  \
        bakeoff completions fish > bakeoff.fish\n\n\
        Save the file where your shell looks for completions, such as\n\
        ~/.local/share/bash-completion/completions, a folder in zsh's $fpath, or ~/.config/fish/completions.")]
    Completions {
        /// Name of the shell
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Print the manual page, or write one page per command
    #[command(after_help = "Examples:\n  \
        bakeoff man > bakeoff.1\n  \
        bakeoff man share/man/man1")]
    Man {
        /// Folder for one page per command; created if missing
        folder: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
enum SuiteArgs {
    /// Validate suite files and warn about likely problems; sends no requests
    #[command(after_help = "Examples:\n  \
        bakeoff suite check suites/*.toml\n  \
        bakeoff suite check suites/quickstart.toml --history baselines/quickstart.jsonl\n  \
        bakeoff suite check suites/quickstart.toml --json")]
    Check {
        /// Suite files
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Also report what a run can find now against the accepted runs of this file
        #[arg(long, value_name = "FILE")]
        history: Option<PathBuf>,
        /// Allow the suites to read files outside the project; only for suites that you trust
        #[arg(long)]
        allow_outside: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    bakeoff init\n  \
    bakeoff init my-comparison\n\n\
    Existing files are listed and not overwritten.")]
struct InitArgs {
    /// Folder to write to; created if missing
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
}

impl ValueEnum for Shape {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.word()).help(self.describes()))
    }
}

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  \
        bakeoff models --endpoint vercel\n  \
        bakeoff models claude haiku --endpoint vercel\n  \
        bakeoff models 'openai/*' reasoning --json\n  \
        bakeoff models --sort price 'gpt|haiku' --endpoint vercel\n  \
        bakeoff models diff --endpoint vercel\n  \
        bakeoff models show openai/gpt-5.6-luna --endpoint vercel"
)]
struct ModelsArgs {
    #[command(subcommand)]
    verb: Option<ModelsVerb>,
    /// Search terms that must all match: part of an id, name or tag, or a glob of an id or tag; `|`
    /// separates alternatives of one term
    #[arg(value_name = "QUERY")]
    query: Vec<String>,
    /// Sort order; unknown values come last
    #[arg(long, value_enum, value_name = "BY", default_value_t = SortArg::Id)]
    sort: SortArg,
    /// Endpoint: sim (default), vercel, openrouter, openai, anthropic, a profile in bakeoff.toml, or a
    /// base URL
    #[arg(short, long, value_name = "NAME|URL", global = true)]
    endpoint: Option<String>,
    /// PEM file of certificate authorities to trust in addition to the system's
    #[arg(long, value_name = "FILE", global = true)]
    ca_file: Option<PathBuf>,
    /// Project file with endpoints and prices [default: bakeoff.toml, if present]
    #[arg(long, value_name = "FILE", global = true)]
    project: Option<PathBuf>,
    /// Fetch the list again, or fail; the default is a cached list younger than 24 hours
    #[arg(long, global = true)]
    refresh: bool,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SortArg {
    /// By id
    Id,
    /// Cheapest first: 3 input tokens and 1 output token, at the prices of short prompts
    Price,
    /// Largest context window first
    Context,
    /// Newest first
    Released,
}

impl From<SortArg> for Sort {
    fn from(sort: SortArg) -> Self {
        match sort {
            SortArg::Id => Self::Id,
            SortArg::Price => Self::Price,
            SortArg::Context => Self::Context,
            SortArg::Released => Self::Released,
        }
    }
}

#[derive(Debug, Subcommand)]
enum ModelsVerb {
    /// Show changed models, prices and limits since the last list that differed
    #[command(after_help = "Examples:\n  \
        bakeoff models diff --endpoint vercel\n  \
        bakeoff models diff --endpoint vercel --refresh --json\n\n\
        Without an earlier list in the cache, the built-in one is the baseline.")]
    Diff,
    /// Show one model: prices, limits, and its providers with their speed and uptime
    #[command(after_help = "Example:\n  bakeoff models show openai/gpt-5.6-luna --endpoint vercel")]
    Show {
        /// Model id, as the endpoint spells it
        id: String,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    bakeoff import promptfoo promptfooconfig.yaml -o suites/mine.toml\n  \
    bakeoff import jsonl questions.jsonl > mine.toml\n  \
    bakeoff import sharegpt conversations.json --take 200 -o suites/chats.toml\n\n\
    Unsupported parts are listed on standard error, each with its line.")]
struct ImportArgs {
    /// Format of the file
    #[arg(value_enum, value_name = "FORMAT")]
    origin: OriginArg,
    /// File to convert; `-` is standard input
    file: PathBuf,
    /// Take only the first N prompts; for files of rows, of any size
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    take: Option<u32>,
    /// Allow the file to name files outside the project; only for files that you trust
    #[arg(long)]
    allow_outside: bool,
    /// Write the suite to this file instead of printing it; an existing file is not overwritten
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum OriginArg {
    /// promptfoo configuration, YAML or JSON
    Promptfoo,
    /// Samples of `openai/evals`, JSON lines with `input` and `ideal`
    OpenaiEvals,
    /// Conversations with `from` and `value`, an array or JSON lines
    Sharegpt,
    /// JSON lines with `messages`, `prompt`, `question` or similar
    Jsonl,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    bakeoff sim --port 8787\n  \
    bakeoff sim --scenario my-scenario.toml --trace trace.jsonl")]
struct SimArgs {
    /// Port on the loopback interface; 0 picks a free one
    #[arg(long, default_value_t = 8787)]
    port: u16,
    /// Scenario: model profiles and faults, a TOML file
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Write the true times of each answer to this file (JSON lines)
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Seed of the answers; random by default
    #[arg(long, value_name = "N")]
    sim_seed: Option<u64>,
}

/// Parses the process's arguments, carries the verb out, and returns the exit code. Usage errors
/// and `--help` end the process here, with the parser's own codes (2 and 0).
pub fn main() -> u8 {
    completion::answer_shell(program);
    let parsed = program()
        .try_get_matches()
        .and_then(|matches| Cli::from_arg_matches(&matches));
    match parsed {
        Ok(cli) => dispatch::execute(verb(cli.verb)),
        Err(error) => variables::with_source(with_new_name(error)).exit(),
    }
}

/// The parser with the variables of its flags.
fn program() -> clap::Command {
    variables::add(Cli::command())
}

/// The error of an unknown flag, with the new name of one that was renamed.
fn with_new_name(error: clap::Error) -> clap::Error {
    let message = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(flag)) if error.kind() == ErrorKind::UnknownArgument => {
            renamed_error(NamePlace::Flag, flag)
        }
        _ => None,
    };
    match message {
        Some(message) => Cli::command().error(ErrorKind::UnknownArgument, message),
        None => error,
    }
}

/// The action of `models`. After an option the parser takes a subcommand for words to search: the word is the
/// same, and so is its meaning.
fn with_query(
    verb: Option<ModelsVerb>,
    query: Vec<String>,
    sort: SortArg,
) -> command::models::ModelsAction {
    let words: Vec<&str> = query.iter().map(String::as_str).collect();
    match (verb, words.as_slice()) {
        (Some(ModelsVerb::Show { id }), _) => command::models::ModelsAction::Show(id),
        (Some(ModelsVerb::Diff), _) | (None, ["diff"]) => command::models::ModelsAction::Diff,
        (None, ["show", id]) => command::models::ModelsAction::Show((*id).to_owned()),
        (None, _) => command::models::ModelsAction::List(query, sort.into()),
    }
}

fn verb(args: VerbArgs) -> Verb {
    match args {
        VerbArgs::Run(run) => Verb::Run(run_options(*run)),
        VerbArgs::Resume(args) => Verb::Resume(args.into()),
        VerbArgs::Merge(args) => Verb::Merge(args.into()),
        VerbArgs::Estimate(args) => Verb::Estimate(estimate_options(args)),
        VerbArgs::Report(args) => Verb::Report(args.into()),
        VerbArgs::Answers(args) => Verb::Answers(args.into()),
        VerbArgs::Score(args) => Verb::Score(args.into()),
        VerbArgs::Compare(args) => Verb::Compare(args.into()),
        VerbArgs::Accept(args) => Verb::Accept(args.into()),
        VerbArgs::History(args) => Verb::History(args.into()),
        VerbArgs::Runs(args) => Verb::Runs(runs_options(args)),
        VerbArgs::Init(args) => Verb::Init(command::init::Options {
            folder: args.folder,
        }),
        VerbArgs::Size(args) => Verb::Size(size_options(args)),
        VerbArgs::Suite(SuiteArgs::Check {
            files,
            history,
            allow_outside,
            json,
        }) => Verb::SuiteCheck(command::suite::Options {
            files,
            history,
            allow_outside,
            json,
        }),
        VerbArgs::Forecast(args) => Verb::Forecast(forecast_options(args)),
        VerbArgs::Spend(args) => Verb::Spend(spend_options(args)),
        VerbArgs::Schema { shape } => Verb::Schema(shape),
        VerbArgs::Completions { shell } => Verb::Pages(command::pages::Options {
            pages: vec![completion::script(shell)],
            folder: None,
        }),
        VerbArgs::Man { folder } => Verb::Pages(command::pages::Options {
            pages: manual(),
            folder,
        }),
        VerbArgs::Models(args) => Verb::Models(command::models::Options {
            what: with_query(args.verb, args.query, args.sort),
            endpoint: args.endpoint,
            ca_file: args.ca_file,
            project: args.project,
            refresh: args.refresh,
            json: args.json,
        }),
        VerbArgs::Import(args) => Verb::Import(command::import::Options {
            origin: match args.origin {
                OriginArg::Promptfoo => Origin::Promptfoo,
                OriginArg::OpenaiEvals => Origin::OpenaiEvals,
                OriginArg::Sharegpt => Origin::Sharegpt,
                OriginArg::Jsonl => Origin::Jsonl,
            },
            file: args.file,
            take: args.take.map(|take| take as usize),
            allow_outside: args.allow_outside,
            output: args.output,
        }),
        VerbArgs::Calibrate(args) => Verb::Calibrate(args.into()),
        VerbArgs::Sim(args) => Verb::Sim(command::sim::Options {
            port: args.port,
            scenario: args.scenario,
            trace: args.trace,
            sim_seed: args.sim_seed,
        }),
    }
}

/// The manual page of the program and of each verb; the program's first.
fn manual() -> Vec<Page> {
    fn add(command: &clap::Command, pages: &mut Vec<Page>) {
        let page = Man::new(command.clone());
        let mut bytes = Vec::new();
        page.render(&mut bytes)
            .expect("a list of bytes takes all that is written into it");
        pages.push(Page {
            file_name: page.get_filename(),
            bytes,
        });
        let verbs = command.get_subcommands();
        for verb in verbs.filter(|verb| verb.get_name() != "help") {
            add(verb, pages);
        }
    }
    let mut program = program();
    // Only then do the verbs know their full names.
    program.build();
    let mut pages = Vec::new();
    add(&program, &mut pages);
    pages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_table_is_sound() {
        // The parser's own checks: no double flags, no broken defaults, no bad value names.
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_shows_an_example() {
        // A user learns a command faster from an example than from its flags.
        fn leaves(command: &clap::Command, found: &mut Vec<(String, String)>) {
            for verb in command.get_subcommands() {
                if verb.has_subcommands() {
                    leaves(verb, found);
                } else {
                    let help = verb.get_after_help().map(ToString::to_string);
                    found.push((verb.get_name().to_owned(), help.unwrap_or_default()));
                }
            }
        }
        let mut found = Vec::new();
        leaves(&Cli::command(), &mut found);
        assert!(!found.is_empty());
        for (name, help) in found {
            assert!(help.contains("bakeoff "), "`{name}` has no example");
        }
    }
}
