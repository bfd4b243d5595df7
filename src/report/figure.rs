//! A number as every format writes it.
//!
//! Owns rounding and units of all output. Must not know where a number stands. Invariant: a figure
//! is rounded once, when it is made; what people read is derived from the same rounded number that
//! CSV and JSON write, so no two formats can disagree.

use crate::units::{Nanos, Usd};
use crate::verdict::Estimate;

/// A non-negative number with three decimals, counted in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thousandths(u64);

/// One value of a table, typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Figure {
    /// Not known, or not supported by the number of samples.
    Absent,
    /// Words that came from outside.
    Text(String),
    /// A variant, and whether it is the reference.
    Label(String, bool),
    /// A count of things among others: `(28, 32)` is 28 of 32.
    PartOf(u64, u64),
    /// Yes or no.
    Truth(bool),
    /// A whole number of things.
    Count(u128),
    /// Milliseconds.
    Millis(Thousandths),
    /// Things a second.
    Rate(Thousandths),
    /// Things a sample, on average.
    Mean(Thousandths),
    /// Over the reference's.
    Ratio(Thousandths),
    /// A part of a whole, 0 to 1.
    Share(Thousandths),
    /// Money, exact.
    Money(Usd),
}

/// A figure in its place in a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// What stands there.
    pub figure: Figure,
    /// Whether it stands on too few samples for an interval with two ends.
    pub thin: bool,
}

/// Behind a figure that stands on too few samples for an interval with two ends.
pub(super) const THIN_MARK: &str = "†";
/// In place of a figure that is absent.
pub(super) const ABSENT_MARK: &str = "–";

impl Thousandths {
    /// Rounds a finite, non-negative number half up; `None` of any other.
    pub fn new(value: f64) -> Option<Self> {
        let thousandths = (value * 1000.0).round();
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to lie within 0..=2^53 in the same expression"
        )]
        (0.0..=9_007_199_254_740_992.0)
            .contains(&thousandths)
            .then_some(Self(thousandths as u64))
    }

    /// As a float: the nearest to the number that CSV writes.
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// With three decimals.
    pub(super) fn plain(self) -> String {
        format!("{}.{:03}", self.0 / 1000, self.0 % 1000)
    }

    /// With three significant figures, whole numbers in full: `1234`, `12.3`, `0.041`.
    fn three_figures(self) -> String {
        let value = self.as_f64();
        let decimals = match self.0 {
            99_950.. => 0,
            9_995.. => 1,
            995.. => 2,
            _ => 3,
        };
        format!("{value:.decimals$}")
    }
}

impl Figure {
    /// A time in nanoseconds.
    pub fn from_ns(nanos: f64) -> Self {
        Thousandths::new(nanos / 1e6).map_or(Self::Absent, Self::Millis)
    }

    /// A figure, or its absence.
    pub fn from_option(value: Option<f64>, make: fn(Thousandths) -> Self) -> Self {
        value.and_then(Thousandths::new).map_or(Self::Absent, make)
    }

    /// As CSV and JSON write it; empty where it is absent. Text is as it came.
    pub fn plain(&self) -> String {
        match self {
            Self::Absent => String::new(),
            Self::Text(text) | Self::Label(text, _) => text.clone(),
            Self::PartOf(part, _) => part.to_string(),
            Self::Truth(truth) => truth.to_string(),
            Self::Count(count) => count.to_string(),
            Self::Millis(value)
            | Self::Rate(value)
            | Self::Mean(value)
            | Self::Ratio(value)
            | Self::Share(value) => value.plain(),
            Self::Money(usd) => usd.to_string(),
        }
    }

    /// As people read it, with its unit: three significant figures, counts in full.
    pub fn shown(&self) -> String {
        match self {
            Self::Absent => ABSENT_MARK.to_owned(),
            Self::Text(text) | Self::Label(text, false) => text.clone(),
            Self::Label(text, true) => format!("{text} (reference)"),
            Self::PartOf(part, whole) => format!("{part}/{whole}"),
            Self::Truth(truth) => if *truth { "yes" } else { "no" }.to_owned(),
            Self::Count(count) => count.to_string(),
            Self::Millis(value) => Nanos(value.0.saturating_mul(1000)).to_string(),
            Self::Rate(value) => format!("{}/s", value.three_figures()),
            Self::Mean(value) => value.three_figures(),
            Self::Ratio(value) => format!("{:.2}x", value.as_f64()),
            Self::Share(value) => format!("{:.1} %", value.0 as f64 / 10.0),
            Self::Money(usd) => shown_money(*usd),
        }
    }
}

/// Dollars with three significant figures, cents and more in full.
fn shown_money(usd: Usd) -> String {
    let dollars = usd.as_f64();
    let magnitude = dollars.abs();
    // The place of the first significant figure; a cent is always shown.
    let decimals = if magnitude >= 0.995 {
        2
    } else {
        let mut decimals = 3;
        let mut bound = 0.0995;
        while magnitude < bound && decimals < 12 {
            decimals += 1;
            bound /= 10.0;
        }
        decimals
    };
    if usd == Usd::ZERO {
        return "$0".to_owned();
    }
    let sign = if dollars < 0.0 { "-" } else { "" };
    format!("{sign}${magnitude:.decimals$}")
}

impl Cell {
    /// A figure that is not an estimate, or one that needs no interval.
    pub const fn certain(figure: Figure) -> Self {
        Self {
            figure,
            thin: false,
        }
    }

    /// Nothing.
    pub const fn absent() -> Self {
        Self::certain(Figure::Absent)
    }

    /// An estimate, or its absence.
    pub fn estimate(estimate: Option<Estimate>, make: impl Fn(f64) -> Figure) -> Self {
        estimate.map_or(Self::absent(), |estimate| Self {
            figure: make(estimate.value),
            thin: !estimate.bounded,
        })
    }

    /// As people read it, with the mark of a thin figure.
    pub fn shown(&self) -> String {
        let mark = if self.thin { THIN_MARK } else { "" };
        format!("{}{mark}", self.figure.shown())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn figures_show_what_a_reader_can_use() {
        // Three significant figures in a table, the exact number in CSV.
        let thousandths = |value| Thousandths::new(value).unwrap();
        for (figure, plain, shown) in [
            (Figure::from_ns(412_345_678.0), "412.346", "412 ms"),
            (Figure::from_ns(1_240_400_000.0), "1240.400", "1.24 s"),
            (Figure::Rate(thousandths(81.249)), "81.249", "81.2/s"),
            (Figure::Mean(thousandths(1234.5)), "1234.500", "1234"),
            (Figure::Ratio(thousandths(0.6349)), "0.635", "0.64x"),
            (Figure::Share(thousandths(0.0625)), "0.063", "6.3 %"),
            (Figure::Count(12_345), "12345", "12345"),
            (Figure::Absent, "", "–"),
            (Figure::from_ns(f64::NAN), "", "–"),
        ] {
            assert_eq!(
                (figure.plain(), figure.shown()),
                (plain.into(), shown.into())
            );
        }
    }

    #[test]
    fn money_shows_three_figures_however_small() {
        // A request costs from a millionth of a dollar to several dollars, side by side.
        for (usd, shown) in [
            ("0.0000025", "$0.00000250"),
            ("0.000123456", "$0.000123"),
            ("0.0999", "$0.100"),
            ("0.5", "$0.500"),
            ("0.999", "$1.00"),
            ("12.3456", "$12.35"),
            ("0", "$0"),
            ("-0.25", "-$0.250"),
        ] {
            let usd: Usd = usd.parse().unwrap();
            assert_eq!(Figure::Money(usd).shown(), shown, "{usd}");
        }
    }

    proptest! {
        // What people read is the CSV's own number, rounded: never another one.
        #[test]
        fn shown_is_derived_from_plain(nanos in 0.0..1e13_f64) {
            let figure = Figure::from_ns(nanos);
            let millis: f64 = figure.plain().parse().unwrap();
            prop_assert_eq!(Figure::from_ns(millis * 1e6), figure);
        }
    }
}
