//! The power of a comparison, and the sample size that a run would require.
//!
//! Owns only the mapping to `stats::size`. Must not know verdicts. Invariant: the required number of prompts is
//! never below the present one.

use crate::stats::POWER;
use crate::stats::interval::{Alpha, Interval};
use crate::stats::size::{self, Noise, PilotPrompt, smallest_change_seen};
use crate::suite::{Bounds, Metric, Scale};
use crate::verdict::judgement::{Procedure, RequiredSize, SizeGoal};

use super::finding::{ComparisonSpec, SideComparison};
use super::procedure::procedure;
use super::sides::MetricSides;

/// The search ends at this many prompts: no suite is that large.
const PROMPTS_MAX: u64 = 1_000_000;

/// The smallest worsening that would have been detected; it is at least the tolerance.
pub(in crate::verdict) fn detectable_change(
    spec: ComparisonSpec,
    compare_sides: &SideComparison,
    interval: Interval,
    alpha: Alpha,
) -> Option<f64> {
    let (df, tolerance) = (compare_sides.approach.df(), spec.bounds.tolerance);
    let half = half_width(spec.metric, interval)?;
    match spec.metric.scale() {
        Scale::Ratio => {
            let logs = Interval::new(-half, half);
            smallest_change_seen(logs, df, tolerance, alpha, POWER)
        }
        Scale::Points => {
            let found = tolerance + reach(df, alpha)? * half / alpha.critical_t(df)?;
            found.is_finite().then_some(found)
        }
    }
}

/// The sample size required to detect a worsening by the margin, or to bound one where all answers are alike.
pub(in crate::verdict) fn required_size(
    spec: ComparisonSpec,
    compare_sides: &SideComparison,
    interval: Interval,
    alpha: Alpha,
) -> Option<RequiredSize> {
    let repetitions = repetitions(&compare_sides.sides);
    if procedure(spec.metric) == Procedure::AlignedRanks
        && let Some(noise) = noise(&compare_sides.sides)
    {
        return required_size_from_noise(
            spec.bounds,
            noise,
            (compare_sides.sides.indices.len() as u64, repetitions),
            alpha,
        );
    }
    let count = compare_sides.sides.indices.len() as f64;
    if compare_sides
        .approach
        .interval_of_more(1.0, alpha)
        .is_some()
    {
        return required_size_if_unanimous(spec, compare_sides, repetitions, alpha);
    }
    let half = half_width(spec.metric, interval)?;
    let distance = distance(spec.metric, spec.bounds);
    // Assumes that further prompts resemble these: standard errors shrink with the square root of their number.
    let df = compare_sides.approach.df();
    let error = half / alpha.critical_t(df)?;
    let enough = |prompts: u64| {
        let narrower = error * (count / prompts as f64).sqrt();
        let df = if df.is_finite() {
            prompts as f64 - 1.0
        } else {
            df
        };
        reach(df, alpha).is_some_and(|reach| reach * narrower <= distance)
    };
    let prompts = smallest_sufficient(compare_sides.sides.indices.len() as u64, enough)?;
    Some(RequiredSize {
        prompts,
        repetitions,
        goal: SizeGoal::Detect,
    })
}

/// The number of prompts, with as many repetitions, that would show on which side of a line the effect lies, with this
/// power and if it is as estimated.
pub(in crate::verdict) fn prompts_to_settle(
    metric: Metric,
    compare_sides: &SideComparison,
    (estimate, interval): (f64, Interval),
    line: f64,
    alpha: Alpha,
) -> Option<u64> {
    let estimate = match metric.scale() {
        Scale::Ratio => estimate.ln(),
        Scale::Points => estimate,
    };
    let distance = (estimate - line).abs();
    let half = half_width(metric, interval)?;
    let count = compare_sides.sides.indices.len() as u64;
    let df = compare_sides.approach.df();
    let error = half / alpha.critical_t(df)?;
    let enough = |prompts: u64| {
        let narrower = error * (count as f64 / prompts as f64).sqrt();
        let df = if df.is_finite() {
            prompts as f64 - 1.0
        } else {
            df
        };
        reach(df, alpha).is_some_and(|reach| reach * narrower <= distance)
    };
    smallest_sufficient(count, enough)
}

/// The size where nothing failed, or nothing succeeded: enough prompts with such answers to take the interval
/// that they are judged by inside the margin.
fn required_size_if_unanimous(
    spec: ComparisonSpec,
    compare_sides: &SideComparison,
    repetitions: u64,
    alpha: Alpha,
) -> Option<RequiredSize> {
    let count = compare_sides.sides.indices.len() as u64;
    let margin = spec.bounds.margin;
    let enough = |prompts: u64| {
        let factor = prompts as f64 / count as f64;
        let interval = compare_sides.approach.interval_of_more(factor, alpha);
        interval.is_some_and(|interval| {
            // Both ends are equally far from 0, so it does not matter which is the worse one.
            interval.half_width().is_some_and(|half| half < margin)
        })
    };
    Some(RequiredSize {
        prompts: smallest_sufficient(count, enough)?,
        repetitions,
        goal: SizeGoal::Bound,
    })
}

/// More repetitions of the same prompts if that suffices, else more prompts with the same repetitions.
fn required_size_from_noise(
    bounds: Bounds,
    noise: Noise,
    (prompts, repetitions): (u64, u64),
    alpha: Alpha,
) -> Option<RequiredSize> {
    let aim = size::DetectionGoal {
        change: bounds.margin,
        tolerance: bounds.tolerance,
        alpha,
        power: POWER,
    };
    // Beyond ten times as many repetitions, more prompts are the better advice.
    let affordable = 10 * repetitions.max(1);
    let more = aim
        .repetitions(prompts, noise)
        .filter(|required| *required <= affordable);
    if let Some(repetitions) = more {
        return Some(RequiredSize {
            prompts,
            repetitions,
            goal: SizeGoal::Detect,
        });
    }
    let repetitions = repetitions.max(2);
    let enough = |prompts| {
        aim.repetitions(prompts, noise)
            .is_some_and(|required| required <= repetitions)
    };
    Some(RequiredSize {
        prompts: smallest_sufficient(prompts, enough)?,
        repetitions,
        goal: SizeGoal::Detect,
    })
}

/// The smallest number from `from` on that is enough; `None` beyond [`PROMPTS_MAX`].
fn smallest_sufficient(from: u64, enough: impl Fn(u64) -> bool) -> Option<u64> {
    let mut low = from.max(2);
    let mut high = low;
    while !enough(high) {
        low = high + 1;
        high *= 2;
        if high > PROMPTS_MAX {
            return None;
        }
    }
    while low < high {
        let middle = low.midpoint(high);
        if enough(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Some(high)
}

/// The number of standard errors between the tolerance and the change that is detected with this power.
fn reach(df: f64, alpha: Alpha) -> Option<f64> {
    // The t quantile of the power is that of a two-sided level of twice the remaining probability.
    let power = Alpha::new(2.0 * (1.0 - POWER))?;
    Some(alpha.critical_t(df)? + power.critical_t(df)?)
}

/// Half the width of an interval on the scale of the test: logarithms, or shares.
fn half_width(metric: Metric, interval: Interval) -> Option<f64> {
    let half = match metric.scale() {
        Scale::Points => interval.half_width()?,
        Scale::Ratio => {
            let (lower, upper) = (interval.lower?, interval.upper?);
            0.5 * (upper.ln() - lower.ln())
        }
    };
    (half.is_finite() && half >= 0.0).then_some(half)
}

/// The distance between tolerance and margin on the scale of the test.
fn distance(metric: Metric, bounds: Bounds) -> f64 {
    match metric.scale() {
        Scale::Ratio => bounds.margin.ln_1p() - bounds.tolerance.ln_1p(),
        Scale::Points => bounds.margin - bounds.tolerance,
    }
}

/// The noise of these sides, estimated as from a pilot.
fn noise(sides: &MetricSides) -> Option<Noise> {
    let logs = |values: &[f64]| -> Vec<f64> { values.iter().map(|value| value.ln()).collect() };
    let logs: Vec<(Vec<f64>, Vec<f64>)> = sides
        .values
        .iter()
        .map(|sides| (logs(sides.a()), logs(sides.b())))
        .collect();
    let pilot: Vec<PilotPrompt<'_>> = logs.iter().map(|(a, b)| PilotPrompt { a, b }).collect();
    Noise::from_pilot(&pilot)
}

/// Values per prompt and side, rounded up.
fn repetitions(sides: &MetricSides) -> u64 {
    let (a, b) = sides.counts();
    (a.max(b) as u64).div_ceil((sides.indices.len() as u64).max(1))
}
