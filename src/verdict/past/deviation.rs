//! Levels against levels: procedure H on one metric of one variant.
//!
//! Owns the deviation of today's level from those of the past. Must not know the other comparisons. Invariant:
//! a withheld comparison has no test.

use crate::record::HistoryVariant;
use crate::stats::MIN_PROMPTS;
use crate::stats::history::{Prediction, Prior, predict_with_flagged};
use crate::stats::quantile::quantile_f64;
use crate::suite::Metric;

use super::super::judgement::{Comparison, Procedure, Reason, SampleSize, Tests};
use super::super::prompt_effects::EffectByPrompt;
use super::levels::{Combination, LevelSeries};
use super::shared_shift::tests_of;
use super::variant_history::VariantHistory;

/// The deviation of a level from those of the past.
pub(super) struct LevelDeviation {
    /// The prediction by procedure H.
    pub prediction: Prediction,
    /// The change in the metric's own unit, at the median over prompts.
    pub median_change: f64,
    /// The tests of a departure from other models without the safeguards that name the one that moved.
    pub apart: Option<Tests>,
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
        let departures = self.departures.get(&metric);
        let controls: Vec<&HistoryVariant> = match departures {
            Some(found) => found.controls(&self.variant.label),
            None => self.control.filter(|_| is_speed).into_iter().collect(),
        };
        if !self
            .variant
            .prompts
            .iter()
            .any(|p| p.levels.get(metric).is_some())
        {
            return Err(Reason::NotMeasured);
        }
        let series = self
            .series(metric, &controls, Combination::Difference)
            .ok_or(Reason::NoHistory)?;
        let judge = |without: Option<usize>| {
            if let Some(found) = departures {
                let departure = self.ordered_departure(metric, blank.bounds, found, without)?;
                return Some((departure.prediction, Some(departure.tests)));
            }
            let (past, flagged, today) = series.levels(without)?;
            let found = predict_with_flagged(&past, flagged.as_ref(), &today, prior)?;
            let found = found.with_spliced(series.spliced);
            let tests = tests_of(&found, metric, blank.bounds);
            Some((found, tests))
        };
        let (prediction, tests) = judge(None).ok_or(Reason::NoHistory)?;
        let deviation = series.deviation();
        let mut reasons = self.withhold_reasons(metric, &controls);
        reasons.extend(too_few_prompts(&series));
        let tests = tests.filter(|_| reasons.is_empty());
        reasons.extend(self.caveats(metric));
        let changes = series.plain.iter().zip(&deviation);
        let mut changes: Vec<f64> = changes.map(|(ln, d)| ln.exp() - (ln - d).exp()).collect();
        changes.sort_unstable_by(f64::total_cmp);
        let without = tests.and_then(|_| {
            let prompt = most_influential_prompt(&deviation)?;
            let id = &self.variant.prompts[series.prompts[prompt]].prompt;
            Some((id.as_ref().to_owned(), judge(Some(prompt))?.1?))
        });
        let apart = departures.and_then(|_| tests_of(&prediction, metric, blank.bounds));
        Ok((
            Comparison {
                procedure: match (departures, controls.as_slice()) {
                    (Some(_), _) => Procedure::Departure,
                    (None, [_, ..]) => Procedure::HistoryOfDifference,
                    (None, []) => Procedure::History,
                },
                size: SampleSize {
                    prompts: series.prompts.len() as u64,
                    reference: series.values.0,
                    candidate: series.values.1,
                    runs: prediction.past as u64,
                },
                tests,
                reasons,
                per_prompt: EffectByPrompt::new(
                    &self.prompt_ids,
                    series
                        .prompts
                        .into_iter()
                        .zip(deviation.iter().map(|d| d.exp())),
                ),
                ..blank.clone()
            },
            LevelDeviation {
                prediction,
                median_change: quantile_f64(&changes, 0.5).unwrap_or(0.0),
                apart,
                without,
            },
        ))
    }
}

/// The reasons to withhold a verdict with too few common prompts.
fn too_few_prompts(series: &LevelSeries) -> Vec<Reason> {
    let usable = series.prompts.len();
    let mut reasons = Vec::new();
    if usable < MIN_PROMPTS {
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

/// The prompt that influences the estimate most; `None` if too few would remain.
fn most_influential_prompt(deviation: &[f64]) -> Option<usize> {
    if deviation.len() <= MIN_PROMPTS {
        return None;
    }
    let mean = deviation.iter().sum::<f64>() / deviation.len() as f64;
    let distance = |index: &usize| (deviation[*index] - mean).abs();
    (0..deviation.len()).max_by(|a, b| distance(a).total_cmp(&distance(b)))
}
