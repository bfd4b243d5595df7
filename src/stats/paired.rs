//! Two sides that answered the same prompts.
//!
//! Owns the check that makes a comparison possible: at least one prompt, and on every prompt at least
//! one value of each side. Must not know procedures. Invariant: the numbers of a [`Paired`] are finite natural
//! logarithms, those of a side in rising order, and there is one weight a prompt.

use super::hodges_lehmann;
use super::mean::{Mean, Weights};
use super::order::sort_floats;

/// The values of one prompt on both sides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sides<'a> {
    a: &'a [f64],
    b: &'a [f64],
}

impl<'a> Sides<'a> {
    /// The reference side.
    pub fn a(self) -> &'a [f64] {
        self.a
    }

    /// The candidate's side.
    pub fn b(self) -> &'a [f64] {
        self.b
    }

    /// Both sides, the reference first.
    pub fn both(self) -> [&'a [f64]; 2] {
        [self.a, self.b]
    }

    /// The number of values of both sides together.
    pub fn count(self) -> usize {
        self.a.len() + self.b.len()
    }
}

/// The values of two sides, prompt by prompt: one piece of memory, since many prompts have one value a side.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PromptValues {
    values: Vec<f64>,
    /// Where the values of each prompt's two sides end.
    ends: Vec<[u32; 2]>,
}

impl PromptValues {
    /// No values, with room for so many.
    pub fn with_capacity(prompts: usize, values: usize) -> Self {
        Self {
            values: Vec::with_capacity(values),
            ends: Vec::with_capacity(prompts),
        }
    }

    /// Adds a prompt if both sides have values, and returns their numbers.
    pub fn push(
        &mut self,
        a: impl IntoIterator<Item = f64>,
        b: impl IntoIterator<Item = f64>,
    ) -> (usize, usize) {
        let from = self.values.len();
        self.values.extend(a);
        let middle = self.values.len();
        self.values.extend(b);
        let end = self.values.len();
        if from < middle && middle < end {
            self.ends.push([middle, end].map(to_place));
        } else {
            self.values.truncate(from);
        }
        (middle - from, end - middle)
    }

    /// The number of prompts.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns true if there is no prompt.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The number of values of all prompts.
    pub fn value_count(&self) -> usize {
        self.values.len()
    }

    /// The prompts, in the order in which they were added.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Sides<'_>> + Clone {
        let mut from = 0;
        self.ends.iter().map(move |&[middle, end]| {
            let (middle, end) = (middle as usize, end as usize);
            let (a, b) = (&self.values[from..middle], &self.values[middle..end]);
            from = end;
            Sides { a, b }
        })
    }

    /// The same without one prompt.
    #[must_use]
    pub fn without(&self, absent: usize) -> Self {
        let mut rest = Self::with_capacity(self.len(), self.value_count());
        for (_, sides) in (self.iter().enumerate()).filter(|(index, _)| *index != absent) {
            rest.push(sides.a.iter().copied(), sides.b.iter().copied());
        }
        rest
    }
}

fn to_place(values: usize) -> u32 {
    u32::try_from(values).expect("memory holds fewer values")
}

/// The logarithms of two sides' values on the same prompts.
#[derive(Debug, Clone, PartialEq)]
pub struct Paired {
    logs: PromptValues,
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
        Self::build(slices(prompts), f64::ln)
    }

    /// The same of values that lie together.
    pub fn from_values(values: &PromptValues) -> Result<Self, PairedError> {
        Self::build(values.iter().map(|sides| (sides.a, sides.b)), f64::ln)
    }

    /// Two sides from natural logarithms.
    pub fn from_logs<A: AsRef<[f64]>, B: AsRef<[f64]>>(
        prompts: &[(A, B)],
    ) -> Result<Self, PairedError> {
        Self::build(slices(prompts), |log| log)
    }

    fn build<'a>(
        prompts: impl ExactSizeIterator<Item = (&'a [f64], &'a [f64])> + Clone,
        log: impl Fn(f64) -> f64,
    ) -> Result<Self, PairedError> {
        if prompts.len() == 0 {
            return Err(PairedError::NoPrompt);
        }
        let values = prompts.clone().map(|(a, b)| a.len() + b.len()).sum();
        let mut logs = PromptValues::with_capacity(prompts.len(), values);
        let (mut sorted_a, mut sorted_b) = (Vec::new(), Vec::new());
        for (index, (a, b)) in prompts.enumerate() {
            for (side, sorted) in [(a, &mut sorted_a), (b, &mut sorted_b)] {
                if side.is_empty() {
                    return Err(PairedError::EmptySide(index));
                }
                sorted.clear();
                sorted.extend(side.iter().map(|&value| log(value)));
                if !sorted.iter().all(|log| log.abs() <= LOG_MAX) {
                    return Err(PairedError::NotPositive(index));
                }
                sort_floats(sorted);
            }
            logs.push(sorted_a.drain(..), sorted_b.drain(..));
        }
        let weights = Weights::equal(logs.len());
        Ok(Self { logs, weights })
    }

    /// The same sides with other weights, one a prompt.
    pub fn with_weights(self, weights: Weights) -> Result<Self, PairedError> {
        let counts = (weights.shares().len(), self.logs.len());
        if counts.0 != counts.1 {
            let (weights, prompts) = counts;
            return Err(PairedError::Weights { weights, prompts });
        }
        Ok(Self { weights, ..self })
    }

    /// The same sides without one prompt, the others with the same weights relative to each other; `None` if it is the
    /// only one.
    pub fn without(&self, absent: usize) -> Option<Self> {
        let mut shares = self.weights.shares().to_vec();
        shares.remove(absent);
        Some(Self {
            weights: Weights::new(&shares)?,
            logs: self.logs.without(absent),
        })
    }

    /// The same comparison with the sides exchanged.
    #[must_use]
    pub fn swapped(self) -> Self {
        let mut logs = PromptValues::with_capacity(self.logs.len(), self.logs.value_count());
        for Sides { a, b } in self.logs.iter() {
            logs.push(b.iter().copied(), a.iter().copied());
        }
        Self { logs, ..self }
    }

    /// The number of prompts.
    pub fn prompt_count(&self) -> usize {
        self.logs.len()
    }

    /// The number of values of both sides together.
    pub fn value_count(&self) -> usize {
        self.logs.value_count()
    }

    /// The prompts, in the order they were given; the values of a side are in rising order.
    pub fn prompts(&self) -> impl ExactSizeIterator<Item = Sides<'_>> + Clone {
        self.logs.iter()
    }

    /// One weight a prompt.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// `D_i`, one a prompt: the median of all ln b - ln a, the prompt's robust log ratio. For tables,
    /// planning and the simple procedure below.
    pub fn log_ratios(&self) -> Vec<f64> {
        self.prompts()
            .map(|sides| {
                hodges_lehmann::shift(sides.a, sides.b)
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

/// The slices of pairs of lists.
fn slices<A: AsRef<[f64]>, B: AsRef<[f64]>>(
    prompts: &[(A, B)],
) -> impl ExactSizeIterator<Item = (&[f64], &[f64])> + Clone {
    prompts.iter().map(|(a, b)| (a.as_ref(), b.as_ref()))
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
