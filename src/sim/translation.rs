//! Translation of requests of the Messages and Responses routes to the shape of a chat.
//!
//! Owns the mapping of keys between routes. Must not validate what it translates: `request` parses the result
//! as it parses any chat. Invariant: the same conversation becomes the same chat on every route, so that its
//! answer is the same too.

use serde_json::{Value, json};

/// An invalid request body: the message for the client, and the parameter it concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRequest {
    /// The sentence of the response.
    pub message: String,
    /// The parameter.
    pub param: &'static str,
}

impl BadRequest {
    pub(super) fn new(param: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { message, param }
    }
}

/// Translates a body of `POST /v1/messages`.
pub fn messages_to_chat(body: &Value) -> Result<Value, BadRequest> {
    if body["max_tokens"].is_null() {
        return Err(BadRequest::new("max_tokens", "max_tokens: Field required"));
    }
    let mut messages = Vec::new();
    if !body["system"].is_null() {
        messages.push(json!({ "role": "system", "content": body["system"] }));
    }
    // An absent list stays absent: it is rejected, with or without a system text.
    let written = body["messages"].as_array().filter(|list| !list.is_empty());
    messages.extend(written.into_iter().flatten().cloned());
    let choice = match body["tool_choice"]["type"].as_str() {
        Some("any") => json!("required"),
        Some("tool") => json!({ "function": { "name": body["tool_choice"]["name"] } }),
        _ => Value::Null,
    };
    let thinking = &body["thinking"];
    let mut reasoning = json!({
        "effort": body["output_config"]["effort"],
        "max_tokens": thinking["budget_tokens"],
    });
    if thinking["type"] == "disabled" {
        reasoning["enabled"] = json!(false);
    }
    if thinking["display"] == "omitted" {
        reasoning["exclude"] = json!(true);
    }
    Ok(json!({
        "model": body["model"],
        "stream": body["stream"],
        "messages": if written.is_some() { json!(messages) } else { Value::Null },
        "max_tokens": body["max_tokens"],
        "reasoning": reasoning,
        "tools": functions(&body["tools"]),
        "tool_choice": choice,
        "providerOptions": body["providerOptions"],
    }))
}

/// Translates a body of `POST /v1/responses`.
pub fn responses_to_chat(body: &Value) -> Result<Value, BadRequest> {
    let mut messages = Vec::new();
    if !body["instructions"].is_null() {
        messages.push(json!({ "role": "system", "content": body["instructions"] }));
    }
    match &body["input"] {
        Value::String(text) => messages.push(json!({ "role": "user", "content": text })),
        Value::Array(items) if !items.is_empty() => messages.extend(items.iter().map(item)),
        _ => {
            let message = "`input` must be a string or a non-empty array";
            return Err(BadRequest::new("input", message));
        }
    }
    let choice = match &body["tool_choice"] {
        Value::Object(choice) => json!({ "function": { "name": choice.get("name") } }),
        other => other.clone(),
    };
    Ok(json!({
        "model": body["model"],
        "stream": body["stream"],
        "stream_options": body["stream_options"],
        "messages": messages,
        "max_completion_tokens": body["max_output_tokens"],
        "reasoning": body["reasoning"],
        "tools": functions(&body["tools"]),
        "tool_choice": choice,
        "providerOptions": body["providerOptions"],
    }))
}

/// Translates one item of a Responses input: a message, or a turn of a tool.
fn item(item: &Value) -> Value {
    match item["type"].as_str() {
        Some("function_call" | "reasoning") => json!({ "role": "assistant", "content": null }),
        Some("function_call_output") => json!({ "role": "tool", "content": item["output"] }),
        _ => item.clone(),
    }
}

/// Wraps bare tools in the key that a chat has.
fn functions(tools: &Value) -> Value {
    let tools = tools.as_array().map(Vec::as_slice).unwrap_or_default();
    let wrapped = tools
        .iter()
        .map(|tool| json!({ "type": "function", "function": { "name": tool["name"] } }));
    Value::Array(wrapped.collect())
}

#[cfg(test)]
mod tests {
    use super::super::request::{ChatRequest, ChatRoute};
    use serde_json::{Value, json};

    fn read(body: &Value, api: ChatRoute) -> ChatRequest {
        ChatRequest::from_body(body.to_string().as_bytes(), api).unwrap()
    }

    #[test]
    fn one_conversation_has_one_digest_on_every_route() {
        // Texts and token counts follow from these digests: they must not depend on the route.
        let user = json!({ "role": "user", "content": "Why is the sky blue?" });
        let chat = json!({
            "model": "a/b+groq", "max_completion_tokens": 50, "temperature": 0.5,
            "messages": [{ "role": "system", "content": "Be short." }, user],
            "stream": true, "stream_options": { "include_usage": true },
            "tools": [{ "type": "function", "function": { "name": "find" } }],
            "reasoning_effort": "low", "tool_choice": "required",
        });
        let messages = json!({
            "model": "a/b", "max_tokens": 50, "system": "Be short.", "messages": [user],
            "temperature": 0.5, "tools": [{ "name": "find", "input_schema": {} }],
            "output_config": { "effort": "low" }, "tool_choice": { "type": "any" },
        });
        let responses = json!({
            "model": "a/b", "max_output_tokens": 50, "instructions": "Be short.",
            "input": "Why is the sky blue?", "temperature": 0.5, "stream": true,
            "tools": [{ "type": "function", "name": "find" }],
            "reasoning": { "effort": "low" }, "tool_choice": "required",
        });
        let chat = read(&chat, ChatRoute::Chat);
        for other in [
            read(&messages, ChatRoute::Messages),
            read(&responses, ChatRoute::Responses),
        ] {
            assert_eq!(other.draw_digest, chat.draw_digest, "{:?}", other.api);
            assert_eq!(other.prompt_digest, chat.prompt_digest);
            assert_eq!(other.prompt_tokens, chat.prompt_tokens);
            assert_ne!(other.digest, chat.digest);
        }
        // A request with another meaning has another digest.
        let warmer = json!({
            "model": "a/b", "max_output_tokens": 50, "instructions": "Be short.",
            "input": "Why is the sky blue?", "temperature": 0.6, "stream": true,
        });
        assert_ne!(
            read(&warmer, ChatRoute::Responses).draw_digest,
            chat.draw_digest
        );
    }

    #[test]
    fn required_fields_are_required() {
        // Each route rejects what its vendor rejects, by the name of the field.
        for (body, api, param) in [
            (
                r#"{"model":"a/b","messages":[{"role":"user","content":"x"}]}"#,
                ChatRoute::Messages,
                "max_tokens",
            ),
            (
                r#"{"model":"a/b","system":"x","max_tokens":5}"#,
                ChatRoute::Messages,
                "messages",
            ),
            (r#"{"model":"a/b"}"#, ChatRoute::Responses, "input"),
            (r#"{"input":"x"}"#, ChatRoute::Responses, "model"),
        ] {
            let error = ChatRequest::from_body(body.as_bytes(), api).unwrap_err();
            assert_eq!(error.param, param, "{body}");
        }
    }
}
