//! Text from outside, sanitised before it is shown.
//!
//! Owns the escaping for terminals, tables and spreadsheets. Must not know which text it is. Invariant: the
//! result contains no control character and no HTML, and stays as readable as the
//! input.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use unicode_width::UnicodeWidthChar as _;

pub(super) use crate::units::one_line;

/// Escapes text for Markdown, inside a table or a sentence: no markup, no HTML, no mention of a person.
pub(super) fn markdown(text: &str) -> String {
    let text = one_line(text);
    let mut escaped = String::with_capacity(text.len() + 8);
    let mut before = ' ';
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let after = rest.clone().next().unwrap_or(' ');
        match c {
            // Inside a word an underscore is one: `max_tokens` stays readable in the source.
            '_' if before.is_alphanumeric() && after.is_alphanumeric() => escaped.push(c),
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            // A zero-width space: a gateway's message must not notify a person of that name.
            '@' => escaped.push_str("@&#8203;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' => {
                escaped.push('\\');
                escaped.push(c);
            }
            _ => escaped.push(c),
        }
        before = c;
    }
    escaped
}

/// Escapes text for CSV: one line of safe characters; text that a spreadsheet would evaluate as a formula is marked as text.
pub(super) fn csv(text: &str) -> Cow<'_, str> {
    let line = one_line(text);
    // A full-width sign is taken for the plain one by some spreadsheets.
    if line
        .trim_start()
        .starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
    {
        Cow::Owned(format!("'{line}"))
    } else {
        line
    }
}

/// The text in ASCII, for terminals that have nothing else. Every character keeps its width, and heights their order.
pub fn ascii(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        let stand_in = match c {
            '\0'..='\x7f' => c,
            '–' | '─' | '−' => '-',
            '━' => '=',
            '┃' | '│' => '|',
            '…' => '~',
            '×' => 'x',
            '†' => '+',
            '\u{2581}'..='\u{2588}' => HEIGHTS[c as usize - 0x2581],
            _ => {
                plain.push_str(&"?".repeat(c.width().unwrap_or(0)));
                continue;
            }
        };
        plain.push(stand_in);
    }
    plain
}

/// Stand-ins for the eight heights of a sparkline: the more ink, the higher.
const HEIGHTS: [char; 8] = ['.', ':', '-', '=', '+', '*', '#', '@'];

/// Appends formatted text.
pub(super) fn push(out: &mut String, text: fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a String can always grow");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        // No text from a server acts: not in a terminal, not on a page, not in a
        // spreadsheet.
        #[test]
        fn no_text_acts(text in any::<String>()) {
            let line = one_line(&text);
            prop_assert!(!line.contains(crate::units::is_unsafe_char));
            prop_assert_eq!(line.chars().count(), text.chars().count());
            let page = markdown(&text);
            prop_assert!(!page.contains(['<', '>', '\n']));
            let bars = page.match_indices('|').map(|(at, _)| at);
            for at in bars {
                prop_assert!(page[..at].ends_with('\\'));
            }
            let cell = csv(&text);
            prop_assert!(!cell.contains(crate::units::is_unsafe_char));
            prop_assert!(!cell.trim_start().starts_with(['=', '+', '-', '@']));
        }

        // Plain words stay as they are: escaping is not mangling.
        #[test]
        fn plain_words_are_untouched(text in "[a-zA-Z0-9 ./:,%()$-]{0,40}") {
            prop_assert_eq!(markdown(&text), text.clone());
            prop_assert_eq!(one_line(&text), text.as_str());
        }
    }
}
