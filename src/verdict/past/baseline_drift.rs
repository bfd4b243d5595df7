//! Changes that a single verdict misses: drift since the level began, and sustained small changes.
//!
//! Owns the drift accumulated over accepted runs and the test of the last runs pooled. Must not decide: it only
//! adds notes. Invariant: only accepted runs and today's enter.

use crate::record::{HistoryRun, HistoryVariant};
use crate::stats::history::Prior;
use crate::stats::interval::Alpha;
use crate::stats::series;
use crate::suite::{Metric, Scale};

use super::super::judgement::{Comparison, Reason};
use super::levels::{Combination, LevelSeries, SeriesKey, levels_of_runs};
use super::matching::MatchingRuns;

/// The number of runs compared at each end of the level, or half of its runs if there are fewer.
const ENDS: usize = 5;

/// Adds the drift since the level began to every primary comparison, and sustained changes to the notes.
pub(super) fn add_baseline_drift(
    today: &HistoryRun,
    matching: &MatchingRuns<'_>,
    control: Option<&HistoryVariant>,
    alpha: Alpha,
    comparisons: &mut [Comparison],
    notes: &mut Vec<String>,
) {
    for comparison in comparisons.iter_mut() {
        let metric = comparison.metric;
        let levels = metric.scale() == Scale::Ratio;
        let Some(variant) = today.variant(&comparison.candidate) else {
            continue;
        };
        if !comparison.primary || !levels || comparison.effect.is_none() {
            continue;
        }
        let is_speed = metric.is_time() || metric == Metric::OutputRate;
        let key = SeriesKey {
            variant,
            others: if is_speed { control.as_slice() } else { &[] },
            combination: Combination::Difference,
            metric,
        };
        if let Some(drift) = drift_since_baseline(&matching.level, key) {
            comparison.reasons.push(drift);
        }
        notes.extend(sustained_change(today, matching, key, alpha));
    }
}

/// The difference between the last accepted runs of the level and its first ones.
fn drift_since_baseline(level: &[&HistoryRun], key: SeriesKey<'_>) -> Option<Reason> {
    let (runs, levels) = levels_of_runs(level, key, usize::MAX)?;
    let ends = (runs.len() / 2).min(ENDS);
    if ends == 0 {
        return None;
    }
    let means = levels.means();
    let moved = mean(&means[means.len() - ends..]) - mean(&means[..ends]);
    Some(Reason::LevelMoved {
        began: runs[0].started_at,
        change: moved.exp_m1(),
        runs: runs.len(),
    })
}

/// The mean of at least one level.
fn mean(part: &[f64]) -> f64 {
    part.iter().sum::<f64>() / part.len() as f64
}

/// A change that pooling the last runs shows although no single run does.
fn sustained_change(
    today: &HistoryRun,
    matching: &MatchingRuns<'_>,
    key: SeriesKey<'_>,
    alpha: Alpha,
) -> Option<String> {
    let series = LevelSeries::new(today, &matching.accepted, &[], key)?;
    let (past, _, now) = series.levels(None)?;
    let runs = past.followed_by(&now)?;
    let pooled = series::test(&runs, Prior::default(), alpha);
    let longest = pooled
        .iter()
        .rfind(|pooled| pooled.prediction.today > 1 && pooled.moved())?;
    let found = longest.prediction;
    // A single deviating run is no sustained change: the others must show half of it without today's.
    let means = runs.means();
    let (earlier, late) = means.split_at(means.len() - found.today);
    let before = mean(&earlier[earlier.len() - found.past..]);
    let without_today = mean(&late[..late.len() - 1]) - before;
    if without_today * found.estimate.signum() < 0.5 * found.estimate.abs() {
        return None;
    }
    Some(format!(
        "{}, {}: the last {} runs (today's, and accepted ones) together lie {:.1} % {} the {} before them: \
         a change that lasts.",
        key.variant.label,
        key.metric.word(),
        found.today,
        100.0 * found.estimate.exp_m1().abs(),
        if found.estimate > 0.0 {
            "above"
        } else {
            "below"
        },
        found.past,
    ))
}
