//! The loop: one slot after the other, as many in flight as the suite allows.
//!
//! Owns which slot starts when, and how a run ends. Must not know what a trial is made of.
//! Invariant: a slot in flight is finished, or abandoned at the end of the grace period, and every trial of it
//! that was sent leaves a sample; it is never forgotten.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};

use crate::plan::Slot;
use crate::record::Outcome;
use crate::units::Nanos;

use super::cache;
use super::cap::{Afforded, Purse};
use super::event::Event;
use super::orders::{Ask, GiveUp, GoOn, Orders, Stop, StopRequest, stop_of, stopped};
use super::trial::{self, Ready, Start, WarmUp};

/// How long an interrupted run waits for what is in flight.
const GRACE: std::time::Duration = std::time::Duration::from_secs(3);

/// The reason that is told when someone asks a run to stop.
const INTERRUPTED: &str = "interrupted";

/// The reason that is reported when a request or its slot ends in a panic.
const INTERNAL_ERROR: &str = "an internal error ended a request";

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Every slot was carried out.
    Complete,
    /// Whoever was asked after this round said that no further one is needed.
    Decided {
        /// From 1.
        round: u32,
    },
    /// Someone asked it to stop.
    Interrupted,
    /// The cap leaves less than the next slot can cost, in these words; what was under way has ended.
    Capped(String),
    /// Going on made no sense, for this reason.
    Hopeless(String),
}

/// Carries out the plan and tells of it; returns when the last event was taken.
///
/// The receiver of `events` may be slow: trials then wait after they were measured, never before.
pub async fn run<A: Ask>(
    asker: Arc<A>,
    orders: Arc<Orders>,
    events: mpsc::Sender<Event>,
    mut stop: Stop,
    mut go_on: GoOn,
) -> Ending {
    match trial::warm_up(&asker, &orders, &events, &stop).await {
        WarmUp::Done => {}
        WarmUp::Stopped => return Ending::Interrupted,
        WarmUp::Unaffordable => {
            let reason = orders
                .cap
                .as_ref()
                .map_or_else(String::new, |cap| cap.reached());
            let _ = events.send(Event::Stopping(reason.clone())).await;
            return Ending::Capped(reason);
        }
        WarmUp::Unwritten(reason) => {
            let _ = events.send(Event::Stopping(reason.clone())).await;
            return Ending::Hopeless(reason);
        }
    }
    let mut flying = JoinSet::new();
    let (give_up, abandoning) = watch::channel(false);
    let ending = start_slots(
        &asker,
        &orders,
        &events,
        &mut stop,
        &abandoning,
        &mut go_on,
        &mut flying,
    )
    .await;
    let reason = match &ending {
        Ending::Complete | Ending::Decided { .. } => None,
        Ending::Interrupted => Some(INTERRUPTED.to_owned()),
        Ending::Capped(reason) | Ending::Hopeless(reason) => Some(reason.clone()),
    };
    // What a cap has room for is paid for: it may end in its own time.
    let hurry = matches!(ending, Ending::Interrupted | Ending::Hopeless(_));
    let grace = hurry.then(|| Instant::now() + GRACE);
    if let Some(reason) = reason {
        // A closed channel means that nobody listens any more; the run still ends in order.
        let _ = events.send(Event::Stopping(reason)).await;
    }
    let ending = land(ending, flying, grace, &give_up, &events, &mut stop).await;
    match (ending, &orders.cap) {
        // What was under way is settled by now: records keep the whole sum.
        (Ending::Capped(_), Some(cap)) => Ending::Capped(cap.reached()),
        (ending, _) => ending,
    }
}

/// Starts every slot of the plan, or stops early.
async fn start_slots<A: Ask>(
    asker: &Arc<A>,
    orders: &Arc<Orders>,
    events: &mpsc::Sender<Event>,
    stop: &mut Stop,
    give_up: &GiveUp,
    go_on: &mut GoOn,
    flying: &mut JoinSet<Option<String>>,
) -> Ending {
    let most = usize::try_from(orders.suite.concurrency).unwrap_or(usize::MAX);
    let mut round = 1;
    for slot in orders.plan.slots() {
        if slot.round > round {
            if orders.looks.contains(&round)
                && let Some(ending) = look(round, events, stop, go_on, flying).await
            {
                return ending;
            }
            round = slot.round;
        }
        while flying.len() >= most {
            tokio::select! {
                Some(ended) = flying.join_next() => {
                    if let Some(reason) = reason_to_stop(ended) {
                        return Ending::Hopeless(reason);
                    }
                }
                () = stopped(stop) => return Ending::Interrupted,
            }
        }
        let purses = match afford(orders, &slot, flying, stop).await {
            Ok(purses) => purses,
            Err(ending) => return ending,
        };
        let trials = trial::of_slot(orders, &slot, purses);
        let loads: Vec<_> = trials.iter().map(|ready| ready.load(orders)).collect();
        // A place is free: but for a limit the slot would start now.
        let due = asker.now();
        let wait = orders.pace.wait(due, &loads);
        if let Some(ending) = pause(wait, flying, stop).await {
            return ending;
        }
        let held_since = (wait > Nanos::ZERO).then_some(due);
        let (asker, orders, events) = (Arc::clone(asker), Arc::clone(orders), events.clone());
        let ends = (stop.clone(), give_up.clone());
        flying.spawn(carry_out(
            slot.number,
            held_since,
            trials,
            asker,
            orders,
            events,
            ends,
        ));
    }
    Ending::Complete
}

/// Waits until nothing is in flight, and asks whether to go on. Returns how the run ends, if it does.
async fn look(
    round: u32,
    events: &mpsc::Sender<Event>,
    stop: &mut Stop,
    go_on: &mut GoOn,
    flying: &mut JoinSet<Option<String>>,
) -> Option<Ending> {
    loop {
        tokio::select! {
            biased;
            () = stopped(stop) => return Some(Ending::Interrupted),
            ended = flying.join_next() => match ended.map(reason_to_stop) {
                Some(Some(reason)) => return Some(Ending::Hopeless(reason)),
                Some(None) => {}
                None => break,
            },
        }
    }
    let _ = events.send(Event::Look { round }).await;
    tokio::select! {
        biased;
        () = stopped(stop) => Some(Ending::Interrupted),
        told = go_on.recv() => (told == Some(false)).then_some(Ending::Decided { round }),
    }
}

/// Sets aside what the slot can cost, where the run has a cap; waits while what is under way may leave
/// enough.
async fn afford(
    orders: &Orders,
    slot: &Slot,
    flying: &mut JoinSet<Option<String>>,
    stop: &mut Stop,
) -> Result<Vec<Purse>, Ending> {
    let Some(cap) = &orders.cap else {
        return Ok(Vec::new());
    };
    loop {
        if let Some(reason) = cap.beyond() {
            return Err(Ending::Hopeless(reason));
        }
        match cap.afford(slot) {
            Afforded::Now(purses) => return Ok(purses),
            Afforded::Never => return Err(Ending::Capped(cap.reached())),
            Afforded::Later => {}
        }
        tokio::select! {
            biased;
            () = stopped(stop) => return Err(Ending::Interrupted),
            Some(ended) = flying.join_next() => {
                if let Some(reason) = reason_to_stop(ended) {
                    return Err(Ending::Hopeless(reason));
                }
            }
            () = cap.settled() => {}
        }
    }
}

/// Waits before a slot starts. Slots that land meanwhile may show that waiting makes no sense.
async fn pause(
    wait: Nanos,
    flying: &mut JoinSet<Option<String>>,
    stop: &mut Stop,
) -> Option<Ending> {
    let mut due = std::pin::pin!(sleep(wait.into()));
    loop {
        tokio::select! {
            biased;
            () = stopped(stop) => return Some(Ending::Interrupted),
            Some(ended) = flying.join_next() => {
                if let Some(reason) = reason_to_stop(ended) {
                    return Some(Ending::Hopeless(reason));
                }
            }
            // The runtime's timer rounds up: without a wait it is not asked.
            () = std::future::ready(()), if wait == Nanos::ZERO => return None,
            () = &mut due, if wait > Nanos::ZERO => return None,
        }
    }
}

/// Waits for what is in flight, until `grace` if there is one or until a stop wants it at once; what is left
/// then is given up, and leaves abandoned samples.
async fn land(
    mut ending: Ending,
    mut flying: JoinSet<Option<String>>,
    mut grace: Option<Instant>,
    give_up: &watch::Sender<bool>,
    events: &mpsc::Sender<Event>,
    stop: &mut Stop,
) -> Ending {
    let mut is_draining = true;
    let mut urgent = stop.clone();
    while !flying.is_empty() {
        let over = async {
            match grace {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // First: a slot that ends because of a stop was not carried out.
            biased;
            () = stopped(stop), if grace.is_none() => {
                ending = Ending::Interrupted;
                grace = Some(Instant::now() + GRACE);
                let _ = events.send(Event::Stopping(INTERRUPTED.to_owned())).await;
            }
            () = stop_of(&mut urgent, StopRequest::Immediate), if is_draining => {
                is_draining = false;
                give_up.send_replace(true);
            }
            Some(ended) = flying.join_next() => {
                if let Some(reason) = reason_to_stop(ended)
                    && matches!(ending, Ending::Complete | Ending::Capped(_))
                {
                    ending = Ending::Hopeless(reason);
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

/// All trials of one slot, sent at the same moment; `held_since`: when it was due, where a limit made
/// it wait. Returns why going on is hopeless, if it is.
async fn carry_out<A: Ask>(
    slot: u64,
    held_since: Option<Nanos>,
    trials: Vec<Ready>,
    asker: Arc<A>,
    orders: Arc<Orders>,
    events: mpsc::Sender<Event>,
    ends: (Stop, GiveUp),
) -> Option<String> {
    let (before, warmed) = (
        asker.now(),
        cache::warm(&trials, &asker, &orders, &events, &ends).await,
    );
    if !warmed {
        return orders.unwritten();
    }
    let requests = trials.iter().map(|trial| trial.announcement(&orders, 1));
    if !orders.announce(requests.collect()).await {
        return orders.unwritten();
    }
    let after = asker.now();
    // Filling caches is no wait for a limit: the slot is due that much later.
    let due = held_since.map(|due| Nanos(due.0 + after.since(before).0));
    let start = Start::of(due, asker.now());
    let (stop, give_up) = ends;
    let mut sent: JoinSet<Outcome> = trials
        .into_iter()
        .map(|trial| {
            let (asker, orders, events) = (Arc::clone(&asker), Arc::clone(&orders), events.clone());
            let ends = (stop.clone(), give_up.clone());
            trial::carry_out(trial, start, asker, orders, events, ends)
        })
        .collect();
    let scheduled = start.scheduled;
    let _ = events.send(Event::Started { slot, scheduled }).await;
    let mut outcomes = Vec::with_capacity(sent.len());
    // The others of the slot are paid for all the same: they end in their own time.
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
    let beyond = orders.cap.as_ref().and_then(|cap| cap.beyond());
    beyond
        .or_else(|| orders.unwritten())
        .or_else(|| hopeless(&outcomes))
}

/// The reason to stop the run after a slot, if there is one: what the slot found out, or a defect of ours in
/// it, after which nothing more is spent.
fn reason_to_stop(ended: Result<Option<String>, JoinError>) -> Option<String> {
    match ended {
        Ok(reason) => reason,
        Err(error) => error.is_panic().then(|| INTERNAL_ERROR.to_owned()),
    }
}

/// A whole slot that failed for want of a key, of money or of a connection (after its retries)
/// says that every further one would fail alike, and cost time or the account's standing.
fn hopeless(outcomes: &[Outcome]) -> Option<String> {
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
