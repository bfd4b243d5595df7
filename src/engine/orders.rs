//! What a run is given: whom to ask, what to ask, and how it is told to stop.
//!
//! Owns the engine's inputs. Must not know what is done with them. Invariant: they do not change
//! while a run goes on, but for what was counted against limits and the cap, and what is known to be warm.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::catalog::{PriceBound, Prices};
use crate::gateway::{Outgoing, Recording, Transport};
use crate::plan::Plan;
use crate::suite::{Suite, Wording};
use crate::units::Nanos;

use super::cap::Cap;
use super::pace::Pace;
use super::warmth::Warmth;

/// Whoever can carry out one exchange, with the clock it stamps by.
pub trait Ask: Send + Sync + 'static {
    /// Sends one request and records what comes back; failures are part of the recording.
    fn ask(&self, outgoing: Outgoing) -> impl Future<Output = Recording> + Send;

    /// Time since the run began.
    fn now(&self) -> Nanos;
}

impl Ask for Transport {
    fn ask(&self, outgoing: Outgoing) -> impl Future<Output = Recording> + Send {
        self.exchange(outgoing)
    }

    fn now(&self) -> Nanos {
        self.clock().now()
    }
}

/// All that a run needs to know, shared by its trials.
#[derive(Debug)]
pub struct Orders {
    /// Name of the run; request ids begin with it.
    pub run: String,
    /// The resolved suite.
    pub suite: Suite,
    /// The order of everything.
    pub plan: Plan,
    /// Content digest of each prompt, in the suite's order.
    pub prompt_digests: Vec<String>,
    /// List prices of each variant's model, in the suite's order.
    pub prices: Vec<Option<Prices>>,
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
    pub warmth: Warmth,
}

/// The request to stop: `true` once someone wants the run to end.
pub type Stop = watch::Receiver<bool>;

/// The answers to [`super::Event::Look`], one each: `false` ends the run there. Where nobody can answer
/// any more it goes on.
pub type GoOn = mpsc::Receiver<bool>;

/// Returns once a stop is asked for; never, when nobody can ask any more.
pub(super) async fn stopped(stop: &mut Stop) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}
