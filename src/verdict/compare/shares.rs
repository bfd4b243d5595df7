//! Shares: completed requests, passes, and times in the tail.
//!
//! Owns which of three tests applies to a difference of shares. Must not know what a success is. Invariant: a
//! difference and its interval lie within -1 and 1; repetitions of a prompt count as one prompt.
//!
//! With repetitions, the differences of the prompts have Student's t. If they are equal on every prompt there
//! is no t, and with one answer per side and prompt `McNemar`'s test and Newcombe's interval apply; a claim
//! about a line is then tested by the level at which that interval just reaches it. Where nothing failed at
//! all, the units are answers, not prompts.

use crate::stats::distributions::normal_sf;
use crate::stats::interval::{Alpha, Interval};
use crate::stats::mean::{Mean, Weights};
use crate::stats::paired::Paired;
use crate::stats::rates::{
    PairCounts, Passes, mcnemar_mid_p, newcombe_paired, newcombe_paired_at, paired_difference,
};
use crate::stats::tail;

use super::approach::{Approach, p_beyond, without_each};
use super::claim::Line;
use super::sides::MetricSides;

/// Beyond this many standard errors a probability is 0.
const REACH: f64 = 37.0;
/// Halvings of that range: to 1e-14.
const HALVINGS: u32 = 52;
/// Two shares closer than this are equal.
const SAME: f64 = 1e-12;

/// Differences of shares per prompt.
pub(in crate::verdict) struct ShareDifference {
    /// Candidate minus reference.
    differences: Vec<f64>,
    weights: Weights,
    mean: Mean,
    test: ShareTest,
}

/// Passes of (reference, candidate) per prompt.
type PromptPasses = Vec<(Passes, Passes)>;

enum ShareTest {
    /// Student's t over prompts.
    StudentsT,
    /// The same difference on every prompt: no t.
    EqualOnAll(PromptPasses),
    /// One answer per side and prompt.
    SingleAnswers(PromptPasses),
}

impl ShareDifference {
    /// The difference of shares of successes, from values of 0 and 1; `None` without prompts.
    pub(in crate::verdict) fn from_successes(sides: &MetricSides) -> Option<Self> {
        let answers: Option<PromptPasses> = sides
            .values
            .iter()
            .map(|sides| Some((passes(sides.a())?, passes(sides.b())?)))
            .collect();
        Self::from_passes(answers?, sides.weights.clone())
    }

    fn from_passes(answers: PromptPasses, weights: Weights) -> Option<Self> {
        let differences: Vec<f64> = answers.iter().map(|(a, b)| b.rate() - a.rate()).collect();
        let mean = Mean::weighted(&differences, &weights)?;
        let one_each = answers.iter().all(|(a, b)| is_one(*a) && is_one(*b));
        let shares = weights.shares();
        let equal_weights = shares.iter().all(|share| (share - shares[0]).abs() <= SAME);
        let test = if mean.standard_error.is_none_or(|error| error <= 0.0) {
            ShareTest::EqualOnAll(answers)
        } else if one_each && equal_weights {
            ShareTest::SingleAnswers(answers)
        } else {
            ShareTest::StudentsT
        };
        Some(Self {
            differences,
            weights,
            mean,
            test,
        })
    }

    /// The difference of shares beyond the common 90th percentile; `None` without prompts or with values that
    /// have no logarithm.
    pub(in crate::verdict) fn from_tail(sides: &MetricSides) -> Option<Self> {
        let paired = Paired::from_values(&sides.values).ok()?;
        let paired = paired.with_weights(sides.weights.clone()).ok()?;
        let tail = tail::compare(&paired, tail::TAIL_FROM);
        Some(Self {
            differences: tail.differences,
            weights: sides.weights.clone(),
            mean: tail.difference,
            test: ShareTest::StudentsT,
        })
    }

    fn interval(&self, alpha: Alpha) -> Interval {
        if let Some(pairs) = self.pairs() {
            return newcombe_paired(&pairs, alpha);
        }
        match &self.test {
            ShareTest::StudentsT => self.mean.interval(alpha).map(|end| end.clamp(-1.0, 1.0)),
            ShareTest::EqualOnAll(answers) | ShareTest::SingleAnswers(answers) => {
                paired_difference(answers, alpha).map_or(Interval::NONE, |found| found.interval)
            }
        }
    }

    /// The pairs of answers that the interval is of, where it is of normal scores.
    fn pairs(&self) -> Option<PairCounts> {
        match &self.test {
            ShareTest::StudentsT => None,
            ShareTest::EqualOnAll(answers) => all_alike(answers),
            ShareTest::SingleAnswers(answers) => Some(pairs(answers)),
        }
    }

    /// The level at which the interval just reaches the line.
    fn p_by_inversion(&self, line: Line) -> f64 {
        let estimate = self.mean.estimate;
        if (estimate - line.at).abs() <= SAME {
            return 0.5;
        }
        let is_above = estimate > line.at;
        let pairs = self.pairs();
        let interval_at = |z: f64| match &pairs {
            Some(pairs) => Some(newcombe_paired_at(pairs, z)),
            None => Some(self.interval(Alpha::new(2.0 * normal_sf(z))?)),
        };
        let clear = |z: f64| {
            let Some(interval) = interval_at(z) else {
                return false;
            };
            if is_above {
                interval.lower.is_some_and(|lower| lower > line.at)
            } else {
                interval.upper.is_some_and(|upper| upper < line.at)
            }
        };
        let (mut low, mut high) = (0.0, REACH);
        for _ in 0..HALVINGS {
            let middle = 0.5 * (low + high);
            if clear(middle) {
                low = middle;
            } else {
                high = middle;
            }
        }
        let tail = normal_sf(low);
        if is_above == line.above {
            tail
        } else {
            1.0 - tail
        }
    }
}

impl Approach for ShareDifference {
    fn p(&self, line: Line) -> Option<f64> {
        match &self.test {
            ShareTest::StudentsT => p_beyond(&self.mean, line.at, line.above),
            ShareTest::EqualOnAll(_) => Some(self.p_by_inversion(line)),
            ShareTest::SingleAnswers(answers) => {
                let inverted = self.p_by_inversion(line);
                // A difference in the claimed direction must also be significant by the test made for it.
                let beyond_none = if line.above {
                    line.at >= 0.0
                } else {
                    line.at <= 0.0
                };
                let other = if beyond_none {
                    mcnemar(answers, line.above)
                } else {
                    0.0
                };
                Some(inverted.max(other))
            }
        }
    }

    fn p_without_each(&self, line: Line) -> Vec<f64> {
        match &self.test {
            ShareTest::StudentsT => without_each(&self.differences, &self.weights)
                .map(|mean| p_beyond(&mean, line.at, line.above).unwrap_or(1.0))
                .collect(),
            // Among equal prompts none is influential.
            ShareTest::EqualOnAll(_) => Vec::new(),
            ShareTest::SingleAnswers(answers) => (0..answers.len())
                .filter_map(|absent| {
                    let mut rest = answers.clone();
                    rest.remove(absent);
                    let weights = Weights::equal(rest.len());
                    Self::from_passes(rest, weights)?.p(line)
                })
                .collect(),
        }
    }

    fn effect(&self, alpha: Alpha) -> Option<(f64, Interval)> {
        Some((self.mean.estimate, self.interval(alpha)))
    }

    fn effect_by_prompt(&self) -> Vec<Option<f64>> {
        self.differences.iter().copied().map(Some).collect()
    }

    fn df(&self) -> f64 {
        match &self.test {
            // Newcombe's intervals use normal scores, whatever the number of prompts.
            ShareTest::SingleAnswers(_) => f64::INFINITY,
            ShareTest::EqualOnAll(answers) if all_alike(answers).is_some() => f64::INFINITY,
            ShareTest::StudentsT | ShareTest::EqualOnAll(_) => self.mean.df,
        }
    }

    fn interval_of_more(&self, factor: f64, alpha: Alpha) -> Option<Interval> {
        let ShareTest::EqualOnAll(answers) = &self.test else {
            return None;
        };
        let pairs = all_alike(answers)?;
        let more = PairCounts {
            both: pairs.both * factor,
            neither: pairs.neither * factor,
            ..pairs
        };
        Some(newcombe_paired(&more, alpha))
    }

    fn is_exhausted(&self) -> bool {
        // Where nothing failed at all, more answers narrow the interval.
        matches!(&self.test, ShareTest::EqualOnAll(answers) if all_alike(answers).is_none())
    }
}

fn passes(successes: &[f64]) -> Option<Passes> {
    let passed = successes.iter().filter(|value| **value > 0.5).count();
    let whole = |count: usize| u32::try_from(count).ok();
    Passes::new(whole(passed)?, whole(successes.len())?)
}

fn is_one(passes: Passes) -> bool {
    passes.answers() == 1
}

/// Each prompt as one pair, the candidate first.
fn pairs(answers: &[(Passes, Passes)]) -> PairCounts {
    let count = |reference: bool, candidate: bool| {
        let alike =
            |(a, b): &&(Passes, Passes)| (a.rate() > 0.5, b.rate() > 0.5) == (reference, candidate);
        answers.iter().filter(alike).count() as f64
    };
    PairCounts {
        both: count(true, true),
        first: count(false, true),
        second: count(true, false),
        neither: count(false, false),
    }
}

/// Every answer as a pair, where all answers of both sides passed or none did. With prompts as units, a run
/// without a single failure could not be *ok* with fewer than about 70 of them.
fn all_alike(answers: &[(Passes, Passes)]) -> Option<PairCounts> {
    let rate = answers.first()?.0.rate();
    let mut rates = answers.iter().flat_map(|(a, b)| [a.rate(), b.rate()]);
    let at_an_end = rate <= 0.0 || rate >= 1.0;
    if !at_an_end || rates.any(|other| (other - rate).abs() > SAME) {
        return None;
    }
    let count = |(a, b): &(Passes, Passes)| a.answers().min(b.answers());
    let count: f64 = answers.iter().map(|pair| f64::from(count(pair))).sum();
    let (both, neither) = if rate > 0.5 {
        (count, 0.0)
    } else {
        (0.0, count)
    };
    Some(PairCounts {
        both,
        first: 0.0,
        second: 0.0,
        neither,
    })
}

/// The one-sided mid-p of the claim that the candidate passes more often (`above`), or less often.
fn mcnemar(answers: &[(Passes, Passes)], above: bool) -> f64 {
    let only = |candidate: bool| {
        let alone = |(a, b): &&(Passes, Passes)| {
            (a.rate() > 0.5, b.rate() > 0.5) == (!candidate, candidate)
        };
        answers.iter().filter(alone).count() as u64
    };
    let (candidate, reference) = (only(true), only(false));
    let half = 0.5 * mcnemar_mid_p(candidate, reference);
    match (candidate.cmp(&reference), above) {
        (std::cmp::Ordering::Equal, _) => 0.5,
        (std::cmp::Ordering::Greater, true) | (std::cmp::Ordering::Less, false) => half,
        _ => 1.0 - half,
    }
}
