//! The shift that all models share since the past, and the departure of each model from it.
//!
//! Owns which models estimate the shift and which of them departed. Must not know wording. Invariant: a shift of
//! all models alike changes no departure; models are called departed from the largest departure on, and none after
//! the first that may be chance, so that a departed model never makes another one look changed.
//!
//! The departure of a model is its level less the mean of the other ones, as with a control. With two models only
//! their difference is known: the one that moved is named only if its own past excludes the move and it moved at
//! least twice as far as the other.

use std::collections::BTreeMap;

use crate::record::HistoryVariant;
use crate::stats::MIN_PROMPTS;
use crate::stats::history::{Prediction, Prior, predict_departure, predict_with_flagged};
use crate::stats::interval::Alpha;
use crate::suite::{Bounds, Gate, Metric};

use super::super::compare::approach::p_beyond;
use super::super::compare::claim::{self, Line};
use super::super::judgement::{Effect, LimitStatus, Reason, SharedShift, Tests};
use super::departures::Departures;
use super::levels::{Combination, LevelSeries, SeriesKey};
use super::variant_history::VariantHistory;

/// With two models, the one that moved less than this times the other's move is not named.
const PAIR_RATIO: f64 = 2.0;

/// The departure of one model in one metric.
pub(super) struct Departure {
    /// The prediction of its level less that of the others.
    pub prediction: Prediction,
    /// The p values of its claims.
    pub tests: Tests,
    /// The distance by which the largest departure is found.
    size: f64,
}

/// The departures of a metric, if at least two of these models are unchanged and measured. `level` is the level of
/// one comparison.
pub(super) fn departures<'a>(
    unchanged: &[VariantHistory<'a>],
    metric: Metric,
    bounds: Bounds,
    level: Alpha,
) -> Option<Departures<'a>> {
    let usable: Vec<&VariantHistory<'a>> = unchanged
        .iter()
        .filter(|history| history.can_share(metric))
        .collect();
    if usable.len() < 2 {
        return None;
    }
    let mut found = Departures {
        unchanged: usable.iter().map(|history| history.variant).collect(),
        sharing: usable.iter().map(|history| history.variant).collect(),
        p_of_rest: 1.0,
    };
    while found.sharing.len() > 1 {
        let sharing = |one: &&&VariantHistory<'_>| {
            let labels = found.sharing.iter();
            labels.clone().any(|other| other.label == one.variant.label)
        };
        let candidates = usable.iter().filter(sharing).filter_map(|history| {
            let controls = found.controls(&history.variant.label);
            let departure = history.departure(metric, bounds, &controls, None)?;
            Some((history.variant.label.clone(), departure))
        });
        let largest = candidates.max_by(|a, b| a.1.size.total_cmp(&b.1.size));
        let (label, departure) = largest?;
        let p = departure.tests.worse.min(departure.tests.better);
        if p >= level.one_side() {
            found.p_of_rest = p;
            break;
        }
        found.sharing.retain(|one| one.label != label);
    }
    Some(found)
}

impl VariantHistory<'_> {
    /// Returns true if the levels of a metric are fit to estimate a shift by.
    fn can_share(&self, metric: Metric) -> bool {
        let blocks = |reason: &Reason| *reason != Reason::Drift;
        let is_known = || {
            let series = self.series(metric, &[], Combination::Difference);
            series.is_some_and(|series| series.prompts.len() >= MIN_PROMPTS)
        };
        !self.withhold_reasons(metric, &[]).iter().any(blocks) && is_known()
    }

    /// The series of the variant's levels, combined with those of others.
    pub(super) fn series(
        &self,
        metric: Metric,
        others: &[&HistoryVariant],
        combination: Combination,
    ) -> Option<LevelSeries> {
        let key = SeriesKey {
            variant: self.variant,
            others,
            combination,
            metric,
        };
        let (accepted, flagged) = (&self.matching.accepted, &self.matching.flagged);
        LevelSeries::new(self.today, accepted, flagged, key)
    }

    /// The departure of the variant from these controls, optionally without one of its prompts.
    pub(super) fn departure(
        &self,
        metric: Metric,
        bounds: Bounds,
        controls: &[&HistoryVariant],
        without: Option<usize>,
    ) -> Option<Departure> {
        let series = self.series(metric, controls, Combination::Difference)?;
        let (past, flagged, today) = series.levels(without)?;
        let prediction = predict_departure(&past, flagged.as_ref(), &today, controls.len())?;
        let prediction = prediction.with_spliced(series.spliced);
        let mut tests = tests_of(&prediction, metric, bounds)?;
        let mut size = prediction.estimate.abs();
        if let [control] = controls {
            let own = self.plain_prediction(metric, self.variant)?;
            let other = self.plain_prediction(metric, control)?;
            let alone = tests_of(&own, metric, bounds)?;
            let is_far = own.estimate.abs() >= PAIR_RATIO * other.estimate.abs();
            let p_at_least = |p: f64| if is_far { p } else { 1.0 };
            tests.worse = tests.worse.max(p_at_least(alone.worse));
            tests.better = tests.better.max(p_at_least(alone.better));
            size = own.estimate.abs();
        }
        Some(Departure {
            prediction,
            tests,
            size,
        })
    }

    /// The prediction of a variant's own level, its shared shift included.
    fn plain_prediction(&self, metric: Metric, variant: &HistoryVariant) -> Option<Prediction> {
        let key = SeriesKey {
            variant,
            others: &[],
            combination: Combination::Difference,
            metric,
        };
        let (accepted, flagged) = (&self.matching.accepted, &self.matching.flagged);
        let series = LevelSeries::new(self.today, accepted, flagged, key)?;
        let (past, flagged, today) = series.levels(None)?;
        let prediction = predict_with_flagged(&past, flagged.as_ref(), &today, Prior::default())?;
        Some(prediction.with_spliced(series.spliced))
    }

    /// The departure of the variant, with p values that respect the order in which models are named.
    pub(super) fn ordered_departure(
        &self,
        metric: Metric,
        bounds: Bounds,
        departures: &Departures<'_>,
        without: Option<usize>,
    ) -> Option<Departure> {
        let label = &self.variant.label;
        let controls = departures.controls(label);
        let mut departure = self.departure(metric, bounds, &controls, without)?;
        let p = departures.p_at_least(label);
        departure.tests.worse = departure.tests.worse.max(p);
        departure.tests.better = departure.tests.better.max(p);
        Some(departure)
    }
}

/// The p values of the three claims on a prediction.
pub(super) fn tests_of(prediction: &Prediction, metric: Metric, bounds: Bounds) -> Option<Tests> {
    let mean = prediction.mean();
    let p = |line: Line| p_beyond(&mean, line.at, line.above);
    claim::tests(metric, bounds, p)
}

/// The shared shift of each primary metric with departures, judged by its own limit at the level of the gate.
pub(super) fn shared_shifts(
    histories: &[VariantHistory<'_>],
    departures: &BTreeMap<Metric, Departures<'_>>,
    gate: &Gate,
    alpha: Alpha,
) -> Vec<SharedShift> {
    let primary = departures
        .iter()
        .filter(|(metric, _)| gate.is_primary(**metric));
    primary
        .filter_map(|(metric, found)| shared_shift(histories, *metric, found, gate, alpha))
        .collect()
}

fn shared_shift(
    histories: &[VariantHistory<'_>],
    metric: Metric,
    found: &Departures<'_>,
    gate: &Gate,
    alpha: Alpha,
) -> Option<SharedShift> {
    let (first, others) = found.sharing.split_first()?;
    let history = histories
        .iter()
        .find(|history| history.variant.label == first.label)?;
    let series = history.series(metric, others, Combination::Mean)?;
    let (past, flagged, today) = series.levels(None)?;
    let prediction = predict_with_flagged(&past, flagged.as_ref(), &today, Prior::default())?
        .with_spliced(series.spliced);
    let max = gate.shared_shift.max;
    let bounds = Bounds {
        tolerance: max,
        margin: max,
        floor_ns: None,
    };
    let tests = tests_of(&prediction, metric, bounds)?;
    let status = if tests.worse < alpha.one_side() {
        LimitStatus::Exceeded
    } else if tests.within_margin < alpha.one_side() {
        LimitStatus::Within
    } else {
        LimitStatus::Inconclusive
    };
    Some(SharedShift {
        metric,
        models: found.sharing.iter().map(|one| one.label.clone()).collect(),
        effect: Effect {
            estimate: prediction.estimate.exp(),
            interval: prediction.interval(alpha).map(f64::exp),
            level: 1.0 - alpha.two_sided(),
        },
        max,
        status,
    })
}
