//! A text with its escapes undone, and the original position of each byte.
//!
//! Owns the escapes: JSON's, those of URLs and of HTML, and characters that cannot be seen. Must not know what is
//! looked for. Invariant: a place lies within the original text, on the bounds of its characters.

use std::ops::Range;

use crate::units::is_unsafe_char;

/// Bytes of a text, and where each of them stands in the original.
pub(super) struct DecodedText {
    pub(super) bytes: Vec<u8>,
    /// Start and end, relative to `offset`: a view is far smaller than 4 GiB.
    places: Vec<(u32, u32)>,
    offset: usize,
}

impl DecodedText {
    /// The text as it is; it stands at `offset` of the original.
    pub(super) fn from_text(text: &str, offset: usize) -> Self {
        let place = |(start, c): (usize, char)| {
            let place = (narrow(start), narrow(start + c.len_utf8()));
            std::iter::repeat_n(place, c.len_utf8())
        };
        Self {
            bytes: text.as_bytes().to_vec(),
            places: text.char_indices().flat_map(place).collect(),
            offset,
        }
    }

    /// One layer of escapes undone, and characters that cannot be seen left out.
    pub(super) fn decoded(&self) -> Self {
        let mut decoded = Self {
            bytes: Vec::with_capacity(self.bytes.len()),
            places: Vec::with_capacity(self.bytes.len()),
            offset: self.offset,
        };
        let mut at = 0;
        while at < self.bytes.len() {
            let (code, length) = unit(&self.bytes[at..]);
            let place = (self.places[at].0, self.places[at + length - 1].1);
            match code {
                TextUnit::Byte(byte) => decoded.push(&[byte], place),
                TextUnit::Char(c) if is_unsafe_char(c) => {}
                TextUnit::Char(c) => decoded.push(c.encode_utf8(&mut [0; 4]).as_bytes(), place),
            }
            at += length;
        }
        decoded
    }

    fn push(&mut self, bytes: &[u8], place: (u32, u32)) {
        self.bytes.extend_from_slice(bytes);
        self.places.extend(bytes.iter().map(|_| place));
    }

    /// The place in the original of a range of bytes that is not empty.
    pub(super) fn origin(&self, range: Range<usize>) -> Range<usize> {
        let start = self.places[range.start].0 as usize;
        let end = self.places[range.end - 1].1 as usize;
        self.offset + start..self.offset + end
    }
}

fn narrow(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

/// A unit of text: a character, or a byte that is none by itself.
enum TextUnit {
    Byte(u8),
    Char(char),
}

/// The first unit, and the bytes that it takes.
fn unit(bytes: &[u8]) -> (TextUnit, usize) {
    let of_code = |code: u32| TextUnit::Char(char::from_u32(code).unwrap_or('\u{fffd}'));
    match bytes {
        [b'\\', b'u', rest @ ..] => hex(rest, 4).map(|code| (of_code(code), 6)),
        [b'\\', b'x', rest @ ..] => hex(rest, 2).map(|code| (of_code(code), 4)),
        [b'\\', b'n' | b'r' | b't' | b'b' | b'f', ..] => Some((TextUnit::Char('\n'), 2)),
        [b'\\', c, ..] if c.is_ascii() => Some((TextUnit::Byte(*c), 2)),
        [b'%', rest @ ..] => hex(rest, 2)
            .and_then(|code| u8::try_from(code).ok())
            .map(|byte| (TextUnit::Byte(byte), 3)),
        [b'&', b'#', ..] => entity(bytes).map(|(code, length)| (of_code(code), length)),
        _ => None,
    }
    .unwrap_or_else(|| plain(bytes))
}

/// The first character as it is.
fn plain(bytes: &[u8]) -> (TextUnit, usize) {
    if bytes[0].is_ascii() {
        return (TextUnit::Char(char::from(bytes[0])), 1);
    }
    let longest = bytes.len().min(4);
    let c = (2..=longest).find_map(|length| {
        let text = std::str::from_utf8(&bytes[..length]).ok()?;
        Some((TextUnit::Char(text.chars().next()?), length))
    });
    c.unwrap_or((TextUnit::Byte(bytes[0]), 1))
}

fn hex(bytes: &[u8], digits: usize) -> Option<u32> {
    let digits = bytes.get(..digits)?;
    number(digits, 16)
}

/// A number without a sign.
fn number(digits: &[u8], radix: u32) -> Option<u32> {
    let digits = std::str::from_utf8(digits).ok()?;
    let whole = digits.chars().all(|c| c.is_digit(radix));
    whole.then(|| u32::from_str_radix(digits, radix).ok())?
}

/// `&#47;` or `&#x2f;`.
fn entity(bytes: &[u8]) -> Option<(u32, usize)> {
    let end = bytes.iter().take(12).position(|byte| *byte == b';')?;
    let (digits, radix) = match bytes.get(2)? {
        b'x' | b'X' => (bytes.get(3..end)?, 16),
        _ => (bytes.get(2..end)?, 10),
    };
    Some((number(digits, radix)?, end + 1))
}
