//! Optional values in as few bytes as a run of a million samples affords.
//!
//! Owns how a value is packed. Must not know what it measures. Invariant: a value within the stated range comes back
//! exactly; one beyond it comes back as the nearest end, and is never absent.

use super::{Nanos, Usd};

/// A span of up to 78 hours (an exchange may take one), or none, in 6 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionalSpan([u16; 3]);

/// A count of up to 4.29e9 (more than the characters of the longest line, or the tokens of any answer), or none, in 4
/// bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionalCount(u32);

/// An index of up to 65,534 (more than there are providers), or none, in 2 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionalIndex(u16);

/// The cost of one request, of up to 9.2 million USD, or none, in 8 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionalUsd(i64);

/// A rate, or none, in 8 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionalRate(u64);

impl OptionalSpan {
    /// No span.
    pub const NONE: Self = Self([u16::MAX; 3]);
    const MAX: u64 = (1 << 48) - 2;

    /// The span.
    pub const fn get(self) -> Option<Nanos> {
        let Self([high, middle, low]) = self;
        let nanos = (high as u64) << 32 | (middle as u64) << 16 | low as u64;
        if nanos > Self::MAX {
            return None;
        }
        Some(Nanos(nanos))
    }

    /// Packs a span.
    #[allow(clippy::cast_possible_truncation, reason = "16 bits at a time")]
    pub const fn new(span: Nanos) -> Self {
        let nanos = if span.0 > Self::MAX {
            Self::MAX
        } else {
            span.0
        };
        Self([(nanos >> 32) as u16, (nanos >> 16) as u16, nanos as u16])
    }
}

impl OptionalCount {
    /// No count.
    pub const NONE: Self = Self(u32::MAX);

    /// The count.
    pub fn get(self) -> Option<u64> {
        (self != Self::NONE).then(|| u64::from(self.0))
    }
}

impl OptionalIndex {
    /// No index.
    pub const NONE: Self = Self(u16::MAX);

    /// The index.
    pub fn get(self) -> Option<u32> {
        (self != Self::NONE).then(|| u32::from(self.0))
    }
}

impl OptionalUsd {
    /// No amount.
    pub const NONE: Self = Self(i64::MIN);
    /// Nothing, which is an amount.
    pub const ZERO: Self = Self(0);

    /// The amount.
    pub fn get(self) -> Option<Usd> {
        (self != Self::NONE).then(|| Usd(i128::from(self.0)))
    }
}

impl OptionalRate {
    /// No rate: the bits of something that is not a number, and that no arithmetic gives.
    pub const NONE: Self = Self(u64::MAX);

    /// The rate.
    pub fn get(self) -> Option<f64> {
        (self != Self::NONE).then(|| f64::from_bits(self.0))
    }
}

impl From<Option<Nanos>> for OptionalSpan {
    fn from(span: Option<Nanos>) -> Self {
        span.map_or(Self::NONE, Self::new)
    }
}

impl From<Option<u64>> for OptionalCount {
    fn from(count: Option<u64>) -> Self {
        let fitted = |count| u32::try_from(count).unwrap_or(u32::MAX).min(u32::MAX - 1);
        count.map_or(Self::NONE, |count| Self(fitted(count)))
    }
}

impl From<Option<u32>> for OptionalIndex {
    fn from(index: Option<u32>) -> Self {
        let fitted = |index| u16::try_from(index).unwrap_or(u16::MAX).min(u16::MAX - 1);
        index.map_or(Self::NONE, |index| Self(fitted(index)))
    }
}

impl From<Option<Usd>> for OptionalUsd {
    fn from(amount: Option<Usd>) -> Self {
        let nearest_end = |amount: i128| if amount < 0 { i64::MIN + 1 } else { i64::MAX };
        let fitted = |Usd(amount)| {
            let exact = i64::try_from(amount).ok();
            exact
                .unwrap_or_else(|| nearest_end(amount))
                .max(i64::MIN + 1)
        };
        amount.map_or(Self::NONE, |amount| Self(fitted(amount)))
    }
}

impl From<Option<f64>> for OptionalRate {
    fn from(rate: Option<f64>) -> Self {
        rate.map_or(Self::NONE, |rate| Self(rate.to_bits()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        // Figures are computed from packed values: what is within the range must come back as it was.
        #[test]
        fn values_in_range_come_back(
            span in prop::option::of(0..OptionalSpan::MAX + 1),
            count in prop::option::of(0..u32::MAX - 1),
            index in prop::option::of(0..u32::from(u16::MAX - 1)),
            pico in prop::option::of(i64::MIN + 1..i64::MAX),
            rate in prop::option::of(any::<f64>()),
        ) {
            let span = span.map(Nanos);
            prop_assert_eq!(OptionalSpan::from(span).get(), span);
            prop_assert_eq!(OptionalCount::from(count.map(u64::from)).get(), count.map(u64::from));
            prop_assert_eq!(OptionalIndex::from(index).get(), index);
            let amount = pico.map(|pico| Usd(i128::from(pico)));
            prop_assert_eq!(OptionalUsd::from(amount).get(), amount);
            let bits = |rate: Option<f64>| rate.map(f64::to_bits);
            prop_assert_eq!(bits(OptionalRate::from(rate).get()), bits(rate));
        }

        // A damaged record has values beyond the range: they stay large, and there.
        #[test]
        fn values_beyond_the_range_are_the_nearest_end(beyond in any::<u64>(), amount in any::<i128>()) {
            let span = OptionalSpan::from(Some(Nanos(beyond))).get();
            prop_assert_eq!(span, Some(Nanos(beyond.min(OptionalSpan::MAX))));
            let count = OptionalCount::from(Some(beyond)).get();
            prop_assert_eq!(count, Some(beyond.min(u64::from(u32::MAX) - 1)));
            let range = (i128::from(i64::MIN + 1), i128::from(i64::MAX));
            let fitted = Usd(amount.clamp(range.0, range.1));
            prop_assert_eq!(OptionalUsd::from(Some(Usd(amount))).get(), Some(fitted));
        }
    }
}
