//! `run --verify`: one trial per prompt and variant, then probes of the parameters of a request; no records.
//!
//! Owns its steps and its output. Must not know what an answer shows. Invariants: what it costs is in the ledger, however it ends;
//! under a cap the probes have what the trials left.

use std::io::Write;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::engine::{FinishedTrials, RunEnd, RunEvent};
use crate::gateway::Explanation;
use crate::record::ledger::{self, Spending};
use crate::record::{Manifest, RequestLog, Run, Sample, Status, run_name};
use crate::report::{Figure, IncompleteTrial, ParameterCheck, ProbeCost, VerificationDocument};
use crate::suite::{Suite, Variant};
use crate::units::{Nanos, Usd, plural};

use super::abandoned::Abandoned;
use super::conformance;
use super::cost_cap::{self, CostLimit, LedgerClaim, build_cap};
use super::failure_hints::{FailureHints, TrialFailure};
use super::job::{EarlierParts, Job, Options};
use super::probes::{check_parameters, is_limit_probe, probe_suite};
use super::progress::{Progress, ProgressMode};
use super::session::{Session, SessionEnd};
use crate::command::base::endpoint::OpenEndpoint;
use crate::command::base::exit;
use crate::command::base::failure::Failure;
use crate::command::base::json::print_json;
use crate::command::base::locks::LockPatience;
use crate::command::base::runtime::random_number;
use crate::command::base::stdio::{stderr, stdout};

/// Name of the requests of the trials, and of the probes.
const TRIALS: &str = "verify";
const PROBES: &str = "verify-probe";

/// The probes of a verification: what they showed and what they cost.
#[derive(Debug, Default)]
struct ProbeRun {
    checks: Vec<ParameterCheck>,
    cost: Option<ProbeCost>,
    is_interrupted: bool,
}

/// Sends one trial per prompt and variant and prints those that did not complete, without records.
pub(super) fn verify(
    job: &mut Job,
    opened: &OpenEndpoint,
    options: &Options,
) -> Result<u8, Failure> {
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
    let ending = session.carry_out(job, TRIALS, requests.clone(), |event| {
        job.count(&event, &mut spending);
        abandoned.note(&event, &job.resolved.suite);
        progress.update(&event, &mut stderr());
        if let RunEvent::Finished(sample) = event {
            samples.push(*sample);
        }
        Ok(ControlFlow::Continue(()))
    });
    progress.end();
    let probed = match &ending {
        Ok(SessionEnd { ending, .. }) if *ending != RunEnd::Interrupted => {
            let log = (requests.clone(), &mut spending);
            probe(job, opened, &samples, log, options)
        }
        _ => Ok(ProbeRun::default()),
    };
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
    let ProbeRun {
        checks,
        cost,
        is_interrupted,
    } = probed?;
    samples.sort_by_key(|sample| sample.trial);
    let incomplete = incomplete_trials(job, opened, &samples);
    let all_complete = incomplete.is_empty();
    let planned = job.resolved.suite.trials();
    let answered = samples.iter().filter(|sample| sample.outcome.answered());
    let answered = answered.count() as u64;
    let breaks_cap = job.cap.is_some() && checks.iter().any(ParameterCheck::is_ignored_limit);
    let document = VerificationDocument::new(
        &job.resolved.suite.name,
        (planned, answered),
        incomplete,
        conformance::ignored_parameters(&job.resolved.suite, &samples),
        (checks, cost),
    );
    let mut out = stdout();
    if options.json {
        print_json(&mut out, &document)?;
    } else {
        for line in document.lines() {
            writeln!(out, "{line}")?;
        }
    }
    if breaks_cap {
        writeln!(
            stderr(),
            "error: a cap does not hold for a route that ignores max_tokens\n  add `ignores_max_tokens` with its models to the \
             endpoint's table in bakeoff.toml: then a cap counts the longest answer that they can write"
        )?;
    }
    Ok(match ending {
        RunEnd::Interrupted => exit::INTERRUPTED,
        _ if is_interrupted => exit::INTERRUPTED,
        _ if answered == planned && all_complete && !breaks_cap => exit::DONE,
        _ => exit::INCOMPLETE,
    })
}

/// The trials that did not complete, in the order of the plan, with their remedies.
fn incomplete_trials(job: &Job, opened: &OpenEndpoint, samples: &[Sample]) -> Vec<IncompleteTrial> {
    let mut hints = FailureHints::default();
    for sample in samples {
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
    incomplete.collect()
}

/// Sends the probes to the variants that answered a trial.
fn probe(
    job: &mut Job,
    opened: &OpenEndpoint,
    trials: &[Sample],
    (log, spending): (Option<Arc<RequestLog>>, &mut Spending),
    options: &Options,
) -> Result<ProbeRun, Failure> {
    let has_answered = |variant: &&Variant| {
        let mut answered = trials.iter().filter(|sample| sample.outcome.answered());
        answered.any(|sample| sample.variant == variant.label)
    };
    let suite = &job.resolved.suite;
    let variants: Vec<Variant> = suite
        .variants
        .iter()
        .filter(has_answered)
        .cloned()
        .collect();
    if variants.is_empty() {
        return Ok(ProbeRun::default());
    }
    let (suite, absent) = probe_suite(suite, variants.clone(), job.resolved.profile.wording);
    let whole = probing_job(job, suite.clone());
    let requests = suite.trials();
    let at_most = max_cost(&whole);
    if let Some(cap) = &job.cap {
        let left = Usd(cap.limit().0 - cap.max_spent().0);
        if at_most.is_none_or(|max| max > left) {
            if !options.quiet {
                let max = at_most
                    .map_or_else(|| "any amount".to_owned(), |max| Figure::Money(max).shown());
                let left = Figure::Money(left).shown();
                writeln!(
                    stderr(),
                    "note: no parameter is probed: the probes can cost up to {max}, and {left} of the cap is left"
                )?;
            }
            return Ok(ProbeRun::default());
        }
    }
    if !options.quiet {
        let max = at_most.map_or_else(String::new, |max| {
            format!(", for at most {}", Figure::Money(max).shown())
        });
        let requests = plural(usize::try_from(requests).unwrap_or(usize::MAX), "request");
        writeln!(stderr(), "note: parameters are probed by {requests}{max}")?;
    }
    let mut own = Spending::default();
    let mut samples = Vec::new();
    let mut is_interrupted = false;
    // The token limit first: without one, no other probe has a bound.
    for is_of_limit in [true, false] {
        let mut part = suite.clone();
        part.prompts
            .retain(|prompt| is_limit_probe(&prompt.id) == is_of_limit);
        let found = check_parameters(&variants, &absent, &samples);
        let mut ignored = found.iter().filter(|check| check.is_ignored_limit());
        if job.cap.is_some() {
            part.variants
                .retain(|variant| !ignored.any(|check| check.variant == variant.label));
        }
        if is_interrupted || part.variants.is_empty() || part.prompts.is_empty() {
            continue;
        }
        let mut take = |probing: &Job, event: RunEvent| {
            probing.count(&event, spending);
            probing.count(&event, &mut own);
            if let RunEvent::Finished(sample) = event {
                samples.push(*sample);
            }
        };
        let ending = send_probes(job, opened, part, (log.clone(), options.quiet), &mut take)?;
        is_interrupted = ending == RunEnd::Interrupted;
    }
    let unknown = own.clone().into_models();
    Ok(ProbeRun {
        checks: check_parameters(&variants, &absent, &samples),
        cost: Some(ProbeCost {
            requests,
            spent_usd: own.total(),
            unknown: unknown.iter().map(|model| model.unknown).sum(),
            at_most_usd: at_most,
        }),
        is_interrupted,
    })
}

/// The job of these probes, without a cap.
fn probing_job(job: &Job, suite: Suite) -> Job {
    let mut probing = job.with_suite(suite);
    probing.is_probing = true;
    probing.offered.clone_from(&job.offered);
    probing
}

/// Sends these probes, under what is left of the job's cap, and hands each event on.
fn send_probes(
    job: &mut Job,
    opened: &OpenEndpoint,
    suite: Suite,
    (log, is_quiet): (Option<Arc<RequestLog>>, bool),
    take: &mut dyn FnMut(&Job, RunEvent),
) -> Result<RunEnd, Failure> {
    let mut probing = probing_job(job, suite);
    if let Some(cap) = &job.cap {
        probing.earlier = Some(EarlierParts {
            run: PROBES.to_owned(),
            number: 1,
            finished: FinishedTrials::default(),
            cap: None,
            spent: cap.max_spent(),
        });
        probing.cap = Some(build_cap(&probing, CostLimit::of_run(cap))?);
    }
    let first = probing.resolved.suite.prompts.first();
    let name = first.map_or_else(String::new, |prompt| format!("{PROBES}-{}", prompt.id));
    let mut abandoned = Abandoned::default();
    let ended = Session::open(&probing, opened)?.carry_out(&probing, &name, log, |event| {
        abandoned.note(&event, &probing.resolved.suite);
        take(&probing, event);
        Ok(ControlFlow::Continue(()))
    });
    abandoned.print(&probing, is_quiet)?;
    // What was reserved and not settled is in the ledger, however the probes ended.
    job.cap = probing.cap.take().or(job.cap.take());
    Ok(ended?.ending)
}

/// The most that all trials of the job can cost; `None` if one has no bound.
fn max_cost(job: &Job) -> Option<Usd> {
    let worst = cost_cap::worst_case(job);
    let mut variants = 0..job.resolved.suite.variants.len();
    variants.try_fold(Usd::ZERO, |sum, variant| {
        sum.plus(worst.round(variant).ok()?)
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
