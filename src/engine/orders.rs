//! What a run is given: whom to ask, what to ask, and how it is told to stop.
//!
//! Owns the engine's inputs. Must not know what is done with them. Invariant: they do not change
//! while a run goes on, but for what was counted against limits and the cap, and what is known to be warm.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::catalog::{PriceBound, TokenPrices};
use crate::gateway::{OutgoingRequest, Recording, Transport};
use crate::plan::Plan;
use crate::record::{RequestEvent, RequestLog};
use crate::suite::{Suite, Wording};
use crate::units::Nanos;

use super::cap::Cap;
use super::pace::Pace;
use super::warmth::CacheUses;

/// Whoever can carry out one exchange, with the clock it stamps by.
pub trait Client: Send + Sync + 'static {
    /// Sends one request and records what comes back; failures are part of the recording.
    fn send(&self, outgoing: OutgoingRequest) -> impl Future<Output = Recording> + Send;

    /// Time since the run began.
    fn now(&self) -> Nanos;
}

impl Client for Transport {
    fn send(&self, outgoing: OutgoingRequest) -> impl Future<Output = Recording> + Send {
        self.exchange(outgoing)
    }

    fn now(&self) -> Nanos {
        self.clock().now()
    }
}

/// All that a run needs to know, shared by its trials.
#[derive(Debug)]
pub struct RunContext {
    /// Name of the run; request ids begin with it.
    pub run: String,
    /// The resolved suite.
    pub suite: Suite,
    /// The order of everything.
    pub plan: Plan,
    /// Content digest of each prompt, in the suite's order.
    pub prompt_digests: Vec<String>,
    /// List prices of each variant's model, in the suite's order.
    pub prices: Vec<Option<TokenPrices>>,
    /// Price bounds of each variant's model, in the suite's order, by which a cap settles answers without a bill; may be empty
    /// where there is no cap.
    pub bounds: Vec<Option<PriceBound>>,
    /// How requests to the endpoint are worded: the route, and the names of some keys.
    pub wording: Wording,
    /// Spaces what is sent by what the endpoint allows a minute.
    pub pace: Pace,
    /// Rounds after which the run asks whether to go on, where any are left. Empty: it never asks.
    pub looks: Vec<u32>,
    /// What may be spent; absent: without a limit.
    pub cap: Option<Arc<Cap>>,
    /// What is warm in prompt caches.
    pub cache_uses: CacheUses,
    /// Where each request is written down before it is sent; absent: nowhere.
    pub requests: Option<Arc<RequestLog>>,
}

impl RunContext {
    /// Writes down requests that are about to be sent; `false` where that failed, and then none may be. The write
    /// waits on a thread for such work: it never holds up another stream's stamp.
    pub(super) async fn announce(&self, requests: Vec<RequestEvent>) -> bool {
        let Some(log) = &self.requests else {
            return true;
        };
        let log = Arc::clone(log);
        let written = tokio::task::spawn_blocking(move || log.append(requests));
        written.await.is_ok_and(|written| written)
    }

    /// Why requests can no longer be written down, if that is so: nothing further may be sent.
    pub(super) fn log_failure(&self) -> Option<String> {
        self.requests.as_ref()?.failure()
    }
}

/// The request of a user, or of the system, that a run end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopRequest {
    /// There is none.
    None,
    /// Start nothing more; what is in flight has the grace period.
    Orderly,
    /// Abandon what is in flight now.
    Immediate,
}

/// Brings the request to stop to everything that waits.
pub type Stop = watch::Receiver<StopRequest>;

/// The answers to [`super::RunEvent::Look`], one each: `false` ends the run there. Where nobody can answer
/// any more it goes on.
pub type ContinueSignal = mpsc::Receiver<bool>;

/// Returns once a stop is asked for; never, when nobody can ask any more.
pub(super) async fn wait_for_any_stop(stop: &mut Stop) {
    wait_for_stop(stop, StopRequest::Orderly).await;
}

/// Returns once a stop at least as urgent is asked for; never, when nobody can ask any more.
pub(super) async fn wait_for_stop(stop: &mut Stop, request: StopRequest) {
    if stop.wait_for(|stop| *stop >= request).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Whether requests in flight are given up: set once, at the end of a run's grace period.
pub(super) type GiveUp = watch::Receiver<bool>;

/// Returns once requests in flight are given up; never, when the run ended without that.
pub(super) async fn wait_for_give_up(give_up: &mut GiveUp) {
    if give_up.wait_for(|given_up| *given_up).await.is_err() {
        std::future::pending::<()>().await;
    }
}
