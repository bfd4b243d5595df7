//! Retirement dates of an endpoint's models.
//!
//! Owns the table `[endpoints.NAME.retires]`. Must not know other sources of such dates. Invariant: every
//! pattern is valid.

use super::problem::Code;
use super::reader::{Key, Value};
use crate::suite::model::retirement::OwnRetirement;
use crate::suite::model::select::Pattern;
use crate::suite::value::limits;

/// Value of a model that the endpoint serves on.
const NEVER: &str = "never";

/// Reads the table `[endpoints.NAME.retires]`: a date for each model or glob.
pub(super) fn retirements(value: &Value<'_>) -> Option<Vec<OwnRetirement>> {
    value.free_table(|table| {
        let all = table.all();
        if all.len() > limits::PRICES {
            let message = format!("at most {} retirements are read", limits::PRICES);
            table.report_wrong(Code::TooLarge, message, None);
            return None;
        }
        let entries: Vec<_> = all.iter().map(|(key, value)| entry(key, value)).collect();
        entries.into_iter().collect()
    })?
}

fn entry(key: &Key<'_>, value: &Value<'_>) -> Option<OwnRetirement> {
    if let Err(error) = Pattern::new(key.text) {
        let message = error.to_string();
        key.report_wrong(Code::BadValue, message, None);
        return None;
    }
    let text = value.string()?;
    let date = if text == NEVER {
        None
    } else if let Ok(date) = text.parse() {
        Some(date)
    } else {
        let expected = "a date such as \"2027-01-14\", or \"never\"";
        value.report_wrong(Code::BadValue, expected, None);
        return None;
    };
    Some(OwnRetirement {
        model: key.text.to_owned(),
        date,
    })
}
