//! Confidence levels and intervals.
//!
//! Owns the level of confidence and the shape of every interval. Must not know how an interval was computed.
//! Invariant: a level lies strictly between 0 and 1; an end that does not exist is `None`, never an invented
//! number.

use super::distributions::{normal_isf, t_isf};

/// The probability that a two-sided interval misses: half of it on each side. 0.05 makes a 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Alpha(f64);

impl Alpha {
    /// A 95 % interval.
    pub const FIVE_PERCENT: Self = Self(0.05);

    /// Returns `None` unless `two_sided` lies strictly between 0 and 1.
    pub fn new(two_sided: f64) -> Option<Self> {
        (two_sided > 0.0 && two_sided < 1.0).then_some(Self(two_sided))
    }

    /// The probability on both sides together.
    pub const fn two_sided(self) -> f64 {
        self.0
    }

    /// The probability on each side.
    pub const fn one_side(self) -> f64 {
        0.5 * self.0
    }

    /// The level of each of `count` intervals that hold simultaneously (Bonferroni); unchanged for 0.
    #[must_use]
    pub fn shared_by(self, count: usize) -> Self {
        // The smallest positive number keeps the level inside its range, whatever the count.
        Self((self.0 / count.max(1) as f64).max(f64::MIN_POSITIVE))
    }

    /// The number of standard errors on each side, of Student's t; `None` for `df` not above 0.
    pub fn critical_t(self, df: f64) -> Option<f64> {
        (df > 0.0).then(|| t_isf(self.one_side(), df))
    }

    /// The number of standard errors on each side, of the normal distribution.
    pub fn critical_z(self) -> f64 {
        normal_isf(self.one_side())
    }
}

/// The ends of an interval; `None` without a bound on that side.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Interval {
    /// The lower end.
    pub lower: Option<f64>,
    /// The upper end.
    pub upper: Option<f64>,
}

impl Interval {
    /// No bound on either side.
    pub const NONE: Self = Self {
        lower: None,
        upper: None,
    };

    /// An interval with two ends; an end that is not finite is no bound.
    pub fn new(lower: f64, upper: f64) -> Self {
        let bound = |end: f64| end.is_finite().then_some(end);
        Self {
            lower: bound(lower),
            upper: bound(upper),
        }
    }

    /// Half the distance between the ends, if both exist.
    pub fn half_width(self) -> Option<f64> {
        Some(0.5 * (self.upper? - self.lower?))
    }

    /// The same interval on another scale, by an increasing function: `exp` makes ratios of logarithms.
    #[must_use]
    pub fn map(self, rising: impl Fn(f64) -> f64) -> Self {
        Self {
            lower: self.lower.map(&rising),
            upper: self.upper.map(&rising),
        }
    }

    /// Returns true if `value` lies inside, the ends included.
    pub fn contains(self, value: f64) -> bool {
        self.lower.is_none_or(|lower| lower <= value)
            && self.upper.is_none_or(|upper| value <= upper)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_strictly_between_0_and_1() {
        // A level of 0 has no interval and a level of 1 no content: neither can be made.
        for bad in [0.0, 1.0, -0.05, 1.5, f64::NAN, f64::INFINITY] {
            assert_eq!(Alpha::new(bad), None, "{bad}");
        }
        assert_eq!(Alpha::new(0.05), Some(Alpha::FIVE_PERCENT));
        assert!(Alpha::FIVE_PERCENT.shared_by(usize::MAX).two_sided() > 0.0);
        assert_eq!(Alpha::FIVE_PERCENT.shared_by(0), Alpha::FIVE_PERCENT);
        assert_eq!(Alpha::FIVE_PERCENT.critical_t(0.0), None);
    }

    #[test]
    fn an_end_that_is_not_finite_is_none() {
        // A report prints "none", never "inf" or "NaN".
        assert_eq!(Interval::new(f64::NEG_INFINITY, f64::NAN), Interval::NONE);
        let interval = Interval::new(-1.0, 3.0);
        assert_eq!(interval.half_width(), Some(2.0));
        assert!(interval.contains(3.0) && !interval.contains(3.1));
        assert!(Interval::NONE.contains(1e300));
    }
}
