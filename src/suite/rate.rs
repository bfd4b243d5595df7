//! Rate limits: what an endpoint allows a minute, as a whole and of single models.
//!
//! Owns their keys in `bakeoff.toml` and which of them holds for a model. Must not know how a run
//! keeps to them. Invariant: a limit is at least 1, and every pattern is one.

use std::num::{NonZeroU32, NonZeroU64};

use crate::units::ModelId;

use super::limits;
use super::problem::{Code, quoted};
use super::reader::{FirstLines, Table, Value};
use super::select::Pattern;

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
    pub fn of(&self, model: &ModelId) -> PerMinute {
        let fits = |limit: &&ModelLimit| {
            Pattern::new(&limit.model).is_ok_and(|pattern| pattern.matches(model.as_str()))
        };
        let first = self.models.iter().find(fits);
        first.map_or_else(PerMinute::default, |limit| limit.per_minute)
    }
}

/// The keys of an endpoint that limit it.
pub(super) fn rate_limits(endpoint: &mut Table<'_>) -> Option<RateLimits> {
    let whole = per_minute(endpoint);
    let models = match endpoint.field("limits") {
        Some(value) => model_limits(&value),
        None => Some(Vec::new()),
    };
    Some(RateLimits {
        whole,
        models: models?,
    })
}

fn per_minute(table: &mut Table<'_>) -> PerMinute {
    let requests = table
        .field("requests_per_minute")
        .and_then(|value| value.whole(1..=limits::REQUESTS_PER_MINUTE));
    let tokens = table
        .field("tokens_per_minute")
        .and_then(|value| value.whole(1..=limits::TOKENS_PER_MINUTE));
    PerMinute {
        requests: requests.and_then(NonZeroU32::new),
        tokens: tokens.and_then(NonZeroU64::new),
    }
}

fn model_limits(value: &Value<'_>) -> Option<Vec<ModelLimit>> {
    let wanted = "tables under `[[endpoints.NAME.limits]]`";
    let items = value.items(limits::MODEL_LIMITS, wanted)?;
    let mut first_lines = FirstLines::default();
    let read = items
        .iter()
        .map(|item| item.table("a limit", |table| model_limit(table, &mut first_lines))?);
    let read: Vec<_> = read.collect();
    read.into_iter().collect()
}

fn model_limit(table: &mut Table<'_>, first_lines: &mut FirstLines) -> Option<ModelLimit> {
    let help = "add `model = \"creator/model\"`, or a pattern such as \"creator/*\"";
    let value = table.required("model", help);
    let keys = ["requests_per_minute", "tokens_per_minute"];
    if keys.iter().all(|key| table.peek(key).is_none()) {
        table.missing(&keys, "add one of them, or both");
    }
    let per_minute = per_minute(table);
    let value = value?;
    let model = value.written(limits::PATTERN_BYTES)?;
    if let Err(error) = Pattern::new(model) {
        value.say(Code::BadValue, error.to_string(), None);
        return None;
    }
    if let Some(first) = first_lines.note(model, &value) {
        let message = format!("the limit of {} is given twice", quoted(model));
        value.say(
            Code::Duplicate,
            message,
            Some(format!("the first is {first}")),
        );
    }
    Some(ModelLimit {
        model: model.to_owned(),
        per_minute,
    })
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
            let per_minute = limits.of(&model.parse().unwrap());
            per_minute.requests.map(NonZeroU32::get)
        };
        assert_eq!(requests("openai/gpt-5-mini"), Some(500));
        assert_eq!(requests("openai/gpt-5-nano"), Some(60));
        assert_eq!(requests("anthropic/claude-haiku-4.5"), None);
    }
}
