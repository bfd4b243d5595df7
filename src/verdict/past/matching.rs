//! The earlier runs that a run may be compared with.
//!
//! Owns the conditions that must be equal, the hour of the day, and the notes on skipped runs. Must not know
//! metrics. Invariant: a skipped run is counted, with its reason.

use std::collections::BTreeMap;

use crate::record::{HistoryRun, HistoryVariant};

use super::PastRuns;

/// With at least this many runs at the same time of the week, others are skipped.
const SAME_HOUR_RUNS: usize = 5;
/// The width of a time of day, in hours.
const BUCKET_HOURS: i64 = 3;

/// The matching earlier runs, oldest first.
pub(super) struct MatchingRuns<'a> {
    /// The runs that determine the level.
    pub accepted: Vec<&'a HistoryRun>,
    /// The runs that only inform the spread between runs.
    pub flagged: Vec<&'a HistoryRun>,
    /// All accepted runs of the level, at any hour: to measure drift since its start.
    pub level: Vec<&'a HistoryRun>,
}

/// The runs of `past` under the same conditions as today's; skipped ones are noted in `notes`.
pub(super) fn match_runs<'a>(
    today: &HistoryRun,
    past: &'a PastRuns,
    notes: &mut Vec<String>,
) -> MatchingRuns<'a> {
    let mut skipped: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut has_same_conditions = |run: &&HistoryRun| match differing_condition(run, today) {
        None => true,
        Some(reason) => {
            *skipped.entry(reason).or_insert(0) += 1;
            false
        }
    };
    let mut level: Vec<&HistoryRun> = past
        .accepted
        .iter()
        .filter(&mut has_same_conditions)
        .collect();
    let mut flagged: Vec<&HistoryRun> = past
        .flagged
        .iter()
        .filter(&mut has_same_conditions)
        .collect();
    let total = past.accepted.len() + past.flagged.len();
    for (reason, count) in skipped {
        let runs = counted(count, "run was", "runs were");
        notes.push(format!(
            "{runs} left out of {total} earlier ones: {reason}."
        ));
    }
    level.sort_by(|a, b| a.age().cmp(&b.age()));
    flagged.sort_by(|a, b| a.age().cmp(&b.age()));
    let mut accepted = level.clone();
    let hour = week_slot(today);
    let then = accepted.iter().filter(|run| week_slot(run) == hour).count();
    if then >= SAME_HOUR_RUNS {
        if then < accepted.len() {
            let others = counted(accepted.len() - then, "run", "runs");
            notes.push(format!(
                "{then} earlier runs began {hour}, as this one did; {others} of other hours are excluded."
            ));
        }
        accepted.retain(|run| week_slot(run) == hour);
        flagged.retain(|run| week_slot(run) == hour);
    } else if then < accepted.len() {
        notes.push(format!(
            "Only {then} of {} earlier runs began {hour}, as this one did; with fewer than {SAME_HOUR_RUNS} the hour is ignored.",
            accepted.len()
        ));
    }
    MatchingRuns {
        accepted,
        flagged,
        level,
    }
}

impl HistoryRun {
    /// The sort key by age: start time, then name.
    fn age(&self) -> (jiff::Timestamp, &str) {
        (self.started_at, &self.run)
    }
}

/// The difference in conditions that excludes a run; `None` if there is none.
pub(super) fn differing_condition(run: &HistoryRun, today: &HistoryRun) -> Option<&'static str> {
    let (then, now) = (&run.conditions, &today.conditions);
    if run.suite != today.suite {
        Some("another suite")
    } else if major(&run.tool) != major(&today.tool) {
        Some("another major version of the program")
    } else if then.endpoint != now.endpoint {
        Some("another endpoint")
    } else if then.environment != now.environment {
        Some("another environment (`--environment`)")
    } else if then.clock != now.clock {
        Some("another clock (`--clock`)")
    } else if then.stream != now.stream {
        Some("only one of the two was streamed")
    } else if then.concurrency != now.concurrency {
        Some("another concurrency")
    } else if then.load != now.load {
        Some("another load")
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

/// Returns true if a variant of an earlier run is the same as today's.
pub(super) fn same_variant(then: &HistoryVariant, now: &HistoryVariant) -> bool {
    (&then.label, &then.model, &then.overrides) == (&now.label, &now.model, &now.overrides)
}

/// A time of the week: three hours of weekdays or weekends, UTC.
#[derive(Clone, Copy, PartialEq, Eq)]
struct WeekSlot {
    weekend: bool,
    hours: i64,
}

fn week_slot(run: &HistoryRun) -> WeekSlot {
    const HOUR_S: i64 = 3600;
    const DAY_S: i64 = 24 * HOUR_S;
    let seconds = run.started_at.as_second();
    // 1970-01-01, day 0, was a Thursday: 0 is Monday.
    let weekday = (seconds.div_euclid(DAY_S) + 3).rem_euclid(7);
    WeekSlot {
        weekend: weekday >= 5,
        hours: seconds.rem_euclid(DAY_S) / (BUCKET_HOURS * HOUR_S),
    }
}

impl std::fmt::Display for WeekSlot {
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
