//! The JSON of a chunk of any route: the route is detected from the bytes.
//!
//! Owns that detection, and the repair of JSON that only other parsers accept. Must not know times or earlier
//! chunks. Invariant: a field of an unexpected type is an absent field, never a lost chunk.

use serde_json::Value;

use super::chat::to_chunk;
use super::chunk::Chunk;
use super::lenient::Object;
use super::surrogates::stand_in;
use super::wire::WireChunk;
use super::{messages, responses};

/// Reads the JSON of one chunk or of a whole answer; `None` when it is not a JSON object.
pub fn parse(json: &[u8]) -> Option<Chunk<'_>> {
    let wire: Object<WireChunk<'_>> = serde_json::from_slice(json).ok()?;
    let wire = wire.0?;
    let named = wire.choices.0.is_empty();
    if named && messages::is_of_route(&wire.kind.0) {
        return messages::parse(json, &wire.kind.0);
    }
    if named && responses::is_of_route(&wire) {
        return responses::parse(json, &wire.kind.0);
    }
    Some(to_chunk(wire))
}

/// Repairs JSON that most parsers accept and ours does not: bytes that are not UTF-8, halves of surrogate pairs
/// (each becomes its stand-in, for its other half may be in the next chunk), duplicate keys. `None` when it is not
/// JSON even so. Costs much more than [`parse`]: only for text that it rejected.
pub fn repair_json(json: &[u8]) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(json);
    let text = replace_lone_surrogates(&text);
    let value: Value = serde_json::from_str(&text).ok()?;
    Some(value.to_string().into_bytes())
}

/// Replaces each escape of half a surrogate pair by its stand-in.
fn replace_lone_surrogates(text: &str) -> String {
    let half = |at: usize| -> Option<u16> {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let mut repaired = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'\\', &text.as_bytes()[at..]) {
        let escape = at + found;
        repaired.push_str(&text[at..escape]);
        let pair = || matches!(half(escape + 6), Some(0xDC00..=0xDFFF));
        let length = match half(escape) {
            Some(0xD800..=0xDBFF) if pair() => 12,
            Some(lone @ 0xD800..=0xDFFF) => {
                repaired.push(stand_in(lone));
                at = escape + 6;
                continue;
            }
            Some(_) => 6,
            // An escape of one character; the character after a backslash begins no escape.
            None => 1 + text[escape + 1..].chars().next().map_or(0, char::len_utf8),
        };
        repaired.push_str(&text[escape..escape + length]);
        at = escape + length;
    }
    repaired.push_str(&text[at..]);
    repaired
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
