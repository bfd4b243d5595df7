//! The report of `bakeoff compare`, a comparison across runs.
//!
//! Owns the list of its formats. Must not know where runs come from. Invariant: the same verdict stands in
//! every format, and in a run's report.

use std::io;

use super::github::JobSummary;
use super::terminal::Style;
use super::verdicts::Verdicts;
use super::{csv, json, junit, markdown, terminal};
use crate::verdict::Evaluation;

/// The report of a comparison across runs, ready to be rendered.
#[derive(Debug)]
pub struct ComparisonReport {
    suite: String,
    scope: String,
    tool: String,
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

    /// Renders the comparison for a terminal.
    pub fn terminal(&self, style: Style) -> String {
        terminal::verdicts(&self.scope, &self.verdicts, style)
    }

    /// Renders the comparison as Markdown, for a pull request.
    pub fn markdown(&self) -> String {
        markdown::verdicts_page(&self.suite, &self.scope, &self.verdicts)
    }

    /// Renders the comparison as JSON.
    pub fn json(&self) -> String {
        json::verdicts_document(&self.tool, &self.suite, &self.scope, &self.verdicts)
    }

    /// Renders the comparison as JUnit XML.
    pub fn junit(&self) -> String {
        junit::document(&self.suite, None, &self.verdicts)
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
            warning: None,
            screen: None,
            verdicts: &self.verdicts,
            retirements: &self.retirements,
        }
    }
}
