//! Which earlier runs a run may be compared with.
//!
//! Owns the conditions that must be the same, the hour of the day, and what is said of runs left out.
//! Must not know metrics. Invariant: a run that is left out is counted and its reason told.

use std::collections::BTreeMap;

use crate::record::{HistoryRun, HistoryVariant};

use super::Past;

/// From this many runs of the same time of the week on, others are left out.
const SAME_HOUR_RUNS: usize = 5;
/// Hours that count as the same time of day.
const BUCKET_HOURS: i64 = 3;

/// The earlier runs that match, oldest first.
pub(super) struct Matching<'a> {
    /// They make the level.
    pub accepted: Vec<&'a HistoryRun>,
    /// They tell only how much runs differ.
    pub beside: Vec<&'a HistoryRun>,
    /// All accepted runs of the level, whatever their hour: for what has come together since it began.
    pub level: Vec<&'a HistoryRun>,
}

/// The runs of `past` that were made as today's was; what was left out goes to `notes`.
pub(super) fn matching<'a>(
    today: &HistoryRun,
    past: &'a Past,
    notes: &mut Vec<String>,
) -> Matching<'a> {
    let mut left_out: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut same = |run: &&HistoryRun| match differs(run, today) {
        None => true,
        Some(reason) => {
            *left_out.entry(reason).or_insert(0) += 1;
            false
        }
    };
    let mut level: Vec<&HistoryRun> = past.accepted.iter().filter(&mut same).collect();
    let mut beside: Vec<&HistoryRun> = past.flagged.iter().filter(&mut same).collect();
    let of = past.accepted.len() + past.flagged.len();
    for (reason, count) in left_out {
        let runs = counted(count, "run was", "runs were");
        notes.push(format!("{runs} left out of {of} earlier ones: {reason}."));
    }
    level.sort_by(|a, b| a.age().cmp(&b.age()));
    beside.sort_by(|a, b| a.age().cmp(&b.age()));
    let mut accepted = level.clone();
    let hour = bucket(today);
    let then = accepted.iter().filter(|run| bucket(run) == hour).count();
    if then >= SAME_HOUR_RUNS {
        if then < accepted.len() {
            let others = counted(accepted.len() - then, "run", "runs");
            notes.push(format!(
                "{then} earlier runs began {hour}, as this one did; {others} of other hours stay out."
            ));
        }
        accepted.retain(|run| bucket(run) == hour);
        beside.retain(|run| bucket(run) == hour);
    } else if then < accepted.len() {
        notes.push(format!(
            "Only {then} of {} earlier runs began {hour}, as this one did; with fewer than \
             {SAME_HOUR_RUNS} the hour is not looked at.",
            accepted.len()
        ));
    }
    Matching {
        accepted,
        beside,
        level,
    }
}

impl HistoryRun {
    /// Sorts runs by their beginning, and by name where that is the same.
    fn age(&self) -> (jiff::Timestamp, &str) {
        (self.started_at, &self.run)
    }
}

/// Why a run was not made as today's; `None` where it was.
fn differs(run: &HistoryRun, today: &HistoryRun) -> Option<&'static str> {
    let (then, now) = (&run.conditions, &today.conditions);
    if run.suite != today.suite {
        Some("another suite")
    } else if major(&run.tool) != major(&today.tool) {
        Some("another major version of the program")
    } else if then.endpoint != now.endpoint {
        Some("another endpoint")
    } else if then.environment != now.environment {
        Some("another environment (`--environment`)")
    } else if then.stream != now.stream {
        Some("streamed there or here, and not in the other")
    } else if then.concurrency != now.concurrency {
        Some("another concurrency")
    } else if then.slot_size != now.slot_size {
        Some("another number of variants, and so of requests at the same moment")
    } else {
        None
    }
}

/// The major version in `bakeoff 1.2.3`.
pub(super) fn major(tool: &str) -> &str {
    let version = tool.rsplit(' ').next().unwrap_or_default();
    version.split('.').next().unwrap_or_default()
}

/// Whether a variant of an earlier run is the same as today's.
pub(super) fn same_variant(then: &HistoryVariant, now: &HistoryVariant) -> bool {
    (&then.label, &then.model, &then.overrides) == (&now.label, &now.model, &now.overrides)
}

/// A time of the week: three hours of a day of work, or of a weekend, UTC.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Bucket {
    weekend: bool,
    hours: i64,
}

fn bucket(run: &HistoryRun) -> Bucket {
    const HOUR_S: i64 = 3600;
    const DAY_S: i64 = 24 * HOUR_S;
    let seconds = run.started_at.as_second();
    // 1970-01-01, day 0, was a Thursday: 0 is Monday.
    let weekday = (seconds.div_euclid(DAY_S) + 3).rem_euclid(7);
    Bucket {
        weekend: weekday >= 5,
        hours: seconds.rem_euclid(DAY_S) / (BUCKET_HOURS * HOUR_S),
    }
}

impl std::fmt::Display for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (from, days) = (
            self.hours * BUCKET_HOURS,
            if self.weekend { "weekends" } else { "weekdays" },
        );
        let to = from + BUCKET_HOURS;
        write!(f, "between {from:02}:00 and {to:02}:00 UTC on {days}")
    }
}

/// `1 run`, `2 runs`.
pub(super) fn counted(count: usize, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}
