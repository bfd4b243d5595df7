//! The amounts that a gateway reports with an answer.
//!
//! Owns their order of precedence. Must not know where they stand. Invariant: an amount that is not reported is absent, never 0.

use crate::units::Usd;

/// The cost of an answer as reported by a gateway. Negative amounts are absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReportedBill {
    /// Inference and surcharges together (`gateway_cost`).
    pub with_surcharges: Option<Usd>,
    /// Inference only (`cost`).
    pub inference: Option<Usd>,
    /// At list price (`market_cost`).
    pub market: Option<Usd>,
    /// The amount that the provider billed to the user's own key (`cost_details`).
    pub upstream: Option<Usd>,
    /// True if something stood in the place of an amount that is none, or if an amount shrank: the bill is unknown then.
    pub is_unreadable: bool,
}

impl ReportedBill {
    /// The billed amount: with surcharges where they are reported, else inference. A surcharge is money spent,
    /// so `gateway_cost` has precedence over `cost`.
    pub fn billed(self) -> Option<Usd> {
        self.with_surcharges.or(self.inference)
    }

    /// The gateway's surcharge on the price of inference; `None` where there is none or the two are not
    /// reported separately.
    pub fn surcharge(self) -> Option<Usd> {
        let added = Usd(self.with_surcharges?.0 - self.inference?.0);
        (added > Usd::ZERO).then_some(added)
    }

    /// The list price; with own keys and no list price, the amount that the provider billed.
    pub fn list(self) -> Option<Usd> {
        self.market.or(self.upstream)
    }

    /// The amounts of `self`, and those of `older` where they are absent, or 0 where they were not: a later 0 is a placeholder.
    /// Any other amount below the one of an earlier block contradicts it.
    #[must_use]
    pub fn or_older(self, older: Self) -> Self {
        let newer = |newer: Option<Usd>, older: Option<Usd>| {
            let is_news = |usd: &Usd| *usd > Usd::ZERO || older.is_none();
            newer.filter(is_news).or(older)
        };
        Self {
            with_surcharges: newer(self.with_surcharges, older.with_surcharges),
            inference: newer(self.inference, older.inference),
            market: newer(self.market, older.market),
            upstream: newer(self.upstream, older.upstream),
            is_unreadable: self.is_unreadable
                || older.is_unreadable
                || shrinks(self.with_surcharges, older.with_surcharges)
                || shrinks(self.inference, older.inference)
                || shrinks(self.market, older.market),
        }
    }
}

/// Returns true if the newer amount is an amount, and below the older one by more than rounding.
fn shrinks(newer: Option<Usd>, older: Option<Usd>) -> bool {
    let pair = newer.filter(|newer| *newer > Usd::ZERO).zip(older);
    pair.is_some_and(|(newer, older)| newer < older && newer.differs_from(older))
}
