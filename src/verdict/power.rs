//! The power of a suite before anything is sent: the changes it can detect, and gates that cannot work.
//!
//! Owns what is worth a warning. Must not know how a warning is worded, nor prices. Invariant: a pure function
//! of suite and noise; more prompts or repetitions never add a warning about noise.

use crate::stats::history::{Prior, smallest_shift};
use crate::stats::interval::Alpha;
use crate::stats::mean::Weights;
use crate::stats::quantile_interval::order_statistics;
use crate::stats::rates::{Passes, rate};
use crate::stats::size::{DetectionGoal, Noise, smallest_change, smallest_rate_change};
use crate::stats::{FEWEST_PROMPTS, POWER};
use crate::suite::{Gate, GateLimit, LimitBound, Measure, Metric, OnInconclusive, Quantity, Suite};

use super::interleaved::gate_alpha;

/// The noise that is assumed where no run is available: published series of hosted models lie around it.
pub const TYPICAL_NOISE: Noise = Noise {
    within: 0.5,
    between: 0.1,
};

/// The share of completed trials from which a drop is measured.
pub const COMPLETED_NEAR: f64 = 0.95;

/// The pass rate from which a drop is measured.
pub const PASS_RATE_NEAR: f64 = 0.8;

/// The number of past runs that a history is assumed to have.
pub const PAST_RUNS: u32 = 10;

/// Below this probability of *ok* for an unchanged run, a gate is unreliable.
const OK_CHANCE_MIN: f64 = 0.5;

/// A gate that can only detect a slowdown to more than twice the time detects nothing that would go unnoticed.
const CHANGE_MAX: f64 = 1.0;

/// The largest number of prompts that is suggested for an error rate: no suite is larger.
const SIZE_NEEDED_MAX: u64 = 10_000;

/// The power of a suite.
#[derive(Debug, Clone, PartialEq)]
pub struct Power {
    /// The assumed noise.
    pub noise: Noise,
    /// The effective number of prompts: as many equally weighted ones.
    pub prompts: u64,
    /// Repetitions of each prompt.
    pub repetitions: u64,
    /// Primary comparisons that share the error rate.
    pub comparisons: u64,
    /// The changes that are detectable against the reference of the same run; absent with a single variant and
    /// with fewer prompts than a verdict needs.
    pub interleaved: Option<DetectableChanges>,
    /// The smallest worsening of TTFT that is detectable against [`PAST_RUNS`] runs of a history; absent
    /// without streaming and with too few prompts.
    pub against_history: Option<f64>,
    /// Problems of the gate.
    pub lints: Vec<Lint>,
}

/// The changes that comparisons within a run detect with a power of [`POWER`], tolerances included.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectableChanges {
    /// The smallest worsening of TTFT (0.3 for +30 %); absent without streaming.
    pub ttft: Option<f64>,
    /// The probability that an unchanged TTFT is *ok*, that is within its margin.
    pub ttft_ok: Option<f64>,
    /// The smallest drop of the share of completed trials, near [`COMPLETED_NEAR`].
    pub completed: f64,
    /// The smallest drop of a pass rate, near [`PASS_RATE_NEAR`].
    pub pass_rate: f64,
}

/// A problem of a gate that keeps it from working.
#[derive(Debug, Clone, PartialEq)]
pub enum Lint {
    /// Too few prompts for a verdict.
    FewPrompts {
        /// The effective number of prompts.
        worth: u64,
        /// The actual number of prompts.
        prompts: u64,
    },
    /// A metric of streamed answers, without streaming.
    NotStreamed(Metric),
    /// A pass rate, without grading.
    NotGraded,
    /// `against_reference` with a single variant.
    NoCandidate,
    /// Only a slowdown to more than twice the time is detectable.
    FindsTooLittle {
        /// The smallest detectable worsening of TTFT.
        smallest: f64,
        /// Primary comparisons that share the error rate.
        comparisons: u64,
    },
    /// An unchanged run would often be inconclusive.
    Flaps {
        /// The metric.
        metric: Metric,
        /// The margin of the metric.
        margin: f64,
        /// The probability that an unchanged run is *ok*.
        ok: f64,
        /// True if inconclusive runs fail.
        fails: bool,
    },
    /// A limit on a percentile that so few answers cannot bound from above: it is never met.
    NoUpperEnd {
        /// The limited quantity.
        quantity: Quantity,
        /// True if each prompt must meet it alone.
        per_prompt: bool,
        /// Answers of each variant, or of each of its prompts.
        answers: u64,
        /// The number of answers that would suffice.
        needs: u64,
        /// True if the answers can at least show that the limit is exceeded.
        can_fail: bool,
    },
    /// A limit on errors that even a run without errors cannot show to be met.
    ErrorRateTooFine {
        /// The bound of the limit.
        bound: f64,
        /// True if each prompt must meet it alone.
        per_prompt: bool,
        /// The upper end of the interval of a run, or of a prompt, without errors.
        reached: f64,
        /// The number of prompts, or of repetitions, that would suffice; absent if no suite is that large.
        needs: Option<u64>,
    },
}

/// The power of a suite at this noise. Without a gate, the default gate is assumed, and only problems that
/// concern every suite are reported.
pub fn power(suite: &Suite, noise: Noise) -> Power {
    let gate = suite.gate.clone().unwrap_or_default();
    let prompts = suite.prompts.len() as u64;
    let worth = effective_prompts(suite);
    let size = (worth, u64::from(suite.repetitions));
    let variants = suite.variants.len() as u64;
    let candidates = (variants - 1).max(1);
    let comparisons = gate.primary.len() as u64 * candidates;
    let is_decisive = worth >= FEWEST_PROMPTS as u64;
    let calculation = PowerCalculation {
        gate: &gate,
        size,
        noise,
        shared: gate_alpha(&gate).shared_by(usize::try_from(comparisons).unwrap_or(usize::MAX)),
    };
    let interleaved = (is_decisive && variants > 1)
        .then(|| calculation.detectable_changes(suite.stream))
        .flatten();
    let against_history =
        (is_decisive && suite.stream).then(|| calculation.against_history(variants, PAST_RUNS));
    let mut lints = Vec::new();
    if !is_decisive {
        lints.push(Lint::FewPrompts { worth, prompts });
    }
    if suite.gate.is_some() {
        lints.extend(calculation.lints_of_comparisons(suite, interleaved.as_ref(), comparisons));
        lints.extend(calculation.lints_of_limits(prompts));
    }
    Power {
        noise,
        prompts: worth,
        repetitions: size.1,
        comparisons,
        interleaved,
        against_history,
        lints,
    }
}

/// The smallest worsening of TTFT that is detectable against so many accepted runs, with a power of [`POWER`];
/// absent without a run, without streaming and with too few prompts.
pub fn history_power(suite: &Suite, noise: Noise, runs: u32) -> Option<f64> {
    let gate = suite.gate.clone().unwrap_or_default();
    let worth = effective_prompts(suite);
    let is_decisive = worth >= FEWEST_PROMPTS as u64 && suite.stream && runs > 0;
    let calculation = PowerCalculation {
        gate: &gate,
        size: (worth, u64::from(suite.repetitions)),
        noise,
        shared: shared_alpha(suite),
    };
    is_decisive.then(|| calculation.against_history(suite.variants.len() as u64, runs))
}

/// The effective number of prompts of a suite (as many equally weighted ones), rounded down.
pub fn effective_prompts(suite: &Suite) -> u64 {
    let weights: Vec<f64> = suite.prompts.iter().map(|prompt| prompt.weight).collect();
    let worth = Weights::new(&weights).map_or(0.0, |weights| weights.effective_count());
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the number of prompts"
    )]
    let whole = worth as u64;
    whole
}

/// The level of each primary comparison of a suite: its gate's alpha, shared by all of them.
pub fn shared_alpha(suite: &Suite) -> Alpha {
    let gate = suite.gate.clone().unwrap_or_default();
    let candidates = suite.variants.len().saturating_sub(1).max(1);
    gate_alpha(&gate).shared_by(gate.primary.len() * candidates)
}

/// The inputs that all power calculations of one suite share.
struct PowerCalculation<'a> {
    gate: &'a Gate,
    /// Prompts and repetitions.
    size: (u64, u64),
    noise: Noise,
    /// The level of one primary comparison of a run.
    shared: Alpha,
}

impl PowerCalculation<'_> {
    fn detectable_changes(&self, streamed: bool) -> Option<DetectableChanges> {
        let tolerance = |metric| self.gate.bounds_of(metric).tolerance;
        let drop = |metric, near| {
            let change = smallest_rate_change(self.size, near, self.shared, POWER)?;
            Some(tolerance(metric) + change)
        };
        let ttft = || {
            let tolerance = tolerance(Metric::Ttft);
            smallest_change(self.size, self.noise, tolerance, self.shared, POWER)
        };
        Some(DetectableChanges {
            ttft: streamed.then(ttft).flatten(),
            ttft_ok: streamed.then(|| self.ok_chance(Metric::Ttft)).flatten(),
            completed: drop(Metric::Completed, COMPLETED_NEAR)?,
            pass_rate: drop(Metric::PassRate, PASS_RATE_NEAR)?,
        })
    }

    /// The probability that an unchanged time is shown to lie within its margin: the same as that of detecting
    /// a change by the margin without a tolerance, in the opposite direction. The claim belongs to one metric
    /// and shares no error rate.
    fn ok_chance(&self, metric: Metric) -> Option<f64> {
        let goal = DetectionGoal {
            change: self.gate.bounds_of(metric).margin,
            tolerance: 0.0,
            alpha: gate_alpha(self.gate),
            power: POWER,
        };
        let (prompts, repetitions) = self.size;
        goal.power_of(prompts, repetitions, self.noise)
    }

    /// The sampling variance of a run's level is that of one side; the rest comes from the prior.
    fn against_history(&self, variants: u64, runs: u32) -> f64 {
        /// Variance of a median of ranks relative to a mean.
        const RANK_VARIANCE: f64 = 1.1;
        let (prompts, repetitions) = self.size;
        let Noise { within, between } = self.noise;
        let of_prompt =
            RANK_VARIANCE * within * within / repetitions as f64 + 0.5 * between * between;
        let run_sd = (Prior::default().sd.powi(2) + of_prompt / prompts as f64).sqrt();
        let family = self.gate.primary.len() * usize::try_from(variants).unwrap_or(usize::MAX);
        let alpha = gate_alpha(self.gate).shared_by(family);
        let shift = smallest_shift(run_sd, 1.0, f64::from(runs), alpha);
        let tolerance = self.gate.bounds_of(Metric::Ttft).tolerance;
        (tolerance.ln_1p() + shift).exp_m1()
    }

    fn lints_of_comparisons(
        &self,
        suite: &Suite,
        detectable: Option<&DetectableChanges>,
        comparisons: u64,
    ) -> Vec<Lint> {
        let mut lints = Vec::new();
        let primary = &self.gate.primary;
        if !suite.stream {
            let streamed_metrics = primary.iter().filter(|metric| needs_stream(**metric));
            lints.extend(streamed_metrics.copied().map(Lint::NotStreamed));
        }
        let limits_grade = || {
            let mut limits = self.gate.limits.iter();
            limits.any(|limit| limit.quantity.needs_grades())
        };
        let grades = suite
            .prompts
            .iter()
            .any(|prompt| !prompt.asserts.is_empty());
        if !grades && (primary.contains(&Metric::PassRate) || limits_grade()) {
            lints.push(Lint::NotGraded);
        }
        if self.gate.against_reference && suite.variants.len() == 1 {
            lints.push(Lint::NoCandidate);
        }
        let Some(detectable) = detectable else {
            return lints;
        };
        if let Some(smallest) = detectable.ttft
            && primary.contains(&Metric::Ttft)
            && smallest > CHANGE_MAX
        {
            lints.push(Lint::FindsTooLittle {
                smallest,
                comparisons,
            });
        }
        for &metric in primary.iter().filter(|metric| as_noisy_as_ttft(**metric)) {
            let measured = suite.stream || !needs_stream(metric);
            if let Some(ok) = self.ok_chance(metric)
                && measured
                && ok < OK_CHANCE_MIN
            {
                lints.push(Lint::Flaps {
                    metric,
                    margin: self.gate.bounds_of(metric).margin,
                    ok,
                    fails: self.gate.on_inconclusive == OnInconclusive::Fail,
                });
            }
        }
        lints
    }

    fn lints_of_limits(&self, prompts: u64) -> Vec<Lint> {
        let limits = self.gate.limits.iter();
        limits
            .filter_map(|limit| self.lint_of_limit(limit, prompts))
            .collect()
    }

    fn lint_of_limit(&self, limit: &GateLimit, prompts: u64) -> Option<Lint> {
        let (quantity, per_prompt) = (limit.quantity, limit.per_prompt);
        let repetitions = self.size.1;
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
            return (reached > bound).then(|| Lint::ErrorRateTooFine {
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
        let needs = percentile.fewest_for_bounds_at(alpha.one_side());
        (answers < needs).then(|| Lint::NoUpperEnd {
            quantity,
            per_prompt,
            answers,
            needs,
            can_fail: order_statistics(answers, percentile.q(), alpha)
                .lower
                .is_some(),
        })
    }
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

#[cfg(test)]
mod tests;
