//! Errors that are equal except for numbers in their text, counted together.
//!
//! Owns when two errors are equal. Must not know the cause of an error. Invariant: the groups do not depend on
//! the order of the errors; each shows the verbatim message of its earliest trial.

use std::collections::BTreeMap;

use crate::record::{Outcome, Sample};

/// The number of characters of a message that are compared and shown: some servers send whole pages.
const MESSAGE_CHARS: usize = 200;
/// A run of letters and digits of at least this length that contains a digit is treated as an id (of a request,
/// a trace, an instant), which differs between messages.
const ID_CHARS: usize = 8;

/// A group of equal errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorGroup {
    /// The outcome of the trials.
    pub outcome: Outcome,
    /// HTTP status, if there was one.
    pub status: Option<u16>,
    /// Message of the earliest trial, cut at a fixed length; empty if there was none.
    pub message: String,
    /// Trials in this group.
    pub count: u64,
    /// Number of the earliest of these trials.
    pub first_trial: u64,
}

/// The groups under construction.
#[derive(Debug, Default)]
pub(super) struct ErrorGroups(BTreeMap<ErrorKey, ErrorGroup>);

/// Outcome, status and message without ids.
type ErrorKey = (Outcome, Option<u16>, String);

impl ErrorGroups {
    /// Adds a failed sample.
    pub(super) fn add(&mut self, sample: &Sample) {
        let report = sample.error.as_ref();
        let message: String = report
            .map_or("", |report| report.message.as_str())
            .chars()
            .take(MESSAGE_CHARS)
            .collect();
        let status = report.and_then(|report| report.status);
        let key = (sample.outcome, status, without_ids(&message));
        let new_group = ErrorGroup {
            outcome: sample.outcome,
            status,
            message,
            count: 1,
            first_trial: sample.trial,
        };
        self.add_group(key, new_group);
    }

    /// Adds the errors of another fold.
    pub(super) fn absorb(&mut self, other: Self) {
        for (key, group) in other.0 {
            self.add_group(key, group);
        }
    }

    fn add_group(&mut self, key: ErrorKey, added: ErrorGroup) {
        let Some(group) = self.0.get_mut(&key) else {
            self.0.insert(key, added);
            return;
        };
        let count = group.count + added.count;
        if added.first_trial < group.first_trial {
            *group = added;
        }
        group.count = count;
    }

    /// The groups, the largest first, then by their earliest trial.
    pub(super) fn finish(self) -> Vec<ErrorGroup> {
        let mut groups: Vec<ErrorGroup> = self.0.into_values().collect();
        groups.sort_by_key(|group| (std::cmp::Reverse(group.count), group.first_trial));
        groups
    }
}

/// The message with every number and id replaced by `#`.
fn without_ids(message: &str) -> String {
    let in_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let mut plain = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| !in_word(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(if end == 0 { first.len_utf8() } else { end });
        let has_digit = word.contains(|c: char| c.is_ascii_digit());
        let is_number = has_digit && word.chars().all(|c| c.is_ascii_digit());
        let is_id = has_digit && word.chars().count() >= ID_CHARS;
        plain.push_str(if is_number || is_id { "#" } else { word });
        rest = after;
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_and_numbers_do_not_make_messages_different() {
        // A gateway adds the request's id and the seconds to wait to every message.
        let one =
            without_ids("Rate limit: retry in 12 s (request req_01HZX4, trace 9f8e7d6c-5b4a)");
        let two = without_ids("Rate limit: retry in 7 s (request req_99AAB1, trace 00000001-ffff)");
        assert_eq!(one, two);
        assert_eq!(
            without_ids("model gpt-5 überlastet"),
            "model gpt-5 überlastet"
        );
    }

    proptest! {
        // Grouping terminates without a panic for any text.
        #[test]
        fn any_text_can_be_grouped(message in "\\PC{0,80}") {
            let once = without_ids(&message);
            prop_assert_eq!(without_ids(&once), once);
        }
    }
}
