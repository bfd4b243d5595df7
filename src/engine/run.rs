//! A run from its warm-up to its end.
//!
//! Owns the end of a run. Must not know the order of slots, nor the parts of a trial. Invariant: a slot in flight
//! is finished, or abandoned at the end of the grace period, and every trial of it that was sent leaves a sample;
//! it is never forgotten.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::plan::LoadPlan;

use super::event::RunEvent;
use super::event_queue::EventQueue;
use super::load::start_load;
use super::orders::{
    Client, ContinueSignal, RunContext, Stop, StopRequest, wait_for_any_stop, wait_for_stop,
};
use super::slots::{EarlyEnd, INTERNAL_ERROR, SlotEnd, SlotRunner, reason_to_stop};
use super::warm_up::{self, WarmUpEnd};

/// The time that an interrupted run waits for requests in flight.
const GRACE: std::time::Duration = std::time::Duration::from_secs(3);

/// The reason that is reported for a requested stop.
const INTERRUPTED: &str = "interrupted";

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunEnd {
    /// Every slot was carried out.
    Complete,
    /// The decision after this round was that no further one is needed.
    Decided {
        /// The round, from 1.
        round: u32,
    },
    /// A stop was requested.
    Interrupted,
    /// The cap leaves less than the worst case of the next slot, with this message; requests in flight have
    /// ended.
    Capped(String),
    /// Every further slot would fail, for this reason.
    Aborted(String),
    /// Every slot was carried out, but for trials of models that were dropped because they failed, with this
    /// message.
    Partial(String),
}

/// Carries out the plan and sends the events; returns when the last event was received.
///
/// The receiver of `events` may be slow: trials then wait after they were measured, never before.
pub async fn run<A: Client>(
    client: Arc<A>,
    context: Arc<RunContext>,
    events: mpsc::Sender<RunEvent>,
    stop: Stop,
    continue_signal: ContinueSignal,
) -> RunEnd {
    let (events, handing_on) = EventQueue::start(&context, events);
    let ending = carry_out(client, context, events, stop, continue_signal).await;
    match handing_on.await {
        Ok(()) => ending,
        Err(_) => RunEnd::Aborted(INTERNAL_ERROR.to_owned()),
    }
}

/// Carries out the plan; the last sender of events is dropped at its end.
async fn carry_out<A: Client>(
    client: Arc<A>,
    context: Arc<RunContext>,
    events: EventQueue,
    mut stop: Stop,
    continue_signal: ContinueSignal,
) -> RunEnd {
    match warm_up::warm_up(&client, &context, &events, &stop).await {
        WarmUpEnd::Done => {}
        WarmUpEnd::Stopped => return RunEnd::Interrupted,
        WarmUpEnd::OverCap => {
            let reason = context
                .cap
                .as_ref()
                .map_or_else(String::new, |cap| cap.cap_message());
            events.send(RunEvent::Stopping(reason.clone())).await;
            return RunEnd::Capped(reason);
        }
        WarmUpEnd::LogFailed(reason) => {
            events.send(RunEvent::Stopping(reason.clone())).await;
            return RunEnd::Aborted(reason);
        }
    }
    let (give_up, abandoning) = watch::channel(false);
    let ends = (stop.clone(), abandoning);
    let mut slots = SlotRunner::new(&client, &context, &events, ends, continue_signal);
    let started = match LoadPlan::of_stages(&context.suite) {
        Some(load) => start_load(&mut slots, &load).await,
        None => slots.start_all().await,
    };
    let ending = match started {
        Ok(()) | Err(EarlyEnd::TimeOver) => slots
            .dropped_message()
            .map_or(RunEnd::Complete, RunEnd::Partial),
        Err(EarlyEnd::Decided(round)) => RunEnd::Decided { round },
        Err(EarlyEnd::Interrupted) => RunEnd::Interrupted,
        Err(EarlyEnd::Capped(reason)) => RunEnd::Capped(reason),
        Err(EarlyEnd::Aborted(reason)) => RunEnd::Aborted(reason),
    };
    let in_flight = slots.into_in_flight();
    let reason = match &ending {
        RunEnd::Complete | RunEnd::Decided { .. } => None,
        RunEnd::Interrupted => Some(INTERRUPTED.to_owned()),
        RunEnd::Capped(reason) | RunEnd::Aborted(reason) | RunEnd::Partial(reason) => {
            Some(reason.clone())
        }
    };
    // Slots within the cap are paid for: they may end in their own time.
    let is_urgent = matches!(ending, RunEnd::Interrupted | RunEnd::Aborted(_));
    let grace = is_urgent.then(|| Instant::now() + GRACE);
    if let Some(reason) = reason {
        // A closed channel means that there is no listener any more; the run still ends in order.
        events.send(RunEvent::Stopping(reason)).await;
    }
    let ending = drain(ending, in_flight, grace, &give_up, &events, &mut stop).await;
    match (ending, &context.cap) {
        // All requests in flight are settled by now: records store the whole sum.
        (RunEnd::Capped(_), Some(cap)) => RunEnd::Capped(cap.cap_message()),
        (ending, _) => ending,
    }
}

/// Waits for requests in flight, until `grace` if there is one or until an immediate stop is requested; the
/// rest is then given up, and leaves abandoned samples.
async fn drain(
    mut ending: RunEnd,
    mut in_flight: JoinSet<SlotEnd>,
    mut grace: Option<Instant>,
    give_up: &watch::Sender<bool>,
    events: &EventQueue,
    stop: &mut Stop,
) -> RunEnd {
    let mut is_draining = true;
    let mut urgent = stop.clone();
    while !in_flight.is_empty() {
        let over = async {
            match grace {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // First: a slot that ends because of a stop was not carried out.
            biased;
            () = wait_for_any_stop(stop), if grace.is_none() => {
                ending = RunEnd::Interrupted;
                grace = Some(Instant::now() + GRACE);
                events.send(RunEvent::Stopping(INTERRUPTED.to_owned())).await;
            }
            () = wait_for_stop(&mut urgent, StopRequest::Immediate), if is_draining => {
                is_draining = false;
                give_up.send_replace(true);
            }
            Some(ended) = in_flight.join_next() => {
                if let Some(reason) = reason_to_stop(ended)
                    && matches!(
                        ending,
                        RunEnd::Complete | RunEnd::Capped(_) | RunEnd::Partial(_)
                    )
                {
                    ending = RunEnd::Aborted(reason);
                }
            }
            () = over, if is_draining => {
                is_draining = false;
                give_up.send_replace(true);
            }
        }
    }
    ending
}
