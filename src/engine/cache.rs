//! Prompt caches within a run: the request that fills them.
//!
//! Owns when it is sent. Must not know what a trial's sample is made of. Invariant: what is sent here is no
//! sample.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::suite::CacheMode;

use super::event::Event;
use super::orders::{Ask, GiveUp, Orders, Stop, StopRequest, given_up, stopped};
use super::trial::{self, Ready};

/// Where the suite wants warm caches: sends the request of each trial once, side by side, and waits
/// for the answers, whatever these are. `false` when the run was asked to stop meanwhile, and then those in
/// flight are abandoned, or where the requests cannot be written down.
pub(super) async fn warm<A: Ask>(
    trials: &[Ready],
    asker: &Arc<A>,
    orders: &Orders,
    events: &mpsc::Sender<Event>,
    (stop, give_up): &(Stop, GiveUp),
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
    // Attempts of the trial are numbered from 1.
    let requests = cold.iter().map(|ready| ready.announcement(orders, 0));
    if !orders.announce(requests.collect()).await {
        return false;
    }
    let warming = cold.into_iter().map(|ready| async move {
        let outgoing = ready.outgoing(orders, 0);
        let request_id = outgoing.request_id.clone();
        let (mut stop, mut give_up) = (stop.clone(), give_up.clone());
        let until = async {
            tokio::select! {
                () = stopped(&mut stop) => {}
                () = given_up(&mut give_up) => {}
            }
        };
        let answered = ready.ask(&**asker, orders, outgoing, until).await;
        if answered.reading.outcome.answered() {
            let sent = answered.recording.sent;
            orders.warmth.used(&orders.suite, ready.trial(), sent);
        }
        trial::untimed(orders, events, ready.variant(), request_id, &answered, true).await;
    });
    futures::future::join_all(warming).await;
    *stop.borrow() == StopRequest::None && !*give_up.borrow()
}
