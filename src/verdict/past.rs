//! Today against the past: a run's levels, and what earlier runs let one expect.
//!
//! Owns how a run is condensed into a line of history, which past runs match, and the procedures of two
//! runs and of a history. Must not know files, nor a clock: when a run was made is what its record
//! says. Invariant: more requests in a run never make its difference from the past certain; the order
//! in which past runs are given changes nothing.

mod before;
mod condense;
mod confirm;
mod creep;
mod draft;
mod excess;
#[cfg(test)]
mod fixture;
mod levels;
mod matching;
mod rates;
mod screen;
#[cfg(test)]
mod tests;
mod trend;

use crate::record::{History, HistoryEntry, HistoryLine, HistoryRun, HistoryVariant, Standing};
use crate::stats::history::{Prior, Spread};
use crate::stats::interval::Alpha;
use crate::suite::{Bounds, Gate, Metric};

use super::compare::ruling::explored as explored_verdicts;
use super::judgement::{
    Comparison, Effect, Influence, Judgement, Reason, Situation, Tests, Verdict,
};
use super::rule::{below_floor, decide, family};
use draft::{Draft, Excess};
use levels::Asked;
use matching::{Matching, counted, matching};
use screen::{Pooled, Subject};

pub use before::{Changed, Comparable, Refusal, against_run, comparable};
pub use condense::condense;
pub use confirm::aftermath;
pub use trend::{Floor, Trend, TrendPoint, trend};

/// Of a level with many runs these first ones are kept: what has come together since is told from them.
const FIRST_KEPT: usize = 5;
/// And these newest, from which those that match are chosen.
const NEWEST_KEPT: usize = 60;

/// What the past was when a run was judged: the accepted and flagged runs of a history, oldest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Past {
    /// Runs of the current level, oldest first.
    pub accepted: Vec<HistoryRun>,
    /// Flagged and not accepted: they tell how much runs differ, not where the level is.
    pub flagged: Vec<HistoryRun>,
    /// Found regressed, and still waiting for what the next run says; oldest first.
    pub open: Vec<HistoryEntry>,
    /// Numbers of the history's lines that were never finished: whatever they held is missing here.
    pub torn: Vec<u64>,
}

impl Past {
    /// What a history was when `today` began: runs of its current level that began before.
    pub fn of(history: &History, today: &HistoryRun) -> Self {
        let mut past = Self {
            torn: history.torn().to_vec(),
            ..Self::default()
        };
        let level = &history.entries()[history.level_start()..];
        let before = |entry: &&HistoryEntry| {
            entry.run.started_at <= today.started_at && entry.run.run != today.run
        };
        for entry in level.iter().filter(before) {
            match entry.standing {
                Standing::Accepted | Standing::NewLevel => past.accepted.push(entry.run.clone()),
                Standing::Cleared => past.flagged.push(entry.run.clone()),
                standing if standing.open() => past.open.push(entry.clone()),
                _ => {}
            }
        }
        if past.accepted.len() > FIRST_KEPT + NEWEST_KEPT {
            let newest = past.accepted.len() - NEWEST_KEPT;
            past.accepted.drain(FIRST_KEPT..newest);
        }
        let surplus = past.flagged.len().saturating_sub(NEWEST_KEPT);
        past.flagged.drain(..surplus);
        past
    }

    /// The lines to store beside a run, so that it can be judged again: a history of them is this past.
    pub fn lines(&self) -> Vec<HistoryLine> {
        let with =
            |standing| move |run: &HistoryRun| HistoryLine::run(run.clone(), standing, Vec::new());
        let accepted = self.accepted.iter().map(with(Standing::Accepted));
        let flagged = self.flagged.iter().map(with(Standing::Cleared));
        let open = self.open.iter();
        let open = open.map(|entry| HistoryLine::Run(Box::new(entry.clone())));
        accepted.chain(flagged).chain(open).collect()
    }
}

/// Judges today against the past, each variant against itself. Without any accepted run there are no
/// comparisons, and a note says how to begin.
pub fn against_past(today: &HistoryRun, past: &Past, gate: &Gate) -> Judgement {
    if past.accepted.is_empty() {
        return Judgement {
            situation: Situation::History,
            comparisons: Vec::new(),
            notes: vec![
                "There is no past to compare with yet. `bakeoff accept RUN --history FILE` makes a \
                 run that you trust its first."
                    .to_owned(),
            ],
        };
    }
    let mut notes = Vec::new();
    let matching = matching(today, past, &mut notes);
    let mut judgement = judge(Situation::History, today, &matching, gate, notes);
    if gate.confirm {
        confirm::withhold_first_flags(&mut judgement.comparisons, today, past);
    }
    judgement
}

/// Compares every variant but the control with itself in the runs that match.
fn judge(
    situation: Situation,
    today: &HistoryRun,
    matching: &Matching<'_>,
    gate: &Gate,
    mut notes: Vec<String>,
) -> Judgement {
    let control = gate
        .control
        .as_deref()
        .and_then(|label| today.variant(label));
    if let (Some(label), None) = (&gate.control, control) {
        notes.push(format!(
            "The control {label} is not in this run: nothing takes a slow hour off."
        ));
    }
    let mut drafts = Vec::new();
    for variant in &today.variants {
        if control.is_some_and(|control| control.label == variant.label) {
            continue;
        }
        let subject = Subject {
            today,
            variant,
            control,
            matching,
            pooled: Pooled::of(variant, &matching.accepted),
        };
        note_changed_variant(&subject, &mut notes);
        for (metric, primary, bounds) in metrics(&subject, gate) {
            let prior = prior(today, matching, metric, control);
            drafts.extend(subject.draft(metric, primary, bounds, prior));
        }
    }
    let alpha = Alpha::new(gate.alpha).unwrap_or(Alpha::FIVE_PERCENT);
    let mut comparisons = decided(drafts, alpha);
    if situation == Situation::History {
        creep::tell(
            today,
            matching,
            control,
            alpha,
            &mut comparisons,
            &mut notes,
        );
    }
    Judgement {
        situation,
        comparisons,
        notes,
    }
}

/// Every metric, whether it can fail a build, and what is tolerated of it. Where one side shows its reasoning
/// and the other does not, first answer tokens stand in for first tokens; where retries differ, what a
/// user waited is judged as well. Both have the bounds of TTFT unless they have their own.
fn metrics(subject: &Subject<'_>, gate: &Gate) -> Vec<(Metric, bool, Bounds)> {
    let first_token = gate.is_primary(Metric::Ttft);
    let reasoning = subject.reasoning_differs();
    let retries = subject.retries_differ().is_some();
    let named = |metric: Metric| gate.bounds.iter().any(|(named, _)| *named == metric);
    let question = |metric: Metric| {
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
    Metric::ALL.into_iter().map(question).collect()
}

fn note_changed_variant(subject: &Subject<'_>, notes: &mut Vec<String>) {
    let runs = subject.matching.accepted.len();
    let (label, missing) = (&subject.variant.label, runs - subject.pooled.runs);
    if missing > 0 {
        notes.push(format!(
            "{label}: {} of {runs} earlier ones without it, or with another model or other \
             parameters of its own.",
            counted(missing, "run", "runs"),
        ));
    }
}

/// What is believed about how much runs differ: what the history itself teaches of this metric, once it
/// holds enough series of it.
fn prior(
    today: &HistoryRun,
    matching: &Matching<'_>,
    metric: Metric,
    control: Option<&HistoryVariant>,
) -> Prior {
    const SERIES_MIN: usize = 20;
    if control.is_some() || today.variants.len() < SERIES_MIN {
        return Prior::default();
    }
    let spread = |variant| -> Option<Spread> {
        let asked = Asked {
            variant,
            control: None,
            metric,
        };
        let runs_max = crate::stats::history::RUNS_MAX;
        levels::of_runs(&matching.accepted, asked, runs_max)?
            .1
            .spread()
    };
    let spreads: Vec<Spread> = today.variants.iter().filter_map(spread).collect();
    Prior::learned(&spreads).unwrap_or_default()
}

/// Verdicts: Holm over the primary comparisons; the others are explored, with their false discoveries
/// held down together.
fn decided(drafts: Vec<Draft>, alpha: Alpha) -> Vec<Comparison> {
    let tests_of = |primary: bool| -> Vec<Option<Tests>> {
        let chosen = drafts.iter().map(|draft| &draft.comparison);
        chosen
            .filter(|comparison| comparison.primary == primary)
            .map(|comparison| comparison.tests)
            .collect()
    };
    let (primary, explored) = (tests_of(true), tests_of(false));
    let tested = primary.iter().flatten().count();
    let mut primary = family(&primary, alpha).into_iter();
    let mut explored = explored_verdicts(&explored, alpha).into_iter();
    drafts
        .into_iter()
        .map(|draft| {
            let (level, verdict) = if draft.comparison.primary {
                (alpha.shared_by(tested), primary.next())
            } else {
                (alpha, explored.next())
            };
            finished(draft, level, verdict.unwrap_or(Verdict::Inconclusive))
        })
        .collect()
}

/// A comparison with its verdict, its interval and what it could have found, at this level.
fn finished(draft: Draft, level: Alpha, verdict: Verdict) -> Comparison {
    let Draft {
        mut comparison,
        excess,
    } = draft;
    comparison.verdict = verdict;
    comparison.effect = excess.effect(level).map(|(estimate, interval)| Effect {
        estimate,
        interval,
        level: 1.0 - level.two_sided(),
    });
    comparison.detectable = excess.floor(comparison.bounds.tolerance, level);
    if let Excess::Levels(levels) = &excess {
        if let (Some((prompt, without)), Some(tests)) = (&levels.without, comparison.tests) {
            let verdict_without = decide(*without, level);
            comparison.influence = Some(Influence {
                prompt: prompt.clone(),
                verdict_without,
                decides: verdict_without != decide(tests, level),
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
        comparison.reasons.insert(0, Reason::TooWide);
    }
    comparison
}
