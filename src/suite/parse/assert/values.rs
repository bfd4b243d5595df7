//! The values of asserts: texts, lists of texts, times.
//!
//! Owns their limits. Must not know the types of asserts. Invariant: a value that is refused is reported.

use super::super::fields::timeout;
use super::super::problem::Code;
use super::super::reader::Value;
use crate::suite::value::limits;
use crate::units::Nanos;

/// A string, or a number or boolean as the suite spells it.
pub(super) fn text_value(value: &Value<'_>) -> Option<String> {
    let Some(text) = value.as_str() else {
        let scalar = value
            .json()
            .filter(|json| json.is_number() || json.is_boolean());
        if scalar.is_none() {
            value.report_if_first(
                Code::WrongType,
                format!("{} must be a string", value.name()),
            );
        }
        return scalar.map(|json| json.to_string());
    };
    if text.len() > limits::ASSERT_VALUE_BYTES {
        let max = limits::ASSERT_VALUE_BYTES;
        let message = format!("{} has more than {max} bytes", value.name());
        value.report(Code::TooLarge, message, None);
        return None;
    }
    Some(text.to_owned())
}

pub(super) fn text_list(value: &Value<'_>) -> Option<Vec<String>> {
    let items = value.items(limits::ASSERT_VALUES, "a string or an array of strings")?;
    if items.is_empty() {
        let message = format!("{} is empty", value.name());
        value.report(Code::BadValue, message, None);
        return None;
    }
    let texts: Vec<_> = items.iter().map(text_value).collect();
    texts.into_iter().collect()
}

/// A time, also as a number of milliseconds.
pub(super) fn time(value: &Value<'_>) -> Option<Nanos> {
    if value.is_string() {
        return timeout(value);
    }
    let max = limits::TIMEOUT_NS / 1_000_000;
    let expected = "a time such as \"500ms\" or \"2s\", or milliseconds above 0";
    let fits = |millis: f64| millis > 0.0 && millis <= max as f64;
    let millis = value.number(expected, fits)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "above 0 and at most an hour"
    )]
    Some(Nanos((millis * 1e6).round() as u64))
}
