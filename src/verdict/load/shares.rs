//! The shares of a load that several machines sent.
//!
//! Owns the common clock of their requests. Must not know figures. Invariant: the shares of a merged run began each stage at
//! the same instant, as if one machine had sent it.

use crate::plan::{LoadPlan, PlannedStage, Shard};
use crate::record::Manifest;
use crate::units::Nanos;

use super::stage::LoadPoint;

/// The shares of a run.
#[derive(Debug)]
pub(super) struct RunShares {
    /// The share that the run is; absent for a whole one.
    own: Option<Shard>,
    /// The shares that it was merged from, with the start of each on the clock of the run, in order; empty for any other run.
    merged: Vec<(Nanos, Shard)>,
}

impl RunShares {
    /// The shares of a run.
    pub(super) fn new(manifest: &Manifest) -> Self {
        let parts = manifest.parts.iter();
        let of_shares = parts.filter_map(|part| Some((part.start_ns, part.shard?)));
        let mut merged: Vec<(Nanos, Shard)> = of_shares.collect();
        // A share that was resumed has several parts.
        merged.dedup_by_key(|(_, shard)| *shard);
        Self {
            own: manifest.shard,
            merged,
        }
    }

    /// A stage with the number of slots that this run was to send.
    pub(super) fn of_stage(&self, planned: &PlannedStage) -> PlannedStage {
        let mut planned = planned.clone();
        if let Some(shard) = self.own {
            let end = planned.first_slot + planned.slots;
            planned.slots = shard.slots_of(end) - shard.slots_of(planned.first_slot);
        }
        planned
    }

    /// The first instant of a stage at which this run was to send, since the beginning of the stage; `None` for a closed loop.
    pub(super) fn first_arrival(&self, plan: &LoadPlan, stage: usize) -> Option<Nanos> {
        first_arrival_of(plan, stage, self.own)
    }

    /// Moves the requests of one variant in a stage so that every share of a merged run began the stage at 0.
    pub(super) fn align(&self, plan: &LoadPlan, stage: usize, points: &mut [LoadPoint]) {
        if self.merged.is_empty() {
            return;
        }
        points.sort_unstable_by_key(LoadPoint::order);
        let bounds = self.merged.windows(2).map(|pair| pair[1].0);
        let mut rest = points;
        let ends: Vec<Option<Nanos>> = bounds.map(Some).chain([None]).collect();
        for ((_, shard), end) in self.merged.iter().zip(ends) {
            let count = end.map_or(rest.len(), |end| {
                rest.partition_point(|point| point.sent < end.0)
            });
            let (own, others) = rest.split_at_mut(count);
            rest = others;
            let first = first_arrival_of(plan, stage, Some(*shard)).unwrap_or_default();
            let scheduled = own.iter().map(LoadPoint::scheduled).min().unwrap_or(0);
            let began = scheduled.saturating_sub(first.0);
            for point in own {
                point.sent = point.sent.saturating_sub(began);
            }
        }
    }
}

/// The first instant of a stage at which a share sends, since the beginning of the stage.
fn first_arrival_of(plan: &LoadPlan, stage: usize, shard: Option<Shard>) -> Option<Nanos> {
    let arrivals = plan.arrivals(stage)?;
    let first_slot = plan.stages()[stage].first_slot;
    let mut slots = (first_slot..).zip(arrivals);
    let is_own = |slot: u64| shard.is_none_or(|shard| shard.has_slot(slot));
    slots.find(|(slot, _)| is_own(*slot)).map(|(_, at)| at)
}
