//! The loop: slots one after the other, as many in flight as the suite allows.
//!
//! Owns the start of each slot, and which trials are sent apart from it. Must not know the parts of a trial, nor
//! when a model is sent to. Invariant: every trial of the plan is sent once, or counted as not sent because its
//! model was dropped, unless the run ends early.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::join_all;
use tokio::task::{JoinError, JoinSet};
use tokio::time::sleep;

use crate::plan::Trial;
use crate::record::Outcome;
use crate::units::{Nanos, plural};

use super::cache;
use super::cap::{ReserveOutcome, TrialReservation};
use super::event::RunEvent;
use super::event_queue::EventQueue;
use super::orders::{Client, ContinueSignal, GiveUp, RunContext, Stop, wait_for_any_stop};
use super::pacer::{AdmittedSlot, SlotChoice, wait_for_change};
use super::prepared::{PreparedTrial, SlotDue, SlotStart, SlotTrials, prepare_slot};
use super::trial;

/// The reason that is reported when a request or its slot ends in a panic.
pub(super) const INTERNAL_ERROR: &str = "an internal error ended a request";

/// An end of a run before that of its plan.
#[derive(Debug)]
pub(super) enum EarlyEnd {
    /// The decision after this round was that no further one is needed.
    Decided(u32),
    /// A stop was requested.
    Interrupted,
    /// The cap leaves less than the worst case of the next slot.
    Capped(String),
    /// Every further slot would fail, for this reason.
    Aborted(String),
    /// A trial could only be sent after the end of its stage. It ends no run: the loop of loads ends the stage.
    TimeOver,
}

/// The end of a slot.
#[derive(Debug)]
pub(super) struct SlotEnd {
    key: u64,
    /// The reason to abort the run, if there is one.
    reason: Option<String>,
}

/// The slots of a run under way, and what is left of earlier ones.
#[derive(Debug)]
pub(super) struct SlotRunner<'r, A> {
    pub(super) client: &'r Arc<A>,
    pub(super) context: &'r Arc<RunContext>,
    pub(super) events: &'r EventQueue,
    pub(super) stop: Stop,
    give_up: GiveUp,
    continue_signal: ContinueSignal,
    pub(super) in_flight: JoinSet<SlotEnd>,
    /// Trials whose model failed when their slot started: they are sent when it answers again.
    deferred: Vec<Trial>,
    /// Trials that are not sent because their model was dropped, by variant.
    unsent: Vec<u64>,
}

impl<'r, A: Client> SlotRunner<'r, A> {
    /// A runner that has started nothing.
    pub(super) fn new(
        client: &'r Arc<A>,
        context: &'r Arc<RunContext>,
        events: &'r EventQueue,
        (stop, give_up): (Stop, GiveUp),
        continue_signal: ContinueSignal,
    ) -> Self {
        Self {
            client,
            context,
            events,
            stop,
            give_up,
            continue_signal,
            in_flight: JoinSet::new(),
            deferred: Vec::new(),
            unsent: vec![0; context.suite.variants.len()],
        }
    }

    /// Starts every slot of the plan, and what was deferred, or stops early.
    pub(super) async fn start_all(&mut self) -> Result<(), EarlyEnd> {
        let mut round = 1;
        for slot in self.context.plan.slots() {
            if slot.round > round {
                if self.context.looks.contains(&round) {
                    self.start_deferred().await?;
                    self.look(round).await?;
                }
                round = slot.round;
            }
            let left = self.context.finished.remaining(&slot);
            if !left.is_empty() {
                self.start_slot(left).await?;
            }
        }
        self.start_deferred().await
    }

    /// The trials that were not sent, and why; `None` if there are none.
    pub(super) fn dropped_message(&self) -> Option<String> {
        let suite = &self.context.suite;
        let planned = self.context.plan.slot_count();
        let is_timed = suite.time_limit().is_some();
        let unsent = self
            .unsent
            .iter()
            .enumerate()
            .filter(|(_, unsent)| **unsent > 0);
        let parts: Vec<String> = unsent
            .map(|(variant, &unsent)| {
                let outcome = self.context.pacer.last_failure(variant);
                let label = &suite.variants[variant].label;
                let failure = outcome.map_or("", Outcome::word);
                if is_timed {
                    return format!(
                        "`{label}` failed until it was dropped ({failure}), before the time was over"
                    );
                }
                format!(
                    "`{label}` failed until it was dropped ({failure}): {} of {planned} not sent",
                    plural(unsent, "trial")
                )
            })
            .collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// The slots in flight.
    pub(super) fn into_in_flight(self) -> JoinSet<SlotEnd> {
        self.in_flight
    }

    /// Starts a slot with those of its trials whose model may be sent to, and defers the others.
    async fn start_slot(&mut self, trials: Vec<Trial>) -> Result<(), EarlyEnd> {
        let order: Vec<usize> = trials.iter().map(|trial| trial.variant).collect();
        loop {
            let Some(slot) = self.choose(&order).await? else {
                self.leave_out(&trials, &[]);
                return Ok(());
            };
            let sent = self.launch(&slot, &trials, false).await?;
            if !sent.is_empty() {
                self.leave_out(&trials, &sent);
                return Ok(());
            }
        }
    }

    /// Defers the trials of a slot that are not among the variants that were sent, or counts them as not sent.
    fn leave_out(&mut self, trials: &[Trial], sent: &[usize]) {
        for trial in trials.iter().filter(|trial| !sent.contains(&trial.variant)) {
            if self.context.pacer.is_dropped(trial.variant) {
                self.unsent[trial.variant] += 1;
            } else {
                self.deferred.push(*trial);
            }
        }
    }

    /// Starts what was deferred, each trial by itself, and waits until its model answers again or is dropped.
    async fn start_deferred(&mut self) -> Result<(), EarlyEnd> {
        while !self.deferred.is_empty() {
            self.reap()?;
            let mut changed = self.context.pacer.changes();
            let now = self.client.now();
            let Some(until) = self.start_one_deferred(now).await? else {
                continue;
            };
            self.events.send_changes(&self.context.pacer).await;
            tokio::select! {
                biased;
                () = wait_for_any_stop(&mut self.stop) => return Err(EarlyEnd::Interrupted),
                Some(ended) = self.in_flight.join_next() => self.end_slot(ended)?,
                () = wait_for_change(&mut changed, now, until) => {}
            }
        }
        Ok(())
    }

    /// Starts the first deferred trial that may be sent, or counts those of a model that was dropped. If all of
    /// them wait, returns the instant until which they do, if it is known.
    async fn start_one_deferred(&mut self, now: Nanos) -> Result<Option<Option<Nanos>>, EarlyEnd> {
        let mut tried = Vec::new();
        let mut until: Option<Nanos> = None;
        for index in 0..self.deferred.len() {
            let trial = self.deferred[index];
            if tried.contains(&trial.variant) {
                continue;
            }
            tried.push(trial.variant);
            match self.context.pacer.choose(now, &[trial.variant]) {
                SlotChoice::Start(slot) => {
                    self.deferred.remove(index);
                    let sent = self.launch(&slot, &[trial], true).await?;
                    self.leave_out(&[trial], &sent);
                    return Ok(None);
                }
                SlotChoice::Nothing => {
                    let before = self.deferred.len();
                    self.deferred.retain(|one| one.variant != trial.variant);
                    self.unsent[trial.variant] += (before - self.deferred.len()) as u64;
                    return Ok(None);
                }
                SlotChoice::Wait(at) => until = [until, at].into_iter().flatten().min(),
            }
            if tried.len() == self.context.suite.variants.len() {
                break;
            }
        }
        Ok(Some(until))
    }

    /// Waits until any trial of a slot may be sent; `None` if all its models were dropped.
    async fn choose(&mut self, order: &[usize]) -> Result<Option<AdmittedSlot>, EarlyEnd> {
        loop {
            self.reap()?;
            let mut changed = self.context.pacer.changes();
            let now = self.client.now();
            let choice = self.context.pacer.choose(now, order);
            self.events.send_changes(&self.context.pacer).await;
            let until = match choice {
                SlotChoice::Start(slot) => return Ok(Some(slot)),
                SlotChoice::Nothing => return Ok(None),
                SlotChoice::Wait(until) => until,
            };
            tokio::select! {
                biased;
                () = wait_for_any_stop(&mut self.stop) => return Err(EarlyEnd::Interrupted),
                Some(ended) = self.in_flight.join_next() => self.end_slot(ended)?,
                () = wait_for_change(&mut changed, now, until) => {}
            }
        }
    }

    /// Reserves, waits for the rate limits, and sends the trials that were chosen. Returns the variants that were
    /// sent: without those whose model failed meanwhile.
    async fn launch(
        &mut self,
        slot: &AdmittedSlot,
        trials: &[Trial],
        is_deferred: bool,
    ) -> Result<Vec<usize>, EarlyEnd> {
        let chosen = trials
            .iter()
            .filter(|trial| slot.variants.contains(&trial.variant));
        let chosen = SlotTrials {
            key: slot.key,
            trials: chosen.copied().collect(),
            is_deferred,
            planned: None,
            end: None,
        };
        self.launch_trials(slot, chosen).await
    }

    /// Launches one trial of a load, which was due at this instant, an absent one: now; never from `end` on. Returns
    /// `false` if it was not sent.
    pub(super) async fn launch_planned(
        &mut self,
        slot: &AdmittedSlot,
        trial: Trial,
        planned: Option<Nanos>,
        end: Option<Nanos>,
    ) -> Result<bool, EarlyEnd> {
        let chosen = SlotTrials {
            key: slot.key,
            trials: vec![trial],
            is_deferred: false,
            planned,
            end,
        };
        let sent = self.launch_trials(slot, chosen).await?;
        Ok(!sent.is_empty())
    }

    /// Counts a trial that is not sent because its model was dropped.
    pub(super) fn count_unsent(&mut self, variant: usize) {
        self.unsent[variant] += 1;
    }

    async fn launch_trials(
        &mut self,
        slot: &AdmittedSlot,
        chosen: SlotTrials,
    ) -> Result<Vec<usize>, EarlyEnd> {
        let prepared = self.prepare(&chosen).await;
        let (due, wait, mut prepared) = match prepared {
            Ok(Some(prepared)) => prepared,
            // Nothing was sent: no trial may wait for an answer of these, least of all one whose reservation this slot
            // waits for.
            Ok(None) => {
                self.context.pacer.cancel(slot);
                self.wait_for_settlement().await?;
                return Ok(Vec::new());
            }
            Err(end) => {
                self.context.pacer.cancel(slot);
                return Err(end);
            }
        };
        let sent = self.context.pacer.confirm(slot);
        prepared.retain(|trial| sent.contains(&trial.variant()));
        if prepared.is_empty() {
            self.context.pacer.end_slot(slot.key);
            return Ok(sent);
        }
        let due = SlotDue {
            planned: chosen.planned,
            throttled_since: (wait > Nanos::ZERO).then_some(due),
        };
        let (client, context, events) = (
            Arc::clone(self.client),
            Arc::clone(self.context),
            self.events.clone(),
        );
        let ends = (self.stop.clone(), self.give_up.clone());
        let key = slot.key;
        self.in_flight.spawn(async move {
            let trials = prepared;
            let reason = carry_out(due, trials, client, context, events, ends).await;
            SlotEnd { key, reason }
        });
        Ok(sent)
    }

    /// Reserves the worst case of trials and builds their requests, and waits for the rate limits: the instant
    /// at which they were due, the wait, and the trials; `None` while requests in flight hold what it takes.
    async fn prepare(
        &mut self,
        chosen: &SlotTrials,
    ) -> Result<Option<(Nanos, Nanos, Vec<PreparedTrial>)>, EarlyEnd> {
        let Some(reservations) = self.reserve(&chosen.trials)? else {
            return Ok(None);
        };
        let prepared = prepare_slot(self.context, chosen, reservations);
        let loads: Vec<_> = prepared
            .iter()
            .map(|ready| ready.load(self.context))
            .collect();
        // A slot is free: without a limit the next one would start now.
        let due = self.client.now();
        let wait = self.context.pacer.rate_wait(due, &loads);
        if chosen.end.is_some_and(|end| wait >= end.since(due)) {
            return Err(EarlyEnd::TimeOver);
        }
        self.pause(wait).await?;
        Ok(Some((due, wait, prepared)))
    }

    /// Waits until nothing is in flight.
    pub(super) async fn wait_until_idle(&mut self) -> Result<(), EarlyEnd> {
        loop {
            tokio::select! {
                biased;
                () = wait_for_any_stop(&mut self.stop) => return Err(EarlyEnd::Interrupted),
                ended = self.in_flight.join_next() => match ended {
                    Some(ended) => self.end_slot(ended)?,
                    None => return Ok(()),
                },
            }
        }
    }

    /// Waits until nothing is in flight, and then for the decision to continue.
    async fn look(&mut self, round: u32) -> Result<(), EarlyEnd> {
        self.wait_until_idle().await?;
        self.events.send(RunEvent::Look { round }).await;
        tokio::select! {
            biased;
            () = wait_for_any_stop(&mut self.stop) => Err(EarlyEnd::Interrupted),
            answer = self.continue_signal.recv() => match answer {
                Some(false) => Err(EarlyEnd::Decided(round)),
                _ => Ok(()),
            },
        }
    }

    /// Reserves the worst case of the trials, if the run has a cap; `None` while requests in flight may leave enough.
    fn reserve(&self, trials: &[Trial]) -> Result<Option<Vec<TrialReservation>>, EarlyEnd> {
        let Some(cap) = &self.context.cap else {
            return Ok(Some(Vec::new()));
        };
        if let Some(reason) = cap.overrun() {
            return Err(EarlyEnd::Aborted(reason));
        }
        match cap.reserve_trials(trials) {
            ReserveOutcome::Now(reservations) => Ok(Some(reservations)),
            ReserveOutcome::Never => Err(EarlyEnd::Capped(cap.cap_message())),
            ReserveOutcome::Later => Ok(None),
        }
    }

    /// Waits until a request in flight returns what it did not need of its reservation.
    async fn wait_for_settlement(&mut self) -> Result<(), EarlyEnd> {
        let Some(cap) = &self.context.cap else {
            return Ok(());
        };
        tokio::select! {
            biased;
            () = wait_for_any_stop(&mut self.stop) => Err(EarlyEnd::Interrupted),
            Some(ended) = self.in_flight.join_next() => self.end_slot(ended),
            () = cap.wait_for_settlement() => Ok(()),
        }
    }

    /// Waits before a slot starts. Slots that end meanwhile may abort the run.
    async fn pause(&mut self, wait: Nanos) -> Result<(), EarlyEnd> {
        let mut due = std::pin::pin!(sleep(wait.into()));
        loop {
            tokio::select! {
                biased;
                () = wait_for_any_stop(&mut self.stop) => return Err(EarlyEnd::Interrupted),
                Some(ended) = self.in_flight.join_next() => self.end_slot(ended)?,
                // The runtime's timer rounds up: without a wait it is not used.
                () = std::future::ready(()), if wait == Nanos::ZERO => return Ok(()),
                () = &mut due, if wait > Nanos::ZERO => return Ok(()),
            }
        }
    }

    /// Counts the slots that have ended.
    pub(super) fn reap(&mut self) -> Result<(), EarlyEnd> {
        while let Some(ended) = self.in_flight.try_join_next() {
            self.end_slot(ended)?;
        }
        Ok(())
    }

    /// Counts a slot that has ended, which may abort the run.
    pub(super) fn end_slot(&self, ended: Result<SlotEnd, JoinError>) -> Result<(), EarlyEnd> {
        if let Ok(ended) = &ended {
            self.context.pacer.end_slot(ended.key);
        }
        reason_to_stop(ended).map_or(Ok(()), |reason| Err(EarlyEnd::Aborted(reason)))
    }
}

/// Carries out the trials of one slot that were chosen, sent at the same moment. Returns the reason to abort the
/// run, if there is one.
async fn carry_out<A: Client>(
    due: SlotDue,
    trials: Vec<PreparedTrial>,
    client: Arc<A>,
    context: Arc<RunContext>,
    events: EventQueue,
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
    if !context.announce(requests.collect()) {
        return context.log_failure();
    }
    client.prepare(trials.len()).await;
    let after = client.now();
    // Filling caches and opening connections is no wait for a limit: the slot is due that much later.
    let start = SlotStart::new(due.later(after.since(before)), client.now());
    let variants: Vec<usize> = trials.iter().map(PreparedTrial::variant).collect();
    let (stop, give_up) = ends;
    let sent = trials.into_iter().map(|trial| {
        let ends = (stop.clone(), give_up.clone());
        let shared = (&*client, &*context);
        // After a panic the others of the slot are paid for anyway: they end in their own time.
        AssertUnwindSafe(trial::carry_out(
            trial,
            start.clone(),
            shared,
            &events,
            ends,
        ))
        .catch_unwind()
    });
    let outcomes: Result<Vec<Outcome>, _> = join_all(sent).await.into_iter().collect();
    let Some(outcomes) = outcomes.ok().filter(|_| !events.is_closed()) else {
        return Some(INTERNAL_ERROR.to_owned());
    };
    let overrun = context.cap.as_ref().and_then(|cap| cap.overrun());
    overrun
        .or_else(|| context.log_failure())
        .or_else(|| abort_reason(&context, &variants, &outcomes))
}

/// The reason to stop the run after a slot, if there is one: the slot's own result, or a panic in it, after
/// which nothing more is spent.
pub(super) fn reason_to_stop(ended: Result<SlotEnd, JoinError>) -> Option<String> {
    match ended {
        Ok(ended) => ended.reason,
        Err(error) => error.is_panic().then(|| INTERNAL_ERROR.to_owned()),
    }
}

/// The reason to abort the run, if a whole slot failed for lack of a key, of money or of a valid certificate:
/// every further one would fail alike, and cost time or the account's standing. Once may be a gateway's mistake: a
/// 402, or whatever comes after answers.
fn abort_reason(context: &RunContext, sent: &[usize], outcomes: &[Outcome]) -> Option<String> {
    let first = *outcomes.first()?;
    let reason = match first {
        Outcome::Unauthorized => "the endpoint does not accept the key",
        Outcome::PaymentRequired => "the account has no balance, or its budget is exhausted",
        Outcome::TlsFailed => "the endpoint's certificate cannot be verified",
        _ => return None,
    };
    let mut all = 0..context.suite.variants.len();
    let has_answered = all
        .clone()
        .any(|variant| context.pacer.has_answered(variant));
    let may_be_a_mistake = first == Outcome::PaymentRequired || has_answered;
    let is_repeated = !may_be_a_mistake
        || sent
            .iter()
            .all(|&variant| context.pacer.failures(variant) > 1);
    // Models that were left out may answer.
    let is_whole = all.all(|variant| sent.contains(&variant) || context.pacer.is_dropped(variant));
    let is_same = outcomes.iter().all(|&outcome| outcome == first);
    (is_same && is_whole && is_repeated).then(|| reason.to_owned())
}
