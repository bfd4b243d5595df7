//! `bakeoff report`: the reports of a run, made again from its records.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::record::{JournalError, Manifest, Run, RunError};
use crate::report::{self, Report, SAMPLES_CSV, Style};

use super::{Failure, colour, exit};

/// Lines that cannot be read are told one by one up to this many.
const LINES_TOLD: usize = 5;

/// What `bakeoff report` was told.
#[derive(Debug)]
pub struct Options {
    /// Folder of the run, or a `latest`.
    pub run: PathBuf,
    /// Print this instead of writing files.
    pub format: Option<Format>,
}

/// What can be printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // The formats are documented by `--help` and in their own files.
pub enum Format {
    Terminal,
    Markdown,
    Csv,
    SamplesCsv,
    Json,
    Hlog,
}

/// Carries out `bakeoff report`.
pub(super) fn execute(options: &Options) -> Result<u8, Failure> {
    let run = Run::open(&options.run)?;
    let manifest = run.manifest()?;
    let out = BufWriter::new(io::stdout().lock());
    match options.format {
        None => {
            let report = make_files(&run, &manifest)?;
            show(&report, out)?;
            tell_paths(&options.run)?;
        }
        Some(Format::SamplesCsv) => {
            read(&run, &manifest, out)?;
        }
        Some(format) => print(&read(&run, &manifest, io::sink())?, format, out)?,
    }
    Ok(exit::DONE)
}

/// Prints one format of a report.
pub(super) fn print(
    report: &Report<'_>,
    format: Format,
    mut out: impl Write,
) -> Result<(), Failure> {
    let file = match format {
        Format::Terminal => return show(report, out),
        Format::Markdown => report::Format::Markdown,
        Format::Json => report::Format::Json,
        Format::Hlog => report::Format::Histograms,
        Format::Csv | Format::SamplesCsv => report::Format::ComparisonCsv,
    };
    report.write(file, &mut out)?;
    Ok(out.flush()?)
}

/// Writes every made file of a run's folder, and returns the report they tell.
pub(super) fn make_files<'m>(run: &Run, manifest: &'m Manifest) -> Result<Report<'m>, Failure> {
    let mut made = None;
    run.write(SAMPLES_CSV, |file| {
        made = Some(read(run, manifest, file));
        Ok(())
    })?;
    let report = made.expect("the file was filled, or an error was returned")?;
    for format in report::Format::FILES {
        run.write(format.file_name(), |file| report.write(format, file))?;
    }
    Ok(report)
}

/// Prints the comparison as suits standard output.
pub(super) fn show(report: &Report<'_>, mut out: impl Write) -> Result<(), Failure> {
    out.write_all(report.terminal(style()).as_bytes())?;
    Ok(out.flush()?)
}

/// Says where the files of a run are; on standard error, so that what is piped on is the result.
pub(super) fn tell_paths(folder: &Path) -> Result<(), Failure> {
    let mut err = io::stderr();
    for name in report::Format::FILES
        .map(report::Format::file_name)
        .into_iter()
        .chain([SAMPLES_CSV])
    {
        writeln!(err, "  {}", folder.join(name).display())?;
    }
    Ok(())
}

/// Columns of a text that is piped on: enough that nothing is left out.
const COLUMNS_PIPED: usize = 200;

/// Colour and width that suit standard output.
pub(super) fn style() -> Style {
    let out = io::stdout();
    let width = terminal_size::terminal_size_of(&out).map(|(width, _)| usize::from(width.0));
    Style {
        colour: colour(&out),
        width: width.unwrap_or(COLUMNS_PIPED),
    }
}

/// Reads a run's samples once. Lines that are no samples are told, counted in the report, and read
/// past: the rest of the run is still worth reading.
fn read<'m>(
    run: &Run,
    manifest: &'m Manifest,
    samples_csv: impl Write,
) -> Result<Report<'m>, Failure> {
    let mut samples = run.samples()?;
    let mut lost = 0;
    let told = samples.by_ref().map(|sample| {
        sample.map_err(|error| {
            if let JournalError::Line { .. } = error {
                lost += 1;
                if lost <= LINES_TOLD {
                    // With standard error gone there is nobody left to tell.
                    let _ = writeln!(io::stderr(), "warning: {error}; it is left out");
                }
            }
            ReadError::Journal(error)
        })
    });
    let is_lost_line =
        |error: &ReadError| matches!(error, ReadError::Journal(JournalError::Line { .. }));
    let report = Report::read(manifest, told, is_lost_line, samples_csv)?;
    let mut err = io::stderr();
    if lost > LINES_TOLD {
        writeln!(
            err,
            "warning: {} further lines are left out",
            lost - LINES_TOLD
        )?;
    }
    if let Some(line) = samples.torn() {
        writeln!(
            err,
            "note: line {line} of the samples was never finished; it is left out"
        )?;
    }
    Ok(report)
}

/// Why a run could not be read to its end.
enum ReadError {
    /// The journal failed.
    Journal(JournalError),
    /// What is made on the way could not be written.
    Made(io::Error),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Made(error)
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Journal(error) => error.into(),
            ReadError::Made(error) => error.into(),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        Self::usage(error.to_string())
    }
}
