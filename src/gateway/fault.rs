//! Errors as servers tell them: finding the message, naming the outcome, keeping secrets out.
//!
//! Owns the many shapes of an error body and the words by which errors are classed. Must not know
//! about times or answers. Invariant: what leaves here is at most [`MESSAGE_CHARS`] long and holds
//! nothing that looks like a key.

use serde_json::Value;

use crate::record::{ErrorReport, Outcome};
use crate::suite::KEY_PREFIXES;

/// Most characters of an error message that are kept: enough for a provider's own error inside a
/// gateway's, too little for a page of HTML or an echoed prompt to fill the records.
pub const MESSAGE_CHARS: usize = 2_000;

/// How deep errors are followed that hold another error as JSON text: gateway, provider, model.
const NESTING: u32 = 3;

/// An error found in a body or in a chunk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fault {
    /// The server's word for it: `error.type`, else `error.code`.
    pub kind: Option<String>,
    /// Every word by which it may be classed, the outermost first.
    pub words: Vec<String>,
    /// What it says, with what errors inside it say.
    pub message: String,
    /// The gateway's id of the generation that failed.
    pub generation_id: Option<String>,
}

impl Fault {
    /// For the record: without secrets, cut at [`MESSAGE_CHARS`].
    pub fn report(&self, status: Option<u16>) -> ErrorReport {
        ErrorReport {
            status,
            kind: self.kind.as_deref().map(kept),
            message: kept(&self.message),
        }
    }

    /// The outcome of an answer that began well and then told this error.
    pub fn outcome_in_stream(&self) -> Outcome {
        match self.class() {
            Some(outcome @ (Outcome::RateLimited | Outcome::Filtered)) => outcome,
            _ => Outcome::StreamError,
        }
    }

    /// The outcome of a response with this error and an HTTP status other than 2xx. The type wins
    /// over the status: gateways send the same type with several statuses.
    pub fn outcome_of_status(&self, status: u16) -> Outcome {
        if let Some(outcome) = self.class() {
            return outcome;
        }
        match status {
            401 => Outcome::Unauthorized,
            402 => Outcome::PaymentRequired,
            403 => Outcome::Forbidden,
            // A 404 that does not speak of the model is a wrong path: the base URL.
            404 if self.message.to_lowercase().contains("model") => Outcome::ModelNotFound,
            429 => Outcome::RateLimited,
            300..=499 => Outcome::Rejected,
            500..=599 => Outcome::ServerError,
            _ => Outcome::ProtocolError,
        }
    }

    /// The outcome that one of the words stands for. General words (`invalid_request_error`,
    /// `api_error`) stand for none: they come with statuses that say more.
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

/// The error in a whole body that is not an answer: JSON of any known shape, a page, plain text.
pub fn of_body(bytes: &[u8]) -> Fault {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{feff}').trim();
    match serde_json::from_str::<Value>(text) {
        Ok(value) => of_envelope(&value, NESTING),
        Err(_) => Fault {
            message: title(text).unwrap_or_else(|| text.to_owned()),
            ..Fault::default()
        },
    }
}

/// The error in a chunk: its `error` value, with the chunk's own `error_type`, `error_message`.
pub fn of_chunk(error: &Value, kind: &str, message: &str) -> Option<Fault> {
    // Some servers send the key with nothing in it on every chunk.
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
    let mut fault = if nothing {
        Fault::default()
    } else {
        of_error(error, NESTING)
    };
    push_word(&mut fault, kind);
    add_message(&mut fault.message, message);
    Some(fault)
}

/// `{error: …}`, flat `{error: "…", message}`, `{message, type}`, `{detail}`, or a list of one.
fn of_envelope(value: &Value, nesting: u32) -> Fault {
    let envelope = match value {
        Value::Array(items) => items.first().unwrap_or(value),
        value => value,
    };
    let mut fault = match envelope.get("error") {
        Some(Value::String(text)) => {
            let mut fault = of_error(&Value::String(text.clone()), nesting);
            add_message(&mut fault.message, text_at(envelope, "message"));
            fault
        }
        Some(error) if !error.is_null() => of_error(error, nesting),
        _ => of_error(envelope, nesting),
    };
    if fault.message.is_empty() {
        fault.message = envelope.to_string();
    }
    fault.generation_id = [envelope.get("generationId"), generation_of(envelope)]
        .into_iter()
        .flatten()
        .find_map(Value::as_str)
        .map(str::to_owned);
    fault
}

fn generation_of(envelope: &Value) -> Option<&Value> {
    envelope.pointer("/providerMetadata/gateway/generationId")
}

/// An error object, or its text.
fn of_error(error: &Value, nesting: u32) -> Fault {
    let mut fault = Fault::default();
    if let Value::String(text) = error {
        add_text(&mut fault, text, nesting);
        return fault;
    }
    for path in ["/type", "/code", "/metadata/error_type", "/error_type"] {
        match error.pointer(path) {
            Some(Value::String(word)) => push_word(&mut fault, word),
            Some(Value::Number(number)) => push_word(&mut fault, &number.to_string()),
            _ => {}
        }
    }
    for key in ["message", "detail", "error_message", "msg"] {
        add_text(&mut fault, text_at(error, key), nesting);
    }
    // What the provider said, inside what the gateway says of it.
    for path in ["/value/error_message", "/metadata/raw", "/cause/message"] {
        if let Some(Value::String(text)) = error.pointer(path) {
            add_text(&mut fault, text, nesting);
        }
    }
    if fault.message.is_empty() {
        fault.message = error.to_string();
    }
    fault
}

/// Adds a text that may itself be an error as JSON.
fn add_text(fault: &mut Fault, text: &str, nesting: u32) {
    let nested = (nesting > 0 && text.trim_start().starts_with('{'))
        .then(|| serde_json::from_str::<Value>(text).ok())
        .flatten();
    match nested {
        Some(value) => {
            let inner = of_envelope(&value, nesting - 1);
            for word in &inner.words {
                push_word(fault, word);
            }
            add_message(&mut fault.message, &inner.message);
        }
        None => add_message(&mut fault.message, text),
    }
}

fn push_word(fault: &mut Fault, word: &str) {
    if !word.is_empty() {
        fault.kind.get_or_insert_with(|| word.to_owned());
        fault.words.push(word.to_owned());
    }
}

/// Adds what the message does not say yet.
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

fn text_at<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or("")
}

/// Whether a body is a page.
pub fn is_html(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"<")
}

/// How the message about a page begins, in place of the page.
pub const HTML_PAGE: &str = "an HTML page";

/// What a page calls itself: its title, else its first heading.
fn title(page: &str) -> Option<String> {
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

/// The text without secrets, cut at [`MESSAGE_CHARS`].
pub fn kept(text: &str) -> String {
    // Cut twice: once so that no megabyte is searched, once for the record. The first cut is so
    // much later that a secret it splits is cut away by the second.
    let searched: String = text.chars().take(4 * MESSAGE_CHARS).collect();
    let mut clean = redact(&searched);
    if let Some((at, _)) = clean.char_indices().nth(MESSAGE_CHARS) {
        clean.truncate(at);
        clean.push('…');
    }
    clean
}

/// What stands in place of a secret.
const REDACTED: &str = "[redacted]";

/// Names whose value is a secret, or a fingerprint of the user: the run that follows is taken out.
const SECRET_NAMES: [&str; 9] = [
    "bearer",
    "basic",
    "authorization",
    "x-api-key",
    "api-key",
    "api_key",
    "apikey",
    "clientsessionid",
    "client_session_id",
];

/// The shortest run that is taken for a key: shorter ones are words.
const KEY_CHARS: usize = 8;

/// Takes out whatever looks like a key, an authorization header or a session's fingerprint.
pub fn redact(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut clean = String::with_capacity(text.len());
    let mut at = 0;
    let mut after_word = false;
    while at < text.len() {
        let secret = if after_word {
            None
        } else {
            secret_at(&lower[at..])
        };
        if let Some((kept, taken)) = secret {
            clean.push_str(&text[at..at + kept]);
            clean.push_str(REDACTED);
            at += kept + taken;
            after_word = false;
            continue;
        }
        let next = text[at..].chars().next().unwrap_or(' ');
        after_word = next.is_ascii_alphanumeric();
        clean.push(next);
        at += next.len_utf8();
    }
    clean
}

/// If a secret begins here: how many bytes before it stay, and how many it has.
fn secret_at(lower: &str) -> Option<(usize, usize)> {
    // Servers change the case of what they echo: it is not looked at.
    let begins = |prefix: &&str| {
        let head = lower.get(..prefix.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(prefix))
    };
    if KEY_PREFIXES.iter().any(begins) {
        let taken = run(lower);
        return (taken >= KEY_CHARS).then_some((0, taken));
    }
    let name = SECRET_NAMES.iter().find(|name| lower.starts_with(**name))?;
    let between = |c: char| matches!(c, ' ' | '"' | '\'' | ':' | '=' | '\\');
    let after = &lower[name.len()..];
    let value = after.trim_start_matches(between);
    let kept = lower.len() - value.len();
    // "Authorization: Bearer …" is dealt with at the second word.
    if kept == name.len() || SECRET_NAMES.iter().any(|name| value.starts_with(name)) {
        return None;
    }
    let taken = run(value);
    // "Bearer authentication" is prose: a key has digits in it.
    let key = taken >= KEY_CHARS && value[..taken].bytes().any(|byte| byte.is_ascii_digit());
    key.then_some((kept, taken))
}

/// Length of the run of characters that a key or a header's value can be made of.
fn run(text: &str) -> usize {
    text.find(|c: char| c.is_whitespace() || "\"'\\,;()[]{}<>&".contains(c))
        .unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn every_shape_of_error_body_gives_its_message() {
        // Users act on the server's own words: they must be found wherever a server puts them.
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
            let fault = of_body(body.as_bytes());
            assert_eq!(
                (fault.kind.as_deref(), fault.message.as_str()),
                (kind, message),
                "{body}"
            );
        }
    }

    #[test]
    fn the_type_wins_over_the_status() {
        // The same budget error has been met with 402, 403 and 429: its type says what it is.
        let outcome = |status, error| {
            of_body(json!({ "error": error }).to_string().as_bytes()).outcome_of_status(status)
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
        // With a status that says nothing, the word alone must give the outcome.
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
            let fault = of_body(body.as_bytes());
            assert_eq!(fault.outcome_of_status(418), outcome, "{word}");
            let stream = match outcome {
                Outcome::RateLimited | Outcome::Filtered => outcome,
                _ => Outcome::StreamError,
            };
            assert_eq!(fault.outcome_in_stream(), stream, "{word}");
        }
    }

    #[test]
    fn secrets_do_not_survive() {
        // Servers echo keys and headers in their errors; records are shared in pull requests.
        for (text, clean) in [
            (
                "key sk-proj-abcdef123456 is wrong",
                "key [redacted] is wrong",
            ),
            ("vck_0123456789abcdef", "[redacted]"),
            (
                "Authorization: Bearer abc123def456ghi",
                "Authorization: Bearer [redacted]",
            ),
            (
                r#"{"clientSessionId":"9f8e7d6c5b4a"}"#,
                r#"{"clientSessionId":"[redacted]"}"#,
            ),
            ("token eyJhbGciOi.eyJzdWIi.c2ln", "token [redacted]"),
            (
                "the task-force asked for Bearer authentication",
                "the task-force asked for Bearer authentication",
            ),
            (
                "the header api-key: 0123456789abcdef is unknown",
                "the header api-key: [redacted] is unknown",
            ),
            (
                r#"{"api_key":"0123456789abcdef"}"#,
                r#"{"api_key":"[redacted]"}"#,
            ),
            (
                "your api_key is missing, set api-key",
                "your api_key is missing, set api-key",
            ),
            ("basic plan", "basic plan"),
        ] {
            assert_eq!(redact(text), clean);
        }
    }

    #[test]
    fn a_long_message_is_cut() {
        // An echoed prompt must not fill the records.
        assert_eq!(kept(&"é".repeat(10_000)).chars().count(), MESSAGE_CHARS + 1);
    }

    proptest! {
        // Arbitrary bodies give a bounded report, and never panic.
        #[test]
        fn any_body_is_reported(bytes in prop::collection::vec(any::<u8>(), 0..200), status in 300_u16..600) {
            let fault = of_body(&bytes);
            fault.outcome_of_status(status);
            prop_assert!(fault.report(Some(status)).message.chars().count() <= MESSAGE_CHARS + 1);
        }

        // A key is taken out whatever stands around it, as long as it does not stand inside a word.
        #[test]
        fn keys_are_found_anywhere(
            before in "(\\PC{0,20}[^A-Za-z0-9])?",
            prefix in prop::sample::select(KEY_PREFIXES.to_vec()),
            rest in "[A-Za-z0-9]{8,30}",
            shouted in any::<bool>(),
            after in "([ \",]\\PC{0,10})?",
        ) {
            let key = format!("{prefix}{rest}");
            let key = if shouted { key.to_uppercase() } else { key };
            let clean = redact(&format!("{before}{key}{after}"));
            prop_assert!(!clean.contains(&key), "{clean}");
        }
    }
}
