//! Errors as servers report them: the message and the outcome.
//!
//! Owns the many shapes of an error body and the words by which errors are classified. Must not know times,
//! answers or keys: `outside` removes those. Invariant: any body gives an error.

use serde_json::Value;

use crate::record::{ErrorReport, Outcome};

/// Depth to which errors are followed that contain another error as JSON text: gateway, provider, model.
const NESTING: u32 = 3;

/// An error found in a body or in a chunk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiError {
    /// The server's word for it: `error.type`, else `error.code`.
    pub kind: Option<String>,
    /// Every word by which it may be classified, the outermost first.
    pub words: Vec<String>,
    /// The message, with those of nested errors.
    pub message: String,
    /// The gateway's id of the generation that failed.
    pub generation_id: Option<String>,
}

impl ApiError {
    /// The error for the record, unfiltered: the reading that it becomes part of is redacted as a whole.
    pub fn report(&self, status: Option<u16>) -> ErrorReport {
        ErrorReport {
            status,
            kind: self.kind.clone(),
            message: self.message.clone(),
        }
    }

    /// The outcome of an answer that began well and then reported this error.
    pub fn outcome_in_stream(&self) -> Outcome {
        match self.class() {
            Some(outcome @ (Outcome::RateLimited | Outcome::Filtered)) => outcome,
            _ => Outcome::StreamError,
        }
    }

    /// The outcome of a response with this error and an HTTP status other than 2xx. The type has precedence
    /// over the status: gateways send the same type with several statuses.
    pub fn outcome_of_status(&self, status: u16) -> Outcome {
        if let Some(outcome) = self.class() {
            return outcome;
        }
        match status {
            401 => Outcome::Unauthorized,
            402 => Outcome::PaymentRequired,
            403 => Outcome::Forbidden,
            // A 404 that does not mention the model is a wrong path: the base URL.
            404 if self.message.to_lowercase().contains("model") => Outcome::ModelNotFound,
            429 => Outcome::RateLimited,
            300..=499 => Outcome::Rejected,
            500..=599 => Outcome::ServerError,
            _ => Outcome::ProtocolError,
        }
    }

    /// The outcome that one of the words means. General words (`invalid_request_error`, `api_error`) mean none:
    /// they come with statuses that are more specific.
    fn class(&self) -> Option<Outcome> {
        self.words.iter().find_map(|word| {
            let plain: String = word
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .map(|c| c.to_ascii_lowercase())
                .collect();
            Some(match plain.as_str() {
                "429" | "ratelimit" | "ratelimited" | "ratelimiterror" | "ratelimitexceeded"
                | "toomanyrequests" | "resourceexhausted" => Outcome::RateLimited,
                "authenticationerror" | "invalidapikey" | "unauthorized" | "unauthenticated" => {
                    Outcome::Unauthorized
                }
                "insufficientfunds"
                | "insufficientquota"
                | "insufficientcredits"
                | "quotaforentityexceeded"
                | "paymentrequired"
                | "billingerror" => Outcome::PaymentRequired,
                "forbidden"
                | "permissionerror"
                | "permissiondenied"
                | "customerverificationrequired" => Outcome::Forbidden,
                "modelnotfound" | "deploymentnotfound" | "invalidmodel" => Outcome::ModelNotFound,
                "contentfilter" | "contentpolicyviolation" => Outcome::Filtered,
                "contextlengthexceeded" | "faileddependency" => Outcome::Rejected,
                "internalservererror"
                | "serviceunavailableerror"
                | "overloadederror"
                | "provideroverloaded"
                | "providerunavailable" => Outcome::ServerError,
                _ => return None,
            })
        })
    }
}

/// The error in a whole body that is not an answer: JSON of any known shape, an HTML page, plain text.
pub fn from_body(bytes: &[u8]) -> ApiError {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{feff}').trim();
    match serde_json::from_str::<Value>(text) {
        Ok(value) => from_envelope(&value, NESTING),
        Err(_) => ApiError {
            message: html_title(text).unwrap_or_else(|| text.to_owned()),
            ..ApiError::default()
        },
    }
}

/// The error in a chunk: its `error` value, with the chunk's own `error_type`, `error_message`.
pub fn from_chunk(error: &Value, kind: &str, message: &str) -> Option<ApiError> {
    // Some servers send an empty `error` on every chunk.
    let nothing = match error {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    };
    if nothing && message.is_empty() {
        return None;
    }
    let mut api_error = if nothing {
        ApiError::default()
    } else {
        from_value(error, NESTING)
    };
    add_class_word(&mut api_error, kind);
    add_message(&mut api_error.message, message);
    Some(api_error)
}

/// `{error: …}`, flat `{error: "…", message}`, `{message, type}`, `{detail}`, or a list of one.
fn from_envelope(value: &Value, nesting: u32) -> ApiError {
    let envelope = match value {
        Value::Array(items) => items.first().unwrap_or(value),
        value => value,
    };
    let mut api_error = match envelope.get("error") {
        Some(Value::String(text)) => {
            let mut api_error = from_value(&Value::String(text.clone()), nesting);
            add_message(&mut api_error.message, string_field(envelope, "message"));
            api_error
        }
        Some(error) if !error.is_null() => from_value(error, nesting),
        _ => from_value(envelope, nesting),
    };
    if api_error.message.is_empty() {
        api_error.message = envelope.to_string();
    }
    api_error.generation_id = [envelope.get("generationId"), generation_id(envelope)]
        .into_iter()
        .flatten()
        .find_map(Value::as_str)
        .map(str::to_owned);
    api_error
}

fn generation_id(envelope: &Value) -> Option<&Value> {
    envelope.pointer("/providerMetadata/gateway/generationId")
}

/// The error in an error object, or in a string.
fn from_value(error: &Value, nesting: u32) -> ApiError {
    let mut api_error = ApiError::default();
    if let Value::String(text) = error {
        add_nested_text(&mut api_error, text, nesting);
        return api_error;
    }
    for path in ["/type", "/code", "/metadata/error_type", "/error_type"] {
        match error.pointer(path) {
            Some(Value::String(word)) => add_class_word(&mut api_error, word),
            Some(Value::Number(number)) => add_class_word(&mut api_error, &number.to_string()),
            _ => {}
        }
    }
    for key in ["message", "detail", "error_message", "msg"] {
        add_nested_text(&mut api_error, string_field(error, key), nesting);
    }
    // The provider's own message, inside the gateway's.
    for path in ["/value/error_message", "/metadata/raw", "/cause/message"] {
        if let Some(Value::String(text)) = error.pointer(path) {
            add_nested_text(&mut api_error, text, nesting);
        }
    }
    if api_error.message.is_empty() {
        api_error.message = error.to_string();
    }
    api_error
}

/// Adds a text that may be JSON of another error.
fn add_nested_text(api_error: &mut ApiError, text: &str, nesting: u32) {
    let nested = (nesting > 0 && text.trim_start().starts_with('{'))
        .then(|| serde_json::from_str::<Value>(text).ok())
        .flatten();
    match nested {
        Some(value) => {
            let inner = from_envelope(&value, nesting - 1);
            for word in &inner.words {
                add_class_word(api_error, word);
            }
            add_message(&mut api_error.message, &inner.message);
        }
        None => add_message(&mut api_error.message, text),
    }
}

fn add_class_word(api_error: &mut ApiError, word: &str) {
    if !word.is_empty() {
        api_error.kind.get_or_insert_with(|| word.to_owned());
        api_error.words.push(word.to_owned());
    }
}

/// Adds `more` unless the message contains it already.
fn add_message(message: &mut String, more: &str) {
    let more = more.trim();
    if more.is_empty() || message.contains(more) {
        return;
    }
    if !message.is_empty() {
        message.push_str(": ");
    }
    message.push_str(more);
}

fn string_field<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or("")
}

/// True if a body is an HTML page.
pub fn is_html(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"<")
}

/// The beginning of the message that replaces a page.
pub const HTML_PAGE: &str = "an HTML page";

/// The title of a page, else its first heading.
fn html_title(page: &str) -> Option<String> {
    if !is_html(page.as_bytes()) {
        return None;
    }
    let lower = page.to_ascii_lowercase();
    let text = ["title", "h1"].into_iter().find_map(|tag| {
        let open = lower.find(&format!("<{tag}"))?;
        let start = open + lower[open..].find('>')? + 1;
        let end = start + lower[start..].find("</")?;
        let words: Vec<&str> = page[start..end].split_whitespace().collect();
        (!words.is_empty()).then(|| words.join(" "))
    });
    Some(match text {
        Some(text) => format!("{HTML_PAGE} titled \"{text}\""),
        None => format!("{HTML_PAGE} without a title"),
    })
}

#[cfg(test)]
mod tests {
    use super::super::outside::MESSAGE_CHARS;
    use super::*;
    use crate::suite::Redactor;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn every_shape_of_error_body_gives_its_message() {
        // Users act on the server's own message: it must be found wherever a server puts it.
        for (body, kind, message) in [
            (r#"{"error":{"message":"m","type":"t"}}"#, Some("t"), "m"),
            (
                r#"{"error":{"message":"m","code":"429"}}"#,
                Some("429"),
                "m",
            ),
            (r#"{"error":{"message":"m","code":404}}"#, Some("404"), "m"),
            (
                r#"{"error":"Usage event not found","message":"gone"}"#,
                None,
                "Usage event not found: gone",
            ),
            (
                r#"{"object":"error","message":"m","type":"NotFoundError"}"#,
                Some("NotFoundError"),
                "m",
            ),
            (r#"{"error":"gone","message":"gone"}"#, None, "gone"),
            (r#"{"detail":"Not Found"}"#, None, "Not Found"),
            (
                r#"[{"error":{"message":"m","code":400}}]"#,
                Some("400"),
                "m",
            ),
            (
                r#"{"error":{"message":"{\"error\":{\"message\":\"in\",\"type\":\"x\"}}"}}"#,
                Some("x"),
                "in",
            ),
            (
                "<html><TITLE>502 Bad\n Gateway</title>",
                None,
                "an HTML page titled \"502 Bad Gateway\"",
            ),
            ("<p>", None, "an HTML page without a title"),
            ("upstream connect error", None, "upstream connect error"),
            ("{\"strange\":1}", None, "{\"strange\":1}"),
        ] {
            let api_error = from_body(body.as_bytes());
            assert_eq!(
                (api_error.kind.as_deref(), api_error.message.as_str()),
                (kind, message),
                "{body}"
            );
        }
    }

    #[test]
    fn the_type_wins_over_the_status() {
        // The same budget error has been seen with 402, 403 and 429: its type is decisive.
        let outcome = |status, error| {
            from_body(json!({ "error": error }).to_string().as_bytes()).outcome_of_status(status)
        };
        let quota = json!({"message": "spent", "type": "quota_for_entity_exceeded"});
        assert_eq!(outcome(429, quota), Outcome::PaymentRequired);
        let unknown_model =
            json!({"message": "m", "type": "invalid_request_error", "code": "model_not_found"});
        assert_eq!(outcome(404, unknown_model), Outcome::ModelNotFound);
        let general = json!({"message": "m", "type": "invalid_request_error"});
        assert_eq!(outcome(401, general), Outcome::Unauthorized);
    }

    #[test]
    fn each_known_word_is_classed_by_itself() {
        // With a status that means nothing, the word alone must give the outcome.
        for (word, outcome) in [
            ("rate_limit_exceeded", Outcome::RateLimited),
            ("RateLimitError", Outcome::RateLimited),
            ("too_many_requests", Outcome::RateLimited),
            ("RESOURCE_EXHAUSTED", Outcome::RateLimited),
            ("authentication_error", Outcome::Unauthorized),
            ("invalid_api_key", Outcome::Unauthorized),
            ("insufficient_funds", Outcome::PaymentRequired),
            ("insufficient_quota", Outcome::PaymentRequired),
            ("quota_for_entity_exceeded", Outcome::PaymentRequired),
            ("payment_required", Outcome::PaymentRequired),
            ("forbidden", Outcome::Forbidden),
            ("customer_verification_required", Outcome::Forbidden),
            ("model_not_found", Outcome::ModelNotFound),
            ("DeploymentNotFound", Outcome::ModelNotFound),
            ("invalid_model", Outcome::ModelNotFound),
            ("content_filter", Outcome::Filtered),
            ("content_policy_violation", Outcome::Filtered),
            ("internal_server_error", Outcome::ServerError),
            ("service_unavailable_error", Outcome::ServerError),
            ("overloaded_error", Outcome::ServerError),
            ("provider_overloaded", Outcome::ServerError),
            ("invalid_request_error", Outcome::Rejected),
            ("a_word_of_tomorrow", Outcome::Rejected),
        ] {
            let body = json!({ "error": { "message": "m", "type": word } }).to_string();
            let api_error = from_body(body.as_bytes());
            assert_eq!(api_error.outcome_of_status(418), outcome, "{word}");
            let stream = match outcome {
                Outcome::RateLimited | Outcome::Filtered => outcome,
                _ => Outcome::StreamError,
            };
            assert_eq!(api_error.outcome_in_stream(), stream, "{word}");
        }
    }

    proptest! {
        // Arbitrary bodies give a bounded report, and never panic.
        #[test]
        fn any_body_is_reported(bytes in prop::collection::vec(any::<u8>(), 0..200), status in 300_u16..600) {
            let api_error = from_body(&bytes);
            api_error.outcome_of_status(status);
            let report = Redactor::default().apply(api_error.report(Some(status)));
            prop_assert!(report.message.chars().count() <= MESSAGE_CHARS + 1);
        }
    }
}
