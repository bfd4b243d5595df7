//! Consistency checks of a sample.
//!
//! Owns the rules that a sample's own figures must satisfy. Must not know where the sample came from.
//! Invariant: a sample that passes can be written, read again, and computed with.

use std::collections::BTreeSet;
use std::fmt;

use crate::units::Nanos;

use super::{Attempt, GRADES_MAX, Gaps, Grade, Sample};

/// A record that contradicts itself: a field and the problem with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {problem}")]
pub struct InvalidRecord {
    /// The stored name of the field.
    pub field: &'static str,
    /// The problem, as the end of a sentence.
    pub problem: String,
}

impl InvalidRecord {
    pub(super) fn new(field: &'static str, problem: impl fmt::Display) -> Self {
        let problem = problem.to_string();
        Self { field, problem }
    }
}

impl Sample {
    /// Checks that the sample's figures agree with each other. Token counts are not checked: they are the
    /// server's, and a server may be wrong.
    ///
    /// # Errors
    /// The first field that contradicts another one.
    pub fn check(&self) -> Result<(), InvalidRecord> {
        let from_one = [("round", self.round), ("repetition", self.repetition)];
        if let Some((field, _)) = from_one.into_iter().find(|(_, number)| *number == 0) {
            return Err(InvalidRecord::new(field, "is 0, but counts from 1"));
        }
        if !(self.weight.is_finite() && self.weight > 0.0) {
            return Err(InvalidRecord::new("weight", "is not a positive number"));
        }
        check_grades(&self.grades, self.pass_threshold)?;
        if !self.flags.is_sorted_by(|a, b| a < b) {
            return Err(InvalidRecord::new(
                "flags",
                "is not sorted, or names one twice",
            ));
        }
        self.check_times()?;
        check_attempts(&self.attempts)?;
        self.gaps.as_ref().map_or(Ok(()), check_gaps)
    }

    fn check_times(&self) -> Result<(), InvalidRecord> {
        // All of them spans from `sent_ns`, in the order in which their ends come.
        check_ascending(&[
            ("headers_ns", self.headers_ns),
            ("ttft_ns", self.ttft_ns),
            ("ttfa_ns", self.ttfa_ns),
            ("last_token_ns", self.last_token_ns),
            ("latency_ns", self.latency_ns),
        ])?;
        check_ascending(&[
            ("ttfa_ns", self.ttfa_ns),
            ("first_unit_ns", self.first_unit_ns),
            ("latency_ns", self.latency_ns),
        ])?;
        check_ascending(&[
            ("ttft_ns", self.ttft_ns),
            ("experienced_ttft_ns", self.experienced_ttft_ns),
        ])
    }
}

/// Checks that the times that are present ascend.
fn check_ascending(times: &[(&'static str, Option<Nanos>)]) -> Result<(), InvalidRecord> {
    let present = times
        .iter()
        .filter_map(|(field, time)| Some((field, (*time)?)));
    let mut before: Option<(&str, Nanos)> = None;
    for (field, time) in present {
        if let Some((earlier, _)) = before.filter(|(_, earlier)| *earlier > time) {
            return Err(InvalidRecord::new(
                field,
                format_args!("is below `{earlier}`"),
            ));
        }
        before = Some((field, time));
    }
    Ok(())
}

fn check_attempts(attempts: &[Attempt]) -> Result<(), InvalidRecord> {
    let wrong = |problem| Err(InvalidRecord::new("attempts", problem));
    if attempts.is_empty() {
        return wrong("is empty, but every trial takes one");
    }
    if attempts
        .iter()
        .any(|attempt| attempt.end_ns < attempt.sent_ns)
    {
        return wrong("has one that ended before it was sent");
    }
    if !attempts.is_sorted_by_key(|attempt| attempt.sent_ns) {
        return wrong("is not in the order of sending");
    }
    Ok(())
}

/// Checks the rows and the threshold of one sample or amendment.
pub(super) fn check_grades(grades: &[Grade], threshold: Option<f64>) -> Result<(), InvalidRecord> {
    let wrong = |problem| Err(InvalidRecord::new("grades", problem));
    if grades.len() > GRADES_MAX {
        return wrong("has more rows than a sample can have");
    }
    let is_share = |share: f64| (0.0..=1.0).contains(&share);
    if !grades.iter().all(|grade| is_share(grade.score)) {
        return wrong("has a `score` that is not a number from 0 to 1");
    }
    let is_weight = |weight: f64| weight.is_finite() && weight >= 0.0;
    if !grades.iter().all(|grade| is_weight(grade.weight)) {
        return wrong("has a `weight` that is not a number of at least 0");
    }
    if grades.iter().any(|grade| grade.name.trim().is_empty()) {
        return wrong("has a row without a name");
    }
    let mut names = BTreeSet::new();
    if !grades.iter().all(|grade| names.insert(&grade.name)) {
        return wrong("has two rows of one name");
    }
    if !threshold.is_none_or(is_share) {
        let problem = "is not a number from 0 to 1";
        return Err(InvalidRecord::new("pass_threshold", problem));
    }
    Ok(())
}

fn check_gaps(gaps: &Gaps) -> Result<(), InvalidRecord> {
    let figures = [gaps.mean_ns, gaps.p50_ns, gaps.p95_ns, gaps.max_ns];
    if gaps.count == 0 && (figures.iter().any(Option::is_some) || gaps.hdr.is_some()) {
        return Err(InvalidRecord::new("gaps", "has figures of no gap"));
    }
    let nested = |inner: InvalidRecord| {
        InvalidRecord::new(
            "gaps",
            format_args!("has `{}` that {}", inner.field, inner.problem),
        )
    };
    check_ascending(&[
        ("p50_ns", gaps.p50_ns),
        ("p95_ns", gaps.p95_ns),
        ("max_ns", gaps.max_ns),
    ])
    .and_then(|()| check_ascending(&[("mean_ns", gaps.mean_ns), ("max_ns", gaps.max_ns)]))
    .map_err(nested)
}

#[cfg(test)]
mod tests;
