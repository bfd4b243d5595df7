//! Percentages as people write them: `5%`, `2.5 %`.
//!
//! Owns this small grammar and the message about a number without its sign. Must not know what a percentage is
//! for. Invariant: the share is the number nearest to what was written.

/// Reads a percentage as a share: `5%` is 0.05. `None` for what is none.
pub fn parse_percent(text: &str) -> Option<f64> {
    let digits = text.trim().strip_suffix('%')?.trim_end();
    let plain = |c: char| c.is_ascii_digit() || c == '.';
    if !digits.starts_with(|c: char| c.is_ascii_digit()) || !digits.chars().all(plain) {
        return None;
    }
    // Moved by its exponent and not divided, so that `5%` is exactly the number 0.05.
    format!("{digits}e-2").parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn percentages_are_shares() {
        // A tolerance must be the number that was written, or be refused.
        for (text, share) in [
            ("5%", 0.05_f64),
            ("5 %", 0.05),
            (" 2.5% ", 0.025),
            ("0%", 0.0),
            ("0.1%", 0.001),
            ("150%", 1.5),
        ] {
            let read = parse_percent(text).map(f64::to_bits);
            assert_eq!(read, Some(share.to_bits()), "{text}");
        }
        for text in [
            "",
            "%",
            "5",
            "0.05",
            "-5%",
            "+5%",
            "1e2%",
            "5%%",
            "5 % x",
            ".5%",
            "1.2.3%",
            "inf%",
            "5\u{a0}per cent",
        ] {
            assert_eq!(parse_percent(text), None, "{text}");
        }
    }

    proptest! {
        // Hundredths of a percent come back as what they are; nothing panics.
        #[test]
        fn hundredths_are_exact(hundredths in 0_u32..1_000_000) {
            let text = format!("{}.{:02}%", hundredths / 100, hundredths % 100);
            let read = parse_percent(&text).unwrap();
            prop_assert_eq!(read.to_bits(), (f64::from(hundredths) / 1e4).to_bits());
        }

        // Arbitrary text is a percentage or not, never a panic.
        #[test]
        fn arbitrary_text_never_panics(text in "[0-9.% e+-]{0,20}\\PC?") {
            let _ = parse_percent(&text);
        }
    }
}
