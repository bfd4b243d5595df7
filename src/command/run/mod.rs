//! `bakeoff run`: carries out a suite and compares the models.
//!
//! Owns the steps of the command in each of its modes, and its exit code. Must not know how a run is prepared
//! or driven. Invariant: whatever stops a run, finished trials are stored and reported.

mod abandoned;
pub(super) mod baseline;
mod billing_lookup;
mod calibrated;
mod conformance;
pub(super) mod cost_cap;
pub(super) mod deferred;
mod differences;
pub(super) mod estimate;
mod failure_hints;
pub(super) mod job;
mod limit_abort;
mod load;
mod options;
mod part;
mod probes;
mod progress;
pub(super) mod provider_prices;
mod rate_limits;
mod remaining;
pub mod resume;
mod sample_store;
mod session;
pub(crate) mod shard;
mod until_decided;
mod verify;

use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use crate::record::ledger::Spending;
use crate::record::{Run, run_name, shard_run_name};
use crate::units::Nanos;
use crate::verdict::{TYPICAL_NOISE, power};

use super::base::endpoint::{self, OpenEndpoint, read_scenario};
use super::base::exit;
use super::base::failure::Failure;
use super::base::json::print_json;
use super::base::model_list::{CachePolicy, ModelListState};
use super::base::preflight::{self, Preflight};
use super::base::runtime::random_number;
use super::base::stdio::{stderr, stdout};
pub use crate::suite::LoadSettings;
use baseline::open_baseline;
use calibrated::capacity_lint;
use cost_cap::LedgerClaim;
use job::{Job, ResolvedRun};
pub use load::TraceFlag;
pub use options::{Mode, Options};
use part::{OpenPart, RunTally};
use sample_store::SampleStore;
use session::Session;

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
        let mut job = Job::new(resolved, known);
        job.check_added_models(scenario)?;
        job.expect_requests(scenario)?;
        if !options.quiet {
            print_preflight(&job, options)?;
            print_lines(&[estimate::line(&job, &options.output)])?;
            warn_of_refusal(&job, options)?;
        }
        return list(&job.resolved, options.json);
    }
    let sim_seed = options.sim_seed.or_else(|| shared_sim_seed(&resolved));
    let opened = endpoint::open(&resolved.profile, scenario, sim_seed)?;
    let mut job = Job::new(resolved, ModelListState::from_endpoint(&opened)?);
    job.check_added_models(scenario)?;
    job.expect_requests(scenario)?;
    let simulated = opened.record.scenario.is_some();
    let limit = cost_cap::limit_before_run(&job, options, simulated)?;
    // Without a cap, too: the most that a run can cost is the same number here as in an estimate.
    let policy = match limit {
        Some(_) => CachePolicy::New,
        None => CachePolicy::Fresh,
    };
    let notes = provider_prices::ask(&mut job, &opened, policy)?;
    if let Some(limit) = limit {
        job.cap = Some(cost_cap::build_cap(&job, limit)?);
        if !options.quiet {
            print_lines(&notes)?;
        }
    }
    if !options.quiet {
        print_preflight(&job, options)?;
    }
    match options.mode {
        Mode::Verify => verify::verify(&mut job, &opened, options),
        _ => measure(&mut job, &opened, options),
    }
}

/// The sim seed of a share in the simulator: that of the plan, so that shares whose user names none belong together.
fn shared_sim_seed(resolved: &ResolvedRun) -> Option<u64> {
    let is_share = resolved.plan.shard().is_some() && resolved.profile.base_url.is_none();
    is_share.then_some(resolved.suite.seed)
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
    let power = power(suite, TYPICAL_NOISE);
    let mut preflight = Preflight::new(suite, job.facts(scenario.as_ref()), &power);
    // A verification checks that every model answers: no verdict is needed.
    if options.mode == Mode::Verify {
        preflight = preflight.without_verdicts();
    }
    if let Some(lint) = capacity_lint(job.clock, job.lanes()) {
        preflight.push(lint);
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
    manifest.set_up = session.set_up();
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
        ended_trials: 0,
        run,
        manifest,
        samples,
        requests,
    };
    part::carry_out(job, opened, options, baseline.as_ref(), Some(session), part)
}
