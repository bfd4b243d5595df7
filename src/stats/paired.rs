//! Two sides that answered the same prompts.
//!
//! Owns the check that makes a comparison possible: at least one prompt, and on every prompt at least
//! one value of each side. Must not know procedures. Invariant: all numbers are finite natural
//! logarithms in rising order, and there is one weight a prompt.

use super::hodges_lehmann;
use super::mean::{Mean, Weights};
use super::order::sort_floats;

/// The logarithms of one prompt's values on both sides, in rising order.
#[derive(Debug, Clone, PartialEq)]
pub struct Sides {
    a: Vec<f64>,
    b: Vec<f64>,
}

impl Sides {
    /// The reference side, in rising order.
    pub fn a(&self) -> &[f64] {
        &self.a
    }

    /// The candidate's side, in rising order.
    pub fn b(&self) -> &[f64] {
        &self.b
    }

    /// The number of values of both sides together.
    pub fn len(&self) -> usize {
        self.a.len() + self.b.len()
    }

    /// Always false: both sides have values. A type with `len` needs it.
    pub fn is_empty(&self) -> bool {
        false
    }
}

/// The logarithms of two sides' values on the same prompts.
#[derive(Debug, Clone, PartialEq)]
pub struct Paired {
    prompts: Vec<Sides>,
    weights: Weights,
}

/// The reason why numbers do not make two sides; prompts count from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PairedError {
    /// There is no prompt at all.
    #[error("there is no prompt with values on both sides")]
    NoPrompt,
    /// A side of a prompt has no value.
    #[error("prompt {0} has no value on one side")]
    EmptySide(usize),
    /// A value is not finite, or (where a logarithm is taken) not above 0.
    #[error("prompt {0} has a value that is not a positive finite number")]
    NotPositive(usize),
    /// There are more or fewer weights than prompts.
    #[error("there are {weights} weights for {prompts} prompts")]
    Weights {
        /// The number of weights.
        weights: usize,
        /// The number of prompts.
        prompts: usize,
    },
}

impl Paired {
    /// Two sides from positive values (times, tokens), one pair (reference, candidate) a prompt.
    pub fn new<A: AsRef<[f64]>, B: AsRef<[f64]>>(prompts: &[(A, B)]) -> Result<Self, PairedError> {
        Self::build(prompts, f64::ln)
    }

    /// Two sides from natural logarithms.
    pub fn from_logs<A: AsRef<[f64]>, B: AsRef<[f64]>>(
        prompts: &[(A, B)],
    ) -> Result<Self, PairedError> {
        Self::build(prompts, |log| log)
    }

    fn build<A: AsRef<[f64]>, B: AsRef<[f64]>>(
        prompts: &[(A, B)],
        log: impl Fn(f64) -> f64,
    ) -> Result<Self, PairedError> {
        if prompts.is_empty() {
            return Err(PairedError::NoPrompt);
        }
        let side = |index: usize, values: &[f64]| {
            if values.is_empty() {
                return Err(PairedError::EmptySide(index));
            }
            let mut logs: Vec<f64> = values.iter().map(|&value| log(value)).collect();
            if !logs.iter().all(|log| log.abs() <= LOG_MAX) {
                return Err(PairedError::NotPositive(index));
            }
            sort_floats(&mut logs);
            Ok(logs)
        };
        let prompts: Vec<Sides> = prompts
            .iter()
            .enumerate()
            .map(|(index, (a, b))| {
                Ok(Sides {
                    a: side(index, a.as_ref())?,
                    b: side(index, b.as_ref())?,
                })
            })
            .collect::<Result<_, PairedError>>()?;
        let weights = Weights::equal(prompts.len());
        Ok(Self { prompts, weights })
    }

    /// The same sides with other weights, one a prompt.
    pub fn with_weights(self, weights: Weights) -> Result<Self, PairedError> {
        let counts = (weights.shares().len(), self.prompts.len());
        if counts.0 != counts.1 {
            let (weights, prompts) = counts;
            return Err(PairedError::Weights { weights, prompts });
        }
        Ok(Self { weights, ..self })
    }

    /// The same sides without one prompt, the others with the same weights relative to each other; `None` if it is the
    /// only one.
    pub fn without(&self, absent: usize) -> Option<Self> {
        let others = |index: &usize| *index != absent;
        let indices: Vec<usize> = (0..self.prompts.len()).filter(others).collect();
        let shares: Vec<f64> = (indices.iter())
            .map(|&index| self.weights.shares()[index])
            .collect();
        Some(Self {
            weights: Weights::new(&shares)?,
            prompts: (indices.iter())
                .map(|&index| self.prompts[index].clone())
                .collect(),
        })
    }

    /// The same comparison with the sides exchanged.
    #[must_use]
    pub fn swapped(self) -> Self {
        let swap = |Sides { a, b }| Sides { a: b, b: a };
        Self {
            prompts: self.prompts.into_iter().map(swap).collect(),
            weights: self.weights,
        }
    }

    /// The prompts, in the order they were given.
    pub fn prompts(&self) -> &[Sides] {
        &self.prompts
    }

    /// One weight a prompt.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// `D_i`, one a prompt: the median of all ln b - ln a, the prompt's robust log ratio. For tables,
    /// planning and the simple procedure below.
    pub fn log_ratios(&self) -> Vec<f64> {
        self.prompts
            .iter()
            .map(|sides| {
                hodges_lehmann::shift(&sides.a, &sides.b)
                    .expect("both sides have values, and their logarithms are far from overflow")
            })
            .collect()
    }

    /// The simple comparison (P4): the mean of `D_i` with Student's t over prompts. As valid as
    /// [`super::car`] and in closed form, with a little less power, or much less where prompts
    /// differ in noise.
    pub fn mean_log_ratio(&self) -> Mean {
        Mean::weighted(&self.log_ratios(), &self.weights)
            .expect("there is a prompt, one weight each, and the ratios are finite")
    }
}

/// The largest logarithm of a float; also the range in which rounding preserves differences of 1e-12.
const LOG_MAX: f64 = 750.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incomparable_numbers_are_rejected() {
        // A `Paired` need not be checked again: every invalid input is an error.
        let none: [([f64; 0], [f64; 0]); 0] = [];
        assert_eq!(Paired::new(&none), Err(PairedError::NoPrompt));
        let empty: [(&[f64], &[f64]); 2] = [(&[1.0], &[1.0]), (&[], &[1.0])];
        assert_eq!(Paired::new(&empty), Err(PairedError::EmptySide(1)));
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(
                Paired::new(&[([bad], [1.0])]),
                Err(PairedError::NotPositive(0)),
                "{bad}"
            );
        }
        for bad in [f64::NAN, f64::NEG_INFINITY, 1e300] {
            let logs = Paired::from_logs(&[([bad], [1.0])]);
            assert_eq!(logs, Err(PairedError::NotPositive(0)), "{bad}");
        }
        let one = Paired::new(&[([f64::MIN_POSITIVE], [f64::MAX])]).unwrap();
        let two = one.with_weights(Weights::equal(2)).unwrap_err();
        assert_eq!(two.to_string(), "there are 2 weights for 1 prompts");
    }

    #[test]
    fn a_prompt_can_be_left_out() {
        // The rest is what it would be if the prompt had never been there, weights included.
        let prompts = [
            ([3.0, 1.0], [2.0]),
            ([5.0, 4.0], [6.0]),
            ([9.0, 7.0], [8.0]),
        ];
        let weighted = |prompts: &[([f64; 2], [f64; 1])], shares: &[f64]| {
            let weights = Weights::new(shares).unwrap();
            Paired::new(prompts).unwrap().with_weights(weights).unwrap()
        };
        let all = weighted(&prompts, &[1.0, 2.0, 3.0]);
        let shares = all.weights().shares().to_vec();
        let others = weighted(&[prompts[0], prompts[2]], &[shares[0], shares[2]]);
        assert_eq!(all.without(1), Some(others));
        let one = Paired::new(&prompts[..1]).unwrap();
        assert_eq!(one.without(0), None);
    }
}
