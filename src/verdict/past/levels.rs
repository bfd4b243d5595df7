//! The levels of one metric of one variant, run by run, on prompts that all of them have.
//!
//! Owns which prompts and runs enter, and the difference from a control. Must not know what follows
//! from them. Invariant: every row has a level of every prompt; the newest runs decide which prompts
//! these are, and a run that lacks too many of them is left out.

use std::collections::BTreeMap;

use crate::record::{HistoryPrompt, HistoryRun, HistoryVariant};
use crate::stats::FEWEST_PROMPTS;
use crate::stats::history::{Levels, RUNS_MAX};
use crate::suite::Metric;

use super::matching::same_variant;

/// What is asked of every run: the metric of a variant, perhaps less that of a control.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub variant: &'a HistoryVariant,
    pub control: Option<&'a HistoryVariant>,
    pub metric: Metric,
}

/// A level of a prompt in a run.
#[derive(Clone, Copy)]
struct Cell {
    ln: f64,
    n: u32,
}

/// Today's levels beside those of earlier runs.
pub(super) struct Series {
    /// Ids of the prompts, as today's run has them.
    pub prompts: Vec<String>,
    /// Today's levels.
    pub today: Vec<f64>,
    /// The same without the control taken off.
    pub plain: Vec<f64>,
    /// Earlier runs, oldest first.
    pub past: Vec<Vec<f64>>,
    /// Runs that tell only how much runs differ.
    pub beside: Vec<Vec<f64>>,
    /// Values behind the levels of the past, and of today.
    pub values: (u64, u64),
    /// Prompts that both today's run and the newest of the past ask, with values or not.
    pub shared: usize,
}

/// The cells of a run by the digest of the prompt. Of two prompts that ask the same the first stands
/// for both.
fn cells<'a>(run: &'a HistoryRun, asked: Asked<'_>) -> Option<BTreeMap<&'a str, Cell>> {
    let find = |wanted: &HistoryVariant| run.variants.iter().find(|v| same_variant(v, wanted));
    let mut cells = of_variant(find(asked.variant)?, asked.metric);
    if let Some(control) = asked.control {
        let control = of_variant(find(control)?, asked.metric);
        cells.retain(|digest, cell| {
            let there = control.get(digest);
            if let Some(there) = there {
                cell.ln -= there.ln;
            }
            there.is_some()
        });
    }
    Some(cells)
}

fn of_variant(variant: &HistoryVariant, metric: Metric) -> BTreeMap<&str, Cell> {
    let mut cells = BTreeMap::new();
    for prompt in &variant.prompts {
        if let Some(level) = prompt.levels.get(&metric) {
            let cell = Cell {
                ln: level.ln,
                n: level.n,
            };
            cells.entry(prompt.digest.as_str()).or_insert(cell);
        }
    }
    cells
}

/// Runs with their cells, and the digests of the prompts that all of them have.
type Meeting<'a, T> = (Vec<(T, BTreeMap<&'a str, Cell>)>, Vec<&'a str>);

/// Runs whose prompts meet, newest first: a run is left out where it would take the common prompts below
/// `fewest`, or below four fifths of those of the newest.
fn meeting<'a, T>(
    newest_first: impl Iterator<Item = (T, BTreeMap<&'a str, Cell>)>,
    mut common: Vec<&'a str>,
    fewest: usize,
    runs_max: usize,
) -> Meeting<'a, T> {
    let mut used = Vec::new();
    let mut at_first = 0;
    for (run, cells) in newest_first {
        if used.len() == runs_max {
            break;
        }
        let left: Vec<&str> = common
            .iter()
            .copied()
            .filter(|digest| cells.contains_key(digest))
            .collect();
        if left.len() >= fewest && left.len() * 5 >= at_first * 4 {
            if used.is_empty() {
                at_first = left.len();
            }
            common = left;
            used.push((run, cells));
        }
    }
    (used, common)
}

fn row(cells: &BTreeMap<&str, Cell>, prompts: &[&str]) -> Option<Vec<f64>> {
    let level = |digest: &&str| cells.get(digest).map(|cell| cell.ln);
    prompts.iter().map(level).collect()
}

impl Series {
    /// `None` where no earlier run has two prompts in common with today's.
    pub(super) fn new(
        today: &HistoryRun,
        accepted: &[&HistoryRun],
        beside: &[&HistoryRun],
        asked: Asked<'_>,
    ) -> Option<Self> {
        let own = cells(today, asked)?;
        let order = || {
            let prompts = asked.variant.prompts.iter();
            let mut digests: Vec<&str> = Vec::new();
            let mut seen = std::collections::BTreeSet::new();
            for prompt in prompts {
                if own.contains_key(prompt.digest.as_str()) && seen.insert(prompt.digest.as_str()) {
                    digests.push(&prompt.digest);
                }
            }
            digests
        };
        let candidates = || {
            let newest_first = accepted.iter().rev();
            newest_first.filter_map(|run| Some((*run, cells(run, asked)?)))
        };
        // Below six prompts there is no verdict, but there are figures.
        let (used, common) = [FEWEST_PROMPTS, 2]
            .into_iter()
            .map(|fewest| meeting(candidates(), order(), fewest, RUNS_MAX))
            .find(|(used, _)| !used.is_empty())?;
        let newest = used.first()?.0;
        let plain = of_variant(asked.variant, asked.metric);
        let count = |cells: &BTreeMap<&str, Cell>| -> u64 {
            let counts = common.iter().filter_map(|digest| cells.get(digest));
            counts.map(|cell| u64::from(cell.n)).sum()
        };
        let values = (
            used.iter().map(|(_, cells)| count(cells)).sum(),
            count(&own),
        );
        let beside = beside.iter().rev();
        let mut beside: Vec<Vec<f64>> = beside
            .filter_map(|run| row(&cells(run, asked)?, &common))
            .take(RUNS_MAX)
            .collect();
        beside.reverse();
        let past = used.iter().rev();
        Some(Self {
            today: row(&own, &common)?,
            plain: row(&plain, &common)?,
            past: past
                .map(|(_, cells)| row(cells, &common))
                .collect::<Option<_>>()?,
            beside,
            values,
            shared: shared(asked.variant, newest),
            prompts: ids(asked.variant, &common),
        })
    }

    /// Today's excess over the past's mean, prompt by prompt.
    pub(super) fn excess(&self) -> Vec<f64> {
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

    /// As the procedure takes them, without one prompt where that is said: past, beside, today.
    pub(super) fn levels(
        &self,
        without: Option<usize>,
    ) -> Option<(Levels, Option<Levels>, Levels)> {
        let rows = |rows: &[Vec<f64>]| {
            let kept = rows.iter().map(|row| {
                let cells = row.iter().enumerate();
                let kept = cells.filter(|(prompt, _)| Some(*prompt) != without);
                kept.map(|(_, level)| *level).collect()
            });
            Levels::new(kept.collect())
        };
        Some((
            rows(&self.past)?,
            rows(&self.beside),
            rows(std::slice::from_ref(&self.today))?,
        ))
    }
}

/// Levels of accepted runs alone, oldest first, on the prompts they have in common: `None` of none.
pub(super) fn of_runs<'a>(
    runs: &[&'a HistoryRun],
    asked: Asked<'_>,
    runs_max: usize,
) -> Option<(Vec<&'a HistoryRun>, Levels)> {
    let newest = runs.iter().rev().find_map(|run| cells(run, asked))?;
    let order: Vec<&str> = newest.into_keys().collect();
    let candidates = runs.iter().rev();
    let candidates = candidates.filter_map(|run| Some((*run, cells(run, asked)?)));
    let (mut used, common) = meeting(candidates, order, 2, runs_max);
    used.reverse();
    let rows: Option<Vec<Vec<f64>>> = used.iter().map(|(_, cells)| row(cells, &common)).collect();
    let levels = Levels::new(rows?)?;
    Some((used.into_iter().map(|(run, _)| run).collect(), levels))
}

fn shared(variant: &HistoryVariant, newest: &HistoryRun) -> usize {
    let there = newest.variants.iter().find(|v| same_variant(v, variant));
    let digests: std::collections::BTreeSet<&str> = there
        .into_iter()
        .flat_map(|there| &there.prompts)
        .map(|prompt| prompt.digest.as_str())
        .collect();
    let asked = |prompt: &&HistoryPrompt| digests.contains(prompt.digest.as_str());
    variant.prompts.iter().filter(asked).count()
}

fn ids(variant: &HistoryVariant, digests: &[&str]) -> Vec<String> {
    let id = |digest: &&str| {
        let asked = variant.prompts.iter().find(|p| p.digest == *digest);
        asked.map_or_else(String::new, |prompt| prompt.prompt.clone())
    };
    digests.iter().map(id).collect()
}
