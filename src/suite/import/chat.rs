//! Conversations as chat APIs spell them: `[{"role", "content"}]`.
//!
//! Owns their conversion to our turns. Must not know in which file they stand. Invariant: a
//! conversation is carried over whole, or not at all and with the reason.

use serde_json::Value;

use crate::suite::model::prompt::{DeclaredCall, Image, Message, Role};

/// A conversation: its system text, its turns, and the answer that stood at its end.
pub(super) struct Chat {
    pub(super) system: Option<String>,
    pub(super) messages: Vec<Message>,
    pub(super) answer: Option<String>,
}

/// Reads a list of messages; the error says why it cannot be carried over.
pub(super) fn chat(value: &Value) -> Result<Chat, String> {
    let items = value.as_array().ok_or("its messages are not an array")?;
    let mut chat = Chat {
        system: None,
        messages: Vec::new(),
        answer: None,
    };
    for item in items {
        let message = message(item)?;
        if message.role == Role::System {
            if !chat.messages.is_empty() || chat.system.is_some() {
                return Err("it has system text after its first message".to_owned());
            }
            chat.system = Some(message.content);
        } else {
            chat.messages.push(message);
        }
    }
    end_with_a_question(&mut chat)?;
    Ok(chat)
}

/// Takes the model's own answer off the end, so that there is something to answer.
pub(super) fn end_with_a_question(chat: &mut Chat) -> Result<(), String> {
    while chat
        .messages
        .last()
        .is_some_and(|last| last.role == Role::Assistant)
    {
        let last = chat.messages.pop();
        chat.answer = last.map(|message| message.content);
    }
    let asks = chat
        .messages
        .iter()
        .any(|message| message.role == Role::User);
    if asks {
        Ok(())
    } else {
        Err("it has no user message".to_owned())
    }
}

fn message(item: &Value) -> Result<Message, String> {
    let role = match item["role"].as_str() {
        Some("system" | "developer") => Role::System,
        Some("user" | "human") => Role::User,
        Some("assistant" | "gpt" | "model" | "chatgpt" | "bing" | "bard") => Role::Assistant,
        Some("tool") => Role::Tool,
        other => {
            return Err(format!(
                "it has a message with the role `{}`",
                other.unwrap_or_default()
            ));
        }
    };
    let mut message = Message::text(role, "");
    match &item["content"] {
        Value::String(text) => message.content.clone_from(text),
        Value::Array(parts) => {
            for part in parts {
                add_part(&mut message, part)?;
            }
        }
        Value::Null => {}
        _ => return Err("the content of a message is neither a string nor a list".to_owned()),
    }
    for call in item["tool_calls"].as_array().into_iter().flatten() {
        let function = &call["function"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let (Some(id), Some(name)) = (text(&call["id"]), text(&function["name"])) else {
            return Err("a tool call has no id or no name".to_owned());
        };
        let arguments = text(&function["arguments"]).unwrap_or_else(|| "{}".to_owned());
        message.tool_calls.push(DeclaredCall {
            id,
            name,
            arguments,
        });
    }
    *message.tool_call_id = item["tool_call_id"].as_str().map(str::to_owned);
    if message.content.trim().is_empty() && message.tool_calls.is_empty() {
        return Err("it has a message without text".to_owned());
    }
    Ok(message)
}

fn add_part(message: &mut Message, part: &Value) -> Result<(), String> {
    let kind = part["type"].as_str().unwrap_or_default();
    let image = &part["image_url"];
    if let Some(text) = part["text"].as_str() {
        message.content.push_str(text);
    } else if let Some(url) = image["url"].as_str().or_else(|| image.as_str()) {
        if !url.starts_with("http") {
            return Err("it contains an image's bytes; save the image as a file".to_owned());
        }
        if message.role != Role::User {
            return Err("it has an image outside a user message".to_owned());
        }
        message.images.push(Image::Url(url.to_owned()));
    } else {
        return Err(format!("it has content of the type `{kind}`"));
    }
    Ok(())
}
