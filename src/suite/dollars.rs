//! Sums of money as people write them: `0.5`, `"0.5"`, `"$0.50"`.
//!
//! Owns how a sum is read from a file. Must not know what it is for. Invariant: exact, and within the
//! range that the key allows.

use crate::units::{Usd, UsdError};

use super::problem::Code;
use super::reader::Value;

/// A sum as it is typed, with or without its sign.
///
/// # Errors
/// Where the text is no amount.
pub fn parse_dollars(text: &str) -> Result<Usd, UsdError> {
    text.strip_prefix('$').unwrap_or(text).parse()
}

/// A sum from 0 to `most` USD; the problem is told where it is none.
pub(super) fn dollars(value: &Value<'_>, most: u32) -> Option<Usd> {
    let wanted = format!("an amount from 0 to {most} in USD, such as 0.25 or \"$0.25\"");
    let text = value.decimal(&wanted)?;
    let most = Usd(i128::from(most) * Usd::PICO);
    match parse_dollars(text) {
        Ok(usd) if (Usd::ZERO..=most).contains(&usd) => Some(usd),
        Ok(_) => {
            value.wrong(Code::OutOfRange, &wanted, None);
            None
        }
        Err(_) => {
            value.wrong(Code::BadValue, &wanted, None);
            None
        }
    }
}
