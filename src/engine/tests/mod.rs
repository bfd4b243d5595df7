//! The engine against a gateway by script, under a paused clock: time passes only when everybody
//! waits, so that orders and waits are exact and take no time.

mod any_run;
mod caches;
mod capped;
mod ending;
mod fake;
mod limits;
mod looks;
mod order;
mod retries;

use std::num::NonZeroU32;
use std::sync::Arc;

use tokio::runtime::Builder;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use crate::plan::{Pacer, example, plan};
use crate::record::Sample;
use crate::suite::{PerMinute, RateLimits, Suite, Wording};
use crate::units::Nanos;

use super::{Ending, Event, Orders, Pace, run};
use fake::{Asked, Fake, Reply};

/// A suite with deadlines of no matter, the fake keeps none; no warm-up and one attempt.
fn suite(prompts: usize, variants: usize, repetitions: u32) -> Suite {
    Suite {
        warmup: 0,
        ..example::suite(prompts, variants, repetitions)
    }
}

fn orders(suite: Suite) -> Orders {
    Orders {
        run: "run".to_owned(),
        plan: plan(&suite),
        prompt_digests: vec!["digest".to_owned(); suite.prompts.len()],
        prices: vec![None; suite.variants.len()],
        bounds: Vec::new(),
        wording: Wording::default(),
        looks: Vec::new(),
        pace: Pace::new(Pacer::new(&suite, &RateLimits::default())),
        cap: None,
        warmth: super::Warmth::default(),
        suite,
    }
}

/// The same under limits.
fn under(limits: &RateLimits, suite: Suite) -> Orders {
    Orders {
        pace: Pace::new(Pacer::new(&suite, limits)),
        ..orders(suite)
    }
}

/// The same at an endpoint that allows so many requests a minute.
fn under_requests(per_minute: u32, suite: Suite) -> Orders {
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

/// What a run left.
struct Told {
    events: Vec<Event>,
    ending: Ending,
    fake: Arc<Fake>,
    /// When it was over.
    end: Nanos,
}

impl Told {
    fn samples(&self) -> Vec<&Sample> {
        let finished = self.events.iter().filter_map(|event| match event {
            Event::Finished(sample) => Some(&**sample),
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
            Event::Stopping(reason) => Some(reason.as_str()),
            _ => None,
        });
        stopping.collect()
    }

    fn waits(&self) -> Vec<Nanos> {
        let waits = self.events.iter().filter_map(|event| match event {
            Event::Retried { wait, .. } => Some(*wait),
            _ => None,
        });
        waits.collect()
    }
}

/// How somebody listens and interferes.
#[derive(Debug, Clone, Copy)]
struct Outside {
    /// When the run is asked to stop.
    stop: Option<Nanos>,
    /// Events that may wait to be taken.
    room: usize,
    /// How long each of them is looked at.
    look: Nanos,
    /// The answer to every [`Event::Look`].
    looks: Looks,
}

/// What is said at a look.
#[derive(Debug, Clone, Copy)]
enum Looks {
    /// It is enough from this round on.
    EnoughAfter(u32),
    /// Nothing: whoever would know went away.
    Gone,
    /// Nothing: whoever knows is still thinking.
    Silent,
}

const QUIET: Outside = Outside {
    stop: None,
    room: 64,
    look: Nanos::ZERO,
    looks: Looks::EnoughAfter(u32::MAX),
};

const fn stopped_at(millis: u64) -> Outside {
    Outside {
        stop: Some(Nanos::from_millis(millis)),
        ..QUIET
    }
}

fn carry_out(orders: Orders, script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Told {
    carry_out_with(orders, QUIET, script)
}

fn carry_out_with(
    orders: Orders,
    outside: Outside,
    script: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
) -> Told {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let fake = Arc::new(Fake::new(script));
        let (sender, mut taken) = mpsc::channel(outside.room);
        let (stop, stopped) = watch::channel(false);
        let (answer, go_on) = mpsc::channel(1);
        let mut answer = Some(answer).filter(|_| !matches!(outside.looks, Looks::Gone));
        let listen = async {
            let mut events = Vec::new();
            while let Some(event) = taken.recv().await {
                sleep(outside.look.into()).await;
                if let (Event::Look { round }, Looks::EnoughAfter(enough), Some(answer)) =
                    (&event, outside.looks, &mut answer)
                {
                    answer.send(*round < enough).await.unwrap();
                }
                events.push(event);
            }
            events
        };
        let interference = tokio::spawn(async move {
            match outside.stop {
                Some(at) => sleep(at.into()).await,
                None => std::future::pending().await,
            }
            stop.send_replace(true);
            std::future::pending::<()>().await;
        });
        let engine = run(Arc::clone(&fake), Arc::new(orders), sender, stopped, go_on);
        let (ending, events) = tokio::join!(engine, listen);
        interference.abort();
        Told {
            events,
            ending,
            end: super::Ask::now(&*fake),
            fake,
        }
    })
}
