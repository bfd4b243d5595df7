//! Deferred checks: the judge's verdicts, similarities and the user's commands, after the requests of a run.
//!
//! Owns their order and their place in the records. Must not know how a check is made. Invariants: nothing here runs while a
//! request of the run is timed; an answer whose checks have no result has no grades, and is counted and reported.

mod embeddings;
mod exec;
mod judge;
mod verdict_cache;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Write as _;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream;

use crate::grade::{DeferredGrade, DeferredTask, Grader, JudgeRequest, SimilarityRequest};
use crate::record::ledger::Spending;
use crate::record::{Amendment, Grade, JudgeRepeats, Judging, RequestLog, Run, Sample};
use crate::report::{embeddings_line, judging_line};
use crate::suite::{Check, Prompt, Suite, Variant};
use crate::units::{Usd, plural};

use super::cost_cap::CostLimit;
use super::job::Job;
use crate::command::base::endpoint::OpenEndpoint;
use crate::command::base::failure::Failure;
use crate::command::base::runtime::{interrupted, runtime};
use crate::command::base::stdio::stderr;
use embeddings::EmbeddingsRun;
use judge::JudgeRun;

/// The results of the deferred checks of a run.
#[derive(Debug, Default)]
pub(in crate::command) struct DeferredGrades {
    /// The verdicts and their cost, if there is a judge.
    pub(in crate::command) judging: Option<Judging>,
    /// The similarities and their cost, if there were any.
    pub(in crate::command) embeddings: Option<Judging>,
    /// The cost of these requests.
    pub(in crate::command) spending: Spending,
    /// Under a limit: the most that its requests of unknown cost can cost.
    pub(in crate::command) reserved: Usd,
    /// Answers with all their grades.
    pub(in crate::command) graded: u64,
    /// Answers whose checks have no result.
    pub(in crate::command) ungraded: u64,
    /// True if the user stopped it.
    pub(in crate::command) interrupted: bool,
}

/// The inputs of the deferred checks of a run.
pub(in crate::command) struct DeferredInputs<'a> {
    pub(in crate::command) run: &'a Run,
    /// Name of the run.
    pub(in crate::command) name: &'a str,
    /// The suite whose asserts grade.
    pub(in crate::command) suite: &'a Suite,
    /// The job whose endpoint and prices serve the judge.
    pub(in crate::command) job: &'a Job,
    pub(in crate::command) opened: &'a OpenEndpoint,
    /// The limit of the cost of the run, and what it has spent of it.
    pub(in crate::command) limit: Option<(CostLimit, Usd)>,
    /// The log of the run's requests; absent where the file system has no locks.
    pub(in crate::command) log: Option<Arc<RequestLog>>,
    /// True to grade only answers without grades of the suite.
    pub(in crate::command) only_new: bool,
    pub(in crate::command) quiet: bool,
}

/// A sample with its deferred checks.
struct Pending {
    sample: Sample,
    checks: Vec<(Result<DeferredTask, String>, Option<DeferredGrade>)>,
}

/// Refuses commands of a suite that the user did not allow.
///
/// # Errors
/// If the suite has an `exec` assert and `allowed` is false.
pub(in crate::command) fn refuse_commands(suite: &Suite, allowed: bool) -> Result<(), Failure> {
    let asserts = suite.prompts.iter().flat_map(|one| one.asserts.as_slice());
    let programs = asserts.filter_map(|assert| match &assert.check {
        Check::Exec { command, .. } => command.first(),
        _ => None,
    });
    let programs: BTreeSet<&String> = programs.collect();
    if allowed || programs.is_empty() {
        return Ok(());
    }
    let programs: Vec<String> = programs.iter().map(|name| format!("`{name}`")).collect();
    Err(Failure::usage(format!(
        "the suite grades answers by running {}\n  to allow it, add --allow-exec",
        programs.join(", ")
    )))
}

/// Makes the deferred checks and stores the grades as amendments.
pub(in crate::command) fn grade(inputs: &DeferredInputs<'_>) -> Result<DeferredGrades, Failure> {
    let Some(grader) = Grader::new(inputs.suite).filter(|_| inputs.suite.has_deferred_checks())
    else {
        return Ok(DeferredGrades::default());
    };
    let mut pending = pending(inputs, &grader)?;
    let mut outcome = DeferredGrades {
        interrupted: run_commands(&mut pending)?,
        ..DeferredGrades::default()
    };
    let mut problem = None;
    if !outcome.interrupted {
        let compared = compare(inputs, &mut pending)?;
        outcome.embeddings = compared.embeddings;
        outcome.reserved = compared.reserved;
        outcome.spending = compared.spending;
        outcome.interrupted = compared.interrupted;
        problem = compared.problem;
    }
    if !outcome.interrupted {
        let spent = [outcome.spending.total(), outcome.reserved];
        let judged = ask_judge(inputs, &mut pending, spent.into_iter().sum())?;
        outcome.judging = judged.judging;
        outcome.reserved = Usd(outcome.reserved.0 + judged.reserved.0);
        outcome.spending.absorb(judged.spending);
        outcome.interrupted = judged.interrupted;
        problem = problem.or(judged.problem);
    }
    store(inputs, &grader, &pending, &mut outcome)?;
    print_counts(inputs, &outcome, problem.as_deref())?;
    Ok(outcome)
}

fn pending(inputs: &DeferredInputs<'_>, grader: &Grader) -> Result<Vec<Pending>, Failure> {
    let own = |grade: &Grade| !grade.external;
    let samples = inputs.run.samples()?.flatten();
    let samples = samples.filter(|one| !(inputs.only_new && one.grades.iter().any(own)));
    let suite = inputs.suite;
    let prompts: HashMap<&str, &Prompt> = suite.prompts.iter().map(|one| (&*one.id, one)).collect();
    let variants: HashMap<&str, &Variant> = suite
        .variants
        .iter()
        .map(|one| (&*one.label, one))
        .collect();
    let pending = samples.filter_map(|sample| {
        let prompt = *prompts.get(&*sample.prompt)?;
        // The suite that grades may know other variants than those of the run.
        let system = match variants.get(&*sample.variant) {
            Some(variant) => suite.system_of(prompt, variant),
            None => prompt.system.as_deref().or(suite.system.as_deref()),
        };
        let tasks = grader.deferred(prompt, system, &sample).into_iter();
        let checks: Vec<_> = tasks
            .map(|task| {
                let failed = task.as_ref().err();
                let failed = failed.map(|reason| DeferredGrade::Failed(reason.clone()));
                (task, failed)
            })
            .collect();
        (!checks.is_empty()).then_some(Pending { sample, checks })
    });
    Ok(pending.collect())
}

/// Runs the commands, some at once. Returns true if the user stopped it.
fn run_commands(pending: &mut [Pending]) -> Result<bool, Failure> {
    let work = pending.iter_mut().flat_map(|one| {
        let Pending { sample, checks } = one;
        let sample: &Sample = sample;
        checks.iter_mut().filter_map(move |(task, grade)| {
            let Ok(DeferredTask::Exec { command, timeout }) = task else {
                return None;
            };
            Some(async move {
                let mut json = serde_json::to_vec(sample).unwrap_or_default();
                json.push(b'\n');
                *grade = Some(exec::score(command, *timeout, &json).await);
            })
        })
    });
    let at_once = std::thread::available_parallelism().map_or(2, usize::from);
    let runtime = runtime()?;
    Ok(runtime.block_on(async {
        let all = stream::iter(work).buffer_unordered(at_once);
        tokio::select! {
            () = all.collect::<()>() => false,
            () = interrupted() => true,
        }
    }))
}

/// The comparison that a check needs, if it needs one.
fn comparison(task: &Result<DeferredTask, String>) -> Option<&SimilarityRequest> {
    match task {
        Ok(DeferredTask::Similar(request)) => Some(request),
        _ => None,
    }
}

/// Makes the comparisons that the checks need.
fn compare(inputs: &DeferredInputs<'_>, pending: &mut [Pending]) -> Result<EmbeddingsRun, Failure> {
    let checks = pending.iter().flat_map(|one| &one.checks);
    let requests = checks.filter_map(|(task, _)| comparison(task).cloned());
    let compared = embeddings::compare(inputs, &requests.collect())?;
    for (task, grade) in pending.iter_mut().flat_map(|one| &mut one.checks) {
        let found = comparison(task).and_then(|request| compared.similarities.get(request));
        if let Some(similarity) = found {
            let reason = format!("the similarity is {similarity:.3}");
            *grade = Some(DeferredGrade::Score(*similarity, reason));
        }
    }
    Ok(compared)
}

/// The request to the judge that a check needs, if it needs one, and the score from which it passes.
fn request(task: &Result<DeferredTask, String>) -> Option<(&JudgeRequest, f64)> {
    match task {
        Ok(DeferredTask::Judge { request, threshold }) => Some((request, *threshold)),
        _ => None,
    }
}

/// Requests the verdicts that the checks need. `spent`: by the checks before them.
fn ask_judge(
    inputs: &DeferredInputs<'_>,
    pending: &mut [Pending],
    spent: Usd,
) -> Result<JudgeRun, Failure> {
    let checks = pending.iter().flat_map(|one| &one.checks);
    let thresholds: BTreeMap<&JudgeRequest, f64> =
        checks.filter_map(|(task, _)| request(task)).collect();
    let Some(judge) = inputs
        .suite
        .judge
        .as_ref()
        .filter(|_| !thresholds.is_empty())
    else {
        return Ok(JudgeRun::default());
    };
    let requests: Vec<JudgeRequest> = thresholds.keys().copied().cloned().collect();
    let base_url = inputs.opened.record.base_url.as_deref();
    let cached = judge::cached(base_url, judge, &requests);
    let new: Vec<JudgeRequest> = requests
        .into_iter()
        .filter(|one| !cached.contains_key(one))
        .collect();
    let mut judged = if new.is_empty() {
        JudgeRun::default()
    } else {
        let mut judged = send(inputs, judge, &new, spent)?;
        if judged.problem.is_none() && !judged.interrupted {
            repeat(inputs, judge, &thresholds, spent, &mut judged)?;
        }
        judged
    };
    let hits = cached.len() as u64;
    judged.verdicts.extend(cached);
    let judging = judged
        .judging
        .get_or_insert_with(|| Judging::new(judge.model.clone()));
    judging.verdicts += hits;
    judging.cached += hits;
    for (task, grade) in pending.iter_mut().flat_map(|one| &mut one.checks) {
        let verdict = request(task).and_then(|(request, _)| judged.verdicts.get(request));
        if let Some((score, reason)) = verdict {
            *grade = Some(DeferredGrade::Score(*score, reason.clone()));
        }
    }
    Ok(judged)
}

/// Sends requests to the judge.
fn send(
    inputs: &DeferredInputs<'_>,
    judge: &Variant,
    requests: &[JudgeRequest],
    spent: Usd,
) -> Result<JudgeRun, Failure> {
    let suite = judge::suite_of(inputs.suite, judge, requests);
    let limit = inputs.limit.clone();
    let limit = limit.map(|(limit, before)| (limit, Usd(before.0 + spent.0)));
    match judge::job(inputs.job, suite, inputs.opened, (inputs.name, limit)) {
        Ok(job) => {
            let log = (inputs.name, inputs.log.clone());
            judge::send(&job, inputs.opened, requests, log, inputs.quiet)
        }
        Err(refused) => Ok(JudgeRun {
            problem: Some(refused.message),
            ..JudgeRun::default()
        }),
    }
}

/// Requests a share of the new verdicts again, which the seed of the suite selects, and counts where both agree. The first
/// verdict stays; one that does not come again is no problem.
fn repeat(
    inputs: &DeferredInputs<'_>,
    judge: &Variant,
    thresholds: &BTreeMap<&JudgeRequest, f64>,
    spent: Usd,
    judged: &mut JudgeRun,
) -> Result<(), Failure> {
    let again = judge::repeated(&judged.verdicts, inputs.suite.seed);
    if again.is_empty() {
        return Ok(());
    }
    let before = [spent, judged.spending.total(), judged.reserved];
    let later = send(inputs, judge, &again, before.into_iter().sum())?;
    let mut repeats = JudgeRepeats::default();
    for (request, (second, _)) in &later.verdicts {
        let first = judged.verdicts.get(request);
        if let Some(((first, _), threshold)) = first.zip(thresholds.get(request)) {
            repeats.add(first >= threshold, second >= threshold);
        }
    }
    let judging = judged
        .judging
        .get_or_insert_with(|| Judging::new(judge.model.clone()));
    judging.repeats = Some(repeats);
    judging.spent_usd = [judging.spent_usd, later.spending.total()]
        .into_iter()
        .sum();
    judging.unknown += later.judging.map_or(0, |judging| judging.unknown);
    judged.reserved = Usd(judged.reserved.0 + later.reserved.0);
    judged.spending.absorb(later.spending);
    judged.interrupted = later.interrupted;
    Ok(())
}

/// Stores the grades of each sample whose checks all have a result; an earlier grade of the others goes away.
fn store(
    inputs: &DeferredInputs<'_>,
    by: &Grader,
    pending: &[Pending],
    outcome: &mut DeferredGrades,
) -> Result<(), Failure> {
    let mut journal = inputs.run.amend()?;
    for Pending { sample, checks } in pending {
        let results = checks.iter().map(|(_, grade)| grade.clone());
        let results: Option<Vec<DeferredGrade>> = results.collect();
        let rows = results.and_then(|results| by.grades_with(sample, &results));
        match &rows {
            Some(_) => outcome.graded += 1,
            None => outcome.ungraded += 1,
        }
        let (grades, pass_threshold) = rows.unwrap_or_default();
        journal.append(&Amendment {
            version: Amendment::VERSION,
            trial: sample.trial,
            grades,
            pass_threshold,
            regraded: true,
            ..Amendment::default()
        })?;
    }
    journal.sync()?;
    Ok(())
}

fn print_counts(
    inputs: &DeferredInputs<'_>,
    outcome: &DeferredGrades,
    problem: Option<&str>,
) -> std::io::Result<()> {
    let mut err = stderr();
    if let Some(judging) = outcome.judging.as_ref().filter(|_| !inputs.quiet) {
        writeln!(err, "judge {}: {}", judging.model, judging_line(judging))?;
    }
    if let Some(found) = outcome.embeddings.as_ref().filter(|_| !inputs.quiet) {
        let line = embeddings_line(found);
        writeln!(err, "embeddings {}: {line}", found.model)?;
    }
    if outcome.ungraded > 0 {
        let answers = plural(outcome.ungraded, "answer");
        let reason = problem.map_or_else(String::new, |problem| format!(": {problem}"));
        writeln!(
            err,
            "warning: {answers} could not be graded and {} in no pass rate{reason}\n  to grade later: bakeoff score {} --suite SUITE",
            if outcome.ungraded == 1 { "is" } else { "are" },
            inputs.run.folder().display()
        )?;
    }
    Ok(())
}
