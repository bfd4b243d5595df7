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

mod aligned;
mod nearby;
mod ranking;
mod slice;

use std::borrow::Borrow;
use std::cell::OnceCell;

use self::aligned::TIES_WITHIN;
use self::ranking::{LEFT_OUT_AT_ONCE, Ranking};
use super::interval::{Alpha, Interval};
use super::mean::{Mean, Weights};
use super::paired::Paired;

/// The maximum distance of an end of the interval from the mean of the prompts' log ratios: a factor of 20.
/// Beyond it there is no bound.
const REACH: f64 = 3.0;

/// The precision of the search for an end: a step of h below the distance of ties changes no rank.
const SEARCH_WITHIN: f64 = 0.1 * TIES_WITHIN;

/// The number of values from which on t(h) is nearly a line.
const MANY_VALUES: usize = 4_096;
/// The values of a side that show what t is far away, where the sides hardly overlap.
const THINNED_VALUES: usize = 16;
/// The change of t between two h below which its steps hide its slope.
const SLOPE_CHANGE_MIN: f64 = 1e-3;
/// The number of steps towards a crossing: nearly always three.
const STEPS_MAX: usize = 8;

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
    Ranking::new(paired).scores(paired, h)
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
/// O(N) for N values, at worst O(N log N), the later ones of the few values whose order can still change. Where values
/// are many, t is nearly a line, which leads to the few h that all of them are ranked at, about ten.
pub fn compare(paired: &Paired, alpha: Alpha) -> CarComparison {
    Curve::new(paired).compare(alpha)
}

/// The function t(h) of two sides, which stores its evaluations and the log ratios of its prompts: tests at several
/// levels share most of their work.
#[derive(Debug, Clone)]
pub struct Curve<P> {
    paired: P,
    evaluations: Evaluations,
    log_ratios: OnceCell<Vec<f64>>,
}

impl<P: Borrow<Paired>> Curve<P> {
    /// Creates the curve of these sides.
    pub fn new(paired: P) -> Self {
        Self {
            evaluations: Evaluations::new(Ranking::new(paired.borrow())),
            paired,
            log_ratios: OnceCell::new(),
        }
    }

    /// The sides as the curve was given them.
    pub fn shared(&self) -> &P {
        &self.paired
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
        self.evaluations.at(self.paired.borrow(), h)
    }

    /// [`compare()`] of these sides.
    pub fn compare(&mut self, alpha: Alpha) -> CarComparison {
        let mean = to_mean(self.log_ratios(), self.paired());
        let paired = self.paired.borrow();
        let search = Search {
            paired,
            range: (mean.estimate - REACH, mean.estimate + REACH),
            guide: Guide::new(&mean, paired, &self.evaluations.ranking),
            all: &mut self.evaluations,
            last: None,
        };
        search.compare(mean.estimate, alpha)
    }
}

/// The test at log ratio `h` with each prompt left out in turn: it shows a single decisive prompt. Empty for
/// fewer than two prompts. O(N P) for N values on P prompts: a prompt's absence lowers the ranks of the others
/// by the number of its values below them, so that nothing need be sorted again.
pub fn without_each(paired: &Paired, h: f64) -> Vec<Mean> {
    let count = paired.prompt_count();
    if count < 2 {
        return Vec::new();
    }
    let mut ranking = Ranking::new(paired);
    let shares = paired.weights().shares();
    let mut without = Vec::with_capacity(count);
    for first in (0..count).step_by(LEFT_OUT_AT_ONCE) {
        let left_out = first..count.min(first + LEFT_OUT_AT_ONCE);
        let (scores, parts) = ranking.scores_and_parts(paired, h, left_out.clone());
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

/// The number of values that one stands for where t is far from what is searched for: a side keeps about this many.
fn thinning(paired: &Paired) -> Option<usize> {
    let stride = paired.value_count() / (2 * paired.prompt_count() * THINNED_VALUES);
    (stride > 1).then_some(stride)
}

fn to_mean(values: &[f64], paired: &Paired) -> Mean {
    Mean::weighted(values, paired.weights())
        .expect("there is a prompt, one weight each, and scores and ratios are finite")
}

/// Evaluations of t(h), none twice.
#[derive(Debug, Clone)]
struct Evaluations {
    ranking: Ranking,
    known: Vec<CurvePoint>,
}

/// The test at one h.
#[derive(Debug, Clone, Copy)]
struct CurvePoint {
    h: f64,
    mean: Mean,
    /// The numbers around h that took little time afterwards.
    near: Option<(f64, f64)>,
}

/// A level that t(h) crosses.
#[derive(Debug, Clone, Copy)]
struct Crossing {
    /// The level.
    t: f64,
    /// True if the crossing is where t falls below the level, false if where it no longer exceeds it.
    reaches: bool,
}

/// A search along h.
struct Search<'a> {
    paired: &'a Paired,
    /// The ends of the search.
    range: (f64, f64),
    /// Of all values.
    all: &'a mut Evaluations,
    /// The line that shows where to look, where values are many.
    guide: Option<Guide>,
    /// The last range that it led to.
    last: Option<(f64, f64)>,
}

/// A line that t(h) is near, where values are many.
struct Guide {
    /// Some of the values, where they are many on each side: they show what t is far away.
    few: Option<Evaluations>,
    /// The h at which t is 0.
    centre: f64,
    slope: f64,
}

impl Guide {
    /// The line through the mean of the prompts' log ratios. `None` where values are few, or have no spread.
    fn new(mean: &Mean, paired: &Paired, all: &Ranking) -> Option<Self> {
        let slope = -1.0 / mean.standard_error?;
        (slope.is_finite() && all.len(paired) >= MANY_VALUES).then(|| Self {
            few: thinning(paired).map(|stride| Evaluations::new(Ranking::thinned(paired, stride))),
            centre: mean.estimate,
            slope,
        })
    }

    /// Follows a crossing that was found at `h`, where t has this slope: the curve is nearly alike on both sides of 0.
    fn follow(&mut self, crossing: Crossing, h: f64, slope: f64) {
        if crossing.t.abs() > 0.0 {
            self.slope = crossing.t / (h - self.centre);
        } else {
            (self.centre, self.slope) = (h, slope);
        }
    }
}

impl Evaluations {
    const fn new(ranking: Ranking) -> Self {
        Self {
            ranking,
            known: Vec::new(),
        }
    }

    fn at(&mut self, paired: &Paired, h: f64) -> Mean {
        self.at_between(paired, h, (h, f64::INFINITY))
    }

    /// The test at `h`, where a search has come between two numbers.
    fn at_between(&mut self, paired: &Paired, h: f64, between: (f64, f64)) -> Mean {
        self.evaluate(paired, h, between).mean
    }

    fn evaluate(&mut self, paired: &Paired, h: f64, between: (f64, f64)) -> CurvePoint {
        let mut known = self.known.iter().rev();
        if let Some(known) = known.find(|known| known.h.to_bits() == h.to_bits()) {
            return *known;
        }
        let mean = to_mean(&self.ranking.scores_between(paired, h, between), paired);
        let near = self.ranking.near(h);
        let point = CurvePoint { h, mean, near };
        self.known.push(point);
        point
    }

    /// The h where t(h), which falls as h rises, crosses a level, within `precision`; `None` if it does not between the
    /// ends of `range`.
    ///
    /// Bisection that leans towards where the line between the ends crosses 0 and needs at most one step
    /// more than plain bisection: ITP (Oliveira and Takahashi, ACM TOMS 47, 2020) with its usual constants.
    fn crossing(
        &mut self,
        paired: &Paired,
        crossing: Crossing,
        (mut low, mut high): (f64, f64),
        precision: f64,
    ) -> Option<f64> {
        let mut at_low = crossing.excess(&self.at(paired, low));
        let mut at_high = crossing.excess(&self.at(paired, high));
        if !crossing.is_above(at_low) || crossing.is_above(at_high) {
            return None;
        }
        let width = high - low;
        let mut allowed = precision;
        while allowed < width {
            allowed *= 2.0;
        }
        while high - low > precision {
            let middle = low.midpoint(high);
            let meeting = (low * at_high - high * at_low) / (at_high - at_low);
            let trust = 0.2 / width * (high - low).powi(2);
            let spare = allowed - 0.5 * (high - low);
            let away = middle - meeting;
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
            let at_next = crossing.excess(&self.at_between(paired, next, (low, high)));
            if crossing.is_above(at_next) {
                (low, at_low) = (next, at_next);
            } else {
                (high, at_high) = (next, at_next);
            }
        }
        Some(low.midpoint(high))
    }
}

impl Crossing {
    /// The excess over the level: in t, or for 0 in the scores, which have a sign where they have no t.
    fn excess(self, scores: &Mean) -> f64 {
        if self.t.abs() > 0.0 {
            // Without a standard error there is no level either: a single prompt has no degree of freedom.
            scores.t(0.0).unwrap_or_default() - self.t
        } else {
            scores.estimate
        }
    }

    fn is_above(self, excess: f64) -> bool {
        excess > 0.0 || self.reaches && excess >= 0.0
    }
}

impl Search<'_> {
    /// Searches around `centre`.
    fn compare(mut self, centre: f64, alpha: Alpha) -> CarComparison {
        let above = self.crossing(Crossing {
            t: 0.0,
            reaches: false,
        });
        let not_below = self.crossing(Crossing {
            t: 0.0,
            reaches: true,
        });
        let estimate = match (above, not_below) {
            (Some(above), Some(not_below)) => 0.5 * (above + not_below),
            // All sides apart by more than the reach: the simple estimate.
            (one, other) => one.or(other).unwrap_or(centre),
        };
        let df = self.paired.weights().effective_count() - 1.0;
        let interval = match alpha.critical_t(df) {
            Some(q) => Interval {
                lower: self.crossing(Crossing {
                    t: q,
                    reaches: false,
                }),
                upper: self.crossing(Crossing {
                    t: -q,
                    reaches: true,
                }),
            },
            None => Interval::NONE,
        };
        CarComparison {
            prompts: self.paired.prompt_count(),
            values: self.paired.value_count(),
            estimate,
            interval,
        }
    }

    fn crossing(&mut self, crossing: Crossing) -> Option<f64> {
        let last = self.last;
        if !last.is_some_and(|range| is_in(self.all, self.paired, crossing, range)) {
            self.last = self.close_range(crossing);
        }
        let range = self.last.unwrap_or(self.range);
        self.all
            .crossing(self.paired, crossing, range, SEARCH_WITHIN)
    }

    /// Two close numbers that t crosses the level between: steps along the line that t is near, later the one through its
    /// last two values.
    fn close_range(&mut self, crossing: Crossing) -> Option<(f64, f64)> {
        let (paired, all) = (self.paired, &mut *self.all);
        let guide = self.guide.as_mut()?;
        let t = |mean: &Mean| mean.t(0.0).unwrap_or_default();
        // Some values lead to nearly the same t as all: if it is this far from the level at the ends, so is that of all.
        let ends = guide.few.as_mut().unwrap_or(all);
        let is_far = |mean: &Mean| (t(mean) - crossing.t).abs() >= 1.0;
        if !is_far(&ends.at(paired, self.range.0)) || !is_far(&ends.at(paired, self.range.1)) {
            return None;
        }
        let mut h = guide.centre + crossing.t / guide.slope;
        let mut slope = guide.slope;
        let mut before: Option<(f64, f64)> = None;
        for _ in 0..STEPS_MAX {
            // Another level of the same curve begins with what is known.
            let at_h = all.evaluate(paired, h, (h, f64::INFINITY));
            let (low, high) = at_h.near?;
            let at_h = at_h.mean;
            let range = if crossing.is_above(crossing.excess(&at_h)) {
                (h, high)
            } else {
                (low, h)
            };
            let t_at_h = t(&at_h);
            if let Some((h_before, t_before)) = before
                && (t_at_h - t_before).abs() >= SLOPE_CHANGE_MIN
            {
                slope = (t_at_h - t_before) / (h - h_before);
            }
            if is_in(all, paired, crossing, range) {
                guide.follow(crossing, h, slope);
                return Some(range);
            }
            before = Some((h, t_at_h));
            h -= (t_at_h - crossing.t) / slope;
            if !h.is_finite() || !(self.range.0..=self.range.1).contains(&h) {
                return None;
            }
        }
        None
    }
}

/// Returns true if t crosses the level between two numbers.
fn is_in(all: &mut Evaluations, paired: &Paired, crossing: Crossing, range: (f64, f64)) -> bool {
    // The ranks between them are still needed.
    let [low, high] =
        [range.0, range.1].map(|h| crossing.excess(&all.at_between(paired, h, range)));
    crossing.is_above(low) && !crossing.is_above(high)
}

#[cfg(test)]
#[path = "car_tests.rs"]
mod tests;
