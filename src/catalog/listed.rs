//! Sanitised values of model lists.
//!
//! Owns the handling of a value of the wrong type, and of text that is too long or contains control characters.
//! Must not know the meaning of values. Invariant: the resulting text moves no cursor and ends no line.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use crate::units::is_unsafe_char;

/// Maximum characters of a name or a tag: they are printed in tables.
const MAX_WORD_CHARS: usize = 200;

/// Deserialises a value; absent if it has another type.
pub(super) fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    d: D,
) -> Result<Option<T>, D::Error> {
    let value = serde_json::Value::deserialize(d)?;
    Ok(serde_json::from_value(value).ok())
}

/// Sanitises a word: limits its length for tables and removes characters that affect a terminal.
pub(super) fn sanitize_word(word: String) -> String {
    sanitize(word, MAX_WORD_CHARS)
}

/// Sanitises text with a maximum length in characters.
pub(super) fn sanitize(word: String, max: usize) -> String {
    if word.chars().count() > max || word.contains(is_unsafe_char) {
        let harmless = word.chars().filter(|&c| !is_unsafe_char(c));
        harmless.take(max).collect()
    } else {
        word
    }
}
