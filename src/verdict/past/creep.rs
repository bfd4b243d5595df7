//! What a single verdict does not see: how far the level has moved since it began, and lasting small
//! changes.
//!
//! Owns the drift accumulated over accepted runs and the test of the last runs pooled. Must not decide:
//! it only tells. Invariant: only accepted runs and today's enter.

use crate::record::{HistoryRun, HistoryVariant};
use crate::stats::history::Prior;
use crate::stats::interval::Alpha;
use crate::stats::series;
use crate::suite::{Metric, Scale};

use super::super::judgement::{Comparison, Reason};
use super::levels::{Asked, Series, of_runs};
use super::matching::Matching;

/// So many runs at each end of the level are compared, or as many as half of it has.
const ENDS: usize = 5;

/// Adds to every primary comparison how far its level has moved since it began, and to the notes what
/// the last runs show together.
pub(super) fn tell(
    today: &HistoryRun,
    matching: &Matching<'_>,
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
        let rated = metric.is_time() || metric == Metric::OutputRate;
        let asked = Asked {
            variant,
            control: control.filter(|_| rated),
            metric,
        };
        if let Some(moved) = since_it_began(&matching.level, asked) {
            comparison.reasons.push(moved);
        }
        notes.extend(lasting(today, matching, asked, alpha));
    }
}

/// How far the last accepted runs of the level lie from its first ones.
fn since_it_began(level: &[&HistoryRun], asked: Asked<'_>) -> Option<Reason> {
    let (runs, levels) = of_runs(level, asked, usize::MAX)?;
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

/// Of at least one level.
fn mean(part: &[f64]) -> f64 {
    part.iter().sum::<f64>() / part.len() as f64
}

/// What pooling the last runs shows that no single one does.
fn lasting(
    today: &HistoryRun,
    matching: &Matching<'_>,
    asked: Asked<'_>,
    alpha: Alpha,
) -> Option<String> {
    let series = Series::new(today, &matching.accepted, &[], asked)?;
    let (past, _, now) = series.levels(None)?;
    let runs = past.followed_by(&now)?;
    let pooled = series::test(&runs, Prior::default(), alpha);
    let longest = pooled
        .iter()
        .rfind(|pooled| pooled.prediction.today > 1 && pooled.moved())?;
    let found = longest.prediction;
    // A single odd run is no change that lasts: the others must show half of it without today's.
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
        asked.variant.label,
        asked.metric.word(),
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
