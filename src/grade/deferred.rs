//! Checks that need more than the sample: a judge's verdict, embeddings, or a command.
//!
//! Owns what each of them is shown, and how its result becomes a finding. Must not send or start anything. Invariant: a
//! sample whose deferred checks have no result has no grades at all, because half of them would count as the whole.

use super::finding::CheckFinding;
use crate::suite::{Check, Prompt};
use crate::units::Nanos;

use super::judge::{JudgeRequest, judge_request};
use super::similarity::SimilarityRequest;

/// The work of a deferred check.
#[derive(Debug, Clone, PartialEq)]
pub enum DeferredTask {
    /// The judge's answer to a request.
    Judge {
        /// The request.
        request: JudgeRequest,
        /// Least score that passes.
        threshold: f64,
    },
    /// The similarity of the answer to the most similar one of some texts.
    Similar(SimilarityRequest),
    /// The output of a command that reads the sample.
    Exec {
        /// The program and its arguments.
        command: Vec<String>,
        /// The time after which it is stopped.
        timeout: Nanos,
    },
}

/// The result of a deferred check.
#[derive(Debug, Clone, PartialEq)]
pub enum DeferredGrade {
    /// A score from 0 to 1, with its reason.
    Score(f64, String),
    /// The check could not be made, for this reason: it fails.
    Failed(String),
}

impl DeferredTask {
    /// The work of a check of `answer`, the part of it that the check reads; `None` if the check is not deferred.
    pub(super) fn new(
        check: &Check,
        system: Option<&str>,
        prompt: &Prompt,
        answer: Result<&str, String>,
    ) -> Option<Result<Self, String>> {
        match check {
            Check::Judge { rubric, threshold } => Some(answer.map(|answer| Self::Judge {
                request: judge_request(system, prompt, answer, rubric),
                threshold: *threshold,
            })),
            Check::Similar { values, .. } => Some(answer.map(|answer| {
                Self::Similar(SimilarityRequest {
                    answer: answer.to_owned(),
                    values: values.clone(),
                })
            })),
            Check::Exec {
                command,
                timeout_ns,
                ..
            } => Some(Ok(Self::Exec {
                command: command.clone(),
                timeout: *timeout_ns,
            })),
            _ => None,
        }
    }
}

impl DeferredGrade {
    /// The finding of a check that passes from its threshold on.
    pub(super) fn finding(&self, check: &Check) -> CheckFinding {
        let (Check::Judge { threshold, .. }
        | Check::Similar { threshold, .. }
        | Check::Exec { threshold, .. }) = check
        else {
            return CheckFinding::Unknown("this check is not deferred".to_owned());
        };
        match self {
            Self::Score(score, reason) => CheckFinding::Scored {
                score: *score,
                holds: score >= threshold,
                fact: if reason.is_empty() {
                    format!("the score is {score}, the threshold {threshold}")
                } else {
                    reason.clone()
                },
            },
            Self::Failed(reason) => CheckFinding::Unknown(reason.clone()),
        }
    }
}
