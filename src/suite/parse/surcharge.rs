//! Surcharges: charges of an endpoint in addition to tokens, declared so that a bound is reliable.
//!
//! Owns their keys in `bakeoff.toml`. Must not know the cost of a request. Invariant: an amount is at least 0,
//! and every pattern is valid.

use super::fields::dollars;
use super::per_model::{RuleKind, rules};
use super::reader::{Table, Value};
use crate::suite::model::surcharge::Surcharge;
use crate::suite::value::limits;

/// Reads the tables under `[[endpoints.NAME.surcharges]]`; the first that matches a model applies.
pub(super) fn surcharges(value: &Value<'_>) -> Option<Vec<Surcharge>> {
    let kind = RuleKind {
        list: "surcharges",
        noun: "surcharge",
        one: "a surcharge",
        max: limits::SURCHARGES,
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
