//! Shares of answers: the rate of passes or failures, and tests of differences.
//!
//! Owns the intervals and tests of rates. Must not know the meaning of a success. Invariant: a rate and its
//! interval lie within 0 and 1, a difference within -1 and 1; repetitions of one prompt count as much as they
//! inform.

use super::distributions::{binomial_cdf, normal_sf};
use super::interval::{Alpha, Interval};
use super::mean::Mean;

/// The answers to one prompt and the number that passed: at least one answer, and no more passes than answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passes {
    passed: u32,
    of: u32,
}

impl Passes {
    /// Returns `None` for no answers and for more passes than answers.
    pub const fn new(passed: u32, of: u32) -> Option<Self> {
        if of > 0 && passed <= of {
            Some(Self { passed, of })
        } else {
            None
        }
    }

    /// The number of answers.
    pub const fn answers(self) -> u32 {
        self.of
    }

    /// The share that passed.
    pub fn rate(self) -> f64 {
        f64::from(self.passed) / f64::from(self.of)
    }
}

/// A rate over several prompts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// The number of prompts.
    pub prompts: usize,
    /// The number of answers.
    pub answers: u64,
    /// The number that passed.
    pub passed: u64,
    /// The share that passed.
    pub estimate: f64,
    /// The number of independent answers that these count as, for an interval by the normal quantile.
    pub effective_answers: f64,
    /// Its interval; always with both bounds.
    pub interval: Interval,
}

impl Rate {
    /// The upper limit of the rate if none (or all) passed: the probability of seeing none if the rate were
    /// higher is below `one_side`. 1 - `one_side`^(1/n), the "rule of three"; meaningful only if no or all
    /// answers passed.
    pub fn upper_of_none(&self, one_side: f64) -> f64 {
        if self.effective_answers <= 0.0 {
            return 1.0;
        }
        -(one_side.ln() / self.effective_answers).exp_m1()
    }
}

/// Wilson's interval of `passed` out of `of` ("Probable inference, the law of succession, and
/// statistical inference", JASA 22, 1927); both may be effective, fractional numbers. All of [0, 1]
/// where `of` is not above 0.
pub fn wilson(passed: f64, of: f64, alpha: Alpha) -> Interval {
    wilson_at(passed, of, alpha.critical_z())
}

/// The same, with `z` standard errors on each side.
fn wilson_at(passed: f64, of: f64, z: f64) -> Interval {
    if of.is_nan() || of <= 0.0 {
        return Interval::new(0.0, 1.0);
    }
    let square = z.powi(2);
    let p = (passed / of).clamp(0.0, 1.0);
    let centre = p + square / (2.0 * of);
    let half = (square * (p * (1.0 - p) / of + square / (4.0 * of * of))).sqrt();
    let scale = 1.0 + square / of;
    // At the ends the two terms are equal in arithmetic, not quite in floating point.
    let lower = if p > 0.0 {
        (centre - half) / scale
    } else {
        0.0
    };
    let upper = if p < 1.0 {
        (centre + half) / scale
    } else {
        1.0
    };
    Interval::new(lower.clamp(0.0, 1.0), upper.clamp(0.0, 1.0))
}

/// A rate with prompts as clusters; `None` of no prompt.
///
/// The answers count as n / deff (z / t)^2 independent ones: deff = clamp(variance between prompts / variance of
/// independent answers, 1, R) measures how little repetitions add, and (z / t)^2 allows for estimating it from P
/// prompts. Where all answers agree there is no such estimate, and they count as P, however many they are; with
/// one answer per prompt they count as themselves. Then Wilson's interval.
pub fn rate(prompts: &[Passes], alpha: Alpha) -> Option<Rate> {
    let count = prompts.len();
    let answers: u64 = prompts.iter().map(|prompt| u64::from(prompt.of)).sum();
    let passed: u64 = prompts.iter().map(|prompt| u64::from(prompt.passed)).sum();
    let shares: Vec<f64> = prompts.iter().map(|prompt| prompt.rate()).collect();
    let mean = Mean::from_values(&shares)?;
    let (n, estimate) = (answers as f64, passed as f64 / answers as f64);
    let all_agree = passed == 0 || passed == answers;
    let effective_answers = if all_agree || answers == count as u64 {
        count as f64
    } else {
        let repetitions = n / count as f64;
        let independent = estimate * (1.0 - estimate) / n;
        let effect = match mean.standard_error {
            Some(error) if independent > 0.0 => {
                (error * error / independent).clamp(1.0, repetitions)
            }
            _ => repetitions,
        };
        // One prompt gives no information about similar prompts.
        let paid = alpha
            .critical_t(mean.df)
            .map_or(0.0, |t| alpha.critical_z() / t);
        n / effect * paid * paid
    };
    Some(Rate {
        prompts: count,
        answers,
        passed,
        estimate,
        effective_answers,
        interval: wilson(estimate * effective_answers, effective_answers, alpha),
    })
}

/// The difference of two rates on the same prompts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateDifference {
    /// b's rate minus a's, the mean over prompts, for t and p. Without spread over the prompts there is no
    /// meaningful t: see `equal_on_all`.
    pub mean: Mean,
    /// The interval of the difference.
    pub interval: Interval,
    /// True if the difference is the same on every prompt: no test, and the interval is Newcombe's, with each
    /// prompt as one pair.
    pub equal_on_all: bool,
}

/// b's rate less a's on the same prompts, pairs (a, b): Student's t of the differences of each prompt
/// (the paired, clustered standard error of Miller, "Adding error bars to evals", arXiv 2411.00640).
/// `None` of no prompt.
pub fn paired_difference(prompts: &[(Passes, Passes)], alpha: Alpha) -> Option<RateDifference> {
    let differences: Vec<f64> = prompts.iter().map(|(a, b)| b.rate() - a.rate()).collect();
    let mean = Mean::from_values(&differences)?;
    let equal_on_all = mean.standard_error.is_none_or(|error| error <= 0.0);
    let interval = if equal_on_all {
        newcombe_paired(&PairCounts::expected(prompts), alpha)
    } else {
        mean.interval(alpha).map(|end| end.clamp(-1.0, 1.0))
    };
    Some(RateDifference {
        mean,
        interval,
        equal_on_all,
    })
}

/// Pairs of answers to the same prompts, counted by who passed. Numbers may be expected, fractional
/// ones; they are at least 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairCounts {
    /// Both passed.
    pub both: f64,
    /// Only the first.
    pub first: f64,
    /// Only the second.
    pub second: f64,
    /// Neither.
    pub neither: f64,
}

impl PairCounts {
    /// Each prompt as one pair, the candidate (b) first; where a prompt's answers differ, the counts
    /// to be expected of one answer a side.
    fn expected(prompts: &[(Passes, Passes)]) -> Self {
        let sum = |share: fn(f64, f64) -> f64| {
            prompts.iter().map(|(a, b)| share(b.rate(), a.rate())).sum()
        };
        Self {
            both: sum(|first, second| first * second),
            first: sum(|first, second| first * (1.0 - second)),
            second: sum(|first, second| (1.0 - first) * second),
            neither: sum(|first, second| (1.0 - first) * (1.0 - second)),
        }
    }

    fn total(&self) -> f64 {
        self.both + self.first + self.second + self.neither
    }
}

/// The interval of first rate less second, of paired answers: method 10 of Newcombe, "Improved confidence
/// intervals for the difference between binomial proportions based on paired data" (Statistics in Medicine
/// 17, 1998), with its continuity-corrected phi. All of [-1, 1] of no pairs.
pub fn newcombe_paired(pairs: &PairCounts, alpha: Alpha) -> Interval {
    newcombe_paired_at(pairs, alpha.critical_z())
}

/// The same at a normal score instead of the level that it stands for.
pub fn newcombe_paired_at(pairs: &PairCounts, z: f64) -> Interval {
    let n = pairs.total();
    if n.is_nan() || n <= 0.0 {
        return Interval::new(-1.0, 1.0);
    }
    let (first, second) = (pairs.both + pairs.first, pairs.both + pairs.second);
    let product = first * (n - first) * second * (n - second);
    let cross = pairs.both * pairs.neither - pairs.first * pairs.second;
    let corrected = if cross > 0.0 {
        (cross - 0.5 * n).max(0.0)
    } else {
        cross
    };
    let phi = if product > 0.0 {
        corrected / product.sqrt()
    } else {
        0.0
    };
    difference_of_scores((first, n), (second, n), phi, z)
}

/// The interval of first rate less second, of independent answers, each (passed, out of): the hybrid score
/// method 10 of Newcombe, "Interval estimation for the difference between independent proportions"
/// (Statistics in Medicine 17, 1998). All of [-1, 1] where one has no answers.
pub fn newcombe_unpaired(first: (u64, u64), second: (u64, u64), alpha: Alpha) -> Interval {
    unpaired_at(first, second, alpha.critical_z())
}

fn unpaired_at(first: (u64, u64), second: (u64, u64), z: f64) -> Interval {
    if first.1 == 0 || second.1 == 0 {
        return Interval::new(-1.0, 1.0);
    }
    let fractional = |(passed, of): (u64, u64)| (passed as f64, of as f64);
    difference_of_scores(fractional(first), fractional(second), 0.0, z)
}

/// The probability of such a difference or a higher one, first rate minus second, if the true one were `bound`:
/// that of as many standard errors as take the lower end of [`newcombe_unpaired`] to `bound`, by bisection. 0.5
/// if the difference is the bound.
pub fn newcombe_p_greater(first: (u64, u64), second: (u64, u64), bound: f64) -> f64 {
    let rate = |(passed, of): (u64, u64)| passed as f64 / of as f64;
    let difference = rate(first) - rate(second);
    if difference.is_nan() {
        return 1.0;
    }
    if difference < bound {
        return 1.0 - newcombe_p_greater(second, first, -bound);
    }
    // Beyond 38 standard errors the chance is below the smallest number there is.
    let (mut inside, mut beyond) = (0.0, 38.0);
    for _ in 0..60 {
        let z = 0.5 * (inside + beyond);
        let lower = unpaired_at(first, second, z).lower.unwrap_or(-1.0);
        if lower > bound {
            inside = z;
        } else {
            beyond = z;
        }
    }
    normal_sf(inside)
}

/// Joins two Wilson intervals into one of the difference, given the correlation phi.
fn difference_of_scores(first: (f64, f64), second: (f64, f64), phi: f64, z: f64) -> Interval {
    let ends = |(passed, of): (f64, f64)| {
        let interval = wilson_at(passed, of, z);
        let rate = passed / of;
        (
            rate - interval.lower.unwrap_or(0.0),
            interval.upper.unwrap_or(1.0) - rate,
        )
    };
    let ((below_1, above_1), (below_2, above_2)) = (ends(first), ends(second));
    let join = |x: f64, y: f64| (x * x - 2.0 * phi * x * y + y * y).max(0.0).sqrt();
    let difference = first.0 / first.1 - second.0 / second.1;
    Interval::new(
        (difference - join(below_1, above_2)).max(-1.0),
        (difference + join(above_1, below_2)).min(1.0),
    )
}

/// The two-sided mid-p of `McNemar`'s test, of how many pairs only the first and only the second passed:
/// 2 P(X <= smaller) - P(X = smaller), X binomial (their sum, 1/2); see Fagerland, Lydersen and Laake
/// (BMC Medical Research Methodology 13, 2013). For one answer a side and prompt.
pub fn mcnemar_mid_p(first: u64, second: u64) -> f64 {
    let (smaller, n) = (first.min(second), first.saturating_add(second));
    let up_to = binomial_cdf(smaller, n, 0.5);
    let below = if smaller == 0 {
        0.0
    } else {
        binomial_cdf(smaller - 1, n, 0.5)
    };
    // 2 P(X <= s) - P(X = s) = P(X <= s) + P(X < s).
    (up_to + below).min(1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALPHA: Alpha = Alpha::FIVE_PERCENT;

    fn passes() -> impl Strategy<Value = Passes> {
        (1..8_u32)
            .prop_flat_map(|of| (0..=of, Just(of)))
            .prop_map(|(passed, of)| Passes::new(passed, of).unwrap())
    }

    fn within(interval: Interval, low: f64, estimate: f64, high: f64) -> bool {
        let (lower, upper) = (interval.lower.unwrap(), interval.upper.unwrap());
        let slack = 1e-12;
        low <= lower && lower <= estimate + slack && estimate <= upper + slack && upper <= high
    }

    #[test]
    fn few_prompts_have_wide_intervals() {
        // One prompt is one observation, whatever its repetitions, and none if they differ: nothing shows how
        // prompts vary. No prompt gives no interval at all.
        let one = rate(&[Passes::new(10, 10).unwrap()], ALPHA).unwrap();
        assert_eq!(one.interval, wilson(1.0, 1.0, ALPHA));
        let mixed = rate(&[Passes::new(9, 10).unwrap()], ALPHA).unwrap();
        assert_eq!(mixed.interval, Interval::new(0.0, 1.0));
        assert!((mixed.upper_of_none(0.05) - 1.0).abs() < 1e-15);
        assert_eq!(rate(&[], ALPHA), None);
        assert_eq!(paired_difference(&[], ALPHA), None);
        assert_eq!(Passes::new(0, 0), None);
        assert_eq!(Passes::new(2, 1), None);
        assert_eq!(
            newcombe_unpaired((0, 0), (1, 2), ALPHA),
            Interval::new(-1.0, 1.0)
        );
        assert!((mcnemar_mid_p(0, 0) - 1.0).abs() < 1e-15);
    }

    #[test]
    fn none_of_many_is_the_rule_of_three() {
        // No failure in 100 independent answers: the rate is below 3 in 100.
        let prompts = [Passes::new(0, 1).unwrap(); 100];
        let upper = rate(&prompts, ALPHA).unwrap().upper_of_none(0.05);
        assert!((upper - 0.029_513_049_607).abs() < 1e-11, "{upper}");
    }

    #[test]
    fn equality_on_every_prompt_keeps_its_uncertainty() {
        // Eight prompts that all passed on both sides: no difference seen, but some cannot be excluded.
        let same = (Passes::new(4, 4).unwrap(), Passes::new(4, 4).unwrap());
        let difference = paired_difference(&[same; 8], ALPHA).unwrap();
        assert!(difference.equal_on_all);
        let upper = difference.interval.upper.unwrap();
        assert!(upper > 0.3 && upper < 0.35, "{upper}");
        assert_eq!(difference.interval.lower, Some(-upper));
    }

    #[test]
    fn repetitions_do_not_loosen_an_error_limit() {
        // A limit on the error rate that holds with 20 of 20 answers must hold with 200 of 200.
        let none_failed = |each| rate(&[Passes::new(0, each).unwrap(); 20], ALPHA).unwrap();
        for each in [1, 2, 10, 100] {
            let upper = none_failed(each).interval.upper.unwrap();
            assert!((upper - 0.161_125_158).abs() < 1e-8, "{each}: {upper}");
        }
    }

    proptest! {
        // Where all answers agree, another agreeing answer, to a prompt of the set or to a new one, never widens
        // the interval.
        #[test]
        fn agreeing_answers_never_widen_the_interval(
            answers in prop::collection::vec(1..12_u32, 1..30),
            all_passed: bool,
            place: prop::sample::Index,
            more in 1..9_u32,
            alpha in 0.001..0.5_f64,
        ) {
            let alpha = Alpha::new(alpha).unwrap();
            let width = |answers: &[u32]| {
                let agreeing = |&of: &u32| Passes::new(if all_passed { of } else { 0 }, of).unwrap();
                let prompts: Vec<Passes> = answers.iter().map(agreeing).collect();
                rate(&prompts, alpha).unwrap().interval.half_width().unwrap()
            };
            let mut repeated = answers.clone();
            repeated[place.index(answers.len())] += more;
            let with_prompt = [answers.as_slice(), &[more]].concat();
            prop_assert!(width(&repeated) <= width(&answers));
            prop_assert!(width(&with_prompt) <= width(&answers));
        }

        // Rates and their intervals stay within 0 and 1 and surround what was seen.
        #[test]
        fn rates_are_shares(prompts in prop::collection::vec(passes(), 1..20)) {
            let rate = rate(&prompts, ALPHA).unwrap();
            prop_assert!(within(rate.interval, 0.0, rate.estimate, 1.0), "{:?}", rate);
            prop_assert!(rate.effective_answers <= rate.answers as f64);
        }

        // Failures are the other side of passes: the interval is the mirror image.
        #[test]
        fn failing_mirrors_passing(prompts in prop::collection::vec(passes(), 1..20)) {
            let mirrored: Vec<Passes> =
                prompts.iter().map(|p| Passes { passed: p.of - p.passed, of: p.of }).collect();
            let (there, back) = (rate(&prompts, ALPHA).unwrap(), rate(&mirrored, ALPHA).unwrap());
            let sum = there.interval.lower.unwrap() + back.interval.upper.unwrap();
            prop_assert!((sum - 1.0).abs() < 1e-9);
        }

        // Differences lie within -1 and 1, contain what was seen, and change sign with the sides.
        #[test]
        fn differences_change_sign(prompts in prop::collection::vec((passes(), passes()), 1..20)) {
            let swapped: Vec<_> = prompts.iter().map(|&(a, b)| (b, a)).collect();
            let there = paired_difference(&prompts, ALPHA).unwrap();
            let back = paired_difference(&swapped, ALPHA).unwrap();
            prop_assert!(within(there.interval, -1.0, there.mean.estimate, 1.0), "{:?}", there);
            let sum = there.interval.lower.unwrap() + back.interval.upper.unwrap();
            prop_assert!(sum.abs() < 1e-9, "{:?} {:?}", there, back);
        }

        // The p of an unpaired difference and its interval say the same, and the two sides add up to 1.
        #[test]
        fn newcombe_p_agrees_with_its_interval(
            first in passes(), second in passes(), bound in -1.0..1.0_f64,
        ) {
            let pair = |p: Passes| (u64::from(p.passed), u64::from(p.of));
            let (first, second) = (pair(first), pair(second));
            let greater = newcombe_p_greater(first, second, bound);
            let less = newcombe_p_greater(second, first, -bound);
            prop_assert!((greater + less - 1.0).abs() < 1e-9, "{} {}", greater, less);
            let lower = newcombe_unpaired(first, second, ALPHA).lower.unwrap();
            prop_assert!((lower - bound).abs() < 1e-9 || (lower > bound) == (greater < 0.025));
        }

        // Newcombe's two intervals contain the difference and change sign with the sides.
        #[test]
        fn newcombe_changes_sign(both in 0..30_u64, first in 0..30_u64, second in 0..30_u64, neither in 1..30_u64) {
            let pairs = |first: u64, second: u64| PairCounts {
                both: both as f64,
                first: first as f64,
                second: second as f64,
                neither: neither as f64,
            };
            let n = both + first + second + neither;
            let difference = (first as f64 - second as f64) / n as f64;
            let paired = newcombe_paired(&pairs(first, second), ALPHA);
            prop_assert!(within(paired, -1.0, difference, 1.0));
            let back = newcombe_paired(&pairs(second, first), ALPHA);
            prop_assert!((paired.lower.unwrap() + back.upper.unwrap()).abs() < 1e-12);
            let unpaired = newcombe_unpaired((both + first, n), (both + second, n), ALPHA);
            prop_assert!(within(unpaired, -1.0, difference, 1.0));
        }
    }
}
