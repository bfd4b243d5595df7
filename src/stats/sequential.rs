//! Interim looks: the boundaries of a test at each look, so that all looks together have one false-alarm rate.
//!
//! Owns the boundaries of a group-sequential test. Must not know the tested quantity, nor decide to stop.
//! Invariant: by the last look at information 1 exactly the whole error rate is spent, and never more before.
//!
//! Lan and `DeMets` ("Discrete sequential boundaries for clinical trials", Biometrika 70, 1983) with a
//! spending function of O'Brien and Fleming's type, computed by the recursive numerical integration of
//! Armitage, `McPherson` and Rowe (JRSS A 132, 1969). Looks may come unplanned so long as their times do
//! not depend on the results.

use super::distributions::{normal_density, normal_isf, normal_sf, t_isf};

/// The maximum number of looks. Ten are sensible; more spend so little each that they save nothing.
pub const LOOKS_MAX: usize = 50;

/// The minimum distance of two looks, as a share of all information: nearer ones would need a finer grid than
/// they are worth.
pub const LOOKS_APART_MIN: f64 = 1e-4;

/// The number of standard deviations from 0 beyond which there is no probability (1e-16).
const REACH: f64 = 8.5;

/// Steps of the grid in one standard deviation of the next increment: the integration error is then
/// about 1e-7.
const STEPS_PER_SD: f64 = 12.0;

/// Newton steps inside a bracket; about six are needed.
const ROOT_STEPS_MAX: u32 = 100;

/// The reason why looks cannot be planned.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum LooksError {
    /// No look, or too many.
    #[error("there must be 1 to {LOOKS_MAX} looks, not {0}")]
    Count(usize),
    /// Not rising from above 0 to at most 1, or too near to each other.
    #[error("look {0} must be later than the one before it and at most at 1")]
    Order(usize),
    /// The error rate is not one.
    #[error("a one-sided error rate lies between 0 and 0.5, not at {0}")]
    Rate(f64),
}

/// The part of the error rate `one_side` that may be spent by information `u` (0 to 1):
/// 2 (1 - Phi(z / sqrt(u))) with z the (1 - `one_side`/2)-quantile. Nearly nothing early, all at 1.
pub fn spent(u: f64, one_side: f64) -> f64 {
    if u <= 0.0 {
        return 0.0;
    }
    2.0 * normal_sf(normal_isf(0.5 * one_side) / u.min(1.0).sqrt())
}

/// The z at each look that the test statistic must exceed. `information` is the share of the planned
/// rounds that each look stands on, rising, usually to 1; `one_side` is the error rate of this side (0.025,
/// or less where several comparisons share it). A run that is cut short puts 1 for its last look: it
/// spends what is left. Where next to nothing is spent yet, a boundary may be infinite.
pub fn boundaries(information: &[f64], one_side: f64) -> Result<Vec<f64>, LooksError> {
    check(information, one_side)?;
    let mut found = Vec::with_capacity(information.len());
    let mut paths: Option<Paths> = None;
    let mut before = 0.0;
    for (index, &u) in information.iter().enumerate() {
        let to_spend = spent(u, one_side) - spent(before, one_side);
        let boundary = match &paths {
            None => normal_isf(to_spend) * u.sqrt(),
            Some(paths) => paths.boundary(u, to_spend),
        };
        found.push(boundary / u.sqrt());
        if let Some(next) = information.get(index + 1) {
            let density = |s: f64| match &paths {
                None => normal_density(s / u.sqrt()) / u.sqrt(),
                Some(paths) => paths.density_at(u, s),
            };
            paths = Some(Paths::new(u, boundary, next - u, density));
        }
        before = u;
    }
    Ok(found)
}

/// The same tail area on the scale of Student's t: the critical value for CAR's t at a look.
pub fn critical_t(z: f64, df: f64) -> f64 {
    t_isf(normal_sf(z), df)
}

fn check(information: &[f64], one_side: f64) -> Result<(), LooksError> {
    if !(1..=LOOKS_MAX).contains(&information.len()) {
        return Err(LooksError::Count(information.len()));
    }
    if !(one_side > 0.0 && one_side < 0.5) {
        return Err(LooksError::Rate(one_side));
    }
    let mut before = 0.0;
    for (index, &u) in information.iter().enumerate() {
        let apart = u - before >= LOOKS_APART_MIN;
        if !(apart && u <= 1.0) {
            return Err(LooksError::Order(index + 1));
        }
        before = u;
    }
    Ok(())
}

/// The distribution of the sum S = Z sqrt(u) at a look without having crossed a boundary: its sub-density at
/// even points, each with its weight by Simpson's rule.
struct Paths {
    u: f64,
    low: f64,
    step: f64,
    weighted: Vec<f64>,
}

impl Paths {
    /// The points up to `boundary` at information `u`, fine enough for an increment of variance `next`.
    fn new(u: f64, boundary: f64, next: f64, density: impl Fn(f64) -> f64) -> Self {
        let low = -REACH * u.sqrt();
        let high = boundary.clamp(low + u.sqrt(), -low);
        let finest = next.min(u).sqrt() / STEPS_PER_SD;
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "above 0, and below 10^5 as looks are apart"
        )]
        let pairs = (0.5 * (high - low) / finest).ceil() as usize;
        let intervals = 2 * pairs.max(1);
        let step = (high - low) / intervals as f64;
        let weighted = (0..=intervals)
            .map(|index| {
                let weight = if index == 0 || index == intervals {
                    1.0
                } else if index % 2 == 1 {
                    4.0
                } else {
                    2.0
                };
                weight * step / 3.0 * density(low + index as f64 * step)
            })
            .collect();
        Self {
            u,
            low,
            step,
            weighted,
        }
    }

    /// Points within reach of `s` for an increment of standard deviation `sd`: (distance in sd, weight).
    fn near(&self, s: f64, sd: f64) -> impl Iterator<Item = (f64, f64)> {
        let last = self.weighted.len() as f64;
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to the number of points"
        )]
        let index = |at: f64| ((at - self.low) / self.step).clamp(0.0, last) as usize;
        let (first, end) = (index(s - REACH * sd), index(s + REACH * sd + self.step));
        self.weighted[first..end.max(first)]
            .iter()
            .zip(first..)
            .map(move |(weight, index)| ((s - self.low - index as f64 * self.step) / sd, *weight))
    }

    /// The sub-density of the sum at the later information `u`.
    fn density_at(&self, u: f64, s: f64) -> f64 {
        let sd = (u - self.u).sqrt();
        self.near(s, sd)
            .map(|(z, weight)| weight * normal_density(z))
            .sum::<f64>()
            / sd
    }

    /// P(S > s at the later information `u`, no boundary crossed before).
    fn above(&self, u: f64, s: f64) -> f64 {
        let sd = (u - self.u).sqrt();
        self.weighted
            .iter()
            .enumerate()
            .map(|(index, weight)| {
                weight * normal_sf((s - self.low - index as f64 * self.step) / sd)
            })
            .sum()
    }

    /// The s with P(S > s at `u`, nothing crossed before) = `to_spend`: Newton's method on the logarithm,
    /// kept inside a bracket.
    fn boundary(&self, u: f64, to_spend: f64) -> f64 {
        let (mut low, mut high) = (-REACH * u.sqrt(), 2.0 * REACH * u.sqrt());
        if to_spend.is_nan() || self.above(u, high) >= to_spend {
            return f64::INFINITY;
        }
        let mut s = 2.0 * u.sqrt();
        for _ in 0..ROOT_STEPS_MAX {
            let above = self.above(u, s);
            if above > to_spend {
                low = s;
            } else {
                high = s;
            }
            let newton = s + (above / to_spend).ln() * above / self.density_at(u, s);
            let next = if newton > low && newton < high {
                newton
            } else {
                0.5 * (low + high)
            };
            let moved = (next - s).abs();
            s = next;
            if moved <= 1e-13 {
                break;
            }
        }
        s
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand::rngs::ChaCha8Rng;

    use super::*;

    #[test]
    fn invalid_looks_are_rejected() {
        // Looks out of order, too many, none, beyond the end; an error rate that is none.
        assert_eq!(boundaries(&[], 0.025), Err(LooksError::Count(0)));
        assert_eq!(boundaries(&[0.01; 51], 0.025), Err(LooksError::Count(51)));
        for bad in [
            [0.5, 0.5],
            [0.5, 1.1],
            [0.0, 1.0],
            [f64::NAN, 1.0],
            [0.5, f64::NAN],
        ] {
            assert!(
                matches!(boundaries(&bad, 0.025), Err(LooksError::Order(_))),
                "{bad:?}"
            );
        }
        for bad in [0.0, 0.5, -1.0, f64::NAN] {
            assert!(
                matches!(boundaries(&[1.0], bad), Err(LooksError::Rate(_))),
                "{bad}"
            );
        }
    }

    #[test]
    fn random_walks_cross_as_often_as_planned() {
        // An oracle that integrates nothing: of 40,000 seeded random walks without drift, the share
        // that crosses any of five boundaries is 2.5 %, within four standard errors.
        let looks = [0.2, 0.4, 0.6, 0.8, 1.0];
        let bounds = boundaries(&looks, 0.025).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let walks: u32 = 40_000;
        let crossed = (0..walks)
            .filter(|_| {
                let mut sum = 0.0;
                looks.iter().zip(&bounds).any(|(u, bound)| {
                    sum += normal_isf(rng.random::<f64>().max(1e-300)) * 0.2_f64.sqrt();
                    sum / u.sqrt() >= *bound
                })
            })
            .count();
        let share = crossed as f64 / f64::from(walks);
        assert!((share - 0.025).abs() < 4.0 * 0.000_78, "{share}");
    }

    #[test]
    fn early_looks_may_have_no_boundary() {
        // At a thousandth of the information nothing measurable is spent: infinite, not a panic.
        let bounds = boundaries(&[0.000_2, 0.000_4, 0.001, 1.0], 0.025).unwrap();
        assert!(bounds[..3].iter().all(|bound| *bound > 8.0), "{bounds:?}");
        assert!((bounds[3] - 1.959_964).abs() < 1e-5, "{bounds:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        // Any schedule: boundaries are numbers above the fixed test's, and those of a smaller error
        // rate lie above them.
        #[test]
        fn boundaries_are_stricter_than_one_look(
            steps in prop::collection::vec(0.02..1.0_f64, 1..8),
        ) {
            let total: f64 = steps.iter().sum();
            let mut sum = 0.0;
            let looks: Vec<f64> = steps.iter().map(|step| {
                sum += step;
                (sum / total).min(1.0)
            }).collect();
            let (wide, narrow) = (boundaries(&looks, 0.025).unwrap(), boundaries(&looks, 0.01).unwrap());
            for (wide, narrow) in wide.iter().zip(&narrow) {
                prop_assert!(*wide > 1.959_963 && !wide.is_nan());
                prop_assert!(narrow >= wide);
            }
        }
    }
}
