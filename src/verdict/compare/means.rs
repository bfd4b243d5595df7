//! Costs: the ratio of mean costs, because a bill is a sum.
//!
//! Owns the test that the ratio lies beyond a line, and the case of a side that costs nothing. Must not know
//! prices. Invariant: the test is the one that Fieller's interval inverts; equal costs on every prompt count as
//! equal despite floating-point rounding.

use crate::stats::cost;
use crate::stats::interval::{Alpha, Interval};
use crate::stats::mean::{Mean, Weights};

use super::approach::{Approach, p_beyond, without_each};
use super::claim::Line;
use super::sides::MetricSides;

/// A difference this small relative to its terms is a rounding error.
const ROUNDING: f64 = 1e-12;

/// Mean costs of both sides, prompt by prompt.
pub(in crate::verdict) struct CostMeans {
    /// (reference, candidate) per prompt.
    pairs: Vec<(f64, f64)>,
    weights: Weights,
}

impl CostMeans {
    /// Returns `None` without prompts, and where a mean is not finite.
    pub(in crate::verdict) fn new(sides: &MetricSides) -> Option<Self> {
        let mean = |costs: &[f64]| Mean::from_values(costs).map(|mean| mean.estimate);
        let pairs: Option<Vec<(f64, f64)>> = sides
            .values
            .iter()
            .map(|sides| Some((mean(sides.a())?, mean(sides.b())?)))
            .collect();
        let pairs = pairs.filter(|pairs| !pairs.is_empty())?;
        Some(Self {
            pairs,
            weights: sides.weights.clone(),
        })
    }

    fn all_free(&self) -> bool {
        self.pairs.iter().all(|&(a, b)| a <= 0.0 && b <= 0.0)
    }

    /// The candidate's cost on each prompt minus `ratio` times the reference's.
    fn excess(&self, ratio: f64) -> Vec<f64> {
        let excess = |&(a, b): &(f64, f64)| {
            let (line, rest) = (ratio * a, b - ratio * a);
            if rest.abs() <= ROUNDING * (line + b) {
                0.0
            } else {
                rest
            }
        };
        self.pairs.iter().map(excess).collect()
    }
}

impl Approach for CostMeans {
    fn p(&self, line: Line) -> Option<f64> {
        if self.all_free() {
            return Some(line.certain(0.0));
        }
        let mean = Mean::weighted(&self.excess(line.at.exp()), &self.weights)?;
        p_beyond(&mean, 0.0, line.above)
    }

    fn p_without_each(&self, line: Line) -> Vec<f64> {
        if self.all_free() {
            return Vec::new();
        }
        let excess = self.excess(line.at.exp());
        without_each(&excess, &self.weights)
            .map(|mean| p_beyond(&mean, 0.0, line.above).unwrap_or(1.0))
            .collect()
    }

    fn effect(&self, alpha: Alpha) -> Option<(f64, Interval)> {
        if self.all_free() {
            return Some((1.0, Interval::new(1.0, 1.0)));
        }
        let ratio = cost::ratio(&self.pairs, &self.weights, alpha)?;
        let estimate = ratio.estimate.filter(|ratio| ratio.is_finite())?;
        Some((estimate, ratio.interval))
    }

    fn effect_by_prompt(&self) -> Vec<Option<f64>> {
        let ratio = |&(a, b): &(f64, f64)| (a > 0.0).then(|| b / a);
        self.pairs.iter().map(ratio).collect()
    }

    fn df(&self) -> f64 {
        self.weights.effective_count() - 1.0
    }
}
