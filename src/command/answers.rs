//! `bakeoff answers`: the answers of a run, all models side by side.

use std::collections::HashSet;
use std::io::Write as _;
use std::path::PathBuf;

use crate::private_file;
use crate::record::Run;
use crate::report::{AnswerOptions, AnswerPages, Style};
use crate::suite::named;

use super::base::exit;
use super::base::failure::Failure;
use super::base::reports::style;
use super::base::samples::SampleReader;
use super::base::stdio::{stderr, stdout};

/// The options of `bakeoff answers`.
#[derive(Debug)]
pub struct Options {
    /// Folder of the run, or a `latest`.
    pub run: PathBuf,
    /// Ids or globs of prompts; none: all.
    pub prompts: Vec<String>,
    /// Only prompts and repetitions of which a model's answer did not pass.
    pub failed: bool,
    /// Show differences from the reference's answers.
    pub diff: bool,
    /// File to write to, for its owner alone; absent: standard output.
    pub output: Option<PathBuf>,
}

/// Carries out `bakeoff answers`.
pub(crate) fn execute(options: &Options) -> Result<u8, Failure> {
    let run = Run::open(&options.run)?;
    let manifest = run.manifest()?;
    let suite = &manifest.suite;
    if !suite.keep_answers {
        return Err(Failure::usage(format!(
            "{} has no answers: its suite has `keep_answers = false`\n  remove that key and run the suite again",
            manifest.run
        )));
    }
    let ids = suite.prompts.iter().map(|prompt| prompt.id.as_str());
    let mut selected: HashSet<&str> = HashSet::new();
    for text in &options.prompts {
        let found = named("prompt", text, ids.clone());
        selected.extend(found.map_err(|error| Failure::usage(error.to_string()))?);
    }
    let mut pages = AnswerPages::new(&manifest);
    let mut samples = SampleReader::open(&run)?;
    for sample in samples.by_ref().flatten() {
        if options.prompts.is_empty() || selected.contains(sample.prompt.as_str()) {
            pages.add(&sample);
        }
    }
    samples.end()?;
    let shown = AnswerOptions {
        failed: options.failed,
        diff: options.diff,
    };
    let style = match options.output {
        Some(_) => Style {
            colour: false,
            width: usize::MAX,
        },
        None => style(),
    };
    let Some(text) = pages.render(style, shown) else {
        let what = if options.failed {
            "no graded answer failed"
        } else {
            "the run has no samples"
        };
        writeln!(stderr(), "note: {what}")?;
        return Ok(exit::DONE);
    };
    match &options.output {
        Some(path) => private_file::create(path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|error| {
                Failure::usage(format!("cannot write `{}`: {error}", path.display()))
            })?,
        None => stdout().write_all(text.as_bytes())?,
    }
    Ok(exit::DONE)
}
