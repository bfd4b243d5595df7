//! Traffic as users write it: `2M/month`, `50k/day`, `3/s`, `1.5M-2.5M/month`.
//!
//! Owns this small grammar and the length of a month. Must not know the cost of a request. Invariant: both ends
//! are finite and above 0, and the lower one is not above the upper one.

use std::fmt;
use std::str::FromStr;

/// Days per month: a year is 365.25 days.
pub const MONTH_DAYS: f64 = 365.25 / 12.0;
/// The largest accepted number of requests per month: anything above is a typing error.
const MAX_REQUESTS: f64 = 1e15;

/// Requests per month, as a range; both ends are equal if a single number was given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Traffic {
    lower: f64,
    upper: f64,
}

/// The error for a string that is not valid traffic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{reason}: write requests over a time, such as 2M/month, 50k/day, 3/s or the range 1.5M-2.5M/month"
)]
pub struct TrafficError {
    reason: String,
}

impl Traffic {
    /// A range of requests per month; `None` if the numbers are out of range or not ascending.
    pub fn new(lower: f64, upper: f64) -> Option<Self> {
        let is_valid = |count: f64| count > 0.0 && count <= MAX_REQUESTS;
        (is_valid(lower) && is_valid(upper) && lower <= upper).then_some(Self { lower, upper })
    }

    /// The lowest number of requests per month.
    pub const fn lower(self) -> f64 {
        self.lower
    }

    /// The highest number of requests per month.
    pub const fn upper(self) -> f64 {
        self.upper
    }

    /// The midpoint.
    pub const fn middle(self) -> f64 {
        f64::midpoint(self.lower, self.upper)
    }
}

/// A number of requests with an optional suffix `k`, `M` or `G`.
fn count(text: &str) -> Option<f64> {
    let text = text.trim();
    let scales = [("k", 1e3), ("K", 1e3), ("M", 1e6), ("G", 1e9)];
    let (digits, scale) = scales
        .into_iter()
        .find_map(|(unit, scale)| Some((text.strip_suffix(unit)?, scale)))
        .unwrap_or((text, 1.0));
    let plain = |c: char| c.is_ascii_digit() || c == '.' || c == '_';
    let starts = digits.starts_with(|c: char| c.is_ascii_digit());
    if !starts || !digits.chars().all(plain) {
        return None;
    }
    let number: f64 = digits.replace('_', "").parse().ok()?;
    Some(number * scale)
}

/// The number of these units per month.
fn units_per_month(time: &str) -> Option<f64> {
    Some(match time.trim() {
        "s" | "second" => MONTH_DAYS * 86_400.0,
        "min" | "minute" => MONTH_DAYS * 1_440.0,
        "h" | "hour" => MONTH_DAYS * 24.0,
        "d" | "day" => MONTH_DAYS,
        "w" | "week" => MONTH_DAYS / 7.0,
        "month" => 1.0,
        "year" => 1.0 / 12.0,
        _ => return None,
    })
}

impl FromStr for Traffic {
    type Err = TrafficError;

    fn from_str(text: &str) -> Result<Self, TrafficError> {
        let wrong = |reason: String| TrafficError { reason };
        let (counts, time) = text
            .split_once('/')
            .ok_or_else(|| wrong(format!("`{text}` has no unit of time")))?;
        let times = units_per_month(time).ok_or_else(|| {
            wrong(format!(
                "`{time}` is not one of s, min, h, day, week, month and year"
            ))
        })?;
        let number = |text: &str| {
            count(text).ok_or_else(|| wrong(format!("`{text}` is not a number of requests")))
        };
        let (lower, upper) = match counts.split_once('-') {
            Some((lower, upper)) => {
                let (upper_count, lower_count) = (number(upper)?, number(lower)?);
                (lower_count, upper_count)
            }
            None => (number(counts)?, number(counts)?),
        };
        if lower > upper {
            return Err(wrong(format!(
                "`{text}` is not a range: its first number is larger than its second"
            )));
        }
        Self::new(lower * times, upper * times).ok_or_else(|| {
            wrong(format!(
                "`{text}` is not within 0 (excluded) and {MAX_REQUESTS:e} requests a month"
            ))
        })
    }
}

/// `2.00M requests a month`, `1.50M to 2.50M requests a month`.
impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |count: f64| match count {
            1e9.. => format!("{:.2}G", count / 1e9),
            1e6.. => format!("{:.2}M", count / 1e6),
            1e4.. => format!("{:.1}k", count / 1e3),
            _ => format!("{count:.0}"),
        };
        let (lower, upper) = (shown(self.lower), shown(self.upper));
        if self.lower < self.upper {
            write!(f, "{lower} to {upper} requests a month")
        } else {
            write!(f, "{lower} requests a month")
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn traffic_is_parsed_in_every_unit() {
        // A month of 30 days, or a `k` that is ignored, would make a wrong bill.
        let month = MONTH_DAYS;
        for (text, lower, upper) in [
            ("2M/month", 2e6, 2e6),
            ("50k/day", 5e4 * month, 5e4 * month),
            ("3/s", 3.0 * 86_400.0 * month, 3.0 * 86_400.0 * month),
            ("1.5M-2.5M/month", 1.5e6, 2.5e6),
            ("1_000 - 2K / week", 1e3 * month / 7.0, 2e3 * month / 7.0),
            ("0.5/min", 720.0 * month, 720.0 * month),
            ("12G/year", 1e9, 1e9),
            ("7/h", 168.0 * month, 168.0 * month),
        ] {
            let traffic: Traffic = text.parse().unwrap();
            let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b;
            assert!(near(traffic.lower(), lower), "{text}: {traffic:?}");
            assert!(near(traffic.upper(), upper), "{text}: {traffic:?}");
        }
        assert_eq!(
            "2M/month".parse::<Traffic>().unwrap().to_string(),
            "2.00M requests a month"
        );
        assert_eq!(
            "900-15000/month".parse::<Traffic>().unwrap().to_string(),
            "900 to 15.0k requests a month"
        );
    }

    #[test]
    fn invalid_traffic_is_explained() {
        // The message names the wrong part, and shows valid examples.
        for (text, message) in [
            ("2M", "has no unit of time"),
            ("2M/fortnight", "`fortnight` is not one of"),
            ("x/day", "`x` is not a number"),
            ("/day", "`` is not a number"),
            ("-5/day", "`` is not a number"),
            ("1e6/day", "`1e6` is not a number"),
            ("NaN/day", "not a number"),
            ("0/day", "not within 0"),
            ("2M-1M/month", "is not a range"),
            ("99999999999999999999/s", "not within 0"),
        ] {
            let error = text.parse::<Traffic>().unwrap_err().to_string();
            assert!(error.contains(message), "{text}: {error}");
            assert!(error.contains("2M/month"), "{text}: {error}");
        }
    }

    proptest! {
        // Arbitrary text is traffic or an error, never a panic.
        #[test]
        fn arbitrary_text_never_panics(text in "[0-9.kMG_/ -]{0,12}(/(s|day|month))?\\PC{0,3}") {
            if let Ok(traffic) = text.parse::<Traffic>() {
                prop_assert!(traffic.lower() > 0.0 && traffic.lower() <= traffic.middle());
                prop_assert!(traffic.middle() <= traffic.upper() && traffic.upper().is_finite());
            }
        }
    }
}
