//! The inputs of a run: the client, the suite and plan, and the stop signals.
//!
//! Owns the engine's inputs. Must not know their use. Invariant: they do not change during a run, except the
//! counts against limits and the cap, and the record of warm caches.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use crate::catalog::{Catalog, PriceBound};
use crate::gateway::{OutgoingRequest, Recording, Transport};
use crate::grade::Grader;
use crate::plan::Plan;
use crate::record::{RequestEvent, RequestLog};
use crate::suite::{Suite, Wording};
use crate::units::Nanos;

use super::cap::Cap;
use super::finished::FinishedTrials;
use super::pacer::Pacer;
use super::warmth::CacheUses;

/// A client that carries out one exchange, with the clock of its stamps.
pub trait Client: Send + Sync + 'static {
    /// Sends one request and records the response; failures are part of the recording.
    fn send(&self, outgoing: OutgoingRequest) -> impl Future<Output = Recording> + Send;

    /// Prepares the connections of the next `count` requests, before their clocks start.
    fn prepare(&self, count: usize) -> impl Future<Output = ()> + Send {
        let _ = count;
        std::future::ready(())
    }

    /// Time since the run began.
    fn now(&self) -> Nanos;

    /// Returns once the time since the run began has reached `at`.
    fn wait_until(&self, at: Nanos) -> impl Future<Output = ()> + Send {
        let left = at.since(self.now());
        async move { tokio::time::sleep(left.into()).await }
    }

    /// The longest pause of this process (stopped, suspended, without a processor) that overlaps the time between
    /// two instants.
    fn longest_pause(&self, from: Nanos, to: Nanos) -> Nanos {
        let _ = (from, to);
        Nanos::ZERO
    }
}

impl Client for Transport {
    fn send(&self, outgoing: OutgoingRequest) -> impl Future<Output = Recording> + Send {
        self.exchange(outgoing)
    }

    fn prepare(&self, count: usize) -> impl Future<Output = ()> + Send {
        self.prepare(count)
    }

    fn now(&self) -> Nanos {
        self.clock().now()
    }

    fn wait_until(&self, at: Nanos) -> impl Future<Output = ()> + Send {
        self.wait_until(at)
    }

    fn longest_pause(&self, from: Nanos, to: Nanos) -> Nanos {
        self.longest_pause(from, to)
    }
}

/// The inputs of a run, shared by its trials.
#[derive(Debug)]
pub struct RunContext {
    /// Name of the run.
    pub run: String,
    /// Beginning of request ids: the name of the run, in a resumed run with the number of the part.
    pub request_prefix: String,
    /// Trials that ended in an earlier part of the run, and are not sent.
    pub finished: FinishedTrials,
    /// The resolved suite.
    pub suite: Suite,
    /// The order of all slots and trials.
    pub plan: Plan,
    /// Content digest of each prompt, in the suite's order.
    pub prompt_digests: Vec<String>,
    /// The list of models and their prices.
    pub catalog: Arc<Catalog>,
    /// Price bounds of each variant's model, in the suite's order, by which a cap settles answers without a
    /// bill; may be empty where there is no cap.
    pub bounds: Vec<Option<PriceBound>>,
    /// The request format of the endpoint: the route, and the names of some keys.
    pub wording: Wording,
    /// The pacer of the endpoint and its models.
    pub pacer: Arc<Pacer>,
    /// Rounds after which the run waits for the decision to continue, if any are left. Empty: it never waits.
    pub looks: Vec<u32>,
    /// The cap; absent: no limit.
    pub cap: Option<Arc<Cap>>,
    /// True if the requests find out whether token limits are honoured: an answer above its limit does not end the run.
    pub is_probing: bool,
    /// The record of warm prompt caches.
    pub cache_uses: CacheUses,
    /// The log of requests, written before they are sent; absent: no log.
    pub requests: Option<Arc<RequestLog>>,
    /// The runtime of the thread that makes samples; absent: they are made by those of the run.
    pub sample_thread: Option<Handle>,
    /// Grades answers; absent if the suite has no assert.
    pub grader: Option<Arc<Grader>>,
}

impl RunContext {
    /// Logs requests that are about to be sent; `false` if that failed, and then none may be.
    pub(super) fn announce(&self, requests: Vec<RequestEvent>) -> bool {
        let log = self.requests.as_ref();
        log.is_none_or(|log| log.append(requests))
    }

    /// The reason that requests can no longer be logged, if that is so: nothing further may be sent.
    pub(super) fn log_failure(&self) -> Option<String> {
        self.requests.as_ref()?.failure()
    }
}

/// A request of the user or the system to end the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopRequest {
    /// No stop.
    None,
    /// Start nothing more; requests in flight have the grace period.
    Orderly,
    /// Abandon requests in flight now.
    Immediate,
}

/// The stop request, for everything that waits.
pub type Stop = watch::Receiver<StopRequest>;

/// The decisions after [`super::RunEvent::Look`], one each: `false` ends the run there. If the sender is gone
/// the run continues.
pub type ContinueSignal = mpsc::Receiver<bool>;

/// Returns once a stop is requested; never, if the sender is gone.
pub(super) async fn wait_for_any_stop(stop: &mut Stop) {
    wait_for_stop(stop, StopRequest::Orderly).await;
}

/// Returns once a stop at least as urgent is requested; never, if the sender is gone.
pub(super) async fn wait_for_stop(stop: &mut Stop, request: StopRequest) {
    if stop.wait_for(|stop| *stop >= request).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// True once requests in flight are given up: set once, at the end of a run's grace period.
pub(super) type GiveUp = watch::Receiver<bool>;

/// Returns once requests in flight are given up; never, when the run ended without that.
pub(super) async fn wait_for_give_up(give_up: &mut GiveUp) {
    if give_up.wait_for(|given_up| *given_up).await.is_err() {
        std::future::pending::<()>().await;
    }
}
