//! Checks of a gate: what keeps it from working with as many prompts and repetitions.
//!
//! Owns the conditions. Must not know their wording, nor prices. Invariant: a pure function of suite and power.

use crate::stats::MIN_PROMPTS;
use crate::stats::interval::Alpha;
use crate::stats::quantile_interval::order_statistics;
use crate::stats::rates::{Passes, rate};
use crate::suite::{Gate, GateLimit, LimitBound, Measure, Metric, OnInconclusive, Quantity, Suite};

use super::GateLint;
use crate::verdict::power::Power;

/// Below this probability of *ok* for an unchanged run, a gate is unreliable.
const OK_CHANCE_MIN: f64 = 0.5;

/// A gate that can only detect a slowdown to more than twice the time detects nothing that would go unnoticed.
const CHANGE_MAX: f64 = 1.0;

/// The largest number of prompts that is suggested for an error rate: no suite is larger.
const SIZE_NEEDED_MAX: u64 = 10_000;

/// Returns the problems of a suite's gate, or the one that needs no gate: too few prompts.
pub(super) fn lint_gate(suite: &Suite, power: &Power) -> Vec<GateLint> {
    let mut lints = Vec::new();
    if power.prompts < MIN_PROMPTS as u64 {
        lints.push(GateLint::FewPrompts {
            worth: power.prompts,
            prompts: suite.prompts.len() as u64,
        });
    }
    let Some(gate) = &suite.gate else {
        return lints;
    };
    lints.extend(lints_of_measures(suite, gate));
    lints.extend(lints_of_comparisons(suite, gate, power));
    let limits = gate.limits.iter();
    lints.extend(limits.filter_map(|limit| lint_of_limit(limit, suite)));
    lints
}

/// The metrics and limits for which a run of the suite has no figures.
fn lints_of_measures(suite: &Suite, gate: &Gate) -> Vec<GateLint> {
    let mut lints = Vec::new();
    let primary = &gate.primary;
    if !suite.stream {
        let streamed_metrics = primary.iter().filter(|metric| needs_stream(**metric));
        lints.extend(streamed_metrics.copied().map(GateLint::NotStreamed));
    }
    let mut limits = gate.limits.iter();
    let gates_grades =
        primary.contains(&Metric::PassRate) || limits.any(|limit| limit.quantity.needs_grades());
    let mut prompts = suite.prompts.iter();
    if gates_grades && prompts.all(|prompt| prompt.asserts.is_empty()) {
        lints.push(GateLint::NotGraded);
    }
    if gate.against_reference && suite.variants.len() == 1 {
        lints.push(GateLint::NoCandidate);
    }
    lints
}

/// The comparisons within a run that detect too little, or seldom come to a verdict.
fn lints_of_comparisons(suite: &Suite, gate: &Gate, power: &Power) -> Vec<GateLint> {
    let mut lints = Vec::new();
    let Some(detectable) = &power.interleaved else {
        return lints;
    };
    let primary = &gate.primary;
    if let Some(smallest) = detectable.ttft
        && primary.contains(&Metric::Ttft)
        && smallest > CHANGE_MAX
    {
        lints.push(GateLint::FindsTooLittle {
            smallest,
            comparisons: power.comparisons,
        });
    }
    for &metric in primary.iter().filter(|metric| as_noisy_as_ttft(**metric)) {
        let measured = suite.stream || !needs_stream(metric);
        if let Some(ok) = power.ok_chance(gate, metric)
            && measured
            && ok < OK_CHANCE_MIN
        {
            lints.push(GateLint::Flaps {
                metric,
                margin: gate.bounds_of(metric).margin,
                ok,
                fails: gate.on_inconclusive == OnInconclusive::Fail,
            });
        }
    }
    lints
}

fn lint_of_limit(limit: &GateLimit, suite: &Suite) -> Option<GateLint> {
    let (quantity, per_prompt) = (limit.quantity, limit.per_prompt);
    let (prompts, repetitions) = (suite.prompts.len() as u64, u64::from(suite.repetitions));
    let alpha = if per_prompt {
        let prompts = usize::try_from(prompts).unwrap_or(usize::MAX);
        Alpha::FIVE_PERCENT.shared_by(prompts.max(1))
    } else {
        Alpha::FIVE_PERCENT
    };
    if let (Quantity::ErrorRate, LimitBound::Share(bound)) = (quantity, limit.bound) {
        // The answers to one prompt vary independently; those to several do so by prompt.
        let (size, each) = if per_prompt {
            (repetitions, 1)
        } else {
            (prompts, repetitions)
        };
        let reached_with = |size: u64| error_rate_bound(size, each, alpha);
        let reached = reached_with(size);
        return (reached > bound).then(|| GateLint::ErrorRateTooFine {
            bound,
            per_prompt,
            reached,
            needs: size_without_errors(bound, reached_with),
        });
    }
    let (measure, statistic) = quantity.spread()?;
    let percentile = statistic.percentile()?;
    if measure == Measure::Gap || quantity.has_minimum() {
        return None;
    }
    let answers = if per_prompt {
        repetitions
    } else {
        prompts * repetitions
    };
    let needs = percentile.min_for_bounds_at(alpha.one_side());
    (answers < needs).then(|| GateLint::NoUpperEnd {
        quantity,
        per_prompt,
        answers,
        needs,
        can_fail: order_statistics(answers, percentile.q(), alpha)
            .lower
            .is_some(),
    })
}

/// The upper end of the error rate of a run in which every trial is answered.
fn error_rate_bound(prompts: u64, repetitions: u64, alpha: Alpha) -> f64 {
    let each = u32::try_from(repetitions).unwrap_or(u32::MAX);
    let count = usize::try_from(prompts).unwrap_or(usize::MAX);
    let completed = Passes::new(each, each).and_then(|passes| rate(&vec![passes; count], alpha));
    1.0 - completed
        .and_then(|rate| rate.interval.lower)
        .unwrap_or(0.0)
}

/// The smallest size at which no errors exclude a higher error rate than `bound`.
fn size_without_errors(bound: f64, reached_with: impl Fn(u64) -> f64) -> Option<u64> {
    let (mut low, mut high) = (1, SIZE_NEEDED_MAX);
    if reached_with(high) > bound {
        return None;
    }
    while low < high {
        let middle = low.midpoint(high);
        if reached_with(middle) > bound {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Some(low)
}

/// Returns true if only streamed answers have this metric.
const fn needs_stream(metric: Metric) -> bool {
    !matches!(
        metric,
        Metric::Latency
            | Metric::OutputTokens
            | Metric::Cost
            | Metric::Completed
            | Metric::PassRate
    )
}

/// Returns true if the noise of TTFT is representative of this metric.
const fn as_noisy_as_ttft(metric: Metric) -> bool {
    matches!(
        metric,
        Metric::Ttft | Metric::Ttfa | Metric::ExperiencedTtft | Metric::Latency
    )
}
