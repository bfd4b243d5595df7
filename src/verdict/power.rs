//! What a suite can tell before anything is sent: the changes it finds, and gates that cannot work.
//!
//! Owns what is worth a warning. Must not know how it is worded, nor prices. Invariant: a pure function of
//! suite and noise; more prompts or repetitions never make a warning about noise appear.

use crate::stats::FEWEST_PROMPTS;
use crate::stats::history::{Prior, smallest_shift};
use crate::stats::interval::Alpha;
use crate::stats::mean::Weights;
use crate::stats::quantile::Percentile;
use crate::stats::quantile_interval::order_statistics;
use crate::stats::rates::{Passes, rate};
use crate::stats::size::{Aim, Noise, smallest_change, smallest_rate_change};
use crate::suite::{Gate, LimitBound, Metric, OnInconclusive, Quantity, Suite};

/// The noise that is assumed where no run shows it: published series of hosted models lie around it.
pub const TYPICAL_NOISE: Noise = Noise {
    within: 0.5,
    between: 0.1,
};

/// The chance with which a change that is called found is found.
pub const POWER: f64 = 0.8;

/// The share of completed trials that changes are counted from.
pub const COMPLETED_NEAR: f64 = 0.95;

/// The pass rate that changes are counted from.
pub const PASS_RATE_NEAR: f64 = 0.8;

/// Past runs that a history is assumed to hold.
pub const PAST_RUNS: u32 = 10;

/// An unchanged run that is told `ok` less often than this makes a gate flap.
const OK_CHANCE_MIN: f64 = 0.5;

/// A gate that finds only what is more than twice as slow finds nothing that would not be noticed.
const CHANGE_MAX: f64 = 1.0;

/// Prompts that an error rate may be said to need; beyond, nobody looks.
const PROMPTS_TOLD_MAX: u64 = 10_000;

/// What a suite can tell.
#[derive(Debug, Clone, PartialEq)]
pub struct Power {
    /// What was assumed.
    pub noise: Noise,
    /// As many equally weighted prompts as the suite's are worth.
    pub prompts: u64,
    /// Repetitions of each.
    pub repetitions: u64,
    /// Primary comparisons that share the error rate.
    pub comparisons: u64,
    /// What candidates are judged by against the reference of the same run; absent of a single variant
    /// and of fewer prompts than a verdict needs.
    pub interleaved: Option<Found>,
    /// The smallest worsening of TTFT that is found against [`PAST_RUNS`] runs of a history; absent
    /// without streaming and of too few prompts.
    pub against_history: Option<f64>,
    /// What is wrong with the gate.
    pub lints: Vec<Lint>,
}

/// What comparisons within a run find with a chance of [`POWER`], tolerances included.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The smallest worsening of TTFT (0.3 for +30 %); absent where nothing is streamed.
    pub ttft: Option<f64>,
    /// The chance that a TTFT which did not change is told `ok`, that is within its margin.
    pub ttft_ok: Option<f64>,
    /// The smallest drop of the share of completed trials, near [`COMPLETED_NEAR`].
    pub completed: f64,
    /// The smallest drop of a pass rate, near [`PASS_RATE_NEAR`].
    pub pass_rate: f64,
}

/// A gate that cannot do what it is for.
#[derive(Debug, Clone, PartialEq)]
pub enum Lint {
    /// Fewer prompts than a verdict can stand on.
    FewPrompts {
        /// As many equally weighted ones as they are worth.
        worth: u64,
        /// As many as there are.
        prompts: u64,
    },
    /// A metric of streamed answers, without streaming.
    NotStreamed(Metric),
    /// A pass rate, where nothing grades answers.
    NotGraded,
    /// `against_reference` of a single variant.
    NoCandidate,
    /// Only what is more than twice as slow is found.
    FindsTooLittle {
        /// The smallest worsening of TTFT that is found.
        smallest: f64,
        /// Primary comparisons that share the error rate.
        comparisons: u64,
    },
    /// An unchanged run would often be inconclusive.
    Flaps {
        /// Of which metric.
        metric: Metric,
        /// Its margin.
        margin: f64,
        /// The chance that an unchanged run is told `ok`.
        ok: f64,
        /// Whether inconclusive runs fail.
        fails: bool,
    },
    /// A limit on a percentile that so few answers cannot bound from above: never kept.
    NoUpperEnd {
        /// The limit.
        quantity: Quantity,
        /// Answers of each variant.
        answers: u64,
        /// Answers that would do.
        needs: u64,
        /// Whether they can at least show that it is broken.
        can_fail: bool,
    },
    /// A limit on errors that a run without any error does not show to be kept.
    ErrorRateTooFine {
        /// The limit.
        bound: f64,
        /// The upper end of the interval of a run without errors.
        reached: f64,
        /// Prompts that would do; absent beyond what anybody has.
        needs_prompts: Option<u64>,
    },
}

/// What a suite can tell at this noise. Where it has no gate, that of the default one is told, and
/// only what concerns every suite is warned of.
pub fn power(suite: &Suite, noise: Noise) -> Power {
    let gate = suite.gate.clone().unwrap_or_default();
    let asked = suite.prompts.len() as u64;
    let worth = prompts_worth(suite);
    let size = (worth, u64::from(suite.repetitions));
    let variants = suite.variants.len() as u64;
    let compared = (variants - 1).max(1);
    let comparisons = gate.primary.len() as u64 * compared;
    let decides = worth >= FEWEST_PROMPTS as u64;
    let judge = Judge {
        gate: &gate,
        size,
        noise,
        shared: alpha_of(&gate).shared_by(usize::try_from(comparisons).unwrap_or(usize::MAX)),
    };
    let interleaved = (decides && variants > 1)
        .then(|| judge.found(suite.stream))
        .flatten();
    let against_history = (decides && suite.stream).then(|| judge.against_history(variants));
    let mut lints = Vec::new();
    if !decides {
        lints.push(Lint::FewPrompts {
            worth,
            prompts: asked,
        });
    }
    if suite.gate.is_some() {
        lints.extend(judge.lints_of_comparisons(suite, interleaved.as_ref(), comparisons));
        lints.extend(judge.lints_of_limits(asked));
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

/// As many equally weighted prompts as those of a suite are worth, rounded down.
pub fn prompts_worth(suite: &Suite) -> u64 {
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
    let compared = suite.variants.len().saturating_sub(1).max(1);
    alpha_of(&gate).shared_by(gate.primary.len() * compared)
}

fn alpha_of(gate: &Gate) -> Alpha {
    Alpha::new(gate.alpha).unwrap_or(Alpha::FIVE_PERCENT)
}

/// What all forecasts of one suite share.
struct Judge<'a> {
    gate: &'a Gate,
    /// Prompts and repetitions.
    size: (u64, u64),
    noise: Noise,
    /// The level of one primary comparison of a run.
    shared: Alpha,
}

impl Judge<'_> {
    fn found(&self, streamed: bool) -> Option<Found> {
        let tolerance = |metric| self.gate.bounds_of(metric).tolerance;
        let drop = |metric, near| {
            let change = smallest_rate_change(self.size, near, self.shared, POWER)?;
            Some(tolerance(metric) + change)
        };
        let ttft = || {
            let tolerance = tolerance(Metric::Ttft);
            smallest_change(self.size, self.noise, tolerance, self.shared, POWER)
        };
        Some(Found {
            ttft: streamed.then(ttft).flatten(),
            ttft_ok: streamed.then(|| self.ok_chance(Metric::Ttft)).flatten(),
            completed: drop(Metric::Completed, COMPLETED_NEAR)?,
            pass_rate: drop(Metric::PassRate, PASS_RATE_NEAR)?,
        })
    }

    /// The chance that a time which did not change is told to lie within its margin: the same as that of
    /// finding a change by the margin without a tolerance, seen from the other side. The claim is a metric's own
    /// and shares no error rate.
    fn ok_chance(&self, metric: Metric) -> Option<f64> {
        let aim = Aim {
            change: self.gate.bounds_of(metric).margin,
            tolerance: 0.0,
            alpha: alpha_of(self.gate),
            power: POWER,
        };
        let (prompts, repetitions) = self.size;
        aim.power_of(prompts, repetitions, self.noise)
    }

    /// Of a run's level the sampling variance is that of one side, the rest is the prior's.
    fn against_history(&self, variants: u64) -> f64 {
        /// A median of ranks, against a mean.
        const RANK_VARIANCE: f64 = 1.1;
        let (prompts, repetitions) = self.size;
        let Noise { within, between } = self.noise;
        let of_prompt =
            RANK_VARIANCE * within * within / repetitions as f64 + 0.5 * between * between;
        let run_sd = (Prior::default().sd.powi(2) + of_prompt / prompts as f64).sqrt();
        let family = self.gate.primary.len() * usize::try_from(variants).unwrap_or(usize::MAX);
        let alpha = alpha_of(self.gate).shared_by(family);
        let shift = smallest_shift(run_sd, 1.0, f64::from(PAST_RUNS), alpha);
        let tolerance = self.gate.bounds_of(Metric::Ttft).tolerance;
        (tolerance.ln_1p() + shift).exp_m1()
    }

    fn lints_of_comparisons(
        &self,
        suite: &Suite,
        found: Option<&Found>,
        comparisons: u64,
    ) -> Vec<Lint> {
        let mut lints = Vec::new();
        let primary = &self.gate.primary;
        if !suite.stream {
            let of_stream = primary.iter().filter(|metric| needs_stream(**metric));
            lints.extend(of_stream.copied().map(Lint::NotStreamed));
        }
        let limits_grade = || {
            let mut limits = self.gate.limits.iter();
            limits.any(|limit| limit.quantity == Quantity::PassRate)
        };
        if primary.contains(&Metric::PassRate) || limits_grade() {
            lints.push(Lint::NotGraded);
        }
        if self.gate.against_reference && suite.variants.len() == 1 {
            lints.push(Lint::NoCandidate);
        }
        let Some(found) = found else {
            return lints;
        };
        if let Some(smallest) = found.ttft
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
        let repetitions = self.size.1;
        let answers = prompts * repetitions;
        let lint = |quantity, bound| match (quantity, bound) {
            (Quantity::Time { percent, .. }, _) => {
                let named = |percentile: &Percentile| percentile.percent() == u64::from(percent);
                let needs = Percentile::ALL.into_iter().find(named)?.fewest_for_bounds();
                let q = f64::from(percent) / 100.0;
                (answers < needs).then(|| Lint::NoUpperEnd {
                    quantity,
                    answers,
                    needs,
                    can_fail: order_statistics(answers, q, Alpha::FIVE_PERCENT)
                        .lower
                        .is_some(),
                })
            }
            (Quantity::ErrorRate, LimitBound::Share(bound)) => {
                let reached = errors_not_excluded(prompts, repetitions);
                (reached > bound).then(|| Lint::ErrorRateTooFine {
                    bound,
                    reached,
                    needs_prompts: prompts_without_errors(bound, repetitions),
                })
            }
            _ => None,
        };
        let limits = self.gate.limits.iter();
        limits
            .filter_map(|limit| lint(limit.quantity, limit.bound))
            .collect()
    }
}

/// The upper end of the error rate of a run in which every trial is answered.
fn errors_not_excluded(prompts: u64, repetitions: u64) -> f64 {
    let each = u32::try_from(repetitions).unwrap_or(u32::MAX);
    let count = usize::try_from(prompts).unwrap_or(usize::MAX);
    let completed =
        Passes::new(each, each).and_then(|passes| rate(&vec![passes; count], Alpha::FIVE_PERCENT));
    1.0 - completed
        .and_then(|rate| rate.interval.lower)
        .unwrap_or(0.0)
}

/// The fewest prompts of which a run without errors excludes a higher error rate.
fn prompts_without_errors(bound: f64, repetitions: u64) -> Option<u64> {
    let (mut low, mut high) = (1, PROMPTS_TOLD_MAX);
    if errors_not_excluded(high, repetitions) > bound {
        return None;
    }
    while low < high {
        let middle = low.midpoint(high);
        if errors_not_excluded(middle, repetitions) > bound {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Some(low)
}

/// Whether only streamed answers have it.
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

/// Whether the noise of TTFT says something of this metric's.
const fn as_noisy_as_ttft(metric: Metric) -> bool {
    matches!(
        metric,
        Metric::Ttft | Metric::Ttfa | Metric::ExperiencedTtft | Metric::Latency
    )
}

#[cfg(test)]
mod tests;
