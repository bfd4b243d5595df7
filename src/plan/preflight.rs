//! Checks of a suite's requests against the facts of a model list, before anything is sent.
//!
//! Owns the conditions. Must not know their wording. Invariant: a model that is not listed, and a fact
//! that the list lacks, cause no warning.

use std::collections::BTreeMap;

use crate::catalog::{Catalog, ListedModel};
use crate::stats::FEWEST_PROMPTS;
use crate::suite::{Prompt, ReasoningEffort, Suite, Variant};
use crate::units::ModelId;

use super::duration::ExpectedAnswer;
use super::tokens::prompt_tokens;

/// Token limit below which a reasoning model may reach its limit before it answers.
const REASONING_MIN_TOKENS: u64 = 1_000;

/// The same for a high reasoning effort.
const HIGH_EFFORT_MIN_TOKENS: u64 = 4_000;

/// Parts of ids of models that can reason, and do so only on request.
const REASON_ON_REQUEST: [&str; 2] = ["claude-", "-flash-lite"];

/// Keys of a request's body that control reasoning other than by the effort.
const OTHER_EFFORT_KEYS: [&str; 3] = ["reasoning", "thinking", "chat_template_kwargs"];

/// One likely problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelLint {
    /// Reasoning counts against the token limit and may use it up.
    TruncatedInReasoning {
        /// The model.
        model: ModelId,
        /// The token limit.
        limit: u64,
        /// The minimum limit that leaves room for an answer.
        min: u64,
    },
    /// The token limit is above the model's maximum output.
    AboveOutput {
        /// The model.
        model: ModelId,
        /// The token limit.
        limit: u64,
        /// The model's maximum output tokens.
        max: u64,
    },
    /// Prompts do not fit the context window.
    AboveContext {
        /// The model.
        model: ModelId,
        /// Maximum tokens of prompt and answer together.
        window: u64,
        /// Id of the longest of these prompts.
        prompt: String,
        /// Estimated tokens of that prompt and its token limit.
        tokens: u64,
        /// Number of prompts that do not fit.
        prompts: usize,
    },
    /// Prompts are marked for caching but never read from the cache again.
    WritesUnread {
        /// Label of the variant.
        label: String,
    },
    /// The judge is of the same maker as a model that it grades.
    JudgeOfFamily {
        /// The judge.
        judge: ModelId,
        /// The first such model.
        model: ModelId,
    },
    /// There are too few prompts for any verdict.
    FewPrompts {
        /// Number of prompts.
        prompts: usize,
    },
}

/// Returns all likely problems, each once per model, in the suite's order of variants.
pub fn lint_models(suite: &Suite, catalog: &Catalog) -> Vec<ModelLint> {
    let mut all = Vec::new();
    if suite.prompts.len() < FEWEST_PROMPTS {
        let prompts = suite.prompts.len();
        all.push(ModelLint::FewPrompts { prompts });
    }
    all.extend(judge_of_family(suite));
    for variant in &suite.variants {
        if suite.writes_unused_cache(variant) {
            let label = variant.label.clone();
            all.push(ModelLint::WritesUnread { label });
        }
        let Some(model) = catalog.get(&variant.model) else {
            continue;
        };
        for lint in variant_lints(suite, variant, model) {
            if !all.contains(&lint) {
                all.push(lint);
            }
        }
    }
    all
}

/// The judge of rubrics, if it grades a model of its own maker: judges favour their own family.
fn judge_of_family(suite: &Suite) -> Option<ModelLint> {
    let judge = &suite.judge.as_ref()?.model;
    let maker = |model: &ModelId| Some(model.as_str().split_once('/')?.0.to_owned());
    let own = maker(judge)?;
    let mut models = suite.variants.iter().map(|variant| &variant.model);
    let model = models.find(|model| maker(model).is_some_and(|maker| maker == own))?;
    Some(ModelLint::JudgeOfFamily {
        judge: judge.clone(),
        model: model.clone(),
    })
}

/// Returns true if a variant is expected to reason before it answers.
fn is_reasoning(suite: &Suite, variant: &Variant, model: &ListedModel) -> bool {
    let mut prompts = suite.prompts.iter();
    prompts.any(|prompt| reasoning_min_tokens(suite, prompt, variant, model).is_some())
}

fn variant_lints(suite: &Suite, variant: &Variant, model: &ListedModel) -> Vec<ModelLint> {
    // By token limit: a suite has one or two of them, and perhaps a hundred thousand prompts.
    let mut eaten = BTreeMap::new();
    let mut above_output = BTreeMap::new();
    for prompt in &suite.prompts {
        let Some(limit) = token_limit(suite, prompt, variant) else {
            continue;
        };
        let min_tokens = reasoning_min_tokens(suite, prompt, variant, model);
        if let Some(min) = min_tokens.filter(|min| limit < *min) {
            eaten.insert(limit, min);
        }
        if let Some(max) = model.max_tokens.filter(|max| limit > *max) {
            above_output.insert(limit, max);
        }
    }
    let id = || variant.model.clone();
    let eaten = eaten
        .into_iter()
        .map(|(limit, min)| ModelLint::TruncatedInReasoning {
            model: id(),
            limit,
            min,
        });
    let above_output = above_output
        .into_iter()
        .map(|(limit, max)| ModelLint::AboveOutput {
            model: id(),
            limit,
            max,
        });
    let above_context = above_context(suite, variant, model);
    eaten.chain(above_output).chain(above_context).collect()
}

fn above_context(suite: &Suite, variant: &Variant, model: &ListedModel) -> Option<ModelLint> {
    let window = model.context_window?;
    let too_long = suite.prompts.iter().filter_map(|prompt| {
        let answer = token_limit(suite, prompt, variant).unwrap_or(0);
        let tokens = prompt_tokens(suite, prompt, variant) + answer;
        (tokens > window).then_some((tokens, prompt))
    });
    let too_long: Vec<(u64, &Prompt)> = too_long.collect();
    let (tokens, prompt) = too_long.iter().max_by_key(|(tokens, _)| *tokens)?;
    Some(ModelLint::AboveContext {
        model: variant.model.clone(),
        window,
        prompt: prompt.id.clone(),
        tokens: *tokens,
        prompts: too_long.len(),
    })
}

fn token_limit(suite: &Suite, prompt: &Prompt, variant: &Variant) -> Option<u64> {
    let limit = suite.parameter_of(prompt, variant, |parameters| parameters.max_tokens.as_ref());
    limit.copied()
}

/// The minimum token limit that leaves a reasoning model room to answer; `None` if it is not expected to
/// reason, or if the length of its reasoning is unknown.
fn reasoning_min_tokens(
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

/// The assumption about a variant's answers: lists of models have no speeds.
pub fn assumed(suite: &Suite, variant: &Variant, catalog: &Catalog) -> ExpectedAnswer {
    let model = catalog.get(&variant.model);
    if model.is_some_and(|model| is_reasoning(suite, variant, model)) {
        ExpectedAnswer::ASSUMED_REASONING
    } else {
        ExpectedAnswer::ASSUMED
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::example;
    use crate::suite::{CacheControl, CacheKind, CacheMode, Caching, Variant};

    /// Models with a window of 10,000 tokens and answers of at most 2,000; the first can reason.
    const LIST: &str = r#"{"data": [
        {"id": "a/thinker", "type": "language", "context_window": 10000, "max_tokens": 2000, "tags": ["reasoning"]},
        {"id": "a/claude-thinker", "type": "language", "context_window": 10000, "tags": ["reasoning"]},
        {"id": "a/plain", "type": "language", "context_window": 10000, "max_tokens": 2000, "tags": []},
        {"id": "a/bare"}
    ]}"#;

    fn catalog() -> Catalog {
        Catalog::read(LIST, "test".to_owned(), "2026-01-01".to_owned()).unwrap()
    }

    /// Eight prompts to this model.
    fn suite(model: &str) -> Suite {
        let mut suite = example::suite(8, 1, 1);
        suite.variants[0].model = model.parse().unwrap();
        suite
    }

    fn lints(suite: &Suite) -> Vec<ModelLint> {
        lint_models(suite, &catalog())
    }

    #[test]
    fn a_reasoning_model_needs_room() {
        // Reasoning counts against the limit: the answer would be empty.
        let eaten = |limit, min| ModelLint::TruncatedInReasoning {
            model: "a/thinker".parse().unwrap(),
            limit,
            min,
        };
        let mut suite = suite("a/thinker");
        assert_eq!(lints(&suite), []);
        suite.parameters.max_tokens = Some(300);
        assert_eq!(lints(&suite), [eaten(300, REASONING_MIN_TOKENS)]);
        for (effort, expected) in [
            (ReasoningEffort::None, vec![]),
            (ReasoningEffort::Minimal, vec![]),
            (ReasoningEffort::Low, vec![eaten(300, REASONING_MIN_TOKENS)]),
            (
                ReasoningEffort::High,
                vec![eaten(300, HIGH_EFFORT_MIN_TOKENS)],
            ),
        ] {
            suite.variants[0].parameters.reasoning_effort = Some(effort);
            assert_eq!(lints(&suite), expected);
        }
        suite.variants[0].parameters.reasoning_effort = None;
        let off = serde_json::json!({ "enabled": false });
        suite.parameters.extra.insert("reasoning".to_owned(), off);
        assert_eq!(lints(&suite), []);
    }

    #[test]
    fn a_model_that_reasons_only_on_request_gets_no_warning() {
        // A warning that is wrong for a popular model would be read once and never again.
        for model in ["a/claude-thinker", "a/plain", "a/bare", "a/unknown"] {
            let mut suite = suite(model);
            suite.parameters.max_tokens = Some(300);
            assert_eq!(lints(&suite), [], "{model}");
        }
        let mut suite = suite("a/claude-thinker");
        suite.parameters.max_tokens = Some(300);
        suite.parameters.reasoning_effort = Some(ReasoningEffort::Low);
        assert_eq!(lints(&suite).len(), 1);
    }

    #[test]
    fn a_limit_above_the_models_is_reported_once() {
        // Two variants of one model and eight prompts are one mistake.
        let mut suite = suite("a/plain");
        suite.parameters.max_tokens = Some(2_001);
        let again = Variant {
            label: "again".to_owned(),
            ..suite.variants[0].clone()
        };
        suite.variants.push(again);
        let expected = ModelLint::AboveOutput {
            model: "a/plain".parse().unwrap(),
            limit: 2_001,
            max: 2_000,
        };
        assert_eq!(lints(&suite), [expected]);
        suite.parameters.max_tokens = Some(2_000);
        assert_eq!(lints(&suite), []);
    }

    #[test]
    fn the_longest_prompt_beyond_a_window_is_named() {
        // The answer must fit as well; the longest prompt is reported for all.
        let mut suite = suite("a/plain");
        suite.parameters.max_tokens = Some(1_000);
        suite.prompts[2].messages[0].content = "x".repeat(36_004);
        suite.prompts[5].messages[0].content = "x".repeat(40_000);
        suite.prompts[6].messages[0].content = "x".repeat(36_000);
        let expected = ModelLint::AboveContext {
            model: "a/plain".parse().unwrap(),
            window: 10_000,
            prompt: "p5".to_owned(),
            tokens: 11_000,
            prompts: 2,
        };
        assert_eq!(lints(&suite), [expected]);
    }

    #[test]
    fn marks_with_a_busted_cache_are_reported() {
        // Every trial pays for writing a prompt that no other trial has.
        let mut suite = suite("a/bare");
        suite.cache = CacheMode::Bust;
        assert_eq!(lints(&suite), []);
        let label = suite.variants[0].label.clone();
        let expected = ModelLint::WritesUnread { label };
        suite.parameters.caching = Some(Caching::Auto);
        assert_eq!(lints(&suite), std::slice::from_ref(&expected));
        suite.parameters.caching = None;
        let mark = CacheControl {
            kind: CacheKind::Ephemeral,
            ttl: None,
        };
        suite.prompts[3].messages[0].cache_control = Some(mark);
        assert_eq!(lints(&suite), [expected]);
        suite.variants[0].cache = Some(CacheMode::AsIs);
        assert_eq!(lints(&suite), []);
    }

    #[test]
    fn too_few_prompts_are_reported() {
        // Repetitions cannot stand in for them.
        let mut suite = suite("a/bare");
        suite.repetitions = 100;
        suite.prompts.truncate(6);
        assert_eq!(lints(&suite), []);
        suite.prompts.truncate(5);
        assert_eq!(lints(&suite), [ModelLint::FewPrompts { prompts: 5 }]);
    }
}
