//! The cap: money is reserved before it can be spent.
//!
//! Owns the arithmetic of reserving and settling. Must not know prices, nor who waits for what.
//! Invariant: spent + reserved <= cap at every moment, so long as no settlement exceeds its reservation;
//! one that does is told, because the bound it broke was declared.

use crate::units::Usd;

/// Money of one run, never negative.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    cap: Usd,
    spent: Usd,
    reserved: Usd,
}

/// Money set aside for something that may be billed; handed back by [`Budget::settle`]. It cannot be
/// copied, so that it is settled once.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a reservation that is dropped is never given back"]
pub(super) struct Reservation(Usd);

impl Reservation {
    /// Takes a part out of it, to be settled by itself; all of it where it is not that much.
    pub(super) fn split(&mut self, part: Usd) -> Self {
        let part = part.max(Usd::ZERO).min(self.0);
        self.0 = Usd(self.0.0 - part.0);
        Self(part)
    }
}

/// Whether something can be begun.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reserved {
    /// Its worst case is set aside.
    Now(Reservation),
    /// Not while so much else is under way: what is settled may leave room.
    Later,
    /// Not even with nothing else under way.
    Never,
}

/// What a thing cost in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bill {
    /// Exactly this.
    Known(Usd),
    /// Nobody can say: a deadline passed, a connection broke. The reservation counts as spent.
    Unknown,
}

/// A bill that exceeds what was declared as its bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a bill of ${billed} exceeds the bound of ${bound} that its price list and token limit give"
)]
pub(super) struct BeyondBound {
    /// What was billed.
    pub(super) billed: Usd,
    /// What was reserved.
    pub(super) bound: Usd,
}

impl Budget {
    /// A budget of which nothing is spent.
    pub(super) fn new(cap: Usd) -> Self {
        Self {
            cap: cap.max(Usd::ZERO),
            spent: Usd::ZERO,
            reserved: Usd::ZERO,
        }
    }

    /// Sets the worst case of something aside, if it fits. An amount below 0 counts as 0.
    pub(super) fn reserve(&mut self, worst: Usd) -> Reserved {
        let worst = worst.max(Usd::ZERO);
        let fits = |already: Option<Usd>| {
            already
                .and_then(|already| already.plus(worst))
                .is_some_and(|sum| sum <= self.cap)
        };
        if fits(self.spent.plus(self.reserved)) {
            self.reserved = Usd(self.reserved.0 + worst.0);
            Reserved::Now(Reservation(worst))
        } else if fits(Some(self.spent)) {
            Reserved::Later
        } else {
            Reserved::Never
        }
    }

    /// Replaces a reservation by what the thing cost. What was spent is counted in either case.
    ///
    /// # Errors
    /// Where the bill is above the reservation: the bound does not hold, and nothing further may be begun
    /// on its word.
    #[allow(clippy::needless_pass_by_value)] // Taken, so that it is settled once.
    pub(super) fn settle(
        &mut self,
        reservation: Reservation,
        bill: Bill,
    ) -> Result<(), BeyondBound> {
        let Reservation(bound) = reservation;
        let cost = match bill {
            Bill::Known(cost) => cost.max(Usd::ZERO),
            Bill::Unknown => bound,
        };
        self.reserved = Usd(self.reserved.0 - bound.0);
        self.spent = Usd(self.spent.0.saturating_add(cost.0));
        if cost > bound {
            return Err(BeyondBound {
                billed: cost,
                bound,
            });
        }
        Ok(())
    }

    /// Spent, kept because nobody can say what was billed, or still set aside.
    pub(super) const fn committed(&self) -> Usd {
        Usd(self.spent.0.saturating_add(self.reserved.0))
    }

    /// Spent, or kept because nobody can say what was billed.
    pub(super) const fn spent(&self) -> Usd {
        self.spent
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One step of a run: begin something, or settle the oldest that is under way.
    #[derive(Debug, Clone)]
    enum Step {
        Begin(i128),
        Settle(Option<u8>),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0_i128..400).prop_map(Step::Begin),
            prop::option::of(0_u8..=100).prop_map(Step::Settle),
        ]
    }

    proptest! {
        // Whatever is begun and settled in whatever order: the cap holds at every moment, and *later* is
        // said only where something is under way.
        #[test]
        fn the_cap_holds(cap in 0_i128..2_000, steps in prop::collection::vec(step(), 0..200)) {
            let mut budget = Budget::new(Usd(cap));
            let mut under_way = std::collections::VecDeque::new();
            for step in steps {
                match step {
                    Step::Begin(worst) => match budget.reserve(Usd(worst)) {
                        Reserved::Now(reservation) => under_way.push_back(reservation),
                        Reserved::Later => prop_assert!(!under_way.is_empty()),
                        Reserved::Never => prop_assert!(budget.spent.0 + worst > cap),
                    },
                    Step::Settle(share) => if let Some(reservation) = under_way.pop_front() {
                        let bound = reservation.0.0;
                        let bill = share.map_or(Bill::Unknown, |percent| {
                            Bill::Known(Usd(bound * i128::from(percent) / 100))
                        });
                        prop_assert_eq!(budget.settle(reservation, bill), Ok(()));
                    },
                }
                prop_assert!(budget.spent.0 + budget.reserved.0 <= cap);
            }
        }

        // A cap is there to be used: with everything settled, all is spent but for less than the next
        // worst case.
        #[test]
        fn the_cap_is_used(worst in 1_i128..50, percent in 1_i128..=100) {
            let cap = 50 * worst;
            let mut budget = Budget::new(Usd(cap));
            let cost = Usd((worst * percent).div_euclid(100));
            prop_assume!(cost > Usd::ZERO);
            while let Reserved::Now(reservation) = budget.reserve(Usd(worst)) {
                budget.settle(reservation, Bill::Known(cost)).unwrap();
            }
            prop_assert!(budget.spent.0 > cap - worst);
        }
    }

    #[test]
    fn a_bill_beyond_its_bound_is_told_and_counted() {
        // A surcharge that nobody declared: the run must stop, and say what happened.
        let mut budget = Budget::new(Usd(100));
        let Reserved::Now(reservation) = budget.reserve(Usd(10)) else {
            panic!("it fits")
        };
        let told = budget
            .settle(reservation, Bill::Known(Usd(12)))
            .unwrap_err();
        assert_eq!((told.billed, told.bound), (Usd(12), Usd(10)));
        assert_eq!(budget.spent(), Usd(12));
    }
}
