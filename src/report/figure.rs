//! A number as every format prints it.
//!
//! Owns rounding and units of all output. Must not know which table a number belongs to. Invariant: a
//! figure is rounded once, when it is created; the text for people is derived from the same rounded number
//! that CSV and JSON contain, so no two formats can disagree.

use crate::stats::interval::Interval;
use crate::units::{Nanos, Usd};
use crate::verdict::{ComparisonDesign, Estimate, Verdict};

/// A non-negative number with three decimals, counted in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thousandths(u64);

/// A probability, 0 to 1, counted in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probability(u32);

/// One typed value of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Figure {
    /// Not known, or not supported by the number of samples.
    Absent,
    /// Text from outside.
    Text(String),
    /// A variant's label, and whether it is the reference.
    Label(String, bool),
    /// A count of things among others: `(28, 32)` is 28 of 32.
    PartOf(u64, u64),
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Count(u128),
    /// Milliseconds.
    Millis(Thousandths),
    /// A rate, per second.
    Rate(Thousandths),
    /// A mean per sample.
    Mean(Thousandths),
    /// A ratio to the reference.
    Ratio(Thousandths),
    /// A part of a whole, 0 to 1.
    Share(Thousandths),
    /// A share less another, -1 to 1, in thousandths.
    Points(i32),
    /// A relative worsening: 0.2 for 20 %.
    Worsening(Thousandths),
    /// A worsening of a share: 0.02 for 2 points.
    WorseningPoints(Thousandths),
    /// Numbers of prompts and of repetitions of each.
    Plan(u64, u64),
    /// A p value.
    Probability(Probability),
    /// The verdict of a comparison.
    Verdict(Verdict, ComparisonDesign),
    /// Money, exact.
    Money(Usd),
}

/// A figure of a table with its interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FigureCell {
    /// The figure.
    pub figure: Figure,
    /// True if n is too low for an interval with two ends.
    pub low_n: bool,
    /// Lower and upper end of the interval, absent for an open end; `None` for figures that have no interval
    /// by their nature.
    pub interval: Option<Box<(Figure, Figure)>>,
}

/// Printed in place of an absent figure.
pub(super) const ABSENT_MARK: &str = "–";

/// Converts a count into a figure.
pub(super) fn count(count: u64) -> Figure {
    Figure::Count(u128::from(count))
}

/// Converts a share, 0 to 1, into a figure; absent for any other number.
pub(super) fn share(share: f64) -> Figure {
    Figure::from_option(Some(share), Figure::Share)
}

impl Thousandths {
    /// Rounds a finite, non-negative number half up; `None` for any other.
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

    /// The float nearest to the number that CSV contains.
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// The whole part, and the thousandths beyond it.
    pub(super) const fn parts(self) -> (u64, u64) {
        (self.0 / 1000, self.0 % 1000)
    }

    /// Formats with three decimals.
    pub(super) fn plain(self) -> String {
        let (whole, thousandths) = self.parts();
        format!("{whole}.{thousandths:03}")
    }

    /// Formats with three significant figures, whole numbers in full: `1234`, `12.3`, `0.041`.
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

impl Probability {
    /// Rounds a probability; `None` for a number outside 0 to 1.
    pub fn new(probability: f64) -> Option<Self> {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to lie within 0..=1 in the same expression"
        )]
        (0.0..=1.0)
            .contains(&probability)
            .then_some(Self((probability * 1e6).round() as u32))
    }

    /// The float nearest to the number that CSV contains.
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / 1e6
    }
}

impl Figure {
    /// Converts a difference of shares, -1 to 1.
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

    /// Converts an amount of US dollars, rounded to a pico-dollar.
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

    /// Converts a time in nanoseconds.
    pub fn from_ns(nanos: f64) -> Self {
        Thousandths::new(nanos / 1e6).map_or(Self::Absent, Self::Millis)
    }

    /// Converts an optional value; absent if there is none or it cannot be represented.
    pub fn from_option(value: Option<f64>, make: fn(Thousandths) -> Self) -> Self {
        value.and_then(Thousandths::new).map_or(Self::Absent, make)
    }

    /// The text for CSV and JSON; empty if absent. Text is unchanged.
    pub fn plain(&self) -> String {
        match self {
            Self::Absent => String::new(),
            Self::Text(text) | Self::Label(text, _) => text.clone(),
            Self::PartOf(part, _) => part.to_string(),
            Self::Plan(prompts, repetitions) => format!("{prompts}x{repetitions}"),
            Self::Bool(value) => value.to_string(),
            Self::Count(count) => count.to_string(),
            Self::Millis(value)
            | Self::Rate(value)
            | Self::Mean(value)
            | Self::Ratio(value)
            | Self::Share(value)
            | Self::Worsening(value)
            | Self::WorseningPoints(value) => value.plain(),
            Self::Points(thousandths) => format!("{:.3}", f64::from(*thousandths) / 1000.0),
            Self::Probability(probability) => format!("{:.6}", probability.as_f64()),
            Self::Verdict(verdict, design) => verdict.word(*design).to_owned(),
            Self::Money(usd) => usd.to_string(),
        }
    }

    /// The text for people, with its unit: three significant figures, counts in full.
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

    /// The text for people in two parts; the unit of money stands before the number.
    fn number_and_unit(&self) -> (String, &'static str) {
        match self {
            Self::Absent => (ABSENT_MARK.to_owned(), ""),
            Self::Text(text) | Self::Label(text, false) => (text.clone(), ""),
            Self::Label(text, true) => (format!("{text} (reference)"), ""),
            Self::PartOf(part, whole) => (format!("{part}/{whole}"), ""),
            Self::Plan(prompts, repetitions) => (format!("{prompts} x {repetitions}"), ""),
            Self::Bool(value) => (if *value { "yes" } else { "no" }.to_owned(), ""),
            Self::Count(count) => (count.to_string(), ""),
            Self::Millis(value) => shown_span(Nanos(value.0.saturating_mul(1000))),
            Self::Rate(value) => (value.three_figures(), "/s"),
            Self::Mean(value) => (value.three_figures(), ""),
            // A ratio is above 0: what rounds to 0 is small, not nothing.
            Self::Ratio(Thousandths(0)) => ("<0.001".to_owned(), "x"),
            Self::Ratio(value) => (shown_ratio(value.as_f64()), "x"),
            Self::Share(value) => (format!("{:.1}", value.0 as f64 / 10.0), " %"),
            Self::Points(0) => ("0.0".to_owned(), " points"),
            Self::Points(thousandths) => {
                (format!("{:+.1}", f64::from(*thousandths) / 10.0), " points")
            }
            Self::Worsening(value) => (format!("{:.0}", value.as_f64() * 100.0), " %"),
            Self::WorseningPoints(value) => (format!("{:.1}", value.as_f64() * 100.0), " points"),
            Self::Probability(probability) => (format!("{:.4}", probability.as_f64()), ""),
            Self::Money(usd) => (shown_money(*usd), "$"),
            Self::Verdict(verdict, design) => (verdict.printed_word(*design).to_owned(), ""),
        }
    }

    /// An interval around this figure for people: `388–440`, with units only if the three differ in their
    /// unit; `388–` and `up to 440` where an end is open, and nothing where both are.
    pub(super) fn shown_ends(&self, lower: &Self, upper: &Self) -> Option<String> {
        let unit = self.number_and_unit().1;
        let ends = [lower, upper];
        let same_unit = ends
            .iter()
            .all(|end| **end == Self::Absent || end.number_and_unit().1 == unit);
        let end = |end: &Self| match end {
            end if same_unit => end.number_and_unit().0,
            end => end.shown(),
        };
        let is_below_0 = |end: &&Self| matches!(end, Self::Money(amount) if *amount < Usd::ZERO);
        let signed = [self, lower, upper].iter().any(is_below_0);
        let between = if signed || matches!(self, Self::Points(_)) {
            // A dash next to a minus sign cannot be read.
            " to "
        } else {
            "–"
        };
        match (lower, upper) {
            (Self::Absent, Self::Absent) => None,
            (Self::Absent, upper) => Some(format!("up to {}", end(upper))),
            (lower, Self::Absent) if between == " to " => Some(format!("from {}", end(lower))),
            (lower, Self::Absent) => Some(format!("{}{between}", end(lower))),
            (lower, upper) => Some(format!("{}{between}{}", end(lower), end(upper))),
        }
    }
}

/// Splits a duration into its number and unit.
fn shown_span(span: Nanos) -> (String, &'static str) {
    let text = span.to_string();
    for unit in [" us", " ms", " s"] {
        if let Some(number) = text.strip_suffix(unit) {
            return (number.to_owned(), unit);
        }
    }
    (text, "")
}

/// Formats with two decimals, three if two would show next to nothing.
fn shown_ratio(ratio: f64) -> String {
    if ratio < 0.0995 {
        format!("{ratio:.3}")
    } else {
        format!("{ratio:.2}")
    }
}

/// Formats dollars with three significant figures, cents and more in full, without the dollar sign.
fn shown_money(usd: Usd) -> String {
    let dollars = usd.as_f64();
    let magnitude = dollars.abs();
    // The index of the first significant figure; a cent is always shown.
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

impl FigureCell {
    /// Creates a cell without an interval.
    pub const fn certain(figure: Figure) -> Self {
        Self {
            figure,
            low_n: false,
            interval: None,
        }
    }

    /// Creates an empty cell.
    pub const fn empty() -> Self {
        Self::certain(Figure::Absent)
    }

    /// Creates a cell with an interval whose ends `make` converts.
    pub fn within(figure: Figure, interval: Interval, make: impl Fn(f64) -> Figure) -> Self {
        let end = |end: Option<f64>| end.map_or(Figure::Absent, &make);
        let ends = (end(interval.lower), end(interval.upper));
        Self {
            low_n: figure != Figure::Absent && interval.half_width().is_none(),
            figure,
            interval: Some(Box::new(ends)),
        }
    }

    /// Creates the cell of an estimate that has an interval by its nature; absent if there is none.
    pub fn bounded(estimate: Option<Estimate>, make: impl Fn(f64) -> Figure) -> Self {
        let value = estimate.map_or(Figure::Absent, |estimate| make(estimate.value));
        let interval = estimate.and_then(|estimate| estimate.interval);
        Self::within(value, interval.unwrap_or(Interval::NONE), make)
    }

    /// Creates the cell of an estimate without an interval; absent if there is none.
    pub fn estimate(estimate: Option<Estimate>, make: impl Fn(f64) -> Figure) -> Self {
        estimate.map_or(Self::empty(), |estimate| Self {
            figure: make(estimate.value),
            low_n: !estimate.bounded,
            interval: None,
        })
    }

    /// The text for people, with its interval if `with_interval`.
    pub fn shown(&self, with_interval: bool) -> String {
        let figure = self.figure.shown();
        let ends = self.interval.as_deref();
        let ends = ends.filter(|_| with_interval && self.figure != Figure::Absent);
        match ends.and_then(|(lower, upper)| self.figure.shown_ends(lower, upper)) {
            Some(ends) => format!("{figure} ({ends})"),
            None => figure,
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
            (Figure::Ratio(thousandths(0.0004)), "0.000", "<0.001x"),
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
        // The unit is written once where it is the same, and an end that does not exist is left open.
        let ns = Figure::from_ns;
        let within = |value: f64, lower, upper| {
            FigureCell::within(ns(value), Interval { lower, upper }, ns).shown(true)
        };
        let ms = 1e6;
        for (shown, expected) in [
            (
                within(412.0 * ms, Some(388.0 * ms), Some(440.0 * ms)),
                "412 ms (388–440)",
            ),
            (within(412.0 * ms, Some(388.0 * ms), None), "412 ms (388–)"),
            (within(412.0 * ms, None, None), "412 ms"),
            (
                within(412.0 * ms, None, Some(440.0 * ms)),
                "412 ms (up to 440)",
            ),
            (
                within(990.0 * ms, Some(900.0 * ms), Some(1200.0 * ms)),
                "990 ms (900 ms–1.20 s)",
            ),
        ] {
            assert_eq!(shown, expected);
        }
        let points = |value| Figure::from_points(value);
        let difference = FigureCell::within(points(-0.02), Interval::new(-0.05, 0.01), points);
        assert_eq!(difference.shown(true), "-2.0 points (-5.0 to +1.0)");
        assert_eq!(difference.shown(false), "-2.0 points");
        let open = Interval {
            lower: Some(-0.05),
            upper: None,
        };
        let open = FigureCell::within(points(-0.02), open, points);
        assert_eq!(open.shown(true), "-2.0 points (from -5.0)");
        let cost = Figure::from_usd;
        let cost = FigureCell::within(cost(0.00025), Interval::new(0.0002, 0.0003), cost);
        assert_eq!(cost.shown(true), "$0.000250 (0.000200–0.000300)");
        let usd = Figure::from_usd;
        let lost = FigureCell::within(usd(-0.25), Interval::new(-0.5, 0.125), usd);
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
