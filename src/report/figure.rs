//! A number as every format writes it.
//!
//! Owns rounding and units of all output. Must not know where a number stands. Invariant: a figure
//! is rounded once, when it is made; what people read is derived from the same rounded number that
//! CSV and JSON write, so no two formats can disagree.

use crate::stats::interval::Interval;
use crate::units::{Nanos, Usd};
use crate::verdict::{Estimate, Verdict};

/// A non-negative number with three decimals, counted in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thousandths(u64);

/// A chance, 0 to 1, counted in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chance(u32);

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
    /// A share less another, -1 to 1, in thousandths.
    Points(i32),
    /// How much worse, of a ratio: 0.2 for 20 %.
    Worse(Thousandths),
    /// How much worse, of a share: 0.02 for 2 points.
    WorsePoints(Thousandths),
    /// Prompts, and repetitions of each.
    Plan(u64, u64),
    /// A p value.
    Chance(Chance),
    /// What is said of a comparison.
    Verdict(Verdict),
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
    /// Lower and upper end of its interval, absent where there is none on that side; `None` for what
    /// has no interval by its nature.
    pub interval: Option<Box<(Figure, Figure)>>,
}

/// In place of an end that an interval does not have.
pub(super) const NO_END_MARK: &str = "?";
/// In place of a figure that is absent.
pub(super) const ABSENT_MARK: &str = "–";

/// A count as a figure.
pub(super) fn count(count: u64) -> Figure {
    Figure::Count(u128::from(count))
}

/// A part of a whole, 0 to 1, as a figure; absent of any other number.
pub(super) fn share(share: f64) -> Figure {
    Figure::from_option(Some(share), Figure::Share)
}

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

impl Chance {
    /// Of a number from 0 to 1; `None` of any other.
    pub fn new(chance: f64) -> Option<Self> {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to lie within 0..=1 in the same expression"
        )]
        (0.0..=1.0)
            .contains(&chance)
            .then_some(Self((chance * 1e6).round() as u32))
    }

    /// As a float: the nearest to the number that CSV writes.
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / 1e6
    }
}

impl Figure {
    /// A difference of shares, -1 to 1.
    pub fn from_points(difference: f64) -> Self {
        let thousandths = (difference * 1000.0).round();
        #[allow(
            clippy::cast_possible_truncation,
            reason = "checked to lie within -1000..=1000 in the same expression"
        )]
        if (-1000.0..=1000.0).contains(&thousandths) {
            Self::Points(thousandths as i32)
        } else {
            Self::Absent
        }
    }

    /// An amount of US dollars, rounded to a pico-dollar.
    pub fn from_usd(dollars: f64) -> Self {
        let picos = (dollars * 1e12).round();
        #[allow(
            clippy::cast_possible_truncation,
            reason = "checked to lie within 1e30 in the same expression"
        )]
        if picos.abs() <= 1e30 {
            Self::Money(Usd(picos as i128))
        } else {
            Self::Absent
        }
    }

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
            Self::Plan(prompts, repetitions) => format!("{prompts}x{repetitions}"),
            Self::Truth(truth) => truth.to_string(),
            Self::Count(count) => count.to_string(),
            Self::Millis(value)
            | Self::Rate(value)
            | Self::Mean(value)
            | Self::Ratio(value)
            | Self::Share(value)
            | Self::Worse(value)
            | Self::WorsePoints(value) => value.plain(),
            Self::Points(thousandths) => format!("{:.3}", f64::from(*thousandths) / 1000.0),
            Self::Chance(chance) => format!("{:.6}", chance.as_f64()),
            Self::Verdict(verdict) => verdict.word().to_owned(),
            Self::Money(usd) => usd.to_string(),
        }
    }

    /// As people read it, with its unit: three significant figures, counts in full.
    pub fn shown(&self) -> String {
        let (number, unit) = self.number_and_unit();
        match self {
            Self::Money(_) => match number.strip_prefix('-') {
                Some(number) => format!("-{unit}{number}"),
                None => format!("{unit}{number}"),
            },
            _ => format!("{number}{unit}"),
        }
    }

    /// The same in two parts; the unit of money stands before the number.
    fn number_and_unit(&self) -> (String, &'static str) {
        match self {
            Self::Absent => (ABSENT_MARK.to_owned(), ""),
            Self::Text(text) | Self::Label(text, false) => (text.clone(), ""),
            Self::Label(text, true) => (format!("{text} (reference)"), ""),
            Self::PartOf(part, whole) => (format!("{part}/{whole}"), ""),
            Self::Plan(prompts, repetitions) => (format!("{prompts} x {repetitions}"), ""),
            Self::Truth(truth) => (if *truth { "yes" } else { "no" }.to_owned(), ""),
            Self::Count(count) => (count.to_string(), ""),
            Self::Millis(value) => shown_span(Nanos(value.0.saturating_mul(1000))),
            Self::Rate(value) => (value.three_figures(), "/s"),
            Self::Mean(value) => (value.three_figures(), ""),
            Self::Ratio(value) => (shown_ratio(value.as_f64()), "x"),
            Self::Share(value) => (format!("{:.1}", value.0 as f64 / 10.0), " %"),
            Self::Points(0) => ("0.0".to_owned(), " points"),
            Self::Points(thousandths) => {
                (format!("{:+.1}", f64::from(*thousandths) / 10.0), " points")
            }
            Self::Worse(value) => (format!("{:.0}", value.as_f64() * 100.0), " %"),
            Self::WorsePoints(value) => (format!("{:.1}", value.as_f64() * 100.0), " points"),
            Self::Chance(chance) => (format!("{:.4}", chance.as_f64()), ""),
            Self::Money(usd) => (shown_money(*usd), "$"),
            Self::Verdict(verdict) => (verdict.word().to_owned(), ""),
        }
    }

    /// An interval around this figure as people read it: `388–440`, with units only where the three
    /// are not all the same.
    pub(super) fn shown_ends(&self, lower: &Self, upper: &Self) -> String {
        let unit = self.number_and_unit().1;
        let ends = [lower, upper];
        let same_unit = ends
            .iter()
            .all(|end| **end == Self::Absent || end.number_and_unit().1 == unit);
        let end = |end: &Self| match end {
            Self::Absent => NO_END_MARK.to_owned(),
            end if same_unit => end.number_and_unit().0,
            end => end.shown(),
        };
        let is_below_0 = |end: &&Self| matches!(end, Self::Money(amount) if *amount < Usd::ZERO);
        let signed = [self, lower, upper].iter().any(is_below_0);
        let between = if signed || matches!(self, Self::Points(_)) {
            // A dash beside a sign cannot be read.
            " to "
        } else {
            "–"
        };
        format!("{}{between}{}", end(lower), end(upper))
    }
}

/// A span's number and its unit.
fn shown_span(span: Nanos) -> (String, &'static str) {
    let text = span.to_string();
    for unit in [" us", " ms", " s"] {
        if let Some(number) = text.strip_suffix(unit) {
            return (number.to_owned(), unit);
        }
    }
    (text, "")
}

/// Two decimals, three where two would show next to nothing.
fn shown_ratio(ratio: f64) -> String {
    if ratio < 0.0995 {
        format!("{ratio:.3}")
    } else {
        format!("{ratio:.2}")
    }
}

/// Dollars with three significant figures, cents and more in full, without their sign.
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
        return "0".to_owned();
    }
    let sign = if dollars < 0.0 { "-" } else { "" };
    format!("{sign}{magnitude:.decimals$}")
}

impl Cell {
    /// A figure that is not an estimate, or one that needs no interval.
    pub const fn certain(figure: Figure) -> Self {
        Self {
            figure,
            thin: false,
            interval: None,
        }
    }

    /// Nothing.
    pub const fn absent() -> Self {
        Self::certain(Figure::Absent)
    }

    /// A figure with the ends of its interval, in the unit that `make` takes.
    pub fn within(figure: Figure, interval: Interval, make: impl Fn(f64) -> Figure) -> Self {
        let end = |end: Option<f64>| end.map_or(Figure::Absent, &make);
        let ends = (end(interval.lower), end(interval.upper));
        Self {
            thin: figure != Figure::Absent && interval.half_width().is_none(),
            figure,
            interval: Some(Box::new(ends)),
        }
    }

    /// An estimate that has an interval by its nature, or its absence.
    pub fn bounded(estimate: Option<Estimate>, make: impl Fn(f64) -> Figure) -> Self {
        let value = estimate.map_or(Figure::Absent, |estimate| make(estimate.value));
        let interval = estimate.and_then(|estimate| estimate.interval);
        Self::within(value, interval.unwrap_or(Interval::NONE), make)
    }

    /// An estimate without an interval, or its absence.
    pub fn estimate(estimate: Option<Estimate>, make: impl Fn(f64) -> Figure) -> Self {
        estimate.map_or(Self::absent(), |estimate| Self {
            figure: make(estimate.value),
            thin: !estimate.bounded,
            interval: None,
        })
    }

    /// As people read it, with its interval where there is room for it.
    pub fn shown(&self, with_interval: bool) -> String {
        let figure = self.figure.shown();
        match &self.interval {
            Some(ends) if with_interval && self.figure != Figure::Absent => {
                let (lower, upper) = &**ends;
                if (lower, upper) == (&Figure::Absent, &Figure::Absent) {
                    format!("{figure} ({NO_END_MARK})")
                } else {
                    format!("{figure} ({})", self.figure.shown_ends(lower, upper))
                }
            }
            _ => figure,
        }
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

    #[test]
    fn intervals_are_as_short_as_they_can_be() {
        // The unit is written once where it is the same, and an end that does not exist is a question.
        let ns = Figure::from_ns;
        let within = |value: f64, lower, upper| {
            Cell::within(ns(value), Interval { lower, upper }, ns).shown(true)
        };
        let ms = 1e6;
        for (shown, expected) in [
            (
                within(412.0 * ms, Some(388.0 * ms), Some(440.0 * ms)),
                "412 ms (388–440)",
            ),
            (within(412.0 * ms, Some(388.0 * ms), None), "412 ms (388–?)"),
            (within(412.0 * ms, None, None), "412 ms (?)"),
            (
                within(990.0 * ms, Some(900.0 * ms), Some(1200.0 * ms)),
                "990 ms (900 ms–1.20 s)",
            ),
        ] {
            assert_eq!(shown, expected);
        }
        let points = |value| Figure::from_points(value);
        let difference = Cell::within(points(-0.02), Interval::new(-0.05, 0.01), points);
        assert_eq!(difference.shown(true), "-2.0 points (-5.0 to +1.0)");
        assert_eq!(difference.shown(false), "-2.0 points");
        let cost = Figure::from_usd;
        let cost = Cell::within(cost(0.00025), Interval::new(0.0002, 0.0003), cost);
        assert_eq!(cost.shown(true), "$0.000250 (0.000200–0.000300)");
        let usd = Figure::from_usd;
        let lost = Cell::within(usd(-0.25), Interval::new(-0.5, 0.125), usd);
        assert_eq!(lost.shown(true), "-$0.250 (-0.500 to 0.125)");
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
