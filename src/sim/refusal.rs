//! Error responses: every error of the gateway in its recorded shape.
//!
//! Owns statuses, headers and bodies of errors; other vendors' envelopes are in `envelope`. Must not know why
//! one is chosen. Invariant: the `type` of an error names its kind, and clients are meant to trust it over the
//! status.

use serde_json::{Value, json};

use super::dialect::Dialect;
use super::envelope::{self, VendorError};
use super::fault::Fault;
use super::request::ChatRoute;
use super::scenario::RetryAfterForm;
use crate::units::Usd;

/// A response with a body that is known at once.
#[derive(Debug, Clone, PartialEq)]
pub struct ErrorResponse {
    /// The HTTP status.
    pub status: u16,
    /// Headers, `content-type` included.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Its content, if another vendor could send it too; absent: only these bytes.
    pub error: Option<Box<VendorError>>,
}

impl ErrorResponse {
    /// Creates a response with a JSON body.
    pub fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            headers: vec![("content-type", "application/json".to_owned())],
            body: body.to_string().into_bytes(),
            error: None,
        }
    }

    /// Returns the same error in that dialect, on that route.
    #[must_use]
    pub fn in_dialect(mut self, dialect: Dialect, api: ChatRoute) -> Self {
        let own = dialect == Dialect::Vercel && api != ChatRoute::Messages;
        if let Some(error) = self.error.as_ref().filter(|_| !own) {
            self.body = envelope::body(error, dialect, api).to_string().into_bytes();
        }
        self
    }

    /// Creates a response with a JSON body, and the error in it.
    fn with_error(kind: &'static str, status: u16, error: &Value) -> Self {
        let vendor_error = VendorError {
            status,
            kind,
            message: error["message"].as_str().unwrap_or_default().to_owned(),
            param: error["param"].clone(),
        };
        Self {
            error: Some(Box::new(vendor_error)),
            ..Self::json(status, &json!({ "error": error }))
        }
    }

    /// Creates the usual envelope with a type and a sentence.
    fn plain(status: u16, kind: &'static str, message: &str) -> Self {
        Self::with_error(kind, status, &json!({ "message": message, "type": kind }))
    }

    /// Creates a page, as proxies and hosting platforms send it.
    pub fn html(status: u16, title: &str) -> Self {
        let page = format!(
            "<!DOCTYPE html>\n<html><head><title>{title}</title></head>\n<body><h1>{title}</h1></body></html>\n"
        );
        Self {
            status,
            headers: vec![("content-type", "text/html; charset=utf-8".to_owned())],
            body: page.into_bytes(),
            error: None,
        }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// 400: the body is invalid.
    pub fn bad_request(message: &str, param: &str) -> Self {
        let error = json!({
            "message": message, "type": "invalid_request_error", "param": param,
            "code": "invalid_request_error",
        });
        Self::with_error("invalid_request_error", 400, &error)
    }

    /// 400: a parameter that this model does not support, in `OpenAI`'s words.
    pub fn unsupported(param: &str, instead: &str) -> Self {
        let message = format!(
            "Unsupported parameter: '{param}' is not supported with this model. Use '{instead}' instead."
        );
        let error = json!({
            "message": message, "type": "invalid_request_error", "param": param,
            "code": "unsupported_parameter",
        });
        Self::with_error("unsupported_parameter", 400, &error)
    }

    /// 401: no key, or an invalid one.
    pub fn unauthenticated() -> Self {
        Self::plain(401, "authentication_error", "Invalid API key")
    }

    /// 404: no such model, in the recorded shape.
    pub fn unknown_model(id: &str) -> Self {
        let error = json!({
            "message": format!("Model '{id}' not found"),
            "type": "model_not_found",
            "param": { "modelId": id },
        });
        Self::with_error("model_not_found", 404, &error)
    }

    /// 404: no such path under `/v1`.
    pub fn unknown_path(path: &str) -> Self {
        let message = format!("The requested path {path} was not found");
        Self::plain(404, "not_found_error", &message)
    }

    /// 402: a budget is used up.
    pub fn over_budget(spent: Usd, limit: Usd) -> Self {
        let message = format!("The budget of this API key is used up: spent ${spent} of ${limit}");
        Self::plain(402, "quota_for_entity_exceeded", &message)
    }

    /// 413: the body is too large.
    pub fn too_large() -> Self {
        Self::plain(413, "invalid_request_error", "Request body too large")
    }

    /// 429, with a `Retry-After` in the form of `hint`.
    pub fn rate_limited(hint: RetryAfterForm, seconds: u64, unix_ms: u64) -> Self {
        let refused = Self::plain(429, "rate_limit_exceeded", "Rate limit exceeded");
        match hint {
            RetryAfterForm::None => refused,
            RetryAfterForm::Seconds => refused.with("retry-after", seconds.to_string()),
            RetryAfterForm::Junk => refused.with("retry-after", "soon"),
            RetryAfterForm::Date => {
                let date = http_date((unix_ms / 1000).saturating_add(seconds));
                refused.with("retry-after", date)
            }
        }
    }

    /// Returns the error response of a fault; `None` for faults of another kind.
    pub fn from_fault(fault: Fault, context: &Context<'_>) -> Option<Self> {
        let limited = |hint, seconds| Self::rate_limited(hint, seconds, context.unix_ms);
        let kind = |status, kind, message| Self::plain(status, kind, message);
        Some(match fault {
            Fault::BadRequest => Self::bad_request("Invalid request", "messages"),
            Fault::TypeMismatch => type_mismatch(context),
            Fault::Unauthenticated => Self::unauthenticated(),
            Fault::NoFunds => kind(
                402,
                "insufficient_funds",
                "Insufficient funds: top up your credits",
            ),
            Fault::QuotaExceeded => {
                Self::over_budget(Usd(5_100_000_000_000), Usd(5_000_000_000_000))
            }
            Fault::NoCard => kind(
                403,
                "customer_verification_required",
                "A valid credit card on file is required",
            ),
            Fault::Forbidden => forbidden(),
            Fault::UnknownModel => Self::unknown_model(context.model),
            Fault::Timeout => kind(408, "timeout_error", "The request timed out"),
            Fault::Conflict => kind(409, "conflict", "The request conflicts with another one"),
            Fault::TooLarge => Self::too_large(),
            Fault::Dependency => kind(424, "failed_dependency", "A dependency failed"),
            Fault::RateLimited => limited(RetryAfterForm::None, 0),
            Fault::RateLimitedSeconds => limited(RetryAfterForm::Seconds, 1),
            Fault::RateLimitedDate => limited(RetryAfterForm::Date, 2),
            Fault::RateLimitedMillis => {
                limited(RetryAfterForm::None, 0).with("retry-after-ms", "1500")
            }
            Fault::RateLimitedBody => wait_in_body(),
            Fault::RateLimitedLong => limited(RetryAfterForm::Seconds, 3_600),
            Fault::RateLimitedJunk => limited(RetryAfterForm::Junk, 0),
            Fault::RateLimitedFreeTier => free_tier(context),
            Fault::RateLimitedByProvider => provider_limit(),
            Fault::QuotaAs429 => kind(429, "quota_for_entity_exceeded", "Quota exceeded"),
            Fault::ServerError => kind(500, "internal_server_error", "Internal server error"),
            Fault::BadGatewayHtml => Self::html(502, "502 Bad Gateway"),
            Fault::Unavailable => kind(
                503,
                "service_unavailable_error",
                "Backing service unavailable",
            ),
            Fault::Overloaded => overloaded(),
            // A host that never exists (RFC 6761): following the redirect cannot succeed.
            Fault::Redirect => Self::html(307, "Temporary Redirect")
                .with("location", "http://elsewhere.invalid/v1/chat/completions"),
            Fault::HtmlOk => Self::html(200, "Just a moment"),
            _ => return None,
        })
    }
}

/// The values that the bodies of errors repeat.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The requested model id.
    pub model: &'a str,
    /// The id that the answer would have had.
    pub generation_id: &'a str,
    /// Arrival, ms since 1970.
    pub unix_ms: u64,
}

impl Context<'_> {
    fn routing(&self) -> Value {
        let routing = json!({ "originalModelId": self.model, "modelAttemptCount": 1 });
        json!({ "gateway": { "routing": routing, "generationId": self.generation_id } })
    }
}

/// The recorded mismatch of model and route: `param` is an object.
fn type_mismatch(context: &Context<'_>) -> ErrorResponse {
    let message = format!("Model '{}' is not a language model", context.model);
    let param = json!({
        "error": message, "type": "invalid_request_error", "statusCode": 400,
        "name": "ModelTypeMismatchError", "message": message,
    });
    let error = json!({ "message": message, "type": "invalid_request_error", "param": param });
    let body = json!({ "error": error, "providerMetadata": context.routing() });
    ErrorResponse {
        body: body.to_string().into_bytes(),
        ..ErrorResponse::with_error("invalid_request_error", 400, &error)
    }
}

fn forbidden() -> ErrorResponse {
    let error = json!({
        "message": "A routing rule of your team forbids this model",
        "type": "forbidden",
        "param": { "ruleId": "rule_simulated" },
    });
    ErrorResponse::with_error("forbidden", 403, &error)
}

/// The recorded 429 of a free tier: the error once more inside `param`, and routing next to it.
fn free_tier(context: &Context<'_>) -> ErrorResponse {
    let inner = json!({ "message": "Free tier limit reached", "type": "rate_limit_exceeded" });
    let mut error = inner.clone();
    error["param"] = inner;
    let body = json!({
        "error": error,
        "generationId": context.generation_id,
        "providerMetadata": context.routing(),
    });
    ErrorResponse {
        body: body.to_string().into_bytes(),
        ..ErrorResponse::with_error("rate_limit_exceeded", 429, &error)
    }
}

/// A limit whose wait stands in the body, as Google's servers write it.
fn wait_in_body() -> ErrorResponse {
    let details = json!([{
        "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.5s",
    }]);
    let error = json!({
        "code": 429, "status": "RESOURCE_EXHAUSTED", "details": details,
        "message": "You exceeded your current quota, please check your plan and billing details.",
    });
    ErrorResponse::json(429, &json!([{ "error": error }]))
}

/// A provider's own error, passed through.
fn provider_limit() -> ErrorResponse {
    let error = json!({
        "type": "rate_limit_error",
        "message": "Number of request tokens has exceeded your per-minute rate limit",
    });
    ErrorResponse::json(429, &json!({ "type": "error", "error": error }))
}

/// An error in `OpenRouter`'s shape: a numeric code and metadata.
fn overloaded() -> ErrorResponse {
    let metadata = json!({ "error_type": "provider_overloaded" });
    let error = json!({ "code": 529, "message": "Provider overloaded", "metadata": metadata });
    ErrorResponse::with_error("overloaded_error", 529, &error)
}

/// Formats an instant as HTTP does (RFC 9110 section 5.6.7).
fn http_date(unix_seconds: u64) -> String {
    let seconds = i64::try_from(unix_seconds).unwrap_or(0);
    let instant = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    let printer = jiff::fmt::rfc2822::DateTimePrinter::new();
    // Years beyond 9999 cannot be written; no clock shows them.
    printer
        .timestamp_to_rfc9110_string(&instant)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_not_found_body_is_repeated() {
        // The one error body that was recorded completely: clients read the model id from it.
        let refused = ErrorResponse::unknown_model("a/b");
        let body: Value = serde_json::from_slice(&refused.body).unwrap();
        let recorded: Value = serde_json::from_str(
            r#"{"error":{"message":"Model 'a/b' not found","type":"model_not_found","param":{"modelId":"a/b"}}}"#,
        )
        .unwrap();
        assert_eq!((refused.status, body), (404, recorded));
    }

    #[test]
    fn retry_after_has_each_of_its_forms() {
        // A client must parse seconds and dates, and survive the rest.
        let header = |hint| {
            let refused = ErrorResponse::rate_limited(hint, 2, 784_111_775_000);
            let found = refused.headers.into_iter().find(|h| h.0 == "retry-after");
            found.map(|(_, value)| value)
        };
        assert_eq!(header(RetryAfterForm::Seconds).as_deref(), Some("2"));
        let date = header(RetryAfterForm::Date);
        assert_eq!(date.as_deref(), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
        assert_eq!(header(RetryAfterForm::Junk).as_deref(), Some("soon"));
        assert_eq!(header(RetryAfterForm::None), None);
    }
}
