//! What an endpoint allows a minute, as a whole and of single models.
//!
//! Owns which limit holds for a model. Must not know how a run keeps to them. Invariant: a limit is at
//! least 1.

use std::num::{NonZeroU32, NonZeroU64};

use crate::units::ModelId;

use super::select::fits;

/// What may be asked in a minute; absent: without a limit.
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
    /// Of all models together.
    pub whole: PerMinute,
    /// Of single models. The first that fits a model holds for it, and each model has it to itself.
    pub models: Vec<ModelLimit>,
}

/// The limit of each model that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelLimit {
    /// A model's id, or a glob of ids.
    pub model: String,
    /// What each of them allows.
    pub per_minute: PerMinute,
}

impl RateLimits {
    /// Whether any of them counts tokens.
    pub fn count_tokens(&self) -> bool {
        let models = self.models.iter().map(|limit| limit.per_minute);
        models
            .chain([self.whole])
            .any(|per_minute| per_minute.tokens.is_some())
    }

    /// What the endpoint allows of this model alone, whatever the variant that asks it.
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
        // An exception stands before the rule it is made from; a model that nothing fits is free.
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
