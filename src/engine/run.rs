//! The loop: slots one after the other, as many in flight as the suite allows.
//!
//! Owns the start of each slot, and the end of a run. Must not know the parts of a trial. Invariant: a slot in
//! flight is finished, or abandoned at the end of the grace period, and every trial of it that was sent leaves
//! a sample; it is never forgotten.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};

use crate::plan::Trial;
use crate::record::Outcome;
use crate::units::Nanos;

use super::cache;
use super::cap::{ReserveOutcome, TrialReservation};
use super::event::RunEvent;
use super::orders::{
    Client, ContinueSignal, GiveUp, RunContext, Stop, StopRequest, wait_for_any_stop, wait_for_stop,
};
use super::trial::{self, PreparedTrial, SlotStart, WarmUpEnd};

/// The time that an interrupted run waits for requests in flight.
const GRACE: std::time::Duration = std::time::Duration::from_secs(3);

/// The reason that is reported for a requested stop.
const INTERRUPTED: &str = "interrupted";

/// The reason that is reported when a request or its slot ends in a panic.
const INTERNAL_ERROR: &str = "an internal error ended a request";

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
}

/// Carries out the plan and sends the events; returns when the last event was received.
///
/// The receiver of `events` may be slow: trials then wait after they were measured, never before.
pub async fn run<A: Client>(
    client: Arc<A>,
    context: Arc<RunContext>,
    events: mpsc::Sender<RunEvent>,
    mut stop: Stop,
    mut continue_signal: ContinueSignal,
) -> RunEnd {
    match trial::warm_up(&client, &context, &events, &stop).await {
        WarmUpEnd::Done => {}
        WarmUpEnd::Stopped => return RunEnd::Interrupted,
        WarmUpEnd::OverCap => {
            let reason = context
                .cap
                .as_ref()
                .map_or_else(String::new, |cap| cap.cap_message());
            let _ = events.send(RunEvent::Stopping(reason.clone())).await;
            return RunEnd::Capped(reason);
        }
        WarmUpEnd::LogFailed(reason) => {
            let _ = events.send(RunEvent::Stopping(reason.clone())).await;
            return RunEnd::Aborted(reason);
        }
    }
    let mut in_flight = JoinSet::new();
    let (give_up, abandoning) = watch::channel(false);
    let ending = start_slots(
        &client,
        &context,
        &events,
        &mut stop,
        &abandoning,
        &mut continue_signal,
        &mut in_flight,
    )
    .await;
    let reason = match &ending {
        RunEnd::Complete | RunEnd::Decided { .. } => None,
        RunEnd::Interrupted => Some(INTERRUPTED.to_owned()),
        RunEnd::Capped(reason) | RunEnd::Aborted(reason) => Some(reason.clone()),
    };
    // Slots within the cap are paid for: they may end in their own time.
    let is_urgent = matches!(ending, RunEnd::Interrupted | RunEnd::Aborted(_));
    let grace = is_urgent.then(|| Instant::now() + GRACE);
    if let Some(reason) = reason {
        // A closed channel means that there is no listener any more; the run still ends in order.
        let _ = events.send(RunEvent::Stopping(reason)).await;
    }
    let ending = drain(ending, in_flight, grace, &give_up, &events, &mut stop).await;
    match (ending, &context.cap) {
        // All requests in flight are settled by now: records store the whole sum.
        (RunEnd::Capped(_), Some(cap)) => RunEnd::Capped(cap.cap_message()),
        (ending, _) => ending,
    }
}

/// Starts every slot of the plan, or stops early.
async fn start_slots<A: Client>(
    client: &Arc<A>,
    context: &Arc<RunContext>,
    events: &mpsc::Sender<RunEvent>,
    stop: &mut Stop,
    give_up: &GiveUp,
    continue_signal: &mut ContinueSignal,
    in_flight: &mut JoinSet<Option<String>>,
) -> RunEnd {
    let max = usize::try_from(context.suite.concurrency).unwrap_or(usize::MAX);
    let mut round = 1;
    for slot in context.plan.slots() {
        if slot.round > round {
            if context.looks.contains(&round)
                && let Some(ending) = look(round, events, stop, continue_signal, in_flight).await
            {
                return ending;
            }
            round = slot.round;
        }
        let left = context.finished.remaining(&slot);
        if left.is_empty() {
            continue;
        }
        while in_flight.len() >= max {
            tokio::select! {
                Some(ended) = in_flight.join_next() => {
                    if let Some(reason) = reason_to_stop(ended) {
                        return RunEnd::Aborted(reason);
                    }
                }
                () = wait_for_any_stop(stop) => return RunEnd::Interrupted,
            }
        }
        let reservations = match reserve_slot(context, &left, in_flight, stop).await {
            Ok(reservations) => reservations,
            Err(ending) => return ending,
        };
        let trials = trial::prepare_slot(context, &left, reservations);
        let loads: Vec<_> = trials.iter().map(|ready| ready.load(context)).collect();
        // A slot is free: without a limit the next one would start now.
        let due = client.now();
        let wait = context.pace.wait(due, &loads);
        if let Some(ending) = pause(wait, in_flight, stop).await {
            return ending;
        }
        let throttled_since = (wait > Nanos::ZERO).then_some(due);
        let (client, context, events) = (Arc::clone(client), Arc::clone(context), events.clone());
        let ends = (stop.clone(), give_up.clone());
        in_flight.spawn(carry_out(
            slot.number,
            throttled_since,
            trials,
            client,
            context,
            events,
            ends,
        ));
    }
    RunEnd::Complete
}

/// Waits until nothing is in flight, and then for the decision to continue. Returns the end of the run, if it
/// ends here.
async fn look(
    round: u32,
    events: &mpsc::Sender<RunEvent>,
    stop: &mut Stop,
    continue_signal: &mut ContinueSignal,
    in_flight: &mut JoinSet<Option<String>>,
) -> Option<RunEnd> {
    loop {
        tokio::select! {
            biased;
            () = wait_for_any_stop(stop) => return Some(RunEnd::Interrupted),
            ended = in_flight.join_next() => match ended.map(reason_to_stop) {
                Some(Some(reason)) => return Some(RunEnd::Aborted(reason)),
                Some(None) => {}
                None => break,
            },
        }
    }
    let _ = events.send(RunEvent::Look { round }).await;
    tokio::select! {
        biased;
        () = wait_for_any_stop(stop) => Some(RunEnd::Interrupted),
        answer = continue_signal.recv() => (answer == Some(false)).then_some(RunEnd::Decided { round }),
    }
}

/// Reserves the worst case of a slot's trials, if the run has a cap; waits while requests in flight may leave enough.
async fn reserve_slot(
    context: &RunContext,
    trials: &[Trial],
    in_flight: &mut JoinSet<Option<String>>,
    stop: &mut Stop,
) -> Result<Vec<TrialReservation>, RunEnd> {
    let Some(cap) = &context.cap else {
        return Ok(Vec::new());
    };
    loop {
        if let Some(reason) = cap.overrun() {
            return Err(RunEnd::Aborted(reason));
        }
        match cap.reserve_slot(trials) {
            ReserveOutcome::Now(reservations) => return Ok(reservations),
            ReserveOutcome::Never => return Err(RunEnd::Capped(cap.cap_message())),
            ReserveOutcome::Later => {}
        }
        tokio::select! {
            biased;
            () = wait_for_any_stop(stop) => return Err(RunEnd::Interrupted),
            Some(ended) = in_flight.join_next() => {
                if let Some(reason) = reason_to_stop(ended) {
                    return Err(RunEnd::Aborted(reason));
                }
            }
            () = cap.wait_for_settlement() => {}
        }
    }
}

/// Waits before a slot starts. Slots that end meanwhile may abort the run.
async fn pause(
    wait: Nanos,
    in_flight: &mut JoinSet<Option<String>>,
    stop: &mut Stop,
) -> Option<RunEnd> {
    let mut due = std::pin::pin!(sleep(wait.into()));
    loop {
        tokio::select! {
            biased;
            () = wait_for_any_stop(stop) => return Some(RunEnd::Interrupted),
            Some(ended) = in_flight.join_next() => {
                if let Some(reason) = reason_to_stop(ended) {
                    return Some(RunEnd::Aborted(reason));
                }
            }
            // The runtime's timer rounds up: without a wait it is not used.
            () = std::future::ready(()), if wait == Nanos::ZERO => return None,
            () = &mut due, if wait > Nanos::ZERO => return None,
        }
    }
}

/// Waits for requests in flight, until `grace` if there is one or until an immediate stop is requested; the
/// rest is then given up, and leaves abandoned samples.
async fn drain(
    mut ending: RunEnd,
    mut in_flight: JoinSet<Option<String>>,
    mut grace: Option<Instant>,
    give_up: &watch::Sender<bool>,
    events: &mpsc::Sender<RunEvent>,
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
                let _ = events.send(RunEvent::Stopping(INTERRUPTED.to_owned())).await;
            }
            () = wait_for_stop(&mut urgent, StopRequest::Immediate), if is_draining => {
                is_draining = false;
                give_up.send_replace(true);
            }
            Some(ended) = in_flight.join_next() => {
                if let Some(reason) = reason_to_stop(ended)
                    && matches!(ending, RunEnd::Complete | RunEnd::Capped(_))
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

/// Carries out all trials of one slot, sent at the same moment; `throttled_since`: the instant at which it was due,
/// if a limit delayed it. Returns the reason to abort the run, if there is one.
async fn carry_out<A: Client>(
    slot: u64,
    throttled_since: Option<Nanos>,
    trials: Vec<PreparedTrial>,
    client: Arc<A>,
    context: Arc<RunContext>,
    events: mpsc::Sender<RunEvent>,
    ends: (Stop, GiveUp),
) -> Option<String> {
    let (before, warmed) = (
        client.now(),
        cache::warm(&trials, &client, &context, &events, &ends).await,
    );
    if !warmed {
        return context.log_failure();
    }
    let requests = trials.iter().map(|trial| trial.announcement(&context, 1));
    if !context.announce(requests.collect()).await {
        return context.log_failure();
    }
    client.prepare(trials.len()).await;
    let after = client.now();
    // Filling caches and opening connections is no wait for a limit: the slot is due that much later.
    let due = throttled_since.map(|due| Nanos(due.0 + after.since(before).0));
    let start = SlotStart::new(due, client.now());
    let (stop, give_up) = ends;
    let mut sent: JoinSet<Outcome> = trials
        .into_iter()
        .map(|trial| {
            let (client, context, events) =
                (Arc::clone(&client), Arc::clone(&context), events.clone());
            let ends = (stop.clone(), give_up.clone());
            trial::carry_out(trial, start, client, context, events, ends)
        })
        .collect();
    let scheduled = start.scheduled;
    let _ = events.send(RunEvent::Started { slot, scheduled }).await;
    let mut outcomes = Vec::with_capacity(sent.len());
    // The others of the slot are paid for anyway: they end in their own time.
    let mut has_panicked = false;
    while let Some(ended) = sent.join_next().await {
        match ended {
            Ok(outcome) => outcomes.push(outcome),
            Err(_) => has_panicked = true,
        }
    }
    if has_panicked {
        return Some(INTERNAL_ERROR.to_owned());
    }
    let overrun = context.cap.as_ref().and_then(|cap| cap.overrun());
    overrun
        .or_else(|| context.log_failure())
        .or_else(|| abort_reason(&outcomes))
}

/// The reason to stop the run after a slot, if there is one: the slot's own result, or a panic in it, after
/// which nothing more is spent.
fn reason_to_stop(ended: Result<Option<String>, JoinError>) -> Option<String> {
    match ended {
        Ok(reason) => reason,
        Err(error) => error.is_panic().then(|| INTERNAL_ERROR.to_owned()),
    }
}

/// The reason to abort the run, if a whole slot failed for lack of a key, of money or of a connection (after
/// its retries): every further one would fail alike, and cost time or the account's standing.
fn abort_reason(outcomes: &[Outcome]) -> Option<String> {
    let first = *outcomes.first()?;
    let reason = match first {
        Outcome::Unauthorized => "the endpoint does not accept the key",
        Outcome::PaymentRequired => "the account has no balance or its budget is used up",
        Outcome::ConnectFailed => "the endpoint cannot be reached",
        Outcome::TlsFailed => "the endpoint's certificate cannot be verified",
        _ => return None,
    };
    outcomes
        .iter()
        .all(|&outcome| outcome == first)
        .then(|| reason.to_owned())
}
