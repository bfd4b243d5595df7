//! Error envelopes of each vendor: one error in the shape that the vendor's clients expect.
//!
//! Owns shapes, types and codes of errors outside the Vercel gateway's own chat route. Must not know the cause
//! of an error. Invariant: the sentence is the same in every envelope; only its surroundings change.

use serde_json::{Value, json};

use super::dialect::Dialect;
use super::request::ChatRoute;

/// An error before it is put into an envelope.
#[derive(Debug, Clone, PartialEq)]
pub struct VendorError {
    /// Its HTTP status.
    pub status: u16,
    /// Its `type` on the Vercel gateway.
    pub kind: &'static str,
    /// The sentence for people.
    pub message: String,
    /// The affected parameter; null: none.
    pub param: Value,
}

/// Builds the body of a vendor and a route. Vercel's own chat route is not supported: its errors are recorded
/// shape by shape, and stay with their callers.
pub fn body(error: &VendorError, dialect: Dialect, api: ChatRoute) -> Value {
    if api == ChatRoute::Messages || dialect == Dialect::Anthropic {
        return anthropic(error);
    }
    let (message, status) = (&error.message, error.status);
    match dialect {
        Dialect::OpenRouter => json!({ "error": {
            "code": status, "message": message,
            "metadata": { "error_type": openrouter_type(status) },
        }}),
        Dialect::Vllm if status == 401 => json!({ "error": "Unauthorized" }),
        Dialect::Vllm => json!({ "error": {
            "message": message, "type": vllm_type(status), "param": param(error), "code": status,
        }}),
        Dialect::LlamaCpp => json!({ "error": {
            "code": status, "message": message, "type": llamacpp_type(status),
        }}),
        Dialect::Ollama => json!({ "error": {
            "message": message, "type": ollama_type(status), "param": null, "code": null,
        }}),
        Dialect::LiteLlm => json!({ "error": {
            "message": message, "type": litellm_type(status), "param": param(error),
            "code": status.to_string(),
        }}),
        // Mistral's errors have no envelope.
        Dialect::Mistral => json!({
            "object": "error", "message": message, "type": mistral_type(status),
            "param": param(error), "code": status.to_string(),
        }),
        Dialect::Azure if status != 400 => {
            let code = match status {
                404 => "DeploymentNotFound".to_owned(),
                other => other.to_string(),
            };
            json!({ "error": { "code": code, "message": message } })
        }
        Dialect::DeepSeek => json!({ "error": {
            "message": message, "type": deepseek_type(status), "param": null,
            "code": "invalid_request_error",
        }}),
        _ => {
            let (kind, code) = openai_type_and_code(error);
            json!({ "error": {
                "message": message, "type": kind, "param": param(error), "code": code,
            }})
        }
    }
}

/// Returns the parameter as a string; an object, as Vercel has it, means nothing elsewhere.
fn param(error: &VendorError) -> Value {
    match &error.param {
        Value::String(name) => json!(name),
        _ => Value::Null,
    }
}

fn anthropic(error: &VendorError) -> Value {
    let kind = match error.status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        408 | 504 => "timeout_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        500.. | 424 => "api_error",
        _ => "invalid_request_error",
    };
    json!({ "type": "error", "error": { "type": kind, "message": error.message } })
}

/// Returns `OpenAI`'s `type` and `code`, which Groq shares.
fn openai_type_and_code(error: &VendorError) -> (&'static str, Option<&'static str>) {
    match (error.status, error.kind) {
        (_, "unsupported_parameter") => ("invalid_request_error", Some("unsupported_parameter")),
        (_, "insufficient_funds" | "quota_for_entity_exceeded") => {
            ("insufficient_quota", Some("insufficient_quota"))
        }
        (401, _) => ("invalid_request_error", Some("invalid_api_key")),
        (404, "model_not_found") => ("invalid_request_error", Some("model_not_found")),
        (429, _) => ("requests", Some("rate_limit_exceeded")),
        (500.., _) => ("server_error", None),
        _ => ("invalid_request_error", None),
    }
}

/// Returns a type from the fixed list in `OpenRouter`'s contract.
const fn openrouter_type(status: u16) -> &'static str {
    match status {
        401 => "authentication",
        402 => "payment_required",
        403 => "permission_denied",
        404 => "not_found",
        429 => "rate_limit_exceeded",
        502 | 503 => "provider_unavailable",
        529 => "provider_overloaded",
        500.. => "server",
        _ => "invalid_request",
    }
}

const fn vllm_type(status: u16) -> &'static str {
    match status {
        404 => "NotFoundError",
        500.. => "InternalServerError",
        _ => "BadRequestError",
    }
}

const fn llamacpp_type(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        503 => "unavailable_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    }
}

const fn ollama_type(status: u16) -> &'static str {
    match status {
        400 => "invalid_request_error",
        404 => "not_found_error",
        _ => "api_error",
    }
}

const fn litellm_type(status: u16) -> &'static str {
    match status {
        401 => "auth_error",
        429 => "throttling_error",
        500.. => "internal_server_error",
        _ => "invalid_request_error",
    }
}

const fn mistral_type(status: u16) -> &'static str {
    match status {
        401 => "unauthorized",
        404 => "invalid_model",
        429 => "rate_limited",
        500.. => "internal_server_error",
        _ => "invalid_request_error",
    }
}

const fn deepseek_type(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "unknown_error",
        429 => "rate_limit_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    }
}

/// An error of a provider, in the middle of an answer.
pub fn provider_error(message: &str) -> VendorError {
    VendorError {
        status: 500,
        kind: "internal_server_error",
        message: message.to_owned(),
        param: Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_envelope_has_the_sentence_and_its_vendors_code() {
        // Clients look for the code in their vendor's field, and people for the sentence.
        let error = VendorError {
            status: 429,
            kind: "rate_limit_exceeded",
            message: "Too fast".to_owned(),
            param: Value::Null,
        };
        let code = |dialect, pointer: &str| {
            let body = body(&error, dialect, ChatRoute::Chat);
            assert!(body.to_string().contains("Too fast"), "{dialect}");
            body.pointer(pointer).cloned().unwrap_or_default()
        };
        assert_eq!(code(Dialect::OpenRouter, "/error/code"), json!(429));
        assert_eq!(code(Dialect::LiteLlm, "/error/code"), json!("429"));
        assert_eq!(code(Dialect::Vllm, "/error/code"), json!(429));
        assert_eq!(code(Dialect::LlamaCpp, "/error/code"), json!(429));
        assert_eq!(code(Dialect::Ollama, "/error/type"), json!("api_error"));
        assert_eq!(code(Dialect::Azure, "/error/code"), json!("429"));
        assert_eq!(code(Dialect::Mistral, "/object"), json!("error"));
        for dialect in [Dialect::OpenAi, Dialect::Groq] {
            assert_eq!(code(dialect, "/error/code"), json!("rate_limit_exceeded"));
        }
        for dialect in Dialect::ALL {
            let body = body(&error, dialect, ChatRoute::Messages);
            assert_eq!(body["error"]["type"], "rate_limit_error");
            assert_eq!(body["type"], "error");
        }
    }
}
