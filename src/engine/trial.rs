//! One trial: attempts until one answers or none may follow.
//!
//! Owns the attempts of a trial and the waits between them. Must not know other trials. Invariant: a trial that was
//! sent leaves one sample.

use std::sync::Arc;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use tokio::time::sleep;

use crate::record::{Attempt, Outcome};
use crate::units::Nanos;

use super::cap::TrialReservation;
use super::event::RunEvent;
use super::event_queue::EventQueue;
use super::orders::{
    Client, GiveUp, RunContext, Stop, StopRequest, wait_for_any_stop, wait_for_give_up,
};
use super::pacer::backoff::{self, FailedAttempt};
use super::pacer::{AttemptEnd, RetryTurn};
use super::prepared::{FinishedExchange, PreparedTrial, SlotStart};
use super::trial_sample::{EndedTrial, Pauses};

/// The most attempts of a trial that test a failing model, beyond those that the suite allows.
const PROBES_MAX: u32 = 4;

/// The attempts of a trial so far.
#[derive(Debug, Default)]
struct TrialAttempts {
    list: Vec<Attempt>,
    /// Those among them that tested a failing model.
    probes: u32,
    /// True if the next one does.
    is_probe: bool,
    /// The time for which the next one was held back.
    throttled: Option<Nanos>,
}

impl TrialAttempts {
    /// The number of the next attempt, from 1.
    fn next_number(&self) -> u32 {
        u32::try_from(self.list.len()).map_or(u32::MAX, |before| before.saturating_add(1))
    }

    /// Adds the end of an attempt, and counts it for the health of its model.
    fn add(
        &mut self,
        exchange: &FinishedExchange,
        request_id: String,
        variant: usize,
        (context, now): (&RunContext, Nanos),
    ) -> FailedAttempt {
        let (sent, reading) = (exchange.sent, &exchange.reading);
        // A date means something only against the wall clock: the one place where it is read.
        let retry_after = reading
            .retry_after
            .map(|date_or_span| date_or_span.wait(jiff::Timestamp::now()));
        self.list.push(Attempt {
            request_id,
            sent_ns: sent,
            end_ns: reading.end,
            outcome: reading.outcome,
            status: reading.status,
            retry_after_ms: retry_after.map(|wait| wait.0 / 1_000_000),
            throttled_ns: self.throttled.take(),
        });
        self.probes += u32::from(self.is_probe);
        let effect = context
            .pacer
            .effect(reading.outcome, reading.status, retry_after);
        let end = AttemptEnd {
            variant,
            sent,
            effect,
            probe: self.is_probe,
            rate_limited: reading.outcome == Outcome::RateLimited,
        };
        context.pacer.record(now, &end);
        FailedAttempt {
            outcome: reading.outcome,
            status: reading.status,
            token_arrived: reading.first_token.is_some(),
            retry_after,
            failures_in_row: context.pacer.failures(variant),
            longest_wait: context.pacer.longest_wait(),
        }
    }

    /// The wait before the next attempt; `None`: the trial has ended. Attempts that tested a failing model do not
    /// count among those that the suite allows; while the model fails, a few more may test it. Under a cap none is sent
    /// that the trial's reservation does not hold.
    fn wait(
        &self,
        failed: &FailedAttempt,
        ready: &PreparedTrial,
        context: &RunContext,
        number: u32,
    ) -> Option<Nanos> {
        if failed.outcome.answered() || !holds_attempt(ready) {
            return None;
        }
        let jitter = jitter(context.suite.seed, ready.trial().number, number);
        let attempts = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        let counted = attempts.saturating_sub(self.probes).max(1);
        let wait = |max| backoff::wait(failed, counted, max, jitter);
        let is_testing = context.pacer.is_open(ready.variant()) && self.may_probe(ready);
        wait(context.suite.max_attempts).or_else(|| wait(u32::MAX).filter(|_| is_testing))
    }

    /// Returns true if the next attempt may test a failing model.
    fn may_probe(&self, ready: &PreparedTrial) -> bool {
        self.probes < PROBES_MAX && holds_attempt(ready)
    }
}

/// Returns true if there is no cap, or if the trial's reservation holds another attempt.
fn holds_attempt(ready: &PreparedTrial) -> bool {
    ready
        .reservation()
        .is_none_or(TrialReservation::holds_attempt)
}

/// The share of the spread of the wait after an attempt, in [0, 1). A sequence of its own for each trial: waits do not
/// depend on which trial failed first.
fn jitter(seed: u64, trial: u64, attempt: u32) -> f64 {
    let mut draws = ChaCha8Rng::seed_from_u64(seed ^ (trial << 16));
    (1..attempt).for_each(|_| {
        let _: f64 = draws.random();
    });
    draws.random()
}

/// Carries out a trial, whose first attempt is logged, and sends its sample. Returns the sample's outcome.
pub(super) async fn carry_out<A: Client>(
    ready: PreparedTrial,
    start: SlotStart,
    (client, context): (&A, &RunContext),
    events: &EventQueue,
    (mut stop, mut give_up): (Stop, GiveUp),
) -> Outcome {
    let trial = *ready.trial();
    let mut attempts = TrialAttempts {
        is_probe: ready.is_probe(),
        ..TrialAttempts::default()
    };
    loop {
        let number = attempts.next_number();
        let mut outgoing = ready.outgoing(context, number);
        if number == 1 {
            outgoing.first_sent = Some(Arc::clone(&start.first_sent));
        }
        let request_id = outgoing.request_id.clone();
        let until = wait_for_give_up(&mut give_up);
        let exchange = ready.send(client, context, outgoing, until).await;
        let failed = attempts.add(
            &exchange,
            request_id,
            trial.variant,
            (context, client.now()),
        );
        events.send_changes(&context.pacer).await;
        let wait = attempts
            .wait(&failed, &ready, context, number)
            // A stopped run starts nothing more, and must not announce it.
            .filter(|_| *stop.borrow() == StopRequest::None && !*give_up.borrow())
            // Nor does one whose bounds do not hold.
            .filter(|_| {
                !ready
                    .reservation()
                    .is_some_and(TrialReservation::is_overrun)
            });
        if let Some(wait) = wait {
            let retried = RunEvent::Retried {
                trial: trial.number,
                attempt: number,
                outcome: failed.outcome,
                wait,
            };
            events.send(retried).await;
            let ends = (&mut stop, &mut give_up);
            if next_turn(wait, &mut attempts, &ready, (client, context), ends).await {
                continue;
            }
            events.send_changes(&context.pacer).await;
        }
        let outcome = exchange.reading.outcome;
        let ended = end(&ready, start, (client, context), attempts, exchange);
        // Before an event is sent, because its receiver may be slow: its place is free, and what is left of its
        // reservation is returned.
        drop(ready);
        events.send_ended(ended).await;
        return outcome;
    }
}

/// Waits until the next attempt may be sent, and announces it; returns `false` if the failure stands.
async fn next_turn<A: Client>(
    wait: Nanos,
    attempts: &mut TrialAttempts,
    ready: &PreparedTrial,
    (client, context): (&A, &RunContext),
    (stop, give_up): (&mut Stop, &mut GiveUp),
) -> bool {
    tokio::select! {
        () = sleep(wait.into()) => {}
        // The failure stands: a stopped run starts nothing more.
        () = wait_for_any_stop(stop) => return false,
        () = wait_for_give_up(give_up) => return false,
    }
    let due = client.now();
    let probes = Some(attempts.probes).filter(|_| attempts.may_probe(ready));
    let turn = tokio::select! {
        turn = context.pacer.retry_turn(|| client.now(), ready.variant(), probes) => turn,
        () = wait_for_any_stop(stop) => return false,
        () = wait_for_give_up(give_up) => return false,
    };
    let RetryTurn::Send { probe } = turn else {
        return false;
    };
    attempts.is_probe = probe;
    attempts.throttled = Some(client.now().since(due)).filter(|held| *held > Nanos::ZERO);
    let next = ready.announcement(context, attempts.next_number());
    if !context.announce(vec![next]) {
        return false;
    }
    client.prepare(1).await;
    // Counted, but not delayed: it is due now.
    context.pacer.take_rate(client.now(), ready.load(context));
    true
}

/// Ends a trial.
fn end<A: Client>(
    ready: &PreparedTrial,
    start: SlotStart,
    (client, context): (&A, &RunContext),
    attempts: TrialAttempts,
    exchange: Box<FinishedExchange>,
) -> EndedTrial {
    let (sent, end) = (exchange.sent, exchange.reading.end);
    if exchange.reading.outcome.answered() {
        context
            .cache_uses
            .record_use(&context.suite, ready.trial(), sent);
    }
    let first = exchange.reading.first_token.unwrap_or(end);
    EndedTrial {
        trial: *ready.trial(),
        is_deferred: ready.is_deferred(),
        start,
        pauses: Pauses {
            before_token: client.longest_pause(sent, first),
            after_token: client.longest_pause(first, end),
        },
        attempts: attempts.list,
        exchange,
    }
}
