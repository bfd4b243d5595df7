//! Texts of files within messages: in quotation marks, and the nearest to a wrong one.
//!
//! Owns these, and the list of a table's keys. Must not know what a text stands for. Invariant: a quoted text is one line, and never long.

use std::borrow::Cow;

/// `text` in quotation marks for a message: control characters escaped, long texts cut.
pub(in crate::suite) fn quoted(text: &str) -> String {
    /// Characters of a foreign text within a message.
    const CHARS: usize = 60;
    let mut shown = String::from("`");
    for c in text.chars().take(CHARS) {
        match c {
            '"' | '\'' | '\\' => shown.push(c),
            _ => shown.extend(c.escape_debug()),
        }
    }
    if text.chars().nth(CHARS).is_some() {
        shown.push_str("...");
    }
    shown.push('`');
    shown
}

/// The candidate most like `name`, if any is like it: by edits, or because one holds the other.
pub(in crate::suite) fn nearest<'c>(
    name: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    /// Longer texts are not compared: the work grows with the product of the lengths.
    const CHARS: usize = 200;
    /// Least likeness that is worth a suggestion: `tempratur` yes, `colour` for `tags` no.
    const LIKENESS: f64 = 0.6;
    let name = name.to_lowercase();
    let likeness = |candidate: &str| {
        if name.len() > CHARS || candidate.len() > CHARS {
            return 0.0;
        }
        let candidate = candidate.to_lowercase();
        let edits = strsim::normalized_damerau_levenshtein(&name, &candidate);
        let shorter = name.len().min(candidate.len());
        let holds = shorter >= 3 && (candidate.contains(&name) || name.contains(&candidate));
        if holds { edits.max(LIKENESS) } else { edits }
    };
    let mut best: Option<(f64, &'c str)> = None;
    for candidate in candidates {
        let score = likeness(candidate);
        if score >= LIKENESS && best.is_none_or(|(max, _)| score > max) {
            best = Some((score, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// The keys of a table, or where they are listed.
pub(in crate::suite) fn list_of_keys(keys: &[Cow<'static, str>]) -> String {
    /// More keys than this are not read one by one.
    const LISTED_MAX: usize = 60;
    if keys.len() > LISTED_MAX {
        format!("it has {} keys: see `bakeoff schema suite`", keys.len())
    } else {
        format!("its keys are {}", keys.join(", "))
    }
}
