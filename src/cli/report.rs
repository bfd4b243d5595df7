//! The arguments of `report`.
//!
//! Owns its flags. Must not know the work of the command. Invariant: every format of a run's folder can be named.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::command::report::{Format, Options};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    bakeoff report reports/quickstart/latest\n  \
    bakeoff report reports/quickstart/latest --format markdown")]
pub(super) struct ReportArgs {
    /// Run folder, such as reports/quickstart/latest
    run: PathBuf,
    /// Print this format instead of rewriting the run's files
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<FormatArg>,
    /// Print intervals, exploratory comparisons and footnotes as well
    #[arg(short, long, conflicts_with = "format")]
    verbose: bool,
    /// Put prompts and answers into report.html: one answer per model and prompt, and failures
    #[arg(long)]
    with_answers: bool,
    /// Open report.html in a browser
    #[arg(long, conflicts_with = "format")]
    open: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatArg {
    /// The result
    Terminal,
    /// report.md
    Markdown,
    /// report.html: one page with charts
    Html,
    /// comparison.csv
    Csv,
    /// samples.csv
    SamplesCsv,
    /// The comparison as JSON
    Json,
    /// junit.xml
    Junit,
    /// Short Markdown summary; its first line is a hidden marker, so that a comment can be replaced
    Summary,
    /// histograms.hlog
    Hlog,
}

impl From<ReportArgs> for Options {
    fn from(args: ReportArgs) -> Self {
        Self {
            run: args.run,
            format: args.format.map(|format| match format {
                FormatArg::Terminal => Format::Terminal,
                FormatArg::Markdown => Format::Markdown,
                FormatArg::Html => Format::Html,
                FormatArg::Csv => Format::Csv,
                FormatArg::SamplesCsv => Format::SamplesCsv,
                FormatArg::Json => Format::Json,
                FormatArg::Junit => Format::Junit,
                FormatArg::Summary => Format::Summary,
                FormatArg::Hlog => Format::Hlog,
            }),
            verbose: args.verbose,
            with_answers: args.with_answers,
            open: args.open,
        }
    }
}
