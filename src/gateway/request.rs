//! The body of a chat request.
//!
//! Owns the names of the wire's request keys. Must not know of headers, keys or transports.
//! Invariant: the same arguments give the same bytes.

use serde_json::{Map, Value, json};

use crate::suite::{Image, Message, Parameters, TokenLimitName, Tool};
use crate::units::ModelId;

/// The JSON body of one request. What the parameters do not say is not sent, so that the endpoint's
/// own defaults hold.
///
/// `endpoint_limit_name` is the name of the token limit at this endpoint, where that is known; the
/// parameters' own name wins over it, and without either the model decides
/// ([`token_limit_name`]). `extra` keys stand beside the others and cannot replace them, but for
/// `stream_options`, whose keys are added to ours.
pub fn body(
    model: &ModelId,
    messages: &[Message],
    parameters: &Parameters,
    stream: bool,
    endpoint_limit_name: Option<TokenLimitName>,
) -> Vec<u8> {
    let mut body = parameters.extra.clone();
    let mut set = |key: &str, value: Value| {
        body.insert(key.to_owned(), value);
    };
    set("model", json!(model));
    set("messages", messages.iter().map(message).collect());
    set("stream", json!(stream));
    if stream {
        // Without this, OpenAI and its likes stream no token counts. Vercel sends them anyway.
        let mut options = match parameters.extra.get("stream_options") {
            Some(Value::Object(options)) => options.clone(),
            _ => Map::new(),
        };
        options.insert("include_usage".to_owned(), json!(true));
        set("stream_options", Value::Object(options));
    }
    if let Some(limit) = parameters.max_tokens {
        let name = parameters
            .max_tokens_name
            .or(endpoint_limit_name)
            .unwrap_or_else(|| token_limit_name(model));
        set(wire_name(name), json!(limit));
    }
    let optional = [
        ("temperature", parameters.temperature.map(Value::from)),
        ("top_p", parameters.top_p.map(Value::from)),
        ("stop", parameters.stop.as_ref().map(|stop| json!(stop))),
        ("seed", parameters.seed.map(Value::from)),
        ("tools", parameters.tools.as_deref().map(tools)),
        ("response_format", parameters.response_format.clone()),
        (
            "reasoning_effort",
            parameters.reasoning_effort.map(|effort| json!(effort)),
        ),
    ];
    for (key, value) in optional {
        if let Some(value) = value {
            set(key, value);
        }
    }
    if !parameters.provider_options.is_empty() {
        set(
            "providerOptions",
            Value::Object(parameters.provider_options.clone()),
        );
    }
    Value::Object(body).to_string().into_bytes()
}

/// One turn: its text alone, unless there is more to it.
fn message(message: &Message) -> Value {
    let mut turn = json!({ "role": message.role, "content": message.content });
    if !message.images.is_empty() {
        let text = json!({ "type": "text", "text": message.content });
        let images = message.images.iter().map(|image| {
            let url = match image {
                Image::Url(url) => url.clone(),
                Image::Bytes { media_type, base64 } => format!("data:{media_type};base64,{base64}"),
            };
            json!({ "type": "image_url", "image_url": { "url": url } })
        });
        turn["content"] = std::iter::once(text).chain(images).collect();
    }
    if !message.tool_calls.is_empty() {
        let calls = message.tool_calls.iter().map(|call| {
            let function = json!({ "name": call.name, "arguments": call.arguments });
            json!({ "id": call.id, "type": "function", "function": function })
        });
        turn["tool_calls"] = calls.collect();
    }
    if let Some(id) = &message.tool_call_id {
        turn["tool_call_id"] = json!(id);
    }
    turn
}

fn tools(tools: &[Tool]) -> Value {
    let function = |tool: &Tool| json!({ "type": "function", "function": tool });
    tools.iter().map(function).collect()
}

/// The name of the token limit that a model wants when neither suite nor endpoint says it. `OpenAI`'s
/// o-series and everything from gpt-5 on turn `max_tokens` down when asked directly; gateways (ids
/// with a creator before the slash) understand the older name for every model.
pub fn token_limit_name(model: &ModelId) -> TokenLimitName {
    let id = model.as_str();
    let number_after = |prefix: &str| {
        let rest = id.strip_prefix(prefix)?;
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        rest[..end].parse::<u32>().ok()
    };
    let reasons = number_after("o").is_some() || number_after("gpt-") >= Some(5);
    if reasons && !id.contains('/') {
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
mod tests {
    use super::*;
    use crate::suite::{ReasoningEffort, Role};

    fn id(text: &str) -> ModelId {
        text.parse().unwrap()
    }

    fn question() -> Vec<Message> {
        vec![Message::text(
            Role::User,
            "Why \"is\" the sky blue?".to_owned(),
        )]
    }

    fn object(value: Value) -> Map<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_bare_request_says_nothing_of_its_own() {
        // Parameters that nobody set must not be sent: their defaults belong to the endpoint.
        let sent = body(
            &id("openai/gpt-5-mini"),
            &question(),
            &Parameters::default(),
            false,
            None,
        );
        insta::assert_snapshot!(
            String::from_utf8(sent).unwrap(),
            @r#"{"messages":[{"content":"Why \"is\" the sky blue?","role":"user"}],"model":"openai/gpt-5-mini","stream":false}"#
        );
    }

    #[test]
    fn every_parameter_is_sent_under_its_wire_name() {
        // A misspelt key is silently ignored by servers, and the comparison would be of defaults.
        let parameters = Parameters {
            max_tokens: Some(64),
            max_tokens_name: None,
            temperature: Some(0.2),
            top_p: Some(0.9),
            stop: Some(vec!["END".to_owned()]),
            seed: Some(-7),
            reasoning_effort: Some(ReasoningEffort::Low),
            tools: Some(vec![Tool {
                name: "add".to_owned(),
                description: None,
                parameters: json!({"type": "object"}),
            }]),
            response_format: Some(json!({"type": "text"})),
            provider_options: object(json!({"gateway": {"only": ["azure"]}})),
            extra: object(
                json!({"model": "other", "n": 1, "stream_options": {"include_obfuscation": false}}),
            ),
        };
        let sent = body(&id("m"), &question(), &parameters, true, None);
        let sent: Value = serde_json::from_slice(&sent).unwrap();
        assert_eq!(
            sent,
            json!({
                "model": "m",
                "messages": [{"role": "user", "content": "Why \"is\" the sky blue?"}],
                "stream": true,
                "stream_options": {"include_usage": true, "include_obfuscation": false},
                "max_tokens": 64,
                "temperature": 0.2,
                "top_p": 0.9,
                "stop": ["END"],
                "seed": -7,
                "reasoning_effort": "low",
                "tools": [{"type": "function",
                    "function": {"name": "add", "parameters": {"type": "object"}}}],
                "response_format": {"type": "text"},
                "providerOptions": {"gateway": {"only": ["azure"]}},
                "n": 1,
            })
        );
    }

    #[test]
    fn the_token_limit_has_the_name_that_the_model_wants() {
        // OpenAI turns the older name down for reasoning models; other servers know only that.
        for (model, name) in [
            ("o3", TokenLimitName::MaxCompletionTokens),
            ("o4-mini-2025-04-16", TokenLimitName::MaxCompletionTokens),
            ("gpt-5", TokenLimitName::MaxCompletionTokens),
            ("gpt-5.4-mini", TokenLimitName::MaxCompletionTokens),
            ("gpt-4o", TokenLimitName::MaxTokens),
            ("gpt-oss-120b", TokenLimitName::MaxTokens),
            ("olmo-2", TokenLimitName::MaxTokens),
            ("openai/o3", TokenLimitName::MaxTokens),
            ("openai/gpt-5", TokenLimitName::MaxTokens),
        ] {
            assert_eq!(token_limit_name(&id(model)), name, "{model}");
        }
    }

    #[test]
    fn the_suites_name_wins_over_the_endpoints_and_that_over_the_models() {
        // The nearest word is the most deliberate one.
        let names = |own, endpoint| {
            let parameters = Parameters {
                max_tokens: Some(1),
                max_tokens_name: own,
                ..Parameters::default()
            };
            let sent = body(&id("o3"), &[], &parameters, false, endpoint);
            let sent: Map<String, Value> = serde_json::from_slice(&sent).unwrap();
            sent.keys()
                .find(|key| key.starts_with("max_"))
                .unwrap()
                .clone()
        };
        let older = Some(TokenLimitName::MaxTokens);
        let newer = Some(TokenLimitName::MaxCompletionTokens);
        assert_eq!(names(None, None), "max_completion_tokens");
        assert_eq!(names(None, older), "max_tokens");
        assert_eq!(names(newer, older), "max_completion_tokens");
    }
}
