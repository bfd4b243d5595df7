//! Today against past runs: the levels of a run, and the range that earlier runs predict.
//!
//! Owns how a run is condensed into a history line, which past runs match, and the procedures for two runs and
//! for a history. Must not know files, nor a clock: the time of a run is the one in its record. Invariant: more
//! requests in a run never make its difference from the past certain; the order in which past runs are given
//! changes nothing.

mod baseline_drift;
mod before;
mod comparability;
mod confirm;
mod departures;
mod deviation;
#[cfg(test)]
mod fixture;
mod history_entry;
mod levels;
mod matching;
mod pending;
mod rates;
mod routes;
mod shared_shift;
mod splice;
#[cfg(test)]
mod tests;
mod trend;
mod variant_history;

use std::collections::BTreeMap;

use crate::record::{
    History, HistoryEntry, HistoryLine, HistoryRun, HistoryVariant, RunStanding, Splice,
};
use crate::stats::history::{Prior, Spread};
use crate::stats::interval::Alpha;
use crate::suite::{Bounds, Gate, Metric};

use super::compare::ruling::exploratory_verdicts;
use super::judgement::{
    Comparison, ComparisonDesign, Effect, Influence, Judgement, Reason, Tests, Verdict,
};
use super::rule::{below_floor, decide, decide_family};
use departures::Departures;
use levels::{Combination, SeriesKey};
use matching::{MatchingRuns, counted, match_runs, same_variant};
use pending::{Deviation, PendingComparison};
use variant_history::VariantHistory;

pub use before::{IncomparableRuns, RunPair, compare_runs, pair_runs};
pub use comparability::incomparable_history;
pub use confirm::history_updates;
pub use history_entry::{PromptDigests, condense_run, to_history_run};
pub use splice::{SpliceError, splice};
pub use trend::{DetectableWorsening, RouteChange, Trend, TrendPoint, trends};

/// The number of first runs of a long level to keep: accumulated drift is measured from them.
const FIRST_RUNS_MAX: usize = 5;
/// The number of newest runs to keep, from which the matching ones are chosen.
const NEWEST_RUNS_MAX: usize = 60;

/// The past runs when a run was judged: the accepted and flagged runs of a history, oldest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PastRuns {
    /// Runs of the current level, oldest first.
    pub accepted: Vec<HistoryRun>,
    /// Flagged and not accepted: they inform how much runs differ, not where the level is.
    pub flagged: Vec<HistoryRun>,
    /// Runs that regressed and await confirmation by the next run; oldest first.
    pub open: Vec<HistoryEntry>,
    /// Accepted runs that began after this one; known only where no accepted one began before it.
    pub later: Vec<HistoryRun>,
    /// Line numbers of truncated lines of the history: their content is missing here.
    pub truncated_lines: Vec<u64>,
}

impl PastRuns {
    /// The past runs of a history when `today` began: runs of its current level that began earlier.
    pub fn from_history(history: &History, today: &HistoryRun) -> Self {
        let mut past = Self {
            truncated_lines: history.truncated_lines().to_vec(),
            ..Self::default()
        };
        let level = &history.entries()[history.level_start()..];
        let before = |entry: &&HistoryEntry| {
            entry.run.started_at <= today.started_at && entry.run.run != today.run
        };
        let is_later = |entry: &&HistoryEntry| {
            entry.standing.accepted() && entry.run.started_at > today.started_at
        };
        for entry in level.iter().filter(before) {
            match entry.standing {
                RunStanding::Accepted | RunStanding::BaselineReset => {
                    past.accepted.push(entry.run.clone());
                }
                RunStanding::Cleared => past.flagged.push(entry.run.clone()),
                standing if standing.open() => past.open.push(entry.clone()),
                _ => {}
            }
        }
        if past.accepted.is_empty() {
            let later = level.iter().filter(is_later).take(NEWEST_RUNS_MAX);
            past.later = later.map(|entry| entry.run.clone()).collect();
        }
        if past.accepted.len() > FIRST_RUNS_MAX + NEWEST_RUNS_MAX {
            let newest = past.accepted.len() - NEWEST_RUNS_MAX;
            past.accepted.drain(FIRST_RUNS_MAX..newest);
        }
        let surplus = past.flagged.len().saturating_sub(NEWEST_RUNS_MAX);
        past.flagged.drain(..surplus);
        past
    }

    /// The accepted runs of a history's baseline but for one, whenever they began.
    pub fn from_baseline(history: &History, without: &str) -> Self {
        let baseline = history.entries()[history.level_start()..].iter();
        let accepted = baseline.filter(|entry| entry.standing.accepted());
        let accepted = accepted.filter(|entry| entry.run.run != without);
        Self {
            accepted: accepted.map(|entry| entry.run.clone()).collect(),
            ..Self::default()
        }
    }

    /// The history lines to store with a run, so that it can be judged again: they reproduce these past runs.
    pub fn lines(&self) -> Vec<HistoryLine> {
        let with =
            |standing| move |run: &HistoryRun| HistoryLine::run(run.clone(), standing, Vec::new());
        let accepted = self.accepted.iter().chain(&self.later);
        let accepted = accepted.map(with(RunStanding::Accepted));
        let flagged = self.flagged.iter().map(with(RunStanding::Cleared));
        let open = self.open.iter();
        let open = open.map(|entry| HistoryLine::Run(Box::new(entry.clone())));
        accepted.chain(flagged).chain(open).collect()
    }
}

/// Compares today with the past, each variant with itself. An empty history has no comparisons, and a note that
/// explains how to start; a history that cannot be compared is never taken for an empty one.
pub fn compare_with_history(today: &HistoryRun, past: &PastRuns, gate: &Gate) -> Judgement {
    let incomparable = incomparable_history(today, past, gate);
    if past.accepted.is_empty() {
        let mut judgement = Judgement::new(ComparisonDesign::History, Vec::new(), Vec::new());
        if incomparable.is_none() {
            judgement.notes.push(
                "There is no accepted run to compare with yet. `bakeoff accept RUN --history FILE` makes a run \
                 that you trust its first."
                    .to_owned(),
            );
        }
        judgement.incomparable = incomparable;
        return judgement;
    }
    let mut notes = Vec::new();
    let matching = match_runs(today, past, &mut notes);
    let mut judgement = judge(
        ComparisonDesign::History,
        today,
        &matching,
        gate,
        |_| true,
        notes,
    );
    if let Some(incomparable) = &incomparable {
        comparability::withhold(&mut judgement.comparisons, incomparable);
    }
    judgement.incomparable = incomparable;
    if gate.confirm {
        confirm::withhold_unconfirmed(&mut judgement.comparisons, today, past);
    }
    judgement
}

/// Compares every variant except the control with itself in the matching runs. Without a control, a shift that all
/// variants share that `is_unchanged` accepts is no variant's.
fn judge(
    design: ComparisonDesign,
    today: &HistoryRun,
    matching: &MatchingRuns<'_>,
    gate: &Gate,
    is_unchanged: impl Fn(&str) -> bool,
    mut notes: Vec<String>,
) -> Judgement {
    let control = gate
        .control
        .as_deref()
        .and_then(|label| today.variant(label));
    if let (Some(label), None) = (&gate.control, control) {
        notes.push(format!(
            "The control {label} is not in this run: slow hours are not corrected for."
        ));
    }
    let alpha = Alpha::new(gate.alpha).unwrap_or(Alpha::FIVE_PERCENT);
    let is_judged =
        |variant: &&HistoryVariant| control.is_none_or(|control| control.label != variant.label);
    let judged: Vec<&HistoryVariant> = today.variants.iter().filter(is_judged).collect();
    let unchanged = judged.iter().copied();
    let unchanged = unchanged.filter(|one| control.is_none() && is_unchanged(&one.label));
    let none = BTreeMap::new();
    let unchanged: Vec<VariantHistory<'_>> = unchanged
        .map(|variant| VariantHistory::new(today, variant, control, &none, matching))
        .collect();
    let departures = departures_by_metric(&unchanged, gate, alpha, judged.len());
    let shifts = shared_shift::shared_shifts(&unchanged, &departures, gate, alpha);
    let mut pending = Vec::new();
    for variant in judged {
        let history = VariantHistory::new(today, variant, control, &departures, matching);
        note_changed_variant(&history, &mut notes);
        let routes = history.routes();
        for (metric, primary, bounds) in metrics(&history, gate) {
            let prior = prior(today, matching, metric, control);
            pending.extend(history.pending((metric, primary, bounds), prior, &routes));
        }
    }
    let mut comparisons = decide_all(pending, alpha);
    if design == ComparisonDesign::History {
        baseline_drift::add_baseline_drift(
            today,
            matching,
            control,
            alpha,
            &mut comparisons,
            &mut notes,
        );
    }
    let mut judgement = Judgement::new(design, comparisons, notes);
    judgement.shared_shifts = shifts;
    judgement
}

/// The departures from the shift that all unchanged variants share, for each metric of speed that two of them have.
/// `judged` variants share the error rate.
fn departures_by_metric<'a>(
    unchanged: &[VariantHistory<'a>],
    gate: &Gate,
    alpha: Alpha,
    judged: usize,
) -> BTreeMap<Metric, Departures<'a>> {
    let is_speed = |metric: &Metric| metric.is_time() || *metric == Metric::OutputRate;
    let metrics = Metric::ALL.into_iter().filter(is_speed);
    let found = metrics.filter_map(|metric| {
        let comparisons = if gate.is_primary(metric) {
            judged * gate.primary.len()
        } else {
            judged
        };
        let level = alpha.shared_by(comparisons.max(1));
        let bounds = gate.bounds_of(metric);
        let found = shared_shift::departures(unchanged, metric, bounds, level)?;
        Some((metric, found))
    });
    found.collect()
}

/// Every metric, whether it can fail a build, and its bounds. Where one side shows its reasoning and the other
/// does not, TTFA replaces TTFT; where retries differ, the experienced TTFT is primary as well. Both take the
/// bounds of TTFT unless they have their own.
fn metrics(history: &VariantHistory<'_>, gate: &Gate) -> Vec<(Metric, bool, Bounds)> {
    let first_token = gate.is_primary(Metric::Ttft);
    let reasoning = history.reasoning_differs();
    let retries = history.retries_differ().is_some();
    let named = |metric: Metric| gate.bounds.iter().any(|(named, _)| *named == metric);
    let with_bounds = |metric: Metric| {
        let (primary, from_ttft) = match metric {
            Metric::Ttft if reasoning => (false, false),
            Metric::Ttfa if reasoning && first_token => (true, true),
            Metric::ExperiencedTtft if retries && !reasoning && first_token => (true, true),
            _ => (gate.is_primary(metric), false),
        };
        let bounds = if from_ttft && !named(metric) {
            gate.bounds_of(Metric::Ttft)
        } else {
            gate.bounds_of(metric)
        };
        (metric, primary, bounds)
    };
    Metric::ALL.into_iter().map(with_bounds).collect()
}

fn note_changed_variant(history: &VariantHistory<'_>, notes: &mut Vec<String>) {
    let runs = history.matching.accepted.len();
    let (label, missing) = (&history.variant.label, runs - history.pooled.runs);
    let earlier = history.matching.accepted.iter();
    let spliced = earlier.filter_map(|run| {
        let mut variants = run.variants.iter();
        let then = variants.find(|then| same_variant(then, history.variant))?;
        then.spliced.as_ref()
    });
    let spliced: Vec<&Splice> = spliced.collect();
    if let Some(first) = spliced.first() {
        notes.push(format!(
            "{label}: {} of {runs} earlier ones measured {}; its levels are scaled by {}.",
            counted(spliced.len(), "run", "runs"),
            first.label,
            first.bridge,
        ));
    }
    if missing > 0 {
        notes.push(format!(
            "{label}: {} of {runs} earlier ones lack it, or have another model or other parameters for it.",
            counted(missing, "run", "runs"),
        ));
    }
}

/// The prior for the spread between runs: learned from the history itself, once it has enough series of this
/// metric.
fn prior(
    today: &HistoryRun,
    matching: &MatchingRuns<'_>,
    metric: Metric,
    control: Option<&HistoryVariant>,
) -> Prior {
    const SERIES_MIN: usize = 20;
    if control.is_some() || today.variants.len() < SERIES_MIN {
        return Prior::default();
    }
    let spread = |variant| -> Option<Spread> {
        let key = SeriesKey {
            variant,
            others: &[],
            combination: Combination::Difference,
            metric,
        };
        let runs_max = crate::stats::history::RUNS_MAX;
        levels::levels_of_runs(&matching.accepted, key, runs_max)?
            .1
            .spread()
    };
    let spreads: Vec<Spread> = today.variants.iter().filter_map(spread).collect();
    Prior::learned(&spreads).unwrap_or_default()
}

/// The verdicts: Holm over the primary comparisons; exploratory ones with a controlled false discovery rate.
fn decide_all(pending: Vec<PendingComparison>, alpha: Alpha) -> Vec<Comparison> {
    let tests_where_primary = |primary: bool| -> Vec<Option<Tests>> {
        let chosen = pending.iter().map(|pending| &pending.comparison);
        chosen
            .filter(|comparison| comparison.primary == primary)
            .map(|comparison| comparison.tests)
            .collect()
    };
    let (primary, exploratory) = (tests_where_primary(true), tests_where_primary(false));
    let tested = primary.iter().flatten().count();
    let mut primary = decide_family(&primary, alpha).into_iter();
    let mut exploratory = exploratory_verdicts(&exploratory, alpha).into_iter();
    pending
        .into_iter()
        .map(|pending| {
            let (level, verdict) = if pending.comparison.primary {
                (alpha.shared_by(tested), primary.next())
            } else {
                (alpha, exploratory.next())
            };
            finish(pending, level, verdict.unwrap_or(Verdict::Inconclusive))
        })
        .collect()
}

/// Completes a comparison with its verdict, interval and detectable change at this level.
fn finish(pending: PendingComparison, level: Alpha, verdict: Verdict) -> Comparison {
    let PendingComparison {
        mut comparison,
        deviation,
        routes,
    } = pending;
    comparison.verdict = verdict;
    let routes = routes.into_iter();
    comparison.routes = routes.map(|route| route.finish(level)).collect();
    let is_withheld = verdict == Verdict::Inconclusive && deviation.is_withheld(level);
    comparison.effect = deviation.effect(level).map(|(estimate, interval)| Effect {
        estimate,
        interval,
        level: 1.0 - level.two_sided(),
    });
    comparison.detectable_change = deviation.floor(comparison.bounds.tolerance, level);
    if let Deviation::Levels(levels) = &deviation {
        if let (Some((prompt, without)), Some(tests)) = (&levels.without, comparison.tests) {
            let verdict_without = decide(*without, level);
            comparison.influence = Some(Influence {
                prompt: prompt.clone(),
                verdict_without,
                is_decisive: verdict_without != decide(tests, level),
            });
        }
        let below = below_floor(
            comparison.metric,
            comparison.bounds,
            comparison.verdict,
            || Some(levels.median_change),
        );
        if let Some(reason) = below {
            comparison.verdict = Verdict::Ok;
            comparison.reasons.insert(0, reason);
        }
    }
    if comparison.verdict == Verdict::Inconclusive && comparison.tests.is_some() {
        let reason = if is_withheld {
            Reason::NotSeparable
        } else {
            Reason::TooWide
        };
        comparison.reasons.insert(0, reason);
    }
    comparison
}
