//! Durations as people write them: `250ms`, `1.5s`, `2m`, `1m30s`.
//!
//! Owns this small grammar. Must not know what a duration is for. Invariant: exact; what is finer
//! than a nanosecond, or longer than the type holds, is an error and not rounded.

use crate::units::Nanos;

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

/// Reads one or more numbers, each with its unit; spaces between them do not matter.
pub(in crate::suite) fn parse_duration(text: &str) -> Option<Nanos> {
    let mut rest = text.trim();
    let mut total: u64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(number_end);
        let after = after.trim_start();
        let unit_end = after
            .find(|c: char| !c.is_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit)?;
        total = total.checked_add(scaled(number, *scale)?)?;
        rest = after.trim_start();
    }
    Some(Nanos(total))
}

/// The decimal `number` times `scale`, exactly.
fn scaled(number: &str, scale: u64) -> Option<u64> {
    let (whole, fraction) = match number.split_once('.') {
        Some((_, "")) => return None,
        Some((whole, fraction)) => (whole, fraction.trim_end_matches('0')),
        None => (number, ""),
    };
    let whole = whole.parse::<u64>().ok()?.checked_mul(scale)?;
    if fraction.is_empty() {
        return Some(whole);
    }
    let places = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let parts = u128::from(fraction.parse::<u64>().ok()?) * u128::from(scale);
    if !parts.is_multiple_of(u128::from(places)) {
        return None;
    }
    let parts = u64::try_from(parts / u128::from(places)).ok()?;
    whole.checked_add(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
            ("1.0000000000s", 1_000_000_000),
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

        // Arbitrary text is a duration or not, never a panic.
        #[test]
        fn arbitrary_text_never_panics(text in "[0-9.a-zµ é-]{0,30}") {
            let _ = parse_duration(&text);
        }
    }
}
