//! Sample sizes: the requests that a comparison needs, and the changes that a run of a given size detects.
//!
//! Owns planning: noise from a pilot, repetitions, the smallest detectable change, power. Must not know prices
//! or suites. Invariant: more prompts never detect less than fewer, nor more repetitions; a goal that no number
//! of repetitions reaches is `None`.

use super::distributions::{t_cdf, t_isf};
use super::interval::{Alpha, Interval};
use super::paired::Paired;

/// Two sides, each with the variance of a median of ranks: a tenth above that of a mean.
const RANK_VARIANCE: f64 = 2.2;

/// The prior for the spread between prompts before a pilot: 0.1 squared, worth 20 prompts.
const PRIOR_SPREAD: f64 = 0.01;
const PRIOR_DF: f64 = 20.0;

/// The minimum spread between prompts, whatever a pilot shows: 0.05 squared.
const SPREAD_MIN: f64 = 0.0025;

/// The minimum number of repetitions: a single one shows no noise.
const REPETITIONS_MIN: u64 = 2;

/// Standard deviations in a median absolute difference of two independent normal values: 1 over
/// (0.6745 sqrt(2)).
const SD_OF_MEDIAN_DIFFERENCE: f64 = 1.0 / (0.6745 * std::f64::consts::SQRT_2);

/// The maximum number of prompts that is searched.
const PROMPTS_MAX: u64 = 1_000_000;

/// The noise of values, as natural logarithms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Noise {
    /// The standard deviation of repetitions of one prompt (w).
    pub within: f64,
    /// The standard deviation over prompts of the true log ratio (tau).
    pub between: f64,
}

/// The values of a pilot on one prompt: natural logarithms in the order of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PilotPrompt<'a> {
    /// The reference side.
    pub a: &'a [f64],
    /// The candidate's side.
    pub b: &'a [f64],
}

impl Noise {
    /// The noise that a pilot shows: w from the median distance of successive values of one prompt and
    /// side (so that drift hardly enters), tau^2 = max((df raw + 20 x 0.01) / (df + 20), 0.0025) with
    /// df = P - 1 and raw the variance of `D_i` less what w explains. Here order matters. `None` where the
    /// pilot cannot be compared, has one prompt, or no repetition.
    pub fn from_pilot(pilot: &[PilotPrompt<'_>]) -> Option<Self> {
        let sides: Vec<(&[f64], &[f64])> =
            pilot.iter().map(|prompt| (prompt.a, prompt.b)).collect();
        let paired = Paired::from_logs(&sides).ok()?;
        let mut distances: Vec<f64> = pilot
            .iter()
            .flat_map(|prompt| prompt.a.windows(2).chain(prompt.b.windows(2)))
            .map(|pair| (pair[1] - pair[0]).abs())
            .collect();
        distances.sort_unstable_by(f64::total_cmp);
        let within = super::quantile::quantile_f64(&distances, 0.5)? * SD_OF_MEDIAN_DIFFERENCE;
        let mean = paired.mean_log_ratio();
        let count = pilot.len() as f64;
        let variance = mean.standard_error?.powi(2) * count;
        let per_value: f64 = pilot
            .iter()
            .map(|prompt| 0.5 * (1.0 / prompt.a.len() as f64 + 1.0 / prompt.b.len() as f64))
            .sum();
        let raw = variance - RANK_VARIANCE * within * within * per_value / count;
        let df = count - 1.0;
        let spread = ((df * raw + PRIOR_DF * PRIOR_SPREAD) / (df + PRIOR_DF)).max(SPREAD_MIN);
        Some(Self {
            within,
            between: spread.sqrt(),
        })
    }

    /// The standard error of a comparison's log ratio.
    fn standard_error(self, prompts: u64, repetitions: u64) -> f64 {
        let sampling = RANK_VARIANCE * self.within * self.within / repetitions as f64;
        ((sampling + self.between * self.between) / prompts as f64).sqrt()
    }
}

/// The change that a run is to detect.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DetectionGoal {
    /// The change to detect, as a share: 0.2 for +20 %.
    pub change: f64,
    /// The tolerated change, as a share: 0.05 for +5 %.
    pub tolerance: f64,
    /// The level of the test.
    pub alpha: Alpha,
    /// The probability of detecting it: 0.8.
    pub power: f64,
}

impl DetectionGoal {
    /// ln(1 + change) - ln(1 + tolerance), if that is above 0.
    fn distance(&self) -> Option<f64> {
        let distance = self.change.ln_1p() - self.tolerance.ln_1p();
        (distance > 0.0 && distance.is_finite()).then_some(distance)
    }

    /// The repetitions that find the change on so many prompts:
    /// R = max(2, ceil(2.2 w^2 / V)), V = (distance / q)^2 P - tau^2, q = t(1 - alpha/2) + t(power).
    /// `None` where repetitions cannot do it (V not above 0) and of fewer than two prompts.
    pub fn repetitions(&self, prompts: u64, noise: Noise) -> Option<u64> {
        let room = self.room(prompts, noise)?;
        let needed = (RANK_VARIANCE * noise.within * noise.within / room).ceil();
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not below 0; a cast of what is too large saturates"
        )]
        let repetitions = needed as u64;
        Some(repetitions.max(REPETITIONS_MIN))
    }

    /// The minimum number of prompts on which enough repetitions would find the change; `None` beyond a
    /// million.
    pub fn min_prompts(&self, noise: Noise) -> Option<u64> {
        let (mut low, mut high) = (super::MIN_PROMPTS as u64, PROMPTS_MAX);
        self.room(high, noise)?;
        // More prompts leave more room: the first with any is found by halving.
        while low < high {
            let middle = low.midpoint(high);
            if self.room(middle, noise).is_some() {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Some(low)
    }

    /// V of [`Self::repetitions`]: the variance that repetitions may have.
    fn room(&self, prompts: u64, noise: Noise) -> Option<f64> {
        let q = quantiles(prompts, self.alpha, self.power)?;
        let room = (self.distance()? / q).powi(2) * prompts as f64 - noise.between.powi(2);
        (room > 0.0).then_some(room)
    }

    /// The chance that a run of this size finds the change; `None` of fewer than two prompts and of a
    /// change within the tolerance.
    pub fn power_of(&self, prompts: u64, repetitions: u64, noise: Noise) -> Option<f64> {
        let df = df(prompts)?;
        let error = noise.standard_error(prompts, repetitions.max(1));
        Some(t_cdf(
            self.distance()? / error - self.alpha.critical_t(df)?,
            df,
        ))
    }
}

/// The smallest change (0.2 for +20 %) that a run of this size finds with a chance of `power` (above 0,
/// below 1): exp(ln(1 + tolerance) + q standard errors) - 1. `None` of fewer than two prompts.
pub fn smallest_change(
    (prompts, repetitions): (u64, u64),
    noise: Noise,
    tolerance: f64,
    alpha: Alpha,
    power: f64,
) -> Option<f64> {
    let error = noise.standard_error(prompts, repetitions.max(1));
    let log = tolerance.ln_1p() + quantiles(prompts, alpha, power)? * error;
    Some(log.exp_m1())
}

/// The smallest change that a finished comparison could have found, from the width of its interval on
/// the scale of logarithms: exp(ln(1 + tolerance) + (t(1 - alpha/2) + t(power)) half width / t(1 - alpha/2)) - 1.
/// `None` without two ends.
pub fn smallest_change_seen(
    interval: Interval,
    df: f64,
    tolerance: f64,
    alpha: Alpha,
    power: f64,
) -> Option<f64> {
    let critical = alpha.critical_t(df)?;
    let scale = (critical + t_isf(1.0 - power, df)) / critical;
    let log = tolerance.ln_1p() + scale * interval.half_width()?;
    log.is_finite().then(|| log.exp_m1())
}

/// The smallest difference of two rates (0.1 for 10 points) that a run of this size finds with a chance
/// of `power`, at a rate near `rate`: q sqrt(2 p (1 - p) / (R P)). As if both models found the same prompts
/// hard: where they do not, it is larger. `None` of fewer than two prompts.
pub fn smallest_rate_change(
    (prompts, repetitions): (u64, u64),
    rate: f64,
    alpha: Alpha,
    power: f64,
) -> Option<f64> {
    let rate = rate.clamp(0.0, 1.0);
    let answers = prompts as f64 * repetitions.max(1) as f64;
    let error = (2.0 * rate * (1.0 - rate) / answers).sqrt();
    Some(quantiles(prompts, alpha, power)? * error)
}

fn df(prompts: u64) -> Option<f64> {
    (prompts >= 2).then_some(prompts as f64 - 1.0)
}

/// q = t(1 - alpha/2) + t(power), over prompts.
fn quantiles(prompts: u64, alpha: Alpha, power: f64) -> Option<f64> {
    let df = df(prompts)?;
    let q = alpha.critical_t(df)? + t_isf(1.0 - power, df);
    (q > 0.0 && q.is_finite()).then_some(q)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TYPICAL: Noise = Noise {
        within: 0.5,
        between: 0.1,
    };

    fn aim(change: f64) -> DetectionGoal {
        DetectionGoal {
            change,
            tolerance: 0.0,
            alpha: Alpha::FIVE_PERCENT,
            power: 0.8,
        }
    }

    #[test]
    fn unreachable_goals_are_none() {
        // Prompts that differ by 20 % among themselves cannot show +10 % on twenty of them.
        let noise = Noise {
            within: 0.5,
            between: 0.2,
        };
        assert_eq!(aim(0.1).repetitions(20, noise), None);
        let min_count = aim(0.1).min_prompts(noise).unwrap();
        assert!(aim(0.1).repetitions(min_count, noise).is_some());
        assert_eq!(aim(0.1).repetitions(min_count - 1, noise), None);
        // Nothing beyond the tolerance, one prompt, nonsense.
        for change in [0.0, -0.1, f64::NAN, f64::INFINITY, -2.0] {
            assert_eq!(aim(change).repetitions(20, TYPICAL), None, "{change}");
        }
        assert_eq!(aim(0.2).repetitions(1, TYPICAL), None);
        assert_eq!(
            smallest_change((1, 5), TYPICAL, 0.0, Alpha::FIVE_PERCENT, 0.8),
            None
        );
        assert_eq!(
            DetectionGoal {
                power: 1.0,
                ..aim(0.2)
            }
            .repetitions(20, TYPICAL),
            None
        );
    }

    #[test]
    fn a_pilot_without_repetitions_shows_no_noise() {
        // One value a side has no successive values; one prompt has no spread.
        let single = PilotPrompt {
            a: &[1.0],
            b: &[1.1],
        };
        assert_eq!(Noise::from_pilot(&[single; 8]), None);
        let alone = PilotPrompt {
            a: &[1.0, 1.2],
            b: &[1.1, 1.0],
        };
        assert_eq!(Noise::from_pilot(&[alone]), None);
        assert_eq!(Noise::from_pilot(&[]), None);
        // Equal prompts: w from their values, tau from the prior and its floor.
        let noise = Noise::from_pilot(&[alone; 10]).unwrap();
        assert!(
            (noise.within - 0.15 / (0.6745 * 2.0_f64.sqrt())).abs() < 1e-12,
            "{noise:?}"
        );
        assert!(noise.between >= 0.05 && noise.between <= 0.1, "{noise:?}");
    }

    proptest! {
        // A plan keeps its promise: at the repetitions found the power is there, one fewer and it is not.
        #[test]
        fn plans_keep_their_promise(
            prompts in 6..200_u64,
            change in 0.05..1.0_f64,
            within in 0.05..1.0_f64,
            between in 0.05..0.3_f64,
        ) {
            let (noise, aim) = (Noise { within, between }, aim(change));
            let Some(repetitions) = aim.repetitions(prompts, noise) else {
                // No number of repetitions has the power.
                prop_assert!(aim.power_of(prompts, u64::MAX, noise).unwrap() <= 0.8 + 1e-9);
                return Ok(());
            };
            prop_assert!(aim.power_of(prompts, repetitions, noise).unwrap() >= 0.8 - 1e-9);
            if repetitions > 2 {
                prop_assert!(aim.power_of(prompts, repetitions - 1, noise).unwrap() < 0.8 + 1e-9);
            }
            // The smallest change of that size of run is no larger than the one planned for.
            let size = (prompts, repetitions);
            let smallest = smallest_change(size, noise, 0.0, Alpha::FIVE_PERCENT, 0.8).unwrap();
            prop_assert!(smallest <= change + 1e-9);
        }

        // More of anything finds smaller changes.
        #[test]
        fn more_finds_more(prompts in 2..100_u64, repetitions in 1..50_u64, rate in 0.0..=1.0_f64) {
            let at = |p, r| smallest_change((p, r), TYPICAL, 0.05, Alpha::FIVE_PERCENT, 0.8).unwrap();
            prop_assert!(at(prompts + 1, repetitions) <= at(prompts, repetitions));
            prop_assert!(at(prompts, repetitions + 1) <= at(prompts, repetitions));
            prop_assert!(at(prompts, repetitions) > 0.05);
            let points = |p, r| smallest_rate_change((p, r), rate, Alpha::FIVE_PERCENT, 0.8).unwrap();
            prop_assert!(points(prompts + 1, repetitions + 1) <= points(prompts, repetitions));
        }

        // The width that a plan predicts leads back to the change it was planned for.
        #[test]
        fn seen_and_planned_agree(prompts in 6..100_u64, repetitions in 2..30_u64) {
            let (alpha, df) = (Alpha::FIVE_PERCENT, prompts as f64 - 1.0);
            let half = TYPICAL.standard_error(prompts, repetitions) * alpha.critical_t(df).unwrap();
            let planned = smallest_change((prompts, repetitions), TYPICAL, 0.05, alpha, 0.8).unwrap();
            let interval = Interval::new(0.3 - half, 0.3 + half);
            let seen = smallest_change_seen(interval, df, 0.05, alpha, 0.8).unwrap();
            prop_assert!((planned - seen).abs() < 1e-9);
        }
    }
}
