//! The trend of a history: level by level, with its changes and its noise.
//!
//! Owns the data that `bakeoff history` shows. Must not judge. Invariant: points are in the order in which runs
//! began, and all have the same prompts and the same variant.

use std::collections::BTreeSet;

use crate::record::{History, HistoryEntry, HistoryRun, HistoryVariant, RunStanding};
use crate::stats::history::{Prior, RUNS_MAX, effective_runs, predict, smallest_shift};
use crate::stats::interval::Alpha;
use crate::stats::series::{Change, changes};
use crate::suite::{Gate, Metric, Scale};

use super::super::conditions::route_shift;
use super::levels::{Combination, SeriesKey, levels_of_runs, spliced_share};
use super::matching::same_variant;
use super::variant_history::provider_shares;

/// One metric of one variant, run by run.
#[derive(Debug, Clone, PartialEq)]
pub struct Trend {
    /// Label of the variant.
    pub variant: String,
    /// The metric.
    pub metric: Metric,
    /// One point per run, in the order in which they began.
    pub points: Vec<TrendPoint>,
    /// Changes of the level; [`Change::at`] is an index into `points`, its shift a natural logarithm (for
    /// shares a difference).
    pub changes: Vec<Change>,
    /// The worsening that the next run could detect, at the tolerance and error rate that it would be judged
    /// by. Absent for shares, and without an accepted run.
    pub detectable_worsening: Option<DetectableWorsening>,
    /// The newest change of the providers from one run to the next.
    pub route_change: Option<RouteChange>,
    /// Runs skipped because they lack the variant or too many of the newest one's prompts.
    pub skipped: usize,
}

/// A change of the providers from one run to the next.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteChange {
    /// The index of the first run after it.
    pub at: usize,
    /// The provider whose share of the answers changed most.
    pub provider: String,
    /// Its share before and after.
    pub shares: (f64, f64),
}

/// The smallest worsening that a run could detect.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DetectableWorsening {
    /// Detectable with a power of 80 %, the tolerance included: 0.12 for 12 %.
    pub worsening: f64,
    /// True if it is only a lower bound: a single level says nothing about its precision, two runs do by the
    /// disagreement of their prompts.
    pub at_least: bool,
}

/// A run in a trend.
#[derive(Debug, Clone, PartialEq)]
pub struct TrendPoint {
    /// Start of the run, UTC.
    pub started_at: jiff::Timestamp,
    /// Name of the run.
    pub run: String,
    /// Level in the metric's unit (ns, tokens per second, tokens, pico-dollars, share): the geometric mean over
    /// prompts, or the share.
    pub level: f64,
    /// The standing of the run in the history.
    pub standing: RunStanding,
    /// True if the run was accepted, or if this variant is among those that were found regressed in it: the
    /// standing of a run is not about its other variants.
    pub concerned: bool,
}

/// The trends of a history: every variant as in the newest run, and every metric that it has. Variants in the
/// order of the newest run, followed by those it no longer has. `gate` determines what the next run can detect.
pub fn trends(history: &History, gate: &Gate) -> Vec<Trend> {
    let mut labels = BTreeSet::new();
    let newest = history.entries().last();
    let comparisons = newest.map_or(0, |newest| {
        let variants = newest.run.variants.iter();
        let tested = variants.filter(|variant| gate.control.as_ref() != Some(&variant.label));
        tested.map(|variant| count_primary(variant, gate)).sum()
    });
    let gate_levels = GateLevels { gate, comparisons };
    let newest_first = history.entries().iter().rev();
    let variants = newest_first.flat_map(|entry| &entry.run.variants);
    variants
        .filter(|variant| labels.insert(&variant.label))
        .flat_map(|variant| {
            let metrics = Metric::ALL.into_iter();
            metrics.filter_map(move |metric| metric_trend(history, variant, metric, gate_levels))
        })
        .collect()
}

/// The gate and error rate that the next run is judged by.
#[derive(Clone, Copy)]
struct GateLevels<'a> {
    gate: &'a Gate,
    /// Primary comparisons that share the error rate.
    comparisons: usize,
}

impl GateLevels<'_> {
    /// The level of one comparison.
    fn level(&self, metric: Metric) -> Alpha {
        let alpha = Alpha::new(self.gate.alpha).unwrap_or(Alpha::FIVE_PERCENT);
        if self.gate.is_primary(metric) {
            alpha.shared_by(self.comparisons.max(1))
        } else {
            alpha
        }
    }
}

/// The number of primary metrics that the variant has and the next run can test.
fn count_primary(variant: &HistoryVariant, gate: &Gate) -> usize {
    let is_measured = |metric: &&Metric| match metric.scale() {
        Scale::Ratio => {
            let mut prompts = variant.prompts.iter();
            prompts.any(|prompt| prompt.levels.get(**metric).is_some())
        }
        Scale::Points => share(variant, **metric).is_some(),
    };
    gate.primary.iter().filter(is_measured).count()
}

fn metric_trend(
    history: &History,
    variant: &HistoryVariant,
    metric: Metric,
    gate_levels: GateLevels<'_>,
) -> Option<Trend> {
    let entries = history.entries();
    let (points, logs, detectable_worsening) = match metric.scale() {
        Scale::Ratio => levels(history, variant, metric, gate_levels)?,
        Scale::Points => {
            let points: Vec<TrendPoint> = entries
                .iter()
                .filter_map(|entry| {
                    let mut variants = entry.run.variants.iter();
                    let past_variant = variants.find(|then| same_variant(then, variant))?;
                    Some(point(entry, &variant.label, share(past_variant, metric)?))
                })
                .collect();
            let shares = points.iter().map(|point| point.level).collect();
            (points, shares, None)
        }
    };
    let skipped = entries.len() - points.len();
    (!points.is_empty()).then(|| Trend {
        variant: variant.label.clone(),
        metric,
        changes: changes(&logs),
        route_change: route_change(history, variant, &points),
        points,
        detectable_worsening,
        skipped,
    })
}

/// The newest pair of runs in a row whose providers differ in their share of the answers.
fn route_change(
    history: &History,
    variant: &HistoryVariant,
    points: &[TrendPoint],
) -> Option<RouteChange> {
    let providers = |point: &TrendPoint| {
        let variants = &history.entry(&point.run)?.run.variants;
        let mut variants = variants.iter();
        let then = variants.find(|then| same_variant(then, variant))?;
        Some(&then.providers)
    };
    let pairs = points.windows(2).enumerate().rev();
    let mut changes = pairs.filter_map(|(before, pair)| {
        let shares = provider_shares(providers(&pair[0])?, providers(&pair[1])?);
        let &(provider, shares) = route_shift(&shares)?;
        Some(RouteChange {
            at: before + 1,
            provider: provider.to_owned(),
            shares,
        })
    });
    changes.next()
}

type Points = (Vec<TrendPoint>, Vec<f64>, Option<DetectableWorsening>);

fn levels(
    history: &History,
    variant: &HistoryVariant,
    metric: Metric,
    gate_levels: GateLevels<'_>,
) -> Option<Points> {
    let key = SeriesKey {
        variant,
        others: &[],
        combination: Combination::Difference,
        metric,
    };
    let runs: Vec<&HistoryRun> = history.entries().iter().map(|entry| &entry.run).collect();
    let (used, levels) = levels_of_runs(&runs, key, usize::MAX)?;
    let logs = levels.means();
    let points = used.iter().zip(&logs).filter_map(|(run, log)| {
        let entry = history.entry(&run.run)?;
        Some(point(entry, &variant.label, log.exp()))
    });
    let level = history.entries()[history.level_start()..].iter();
    let accepted: Vec<&HistoryRun> = level
        .filter(|entry| entry.standing.accepted())
        .map(|entry| &entry.run)
        .collect();
    Some((
        points.collect(),
        logs,
        detectable_worsening(&accepted, key, gate_levels),
    ))
}

fn point(entry: &HistoryEntry, variant: &str, level: f64) -> TrendPoint {
    let mut findings = entry.findings.iter();
    let found = entry.findings.is_empty() || findings.any(|finding| finding.variant == variant);
    TrendPoint {
        started_at: entry.run.started_at,
        run: entry.run.run.clone(),
        level,
        standing: entry.standing,
        concerned: entry.standing.accepted() || found,
    }
}

/// The worsening that the next run could detect relative to the last accepted ones of the level.
fn detectable_worsening(
    accepted: &[&HistoryRun],
    key: SeriesKey<'_>,
    gate_levels: GateLevels<'_>,
) -> Option<DetectableWorsening> {
    let (runs, levels) = levels_of_runs(accepted, key, RUNS_MAX)?;
    let prior = Prior::default();
    let newest = levels.runs() - 1;
    // The spread between runs as the newest of them would have been judged; with a single run it comes from the
    // prior alone.
    let run_sd = match levels.slice(0, newest) {
        Some(past) => predict(&past, &levels.slice(newest, newest + 1)?, prior)?.run_sd,
        None => prior.sd,
    };
    let shift = smallest_shift(
        run_sd,
        1.0,
        effective_runs(runs.len(), spliced_share(&runs, key)),
        gate_levels.level(key.metric),
    );
    let tolerance = gate_levels.gate.bounds_of(key.metric).tolerance;
    Some(DetectableWorsening {
        worsening: (tolerance.ln_1p() + shift).exp_m1(),
        at_least: newest == 0,
    })
}

fn share(variant: &HistoryVariant, metric: Metric) -> Option<f64> {
    let (mut passed, mut total) = (0_u64, 0_u64);
    for prompt in &variant.prompts {
        let (own, count) = match metric {
            Metric::Completed => (prompt.completed, prompt.trials),
            Metric::PassRate => (prompt.passed, prompt.graded),
            _ => (0, 0),
        };
        passed += u64::from(own);
        total += u64::from(count);
    }
    (total > 0).then(|| passed as f64 / total as f64)
}
