//! Surcharges: what an endpoint may bill beside tokens, declared so that a bound can be trusted.
//!
//! Owns their keys in `bakeoff.toml`. Must not know what a request
//! costs. Invariant: an amount is at least 0, and every pattern is one.

use super::fields::dollars;
use super::per_model::{RuleKind, rules};
use super::reader::{Table, Value};
use crate::suite::model::surcharge::Surcharge;
use crate::suite::value::limits;

/// The tables under `[[endpoints.NAME.surcharges]]`; of two that fit a model the first holds.
pub(super) fn surcharges(value: &Value<'_>) -> Option<Vec<Surcharge>> {
    let kind = RuleKind {
        list: "surcharges",
        noun: "surcharge",
        one: "a surcharge",
        most: limits::SURCHARGES,
        rule_keys: ["usd_per_request", "usd_per_image"],
    };
    let amounts = |table: &mut Table<'_>| {
        kind.rule_keys.map(|key| {
            table
                .field(key)
                .and_then(|value| dollars(&value, limits::SURCHARGE_USD))
        })
    };
    let rules = rules(value, &kind, amounts)?.into_iter();
    let surcharges = rules.map(|(model, [per_request, per_image])| Surcharge {
        model,
        per_request,
        per_image,
    });
    Some(surcharges.collect())
}
