//! Telling it: one view of a run, many formats.
//!
//! Owns every format that is made from records. Must not know where samples come from nor where
//! reports go. Invariant: a report is a pure function of manifest and samples, byte for byte, and
//! the same number stands in every format.

mod columns;
mod csv;
mod figure;
mod finding;
mod hlog;
mod json;
mod markdown;
mod problems;
pub mod spend;
mod table;
mod terminal;
#[cfg(test)]
mod tests;
mod text;
mod view;

use std::io;

use crate::record::{Manifest, Sample};
use crate::verdict::{RunSummary, Summaries};

pub use figure::{Cell, Figure, Thousandths};
pub use problems::Problem;
pub use table::{Column, Shown, Table};
pub use terminal::Style;
pub use view::View;

/// Name of the file with one row per sample, which [`Report::read`] writes while it reads.
pub const SAMPLES_CSV: &str = "samples.csv";

/// A format of the whole report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One row per variant, every figure.
    ComparisonCsv,
    /// To paste into a pull request.
    Markdown,
    /// For HdrHistogram's tools.
    Histograms,
    /// For other programs.
    Json,
}

impl Format {
    /// The formats that a run's folder holds.
    pub const FILES: [Self; 3] = [Self::ComparisonCsv, Self::Markdown, Self::Histograms];

    /// Name of the file in a run's folder.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::ComparisonCsv => "comparison.csv",
            Self::Markdown => "report.md",
            Self::Histograms => "histograms.hlog",
            Self::Json => "comparison.json",
        }
    }
}

/// The report of a run.
#[derive(Debug)]
pub struct Report<'a> {
    manifest: &'a Manifest,
    summary: RunSummary,
    view: View,
}

impl<'a> Report<'a> {
    /// Reads the samples of a run once, in any order, and writes `samples.csv` on the way (into
    /// [`io::sink`] where nobody wants it). An error that `is_lost_line` knows is one line of the
    /// journal: it is counted, told, and read past. Any other ends the reading.
    pub fn read<E: From<io::Error>>(
        manifest: &'a Manifest,
        samples: impl IntoIterator<Item = Result<Sample, E>>,
        is_lost_line: impl Fn(&E) -> bool,
        samples_csv: impl io::Write,
    ) -> Result<Self, E> {
        let mut rows = csv::SampleRows::new(samples_csv)?;
        let mut summaries = Summaries::new(manifest);
        for sample in samples {
            match sample {
                Ok(sample) => {
                    rows.add(&sample)?;
                    summaries.add(&sample);
                }
                Err(error) if is_lost_line(&error) => summaries.add_lost_line(),
                Err(error) => return Err(error),
            }
        }
        rows.finish()?;
        Ok(Self::new(manifest, summaries.finish()))
    }

    /// From figures that are already there.
    pub fn new(manifest: &'a Manifest, summary: RunSummary) -> Self {
        let view = View::new(manifest, &summary);
        Self {
            manifest,
            summary,
            view,
        }
    }

    /// Everything the report tells.
    pub const fn view(&self) -> &View {
        &self.view
    }

    /// The figures it tells of.
    pub const fn summary(&self) -> &RunSummary {
        &self.summary
    }

    /// The comparison for a terminal of this style.
    pub fn terminal(&self, style: Style) -> String {
        terminal::screen(&self.view, style)
    }

    /// Writes one format.
    pub fn write(&self, format: Format, mut out: impl io::Write) -> io::Result<()> {
        match format {
            Format::ComparisonCsv => csv::write_table(&self.view.comparison, out),
            Format::Markdown => out.write_all(markdown::page(&self.view).as_bytes()),
            Format::Histograms => hlog::write_log(self.manifest, &self.summary, out),
            Format::Json => {
                let document = json::document(self.manifest, &self.view);
                out.write_all(document.as_bytes())
            }
        }
    }
}
