//! The cap of a run: nothing is sent before its worst case is reserved.
//!
//! Owns the reservations of a slot, and their settlement. Must not know prices: the worst case of each request
//! is an argument. Invariant: a reservation is returned, spent, or counted as spent because the bill is
//! unknown, exactly once, even where a task is dropped.

use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;

use crate::catalog::WorstCase;
use crate::plan::{Plan, Trial};
use crate::threads::lock;
use crate::units::Usd;

use super::budget::{ActualCost, BudgetReservation, CostBudget, Reservation};
use super::finished::FinishedTrials;

/// A cap on everything that a run sends.
#[derive(Debug)]
pub struct Cap {
    limit: Usd,
    /// The source of the limit, `--max-cost`.
    words: String,
    worst: WorstCase,
    state: Mutex<CapState>,
    settled: Notify,
}

#[derive(Debug)]
struct CapState {
    budget: CostBudget,
    /// A bill that was above its bound, or an answer above its token limit, as text.
    overrun: Option<String>,
}

/// The worst case of a trial, or of the warm-up of a variant.
#[derive(Debug, Clone, Copy)]
struct MaxCost {
    variant: usize,
    /// The worst case of one attempt.
    each: Usd,
    all: Usd,
}

/// The reservation for the remaining attempts of one trial (or warm-up requests of one variant). Dropping it
/// returns the rest.
#[derive(Debug)]
pub(super) struct TrialReservation {
    cap: Arc<Cap>,
    variant: usize,
    /// The worst case of one attempt.
    each: Usd,
    left: Arc<Mutex<Option<Reservation>>>,
}

/// The reservation for one attempt in flight. Dropped without settlement, it counts as spent: the request may
/// have been sent.
#[derive(Debug)]
pub(super) struct AttemptReservation {
    cap: Arc<Cap>,
    variant: usize,
    reservation: Option<Reservation>,
    /// The reservation of its trial, to which it returns if it cost nothing.
    trial: Arc<Mutex<Option<Reservation>>>,
}

/// The result of reserving a slot.
#[derive(Debug)]
pub(super) enum ReserveOutcome {
    /// One reservation for each of its trials, in its order.
    Now(Vec<TrialReservation>),
    /// Possible later, if something in flight is settled for less.
    Later,
    /// Impossible in this run.
    Never,
}

impl Cap {
    /// A cap of `limit`, with nothing spent. `words` name the source of the limit.
    pub fn new(limit: Usd, words: impl Into<String>, worst: WorstCase) -> Self {
        Self {
            limit,
            words: words.into(),
            worst,
            state: Mutex::new(CapState {
                budget: CostBudget::new(limit),
                overrun: None,
            }),
            settled: Notify::new(),
        }
    }

    /// The same, of which earlier parts of the run spent this much, or cannot rule it out.
    #[must_use]
    pub fn with_spent(self, before: Usd) -> Self {
        self.state().budget.count(before);
        self
    }

    /// The limit.
    pub const fn limit(&self) -> Usd {
        self.limit
    }

    /// The upper bound of the money spent: settled bills, reservations counted for unknown ones, and requests
    /// in flight.
    pub fn max_spent(&self) -> Usd {
        self.state().budget.committed()
    }

    /// The minimum that must be free to measure anything: the warm-up and the first slot that is left. `None` if it
    /// exceeds all amounts of money.
    pub fn min_cost(&self, plan: &Plan, finished: &FinishedTrials) -> Option<Usd> {
        let warm_up = self.warm_up_costs()?.into_iter();
        let mut slots = plan.slots().map(|slot| finished.remaining(&slot));
        let slot = slots.find(|trials| !trials.is_empty());
        let slot = slot.map(|trials| self.trial_costs(trials.into_iter()));
        let slot = slot.unwrap_or_else(|| Some(Vec::new()))?.into_iter();
        warm_up
            .chain(slot)
            .map(|sum| sum.all)
            .try_fold(Usd::ZERO, Usd::plus)
    }

    /// The limit and its source, `$0.5 (--max-cost)`.
    pub fn words(&self) -> String {
        format!("${} ({})", self.limit, self.words)
    }

    /// Reserves the worst case of these trials.
    pub(super) fn reserve_trials(self: &Arc<Self>, trials: &[Trial]) -> ReserveOutcome {
        self.reserve(self.trial_costs(trials.iter().copied()))
    }

    /// Reserves the worst case of the warm-up; one reservation for each variant.
    pub(super) fn reserve_warm_up(self: &Arc<Self>) -> ReserveOutcome {
        self.reserve(self.warm_up_costs())
    }

    /// Waits until something is settled; returns at once if that happened since the last wait.
    pub(super) async fn wait_for_settlement(&self) {
        self.settled.notified().await;
    }

    /// The bill that was above its bound, if there was one: the bound does not hold, and nothing further may be
    /// sent on the basis of it.
    pub(super) fn overrun(&self) -> Option<String> {
        self.state().overrun.clone()
    }

    /// The reason that no further slot starts, by the settlements so far.
    pub(super) fn cap_message(&self) -> String {
        let state = self.state();
        let spent = state.budget.spent();
        let reserved = Usd(state.budget.committed().0 - spent.0);
        drop(state);
        let under_way = if reserved == Usd::ZERO {
            String::new()
        } else {
            format!(", up to ${reserved} is under way")
        };
        format!(
            "the cap of {} is too low for the next slot (${spent} is spent or reserved{under_way})",
            self.words()
        )
    }

    fn trial_costs(&self, trials: impl Iterator<Item = Trial>) -> Option<Vec<MaxCost>> {
        let each = trials.map(|trial| {
            let (prompt, variant) = (trial.prompt, trial.variant);
            let each = self.worst.attempt(prompt, variant).ok()?;
            let all = self.worst.trials(prompt, variant, 1).ok()?;
            Some(MaxCost { variant, each, all })
        });
        each.collect()
    }

    fn warm_up_costs(&self) -> Option<Vec<MaxCost>> {
        let variants = 0..self.worst.labels().len();
        let each = variants.map(|variant| {
            let each = self.worst.warm_up_request(variant).ok()?;
            let all = self.worst.warm_up(variant).ok()?;
            Some(MaxCost { variant, each, all })
        });
        each.collect()
    }

    fn reserve(self: &Arc<Self>, sums: Option<Vec<MaxCost>>) -> ReserveOutcome {
        let Some((sums, whole)) = sums.and_then(|sums| {
            let mut all = sums.iter().map(|sum| sum.all);
            let whole = all.try_fold(Usd::ZERO, Usd::plus)?;
            Some((sums, whole))
        }) else {
            return ReserveOutcome::Never;
        };
        let mut reservation = match self.state().budget.reserve(whole) {
            BudgetReservation::Now(reservation) => reservation,
            BudgetReservation::Later => return ReserveOutcome::Later,
            BudgetReservation::Never => return ReserveOutcome::Never,
        };
        let reservations = sums.into_iter().map(|sum| TrialReservation {
            cap: Arc::clone(self),
            variant: sum.variant,
            each: sum.each,
            left: Arc::new(Mutex::new(Some(reservation.split(sum.all)))),
        });
        let reservations = reservations.collect();
        // Nothing is left of it; a reservation must be settled all the same.
        self.settle(0, reservation, ActualCost::Known(Usd::ZERO));
        ReserveOutcome::Now(reservations)
    }

    fn settle(&self, variant: usize, reservation: Reservation, bill: ActualCost) {
        let mut state = self.state();
        if let Err(overrun) = state.budget.settle(reservation, bill) {
            let described = || format!("{}: {overrun}", self.label(variant));
            state.overrun.get_or_insert_with(described);
        }
        drop(state);
        self.settled.notify_one();
    }

    fn label(&self, variant: usize) -> &str {
        self.worst.labels().nth(variant).unwrap_or_default()
    }

    fn state(&self) -> MutexGuard<'_, CapState> {
        // Its arithmetic never panics, so that there is nothing half done behind a poisoned lock.
        lock(&self.state)
    }
}

impl TrialReservation {
    /// Splits off the worst case of one attempt.
    pub(super) fn reserve_attempt(&self) -> AttemptReservation {
        let mut left = lock(&self.left);
        AttemptReservation {
            cap: Arc::clone(&self.cap),
            variant: self.variant,
            reservation: left.as_mut().map(|left| left.split(self.each)),
            trial: Arc::clone(&self.left),
        }
    }

    /// Returns true if it holds the worst case of another attempt.
    pub(super) fn holds_attempt(&self) -> bool {
        let left = lock(&self.left);
        left.as_ref().is_some_and(|left| left.amount() >= self.each)
    }

    /// The worst case of one attempt.
    pub(super) const fn each(&self) -> Usd {
        self.each
    }

    /// True if a bill was above its bound: then no further attempt may follow.
    pub(super) fn is_overrun(&self) -> bool {
        self.cap.overrun().is_some()
    }
}

impl Drop for TrialReservation {
    fn drop(&mut self) {
        let mut held = lock(&self.left);
        let left = held.take();
        drop(held);
        if let Some(left) = left {
            self.cap
                .settle(self.variant, left, ActualCost::Known(Usd::ZERO));
        }
    }
}

impl AttemptReservation {
    /// Notes that an answer of so many tokens was above its limit: no bound of this route holds.
    pub(super) fn report_ignored_limit(&self, written: u64, limit: u64) {
        let mut state = self.cap.state();
        state.overrun.get_or_insert_with(|| {
            format!(
                "{}: an answer has {written} tokens at a limit of {limit}: a cap does not hold where max_tokens is ignored; \
                 `ignores_max_tokens` of the endpoint in bakeoff.toml makes it count the longest answer",
                self.cap.label(self.variant)
            )
        });
    }

    /// Replaces the reservation by the attempt's cost.
    pub(super) fn settle(mut self, bill: ActualCost) {
        let Some(reservation) = self.reservation.take() else {
            return;
        };
        if bill == ActualCost::Known(Usd::ZERO) {
            let mut trial = lock(&self.trial);
            if let Some(left) = trial.as_mut() {
                left.merge(reservation);
                return;
            }
        }
        self.cap.settle(self.variant, reservation, bill);
    }
}

impl Drop for AttemptReservation {
    fn drop(&mut self) {
        if let Some(reservation) = self.reservation.take() {
            self.cap
                .settle(self.variant, reservation, ActualCost::Unknown);
        }
    }
}
