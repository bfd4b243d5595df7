//! The grading of a finished sample, off the timed path.
//!
//! Owns the moment: after the answer was read, before its text is removed. Must not know what is checked.
//! Invariants: no stream's stamp waits for a grade, and no fault of a check loses a sample.

use std::sync::Arc;

use super::orders::RunContext;
use crate::record::{Grade, Sample};

/// The sample with its grades, and without the texts that the suite does not keep.
pub(super) async fn graded(context: &RunContext, sample: Sample) -> Sample {
    let mut sample = match &context.grader {
        None => sample,
        Some(grader) => {
            let grader = Arc::clone(grader);
            let shared = Arc::new(sample);
            let read = Arc::clone(&shared);
            let ended = tokio::task::spawn_blocking(move || grader.grades(&read)).await;
            let mut sample = Arc::unwrap_or_clone(shared);
            match ended {
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
            sample
        }
    };
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
