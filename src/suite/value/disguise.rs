//! A text with its escapes undone, and the original position of each byte.
//!
//! Owns the escapes (JSON's, those of URLs and of HTML) and the characters that hide others: white space and those
//! that cannot be seen. Must not know what is looked for. Invariant: a place lies within the original text, on the
//! bounds of its characters.

use std::ops::Range;

use crate::units::is_unsafe_char;

/// Most bytes of an escape: zeros before the number of a character are not bounded otherwise.
const ESCAPE_BYTES_MAX: usize = 64;

/// A part of a text without the characters that hide others, and where each byte stands in the original.
#[derive(Default)]
pub(super) struct DecodedText {
    pub(super) bytes: Vec<u8>,
    /// Start and end in the original.
    places: Vec<(usize, usize)>,
    /// Bytes that were decoded into the next layer.
    decoded: usize,
}

impl DecodedText {
    /// Appends a part of the original text, which stands at `offset` of it.
    pub(super) fn push_text(&mut self, text: &str, offset: usize) {
        for (start, c) in text.char_indices() {
            let place = (offset + start, offset + start + c.len_utf8());
            self.push(c, place);
        }
    }

    /// Appends what is new here to the next layer, with one layer of escapes undone. An escape may be cut off at
    /// the end: `is_last` is true if nothing follows.
    pub(super) fn decode_into(&mut self, next: &mut Self, is_last: bool) {
        let reserve = if is_last { 0 } else { ESCAPE_BYTES_MAX };
        let end = self.bytes.len().saturating_sub(reserve);
        while self.decoded < end {
            let at = self.decoded;
            let (unit, length) = unit(&self.bytes[at..]);
            let place = (self.places[at].0, self.places[at + length - 1].1);
            match unit {
                TextUnit::Byte(byte) => next.push_bytes(&[byte], place),
                TextUnit::Char(c) => next.push(c, place),
            }
            self.decoded += length;
        }
    }

    /// Forgets all but the last `count` bytes, and those that are not decoded yet.
    pub(super) fn retain_last(&mut self, count: usize) {
        let count = count.max(ESCAPE_BYTES_MAX);
        let gone = self.bytes.len().saturating_sub(count);
        self.bytes.drain(..gone);
        self.places.drain(..gone);
        self.decoded = self.decoded.saturating_sub(gone);
    }

    /// The place in the original of a range of bytes that is not empty.
    pub(super) fn origin(&self, range: Range<usize>) -> Range<usize> {
        self.places[range.start].0..self.places[range.end - 1].1
    }

    fn push(&mut self, c: char, place: (usize, usize)) {
        if !hides_others(c) {
            self.push_bytes(c.encode_utf8(&mut [0; 4]).as_bytes(), place);
        }
    }

    fn push_bytes(&mut self, bytes: &[u8], place: (usize, usize)) {
        self.bytes.extend_from_slice(bytes);
        self.places.extend(bytes.iter().map(|_| place));
    }
}

/// Returns true if the text may have escapes.
pub(super) fn may_have_escapes(text: &str) -> bool {
    memchr::memchr3(b'\\', b'%', b'&', text.as_bytes()).is_some()
}

/// Returns true if a character separates others or cannot be seen. Variation selectors are not unsafe to show, as
/// emoji have them, but hide as well.
fn hides_others(c: char) -> bool {
    c.is_whitespace() || is_unsafe_char(c) || matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{2800}')
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
        [b'&', ..] => named_entity(bytes).map(|(c, length)| (TextUnit::Char(c), length)),
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

/// `&#47;` or `&#x2f;`, with any zeros; browsers do not need the semicolon.
fn entity(bytes: &[u8]) -> Option<(u32, usize)> {
    let (start, radix) = match bytes.get(2)? {
        b'x' | b'X' => (3, 16),
        _ => (2, 10),
    };
    let end = bytes.len().min(ESCAPE_BYTES_MAX);
    let digits = bytes.get(start..end)?;
    let count = digits
        .iter()
        .take_while(|byte| char::from(**byte).is_digit(radix))
        .count();
    let code = number(&digits[..count], radix)?;
    let semicolon = usize::from(digits.get(count) == Some(&b';'));
    Some((code, start + count + semicolon))
}

/// HTML's names of the ASCII characters that have one.
const ENTITIES: [(&str, char); 41] = [
    ("Hat", '^'),
    ("NewLine", '\n'),
    ("Tab", '\t'),
    ("UnderBar", '_'),
    ("VerticalLine", '|'),
    ("amp", '&'),
    ("apos", '\''),
    ("ast", '*'),
    ("bsol", '\\'),
    ("colon", ':'),
    ("comma", ','),
    ("commat", '@'),
    ("dollar", '$'),
    ("equals", '='),
    ("excl", '!'),
    ("grave", '`'),
    ("gt", '>'),
    ("lbrace", '{'),
    ("lbrack", '['),
    ("lcub", '{'),
    ("lowbar", '_'),
    ("lpar", '('),
    ("lsqb", '['),
    ("lt", '<'),
    ("midast", '*'),
    ("nbsp", '\u{a0}'),
    ("num", '#'),
    ("percnt", '%'),
    ("period", '.'),
    ("plus", '+'),
    ("quest", '?'),
    ("quot", '"'),
    ("rbrace", '}'),
    ("rbrack", ']'),
    ("rcub", '}'),
    ("rpar", ')'),
    ("rsqb", ']'),
    ("semi", ';'),
    ("sol", '/'),
    ("verbar", '|'),
    ("vert", '|'),
];

/// `&sol;`. Names in capitals (`&AMP;`) are the same.
fn named_entity(bytes: &[u8]) -> Option<(char, usize)> {
    let name = bytes.get(1..)?;
    let name = &name[..name.iter().take(16).position(|byte| *byte == b';')?];
    let of_name = |(other, _): &&(&str, char)| other.as_bytes().eq_ignore_ascii_case(name);
    let (_, c) = ENTITIES.iter().find(of_name)?;
    Some((*c, name.len() + 2))
}
