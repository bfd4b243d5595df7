//! A comparison with the past before its verdict: what was measured, how far it lies from the past,
//! and why it may have to be withheld.
//!
//! Owns the figures of one metric of one variant. Must not know the other comparisons, which share the
//! error rate with it. Invariant: what is withheld has no test, so that it takes no share of it.

use crate::stats::distributions::normal_isf;
use crate::stats::history::Prior;
use crate::stats::interval::{Alpha, Interval};
use crate::suite::{Bounds, Metric};

use super::super::judgement::{Comparison, Procedure, Reason, Size, Verdict};
use super::excess::LevelExcess;
use super::rates::RateExcess;
use super::screen::Subject;

/// The power that a floor is stated for.
const POWER: f64 = 0.8;

/// A comparison without its verdict.
pub(super) struct Draft {
    /// With reasons that withhold the verdict, and tests where nothing does.
    pub comparison: Comparison,
    /// How far today lies from the past.
    pub excess: Excess,
}

/// How far today lies from the past.
pub(super) enum Excess {
    /// Nothing to compare.
    None,
    /// Of levels, as logarithms.
    Levels(LevelExcess),
    /// Of shares.
    Rates(RateExcess),
}

impl Excess {
    /// The estimate and its interval, on the metric's scale: a ratio or a difference of shares.
    pub(super) fn effect(&self, alpha: Alpha) -> Option<(f64, Interval)> {
        match self {
            Self::None => None,
            Self::Levels(excess) => Some((
                excess.prediction.estimate.exp(),
                excess.prediction.interval(alpha).map(f64::exp),
            )),
            Self::Rates(rates) => Some(rates.effect(alpha)),
        }
    }

    /// The smallest worsening beyond `tolerance` that would have been found with a chance of 80 %.
    pub(super) fn floor(&self, tolerance: f64, alpha: Alpha) -> Option<f64> {
        let floor = match self {
            Self::None => return None,
            Self::Levels(excess) => {
                let shift = excess.prediction.smallest_shift(alpha);
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

impl Subject<'_> {
    fn blank(&self, metric: Metric, primary: bool, bounds: Bounds) -> Comparison {
        Comparison {
            candidate: self.variant.label.clone(),
            reference: self.variant.label.clone(),
            metric,
            primary,
            procedure: Procedure::History,
            bounds,
            effect: None,
            size: Size::default(),
            tests: None,
            verdict: Verdict::Inconclusive,
            reasons: Vec::new(),
            detectable: None,
            needed: None,
            per_prompt: Vec::new(),
            influence: None,
            within_routes: Vec::new(),
        }
    }

    /// The comparison of a metric; `None` where there is nothing to compare and nobody relies on it.
    pub(super) fn draft(
        &self,
        metric: Metric,
        primary: bool,
        bounds: Bounds,
        prior: Prior,
    ) -> Option<Draft> {
        let blank = self.blank(metric, primary, bounds);
        let found = match metric {
            Metric::TtftTail => Err(Reason::Said(
                "A history keeps levels, not tails: compare variants of one run by it.".to_owned(),
            )),
            Metric::Completed | Metric::PassRate => self
                .rates(&blank)
                .map(|(comparison, rates)| (comparison, Excess::Rates(rates))),
            _ => self
                .levels(&blank, prior)
                .map(|(comparison, excess)| (comparison, Excess::Levels(excess))),
        };
        match found {
            Ok((comparison, excess)) => Some(Draft { comparison, excess }),
            Err(reason) => primary.then(|| Draft {
                comparison: Comparison {
                    reasons: vec![reason],
                    ..blank
                },
                excess: Excess::None,
            }),
        }
    }
}
