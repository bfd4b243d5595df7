//! Times, output rates and tokens: clustered aligned ranks on logarithms.
//!
//! Owns only the mapping to `stats::car`. Must not know verdicts. Invariant: verdicts are based on evaluations
//! of the test at a line, never on the interval.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crate::stats::car::{self, Curve};
use crate::stats::interval::{Alpha, Interval};
use crate::stats::paired::Paired;

use super::approach::{Approach, p_beyond};
use super::claim::Line;
use super::sides::MetricSides;

/// Two sides of a metric on the scale of ratios. Evaluations of the test are cached, also those without a prompt: metrics
/// that compare the same values ask for them again.
pub(in crate::verdict) struct AlignedRanks {
    curve: RefCell<Curve<Arc<Paired>>>,
    /// The p values of each line.
    without_each: RefCell<Vec<(Line, Vec<f64>)>>,
    /// The prompt that was left out last, and the sides without it.
    without: RefCell<Option<(usize, Rc<AlignedRanks>)>>,
}

impl AlignedRanks {
    /// Returns `None` without prompts, and where a value has no logarithm.
    pub(in crate::verdict) fn new(sides: &MetricSides) -> Option<Self> {
        let paired = Paired::from_values(&sides.values).ok()?;
        let paired = paired.with_weights(sides.weights.clone()).ok()?;
        Some(Self::from_paired(Arc::new(paired)))
    }

    /// The same of logarithms.
    pub(in crate::verdict) fn from_paired(paired: Arc<Paired>) -> Self {
        Self {
            curve: RefCell::new(Curve::new(paired)),
            without_each: RefCell::default(),
            without: RefCell::default(),
        }
    }
}

impl Approach for AlignedRanks {
    fn p(&self, line: Line) -> Option<f64> {
        p_beyond(&self.curve.borrow_mut().test(line.at), 0.0, line.above)
    }

    fn p_without_each(&self, line: Line) -> Vec<f64> {
        let mut known = self.without_each.borrow_mut();
        if let Some((_, p)) = known.iter().find(|(of_line, _)| *of_line == line) {
            return p.clone();
        }
        let without = car::without_each(self.curve.borrow().paired(), line.at);
        let p = without
            .iter()
            .map(|mean| p_beyond(mean, 0.0, line.above).unwrap_or(1.0));
        let p: Vec<f64> = p.collect();
        known.push((line, p.clone()));
        p
    }

    fn without(&self, absent: usize) -> Option<Rc<dyn Approach>> {
        let mut last = self.without.borrow_mut();
        if last.as_ref().is_none_or(|(index, _)| *index != absent) {
            let rest = self.curve.borrow().paired().without(absent)?;
            *last = Some((absent, Rc::new(Self::from_paired(Arc::new(rest)))));
        }
        let (_, rest) = last.as_ref()?;
        Some(Rc::clone(rest) as Rc<dyn Approach>)
    }

    fn paired(&self) -> Option<Arc<Paired>> {
        Some(Arc::clone(self.curve.borrow().shared()))
    }

    fn effect(&self, alpha: Alpha) -> Option<(f64, Interval)> {
        let found = self.curve.borrow_mut().compare(alpha);
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
        let curve = self.curve.borrow();
        let ratios = curve.log_ratios().iter().map(|log| log.exp());
        ratios
            .map(|ratio| ratio.is_finite().then_some(ratio))
            .collect()
    }

    fn df(&self) -> f64 {
        self.curve.borrow().paired().weights().effective_count() - 1.0
    }
}
