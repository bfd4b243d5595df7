//! Prices as people write them, USD per million tokens, into exact amounts per token.
//!
//! Owns the exact division. Must not know whose price it is. Invariant: exact or an error; nothing
//! is rounded.

use crate::units::Usd;

use super::limits::PRICE_USD_PER_MTOK;

/// Why a text is not a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PriceError {
    /// It is not a decimal number.
    NotAmount,
    /// It is below 0 or above the limit.
    OutOfRange,
    /// It is finer than 1e-12 USD per token.
    TooFine,
}

/// `text` USD per million tokens, as USD per token.
pub(super) fn usd_per_token(text: &str) -> Result<Usd, PriceError> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => {
            let exponent = text[at + 1..].parse::<i32>();
            (&text[..at], exponent.map_err(|_| PriceError::NotAmount)?)
        }
        None => (text, 0),
    };
    let (negative, magnitude) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = magnitude.split_once('.').unwrap_or((magnitude, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(PriceError::NotAmount);
    }
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return Ok(Usd::ZERO);
    }
    if negative {
        return Err(PriceError::OutOfRange);
    }
    // One USD per million tokens is 1e6 pico-dollars per token.
    let trailing = digits.len() - digits.trim_end_matches('0').len();
    let places = i64::try_from(trailing).map_err(|_| PriceError::NotAmount)?
        - i64::try_from(fraction.len()).map_err(|_| PriceError::NotAmount)?
        + i64::from(exponent)
        + 6;
    let places = u32::try_from(places).map_err(|_| PriceError::TooFine)?;
    let most = i128::from(PRICE_USD_PER_MTOK) * 1_000_000;
    significant
        .parse::<i128>()
        .ok()
        .and_then(|value| value.checked_mul(10_i128.checked_pow(places)?))
        .filter(|pico| *pico <= most)
        .map(Usd)
        .ok_or(PriceError::OutOfRange)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn prices_are_divided_exactly() {
        // A list price must come out to the last digit, or the bill never agrees with it.
        for (text, pico) in [
            ("0.25", 250_000),
            ("2", 2_000_000),
            ("+1.50", 1_500_000),
            ("0.000001", 1),
            ("1e-6", 1),
            ("25E-2", 250_000),
            ("1000000", 1_000_000_000_000),
            ("0", 0),
            ("-0.0", 0),
            (".5", 500_000),
            ("0.0000010000", 1),
        ] {
            assert_eq!(usd_per_token(text), Ok(Usd(pico)), "{text}");
        }
        for (text, error) in [
            ("", PriceError::NotAmount),
            (".", PriceError::NotAmount),
            ("$2", PriceError::NotAmount),
            ("nan", PriceError::NotAmount),
            ("inf", PriceError::NotAmount),
            ("1e", PriceError::NotAmount),
            ("1,5", PriceError::NotAmount),
            ("-1", PriceError::OutOfRange),
            ("1000000.000001", PriceError::OutOfRange),
            ("1e99", PriceError::OutOfRange),
            ("0.0000001", PriceError::TooFine),
            ("0.1234567", PriceError::TooFine),
            ("1e-99", PriceError::TooFine),
        ] {
            assert_eq!(usd_per_token(text), Err(error), "{text}");
        }
    }

    proptest! {
        // A price per token times a million is the price that was written.
        #[test]
        fn a_million_tokens_cost_what_was_written(micro in 0_u64..=1_000_000_000_000) {
            let text = format!("{}.{:06}", micro / 1_000_000, micro % 1_000_000);
            let each = usd_per_token(&text).unwrap();
            prop_assert_eq!(each.times(1_000_000), Some(text.parse::<Usd>().unwrap()));
        }

        // Arbitrary text is a price or an error, never a panic.
        #[test]
        fn arbitrary_text_never_panics(text in "[-+0-9.eE\\PC]{0,60}") {
            let _ = usd_per_token(&text);
        }
    }
}
