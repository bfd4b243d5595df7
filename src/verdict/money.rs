//! Sums of money, and the agreement of list prices with bills.
//!
//! Owns which amounts are added and compared. Must not know how a cost was computed. Invariant: sums are exact,
//! and an unknown cost is excluded with its count, never added as 0.

use crate::record::Sample;
use crate::units::Usd;

/// An exact sum of the known amounts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Total {
    /// Sum of the known amounts.
    pub sum: Usd,
    /// Samples with a known amount.
    pub n: u64,
}

/// Two sums over the samples where both amounts are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PairTotal {
    /// Sum at the catalog's list prices.
    pub list: Usd,
    /// Sum of the gateway's amounts.
    pub gateway: Usd,
    /// Samples with both amounts.
    pub n: u64,
    /// Samples whose amounts differ by more than rounding explains.
    pub different: u64,
}

/// The costs of the trials of one variant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Money {
    /// At the catalog's list prices.
    pub list: Total,
    /// Billed by the gateway; 0 with own keys.
    pub billed: Total,
    /// The list price according to the was, of samples whose token counts have one reading.
    pub market: Total,
    /// Surcharges of the gateway on the price of inference, where it reports them.
    pub surcharges: Total,
    /// List price against the bill without surcharges; samples billed at 0 are excluded, because own keys make
    /// a bill meaningless.
    pub list_and_billed: PairTotal,
    /// List price against the gateway's own list price.
    pub list_and_market: PairTotal,
    /// Samples billed at 0 although they had a list price: own keys.
    pub free_of_charge: u64,
    /// Answers without a list price because their token counts contradict each other, or have no reading or several.
    pub contradicting: u64,
    /// Answers without a list price because the server did not report how many tokens they have.
    pub uncounted: u64,
}

impl Total {
    fn add(&mut self, amount: Option<Usd>) {
        if let Some(amount) = amount {
            self.sum = sum(self.sum, amount);
            self.n += 1;
        }
    }

    fn absorb(&mut self, other: &Self) {
        self.sum = sum(self.sum, other.sum);
        self.n += other.n;
    }

    /// The mean of the known amounts, rounded half up to a pico-dollar.
    pub fn mean(&self) -> Option<Usd> {
        let n = i128::from(self.n);
        (n > 0).then(|| Usd(self.sum.0.saturating_add(n / 2).div_euclid(n)))
    }
}

impl PairTotal {
    fn add(&mut self, list: Usd, gateway: Usd) {
        self.list = sum(self.list, list);
        self.gateway = sum(self.gateway, gateway);
        self.n += 1;
        self.different += u64::from(list.differs_from(gateway));
    }

    fn absorb(&mut self, other: &Self) {
        self.list = sum(self.list, other.list);
        self.gateway = sum(self.gateway, other.gateway);
        self.n += other.n;
        self.different += other.different;
    }
}

impl Money {
    /// Adds the cost of one sample.
    pub(super) fn add(&mut self, sample: &Sample) {
        self.list.add(sample.cost_usd);
        self.billed.add(sample.billed_usd);
        let is_usage_unknown = sample.has_unknown_usage();
        self.market.add(market_price(sample));
        self.surcharges.add(sample.surcharge_usd);
        let surcharge = sample.surcharge_usd.unwrap_or(Usd::ZERO);
        let inference = sample.billed_usd.map(|billed| Usd(billed.0 - surcharge.0));
        let list_price = sample.market_price();
        let contradicts =
            is_usage_unknown || sample.usage.is_some_and(|usage| usage.contradicts_itself());
        if sample.outcome.answered() && list_price.is_none() && contradicts {
            self.contradicting += 1;
        }
        let is_counted = sample.usage.is_some_and(|usage| usage.counts().is_some());
        let has_no_counts = !contradicts && !is_counted;
        self.uncounted +=
            u64::from(sample.outcome.answered() && list_price.is_none() && has_no_counts);
        let billed_nothing = inference == Some(Usd::ZERO);
        if billed_nothing && list_price.is_some_and(|price| price > Usd::ZERO) {
            self.free_of_charge += 1;
        }
        if let (Some(list), Some(billed)) = (sample.cost_usd, inference)
            && !billed_nothing
        {
            self.list_and_billed.add(list, billed);
        }
        if let (Some(list), Some(market)) = (sample.cost_usd, sample.market_usd) {
            self.list_and_market.add(list, market);
        }
    }

    pub(super) fn absorb(&mut self, other: &Self) {
        self.list.absorb(&other.list);
        self.billed.absorb(&other.billed);
        self.market.absorb(&other.market);
        self.surcharges.absorb(&other.surcharges);
        self.list_and_billed.absorb(&other.list_and_billed);
        self.list_and_market.absorb(&other.list_and_market);
        self.free_of_charge += other.free_of_charge;
        self.contradicting += other.contradicting;
        self.uncounted += other.uncounted;
    }
}

/// The gateway's own list price of a sample whose token counts have one reading.
pub(super) fn market_price(sample: &Sample) -> Option<Usd> {
    sample.market_usd.filter(|_| !sample.has_unknown_usage())
}

/// Saturates at the ends of 128 bits, 1e26 USD: only a forged record gets there.
fn sum(left: Usd, right: Usd) -> Usd {
    Usd(left.0.saturating_add(right.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        // A mean of money is exact to half a pico-dollar, whatever the amounts.
        #[test]
        fn the_mean_is_exact(amounts in prop::collection::vec(0_i64..1 << 60, 1..50)) {
            let mut total = Total::default();
            for &amount in &amounts {
                total.add(Some(Usd(i128::from(amount))));
                total.add(None);
            }
            let mean = total.mean().unwrap().0;
            let (n, sum) = (amounts.len() as i128, amounts.iter().map(|&a| i128::from(a)).sum::<i128>());
            prop_assert_eq!(total.n, amounts.len() as u64);
            prop_assert!((2 * (mean * n - sum)).abs() <= n);
        }
    }

    #[test]
    fn amounts_differ_beyond_rounding() {
        // A bill with eight decimals is rounded, a more expensive one by a thousandth of its amount; half a
        // percent more is another price, however small the sum.
        let mut pair = PairTotal::default();
        pair.add(Usd(3_204_000), Usd(3_200_000));
        pair.add(Usd(3_200_000_000), Usd(3_202_000_000));
        pair.add(Usd::ZERO, Usd::ZERO);
        assert_eq!((pair.n, pair.different), (3, 0));
        pair.add(Usd(3_200_000_000), Usd(3_216_000_000));
        pair.add(Usd(3_200_000), Usd(3_216_000));
        assert_eq!((pair.n, pair.different), (5, 2));
    }

    #[test]
    fn a_surcharge_is_no_difference_of_prices() {
        // With an own key the gateway bills only its surcharge: that bill says nothing about the price.
        let run = crate::verdict::fixture::manifest(&["a/x"], &["p"], 1);
        let mut sample = crate::verdict::fixture::answered(&run, 0, 400);
        let mut money = Money::default();
        sample.surcharge_usd = Some(Usd(100_000_000));
        sample.billed_usd = Some(Usd(600_000_000));
        money.add(&sample);
        sample.billed_usd = Some(Usd(100_000_000));
        money.add(&sample);
        assert_eq!(
            (money.list_and_billed.n, money.list_and_billed.different),
            (1, 0)
        );
        assert_eq!(money.free_of_charge, 1);
        assert_eq!(
            money.surcharges,
            Total {
                sum: Usd(200_000_000),
                n: 2
            }
        );
    }
}
