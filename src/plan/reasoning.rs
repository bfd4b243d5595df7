//! What a model list and a suite's parameters say about reasoning: whether a variant reasons, and how many tokens that needs.
//!
//! Owns these expectations. Must not know what follows from them. Invariant: nothing is expected of a model that is not
//! listed.

use crate::catalog::{Catalog, ListedModel};
use crate::suite::{Prompt, ReasoningEffort, Suite, Variant};

use super::duration::ExpectedAnswer;

/// Token limit below which a reasoning model may reach its limit before it answers.
const REASONING_MIN_TOKENS: u64 = 1_000;

/// The same for a high reasoning effort.
const HIGH_EFFORT_MIN_TOKENS: u64 = 4_000;

/// Parts of ids of models that can reason, and do so only on request.
const REASON_ON_REQUEST: [&str; 2] = ["claude-", "-flash-lite"];

/// Keys of a request's body that control reasoning other than by the effort.
const OTHER_EFFORT_KEYS: [&str; 3] = ["reasoning", "thinking", "chat_template_kwargs"];

/// Returns the token limit of the answers of a variant to a prompt.
pub fn token_limit(suite: &Suite, prompt: &Prompt, variant: &Variant) -> Option<u64> {
    let limit = suite.parameter_of(prompt, variant, |parameters| parameters.max_tokens.as_ref());
    limit.copied()
}

/// Returns the minimum token limit that leaves a reasoning model room to answer; `None` if it is not expected to
/// reason, or if the length of its reasoning is unknown.
pub fn reasoning_min_tokens(
    suite: &Suite,
    prompt: &Prompt,
    variant: &Variant,
    model: &ListedModel,
) -> Option<u64> {
    if !model.tags.iter().any(|tag| tag == "reasoning") {
        return None;
    }
    let effort = suite.parameter_of(prompt, variant, |p| p.reasoning_effort.as_ref());
    match effort {
        Some(ReasoningEffort::None | ReasoningEffort::Minimal) => None,
        Some(ReasoningEffort::Low | ReasoningEffort::Medium) => Some(REASONING_MIN_TOKENS),
        Some(ReasoningEffort::High | ReasoningEffort::Xhigh | ReasoningEffort::Max) => {
            Some(HIGH_EFFORT_MIN_TOKENS)
        }
        None => {
            let has_other_effort = OTHER_EFFORT_KEYS.iter().any(|key| {
                let set = suite.parameter_of(prompt, variant, |p| p.extra.get(*key));
                set.is_some()
            });
            let id = variant.model.as_str();
            let reasons_by_default = !REASON_ON_REQUEST.iter().any(|part| id.contains(part));
            (reasons_by_default && !has_other_effort).then_some(REASONING_MIN_TOKENS)
        }
    }
}

/// Returns the assumption about a variant's answers: lists of models have no speeds.
pub fn assumed(suite: &Suite, variant: &Variant, catalog: &Catalog) -> ExpectedAnswer {
    let model = catalog.get(&variant.model);
    if model.is_some_and(|model| is_reasoning(suite, variant, model)) {
        ExpectedAnswer::ASSUMED_REASONING
    } else {
        ExpectedAnswer::ASSUMED
    }
}

/// Returns true if a variant is expected to reason before it answers.
fn is_reasoning(suite: &Suite, variant: &Variant, model: &ListedModel) -> bool {
    let mut prompts = suite.prompts.iter();
    prompts.any(|prompt| reasoning_min_tokens(suite, prompt, variant, model).is_some())
}
