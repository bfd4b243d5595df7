//! Grades: the result of one check of one answer, and the rule by which an answer passes as a whole.
//!
//! Owns the stored row of a grade and how rows of several graders are put together. Must not know how an answer
//! is graded. Invariant: the names of one sample's grades differ, scores are from 0 to 1, and whether an answer
//! passed is computed from its rows alone.

use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::units::one_line;

/// Maximum number of grades of one sample: more checks than any suite has.
pub const GRADES_MAX: usize = 200;
/// Maximum characters of a grade's name.
const NAME_CHARS: usize = 100;
/// Maximum characters of a reason: a judge's whole answer does not belong into a table.
const REASON_CHARS: usize = 400;
/// A weighted score this far below the threshold is equal to it: sums of decimal shares are not exact.
const SAME: f64 = 1e-9;

/// One check of one answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Grade {
    /// The name of the check; one sample has no two of one name.
    pub name: String,
    /// From 0 to 1.
    pub score: f64,
    /// True if the check passed.
    pub pass: bool,
    /// Weight in the sample's score; a check of weight 0 is reported and decides nothing.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub weight: f64,
    /// The reason, on one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// True for the grade of another program, which grading by the suite's checks again does not remove.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub external: bool,
}

fn one() -> f64 {
    1.0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_one(weight: &f64) -> bool {
    (*weight - 1.0).abs() < f64::EPSILON
}

impl Grade {
    /// The grade of a check by the suite, of weight 1. A score outside 0 to 1 becomes the nearer end, and what is
    /// not a number becomes 0. The name is cut to its limit and freed of what could affect a terminal.
    pub fn new(name: &str, score: f64, pass: bool) -> Self {
        let score = if score.is_nan() {
            0.0
        } else {
            score.clamp(0.0, 1.0)
        };
        Self {
            name: harmless(name, NAME_CHARS),
            score,
            pass,
            weight: 1.0,
            reason: None,
            external: false,
        }
    }

    /// The score of another program; it passes at 1.
    pub fn from_score(name: &str, score: f64) -> Self {
        Self {
            external: true,
            ..Self::new(name, score, score >= 1.0)
        }
    }

    /// The grade with its reason, on one line and cut to its limit.
    #[must_use]
    pub fn with_reason(mut self, reason: &str) -> Self {
        let reason = harmless(reason.trim(), REASON_CHARS);
        self.reason = (!reason.is_empty()).then_some(reason);
        self
    }

    /// The grade with this weight.
    #[must_use]
    pub fn with_weight(self, weight: f64) -> Self {
        Self { weight, ..self }
    }
}

/// The text on one line, without what could affect a terminal, cut after so many characters.
fn harmless(text: &str, chars_max: usize) -> String {
    let line = one_line(text);
    match line.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.into_owned(),
    }
}

/// The weighted mean of the scores; `None` where no check has a weight.
pub(super) fn weighted_score(grades: &[Grade]) -> Option<f64> {
    let (mut sum, mut weights) = (0.0, 0.0);
    for grade in deciding(grades) {
        sum += grade.weight * grade.score;
        weights += grade.weight;
    }
    (weights > 0.0).then(|| (sum / weights).clamp(0.0, 1.0))
}

/// Whether the answer passed: every check that has a weight did, or, with a threshold, the weighted score reaches
/// it. `None` where no check has a weight.
pub(super) fn passed(grades: &[Grade], threshold: Option<f64>) -> Option<bool> {
    let score = weighted_score(grades)?;
    Some(match threshold {
        Some(threshold) => score >= threshold - SAME,
        None => deciding(grades).all(|grade| grade.pass),
    })
}

fn deciding(grades: &[Grade]) -> impl Iterator<Item = &Grade> {
    grades.iter().filter(|grade| grade.weight > 0.0)
}

/// Replaces the grades of the same names and appends the others.
pub(super) fn merge(grades: &mut Vec<Grade>, later: impl IntoIterator<Item = Grade>) {
    let later = later.into_iter();
    if grades.is_empty() {
        grades.reserve_exact(later.size_hint().0);
    }
    for new in later {
        match grades.iter_mut().find(|grade| grade.name == new.name) {
            Some(old) => *old = new,
            None => grades.push(new),
        }
    }
}

/// Reads rows of grades, or the map from a name to a score that earlier versions had in their place.
pub(super) fn rows_or_scores<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Grade>, D::Error> {
    struct RowsOrScores;
    impl<'de> Visitor<'de> for RowsOrScores {
        type Value = Vec<Grade>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of grades, or an object of scores by name")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut rows = Vec::new();
            while let Some(row) = seq.next_element()? {
                rows.push(row);
            }
            Ok(rows)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut rows = Vec::new();
            while let Some((name, score)) = map.next_entry::<String, f64>()? {
                merge(&mut rows, [Grade::from_score(&name, score)]);
            }
            Ok(rows)
        }
    }
    deserializer.deserialize_any(RowsOrScores)
}

#[cfg(test)]
mod tests;
