//! Values whose keys are free, as JSON.
//!
//! Owns what TOML can say and JSON cannot, and the search for secrets. Must not know what the value
//! is for. Invariant: no value that holds a key gets through.

use serde_json::Value as Json;
use toml::de::DeValue;

use super::Value;
use crate::suite::parse::problem::Code;
use crate::suite::value::limits;
use crate::suite::value::secret::{looks_like_key, names_a_key};

impl Value<'_> {
    /// Returns true for a table or an array.
    pub(in crate::suite) fn is_document(&self) -> bool {
        matches!(
            self.spanned.get_ref(),
            DeValue::Table(_) | DeValue::Array(_)
        )
    }

    /// Returns true for an array.
    pub(in crate::suite) fn is_list(&self) -> bool {
        matches!(self.spanned.get_ref(), DeValue::Array(_))
    }

    /// The value as JSON: what TOML can say and JSON cannot is a problem, and so is a secret.
    pub(in crate::suite) fn json(&self) -> Option<Json> {
        self.json_within(limits::JSON_DEPTH)
    }

    fn json_within(&self, depth: usize) -> Option<Json> {
        if depth == 0 {
            let message = format!("tables are nested deeper than {} here", limits::JSON_DEPTH);
            self.report(Code::TooLarge, message, None);
            return None;
        }
        match self.spanned.get_ref() {
            DeValue::String(text) => {
                if looks_like_key(text) {
                    self.secret();
                    return None;
                }
                Some(Json::from(text.as_ref()))
            }
            DeValue::Integer(_) => self.integer(i64::MIN..=i64::MAX).map(Json::from),
            DeValue::Float(_) => self.number("a finite number", |_| true).map(Json::from),
            DeValue::Boolean(boolean) => Some(Json::from(*boolean)),
            DeValue::Datetime(_) => {
                let help = Some("write it as a string, in quotation marks".to_owned());
                self.report_wrong(Code::WrongType, "a value that JSON can represent", help);
                None
            }
            // Every item is read before a wrong one ends the loop, so that all are reported.
            DeValue::Array(_) => {
                let items = self.items(usize::MAX, "an array")?;
                let items: Vec<_> = items
                    .iter()
                    .map(|item| item.json_within(depth - 1))
                    .collect();
                items.into_iter().collect()
            }
            DeValue::Table(_) => self.free_table(|table| {
                let entries: Vec<_> = table
                    .all()
                    .into_iter()
                    .map(|(key, value)| {
                        (key.text.to_owned(), value.json_entry(key.text, depth - 1))
                    })
                    .collect();
                let entries = entries.into_iter().map(|(key, value)| Some((key, value?)));
                entries.collect::<Option<_>>().map(Json::Object)
            })?,
        }
    }

    fn json_entry(&self, key: &str, depth: usize) -> Option<Json> {
        if names_a_key(key) && self.is_string() {
            self.secret();
            return None;
        }
        self.json_within(depth)
    }

    /// Reports a secret in this value, without showing it.
    pub(in crate::suite) fn secret(&self) {
        let message = format!("{} contains a secret", self.name);
        let help = "keys come only from the environment: remove it here, and name the variable \
                    as `key` of an endpoint in bakeoff.toml";
        self.report(Code::Secret, message, Some(help.to_owned()));
    }
}
