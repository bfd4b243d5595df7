//! The request: its path, the headers of its route, and its body, which for the chat route is built here.
//!
//! Owns what all routes share, and the names of the chat route's keys. Must not know keys or transports.
//! Invariants: the same arguments give the same bytes; a parameter that a route does not support is an error,
//! never dropped.

use serde_json::{Map, Value, json};

use super::body::{UnsupportedParameter, image_url, merge_into};
use super::{messages, responses};
use crate::record::ClientSetting;
use crate::suite::{
    Api, Caching, Message, Parameters, ReasoningEffort, ReasoningName, TokenLimitName, Tool,
    Wording,
};
use crate::units::ModelId;

/// The supported version of the Messages route.
const ANTHROPIC_VERSION: (&str, &str) = ("anthropic-version", "2023-06-01");

/// The path of a route, after the base URL.
pub const fn path(api: Api) -> &'static str {
    match api {
        Api::Chat => "/chat/completions",
        Api::Messages => "/messages",
        Api::Responses => "/responses",
    }
}

/// Headers that a route needs in addition to the common ones.
pub const fn headers(api: Api) -> &'static [(&'static str, &'static str)] {
    match api {
        Api::Messages => &[ANTHROPIC_VERSION],
        Api::Chat | Api::Responses => &[],
    }
}

/// Headers that only the server of this host understands: `OpenRouter` reports the attempts of a route if it is asked to.
pub(super) fn host_headers(host: &str) -> &'static [(&'static str, &'static str)] {
    if host == "openrouter.ai" || host.ends_with(".openrouter.ai") {
        &[("x-openrouter-metadata", "enabled")]
    } else {
        &[]
    }
}

/// Settings of the request format that are not the default, for the manifest.
pub fn settings(wording: Wording) -> Vec<ClientSetting> {
    let default = Wording::default();
    let limit = wording.max_tokens_name;
    let rows = [
        ("api", wording.api.word(), wording.api != default.api),
        (
            "max_tokens_name",
            limit.map_or("", wire_name),
            limit.is_some(),
        ),
        (
            "reasoning_name",
            wording.reasoning_name.word(),
            wording.reasoning_name != default.reasoning_name,
        ),
        ("stream_options", "false", wording.omits_stream_options),
    ];
    let rows = rows.into_iter().filter(|(_, _, own)| *own);
    rows.map(|(name, value, _)| ClientSetting {
        name: name.to_owned(),
        value: value.to_owned(),
        reason: "the endpoint's profile says so".to_owned(),
        of_share: None,
    })
    .collect()
}

/// The JSON body of one request. Parameters without a value are not sent, so that the endpoint's own defaults
/// apply.
///
/// `extra` keys cannot replace the others; where one of ours is an object, as `stream_options` is, their
/// entries are added to it.
pub fn body(
    model: &ModelId,
    messages: &[Message],
    parameters: &Parameters,
    stream: bool,
    wording: Wording,
) -> Result<Vec<u8>, UnsupportedParameter> {
    let keys = match wording.api {
        Api::Chat => chat_keys(model, messages, parameters, stream, wording),
        Api::Messages => messages::keys(messages, parameters)?,
        Api::Responses => responses::keys(messages, parameters)?,
    };
    let mut body = parameters.extra.clone();
    let common = [("model", json!(model)), ("stream", json!(stream))];
    for (key, value) in common.into_iter().chain(keys) {
        body.insert(key.to_owned(), value);
    }
    let options = provider_options(parameters);
    if !options.is_empty() {
        body.insert("providerOptions".to_owned(), Value::Object(options));
    }
    Ok(Value::Object(body).to_string().into_bytes())
}

/// The provider options, `caching` included: the suite's own key has precedence over a raw option.
fn provider_options(parameters: &Parameters) -> Map<String, Value> {
    let mut options = parameters.provider_options.clone();
    match parameters.caching {
        None => {}
        Some(Caching::Auto) => {
            let caching = Map::from_iter([("caching".to_owned(), json!("auto"))]);
            let gateway = merge_into(&options, "gateway", caching);
            options.insert("gateway".to_owned(), gateway);
        }
        Some(Caching::Off) => {
            if let Some(Value::Object(gateway)) = options.get_mut("gateway") {
                gateway.remove("caching");
                if gateway.is_empty() {
                    options.remove("gateway");
                }
            }
        }
    }
    options
}

/// The chat route's keys. The name of the token limit is that of the parameters, else the endpoint's, else it
/// depends on the model ([`token_limit_name`]).
fn chat_keys(
    model: &ModelId,
    messages: &[Message],
    parameters: &Parameters,
    stream: bool,
    wording: Wording,
) -> Vec<(&'static str, Value)> {
    let extra = &parameters.extra;
    let mut keys = vec![("messages", messages.iter().map(message).collect())];
    if stream && !wording.omits_stream_options {
        // Without this, OpenAI and compatible servers stream no token counts. Vercel sends them anyway.
        let usage = Map::from_iter([("include_usage".to_owned(), json!(true))]);
        keys.push(("stream_options", merge_into(extra, "stream_options", usage)));
    }
    if let Some(limit) = parameters.max_tokens {
        let name = parameters
            .max_tokens_name
            .or(wording.max_tokens_name)
            .unwrap_or_else(|| token_limit_name(model));
        keys.push((wire_name(name), json!(limit)));
    }
    if let Some(effort) = parameters.reasoning_effort {
        let key = wording.reasoning_name;
        keys.push((key.word(), reasoning(key, effort, extra)));
    }
    let optional = [
        ("temperature", parameters.temperature.map(Value::from)),
        ("top_p", parameters.top_p.map(Value::from)),
        ("stop", parameters.stop.as_ref().map(|stop| json!(stop))),
        ("seed", parameters.seed.map(Value::from)),
        ("tools", parameters.tools.as_deref().map(tools)),
        ("response_format", parameters.response_format.clone()),
    ];
    let optional = optional.into_iter();
    keys.extend(optional.filter_map(|(key, value)| value.map(|value| (key, value))));
    keys
}

/// The value under the key of the reasoning effort. A chat template may know a switch, an effort or neither:
/// both are sent.
fn reasoning(key: ReasoningName, effort: ReasoningEffort, extra: &Map<String, Value>) -> Value {
    let ours = match key {
        ReasoningName::ReasoningEffort => return json!(effort),
        ReasoningName::Reasoning => vec![("effort".to_owned(), json!(effort))],
        ReasoningName::ChatTemplateKwargs => {
            let is_enabled = effort != ReasoningEffort::None;
            let switch = ("enable_thinking".to_owned(), json!(is_enabled));
            let effort = ("reasoning_effort".to_owned(), json!(effort));
            std::iter::once(switch)
                .chain(is_enabled.then_some(effort))
                .collect()
        }
    };
    merge_into(extra, key.word(), Map::from_iter(ours))
}

/// One turn: its text as a string, unless there are other parts.
fn message(message: &Message) -> Value {
    let mut turn = json!({ "role": message.role, "content": message.content });
    if !message.images.is_empty() || message.cache_control.is_some() {
        let mut text = json!({ "type": "text", "text": message.content });
        if let Some(mark) = message.cache_control {
            // On the text, not on an image after it: gateways look for marks there.
            text["cache_control"] = json!(mark);
        }
        let images = message.images.iter();
        let images = images
            .map(|image| json!({ "type": "image_url", "image_url": { "url": image_url(image) } }));
        turn["content"] = std::iter::once(text).chain(images).collect();
    }
    if !message.tool_calls.is_empty() {
        let calls = message.tool_calls.iter().map(|call| {
            let function = json!({ "name": call.name, "arguments": call.arguments });
            json!({ "id": call.id, "type": "function", "function": function })
        });
        turn["tool_calls"] = calls.collect();
    }
    if let Some(id) = &*message.tool_call_id {
        turn["tool_call_id"] = json!(id);
    }
    turn
}

fn tools(tools: &[Tool]) -> Value {
    let function = |tool: &Tool| json!({ "type": "function", "function": tool });
    tools.iter().map(function).collect()
}

/// The name of the token limit for a model if neither suite nor endpoint sets it. `OpenAI`'s o-series and
/// everything from gpt-5 on reject `max_tokens` when called directly; gateways (ids with a creator before the
/// slash) accept the older name for every model.
pub fn token_limit_name(model: &ModelId) -> TokenLimitName {
    let id = model.as_str();
    let number_after = |prefix: &str| {
        let rest = id.strip_prefix(prefix)?;
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        rest[..end].parse::<u32>().ok()
    };
    let is_reasoning_model = number_after("o").is_some() || number_after("gpt-") >= Some(5);
    if is_reasoning_model && !id.contains('/') {
        TokenLimitName::MaxCompletionTokens
    } else {
        TokenLimitName::MaxTokens
    }
}

const fn wire_name(name: TokenLimitName) -> &'static str {
    match name {
        TokenLimitName::MaxTokens => "max_tokens",
        TokenLimitName::MaxCompletionTokens => "max_completion_tokens",
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
