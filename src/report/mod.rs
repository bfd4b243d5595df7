//! Rendering: one view of a run, many formats.
//!
//! Owns every format that is derived from records. Must not know where samples come from nor where
//! reports are written. Invariant: a report is a pure function of manifest and samples, byte for byte, and
//! the same number stands in every format.

mod agreement;
mod alerts;
mod aligned;
mod answers;
mod asserts;
mod caching;
mod calibration;
mod columns;
mod compared;
mod csv;
mod estimate;
mod figure;
mod forecast;
mod frontier;
pub mod github;
pub mod history_power;
mod hlog;
mod html;
mod instrument;
mod json;
mod junit;
mod limit_wording;
mod lint;
mod live;
mod load;
mod markdown;
pub mod models;
mod models_json;
#[cfg(feature = "otel")]
mod otlp;
mod output_tokens;
mod plan;
pub mod preflight;
mod problems;
mod prompt_effects;
mod recommendations;
mod retirement;
mod runs;
mod screen;
mod sizes;
mod sparkline;
pub mod spend;
mod spread;
pub mod suite_check;
mod switch;
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
use crate::verdict::{Evaluation, FoldedRun, PastRuns, PromptSummaries, RunSummary, RunTimings};

pub use agreement::agreement_table;
pub use alerts::Alert;
pub use answers::{AnswerOptions, AnswerPages};
pub use caching::CachingSection;
pub use calibration::calibration_text;
pub use compared::ComparisonReport;
pub use csv::SampleRows;
pub use estimate::{EstimateDocument, EstimateView, actual_cost_line, grader_lines};
pub use figure::{Figure, FigureCell, Probability, Thousandths};
pub use forecast::{ForecastDocument, ForecastView};
pub use html::{IndexEntry, PageAnswers, history_page, index_page};
pub use json::{Document, VerdictsDocument};
pub use lint::{lint_sentence, model_sentence};
pub use live::{LiveModel, LiveRun, TREND_PARTS};
pub use load::LoadSection;
pub use models_json::{
    ModelDocument, ModelShownDocument, ModelsDiffDocument, ModelsDocument, OfferDocument,
};
#[cfg(feature = "otel")]
pub use otlp::{GenAiNames, OtlpFold, OtlpMessage};
pub use output_tokens::Outputs;
pub use plan::{PlanDocument, PlanListing};
pub use problems::RunProblem;
pub use recommendations::RecommendationText;
pub use retirement::{retirement_line, retirement_lines};
pub use runs::{PruneDocument, Pruning, RunsDocument, prune_lines, runs_table};
pub use screen::{GateLine, ResultScreen};
pub use sizes::SizesDocument;
pub use spread::SpreadColumn;
pub use switch::SwitchText;
pub use table::{Column, ColumnDisplay, FigureTable};
pub use terminal::Style;
pub use text::ascii;
pub use trends::{Trends, TrendsDocument};
pub use verdicts::{ComparisonText, LimitText, Section, Verdicts};
pub use verification::{
    IgnoredParameter, IncompleteTrial, PROBE_RULES, ParameterCheck, ParameterVerdict, ProbeCost,
    VerificationDocument,
};
pub use view::{View, embeddings_line, judging_line};

/// Name of the file with one row per sample, which [`Report::read`] writes while it reads samples.
pub const SAMPLES_CSV: &str = "samples.csv";

/// A format of the whole report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportFormat {
    /// One row per variant with every figure, as CSV.
    ComparisonCsv,
    /// Markdown, to paste into a pull request.
    Markdown,
    /// One page with charts, for a browser.
    Html,
    /// Interval log for HdrHistogram's tools.
    Histograms,
    /// JSON, for other programs.
    Json,
    /// One row per stage of a load and variant, as CSV; empty for a run without one.
    LoadCsv,
    /// JUnit XML for CI servers: one test case per comparison that can fail, and per limit.
    Junit,
}

impl ReportFormat {
    /// The formats that a run's folder holds.
    pub const FILES: [Self; 5] = [
        Self::ComparisonCsv,
        Self::Markdown,
        Self::Html,
        Self::Junit,
        Self::Histograms,
    ];

    /// Name of the file in a run's folder.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::ComparisonCsv => "comparison.csv",
            Self::Markdown => "report.md",
            Self::Html => "report.html",
            Self::Histograms => "histograms.hlog",
            Self::Json => "comparison.json",
            Self::LoadCsv => "load.csv",
            Self::Junit => "junit.xml",
        }
    }
}

/// The report of a run.
#[derive(Debug)]
pub struct Report<'a> {
    manifest: &'a Manifest,
    summary: RunSummary,
    evaluation: Evaluation,
    timings: RunTimings,
    answers: Option<PageAnswers>,
    view: View,
    /// Warnings about models that retire.
    retirements: Vec<String>,
}

impl<'a> Report<'a> {
    /// Reads the samples of a run once, in any order, judges them (also against the history that is stored
    /// with the run, if there is one), and writes `samples.csv` on the way (use [`io::sink`] to discard it).
    ///
    /// # Errors
    /// An error for which `is_lost_line` returns true is one damaged line of the journal: it is counted,
    /// reported and skipped. Any other error is returned.
    pub fn read<E: From<io::Error>>(
        manifest: &'a Manifest,
        samples: impl IntoIterator<Item = Result<Sample, E>>,
        is_lost_line: impl Fn(&E) -> bool,
        past: Option<&PastRuns>,
        mut samples_csv: impl io::Write,
    ) -> Result<Self, E> {
        let mut rows = SampleRows::default();
        samples_csv.write_all(SampleRows::header().as_bytes())?;
        let row = |sample: &Sample| {
            rows.add(sample);
            Ok(samples_csv.write_all(rows.take().as_bytes())?)
        };
        let folded = FoldedRun::read(manifest, samples, is_lost_line, row)?;
        samples_csv.flush()?;
        Ok(Self::from_folded(manifest, folded, past))
    }

    /// Judges the samples of a run that were read, also against the history that is stored with the run, if there is one.
    pub fn from_folded(manifest: &'a Manifest, folded: FoldedRun, past: Option<&PastRuns>) -> Self {
        let FoldedRun {
            evidence,
            mut summary,
        } = folded;
        let evaluation = Evaluation::from_run(manifest, &evidence, past);
        summary.truncated_history_lines = past.map_or(0, |past| past.truncated_lines.len() as u64);
        Self::new(manifest, summary, evaluation, RunTimings::new(evidence))
    }

    /// Creates the report of existing figures, judgements and times.
    pub fn new(
        manifest: &'a Manifest,
        summary: RunSummary,
        evaluation: Evaluation,
        timings: RunTimings,
    ) -> Self {
        let prompts = PromptSummaries::new(&summary.prompts, &timings);
        let view = View::new(manifest, &summary, &evaluation, prompts);
        Self {
            manifest,
            summary,
            evaluation,
            timings,
            answers: None,
            view,
            retirements: retirement_lines(manifest),
        }
    }

    /// The same report, whose page holds these texts.
    #[must_use]
    pub fn with_answers(mut self, answers: PageAnswers) -> Self {
        self.answers = Some(answers.fitted());
        self
    }

    /// The evaluation, with the status of the build.
    pub const fn evaluation(&self) -> &Evaluation {
        &self.evaluation
    }

    /// The summary for a GitHub job.
    pub fn job_summary(&self) -> github::JobSummary<'_> {
        github::JobSummary {
            suite: &self.view.suite,
            scope: &self.view.run,
            prices_date: self.view.prices_date.as_deref(),
            warning: self.view.warning.as_deref(),
            screen: Some(&self.view.screen),
            verdicts: &self.view.verdicts,
            retirements: &self.retirements,
        }
    }

    /// The formats that the folder of this run holds.
    pub fn files(&self) -> impl Iterator<Item = ReportFormat> {
        let load = self.view.load.as_ref().map(|_| ReportFormat::LoadCsv);
        ReportFormat::FILES.into_iter().chain(load)
    }

    /// The view that every format is rendered from.
    pub const fn view(&self) -> &View {
        &self.view
    }

    /// The figures of the run.
    pub const fn summary(&self) -> &RunSummary {
        &self.summary
    }

    /// Renders the result of the run for a terminal: what a reader needs to act.
    pub fn terminal(&self, style: Style) -> String {
        terminal::screen(&self.view, style)
    }

    /// Renders everything else for a terminal: intervals, exploratory comparisons, problems, legends.
    pub fn terminal_details(&self, style: Style) -> String {
        terminal::details(&self.view, style)
    }

    /// The figures of each prompt.
    pub const fn prompts(&self) -> PromptSummaries<'_> {
        PromptSummaries::new(&self.summary.prompts, &self.timings)
    }

    /// Writes the page with charts.
    fn write_html(&self, out: impl io::Write) -> io::Result<()> {
        let page = html::RunPage {
            manifest: self.manifest,
            view: &self.view,
            summary: &self.summary,
            prompts: self.prompts(),
            evaluation: &self.evaluation,
            timings: &self.timings,
            answers: self.answers.as_ref(),
            speed: screen::speed_metric(&self.summary, &self.evaluation),
        };
        page.write(out)
    }

    /// Writes one format.
    pub fn write(&self, format: ReportFormat, mut out: impl io::Write) -> io::Result<()> {
        match format {
            ReportFormat::ComparisonCsv => csv::write_table(&self.view.comparison, out),
            ReportFormat::Markdown => out.write_all(markdown::page(&self.view).as_bytes()),
            ReportFormat::Html => self.write_html(out),
            ReportFormat::LoadCsv => match &self.view.load {
                Some(load) => csv::write_table(&load.table, out),
                None => Ok(()),
            },
            ReportFormat::Histograms => hlog::write_log(self.manifest, &self.summary, out),
            ReportFormat::Junit => {
                let view = &self.view;
                let status = junit::RunHeader {
                    status: view.status,
                    warning: view.warning.as_deref(),
                    prices_date: view.prices_date.as_deref(),
                    screen: &view.screen,
                };
                let simulated = view.screen.simulated.as_deref();
                let cases = junit::document(&view.suite, Some(status), simulated, &view.verdicts);
                out.write_all(cases.as_bytes())
            }
            ReportFormat::Json => {
                let figures = (&self.summary, self.prompts());
                json::write_document(self.manifest, &self.view, figures, out)
            }
        }
    }
}
