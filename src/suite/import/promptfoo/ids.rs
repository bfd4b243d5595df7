//! Ids of promptfoo's providers as ids of models.
//!
//! Owns which hosts a gateway serves. Must not know the keys of a provider. Invariant: an id that a gateway does not serve has none.

use super::yaml::Node;

/// `openai:chat:gpt-4o` as `openai/gpt-4o`. An id that names its creator stands as it is: it is what promptfoo
/// sends.
pub(super) fn gateway_id(id: &str) -> Option<String> {
    let (host, rest) = id.split_once(':')?;
    let routes = ["chat:", "responses:", "messages:", "completion:"];
    let model = routes
        .iter()
        .find_map(|route| rest.strip_prefix(route))
        .unwrap_or(rest);
    if model.is_empty() || model.contains("{{") || model.contains(char::is_whitespace) {
        return None;
    }
    match host {
        "openrouter" | "vercel" | "litellm" => Some(model.to_owned()),
        "openai" | "anthropic" | "google" | "mistral" | "deepseek" | "xai" | "cohere" => {
            let has_creator = model.contains('/');
            Some(if has_creator {
                model.to_owned()
            } else {
                format!("{host}/{model}")
            })
        }
        _ => None,
    }
}

/// The model of a provider that grades, in any of its forms.
pub(super) fn grader_id(node: &Node) -> Option<String> {
    let id = match node.entries() {
        [(id, _)] if id != "id" => id,
        _ => node.text().or_else(|| node.get("id")?.text())?,
    };
    let mut parts = id.splitn(3, ':');
    let (host, kind) = (parts.next()?, parts.next()?);
    match parts.next() {
        Some(model) if kind == "embedding" || kind == "embeddings" => {
            gateway_id(&format!("{host}:{model}"))
        }
        _ => gateway_id(id),
    }
}
