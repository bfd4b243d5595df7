//! One part of a run: its events become records, and its end reports. A run that is never resumed is one part.
//!
//! Owns the order in which records are written when a run ends, and its exit code. Must not know how a part is
//! prepared. Invariant: whatever stops a run, finished trials are stored and reported.

use std::io::Write;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::engine::{RunEnd, RunEvent};
use crate::record::ledger::{self, Spending};
use crate::record::{EstimateRecord, Judging, Manifest, RequestLog, Run, RunError, Sample, Status};
use crate::report::Report;
use crate::suite::{OnInconclusive, Suite};
use crate::units::Nanos;
use crate::verdict::exit_code::{RunResult, enough_was_answered};
use crate::verdict::{GateStatus, SwitchOutcome};

use super::abandoned::Abandoned;
use super::baseline::Baseline;
use super::billing_lookup::MissingBills;
use super::cost_cap::CostLimit;
use super::deferred::{self, DeferredGrades, DeferredInputs};
use super::estimate;
use super::failure_hints::FailureHints;
use super::job::{Job, Options};
use super::limit_abort::{self, LimitAbort};
use super::progress::{Progress, ProgressMode};
use super::sample_store::SampleStore;
use super::session::{Session, SessionEnd};
use super::until_decided::EarlyStop;
use crate::command::base::endpoint::OpenEndpoint;
use crate::command::base::failure::Failure;
use crate::command::base::locks::LockPatience;
use crate::command::base::panics::{self, catch_panic};
use crate::command::base::reports::{warn_of_incomparable, warn_of_inconclusive};
use crate::command::base::stdio::{stderr, stdout};
use crate::command::base::{exit, github, reports};

/// The records of a part that is about to send requests.
pub(super) struct OpenPart {
    pub(super) run: Run,
    pub(super) manifest: Manifest,
    pub(super) samples: SampleStore,
    /// Held to the end: as long as the ledger has no last line of this run, no other process may close it.
    pub(super) requests: Option<Arc<RequestLog>>,
    /// The counts of the parts before it.
    pub(super) tally: RunTally,
    /// Its start on the clock of the run.
    pub(super) start: Nanos,
    /// Trials that it is to send.
    pub(super) planned: u64,
    /// Trials of it that have a sample.
    pub(super) ended_trials: u64,
}

/// The counts of a run that its events change.
pub(super) struct RunTally {
    pub(super) spending: Spending,
    estimated: Option<EstimateRecord>,
    hints: FailureHints,
    early_stop: Option<EarlyStop>,
    limit_abort: Option<LimitAbort>,
    missing: MissingBills,
    abandoned: Abandoned,
}

impl RunTally {
    /// The tally of a run that has sent nothing.
    pub(super) fn new(manifest: &Manifest) -> Self {
        Self {
            spending: Spending::default(),
            estimated: manifest
                .estimate
                .clone()
                .map(EstimateRecord::without_actual),
            hints: FailureHints::default(),
            early_stop: EarlyStop::from_manifest(manifest),
            limit_abort: LimitAbort::from_manifest(manifest),
            missing: MissingBills::default(),
            abandoned: Abandoned::default(),
        }
    }

    /// The tally of a run whose earlier parts cost `spending`. Samples of trials that `finished` does not have are
    /// replaced by this part.
    ///
    /// # Errors
    /// If the samples cannot be read.
    pub(super) fn resumed(
        run: &Run,
        manifest: &Manifest,
        finished: impl Fn(u64) -> bool,
        spending: Spending,
    ) -> Result<Self, RunError> {
        let mut tally = Self::new(manifest);
        for sample in run.samples()?.flatten() {
            if finished(sample.trial) {
                // Whether a limit still holds is decided by the samples to come.
                let _ = tally.add(&sample);
            }
        }
        // Also those of samples that another one replaces: they were paid for.
        for sample in run.all_samples()?.flatten() {
            tally.missing.note(&sample);
        }
        tally.spending = spending;
        Ok(tally)
    }

    /// Adds a sample; returns whether the run goes on after it.
    fn add(&mut self, sample: &Sample) -> ControlFlow<()> {
        if let Some(estimated) = &mut self.estimated {
            estimated.add(sample);
        }
        self.hints.add(sample);
        if let Some(early_stop) = &mut self.early_stop {
            early_stop.add(sample);
        }
        match &mut self.limit_abort {
            Some(limit_abort) => limit_abort.add(sample),
            None => ControlFlow::Continue(()),
        }
    }
}

/// Carries out a part of a run: its requests, its records, and the reports of the whole run. Without a session
/// nothing is left to send.
pub(super) fn carry_out(
    job: &mut Job,
    opened: &OpenEndpoint,
    options: &Options,
    baseline: Option<&Baseline<'_>>,
    session: Option<Session>,
    mut part: OpenPart,
) -> Result<u8, Failure> {
    let ended = match session {
        Some(session) => send(job, options, session, &mut part),
        None => Ok(SessionEnd {
            ending: RunEnd::Complete,
            immediate: false,
            client_delay: None,
        }),
    };
    let OpenPart {
        run,
        mut manifest,
        mut samples,
        requests,
        mut tally,
        ended_trials,
        ..
    } = part;
    let immediate = matches!(&ended, Ok(ended) if ended.immediate);
    let broken_limit = (tally.limit_abort.as_ref()).and_then(LimitAbort::reason);
    let broken_limit = broken_limit.as_deref();
    let ending = ended.map(|ended| limit_abort::end(ended.ending, broken_limit));
    // Even after a failure finished trials are stored, and the manifest has the status.
    settle(&mut manifest, &ending, ended_trials);
    manifest.estimate = tally.estimated;
    let amended = match &ending {
        // A user who stopped a run does not want to wait.
        Ok(RunEnd::Interrupted) | Err(_) => Ok(()),
        Ok(_) => catch_panic(|| {
            amend(
                &run,
                opened,
                tally.missing,
                &mut tally.spending,
                options.quiet,
            )
        }),
    };
    let deferred = match &ending {
        Ok(RunEnd::Interrupted) | Err(_) => Ok(DeferredGrades::default()),
        Ok(_) => catch_panic(|| {
            deferred::grade(&DeferredInputs {
                run: &run,
                name: &manifest.run,
                suite: &job.resolved.suite,
                job,
                opened,
                limit: (job.cap.as_ref()).map(|cap| (CostLimit::of_run(cap), cap.max_spent())),
                log: requests.clone(),
                only_new: true,
                quiet: options.quiet,
            })
        }),
    };
    let (deferred, not_graded) = match deferred {
        Ok(deferred) => (deferred, None),
        Err(failure) => (DeferredGrades::default(), Some(failure)),
    };
    manifest.judging = Judging::sum(manifest.judging.take(), deferred.judging);
    manifest.embeddings = Judging::sum(manifest.embeddings.take(), deferred.embeddings);
    samples.finish(&manifest);
    // Records come first: a line that cannot be printed is an error at the end.
    let printed = tally.abandoned.print(job, options.quiet);
    let closed = if immediate {
        close_without_reports(&run, &samples, &manifest).map(|()| None)
    } else {
        let close = || close(&run, &samples, (job, &mut manifest), options, baseline);
        catch_panic(close).map(Some)
    };
    // After the run's own files: another process may hold the ledger.
    let mut line = job.ledger_line(&manifest, tally.spending);
    line.add(deferred.spending, deferred.reserved);
    let mut patience = LockPatience::default();
    let entered = ledger::append(&options.output, &line, &mut |lock| patience.wait(lock));
    let entered = entered.map_err(|error| not_entered(&error.into(), &run));
    drop(requests);
    if !immediate {
        tally.hints.print(stderr(), |failure, others| {
            job.explain(failure, others, opened)
        });
        if let Some(estimated) = manifest.estimate.as_ref().filter(|_| !options.quiet) {
            estimate::after(estimated, stderr());
        }
    }
    // The failure that stopped the run is the first cause; later ones are its consequence.
    let with_places = |failure| samples.with_places(&failure);
    let ending = ending.map_err(with_places)?;
    let found = closed.map_err(with_places)?;
    amended.map_err(with_places)?;
    if let Some(failure) = not_graded {
        return Err(with_places(failure));
    }
    entered?;
    printed?;
    let Some(found) = found else {
        return Ok(exit::INTERRUPTED);
    };
    let (gate_status, switch) = gate_result(&manifest, &found, broken_limit);
    Ok(RunResult {
        interrupted: ending == RunEnd::Interrupted || deferred.interrupted,
        incomplete: !found.sound || deferred.ungraded > 0,
        gate_status,
        switch,
        on_inconclusive: found.on_inconclusive,
    }
    .code())
}

/// The status of the gate and the outcome of the switch gate. A shard has neither: they are on the whole run, and
/// `merge` judges them.
fn gate_result(
    manifest: &Manifest,
    found: &RunEvaluation,
    broken_limit: Option<&str>,
) -> (GateStatus, Option<SwitchOutcome>) {
    if manifest.shard.is_some() {
        return (GateStatus::Passed, None);
    }
    let gate_status = limit_abort::status(found.gate_status, broken_limit);
    (gate_status, found.switch)
}

/// The failure of a run whose line could not be entered into the ledger.
fn not_entered(failure: &Failure, run: &Run) -> Failure {
    let folder = run.folder().display();
    Failure {
        message: format!(
            "{failure}\n  the records and reports of the run are complete, its cost is not in the ledger: `bakeoff runs \
             close {folder}` enters it"
        ),
        code: match failure.code {
            exit::INTERRUPTED => exit::INTERRUPTED,
            _ => exit::INCOMPLETE,
        },
    }
}

/// Sends the requests of a part, and stores what comes of them.
fn send(
    job: &Job,
    options: &Options,
    session: Session,
    part: &mut OpenPart,
) -> Result<SessionEnd, Failure> {
    let suite: &Suite = &job.resolved.suite;
    let mode = ProgressMode::new(options.quiet);
    let mut progress = Progress::new(suite, part.planned, part.start, mode);
    let (run, requests, start) = (part.manifest.run.clone(), part.requests.clone(), part.start);
    let mut is_broken = false;
    let ended = session.carry_out(job, &run, requests, |mut event| {
        let tally = &mut part.tally;
        // First: the cost counts even if it cannot be written down.
        job.count(&event, &mut tally.spending);
        tally.abandoned.note(&event, suite);
        let mut going_on = ControlFlow::Continue(());
        if let RunEvent::Finished(sample) = &mut event {
            sample.move_by(start);
            if let Err(failure) = part.samples.append(sample) {
                is_broken = true;
                return Err(failure);
            }
            part.ended_trials += 1;
            panics::provoke("sample");
            tally.missing.note(sample);
            going_on = tally.add(sample);
        }
        match (&event, &tally.early_stop) {
            (
                RunEvent::WarmedUp {
                    variant,
                    for_cache: true,
                    spent,
                    ..
                },
                _,
            ) => {
                let label = &suite.variants[*variant].label;
                part.manifest.add_warming(label, *spent);
            }
            (&RunEvent::Yielded { variant, in_flight }, _) => {
                let label = &suite.variants[variant].label;
                part.manifest.add_yield(label, in_flight as u64);
            }
            (RunEvent::Look { round }, Some(early_stop)) => {
                let (flow, sentence) = early_stop.look(*round);
                progress.note(&sentence, &mut stderr());
                going_on = flow;
            }
            _ => {}
        }
        match &event {
            // The engine knows that it was stopped, but not why.
            RunEvent::Stopping(_) if is_broken => {
                progress.note("stopping: a sample cannot be written", &mut stderr());
            }
            _ => progress.update(&event, &mut stderr()),
        }
        Ok(going_on)
    });
    progress.end();
    if let Ok(ended) = &ended {
        let error = &mut part.manifest.ttft_error;
        *error = error.with_delay(ended.client_delay);
    }
    ended
}

/// Writes the end of the run into the manifest. `ended`: trials of this part that have a sample.
fn settle(manifest: &mut Manifest, ending: &Result<RunEnd, Failure>, ended: u64) {
    if manifest.suite.time_limit().is_some() {
        // Such a run has one part, and the trials that its time held are its plan.
        manifest.planned_trials = ended;
    }
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
        spending.add_bill(
            &found.model,
            &found.variant,
            &found.amendment,
            found.known_cost,
        );
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

/// Completes the records of a run that has ended, and makes its reports.
fn close(
    run: &Run,
    samples: &SampleStore,
    (job, manifest): (&mut Job, &mut Manifest),
    options: &Options,
    baseline: Option<&Baseline<'_>>,
) -> Result<RunEvaluation, Failure> {
    store_end(run, samples, manifest, baseline)?;
    if !run.has_past() {
        job.release_turns(manifest);
    }
    report(run, manifest, options, baseline)
}

/// Completes the records of a run that has ended.
fn store_end(
    run: &Run,
    samples: &SampleStore,
    manifest: &Manifest,
    baseline: Option<&Baseline<'_>>,
) -> Result<(), Failure> {
    samples.sync()?;
    run.write_last_manifest(manifest)?;
    // Readers of `latest` want a run with results; an interrupted one has its own name. A run that was resumed may be
    // older than the newest.
    if manifest.status != Status::Interrupted && !has_newer_latest(run, manifest) {
        run.point_latest()?;
    }
    if let Some(baseline) = baseline {
        baseline.store(run, manifest)?;
    }
    Ok(())
}

/// Makes and shows the reports of a run whose records are complete, and updates the history.
fn report(
    run: &Run,
    manifest: &Manifest,
    options: &Options,
    baseline: Option<&Baseline<'_>>,
) -> Result<RunEvaluation, Failure> {
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

/// Returns true if `latest` points at a run that began later.
fn has_newer_latest(run: &Run, manifest: &Manifest) -> bool {
    let latest = Run::open(&run.latest_path()).and_then(|latest| latest.manifest_outline());
    latest.is_ok_and(|latest| latest.started_at > manifest.started_at)
}

/// Completes the records alone: after a second signal no reports are made.
fn close_without_reports(
    run: &Run,
    samples: &SampleStore,
    manifest: &Manifest,
) -> Result<(), Failure> {
    samples.sync()?;
    run.write_last_manifest(manifest)?;
    let folder = run.folder().display();
    writeln!(
        stderr(),
        "no reports were made; `bakeoff report {folder}` makes them"
    )?;
    Ok(())
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
