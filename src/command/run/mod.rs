//! `bakeoff run`: carries out a suite and compares the models.
//!
//! Owns the steps of the command in each of its modes, and its exit code. Must not know how a run is prepared
//! or driven. Invariant: whatever stops a run, finished trials are stored and reported.

mod abandoned;
pub(super) mod baseline;
mod billing_lookup;
mod conformance;
mod cost_cap;
pub(super) mod estimate;
mod failure_hints;
pub(super) mod job;
mod progress;
pub(super) mod provider_prices;
mod session;
mod until_decided;

use std::io::{self, BufWriter, IsTerminal, Write};
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::engine::{RunEnd, RunEvent};
use crate::gateway::Explanation;
use crate::record::ledger::{self, Spending};
use crate::record::{JournalWriter, Manifest, RequestLog, Run, Sample, Status, run_name};
use crate::report::{IgnoredParameter, IncompleteTrial, Report, VerificationDocument};
use crate::suite::OnInconclusive;
use crate::verdict::{GateStatus, SwitchOutcome};

use super::base::endpoint::{self, OpenEndpoint};
use super::base::failure::Failure;
use super::base::json::print_json;
use super::base::model_list::{CachePolicy, ModelListState};
use super::base::panics::{self, catch_panic};
use super::base::reports::{warn_of_incomparable, warn_of_inconclusive};
use super::base::runtime::random_number;
use super::base::stdio::{stderr, stdout};
use super::base::{exit, github, preflight, reports};
use crate::verdict::exit_code::{RunResult, enough_was_answered};
use abandoned::Abandoned;
use baseline::Baseline;
use billing_lookup::MissingBills;
use cost_cap::LedgerClaim;
use failure_hints::{FailureHints, TrialFailure};
use job::{Job, ResolvedRun};
pub use job::{Mode, Options};
use progress::{Progress, ProgressMode};
use session::{Session, SessionEnd};
use until_decided::EarlyStop;

/// Carries out `bakeoff run`.
pub(crate) fn execute(options: &Options) -> Result<u8, Failure> {
    let resolved = ResolvedRun::read(options)?;
    let scenario = options.scenario.as_deref();
    if options.mode == Mode::List {
        // Nothing is sent: the cached or compiled-in list is enough.
        let known = ModelListState::from_cache(&resolved.profile);
        let job = Job::new(resolved, known);
        job.check_added_models(scenario)?;
        if !options.quiet {
            print_preflight(&job, options)?;
            print_lines(&[estimate::line(&job, &options.output)])?;
            warn_of_refusal(&job, options)?;
        }
        return list(&job.resolved, options.json);
    }
    let opened = endpoint::open(&resolved.profile, scenario, options.sim_seed)?;
    let mut job = Job::new(resolved, ModelListState::from_endpoint(&opened)?);
    job.check_added_models(scenario)?;
    let simulated = opened.record.scenario.is_some();
    if let Some(limit) = cost_cap::limit_before_run(&job, options, simulated)? {
        let notes = provider_prices::ask(&mut job, &opened, CachePolicy::New)?;
        job.cap = Some(cost_cap::build_cap(&job, limit)?);
        if !options.quiet {
            print_lines(&notes)?;
        }
    }
    if !options.quiet {
        print_preflight(&job, options)?;
    }
    match options.mode {
        Mode::Verify => verify(&mut job, &opened, options),
        _ => measure(&mut job, &opened, options),
    }
}

/// Prints notes about models, likely problems and the expected duration.
fn print_preflight(job: &Job, options: &Options) -> Result<(), Failure> {
    let scenario = options.scenario.as_deref();
    let ResolvedRun { suite, profile, .. } = &job.resolved;
    // A verification checks that every model answers: no verdict is needed.
    let judges = options.mode != Mode::Verify;
    let ahead = preflight::lines(suite, profile, job.catalog(), scenario, judges)?;
    print_lines(&job.notes())?;
    Ok(print_lines(&ahead)?)
}

/// Warns if a run would be refused for its cap, by the prices that are known without a request.
fn warn_of_refusal(job: &Job, options: &Options) -> Result<(), Failure> {
    let simulated = job.resolved.profile.base_url.is_none();
    let refused = cost_cap::limit_before_run(job, options, simulated).and_then(|limit| {
        limit
            .map(|limit| cost_cap::build_cap(job, limit))
            .transpose()
    });
    let Err(refused) = refused else {
        return Ok(());
    };
    Ok(print_lines(&[format!(
        "warning: by what is known without asking, a run is refused: {refused}"
    )])?)
}

/// Prints lines before anything is sent.
fn print_lines(lines: &[String]) -> io::Result<()> {
    let mut err = stderr();
    lines.iter().try_for_each(|line| writeln!(err, "{line}"))
}

/// Prints the plan; it may be long, so it is written as it is made.
fn list(resolved: &ResolvedRun, json: bool) -> Result<u8, Failure> {
    let mut out = BufWriter::new(stdout());
    if json {
        print_json(&mut out, &resolved.plan.document(&resolved.suite))?;
    } else {
        write!(out, "{}", resolved.plan.listing(&resolved.suite))?;
    }
    out.flush()?;
    Ok(exit::DONE)
}

/// Sends one trial per prompt and variant and prints those that did not complete, without records.
fn verify(job: &mut Job, opened: &OpenEndpoint, options: &Options) -> Result<u8, Failure> {
    let session = Session::open(job, opened)?;
    let (mut entry, requests) = begin_verified(job, opened, options)?.unzip();
    let requests = requests.flatten().map(Arc::new);
    let mut progress = Progress::new(
        &job.resolved.suite,
        job.resolved.suite.trials(),
        show(options),
    );
    let mut samples = Vec::new();
    let mut spending = Spending::default();
    let mut abandoned = Abandoned::default();
    let ending = session.carry_out(job, "verify", requests.clone(), |event| {
        job.count(&event, &mut spending);
        abandoned.note(&event, &job.resolved.suite);
        progress.update(&event, &mut stderr());
        if let RunEvent::Finished(sample) = event {
            samples.push(*sample);
        }
        Ok(ControlFlow::Continue(()))
    });
    progress.end();
    if let Some(manifest) = &mut entry {
        manifest.status = Status::Incomplete("--verify".to_owned());
        ledger::append(&options.output, &job.ledger_line(manifest, spending))?;
        drop(requests);
        ledger::remove_verified(&options.output, &manifest.run);
    }
    print_abandoned(&abandoned, job, options)?;
    let SessionEnd { ending, .. } = ending?;
    samples.sort_by_key(|sample| sample.trial);
    let mut out = stdout();
    let mut hints = FailureHints::default();
    for sample in &samples {
        hints.add(sample);
    }
    let incomplete = samples.iter().filter_map(|sample| {
        let others_answer = hints.others_answer(&sample.model);
        let failure = TrialFailure::new(sample);
        let Explanation { what, remedy } = job.explain(&failure, others_answer, opened)?;
        Some(IncompleteTrial {
            prompt: sample.prompt.clone(),
            variant: sample.variant.clone(),
            model: sample.model.to_string(),
            outcome: sample.outcome.word(),
            text: what,
            remedy,
        })
    });
    let incomplete: Vec<IncompleteTrial> = incomplete.collect();
    let all_complete = incomplete.is_empty();
    let planned = job.resolved.suite.trials();
    let answered = samples
        .iter()
        .filter(|sample| sample.outcome.answered())
        .count() as u64;
    let ignored = conformance::ignored_parameters(&job.resolved.suite, &samples);
    if options.json {
        let name = &job.resolved.suite.name;
        let document = VerificationDocument::new(name, planned, answered, incomplete, ignored);
        print_json(&mut out, &document)?;
    } else {
        for trial in incomplete {
            let (prompt, variant) = (trial.prompt, trial.variant);
            writeln!(
                out,
                "{prompt} on {variant}: {} {}",
                trial.text, trial.remedy
            )?;
        }
        for IgnoredParameter {
            variant,
            parameter,
            ignored,
            answers,
        } in ignored
        {
            writeln!(
                out,
                "{variant}: `{parameter}` ignored by {ignored} of {answers} answers"
            )?;
        }
        writeln!(out, "{answered} of {planned} trials completed")?;
    }
    Ok(match ending {
        RunEnd::Interrupted => exit::INTERRUPTED,
        _ if answered == planned && all_complete => exit::DONE,
        _ => exit::INCOMPLETE,
    })
}

/// Prints the number of abandoned requests and their maximum cost.
fn print_abandoned(abandoned: &Abandoned, job: &Job, options: &Options) -> io::Result<()> {
    let line = abandoned.line(job).filter(|_| !options.quiet);
    line.map_or(Ok(()), |line| writeln!(stderr(), "{line}"))
}

/// Opens the ledger's entry of a verification that costs real money: it leaves nothing else, except the log of
/// its requests while it goes on.
fn begin_verified(
    job: &mut Job,
    opened: &OpenEndpoint,
    options: &Options,
) -> Result<Option<(Manifest, Option<RequestLog>)>, Failure> {
    if opened.record.scenario.is_some() {
        return Ok(None);
    }
    let LedgerClaim { ledger, began } = cost_cap::claim_ledger(job, options, false)?;
    let manifest = job.manifest(opened, run_name(began, random_number()?), began);
    let folder = Run::create(&options.output, ledger::VERIFY_FOLDER, &manifest.run)?;
    let requests = folder.new_requests()?;
    ledger.append(&job.ledger_line(&manifest, Spending::default()))?;
    Ok(Some((manifest, requests)))
}

/// Carries out the whole run: requests, records, reports.
fn measure(job: &mut Job, opened: &OpenEndpoint, options: &Options) -> Result<u8, Failure> {
    let baseline = open_baseline(job, options)?;
    let Some(mut estimated) = estimate::before(job, options)? else {
        return Ok(exit::INTERRUPTED);
    };
    let session = Session::open(job, opened)?;
    let LedgerClaim { ledger, began } =
        cost_cap::claim_ledger(job, options, opened.record.scenario.is_some())?;
    let job = &*job;
    let suite = &job.resolved.suite;
    let name = run_name(began, random_number()?);
    let run = Run::create(&options.output, &suite.name, &name)?;
    let mut manifest = job.manifest(opened, name, began);
    manifest.estimate = Some(estimated.clone());
    run.write_manifest(&manifest)?;
    let mut journal = run.new_samples()?;
    // Held to the end: as long as the ledger has no last line of this run, no other process may close it.
    let requests = run.new_requests()?.map(Arc::new);
    // Before anything is sent: should we be killed, the cap of the day still counts this run.
    ledger.append(&job.ledger_line(&manifest, Spending::default()))?;
    let mut progress = Progress::new(suite, manifest.planned_trials, show(options));
    let mut hints = FailureHints::default();
    let mut early_stop = EarlyStop::from_manifest(&manifest);
    let mut spending = Spending::default();
    let mut missing = MissingBills::default();
    let mut abandoned = Abandoned::default();
    let run_id = manifest.run.clone();
    let ended = session.carry_out(job, &run_id, requests.clone(), |event| {
        // First: the cost counts even if it cannot be written down.
        job.count(&event, &mut spending);
        abandoned.note(&event, suite);
        let mut going_on = ControlFlow::Continue(());
        match (&event, &mut early_stop) {
            (RunEvent::Finished(sample), early_stop) => {
                journal.append(sample)?;
                panics::provoke("sample");
                missing.note(sample);
                estimated.add(sample);
                hints.add(sample);
                if let Some(early_stop) = early_stop {
                    early_stop.add(sample);
                }
            }
            (
                RunEvent::WarmedUp {
                    variant,
                    for_cache: true,
                    spent,
                    ..
                },
                _,
            ) => {
                manifest.add_warming(&suite.variants[*variant].label, *spent);
            }
            (RunEvent::Look { round }, Some(early_stop)) => {
                let (flow, sentence) = early_stop.look(*round);
                progress.say(&sentence, &mut stderr());
                going_on = flow;
            }
            _ => {}
        }
        progress.update(&event, &mut stderr());
        Ok(going_on)
    });
    progress.end();
    let immediate = matches!(&ended, Ok(ended) if ended.immediate);
    let ending = ended.map(|ended| ended.ending);
    // Even after a failure finished trials are stored, and the manifest has the status.
    settle(&mut manifest, &ending);
    manifest.estimate = Some(estimated);
    let amended = match &ending {
        // A user who stopped a run does not want to wait.
        Ok(RunEnd::Interrupted) | Err(_) => Ok(()),
        Ok(_) => catch_panic(|| amend(&run, opened, missing, &mut spending, options.quiet)),
    };
    let entered = ledger::append(&options.output, &job.ledger_line(&manifest, spending));
    // Records come first: a line that cannot be printed is an error at the end.
    let printed = print_abandoned(&abandoned, job, options);
    if immediate {
        close_without_reports(&run, &journal, &manifest)?;
        printed?;
        entered.map_err(|error| with_folder_hint(&error.into(), &run))?;
        return Ok(exit::INTERRUPTED);
    }
    let trial = catch_panic(|| close(&run, &journal, &manifest, options, baseline.as_ref()));
    drop(requests);
    hints.print(stderr(), |failure, others| {
        job.explain(failure, others, opened)
    });
    if let Some(estimated) = manifest.estimate.as_ref().filter(|_| !options.quiet) {
        estimate::after(estimated, stderr());
    }
    // The failure that stopped the run is the first cause; later ones are its consequence.
    let ending = ending.map_err(|failure| with_folder_hint(&failure, &run))?;
    let found = trial.map_err(|failure| with_folder_hint(&failure, &run))?;
    amended.map_err(|failure| with_folder_hint(&failure, &run))?;
    entered.map_err(|error| with_folder_hint(&error.into(), &run))?;
    printed?;
    Ok(RunResult {
        interrupted: ending == RunEnd::Interrupted,
        incomplete: !found.sound,
        gate_status: found.gate_status,
        switch: found.switch,
        on_inconclusive: found.on_inconclusive,
    }
    .code())
}

/// Opens the history that the run is judged by, if there is one, and prints what it can find.
fn open_baseline<'o>(job: &Job, options: &'o Options) -> Result<Option<Baseline<'o>>, Failure> {
    let Some(path) = options.history.as_deref() else {
        return Ok(None);
    };
    let suite = &job.resolved.suite;
    let baseline = Baseline::open(path, &suite.name)?;
    if !options.quiet {
        print_lines(&[baseline.power_line(suite)])?;
    }
    Ok(Some(baseline))
}

/// Writes the end of the run into the manifest.
fn settle(manifest: &mut Manifest, ending: &Result<RunEnd, Failure>) {
    manifest.status = match ending {
        Ok(RunEnd::Complete | RunEnd::Decided { .. }) => Status::Complete,
        Ok(RunEnd::Interrupted) => Status::Interrupted,
        Ok(RunEnd::Capped(reason) | RunEnd::Aborted(reason) | RunEnd::Partial(reason)) => {
            Status::Incomplete(reason.clone())
        }
        Err(failure) => {
            // The rest is what to do now, which no later reader needs.
            let first = failure.message.lines().next().unwrap_or_default();
            Status::Incomplete(first.to_owned())
        }
    };
    if let (Ok(RunEnd::Decided { round }), Some(looks)) = (ending, &mut manifest.until_decided) {
        looks.decided_after = Some(*round);
        let suite = &manifest.suite;
        let trials_a_round = suite.prompts.len() as u64 * suite.variants.len() as u64;
        manifest.planned_trials = u64::from(*round) * trials_a_round;
    }
}

/// Looks up the bills that answers did not bring, and stores them as amendments.
fn amend(
    run: &Run,
    opened: &OpenEndpoint,
    missing: MissingBills,
    spending: &mut Spending,
    quiet: bool,
) -> Result<(), Failure> {
    let found = missing.look_up(opened, quiet)?;
    if found.is_empty() {
        return Ok(());
    }
    let mut journal = run.amend()?;
    for found in found {
        journal.append(&found.amendment)?;
        spending.add_bill(&found.model, &found.amendment, found.known_cost);
    }
    journal.sync()?;
    Ok(())
}

/// The evaluation of a run by its reports.
struct RunEvaluation {
    /// True if the run completed its plan, and its variants can be judged.
    sound: bool,
    gate_status: GateStatus,
    switch: Option<SwitchOutcome>,
    on_inconclusive: OnInconclusive,
}

/// Completes the records of a run that has ended, makes and shows its reports, and updates the history.
fn close(
    run: &Run,
    journal: &JournalWriter<Sample>,
    manifest: &Manifest,
    options: &Options,
    baseline: Option<&Baseline<'_>>,
) -> Result<RunEvaluation, Failure> {
    journal.sync()?;
    run.write_manifest(manifest)?;
    // Readers of `latest` want a run with results; an interrupted one has its own name.
    if manifest.status != Status::Interrupted {
        run.point_latest()?;
    }
    if let Some(baseline) = baseline {
        baseline.store(run, manifest)?;
    }
    panics::provoke("report");
    let report = reports::make_files(run, manifest)?;
    print_result(&report, run, options)?;
    let sound = manifest.status == Status::Complete && enough_was_answered(report.summary());
    let judged = report.evaluation();
    if let Some(baseline) = baseline.filter(|_| sound) {
        baseline.learn(run, manifest, judged)?;
    }
    let (gate_status, on_inconclusive) = (judged.gate_status(), judged.gate.on_inconclusive);
    warn_of_incomparable(judged)?;
    if !options.quiet {
        warn_of_inconclusive(gate_status, on_inconclusive)?;
    }
    Ok(RunEvaluation {
        sound,
        gate_status,
        switch: judged.switch_outcome(),
        on_inconclusive,
    })
}

/// Completes the records alone: after a second signal no reports are made.
fn close_without_reports(
    run: &Run,
    journal: &JournalWriter<Sample>,
    manifest: &Manifest,
) -> Result<(), Failure> {
    journal.sync()?;
    run.write_manifest(manifest)?;
    let folder = run.folder().display();
    writeln!(
        stderr(),
        "no reports were made; `bakeoff report {folder}` makes them"
    )?;
    Ok(())
}

/// A failure with the path of the run's folder: nothing that was paid for is lost.
fn with_folder_hint(failure: &Failure, run: &Run) -> Failure {
    let folder = run.folder().display();
    Failure {
        message: format!(
            "{failure}\n  every finished sample is in {folder}; once the trouble is gone, \
             `bakeoff report {folder}` makes the reports"
        ),
        code: failure.code,
    }
}

fn print_result(report: &Report<'_>, run: &Run, options: &Options) -> Result<(), Failure> {
    github::append_job_summary(&report.job_summary())?;
    if options.json {
        return reports::print(report, reports::Format::Json, stdout());
    }
    if options.aside {
        reports::show(report, options.verbose, stderr())?;
    } else {
        reports::show(report, options.verbose, stdout())?;
    }
    if options.quiet {
        return Ok(());
    }
    let latest = run.latest_path();
    let is_latest = report.view().status != "interrupted" && latest.is_dir();
    let folder = if is_latest { &latest } else { run.folder() };
    reports::print_more(folder, options.verbose)
}

fn show(options: &Options) -> ProgressMode {
    match (options.quiet, io::stderr().is_terminal()) {
        (true, _) => ProgressMode::Nothing,
        (false, true) => ProgressMode::Bars,
        (false, false) => ProgressMode::Lines,
    }
}
