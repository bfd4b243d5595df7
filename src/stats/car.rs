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

use std::borrow::Borrow;
use std::ops::Range;

use super::interval::{Alpha, Interval};
use super::mean::{Mean, Weights};
use super::paired::{Paired, Sides};

/// The distance below which aligned values are equal: subtracting medians must not separate equal values.
const TIES_WITHIN: f64 = 1e-12;
const TIES_PER_UNIT: f64 = 1.0 / TIES_WITHIN;

/// The maximum distance of an end of the interval from the mean of the prompts' log ratios: a factor of 20.
/// Beyond it there is no bound.
const REACH: f64 = 3.0;

/// The precision of the search for an end: a step of h below the distance of ties changes no rank.
const SEARCH_WITHIN: f64 = 0.1 * TIES_WITHIN;

/// The average number of values that a step of h may carry a value past, for the last order to be worth
/// repairing: their number times the step is about that.
const REPAIR_WITHIN: f64 = 30.0;

/// The number of prompts left out in one pass over all values: their parts of every score stay in a processor's
/// cache, and memory stays small however many prompts there are.
const LEFT_OUT_AT_ONCE: usize = 64;

/// The number of moves per value after which repairing the last order is given up.
const REPAIR_MOVES_PER_VALUE: usize = 30;

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
/// at worst O(N log N) for N values, the later ones (where the order hardly changes) O(N).
pub fn compare(paired: &Paired, alpha: Alpha) -> CarComparison {
    Curve::new(paired).compare(alpha)
}

/// The function t(h) of two sides, which stores its evaluations: tests at several levels share most of their
/// work.
#[derive(Debug, Clone)]
pub struct Curve<P> {
    paired: P,
    known: Vec<(f64, Mean)>,
}

impl<P: Borrow<Paired>> Curve<P> {
    /// Creates the curve of these sides.
    pub fn new(paired: P) -> Self {
        Self {
            paired,
            known: Vec::new(),
        }
    }

    /// The sides.
    pub fn paired(&self) -> &Paired {
        self.paired.borrow()
    }

    /// [`test()`] of these sides.
    pub fn test(&mut self, h: f64) -> Mean {
        self.search().at(h)
    }

    /// [`compare()`] of these sides.
    pub fn compare(&mut self, alpha: Alpha) -> CarComparison {
        self.search().compare(alpha)
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
        let parts = ranking.parts(left_out.clone());
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

/// A search along h that evaluates no h twice.
struct Search<'a> {
    paired: &'a Paired,
    known: &'a mut Vec<(f64, Mean)>,
    /// Created for the first h that is not known.
    ranking: Option<Ranking<'a>>,
}

impl Search<'_> {
    fn compare(mut self, alpha: Alpha) -> CarComparison {
        let centre = self.paired.mean_log_ratio().estimate;
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
            let at_next = excess(&self.at(next));
            if holds(at_next) {
                (low, at_low) = (next, at_next);
            } else {
                (high, at_high) = (next, at_next);
            }
        }
        Some(low.midpoint(high))
    }

    fn at(&mut self, h: f64) -> Mean {
        let known = self
            .known
            .iter()
            .find(|(at, _)| at.to_bits() == h.to_bits());
        if let Some((_, mean)) = known {
            return *mean;
        }
        let paired = self.paired;
        let ranking = self.ranking.get_or_insert_with(|| Ranking::new(paired));
        let mean = ranking.test(h);
        self.known.push((h, mean));
        mean
    }
}

/// One value among all, with its position in the order of all aligned values.
#[derive(Clone, Copy)]
struct RankedValue {
    /// The aligned value in units of [`TIES_WITHIN`].
    key: i64,
    log: f64,
    /// Twice the number of its prompt, and 1 more for a value of b: an index instead of a branch that no
    /// processor could predict.
    side: u32,
}

impl RankedValue {
    fn prompt(&self) -> usize {
        self.side as usize / 2
    }
}

/// All values in the order of the last h, so that a nearby h finds them nearly sorted.
struct Ranking<'a> {
    paired: &'a Paired,
    values: Vec<RankedValue>,
    last: f64,
    /// Room to distribute them: the values, and where each interval begins.
    spare: Vec<RankedValue>,
    starts: Vec<usize>,
}

impl<'a> Ranking<'a> {
    fn new(paired: &'a Paired) -> Self {
        let mut values = Vec::with_capacity(paired.prompts().iter().map(Sides::len).sum());
        let sides = paired
            .prompts()
            .iter()
            .flat_map(|sides| [sides.a(), sides.b()]);
        for (side, logs) in (0..).zip(sides) {
            values.extend(logs.iter().map(|&log| RankedValue { key: 0, log, side }));
        }
        Self {
            paired,
            values,
            last: f64::INFINITY,
            spare: Vec::new(),
            starts: Vec::new(),
        }
    }

    fn test(&mut self, h: f64) -> Mean {
        Mean::weighted(&self.scores(h), self.paired.weights())
            .expect("there is a prompt, one weight each, and ranks are finite")
    }

    fn scores(&mut self, h: f64) -> Vec<f64> {
        self.align(h);
        self.sort((h - self.last).abs());
        self.last = h;
        let prompts = self.paired.prompts();
        // Twice the sums of ranks, which are whole numbers: equal scores are equal to the last bit.
        let mut sums = vec![0_u64; 2 * prompts.len()];
        let mut below = 0;
        for tied in self.values.chunk_by(|a, b| a.key == b.key) {
            // Ranks count from 1: the first and the last of the group add up to twice their mean.
            let doubled = (2 * below + tied.len() + 1) as u64;
            for value in tied {
                sums[value.side as usize] += doubled;
            }
            below += tied.len();
        }
        sums.chunks_exact(2)
            .zip(prompts)
            .map(|(sums, sides)| score(i128::from(sums[0]), i128::from(sums[1]), sides))
            .collect()
    }

    fn align(&mut self, h: f64) {
        let offsets: Vec<(f64, f64)> = self
            .paired
            .prompts()
            .iter()
            .flat_map(|sides| {
                let centre = common_median(sides, h);
                [(0.0, centre), (h, centre)]
            })
            .collect();
        for value in &mut self.values {
            let (shift, centre) = offsets[value.side as usize];
            value.key = rounded((value.log - shift - centre) * TIES_PER_UNIT);
        }
    }

    /// Sorts by key. After a short step the order is nearly right, after a long one it is made so by
    /// distributing; then insertion is linear. It is given up for a full sort where it takes too many moves.
    fn sort(&mut self, step: f64) {
        if step * self.values.len() as f64 > REPAIR_WITHIN {
            self.distribute();
        }
        let values = &mut self.values;
        let mut moves_left = REPAIR_MOVES_PER_VALUE * values.len();
        for index in 1..values.len() {
            let value = values[index];
            let mut hole = index;
            while hole > 0 && values[hole - 1].key > value.key && moves_left > 0 {
                values[hole] = values[hole - 1];
                hole -= 1;
                moves_left -= 1;
            }
            values[hole] = value;
            if moves_left == 0 {
                values.sort_unstable_by_key(|value| value.key);
                return;
            }
        }
    }

    /// Puts the values into about as many equal intervals of keys as there are values, the intervals in
    /// rising order: few share one.
    fn distribute(&mut self) {
        let keys = || self.values.iter().map(|value| value.key);
        let (Some(min), Some(max)) = (keys().min(), keys().max()) else {
            return;
        };
        let range = max.abs_diff(min);
        let places = self.values.len().next_power_of_two();
        // Intervals are as wide as a power of two, so that a shift finds them.
        let width = (range / places as u64 + 1).next_power_of_two();
        let shift = width.trailing_zeros();
        #[allow(
            clippy::cast_possible_truncation,
            reason = "at most the number of places"
        )]
        let interval = |value: &RankedValue| (value.key.abs_diff(min) >> shift) as usize;
        self.starts.clear();
        self.starts.resize(places + 1, 0_usize);
        for value in &self.values {
            self.starts[interval(value) + 1] += 1;
        }
        let mut start = 0;
        for count in &mut self.starts {
            start += *count;
            *count = start;
        }
        self.spare.clone_from(&self.values);
        for value in &self.spare {
            let start = &mut self.starts[interval(value)];
            self.values[*start] = *value;
            *start += 1;
        }
    }

    /// For every prompt (row by row) and each of those to be left out: how much of the prompt's score at the
    /// last h comes from the other's values lying below its own. A value's rank among all is 1/2 + the
    /// values below it + half of those tied with it, itself included.
    fn parts(&self, left_out: Range<usize>) -> Vec<f64> {
        let prompts = self.paired.prompts();
        let width = left_out.len();
        let mut below = vec![0.0; width];
        let mut parts = vec![0.0; prompts.len() * width];
        for tied in self.values.chunk_by(|a, b| a.key == b.key) {
            let pass_half = |below: &mut [f64]| {
                for value in tied {
                    if left_out.contains(&value.prompt()) {
                        below[value.prompt() - left_out.start] += 0.5;
                    }
                }
            };
            pass_half(&mut below);
            for value in tied {
                let prompt = value.prompt();
                let sides = &prompts[prompt];
                let mean_share = sides.b().len() as f64 / sides.len() as f64;
                let weight = f64::from(value.side % 2) - mean_share;
                let row = &mut parts[prompt * width..(prompt + 1) * width];
                for (part, below) in row.iter_mut().zip(&below) {
                    *part += weight * below;
                }
            }
            pass_half(&mut below);
        }
        parts
    }
}

/// T, from twice the sums of both sides' ranks: the sum of b's ranks less as many mean ranks of the prompt.
fn score(ranks_a: i128, ranks_b: i128, sides: &Sides) -> f64 {
    let (of_a, of_b) = (sides.a().len() as i128, sides.b().len() as i128);
    (ranks_b * of_a - ranks_a * of_b) as f64 / (2 * (of_a + of_b)) as f64
}

/// The nearest whole number, the even one of two. Where a number is small enough, an addition rounds it:
/// the ulp of what is between 2^52 and 2^53 is 1. Before processors round by themselves (SSE 4.1) it is a call
/// a value.
fn rounded(number: f64) -> i64 {
    const REACH: f64 = (1_u64 << 51) as f64;
    const SHIFT: f64 = 3.0 * REACH;
    if number.abs() < REACH {
        (number + SHIFT).to_bits().cast_signed() - SHIFT.to_bits().cast_signed()
    } else {
        #[allow(
            clippy::cast_possible_truncation,
            reason = "logarithms are below 750, and a cast of anything else saturates"
        )]
        let whole = number.round_ties_even() as i64;
        whole
    }
}

/// The median of a prompt's values of both sides, b's less `h`: looks for how many of each side make up the
/// lower half.
fn common_median(sides: &Sides, h: f64) -> f64 {
    let (a, b) = (sides.a(), sides.b());
    let half = sides.len().div_ceil(2);
    let (mut of_a, mut max) = (half.saturating_sub(b.len()), half.min(a.len()));
    while of_a < max {
        let middle = of_a.midpoint(max);
        if a[middle] < b[half - middle - 1] - h {
            of_a = middle + 1;
        } else {
            max = middle;
        }
    }
    let of_b = half - of_a;
    let from_a = |place: usize| a.get(place).copied();
    let from_b = |place: usize| b.get(place).map(|log| log - h);
    let of_either = |one: Option<f64>, other: Option<f64>, pick: fn(f64, f64) -> f64| {
        let both = one.zip(other).map(|(one, other)| pick(one, other));
        both.or(one).or(other).unwrap_or_default()
    };
    let before = |count: usize| count.checked_sub(1);
    let (last_a, last_b) = (before(of_a).and_then(from_a), before(of_b).and_then(from_b));
    let last = of_either(last_a, last_b, f64::max);
    if sides.len().is_multiple_of(2) {
        0.5 * (last + of_either(from_a(of_a), from_b(of_b), f64::min))
    } else {
        last
    }
}

#[cfg(test)]
#[path = "car_tests.rs"]
mod tests;
