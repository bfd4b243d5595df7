//! A comparison with the past before its verdict: its figures, its deviation from the past, and the reasons
//! that may withhold it.
//!
//! Owns the figures of one metric of one variant. Must not know the other comparisons, which share the error
//! rate with it. Invariant: a withheld comparison has no test, so that it uses no share of the error rate.

use crate::stats::POWER;
use crate::stats::distributions::normal_isf;
use crate::stats::history::Prior;
use crate::stats::interval::{Alpha, Interval};
use crate::suite::{Bounds, Metric};

use super::super::judgement::{Comparison, Procedure, Reason, SampleSize, Verdict};
use super::super::prompt_effects::EffectByPrompt;
use super::deviation::LevelDeviation;
use super::rates::RateDeviation;
use super::routes::{PendingRoute, RouteRuns};
use super::variant_history::VariantHistory;

/// A comparison without its verdict.
pub(super) struct PendingComparison {
    /// The figures, with reasons that withhold the verdict, or tests if there are none.
    pub comparison: Comparison,
    /// The deviation of today from the past.
    pub deviation: Deviation,
    /// The same comparison within each route, where routes differ.
    pub routes: Vec<PendingRoute>,
}

/// The deviation of today from the past.
pub(super) enum Deviation {
    /// Nothing to compare.
    None,
    /// A deviation of levels, as logarithms.
    Levels(LevelDeviation),
    /// A deviation of shares.
    Rates(RateDeviation),
}

impl Deviation {
    /// The estimate and its interval, on the metric's scale: a ratio or a difference of shares.
    pub(super) fn effect(&self, alpha: Alpha) -> Option<(f64, Interval)> {
        match self {
            Self::None => None,
            Self::Levels(deviation) => Some((
                deviation.prediction.estimate.exp(),
                deviation.prediction.interval(alpha).map(f64::exp),
            )),
            Self::Rates(rates) => Some(rates.effect(alpha)),
        }
    }

    /// Returns true if the departure from the other models is no chance, but which of them moved is unknown.
    pub(super) fn is_withheld(&self, alpha: Alpha) -> bool {
        let Self::Levels(deviation) = self else {
            return false;
        };
        let level = alpha.one_side();
        let apart = deviation.apart;
        apart.is_some_and(|tests| tests.worse < level || tests.better < level)
    }

    /// The smallest worsening, including `tolerance`, that would have been detected with a power of 80 %.
    pub(super) fn floor(&self, tolerance: f64, alpha: Alpha) -> Option<f64> {
        let floor = match self {
            Self::None => return None,
            Self::Levels(deviation) => {
                let shift = deviation.prediction.smallest_shift(alpha);
                (tolerance.ln_1p() + shift).exp_m1()
            }
            Self::Rates(rates) => {
                let half = rates.effect(alpha).1.half_width()?;
                let z = alpha.critical_z();
                tolerance + half * (z + normal_isf(1.0 - POWER)) / z
            }
        };
        floor.is_finite().then_some(floor)
    }
}

impl VariantHistory<'_> {
    fn blank(&self, metric: Metric, primary: bool, bounds: Bounds) -> Comparison {
        Comparison {
            candidate: self.variant.label.clone(),
            reference: self.variant.label.clone(),
            metric,
            primary,
            procedure: Procedure::History,
            bounds,
            effect: None,
            size: SampleSize::default(),
            tests: None,
            verdict: Verdict::Inconclusive,
            reasons: Vec::new(),
            detectable_change: None,
            required_size: None,
            per_prompt: EffectByPrompt::default(),
            influence: None,
            routes: Vec::new(),
        }
    }

    /// The comparison of a metric; `None` if there is nothing to compare and the metric is not primary.
    pub(super) fn pending(
        &self,
        (metric, primary, bounds): (Metric, bool, Bounds),
        prior: Prior,
        routes: &[RouteRuns],
    ) -> Option<PendingComparison> {
        let blank = self.blank(metric, primary, bounds);
        let found = match metric {
            Metric::TtftTail => Err(Reason::NoTailInHistory),
            Metric::Completed | Metric::PassRate => self
                .rates(&blank)
                .map(|(comparison, rates)| (comparison, Deviation::Rates(rates))),
            _ => self
                .levels(&blank, prior)
                .map(|(comparison, deviation)| (comparison, Deviation::Levels(deviation))),
        };
        match found {
            Ok((comparison, deviation)) => {
                let has_levels = matches!(deviation, Deviation::Levels(_));
                let routes = routes.iter().filter(|_| has_levels);
                let within = |route| self.compare_route(route, &blank, prior);
                Some(PendingComparison {
                    routes: routes.map(within).collect(),
                    comparison,
                    deviation,
                })
            }
            Err(reason) => primary.then(|| PendingComparison {
                comparison: Comparison {
                    reasons: vec![reason],
                    ..blank
                },
                deviation: Deviation::None,
                routes: Vec::new(),
            }),
        }
    }
}
