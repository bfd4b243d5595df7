//! The distribution of one measure over the samples of a variant.
//!
//! Owns which of its percentiles may be reported. Must not know what is measured. Invariant: it has at least
//! one value, and does not depend on the order of the values.

use std::collections::HashMap;

use crate::stats::interval::{Alpha, Interval};
use crate::stats::order::sort_floats;
use crate::stats::quantile::{Percentile, Support, quantile_f64, quantile_u64};
use crate::stats::quantile_interval::{OrderRanks, order_statistics};

/// A figure and its sample size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Value in the unit of the measure.
    pub value: f64,
    /// Number of samples behind it.
    pub n: u64,
    /// True if `n` is large enough for a 95 % interval with two ends.
    pub bounded: bool,
    /// The 95 % interval, in the unit of the measure; `None` where there is no procedure for it, as for gaps
    /// (those of one answer are not independent) and quotients of medians.
    pub interval: Option<Interval>,
}

/// The ranks of the ends of 95 % intervals, computed once per number of values; in the order of
/// [`Percentile::ALL`].
#[derive(Debug, Default)]
pub(super) struct RankBounds(HashMap<usize, [OrderRanks; Percentile::ALL.len()]>);

impl RankBounds {
    fn ranks(&mut self, count: usize) -> [OrderRanks; Percentile::ALL.len()] {
        let rank_bounds = |percentile: Percentile| {
            order_statistics(count as u64, percentile.q(), Alpha::FIVE_PERCENT)
        };
        *self
            .0
            .entry(count)
            .or_insert_with(|| Percentile::ALL.map(rank_bounds))
    }
}

/// Mean, range and percentiles of one measure.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    /// Number of values.
    pub n: u64,
    /// Mean of the values.
    pub mean: f64,
    /// The smallest value.
    pub min: f64,
    /// The largest value.
    pub max: f64,
    /// Percentiles in the order of [`Percentile::ALL`]; absent where `n` is too small for a point estimate.
    percentiles: [Option<Estimate>; Percentile::ALL.len()],
}

impl Distribution {
    /// The distribution of integers in any order, which are sorted in place; `None` without values.
    pub(super) fn from_integers(values: &mut [u64], ends: &mut RankBounds) -> Option<Self> {
        values.sort_unstable();
        let sum: u128 = values.iter().map(|&value| u128::from(value)).sum();
        let mean = sum as f64 / values.len() as f64;
        let range = (*values.first()? as f64, *values.last()? as f64);
        let percentile = |q| quantile_u64(values, q);
        let mut distribution = Self::new(values.len() as u64, mean, range, percentile);
        distribution.set_intervals(ends.ranks(values.len()), |index| values[index] as f64);
        Some(distribution)
    }

    /// The distribution of finite floats in any order, which are sorted in place; `None` without values.
    pub(super) fn from_floats(values: &mut [f64], ends: &mut RankBounds) -> Option<Self> {
        // Sorted before summation, so that the order of arrival has no effect on rounding.
        sort_floats(values);
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let range = (*values.first()?, *values.last()?);
        let percentile = |q| quantile_f64(values, q);
        let mut distribution = Self::new(values.len() as u64, mean, range, percentile);
        distribution.set_intervals(ends.ranks(values.len()), |index| values[index]);
        Some(distribution)
    }

    /// Builds a distribution from its parts, with the percentiles that `n` supports and without intervals;
    /// `value_at` returns the value of a quantile.
    pub(super) fn new(
        n: u64,
        mean: f64,
        (min, max): (f64, f64),
        value_at: impl Fn(f64) -> Option<f64>,
    ) -> Self {
        let percentiles = Percentile::ALL.map(|percentile| {
            let support = percentile.support(n);
            (support != Support::TooFew)
                .then(|| value_at(percentile.q()))
                .flatten()
                .map(|value| Estimate {
                    value,
                    n,
                    bounded: support == Support::Bounded,
                    interval: None,
                })
        });
        Self {
            n,
            mean,
            min,
            max,
            percentiles,
        }
    }

    /// Gives every percentile its interval for these prompts, from the order statistics with these ranks.
    fn set_intervals(
        &mut self,
        ranks: [OrderRanks; Percentile::ALL.len()],
        value_at: impl Fn(usize) -> f64,
    ) {
        let value = |rank: Option<u64>| Some(value_at(usize::try_from(rank?).ok()? - 1));
        for (estimate, ranks) in self.percentiles.iter_mut().zip(ranks) {
            if let Some(estimate) = estimate {
                estimate.interval = Some(Interval {
                    lower: value(ranks.lower),
                    upper: value(ranks.upper),
                });
            }
        }
    }

    /// A percentile; `None` where `n` is too small for a point estimate.
    pub fn percentile(&self, percentile: Percentile) -> Option<Estimate> {
        self.percentiles[percentile as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_reported_as_far_as_the_count_supports_them() {
        // 40 values: bounds up to p90, a point estimate at p95, nothing at p99.
        let mut values: Vec<u64> = (1..=40).collect();
        let distribution =
            Distribution::from_integers(&mut values, &mut RankBounds::default()).unwrap();
        let bounded = |percentile| distribution.percentile(percentile).map(|e| e.bounded);
        assert_eq!(bounded(Percentile::P50), Some(true));
        assert_eq!(bounded(Percentile::P90), Some(true));
        assert_eq!(bounded(Percentile::P95), Some(false));
        assert_eq!(bounded(Percentile::P99), None);
        assert_eq!(distribution.n, 40);
        let (mean, min, max) = (distribution.mean, distribution.min, distribution.max);
        assert_eq!(
            [mean, min, max].map(f64::to_bits),
            [20.5, 1.0, 40.0].map(f64::to_bits)
        );
    }

    #[test]
    fn no_values_have_no_distribution() {
        // A variant that never answered has no times, rather than zeros.
        let ends = &mut RankBounds::default();
        assert_eq!(Distribution::from_integers(&mut [], ends), None);
        assert_eq!(Distribution::from_floats(&mut [], ends), None);
    }

    #[test]
    fn an_interval_has_the_ends_that_the_count_supports() {
        // Two ends exactly where a percentile is called bounded, and none is extrapolated above the largest
        // value.
        let mut ends = RankBounds::default();
        for count in 2..80 {
            let mut values: Vec<u64> = (1..=count).collect();
            let distribution = Distribution::from_integers(&mut values, &mut ends).unwrap();
            for percentile in Percentile::ALL {
                let Some(estimate) = distribution.percentile(percentile) else {
                    continue;
                };
                let interval = estimate.interval.unwrap();
                let two_ends = interval.lower.is_some() && interval.upper.is_some();
                assert_eq!(two_ends, estimate.bounded, "{percentile:?} of {count}");
                assert!(interval.contains(estimate.value));
            }
        }
        // The textbook interval for the median of 10: the 2nd and the 9th value.
        let mut values: Vec<u64> = (1..=10).collect();
        let median = Distribution::from_integers(&mut values, &mut ends).unwrap();
        let median = median.percentile(Percentile::P50).unwrap();
        assert_eq!(median.interval, Some(Interval::new(2.0, 9.0)));
    }
}
