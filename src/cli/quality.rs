//! The arguments of the verbs about the quality of answers: `answers`, `score`.
//!
//! Owns their flags and help texts. Must not know the commands. Invariant: every flag that `--help` documents
//! is accepted.

use std::path::PathBuf;

use clap::Args;

use crate::command::answers;
use crate::command::score::{self, DeferredOptions, GradeSource};
use crate::units::Usd;

use super::money::dollars;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    bakeoff score reports/quickstart/latest --from scores.jsonl\n  \
    bakeoff score reports/quickstart/latest --suite graded.toml\n  \
    bakeoff score reports/quickstart/latest --suite judged.toml --max-cost 0.50\n  \
    bakeoff score reports/quickstart/latest --labels labels.csv\n\n\
    A line of the file names a trial, as in samples.jsonl, and has scores from 0 to 1 or rows:\n  \
    {\"trial\": 0, \"scores\": {\"right\": 1, \"polite\": 0.5}}\n  \
    {\"prompt\": \"capital\", \"variant\": \"openai/gpt-5-mini\", \"repetition\": 1,\n   \
    \"grades\": [{\"name\": \"right\", \"pass\": true, \"reason\": \"says Paris\"}]}\n\n\
    If one line is wrong, nothing is stored. Labels have the columns `trial` (or `prompt`, `variant` and `repetition`)\n\
    and `pass`.")]
#[command(group(clap::ArgGroup::new("source").required(true)))]
pub(super) struct ScoreArgs {
    /// Run folder, such as reports/quickstart/latest
    run: PathBuf,
    /// File with the grades of another program (JSON lines)
    #[arg(long, value_name = "FILE", group = "source")]
    from: Option<PathBuf>,
    /// Score of the file from which a check without `pass` passes
    #[arg(long, value_name = "SCORE", default_value_t = 1.0, value_parser = share, conflicts_with = "suite")]
    pass_at: f64,
    /// Suite whose asserts grade the stored answers; sends no requests but those to its judge
    #[arg(long, value_name = "FILE", group = "source")]
    suite: Option<PathBuf>,
    /// CSV file with the labels of people; prints how far each grader agrees with them, and stores nothing
    #[arg(
        long,
        value_name = "FILE",
        group = "source",
        conflicts_with = "pass_at"
    )]
    labels: Option<PathBuf>,
    /// Read files outside the project that the suite names
    #[arg(long, requires = "suite")]
    allow_outside: bool,
    /// Run the commands of `exec` asserts
    #[arg(long, requires = "suite")]
    allow_exec: bool,
    /// Maximum cost of the judge's requests in USD
    #[arg(long, value_name = "USD", value_parser = dollars, requires = "suite")]
    max_cost: Option<Usd>,
    /// Scenario of the simulated gateway (endpoint sim only)
    #[arg(long, value_name = "FILE", requires = "suite")]
    scenario: Option<PathBuf>,
    /// Project file with endpoints and prices [default: bakeoff.toml, if present]
    #[arg(long, value_name = "FILE", requires = "suite")]
    project: Option<PathBuf>,
}

fn share(text: &str) -> Result<f64, String> {
    let share: Option<f64> = text.parse().ok();
    share
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "must be a number from 0 to 1".to_owned())
}

impl From<ScoreArgs> for score::Options {
    fn from(args: ScoreArgs) -> Self {
        Self {
            run: args.run,
            source: match (args.suite, args.labels) {
                (_, Some(path)) => GradeSource::Labels { path },
                (Some(path), None) => GradeSource::Suite {
                    path,
                    allow_outside: args.allow_outside,
                    deferred: DeferredOptions {
                        allow_exec: args.allow_exec,
                        max_cost: args.max_cost,
                        scenario: args.scenario,
                        project: args.project,
                    },
                },
                (None, None) => GradeSource::File {
                    // Required where there is no suite.
                    path: args.from.unwrap_or_default(),
                    pass_at: args.pass_at,
                },
            },
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    bakeoff answers reports/quickstart/latest --prompt capital\n  \
    bakeoff answers reports/quickstart/latest --failed --diff\n  \
    bakeoff answers reports/quickstart/latest -o answers.txt")]
pub(super) struct AnswersArgs {
    /// Run folder, such as reports/quickstart/latest
    run: PathBuf,
    /// Show only prompts with this id or glob; repeatable
    #[arg(short, long = "prompt", value_name = "ID|GLOB")]
    prompts: Vec<String>,
    /// Show only prompts on which the answer of a model did not pass
    #[arg(long)]
    failed: bool,
    /// Mark the words in which answers differ from that of the reference
    #[arg(long)]
    diff: bool,
    /// Write to this file, readable by its owner alone, instead of printing
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl From<AnswersArgs> for answers::Options {
    fn from(args: AnswersArgs) -> Self {
        Self {
            run: args.run,
            prompts: args.prompts,
            failed: args.failed,
            diff: args.diff,
            output: args.output,
        }
    }
}
