//! `bakeoff history`: the trend of each model in a history.

use std::io::Write;
use std::path::PathBuf;

use crate::record::History;
use crate::report::{Trends, history_page};
use crate::suite::Metric;

use super::base::boundary::Reach;
use super::base::failure::Failure;
use super::base::history::unreadable;
use super::base::stdio::{stderr, stdout};
use super::base::{exit, files};

/// The options of `bakeoff history`.
#[derive(Debug)]
pub struct Options {
    /// The history.
    pub file: PathBuf,
    /// The metric to show.
    pub metric: Metric,
    /// The suite, for the gate that its runs are judged by.
    pub suite: Option<PathBuf>,
    /// Read files outside the project that the suite names.
    pub allow_outside: bool,
    /// The format to print.
    pub format: HistoryFormat,
}

/// A format of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryFormat {
    /// For a terminal.
    Terminal,
    /// For programs.
    Json,
    /// A page with charts.
    Html,
}

/// Carries out `bakeoff history`.
pub(crate) fn execute(options: &Options) -> Result<u8, Failure> {
    let history = History::read(&options.file).map_err(unreadable)?;
    let mut err = stderr();
    let file = options.file.display();
    for line in history.truncated_lines() {
        writeln!(err, "note: {file}:{line} is truncated; skipped")?;
    }
    for stray in history.unmatched_marks() {
        writeln!(
            err,
            "note: {file} flags {stray}, but does not contain that run"
        )?;
    }
    let reach = Reach::from_flag(options.allow_outside);
    let suite = options.suite.as_deref();
    let suite = suite.map(|path| files::suite(path, reach)).transpose()?;
    let newest = history.entries().last().map(|entry| &entry.run.suite);
    if let (Some(suite), Some(newest)) = (&suite, newest)
        && suite.name != *newest
    {
        return Err(Failure::usage(format!(
            "{file} is the history of the suite `{newest}`, not of `{}`: name the suite of its runs, or \
             omit --suite",
            suite.name
        )));
    }
    let gate = suite.map(|suite| suite.gate.unwrap_or_default());
    let trends = Trends::from_history(&history, options.metric, gate.as_ref());
    let text = match options.format {
        HistoryFormat::Terminal => trends.text(),
        HistoryFormat::Json => trends.json(),
        HistoryFormat::Html => history_page(&trends),
    };
    stdout().write_all(text.as_bytes())?;
    Ok(exit::DONE)
}
