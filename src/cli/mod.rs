//! The arguments: the only file that knows the argument parser.
//!
//! Owns flags, help texts and their conversion to the options of each command. Must not know the work of a
//! command. Invariant: every flag that `--help` documents is accepted.

mod compare;
mod dispatch;
mod money;
mod runs;
mod size;

use std::path::PathBuf;

use clap::builder::PossibleValue;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::{Generator, Shell};
use clap_mangen::Man;

use crate::catalog::Sort;
use crate::command;
use crate::command::pages::Page;
use crate::command::schema::Shape;
use crate::suite::import::Origin;
use crate::units::Usd;

use compare::{AcceptArgs, CompareArgs, HistoryArgs};
use dispatch::Verb;
use money::{
    EstimateArgs, ForecastArgs, SpendArgs, dollars, estimate_options, forecast_options,
    spend_options,
};
use runs::{RunsArgs, runs_options};
use size::{SizeArgs, size_options};

/// Compare language models through one gateway: the same prompts, at the same moments.
#[derive(Debug, Parser)]
#[command(
    name = "bakeoff",
    version,
    propagate_version = true,
    disable_help_subcommand = true,
    arg_required_else_help = true,
    after_help = "Begin with:\n  bakeoff init\n  bakeoff run suites/first.toml\n\n\
        It needs no key and no network: the default endpoint is an embedded simulated gateway.\n\n\
        Exit codes: 0 done, 1 a gate failed, 2 bad usage or suite, 3 inconclusive where that was\n\
        asked to fail, 4 the run is incomplete, 130 interrupted (what finished is kept)."
)]
struct Cli {
    #[command(subcommand)]
    verb: VerbArgs,
}

#[derive(Debug, Subcommand)]
enum VerbArgs {
    /// Ask every prompt of a suite of every model, and compare
    Run(RunArgs),
    /// Say what a run would cost; ask no model
    Estimate(EstimateArgs),
    /// Make the reports of a run again from its records
    Report(ReportArgs),
    /// Judge the models of one run, or a run against an earlier one; fails where one regressed
    Compare(CompareArgs),
    /// Add a run to a history, the past that later runs are judged against
    Accept(AcceptArgs),
    /// Show the trend of each model in a history
    History(HistoryArgs),
    /// List the runs on the disk, or delete old ones
    Runs(RunsArgs),
    /// Write a suite and a project file to start from
    Init(InitArgs),
    /// Say how many prompts and repetitions a suite needs to find a change
    Size(SizeArgs),
    /// Check suites
    #[command(subcommand)]
    Suite(SuiteArgs),
    /// Say what a month will cost, by the samples of a run
    Forecast(ForecastArgs),
    /// What the runs of a project cost, by the ledger beside them
    Spend(SpendArgs),
    /// List the models of an endpoint, with limits and prices, or show one of them
    Models(ModelsArgs),
    /// Make a suite of another tool's file
    Import(ImportArgs),
    /// Serve the simulated gateway on its own, for any client
    Sim(SimArgs),
    /// Print the JSON schema of a file or of what `--json` prints
    #[command(after_help = "Examples:\n  \
        bakeoff schema suite > suite.schema.json\n  \
        bakeoff schema comparison")]
    Schema {
        /// What it describes
        #[arg(value_enum, value_name = "NAME")]
        shape: Shape,
    },
    /// Print the completions of a shell
    #[command(after_help = "Examples:\n  \
        bakeoff completions bash > bakeoff.bash\n  \
        bakeoff completions zsh > _bakeoff\n  \
        bakeoff completions fish > bakeoff.fish\n\n\
        Put the file where your shell looks for them, such as ~/.local/share/bash-completion/completions,\n\
        a folder of zsh's $fpath, or ~/.config/fish/completions.")]
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Print the manual page, or write the page of each verb
    #[command(after_help = "Examples:\n  \
        bakeoff man > bakeoff.1\n  \
        bakeoff man share/man/man1")]
    Man {
        /// Folder for the page of each verb; made where it is not there
        folder: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    bakeoff run suites/quickstart.toml\n  \
    bakeoff run suites/quickstart.toml --endpoint vercel -m openai/gpt-5-mini -m openai/gpt-5-nano\n  \
    bakeoff run suites/quickstart.toml --endpoint http://127.0.0.1:8000/v1 -m Qwen/Qwen3-8B\n  \
    bakeoff run suites/support.toml --list\n  \
    bakeoff run suites/quickstart.toml --until-decided\n  \
    bakeoff run suites/quickstart.toml --history baselines/quickstart.jsonl")]
#[allow(clippy::struct_excessive_bools)] // Each is a flag.
struct RunArgs {
    /// The suite, a TOML file
    suite: PathBuf,
    /// Where to send: sim, vercel, openrouter, openai, a profile of bakeoff.toml, or a base URL
    #[arg(short, long, value_name = "NAME|URL")]
    endpoint: Option<String>,
    /// Model id, or name or glob of the suite's variants; repeatable. Given ids replace the suite's
    #[arg(short, long = "model", value_name = "ID|GLOB")]
    models: Vec<String>,
    /// Ask only prompts with this id or glob; repeatable
    #[arg(short, long = "prompt", value_name = "ID|GLOB")]
    prompts: Vec<String>,
    /// Ask only prompts with this tag or glob; repeatable
    #[arg(short, long = "tag", value_name = "TAG|GLOB")]
    tags: Vec<String>,
    /// How often each prompt is asked of each model
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    repetitions: Option<u32>,
    /// Slots (one prompt to all models) in flight at once
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=16_384))]
    concurrency: Option<u32>,
    /// Seed of every order
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// World of the simulated gateway, a TOML file (endpoint sim only)
    #[arg(long, value_name = "FILE")]
    world: Option<PathBuf>,
    /// Salt of the simulated answers: two runs with the same salt get the same ones (endpoint sim only)
    #[arg(long, value_name = "N")]
    salt: Option<u64>,
    /// Folder that holds the runs
    #[arg(short, long, value_name = "DIR", default_value = "reports")]
    output: PathBuf,
    /// Project file with own endpoints; bakeoff.toml is read when it is there
    #[arg(long, value_name = "FILE")]
    project: Option<PathBuf>,
    /// Read files outside the project that the suite names: only for a suite that you trust
    #[arg(long)]
    allow_outside: bool,
    /// Judge the run against the accepted runs of this file (see `bakeoff accept`); flagged runs are
    /// noted in it
    #[arg(long, value_name = "FILE", conflicts_with = "verify")]
    history: Option<PathBuf>,
    /// Where the run is made, in your words: only runs of the same label are compared with a history
    #[arg(long, value_name = "LABEL")]
    environment: Option<String>,
    /// Look after whole rounds, and end when every primary comparison with the reference is decided
    #[arg(long, conflicts_with_all = ["verify", "history"])]
    until_decided: bool,
    /// The most that the run may cost, in USD; of several caps the smallest holds
    #[arg(long, value_name = "USD", value_parser = dollars)]
    max_cost: Option<Usd>,
    /// Print the plan, how long it would take and what it would cost; send nothing
    #[arg(long, conflicts_with = "verify")]
    list: bool,
    /// Send one trial per prompt and model and say which did not complete
    #[arg(long)]
    verify: bool,
    /// No progress and no warnings; only the result
    #[arg(short, long)]
    quiet: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// Do not ask before a run that may cost more than the project's `confirm_above`, else $1
    #[arg(short, long)]
    yes: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    bakeoff report reports/quickstart/latest\n  \
    bakeoff report reports/quickstart/latest --format markdown")]
struct ReportArgs {
    /// Folder of a run, or the `latest` beside it
    run: PathBuf,
    /// Print this format instead of writing the run's files again
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<FormatArg>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatArg {
    /// The comparison table
    Terminal,
    /// report.md
    Markdown,
    /// comparison.csv
    Csv,
    /// samples.csv
    SamplesCsv,
    /// The comparison as JSON
    Json,
    /// junit.xml
    Junit,
    /// A short summary in Markdown; its first line is a hidden mark, so that a comment can be replaced
    Summary,
    /// histograms.hlog
    Hlog,
}

#[derive(Debug, Subcommand)]
enum SuiteArgs {
    /// Say every problem of suite files, with its place, and what will disappoint; send nothing
    #[command(after_help = "Examples:\n  \
        bakeoff suite check suites/*.toml\n  \
        bakeoff suite check suites/quickstart.toml --json")]
    Check {
        /// Suite files
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Read files outside the project that the suites name: only for suites that you trust
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
    Nothing is overwritten: what is there already is kept, and told.")]
struct InitArgs {
    /// Folder to begin in; made where it is not there
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
        bakeoff models show openai/gpt-5-mini --endpoint vercel"
)]
struct ModelsArgs {
    #[command(subcommand)]
    verb: Option<ModelsVerb>,
    /// Words that must all fit: part of an id, name or tag, or a glob of an id or tag; `|` between
    /// alternatives of one word
    #[arg(value_name = "QUERY")]
    query: Vec<String>,
    /// The order of the list; what is not known comes last
    #[arg(long, value_enum, value_name = "BY", default_value_t = SortArg::Id)]
    sort: SortArg,
    /// Whose models: sim (when nothing is said), vercel, openrouter, openai, a profile of
    /// bakeoff.toml, or a base URL
    #[arg(short, long, value_name = "NAME|URL", global = true)]
    endpoint: Option<String>,
    /// Project file with own endpoints; bakeoff.toml is read when it is there
    #[arg(long, value_name = "FILE", global = true)]
    project: Option<PathBuf>,
    /// Fetch the list anew, or fail; otherwise one that was kept less than 24 hours will do
    #[arg(long, global = true)]
    refresh: bool,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SortArg {
    /// The id
    Id,
    /// Cheapest first: 3 tokens of the prompt and 1 of the answer, at the prices of short prompts
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
    /// What changed: models, prices and limits, since the last list that was another one
    #[command(after_help = "Examples:\n  \
        bakeoff models diff --endpoint vercel\n  \
        bakeoff models diff --endpoint vercel --refresh --json\n\n\
        Where no earlier list was kept, the one compiled in is compared with.")]
    Diff,
    /// All about one model: prices, limits, and who serves it, how fast and how reliably
    #[command(after_help = "Example:\n  bakeoff models show openai/gpt-5-mini --endpoint vercel")]
    Show {
        /// The model's id, as the endpoint spells it
        id: String,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    bakeoff import promptfoo promptfooconfig.yaml -o suites/mine.toml\n  \
    bakeoff import jsonl questions.jsonl > mine.toml\n\n\
    What cannot be carried over is told on standard error, each with its line.")]
struct ImportArgs {
    /// What kind of file it is
    #[arg(value_enum, value_name = "FORMAT")]
    origin: OriginArg,
    /// The file
    file: PathBuf,
    /// Write the suite here instead of printing it; a file that is there is not overwritten
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum OriginArg {
    /// A configuration of promptfoo, YAML or JSON
    Promptfoo,
    /// Samples of evals by `openai/evals`, JSON lines with `input` and `ideal`
    OpenaiEvals,
    /// An array of conversations with `from` and `value`
    Sharegpt,
    /// JSON lines with `messages`, `prompt`, `question` or the like
    Jsonl,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    bakeoff sim --port 8787\n  \
    bakeoff sim --world my-world.toml --truth truth.jsonl")]
struct SimArgs {
    /// Port on the loopback interface; 0 for any free one
    #[arg(long, default_value_t = 8787)]
    port: u16,
    /// World: models, characters, faults, a TOML file
    #[arg(long, value_name = "FILE")]
    world: Option<PathBuf>,
    /// Log the true instants of each answer here, JSON lines
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Salt of the answers; without it two starts differ
    #[arg(long, value_name = "N")]
    salt: Option<u64>,
}

/// Parses the process's arguments, carries the verb out, and returns the exit code. Usage errors
/// and `--help` end the process here, with the parser's own codes (2 and 0).
pub fn main() -> u8 {
    dispatch::execute(verb(Cli::parse().verb))
}

/// The action of `models`. After an option the parser takes a subcommand for words to search: the word is the
/// same, and so is its meaning.
fn looked_up(
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
        VerbArgs::Run(run) => Verb::Run(run_options(run)),
        VerbArgs::Estimate(args) => Verb::Estimate(estimate_options(args)),
        VerbArgs::Report(args) => Verb::Report(command::report::Options {
            run: args.run,
            format: args.format.map(|format| match format {
                FormatArg::Terminal => command::report::Format::Terminal,
                FormatArg::Markdown => command::report::Format::Markdown,
                FormatArg::Csv => command::report::Format::Csv,
                FormatArg::SamplesCsv => command::report::Format::SamplesCsv,
                FormatArg::Json => command::report::Format::Json,
                FormatArg::Junit => command::report::Format::Junit,
                FormatArg::Summary => command::report::Format::Summary,
                FormatArg::Hlog => command::report::Format::Hlog,
            }),
        }),
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
            allow_outside,
            json,
        }) => Verb::SuiteCheck(command::suite::Options {
            files,
            allow_outside,
            json,
        }),
        VerbArgs::Forecast(args) => Verb::Forecast(forecast_options(args)),
        VerbArgs::Spend(args) => Verb::Spend(spend_options(args)),
        VerbArgs::Schema { shape } => Verb::Schema(shape),
        VerbArgs::Completions { shell } => Verb::Pages(command::pages::Options {
            pages: vec![completions(shell)],
            folder: None,
        }),
        VerbArgs::Man { folder } => Verb::Pages(command::pages::Options {
            pages: manual(),
            folder,
        }),
        VerbArgs::Models(args) => Verb::Models(command::models::Options {
            what: looked_up(args.verb, args.query, args.sort),
            endpoint: args.endpoint,
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
            output: args.output,
        }),
        VerbArgs::Sim(args) => Verb::Sim(command::sim::Options {
            port: args.port,
            world: args.world,
            truth: args.truth,
            salt: args.salt,
        }),
    }
}

fn completions(shell: Shell) -> Page {
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "bakeoff", &mut bytes);
    Page {
        file_name: shell.file_name("bakeoff"),
        bytes,
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
        for verb in command.get_subcommands() {
            add(verb, pages);
        }
    }
    let mut program = Cli::command();
    // Only then do the verbs know their full names.
    program.build();
    let mut pages = Vec::new();
    add(&program, &mut pages);
    pages
}

fn run_options(args: RunArgs) -> command::run::Options {
    command::run::Options {
        suite: args.suite,
        endpoint: args.endpoint,
        models: args.models,
        prompts: args.prompts,
        tags: args.tags,
        repetitions: args.repetitions,
        concurrency: args.concurrency,
        seed: args.seed,
        world: args.world,
        salt: args.salt,
        output: args.output,
        project: args.project,
        allow_outside: args.allow_outside,
        history: args.history,
        environment: args.environment,
        until_decided: args.until_decided,
        max_cost: args.max_cost,
        mode: match (args.list, args.verify) {
            (true, _) => command::run::Mode::List,
            (false, true) => command::run::Mode::Verify,
            (false, false) => command::run::Mode::Measure,
        },
        quiet: args.quiet,
        json: args.json,
        yes: args.yes,
        aside: false,
    }
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
