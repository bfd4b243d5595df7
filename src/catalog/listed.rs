//! Values of lists, as far as they are believed.
//!
//! Owns what becomes of a value of the wrong type and of a word that is too long or not harmless. Must not
//! know what the values are of. Invariant: no word that leaves here moves a cursor or turns a line.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use crate::units::acts;

/// Characters kept of a name or a tag: they end in tables.
const MAX_WORD_CHARS: usize = 200;

/// Reads a value of the wanted type, or leaves it absent when it has another one.
pub(super) fn understood<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    d: D,
) -> Result<Option<T>, D::Error> {
    let value = serde_json::Value::deserialize(d)?;
    Ok(serde_json::from_value(value).ok())
}

/// A word from outside, as long as a table bears and without what moves a cursor or turns a line.
pub(super) fn shortened(word: String) -> String {
    cut_to(word, MAX_WORD_CHARS)
}

/// The same of so many characters.
pub(super) fn cut_to(word: String, most: usize) -> String {
    if word.chars().count() > most || word.contains(acts) {
        let harmless = word.chars().filter(|&c| !acts(c));
        harmless.take(most).collect()
    } else {
        word
    }
}
