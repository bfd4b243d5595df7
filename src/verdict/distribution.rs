//! The distribution of one measure over the samples of a variant.
//!
//! Owns which of its percentiles may be told. Must not know what is measured. Invariant: it exists
//! only where at least one value does, and does not depend on the order of the values.

use std::collections::HashMap;

use crate::stats::interval::{Alpha, Interval};
use crate::stats::quantile::{Percentile, Support, quantile_f64, quantile_u64};
use crate::stats::quantile_interval::{Places, order_statistics};

/// A figure and what it stands on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// In the unit of the measure.
    pub value: f64,
    /// Samples it was computed from.
    pub n: u64,
    /// Whether `n` is large enough for a 95 % interval with two ends.
    pub bounded: bool,
    /// Its 95 % interval, in the unit of the measure; `None` where there is no procedure for it, as for
    /// gaps (those of one answer are not independent) and quotients of medians.
    pub interval: Option<Interval>,
}

/// The places of the ends of 95 % intervals, found once for each count of values: in the order of
/// [`Percentile::ALL`].
#[derive(Debug, Default)]
pub(super) struct Ends(HashMap<usize, [Places; Percentile::ALL.len()]>);

impl Ends {
    fn of(&mut self, count: usize) -> [Places; Percentile::ALL.len()] {
        let find = |percentile: Percentile| {
            order_statistics(count as u64, percentile.q(), Alpha::FIVE_PERCENT)
        };
        *self
            .0
            .entry(count)
            .or_insert_with(|| Percentile::ALL.map(find))
    }
}

/// How the values of one measure lie.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    /// Values.
    pub n: u64,
    /// Their mean.
    pub mean: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// In the order of [`Percentile::ALL`]; absent where `n` is too few for a point estimate.
    percentiles: [Option<Estimate>; Percentile::ALL.len()],
}

impl Distribution {
    /// Of integers in any order, which are sorted in place; `None` of none.
    pub(super) fn of_integers(values: &mut [u64], ends: &mut Ends) -> Option<Self> {
        values.sort_unstable();
        let sum: u128 = values.iter().map(|&value| u128::from(value)).sum();
        let mean = sum as f64 / values.len() as f64;
        let outermost = (*values.first()? as f64, *values.last()? as f64);
        let percentile = |q| quantile_u64(values, q);
        let mut all = Self::new(values.len() as u64, mean, outermost, percentile);
        all.bound(ends.of(values.len()), |index| values[index] as f64);
        Some(all)
    }

    /// Of finite floats in any order, which are sorted in place; `None` of none.
    pub(super) fn of_floats(values: &mut [f64], ends: &mut Ends) -> Option<Self> {
        // Sorted before they are added, so that the order in which they came leaves no trace.
        values.sort_unstable_by(f64::total_cmp);
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let outermost = (*values.first()?, *values.last()?);
        let percentile = |q| quantile_f64(values, q);
        let mut all = Self::new(values.len() as u64, mean, outermost, percentile);
        all.bound(ends.of(values.len()), |index| values[index]);
        Some(all)
    }

    /// From its parts, told as far as `n` supports them, without intervals; `value_at` gives the value
    /// of a quantile.
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

    /// Gives every percentile its interval for these prompts: order statistics, the values in rising
    /// order at these places.
    fn bound(&mut self, places: [Places; Percentile::ALL.len()], value_at: impl Fn(usize) -> f64) {
        let value = |place: Option<u64>| Some(value_at(usize::try_from(place?).ok()? - 1));
        for (estimate, places) in self.percentiles.iter_mut().zip(places) {
            if let Some(estimate) = estimate {
                estimate.interval = Some(Interval {
                    lower: value(places.lower),
                    upper: value(places.upper),
                });
            }
        }
    }

    /// A percentile; `None` where `n` is too few for a point estimate.
    pub fn percentile(&self, percentile: Percentile) -> Option<Estimate> {
        self.percentiles[percentile as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_told_as_far_as_the_count_supports_them() {
        // 40 values: bounds up to p90, a point at p95, nothing at p99.
        let mut values: Vec<u64> = (1..=40).collect();
        let distribution = Distribution::of_integers(&mut values, &mut Ends::default()).unwrap();
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
    fn nothing_has_no_distribution() {
        // A variant that never answered has no times: not zeros.
        let ends = &mut Ends::default();
        assert_eq!(Distribution::of_integers(&mut [], ends), None);
        assert_eq!(Distribution::of_floats(&mut [], ends), None);
    }

    #[test]
    fn an_interval_has_as_many_ends_as_the_count_supports() {
        // Two ends exactly where a percentile is called bounded, and none is invented above the largest.
        let mut ends = Ends::default();
        for count in 2..80 {
            let mut values: Vec<u64> = (1..=count).collect();
            let distribution = Distribution::of_integers(&mut values, &mut ends).unwrap();
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
        // The textbook's interval of the median of 10: the 2nd and the 9th value.
        let mut values: Vec<u64> = (1..=10).collect();
        let median = Distribution::of_integers(&mut values, &mut ends).unwrap();
        let median = median.percentile(Percentile::P50).unwrap();
        assert_eq!(median.interval, Some(Interval::new(2.0, 9.0)));
    }
}
