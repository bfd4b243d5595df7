//! The result of `run --verify`, as JSON.
//!
//! Owns the layout and its version. Must not know how a failure is explained. Invariant: every trial
//! that did not complete is listed once, with its remedy.

use schemars::JsonSchema;
use serde::Serialize;

/// Version of the document.
const VERSION: u32 = 1;

/// The document that `bakeoff run --verify --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub struct VerificationDocument {
    /// Version of this document.
    version: u32,
    /// Name of the suite.
    suite: String,
    /// Trials in the plan: one per prompt and variant.
    planned: u64,
    /// Trials with an answer.
    answered: u64,
    /// Trials that did not complete, in the order of the plan.
    incomplete: Vec<IncompleteTrial>,
    /// Request parameters that answers show to be ignored.
    ignored: Vec<IgnoredParameter>,
}

/// A request parameter that answers of a variant show to be ignored.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Ignored")]
pub struct IgnoredParameter {
    /// Label of the variant.
    pub variant: String,
    /// Name of the parameter in the suite.
    pub parameter: &'static str,
    /// Answers that ignored it.
    pub ignored: u64,
    /// Answers that can show it.
    pub answers: u64,
}

/// A trial that did not complete.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Incomplete")]
pub struct IncompleteTrial {
    /// Id of the prompt.
    pub prompt: String,
    /// Label of the variant.
    pub variant: String,
    /// The model, as the endpoint spells it.
    pub model: String,
    /// Outcome of the trial, a word of FORMAT.md.
    pub outcome: &'static str,
    /// Description of the failure.
    pub text: String,
    /// Remedy.
    pub remedy: String,
}

impl VerificationDocument {
    /// Creates the document of a suite with `planned` trials, `answered` of them answered, the incomplete ones, and the
    /// parameters that were ignored.
    pub fn new(
        suite: &str,
        planned: u64,
        answered: u64,
        incomplete: Vec<IncompleteTrial>,
        ignored: Vec<IgnoredParameter>,
    ) -> Self {
        Self {
            version: VERSION,
            suite: suite.to_owned(),
            planned,
            answered,
            incomplete,
            ignored,
        }
    }
}
