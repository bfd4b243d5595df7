//! Rate limits of an endpoint per minute, as a whole and for single models.
//!
//! Owns their keys in `bakeoff.toml`. Must not know how a run observes them. Invariant: a limit is at least 1,
//! and every pattern is valid.

use std::num::{NonZeroU32, NonZeroU64};

use super::per_model::{RuleKind, rules};
use super::reader::{Table, Value};
use crate::suite::model::rate_limits::{ModelLimit, PerMinute, RateLimits};
use crate::suite::value::limits;

/// Reads the keys of an endpoint that limit it.
pub(super) fn rate_limits(endpoint: &mut Table<'_>) -> Option<RateLimits> {
    let endpoint_limit = per_minute(endpoint);
    let models = match endpoint.field("limits") {
        Some(value) => model_limits(&value),
        None => Some(Vec::new()),
    };
    Some(RateLimits {
        whole: endpoint_limit,
        models: models?,
    })
}

fn per_minute(table: &mut Table<'_>) -> PerMinute {
    let requests = table
        .field("requests_per_minute")
        .and_then(|value| value.integer(1..=limits::REQUESTS_PER_MINUTE));
    let tokens = table
        .field("tokens_per_minute")
        .and_then(|value| value.integer(1..=limits::TOKENS_PER_MINUTE));
    PerMinute {
        requests: requests.and_then(NonZeroU32::new),
        tokens: tokens.and_then(NonZeroU64::new),
    }
}

fn model_limits(value: &Value<'_>) -> Option<Vec<ModelLimit>> {
    let kind = RuleKind {
        list: "limits",
        noun: "limit",
        one: "a limit",
        max: limits::MODEL_LIMITS,
        rule_keys: ["requests_per_minute", "tokens_per_minute"],
    };
    let rules = rules(value, &kind, per_minute)?.into_iter();
    let limits = rules.map(|(model, per_minute)| ModelLimit { model, per_minute });
    Some(limits.collect())
}
