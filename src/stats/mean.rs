//! The mean over prompts and its uncertainty: Student's t with prompts as the units.
//!
//! Owns weights and the t procedure that almost every other procedure ends in. Must not know what
//! the numbers are. Invariant: weights are positive and sum to 1; a standard error is exactly 0 where
//! all numbers are equal and absent where there is only one; the order of the numbers does not
//! change a bit of the result.

use std::sync::Arc;

use super::MIN_PROMPTS;
use super::distributions::{t_cdf, t_sf};
use super::interval::{Alpha, Interval};

/// The share of each prompt in a mean: positive, summing to 1. Copies share them.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights(Arc<[f64]>);

impl Weights {
    /// The same share for each of `count` prompts.
    pub fn equal(count: usize) -> Self {
        Self(std::iter::repeat_n(1.0 / count as f64, count).collect())
    }

    /// Shares proportional to `shares`; `None` unless there is one, all are finite and above 0.
    pub fn new(shares: &[f64]) -> Option<Self> {
        let largest = shares.iter().copied().fold(0.0, f64::max);
        let proper = |share: &f64| share.is_finite() && *share > 0.0;
        if shares.is_empty() || !shares.iter().all(proper) {
            return None;
        }
        // Divided by the largest first, so that the sum cannot overflow; a share that vanishes
        // beside it is kept as the smallest there is. Added in rising order, whatever theirs.
        let scaled: Vec<f64> = shares
            .iter()
            .map(|share| (share / largest).max(f64::MIN_POSITIVE))
            .collect();
        let mut rising = scaled.clone();
        rising.sort_unstable_by(f64::total_cmp);
        let sum: f64 = rising.iter().sum();
        Some(Self(scaled.iter().map(|share| share / sum).collect()))
    }

    /// The shares, one a prompt.
    pub fn shares(&self) -> &[f64] {
        &self.0
    }

    /// The number of equally weighted prompts with the same information: 1 / sum of squares (Kish, "Survey
    /// Sampling", 1965).
    pub fn effective_count(&self) -> f64 {
        let mut squares: Vec<f64> = self.0.iter().map(|share| share * share).collect();
        squares.sort_unstable_by(f64::total_cmp);
        if squares.first() == squares.last() {
            // Equal weights: a whole number, so that six prompts are six and not 5.999...
            return squares.len() as f64;
        }
        1.0 / squares.iter().sum::<f64>()
    }
}

/// A mean over prompts, with what a t test needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mean {
    /// The number of prompts.
    pub count: usize,
    /// The (weighted) mean. A sum that is no larger than its own rounding error is exactly 0.
    pub estimate: f64,
    /// Its standard error; `None` for a single prompt.
    pub standard_error: Option<f64>,
    /// Degrees of freedom: the effective number of prompts minus 1.
    pub df: f64,
}

impl Mean {
    /// The plain mean; `None` for no values or if a value is not finite.
    pub fn from_values(values: &[f64]) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        Self::weighted(values, &Weights::equal(values.len()))
    }

    /// The weighted mean m = sum w v, with the standard error sqrt(P / (P - 1) sum w^2 (v - m)^2) and 1 / (sum
    /// w^2) - 1 degrees of freedom; with equal weights these are sd / sqrt(P) and P - 1. `None` for no values,
    /// for values that are not finite, and unless there is one weight a value.
    pub fn weighted(values: &[f64], weights: &Weights) -> Option<Self> {
        let shares = weights.shares();
        let count = values.len();
        if count == 0 || count != shares.len() || !values.iter().all(|value| value.is_finite()) {
            return None;
        }
        // One order for every order: floating sums depend on it in their last digits.
        let mut terms: Vec<(f64, f64)> =
            values.iter().copied().zip(shares.iter().copied()).collect();
        terms.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let effective = weights.effective_count();
        let (first, last) = (terms[0].0, terms[count - 1].0);
        if last - first <= 4.0 * f64::EPSILON * first.abs().max(last.abs()) {
            // All equal, but for the rounding of how they were made: no spread.
            return Some(Self {
                count,
                estimate: first,
                standard_error: (count > 1).then_some(0.0),
                df: effective - 1.0,
            });
        }
        let size: f64 = terms
            .iter()
            .map(|(value, share)| (value * share).abs())
            .sum();
        let sum: f64 = terms.iter().map(|(value, share)| value * share).sum();
        let estimate = if sum.abs() <= size * f64::EPSILON * count as f64 {
            0.0
        } else {
            sum
        };
        let squares: f64 = terms
            .iter()
            .map(|(value, share)| (share * (value - estimate)).powi(2))
            .sum();
        let variance = squares * count as f64 / (count as f64 - 1.0);
        Some(Self {
            count,
            estimate,
            standard_error: Some(variance.sqrt()),
            df: effective - 1.0,
        })
    }

    /// The number of equally weighted prompts that this mean is worth.
    pub fn effective_count(&self) -> f64 {
        self.df + 1.0
    }

    /// Returns true if a verdict may be based on this: at least [`MIN_PROMPTS`], also after weighting.
    pub fn is_decisive(&self) -> bool {
        self.effective_count() >= MIN_PROMPTS as f64
    }

    /// (estimate - bound) / standard error. Without spread: 0 at the bound, infinite away from it.
    /// `None` of a single prompt.
    pub fn t(&self, bound: f64) -> Option<f64> {
        let (distance, error) = (self.estimate - bound, self.standard_error?);
        Some(if error > 0.0 {
            distance / error
        } else if distance > 0.0 {
            f64::INFINITY
        } else if distance < 0.0 {
            f64::NEG_INFINITY
        } else {
            0.0
        })
    }

    /// The probability of such a mean or a higher one if the true mean were `bound`; `None` for a single
    /// prompt.
    pub fn p_greater(&self, bound: f64) -> Option<f64> {
        self.p(bound, t_sf)
    }

    /// The probability of such a mean or a lower one if the true mean were `bound`.
    pub fn p_less(&self, bound: f64) -> Option<f64> {
        self.p(bound, t_cdf)
    }

    /// The probability of a mean as far from `bound`, on either side, if that were the true mean.
    pub fn p_two_sided(&self, bound: f64) -> Option<f64> {
        self.p(bound, |t, df| 2.0 * t_sf(t.abs(), df))
    }

    fn p(&self, bound: f64, tail: impl Fn(f64, f64) -> f64) -> Option<f64> {
        let t = self.t(bound)?;
        (self.df > 0.0).then(|| tail(t, self.df))
    }

    /// estimate -/+ q standard errors, q of Student's t; no bounds of a single prompt.
    pub fn interval(&self, alpha: Alpha) -> Interval {
        match (self.standard_error, alpha.critical_t(self.df)) {
            (Some(error), Some(q)) if error > 0.0 => {
                Interval::new(self.estimate - q * error, self.estimate + q * error)
            }
            // q may be infinite (few degrees of freedom): 0 times it is not a number.
            (Some(_), Some(_)) => Interval::new(self.estimate, self.estimate),
            _ => Interval::NONE,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn weights_are_positive_or_none() {
        // A weight of zero, or one that is not a number, would silently drop or poison a prompt.
        for bad in [
            &[][..],
            &[0.0, 1.0],
            &[-1.0, 2.0],
            &[f64::NAN],
            &[1.0, f64::INFINITY],
        ] {
            assert_eq!(Weights::new(bad), None, "{bad:?}");
        }
        let huge = Weights::new(&[f64::MAX, f64::MAX, f64::MIN_POSITIVE]).unwrap();
        assert!((huge.shares().iter().sum::<f64>() - 1.0).abs() < 1e-15);
        assert!((huge.effective_count() - 2.0).abs() < 1e-15);
    }

    #[test]
    fn few_numbers_have_little_information() {
        // One prompt has a mean only; equal prompts have a spread of exactly zero.
        let one = Mean::from_values(&[0.3]).unwrap();
        assert_eq!(one.interval(Alpha::FIVE_PERCENT), Interval::NONE);
        assert_eq!((one.t(0.0), one.p_two_sided(0.0)), (None, None));
        let equal = Mean::from_values(&[0.1; 7]).unwrap();
        assert_eq!(equal.standard_error, Some(0.0));
        assert_eq!(equal.t(0.0), Some(f64::INFINITY));
        assert_eq!(equal.p_greater(0.0), Some(0.0));
        assert_eq!(equal.t(0.1), Some(0.0));
        assert_eq!(equal.interval(Alpha::FIVE_PERCENT), Interval::new(0.1, 0.1));
        assert_eq!(Mean::from_values(&[]), None);
        assert_eq!(Mean::from_values(&[1.0, f64::NAN]), None);
        assert_eq!(Mean::weighted(&[1.0, 2.0], &Weights::equal(3)), None);
    }

    #[test]
    fn cancelling_terms_are_exactly_zero() {
        // Three thirds up and one down: their floating sum is not 0, their mean is.
        let third = 1.0 / 3.0;
        let mean = Mean::from_values(&[third, third, third, -1.0]).unwrap();
        assert_eq!(mean.t(0.0), Some(0.0));
    }

    proptest! {
        // The order in which prompts come changes not a bit.
        #[test]
        fn order_is_irrelevant(
            pairs in prop::collection::vec((-5.0..5.0_f64, 0.1..3.0_f64), 2..30),
            seed in any::<u64>(),
        ) {
            let split = |pairs: &[(f64, f64)]| {
                let (values, shares): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
                Mean::weighted(&values, &Weights::new(&shares).unwrap()).unwrap()
            };
            let mut other = pairs.clone();
            other.sort_by_key(|pair| pair.0.to_bits().wrapping_mul(seed | 1));
            prop_assert_eq!(split(&pairs), split(&other));
        }

        // The interval is the set of bounds that the two one-sided tests do not reject.
        #[test]
        fn the_interval_inverts_the_test(
            values in prop::collection::vec(-5.0..5.0_f64, 3..30),
            bound in -5.0..5.0_f64,
        ) {
            let mean = Mean::from_values(&values).unwrap();
            let inside = mean.interval(Alpha::FIVE_PERCENT).contains(bound);
            let p = mean.p_two_sided(bound).unwrap();
            prop_assume!((p - 0.05).abs() > 1e-9);
            prop_assert_eq!(inside, p > 0.05);
        }
    }
}
