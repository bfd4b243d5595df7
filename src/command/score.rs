//! `bakeoff score`: the answers of a run are graded after the run.
//!
//! Owns which file of grades is read, and the messages about it. Must not know what a grade means. Invariant:
//! either every line of a file is stored, or nothing is.

use std::fmt::Write as _;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use crate::record::{ExternalGrades, Run, ScoreProblem, TrialIndex, read_scores};
use crate::units::plural;

use super::base::failure::Failure;
use super::base::reports::{make_files, print_more, show};
use super::base::samples::SampleReader;
use super::base::stdio::{stderr, stdout};
use super::base::{exit, files};

/// Bad lines that are printed; the others are counted.
const PROBLEMS_PRINTED: usize = 10;

/// The options of `bakeoff score`.
#[derive(Debug)]
pub struct Options {
    /// Folder of the run, or a `latest`.
    pub run: PathBuf,
    /// File with the grades of another program.
    pub from: PathBuf,
    /// The score from which a row without `pass` passes.
    pub pass_at: f64,
}

/// Carries out `bakeoff score`.
pub(crate) fn execute(options: &Options) -> Result<u8, Failure> {
    let run = Run::open(&options.run)?;
    let manifest = run.manifest()?;
    let text = files::text(&options.from)?;
    let trials = index_trials(&run)?;
    let read = read_scores(&text, &trials, options.pass_at);
    let grades = read.map_err(|problems| to_failure(&options.from, &problems))?;
    let mut journal = run.amend()?;
    journal.append_all(&grades.amendments)?;
    journal.sync()?;
    print_counts(&grades)?;
    let report = make_files(&run, &manifest)?;
    show(&report, false, BufWriter::new(stdout()))?;
    print_more(&options.run, false)?;
    Ok(exit::DONE)
}

fn index_trials(run: &Run) -> Result<TrialIndex, Failure> {
    let mut samples = SampleReader::open(run)?;
    let mut trials = TrialIndex::default();
    // A line that is no sample has no trial to grade; the reader warns about it.
    samples
        .by_ref()
        .flatten()
        .for_each(|sample| trials.add(&sample));
    samples.end()?;
    Ok(trials)
}

fn to_failure(file: &Path, problems: &[ScoreProblem]) -> Failure {
    let file = file.display();
    let mut message = format!(
        "no grade was stored: {} of `{file}` {} wrong",
        plural(problems.len(), "line"),
        if problems.len() == 1 { "is" } else { "are" }
    );
    for problem in problems.iter().take(PROBLEMS_PRINTED) {
        let _ = write!(message, "\n  {file}:{}: {}", problem.line, problem.text);
    }
    if problems.len() > PROBLEMS_PRINTED {
        let _ = write!(
            message,
            "\n  and {} more",
            problems.len() - PROBLEMS_PRINTED
        );
    }
    Failure::usage(message)
}

fn print_counts(grades: &ExternalGrades) -> Result<(), Failure> {
    let rows: usize = grades.amendments.iter().map(|one| one.grades.len()).sum();
    let answers = plural(grades.amendments.len(), "answer");
    let mut err = stderr();
    writeln!(err, "Stored {} of {answers}", plural(rows, "grade"))?;
    if grades.skipped > 0 {
        writeln!(
            err,
            "note: {} of failed trials skipped: an error is no wrong answer",
            plural(grades.skipped, "line")
        )?;
    }
    Ok(())
}
