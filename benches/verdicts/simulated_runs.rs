//! Generated runs. On the scale of logarithms a request of side k, prompt i, in slot t takes
//!
//!     a_i + [k = B] (b_i + ln ratio) + run + d_t + e
//!
//! with `a_i` the prompt's level, `b_i` the prompt's effect on the change, `d_t` a drift that both sides of a
//! slot share (autoregressive, 0.95 from slot to slot), and e noise: normal, with rare outliers and rare hits
//! of a prompt cache.

use bakeoff::units::Nanos;
use bakeoff::verdict::{Evidence, Observation, PromptKey, VariantEvidence};
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};

/// Half a second, in ns: the centre of all levels.
const LEVEL_NS: f64 = 5e8;
const SPREAD_OF_CHANGE: f64 = 0.1;
const DRIFT_AUTOCORRELATION: f64 = 0.95;
const OUTLIER_SD: f64 = 0.3;
const SLOT_NS: u64 = 2_000_000_000;

/// A source of noise.
pub(crate) struct NoiseSource(ChaCha8Rng);

impl NoiseSource {
    /// Creates the noise of an experiment of a row: the same for every run of the benchmark.
    pub(crate) fn from_experiment(row: u64, experiment: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64((row << 32) | experiment))
    }

    pub(crate) fn uniform(&mut self) -> f64 {
        self.0.random::<f64>().max(f64::MIN_POSITIVE)
    }

    /// Draws a normal number with mean 0 (Box and Muller).
    pub(crate) fn normal(&mut self, sd: f64) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        sd * radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    pub(crate) fn happens(&mut self, chance: f64) -> bool {
        self.uniform() < chance
    }

    /// Gamma of scale 1 (Marsaglia and Tsang, ACM TOMS 26, 2000).
    fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let less = self.uniform().powf(1.0 / shape);
            return self.gamma(shape + 1.0) * less;
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal(1.0);
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && self.uniform().ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }

    /// Draws a prompt's own rate, so that its answers have this correlation (beta).
    pub(crate) fn rate(&mut self, mean: f64, correlation: f64) -> f64 {
        if correlation <= 0.0 {
            return mean;
        }
        let size = 1.0 / correlation - 1.0;
        let (yes, no) = (self.gamma(mean * size), self.gamma((1.0 - mean) * size));
        let sum = yes + no;
        if sum > 0.0 { yes / sum } else { mean }
    }
}

/// The parameters of the noise.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NoiseProfile {
    pub(crate) name: &'static str,
    /// Standard deviations: within a prompt, of the prompts' levels, of the drift.
    pub(crate) within: f64,
    pub(crate) levels: f64,
    pub(crate) drift: f64,
    /// Chance and factor of outliers.
    pub(crate) outliers: (f64, f64),
    /// Chance and factor of cache hits.
    pub(crate) hits: (f64, f64),
    /// True if a prompt's cache state stays for the whole run, instead of being drawn again.
    pub(crate) sticky: bool,
}

pub(crate) const CALM: NoiseProfile = NoiseProfile {
    name: "calm",
    within: 0.30,
    levels: 0.30,
    drift: 0.03,
    outliers: (0.02, 3.0),
    hits: (0.0, 1.0),
    sticky: false,
};
pub(crate) const TYPICAL: NoiseProfile = NoiseProfile {
    name: "typical",
    within: 0.50,
    levels: 0.45,
    drift: 0.05,
    outliers: (0.05, 5.0),
    ..CALM
};
pub(crate) const CACHE: NoiseProfile = NoiseProfile {
    name: "cache",
    hits: (0.3, 0.4),
    ..TYPICAL
};
pub(crate) const ROUGH: NoiseProfile = NoiseProfile {
    name: "rough",
    within: 0.80,
    levels: 0.60,
    drift: 0.10,
    ..CACHE
};
pub(crate) const STICKY: NoiseProfile = NoiseProfile {
    name: "sticky cache",
    sticky: true,
    ..CACHE
};

impl NoiseProfile {
    /// The noise of one request; `hit` where the cache state is already known.
    pub(crate) fn noise(&self, noise: &mut NoiseSource, hit: Option<bool>) -> f64 {
        let mut sum = noise.normal(self.within);
        if noise.happens(self.outliers.0) {
            sum += self.outliers.1.ln() + noise.normal(OUTLIER_SD);
        }
        let hit = hit.unwrap_or_else(|| noise.happens(self.hits.0));
        if hit { sum + self.hits.1.ln() } else { sum }
    }
}

/// The drift from slot to slot.
struct SlotDrift {
    sd: f64,
    at: f64,
}

impl SlotDrift {
    fn begin(noise: &mut NoiseSource, sd: f64) -> Self {
        let at = noise.normal(sd);
        Self { sd, at }
    }

    fn next(&mut self, noise: &mut NoiseSource) -> f64 {
        let now = self.at;
        let fresh = (1.0 - DRIFT_AUTOCORRELATION * DRIFT_AUTOCORRELATION).sqrt();
        self.at = DRIFT_AUTOCORRELATION * now + fresh * noise.normal(self.sd);
        now
    }
}

/// The size of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RunDesign {
    pub(crate) prompts: usize,
    pub(crate) repetitions: usize,
}

/// One side of a run: how much it lies above the levels of the prompts, on the scale of logarithms.
pub(crate) struct RunSide {
    pub(crate) label: &'static str,
    pub(crate) by_prompt: Vec<f64>,
}

impl RunSide {
    /// Creates the reference, or the same model on another day.
    pub(crate) fn plain(label: &'static str, prompts: usize) -> Self {
        Self {
            label,
            by_prompt: vec![0.0; prompts],
        }
    }

    /// Creates another model: its effect differs by prompt.
    pub(crate) fn other(
        label: &'static str,
        prompts: usize,
        ratio: f64,
        noise: &mut NoiseSource,
    ) -> Self {
        let change = |_| noise.normal(SPREAD_OF_CHANGE) + ratio.ln();
        Self {
            label,
            by_prompt: (0..prompts).map(change).collect(),
        }
    }
}

/// Draws the levels of prompts.
pub(crate) fn levels(profile: NoiseProfile, prompts: usize, noise: &mut NoiseSource) -> Vec<f64> {
    (0..prompts).map(|_| noise.normal(profile.levels)).collect()
}

/// A run of these sides: rounds of all prompts in random order, all sides in a slot at the same moment. Only
/// TTFT is measured. `run` is how much the whole run lies above others.
pub(crate) fn run(
    (profile, design): (NoiseProfile, RunDesign),
    levels: &[f64],
    sides: &[RunSide],
    run: f64,
    noise: &mut NoiseSource,
) -> Evidence {
    let mut variants: Vec<VariantEvidence> = sides
        .iter()
        .map(|side| VariantEvidence {
            label: side.label.to_owned(),
            model: format!("made/{}", side.label).parse().expect("a model id"),
            prompts: vec![Vec::new(); design.prompts],
        })
        .collect();
    let stuck: Vec<Vec<bool>> = sides
        .iter()
        .map(|_| {
            let drawn = levels.iter().map(|_| noise.happens(profile.hits.0));
            drawn.collect()
        })
        .collect();
    let mut drift = SlotDrift::begin(noise, profile.drift);
    let mut order: Vec<usize> = (0..design.prompts).collect();
    let mut slot = 0;
    for round in 1..=design.repetitions {
        order.shuffle(&mut noise.0);
        for &prompt in &order {
            let shared = run + drift.next(noise);
            for (index, side) in sides.iter().enumerate() {
                let hit = profile.sticky.then(|| stuck[index][prompt]);
                let log = levels[prompt] + side.by_prompt[prompt] + shared;
                let seconds = (log + profile.noise(noise, hit)).exp();
                let observed = answer(round, slot, LEVEL_NS * seconds);
                variants[index].prompts[prompt].push(observed);
            }
            slot += 1;
        }
    }
    Evidence {
        prompts: prompts(design.prompts),
        variants,
        sharing: Vec::new(),
        part_starts: Vec::new(),
        providers: Vec::new(),
        limited: Vec::new(),
    }
}

pub(crate) fn prompts(count: usize) -> Vec<PromptKey> {
    let key = |prompt| PromptKey {
        id: format!("p{prompt}").into(),
        digest: format!("digest of {prompt}").into(),
        weight: 1.0,
    };
    (0..count).map(key).collect()
}

/// An answer with a TTFT only.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "times are positive and far below 2^53 ns"
)]
pub(crate) fn answer(round: usize, slot: u64, ttft_ns: f64) -> Observation {
    Observation {
        round: u32::try_from(round).expect("few rounds"),
        slot: u32::try_from(slot).expect("few slots"),
        sent_ns: Nanos(slot * SLOT_NS),
        ttft_ns: Some(Nanos(ttft_ns.round() as u64)).into(),
        ..Observation::UNKNOWN
    }
}
