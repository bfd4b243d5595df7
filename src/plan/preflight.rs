//! What of a suite will disappoint, as far as a list of models tells before anything is sent.
//!
//! Owns what is worth a word. Must not know the words. Invariant: a model that the list does not
//! know, and a fact that the list does not have, is worth none.

use std::collections::BTreeMap;

use crate::catalog::{Catalog, Model};
use crate::stats::FEWEST_PROMPTS;
use crate::suite::{Prompt, ReasoningEffort, Suite, Variant};
use crate::units::ModelId;

use super::duration::Expected;
use super::tokens::prompt_tokens;

/// Tokens below which a model that thinks may end at its limit before it answers.
const THINKING_ROOM: u64 = 1_000;

/// The same of one that is told to think long.
const LONG_THINKING_ROOM: u64 = 4_000;

/// Parts of ids of models that can think, and do so only where they are told to.
const THINK_WHEN_TOLD: [&str; 2] = ["claude-", "-flash-lite"];

/// Keys of a request's body with which thinking is set by other means than the effort.
const OTHER_EFFORTS: [&str; 3] = ["reasoning", "thinking", "chat_template_kwargs"];

/// One thing that will disappoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caution {
    /// Reasoning counts against the token limit and may use it up.
    EatenByReasoning {
        /// Who reasons.
        model: ModelId,
        /// The token limit.
        limit: u64,
        /// The least that leaves room for an answer.
        least: u64,
    },
    /// The token limit is above what the model writes at most.
    AboveOutput {
        /// Who writes.
        model: ModelId,
        /// The token limit.
        limit: u64,
        /// The most tokens of an answer.
        most: u64,
    },
    /// Prompts do not fit the context window.
    AboveContext {
        /// Who reads.
        model: ModelId,
        /// Most tokens of prompt and answer together.
        window: u64,
        /// Id of the longest of these prompts.
        prompt: String,
        /// Its tokens and those of its token limit, about.
        tokens: u64,
        /// How many prompts there are of which this is true.
        prompts: usize,
    },
    /// Prompts are marked for caches in which nobody finds them again.
    WritesUnread {
        /// Of which variant.
        label: String,
    },
    /// No verdict can stand on so few prompts.
    FewPrompts {
        /// How many there are.
        prompts: usize,
    },
}

/// Everything that will disappoint, each thing once for a model, in the suite's order of variants.
pub fn cautions(suite: &Suite, catalog: &Catalog) -> Vec<Caution> {
    let mut all = Vec::new();
    if suite.prompts.len() < FEWEST_PROMPTS {
        let prompts = suite.prompts.len();
        all.push(Caution::FewPrompts { prompts });
    }
    for variant in &suite.variants {
        if suite.writes_unread(variant) {
            let label = variant.label.clone();
            all.push(Caution::WritesUnread { label });
        }
        let Some(model) = catalog.get(&variant.model) else {
            continue;
        };
        for caution in of_variant(suite, variant, model) {
            if !all.contains(&caution) {
                all.push(caution);
            }
        }
    }
    all
}

/// Whether a variant is expected to think before it answers.
fn thinks(suite: &Suite, variant: &Variant, model: &Model) -> bool {
    let mut prompts = suite.prompts.iter();
    prompts.any(|prompt| thinking_room(suite, prompt, variant, model).is_some())
}

fn of_variant(suite: &Suite, variant: &Variant, model: &Model) -> Vec<Caution> {
    // By token limit: a suite has one or two of them, and perhaps a hundred thousand prompts.
    let mut eaten = BTreeMap::new();
    let mut above_output = BTreeMap::new();
    for prompt in &suite.prompts {
        let Some(limit) = token_limit(suite, prompt, variant) else {
            continue;
        };
        let room = thinking_room(suite, prompt, variant, model);
        if let Some(least) = room.filter(|least| limit < *least) {
            eaten.insert(limit, least);
        }
        if let Some(most) = model.max_tokens.filter(|most| limit > *most) {
            above_output.insert(limit, most);
        }
    }
    let id = || variant.model.clone();
    let eaten = eaten
        .into_iter()
        .map(|(limit, least)| Caution::EatenByReasoning {
            model: id(),
            limit,
            least,
        });
    let above_output = above_output
        .into_iter()
        .map(|(limit, most)| Caution::AboveOutput {
            model: id(),
            limit,
            most,
        });
    let above_context = above_context(suite, variant, model);
    eaten.chain(above_output).chain(above_context).collect()
}

fn above_context(suite: &Suite, variant: &Variant, model: &Model) -> Option<Caution> {
    let window = model.context_window?;
    let beyond = suite.prompts.iter().filter_map(|prompt| {
        let answer = token_limit(suite, prompt, variant).unwrap_or(0);
        let tokens = prompt_tokens(suite, prompt, variant) + answer;
        (tokens > window).then_some((tokens, prompt))
    });
    let beyond: Vec<(u64, &Prompt)> = beyond.collect();
    let (tokens, prompt) = beyond.iter().max_by_key(|(tokens, _)| *tokens)?;
    Some(Caution::AboveContext {
        model: variant.model.clone(),
        window,
        prompt: prompt.id.clone(),
        tokens: *tokens,
        prompts: beyond.len(),
    })
}

fn token_limit(suite: &Suite, prompt: &Prompt, variant: &Variant) -> Option<u64> {
    let limit = suite.parameter_of(prompt, variant, |parameters| parameters.max_tokens.as_ref());
    limit.copied()
}

/// The least token limit under which a thinking model has room to answer; `None` where it is not
/// expected to think, or nothing is known of how long.
fn thinking_room(suite: &Suite, prompt: &Prompt, variant: &Variant, model: &Model) -> Option<u64> {
    if !model.tags.iter().any(|tag| tag == "reasoning") {
        return None;
    }
    let effort = suite.parameter_of(prompt, variant, |p| p.reasoning_effort.as_ref());
    match effort {
        Some(ReasoningEffort::None | ReasoningEffort::Minimal) => None,
        Some(ReasoningEffort::Low | ReasoningEffort::Medium) => Some(THINKING_ROOM),
        Some(ReasoningEffort::High | ReasoningEffort::Xhigh | ReasoningEffort::Max) => {
            Some(LONG_THINKING_ROOM)
        }
        None => {
            let told_otherwise = OTHER_EFFORTS.iter().any(|key| {
                let set = suite.parameter_of(prompt, variant, |p| p.extra.get(*key));
                set.is_some()
            });
            let id = variant.model.as_str();
            let unasked = !THINK_WHEN_TOLD.iter().any(|part| id.contains(part));
            (unasked && !told_otherwise).then_some(THINKING_ROOM)
        }
    }
}

/// What is assumed of a variant's answers: no list of models tells how fast one is.
pub fn assumed(suite: &Suite, variant: &Variant, catalog: &Catalog) -> Expected {
    let model = catalog.get(&variant.model);
    if model.is_some_and(|model| thinks(suite, variant, model)) {
        Expected::ASSUMED_THINKING
    } else {
        Expected::ASSUMED
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::example;
    use crate::suite::{CacheControl, CacheKind, CacheMode, Caching, Variant};

    /// Of a window of 10,000 tokens, with answers of at most 2,000; the first can think.
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

    fn of(suite: &Suite) -> Vec<Caution> {
        cautions(suite, &catalog())
    }

    #[test]
    fn a_thinking_model_needs_room() {
        // Its thoughts count against the limit: the answer would be empty.
        let eaten = |limit, least| Caution::EatenByReasoning {
            model: "a/thinker".parse().unwrap(),
            limit,
            least,
        };
        let mut suite = suite("a/thinker");
        assert_eq!(of(&suite), []);
        suite.parameters.max_tokens = Some(300);
        assert_eq!(of(&suite), [eaten(300, THINKING_ROOM)]);
        for (effort, expected) in [
            (ReasoningEffort::None, vec![]),
            (ReasoningEffort::Minimal, vec![]),
            (ReasoningEffort::Low, vec![eaten(300, THINKING_ROOM)]),
            (ReasoningEffort::High, vec![eaten(300, LONG_THINKING_ROOM)]),
        ] {
            suite.variants[0].parameters.reasoning_effort = Some(effort);
            assert_eq!(of(&suite), expected);
        }
        suite.variants[0].parameters.reasoning_effort = None;
        let off = serde_json::json!({ "enabled": false });
        suite.parameters.extra.insert("reasoning".to_owned(), off);
        assert_eq!(of(&suite), []);
    }

    #[test]
    fn a_model_that_does_not_think_unasked_is_left_alone() {
        // A warning that is wrong for a popular model would be read once and never again.
        for model in ["a/claude-thinker", "a/plain", "a/bare", "a/unknown"] {
            let mut suite = suite(model);
            suite.parameters.max_tokens = Some(300);
            assert_eq!(of(&suite), [], "{model}");
        }
        let mut told = suite("a/claude-thinker");
        told.parameters.max_tokens = Some(300);
        told.parameters.reasoning_effort = Some(ReasoningEffort::Low);
        assert_eq!(of(&told).len(), 1);
    }

    #[test]
    fn a_limit_above_the_models_is_told_once() {
        // Two variants of one model and eight prompts are one mistake.
        let mut suite = suite("a/plain");
        suite.parameters.max_tokens = Some(2_001);
        let again = Variant {
            label: "again".to_owned(),
            ..suite.variants[0].clone()
        };
        suite.variants.push(again);
        let told = Caution::AboveOutput {
            model: "a/plain".parse().unwrap(),
            limit: 2_001,
            most: 2_000,
        };
        assert_eq!(of(&suite), [told]);
        suite.parameters.max_tokens = Some(2_000);
        assert_eq!(of(&suite), []);
    }

    #[test]
    fn the_longest_prompt_beyond_a_window_is_named() {
        // The answer must fit as well; of many prompts the worst stands for all.
        let mut suite = suite("a/plain");
        suite.parameters.max_tokens = Some(1_000);
        suite.prompts[2].messages[0].content = "x".repeat(36_004);
        suite.prompts[5].messages[0].content = "x".repeat(40_000);
        suite.prompts[6].messages[0].content = "x".repeat(36_000);
        let told = Caution::AboveContext {
            model: "a/plain".parse().unwrap(),
            window: 10_000,
            prompt: "p5".to_owned(),
            tokens: 11_000,
            prompts: 2,
        };
        assert_eq!(of(&suite), [told]);
    }

    #[test]
    fn marks_beside_a_busted_cache_are_told() {
        // Every trial pays for writing a prompt that no other one has.
        let mut suite = suite("a/bare");
        suite.cache = CacheMode::Bust;
        assert_eq!(of(&suite), []);
        let label = suite.variants[0].label.clone();
        let told = Caution::WritesUnread { label };
        suite.parameters.caching = Some(Caching::Auto);
        assert_eq!(of(&suite), std::slice::from_ref(&told));
        suite.parameters.caching = None;
        let mark = CacheControl {
            kind: CacheKind::Ephemeral,
            ttl: None,
        };
        suite.prompts[3].messages[0].cache_control = Some(mark);
        assert_eq!(of(&suite), [told]);
        suite.variants[0].cache = Some(CacheMode::AsIs);
        assert_eq!(of(&suite), []);
    }

    #[test]
    fn too_few_prompts_are_told() {
        // Repetitions cannot stand in for them.
        let mut suite = suite("a/bare");
        suite.repetitions = 100;
        suite.prompts.truncate(6);
        assert_eq!(of(&suite), []);
        suite.prompts.truncate(5);
        assert_eq!(of(&suite), [Caution::FewPrompts { prompts: 5 }]);
    }
}
