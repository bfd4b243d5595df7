//! Parsing of requests on any of the three routes: JSON of any client in, the data that matters to an answer
//! out.
//!
//! Owns the lenient parsing of the body, the counting of prompt tokens and the digests that draws follow from:
//! requests that mean the same have the same digest, whatever their route and spelling. Must not know scenarios
//! or profiles. Invariant: any body is a request or a refusal with a message, never a panic.

use serde_json::Value;

use super::draw::digest;
use super::fault::{Fault, FaultSet};
use super::translation::{self, BadRequest};

/// The maximum length of a model id, in bytes: it is repeated in every chunk of the answer.
const MAX_MODEL_BYTES: usize = 512;
/// Tokens of a message in addition to its text.
const TOKENS_PER_MESSAGE: u64 = 4;
/// Tokens at the start of every prompt.
const TOKENS_PER_PROMPT: u64 = 3;
/// Tokens of a part which is not text (image, file).
const TOKENS_PER_PART: u64 = 100;
/// Characters per token: the usual rule of thumb for English.
pub const CHARS_PER_TOKEN: u64 = 4;

/// The routes that answer a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChatRoute {
    /// `POST /v1/chat/completions`.
    #[default]
    Chat,
    /// `POST /v1/messages`, in Anthropic's shape.
    Messages,
    /// `POST /v1/responses`, in `OpenAI`'s shape.
    Responses,
}

/// Fields that do not distinguish conversations: they name the model or the form of the response, or their
/// meaning is spelled differently by route and enters the digest by meaning.
const SPELLED_APART: [&str; 24] = [
    "model",
    "stream",
    "stream_options",
    "messages",
    "system",
    "input",
    "instructions",
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "reasoning",
    "reasoning_effort",
    "reasoning_format",
    "thinking",
    "output_config",
    "tools",
    "tool_choice",
    "store",
    "include",
    "metadata",
    "return_progress",
    "timings_per_token",
    "cache_prompt",
    "usage",
];

/// The data of a request that the simulator uses.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each mirrors one switch of the body"
)]
pub struct ChatRequest {
    /// The route of the request.
    pub api: ChatRoute,
    /// The model id as it was written, faults included.
    pub model: String,
    /// True if the answer is to be streamed.
    pub stream: bool,
    /// `stream_options.include_usage`.
    pub include_usage: bool,
    /// `stream_options.continuous_usage_stats`, an extension of vLLM.
    pub usage_each: bool,
    /// `stream_options.include_obfuscation`, true by default at `OpenAI`.
    pub obfuscation: bool,
    /// `return_progress`, an extension of llama.cpp.
    pub progress: bool,
    /// `reasoning_format: "parsed"`, without which Groq shows no reasoning.
    pub parsed_reasoning: bool,
    /// True if the limit has the name `max_tokens`.
    pub old_limit_name: bool,
    /// The token limit, under any of its names.
    pub max_tokens: Option<u64>,
    /// Texts before which the answer ends.
    pub stop: Vec<String>,
    /// The schema of an answer in JSON; an empty one for any object.
    pub schema: Option<Value>,
    /// The seed of the answer's text.
    pub seed: Option<i64>,
    /// True if a reasoning effort was named.
    pub has_effort: bool,
    /// The factor of the reasoning tokens: from the effort.
    pub thinking: f64,
    /// The limit of reasoning, in tokens.
    pub max_thinking: Option<u64>,
    /// True if reasoning is to be left out of the answer.
    pub hide_thinking: bool,
    /// All text of the messages, each preceded by its role.
    pub prompt: String,
    /// Tokens of the prompt, by the simulator's count.
    pub prompt_tokens: u64,
    /// A digest of the body.
    pub digest: u64,
    /// A digest of the meaning of the request, without the model: neither a fault or a dialect in its id, nor
    /// the route, nor a spelling changes a draw.
    pub draw_digest: u64,
    /// A digest of the messages, whatever the model and parameters.
    pub prompt_digest: u64,
    /// The number of characters of `prompt` marked for explicit caching: up to the last mark, or all.
    pub marked_chars: usize,
    /// The tool that must be called, if any.
    pub forced_tool: Option<String>,
    /// The first tool on offer.
    pub first_tool: Option<String>,
    /// Providers that may answer; empty: all.
    pub only: Vec<String>,
    /// Providers to try first.
    pub order: Vec<String>,
    /// True if the user's own provider key is to be used.
    pub own_key: bool,
}

impl ChatRequest {
    /// Parses a body received on the route `api`.
    pub fn from_body(body: &[u8], api: ChatRoute) -> Result<Self, BadRequest> {
        let json: Value = serde_json::from_slice(body)
            .map_err(|e| BadRequest::new("body", format!("Invalid JSON: {e}")))?;
        let mut request = match api {
            ChatRoute::Chat => Self::from_chat(&json)?,
            ChatRoute::Messages => Self::from_chat(&translation::messages_to_chat(&json)?)?,
            ChatRoute::Responses => Self::from_chat(&translation::responses_to_chat(&json)?)?,
        };
        request.api = api;
        request.stop = stop(&json);
        request.schema = schema(&json);
        request.seed = json["seed"].as_i64();
        request.has_effort = [
            &json["reasoning_effort"],
            &json["reasoning"]["effort"],
            &json["output_config"]["effort"],
        ]
        .into_iter()
        .any(Value::is_string);
        request.digest = digest(body);
        request.draw_digest = request.meaning(&json);
        Ok(request)
    }

    /// Parses a body in the shape of a chat; digests are left to [`Self::from_body`].
    fn from_chat(json: &Value) -> Result<Self, BadRequest> {
        let model = json["model"].as_str();
        let model = model.ok_or_else(|| BadRequest::new("model", "Missing `model`"))?;
        if model.len() > MAX_MODEL_BYTES {
            return Err(BadRequest::new("model", "`model` is too long"));
        }
        let messages = json["messages"].as_array().filter(|list| !list.is_empty());
        let messages = messages
            .ok_or_else(|| BadRequest::new("messages", "`messages` must be a non-empty array"))?;
        let mut prompt = String::new();
        let mut prompt_tokens = TOKENS_PER_PROMPT;
        let mut marked_chars = 0;
        for message in messages {
            prompt_tokens += add_message(message, &mut prompt)?;
            if is_marked(message) {
                marked_chars = prompt.chars().count();
            }
        }
        let gateway = &json["providerOptions"]["gateway"];
        if gateway["caching"] == "auto" {
            marked_chars = usize::MAX;
        }
        let (thinking, max_thinking, hide_thinking) = thinking(json);
        let options = &json["stream_options"];
        Ok(Self {
            api: ChatRoute::Chat,
            model: model.to_owned(),
            stream: json["stream"].as_bool().unwrap_or(false),
            include_usage: options["include_usage"] == true,
            usage_each: options["continuous_usage_stats"] == true,
            obfuscation: options["include_obfuscation"] != false,
            progress: json["return_progress"] == true,
            parsed_reasoning: json["reasoning_format"] == "parsed",
            old_limit_name: !json["max_tokens"].is_null(),
            max_tokens: max_tokens(json)?,
            stop: Vec::new(),
            schema: None,
            seed: None,
            has_effort: false,
            thinking,
            max_thinking,
            hide_thinking,
            prompt_tokens,
            digest: 0,
            draw_digest: 0,
            prompt_digest: digest(prompt.as_bytes()),
            prompt,
            marked_chars,
            forced_tool: forced_tool(json),
            first_tool: first_tool(json),
            only: strings(&gateway["only"]),
            order: strings(&gateway["order"]),
            own_key: gateway["byok"].is_object(),
        })
    }
}

impl ChatRequest {
    /// Returns the request as a route understands it that ignores some of its parameters.
    #[must_use]
    pub fn without_ignored(&self, faults: &FaultSet) -> Self {
        let mut request = self.clone();
        if faults.has(Fault::IgnoresLimit) {
            request.max_tokens = None;
        }
        if faults.has(Fault::IgnoresStop) {
            request.stop.clear();
        }
        if faults.has(Fault::IgnoresFormat) {
            request.schema = None;
        }
        if faults.has(Fault::IgnoresSeed) {
            request.seed = None;
        }
        if faults.has(Fault::IgnoresEffort) {
            request.thinking = 1.0;
        }
        request
    }

    /// Computes the digest of the meaning: the conversation and its limits by their meaning, every other field
    /// (temperature, seed, provider options, ...) as it was written.
    fn meaning(&self, json: &Value) -> u64 {
        let limit = |limit: Option<u64>| limit.unwrap_or(u64::MAX);
        let mut names = Vec::new();
        for number in [
            self.prompt_digest,
            self.prompt_tokens,
            limit(self.max_tokens),
            limit(self.max_thinking),
            self.thinking.to_bits(),
        ] {
            names.extend_from_slice(&number.to_le_bytes());
        }
        let mut add = |text: &str| names.extend_from_slice(&digest(text.as_bytes()).to_le_bytes());
        add(self.first_tool.as_deref().unwrap_or_default());
        add(self.forced_tool.as_deref().unwrap_or_default());
        let fields = json.as_object().into_iter().flatten();
        for (key, value) in fields.filter(|(key, _)| !SPELLED_APART.contains(&key.as_str())) {
            add(key);
            add(&value.to_string());
        }
        digest(&names)
    }
}

/// Adds a message's text to the prompt and counts its tokens.
fn add_message(message: &Value, prompt: &mut String) -> Result<u64, BadRequest> {
    let role = message["role"].as_str();
    let role = role.ok_or_else(|| BadRequest::new("messages", "A message lacks its `role`"))?;
    prompt.push_str(role);
    prompt.push(':');
    let mut chars = 0;
    let mut add = |text: &str| {
        prompt.push_str(text);
        prompt.push('\n');
        chars += text.chars().count() as u64;
    };
    let mut parts = 0;
    match &message["content"] {
        Value::String(text) => add(text),
        Value::Array(list) => {
            for part in list {
                match part["text"].as_str() {
                    Some(text) => add(text),
                    None => parts += 1,
                }
            }
        }
        // Null content is usual with tool calls.
        _ => {}
    }
    Ok(chars.div_ceil(CHARS_PER_TOKEN) + parts * TOKENS_PER_PART + TOKENS_PER_MESSAGE)
}

/// Returns true if a message carries a cache mark, on itself or on one of its parts; a mark covers the whole
/// message.
fn is_marked(message: &Value) -> bool {
    let marks = |value: &Value| !value["cache_control"].is_null();
    let parts = message["content"].as_array().map(Vec::as_slice);
    marks(message) || parts.unwrap_or_default().iter().any(marks)
}

fn max_tokens(json: &Value) -> Result<Option<u64>, BadRequest> {
    let mut limit = None;
    for param in ["max_tokens", "max_completion_tokens"] {
        let value = &json[param];
        if value.is_null() {
            continue;
        }
        let tokens = value.as_u64().filter(|tokens| *tokens > 0);
        let tokens = tokens.ok_or_else(|| {
            BadRequest::new(param, format!("`{param}` must be a positive integer"))
        })?;
        limit = Some(limit.map_or(tokens, |other: u64| other.min(tokens)));
    }
    Ok(limit)
}

/// Returns the factor and the limit of reasoning, and whether it is to be hidden. The nested `reasoning` object
/// takes precedence over `reasoning_effort`.
fn thinking(json: &Value) -> (f64, Option<u64>, bool) {
    let nested = &json["reasoning"];
    let effort = nested["effort"]
        .as_str()
        .or_else(|| json["reasoning_effort"].as_str());
    let factor = match effort {
        Some("none") => 0.0,
        Some("minimal") => 0.1,
        Some("low") => 0.4,
        Some("high") => 2.5,
        Some("xhigh") => 4.0,
        Some("max") => 6.0,
        _ => 1.0,
    };
    let factor = if nested["enabled"] == false {
        0.0
    } else {
        factor
    };
    (
        factor,
        nested["max_tokens"].as_u64(),
        nested["exclude"] == true,
    )
}

/// Returns the stop texts of a chat (one or a list) or of a message.
fn stop(json: &Value) -> Vec<String> {
    let texts = [&json["stop"], &json["stop_sequences"]];
    let texts = texts.into_iter().flat_map(|value| match value.as_str() {
        Some(text) => vec![text.to_owned()],
        None => strings(value),
    });
    texts.filter(|text| !text.is_empty()).collect()
}

/// Returns the schema of the requested format, on any route; `None` for text.
fn schema(json: &Value) -> Option<Value> {
    let formats = [
        &json["response_format"],
        &json["text"]["format"],
        &json["output_config"]["format"],
    ];
    let format = formats
        .into_iter()
        .find(|format| matches!(format["type"].as_str(), Some("json_schema" | "json_object")))?;
    let schemas = [&format["json_schema"]["schema"], &format["schema"]];
    let schema = schemas.into_iter().find(|schema| schema.is_object());
    Some(
        schema
            .cloned()
            .unwrap_or_else(|| Value::Object(serde_json::Map::new())),
    )
}

fn first_tool(json: &Value) -> Option<String> {
    let name = &json["tools"].get(0)?["function"]["name"];
    name.as_str().map(str::to_owned)
}

fn forced_tool(json: &Value) -> Option<String> {
    match &json["tool_choice"] {
        Value::String(choice) if choice == "required" => first_tool(json),
        choice => choice["function"]["name"].as_str().map(str::to_owned),
    }
}

fn strings(list: &Value) -> Vec<String> {
    let items = list.as_array().map(Vec::as_slice).unwrap_or_default();
    let strings = items.iter().filter_map(Value::as_str);
    strings.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tokens_are_counted_by_text_parts_and_messages() {
        // 3 for the prompt, 4 for each message, a token per 4 characters, 100 for an image.
        let body = br#"{"model":"a/b","max_completion_tokens":9,"messages":[
            {"role":"system","content":"12345"},
            {"role":"user","content":[{"type":"text","text":"abcd"},{"type":"image_url"}]}]}"#;
        let request = ChatRequest::from_body(body, ChatRoute::Chat).unwrap();
        assert_eq!(request.prompt_tokens, 3 + (4 + 2) + (4 + 1 + 100));
        assert_eq!(request.max_tokens, Some(9));
        assert_eq!(request.prompt, "system:12345\nuser:abcd\n");
    }

    #[test]
    fn wrong_bodies_name_their_parameter() {
        // The error must name the parameter to change.
        for (body, param) in [
            ("", "body"),
            ("[]", "model"),
            (r#"{"model":"a/b"}"#, "messages"),
            (r#"{"model":"a/b","messages":[]}"#, "messages"),
            (r#"{"model":"a/b","messages":[1]}"#, "messages"),
            (
                r#"{"model":"a/b","messages":[{"role":"user"}],"max_tokens":0}"#,
                "max_tokens",
            ),
        ] {
            let error = ChatRequest::from_body(body.as_bytes(), ChatRoute::Chat).unwrap_err();
            assert_eq!(error.param, param, "{body}");
        }
    }

    proptest! {
        // Bodies are untrusted: any JSON there must be parsed to a value.
        #[test]
        fn any_body_is_parsed_or_rejected(content in "\\PC{0,60}", rest in "\\PC{0,60}") {
            let quoted = serde_json::to_string(&content).unwrap();
            let body = format!(
                r#"{{"model":"a/b","messages":[{{"role":"user","content":{quoted}}}],"tools":{quoted},"reasoning":{quoted}}}"#
            );
            let request = ChatRequest::from_body(body.as_bytes(), ChatRoute::Chat).unwrap();
            let chars = content.chars().count() as u64;
            prop_assert_eq!(request.prompt_tokens, 7 + chars.div_ceil(4));
            for api in [ChatRoute::Chat, ChatRoute::Messages, ChatRoute::Responses] {
                let _ = ChatRequest::from_body(rest.as_bytes(), api);
                let _ = ChatRequest::from_body(body.as_bytes(), api);
            }
        }
    }
}
