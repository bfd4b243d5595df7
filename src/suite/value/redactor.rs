//! The filter for text from outside: keys in use are removed, whatever their form.
//!
//! Owns the forms of a key and the type of a text without them. Must not know where a text comes from.
//! Invariant: a [`Redacted`] value is made by a [`Redactor`] alone (or was made by one before it was stored).
//! The user's own text is never given to it: see `exposed` for that.

use std::borrow::Cow;
use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;

use super::disguise::{DecodedText, may_have_escapes};
use super::secret::{key_like_spans, prefix_len};

/// Fewest bytes of a key that is removed: local servers accept placeholders such as `none` or `ollama`, which
/// protect nothing and would be removed from answers.
const KEY_BYTES_MIN: usize = 8;
/// Fewest bytes of a key of which a beginning is removed, too.
const KEY_BYTES_LONG: usize = 16;
/// Characters beyond a vendor's prefix from which on the beginning of a key is removed.
const BEGINNING_CHARS: usize = 12;
/// Text that stands in place of a removed one.
pub const REDACTED: &str = "[redacted]";
/// Bytes that are searched at a time: bounds the memory of a search.
const WINDOW: usize = 256 << 10;
/// Layers of escapes that are undone: JSON in JSON in JSON.
const LAYERS: usize = 3;

/// Removes keys from text. Cloning is cheap.
#[derive(Clone, Default)]
pub struct Redactor {
    search: Option<Arc<KeySearch>>,
}

struct KeySearch {
    /// Finds how each form begins.
    beginnings: AhoCorasick,
    /// The forms in whole, in the order of the beginnings.
    forms: Vec<Vec<u8>>,
}

/// A value whose every text went through a [`Redactor`].
#[derive(Clone, PartialEq, Eq)]
pub struct Redacted<T>(T);

/// A value with text from outside in it.
pub trait Redact {
    /// Removes keys from every text of the value.
    fn redact(&mut self, redactor: &Redactor);
}

impl Redactor {
    /// Creates the filter for text from a server that was sent `key`. Of a key with white space in it, such as
    /// `Bearer sk-...`, each long part is a key as well.
    pub fn new(key: Option<&str>) -> Self {
        let key = key.map(str::trim).filter(|key| key.len() >= KEY_BYTES_MIN);
        let search = key.and_then(|key| {
            let parts = key
                .split_whitespace()
                .filter(|part| part.len() >= KEY_BYTES_LONG);
            KeySearch::new(std::iter::once(key).chain(parts.filter(|part| *part != key)))
        });
        Self {
            search: search.map(Arc::new),
        }
    }

    /// The value without keys.
    pub fn apply<T: Redact>(&self, mut value: T) -> Redacted<T> {
        value.redact(self);
        Redacted(value)
    }

    /// The text without the key, in any of its forms.
    pub fn clean<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match &self.search {
            Some(search) => without(text, search.spans(text)),
            None => Cow::Borrowed(text),
        }
    }

    /// The text of an error without the key, and without whatever looks like one (servers repeat headers and
    /// other people's keys in their errors), cut after `chars_max` characters.
    pub fn clean_error(&self, text: &str, chars_max: usize) -> String {
        // Cut twice: once so that no megabyte is searched for what looks like a key, once for the record. The
        // first cut is so much later that a secret it splits is cut away by the second.
        let clean = self.clean(text);
        let searched = cut(&clean, 4 * chars_max).unwrap_or(&clean);
        let clean = without(searched, key_like_spans(searched));
        match cut(&clean, chars_max) {
            Some(shorter) => format!("{shorter}…"),
            None => clean.into_owned(),
        }
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor")
    }
}

/// Two filters are equal where they remove the same.
impl PartialEq for Redactor {
    fn eq(&self, other: &Self) -> bool {
        let [own, others] = [self, other].map(|redactor| redactor.search.as_deref());
        own.map(|search| &search.forms) == others.map(|search| &search.forms)
    }
}

impl Eq for Redactor {}

impl KeySearch {
    /// `None` if the keys have no form that could be searched for.
    fn new<'k>(keys: impl Iterator<Item = &'k str>) -> Option<Self> {
        let forms: Vec<(Vec<u8>, usize)> = keys.flat_map(forms).collect();
        let beginnings = forms.iter().map(|(form, beginning)| &form[..*beginning]);
        let beginnings = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .build(beginnings)
            .ok()?;
        let forms = forms.into_iter().map(|(form, _)| form).collect();
        Some(Self { beginnings, forms })
    }

    /// Returns the spans of keys, in order and apart from each other. The text is searched in windows; each layer
    /// keeps the end of what it has decoded, so that a key across windows is whole in one of them, however many
    /// characters hide between its own.
    fn spans(&self, text: &str) -> Vec<Range<usize>> {
        let longest = self.forms.iter().map(Vec::len).max().unwrap_or_default();
        let layers = if may_have_escapes(text) { LAYERS } else { 0 };
        let mut views: Vec<DecodedText> = (0..=layers).map(|_| DecodedText::default()).collect();
        let mut found = Vec::new();
        let mut start: usize = 0;
        while start < text.len() {
            let end = text.floor_char_boundary(start.saturating_add(WINDOW));
            let is_last = end == text.len();
            views[0].push_text(&text[start..end], start);
            for layer in 0..=layers {
                self.find(&views[layer], &mut found);
                if let [view, next, ..] = &mut views[layer..] {
                    view.decode_into(next, is_last);
                }
                views[layer].retain_last(longest);
            }
            start = end;
        }
        merged(found)
    }

    fn find(&self, view: &DecodedText, found: &mut Vec<Range<usize>>) {
        for beginning in self.beginnings.find_overlapping_iter(&view.bytes) {
            let form = &self.forms[beginning.pattern().as_usize()];
            let more = view.bytes[beginning.end()..]
                .iter()
                .zip(&form[beginning.len()..])
                .take_while(|(byte, lower)| byte.eq_ignore_ascii_case(lower))
                .count();
            let span = view.origin(beginning.start()..beginning.end() + more);
            // A text of nothing but keys must not fill the memory with places.
            match found.last_mut() {
                Some(last) if (last.start..=last.end).contains(&span.start) => {
                    last.end = last.end.max(span.end);
                }
                _ => found.push(span),
            }
        }
    }
}

/// The forms in which a key is searched for, each with the length of the beginning that suffices.
fn forms(key: &str) -> Vec<(Vec<u8>, usize)> {
    let beginning = if key.len() >= KEY_BYTES_LONG {
        key.len().min(prefix_len(key) + BEGINNING_CHARS)
    } else {
        key.len()
    };
    // As the views of a text are: without white space, and where the key has an escape in it, also with it undone.
    let mut visible = DecodedText::default();
    visible.push_text(key, 0);
    let mut plain = DecodedText::default();
    visible.decode_into(&mut plain, true);
    let mut forms: Vec<(Vec<u8>, usize)> = Vec::new();
    for form in [visible.bytes, plain.bytes] {
        if form.len() >= KEY_BYTES_MIN && forms.iter().all(|(other, _)| *other != form) {
            let beginning = beginning.min(form.len());
            forms.push((form, beginning));
        }
    }
    for before in 0..3 {
        let (text, beginning) = base64_within(key.as_bytes(), before, beginning);
        let url_safe = text.replace('+', "-").replace('/', "_");
        if url_safe != text {
            forms.push((url_safe.into_bytes(), beginning));
        }
        forms.push((text.into_bytes(), beginning));
    }
    forms
}

/// The characters that `bytes` are in base64 wherever they stand behind `before` (mod 3) other bytes, and how many
/// of those its first `beginning` bytes determine.
fn base64_within(bytes: &[u8], before: usize, beginning: usize) -> (String, usize) {
    let padded = [&[0; 2][..before], bytes].concat();
    let text = BASE64_STANDARD_NO_PAD.encode(&padded);
    // Six bits each: a character that shares bits with what stands around is not known.
    let first = (before * 8).div_ceil(6);
    let known = |bytes: usize| (before + bytes) * 8 / 6;
    let form = text[first..known(bytes.len())].to_owned();
    (form, known(beginning) - first)
}

fn merged(mut spans: Vec<Range<usize>>) -> Vec<Range<usize>> {
    spans.sort_unstable_by_key(|span| span.start);
    let mut apart: Vec<Range<usize>> = Vec::with_capacity(spans.len());
    for span in spans {
        match apart.last_mut() {
            Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
            _ => apart.push(span),
        }
    }
    apart
}

/// The first characters of a text that has more of them.
fn cut(text: &str, chars_max: usize) -> Option<&str> {
    let (end, _) = text.char_indices().nth(chars_max)?;
    Some(&text[..end])
}

/// The text with [`REDACTED`] in place of each span.
fn without(text: &str, spans: Vec<Range<usize>>) -> Cow<'_, str> {
    if spans.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    let mut end = 0;
    for span in spans {
        clean.push_str(&text[end..span.start]);
        clean.push_str(REDACTED);
        end = span.end;
    }
    clean.push_str(&text[end..]);
    Cow::Owned(clean)
}

impl<T> Redacted<T> {
    /// A value that was redacted before it was stored on this machine.
    pub(crate) fn from_stored(value: T) -> Self {
        Self(value)
    }

    /// The value itself.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Redacted<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: fmt::Debug> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: fmt::Display> fmt::Display for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: std::error::Error> std::error::Error for Redacted<T> {}

impl Redact for String {
    fn redact(&mut self, redactor: &Redactor) {
        if let Cow::Owned(clean) = redactor.clean(self) {
            *self = clean;
        }
    }
}

impl<T: Redact> Redact for Option<T> {
    fn redact(&mut self, redactor: &Redactor) {
        if let Some(value) = self {
            value.redact(redactor);
        }
    }
}

impl<T: Redact> Redact for Vec<T> {
    fn redact(&mut self, redactor: &Redactor) {
        for value in self {
            value.redact(redactor);
        }
    }
}

#[cfg(test)]
#[path = "redactor_tests.rs"]
mod tests;
