//! The sentence about what grades the answers of a suite.
//!
//! Owns the sentence. Must not grade. Invariant: an assert is named once, however many prompts have it.

use std::collections::BTreeSet;

use crate::suite::Suite;
use crate::units::{one_line, plural};

/// Names of asserts that are listed.
const LISTED: usize = 12;

/// Returns the number of graded prompts and the names of their asserts; none where nothing is graded.
pub(super) fn grading(suite: &Suite) -> Option<String> {
    let asserts = suite.prompts.iter().map(|prompt| prompt.asserts.as_slice());
    let graded = asserts
        .clone()
        .filter(|asserts| !asserts.is_empty())
        .count();
    let names: BTreeSet<&str> = asserts.flatten().map(|assert| &*assert.name).collect();
    let listed = names.iter().take(LISTED).map(|name| one_line(name));
    let listed: Vec<_> = listed.collect();
    let more = match names.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (graded > 0).then(|| {
        format!(
            "grades the answers to {graded} of {}: {}{more}",
            plural(suite.prompts.len() as u64, "prompt"),
            listed.join(", ")
        )
    })
}
