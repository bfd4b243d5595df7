//! The saturation knee of each variant of a sweep.
//!
//! Owns how the levels of a sweep become levels of a fit. Must not know the fit. Invariant: a level with too few answers
//! is no level.

use crate::plan::PlannedStage;
use crate::stats::knee::{Knee, KneeLevel, Measured, closed_loop_knee, open_loop_knee};
use crate::suite::LoadStage;

use super::StageSummary;
use super::stage::{LoadPoint, StageWindow};

/// The most batches of a window.
const BATCHES_MAX: usize = 20;
/// The fewest.
const BATCHES_MIN: usize = 5;
/// Answers of a batch, on average.
const BATCH_ANSWERS: usize = 10;

/// The level of a fit that a stage makes; `None` if it has too few answers.
pub(super) fn level(
    planned: &PlannedStage,
    points: &[LoadPoint],
    window: Option<&StageWindow>,
) -> Option<KneeLevel> {
    let window = window?;
    let held = points
        .iter()
        .filter(|point| point.is_answered && window.holds(point));
    let mut held: Vec<&LoadPoint> = held.collect();
    held.sort_unstable_by_key(|point| point.end());
    let count = (held.len() / BATCH_ANSWERS).clamp(BATCHES_MIN, BATCHES_MAX);
    let length = (window.to - window.from) as f64 / count as f64;
    let mut answers = vec![0.0; count];
    for point in &held {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "within the window"
        )]
        let batch = ((point.end() - window.from) as f64 / length) as usize;
        answers[batch.min(count - 1)] += 1e9 / length;
    }
    let size = held.len().div_ceil(count).max(1);
    let means = held.chunks(size).map(|batch| {
        let sum: f64 = batch
            .iter()
            .map(|point| f64::from(point.span_us) / 1e6)
            .sum();
        sum / batch.len() as f64
    });
    let load = match &planned.stage {
        LoadStage::Concurrency(stage) => f64::from(stage.in_flight),
        LoadStage::Rate(stage) => planned.slots as f64 / stage.duration_ns.as_secs_f64(),
        LoadStage::Trace(trace) => trace.mean_rate(),
    };
    Some(KneeLevel {
        load,
        throughput: Measured::from_batches(&answers)?,
        response: Measured::from_batches(&means.collect::<Vec<f64>>())?,
    })
}

/// The knee of the levels that a variant has.
pub(super) fn knee(stages: &[StageSummary], levels: Vec<Option<KneeLevel>>) -> Option<Knee> {
    let levels: Vec<KneeLevel> = levels.into_iter().flatten().collect();
    match stages.first()?.planned.stage {
        LoadStage::Concurrency(_) => closed_loop_knee(&levels),
        LoadStage::Rate(_) | LoadStage::Trace(_) => open_loop_knee(&levels),
    }
}
