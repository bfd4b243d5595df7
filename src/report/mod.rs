//! Telling it: one view of a run, many formats.
//!
//! Owns every format that is made from records. Must not know where samples come from nor where
//! reports go. Invariant: a report is a pure function of manifest and samples, byte for byte, and
//! the same number stands in every format.

mod caching;
mod columns;
mod compared;
mod csv;
mod estimate;
mod figure;
mod finding;
mod forecast;
pub mod github;
mod hlog;
mod json;
mod junit;
mod markdown;
pub mod models;
mod models_json;
mod output_tokens;
mod plan;
pub mod preflight;
mod problems;
mod runs;
mod sizes;
mod sparkline;
pub mod spend;
pub mod suite_check;
mod table;
mod terminal;
#[cfg(test)]
mod tests;
mod text;
mod trends;
mod verdict_tables;
mod verdicts;
mod verification;
mod view;
mod wording;

use std::io;

use crate::record::{Manifest, Sample};
use crate::verdict::{EvidenceFold, Judged, Past, RunSummary, Summaries};

pub use caching::CachingTold;
pub use compared::Compared;
pub use estimate::{EstimateDocument, EstimateView, came_to};
pub use figure::{Cell, Chance, Figure, Thousandths};
pub use forecast::{ForecastDocument, ForecastView};
pub use json::{Document, VerdictsDocument};
pub use models_json::{
    ModelDocument, ModelShownDocument, ModelsDiffDocument, ModelsDocument, OfferDocument,
};
pub use output_tokens::Outputs;
pub use plan::{Listing, PlanDocument};
pub use problems::Problem;
pub use runs::{PruneDocument, Pruning, RunsDocument, prune_lines, runs_table};
pub use sizes::SizesDocument;
pub use table::{Column, Shown, Table};
pub use terminal::Style;
pub use trends::{Trends, TrendsDocument};
pub use verdicts::{LimitTold, Section, Told, Verdicts};
pub use verification::{Incomplete, VerificationDocument};
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
    /// For CI servers: one test case per comparison that can fail, and limit.
    Junit,
}

impl Format {
    /// The formats that a run's folder holds.
    pub const FILES: [Self; 4] = [
        Self::ComparisonCsv,
        Self::Markdown,
        Self::Junit,
        Self::Histograms,
    ];

    /// Name of the file in a run's folder.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::ComparisonCsv => "comparison.csv",
            Self::Markdown => "report.md",
            Self::Histograms => "histograms.hlog",
            Self::Json => "comparison.json",
            Self::Junit => "junit.xml",
        }
    }
}

/// The report of a run.
#[derive(Debug)]
pub struct Report<'a> {
    manifest: &'a Manifest,
    summary: RunSummary,
    judged: Judged,
    view: View,
}

impl<'a> Report<'a> {
    /// Reads the samples of a run once, in any order, judges it (also against the past that is stored with
    /// it, where there is one), and writes `samples.csv` on the way (into [`io::sink`] where nobody wants it). An error that `is_lost_line` knows is one line of the
    /// journal: it is counted, told, and read past. Any other ends the reading.
    pub fn read<E: From<io::Error>>(
        manifest: &'a Manifest,
        samples: impl IntoIterator<Item = Result<Sample, E>>,
        is_lost_line: impl Fn(&E) -> bool,
        past: Option<&Past>,
        samples_csv: impl io::Write,
    ) -> Result<Self, E> {
        let mut rows = csv::SampleRows::new(samples_csv)?;
        let mut summaries = Summaries::new(manifest);
        let mut evidence = EvidenceFold::new(manifest);
        for sample in samples {
            match sample {
                Ok(sample) => {
                    rows.add(&sample)?;
                    summaries.add(&sample);
                    evidence.add(&sample);
                }
                Err(error) if is_lost_line(&error) => summaries.add_lost_line(),
                Err(error) => return Err(error),
            }
        }
        rows.finish()?;
        let judged = Judged::of_run(manifest, &evidence.snapshot(), past);
        let mut summary = summaries.finish();
        summary.torn_past = past.map_or(0, |past| past.torn.len() as u64);
        Ok(Self::new(manifest, summary, judged))
    }

    /// From figures and judgements that are already there.
    pub fn new(manifest: &'a Manifest, summary: RunSummary, judged: Judged) -> Self {
        let view = View::new(manifest, &summary, &judged);
        Self {
            manifest,
            summary,
            judged,
            view,
        }
    }

    /// What was judged, and what it says to a build.
    pub const fn judged(&self) -> &Judged {
        &self.judged
    }

    /// What a CI server is told.
    pub fn subject(&self) -> github::Subject<'_> {
        github::Subject {
            suite: &self.view.suite,
            what: &self.view.run,
            prices_date: self.view.prices_date.as_deref(),
            warning: self.view.warning.as_deref(),
            finding: &self.view.finding,
            verdicts: &self.view.verdicts,
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
            Format::Junit => {
                let view = &self.view;
                let went = junit::Went {
                    status: view.status,
                    warning: view.warning.as_deref(),
                    prices_date: view.prices_date.as_deref(),
                };
                let cases = junit::document(&view.suite, Some(went), &view.verdicts);
                out.write_all(cases.as_bytes())
            }
            Format::Json => {
                let document = json::document(self.manifest, &self.view);
                out.write_all(document.as_bytes())
            }
        }
    }
}
