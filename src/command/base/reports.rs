//! The reports of a run: read from its records, written into its folder, printed.
//!
//! Owns which file holds which format. Must not know the contents of a report. Invariant: lines that are no
//! samples are reported and counted, and the rest is read.

use std::io::{self, IsTerminal as _, Write};
use std::path::Path;

use crate::record::{JournalError, LineProblem, Manifest, Run, RunError};
use crate::report::github::summary;
use crate::report::{self, PageAnswers, Report, SAMPLES_CSV, Style};
use crate::suite::OnInconclusive;
use crate::threads::{Threads, join};
use crate::verdict::{Evaluation, FoldedRun, GateStatus, PastRuns};

use super::failure::Failure;
use super::history::past_of;
use super::samples;
use super::stdio::{colour, stderr, unicode};

/// The formats that can be printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // The formats are documented by `--help` and in their own files.
pub enum Format {
    Terminal,
    Markdown,
    Html,
    Csv,
    SamplesCsv,
    Json,
    Junit,
    Summary,
    Hlog,
}

/// Prints one format of a report.
pub(in crate::command) fn print(
    report: &Report<'_>,
    format: Format,
    mut out: impl Write,
) -> Result<(), Failure> {
    let file = match format {
        Format::Terminal => return show(report, false, out),
        Format::Summary => {
            out.write_all(summary(&report.job_summary()).as_bytes())?;
            return Ok(out.flush()?);
        }
        Format::Markdown => report::ReportFormat::Markdown,
        Format::Html => report::ReportFormat::Html,
        Format::Json => report::ReportFormat::Json,
        Format::Junit => report::ReportFormat::Junit,
        Format::Hlog => report::ReportFormat::Histograms,
        Format::Csv | Format::SamplesCsv => report::ReportFormat::ComparisonCsv,
    };
    report.write(file, &mut out)?;
    Ok(out.flush()?)
}

/// The texts that the page of a report holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::command) enum PageTexts {
    /// None: the page can be passed on.
    None,
    /// Prompts and answers.
    Answers,
}

/// Writes every generated file of a run's folder, and returns their report.
pub(in crate::command) fn make_files<'m>(
    run: &Run,
    manifest: &'m Manifest,
) -> Result<Report<'m>, Failure> {
    make_files_with_texts(run, manifest, PageTexts::None)
}

/// The same, with the texts that the page holds.
pub(in crate::command) fn make_files_with_texts<'m>(
    run: &Run,
    manifest: &'m Manifest,
    texts: PageTexts,
) -> Result<Report<'m>, Failure> {
    let past = past(run, manifest)?;
    let mut read = None;
    let samples_csv = run.prepare(SAMPLES_CSV, |file| {
        read = Some(samples::read_with_rows(run, manifest, file));
        Ok(())
    })?;
    let folded = read.expect("the file was filled, or an error was returned")?;
    // The old file may be large, and its space is freed.
    let (put, report) = join(
        || run.put(samples_csv),
        || to_report(run, manifest, (folded, past), texts),
    );
    put?;
    let report = report?;
    let files = Threads::for_processors().map(report.files(), |format| {
        run.write(format.file_name(), |file| report.write(format, file))
    });
    files.into_iter().collect::<Result<(), RunError>>()?;
    Ok(report)
}

/// Prints the result of a run as suits standard output, with everything else if `verbose`.
pub(in crate::command) fn show(
    report: &Report<'_>,
    verbose: bool,
    mut out: impl Write,
) -> Result<(), Failure> {
    let style = style();
    let mut text = report.terminal(style);
    if verbose {
        text.push_str(&report.terminal_details(style));
    }
    if io::stdout().is_terminal() && !unicode() {
        text = report::ascii(&text);
    }
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// Prints where the rest of a report is; on standard error, so that piped output is the result alone.
pub(in crate::command) fn print_more(folder: &Path, verbose: bool) -> Result<(), Failure> {
    let page = folder.join(report::ReportFormat::Html.file_name());
    let verbose = if verbose { "" } else { "--verbose, or " };
    Ok(writeln!(stderr(), "More: {verbose}{}", page.display())?)
}

/// Colour and width that suit standard output: `COLUMNS`, else the terminal's width, else no limit.
pub(in crate::command) fn style() -> Style {
    let out = io::stdout();
    let columns = std::env::var("COLUMNS").ok();
    let columns = columns.and_then(|text| text.parse().ok());
    let columns = columns.filter(|width| *width >= MIN_COLUMNS);
    let terminal = || {
        let size = terminal_size::terminal_size_of(&out);
        size.map(|(width, _)| usize::from(width.0))
    };
    Style {
        colour: colour(&out),
        width: columns.or_else(terminal).unwrap_or(usize::MAX),
    }
}

/// Smallest width that `COLUMNS` can ask for.
const MIN_COLUMNS: usize = 20;

/// Reads a run's samples once, with the texts that the page holds. Lines that are no samples are reported, counted in the
/// report, and skipped: the rest of the run is still worth reading.
pub(in crate::command) fn read<'m>(
    run: &Run,
    manifest: &'m Manifest,
    texts: PageTexts,
) -> Result<Report<'m>, Failure> {
    let past = past(run, manifest)?;
    let folded = samples::read(run, manifest)?;
    to_report(run, manifest, (folded, past), texts)
}

/// Prints `samples.csv`, for which no report is made; a damaged run is refused as for one.
pub(in crate::command) fn print_samples(
    run: &Run,
    manifest: &Manifest,
    out: impl Write,
) -> Result<(), Failure> {
    past(run, manifest)?;
    samples::read_with_rows(run, manifest, out)?;
    Ok(())
}

/// The report of a run that was read, with the history that it was judged by.
fn to_report<'m>(
    run: &Run,
    manifest: &'m Manifest,
    (folded, past): (FoldedRun, Option<PastRuns>),
    texts: PageTexts,
) -> Result<Report<'m>, Failure> {
    let report = Report::from_folded(manifest, folded, past.as_ref());
    Ok(match texts {
        PageTexts::None => report,
        PageTexts::Answers => report.with_answers(page_answers(run, manifest)?),
    })
}

/// The texts for the page. Lines that cannot be read were reported before.
fn page_answers(run: &Run, manifest: &Manifest) -> Result<PageAnswers, Failure> {
    let mut answers = PageAnswers::new(manifest);
    for sample in run.samples()? {
        match sample {
            Ok(sample) => answers.add(&sample),
            Err(JournalError::Line { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(answers)
}

/// The history that the run was judged by, with a warning about lines that are cut off.
fn past(run: &Run, manifest: &Manifest) -> Result<Option<PastRuns>, Failure> {
    let read = run.past().map_err(|error| {
        let folder = run.folder().display();
        if let RunError::Journal(JournalError::Line {
            problem: LineProblem::Newer { .. },
            ..
        }) = error
        {
            return Failure::usage(format!("{error}\n  report the run with that one"));
        }
        Failure::usage(format!(
            "{error}\n  the past that the run was judged by is damaged: restore {folder}/past.jsonl from a copy, or delete it to report the run without its history"
        ))
    })?;
    let Some(history) = read else {
        return Ok(None);
    };
    for line in history.truncated_lines() {
        writeln!(
            stderr(),
            "warning: past.jsonl:{line} is incomplete: what it held of the past is not judged by"
        )?;
    }
    Ok(Some(past_of(&history, manifest)))
}

/// Warns about a history that could not judge the run, also where inconclusive verdicts pass: a gate that compares
/// nothing must not look like one that passes.
pub(in crate::command) fn warn_of_incomparable(evaluation: &Evaluation) -> io::Result<()> {
    for incomparable in evaluation.incomparable() {
        writeln!(stderr(), "warning: {incomparable}")?;
    }
    Ok(())
}

/// Warns about inconclusive gated comparisons, if the suite requests a warning instead of a failure.
pub(in crate::command) fn warn_of_inconclusive(
    passing: GateStatus,
    mode: OnInconclusive,
) -> io::Result<()> {
    if passing == GateStatus::Inconclusive && mode == OnInconclusive::Warn {
        writeln!(
            stderr(),
            "warning: inconclusive: some gated comparisons are inconclusive; nothing fails"
        )?;
    }
    Ok(())
}
