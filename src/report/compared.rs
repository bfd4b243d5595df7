//! The report of `bakeoff compare`, a comparison across runs.
//!
//! Owns the list of its formats. Must not know where runs come from. Invariant: the same verdict stands in
//! every format, and in a run's report.

use std::io;

use super::github::JobSummary;
use super::screen::simulated;
use super::terminal::Style;
use super::verdicts::Verdicts;
use super::{csv, json, junit, markdown, terminal};
use crate::record::Manifest;
use crate::verdict::Evaluation;

/// The report of a comparison across runs, ready to be rendered.
#[derive(Debug)]
pub struct ComparisonReport {
    suite: String,
    scope: String,
    tool: String,
    /// The mark of figures that were simulated.
    simulated: Option<String>,
    verdicts: Verdicts,
    retirements: Vec<String>,
}

impl ComparisonReport {
    /// Creates the report of a suite's runs; `scope` names the runs compared.
    pub fn new(suite: &str, scope: &str, tool: &str, evaluation: &Evaluation) -> Self {
        Self {
            suite: suite.to_owned(),
            scope: scope.to_owned(),
            tool: tool.to_owned(),
            simulated: None,
            verdicts: Verdicts::new(evaluation),
            retirements: Vec::new(),
        }
    }

    /// The report with warnings about models that retire.
    #[must_use]
    pub fn with_retirements(self, retirements: Vec<String>) -> Self {
        Self {
            retirements,
            ..self
        }
    }

    /// The report with the mark of simulated figures, if one of the runs has such.
    #[must_use]
    pub fn with_mark<'m>(self, runs: impl IntoIterator<Item = &'m Manifest>) -> Self {
        Self {
            simulated: runs.into_iter().find_map(simulated),
            ..self
        }
    }

    /// Renders the comparison for a terminal. `is_verbose`: with exploratory comparisons and legends.
    pub fn terminal(&self, style: Style, is_verbose: bool) -> String {
        let mark = self.simulated.as_deref();
        terminal::verdicts(&self.scope, mark, &self.verdicts, style, is_verbose)
    }

    /// Renders the comparison as Markdown, for a pull request.
    pub fn markdown(&self) -> String {
        let mark = self.simulated.as_deref();
        markdown::verdicts_page(&self.suite, &self.scope, mark, &self.verdicts)
    }

    /// Writes the comparison as JSON, with a row for each prompt and candidate.
    pub fn write_json(&self, out: impl io::Write) -> io::Result<()> {
        let (names, mark) = ((&*self.suite, &*self.scope), self.simulated.as_deref());
        json::write_verdicts(&self.tool, names, mark, &self.verdicts, out)
    }

    /// Renders the comparison as JUnit XML.
    pub fn junit(&self) -> String {
        junit::document(&self.suite, None, self.simulated.as_deref(), &self.verdicts)
    }

    /// Writes `comparisons.csv`: one row per candidate and metric, with every field.
    pub fn write_csv(&self, out: impl io::Write) -> io::Result<()> {
        csv::write_comparisons(&self.verdicts, out)
    }

    /// The summary of this comparison for a GitHub job.
    pub fn job_summary(&self) -> JobSummary<'_> {
        JobSummary {
            suite: &self.suite,
            scope: &self.scope,
            prices_date: None,
            warning: self.simulated.as_deref(),
            screen: None,
            verdicts: &self.verdicts,
            retirements: &self.retirements,
        }
    }
}
