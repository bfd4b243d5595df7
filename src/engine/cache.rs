//! Prompt caches within a run: the request that fills them.
//!
//! Owns the moment at which it is sent. Must not know how a sample is built. Invariant: requests sent here
//! leave no sample.

use std::sync::Arc;

use crate::suite::CacheMode;

use super::event_queue::EventQueue;
use super::orders::{
    Client, GiveUp, RunContext, Stop, StopRequest, wait_for_any_stop, wait_for_give_up,
};
use super::prepared::PreparedTrial;
use super::warm_up;

/// Sends the request of each trial once, side by side, where the suite wants warm caches, and waits for the
/// answers, whatever they are. Returns `false` if the run was stopped meanwhile (requests in flight are then
/// abandoned), or if the requests cannot be logged.
pub(super) async fn warm<A: Client>(
    trials: &[PreparedTrial],
    client: &Arc<A>,
    context: &RunContext,
    events: &EventQueue,
    (stop, give_up): &(Stop, GiveUp),
) -> bool {
    let cold = |ready: &&PreparedTrial| {
        let variant = &context.suite.variants[ready.variant()];
        context.suite.cache_of(variant) == CacheMode::Warm
            && !context
                .cache_uses
                .is_warm(&context.suite, ready.trial(), client.now())
    };
    let cold: Vec<&PreparedTrial> = trials.iter().filter(cold).collect();
    if cold.is_empty() {
        return true;
    }
    // Attempts of the trial are numbered from 1.
    let requests = cold.iter().map(|ready| ready.announcement(context, 0));
    if !context.announce(requests.collect()) {
        return false;
    }
    let warming = cold.into_iter().map(|ready| async move {
        let outgoing = ready.outgoing(context, 0);
        let request_id = outgoing.request_id.clone();
        let (mut stop, mut give_up) = (stop.clone(), give_up.clone());
        let until = async {
            tokio::select! {
                () = wait_for_any_stop(&mut stop) => {}
                () = wait_for_give_up(&mut give_up) => {}
            }
        };
        let exchange = ready.send(&**client, context, outgoing, until).await;
        if exchange.reading.outcome.answered() {
            let sent = exchange.sent;
            context
                .cache_uses
                .record_use(&context.suite, ready.trial(), sent);
        }
        warm_up::finish_untimed(
            context,
            events,
            ready.variant(),
            request_id,
            &exchange,
            true,
        )
        .await;
    });
    futures::future::join_all(warming).await;
    *stop.borrow() == StopRequest::None && !*give_up.borrow()
}
