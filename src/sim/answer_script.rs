//! `[[answers]]` of a scenario.
//!
//! Owns its keys. Must not know what is drawn from them. Invariant: a script has an answer in either case.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::model_profile::Share;

/// One of `[[answers]]`: what is answered to some prompts.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerScript {
    /// Text that the prompt must have in it; absent: any prompt.
    #[serde(default)]
    pub when: Option<String>,
    /// The right answer.
    pub right: String,
    /// The wrong answer.
    pub wrong: String,
    /// The tool that is called; the answers are its arguments.
    #[serde(default)]
    pub tool: Option<String>,
    /// Probabilities of the right answer by model id, instead of those of their profiles.
    #[serde(default)]
    pub right_share: BTreeMap<String, Share>,
}

impl AnswerScript {
    /// Returns what is wrong with it.
    pub fn problem(&self) -> Option<&'static str> {
        let texts = [&self.right, &self.wrong].into_iter().chain(&self.tool);
        texts
            .into_iter()
            .any(String::is_empty)
            .then_some("an empty text in `[[answers]]` would be no answer")
    }
}
