//! The trend of a history: level by level, with its changes and its noise.
//!
//! Owns what `bakeoff history` shows. Must not judge. Invariant: points are in the order in which runs
//! began, and every one is of the same prompts and the same variant.

use std::collections::BTreeSet;

use crate::record::{History, HistoryEntry, HistoryRun, HistoryVariant, Standing};
use crate::stats::history::{Prior, RUNS_MAX, predict, smallest_shift};
use crate::stats::interval::Alpha;
use crate::stats::series::{Change, changes};
use crate::suite::{Gate, Metric, Scale};

use super::levels::{Asked, of_runs};
use super::matching::same_variant;

/// One metric of one variant, run by run.
#[derive(Debug, Clone, PartialEq)]
pub struct Trend {
    /// Label of the variant.
    pub variant: String,
    /// Which metric.
    pub metric: Metric,
    /// One a run, in the order in which they began.
    pub points: Vec<TrendPoint>,
    /// Where the level changed; [`Change::at`] is a place in `points`, its shift a natural logarithm (of
    /// shares a difference).
    pub changes: Vec<Change>,
    /// What the next run would find, by the tolerance and the error rate that it would be judged by. Absent of
    /// shares, and without an accepted run.
    pub floor: Option<Floor>,
    /// Runs left out, because they lack the variant or too many of the newest one's prompts.
    pub left_out: usize,
}

/// The smallest worsening that a run would find.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Floor {
    /// With a chance of 80 %, the tolerance included: 0.12 for 12 %.
    pub worsening: f64,
    /// Whether it is no more than a lower bound: a level does not tell how well it is known, two runs do by how
    /// much their prompts disagree.
    pub at_least: bool,
}

/// A run in a trend.
#[derive(Debug, Clone, PartialEq)]
pub struct TrendPoint {
    /// When it began, UTC.
    pub started_at: jiff::Timestamp,
    /// Its name.
    pub run: String,
    /// Its level in the metric's unit (ns, tokens a second, tokens, pico-dollars, share): the geometric
    /// mean over prompts, of shares the share.
    pub level: f64,
    /// What was decided about it.
    pub standing: Standing,
}

/// The trends of a history: every variant, as the newest run has it, and every metric that it has.
/// Variants in the order of the newest run, those it no longer has after them. What the next run can find is
/// told by `gate`.
pub fn trend(history: &History, gate: &Gate) -> Vec<Trend> {
    let mut labels = BTreeSet::new();
    let newest = history.entries().last();
    let judged = newest.map_or(0, |newest| {
        let variants = newest.run.variants.iter();
        let judged = variants.filter(|variant| gate.control.as_ref() != Some(&variant.label));
        judged.map(|variant| primary(variant, gate)).sum()
    });
    let standard = Standard { gate, judged };
    let newest_first = history.entries().iter().rev();
    let variants = newest_first.flat_map(|entry| &entry.run.variants);
    variants
        .filter(|variant| labels.insert(&variant.label))
        .flat_map(|variant| {
            let metrics = Metric::ALL.into_iter();
            metrics.filter_map(move |metric| of_metric(history, variant, metric, standard))
        })
        .collect()
}

/// What the next run is judged by.
#[derive(Clone, Copy)]
struct Standard<'a> {
    gate: &'a Gate,
    /// Primary comparisons that share the error rate.
    judged: usize,
}

impl Standard<'_> {
    /// The level of one comparison.
    fn level(&self, metric: Metric) -> Alpha {
        let alpha = Alpha::new(self.gate.alpha).unwrap_or(Alpha::FIVE_PERCENT);
        if self.gate.is_primary(metric) {
            alpha.shared_by(self.judged.max(1))
        } else {
            alpha
        }
    }
}

/// How many primary metrics the variant has, and the next run can test.
fn primary(variant: &HistoryVariant, gate: &Gate) -> usize {
    let has = |metric: &&Metric| match metric.scale() {
        Scale::Ratio => {
            let mut prompts = variant.prompts.iter();
            prompts.any(|prompt| prompt.levels.contains_key(*metric))
        }
        Scale::Points => share(variant, **metric).is_some(),
    };
    gate.primary.iter().filter(has).count()
}

fn of_metric(
    history: &History,
    variant: &HistoryVariant,
    metric: Metric,
    standard: Standard<'_>,
) -> Option<Trend> {
    let entries = history.entries();
    let (points, logs, floor) = match metric.scale() {
        Scale::Ratio => levels(history, variant, metric, standard)?,
        Scale::Points => {
            let points: Vec<TrendPoint> = entries
                .iter()
                .filter_map(|entry| {
                    let mut variants = entry.run.variants.iter();
                    let then = variants.find(|then| same_variant(then, variant))?;
                    Some(point(entry, share(then, metric)?))
                })
                .collect();
            let shares = points.iter().map(|point| point.level).collect();
            (points, shares, None)
        }
    };
    let left_out = entries.len() - points.len();
    (!points.is_empty()).then(|| Trend {
        variant: variant.label.clone(),
        metric,
        changes: changes(&logs),
        points,
        floor,
        left_out,
    })
}

type Points = (Vec<TrendPoint>, Vec<f64>, Option<Floor>);

fn levels(
    history: &History,
    variant: &HistoryVariant,
    metric: Metric,
    standard: Standard<'_>,
) -> Option<Points> {
    let asked = Asked {
        variant,
        control: None,
        metric,
    };
    let runs: Vec<&HistoryRun> = history.entries().iter().map(|entry| &entry.run).collect();
    let (used, levels) = of_runs(&runs, asked, usize::MAX)?;
    let logs = levels.means();
    let points = used.iter().zip(&logs).filter_map(|(run, log)| {
        let entry = history.entry(&run.run)?;
        Some(point(entry, log.exp()))
    });
    let level = history.entries()[history.level_start()..].iter();
    let accepted: Vec<&HistoryRun> = level
        .filter(|entry| entry.standing.accepted())
        .map(|entry| &entry.run)
        .collect();
    Some((points.collect(), logs, floor(&accepted, asked, standard)))
}

fn point(entry: &HistoryEntry, level: f64) -> TrendPoint {
    TrendPoint {
        started_at: entry.run.started_at,
        run: entry.run.run.clone(),
        level,
        standing: entry.standing,
    }
}

/// What the next run would find against the last accepted ones of the level.
fn floor(accepted: &[&HistoryRun], asked: Asked<'_>, standard: Standard<'_>) -> Option<Floor> {
    let (runs, levels) = of_runs(accepted, asked, RUNS_MAX)?;
    let prior = Prior::default();
    let newest = levels.runs() - 1;
    // How much runs differ, as the newest of them would have been judged; of a single run only the
    // prior tells.
    let run_sd = match levels.slice(0, newest) {
        Some(past) => predict(&past, &levels.slice(newest, newest + 1)?, prior)?.run_sd,
        None => prior.sd,
    };
    let shift = smallest_shift(run_sd, 1.0, runs.len() as f64, standard.level(asked.metric));
    let tolerance = standard.gate.bounds_of(asked.metric).tolerance;
    Some(Floor {
        worsening: (tolerance.ln_1p() + shift).exp_m1(),
        at_least: newest == 0,
    })
}

fn share(variant: &HistoryVariant, metric: Metric) -> Option<f64> {
    let (mut passed, mut of) = (0_u64, 0_u64);
    for prompt in &variant.prompts {
        let (own, all) = match metric {
            Metric::Completed => (prompt.completed, prompt.asked),
            Metric::PassRate => (prompt.passed, prompt.graded),
            _ => (0, 0),
        };
        passed += u64::from(own);
        of += u64::from(all);
    }
    (of > 0).then(|| passed as f64 / of as f64)
}
