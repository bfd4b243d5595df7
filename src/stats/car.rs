//! CAR, the clustered aligned rank procedure: is B slower than A on prompts like these?
//!
//! Owns the test, its estimate, its interval and the influence of single prompts. Must not know what
//! a verdict is. Invariant: exchanging the sides changes only signs; neither the unit of the values
//! nor the order of values and prompts changes a result.
//!
//! For a hypothetical log ratio h: every prompt's values, x = ln a and y = ln b - h, are aligned on
//! their common median c; all aligned values of all prompts are ranked together (ties averaged);
//! T of a prompt is the sum over its y of (rank - mean rank of the prompt); t(h) is Student's t of the T
//! over prompts. It is the aligned rank test of Hodges and Lehmann ("Rank methods for combination of
//! independent experiments in analysis of variance", Annals of Mathematical Statistics 33, 1962) with
//! the variance taken between prompts: without a difference, exchanging a prompt's labels only
//! changes the sign of its T, so that t is a self-normalised sum of symmetric terms whatever the noise.

use super::interval::{Alpha, Interval};
use super::mean::{Mean, Weights};
use super::paired::{Paired, Sides};

/// Aligned values that differ by less than this are one value: subtracting medians must not tell
/// equal values apart.
const TIES_WITHIN: f64 = 1e-12;

/// How far from the mean of the prompts' log ratios an end of the interval is looked for: a
/// factor of 20. Beyond it there is no bound.
const REACH: f64 = 3.0;

/// Halvings of the reach: below the distance of two floating-point numbers.
const BISECTIONS: u32 = 60;

/// Moves a value that the last order of all values is repaired with before it is sorted anew.
const REPAIR_MOVES_PER_VALUE: usize = 12;

/// A comparison of two sides by aligned ranks. Ratios are of b to a, as natural logarithms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// How many prompts.
    pub prompts: usize,
    /// How many values of both sides together.
    pub values: usize,
    /// The log ratio at which the sides would be level.
    pub estimate: f64,
    /// The log ratios that the test does not reject; no bounds of a single prompt.
    pub interval: Interval,
    /// The scores at a log ratio of 0: t, p and degrees of freedom of "no difference".
    pub level: Mean,
}

impl Comparison {
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
    Ranking::new(paired).test(h)
}

/// Estimate and interval, by inverting the test.
///
/// With t > q on the left and t < -q on the right: lower = sup{t > q}, upper = sup{t >= -q}, estimate =
/// the middle of sup{t > 0} and sup{t >= 0}. Each supremum by bisection; about 60 to 150 evaluations of
/// t(h), the first ones O(N log N) for N values, the later ones (where the order hardly changes) O(N).
pub fn compare(paired: &Paired, alpha: Alpha) -> Comparison {
    let centre = paired.mean_log_ratio().estimate;
    let mut search = Search {
        ranking: Ranking::new(paired),
        low: centre - REACH,
        high: centre + REACH,
        known: Vec::new(),
    };
    let level = search.ranking.test(0.0);
    let above = search.supremum(|scores| scores.estimate > 0.0);
    let not_below = search.supremum(|scores| scores.estimate >= 0.0);
    let estimate = match (above, not_below) {
        (Some(above), Some(not_below)) => 0.5 * (above + not_below),
        // All sides apart by more than the reach in both directions at once: the simple estimate.
        (one, other) => one.or(other).unwrap_or(centre),
    };
    let interval = match alpha.critical_t(level.df) {
        Some(q) => Interval {
            lower: search.supremum(|scores| scores.t(0.0).is_some_and(|t| t > q)),
            upper: search.supremum(|scores| scores.t(0.0).is_some_and(|t| t >= -q)),
        },
        None => Interval::NONE,
    };
    Comparison {
        prompts: paired.prompts().len(),
        values: paired.prompts().iter().map(Sides::len).sum(),
        estimate,
        interval,
        level,
    }
}

/// The test at log ratio `h` with each prompt left out in turn: does one prompt decide? Empty where
/// there are fewer than two prompts. O(N P) for N values on P prompts: a prompt's absence lowers the
/// ranks of the others by what it had below them, so that nothing need be sorted again.
pub fn without_each(paired: &Paired, h: f64) -> Vec<Mean> {
    let count = paired.prompts().len();
    if count < 2 {
        return Vec::new();
    }
    let mut ranking = Ranking::new(paired);
    let scores = ranking.scores(h);
    let parts = ranking.parts();
    let shares = paired.weights().shares();
    (0..count)
        .map(|left_out| {
            let others = (0..count).filter(|&prompt| prompt != left_out);
            let (values, shares): (Vec<f64>, Vec<f64>) = others
                .map(|prompt| {
                    let owed = parts[prompt * count + left_out];
                    (scores[prompt] - owed, shares[prompt])
                })
                .unzip();
            Weights::new(&shares)
                .and_then(|weights| Mean::weighted(&values, &weights))
                .expect("one other prompt at least, positive weights, finite scores")
        })
        .collect()
}

/// A search along h that evaluates no h twice.
struct Search<'a> {
    ranking: Ranking<'a>,
    low: f64,
    high: f64,
    known: Vec<(f64, Mean)>,
}

impl Search<'_> {
    /// sup{h : holds(test at h)}, for a condition that holds on the left; `None` where it does not
    /// change between the ends of the search.
    fn supremum(&mut self, holds: impl Fn(&Mean) -> bool) -> Option<f64> {
        let (mut low, mut high) = (self.low, self.high);
        if !holds(&self.at(low)) || holds(&self.at(high)) {
            return None;
        }
        for _ in 0..BISECTIONS {
            let middle = low.midpoint(high);
            if middle <= low || middle >= high {
                break;
            }
            if holds(&self.at(middle)) {
                low = middle;
            } else {
                high = middle;
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
        let mean = self.ranking.test(h);
        self.known.push((h, mean));
        mean
    }
}

/// One value among all, with its place in the order of all aligned values.
#[derive(Clone, Copy)]
struct Value {
    /// The aligned value in units of [`TIES_WITHIN`].
    key: i64,
    log: f64,
    prompt: u32,
    of_b: bool,
}

/// All values in the order of the last h, so that a nearby h finds them nearly sorted.
struct Ranking<'a> {
    paired: &'a Paired,
    values: Vec<Value>,
}

impl<'a> Ranking<'a> {
    fn new(paired: &'a Paired) -> Self {
        let mut values = Vec::with_capacity(paired.prompts().iter().map(Sides::len).sum());
        for (prompt, sides) in (0..).zip(paired.prompts()) {
            for (logs, of_b) in [(sides.a(), false), (sides.b(), true)] {
                values.extend(logs.iter().map(|&log| Value {
                    key: 0,
                    log,
                    prompt,
                    of_b,
                }));
            }
        }
        Self { paired, values }
    }

    fn test(&mut self, h: f64) -> Mean {
        Mean::weighted(&self.scores(h), self.paired.weights())
            .expect("there is a prompt, one weight each, and ranks are finite")
    }

    fn scores(&mut self, h: f64) -> Vec<f64> {
        self.align(h);
        self.sort();
        let mut sums = vec![Ranks::default(); self.paired.prompts().len()];
        let mut below = 0;
        for tied in self.values.chunk_by(|a, b| a.key == b.key) {
            // Ranks count from 1: the first and the last of the group add up to twice their mean.
            let doubled = 2 * below + tied.len() + 1;
            for value in tied {
                sums[value.prompt as usize].add(doubled, value.of_b);
            }
            below += tied.len();
        }
        let prompts = self.paired.prompts();
        sums.iter()
            .zip(prompts)
            .map(|(ranks, sides)| ranks.score(sides))
            .collect()
    }

    fn align(&mut self, h: f64) {
        let centres: Vec<f64> = self
            .paired
            .prompts()
            .iter()
            .map(|sides| common_median(sides, h))
            .collect();
        for value in &mut self.values {
            let shifted = if value.of_b { value.log - h } else { value.log };
            let aligned = shifted - centres[value.prompt as usize];
            #[allow(
                clippy::cast_possible_truncation,
                reason = "logarithms are below 750, and a cast of anything else saturates"
            )]
            let key = (aligned / TIES_WITHIN).round_ties_even() as i64;
            value.key = key;
        }
    }

    /// Sorts by key. Insertion first, which is linear where the order is nearly right, as it is late
    /// in a search; given up for a full sort when it takes too many moves.
    fn sort(&mut self) {
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

    /// For every prompt and every other: how much of the prompt's score at the last h comes from the
    /// other's values lying below its own (row by row). A value's rank among all is 1/2 + the values
    /// below it + half of those tied with it, itself included.
    fn parts(&self) -> Vec<f64> {
        let prompts = self.paired.prompts();
        let count = prompts.len();
        let mut below = vec![0.0; count];
        let mut parts = vec![0.0; count * count];
        for tied in self.values.chunk_by(|a, b| a.key == b.key) {
            for value in tied {
                below[value.prompt as usize] += 0.5;
            }
            for value in tied {
                let prompt = value.prompt as usize;
                let sides = &prompts[prompt];
                let mean_share = sides.b().len() as f64 / sides.len() as f64;
                let weight = f64::from(u8::from(value.of_b)) - mean_share;
                let row = &mut parts[prompt * count..(prompt + 1) * count];
                for (part, below) in row.iter_mut().zip(&below) {
                    *part += weight * below;
                }
            }
            for value in tied {
                below[value.prompt as usize] += 0.5;
            }
        }
        parts
    }
}

/// Twice the sums of a prompt's ranks: whole numbers, so that equal scores are equal to the last bit.
#[derive(Clone, Copy, Default)]
struct Ranks {
    of_b: i128,
    of_all: i128,
}

impl Ranks {
    fn add(&mut self, doubled: usize, of_b: bool) {
        let doubled = doubled as i128;
        self.of_all += doubled;
        if of_b {
            self.of_b += doubled;
        }
    }

    /// T: the sum of b's ranks less as many mean ranks of the prompt.
    fn score(self, sides: &Sides) -> f64 {
        let (of_b, of_all) = (sides.b().len() as i128, sides.len() as i128);
        (self.of_b * of_all - of_b * self.of_all) as f64 / (2 * of_all) as f64
    }
}

/// The median of a prompt's values of both sides, b's less `h`: merges the two up to the middle.
fn common_median(sides: &Sides, h: f64) -> f64 {
    let (a, b) = (sides.a(), sides.b());
    let (mut at_a, mut at_b) = (0, 0);
    let mut last = 0.0;
    let mut next = || {
        let from_b = b.get(at_b).map(|log| log - h);
        match (a.get(at_a), from_b) {
            (Some(&from_a), Some(from_b)) if from_b < from_a => {
                at_b += 1;
                from_b
            }
            (Some(&from_a), _) => {
                at_a += 1;
                from_a
            }
            (None, from_b) => {
                at_b += 1;
                from_b.unwrap_or_default()
            }
        }
    };
    let total = sides.len();
    for _ in 0..total.div_ceil(2) {
        last = next();
    }
    if total.is_multiple_of(2) {
        0.5 * (last + next())
    } else {
        last
    }
}

#[cfg(test)]
#[path = "car_tests.rs"]
mod tests;
