//! Rate limits of an endpoint per minute, as a whole and for single models.
//!
//! Owns which limit applies to a model. Must not know how a run observes them. Invariant: a limit is at least
//! 1.

use std::num::{NonZeroU32, NonZeroU64};

use crate::units::ModelId;

use super::select::fits;

/// Limits per minute; absent: unlimited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PerMinute {
    /// Requests.
    pub requests: Option<NonZeroU32>,
    /// Tokens of prompts and answers together.
    pub tokens: Option<NonZeroU64>,
}

/// The limits of an endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RateLimits {
    /// The limit over all models together.
    pub whole: PerMinute,
    /// Limits of single models. The first that matches a model applies, and each model has a separate count.
    pub models: Vec<ModelLimit>,
}

/// The limit of each model that matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelLimit {
    /// A model's id, or a glob of ids.
    pub model: String,
    /// The limit of each of them.
    pub per_minute: PerMinute,
}

impl RateLimits {
    /// The limits that apply to one of these models, or to all together.
    #[must_use]
    pub fn of_models(&self, models: &[&ModelId]) -> Self {
        let applies = |limit: &&ModelLimit| models.iter().any(|model| fits(&limit.model, model));
        Self {
            whole: self.whole,
            models: self.models.iter().filter(applies).cloned().collect(),
        }
    }

    /// Returns true if any of them limits tokens.
    pub fn count_tokens(&self) -> bool {
        let models = self.models.iter().map(|limit| limit.per_minute);
        models
            .chain([self.whole])
            .any(|per_minute| per_minute.tokens.is_some())
    }

    /// The limit of this model alone, over all variants that use it.
    pub fn for_model(&self, model: &ModelId) -> PerMinute {
        let mut limits = self.models.iter();
        let first = limits.find(|limit| fits(&limit.model, model));
        first.map_or_else(PerMinute::default, |limit| limit.per_minute)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_limit_that_fits_a_model_is_its_own() {
        // An exception stands before the rule it is made from; a model that no rule matches is unlimited.
        let limit = |model: &str, requests| ModelLimit {
            model: model.to_owned(),
            per_minute: PerMinute {
                requests: NonZeroU32::new(requests),
                tokens: None,
            },
        };
        let limits = RateLimits {
            whole: PerMinute::default(),
            models: vec![limit("openai/gpt-5-mini", 500), limit("openai/*", 60)],
        };
        let requests = |model: &str| {
            let per_minute = limits.for_model(&model.parse().unwrap());
            per_minute.requests.map(NonZeroU32::get)
        };
        assert_eq!(requests("openai/gpt-5-mini"), Some(500));
        assert_eq!(requests("openai/gpt-5-nano"), Some(60));
        assert_eq!(requests("anthropic/claude-haiku-4.5"), None);
    }
}
