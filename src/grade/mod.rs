//! Quality: asserts applied to answers, and the grades that come of them.
//!
//! Owns how each type of assert reads an answer, and the reason that its grade gives. Must not know when answers
//! come or how grades are compared. Invariants: the same assert and answer give the same grade; the work for one
//! grade is bounded, whatever pattern, schema and answer meet; what cannot be graded fails with its reason.

mod check;
mod deferred;
mod extract;
mod finding;
mod grader;
mod json;
mod judge;
mod overlap;
mod refusal;
mod similarity;
#[cfg(test)]
mod tests;

pub use deferred::{DeferredGrade, DeferredTask};
pub use grader::Grader;
pub use judge::{JudgeRequest, judge_request, read_verdict};
pub use similarity::{SimilarityRequest, cosine_similarity};
