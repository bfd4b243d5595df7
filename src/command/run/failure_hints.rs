//! Hints about the failures of a run, for the terminal.
//!
//! Owns which hints are printed, how often, and the facts that an explanation needs. Must not know the explanations. Invariant: however
//! many trials fail, it stays small.

use std::collections::HashSet;
use std::io::Write;

use crate::gateway::{self, Explanation, FailureContext, explain};
use crate::record::{Attempt, ErrorReport, Flag, Outcome, Sample};
use crate::suite::Redacted;
use crate::units::{ModelId, Nanos};

use super::job::Job;
use crate::catalog::MAX_SUGGESTIONS;
use crate::command::base::endpoint::OpenEndpoint;
use crate::command::base::failure::Failure;

/// Maximum number of hints after a run; more would push the table out of sight.
const MAX_HINTS: usize = 5;
/// Maximum number of failures that are kept until the end of a run: several may have the same hint.
const MAX_FAILURES: usize = 64;

/// The facts about a failed trial that its hint needs.
#[derive(Debug, Clone)]
pub(in crate::command) struct TrialFailure {
    pub(in crate::command) outcome: Outcome,
    pub(in crate::command) error: Option<ErrorReport>,
    pub(in crate::command) flags: Vec<Flag>,
    pub(in crate::command) model: ModelId,
    /// The wait that the server demanded of the last attempt.
    pub(in crate::command) retry_after: Option<Nanos>,
}

impl TrialFailure {
    /// The failure of a trial, or its empty answer.
    pub(in crate::command) fn new(sample: &Sample) -> Self {
        let last = sample.attempts.last();
        Self {
            outcome: sample.outcome,
            error: sample.error.clone(),
            flags: sample.flags.clone(),
            model: sample.model.clone(),
            retry_after: last.and_then(Attempt::demanded_wait),
        }
    }
}

impl Job {
    /// The explanation of a failure and its remedy; `None` for an answer that needs none. `others_answer`: another
    /// model of the endpoint answered.
    pub(in crate::command) fn explain(
        &self,
        failure: &TrialFailure,
        others_answer: bool,
        opened: &OpenEndpoint,
    ) -> Option<Explanation> {
        let TrialFailure {
            outcome,
            error,
            flags,
            model,
            retry_after,
        } = failure;
        let nearest = self.catalog().nearest(model.as_str(), MAX_SUGGESTIONS);
        let nearest: Vec<String> = nearest.into_iter().map(ToString::to_string).collect();
        explain(&FailureContext {
            outcome: *outcome,
            error: error.as_ref(),
            flags,
            profile: &self.resolved.profile.name,
            base_url: &opened.endpoint.base_url,
            key_variables: &self.resolved.profile.key_variables,
            model,
            nearest: &nearest,
            others_answer,
            retry_after: *retry_after,
        })
    }

    pub(in crate::command) fn unreachable(
        &self,
        ending: Redacted<gateway::ExchangeEnd>,
        opened: &OpenEndpoint,
    ) -> Failure {
        let (outcome, message) = match ending.into_inner() {
            gateway::ExchangeEnd::TlsFailed(message) => (Outcome::TlsFailed, message),
            gateway::ExchangeEnd::ConnectFailed(message) => (Outcome::ConnectFailed, message),
            _ => (Outcome::TimedOutConnect, String::new()),
        };
        let error = ErrorReport {
            message,
            ..ErrorReport::default()
        };
        let failure = TrialFailure {
            outcome,
            error: Some(error),
            flags: Vec::new(),
            model: self.resolved.suite.variants[0].model.clone(),
            retry_after: None,
        };
        match self.explain(&failure, false, opened) {
            Some(message) => Failure::incomplete(format!("{}\n  {}", message.what, message.remedy)),
            None => Failure::incomplete(failure.error.unwrap_or_default().message),
        }
    }
}

/// Hints about the failures of a run: one for each model and kind of failure, in order of their first
/// occurrence. They name the endpoint and its key, so they belong to the terminal and to no report.
#[derive(Default)]
pub(super) struct FailureHints {
    met: HashSet<(ModelId, Outcome, Option<String>)>,
    failures: Vec<TrialFailure>,
    answered: HashSet<ModelId>,
}

impl FailureHints {
    /// Adds a sample.
    pub(super) fn add(&mut self, sample: &Sample) {
        let answered = sample.outcome.answered();
        if answered && !self.answered.contains(&sample.model) {
            self.answered.insert(sample.model.clone());
        }
        if answered && !sample.has(Flag::TruncatedInReasoning) {
            return;
        }
        // Each unknown word is one to report.
        let word =
            (sample.finish_reason.clone()).filter(|_| sample.outcome == Outcome::UnknownFinish);
        if self.failures.len() < MAX_FAILURES
            && self
                .met
                .insert((sample.model.clone(), sample.outcome, word))
        {
            self.failures.push(TrialFailure::new(sample));
        }
    }

    /// True if another model than this one answered.
    pub(super) fn others_answer(&self, model: &ModelId) -> bool {
        self.answered.iter().any(|answered| answered != model)
    }

    /// Prints the hints that `explain` makes of failures, given for each if other models answered. With standard
    /// error closed they are lost.
    pub(super) fn print(
        &self,
        mut err: impl Write,
        explain: impl Fn(&TrialFailure, bool) -> Option<Explanation>,
    ) {
        let mut lines: Vec<String> = Vec::new();
        for failure in &self.failures {
            let Some(hint) = explain(failure, self.others_answer(&failure.model)) else {
                continue;
            };
            let line = format!("{} {}", hint.what, hint.remedy);
            if !lines.contains(&line) && lines.len() < MAX_HINTS {
                lines.push(line);
            }
        }
        if !lines.is_empty() {
            let _ = writeln!(err, "What to do");
        }
        for line in lines {
            let _ = writeln!(err, "  {line}");
        }
    }
}
