//! `bakeoff report`: the reports of a run, made again from its records.

use std::io::{BufWriter, Write as _};
use std::path::PathBuf;

use crate::record::Run;
use crate::report::ReportFormat;

use super::base::exit;
use super::base::failure::Failure;
pub use super::base::reports::Format;
use super::base::reports::{
    PageTexts, make_files_with_texts, print, print_more, print_samples, read, show,
};
use super::base::stdio::{stderr, stdout};
use super::base::viewer;

/// The options of `bakeoff report`.
#[derive(Debug)]
pub struct Options {
    /// Folder of the run, or a `latest`.
    pub run: PathBuf,
    /// Print this instead of writing files.
    pub format: Option<Format>,
    /// Print everything, not the result alone.
    pub verbose: bool,
    /// Put prompts and answers into the page.
    pub with_answers: bool,
    /// Show the page in a browser.
    pub open: bool,
    /// Send the run to this receiver instead.
    #[cfg(feature = "otel")]
    pub otlp: Option<super::otlp::OtlpTarget>,
}

/// Carries out `bakeoff report`.
pub(crate) fn execute(options: &Options) -> Result<u8, Failure> {
    let run = Run::open(&options.run)?;
    let manifest = if options.with_answers {
        run.manifest()?
    } else {
        run.manifest_for_reports()?
    };
    #[cfg(feature = "otel")]
    if let Some(target) = &options.otlp {
        super::otlp::send(&run, &manifest, target)?;
        return Ok(exit::DONE);
    }
    let out = BufWriter::new(stdout());
    let texts = if options.with_answers {
        PageTexts::Answers
    } else {
        PageTexts::None
    };
    if options.with_answers && !manifest.suite.keep_answers {
        writeln!(
            stderr(),
            "note: this run has no answers, because its suite has keep_answers = false; the page holds its prompts"
        )?;
    }
    match options.format {
        None => {
            let report = make_files_with_texts(&run, &manifest, texts)?;
            show(&report, options.verbose, out)?;
            print_more(&options.run, options.verbose)?;
            if options.open {
                viewer::open(&run.folder().join(ReportFormat::Html.file_name()))?;
            }
        }
        Some(Format::SamplesCsv) => print_samples(&run, &manifest, out)?,
        Some(format) => {
            let report = read(&run, &manifest, texts)?;
            print(&report, format, out)?;
        }
    }
    Ok(exit::DONE)
}
