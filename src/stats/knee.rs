//! The saturation knee of a server, from its throughput and response times at rising loads.
//!
//! Owns the two asymptotes and where they meet: below the knee the response time (closed loop) or the throughput's
//! share of the offered rate (open loop) is constant, above it the throughput is (E. D. Lazowska et al., "Quantitative
//! System Performance", 1984, chapter 5; the two are tied by Little's law). Must not know what was measured.
//! Invariant: a knee that the levels do not enclose is an open interval, never a number.

use super::distributions::t_ppf;
use super::interval::Interval;

/// The relative deviation of a level from an asymptote that is not counted as misfit: no server has a corner.
const MODEL_ERROR: f64 = 0.02;

/// The penalty of the parameter that a knee adds to the fit, in the unit of its squares (Akaike's two, and as much
/// again, because the place of the knee is chosen as well).
const KNEE_PENALTY: f64 = 4.0;

/// A mean and its standard error relative to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// The mean, above 0.
    pub mean: f64,
    /// Standard error of its logarithm.
    pub error: f64,
    /// Degrees of freedom of the error.
    pub df: f64,
}

impl Measured {
    /// The mean of batches in rising time, with the error that their spread shows; `None` of fewer than three, and
    /// where their mean is not above 0. (Batch means: A. M. Law, "Simulation Modeling and Analysis", 2015, chapter 9.)
    pub fn from_batches(batches: &[f64]) -> Option<Self> {
        let count = batches.len() as f64;
        let mean = batches.iter().sum::<f64>() / count;
        if batches.len() < 3 || !mean.is_finite() || mean <= 0.0 {
            return None;
        }
        let squares: f64 = batches.iter().map(|batch| (batch - mean).powi(2)).sum();
        let df = count - 1.0;
        Some(Self {
            mean,
            error: (squares / df / count).sqrt() / mean,
            df,
        })
    }

    fn log(&self) -> f64 {
        self.mean.ln()
    }

    /// The inverse of the variance of its logarithm, model error included.
    fn weight(&self) -> f64 {
        1.0 / (self.error.powi(2) + MODEL_ERROR.powi(2))
    }
}

/// A level of load as it was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KneeLevel {
    /// Requests in flight (closed loop), or requests offered per second (open loop).
    pub load: f64,
    /// Answers per second.
    pub throughput: Measured,
    /// Response time in seconds.
    pub response: Measured,
}

/// The knee, in the unit of the load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Knee {
    /// Between two levels, or at one.
    Found {
        /// The estimate.
        at: f64,
        /// Its 95 % interval.
        interval: Interval,
    },
    /// Above this, the highest level: no level was saturated.
    Above(f64),
    /// At this, the lowest level, or below it.
    AtMost(f64),
}

/// A weighted mean of logarithms.
#[derive(Debug, Clone, Copy, Default)]
struct Asymptote {
    mean: f64,
    weight: f64,
    squares: f64,
    df: f64,
}

impl Asymptote {
    fn of(values: impl Iterator<Item = Measured> + Clone) -> Self {
        let weight: f64 = values.clone().map(|value| value.weight()).sum();
        let sum: f64 = values
            .clone()
            .map(|value| value.weight() * value.log())
            .sum();
        let mean = sum / weight;
        let square = |value: Measured| value.weight() * (value.log() - mean).powi(2);
        Self {
            mean,
            weight,
            squares: values.clone().map(square).sum(),
            df: values.map(|value| value.df).sum(),
        }
    }

    /// The variance of the mean.
    fn variance(&self) -> f64 {
        1.0 / self.weight
    }
}

/// A division of the levels into those below the knee and those above, and its fit.
struct Split {
    log_knee: f64,
    variance: f64,
    squares: f64,
    df: f64,
}

/// The knee of a closed loop, in requests in flight: the throughput above it times the response time below it. Levels
/// are in rising order. `None` of fewer than two.
pub fn closed_loop_knee(levels: &[KneeLevel]) -> Option<Knee> {
    let (first, last) = (levels.first()?, levels.last()?);
    if levels.len() < 2 {
        return None;
    }
    let responses =
        |levels: &[KneeLevel]| Asymptote::of(levels.iter().copied().map(|level| level.response));
    let unsaturated = responses(levels).squares;
    let splits = (1..levels.len()).map(|below| {
        let low = responses(&levels[..below]);
        let high = throughputs(&levels[below..]);
        Split {
            log_knee: low.mean + high.mean,
            variance: low.variance() + high.variance(),
            squares: low.squares + high.squares,
            df: low.df + high.df,
        }
    });
    let best = best_of(splits)?;
    if unsaturated <= best.squares + KNEE_PENALTY {
        return Some(Knee::Above(last.load));
    }
    Some(match found(&best, levels.len()) {
        Knee::Found { at, .. } if at <= first.load * (1.0 + MODEL_ERROR) => {
            Knee::AtMost(first.load)
        }
        knee => knee,
    })
}

/// The knee of an open loop, in requests per second: the throughput above it, where the offered rate exceeds it.
/// Levels are in rising order. `None` of none.
pub fn open_loop_knee(levels: &[KneeLevel]) -> Option<Knee> {
    let last = levels.last()?;
    let misfit = |level: &KneeLevel| {
        level.throughput.weight() * (level.throughput.log() - level.load.ln()).powi(2)
    };
    let unsaturated: f64 = levels.iter().map(misfit).sum();
    let splits = (0..levels.len()).map(|below| {
        let high = throughputs(&levels[below..]);
        let low: f64 = levels[..below].iter().map(misfit).sum();
        Split {
            log_knee: high.mean,
            variance: high.variance(),
            squares: low + high.squares,
            df: high.df,
        }
    });
    let best = best_of(splits)?;
    if unsaturated <= best.squares + KNEE_PENALTY {
        return Some(Knee::Above(last.load));
    }
    Some(found(&best, levels.len()))
}

fn throughputs(levels: &[KneeLevel]) -> Asymptote {
    Asymptote::of(levels.iter().copied().map(|level| level.throughput))
}

fn best_of(splits: impl Iterator<Item = Split>) -> Option<Split> {
    splits.min_by(|a, b| a.squares.total_cmp(&b.squares))
}

/// The knee of a division, with the t quantile of its batches. A misfit beyond chance widens the interval by its
/// size (R. T. Birge, "The calculation of errors by the method of least squares", 1932).
fn found(split: &Split, levels: usize) -> Knee {
    let free = (levels as f64 - 2.0).max(1.0);
    let misfit = (split.squares / free).sqrt().max(1.0);
    let half = t_ppf(0.975, split.df.max(1.0)) * split.variance.sqrt() * misfit;
    Knee::Found {
        at: split.log_knee.exp(),
        interval: Interval::new((split.log_knee - half).exp(), (split.log_knee + half).exp()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(mean: f64) -> Measured {
        Measured {
            mean,
            error: 0.01,
            df: 9.0,
        }
    }

    /// A server of `capacity` places and one second of service, in a closed loop.
    fn closed(capacity: f64, loads: &[f64]) -> Vec<KneeLevel> {
        let level = |load: &f64| KneeLevel {
            load: *load,
            throughput: measured(load.min(capacity)),
            response: measured((load / capacity).max(1.0)),
        };
        loads.iter().map(level).collect()
    }

    #[test]
    fn the_asymptotes_meet_at_the_capacity() {
        // Without noise the knee is exact, wherever it lies among the levels.
        for capacity in [2.0, 4.0, 8.0, 16.0, 40.0] {
            let Some(Knee::Found { at, interval }) =
                closed_loop_knee(&closed(capacity, &[1.0, 4.0, 16.0, 64.0]))
            else {
                panic!("no knee at {capacity}");
            };
            assert!((at - capacity).abs() < 1e-9 * capacity, "{at}");
            assert!(interval.contains(capacity));
        }
    }

    #[test]
    fn a_knee_outside_the_levels_is_no_number() {
        // A sweep that stops too early, or begins too late, must not invent a capacity.
        let loads = [4.0, 8.0, 16.0];
        assert_eq!(
            closed_loop_knee(&closed(100.0, &loads)),
            Some(Knee::Above(16.0))
        );
        assert_eq!(
            closed_loop_knee(&closed(2.0, &loads)),
            Some(Knee::AtMost(4.0))
        );
        assert_eq!(closed_loop_knee(&closed(2.0, &[4.0])), None);
        assert_eq!(open_loop_knee(&[]), None);
    }

    #[test]
    fn an_open_loop_shows_its_capacity_as_throughput() {
        let level = |load: f64| KneeLevel {
            load,
            throughput: measured(load.min(12.0)),
            response: measured(1.0),
        };
        let levels = [5.0, 10.0, 20.0, 40.0].map(level);
        let Some(Knee::Found { at, .. }) = open_loop_knee(&levels) else {
            panic!("no knee");
        };
        assert!((at - 12.0).abs() < 1e-9);
        assert_eq!(open_loop_knee(&levels[..2]), Some(Knee::Above(10.0)));
    }

    #[test]
    fn batches_state_their_error() {
        let constant = Measured::from_batches(&[2.0; 10]).unwrap();
        assert!((constant.mean - 2.0).abs() < 1e-12 && constant.error < 1e-12);
        let spread = Measured::from_batches(&[1.0, 3.0, 1.0, 3.0]).unwrap();
        // Standard deviation 1.1547, of four batches, over a mean of 2.
        assert!((spread.error - 1.154_700_538 / 2.0 / 2.0).abs() < 1e-6);
        assert_eq!(Measured::from_batches(&[1.0, 2.0]), None);
        assert_eq!(Measured::from_batches(&[0.0; 5]), None);
    }
}
