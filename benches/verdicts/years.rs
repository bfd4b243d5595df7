//! Simulated years of a morning CI: what a gate catches, how late, and how often it is wrong.
//!
//! Every weekday morning a suite of twenty prompts is asked ten times. Days differ by a shift that all models share,
//! and models by a little of their own. Each month the suite is changed, so that the history cannot be compared and
//! its baseline is reset. On one day of the year the new configuration becomes slower by 30 %, until it is caught.

use bakeoff::record::{HistoryLine, HistoryRun, RunStanding};
use bakeoff::suite::{Gate, Metric, OnInconclusive};
use bakeoff::verdict::{
    Evidence, PastRuns, Verdict, compare_with_history, history_updates, incomparable_history,
    primary_verdicts,
};

use super::history_writer::HistoryWriter;
use super::simulated_runs::{NoiseProfile, NoiseSource, RunDesign, RunSide, TYPICAL, levels, run};

/// Working days of a year, and of a month.
pub(crate) const DAYS: usize = 252;
pub(crate) const MONTH: usize = 21;
/// Hours from a Monday's run to the next weekday's, and over a weekend.
const DAY_HOURS: i64 = 24;
const WEEK_HOURS: i64 = 7 * 24;
/// Standard deviation of a day, shared by all models; and of a model's own.
const DAY_SD: f64 = 0.05;
const OWN_SD: f64 = 0.02;
const SLOWER: f64 = 1.3;

/// A recipe of a CI job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recipe {
    /// The old configuration as the reference of the same run, and the history as the second step.
    ReferenceAndHistory,
    /// The new configuration alone, judged by the history.
    HistoryAlone,
}

/// The result of a year.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Year {
    /// The first morning with the slowdown, counted from 0.
    #[allow(dead_code, reason = "the bench counts years, the test looks at each")]
    pub(crate) slow_from: usize,
    /// Mornings from the slowdown to the failure, 1 for the same one; absent if it was never caught.
    pub(crate) caught_after: Option<usize>,
    /// Failures on mornings without a slowdown.
    pub(crate) false_alarms: usize,
    /// Mornings on which nothing could be judged, and the gate said so.
    pub(crate) unjudged: usize,
}

impl Recipe {
    const fn labels(self) -> &'static [&'static str] {
        match self {
            Self::ReferenceAndHistory => &["old", "new"],
            Self::HistoryAlone => &["new"],
        }
    }
}

/// The gate of suites/ci.toml, on the metrics that are simulated.
fn gate() -> Gate {
    Gate {
        primary: vec![Metric::Ttft],
        on_inconclusive: OnInconclusive::Warn,
        confirm: true,
        ..Gate::default()
    }
}

/// Simulates a year of so many mornings.
pub(crate) fn year(recipe: Recipe, design: RunDesign, days: usize, mut noise: NoiseSource) -> Year {
    let profile: NoiseProfile = TYPICAL;
    let labels = recipe.labels();
    let gate = gate();
    let writer = HistoryWriter::new(labels, design);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "below the days of a year"
    )]
    let slow_from = (noise.uniform() * days as f64) as usize % days;
    let change = RunSide::other("new", design.prompts, SLOWER, &mut noise).by_prompt;
    let mut result = Year {
        slow_from,
        ..Year::default()
    };
    let mut past = PastRuns::default();
    let mut prompt_levels = levels(profile, design.prompts, &mut noise);
    for day in 0..days {
        if day > 0 && day % MONTH == 0 {
            prompt_levels = levels(profile, design.prompts, &mut noise);
        }
        let is_slow = day >= slow_from && result.caught_after.is_none();
        let sides = labels.iter().copied().map(|label| {
            let own = noise.normal(OWN_SD);
            let slower = |prompt: usize| {
                if is_slow && label == "new" {
                    change[prompt]
                } else {
                    0.0
                }
            };
            RunSide {
                label,
                by_prompt: (0..design.prompts)
                    .map(|prompt| own + slower(prompt))
                    .collect(),
            }
        });
        let sides: Vec<RunSide> = sides.collect();
        let level = noise.normal(DAY_SD);
        let evidence = run((profile, design), &prompt_levels, &sides, level, &mut noise);
        let number = i64::try_from(day).expect("a year has few days");
        let hours = number / 5 * WEEK_HOURS + number % 5 * DAY_HOURS;
        let mut today = writer.to_history_run(day, hours, &evidence);
        rename_prompts(&mut today, day / MONTH);
        let failed = judge_morning(recipe, &evidence, &today, &gate, &mut past, &mut result);
        if failed && is_slow {
            result.caught_after = Some(day + 1 - slow_from);
        } else if failed {
            result.false_alarms += 1;
        }
    }
    result
}

/// Gives the prompts of a month their digests.
fn rename_prompts(run: &mut HistoryRun, month: usize) {
    let prompts = run.variants.iter_mut().flat_map(|one| &mut one.prompts);
    prompts.for_each(|prompt| prompt.digest = format!("{} in month {month}", prompt.digest).into());
}

/// Judges a morning and updates its history as a job does; returns true if it fails.
fn judge_morning(
    recipe: Recipe,
    evidence: &Evidence,
    today: &HistoryRun,
    gate: &Gate,
    past: &mut PastRuns,
    result: &mut Year,
) -> bool {
    let worse_than_reference = recipe == Recipe::ReferenceAndHistory
        && primary_verdicts(evidence, "old", gate)
            .iter()
            .any(|(_, _, verdict)| *verdict == Verdict::Regressed);
    if incomparable_history(today, past, gate).is_some() {
        // The user resets the baseline, unless the run failed.
        result.unjudged += 1;
        *past = PastRuns::default();
        if !worse_than_reference {
            past.accepted.push(today.clone());
        }
        return worse_than_reference;
    }
    let judgement = compare_with_history(today, past, gate);
    let worse_than_before = judgement
        .comparisons
        .iter()
        .any(|one| one.primary && one.verdict == Verdict::Regressed);
    let lines = history_updates(today, past, &judgement);
    let is_flagged = lines.iter().any(|line| matches!(line, HistoryLine::Run(_)));
    for line in lines {
        match line {
            HistoryLine::Run(entry) => past.open.push(*entry),
            HistoryLine::Mark { run, standing } => mark(past, &run, standing),
        }
    }
    let failed = worse_than_reference || worse_than_before;
    if !failed && !is_flagged {
        past.accepted.push(today.clone());
    }
    // Twenty runs predict; older ones only slow the simulation down.
    let surplus = past.accepted.len().saturating_sub(20);
    past.accepted.drain(..surplus);
    failed
}

fn mark(past: &mut PastRuns, run: &str, standing: RunStanding) {
    let Some(index) = past.open.iter().position(|entry| entry.run.run == run) else {
        return;
    };
    if standing.open() {
        past.open[index].standing = standing;
        return;
    }
    let entry = past.open.remove(index);
    if standing == RunStanding::Cleared {
        past.flagged.push(entry.run);
    }
}
