//! Halves of surrogate pairs: servers in JavaScript cut texts between them, at the end of a chunk.
//!
//! Owns their stand-ins and how they are joined. Must not know chunks. Invariant: of a stand-in at most one is left
//! in a text, at its end, until the next part of the text comes.

use std::borrow::Cow;

/// First half of the first pair.
const HALVES: u32 = 0xD800;
/// Half from which on it is the second one of a pair.
const SECOND_HALVES: u16 = 0xDC00;
/// First of the private characters that stand for halves: no text of people has them.
const STAND_INS: u32 = 0x10_F000;
/// The number of halves.
const COUNT: u32 = 0x800;

/// The character that stands for a half, which is no character.
pub(super) fn stand_in(half: u16) -> char {
    let offset = u32::from(half).wrapping_sub(HALVES) % COUNT;
    char::from_u32(STAND_INS + offset).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The half that a character stands for.
fn half(c: char) -> Option<u16> {
    let offset = u32::from(c).checked_sub(STAND_INS)?;
    let half = u16::try_from(HALVES + offset).ok()?;
    (offset < COUNT).then_some(half)
}

/// Appends the next part of a text and joins halves. Returns the number of pairs that were joined.
pub(super) fn append(text: &mut String, part: &str) -> u64 {
    let mut joined = 0;
    for c in part.chars() {
        let open = text.chars().next_back().and_then(half);
        if open.is_some() {
            text.pop();
        }
        match (open, half(c)) {
            (Some(first), Some(second)) if second >= SECOND_HALVES => {
                let pair = char::decode_utf16([first, second])
                    .next()
                    .and_then(Result::ok);
                text.push(pair.unwrap_or(char::REPLACEMENT_CHARACTER));
                joined += 1;
                continue;
            }
            (Some(_), _) => text.push(char::REPLACEMENT_CHARACTER),
            (None, _) => {}
        }
        let is_second = half(c).is_some_and(|half| half >= SECOND_HALVES);
        text.push(if is_second {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        });
    }
    joined
}

/// The text with a replacement character for each half.
pub(super) fn without_halves(text: &str) -> Cow<'_, str> {
    if text.chars().any(|c| half(c).is_some()) {
        let replaced = text.chars().map(|c| match half(c) {
            Some(_) => char::REPLACEMENT_CHARACTER,
            None => c,
        });
        Cow::Owned(replaced.collect())
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        // However a text is cut, also between the halves of its characters, the same text comes out.
        #[test]
        fn a_text_cut_anywhere_is_joined(text in "[a-z🦀😀𝄞ä]{0,20}", cuts in prop::collection::vec(any::<bool>(), 40)) {
            let mut whole = String::new();
            let mut part = String::new();
            let mut joined = 0;
            for (unit, cut) in text.encode_utf16().zip(cuts.iter().cycle()) {
                match char::from_u32(u32::from(unit)) {
                    Some(c) => part.push(c),
                    None => part.push(stand_in(unit)),
                }
                if *cut {
                    joined += append(&mut whole, &std::mem::take(&mut part));
                }
            }
            joined += append(&mut whole, &part);
            prop_assert_eq!(&whole, &text);
            let pairs = text.chars().filter(|c| c.len_utf16() == 2).count() as u64;
            prop_assert_eq!(joined, pairs);
        }

        // Halves without their other half are replaced one by one.
        #[test]
        fn lone_halves_are_replaced(halves in prop::collection::vec(0xDC00_u16..0xE000, 0..6)) {
            let mut text = String::from("a");
            for half in &halves {
                append(&mut text, &stand_in(*half).to_string());
            }
            prop_assert_eq!(text, "a".to_owned() + &"\u{fffd}".repeat(halves.len()));
            let first = stand_in(0xD83D).to_string();
            prop_assert_eq!(without_halves(&first), "\u{fffd}");
        }
    }
}
