//! The levels of one metric of one variant, run by run, on the prompts that all runs share.
//!
//! Owns which prompts and runs take part, and the combination with other variants. Must not know the procedures.
//! Invariant: every row has a level of every prompt; the newest runs determine these prompts, and a run that
//! lacks too many of them is skipped.

use std::collections::{HashMap, HashSet};

use crate::record::{HistoryPrompt, HistoryRun, HistoryVariant};
use crate::stats::MIN_PROMPTS;
use crate::stats::history::{Levels, RUNS_MAX};
use crate::suite::Metric;

use super::matching::same_variant;

/// The key of a series: the metric of a variant, combined with that of others in the same runs.
#[derive(Clone, Copy)]
pub(super) struct SeriesKey<'a> {
    pub variant: &'a HistoryVariant,
    /// None for the variant's own levels.
    pub others: &'a [&'a HistoryVariant],
    pub combination: Combination,
    pub metric: Metric,
}

/// The combination of a variant's levels with those of others.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Combination {
    /// The variant's level less the mean of the others.
    Difference,
    /// The mean of all of them.
    Mean,
}

/// The level of one prompt in a run.
#[derive(Clone, Copy)]
struct PromptLevel {
    ln: f64,
    n: u32,
}

/// Today's levels with those of earlier runs.
pub(super) struct LevelSeries {
    /// Indices of the prompts in today's variant.
    pub prompts: Vec<usize>,
    /// Today's levels.
    pub today: Vec<f64>,
    /// Today's levels of the variant alone.
    pub plain: Vec<f64>,
    /// Earlier runs, oldest first.
    pub past: Vec<Vec<f64>>,
    /// The share of the earlier runs in which a level is spliced.
    pub spliced: f64,
    /// Runs that only inform the spread between runs.
    pub flagged: Vec<Vec<f64>>,
    /// Values behind the levels of the past, and of today.
    pub values: (u64, u64),
    /// Prompts that are in both today's run and the newest past run, with or without values.
    pub shared_prompts: usize,
}

/// The levels of a run by prompt digest. Of two identical prompts the first one counts for both.
fn levels_by_digest<'a>(
    run: &'a HistoryRun,
    key: SeriesKey<'_>,
) -> Option<HashMap<&'a str, PromptLevel>> {
    let find = |target: &HistoryVariant| run.variants.iter().find(|v| same_variant(v, target));
    let mut levels_by_digest = levels_of_variant(find(key.variant)?, key.metric);
    let others = key.others.iter();
    let others: Vec<_> = others
        .map(|other| Some(levels_of_variant(find(other)?, key.metric)))
        .collect::<Option<_>>()?;
    if others.is_empty() {
        return Some(levels_by_digest);
    }
    levels_by_digest.retain(|digest, cell| {
        let levels = others.iter().map(|other| Some(other.get(digest)?.ln));
        let Some(sum) = levels.sum::<Option<f64>>() else {
            return false;
        };
        let count = others.len() as f64;
        cell.ln = match key.combination {
            Combination::Difference => cell.ln - sum / count,
            Combination::Mean => (cell.ln + sum) / (count + 1.0),
        };
        true
    });
    Some(levels_by_digest)
}

fn levels_of_variant(variant: &HistoryVariant, metric: Metric) -> HashMap<&str, PromptLevel> {
    let mut levels_by_digest = HashMap::new();
    for prompt in &variant.prompts {
        if let Some(level) = prompt.levels.get(metric) {
            let cell = PromptLevel {
                ln: level.ln,
                n: level.n,
            };
            levels_by_digest.entry(&*prompt.digest).or_insert(cell);
        }
    }
    levels_by_digest
}

/// Runs with their levels, and the digests of the prompts that all of them share.
type SharedPrompts<'a, T> = (Vec<(T, HashMap<&'a str, PromptLevel>)>, Vec<&'a str>);

/// Runs with shared prompts, newest first: a run is skipped if it would reduce the shared prompts below
/// `min_count`, or below four fifths of the newest run's.
fn runs_with_shared_prompts<'a, T>(
    newest_first: impl Iterator<Item = (T, HashMap<&'a str, PromptLevel>)>,
    mut common: Vec<&'a str>,
    min_count: usize,
    runs_max: usize,
) -> SharedPrompts<'a, T> {
    let mut used = Vec::new();
    let mut first_count = 0;
    for (run, levels_by_digest) in newest_first {
        if used.len() == runs_max {
            break;
        }
        let remaining: Vec<&str> = common
            .iter()
            .copied()
            .filter(|digest| levels_by_digest.contains_key(digest))
            .collect();
        if remaining.len() >= min_count && remaining.len() * 5 >= first_count * 4 {
            if used.is_empty() {
                first_count = remaining.len();
            }
            common = remaining;
            used.push((run, levels_by_digest));
        }
    }
    (used, common)
}

fn row(levels_by_digest: &HashMap<&str, PromptLevel>, prompts: &[&str]) -> Option<Vec<f64>> {
    let level = |digest: &&str| levels_by_digest.get(digest).map(|cell| cell.ln);
    prompts.iter().map(level).collect()
}

impl LevelSeries {
    /// Returns `None` if no earlier run shares two prompts with today's.
    pub(super) fn new(
        today: &HistoryRun,
        accepted: &[&HistoryRun],
        flagged: &[&HistoryRun],
        key: SeriesKey<'_>,
    ) -> Option<Self> {
        let own = levels_by_digest(today, key)?;
        let order = || {
            let prompts = key.variant.prompts.iter();
            let mut digests: Vec<&str> = Vec::new();
            let mut seen = HashSet::new();
            for prompt in prompts {
                if own.contains_key(&*prompt.digest) && seen.insert(&*prompt.digest) {
                    digests.push(&prompt.digest);
                }
            }
            digests
        };
        let candidates = || {
            let newest_first = accepted.iter().rev();
            newest_first.filter_map(|run| Some((*run, levels_by_digest(run, key)?)))
        };
        // With fewer than six prompts there is no verdict, but there are figures.
        let (used, common) = [MIN_PROMPTS, 2]
            .into_iter()
            .map(|min_count| runs_with_shared_prompts(candidates(), order(), min_count, RUNS_MAX))
            .find(|(used, _)| !used.is_empty())?;
        let newest = used.first()?.0;
        let plain = levels_of_variant(key.variant, key.metric);
        let count = |levels_by_digest: &HashMap<&str, PromptLevel>| -> u64 {
            let counts = common
                .iter()
                .filter_map(|digest| levels_by_digest.get(digest));
            counts.map(|cell| u64::from(cell.n)).sum()
        };
        let values = (
            used.iter()
                .map(|(_, levels_by_digest)| count(levels_by_digest))
                .sum(),
            count(&own),
        );
        let flagged = flagged.iter().rev();
        let mut flagged: Vec<Vec<f64>> = flagged
            .filter_map(|run| row(&levels_by_digest(run, key)?, &common))
            .take(RUNS_MAX)
            .collect();
        flagged.reverse();
        let runs: Vec<&HistoryRun> = used.iter().map(|(run, _)| *run).collect();
        let past = used.iter().rev();
        Some(Self {
            spliced: spliced_share(&runs, key),
            today: row(&own, &common)?,
            plain: row(&plain, &common)?,
            past: past
                .map(|(_, levels_by_digest)| row(levels_by_digest, &common))
                .collect::<Option<_>>()?,
            flagged,
            values,
            shared_prompts: count_shared_prompts(key.variant, newest),
            prompts: prompt_indices(key.variant, &common),
        })
    }

    /// Today's excess over the past's mean, prompt by prompt.
    pub(super) fn deviation(&self) -> Vec<f64> {
        let runs = self.past.len() as f64;
        self.today
            .iter()
            .enumerate()
            .map(|(prompt, level)| {
                let mut past: Vec<f64> = self.past.iter().map(|run| run[prompt]).collect();
                past.sort_unstable_by(f64::total_cmp);
                level - past.iter().sum::<f64>() / runs
            })
            .collect()
    }

    /// The levels (past, flagged, today) as the procedure expects them, optionally without one prompt.
    pub(super) fn levels(
        &self,
        without: Option<usize>,
    ) -> Option<(Levels, Option<Levels>, Levels)> {
        let rows = |rows: &[Vec<f64>]| {
            let rows = rows.iter().map(|row| {
                let levels_by_digest = row.iter().enumerate();
                let cells_left = levels_by_digest.filter(|(prompt, _)| Some(*prompt) != without);
                cells_left.map(|(_, level)| *level).collect()
            });
            Levels::new(rows.collect())
        };
        Some((
            rows(&self.past)?,
            rows(&self.flagged),
            rows(std::slice::from_ref(&self.today))?,
        ))
    }
}

/// The share of runs in which the level of the variant, or of one that it is combined with, is spliced.
pub(super) fn spliced_share(runs: &[&HistoryRun], key: SeriesKey<'_>) -> f64 {
    let is_spliced = |run: &&&HistoryRun| {
        let mut spliced = run.variants.iter().filter(|then| then.spliced.is_some());
        spliced.any(|then| {
            let mut targets = key.others.iter().copied().chain([key.variant]);
            targets.any(|target| same_variant(then, target))
        })
    };
    let spliced = runs.iter().filter(is_spliced).count();
    spliced as f64 / runs.len().max(1) as f64
}

/// Levels of accepted runs alone, oldest first, on the prompts they share; `None` without runs.
pub(super) fn levels_of_runs<'a>(
    runs: &[&'a HistoryRun],
    key: SeriesKey<'_>,
    runs_max: usize,
) -> Option<(Vec<&'a HistoryRun>, Levels)> {
    let newest = runs
        .iter()
        .rev()
        .find_map(|run| levels_by_digest(run, key))?;
    let order: Vec<&str> = newest.into_keys().collect();
    let candidates = runs.iter().rev();
    let candidates = candidates.filter_map(|run| Some((*run, levels_by_digest(run, key)?)));
    let (mut used, common) = runs_with_shared_prompts(candidates, order, 2, runs_max);
    used.reverse();
    let rows: Option<Vec<Vec<f64>>> = used
        .iter()
        .map(|(_, levels_by_digest)| row(levels_by_digest, &common))
        .collect();
    let levels = Levels::new(rows?)?;
    Some((used.into_iter().map(|(run, _)| run).collect(), levels))
}

fn count_shared_prompts(variant: &HistoryVariant, newest: &HistoryRun) -> usize {
    let there = newest.variants.iter().find(|v| same_variant(v, variant));
    let digests: HashSet<&str> = there
        .into_iter()
        .flat_map(|there| &there.prompts)
        .map(|prompt| &*prompt.digest)
        .collect();
    let is_shared = |prompt: &&HistoryPrompt| digests.contains(&*prompt.digest);
    variant.prompts.iter().filter(is_shared).count()
}

/// The index of the first prompt of each digest; they are in the order of the variant's prompts.
fn prompt_indices(variant: &HistoryVariant, digests: &[&str]) -> Vec<usize> {
    let mut prompts = variant.prompts.iter();
    let mut next = 0;
    let index = |digest: &&str| {
        next += 1 + prompts.position(|prompt| *prompt.digest == **digest)?;
        Some(next - 1)
    };
    digests.iter().map_while(index).collect()
}
