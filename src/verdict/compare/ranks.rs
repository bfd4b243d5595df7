//! Times, output rates and tokens: clustered aligned ranks on logarithms.
//!
//! Owns only the mapping to `stats::car`. Must not know verdicts. Invariant: verdicts are based on evaluations
//! of the test at a line, never on the interval.

use std::cell::RefCell;

use crate::stats::car::{self, Curve};
use crate::stats::interval::{Alpha, Interval};
use crate::stats::paired::Paired;

use super::approach::{Approach, p_beyond};
use super::claim::Line;
use super::sides::MetricSides;

/// Two sides of a metric on the scale of ratios; evaluations of the test are cached.
pub(in crate::verdict) struct AlignedRanks(RefCell<Curve<Paired>>);

impl AlignedRanks {
    /// Returns `None` without prompts, and where a value has no logarithm.
    pub(in crate::verdict) fn new(sides: &MetricSides) -> Option<Self> {
        let paired = Paired::new(&sides.values).ok()?;
        let paired = paired.with_weights(sides.weights.clone()).ok()?;
        Some(Self(RefCell::new(Curve::new(paired))))
    }
}

impl Approach for AlignedRanks {
    fn p(&self, line: Line) -> Option<f64> {
        p_beyond(&self.0.borrow_mut().test(line.at), 0.0, line.above)
    }

    fn p_without_each(&self, line: Line) -> Vec<f64> {
        let without = car::without_each(self.0.borrow().paired(), line.at);
        let p = without
            .iter()
            .map(|mean| p_beyond(mean, 0.0, line.above).unwrap_or(1.0));
        p.collect()
    }

    fn effect(&self, alpha: Alpha) -> Option<(f64, Interval)> {
        let found = self.0.borrow_mut().compare(alpha);
        let ends = found.ratio_interval();
        let finite = |end: Option<f64>| end.filter(|end| end.is_finite());
        let interval = Interval {
            lower: finite(ends.lower),
            upper: finite(ends.upper),
        };
        let ratio = found.ratio();
        ratio.is_finite().then_some((ratio, interval))
    }

    fn effect_by_prompt(&self) -> Vec<Option<f64>> {
        let curve = self.0.borrow();
        let ratios = curve.log_ratios().iter().map(|log| log.exp());
        ratios
            .map(|ratio| ratio.is_finite().then_some(ratio))
            .collect()
    }

    fn df(&self) -> f64 {
        self.0.borrow().paired().weights().effective_count() - 1.0
    }
}
