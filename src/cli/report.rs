//! The arguments of `report`.
//!
//! Owns its flags. Must not know the work of the command. Invariant: every format of a run's folder can be named.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[cfg(feature = "otel")]
use crate::command::otlp::{GenAiNames, OtlpTarget};
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
    /// Send the spans and metrics of the run to this OTLP receiver (its URL without `/v1/traces`) instead of rewriting files;
    /// headers come from `OTEL_EXPORTER_OTLP_HEADERS`
    #[cfg(feature = "otel")]
    #[arg(long, value_name = "URL", conflicts_with_all = ["format", "verbose", "with_answers", "open"])]
    otlp: Option<String>,
    /// Names of metrics and attributes: those of today's conventions, or those that most programs still send
    #[cfg(feature = "otel")]
    #[arg(
        long,
        value_enum,
        value_name = "NAMES",
        default_value = "current",
        requires = "otlp"
    )]
    otlp_names: NamesArg,
}

/// A generation of names.
#[cfg(feature = "otel")]
#[derive(Debug, Clone, Copy, ValueEnum)]
enum NamesArg {
    /// `gen_ai.client.inference.*`
    Current,
    /// `gen_ai.client.operation.*`, `gen_ai.client.token.usage`
    Old,
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
            #[cfg(feature = "otel")]
            otlp: args.otlp.map(|url| OtlpTarget {
                url,
                names: match args.otlp_names {
                    NamesArg::Current => GenAiNames::Current,
                    NamesArg::Old => GenAiNames::Old,
                },
            }),
        }
    }
}
