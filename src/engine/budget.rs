//! The cap: money is reserved before it can be spent.
//!
//! Owns the arithmetic of reserving and settling. Must not know prices, nor what waits. Invariant: spent +
//! reserved <= cap at every moment, so long as no settlement exceeds its reservation; one that does is
//! reported, because the bound it broke was declared.

use crate::units::Usd;

/// The money of one run, never negative.
#[derive(Debug, Clone)]
pub(super) struct CostBudget {
    cap: Usd,
    spent: Usd,
    reserved: Usd,
}

/// Money reserved for something that may be billed; returned by [`CostBudget::settle`]. It cannot be copied, so
/// that it is settled once.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a reservation that is dropped is never given back"]
pub(super) struct Reservation(Usd);

impl Reservation {
    /// Splits off a part, to be settled by itself; all of it if it is smaller than the part.
    pub(super) fn split(&mut self, part: Usd) -> Self {
        let part = part.max(Usd::ZERO).min(self.0);
        self.0 = Usd(self.0.0 - part.0);
        Self(part)
    }

    /// Adds another one, to be settled with this one.
    #[allow(clippy::needless_pass_by_value)] // Taken, so that it is settled once.
    pub(super) fn merge(&mut self, other: Self) {
        self.0 = Usd(self.0.0.saturating_add(other.0.0));
    }

    /// The reserved amount.
    pub(super) const fn amount(&self) -> Usd {
        self.0
    }
}

/// The result of a request for a reservation.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BudgetReservation {
    /// The worst case is reserved.
    Now(Reservation),
    /// Not while so much else is in flight: a settlement may free enough.
    Later,
    /// Not even with nothing else in flight.
    Never,
}

/// The final cost of something that was reserved for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ActualCost {
    /// This amount exactly.
    Known(Usd),
    /// Unknown: a deadline passed, a connection broke. The reservation counts as spent.
    Unknown,
}

/// A bill above its declared bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a bill of ${billed} exceeds the bound of ${bound} computed from its prices and token limit"
)]
pub(super) struct BoundExceeded {
    /// The billed amount.
    pub(super) billed: Usd,
    /// The reserved amount.
    pub(super) bound: Usd,
}

impl CostBudget {
    /// A budget with nothing spent.
    pub(super) fn new(cap: Usd) -> Self {
        Self {
            cap: cap.max(Usd::ZERO),
            spent: Usd::ZERO,
            reserved: Usd::ZERO,
        }
    }

    /// Counts an amount that was spent without a reservation here: by an earlier part of the run.
    pub(super) fn count(&mut self, before: Usd) {
        self.spent = Usd(self.spent.0.saturating_add(before.max(Usd::ZERO).0));
    }

    /// Reserves a worst case, if it fits. An amount below 0 counts as 0.
    pub(super) fn reserve(&mut self, worst: Usd) -> BudgetReservation {
        let worst = worst.max(Usd::ZERO);
        let fits = |already: Option<Usd>| {
            already
                .and_then(|already| already.plus(worst))
                .is_some_and(|sum| sum <= self.cap)
        };
        if fits(self.spent.plus(self.reserved)) {
            self.reserved = Usd(self.reserved.0 + worst.0);
            BudgetReservation::Now(Reservation(worst))
        } else if fits(Some(self.spent)) {
            BudgetReservation::Later
        } else {
            BudgetReservation::Never
        }
    }

    /// Replaces a reservation by the final cost, which is counted as spent in either case.
    ///
    /// # Errors
    /// The bill is above the reservation: the bound does not hold, and nothing further may be started on the
    /// basis of it.
    #[allow(clippy::needless_pass_by_value)] // Taken, so that it is settled once.
    pub(super) fn settle(
        &mut self,
        reservation: Reservation,
        bill: ActualCost,
    ) -> Result<(), BoundExceeded> {
        let Reservation(bound) = reservation;
        let cost = match bill {
            ActualCost::Known(cost) => cost.max(Usd::ZERO),
            ActualCost::Unknown => bound,
        };
        self.reserved = Usd(self.reserved.0 - bound.0);
        self.spent = Usd(self.spent.0.saturating_add(cost.0));
        if cost > bound {
            return Err(BoundExceeded {
                billed: cost,
                bound,
            });
        }
        Ok(())
    }

    /// Spent, counted as spent because the bill is unknown, or still reserved.
    pub(super) const fn committed(&self) -> Usd {
        Usd(self.spent.0.saturating_add(self.reserved.0))
    }

    /// Spent, or counted as spent because the bill is unknown.
    pub(super) const fn spent(&self) -> Usd {
        self.spent
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One step of a run: a reservation, or the settlement of the oldest one.
    #[derive(Debug, Clone)]
    enum BudgetStep {
        Begin(i128),
        Settle(Option<u8>),
    }

    fn step() -> impl Strategy<Value = BudgetStep> {
        prop_oneof![
            (0_i128..400).prop_map(BudgetStep::Begin),
            prop::option::of(0_u8..=100).prop_map(BudgetStep::Settle),
        ]
    }

    proptest! {
        // In any order of reservations and settlements the cap holds at every moment, and `Later` is returned
        // only while something is in flight.
        #[test]
        fn the_cap_holds(cap in 0_i128..2_000, steps in prop::collection::vec(step(), 0..200)) {
            let mut budget = CostBudget::new(Usd(cap));
            let mut in_flight = std::collections::VecDeque::new();
            for step in steps {
                match step {
                    BudgetStep::Begin(worst) => match budget.reserve(Usd(worst)) {
                        BudgetReservation::Now(reservation) => in_flight.push_back(reservation),
                        BudgetReservation::Later => prop_assert!(!in_flight.is_empty()),
                        BudgetReservation::Never => prop_assert!(budget.spent.0 + worst > cap),
                    },
                    BudgetStep::Settle(share) => if let Some(reservation) = in_flight.pop_front() {
                        let bound = reservation.0.0;
                        let bill = share.map_or(ActualCost::Unknown, |percent| {
                            ActualCost::Known(Usd(bound * i128::from(percent) / 100))
                        });
                        prop_assert_eq!(budget.settle(reservation, bill), Ok(()));
                    },
                }
                prop_assert!(budget.spent.0 + budget.reserved.0 <= cap);
            }
        }

        // A cap can be used up: with everything settled, the rest is less than the next worst case.
        #[test]
        fn the_cap_is_used(worst in 1_i128..50, percent in 1_i128..=100) {
            let cap = 50 * worst;
            let mut budget = CostBudget::new(Usd(cap));
            let cost = Usd((worst * percent).div_euclid(100));
            prop_assume!(cost > Usd::ZERO);
            while let BudgetReservation::Now(reservation) = budget.reserve(Usd(worst)) {
                budget.settle(reservation, ActualCost::Known(cost)).unwrap();
            }
            prop_assert!(budget.spent.0 > cap - worst);
        }
    }

    #[test]
    fn a_bill_beyond_its_bound_is_an_error_and_counted() {
        // An undeclared surcharge: the run must stop, and report it.
        let mut budget = CostBudget::new(Usd(100));
        let BudgetReservation::Now(reservation) = budget.reserve(Usd(10)) else {
            panic!("it fits")
        };
        let exceeded = budget
            .settle(reservation, ActualCost::Known(Usd(12)))
            .unwrap_err();
        assert_eq!((exceeded.billed, exceeded.bound), (Usd(12), Usd(10)));
        assert_eq!(budget.spent(), Usd(12));
    }
}
