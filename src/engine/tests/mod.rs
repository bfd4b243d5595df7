//! The engine against a scripted gateway, under a paused clock: time passes only when every task waits, so that
//! orders and waits are exact and take no time.

mod any_run;
mod caches;
mod capped;
mod ending;
mod fake;
mod limits;
mod load;
mod looks;
mod order;
mod outages;
mod resumed;
mod retries;

use std::num::NonZeroU32;
use std::sync::Arc;

use tokio::runtime::Builder;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use crate::grade::Grader;
use crate::plan::{RatePacer, example, plan};
use crate::record::Sample;
use crate::suite::{PerMinute, RateLimits, Suite, Wording};
use crate::units::Nanos;

use super::{Pacer, RunContext, RunEnd, RunEvent, StopRequest, run};
use fake::{FakeGateway, Reply, SentRequest};

/// A virtual time after which a run that has not ended is stuck.
const FOR_EVER: std::time::Duration = std::time::Duration::from_hours(60 * 24);

/// A suite whose deadlines do not matter, as the fake ignores them; no warm-up and one attempt.
fn suite(prompts: usize, variants: usize, repetitions: u32) -> Suite {
    Suite {
        warmup: 0,
        ..example::suite(prompts, variants, repetitions)
    }
}

fn context(suite: Suite) -> RunContext {
    RunContext {
        run: "run".to_owned(),
        request_prefix: "run".to_owned(),
        finished: super::FinishedTrials::default(),
        plan: plan(&suite),
        prompt_digests: vec!["digest".to_owned(); suite.prompts.len()],
        catalog: Arc::new(crate::catalog::fixture::read(r#"{"data":[]}"#)),
        bounds: Vec::new(),
        wording: Wording::default(),
        is_probing: false,
        looks: Vec::new(),
        pacer: Arc::new(Pacer::new(
            &suite,
            RatePacer::new(&suite, &RateLimits::default()),
        )),
        cap: None,
        cache_uses: super::CacheUses::default(),
        requests: None,
        sample_thread: None,
        grader: Grader::new(&suite).map(Arc::new),
        suite,
    }
}

/// The same under limits.
fn under(limits: &RateLimits, suite: Suite) -> RunContext {
    RunContext {
        pacer: Arc::new(Pacer::new(&suite, RatePacer::new(&suite, limits))),
        ..context(suite)
    }
}

/// The same at an endpoint that allows so many requests a minute.
fn under_requests(per_minute: u32, suite: Suite) -> RunContext {
    let limits = RateLimits {
        whole: requests(per_minute),
        models: Vec::new(),
    };
    under(&limits, suite)
}

fn requests(requests: u32) -> PerMinute {
    PerMinute {
        requests: NonZeroU32::new(requests),
        tokens: None,
    }
}

/// The result of a run.
struct FinishedRun {
    events: Vec<RunEvent>,
    ending: RunEnd,
    fake: Arc<FakeGateway>,
    /// The instant of its end.
    end: Nanos,
}

impl FinishedRun {
    fn samples(&self) -> Vec<&Sample> {
        let finished = self.events.iter().filter_map(|event| match event {
            RunEvent::Finished(sample) => Some(&**sample),
            _ => None,
        });
        finished.collect()
    }

    /// The only sample.
    fn sample(&self) -> &Sample {
        let samples = self.samples();
        assert_eq!(samples.len(), 1);
        samples[0]
    }

    fn reasons(&self) -> Vec<&str> {
        let stopping = self.events.iter().filter_map(|event| match event {
            RunEvent::Stopping(reason) => Some(reason.as_str()),
            _ => None,
        });
        stopping.collect()
    }

    fn waits(&self) -> Vec<Nanos> {
        let waits = self.events.iter().filter_map(|event| match event {
            RunEvent::Retried { wait, .. } => Some(*wait),
            _ => None,
        });
        waits.collect()
    }
}

/// The listener of a run, and its stop.
#[derive(Debug, Clone, Copy)]
struct Listener {
    /// The instant of the stop.
    stop: Option<Nanos>,
    /// The capacity of the event channel.
    room: usize,
    /// The time spent on each event.
    look: Nanos,
    /// The answer to every [`RunEvent::Look`].
    looks: LookAnswer,
}

/// The decision at a look.
#[derive(Debug, Clone, Copy)]
enum LookAnswer {
    /// Enough from this round on.
    EnoughAfter(u32),
    /// No answer: the sender is gone.
    Gone,
    /// No answer: the sender is still computing.
    Silent,
}

const QUIET: Listener = Listener {
    stop: None,
    room: 64,
    look: Nanos::ZERO,
    looks: LookAnswer::EnoughAfter(u32::MAX),
};

const fn stopped_at(millis: u64) -> Listener {
    Listener {
        stop: Some(Nanos::from_millis(millis)),
        ..QUIET
    }
}

fn carry_out(
    context: RunContext,
    script: impl Fn(&SentRequest) -> Reply + Send + Sync + 'static,
) -> FinishedRun {
    carry_out_with(context, QUIET, script)
}

fn carry_out_with(
    context: RunContext,
    listener: Listener,
    script: impl Fn(&SentRequest) -> Reply + Send + Sync + 'static,
) -> FinishedRun {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let fake = Arc::new(FakeGateway::new(script));
        let (sender, mut taken) = mpsc::channel(listener.room);
        let (stop, stopped) = watch::channel(StopRequest::None);
        let (answer, continue_signal) = mpsc::channel(1);
        let mut answer = Some(answer).filter(|_| !matches!(listener.looks, LookAnswer::Gone));
        let listen = async {
            let mut events = Vec::new();
            while let Some(event) = taken.recv().await {
                sleep(listener.look.into()).await;
                if let (RunEvent::Look { round }, LookAnswer::EnoughAfter(enough), Some(answer)) =
                    (&event, listener.looks, &mut answer)
                {
                    answer.send(*round < enough).await.unwrap();
                }
                events.push(event);
            }
            events
        };
        let interference = tokio::spawn(async move {
            match listener.stop {
                Some(at) => sleep(at.into()).await,
                None => std::future::pending().await,
            }
            stop.send_replace(StopRequest::Orderly);
            std::future::pending::<()>().await;
        });
        let engine = run(
            Arc::clone(&fake),
            Arc::new(context),
            sender,
            stopped,
            continue_signal,
        );
        // Without a timer the paused clock would not go on: a deadlock must fail, and not hang.
        let both = async { tokio::join!(engine, listen) };
        let ended = tokio::time::timeout(FOR_EVER, both).await;
        let (ending, events) = ended.expect("the run does not end");
        interference.abort();
        FinishedRun {
            events,
            ending,
            end: super::Client::now(&*fake),
            fake,
        }
    })
}
