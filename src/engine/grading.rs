//! The grading of a finished sample, off the timed path.
//!
//! Owns the moment: after the answer was read, before its text is removed. Must not know what is checked.
//! Invariants: no stream's stamp waits for a grade, and no fault of a check loses a sample.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::orders::RunContext;
use crate::record::{Grade, Sample};

/// The sample with its grades, and without the texts that the suite does not keep.
pub(super) fn graded(context: &RunContext, mut sample: Sample) -> Sample {
    if let Some(grader) = &context.grader {
        match catch_unwind(AssertUnwindSafe(|| grader.grades(&sample))) {
            Ok(Some((rows, pass_threshold))) => {
                sample.grades = rows;
                sample.pass_threshold = pass_threshold;
            }
            Ok(None) => {}
            Err(_) => {
                let failed = Grade::new("grading", 0.0, false);
                sample.grades = vec![failed.with_reason("grading ended in an internal error")];
            }
        }
    }
    if !context.suite.keep_answers {
        sample.answer = None;
        sample.reasoning = None;
        sample.tool_calls = Vec::new();
        // Reasons quote answers.
        for grade in &mut sample.grades {
            grade.reason = None;
        }
    }
    sample
}
