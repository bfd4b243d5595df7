//! Texts with places for a row's columns: `Answer in one word: {{question}}`.
//!
//! Owns the syntax of templates and their filling. Must not know where rows come from. Invariants:
//! a value is put in as it is (what looks like a place within it stays text), and nothing grows
//! beyond the limit it is given.

use std::borrow::Cow;

/// A text with places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::suite) struct Template {
    pieces: Vec<TemplatePart>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum TemplatePart {
    Text(String),
    Column(String),
}

/// The reason why a text is not a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::suite) enum TemplateError {
    #[error("a `{{{{` is not closed")]
    Unclosed,
    #[error("a `{{{{}}}}` names no column")]
    Empty,
}

/// The reason why a template could not be filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::suite) enum FillError {
    /// The row has no value in this column.
    Missing(String),
    /// The text would have more bytes than this.
    TooLong(usize),
}

impl Template {
    /// Reads a template. `{{'...'}}` stands for the text in the quotation marks, so that two braces can be
    /// written.
    pub(in crate::suite) fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find("{{") {
            if open > 0 {
                pieces.push(TemplatePart::Text(rest[..open].to_owned()));
            }
            let inside = &rest[open + 2..];
            let spaces = inside.len() - inside.trim_start().len();
            if let Some(quoted) = inside[spaces..].strip_prefix('\'') {
                let end = quoted.find('\'').ok_or(TemplateError::Unclosed)?;
                pieces.push(TemplatePart::Text(quoted[..end].to_owned()));
                let after = quoted[end + 1..].trim_start();
                rest = after.strip_prefix("}}").ok_or(TemplateError::Unclosed)?;
                continue;
            }
            let close = inside.find("}}").ok_or(TemplateError::Unclosed)?;
            let column = inside[..close].trim();
            if column.is_empty() {
                return Err(TemplateError::Empty);
            }
            pieces.push(TemplatePart::Column(column.to_owned()));
            rest = &inside[close + 2..];
        }
        if !rest.is_empty() {
            pieces.push(TemplatePart::Text(rest.to_owned()));
        }
        Ok(Self { pieces })
    }

    /// The names of its columns, in the order of the text.
    pub(in crate::suite) fn columns(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            TemplatePart::Text(_) => None,
            TemplatePart::Column(name) => Some(name.as_str()),
        })
    }

    /// Puts the values of `cell` into the places; at max `max_bytes` come out.
    pub(in crate::suite) fn fill<'c>(
        &self,
        cell: impl Fn(&str) -> Option<Cow<'c, str>>,
        max_bytes: usize,
    ) -> Result<String, FillError> {
        let mut filled = String::new();
        for piece in &self.pieces {
            let text = match piece {
                TemplatePart::Text(text) => Cow::Borrowed(text.as_str()),
                TemplatePart::Column(name) => {
                    cell(name).ok_or_else(|| FillError::Missing(name.clone()))?
                }
            };
            if filled.len() + text.len() > max_bytes {
                return Err(FillError::TooLong(max_bytes));
            }
            filled.push_str(&text);
        }
        Ok(filled)
    }
}

/// The text of a prompt without rows, in which `{{'...'}}` stands for the text in the quotation marks, as in a
/// template. Other braces stand for themselves: code, JSON and LaTeX have them.
///
/// # Errors
/// Returns the first `{{name}}`, which nothing would fill.
pub(in crate::suite) fn text_without_rows(text: &str) -> Result<String, &str> {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(open) = rest.find("{{") {
        match BracedPlace::at_start_of(&rest[open..]) {
            Some(BracedPlace::Name(place)) => return Err(place),
            Some(BracedPlace::Quoted { text, length }) => {
                plain.extend([&rest[..open], text]);
                rest = &rest[open + length..];
            }
            None => {
                plain.push_str(&rest[..=open]);
                rest = &rest[open + 1..];
            }
        }
    }
    Ok(plain + rest)
}

/// The text that [`text_without_rows`] reads as `text`.
pub(in crate::suite) fn escape_places(text: &str) -> String {
    let mut escaped = String::new();
    let mut rest = text;
    while let Some(open) = rest.find("{{") {
        let (before, after) = if BracedPlace::at_start_of(&rest[open..]).is_some() {
            escaped.extend([&rest[..open], "{{'{{'}}"]);
            ("", &rest[open + 2..])
        } else {
            rest.split_at(open + 1)
        };
        escaped.push_str(before);
        rest = after;
    }
    escaped + rest
}

/// The beginning of a text without rows, if two braces have a meaning there.
enum BracedPlace<'t> {
    /// `{{name}}`, whole.
    Name(&'t str),
    /// `{{'text'}}`: its text, and the bytes of all of it.
    Quoted { text: &'t str, length: usize },
}

impl<'t> BracedPlace<'t> {
    fn at_start_of(text: &'t str) -> Option<Self> {
        let inside = text.strip_prefix("{{")?;
        if let Some(quoted) = inside.trim_start().strip_prefix('\'') {
            let (quoted, after) = quoted.split_once('\'')?;
            let after = after.trim_start().strip_prefix("}}")?;
            let length = text.len() - after.len();
            return Some(Self::Quoted {
                text: quoted,
                length,
            });
        }
        let (name, after) = inside.split_once("}}")?;
        let name = name.trim();
        let is_name = !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_alphanumeric() || "_-.".contains(c));
        is_name.then(|| Self::Name(&text[..text.len() - after.len()]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        // A value is never read as a template, whatever it holds, and a text in quotation marks
        // comes out as it went in.
        #[test]
        fn values_and_quoted_texts_come_out_as_they_are(
            quoted in "[a-z{} ]{0,12}", value in "[a-z{}' ]{0,12}",
        ) {
            let template = Template::parse(&format!("{{{{ '{quoted}' }}}}{{{{ x }}}}")).unwrap();
            prop_assert_eq!(template.columns().collect::<Vec<_>>(), ["x"]);
            let cell = |name: &str| (name == "x").then_some(Cow::Borrowed(value.as_str()));
            prop_assert_eq!(template.fill(cell, 1_000), Ok(format!("{quoted}{value}")));
        }

        // Any text is a template or is refused, and no filling passes its limit.
        #[test]
        fn nothing_panics_or_outgrows(text in "(\\{\\{|\\}\\}|'|[a-c]|\\PC){0,30}", max in 0_usize..40) {
            if let Ok(template) = Template::parse(&text)
                && let Ok(filled) = template.fill(|name| Some(Cow::Owned(name.to_owned())), max)
            {
                prop_assert!(filled.len() <= max);
            }
        }
    }

    proptest! {
        // What is escaped is sent as it was, whatever it holds.
        #[test]
        fn escaped_texts_are_read_as_they_were(text in "(\\{\\{|\\}\\}|\\{|'| |[a-c.]|\\PC){0,30}") {
            let escaped = escape_places(&text);
            prop_assert_eq!(text_without_rows(&escaped), Ok(text));
        }
    }

    #[test]
    fn a_name_that_nothing_fills_is_an_error_and_other_braces_are_text() {
        for (text, place) in [
            ("Hello {{name}}!", "{{name}}"),
            ("{{{ user.first-name }}", "{{ user.first-name }}"),
            ("{{ {{größe}}", "{{größe}}"),
        ] {
            assert_eq!(text_without_rows(text), Err(place), "{text}");
        }
        for text in [
            "style={{color: 'red'}}",
            "\\frac{{1}",
            "{{ }}",
            "{{a b}}",
            "{\"a\": {\"b\": 1}}",
        ] {
            assert_eq!(text_without_rows(text), Ok(text.to_owned()), "{text}");
            assert_eq!(escape_places(text), text);
        }
        assert_eq!(
            text_without_rows("{{ '{{name}}' }}."),
            Ok("{{name}}.".to_owned())
        );
    }

    #[test]
    fn a_missing_column_and_an_unclosed_placeholder_are_errors() {
        // Both would otherwise be sent to the models as they stand.
        let fill = |text: &str| Template::parse(text).unwrap().fill(|_| None, 100);
        assert_eq!(fill("{{ a b }}"), Err(FillError::Missing("a b".to_owned())));
        assert_eq!(fill("plain } {"), Ok("plain } {".to_owned()));
        assert_eq!(Template::parse("{{a"), Err(TemplateError::Unclosed));
        assert_eq!(Template::parse("{{'a}}"), Err(TemplateError::Unclosed));
        assert_eq!(Template::parse("{{ }}"), Err(TemplateError::Empty));
    }
}
