//! The power of a suite before anything is sent: the changes it can detect.
//!
//! Owns the assumptions of this. Must not know prices. Invariant: a pure function of suite and noise; more prompts or
//! repetitions never make a detectable change larger.

use crate::stats::history::{Prior, smallest_shift};
use crate::stats::interval::Alpha;
use crate::stats::mean::Weights;
use crate::stats::size::{DetectionGoal, Noise, smallest_change, smallest_rate_change};
use crate::stats::{MIN_PROMPTS, POWER};
use crate::suite::{Gate, Metric, Suite};

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

impl Power {
    /// The probability that an unchanged time is shown to lie within its margin.
    pub(super) fn ok_chance(&self, gate: &Gate, metric: Metric) -> Option<f64> {
        ok_chance(gate, metric, (self.prompts, self.repetitions), self.noise)
    }
}

/// The probability that an unchanged time is shown to lie within its margin: the same as that of detecting a change by
/// the margin without a tolerance, in the opposite direction. The claim belongs to one metric and shares no error rate.
/// `size`: prompts and repetitions.
fn ok_chance(gate: &Gate, metric: Metric, size: (u64, u64), noise: Noise) -> Option<f64> {
    let goal = DetectionGoal {
        change: gate.bounds_of(metric).margin,
        tolerance: 0.0,
        alpha: gate_alpha(gate),
        power: POWER,
    };
    goal.power_of(size.0, size.1, noise)
}

/// The power of a suite at this noise. Without a gate, the default gate is assumed.
pub fn power(suite: &Suite, noise: Noise) -> Power {
    let gate = suite.gate.clone().unwrap_or_default();
    let worth = effective_prompts(suite);
    let size = (worth, u64::from(suite.repetitions));
    let variants = suite.variants.len() as u64;
    let candidates = (variants - 1).max(1);
    let comparisons = gate.primary.len() as u64 * candidates;
    let is_decisive = worth >= MIN_PROMPTS as u64;
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
    Power {
        noise,
        prompts: worth,
        repetitions: size.1,
        comparisons,
        interleaved,
        against_history,
    }
}

/// The smallest worsening of TTFT that is detectable against so many accepted runs, with a power of [`POWER`];
/// absent without a run, without streaming and with too few prompts.
pub fn history_power(suite: &Suite, noise: Noise, runs: u32) -> Option<f64> {
    let gate = suite.gate.clone().unwrap_or_default();
    let worth = effective_prompts(suite);
    let is_decisive = worth >= MIN_PROMPTS as u64 && suite.stream && runs > 0;
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
        let ttft_ok = || ok_chance(self.gate, Metric::Ttft, self.size, self.noise);
        Some(DetectableChanges {
            ttft: streamed.then(ttft).flatten(),
            ttft_ok: streamed.then(ttft_ok).flatten(),
            completed: drop(Metric::Completed, COMPLETED_NEAR)?,
            pass_rate: drop(Metric::PassRate, PASS_RATE_NEAR)?,
        })
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
}
