//! What a comparison could have found, and what a run would need.
//!
//! Owns nothing but the way to `stats::size`. Must not know verdicts. Invariant: what is needed is never
//! fewer prompts than there were.

use crate::stats::interval::{Alpha, Interval};
use crate::stats::size::{self, Noise, PilotPrompt, smallest_change_seen};
use crate::suite::{Bounds, Metric, Scale};
use crate::verdict::judgement::{Aim, Needed, Procedure};

use super::finding::{Compared, Question};
use super::procedure::procedure;
use super::sides::Sides;

/// The chance with which a change shall be found.
const POWER: f64 = 0.8;
/// Beyond this many prompts nobody looks.
const PROMPTS_MAX: u64 = 1_000_000;

/// The smallest worsening that would have been found, beyond which the tolerance already lies.
pub(in crate::verdict) fn detectable(
    question: Question,
    compared: &Compared,
    interval: Interval,
    alpha: Alpha,
) -> Option<f64> {
    let (df, tolerance) = (compared.approach.df(), question.bounds.tolerance);
    let half = half_width(question.metric, interval)?;
    match question.metric.scale() {
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

/// What a run would need to find a worsening by the margin, or to bound one where all answers are alike.
pub(in crate::verdict) fn needed(
    question: Question,
    compared: &Compared,
    interval: Interval,
    alpha: Alpha,
) -> Option<Needed> {
    let repetitions = repetitions(&compared.sides);
    if procedure(question.metric) == Procedure::AlignedRanks
        && let Some(noise) = noise(&compared.sides)
    {
        return by_noise(
            question.bounds,
            noise,
            (compared.sides.places.len() as u64, repetitions),
            alpha,
        );
    }
    let count = compared.sides.places.len() as f64;
    if compared.approach.interval_of_more(1.0, alpha).is_some() {
        return unanimous(question, compared, repetitions, alpha);
    }
    let half = half_width(question.metric, interval)?;
    let distance = distance(question.metric, question.bounds);
    // As if every further prompt were like these: standard errors fall with the root of their number.
    let df = compared.approach.df();
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
    let prompts = fewest(compared.sides.places.len() as u64, enough)?;
    Some(Needed {
        prompts,
        repetitions,
        aim: Aim::Find,
    })
}

/// Where nothing failed, or nothing succeeded: as many prompts of such answers as take the interval, by which
/// they are judged, inside the margin.
fn unanimous(
    question: Question,
    compared: &Compared,
    repetitions: u64,
    alpha: Alpha,
) -> Option<Needed> {
    let count = compared.sides.places.len() as u64;
    let margin = question.bounds.margin;
    let enough = |prompts: u64| {
        let factor = prompts as f64 / count as f64;
        let interval = compared.approach.interval_of_more(factor, alpha);
        interval.is_some_and(|interval| {
            // Both ends are as far from 0: which is the worse one does not matter.
            interval.half_width().is_some_and(|half| half < margin)
        })
    };
    Some(Needed {
        prompts: fewest(count, enough)?,
        repetitions,
        aim: Aim::Bound,
    })
}

/// More repetitions of as many prompts where that can do it, else more prompts with as many repetitions.
fn by_noise(
    bounds: Bounds,
    noise: Noise,
    (prompts, repetitions): (u64, u64),
    alpha: Alpha,
) -> Option<Needed> {
    let aim = size::Aim {
        change: bounds.margin,
        tolerance: bounds.tolerance,
        alpha,
        power: POWER,
    };
    // Tenfold is where more prompts are the better advice.
    let affordable = 10 * repetitions.max(1);
    let more = aim
        .repetitions(prompts, noise)
        .filter(|needed| *needed <= affordable);
    if let Some(repetitions) = more {
        return Some(Needed {
            prompts,
            repetitions,
            aim: Aim::Find,
        });
    }
    let repetitions = repetitions.max(2);
    let enough = |prompts| {
        aim.repetitions(prompts, noise)
            .is_some_and(|needed| needed <= repetitions)
    };
    Some(Needed {
        prompts: fewest(prompts, enough)?,
        repetitions,
        aim: Aim::Find,
    })
}

/// The smallest number from `from` on that is enough; `None` beyond a million.
fn fewest(from: u64, enough: impl Fn(u64) -> bool) -> Option<u64> {
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

/// How many standard errors lie between the tolerance and what is found with that power.
fn reach(df: f64, alpha: Alpha) -> Option<f64> {
    // t of the power's quantile: that of a two-sided level twice as large as what is left.
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

/// How far apart tolerance and margin are, on the scale of the test.
fn distance(metric: Metric, bounds: Bounds) -> f64 {
    match metric.scale() {
        Scale::Ratio => bounds.margin.ln_1p() - bounds.tolerance.ln_1p(),
        Scale::Points => bounds.margin - bounds.tolerance,
    }
}

/// The noise of these sides, as a pilot's.
fn noise(sides: &Sides) -> Option<Noise> {
    let logs = |values: &[f64]| -> Vec<f64> { values.iter().map(|value| value.ln()).collect() };
    let logs: Vec<(Vec<f64>, Vec<f64>)> = sides
        .values
        .iter()
        .map(|(a, b)| (logs(a), logs(b)))
        .collect();
    let pilot: Vec<PilotPrompt<'_>> = logs.iter().map(|(a, b)| PilotPrompt { a, b }).collect();
    Noise::from_pilot(&pilot)
}

/// Values a prompt and side, rounded up.
fn repetitions(sides: &Sides) -> u64 {
    let (a, b) = sides.counts();
    (a.max(b) as u64).div_ceil((sides.places.len() as u64).max(1))
}
