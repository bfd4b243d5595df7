//! `bakeoff score`: the answers of a run are graded after the run.
//!
//! Owns the source of the grades (a file of another program, or the asserts of a suite) and the messages about
//! it. Must not know what a grade means. Invariant: either every line of a file is stored, or nothing is.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use crate::grade::Grader;
use crate::record::{
    Amendment, ExternalGrades, Manifest, Run, ScoreProblem, TrialIndex, read_scores,
};
use crate::suite::{Suite, prompt_canonical};
use crate::units::{digest, plural};

use super::base::boundary::Reach;
use super::base::failure::Failure;
use super::base::reports::{make_files, print_more, show};
use super::base::samples::SampleReader;
use super::base::stdio::{stderr, stdout};
use super::base::{exit, files};

/// Bad lines that are printed; the others are counted.
const PROBLEMS_PRINTED: usize = 10;

/// Amendments that are written at once.
const BATCH: usize = 1_000;

/// The options of `bakeoff score`.
#[derive(Debug)]
pub struct Options {
    /// Folder of the run, or a `latest`.
    pub run: PathBuf,
    /// The source of the grades.
    pub source: GradeSource,
}

/// A source of grades.
#[derive(Debug)]
pub enum GradeSource {
    /// The grades of another program.
    File {
        /// The file.
        path: PathBuf,
        /// The score from which a row without `pass` passes.
        pass_at: f64,
    },
    /// The asserts of a suite.
    Suite {
        /// The suite.
        path: PathBuf,
        /// Read files outside the project that the suite names.
        allow_outside: bool,
    },
}

/// Carries out `bakeoff score`.
pub(crate) fn execute(options: &Options) -> Result<u8, Failure> {
    let run = Run::open(&options.run)?;
    let manifest = run.manifest()?;
    match &options.source {
        GradeSource::File { path, pass_at } => store_scores(&run, path, *pass_at)?,
        GradeSource::Suite {
            path,
            allow_outside,
        } => {
            let suite = files::suite(path, Reach::from_flag(*allow_outside))?;
            regrade(&run, &manifest, &suite, path)?;
        }
    }
    let report = make_files(&run, &manifest)?;
    show(&report, false, BufWriter::new(stdout()))?;
    print_more(&options.run, false)?;
    Ok(exit::DONE)
}

/// Stores the grades of another program.
fn store_scores(run: &Run, file: &Path, pass_at: f64) -> Result<(), Failure> {
    let text = files::text(file)?;
    let trials = index_trials(run)?;
    let read = read_scores(&text, &trials, pass_at);
    let grades = read.map_err(|problems| to_failure(file, &problems))?;
    let mut journal = run.amend()?;
    journal.append_all(&grades.amendments)?;
    journal.sync()?;
    print_counts(&grades)
}

/// What was regraded.
#[derive(Default)]
struct RegradeCounts {
    answers: usize,
    grades: usize,
    /// Prompts of the run that the suite does not grade.
    ungraded: BTreeSet<String>,
    /// Prompts whose content differs from what the run sent.
    changed: BTreeSet<String>,
}

/// Grades every answer of a run by the asserts of a suite; earlier grades of a suite are replaced. Sends nothing.
fn regrade(run: &Run, manifest: &Manifest, suite: &Suite, file: &Path) -> Result<(), Failure> {
    let name = file.display();
    let Some(grader) = Grader::new(suite) else {
        return Err(Failure::usage(format!(
            "no prompt of `{name}` has an `assert`: there is nothing to grade by"
        )));
    };
    if !manifest.suite.keep_answers {
        let message = "the run stored no answers (`keep_answers = false`): they can only be graded during a run";
        return Err(Failure::usage(message));
    }
    let digests = suite.prompts.iter().map(|prompt| {
        let canonical = prompt_canonical(suite, prompt);
        (prompt.id.as_str(), digest(canonical.as_bytes()))
    });
    let digests: HashMap<&str, String> = digests.collect();
    let mut counts = RegradeCounts::default();
    let mut journal = run.amend()?;
    let mut batch = Vec::new();
    let mut samples = SampleReader::open(run)?;
    // A line that is no sample has no answer to grade; the reader warns about it.
    for sample in samples.by_ref().flatten() {
        let Some((rows, pass_threshold)) = grader.grades(&sample) else {
            if sample.outcome.is_gradable() {
                counts.ungraded.insert(sample.prompt);
            }
            continue;
        };
        if digests.get(sample.prompt.as_str()) != Some(&sample.prompt_digest) {
            counts.changed.insert(sample.prompt);
        }
        counts.answers += 1;
        counts.grades += rows.len();
        batch.push(Amendment {
            version: Amendment::VERSION,
            trial: sample.trial,
            grades: rows,
            pass_threshold,
            regraded: true,
            ..Amendment::default()
        });
        if batch.len() == BATCH {
            journal.append_all(&batch)?;
            batch.clear();
        }
    }
    samples.end()?;
    journal.append_all(&batch)?;
    journal.sync()?;
    if counts.answers == 0 {
        return Err(Failure::usage(format!(
            "no answer of the run is to a prompt that `{name}` grades: prompts are found by their ids"
        )));
    }
    print_regraded(&counts, file)?;
    Ok(())
}

fn print_regraded(counts: &RegradeCounts, file: &Path) -> io::Result<()> {
    let (mut err, file) = (stderr(), file.display());
    writeln!(
        err,
        "Stored {} of {}",
        plural(counts.grades, "grade"),
        plural(counts.answers, "answer")
    )?;
    if !counts.ungraded.is_empty() {
        let prompts = plural(counts.ungraded.len(), "prompt");
        writeln!(err, "note: `{file}` does not grade {prompts} of the run")?;
    }
    if !counts.changed.is_empty() {
        let prompts = plural(counts.changed.len(), "prompt");
        writeln!(
            err,
            "warning: {prompts} of `{file}` differ from what the run sent: its answers may be to other questions"
        )?;
    }
    Ok(())
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
