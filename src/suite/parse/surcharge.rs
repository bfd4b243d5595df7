//! Surcharges: what an endpoint may bill beside tokens, declared so that a bound can be trusted.
//!
//! Owns their keys in `bakeoff.toml` and which of them holds for a model. Must not know what a request
//! costs. Invariant: an amount is at least 0, and every pattern is one.

use crate::units::{ModelId, Usd};

use super::per_model::{Kind, fits, rules};
use super::reader::{Table, Value};
use crate::suite::value::limits;
use crate::suite::value::money::dollars;

/// The most that a request to each model that fits is billed beside its tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surcharge {
    /// A model's id, or a glob of ids.
    pub model: String,
    /// Beside its tokens and its images, whatever else has a price (searches, allow lists, ...).
    pub per_request: Option<Usd>,
    /// For each image of the prompt, whose tokens then count for nothing.
    pub per_image: Option<Usd>,
}

impl Surcharge {
    /// Whether it is of this model.
    pub fn fits(&self, model: &ModelId) -> bool {
        fits(&self.model, model)
    }
}

/// The tables under `[[endpoints.NAME.surcharges]]`; of two that fit a model the first holds.
pub(in crate::suite) fn surcharges(value: &Value<'_>) -> Option<Vec<Surcharge>> {
    let kind = Kind {
        list: "surcharges",
        noun: "surcharge",
        one: "a surcharge",
        most: limits::SURCHARGES,
        says: ["usd_per_request", "usd_per_image"],
    };
    let amounts = |table: &mut Table<'_>| {
        kind.says.map(|key| {
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
