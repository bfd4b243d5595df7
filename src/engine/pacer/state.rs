//! The state of all models of an endpoint: what may be sent now, and for what it waits.
//!
//! Owns the choice of a slot's trials, and the probes of failing models. Must not know the clock, the requests or
//! the tasks. Invariant: no variant has more trials under way than `concurrency`; a slot waits for a model only
//! while that may answer soon, and then starts without it.

use std::collections::BTreeMap;

use crate::plan::{Load, RatePacer};
use crate::suite::Suite;
use crate::units::{ModelId, Nanos};

use super::health::{Admission, AttemptEffect, BreakerChange, ModelHealth, SendTurn};
use super::yielding::YieldingLimit;

/// The time after which a trial of a model that fails is overdue, and the shortest such time of any model.
const OVERDUE_MIN: Nanos = Nanos::from_millis(10_000);

/// The same for a model that has not answered yet.
const OVERDUE_UNKNOWN: Nanos = Nanos::from_millis(60_000);

/// A trial is overdue after so many times the longest one that its model answered.
const OVERDUE_FACTOR: u64 = 3;

/// A model of the run, and its health.
#[derive(Debug)]
struct PacedModel {
    id: ModelId,
    health: ModelHealth,
    /// The number of trials that wait to be sent again, by the probes that they have made; `None`: they may make none.
    waiting: BTreeMap<Option<u32>, u32>,
}

/// A trial under way.
#[derive(Debug, Clone, Copy)]
struct PendingTrial {
    variant: usize,
    probe: bool,
}

/// A slot under way.
#[derive(Debug)]
struct SlotInFlight {
    since: Nanos,
    pending: Vec<PendingTrial>,
}

/// The trials of a slot that start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) struct AdmittedSlot {
    /// Identifies the slot under way; a slot may start more than once, with other trials.
    pub(in crate::engine) key: u64,
    /// Their variants, in the slot's order.
    pub(in crate::engine) variants: Vec<usize>,
}

/// The choice of a slot's trials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) enum SlotChoice {
    /// These start; models that fail are left out.
    Start(AdmittedSlot),
    /// Nothing starts before a change, or before this instant.
    Wait(Option<Nanos>),
    /// Every model of the slot was dropped.
    Nothing,
}

/// The end of an attempt.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct AttemptEnd {
    /// The variant.
    pub(in crate::engine) variant: usize,
    /// The instant at which it was sent.
    pub(in crate::engine) sent: Nanos,
    /// Its effect on the model's health.
    pub(in crate::engine) effect: AttemptEffect,
    /// True if it tested a failing model.
    pub(in crate::engine) probe: bool,
    /// True if it was rejected with 429.
    pub(in crate::engine) rate_limited: bool,
}

/// Everything that decides about the next request.
#[derive(Debug)]
pub(super) struct PacerState {
    rates: RatePacer,
    concurrency: usize,
    /// True if requests are sent as a load plans them.
    is_load: bool,
    /// The concurrency of each variant, where it yields on 429.
    yielding: Option<Vec<YieldingLimit>>,
    /// Halvings that were not reported yet: the variant, and its requests in flight from then on.
    yields: Vec<(usize, usize)>,
    patience: Nanos,
    models: Vec<PacedModel>,
    /// Index of its model, by variant.
    model_by_variant: Vec<usize>,
    /// By their keys, and so in the order of their starts.
    slots: BTreeMap<u64, SlotInFlight>,
    /// Trials under way, by variant.
    in_flight: Vec<usize>,
    next_key: u64,
    /// Changes of breakers that were not reported yet, with the index of the model and their instant.
    changes: Vec<(usize, BreakerChange, Nanos)>,
}

impl PacerState {
    pub(super) fn new(suite: &Suite, rates: RatePacer) -> Self {
        let mut models: Vec<PacedModel> = Vec::new();
        let model_by_variant = suite.models().map(|id| {
            let known = models.iter().position(|model| model.id == *id);
            known.unwrap_or_else(|| {
                models.push(PacedModel {
                    id: id.clone(),
                    health: ModelHealth::new(suite.patience_ns),
                    waiting: BTreeMap::new(),
                });
                models.len() - 1
            })
        });
        Self {
            rates,
            concurrency: usize::try_from(suite.concurrency).unwrap_or(usize::MAX),
            is_load: suite.staged_load().is_some(),
            yielding: (suite.load.as_ref())
                .is_some_and(|load| load.yields_on_429)
                .then(Vec::new),
            yields: Vec::new(),
            patience: suite.patience_ns,
            model_by_variant: model_by_variant.collect(),
            models,
            slots: BTreeMap::new(),
            in_flight: vec![0; suite.variants.len()],
            next_key: 0,
            changes: Vec::new(),
        }
    }

    /// The patience of the run.
    pub(super) const fn patience(&self) -> Nanos {
        self.patience
    }

    /// The wait from `now` on before these requests may be sent by the rate limits; they are counted.
    pub(super) fn rate_wait(&mut self, now: Nanos, loads: &[Load]) -> Nanos {
        self.rates.wait(now, loads).since(now)
    }

    /// Counts a request against the rate limits that is sent without a wait.
    pub(super) fn take_rate(&mut self, now: Nanos, load: Load) {
        self.rates.take(now, &[load]);
    }

    /// True if requests are sent as a load plans them.
    pub(super) const fn is_load(&self) -> bool {
        self.is_load
    }

    /// Sets the number of trials of each variant that may be in flight.
    pub(super) fn set_concurrency(&mut self, concurrency: u32) {
        self.concurrency = usize::try_from(concurrency).unwrap_or(usize::MAX);
        if let Some(yielding) = &mut self.yielding {
            *yielding = vec![YieldingLimit::new(self.concurrency); self.model_by_variant.len()];
        }
    }

    /// The trials of a variant that may be in flight.
    fn concurrency_of(&self, variant: usize) -> usize {
        let yielding = self.yielding.as_ref().and_then(|all| all.get(variant));
        yielding.map_or(self.concurrency, YieldingLimit::in_flight)
    }

    /// Lets the concurrency of a variant yield to a 429, or recover by an answer.
    fn note_yielding(&mut self, now: Nanos, end: &AttemptEnd) {
        let yielding = self
            .yielding
            .as_mut()
            .and_then(|all| all.get_mut(end.variant));
        let Some(limit) = yielding else {
            return;
        };
        if end.rate_limited {
            let halved = limit.note_rejection(now, end.sent);
            self.yields
                .extend(halved.map(|in_flight| (end.variant, in_flight)));
        } else if end.effect == AttemptEffect::Answer {
            limit.note_answer();
        }
    }

    /// The halvings since the last call.
    pub(super) fn take_yields(&mut self) -> Vec<(usize, usize)> {
        std::mem::take(&mut self.yields)
    }

    /// Admits one trial of a load: it waits for nothing but room among those of its variant.
    pub(super) fn choose_one(&mut self, now: Nanos, variant: usize) -> SlotChoice {
        self.tick(now);
        if self.health(variant).is_dropped() {
            return SlotChoice::Nothing;
        }
        if self.in_flight[variant] >= self.concurrency_of(variant) {
            return SlotChoice::Wait(None);
        }
        let model = self.model_by_variant[variant];
        self.models[model].health.admit(now, SendTurn::First);
        SlotChoice::Start(self.start_slot(
            now,
            vec![PendingTrial {
                variant,
                probe: false,
            }],
        ))
    }

    /// Counts trials as a slot under way.
    fn start_slot(&mut self, now: Nanos, pending: Vec<PendingTrial>) -> AdmittedSlot {
        let slot = AdmittedSlot {
            key: self.next_key,
            variants: pending.iter().map(|one| one.variant).collect(),
        };
        for one in &pending {
            self.in_flight[one.variant] += 1;
        }
        let since = now;
        self.slots.insert(slot.key, SlotInFlight { since, pending });
        self.next_key += 1;
        slot
    }

    /// Chooses the trials of a slot that start now; they are counted as under way.
    pub(super) fn choose(&mut self, now: Nanos, order: &[usize]) -> SlotChoice {
        self.tick(now);
        let alive: Vec<usize> = (order.iter().copied())
            .filter(|&variant| !self.health(variant).is_dropped())
            .collect();
        if alive.is_empty() {
            return SlotChoice::Nothing;
        }
        if self.slots.len() - self.lagging(now) >= self.concurrency {
            return SlotChoice::Wait(self.next_change(now));
        }
        let mut send: Vec<PendingTrial> = Vec::new();
        for &variant in &alive {
            if self.in_flight[variant] >= self.concurrency {
                if self.open_if_stalled(variant, now) {
                    continue;
                }
                return SlotChoice::Wait(self.next_change(now));
            }
            match self.health(variant).peek(now, SendTurn::First) {
                Admission::Send { probe } => {
                    let model = self.model_by_variant[variant];
                    let mut chosen = send.iter();
                    let is_probed =
                        chosen.any(|one| one.probe && self.model_by_variant[one.variant] == model);
                    if !is_probed {
                        send.push(PendingTrial { variant, probe });
                    }
                }
                Admission::Wait if self.health(variant).is_awaited(now) => {
                    return SlotChoice::Wait(self.next_change(now));
                }
                Admission::Wait | Admission::Refused => {}
            }
        }
        if send.is_empty() || !self.is_worth_a_start(&alive, &send) {
            return SlotChoice::Wait(self.next_change(now));
        }
        for one in &send {
            let model = self.model_by_variant[one.variant];
            self.models[model].health.admit(now, SendTurn::First);
        }
        SlotChoice::Start(self.start_slot(now, send))
    }

    /// Returns true if a trial of the slot is a probe.
    pub(super) fn is_probe(&self, key: u64, variant: usize) -> bool {
        self.slots.get(&key).is_some_and(|slot| {
            let mut pending = slot.pending.iter();
            pending.any(|one| one.variant == variant && one.probe)
        })
    }

    /// Takes those trials back that were chosen before their model's breaker opened; returns the others.
    pub(super) fn confirm(&mut self, slot: &AdmittedSlot) -> Vec<usize> {
        let is_sent = |&&variant: &&usize| {
            let health = self.health(variant);
            let is_stopped = health.is_open() || health.is_dropped();
            !is_stopped || self.is_probe(slot.key, variant)
        };
        let sent: Vec<usize> = slot.variants.iter().filter(is_sent).copied().collect();
        for &variant in slot.variants.iter().filter(|v| !sent.contains(v)) {
            self.cancel(slot.key, variant);
        }
        sent
    }

    /// Takes the admission of a trial back that was not sent.
    pub(super) fn cancel(&mut self, key: u64, variant: usize) {
        let probe = self.is_probe(key, variant);
        let model = self.model_by_variant[variant];
        self.models[model].health.cancel(probe);
        self.end_trial(key, variant);
    }

    /// Counts the end of a trial: its place is free.
    pub(super) fn end_trial(&mut self, key: u64, variant: usize) {
        let Some(slot) = self.slots.get_mut(&key) else {
            return;
        };
        let before = slot.pending.len();
        slot.pending.retain(|one| one.variant != variant);
        self.in_flight[variant] -= before - slot.pending.len();
    }

    /// Counts the end of a slot.
    pub(super) fn end_slot(&mut self, key: u64) {
        let ended = self.slots.remove(&key);
        for one in ended.iter().flat_map(|slot| &slot.pending) {
            self.in_flight[one.variant] -= 1;
        }
    }

    /// Decides about a further attempt of a trial. `probes`: those that it has made, if it may make another. Waiting trials
    /// probe in turn: one alone would use up its attempts.
    pub(super) fn retry(&mut self, now: Nanos, variant: usize, probes: Option<u32>) -> Admission {
        self.tick(now);
        let PacedModel {
            health, waiting, ..
        } = &mut self.models[self.model_by_variant[variant]];
        if health.is_open() {
            if probes.is_none() {
                return Admission::Refused;
            }
            let mut others = waiting.keys().filter(|others| others.is_some());
            if others.next().is_some_and(|min| *min < probes) {
                return Admission::Wait;
            }
        }
        health.admit(now, SendTurn::Retry)
    }

    /// Counts a trial that begins to wait to be sent again, with its probes as in [`PacerState::retry`].
    pub(super) fn begin_wait(&mut self, variant: usize, probes: Option<u32>) {
        let model = &mut self.models[self.model_by_variant[variant]];
        *model.waiting.entry(probes).or_default() += 1;
    }

    /// Counts the end of such a wait.
    pub(super) fn end_wait(&mut self, variant: usize, probes: Option<u32>) {
        let waiting = &mut self.models[self.model_by_variant[variant]].waiting;
        if let Some(count) = waiting.get_mut(&probes) {
            *count -= 1;
            if *count == 0 {
                waiting.remove(&probes);
            }
        }
    }

    /// Counts the end of an attempt.
    pub(super) fn record(&mut self, now: Nanos, end: &AttemptEnd) {
        self.note_yielding(now, end);
        let model = self.model_by_variant[end.variant];
        if end.effect == AttemptEffect::Answer {
            let others = self.models.iter_mut().enumerate();
            others
                .filter(|(index, _)| *index != model)
                .for_each(|(_, other)| other.health.note_other_answer());
        }
        let health = &mut self.models[model].health;
        let Some(change) = health.record(now, end.sent, end.effect, end.probe) else {
            return;
        };
        self.changes.push((model, change, now));
        if change == BreakerChange::Resumed {
            for model in &mut self.models {
                model.health.probe_early(now);
            }
        }
    }

    /// The health of a variant's model.
    pub(super) fn health(&self, variant: usize) -> &ModelHealth {
        &self.models[self.model_by_variant[variant]].health
    }

    /// The changes of breakers since the last call: each with its model and its instant.
    pub(super) fn take_changes(&mut self) -> Vec<(ModelId, ModelHealth, BreakerChange, Nanos)> {
        let changes = std::mem::take(&mut self.changes).into_iter();
        let described = changes.map(|(model, change, at)| {
            let model = &self.models[model];
            (model.id.clone(), model.health.clone(), change, at)
        });
        described.collect()
    }

    /// The next instant after `now` at which a decision may change by itself.
    pub(super) fn next_change(&self, now: Nanos) -> Option<Nanos> {
        let healths = self
            .models
            .iter()
            .filter_map(|model| model.health.next_change(now));
        healths.chain(self.next_overdue(now)).min()
    }

    /// The next instant after `now` at which a trial is overdue.
    fn next_overdue(&self, now: Nanos) -> Option<Nanos> {
        // The first of a variant that is not overdue yet is the next one.
        let mut left: Vec<bool> = self.in_flight.iter().map(|count| *count > 0).collect();
        let mut variants = left.iter().filter(|is_left| **is_left).count();
        let mut next: Option<Nanos> = None;
        for slot in self.slots.values() {
            if variants == 0 {
                break;
            }
            for one in &slot.pending {
                let at = self.overdue_at(slot.since, one.variant);
                if at > now && std::mem::take(&mut left[one.variant]) {
                    variants -= 1;
                    next = [next, Some(at)].into_iter().flatten().min();
                }
            }
        }
        next
    }

    fn tick(&mut self, now: Nanos) {
        for (index, model) in self.models.iter_mut().enumerate() {
            if let Some(change) = model.health.tick(now) {
                self.changes.push((index, change, now));
            }
        }
    }

    /// Returns true if the slot should start: some model is known to answer, or nothing else would probe.
    fn is_worth_a_start(&self, alive: &[usize], send: &[PendingTrial]) -> bool {
        if send.iter().any(|one| !one.probe) {
            return true;
        }
        // Every model fails. Together they are probed as a slot, which is a pair if they recover; trials that
        // failed and wait go first.
        let model_of = |variant: usize| self.model_by_variant[variant];
        alive.iter().all(|&variant| {
            let mut chosen = send.iter();
            self.models[model_of(variant)].waiting.is_empty()
                && chosen.any(|one| model_of(one.variant) == model_of(variant))
        })
    }

    /// The slots with a trial of this variant under way, in the order of their starts.
    fn pending(&self, variant: usize) -> impl DoubleEndedIterator<Item = &SlotInFlight> {
        let has = move |slot: &&SlotInFlight| slot.pending.iter().any(|one| one.variant == variant);
        self.slots.values().filter(has)
    }

    /// Opens the breaker of a model if all trials of this variant are overdue; returns `true` if slots no longer
    /// wait for it.
    fn open_if_stalled(&mut self, variant: usize, now: Nanos) -> bool {
        let since = |slot: Option<&SlotInFlight>| slot.map(|slot| slot.since);
        let first = since(self.pending(variant).next());
        // Where the last one is overdue, all are.
        let last = since(self.pending(variant).next_back());
        let is_stalled = last.is_none_or(|since| self.overdue_at(since, variant) <= now);
        if !is_stalled && !self.is_left_out(variant, now) {
            return false;
        }
        let model = self.model_by_variant[variant];
        let change = self.models[model]
            .health
            .open_stalled(now, first.unwrap_or(now));
        self.changes
            .extend(change.map(|change| (model, change, now)));
        true
    }

    /// Returns true if slots start without this variant.
    fn is_left_out(&self, variant: usize, now: Nanos) -> bool {
        let health = self.health(variant);
        health.is_dropped() || (health.is_open() && !health.is_awaited(now))
    }

    /// The number of slots of which nothing is left but trials that others do not wait for.
    fn lagging(&self, now: Nanos) -> usize {
        let variants = (0..self.in_flight.len()).filter(|variant| self.in_flight[*variant] > 0);
        let is_any_left_out = variants.clone().any(|one| self.is_left_out(one, now));
        // Where no model is left out only what is overdue lags: slots at the front.
        let may_lag = |slot: &&SlotInFlight| {
            let mut variants = variants.clone();
            is_any_left_out || variants.any(|one| self.overdue_at(slot.since, one) <= now)
        };
        let slots = self.slots.values().take_while(may_lag);
        slots.filter(|slot| self.is_lagging(slot, now)).count()
    }

    /// Returns true if all that is left of a slot are trials that others do not wait for.
    fn is_lagging(&self, slot: &SlotInFlight, now: Nanos) -> bool {
        let lags = |one: &PendingTrial| {
            self.is_left_out(one.variant, now) || self.overdue_at(slot.since, one.variant) <= now
        };
        !slot.pending.is_empty() && slot.pending.iter().all(lags)
    }

    /// The instant at which a trial that started then is overdue.
    fn overdue_at(&self, started: Nanos, variant: usize) -> Nanos {
        let health = self.health(variant);
        let after = match health.longest() {
            _ if health.failures() > 0 => OVERDUE_MIN,
            Some(longest) => OVERDUE_MIN.max(Nanos(longest.0.saturating_mul(OVERDUE_FACTOR))),
            None => OVERDUE_UNKNOWN,
        };
        Nanos(started.0.saturating_add(after.0))
    }
}

#[cfg(test)]
mod tests;
