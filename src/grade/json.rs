//! JSON within answers.
//!
//! Owns the search for objects and arrays in a text. Must not know schemas. Invariant: the search takes time in
//! proportion to the text, because the parser gives up at a fixed depth.

use std::ops::Range;

use serde_json::Value;

/// An object or array in a text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FoundJson {
    /// Its bytes in the text.
    pub(super) place: Range<usize>,
    pub(super) value: Value,
}

/// The objects and arrays in a text, in its order, none within another.
pub(super) fn json_values(text: &str) -> impl Iterator<Item = FoundJson> {
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let opening = memchr::memchr2(b'{', b'[', text.as_bytes().get(from..)?)? + from;
            let mut values = serde_json::Deserializer::from_str(&text[opening..]).into_iter();
            let Some(Ok(value)) = values.next() else {
                from = opening + 1;
                continue;
            };
            let place = opening..opening + values.byte_offset();
            from = place.end;
            return Some(FoundJson { place, value });
        }
    })
}
