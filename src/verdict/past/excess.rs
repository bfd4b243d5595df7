//! Levels against levels: procedure H on one metric of one variant.
//!
//! Owns how far today's level lies from those of the past. Must not know the other comparisons. Invariant:
//! what is withheld has no test.

use crate::stats::FEWEST_PROMPTS;
use crate::stats::history::{Prediction, Prior, predict_beside};
use crate::stats::quantile::quantile_f64;
use crate::suite::Metric;

use super::super::compare::approach::p_beyond;
use super::super::compare::claim::{self, Line};
use super::super::judgement::{Comparison, Procedure, Reason, Size, Tests};
use super::levels::{Asked, Series};
use super::screen::Subject;

/// How far a level lies from those of the past.
pub(super) struct LevelExcess {
    /// By procedure H.
    pub prediction: Prediction,
    /// By how much of its own unit, at the median over prompts.
    pub median_change: f64,
    /// The prompt that moves the estimate most, and the tests without it.
    pub without: Option<(String, Tests)>,
}

impl Subject<'_> {
    /// The comparison of levels with those of the past.
    ///
    /// # Errors
    /// Why there is nothing to compare.
    pub(super) fn levels(
        &self,
        blank: &Comparison,
        prior: Prior,
    ) -> Result<(Comparison, LevelExcess), Reason> {
        let metric = blank.metric;
        // What slows a whole gateway changes times, not prices nor tokens.
        let rated = metric.is_time() || metric == Metric::OutputRate;
        let asked = Asked {
            variant: self.variant,
            control: self.control.filter(|_| rated),
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
        let (accepted, beside) = (&self.matching.accepted, &self.matching.beside);
        let series = Series::new(self.today, accepted, beside, asked).ok_or(Reason::NoPast)?;
        let predicted = series.levels(None).and_then(|(past, beside, today)| {
            predict_beside(&past, beside.as_ref(), &today, prior)
        });
        let prediction = predicted.ok_or(Reason::NoPast)?;
        let excess = series.excess();
        let mut reasons = self.withheld(metric);
        reasons.extend(too_few(&series));
        let mean = prediction.mean();
        let p = |line: Line| p_beyond(&mean, line.at, line.above);
        let tests = || claim::tests(metric, blank.bounds, p);
        let tests = reasons.is_empty().then(tests).flatten();
        reasons.extend(self.beside(metric));
        let changes = series.plain.iter().zip(&excess);
        let mut changes: Vec<f64> = changes.map(|(ln, d)| ln.exp() - (ln - d).exp()).collect();
        changes.sort_unstable_by(f64::total_cmp);
        let without = tests.and_then(|_| without_one(&series, &excess, blank, prior));
        Ok((
            Comparison {
                procedure: match asked.control {
                    Some(_) => Procedure::HistoryOfDifference,
                    None => Procedure::History,
                },
                size: Size {
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
                    .zip(excess.iter().map(|d| d.exp()))
                    .collect(),
                ..blank.clone()
            },
            LevelExcess {
                prediction,
                median_change: quantile_f64(&changes, 0.5).unwrap_or(0.0),
                without,
            },
        ))
    }
}

/// What the prompts that both sides have are too few for.
fn too_few(series: &Series) -> Vec<Reason> {
    let usable = series.prompts.len();
    let mut reasons = Vec::new();
    if usable < FEWEST_PROMPTS {
        reasons.push(Reason::TooFewPrompts {
            usable: usable as u64,
        });
    }
    let dropped = series.shared.saturating_sub(usable);
    if dropped * 5 > series.shared {
        reasons.push(Reason::PromptsDropped {
            dropped: dropped as u64,
        });
    }
    reasons
}

/// The prompt that moves the estimate most, and the tests without it; `None` where too few remain.
fn without_one(
    series: &Series,
    excess: &[f64],
    blank: &Comparison,
    prior: Prior,
) -> Option<(String, Tests)> {
    if excess.len() <= FEWEST_PROMPTS {
        return None;
    }
    let mean = excess.iter().sum::<f64>() / excess.len() as f64;
    let distance = |place: &usize| (excess[*place] - mean).abs();
    let farthest = (0..excess.len()).max_by(|a, b| distance(a).total_cmp(&distance(b)))?;
    let (past, beside, today) = series.levels(Some(farthest))?;
    let mean = predict_beside(&past, beside.as_ref(), &today, prior)?.mean();
    let p = |line: Line| p_beyond(&mean, line.at, line.above);
    let tests = claim::tests(blank.metric, blank.bounds, p)?;
    Some((series.prompts[farthest].clone(), tests))
}
