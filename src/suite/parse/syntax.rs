//! Syntax errors of the TOML parser, reduced to one problem per fault.
//!
//! Owns the reading of the parser's errors. Must not know what the keys mean. The parser goes on after an error
//! with whatever it can make of the rest, and reports errors again wherever that fails. Invariant: of such a
//! cascade only the cause is reported.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use super::problem::{Code, Problem};
use crate::suite::value::limits;
use crate::suite::value::text::quoted;

/// The faults of a text that is not TOML, and the bytes for which nothing else should be reported.
#[derive(Default)]
pub(super) struct SyntaxFaults {
    pub(super) problems: Vec<Problem>,
    /// Sorted, without overlaps.
    pub(super) broken: Vec<Range<usize>>,
}

/// `text` in a form that the parser reads to its end, byte for byte in the same places, and the
/// errors that had to be taken out for that: the parser stops at a key without a value, which would
/// hide every problem after it. Such lines are overwritten with spaces.
pub(super) fn readable(text: &str) -> (Cow<'_, str>, Vec<Error>) {
    let mut readable = Cow::Borrowed(text);
    let mut taken_out = Vec::new();
    for _ in 0..limits::REPARSED {
        let (_, errors) = DeTable::parse_recoverable(&readable);
        let mut errors = errors.into_iter();
        let Some(stop) = errors.find(|error| error.message().starts_with("key with no value"))
        else {
            break;
        };
        let line = line_around(text, stop.span().unwrap_or(0..0).start);
        let spaces = " ".repeat(line.len());
        readable.to_mut().replace_range(line, &spaces);
        taken_out.push(stop);
    }
    (readable, taken_out)
}

/// Reads the parser's `errors` together with the tree that it recovered.
pub(super) fn find_faults(text: &str, root: &DeTable<'_>, errors: &[Error]) -> SyntaxFaults {
    if errors.is_empty() {
        return SyntaxFaults::default();
    }
    let mut places: Vec<(Range<usize>, &str)> = errors
        .iter()
        .map(|error| (error.span().unwrap_or(0..0), error.message()))
        .collect();
    places.sort_by_key(|(span, _)| (span.start, span.end));
    let mut faults = SyntaxFaults {
        broken: unclosed_values(text, root, &places),
        problems: Vec::new(),
    };
    for value in &faults.broken {
        faults.problems.push(unclosed_problem(text, value));
    }
    let mut lines: Vec<Range<usize>> = Vec::new();
    let mut header_unclosed = false;
    for (span, message) in places {
        let within = |ranges: &[Range<usize>]| {
            let next = ranges.partition_point(|range| range.end < span.start);
            ranges
                .get(next)
                .is_some_and(|range| range.start <= span.start)
        };
        if within(&faults.broken) || within(&lines) {
            continue;
        }
        if header_unclosed && message == "duplicate key" {
            continue;
        }
        let mut line = line_around(text, span.start);
        if message.starts_with("unclosed table") {
            // The parser takes what follows, up to the next header's end, for the rest of this one.
            header_unclosed = true;
            let next = text[line.end..]
                .find("\n[")
                .map_or(text.len(), |at| line.end + at + 1);
            line.end = line_around(text, next).end;
        }
        lines.push(line);
        faults.problems.push(problem(text, span, message));
    }
    faults.broken.extend(lines);
    faults.broken.sort_by_key(|range| range.start);
    faults
}

/// Outermost lists, inline tables and texts of several lines that are never closed: the rest of the
/// file was taken for their content.
fn unclosed_values(
    text: &str,
    root: &DeTable<'_>,
    places: &[(Range<usize>, &str)],
) -> Vec<Range<usize>> {
    let never_closed = |span: &Range<usize>| {
        let first = places.partition_point(|(place, _)| place.start < span.start);
        places[first..]
            .iter()
            .take_while(|(place, _)| place.start <= span.end)
            .any(|(place, message)| {
                place.start == span.end
                    && ["unclosed array", "unclosed inline", "invalid multi-line"]
                        .iter()
                        .any(|unclosed| message.starts_with(unclosed))
            })
    };
    let mut unclosed = Vec::new();
    let mut waiting: Vec<&Spanned<DeValue<'_>>> = root.values().collect();
    while let Some(value) = waiting.pop() {
        let span = value.span();
        let opening = text.as_bytes().get(span.start);
        let written_as_value = matches!(value.get_ref(), DeValue::Array(_) | DeValue::String(_))
            || opening == Some(&b'{');
        let spans_lines = text
            .get(span.clone())
            .is_some_and(|text| text.contains('\n'));
        if written_as_value && spans_lines && never_closed(&span) {
            unclosed.push(span);
            continue;
        }
        match value.get_ref() {
            DeValue::Array(items) => waiting.extend(items.iter()),
            DeValue::Table(table) => waiting.extend(table.values()),
            _ => {}
        }
    }
    unclosed.sort_by_key(|span| span.start);
    unclosed
}

fn unclosed_problem(text: &str, value: &Range<usize>) -> Problem {
    let rest = &text[value.clone()];
    let (opening, kind, closing) = match rest.chars().next() {
        Some('[') => (1, "list", "]"),
        Some('{') => (1, "table", "}"),
        Some('\'') => (3, "text", "'''"),
        _ => (3, "text", "\"\"\""),
    };
    Problem {
        span: value.start..(value.start + opening).min(value.end),
        code: Code::Syntax,
        message: format!("this {kind} is not closed"),
        help: Some(format!("add `{closing}` at its end")),
        row: None,
    }
}

fn problem(text: &str, span: Range<usize>, message: &str) -> Problem {
    let found = text.get(span.clone()).unwrap_or_default();
    // The parser guesses by the first letter what a bare word was meant to be.
    let bare_word = ["string values must", "invalid boolean", "invalid float"]
        .iter()
        .any(|guess| message.starts_with(guess))
        && found.starts_with(char::is_alphabetic);
    let (message, help) = if message == "duplicate key" {
        let help = "keep one of them";
        (format!("{} is duplicate", quoted(found)), Some(help))
    } else if bare_word {
        let help = "write a string in quotation marks, a boolean as `true` or `false`";
        (format!("{} is not a value", quoted(found)), Some(help))
    } else if message.starts_with("string values must") && found.is_empty() {
        ("a value is missing".to_owned(), None)
    } else {
        let message = message
            .trim_end_matches(", expected nothing")
            .trim_end_matches(", expected literal string");
        (message.to_owned(), None)
    };
    Problem {
        span,
        code: Code::Syntax,
        message,
        help: help.map(str::to_owned),
        row: None,
    }
}

/// The bytes of the line that holds the byte `at`, without its line break.
fn line_around(text: &str, at: usize) -> Range<usize> {
    let at = text.floor_char_boundary(at);
    let start = text[..at].rfind('\n').map_or(0, |at| at + 1);
    let end = text[at..]
        .find('\n')
        .map_or(text.len(), |length| at + length);
    start..end
}
