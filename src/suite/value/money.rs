//! Sums of money as people write them: `0.5`, `"0.5"`, `"$0.50"`.
//!
//! Owns how a sum is read from a file. Must not know what it is for. Invariant: exact, and within the
//! range that the key allows.

use crate::units::{Usd, UsdError};

/// A sum as it is typed, with or without its sign.
///
/// # Errors
/// Returns an error if the text is not an amount, or is one that rounds to nothing: a cap of `1e-20` is a
/// mistake, not a cap of 0.
pub fn parse_dollars(text: &str) -> Result<Usd, UsdError> {
    let wrong = || UsdError(text.to_owned());
    let number = text.strip_prefix('$').unwrap_or(text);
    let usd: Usd = number.parse().map_err(|_| wrong())?;
    let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
    if usd == Usd::ZERO && mantissa.contains(|c| matches!(c, '1'..='9')) {
        return Err(wrong());
    }
    Ok(usd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_an_amount_or_named_whole() {
        // An error that quotes something else than what was typed sends its reader to the wrong place.
        for (text, pico) in [
            ("$0.50", 500_000_000_000),
            ("1e-12", 1),
            ("0e5", 0),
            ("$0", 0),
        ] {
            assert_eq!(parse_dollars(text), Ok(Usd(pico)), "{text}");
        }
        for text in ["$", "$x", "", "1e-20", "$0.0000000000001"] {
            assert_eq!(parse_dollars(text), Err(UsdError(text.to_owned())));
        }
    }
}
