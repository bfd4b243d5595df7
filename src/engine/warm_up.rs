//! Requests that leave no sample: the warm-up before the first round.
//!
//! Owns their order and their end. Must not know trials. Invariant: variants are warmed side by side, each one
//! request after the other.

use std::sync::Arc;

use tokio::time::sleep;

use crate::gateway::OutgoingRequest;
use crate::gateway::request::path;
use crate::plan::warm_up_prompt;
use crate::record::RequestEvent;
use crate::suite::Role;
use crate::units::Nanos;

use super::cap::{Cap, ReserveOutcome, TrialReservation};
use super::event::RunEvent;
use super::event_queue::EventQueue;
use super::orders::{Client, RunContext, Stop, StopRequest, wait_for_any_stop};
use super::prepared::{FinishedExchange, answer, load};
use super::request;
use super::settle::PromptSize;

/// The end of a warm-up.
#[derive(Debug)]
pub(super) enum WarmUpEnd {
    /// Every request was sent, and has ended.
    Done,
    /// A stop was requested; requests in flight were abandoned.
    Stopped,
    /// The cap is too low; nothing was sent.
    OverCap,
    /// Requests could not be logged, for this reason; nothing further was sent.
    LogFailed(String),
}

/// Sends `warmup` requests to each variant, variants side by side, so that routes and connections are warm.
pub(super) async fn warm_up<A: Client>(
    client: &Arc<A>,
    context: &Arc<RunContext>,
    events: &EventQueue,
    stop: &Stop,
) -> WarmUpEnd {
    let outcome = (context.cap.as_ref())
        .map_or_else(|| ReserveOutcome::Now(Vec::new()), Cap::reserve_warm_up);
    // Nothing else is in flight that could free money later.
    let ReserveOutcome::Now(reservations) = outcome else {
        return WarmUpEnd::OverCap;
    };
    let mut reservations = reservations.into_iter();
    let prompt = warm_up_prompt(&context.suite);
    let warming = context
        .suite
        .variants
        .iter()
        .enumerate()
        .map(|(index, variant)| {
            // Routes and connections are to be warm, not the shared prefix of the prompts.
            let mut messages = context.suite.messages_of(&prompt, variant);
            if context.suite.reuse.prefix.is_some() {
                messages.retain(|message| message.role != Role::System);
            }
            let body = request::body(&context.suite, &prompt, variant, &messages, context.wording);
            let load = load(context, &prompt, index);
            let parameters = context.suite.parameters_of(&prompt, variant);
            let size = PromptSize::new(&messages, &parameters);
            let reservation = reservations.next();
            let mut stop = stop.clone();
            async move {
                for number in 1..=context.suite.warmup {
                    let request_id = format!("{}-w{index}-{number}", context.request_prefix);
                    let wait = context.pacer.rate_wait(client.now(), &[load]);
                    if wait > Nanos::ZERO {
                        tokio::select! {
                            () = sleep(wait.into()) => {}
                            () = wait_for_any_stop(&mut stop) => {}
                        }
                    }
                    if *stop.borrow() != StopRequest::None
                        || reservation
                            .as_ref()
                            .is_some_and(TrialReservation::is_overrun)
                    {
                        return;
                    }
                    let announced = RequestEvent::Sent {
                        request_id: request_id.clone(),
                        model: variant.model.clone(),
                        bound_usd: reservation.as_ref().map(TrialReservation::each),
                    };
                    if !context.announce(vec![announced]) {
                        return;
                    }
                    let outgoing = OutgoingRequest {
                        path: path(context.wording.api),
                        request_id: request_id.clone(),
                        body: body.clone(),
                        first_sent: None,
                    };
                    let attempt_reservation =
                        reservation.as_ref().map(TrialReservation::reserve_attempt);
                    let until = wait_for_any_stop(&mut stop);
                    let exchange = answer(
                        &**client,
                        context,
                        (index, &size),
                        outgoing,
                        attempt_reservation,
                        until,
                    )
                    .await;
                    finish_untimed(context, events, index, request_id, &exchange, false).await;
                }
            }
        });
    futures::future::join_all(warming).await;
    if let Some(reason) = context.log_failure() {
        return WarmUpEnd::LogFailed(reason);
    }
    if *stop.borrow() == StopRequest::None {
        WarmUpEnd::Done
    } else {
        WarmUpEnd::Stopped
    }
}

/// Logs the end of a request that leaves no sample, and sends the event. `variant` is its index in the suite.
pub(super) async fn finish_untimed(
    context: &RunContext,
    events: &EventQueue,
    variant: usize,
    request_id: String,
    exchange: &FinishedExchange,
    for_cache: bool,
) {
    let outcome = exchange.reading.outcome;
    let spent = exchange.cost.reported;
    let ended = RequestEvent::Ended {
        request_id,
        outcome,
        spent_usd: spent,
    };
    // If it cannot be logged the next request is not sent, and this one counts at its bound.
    let _ = context.announce(vec![ended]);
    let warmed = RunEvent::WarmedUp {
        variant,
        for_cache,
        outcome,
        spent,
    };
    events.send(warmed).await;
}
