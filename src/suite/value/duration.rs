//! Durations as people write them: `250ms`, `1.5s`, `2m`, `1m30s`.
//!
//! Owns what is refused of the library's grammar. Must not know what a duration is for. Invariant: exact; what is finer
//! than a nanosecond, or longer than the type holds, is an error and not rounded.

use jiff::SignedDuration;

use crate::units::Nanos;

/// Reads numbers, each with its unit, from the largest unit to the smallest; the last one may have a fraction, with a point.
pub(in crate::suite) fn parse_duration(text: &str) -> Option<Nanos> {
    let text = text.trim();
    // The library also reads signs, `ago`, decimal commas, `01:02:03` and `PT1S`.
    let is_plain = text.starts_with(|c: char| c.is_ascii_digit()) && !text.contains([',', ':']);
    if !is_plain || !is_exact(text) {
        return None;
    }
    let duration: SignedDuration = text.parse().ok()?;
    u64::try_from(duration.as_nanos()).ok().map(Nanos)
}

/// Returns true if the fraction of a duration has no digit that is finer than a nanosecond: the library drops those.
fn is_exact(text: &str) -> bool {
    let Some((_, fraction)) = text.split_once('.') else {
        return true;
    };
    let digits_end = fraction.find(|c: char| !c.is_ascii_digit());
    let (digits, unit) = fraction.split_at(digits_end.unwrap_or(fraction.len()));
    let unit = unit.trim_start();
    let is_unit = |names: [&str; 3]| names.iter().any(|name| unit.starts_with(name));
    let places = if is_unit(["us", "µs", "micro"]) {
        3
    } else if is_unit(["ms", "milli", "msec"]) {
        6
    } else {
        9
    };
    digits.trim_end_matches('0').len() <= places
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Units and their nanoseconds.
    const UNITS: [(&str, u64); 7] = [
        ("ns", 1),
        ("us", 1_000),
        ("µs", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ];

    #[test]
    fn durations_are_read_exactly() {
        // Deadlines must be what was written, to the nanosecond, or be refused.
        for (text, nanos) in [
            ("250ms", 250_000_000),
            ("1.5s", 1_500_000_000),
            ("2m", 120_000_000_000),
            ("1m30s", 90_000_000_000),
            ("1h 0.5m", 3_630_000_000_000),
            ("0.1us", 100),
            (" 7 ns ", 7),
            ("0.000000001s", 1),
            ("1.500ms", 1_500_000),
            ("0.001us", 1),
            ("2 minutes", 120_000_000_000),
        ] {
            let read = parse_duration(text).map(|nanos| nanos.0);
            assert_eq!(read, Some(nanos), "{text}");
        }
        for text in [
            "",
            " ",
            "5",
            "s",
            "1.s",
            ".5s",
            "-1s",
            "1d",
            "1,5s",
            "1.2.3s",
            "0.5ns",
            "1.50ns",
            "1.05ns",
            "1.-5s",
            "1e3s",
            "99999999999h",
            "1s2",
            "1 s 2",
            "1s 1m",
            "1s ago",
            "+1s",
            "PT1S",
            "00:01:00",
            "1.0000001ms",
            "0.0001 µs",
            "0.0001 micros",
            "1.0000000000s",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    proptest! {
        // Whole numbers in any unit come back as that many units; nothing panics.
        #[test]
        fn whole_numbers_scale(count in 0_u64..1_000_000, unit in 0..UNITS.len()) {
            let (name, scale) = UNITS[unit];
            prop_assert_eq!(parse_duration(&format!("{count}{name}")), Some(Nanos(count * scale)));
        }

        // A fraction of any unit is exact, or an error: never rounded.
        #[test]
        fn fractions_are_exact(whole in 0_u64..1_000, digits in "[0-9]{1,9}", unit in 1..UNITS.len()) {
            let (name, scale) = UNITS[unit];
            let parts = digits.parse::<u128>().unwrap() * u128::from(scale);
            let places = 10_u128.pow(u32::try_from(digits.len()).unwrap());
            let exact = u128::from(whole * scale) + parts / places;
            let expected = parts.is_multiple_of(places).then(|| Nanos(u64::try_from(exact).unwrap()));
            prop_assert_eq!(parse_duration(&format!("{whole}.{digits}{name}")), expected);
        }

        // Arbitrary text is a duration or not, never a panic.
        #[test]
        fn arbitrary_text_never_panics(text in "[0-9.a-zµ é-]{0,30}") {
            let _ = parse_duration(&text);
        }
    }
}
