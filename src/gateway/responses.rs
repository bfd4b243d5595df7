//! The Responses route, `OpenAI`'s newer one: its request and its events.
//!
//! Owns the names of that route. Must not know times, headers or earlier chunks. Invariants: a parameter that
//! the route does not support is an error, never dropped; a field of an unexpected type is an absent field.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::body::{UnsupportedParameter, image_url, merge_into};
use super::chunk::{Chunk, ChunkPiece, ToolFragment, add_metadata, add_usage};
use super::fault;
use super::lenient::{Count, List, Loose, Object, Text};
use super::usage::{UsageBlock, UsageRoute};
use super::wire::{WireChunk, WireMetadata};
use crate::suite::{Api, Message, Parameters, Role, Tool};

/// The keys of a request other than `model`, `stream` and the suite's `extra`.
pub(super) fn keys(
    messages: &[Message],
    parameters: &Parameters,
) -> Result<Vec<(&'static str, Value)>, UnsupportedParameter> {
    let absent = [
        ("`seed`", parameters.seed.is_some()),
        ("`stop`", parameters.stop.is_some()),
        ("`max_tokens_name`", parameters.max_tokens_name.is_some()),
    ];
    if let Some((what, _)) = absent.into_iter().find(|(_, present)| *present) {
        return Err(unsupported(what, "leave it out"));
    }
    if messages.iter().any(|turn| turn.cache_control.is_some()) {
        let what = "a prompt marked by `cache_control`";
        return Err(unsupported(what, "omit the mark, or set `caching`"));
    }
    let format = parameters.response_format.as_ref();
    let object = |key: &str, value| Map::from_iter([(key.to_owned(), value)]);
    let added = |key, value| merge_into(&parameters.extra, key, value);
    let effort = parameters.reasoning_effort.map(|effort| json!(effort));
    let optional = [
        ("max_output_tokens", parameters.max_tokens.map(Value::from)),
        ("temperature", parameters.temperature.map(Value::from)),
        ("top_p", parameters.top_p.map(Value::from)),
        (
            "reasoning",
            effort.map(|effort| added("reasoning", object("effort", effort))),
        ),
        (
            "tools",
            parameters
                .tools
                .as_deref()
                .map(|tools| tools.iter().map(tool).collect()),
        ),
        (
            "text",
            format
                .map(text_format)
                .transpose()?
                .map(|format| added("text", object("format", format))),
        ),
    ];
    let optional = optional.into_iter();
    let optional = optional.filter_map(|(key, value)| value.map(|value| (key, value)));
    let input = messages.iter().flat_map(items).collect();
    Ok(std::iter::once(("input", input)).chain(optional).collect())
}

fn unsupported(what: &str, remedy: &'static str) -> UnsupportedParameter {
    UnsupportedParameter {
        what: what.to_owned(),
        api: Api::Responses,
        remedy,
    }
}

/// A tool; not strict, as on the chat route: otherwise the schema would have to be of the strict kind on this
/// route only.
fn tool(tool: &Tool) -> Value {
    let mut wire = json!({
        "type": "function", "name": tool.name, "parameters": tool.parameters, "strict": false,
    });
    if let Some(description) = &tool.description {
        wire["description"] = json!(description);
    }
    wire
}

/// The format of the answer: the fields that the chat route nests under `json_schema` are next to the type.
fn text_format(format: &Value) -> Result<Value, UnsupportedParameter> {
    let kind = format.get("type").and_then(Value::as_str);
    match (kind, format.get("json_schema")) {
        (Some("text" | "json_object"), _) => Ok(format.clone()),
        (Some("json_schema"), Some(Value::Object(schema))) => {
            let mut flat = schema.clone();
            flat.insert("type".to_owned(), json!("json_schema"));
            Ok(Value::Object(flat))
        }
        _ => Err(unsupported(
            "this `response_format`",
            "it supports only `json_schema`, `json_object` and `text`",
        )),
    }
}

/// The items of one turn: its text, then its calls.
fn items(message: &Message) -> Vec<Value> {
    if message.role == Role::Tool {
        let id = message.tool_call_id.as_deref().unwrap_or_default();
        let output = &message.content;
        return vec![json!({ "type": "function_call_output", "call_id": id, "output": output })];
    }
    let mut items = Vec::new();
    if !message.images.is_empty() {
        let text = json!({ "type": "input_text", "text": message.content });
        let images = message.images.iter();
        let images =
            images.map(|image| json!({ "type": "input_image", "image_url": image_url(image) }));
        let content: Vec<Value> = std::iter::once(text).chain(images).collect();
        items.push(json!({ "role": message.role, "content": content }));
    } else if !message.content.is_empty() || message.tool_calls.is_empty() {
        items.push(json!({ "role": message.role, "content": message.content }));
    }
    items.extend(message.tool_calls.iter().map(|call| {
        json!({
            "type": "function_call", "call_id": call.id,
            "name": call.name, "arguments": call.arguments,
        })
    }));
    items
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireResponsesEvent<'a> {
    #[serde(borrow)]
    response: Object<WireResponse<'a>>,
    #[serde(borrow)]
    item: Object<WireItem<'a>>,
    output_index: Count,
    #[serde(borrow)]
    delta: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    arguments: Loose<'a>,
    #[serde(borrow)]
    input: Text<'a>,
    #[serde(borrow)]
    code: Text<'a>,
    #[serde(borrow)]
    message: Text<'a>,
    #[serde(borrow)]
    provider_metadata: Object<WireMetadata<'a>>,
    #[serde(borrow, rename = "providerMetadata")]
    provider_metadata_camel: Object<WireMetadata<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireResponse<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    model: Text<'a>,
    #[serde(borrow)]
    provider: Text<'a>,
    #[serde(borrow)]
    status: Text<'a>,
    #[serde(borrow)]
    output: List<WireItem<'a>>,
    #[serde(borrow)]
    incomplete_details: Object<WireIncomplete<'a>>,
    usage: Object<UsageBlock>,
    #[serde(borrow)]
    service_tier: Text<'a>,
    error: Value,
    #[serde(borrow)]
    provider_metadata: Object<WireMetadata<'a>>,
    #[serde(borrow, rename = "providerMetadata")]
    provider_metadata_camel: Object<WireMetadata<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireIncomplete<'a> {
    #[serde(borrow)]
    reason: Text<'a>,
}

/// An item of the output: a message, reasoning or a call.
#[derive(Default, Deserialize)]
#[serde(default)]
struct WireItem<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    call_id: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    arguments: Loose<'a>,
    #[serde(borrow)]
    input: Text<'a>,
    #[serde(borrow)]
    content: List<WireContentPart<'a>>,
    #[serde(borrow)]
    summary: List<WireContentPart<'a>>,
    #[serde(borrow)]
    encrypted_content: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireContentPart<'a> {
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    refusal: Text<'a>,
}

/// True if an event or answer belongs to this route: by its name, or by being an error with nothing inside it.
pub(super) fn is_of_route(wire: &WireChunk<'_>) -> bool {
    let kind = &wire.kind.0;
    kind.starts_with("response.")
        || wire.object.0 == "response"
        || (kind == "error" && wire.error.is_null())
}

/// Reads an event of this `type`, or a whole answer; `None` when it is not a JSON object.
pub(super) fn parse<'a>(json: &'a [u8], kind: &str) -> Option<Chunk<'a>> {
    let mut chunk = Chunk::default();
    if kind.is_empty() || kind == "response" {
        let wire: Object<WireResponse<'a>> = serde_json::from_slice(json).ok()?;
        close(&mut chunk, wire.0?);
        chunk.pieces.retain(ChunkPiece::is_non_empty);
        return Some(chunk);
    }
    let wire: Object<WireResponsesEvent<'a>> = serde_json::from_slice(json).ok()?;
    let wire = wire.0?;
    let index = wire.output_index.0;
    match kind {
        "error" => chunk.error = fault::from_chunk(&Value::Null, &wire.code.0, &wire.message.0),
        "response.completed" | "response.incomplete" | "response.failed" | "response.cancelled" => {
            close(&mut chunk, wire.response.0.unwrap_or_default());
            chunk.is_last = true;
            chunk.is_incomplete |= kind == "response.incomplete";
            if chunk.finish_reason.is_none() {
                let status = kind.trim_start_matches("response.").to_owned();
                chunk.finish_reason = Some(Cow::Owned(status));
            }
        }
        "response.output_item.added" => {
            if let Some(item) = wire.item.0.filter(is_call) {
                chunk.pieces.push(ChunkPiece::ToolCall(call(index, item)));
            }
        }
        "response.output_item.done" => {
            let sealed = |item: &WireItem<'_>| !item.encrypted_content.0.is_empty();
            chunk.hidden_reasoning = wire.item.0.as_ref().is_some_and(sealed);
            if let Some(item) = wire.item.0.filter(is_call) {
                chunk
                    .pieces
                    .push(ChunkPiece::CompletedCall(call(index, item)));
            }
        }
        "response.function_call_arguments.done" | "response.custom_tool_call_input.done" => {
            let item = WireItem {
                name: wire.name,
                arguments: wire.arguments,
                input: wire.input,
                ..WireItem::default()
            };
            chunk
                .pieces
                .push(ChunkPiece::CompletedCall(call(index, item)));
        }
        _ => match wire.response.0 {
            Some(response) => {
                chunk.id = response.id.some();
                chunk.model = response.model.some();
                chunk.provider = response.provider.some();
            }
            None => add_delta(&mut chunk, kind, index, wire.delta.0),
        },
    }
    add_metadata(
        &mut chunk,
        [wire.provider_metadata, wire.provider_metadata_camel],
    );
    chunk.pieces.retain(ChunkPiece::is_non_empty);
    Some(chunk)
}

/// Adds the next part of a text. Events with the whole of a text that came before (`….done`) add nothing.
fn add_delta<'a>(chunk: &mut Chunk<'a>, kind: &str, index: Option<u64>, delta: Cow<'a, str>) {
    let piece = match kind {
        "response.output_text.delta" => ChunkPiece::Content(delta),
        "response.refusal.delta" => ChunkPiece::Refusal(delta),
        "response.reasoning_text.delta" | "response.reasoning.delta" => {
            ChunkPiece::Reasoning(delta)
        }
        "response.reasoning_summary_text.delta" | "response.reasoning_summary.delta" => {
            chunk.hidden_reasoning = true;
            ChunkPiece::Reasoning(delta)
        }
        "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
            ChunkPiece::ToolCall(ToolFragment {
                index,
                arguments: delta,
                ..ToolFragment::default()
            })
        }
        _ => return,
    };
    chunk.pieces.push(piece);
}

fn is_call(item: &WireItem<'_>) -> bool {
    matches!(&*item.kind.0, "function_call" | "custom_tool_call")
}

fn call(index: Option<u64>, item: WireItem<'_>) -> ToolFragment<'_> {
    let arguments = item.arguments.0;
    ToolFragment {
        index,
        id: item.call_id.0,
        name: item.name.0,
        arguments: if arguments.is_empty() {
            item.input.0
        } else {
            arguments
        },
    }
}

/// Reads the response at its end, or a whole answer.
fn close<'a>(chunk: &mut Chunk<'a>, response: WireResponse<'a>) {
    chunk.id = response.id.some();
    chunk.model = response.model.some();
    chunk.provider = response.provider.some();
    chunk.has_choice = !response.status.0.is_empty() || !response.output.0.is_empty();
    chunk.whole = true;
    chunk.error = fault::from_chunk(&response.error, "", "");
    let reason = response.incomplete_details.0;
    let reason = reason.and_then(|details| details.reason.some());
    let status = response.status.some();
    chunk.is_incomplete = status.as_deref() == Some("incomplete");
    chunk.finish_reason = reason.or(status.filter(|status| !is_in_progress(status)));
    for (index, item) in (0..).zip(response.output.0) {
        add_item(chunk, index, item);
    }
    add_usage(chunk, response.usage.0, UsageRoute::Responses);
    chunk.service_tier = response.service_tier.some();
    add_metadata(
        chunk,
        [response.provider_metadata, response.provider_metadata_camel],
    );
}

fn is_in_progress(status: &str) -> bool {
    matches!(status, "in_progress" | "queued")
}

fn add_item<'a>(chunk: &mut Chunk<'a>, index: u64, item: WireItem<'a>) {
    if is_call(&item) {
        chunk
            .pieces
            .push(ChunkPiece::ToolCall(call(Some(index), item)));
        return;
    }
    chunk.hidden_reasoning |= !item.encrypted_content.0.is_empty();
    chunk.has_other_output |= !matches!(&*item.kind.0, "" | "message" | "reasoning");
    if item.kind.0 == "reasoning" {
        // A summary and the reasoning itself have the same content: the reasoning is used.
        let thoughts = if item.content.0.is_empty() {
            chunk.hidden_reasoning |= !item.summary.0.is_empty();
            item.summary.0
        } else {
            item.content.0
        };
        let thoughts = thoughts.into_iter().map(|part| part.text.0);
        chunk.pieces.extend(thoughts.map(ChunkPiece::Reasoning));
        return;
    }
    for part in item.content.0 {
        chunk.pieces.push(ChunkPiece::Content(part.text.0));
        chunk.pieces.push(ChunkPiece::Refusal(part.refusal.0));
    }
}
