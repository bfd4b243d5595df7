//! `bakeoff score`: the answers of a run are graded after the run.
//!
//! Owns the source of the grades (a file of another program, or the asserts of a suite) and the messages about
//! it. Must not know what a grade means. Invariant: either every line of a file is stored, or nothing is.

mod labels;

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::grade::Grader;
use crate::record::ledger::{self, LedgerLine};
use crate::record::{
    Amendment, ExternalGrades, JournalError, Judging, Manifest, RequestLog, Run, ScoreProblem,
    TrialIndex, read_scores,
};
use crate::suite::{Suite, prompt_canonical};
use crate::units::{Usd, digest, plural};

use super::base::boundary::Reach;
use super::base::failure::Failure;
use super::base::locks::LockPatience;
use super::base::model_list::ModelListState;
use super::base::reports::{make_files, print_more, show};
use super::base::samples::SampleReader;
use super::base::stdio::{stderr, stdout};
use super::base::{closing, exit, exposed, files};
use super::run::cost_cap::limit_before_run;
use super::run::deferred::{self, DeferredGrades, DeferredInputs, refuse_commands};
use super::run::job::{self, Job};
use super::run::resume::{EndpointFiles, open_again, reports_of};

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
    /// The labels of people, which grades are compared with.
    Labels {
        /// The file.
        path: PathBuf,
    },
    /// The asserts of a suite.
    Suite {
        /// The suite.
        path: PathBuf,
        /// Read files outside the project that the suite names.
        allow_outside: bool,
        /// The options of its judge and commands.
        deferred: DeferredOptions,
    },
}

/// The options of deferred checks.
#[derive(Debug, Default)]
pub struct DeferredOptions {
    /// Run the commands of the suite.
    pub allow_exec: bool,
    /// Maximum cost of the judge's requests.
    pub max_cost: Option<Usd>,
    /// Scenario of the embedded simulator.
    pub scenario: Option<PathBuf>,
    /// The project file.
    pub project: Option<PathBuf>,
}

/// Carries out `bakeoff score`.
pub(crate) fn execute(options: &Options) -> Result<u8, Failure> {
    let run = Run::open(&options.run)?;
    let mut is_whole = true;
    let manifest = match &options.source {
        GradeSource::File { path, pass_at } => {
            let manifest = run.manifest_for_reports()?;
            store_scores(&run, path, *pass_at)?;
            manifest
        }
        GradeSource::Labels { path } => {
            run.manifest_outline()?;
            return labels::compare(&run, path);
        }
        GradeSource::Suite {
            path,
            allow_outside,
            deferred,
        } => {
            let mut suite = files::suite(path, Reach::from_flag(*allow_outside))?;
            refuse_commands(&suite, deferred.allow_exec)?;
            let digests = prompt_digests(&suite);
            let has_deferred_checks = suite.has_deferred_checks();
            if !has_deferred_checks {
                // The manifest is read into the memory of the turns.
                suite.prompts.release_turns();
            }
            let mut manifest = run.manifest_for_reports()?;
            let counts = regrade(&run, &manifest, (&suite, digests), path)?;
            let later = if has_deferred_checks {
                let graded = grade_deferred(&run, &suite, deferred)?;
                manifest = run.manifest_for_reports()?;
                graded
            } else {
                DeferredGrades::default()
            };
            if counts.answers + later.graded + later.ungraded == 0 {
                let name = path.display();
                return Err(Failure::usage(format!(
                    "no answer of the run is to a prompt that `{name}` grades: prompts are found by their ids"
                )));
            }
            print_regraded(&counts, later.graded, path)?;
            is_whole = later.ungraded == 0;
            manifest
        }
    };
    let report = make_files(&run, &manifest)?;
    show(&report, false, BufWriter::new(stdout()))?;
    print_more(&options.run, false)?;
    Ok(if is_whole {
        exit::DONE
    } else {
        exit::INCOMPLETE
    })
}

/// Makes the deferred checks of an ended run; their cost is added to the manifest and the ledger.
fn grade_deferred(
    run: &Run,
    suite: &Suite,
    options: &DeferredOptions,
) -> Result<DeferredGrades, Failure> {
    let mut manifest = run.manifest()?;
    let log = match RequestLog::take_over(run.folder()) {
        Ok(log) => log.begin(None)?,
        Err(JournalError::Held { holder, .. }) => {
            return Err(closing::alive(run.folder(), holder.as_ref()));
        }
        Err(error) => return Err(error.into()),
    };
    let places = EndpointFiles {
        project: options.project.as_deref(),
        ca_file: None,
        scenario: options.scenario.as_deref(),
    };
    let (resolved, opened) = open_again(&manifest, &places)?;
    exposed::refuse(suite, Some(&resolved.profile))?;
    let job = Job::new(resolved, ModelListState::from_endpoint(&opened)?);
    let reports = reports_of(run.folder())?;
    let run_options = job::Options {
        max_cost: options.max_cost,
        output: reports.clone(),
        ..job::Options::default()
    };
    let simulated = opened.record.scenario.is_some();
    let limit = limit_before_run(&job, &run_options, simulated)?;
    let graded = deferred::grade(&DeferredInputs {
        run,
        name: &manifest.run,
        suite,
        job: &job,
        opened: &opened,
        limit: limit.map(|limit| (limit, Usd::ZERO)),
        log: Some(Arc::new(log)),
        only_new: false,
        quiet: false,
    })?;
    manifest.judging = Judging::sum(manifest.judging.take(), graded.judging.clone());
    manifest.embeddings = Judging::sum(manifest.embeddings.take(), graded.embeddings.clone());
    run.write_manifest(&manifest)?;
    let lines = ledger::read(&reports)?.lines.into_iter();
    // A run that was copied here has no line.
    if let Some(mut line) = lines.rev().find(|line| line.run == manifest.run) {
        line.version = LedgerLine::VERSION;
        line.add(graded.spending.clone(), graded.reserved);
        let mut patience = LockPatience::default();
        ledger::append(&reports, &line, &mut |lock| patience.wait(lock))?;
    }
    Ok(graded)
}

/// Stores the grades of another program.
fn store_scores(run: &Run, file: &Path, pass_at: f64) -> Result<(), Failure> {
    let text = files::text(file)?;
    let trials = index_trials(run)?;
    let read = read_scores(&text, &trials, pass_at);
    let grades = read.map_err(|problems| to_failure(file, &problems))?;
    let mut journal = run.amend()?;
    let mut amendments = grades.amendments().peekable();
    while amendments.peek().is_some() {
        let batch: Vec<Amendment> = amendments.by_ref().take(BATCH).collect();
        journal.append_all(&batch)?;
    }
    journal.sync()?;
    print_counts(&grades)
}

/// The counts of a regraded run.
#[derive(Default)]
struct RegradeCounts {
    answers: u64,
    /// Prompts of the run that the suite does not grade.
    ungraded: BTreeSet<String>,
    /// Prompts whose content differs from what the run sent.
    changed: BTreeSet<String>,
}

/// The digest of each prompt of a suite, by its id.
fn prompt_digests(suite: &Suite) -> HashMap<String, String> {
    let digests = suite.prompts.iter().map(|prompt| {
        let canonical = prompt_canonical(suite, prompt);
        (prompt.id.clone(), digest(canonical.as_bytes()))
    });
    digests.collect()
}

/// Grades every answer of a run by the asserts of a suite whose prompts have these digests, but those with deferred checks; earlier grades of a suite are
/// replaced. Sends nothing.
fn regrade(
    run: &Run,
    manifest: &Manifest,
    (suite, digests): (&Suite, HashMap<String, String>),
    file: &Path,
) -> Result<RegradeCounts, Failure> {
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
    let mut counts = RegradeCounts::default();
    let mut journal = run.amend()?;
    let mut batch = Vec::new();
    let mut samples = SampleReader::open(run)?;
    // A line that is no sample has no answer to grade; the reader warns about it.
    for sample in samples.by_ref().flatten() {
        if !grader.has_asserts(&sample) {
            if sample.outcome.is_gradable() {
                counts.ungraded.insert(sample.prompt);
            }
            continue;
        }
        let rows = grader.grades(&sample);
        if digests.get(&sample.prompt) != Some(&sample.prompt_digest) {
            counts.changed.insert(sample.prompt);
        }
        let Some((rows, pass_threshold)) = rows else {
            continue;
        };
        counts.answers += 1;
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
    Ok(counts)
}

fn print_regraded(counts: &RegradeCounts, later: u64, file: &Path) -> io::Result<()> {
    let (mut err, file) = (stderr(), file.display());
    writeln!(
        err,
        "Stored the grades of {}",
        plural(counts.answers + later, "answer")
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

fn print_counts(grades: &ExternalGrades<'_>) -> Result<(), Failure> {
    let answers = plural(grades.answers, "answer");
    let mut err = stderr();
    writeln!(
        err,
        "Stored {} of {answers}",
        plural(grades.grades, "grade")
    )?;
    if grades.skipped > 0 {
        writeln!(
            err,
            "note: {} of failed trials skipped: an error is no wrong answer",
            plural(grades.skipped, "line")
        )?;
    }
    Ok(())
}
