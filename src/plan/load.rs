//! The stages of a load: which slots belong to which, and when they are due.
//!
//! Owns the division of a plan into stages. Must not know clocks, nor how a slot is sent. Invariant: every slot belongs
//! to exactly one stage; a suite gives the same stages wherever they are derived.

use std::num::NonZeroU64;

use crate::suite::{ConcurrencyStage, LoadStage, Suite};
use crate::units::Nanos;

use super::arrivals::Arrivals;

/// The stages of a suite's load.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadPlan {
    seed: u64,
    stages: Vec<PlannedStage>,
}

/// A stage and its slots.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedStage {
    /// The stage.
    pub stage: LoadStage,
    /// Number of its first slot.
    pub first_slot: u64,
    /// Number of its slots: requests to each model. Of a timed loop: the expected number.
    pub slots: u64,
}

impl PlannedStage {
    /// The time after which it ends, of a closed loop whose number of requests is not known before.
    pub fn time_limit(&self) -> Option<Nanos> {
        match &self.stage {
            LoadStage::Concurrency(stage) => stage.duration_ns,
            LoadStage::Rate(_) | LoadStage::Trace(_) => None,
        }
    }

    /// The time over which its requests are sent, where that does not depend on the answers.
    pub fn planned_time(&self) -> Option<Nanos> {
        match &self.stage {
            LoadStage::Rate(stage) => Some(stage.duration_ns),
            LoadStage::Trace(stage) => Some(stage.instants_ns.last().copied().unwrap_or_default()),
            LoadStage::Concurrency(stage) => stage.duration_ns,
        }
    }

    /// Requests in flight to each model; 1 where their number follows from the answers.
    pub fn in_flight(&self) -> u64 {
        match &self.stage {
            LoadStage::Concurrency(stage) => u64::from(stage.in_flight.max(1)),
            LoadStage::Rate(_) | LoadStage::Trace(_) => 1,
        }
    }

    /// Returns true for a closed loop that ends by time.
    pub fn is_timed(&self) -> bool {
        self.time_limit().is_some()
    }

    /// The most slots that may be sent.
    pub fn max_slots(&self) -> u64 {
        match &self.stage {
            LoadStage::Concurrency(stage) if stage.duration_ns.is_some() => {
                stage.requests.unwrap_or(u64::MAX)
            }
            _ => self.slots,
        }
    }
}

impl LoadPlan {
    /// The stages of a suite; one closed loop over the whole plan where it has a load without stages, and `None` where
    /// it has no load.
    pub fn new(suite: &Suite) -> Option<Self> {
        let load = suite.load.as_ref()?;
        let planned = suite.prompts.len() as u64 * u64::from(suite.repetitions);
        let whole = [LoadStage::Concurrency(ConcurrencyStage {
            requests: Some(planned),
            ..ConcurrencyStage::new(suite.concurrency)
        })];
        let stages = if load.stages.is_empty() {
            &whole[..]
        } else {
            &load.stages
        };
        let mut first_slot = 0;
        let stages = stages.iter().enumerate().map(|(number, stage)| {
            let slots = match stage {
                LoadStage::Rate(rate) => Arrivals::new(*rate, suite.seed, number).count() as u64,
                LoadStage::Trace(trace) => trace.instants_ns.len() as u64,
                LoadStage::Concurrency(stage) => {
                    let min_count = ConcurrencyStage::MIN_ROUNDS * u64::from(stage.in_flight);
                    let count = match (stage.requests, stage.expected_requests) {
                        (Some(max), Some(expected)) => Some(max.min(expected)),
                        (max, expected) => max.or(expected),
                    };
                    count.unwrap_or(planned.max(min_count))
                }
            };
            let stage = PlannedStage {
                stage: stage.clone(),
                first_slot,
                slots,
            };
            first_slot += slots;
            stage
        });
        Some(Self {
            stages: stages.collect(),
            seed: suite.seed,
        })
    }

    /// The stages of a suite's load; `None` where it has none.
    pub fn of_stages(suite: &Suite) -> Option<Self> {
        suite.staged_load()?;
        Self::new(suite)
    }

    /// The stages, in order.
    pub fn stages(&self) -> &[PlannedStage] {
        &self.stages
    }

    /// Number of slots of all stages.
    pub fn slot_count(&self) -> u64 {
        self.stages.iter().map(|stage| stage.slots).sum()
    }

    /// Index of the stage of a slot; `None` after the last one.
    pub fn stage_of(&self, slot: u64) -> Option<usize> {
        // It is the only one, and its last slot is not known.
        if self.stages.first().is_some_and(PlannedStage::is_timed) {
            return Some(0);
        }
        let index = self
            .stages
            .partition_point(|stage| stage.first_slot + stage.slots <= slot);
        (index < self.stages.len()).then_some(index)
    }

    /// The instants of the slots of a stage, since its beginning; `None` for a closed loop.
    pub fn arrivals(&self, index: usize) -> Option<Box<dyn Iterator<Item = Nanos> + Send>> {
        match &self.stages.get(index)?.stage {
            LoadStage::Rate(stage) => Some(Box::new(Arrivals::new(*stage, self.seed, index))),
            LoadStage::Trace(trace) => Some(Box::new(trace.instants_ns.clone().into_iter())),
            LoadStage::Concurrency(_) => None,
        }
    }

    /// The repetitions of each prompt that give at least the slots of all stages.
    pub fn repetitions(&self, prompts: NonZeroU64) -> u32 {
        let repetitions = self.slot_count().div_ceil(prompts.get());
        u32::try_from(repetitions).unwrap_or(u32::MAX).max(1)
    }
}

/// Writes the number of requests of each closed loop of the suite's load into it, and sets the repetitions so that the
/// plan is long enough: from then on the load no longer depends on the repetitions of the suite.
pub fn fix_load(suite: &mut Suite) {
    let (Some(plan), Some(prompts)) = (
        LoadPlan::of_stages(suite),
        NonZeroU64::new(suite.prompts.len() as u64),
    ) else {
        return;
    };
    let stages = suite.load.iter_mut().flat_map(|load| &mut load.stages);
    for (stage, planned) in stages.zip(&plan.stages) {
        match stage {
            LoadStage::Concurrency(stage) if planned.is_timed() => {
                stage.expected_requests = Some(planned.slots);
            }
            LoadStage::Concurrency(stage) => stage.requests = Some(planned.slots),
            LoadStage::Rate(_) | LoadStage::Trace(_) => {}
        }
    }
    suite.repetitions = plan.repetitions(prompts);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plan::{example, plan};
    use crate::suite::{ArrivalProcess, LoadProfile};

    fn with_stages(stages: Vec<LoadStage>) -> Suite {
        let mut suite = example::suite(7, 2, 3);
        suite.load = Some(LoadProfile {
            stages,
            ..LoadProfile::default()
        });
        suite
    }

    #[test]
    fn a_level_sends_the_plan_or_enough_for_a_steady_state() {
        // 21 slots of the plan are enough for one in flight, and not for 16.
        let sweep = "concurrency=1,16";
        let stages =
            LoadProfile::sweep_stages(sweep, ArrivalProcess::Constant, Nanos::ZERO, None).unwrap();
        let mut suite = with_stages(stages);
        let before = LoadPlan::new(&suite).unwrap();
        let slots: Vec<u64> = before.stages().iter().map(|stage| stage.slots).collect();
        assert_eq!(slots, [21, 320]);
        fix_load(&mut suite);
        assert_eq!(suite.repetitions, 49);
        let after = LoadPlan::new(&suite).unwrap();
        assert_eq!(after.slot_count(), 341);
        assert_eq!(plan(&suite).slot_count(), 341);
    }

    #[test]
    fn a_load_without_stages_is_the_plan() {
        // Objectives alone change no request.
        let mut suite = with_stages(Vec::new());
        let digest = plan(&example::suite(7, 2, 3)).digest();
        fix_load(&mut suite);
        assert_eq!(plan(&suite).digest(), digest);
        let load = LoadPlan::new(&suite).unwrap();
        assert_eq!((load.stages().len(), load.slot_count()), (1, 21));
        suite.load = None;
        assert_eq!(LoadPlan::new(&suite), None);
    }

    proptest! {
        // Every slot of the plan has its stage, and every stage its slots; instants are as many as slots.
        #[test]
        fn every_slot_has_one_stage(rates in prop::collection::vec(0.2_f64..20.0, 1..5), seed: u64) {
            let second = Nanos::from_millis(3_000);
            let stages = rates.iter().map(|rate| {
                let stage = crate::suite::RateStage::new((*rate, *rate), ArrivalProcess::Poisson, second);
                LoadStage::Rate(stage.unwrap())
            });
            let mut suite = with_stages(stages.collect());
            suite.seed = seed;
            fix_load(&mut suite);
            let load = LoadPlan::new(&suite).unwrap();
            let plan = plan(&suite);
            prop_assert_eq!(plan.slot_count(), load.slot_count());
            let slots: Vec<_> = plan.slots().collect();
            prop_assert_eq!(slots.len() as u64, load.slot_count());
            for slot in &slots {
                let stage = &load.stages()[load.stage_of(slot.number).unwrap()];
                prop_assert!((stage.first_slot..stage.first_slot + stage.slots).contains(&slot.number));
            }
            prop_assert_eq!(load.stage_of(load.slot_count()), None);
            for (prompt, count) in plan.prompt_repetitions(suite.repetitions).into_iter().enumerate() {
                let of_prompt = slots.iter().filter(|slot| slot.prompt == prompt);
                prop_assert_eq!(of_prompt.count(), count as usize);
            }
            for (index, stage) in load.stages().iter().enumerate() {
                prop_assert_eq!(load.arrivals(index).unwrap().count() as u64, stage.slots);
            }
        }
    }
}
