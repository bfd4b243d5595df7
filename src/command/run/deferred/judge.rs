//! The requests to a judge, as a run of their own: one prompt for each answer that it has not judged yet.
//!
//! Owns that run's suite and the reading of its answers. Must not know which sample a verdict belongs to. Invariants: a
//! request that was judged before is not sent; what is sent counts against the cap of the run.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::engine::{FinishedTrials, RunEnd, RunEvent};
use crate::grade::{JudgeRequest, read_verdict};
use crate::record::ledger::Spending;
use crate::record::{Judging, RequestEvent, RequestLog, Sample};
use crate::suite::{Message, Parameters, Prompt, Role, Suite, Variant};
use crate::units::{Nanos, Usd, digest};

use super::super::cost_cap::{CostLimit, build_cap};
use super::super::job::{EarlierParts, Job};
use super::super::progress::{Progress, ProgressMode};
use super::super::provider_prices;
use super::super::session::Session;
use super::verdict_cache;
use crate::command::base::endpoint::OpenEndpoint;
use crate::command::base::failure::Failure;
use crate::command::base::grader_cost::REPEAT_EVERY;
use crate::command::base::model_list::CachePolicy;
use crate::command::base::runtime::random_number;
use crate::command::base::stdio::stderr;

/// Tokens that a judge may write where its table sets no limit, reasoning included.
const MAX_TOKENS: u64 = 2_000;

/// Verdicts that are requested twice at most: their agreement is known well enough then.
const MAX_REPEATS: usize = 100;

/// The verdicts on some requests.
#[derive(Debug, Default)]
pub(super) struct JudgeRun {
    /// Scores and reasons by request; requests without a verdict are absent.
    pub(super) verdicts: BTreeMap<JudgeRequest, (f64, String)>,
    pub(super) judging: Option<Judging>,
    pub(super) spending: Spending,
    /// Under a limit: the most that its requests of unknown cost can cost.
    pub(super) reserved: Usd,
    /// The first reason for which a request has no verdict.
    pub(super) problem: Option<String>,
    pub(super) interrupted: bool,
}

/// The suite of a judge's run: a prompt for each request, in an order by the seed of the suite.
pub(super) fn suite_of(suite: &Suite, judge: &Variant, requests: &[JudgeRequest]) -> Suite {
    let prompts = requests.iter().enumerate();
    let prompts = prompts.map(|(index, request)| {
        let messages = vec![Message::text(Role::User, &*request.text)];
        Prompt {
            system: Some(request.system.clone()).into(),
            ..Prompt::new(index.to_string(), messages)
        }
    });
    let parameters = Parameters {
        max_tokens: Some(MAX_TOKENS),
        ..Parameters::default()
    };
    Suite {
        stream: false,
        ..suite.with_own_requests(vec![judge.clone()], parameters, prompts.collect())
    }
}

/// The job of a judge's requests to the endpoint of `job`, under what is left of the limit of its run.
///
/// # Errors
/// If a request has no bound, or the limit does not hold one.
pub(super) fn job(
    job: &Job,
    suite: Suite,
    opened: &OpenEndpoint,
    (run, limit): (&str, Option<(CostLimit, Usd)>),
) -> Result<Job, Failure> {
    let mut job = job.with_suite(suite);
    if let Some((limit, spent)) = limit {
        // Its notes about providers that could not be looked up were printed before the run.
        let _ = provider_prices::ask(&mut job, opened, CachePolicy::Fresh)?;
        job.earlier = Some(EarlierParts {
            run: run.to_owned(),
            number: 1,
            finished: FinishedTrials::default(),
            cap: None,
            spent,
        });
        job.cap = Some(build_cap(&job, limit)?);
    }
    Ok(job)
}

/// The name of a request in the cache.
fn key(request: &JudgeRequest, base_url: &str, judge: &Variant) -> String {
    let request = (base_url, &judge.model, &judge.parameters, request);
    digest(&serde_json::to_vec(&request).unwrap_or_default())
}

/// The verdicts of earlier runs on these requests.
pub(super) fn cached(
    base_url: Option<&str>,
    judge: &Variant,
    requests: &[JudgeRequest],
) -> BTreeMap<JudgeRequest, (f64, String)> {
    verdict_cache::read(base_url, requests, |request, base_url| {
        key(request, base_url, judge)
    })
}

/// The requests among those with a verdict that are sent a second time: a tenth, at most [`MAX_REPEATS`].
pub(super) fn repeated(
    verdicts: &BTreeMap<JudgeRequest, (f64, String)>,
    seed: u64,
) -> Vec<JudgeRequest> {
    let every = usize::try_from(REPEAT_EVERY).unwrap_or(usize::MAX);
    let count = (verdicts.len() / every).min(MAX_REPEATS);
    let mut all: Vec<(String, &JudgeRequest)> = verdicts
        .keys()
        .map(|request| {
            (
                digest(format!("{seed} {}", request.text).as_bytes()),
                request,
            )
        })
        .collect();
    all.sort_unstable();
    let some = all.into_iter().take(count);
    some.map(|(_, request)| request.clone()).collect()
}

/// Sends the requests, the prompts of the job in their order, and reads the verdicts.
pub(super) fn send(
    job: &Job,
    opened: &OpenEndpoint,
    requests: &[JudgeRequest],
    (run, log): (&str, Option<Arc<RequestLog>>),
    quiet: bool,
) -> Result<JudgeRun, Failure> {
    let suite = &job.resolved.suite;
    let judge = &suite.variants[0];
    let mut sent = JudgeRun::default();
    let mut progress = Progress::new(suite, suite.trials(), Nanos::ZERO, ProgressMode::new(quiet));
    let session = Session::open(job, opened)?;
    // A run may be judged several times, and its log counts each request by its id.
    let name = format!("{run}-judge-{:06x}", random_number()? & 0xff_ffff);
    let ended = session.carry_out(job, &name, log.clone(), |event| {
        job.count(&event, &mut sent.spending);
        progress.update(&event, &mut stderr());
        if let RunEvent::Finished(sample) = &event {
            note_end(log.as_deref(), sample);
            match verdict(sample) {
                Ok(verdict) => {
                    let request = sample
                        .prompt
                        .parse()
                        .ok()
                        .and_then(|at: usize| requests.get(at));
                    sent.verdicts
                        .extend(request.map(|request| (request.clone(), verdict)));
                }
                Err(problem) => {
                    sent.problem.get_or_insert(problem);
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    });
    progress.end();
    match ended?.ending {
        RunEnd::Complete | RunEnd::Decided { .. } => {}
        RunEnd::Interrupted => sent.interrupted = true,
        RunEnd::Capped(reason) | RunEnd::Aborted(reason) | RunEnd::Partial(reason) => {
            sent.problem.get_or_insert(reason);
        }
    }
    let known = job.spent_before().0 + sent.spending.total().0;
    let max = job.cap.as_ref().map_or(Usd::ZERO, |cap| cap.max_spent());
    sent.reserved = Usd(max.0 - known).max(Usd::ZERO);
    let verdicts = sent.verdicts.iter();
    let verdicts = verdicts.map(|(request, (score, reason))| (request, *score, reason.as_str()));
    let base_url = opened.record.base_url.as_deref();
    verdict_cache::append(base_url, verdicts, |request, base_url| {
        key(request, base_url, judge)
    });
    let spending = sent.spending.clone().into_models();
    let unknown = spending.iter().map(|model| model.unknown).sum();
    sent.judging = Some(Judging {
        verdicts: sent.verdicts.len() as u64,
        unknown,
        spent_usd: sent.spending.total(),
        ..Judging::new(judge.model.clone())
    });
    Ok(sent)
}

/// Logs the ends of requests that leave no sample in the run.
fn note_end(log: Option<&RequestLog>, sample: &Sample) {
    let Some(log) = log else {
        return;
    };
    let last = sample.attempts.len().saturating_sub(1);
    let ends = sample.attempts.iter().enumerate();
    let ends = ends.map(|(index, attempt)| RequestEvent::Ended {
        request_id: attempt.request_id.clone(),
        outcome: attempt.outcome,
        spent_usd: (index == last).then(|| sample.spent()).flatten(),
    });
    // A log that cannot be written stops the sending by itself.
    let _ = log.append(ends.collect());
}

/// The verdict in an answer of the judge.
fn verdict(sample: &Sample) -> Result<(f64, String), String> {
    if !sample.outcome.answered() {
        let error = sample.error.as_ref();
        let message = error.map(|error| format!(": {}", error.message));
        return Err(format!(
            "the judge did not answer ({}{})",
            sample.outcome.word(),
            message.unwrap_or_default()
        ));
    }
    read_verdict(sample.answer.as_deref().unwrap_or_default())
}
