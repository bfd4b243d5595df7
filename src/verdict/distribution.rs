//! The distribution of one measure over the samples of a variant.
//!
//! Owns which of its percentiles may be told. Must not know what is measured. Invariant: it exists
//! only where at least one value does, and does not depend on the order of the values.

use crate::stats::quantile::{Percentile, Support, quantile_f64, quantile_u64};

/// A figure and what it stands on. An interval joins these fields once intervals are computed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// In the unit of the measure.
    pub value: f64,
    /// Samples it was computed from.
    pub n: u64,
    /// Whether `n` is large enough for a 95 % interval with two ends.
    pub bounded: bool,
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
    pub fn of_integers(values: &mut [u64]) -> Option<Self> {
        values.sort_unstable();
        let sum: u128 = values.iter().map(|&value| u128::from(value)).sum();
        let mean = sum as f64 / values.len() as f64;
        let ends = (*values.first()? as f64, *values.last()? as f64);
        let percentile = |q| quantile_u64(values, q);
        Some(Self::new(values.len() as u64, mean, ends, percentile))
    }

    /// Of finite floats in any order, which are sorted in place; `None` of none.
    pub fn of_floats(values: &mut [f64]) -> Option<Self> {
        // Sorted before they are added, so that the order in which they came leaves no trace.
        values.sort_unstable_by(f64::total_cmp);
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let ends = (*values.first()?, *values.last()?);
        let percentile = |q| quantile_f64(values, q);
        Some(Self::new(values.len() as u64, mean, ends, percentile))
    }

    /// From its parts, told as far as `n` supports them; `value_at` gives the value of a quantile.
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
        let distribution = Distribution::of_integers(&mut (1..=40).collect::<Vec<_>>()).unwrap();
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
        assert_eq!(Distribution::of_integers(&mut []), None);
        assert_eq!(Distribution::of_floats(&mut []), None);
    }
}
