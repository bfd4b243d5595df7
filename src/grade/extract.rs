//! The part of an answer that is graded.
//!
//! Owns the extractions. Must not know which check reads the part. Invariant: a part is a piece of the answer,
//! unchanged; where there is none, the reason says so.

use regex::Regex;

use super::json::json_values;

/// A compiled extraction.
#[derive(Debug)]
pub(super) enum Extractor {
    /// All of the answer.
    Whole,
    /// The first JSON object or array.
    Json,
    /// The last line that is not blank.
    LastLine,
    /// The first group, or the whole, of the first match.
    Regex(Regex),
}

impl Extractor {
    /// The part of `text`, or the reason why it has none.
    pub(super) fn part<'t>(&self, text: &'t str) -> Result<&'t str, String> {
        match self {
            Self::Whole => Ok(text),
            Self::Json => {
                let first = json_values(text).next();
                let first = first.map(|found| &text[found.place]);
                first.ok_or_else(|| "`extract`: there is no JSON in the answer".to_owned())
            }
            Self::LastLine => {
                let mut lines = text.lines().rev().map(str::trim);
                let last = lines.find(|line| !line.is_empty());
                last.ok_or_else(|| "`extract`: the answer has no text".to_owned())
            }
            Self::Regex(pattern) => {
                let groups = pattern.captures(text);
                let found = groups.and_then(|groups| {
                    // A group that took no part in the match extracts nothing.
                    if groups.len() > 1 {
                        groups.get(1)
                    } else {
                        groups.get(0)
                    }
                });
                let found = found.map(|found| found.as_str());
                found.ok_or_else(|| {
                    "`extract`: the pattern matches nothing in the answer".to_owned()
                })
            }
        }
    }
}
