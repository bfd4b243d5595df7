//! The instants of an open loop: when each request of a stage is due.
//!
//! Owns their derivation from a seed. Must not know what is sent then. Invariant: the same stage, seed and number give
//! the same instants; they never fall, and lie within the stage.

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use crate::suite::{ArrivalProcess, RateStage};
use crate::units::Nanos;

/// Fills the generator's key after seed and stage, so that no other use of the seed draws the same numbers.
const KEY_TAG: &[u8; 16] = b"bakeoff arrivals";

/// The instants of one stage since its beginning, in order.
///
/// A rate r(t) has the expected number of arrivals L(t), the integral of r from 0 to t. Arrival k is due where L(t)
/// is k (counted from 0) for equal intervals, and where L(t) is the sum of k + 1 independent exponential numbers of
/// mean 1 for a Poisson process (time rescaling: Cinlar, "Introduction to Stochastic Processes", 1975, chapter 4).
#[derive(Debug)]
pub struct Arrivals {
    stage: RateStage,
    /// The generator of a Poisson process.
    rng: Option<ChaCha8Rng>,
    /// Expected arrivals up to the next one.
    expected: f64,
}

impl Arrivals {
    /// The instants of the stage of this number in its load.
    pub fn new(stage: RateStage, seed: u64, number: usize) -> Self {
        let rng = (stage.arrivals == ArrivalProcess::Poisson).then(|| {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&seed.to_le_bytes());
            key[8..16].copy_from_slice(&(number as u64).to_le_bytes());
            key[16..].copy_from_slice(KEY_TAG);
            ChaCha8Rng::from_seed(key)
        });
        let mut arrivals = Self {
            stage,
            rng,
            expected: 0.0,
        };
        if arrivals.rng.is_some() {
            arrivals.expected = arrivals.interval();
        }
        arrivals
    }

    /// The next interval in expected arrivals: 1, or an exponential number of mean 1.
    fn interval(&mut self) -> f64 {
        match &mut self.rng {
            None => 1.0,
            // 53 random bits are a number in [0, 1): its distance from 1 is never 0.
            Some(rng) => {
                let uniform = (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
                -(1.0 - uniform).ln()
            }
        }
    }
}

impl Iterator for Arrivals {
    type Item = Nanos;

    fn next(&mut self) -> Option<Nanos> {
        let due = instant(&self.stage, self.expected)?;
        self.expected += self.interval();
        Some(due)
    }
}

/// The instant up to which so many arrivals are expected; `None` after the end of the stage.
///
/// The solution of from t + (to - from) t^2 / (2 length) = expected, in the form that holds for equal rates as well.
fn instant(stage: &RateStage, expected: f64) -> Option<Nanos> {
    let (from, to) = (stage.from_per_second, stage.to_per_second);
    let slope = (to - from) / stage.duration_ns.as_secs_f64();
    let root = from.powi(2) + 2.0 * slope * expected;
    if expected >= stage.expected_arrivals() || root < 0.0 {
        return None;
    }
    let seconds = 2.0 * expected / (from + root.sqrt());
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and within a day"
    )]
    let nanos = (seconds * 1e9).round() as u64;
    Some(Nanos(nanos.min(stage.duration_ns.0)))
}

/// The largest distance between the share of arrivals so far and the share that was planned, at any instant: the
/// statistic of Kolmogorov and Smirnov. `instants` are in order, since the beginning of the stage. 0 of none.
pub fn distance_to_plan(stage: &RateStage, instants: &[Nanos]) -> f64 {
    let length = stage.duration_ns.as_secs_f64();
    let slope = (stage.to_per_second - stage.from_per_second) / length;
    let expected = |at: Nanos| {
        let t = at.as_secs_f64().min(length);
        (stage.from_per_second * t + slope * t.powi(2) / 2.0) / stage.expected_arrivals()
    };
    let count = instants.len() as f64;
    let distances = instants.iter().enumerate().map(|(index, at)| {
        let planned = expected(*at);
        let (before, after) = (index as f64 / count, (index + 1) as f64 / count);
        (planned - before).abs().max((after - planned).abs())
    });
    distances.fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stage(from: f64, to: f64, arrivals: ArrivalProcess, seconds: u64) -> RateStage {
        let duration = Nanos::from_millis(seconds * 1_000);
        RateStage::new((from, to), arrivals, duration).unwrap()
    }

    #[test]
    fn equal_intervals_are_exact() {
        // 20 a second are 50 ms apart, and five seconds have a hundred of them.
        let stage = stage(20.0, 20.0, ArrivalProcess::Constant, 5);
        let instants: Vec<Nanos> = Arrivals::new(stage, 1, 0).collect();
        assert_eq!(instants.len(), 100);
        for (index, at) in (0_u64..).zip(&instants) {
            assert_eq!(*at, Nanos::from_millis(index * 50));
        }
    }

    #[test]
    fn a_ramp_sends_more_and_more() {
        // From 0 (nearly) to 20 a second in 10 s: 100 requests, a quarter of them in the first half.
        let stage = stage(0.001, 20.0, ArrivalProcess::Constant, 10);
        let instants: Vec<Nanos> = Arrivals::new(stage, 1, 0).collect();
        assert_eq!(instants.len(), 101);
        let early = instants
            .iter()
            .filter(|at| **at < Nanos::from_millis(5_000));
        assert_eq!(early.count(), 26);
        // Down as well: from 20 to (nearly) none.
        let down = RateStage {
            from_per_second: stage.to_per_second,
            to_per_second: stage.from_per_second,
            ..stage
        };
        let instants: Vec<Nanos> = Arrivals::new(down, 1, 0).collect();
        let early = instants
            .iter()
            .filter(|at| **at < Nanos::from_millis(5_000));
        assert_eq!((instants.len(), early.count()), (101, 76));
    }

    #[test]
    fn stages_and_seeds_have_arrivals_of_their_own() {
        let stage = stage(50.0, 50.0, ArrivalProcess::Poisson, 10);
        let instants = |seed, number| Arrivals::new(stage, seed, number).collect::<Vec<_>>();
        assert_eq!(instants(1, 0), instants(1, 0));
        assert_ne!(instants(1, 0), instants(2, 0));
        assert_ne!(instants(1, 0), instants(1, 1));
    }

    #[test]
    fn the_distance_finds_what_is_not_the_plan() {
        // The test of the tests: arrivals in the first half of the stage alone are half a stage off.
        let stage = stage(100.0, 100.0, ArrivalProcess::Constant, 10);
        let instants: Vec<Nanos> = Arrivals::new(stage, 1, 0).collect();
        assert!(distance_to_plan(&stage, &instants) <= 0.001 + 1e-9);
        let early: Vec<Nanos> = instants.iter().map(|at| Nanos(at.0 / 2)).collect();
        assert!((distance_to_plan(&stage, &early) - 0.5).abs() < 0.01);
    }

    proptest! {
        // Instants are in order and inside; their number and their distribution are those of the process. The
        // bounds are exceeded once in a billion cases: 6.1 standard deviations, and Kolmogorov's law at 3.27.
        #[test]
        fn arrivals_follow_their_process(
            from in 1.0_f64..200.0, to in 1.0_f64..200.0, seconds in 5_u64..100, seed: u64, poisson: bool,
        ) {
            let arrivals = if poisson { ArrivalProcess::Poisson } else { ArrivalProcess::Constant };
            let stage = stage(from, to, arrivals, seconds);
            let instants: Vec<Nanos> = Arrivals::new(stage, seed, 3).collect();
            prop_assert!(instants.is_sorted());
            prop_assert!(instants.iter().all(|at| *at <= stage.duration_ns));
            let (count, expected) = (instants.len() as f64, stage.expected_arrivals());
            let distance = distance_to_plan(&stage, &instants);
            if poisson {
                prop_assert!((count - expected).abs() <= 6.1 * expected.sqrt() + 1.0, "{count} of {expected}");
                prop_assert!(distance * count.sqrt() <= 3.27, "{distance}");
            } else {
                prop_assert!((count - expected).abs() <= 1.0, "{count} of {expected}");
                prop_assert!(distance <= 2.0 / count, "{distance}");
            }
        }

        // The intervals of a Poisson process are exponential: their deviation equals their mean, not 0.
        #[test]
        fn poisson_intervals_are_exponential(seed: u64) {
            let stage = stage(100.0, 100.0, ArrivalProcess::Poisson, 100);
            let instants: Vec<Nanos> = Arrivals::new(stage, seed, 0).collect();
            let gaps: Vec<f64> = instants.windows(2).map(|two| two[1].since(two[0]).as_secs_f64() * 100.0).collect();
            let exceeding = |level: f64| gaps.iter().filter(|gap| **gap > level).count() as f64 / gaps.len() as f64;
            for level in [0.2, 1.0, 2.5] {
                prop_assert!((exceeding(level) - (-level).exp()).abs() < 0.035, "{level}");
            }
        }
    }
}
