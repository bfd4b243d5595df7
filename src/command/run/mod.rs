//! `bakeoff run`: carries out a suite and compares the models.
//!
//! Owns the steps of the command in each of its modes, and its exit code. Must not know how a run is prepared
//! or driven. Invariant: whatever stops a run, finished trials are stored and reported.

mod abandoned;
pub(super) mod baseline;
mod billing_lookup;
mod conformance;
pub(super) mod cost_cap;
pub(super) mod deferred;
mod differences;
pub(super) mod estimate;
mod failure_hints;
pub(super) mod job;
mod limit_abort;
mod part;
mod progress;
pub(super) mod provider_prices;
mod remaining;
pub mod resume;
mod sample_store;
mod session;
pub(crate) mod shard;
mod until_decided;

use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::engine::{RunEnd, RunEvent};
use crate::gateway::Explanation;
use crate::record::ledger::{self, Spending};
use crate::record::{Manifest, RequestLog, Run, Status, run_name, shard_run_name};
use crate::report::{IgnoredParameter, IncompleteTrial, VerificationDocument};
use crate::units::Nanos;

use super::base::endpoint::{self, OpenEndpoint, read_scenario};
use super::base::exit;
use super::base::failure::Failure;
use super::base::json::print_json;
use super::base::locks::LockPatience;
use super::base::model_list::{CachePolicy, ModelListState};
use super::base::preflight::{self, Preflight};
use super::base::runtime::random_number;
use super::base::stdio::{stderr, stdout};
use abandoned::Abandoned;
use baseline::open_baseline;
use cost_cap::LedgerClaim;
use failure_hints::{FailureHints, TrialFailure};
use job::{Job, ResolvedRun};
pub use job::{Mode, Options};
use part::{OpenPart, RunTally};
use progress::{Progress, ProgressMode};
use sample_store::SampleStore;
use session::{Session, SessionEnd};

/// Carries out `bakeoff run`.
pub(crate) fn execute(options: &Options) -> Result<u8, Failure> {
    let resolved = ResolvedRun::read(options)?;
    if options.mode == Mode::Measure {
        deferred::refuse_commands(&resolved.suite, options.allow_exec)?;
    }
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
    let ResolvedRun {
        suite,
        profile,
        plan,
        ..
    } = &job.resolved;
    let simulated = profile.base_url.is_none();
    let scenario = simulated.then(|| read_scenario(options.scenario.as_deref()));
    let scenario = scenario.transpose()?.map(|(scenario, _)| scenario);
    let mut preflight = Preflight::new(suite, job.facts(scenario.as_ref()));
    // A verification checks that every model answers: no verdict is needed.
    if options.mode == Mode::Verify {
        preflight = preflight.without_verdicts();
    }
    print_lines(&job.notes())?;
    let warnings = preflight.sentences().into_iter();
    print_lines(
        &warnings
            .map(|line| format!("warning: {line}"))
            .collect::<Vec<_>>(),
    )?;
    Ok(print_lines(&[preflight::duration(
        (suite, plan),
        profile,
        job.catalog(),
        scenario.as_ref(),
    )])?)
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
        "warning: a run would be refused: {refused}"
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
        Nanos::ZERO,
        ProgressMode::new(options.quiet),
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
        let mut patience = LockPatience::default();
        ledger::append(
            &options.output,
            &job.ledger_line(manifest, spending),
            &mut |lock| patience.wait(lock),
        )?;
        drop(requests);
        ledger::remove_verified(&options.output, &manifest.run);
    }
    abandoned.print(job, options.quiet)?;
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
    let Some(estimated) = estimate::before(job, options)? else {
        return Ok(exit::INTERRUPTED);
    };
    let session = Session::open(job, opened)?;
    let LedgerClaim { ledger, began } =
        cost_cap::claim_ledger(job, options, opened.record.scenario.is_some())?;
    let name = run_name(began, random_number()?);
    let name = match job.resolved.plan.shard() {
        Some(shard) => shard_run_name(&name, shard),
        None => name,
    };
    let run = Run::create(&options.output, &job.resolved.suite.name, &name)?;
    let mut manifest = job.manifest(opened, name, began);
    manifest.estimate = Some(estimated);
    run.write_manifest(&manifest)?;
    run.reserve_manifest(&manifest)?;
    let samples = SampleStore::new(&run, &manifest, run.new_samples()?);
    // Held to the end: as long as the ledger has no last line of this run, no other process may close it.
    let requests = run.new_requests()?.map(Arc::new);
    // Before anything is sent: should we be killed, the cap of the day still counts this run.
    ledger.append(&job.ledger_line(&manifest, Spending::default()))?;
    let part = OpenPart {
        tally: RunTally::new(&manifest),
        start: Nanos::ZERO,
        planned: manifest.planned_trials,
        run,
        manifest,
        samples,
        requests,
    };
    part::carry_out(job, opened, options, baseline.as_ref(), Some(session), part)
}
