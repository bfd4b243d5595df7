//! Checks of a suite's requests against the facts of a model list.
//!
//! Owns the conditions. Must not know their wording. Invariant: a model that is not listed, and a fact
//! that the list lacks, cause no warning.

use std::collections::BTreeMap;

use crate::catalog::{Catalog, ListedModel};
use crate::plan::{prompt_tokens, reasoning_min_tokens, token_limit};
use crate::suite::{Prompt, Suite, Variant};
use crate::units::ModelId;

use super::RequestLint;

/// Returns the likely problems of a suite's requests, each once per model, in the suite's order of variants.
pub(super) fn lint_requests(suite: &Suite, catalog: &Catalog) -> Vec<RequestLint> {
    let mut all: Vec<RequestLint> = judge_of_family(suite).into_iter().collect();
    for variant in &suite.variants {
        if suite.writes_unused_cache(variant) {
            let label = variant.label.clone();
            all.push(RequestLint::WritesUnread { label });
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
    let shared = suite.shared_caches().into_iter();
    all.extend(shared.map(|(model, labels)| RequestLint::SharedCache {
        model: model.clone(),
        variants: labels.len(),
    }));
    all
}

/// The judge of rubrics, if it grades a model of its own maker: judges favour their own family.
fn judge_of_family(suite: &Suite) -> Option<RequestLint> {
    let judge = &suite.judge.as_ref()?.model;
    let maker = |model: &ModelId| Some(model.as_str().split_once('/')?.0.to_owned());
    let own = maker(judge)?;
    let mut models = suite.variants.iter().map(|variant| &variant.model);
    let model = models.find(|model| maker(model).is_some_and(|maker| maker == own))?;
    Some(RequestLint::JudgeOfFamily {
        judge: judge.clone(),
        model: model.clone(),
    })
}

fn variant_lints(suite: &Suite, variant: &Variant, model: &ListedModel) -> Vec<RequestLint> {
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
        .map(|(limit, min)| RequestLint::TruncatedInReasoning {
            model: id(),
            limit,
            min,
        });
    let above_output = above_output
        .into_iter()
        .map(|(limit, max)| RequestLint::AboveOutput {
            model: id(),
            limit,
            max,
        });
    let above_context = above_context(suite, variant, model);
    eaten.chain(above_output).chain(above_context).collect()
}

fn above_context(suite: &Suite, variant: &Variant, model: &ListedModel) -> Option<RequestLint> {
    let window = model.context_window?;
    let too_long = suite.prompts.iter().filter_map(|prompt| {
        let answer = token_limit(suite, prompt, variant).unwrap_or(0);
        let tokens = prompt_tokens(suite, prompt, variant) + answer;
        (tokens > window).then_some((tokens, prompt))
    });
    let too_long: Vec<(u64, &Prompt)> = too_long.collect();
    let (tokens, prompt) = too_long.iter().max_by_key(|(tokens, _)| *tokens)?;
    Some(RequestLint::AboveContext {
        model: variant.model.clone(),
        window,
        prompt: prompt.id.clone(),
        tokens: *tokens,
        prompts: too_long.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::example;
    use crate::suite::{CacheControl, CacheKind, CacheMode, Caching, ReasoningEffort, Variant};

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

    fn lints(suite: &Suite) -> Vec<RequestLint> {
        lint_requests(suite, &catalog())
    }

    #[test]
    fn a_reasoning_model_needs_room() {
        // Reasoning counts against the limit: the answer would be empty.
        let eaten = |limit, min| RequestLint::TruncatedInReasoning {
            model: "a/thinker".parse().unwrap(),
            limit,
            min,
        };
        let mut suite = suite("a/thinker");
        assert_eq!(lints(&suite), []);
        suite.parameters.max_tokens = Some(300);
        assert_eq!(lints(&suite), [eaten(300, 1_000)]);
        for (effort, expected) in [
            (ReasoningEffort::None, vec![]),
            (ReasoningEffort::Minimal, vec![]),
            (ReasoningEffort::Low, vec![eaten(300, 1_000)]),
            (ReasoningEffort::High, vec![eaten(300, 4_000)]),
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
        let expected = RequestLint::AboveOutput {
            model: "a/plain".parse().unwrap(),
            limit: 2_001,
            max: 2_000,
        };
        let shared = RequestLint::SharedCache {
            model: "a/plain".parse().unwrap(),
            variants: 2,
        };
        assert_eq!(lints(&suite), [expected, shared.clone()]);
        suite.parameters.max_tokens = Some(2_000);
        assert_eq!(lints(&suite), [shared]);
    }

    #[test]
    fn the_longest_prompt_beyond_a_window_is_named() {
        // The answer must fit as well; the longest prompt is reported for all.
        let mut suite = suite("a/plain");
        suite.parameters.max_tokens = Some(1_000);
        suite.prompts[2].messages[0].content = "x".repeat(36_004);
        suite.prompts[5].messages[0].content = "x".repeat(40_000);
        suite.prompts[6].messages[0].content = "x".repeat(36_000);
        let expected = RequestLint::AboveContext {
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
        let expected = RequestLint::WritesUnread { label };
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
}
