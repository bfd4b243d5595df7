//! The Messages route of Anthropic and compatible gateways: its request and its events.
//!
//! Owns the names of that route. Must not know times, headers or earlier chunks. Invariants: a parameter that
//! the route does not support is an error, never dropped; a field of an unexpected type is an absent field.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::body::{UnsupportedParameter, merge_into};
use super::chunk::{Chunk, ChunkPiece, ToolFragment, add_metadata, add_usage};
use super::lenient::{Count, List, Loose, Object, Text};
use super::usage::{UsageBlock, UsageRoute};
use super::wire::WireMetadata;
use crate::record::Usage;
use crate::suite::{Api, Image, Message, Parameters, ReasoningEffort, Role, Tool};

/// The keys of a request other than `model`, `stream` and the suite's `extra`.
pub(super) fn keys(
    messages: &[Message],
    parameters: &Parameters,
) -> Result<Vec<(&'static str, Value)>, UnsupportedParameter> {
    let reject = |what: &str, remedy| Err(unsupported(what, remedy));
    let Some(limit) = parameters.max_tokens else {
        return reject(
            "a request without `max_tokens`",
            "add it to the suite's `parameters`",
        );
    };
    if parameters.seed.is_some() {
        return reject("`seed`", "leave it out");
    }
    if parameters.max_tokens_name.is_some() {
        return reject(
            "`max_tokens_name`",
            "omit it: this API has only one name for it",
        );
    }
    let opening = |message: &&Message| message.role == Role::System;
    let system: Vec<&Message> = messages.iter().take_while(opening).collect();
    let mut keys = vec![
        ("max_tokens", json!(limit)),
        ("messages", turns(&messages[system.len()..])?),
    ];
    match system.as_slice() {
        [] => {}
        [only] if only.cache_control.is_none() => keys.push(("system", json!(only.content))),
        several => {
            let blocks = several
                .iter()
                .flat_map(|text| with_cache_mark(text_block(text), text));
            keys.push(("system", blocks.collect()));
        }
    }
    let optional = [
        ("temperature", parameters.temperature.map(Value::from)),
        ("top_p", parameters.top_p.map(Value::from)),
        (
            "stop_sequences",
            parameters.stop.as_ref().map(|stop| json!(stop)),
        ),
        (
            "tools",
            parameters
                .tools
                .as_deref()
                .map(|tools| tools.iter().map(tool).collect()),
        ),
    ];
    keys.extend(
        optional
            .into_iter()
            .filter_map(|(key, value)| value.map(|value| (key, value))),
    );
    keys.extend(output(parameters)?);
    Ok(keys)
}

fn unsupported(what: &str, remedy: &'static str) -> UnsupportedParameter {
    UnsupportedParameter {
        what: what.to_owned(),
        api: Api::Messages,
        remedy,
    }
}

fn tool(tool: &Tool) -> Value {
    let mut present = json!({ "name": tool.name, "input_schema": tool.parameters });
    if let Some(description) = &tool.description {
        present["description"] = json!(description);
    }
    present
}

/// The reasoning effort and the format of the answer, which share a key.
fn output(parameters: &Parameters) -> Result<Vec<(&'static str, Value)>, UnsupportedParameter> {
    let mut config = Map::new();
    let mut keys = Vec::new();
    match parameters.reasoning_effort {
        None => {}
        Some(ReasoningEffort::None) => {
            let off = Map::from_iter([("type".to_owned(), json!("disabled"))]);
            keys.push(("thinking", merge_into(&parameters.extra, "thinking", off)));
        }
        Some(ReasoningEffort::Minimal) => {
            let what = "`reasoning_effort = \"minimal\"`";
            return Err(unsupported(what, "its minimum is \"low\" or \"none\""));
        }
        Some(effort) => {
            config.insert("effort".to_owned(), json!(effort));
        }
    }
    if let Some(format) = &parameters.response_format {
        let kind = format.get("type").and_then(Value::as_str);
        match (kind, format.pointer("/json_schema/schema")) {
            (Some("text"), _) => {}
            (Some("json_schema"), Some(schema)) => {
                let format = json!({ "type": "json_schema", "schema": schema });
                config.insert("format".to_owned(), format);
            }
            _ => {
                let remedy = "it supports only `json_schema` and `text`";
                return Err(unsupported("this `response_format`", remedy));
            }
        }
    }
    if !config.is_empty() {
        let config = merge_into(&parameters.extra, "output_config", config);
        keys.push(("output_config", config));
    }
    Ok(keys)
}

/// The turns. Consecutive tool results answer one turn, and are one turn.
fn turns(messages: &[Message]) -> Result<Value, UnsupportedParameter> {
    let mut turns: Vec<Value> = Vec::new();
    let mut after_tool = false;
    for message in messages {
        let (role, blocks) = match message.role {
            Role::System => {
                let what = "a system message after the first turn";
                return Err(unsupported(what, "write it as `system`"));
            }
            Role::User => ("user", user_blocks(message)),
            Role::Assistant => ("assistant", assistant_blocks(message)?),
            Role::Tool => ("user", vec![tool_result(message)]),
        };
        let blocks = with_cache_mark(blocks, message);
        let is_tool = message.role == Role::Tool;
        match turns
            .last_mut()
            .and_then(|turn| turn["content"].as_array_mut())
        {
            Some(before) if is_tool && after_tool => before.extend(blocks),
            _ => turns.push(turn(role, blocks)),
        }
        after_tool = is_tool;
    }
    Ok(Value::Array(turns))
}

/// The blocks of a message, the last one with the message's cache mark: the prefix up to it is cached.
fn with_cache_mark(blocks: impl IntoIterator<Item = Value>, message: &Message) -> Vec<Value> {
    let mut blocks: Vec<Value> = blocks.into_iter().collect();
    if let (Some(mark), Some(last)) = (message.cache_control, blocks.last_mut()) {
        last["cache_control"] = json!(mark);
    }
    blocks
}

/// A turn of one text block is written as a string, unless it is marked.
fn turn(role: &str, mut blocks: Vec<Value>) -> Value {
    let content = match blocks.as_mut_slice() {
        [only] if only["type"] == "text" && only["cache_control"].is_null() => only["text"].take(),
        _ => Value::Array(blocks),
    };
    json!({ "role": role, "content": content })
}

/// The text block of a message; none for an empty text, which the server rejects.
fn text_block(message: &Message) -> Option<Value> {
    let text = &message.content;
    (!text.is_empty()).then(|| json!({ "type": "text", "text": text }))
}

fn user_blocks(message: &Message) -> Vec<Value> {
    let images = message.images.iter().map(|image| {
        let source = match image {
            Image::Url(url) => json!({ "type": "url", "url": url }),
            Image::Bytes { media_type, base64 } => {
                json!({ "type": "base64", "media_type": media_type, "data": base64 })
            }
        };
        json!({ "type": "image", "source": source })
    });
    images.chain(text_block(message)).collect()
}

fn assistant_blocks(message: &Message) -> Result<Vec<Value>, UnsupportedParameter> {
    let calls = message.tool_calls.iter().map(|call| {
        match serde_json::from_str::<Value>(&call.arguments) {
            Ok(input @ Value::Object(_)) => {
                Ok(json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": input }))
            }
            _ => Err(unsupported(
                &format!("the call `{}` of a turn", call.id),
                "its arguments must be a JSON object",
            )),
        }
    });
    text_block(message)
        .map(Ok)
        .into_iter()
        .chain(calls)
        .collect()
}

fn tool_result(message: &Message) -> Value {
    let id = message.tool_call_id.as_deref().unwrap_or_default();
    json!({ "type": "tool_result", "tool_use_id": id, "content": message.content })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireMessagesEvent<'a> {
    index: Count,
    #[serde(borrow)]
    message: Object<WireMessage<'a>>,
    #[serde(borrow)]
    content_block: Object<WireBlock<'a>>,
    #[serde(borrow)]
    delta: Object<WireBlock<'a>>,
    usage: Object<UsageBlock>,
    #[serde(borrow)]
    provider_metadata: Object<WireMetadata<'a>>,
    #[serde(borrow, rename = "providerMetadata")]
    provider_metadata_camel: Object<WireMetadata<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireMessage<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    model: Text<'a>,
    #[serde(borrow)]
    provider: Text<'a>,
    #[serde(borrow)]
    content: List<WireBlock<'a>>,
    #[serde(borrow)]
    stop_reason: Text<'a>,
    usage: Object<UsageBlock>,
    #[serde(borrow)]
    provider_metadata: Object<WireMetadata<'a>>,
    #[serde(borrow, rename = "providerMetadata")]
    provider_metadata_camel: Object<WireMetadata<'a>>,
}

/// A content block, its start, or its delta.
#[derive(Default, Deserialize)]
#[serde(default)]
struct WireBlock<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    thinking: Text<'a>,
    #[serde(borrow)]
    signature: Text<'a>,
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    input: Loose<'a>,
    #[serde(borrow)]
    partial_json: Text<'a>,
    #[serde(borrow)]
    stop_reason: Text<'a>,
}

/// True if an event or answer of this `type` belongs to this route. Its `ping` has no content, and its `error`
/// is common to all routes.
pub(super) fn is_of_route(kind: &str) -> bool {
    matches!(
        kind,
        "message"
            | "message_start"
            | "message_delta"
            | "message_stop"
            | "content_block_start"
            | "content_block_delta"
            | "content_block_stop"
    )
}

/// Reads an event of this `type`, or a whole answer; `None` when it is not a JSON object.
pub(super) fn parse<'a>(json: &'a [u8], kind: &str) -> Option<Chunk<'a>> {
    if kind == "message" {
        let wire: Object<WireMessage<'a>> = serde_json::from_slice(json).ok()?;
        return wire.0.map(whole);
    }
    let wire: Object<WireMessagesEvent<'a>> = serde_json::from_slice(json).ok()?;
    let wire = wire.0?;
    let mut chunk = Chunk::default();
    let index = wire.index.0;
    match kind {
        "message_start" => {
            if let Some(message) = wire.message.0 {
                start(&mut chunk, message);
            }
        }
        "content_block_start" => add_block(&mut chunk, index, wire.content_block.0),
        "content_block_delta" => add_block(&mut chunk, index, wire.delta.0),
        "message_delta" => {
            let reason = wire.delta.0.and_then(|delta| delta.stop_reason.some());
            chunk.finish_reason = reason;
            add_usage(&mut chunk, wire.usage.0, UsageRoute::Messages);
        }
        "message_stop" => chunk.is_last = true,
        _ => {}
    }
    add_metadata(
        &mut chunk,
        [wire.provider_metadata, wire.provider_metadata_camel],
    );
    chunk.pieces.retain(ChunkPiece::is_non_empty);
    Some(chunk)
}

/// Reads the start of a message: its output counts mean nothing yet, and gateways that do not know the prompt
/// tokens yet write 0.
fn start<'a>(chunk: &mut Chunk<'a>, message: WireMessage<'a>) {
    chunk.id = message.id.some();
    chunk.model = message.model.some();
    chunk.provider = message.provider.some();
    add_usage(chunk, message.usage.0, UsageRoute::Messages);
    chunk.usage.completion_tokens = None;
    chunk.usage.reasoning_tokens = None;
    let counts = [
        chunk.fresh_prompt_tokens,
        chunk.usage.cached_tokens,
        chunk.usage.cache_write_tokens,
    ];
    if counts.into_iter().flatten().all(|count| count == 0) {
        chunk.usage = Usage::default();
        chunk.fresh_prompt_tokens = None;
    }
}

/// Reads a whole answer.
fn whole(message: WireMessage<'_>) -> Chunk<'_> {
    let mut chunk = Chunk {
        id: message.id.some(),
        model: message.model.some(),
        provider: message.provider.some(),
        has_choice: true,
        whole: true,
        finish_reason: message.stop_reason.some(),
        ..Chunk::default()
    };
    for (index, block) in (0..).zip(message.content.0) {
        add_block(&mut chunk, Some(index), Some(block));
    }
    add_usage(&mut chunk, message.usage.0, UsageRoute::Messages);
    add_metadata(
        &mut chunk,
        [message.provider_metadata, message.provider_metadata_camel],
    );
    chunk.pieces.retain(ChunkPiece::is_non_empty);
    chunk
}

fn add_block<'a>(chunk: &mut Chunk<'a>, index: Option<u64>, block: Option<WireBlock<'a>>) {
    let Some(block) = block else { return };
    match &*block.kind.0 {
        "tool_use" | "server_tool_use" | "mcp_tool_use" => {
            // An empty object is a placeholder for arguments that are still to come.
            let present = chunk.whole || block.input.0 != "{}";
            let input = Some(block.input.0).filter(|_| present);
            chunk.pieces.push(ChunkPiece::ToolCall(ToolFragment {
                index,
                id: block.id.0,
                name: block.name.0,
                arguments: input.unwrap_or_default(),
            }));
        }
        "input_json_delta" => chunk.pieces.push(ChunkPiece::ToolCall(ToolFragment {
            index,
            id: Cow::Borrowed(""),
            name: Cow::Borrowed(""),
            arguments: block.partial_json.0,
        })),
        "redacted_thinking" => chunk.hidden_reasoning = true,
        _ => {
            chunk.signed_reasoning |= !block.signature.0.is_empty() && block.thinking.0.is_empty();
            chunk.pieces.push(ChunkPiece::Reasoning(block.thinking.0));
            chunk.pieces.push(ChunkPiece::Content(block.text.0));
        }
    }
}
