//! CAR, the clustered aligned rank procedure: a test of whether B is slower than A on prompts like these.
//!
//! Owns the test, its estimate, its interval and the influence of single prompts. Must not know verdicts.
//! Invariant: exchanging the sides changes only signs; neither the unit of the values nor the order of values
//! and prompts changes a result.
//!
//! For a hypothetical log ratio h: every prompt's values, x = ln a and y = ln b - h, are aligned on
//! their common median c; all aligned values of all prompts are ranked together (ties averaged);
//! T of a prompt is the sum over its y of (rank - mean rank of the prompt); t(h) is Student's t of the T
//! over prompts. It is the aligned rank test of Hodges and Lehmann ("Rank methods for combination of
//! independent experiments in analysis of variance", Annals of Mathematical Statistics 33, 1962) with
//! the variance taken between prompts: without a difference, exchanging a prompt's labels only
//! changes the sign of its T, so that t is a self-normalised sum of symmetric terms whatever the noise.

mod ranking;

use std::borrow::Borrow;
use std::cell::OnceCell;

use self::ranking::{LEFT_OUT_AT_ONCE, Ranking, TIES_WITHIN};
use super::interval::{Alpha, Interval};
use super::mean::{Mean, Weights};
use super::paired::{Paired, Sides};

/// The maximum distance of an end of the interval from the mean of the prompts' log ratios: a factor of 20.
/// Beyond it there is no bound.
const REACH: f64 = 3.0;

/// The precision of the search for an end: a step of h below the distance of ties changes no rank.
const SEARCH_WITHIN: f64 = 0.1 * TIES_WITHIN;

/// A comparison of two sides by aligned ranks. Ratios are of b to a, as natural logarithms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CarComparison {
    /// The number of prompts.
    pub prompts: usize,
    /// The number of values of both sides together.
    pub values: usize,
    /// The log ratio at which the sides would be level.
    pub estimate: f64,
    /// The log ratios that the test does not reject; no bounds for a single prompt.
    pub interval: Interval,
    /// The scores at a log ratio of 0: t, p and degrees of freedom of "no difference".
    pub level: Mean,
}

impl CarComparison {
    /// The estimate as a ratio: 1.1 where b is a tenth slower.
    pub fn ratio(&self) -> f64 {
        self.estimate.exp()
    }

    /// The interval as ratios.
    pub fn ratio_interval(&self) -> Interval {
        self.interval.map(f64::exp)
    }
}

/// The scores T at log ratio `h`, one a prompt. `h` must be finite.
pub fn scores(paired: &Paired, h: f64) -> Vec<f64> {
    Ranking::new(paired).scores(h)
}

/// The test at log ratio `h`: b is slower than a by more than the factor exp(h) where
/// [`Mean::p_greater`] of 0 is small, and by less where [`Mean::p_less`] is. Verdicts use this and not the
/// interval: t(h) is a step function that may cross a level twice where values are few.
pub fn test(paired: &Paired, h: f64) -> Mean {
    Curve::new(paired).test(h)
}

/// Estimate and interval, by inverting the test.
///
/// With t > q on the left and t < -q on the right: lower = sup{t > q}, upper = sup{t >= -q}, estimate =
/// the middle of sup{t > 0} and sup{t >= 0}. About 40 evaluations of t(h), at most 150; the first ones
/// O(N) for N values, at worst O(N log N), the later ones of the few values whose order can still change.
pub fn compare(paired: &Paired, alpha: Alpha) -> CarComparison {
    Curve::new(paired).compare(alpha)
}

/// The function t(h) of two sides, which stores its evaluations and the log ratios of its prompts: tests at several
/// levels share most of their work.
#[derive(Debug, Clone)]
pub struct Curve<P> {
    paired: P,
    known: Vec<(f64, Mean)>,
    log_ratios: OnceCell<Vec<f64>>,
}

impl<P: Borrow<Paired>> Curve<P> {
    /// Creates the curve of these sides.
    pub fn new(paired: P) -> Self {
        Self {
            paired,
            known: Vec::new(),
            log_ratios: OnceCell::new(),
        }
    }

    /// The sides.
    pub fn paired(&self) -> &Paired {
        self.paired.borrow()
    }

    /// [`Paired::log_ratios`] of these sides.
    pub fn log_ratios(&self) -> &[f64] {
        self.log_ratios
            .get_or_init(|| self.paired.borrow().log_ratios())
    }

    /// [`test()`] of these sides.
    pub fn test(&mut self, h: f64) -> Mean {
        self.search().at(h)
    }

    /// [`compare()`] of these sides.
    pub fn compare(&mut self, alpha: Alpha) -> CarComparison {
        let centre = to_mean(self.log_ratios(), self.paired()).estimate;
        self.search().compare(centre, alpha)
    }

    fn search(&mut self) -> Search<'_> {
        Search {
            paired: self.paired.borrow(),
            known: &mut self.known,
            ranking: None,
        }
    }
}

/// The test at log ratio `h` with each prompt left out in turn: it shows a single decisive prompt. Empty for
/// fewer than two prompts. O(N P) for N values on P prompts: a prompt's absence lowers the ranks of the others
/// by the number of its values below them, so that nothing need be sorted again.
pub fn without_each(paired: &Paired, h: f64) -> Vec<Mean> {
    let count = paired.prompts().len();
    if count < 2 {
        return Vec::new();
    }
    let mut ranking = Ranking::new(paired);
    let scores = ranking.scores(h);
    let shares = paired.weights().shares();
    let mut without = Vec::with_capacity(count);
    for first in (0..count).step_by(LEFT_OUT_AT_ONCE) {
        let left_out = first..count.min(first + LEFT_OUT_AT_ONCE);
        let parts = ranking.parts(h, left_out.clone());
        without.extend(left_out.clone().map(|absent| {
            let others = (0..count).filter(|&prompt| prompt != absent);
            let (values, shares): (Vec<f64>, Vec<f64>) = others
                .map(|prompt| {
                    let owed = parts[prompt * left_out.len() + absent - first];
                    (scores[prompt] - owed, shares[prompt])
                })
                .unzip();
            Weights::new(&shares)
                .and_then(|weights| Mean::weighted(&values, &weights))
                .expect("one other prompt at least, positive weights, finite scores")
        }));
    }
    without
}

fn to_mean(values: &[f64], paired: &Paired) -> Mean {
    Mean::weighted(values, paired.weights())
        .expect("there is a prompt, one weight each, and scores and ratios are finite")
}

/// A search along h that evaluates no h twice.
struct Search<'a> {
    paired: &'a Paired,
    known: &'a mut Vec<(f64, Mean)>,
    /// Created for the first h that is not known.
    ranking: Option<Ranking<'a>>,
}

impl Search<'_> {
    /// Searches around `centre`.
    fn compare(mut self, centre: f64, alpha: Alpha) -> CarComparison {
        let range = (centre - REACH, centre + REACH);
        let level = self.at(0.0);
        let above = self.supremum(range, |scores| scores.estimate, |mean| mean > 0.0);
        let not_below = self.supremum(range, |scores| scores.estimate, |mean| mean >= 0.0);
        let estimate = match (above, not_below) {
            (Some(above), Some(not_below)) => 0.5 * (above + not_below),
            // All sides apart by more than the reach: the simple estimate.
            (one, other) => one.or(other).unwrap_or(centre),
        };
        let interval = match alpha.critical_t(level.df) {
            Some(q) => {
                // Without a standard error there is no q either: a single prompt has no degree of freedom.
                let t = |scores: &Mean| scores.t(0.0).unwrap_or_default();
                Interval {
                    lower: self.supremum(range, |scores| t(scores) - q, |excess| excess > 0.0),
                    upper: self.supremum(range, |scores| t(scores) + q, |excess| excess >= 0.0),
                }
            }
            None => Interval::NONE,
        };
        CarComparison {
            prompts: self.paired.prompts().len(),
            values: self.paired.prompts().iter().map(Sides::len).sum(),
            estimate,
            interval,
            level,
        }
    }

    /// sup{h : holds(excess at h)}, for an excess that falls as h rises; `None` where `holds` does not
    /// change between the ends of the search.
    ///
    /// Bisection that leans towards where the line between the ends crosses 0 and needs at most one step
    /// more than plain bisection: ITP (Oliveira and Takahashi, ACM TOMS 47, 2020) with its usual constants.
    fn supremum(
        &mut self,
        (mut low, mut high): (f64, f64),
        excess: impl Fn(&Mean) -> f64,
        holds: impl Fn(f64) -> bool,
    ) -> Option<f64> {
        let (mut at_low, mut at_high) = (excess(&self.at(low)), excess(&self.at(high)));
        if !holds(at_low) || holds(at_high) {
            return None;
        }
        let width = high - low;
        let mut allowed = SEARCH_WITHIN;
        while allowed < width {
            allowed *= 2.0;
        }
        while high - low > SEARCH_WITHIN {
            let middle = low.midpoint(high);
            let crossing = (low * at_high - high * at_low) / (at_high - at_low);
            let trust = 0.2 / width * (high - low).powi(2);
            let spare = allowed - 0.5 * (high - low);
            let away = middle - crossing;
            // An infinite excess has no line: `away` is not finite, and the middle it is.
            let lean = (away.abs() - trust).clamp(0.0, spare.max(0.0));
            let next = if away.is_finite() {
                middle - lean.copysign(away)
            } else {
                middle
            };
            allowed *= 0.5;
            if next <= low || next >= high {
                break;
            }
            let at_next = excess(&self.at_between(next, (low, high)));
            if holds(at_next) {
                (low, at_low) = (next, at_next);
            } else {
                (high, at_high) = (next, at_next);
            }
        }
        Some(low.midpoint(high))
    }

    fn at(&mut self, h: f64) -> Mean {
        self.at_between(h, (h, f64::INFINITY))
    }

    /// The test at `h`, where the search has come between two numbers.
    fn at_between(&mut self, h: f64, between: (f64, f64)) -> Mean {
        let known = self
            .known
            .iter()
            .find(|(at, _)| at.to_bits() == h.to_bits());
        if let Some((_, mean)) = known {
            return *mean;
        }
        let paired = self.paired;
        let ranking = self.ranking.get_or_insert_with(|| Ranking::new(paired));
        let mean = to_mean(&ranking.scores_between(h, between), paired);
        self.known.push((h, mean));
        mean
    }
}

#[cfg(test)]
#[path = "car_tests.rs"]
mod tests;
