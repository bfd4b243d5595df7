//! Errors as servers report them: the message and the outcome.
//!
//! Owns the many shapes of an error body and the words by which errors are classified. Must not know times,
//! answers or keys: `outside` removes those. Invariant: any body gives an error.

use serde_json::Value;

use super::error_class::{ErrorCause, cause, cause_of_message, cause_of_word};
use super::finish::plain_word;
use super::waits::{self, RetryAfter};
use crate::record::{ErrorReport, Outcome};

/// Depth to which errors are followed that contain another error as JSON text: gateway, provider, model.
const NESTING: u32 = 3;

/// A place of an error in a body or in an event of a stream, for `docs/dialects.md`.
#[derive(Debug, Clone, Copy)]
pub struct ErrorPlace {
    /// The place.
    pub place: &'static str,
    /// The vendors that use it.
    pub source: &'static str,
    /// An answer of HTTP 200 with the error `slow down` in that place: an event of a stream, with its line.
    pub example: &'static str,
}

const fn place(place: &'static str, source: &'static str, example: &'static str) -> ErrorPlace {
    ErrorPlace {
        place,
        source,
        example,
    }
}

/// The places in which errors are found inside an answer of HTTP 200.
pub const ERROR_PLACES: [ErrorPlace; 15] = [
    place(
        "`error`: object",
        "OpenAI, Vercel, OpenRouter, LiteLLM",
        r#"data: {"error":{"message":"slow down"}}"#,
    ),
    place(
        "`error`: string",
        "Ollama, Text Generation Inference",
        r#"data: {"error":"slow down"}"#,
    ),
    place(
        "`choices[0].error`",
        "OpenRouter and gateways behind it",
        r#"data: {"choices":[{"delta":{},"error":{"message":"slow down"}}]}"#,
    ),
    place(
        "`base_resp.status_code`, not 0",
        "MiniMax",
        r#"data: {"base_resp":{"status_code":1000,"status_msg":"slow down"}}"#,
    ),
    place(
        "`error_type`, `error_message`",
        "gateways",
        r#"data: {"error_type":"busy","error_message":"slow down"}"#,
    ),
    place(
        "`error_code`, `error_msg`",
        "Baidu Qianfan",
        r#"data: {"error_code":18,"error_msg":"slow down"}"#,
    ),
    place(
        "`errorCode`, `errorMessage`",
        "Java gateways",
        r#"data: {"errorCode":"Busy","errorMessage":"slow down"}"#,
    ),
    place(
        "`errors[]`",
        "Cloudflare Workers AI",
        r#"data: {"success":false,"errors":[{"code":3040,"message":"slow down"}]}"#,
    ),
    place(
        "`code`, `message`",
        "Alibaba DashScope, iFlytek",
        r#"data: {"code":"Busy","message":"slow down"}"#,
    ),
    place(
        "`code`, `msg`",
        "Chinese gateways",
        r#"data: {"code":500,"msg":"slow down"}"#,
    ),
    place(
        "`detail`",
        "FastAPI servers",
        r#"data: {"detail":"slow down"}"#,
    ),
    place(
        "`x_groq.error`",
        "Groq",
        r#"data: {"choices":[],"x_groq":{"error":"slow down"}}"#,
    ),
    place(
        "`object` or `type` is `error`",
        "vLLM, Mistral, Anthropic",
        r#"data: {"object":"error","message":"slow down"}"#,
    ),
    place(
        "an event named `error`",
        "Anthropic, OpenAI Responses",
        "event: error\ndata: slow down",
    ),
    place(
        "a stream field `error:`",
        "gateways",
        r#"error: {"message":"slow down"}"#,
    ),
];

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
    /// The wait that its fields demand.
    pub retry_after: Option<RetryAfter>,
}

impl ApiError {
    /// An error that is only a sentence.
    pub(super) fn from_message(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            ..Self::default()
        }
    }

    /// The error for the record, unfiltered: the reading that it becomes part of is redacted as a whole.
    pub fn report(&self, status: Option<u16>) -> ErrorReport {
        ErrorReport {
            status,
            kind: self.kind.clone(),
            message: self.message.clone(),
        }
    }

    /// The outcome of an answer that began well and then reported this error. Before the first token the error
    /// answers the request, so that it means what it would with its own status.
    pub fn outcome_in_stream(&self, has_token: bool) -> Outcome {
        // A phrase stands in any sentence: once there is an answer a word of the error's own must mean a limit.
        let by_word = || self.words.iter().find_map(|word| cause_of_word(word));
        let cause = if has_token {
            by_word()
        } else {
            by_word().or_else(|| cause_of_message(&self.message))
        };
        match cause {
            Some(cause @ (ErrorCause::RateLimit | ErrorCause::Policy | ErrorCause::Refusal)) => {
                cause.outcome()
            }
            Some(ErrorCause::Server | ErrorCause::Request) | None => Outcome::StreamError,
            Some(cause) if !has_token => cause.outcome(),
            Some(_) => Outcome::StreamError,
        }
    }

    /// The outcome of a response with this error and an HTTP status other than 2xx.
    pub fn outcome_of_status(&self, status: u16) -> Outcome {
        cause(&self.words, &self.message, Some(status))
            .map_or(Outcome::ProtocolError, ErrorCause::outcome)
    }

    /// The wait that the error demands, in a field or in its message.
    pub(super) fn demanded_wait(&self) -> Option<RetryAfter> {
        self.retry_after
            .or_else(|| waits::of_message(&self.message))
    }
}

/// The error in a whole body that is not an answer: JSON of any known shape, an HTML page, plain text.
pub fn from_body(bytes: &[u8]) -> ApiError {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{feff}').trim();
    match serde_json::from_str::<Value>(text) {
        Ok(value) => ApiError {
            retry_after: waits::of_json(&value),
            ..from_envelope(&value, NESTING)
        },
        Err(_) => ApiError::from_message(html_title(text).unwrap_or_else(|| text.to_owned())),
    }
}

/// The error in an event or answer of HTTP 200 that has nothing of an answer: under one of the names that
/// servers use in place of `error`. `None` where it is none.
pub fn from_other_names(json: &[u8]) -> Option<ApiError> {
    let value: Value = serde_json::from_slice(json).ok()?;
    let present = |key: &str| value.get(key).filter(|field| !is_nothing(field));
    let is_failure = |field: &Value| match field {
        Value::Number(number) => !matches!(number.as_u64(), Some(0 | 200)),
        Value::String(text) => !matches!(&*plain_word(text), "0" | "200" | "ok" | "success"),
        _ => false,
    };
    let codes = [
        "code",
        "error_code",
        "errorCode",
        "status_code",
        "statusCode",
    ];
    let texts = [
        "message",
        "msg",
        "detail",
        "error_msg",
        "error_message",
        "errorMessage",
    ];
    let has_code = codes.iter().any(|key| present(key).is_some_and(is_failure));
    let has_text = texts.iter().any(|key| present(key).is_some());
    let named = ["object", "type"]
        .iter()
        .any(|key| string_field(&value, key) == "error");
    let failed = value.get("success") == Some(&Value::Bool(false));
    let inner = present("errors").map(|errors| errors.get(0).unwrap_or(errors));
    if inner.is_none()
        && !named
        && !failed
        && present("detail").is_none()
        && !(has_code && has_text)
    {
        return None;
    }
    Some(ApiError {
        retry_after: waits::of_json(&value),
        ..from_envelope(inner.unwrap_or(&value), NESTING)
    })
}

/// True for a field without content: some servers send an empty `error` on every chunk.
fn is_nothing(field: &Value) -> bool {
    match field {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

/// The error in `MiniMax`'s status of a chunk, which every chunk has: 0 is a success.
pub(super) fn from_base_resp(status: &Value) -> Option<ApiError> {
    let code = status.get("status_code")?;
    let code = code.as_i64().filter(|code| *code != 0)?;
    let mut api_error = ApiError::from_message(string_field(status, "status_msg"));
    api_error.kind = Some(code.to_string());
    api_error.words.push(format!("base_resp {code}"));
    if api_error.message.is_empty() {
        api_error.message = status.to_string();
    }
    Some(api_error)
}

/// The error in a chunk: its `error` value, with the chunk's own `error_type`, `error_message`.
pub fn from_chunk(error: &Value, kind: &str, message: &str) -> Option<ApiError> {
    let nothing = is_nothing(error);
    if nothing && message.is_empty() {
        return None;
    }
    let mut api_error = if nothing {
        ApiError::default()
    } else {
        from_value(error, NESTING)
    };
    api_error.retry_after = waits::of_json(error);
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
            // The words of a flat error stand next to it (xAI).
            add_class_words(&mut api_error, envelope);
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
    add_class_words(&mut api_error, error);
    for key in [
        "message",
        "detail",
        "error_message",
        "error_msg",
        "errorMessage",
        "msg",
        "status_msg",
    ] {
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

/// Adds every word of an error by which it may be classified.
fn add_class_words(api_error: &mut ApiError, error: &Value) {
    for path in [
        "/type",
        "/code",
        "/metadata/error_type",
        "/error_type",
        "/status",
        "/error_code",
        "/errorCode",
        "/innererror/code",
    ] {
        match error.pointer(path) {
            Some(Value::String(word)) => add_class_word(api_error, word),
            Some(Value::Number(number)) => add_class_word(api_error, &number.to_string()),
            _ => {}
        }
    }
    // The reasons why a prompt was flagged (OpenRouter).
    let flags = ["/metadata/reasons", "/metadata/flagged_input"];
    if flags
        .iter()
        .any(|path| error.pointer(path).is_some_and(|field| !is_nothing(field)))
    {
        add_class_word(api_error, "moderation");
    }
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
            assert_eq!(api_error.outcome_in_stream(true), stream, "{word}");
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
