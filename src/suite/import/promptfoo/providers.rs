//! Providers of promptfoo as models of a suite.
//!
//! Owns which ids a gateway serves, and which parameters have a meaning here. Must not know the prompts. Invariant: a
//! provider that is not carried over is reported with its line.

use serde_json::Value;

use super::asserts::{check, toml};
use super::ids::gateway_id;
use super::yaml::Node;
use crate::suite::import::draft::{DraftModel, SuiteDraft};
use crate::suite::value::limits;
use crate::suite::value::text::quoted;

/// Parameters of a provider, and their names here.
const PARAMETERS: [(&str, &str); 9] = [
    ("temperature", "temperature"),
    ("top_p", "top_p"),
    ("max_tokens", "max_tokens"),
    ("max_completion_tokens", "max_tokens"),
    ("max_output_tokens", "max_tokens"),
    ("seed", "seed"),
    ("stop", "stop"),
    ("reasoning_effort", "reasoning_effort"),
    ("response_format", "response_format"),
];

/// Adds one of `providers`, if it is a model that a gateway may have.
pub(super) fn add_model(node: &Node, draft: &mut SuiteDraft) {
    // `id: {config}` is the short form of `{id, config}`.
    let short = match node.entries() {
        [(id, config)] if id != "id" => Some((id.as_str(), config)),
        _ => None,
    };
    let fields = short.map_or(node, |(_, config)| config);
    let id = match short {
        Some((id, _)) => Some(id),
        None => node.text().or_else(|| node.get("id")?.text()),
    };
    let Some(id) = id.and_then(gateway_id) else {
        let id = id.unwrap_or_default();
        let reason = if id.contains("{{") {
            "is a template: write the model's id"
        } else {
            "is no model of a gateway"
        };
        return draft.skip(node.line, format!("the provider {} {reason}", quoted(id)));
    };
    let mut model = DraftModel::plain(&id);
    for (key, value) in fields.entries() {
        match key.as_str() {
            "id" => {}
            "label" => model.label = value.text().map(str::to_owned),
            "config" => add_parameters(value, &mut model, draft),
            _ => draft.skip(value.line, format!("a provider's `{key}` is not imported")),
        }
    }
    let name = |model: &DraftModel| model.label.as_ref().unwrap_or(&model.id).clone();
    let name_here = name(&model);
    if draft.models.iter().any(|other| name(other) == name_here) {
        let what = format!("the provider {} is duplicate", quoted(&name_here));
        return draft.skip(node.line, what);
    }
    draft.models.push(model);
}

/// Adds the parameters of a provider that we have too.
fn add_parameters(node: &Node, model: &mut DraftModel, draft: &mut SuiteDraft) {
    for (key, value) in node.entries() {
        // The responses route has the effort in a table.
        let (key, read) = match (key.as_str(), value.get("effort")) {
            ("reasoning", Some(effort)) => ("reasoning_effort", effort),
            _ => (key.as_str(), value),
        };
        let made = match PARAMETERS.iter().find(|(theirs, _)| *theirs == key) {
            None => Err(String::new()),
            Some((_, ours)) if model.parameters.iter().any(|(name, _)| name == ours) => {
                Err(format!(": `{ours}` is set already"))
            }
            Some((_, ours)) => parameter(ours, read)
                .map(|value| (*ours, value))
                .map_err(|reason| format!(": {reason}")),
        };
        match made {
            Ok(parameter) => model.parameters.push(parameter),
            Err(reason) => {
                let what = format!("a provider's `{key}` is not imported{reason}");
                draft.skip(value.line, what);
            }
        }
    }
}

/// The value of a parameter as TOML.
fn parameter(name: &str, node: &Node) -> Result<String, String> {
    let value = node.json();
    if let Value::String(text) = &value
        && text.starts_with("file://")
    {
        return Err("it lies in a file".to_owned());
    }
    let value = toml(&value)?;
    check(&format!("parameters = {{ {name} = {value} }}"))?;
    Ok(value)
}

/// Reads repetitions and concurrency.
pub(super) fn add_options(node: &Node, draft: &mut SuiteDraft) {
    for (key, value) in node.entries() {
        let number = value.text().and_then(|text| text.parse::<u64>().ok());
        match (key.as_str(), number) {
            ("repeat", Some(n)) if (1..=u64::from(limits::REPETITIONS)).contains(&n) => {
                draft.repetitions = Some(n);
            }
            ("maxConcurrency", Some(n)) if n >= 1 => {
                draft.requests_in_flight = Some((value.line, n));
            }
            _ => draft.skip(value.line, format!("the option `{key}` is not imported")),
        }
    }
}
