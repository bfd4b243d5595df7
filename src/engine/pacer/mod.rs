//! The pacer of an endpoint: rates, retries, back-off and breakers of its models.
//!
//! Owns the one state that slots, retries and warm-up requests share, and the waits for its changes. Must not know
//! the requests. Invariant: every decision is made by the pure state, at an instant that the client's clock gives.

pub(super) mod backoff;
mod health;
mod state;
mod yielding;

use std::sync::{Mutex, MutexGuard};

use tokio::sync::watch;
use tokio::time::sleep;

use crate::plan::{Load, RatePacer};
use crate::record::Outcome;
use crate::suite::Suite;
use crate::threads::lock;
use crate::units::Nanos;

pub(super) use state::{AdmittedSlot, AttemptEnd, SlotChoice};

use super::event::{ModelPause, RunEvent, SendingState};
use health::{Admission, AttemptEffect, BreakerChange, longest_wait};
use state::PacerState;

/// The pacer that all tasks of a run share.
#[derive(Debug)]
pub struct Pacer {
    state: Mutex<PacerState>,
    changed: watch::Sender<()>,
}

/// A signal that a decision may have changed.
pub(super) type PacerChange = watch::Receiver<()>;

/// The end of the wait for a further attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RetryTurn {
    /// It is sent; `probe`: it tests a failing model.
    Send { probe: bool },
    /// It is not: the model was dropped, or fails and may not be tested by this trial.
    Never,
}

/// The place of a trial; dropped, it is free for the next one.
#[derive(Debug)]
pub(super) struct TrialPlace {
    key: u64,
    variant: usize,
    pacer: std::sync::Arc<Pacer>,
}

impl TrialPlace {
    /// Returns true if the trial's first attempt tests a failing model.
    pub(super) fn is_probe(&self) -> bool {
        self.pacer.state().is_probe(self.key, self.variant)
    }
}

impl Drop for TrialPlace {
    fn drop(&mut self) {
        self.pacer.state().end_trial(self.key, self.variant);
        self.pacer.changed.send_replace(());
    }
}

impl Pacer {
    /// A pacer of a suite's models that has counted nothing yet, under these rate limits.
    pub fn new(suite: &Suite, rates: RatePacer) -> Self {
        Self {
            state: Mutex::new(PacerState::new(suite, rates)),
            changed: watch::Sender::new(()),
        }
    }

    /// The wait from `now` on before these requests may be sent by the rate limits. They are counted by this call.
    pub(super) fn rate_wait(&self, now: Nanos, loads: &[Load]) -> Nanos {
        self.state().rate_wait(now, loads)
    }

    /// Counts a request against the rate limits that is sent at `now` without a wait.
    pub(super) fn take_rate(&self, now: Nanos, load: Load) {
        self.state().take_rate(now, load);
    }

    /// The signal of changes from now on.
    pub(super) fn changes(&self) -> PacerChange {
        self.changed.subscribe()
    }

    /// Chooses the trials of a slot that start now.
    pub(super) fn choose(&self, now: Nanos, order: &[usize]) -> SlotChoice {
        self.state().choose(now, order)
    }

    /// Admits one trial of a load, whatever its model answered before, unless it was dropped or has as many in flight
    /// as `concurrency`.
    pub(super) fn choose_one(&self, now: Nanos, variant: usize) -> SlotChoice {
        self.state().choose_one(now, variant)
    }

    /// Sets the number of trials of each variant that may be in flight.
    pub(super) fn set_concurrency(&self, concurrency: u32) {
        self.state().set_concurrency(concurrency);
    }

    /// Takes those trials of a slot back whose model failed since they were chosen; returns the others.
    pub(super) fn confirm(&self, slot: &AdmittedSlot) -> Vec<usize> {
        self.state().confirm(slot)
    }

    /// Takes the whole slot back: nothing of it was sent.
    pub(super) fn cancel(&self, slot: &AdmittedSlot) {
        let mut state = self.state();
        for &variant in &slot.variants {
            state.cancel(slot.key, variant);
        }
        state.end_slot(slot.key);
        drop(state);
        self.changed.send_replace(());
    }

    /// The place of a trial of a slot that was chosen.
    pub(super) fn place(self: &std::sync::Arc<Self>, key: u64, variant: usize) -> TrialPlace {
        TrialPlace {
            key,
            variant,
            pacer: std::sync::Arc::clone(self),
        }
    }

    /// Counts the end of a slot: the next one may take its place.
    pub(super) fn end_slot(&self, key: u64) {
        self.state().end_slot(key);
        self.changed.send_replace(());
    }

    /// Counts the end of an attempt.
    pub(super) fn record(&self, now: Nanos, end: &AttemptEnd) {
        self.state().record(now, end);
        self.changed.send_replace(());
    }

    /// The effect of an attempt with this outcome on the health of its model.
    pub(super) fn effect(
        &self,
        outcome: Outcome,
        status: Option<u16>,
        demanded: Option<Nanos>,
    ) -> AttemptEffect {
        let state = self.state();
        let effect = AttemptEffect::new(outcome, status, demanded, state.patience());
        if state.is_load() {
            effect.of_load()
        } else {
            effect
        }
    }

    /// The longest wait between two attempts that is not demanded by the server.
    pub(super) fn longest_wait(&self) -> Nanos {
        longest_wait(self.state().patience())
    }

    /// Failures in a row of a variant's model.
    pub(super) fn failures(&self, variant: usize) -> u32 {
        self.state().health(variant).failures()
    }

    /// Returns true if a variant's model has answered in this run.
    pub(super) fn has_answered(&self, variant: usize) -> bool {
        self.state().health(variant).longest().is_some()
    }

    /// Returns true if a variant's model fails and is only probed.
    pub(super) fn is_open(&self, variant: usize) -> bool {
        self.state().health(variant).is_open()
    }

    /// Returns true if a variant's model was dropped.
    pub(super) fn is_dropped(&self, variant: usize) -> bool {
        self.state().health(variant).is_dropped()
    }

    /// The last failure of a variant's model.
    pub(super) fn last_failure(&self, variant: usize) -> Option<Outcome> {
        self.state().health(variant).last_failure()
    }

    /// Waits until a further attempt of a trial may be sent. `probes`: its tests of a failing model so far, if it may
    /// make another; `clock` returns the current instant.
    pub(super) async fn retry_turn(
        &self,
        clock: impl Fn() -> Nanos,
        variant: usize,
        probes: Option<u32>,
    ) -> RetryTurn {
        let _waiting = WaitingTrial::new(self, variant, probes);
        loop {
            let mut changed = self.changes();
            let now = clock();
            let until = {
                let mut state = self.state();
                match state.retry(now, variant, probes) {
                    Admission::Send { probe } => return RetryTurn::Send { probe },
                    Admission::Refused => return RetryTurn::Never,
                    Admission::Wait => state.next_change(now),
                }
            };
            wait_for_change(&mut changed, now, until).await;
        }
    }

    /// The changes of breakers since the last call, as events.
    pub(super) fn take_events(&self) -> Vec<RunEvent> {
        let (changes, yields) = {
            let mut state = self.state();
            (state.take_changes(), state.take_yields())
        };
        let yields = yields.into_iter();
        let yields = yields.map(|(variant, in_flight)| RunEvent::Yielded { variant, in_flight });
        let changes = changes.into_iter();
        let changes = changes.filter_map(|(model, health, change, at)| {
            let state = match change {
                BreakerChange::Resumed => SendingState::Resumed,
                BreakerChange::Paused { next } => SendingState::Paused(ModelPause {
                    outcome: health.last_failure()?,
                    failing_for: at.since(health.since()),
                    next_try: next.since(at),
                    patience: health.patience(),
                }),
                BreakerChange::Dropped => SendingState::Dropped {
                    outcome: health.last_failure()?,
                    failing_for: at.since(health.since()),
                },
            };
            Some(RunEvent::Sending { model, state })
        });
        yields.chain(changes).collect()
    }

    fn state(&self) -> MutexGuard<'_, PacerState> {
        // Its arithmetic never panics, so that there is nothing half done behind a poisoned lock.
        lock(&self.state)
    }
}

/// A trial that waits to be sent again, counted as long as it waits.
struct WaitingTrial<'p> {
    pacer: &'p Pacer,
    variant: usize,
    probes: Option<u32>,
}

impl<'p> WaitingTrial<'p> {
    fn new(pacer: &'p Pacer, variant: usize, probes: Option<u32>) -> Self {
        pacer.state().begin_wait(variant, probes);
        Self {
            pacer,
            variant,
            probes,
        }
    }
}

impl Drop for WaitingTrial<'_> {
    fn drop(&mut self) {
        self.pacer.state().end_wait(self.variant, self.probes);
        self.pacer.changed.send_replace(());
    }
}

/// Waits for a change, or until an instant.
pub(super) async fn wait_for_change(changed: &mut PacerChange, now: Nanos, until: Option<Nanos>) {
    let over = async {
        match until {
            Some(until) => sleep(until.since(now).into()).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        // The sender lives as long as the pacer, which the caller holds.
        _ = changed.changed() => {}
        () = over => {}
    }
}
