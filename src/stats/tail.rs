//! The tail test: compares the shares of values far above what is usual for their prompt.
//!
//! Owns the common threshold and the shares beyond it. Must not know what is measured. Invariant:
//! both sides are measured against one threshold, so that exchanging them changes only signs.

use super::mean::Mean;
use super::paired::Paired;
use super::quantile::{quantile_f64, quantile_unsorted};

/// The share of values below the common threshold. A tenth in the tail leaves enough values to
/// count on up to 500 a side.
pub const TAIL_FROM: f64 = 0.9;

/// A value this near to the threshold lies on it: subtracting medians leaves rounding errors.
const TIES_WITHIN: f64 = 1e-12;

/// The shares beyond the common threshold.
#[derive(Debug, Clone, PartialEq)]
pub struct Tail {
    /// The threshold: how far above its prompt's median a value's logarithm must lie.
    pub threshold: f64,
    /// The share of all of a's values beyond it.
    pub share_a: f64,
    /// The share of all of b's values beyond it.
    pub share_b: f64,
    /// b's share less a's, prompt by prompt.
    pub differences: Vec<f64>,
    /// Their (weighted) mean, for t, p and interval.
    pub difference: Mean,
}

/// Both sides of a prompt, less the prompt's median.
type Aligned = (Vec<f64>, Vec<f64>);

/// Aligns every value on its prompt's median (both sides), takes the `from`-quantile (type 8) of all
/// aligned values as threshold, and compares the shares beyond it prompt by prompt. O(N).
pub fn compare(paired: &Paired, from: f64) -> Tail {
    let mut all = Vec::new();
    let aligned: Vec<Aligned> = paired
        .prompts()
        .map(|sides| {
            let mut both = sides.both().concat();
            // Two sides in order are merged; sorting without keeping equal ones in order would not see that.
            both.sort_by(f64::total_cmp);
            let centre = quantile_f64(&both, 0.5).expect("both sides have values");
            let align =
                |logs: &[f64]| -> Vec<f64> { logs.iter().map(|log| log - centre).collect() };
            all.extend(both.iter().map(|log| log - centre));
            (align(sides.a()), align(sides.b()))
        })
        .collect();
    let threshold = quantile_unsorted(&mut all, from).expect("there is a prompt");
    let above = |log: &&f64| **log - threshold > TIES_WITHIN;
    let beyond = |logs: &[f64]| logs.iter().filter(above).count();
    let share = |logs: &[f64]| beyond(logs) as f64 / logs.len() as f64;
    let differences: Vec<f64> = aligned.iter().map(|(a, b)| share(b) - share(a)).collect();
    let total = |side: fn(&Aligned) -> &[f64]| {
        let count: usize = aligned.iter().map(|prompt| side(prompt).len()).sum();
        let found: usize = aligned.iter().map(|prompt| beyond(side(prompt))).sum();
        found as f64 / count as f64
    };
    Tail {
        threshold,
        share_a: total(|prompt| &prompt.0),
        share_b: total(|prompt| &prompt.1),
        difference: Mean::weighted(&differences, paired.weights())
            .expect("there is a prompt, one weight each, and shares are finite"),
        differences,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_values_have_no_tail() {
        // Nothing lies above a threshold that everything meets: shares of 0, not of 1.
        let paired = Paired::new(&vec![([5.0; 4], [5.0; 4]); 6]).unwrap();
        let tail = compare(&paired, TAIL_FROM);
        assert_eq!((tail.share_a, tail.share_b), (0.0, 0.0));
        assert_eq!(tail.difference.t(0.0), Some(0.0));
    }

    #[test]
    fn a_tail_on_one_side_is_found() {
        // One of b's five values on each prompt is ten times the usual: a fifth of b, none of a.
        let b = [100.0, 101.0, 99.0, 98.0, 1000.0];
        let paired = Paired::new(&vec![([100.0, 101.0, 99.0, 98.0, 102.0], b); 8]).unwrap();
        let tail = compare(&paired, TAIL_FROM);
        assert!((tail.share_b - 0.2).abs() < 1e-12 && tail.share_a.abs() < 1e-12);
        assert_eq!(tail.difference.p_greater(0.0), Some(0.0));
    }

    proptest! {
        // Exchanging the sides exchanges shares and signs.
        #[test]
        fn sides_are_alike(
            prompts in prop::collection::vec(
                (prop::collection::vec(1.0..9.0_f64, 1..6), prop::collection::vec(1.0..9.0_f64, 1..6)),
                1..12,
            ),
        ) {
            let paired = Paired::new(&prompts).unwrap();
            let there = compare(&paired, TAIL_FROM);
            let back = compare(&paired.swapped(), TAIL_FROM);
            prop_assert!((there.difference.estimate + back.difference.estimate).abs() < 1e-12);
            prop_assert!((there.share_a - back.share_b).abs() < 1e-12);
            prop_assert!((there.threshold - back.threshold).abs() < 1e-12);
        }
    }
}
