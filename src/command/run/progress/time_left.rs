//! The estimate of the time that is left of a run.
//!
//! Owns the order in which trials end, stage by stage. Must not know how the estimate is displayed. Invariant: it is a function of
//! the suite, of the number of trials of each variant that have ended, and of the time that these took.

use crate::plan::{LoadPlan, PlannedStage};
use crate::suite::Suite;
use crate::units::Nanos;

/// Units of a round, the time in which a stage ends as many half trials as are in flight: fine enough for every concurrency.
const ROUND: u128 = 1 << 32;

/// The course of a run, by which the pace so far is carried on.
pub(super) enum Course {
    /// Requests are sent until this time has passed, whatever the answers take.
    Scheduled(Nanos),
    /// Each trial begins when one in flight has ended, stage after stage.
    Closed(Vec<ClosedStage>),
}

/// Trials of each variant, of which so many are in flight at a time.
pub(super) struct ClosedStage {
    trials: u64,
    in_flight: u64,
}

impl Course {
    /// The course of a part that is to send so many trials.
    pub(super) fn new(suite: &Suite, trials: u64) -> Self {
        let trials = trials / suite.variants.len().max(1) as u64;
        let Some(load) = LoadPlan::of_stages(suite) else {
            return Self::Closed(vec![ClosedStage {
                trials,
                in_flight: u64::from(suite.concurrency),
            }]);
        };
        let mut planned = load.stages().iter().map(PlannedStage::planned_time);
        let sum = planned.try_fold(0_u64, |sum, time| Some(sum.saturating_add(time?.0)));
        if let Some(sum) = sum {
            return Self::Scheduled(Nanos(sum));
        }
        let slots = load.slot_count().max(1);
        let stages = load.stages().iter().map(|stage| ClosedStage {
            // Of a share, its part of each stage.
            trials: trials.saturating_mul(stage.slots) / slots,
            in_flight: stage.in_flight(),
        });
        Self::Closed(stages.collect())
    }

    /// The time that is left when so many trials of each variant have ended within `active`: that of the slowest one, since the
    /// first trials to end are those of the others. Trials in flight count as half done. `None` before as many trials of each have
    /// ended as are in flight: the time of its first ones says little.
    pub(super) fn time_left(
        &self,
        mut ended: impl Iterator<Item = u64>,
        active: Nanos,
    ) -> Option<Nanos> {
        match self {
            Self::Scheduled(planned) => Some(planned.since(active)),
            Self::Closed(stages) => ended.try_fold(Nanos::ZERO, |longest, ended| {
                Some(longest.max(ClosedStage::time_left(stages, ended, active)?))
            }),
        }
    }
}

impl ClosedStage {
    /// The time that is left for a variant.
    fn time_left(stages: &[Self], mut ended: u64, active: Nanos) -> Option<Nanos> {
        let first = stages.first()?;
        if ended < first.in_flight.min(first.trials) {
            return None;
        }
        // A trial takes as long in every stage, and as many as are in flight take that time together.
        let (mut done, mut to_do) = (0, 0);
        for stage in stages {
            let of_stage = ended.min(stage.trials);
            ended -= of_stage;
            let rest = stage.trials - of_stage;
            let is_current = to_do == 0;
            let in_flight = stage.in_flight.min(if is_current { rest } else { 0 });
            let rounds =
                |halves: u64| u128::from(halves) * ROUND / u128::from(stage.in_flight.max(1));
            done += rounds(2 * of_stage + in_flight);
            to_do += rounds(2 * rest - in_flight);
        }
        let left = u128::from(active.0) * to_do / done.max(1);
        Some(Nanos(u64::try_from(left).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::example;
    use crate::suite::{ArrivalProcess, LoadProfile, LoadStage};

    const SECOND: u64 = 1_000_000_000;

    fn load(variants: usize, stages: Vec<LoadStage>, is_sweep: bool) -> Suite {
        let mut suite = example::suite(4, variants, 1);
        suite.load = Some(LoadProfile {
            stages,
            is_sweep,
            ..LoadProfile::default()
        });
        suite
    }

    #[test]
    fn a_rate_ends_when_it_was_planned_to() {
        // The first answers of ten seconds at 20/s took two of them, with 40 requests in flight: eight are left, not ninety.
        let ten = Nanos(10 * SECOND);
        let stages = LoadProfile::rate_stages("20/s", ArrivalProcess::Constant, ten).unwrap();
        let course = Course::new(&load(1, stages, false), 200);
        let left = |ended, seconds| course.time_left([ended].into_iter(), Nanos(seconds * SECOND));
        assert_eq!(left(4, 2), Some(Nanos(8 * SECOND)));
        assert_eq!(left(200, 11), Some(Nanos::ZERO));
    }

    #[test]
    fn the_slowest_model_ends_a_run() {
        // Of 32 trials each, 4 at a time, the first four seconds ended 7, 7 and 4: the rest of the last takes 17 s. The mean of all
        // would be 13.
        let mut suite = example::suite(8, 3, 4);
        suite.concurrency = 4;
        let left = |ended: [u64; 3]| {
            let left = Course::new(&suite, 96).time_left(ended.into_iter(), Nanos(4 * SECOND));
            left.map(Nanos::as_secs_f64)
        };
        assert!((left([7, 7, 4]).unwrap() - 17.33).abs() < 0.01);
        // Three of its trials may have been the fast ones.
        assert_eq!(left([7, 7, 3]), None);
        assert_eq!(left([32, 32, 32]), Some(0.0));
    }

    #[test]
    fn higher_levels_of_a_sweep_are_faster() {
        // 60 requests of a second to each of two models: 60 s one at a time, 15 s by four. After half of the first level 45 s
        // are left; by the number of trials it would be 90.
        let minute = Nanos(60 * SECOND);
        let stages = LoadProfile::sweep_stages(
            "concurrency=1,4",
            ArrivalProcess::Constant,
            minute,
            Some(60),
        );
        let suite = load(2, stages.unwrap(), true);
        let left = |trials, ended: u64, seconds| {
            let ended = [ended / 2; 2].into_iter();
            let left = Course::new(&suite, trials).time_left(ended, Nanos(seconds * SECOND));
            left.unwrap().as_secs_f64()
        };
        assert!((left(240, 60, 30) - 45.0).abs() < 2.0);
        assert!((left(240, 120, 60) - 15.0).abs() < 1.0);
        assert!((left(240, 180, 67) - 7.5).abs() < 1.0);
        assert!(left(240, 240, 75).abs() < 1e-9);
        // A share of it has fewer trials in each level.
        assert!((left(120, 60, 30) - 7.5).abs() < 1.0);
    }
}
