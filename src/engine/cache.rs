//! Prompt caches within a run: the request that fills them.
//!
//! Owns when it is sent. Must not know what a trial's sample is made of. Invariant: what is sent here is no
//! sample.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::suite::CacheMode;

use super::event::Event;
use super::orders::{Ask, Orders, Stop, stopped};
use super::trial::{self, Ready};

/// Where the suite wants warm caches: sends the request of each trial once, side by side, and waits
/// for the answers, whatever these are. `false` when the run was asked to stop meanwhile.
pub(super) async fn warm<A: Ask>(
    trials: &[Ready],
    asker: &Arc<A>,
    orders: &Orders,
    events: &mpsc::Sender<Event>,
    stop: &mut Stop,
) -> bool {
    let cold = |ready: &&Ready| {
        let variant = &orders.suite.variants[ready.variant()];
        orders.suite.cache_of(variant) == CacheMode::Warm
            && !orders
                .warmth
                .holds(&orders.suite, ready.trial(), asker.now())
    };
    let cold: Vec<&Ready> = trials.iter().filter(cold).collect();
    if cold.is_empty() {
        return true;
    }
    let warming = cold.into_iter().map(|ready| async move {
        // Attempts of the trial are numbered from 1.
        let outgoing = ready.outgoing(orders, 0);
        let answered = ready.ask(&**asker, orders, outgoing).await;
        if answered.reading.outcome.answered() {
            let sent = answered.recording.sent;
            orders.warmth.used(&orders.suite, ready.trial(), sent);
        }
        let told = trial::untimed(ready.variant(), &answered, true);
        let _ = events.send(told).await;
    });
    tokio::select! {
        biased;
        () = stopped(stop) => false,
        _ = futures::future::join_all(warming) => true,
    }
}
