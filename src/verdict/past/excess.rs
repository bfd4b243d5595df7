//! Levels against levels: procedure H on one metric of one variant.
//!
//! Owns the deviation of today's level from those of the past. Must not know the other comparisons. Invariant:
//! a withheld comparison has no test.

use crate::stats::FEWEST_PROMPTS;
use crate::stats::history::{Prediction, Prior, predict_with_flagged};
use crate::stats::quantile::quantile_f64;
use crate::suite::Metric;

use super::super::compare::approach::p_beyond;
use super::super::compare::claim::{self, Line};
use super::super::judgement::{Comparison, Procedure, Reason, SampleSize, Tests};
use super::levels::{LevelSeries, SeriesKey};
use super::screen::VariantHistory;

/// The deviation of a level from those of the past.
pub(super) struct LevelDeviation {
    /// The prediction by procedure H.
    pub prediction: Prediction,
    /// The change in the metric's own unit, at the median over prompts.
    pub median_change: f64,
    /// The prompt that influences the estimate most, and the tests without it.
    pub without: Option<(String, Tests)>,
}

impl VariantHistory<'_> {
    /// Compares today's levels with those of the past.
    ///
    /// # Errors
    /// The reason why there is nothing to compare.
    pub(super) fn levels(
        &self,
        blank: &Comparison,
        prior: Prior,
    ) -> Result<(Comparison, LevelDeviation), Reason> {
        let metric = blank.metric;
        // A slow gateway changes times, not prices or tokens.
        let is_speed = metric.is_time() || metric == Metric::OutputRate;
        let key = SeriesKey {
            variant: self.variant,
            control: self.control.filter(|_| is_speed),
            metric,
        };
        if !self
            .variant
            .prompts
            .iter()
            .any(|p| p.levels.contains_key(&metric))
        {
            return Err(Reason::NotMeasured);
        }
        let (accepted, flagged) = (&self.matching.accepted, &self.matching.flagged);
        let series =
            LevelSeries::new(self.today, accepted, flagged, key).ok_or(Reason::NoHistory)?;
        let predicted = series.levels(None).and_then(|(past, flagged, today)| {
            predict_with_flagged(&past, flagged.as_ref(), &today, prior)
        });
        let prediction = predicted.ok_or(Reason::NoHistory)?;
        let deviation = series.deviation();
        let mut reasons = self.withhold_reasons(metric);
        reasons.extend(too_few_prompts(&series));
        let mean = prediction.mean();
        let p = |line: Line| p_beyond(&mean, line.at, line.above);
        let tests = || claim::tests(metric, blank.bounds, p);
        let tests = reasons.is_empty().then(tests).flatten();
        reasons.extend(self.caveats(metric));
        let changes = series.plain.iter().zip(&deviation);
        let mut changes: Vec<f64> = changes.map(|(ln, d)| ln.exp() - (ln - d).exp()).collect();
        changes.sort_unstable_by(f64::total_cmp);
        let without =
            tests.and_then(|_| most_influential_prompt(&series, &deviation, blank, prior));
        Ok((
            Comparison {
                procedure: match key.control {
                    Some(_) => Procedure::HistoryOfDifference,
                    None => Procedure::History,
                },
                size: SampleSize {
                    prompts: series.prompts.len() as u64,
                    reference: series.values.0,
                    candidate: series.values.1,
                    runs: prediction.past as u64,
                },
                tests,
                reasons,
                per_prompt: series
                    .prompts
                    .iter()
                    .cloned()
                    .zip(deviation.iter().map(|d| d.exp()))
                    .collect(),
                ..blank.clone()
            },
            LevelDeviation {
                prediction,
                median_change: quantile_f64(&changes, 0.5).unwrap_or(0.0),
                without,
            },
        ))
    }
}

/// The reasons to withhold a verdict with too few common prompts.
fn too_few_prompts(series: &LevelSeries) -> Vec<Reason> {
    let usable = series.prompts.len();
    let mut reasons = Vec::new();
    if usable < FEWEST_PROMPTS {
        reasons.push(Reason::TooFewPrompts {
            usable: usable as u64,
        });
    }
    let dropped = series.shared_prompts.saturating_sub(usable);
    if dropped * 5 > series.shared_prompts {
        reasons.push(Reason::PromptsDropped {
            dropped: dropped as u64,
        });
    }
    reasons
}

/// The prompt that influences the estimate most, and the tests without it; `None` if too few remain.
fn most_influential_prompt(
    series: &LevelSeries,
    deviation: &[f64],
    blank: &Comparison,
    prior: Prior,
) -> Option<(String, Tests)> {
    if deviation.len() <= FEWEST_PROMPTS {
        return None;
    }
    let mean = deviation.iter().sum::<f64>() / deviation.len() as f64;
    let distance = |index: &usize| (deviation[*index] - mean).abs();
    let most_deviating = (0..deviation.len()).max_by(|a, b| distance(a).total_cmp(&distance(b)))?;
    let (past, flagged, today) = series.levels(Some(most_deviating))?;
    let mean = predict_with_flagged(&past, flagged.as_ref(), &today, prior)?.mean();
    let p = |line: Line| p_beyond(&mean, line.at, line.above);
    let tests = claim::tests(blank.metric, blank.bounds, p)?;
    Some((series.prompts[most_deviating].clone(), tests))
}
