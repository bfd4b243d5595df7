//! The figures of a load: each stage's response times, rates and objectives, and where each model saturates.
//!
//! Owns which request counts for which figure of a stage. Must not know how a figure is shown. Invariant: times count from
//! the scheduled instant, a request without an answer misses every objective, and an abandoned one counts nowhere.

mod knees;
mod shares;
mod stage;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use crate::plan::{LoadPlan, PlannedStage};
use crate::record::{Manifest, Outcome, Sample};
use crate::stats::interval::Interval;
use crate::stats::knee::Knee;
use crate::suite::{Slo, SloMetric};
use crate::units::Nanos;

use super::distribution::{Distribution, RankBounds};
use shares::RunShares;
use stage::{LoadPoint, StageWindow};

/// The figures of a load.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadSummary {
    /// The objectives, in the order of the suite.
    pub slos: Vec<Slo>,
    /// The stages, in order.
    pub stages: Vec<StageSummary>,
    /// One for each variant, in the order of the suite.
    pub capacities: Vec<Capacity>,
}

/// One stage.
#[derive(Debug, Clone, PartialEq)]
pub struct StageSummary {
    /// The stage, and its slots.
    pub planned: PlannedStage,
    /// One for each variant, in the order of the suite.
    pub variants: Vec<StageFigures>,
}

/// The figures of one variant in one stage.
#[derive(Debug, Clone, PartialEq)]
pub struct StageFigures {
    /// Label of the variant.
    pub label: String,
    /// True for the reference.
    pub is_reference: bool,
    /// Requests that ended.
    pub requests: u64,
    /// Those that were answered.
    pub answered: u64,
    /// Those that the server rejected with 429.
    pub rate_limited: u64,
    /// Time from the scheduled instant to the first token, ns.
    pub ttft: Option<Distribution>,
    /// Time from the scheduled instant to the end of the answer, ns.
    pub latency: Option<Distribution>,
    /// Time from sending to the first token, ns.
    pub service_ttft: Option<Distribution>,
    /// Time from the scheduled instant to sending, ns.
    pub lag: Option<Distribution>,
    /// Largest distance between the shares of requests sent and planned, at a rate; 0 to 1.
    pub arrival_distance: Option<f64>,
    /// Largest number of requests in flight.
    pub in_flight_max: u64,
    /// Mean number of requests in flight, in the window.
    pub in_flight_mean: Option<f64>,
    /// Answers per second, in the window.
    pub throughput: Option<f64>,
    /// Answers per second that met every objective, in the window; absent without objectives.
    pub goodput: Option<f64>,
    /// Completion tokens per second of all answers together, in the window.
    pub tokens_per_second: Option<f64>,
    /// Completion tokens per second of one answer after its first chunk.
    pub stream_rate: Option<Distribution>,
    /// Each objective, in the order of the suite.
    pub attainments: Vec<Attainment>,
}

/// The share of requests that met an objective.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attainment {
    /// Requests that met it.
    pub met: u64,
    /// Requests.
    pub requests: u64,
    /// 95 % interval of the share.
    pub interval: Interval,
    /// The status of the required share.
    pub status: AttainmentStatus,
    /// The fewest requests that meet the objective if none misses it; where none missed it, and there were fewer.
    pub needed: Option<u64>,
}

/// The status of an objective.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttainmentStatus {
    /// The whole interval is at or above the required share.
    Met,
    /// The required share lies in the interval.
    Inconclusive,
    /// The whole interval is below it.
    Missed,
}

/// The load that a variant takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Capacity {
    /// Label of the variant.
    pub label: String,
    /// The saturation knee of a sweep, in the unit of its levels; `None` without a sweep, or with too few answers.
    pub knee: Option<Knee>,
    /// Index of the highest stage up to which no objective is missed or inconclusive; `None` if the first one is not met.
    pub met_up_to: Option<usize>,
}

impl StageFigures {
    /// Returns the status of all objectives: the worst of them. `None` without objectives.
    pub fn status(&self) -> Option<AttainmentStatus> {
        let statuses = self.attainments.iter().map(|one| one.status);
        statuses.max_by_key(|status| *status as u8)
    }
}

/// The fold from samples to a [`LoadSummary`]. It stores 40 bytes per sample.
pub struct LoadFold {
    plan: LoadPlan,
    slos: Vec<Slo>,
    is_sweep: bool,
    labels: Vec<(String, bool)>,
    shares: RunShares,
    indices: HashMap<String, usize>,
    /// Requests by stage, then by variant.
    stages: Vec<Vec<Vec<LoadPoint>>>,
}

impl LoadFold {
    /// The fold of a run that has a load; `None` for any other.
    pub fn new(manifest: &Manifest) -> Option<Self> {
        let suite = &manifest.suite;
        let (plan, load) = (LoadPlan::new(suite)?, suite.load.as_ref()?);
        let labels = suite.variants.iter().map(|variant| {
            let is_reference = variant.label == suite.reference;
            (variant.label.clone(), is_reference)
        });
        let labels: Vec<(String, bool)> = labels.collect();
        let indices = labels
            .iter()
            .enumerate()
            .map(|(index, (label, _))| (label.clone(), index));
        Some(Self {
            indices: indices.collect(),
            stages: vec![vec![Vec::new(); labels.len()]; plan.stages().len()],
            shares: RunShares::new(manifest),
            slos: load.slos.clone(),
            is_sweep: load.is_sweep,
            labels,
            plan,
        })
    }

    /// Adds a sample.
    pub fn add(&mut self, sample: &Sample) {
        let stage = self.plan.stage_of(sample.slot);
        let variant = self.indices.get(&sample.variant);
        let (Some(stage), Some(&variant)) = (stage, variant) else {
            return;
        };
        if !sample.outcome.is_abandoned() {
            let point = LoadPoint::new(sample, &self.slos);
            self.stages[stage][variant].push(point);
        }
    }

    /// Adds the samples of another fold of the same run.
    pub(super) fn absorb(&mut self, other: Self) {
        let ours = self.stages.iter_mut().flatten();
        for (ours, theirs) in ours.zip(other.stages.into_iter().flatten()) {
            ours.extend(theirs);
        }
    }

    /// The figures.
    pub fn finish(self) -> LoadSummary {
        let ends = &mut RankBounds::default();
        let mut stages = Vec::with_capacity(self.stages.len());
        let mut levels: Vec<Vec<_>> = vec![Vec::new(); self.labels.len()];
        let stages_of_plan = self.plan.stages().iter().enumerate();
        for ((number, planned), variants) in stages_of_plan.zip(self.stages) {
            let planned = &self.shares.of_stage(planned);
            let first = self.shares.first_arrival(&self.plan, number);
            let mut figures = Vec::with_capacity(variants.len());
            for (variant, mut points) in variants.into_iter().enumerate() {
                self.shares.align(&self.plan, number, &mut points);
                // Sums of floats depend on the order, and threads add points in any.
                points.sort_unstable_by_key(LoadPoint::order);
                let window = StageWindow::new(planned, &points);
                levels[variant].push(knees::level(planned, &points, window.as_ref()));
                let label = &self.labels[variant];
                let distance = stage::arrival_distance(planned, &points, first);
                let figures_of = stage::figures(label, &points, window.as_ref(), &self.slos, ends);
                figures.push(StageFigures {
                    arrival_distance: distance,
                    ..figures_of
                });
            }
            stages.push(StageSummary {
                planned: planned.clone(),
                variants: figures,
            });
        }
        let capacities = self.labels.iter().zip(levels).enumerate();
        let capacities = capacities.map(|(variant, ((label, _), levels))| Capacity {
            label: label.clone(),
            knee: knees::knee(&stages, levels).filter(|_| self.is_sweep),
            met_up_to: met_up_to(&stages, variant),
        });
        LoadSummary {
            capacities: capacities.collect(),
            slos: self.slos,
            stages,
        }
    }
}

/// The last of the first stages that all meet every objective.
fn met_up_to(stages: &[StageSummary], variant: usize) -> Option<usize> {
    let is_met =
        |stage: &&StageSummary| stage.variants[variant].status() == Some(AttainmentStatus::Met);
    stages.iter().take_while(is_met).count().checked_sub(1)
}

/// Returns true if a request met an objective: it was answered, and within its limit.
fn meets(slo: &Slo, sample: &Sample) -> bool {
    if !sample.outcome.answered() {
        return false;
    }
    let waited = sample.sent_ns.since(sample.scheduled_ns);
    let from_schedule =
        |span: Option<Nanos>| span.map(|span| Nanos(span.0.saturating_add(waited.0)));
    let value = match slo.metric {
        SloMetric::ErrorRate => return true,
        SloMetric::Ttft => from_schedule(sample.ttft_ns),
        SloMetric::Latency => from_schedule(sample.latency_ns),
        // An answer of one chunk has no gap.
        SloMetric::Itl => (sample.gaps.as_ref()).map(|gaps| gaps.mean_ns.unwrap_or(Nanos::ZERO)),
    };
    match (value, slo.limit_ns) {
        (Some(value), Some(limit)) => value < limit,
        _ => false,
    }
}

/// True for a rejection by a rate limit.
fn is_rate_limited(sample: &Sample) -> bool {
    sample.outcome == Outcome::RateLimited
}
