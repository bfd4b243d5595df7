//! Retention: the selection of runs to delete, by age and by count, and the runs that are never deleted.
//!
//! Owns the rule. Must not know how a run is found or deleted. Invariants: the run that a `latest` points at is
//! not deleted, nor is one that may still be going on; runs deleted earlier do not change the decisions about
//! the others.

use std::collections::HashMap;
use std::path::Path;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

use super::{Status, StoredRun};

/// The age from which a run with the status running is treated as killed: no suite takes so long.
const KILLED_AFTER: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Units of an age, and their hours.
const UNITS: [(&str, u32); 3] = [("h", 1), ("d", 24), ("w", 7 * 24)];

/// The bounds of pruning. A run is deleted if it is beyond every bound that is given; without a bound none is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// Only runs that began longer ago than this.
    pub older_than: Option<Age>,
    /// Only runs beyond this many newest ones of their folder.
    pub keep: Option<usize>,
}

/// An age in whole hours, written `12h`, `30d` or `8w`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Age(SignedDuration);

/// The error for a string that is not an age.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an age is an integer with `h`, `d` or `w`, such as `30d`")]
pub struct AgeError;

/// The decision about a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PruneDecision {
    /// It is to be deleted.
    Delete,
    /// It is within the bounds.
    Keep,
    /// It is beyond the bounds, and not deleted for this reason.
    Protected(String),
}

impl FromStr for Age {
    type Err = AgeError;

    fn from_str(text: &str) -> Result<Self, AgeError> {
        let unit = UNITS
            .iter()
            .find_map(|(unit, hours)| Some((text.strip_suffix(unit)?, *hours)));
        let (number, hours) = unit.ok_or(AgeError)?;
        // `u32::from_str` would take a sign as well.
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(AgeError);
        }
        let number: u32 = number.parse().map_err(|_| AgeError)?;
        let hours = i64::from(number) * i64::from(hours);
        Ok(Self(SignedDuration::from_hours(hours)))
    }
}

impl Retention {
    /// The decision about each run, in their order. Ages are counted to `now`.
    pub fn judge(&self, runs: &[StoredRun], now: Timestamp) -> Vec<PruneDecision> {
        // A request without any bound must not delete everything.
        if *self == Self::default() {
            return vec![PruneDecision::Keep; runs.len()];
        }
        let mut newest_first: Vec<usize> = (0..runs.len()).collect();
        newest_first.sort_by(|&a, &b| runs[a].newer_first(&runs[b]));
        let mut newer: HashMap<Option<&Path>, usize> = HashMap::new();
        let mut decisions = vec![PruneDecision::Keep; runs.len()];
        for index in newest_first {
            let run = &runs[index];
            let newer = newer.entry(run.folder.parent()).or_default();
            let age = now.duration_since(run.started_at);
            let beyond = self.keep.is_none_or(|keep| *newer >= keep)
                && self.older_than.is_none_or(|Age(limit)| age > limit);
            // A run that did not end takes no place from one that did.
            *newer += usize::from(run.status == Status::Complete);
            if beyond {
                decisions[index] =
                    protection(run, age).map_or(PruneDecision::Delete, PruneDecision::Protected);
            }
        }
        decisions
    }
}

/// The reason to keep a run that is beyond the bounds, if there is one.
fn protection(run: &StoredRun, age: SignedDuration) -> Option<String> {
    if run.is_latest {
        return Some("`latest` points to it".to_owned());
    }
    if run.status == Status::Running && age < KILLED_AFTER {
        return Some("it may still be running".to_owned());
    }
    if run.is_renamed {
        return Some("its folder was renamed".to_owned());
    }
    let foreign = run.foreign.as_ref()?;
    Some(format!(
        "it contains `{foreign}`, which is not part of a run"
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn now() -> Timestamp {
        Timestamp::from_second(NOW).unwrap()
    }

    fn a_run() -> impl Strategy<Value = StoredRun> {
        let age_hours = -24_i64..24 * 60;
        let status = prop_oneof![
            Just(Status::Complete),
            Just(Status::Running),
            Just(Status::Incomplete("why".to_owned())),
        ];
        let flags = (prop::bool::weighted(0.1), prop::bool::weighted(0.1));
        (0_u8..3, age_hours, status, flags, any::<u16>()).prop_map(
            |(suite, age, status, (is_latest, is_renamed), id)| StoredRun {
                folder: format!("reports/s{suite}/run-{id}").into(),
                suite: format!("s{suite}"),
                run: format!("run-{id}"),
                started_at: Timestamp::from_second(NOW - age * 3600).unwrap(),
                status,
                planned_trials: 1,
                size_bytes: 1,
                is_latest,
                is_renamed,
                foreign: None,
            },
        )
    }

    fn a_retention() -> impl Strategy<Value = Retention> {
        let age = prop::option::of(0_i64..24 * 60);
        (age, prop::option::of(0_usize..6)).prop_map(|(hours, keep)| Retention {
            older_than: hours.map(|hours| Age(SignedDuration::from_hours(hours))),
            keep,
        })
    }

    #[test]
    fn interrupted_runs_take_no_place_from_complete_ones() {
        // `--keep 2` after two interrupted runs must leave the last two whole ones.
        let run = |hours: i64, status| StoredRun {
            folder: format!("reports/s/run-{hours}").into(),
            suite: "s".to_owned(),
            run: format!("run-{hours}"),
            started_at: Timestamp::from_second(NOW - hours * 3600).unwrap(),
            status,
            planned_trials: 1,
            size_bytes: 1,
            is_latest: false,
            is_renamed: false,
            foreign: None,
        };
        let runs = [
            run(1, Status::Interrupted),
            run(2, Status::Complete),
            run(3, Status::Interrupted),
            run(4, Status::Complete),
            run(5, Status::Interrupted),
            run(6, Status::Complete),
        ];
        let retention = Retention {
            older_than: None,
            keep: Some(2),
        };
        let (keep, delete) = (PruneDecision::Keep, PruneDecision::Delete);
        let decisions = retention.judge(&runs, now());
        assert_eq!(decisions[..4], vec![keep; 4]);
        assert_eq!(decisions[4..], vec![delete; 2]);
    }

    proptest! {
        // Deleting cannot be undone: a deleted run is beyond every bound, and never the newest run nor one that
        // may be going on.
        #[test]
        fn only_runs_beyond_every_bound_are_deleted(
            runs in prop::collection::vec(a_run(), 0..30),
            retention in a_retention(),
        ) {
            let decisions = retention.judge(&runs, now());
            for (run, decision) in runs.iter().zip(&decisions) {
                let age = now().duration_since(run.started_at);
                if *decision != PruneDecision::Delete {
                    continue;
                }
                prop_assert!(!run.is_latest && !run.is_renamed);
                prop_assert!(run.status != Status::Running || age >= KILLED_AFTER);
                prop_assert!(retention.older_than.is_none_or(|Age(limit)| age > limit));
                let is_sibling = |other: &&StoredRun| other.folder.parent() == run.folder.parent();
                let newer = runs.iter().filter(is_sibling).filter(|other| other.newer_first(run).is_lt());
                prop_assert!(retention.keep.is_none_or(|keep| newer.count() >= keep));
            }
        }

        // Pruning twice equals pruning once, and a protected run would have been deleted otherwise.
        #[test]
        fn deleted_runs_change_no_other_decision(
            runs in prop::collection::vec(a_run(), 0..30),
            retention in a_retention(),
        ) {
            let decisions = retention.judge(&runs, now());
            let left: Vec<StoredRun> = runs
                .iter()
                .zip(&decisions)
                .filter(|(_, decision)| **decision != PruneDecision::Delete)
                .map(|(run, _)| run.clone())
                .collect();
            prop_assert!(!retention.judge(&left, now()).contains(&PruneDecision::Delete));
        }

        // Arbitrary text is an age or not, never a panic, and an age has a unit.
        #[test]
        fn arbitrary_text_is_an_age_or_not(text in "[0-9+. hdwé-]{0,12}") {
            if text.parse::<Age>().is_ok() {
                prop_assert!(text.ends_with(['h', 'd', 'w']));
            }
        }
    }

    #[test]
    fn ages_are_read() {
        // A slip in an age must not delete runs that were to be kept.
        for (text, hours) in [("12h", 12), ("30d", 720), ("8w", 1344), ("0d", 0)] {
            let age = Ok(Age(SignedDuration::from_hours(hours)));
            assert_eq!(text.parse(), age, "{text}");
        }
        for text in [
            "",
            "d",
            "30",
            "-1d",
            "+1d",
            "1.5d",
            "1d12h",
            "30 d",
            "30m",
            "9999999999d",
        ] {
            assert_eq!(text.parse::<Age>(), Err(AgeError), "{text}");
        }
    }

    #[test]
    fn without_protection_the_bounds_decide() {
        // Three runs a week apart: both bounds must be passed, not one of them.
        let run = |weeks: i64| StoredRun {
            folder: format!("reports/s/{weeks}").into(),
            suite: "s".to_owned(),
            run: weeks.to_string(),
            started_at: now() - SignedDuration::from_hours(weeks * 7 * 24),
            status: Status::Complete,
            planned_trials: 1,
            size_bytes: 1,
            is_latest: false,
            is_renamed: false,
            foreign: None,
        };
        let runs = [run(3), run(1), run(2)];
        let gone = |older_than: Option<&str>, keep| {
            let older_than = older_than.map(|age| age.parse().unwrap());
            let decisions = Retention { older_than, keep }.judge(&runs, now());
            let gone = runs
                .iter()
                .zip(decisions)
                .filter(|(_, decision)| *decision == PruneDecision::Delete);
            gone.map(|(run, _)| run.run.clone()).collect::<Vec<_>>()
        };
        assert_eq!(gone(Some("10d"), None), ["3", "2"]);
        assert_eq!(gone(None, Some(1)), ["3", "2"]);
        assert_eq!(gone(Some("10d"), Some(2)), ["3"]);
        assert_eq!(gone(Some("10w"), Some(0)), Vec::<String>::new());
        assert_eq!(gone(None, None), Vec::<String>::new());
    }
}
