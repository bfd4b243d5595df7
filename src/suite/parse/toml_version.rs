//! The parts of a text that only TOML 1.1 allows.
//!
//! Owns the differences between TOML 1.0 and 1.1 that a suite can have. Must not know what keys mean. Invariant: a text
//! for which nothing is found is read by every reader of TOML 1.0.

use toml_parser::decoder::Encoding;
use toml_parser::parser::{EventReceiver, parse_document};
use toml_parser::{ErrorSink, Source, Span};

/// The first line that needs TOML 1.1, and what of it.
pub fn needs_toml_1_1(text: &str) -> Option<(usize, &'static str)> {
    let source = Source::new(text);
    let tokens: Vec<_> = source.lex().collect();
    let mut search = VersionSearch {
        text,
        open: Vec::new(),
        after_comma: false,
        found: None,
    };
    // Errors are found, and reported, by the reader of suites.
    parse_document(&tokens, &mut search, &mut ());
    let (at, what) = search.found?;
    let line = memchr::memchr_iter(b'\n', &text.as_bytes()[..at]).count() + 1;
    Some((line, what))
}

/// A collection that is not yet closed.
#[derive(PartialEq)]
enum Open {
    Table,
    Array,
}

struct VersionSearch<'t> {
    text: &'t str,
    open: Vec<Open>,
    after_comma: bool,
    found: Option<(usize, &'static str)>,
}

impl VersionSearch<'_> {
    fn note(&mut self, span: Span, what: &'static str) {
        self.found.get_or_insert((span.start(), what));
    }

    /// Returns true if the escapes of a text have forms that TOML 1.0 lacks.
    fn has_new_escape(&self, span: Span) -> bool {
        let mut bytes = self.text[span.start()..span.end()].bytes();
        while let Some(byte) = bytes.next() {
            if byte == b'\\' && matches!(bytes.next(), Some(b'e' | b'x')) {
                return true;
            }
        }
        false
    }
}

impl EventReceiver for VersionSearch<'_> {
    fn inline_table_open(&mut self, _: Span, _: &mut dyn ErrorSink) -> bool {
        self.open.push(Open::Table);
        self.after_comma = false;
        true
    }

    fn inline_table_close(&mut self, span: Span, _: &mut dyn ErrorSink) {
        if self.after_comma {
            self.note(span, "a comma at the end of an inline table");
        }
        self.open.pop();
        self.after_comma = false;
    }

    fn array_open(&mut self, _: Span, _: &mut dyn ErrorSink) -> bool {
        self.open.push(Open::Array);
        self.after_comma = false;
        true
    }

    fn array_close(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.open.pop();
        self.after_comma = false;
    }

    fn simple_key(&mut self, span: Span, kind: Option<Encoding>, error: &mut dyn ErrorSink) {
        self.scalar(span, kind, error);
    }

    fn scalar(&mut self, span: Span, kind: Option<Encoding>, _: &mut dyn ErrorSink) {
        self.after_comma = false;
        let has_escapes = matches!(kind, Some(Encoding::BasicString | Encoding::MlBasicString));
        if has_escapes && self.has_new_escape(span) {
            self.note(span, "an escape `\\e` or `\\x`");
        }
    }

    fn value_sep(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.after_comma = true;
    }

    fn newline(&mut self, span: Span, _: &mut dyn ErrorSink) {
        if self.open.last() == Some(&Open::Table) {
            self.note(span, "a line break in an inline table");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_the_newer_version_allows_is_found() {
        // Editors and the readers of other languages refuse it, while we read it.
        for (text, expected) in [
            ("a = { b = 1 }\n", None),
            ("a = [\n  1,\n  { b = [\n 2,\n ] },\n]\n", None),
            ("a = \"\\\\e \\\\x41\"\nb = '\\e'\n# { \\e\n", None),
            (
                "\na = {\n  b = 1 }\n",
                Some((2, "a line break in an inline table")),
            ),
            (
                "a = { b = 1, }",
                Some((1, "a comma at the end of an inline table")),
            ),
            (
                "a = [{ b = 1,\n c = 2 }]",
                Some((1, "a line break in an inline table")),
            ),
            ("a = \"\\e[0m\"", Some((1, "an escape `\\e` or `\\x`"))),
            (
                "a = \"\"\"\n\\x41\"\"\"",
                Some((1, "an escape `\\e` or `\\x`")),
            ),
        ] {
            assert_eq!(needs_toml_1_1(text), expected, "{text}");
            let reads = text.parse::<toml::Table>();
            assert!(reads.is_ok(), "{text}: {reads:?}");
        }
    }
}
