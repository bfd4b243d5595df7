//! Surcharges: what an endpoint may bill beside tokens, declared so that a bound can be trusted.
//!
//! Owns their keys in `bakeoff.toml` and which of them holds for a model. Must not know what a request
//! costs. Invariant: an amount is at least 0, and every pattern is one.

use crate::units::{ModelId, Usd};

use super::dollars::dollars;
use super::limits;
use super::problem::{Code, quoted};
use super::reader::{FirstLines, Table, Value};
use super::select::Pattern;

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
        Pattern::new(&self.model).is_ok_and(|pattern| pattern.matches(model.as_str()))
    }
}

/// The tables under `[[endpoints.NAME.surcharges]]`; of two that fit a model the first holds.
pub(super) fn surcharges(value: &Value<'_>) -> Option<Vec<Surcharge>> {
    let wanted = "tables under `[[endpoints.NAME.surcharges]]`";
    let items = value.items(limits::SURCHARGES, wanted)?;
    let mut first_lines = FirstLines::default();
    let read = items
        .iter()
        .map(|item| item.table("a surcharge", |table| surcharge(table, &mut first_lines))?);
    let read: Vec<_> = read.collect();
    read.into_iter().collect()
}

fn surcharge(table: &mut Table<'_>, first_lines: &mut FirstLines) -> Option<Surcharge> {
    let help = "add `model = \"creator/model\"`, or a pattern such as \"creator/*\"";
    let value = table.required("model", help);
    let keys = ["usd_per_request", "usd_per_image"];
    if keys.iter().all(|key| table.peek(key).is_none()) {
        table.missing(&keys, "add one of them, or both");
    }
    let [per_request, per_image] = keys.map(|key| {
        table
            .field(key)
            .and_then(|value| dollars(&value, limits::SURCHARGE_USD))
    });
    let value = value?;
    let model = value.written(limits::PATTERN_BYTES)?;
    if let Err(error) = Pattern::new(model) {
        value.say(Code::BadValue, error.to_string(), None);
        return None;
    }
    if let Some(first) = first_lines.note(model, &value) {
        let message = format!("the surcharge of {} is given twice", quoted(model));
        let help = format!("the first is {first}");
        value.say(Code::Duplicate, message, Some(help));
    }
    Some(Surcharge {
        model: model.to_owned(),
        per_request,
        per_image,
    })
}
