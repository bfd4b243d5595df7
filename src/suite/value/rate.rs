//! Rates of requests as people write them: `20/s`, `0.5/s`, `1200/m`, and `5/s..50/s` from one to another.
//!
//! Owns this small grammar. Must not know what is sent. Invariant: a rate is positive, finite and has a unit.

/// Units of time and their seconds.
const UNITS: [(&str, f64); 3] = [("s", 1.0), ("m", 60.0), ("h", 3_600.0)];

/// Reads a rate: requests per second.
pub(in crate::suite) fn parse_rate(text: &str) -> Option<f64> {
    let (number, unit) = text.split_once('/')?;
    let (number, unit) = (number.trim(), unit.trim());
    let (_, seconds) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let is_plain = number.chars().all(|c| c.is_ascii_digit() || c == '.');
    let count: f64 = number.parse().ok().filter(|_| is_plain)?;
    let rate = count / seconds;
    (rate.is_finite() && rate > 0.0).then_some(rate)
}

/// Reads a rate, or two with `..` between them: the rates at the beginning and at the end, per second.
pub(in crate::suite) fn parse_rate_span(text: &str) -> Option<(f64, f64)> {
    match text.split_once("..") {
        Some((from, to)) => Some((parse_rate(from)?, parse_rate(to)?)),
        None => parse_rate(text).map(|rate| (rate, rate)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_needs_its_unit() {
        // 20 a minute and 20 a second differ by sixty: a rate without a unit is refused.
        for (text, expected) in [
            ("20/s", Some(20.0)),
            (" 0.5 / s ", Some(0.5)),
            ("1200/m", Some(20.0)),
            ("36/h", Some(0.01)),
            ("20", None),
            ("20/d", None),
            ("0/s", None),
            ("-1/s", None),
            ("1e3/s", None),
            ("inf/s", None),
            ("1.2.3/s", None),
            ("", None),
        ] {
            assert_eq!(parse_rate(text), expected, "{text}");
        }
        assert_eq!(parse_rate_span("5/s..3000/m"), Some((5.0, 50.0)));
        assert_eq!(parse_rate_span("5/s"), Some((5.0, 5.0)));
        assert_eq!(parse_rate_span("5..50/s"), None);
    }
}
