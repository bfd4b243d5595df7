//! What `--verify` found, for programs.
//!
//! Owns the layout and its version. Must not know how a failure is explained. Invariant: every trial
//! that did not complete is told once, with its remedy.

use schemars::JsonSchema;
use serde::Serialize;

/// Version of the document.
const VERSION: u32 = 1;

/// What `bakeoff run --verify --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub struct VerificationDocument {
    /// Version of this document.
    version: u32,
    /// Name of the suite.
    suite: String,
    /// Trials in the plan: one for each prompt and variant.
    planned: u64,
    /// Trials with an answer.
    answered: u64,
    /// Trials that did not complete, in the order of the plan.
    incomplete: Vec<Incomplete>,
}

/// A trial that did not complete.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Incomplete {
    /// Id of the prompt.
    pub prompt: String,
    /// Label of the variant.
    pub variant: String,
    /// The model, as the endpoint spells it.
    pub model: String,
    /// How the trial ended, a word of FORMAT.md.
    pub outcome: &'static str,
    /// What happened.
    pub text: String,
    /// What to do about it.
    pub remedy: String,
}

impl VerificationDocument {
    /// Of a suite with so many trials, so many of them answered, and those that did not complete.
    pub fn new(suite: &str, planned: u64, answered: u64, incomplete: Vec<Incomplete>) -> Self {
        Self {
            version: VERSION,
            suite: suite.to_owned(),
            planned,
            answered,
            incomplete,
        }
    }
}
