//! The report of a comparison that is not a run's own: `bakeoff compare`.
//!
//! Owns which formats it has. Must not know where runs come from. Invariant: the same verdict stands in
//! every format, and in a run's report.

use std::io;

use super::github::Subject;
use super::terminal::Style;
use super::verdicts::Verdicts;
use super::{csv, json, junit, markdown, terminal};
use crate::verdict::Judged;

/// Judgements on their own, ready to be written.
#[derive(Debug)]
pub struct Compared {
    suite: String,
    what: String,
    tool: String,
    verdicts: Verdicts,
}

impl Compared {
    /// Of a suite's runs; `what` says which are compared, in a few words.
    pub fn new(suite: &str, what: &str, tool: &str, judged: &Judged) -> Self {
        Self {
            suite: suite.to_owned(),
            what: what.to_owned(),
            tool: tool.to_owned(),
            verdicts: Verdicts::new(judged),
        }
    }

    /// For a terminal of this style.
    pub fn terminal(&self, style: Style) -> String {
        terminal::verdicts(&self.what, &self.verdicts, style)
    }

    /// For a pull request.
    pub fn markdown(&self) -> String {
        markdown::verdicts_page(&self.suite, &self.what, &self.verdicts)
    }

    /// For other programs.
    pub fn json(&self) -> String {
        json::verdicts_document(&self.tool, &self.suite, &self.what, &self.verdicts)
    }

    /// For CI servers.
    pub fn junit(&self) -> String {
        junit::document(&self.suite, None, &self.verdicts)
    }

    /// `comparisons.csv`: one row per candidate and metric, every field.
    pub fn write_csv(&self, out: impl io::Write) -> io::Result<()> {
        csv::write_comparisons(&self.verdicts, out)
    }

    /// What a job on GitHub is told.
    pub fn subject(&self) -> Subject<'_> {
        Subject {
            suite: &self.suite,
            what: &self.what,
            prices_date: None,
            warning: None,
            finding: &[],
            verdicts: &self.verdicts,
        }
    }
}
