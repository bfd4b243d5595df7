//! Answers that are not completions: every error of the gateway in its recorded shape.
//!
//! Owns statuses, headers and bodies of errors; other vendors' envelopes are `envelope`'s. Must not
//! know why one is chosen. Invariant: the
//! `type` of an error names its kind, and clients are meant to trust it over the status.

use serde_json::{Value, json};

use super::dialect::Dialect;
use super::envelope::{self, Problem};
use super::fault::Fault;
use super::request::Api;
use super::world::RetryAfter;
use crate::units::Usd;

/// An answer with a body that is known at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    /// The HTTP status.
    pub status: u16,
    /// Headers, `content-type` included.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// What it says, where another vendor could say it too; absent: only these very bytes.
    pub problem: Option<Box<Problem>>,
}

impl Refused {
    /// A JSON body.
    pub fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            headers: vec![("content-type", "application/json".to_owned())],
            body: body.to_string().into_bytes(),
            problem: None,
        }
    }

    /// The same trouble with that vendor's words, on that route.
    #[must_use]
    pub fn told(mut self, dialect: Dialect, api: Api) -> Self {
        let own = dialect == Dialect::Vercel && api != Api::Messages;
        if let Some(problem) = self.problem.as_ref().filter(|_| !own) {
            self.body = envelope::body(problem, dialect, api)
                .to_string()
                .into_bytes();
        }
        self
    }

    /// A JSON body, and what it says.
    fn saying(kind: &'static str, status: u16, error: &Value) -> Self {
        let problem = Problem {
            status,
            kind,
            message: error["message"].as_str().unwrap_or_default().to_owned(),
            param: error["param"].clone(),
        };
        Self {
            problem: Some(Box::new(problem)),
            ..Self::json(status, &json!({ "error": error }))
        }
    }

    /// The usual envelope with a type and a sentence.
    fn plain(status: u16, kind: &'static str, message: &str) -> Self {
        Self::saying(kind, status, &json!({ "message": message, "type": kind }))
    }

    /// A page, as proxies and hosting platforms send it.
    pub fn html(status: u16, title: &str) -> Self {
        let page = format!(
            "<!DOCTYPE html>\n<html><head><title>{title}</title></head>\n<body><h1>{title}</h1></body></html>\n"
        );
        Self {
            status,
            headers: vec![("content-type", "text/html; charset=utf-8".to_owned())],
            body: page.into_bytes(),
            problem: None,
        }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// 400: the body is wrong.
    pub fn bad_request(message: &str, param: &str) -> Self {
        let error = json!({
            "message": message, "type": "invalid_request_error", "param": param,
            "code": "invalid_request_error",
        });
        Self::saying("invalid_request_error", 400, &error)
    }

    /// 400: a parameter that this model does not take, as `OpenAI` says it.
    pub fn unsupported(param: &str, instead: &str) -> Self {
        let message = format!(
            "Unsupported parameter: '{param}' is not supported with this model. Use '{instead}' instead."
        );
        let error = json!({
            "message": message, "type": "invalid_request_error", "param": param,
            "code": "unsupported_parameter",
        });
        Self::saying("unsupported_parameter", 400, &error)
    }

    /// 401: no key, or a wrong one.
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
        Self::saying("model_not_found", 404, &error)
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

    /// 429, saying when to come back or not.
    pub fn rate_limited(hint: RetryAfter, seconds: u64, unix_ms: u64) -> Self {
        let refused = Self::plain(429, "rate_limit_exceeded", "Rate limit exceeded");
        match hint {
            RetryAfter::None => refused,
            RetryAfter::Seconds => refused.with("retry-after", seconds.to_string()),
            RetryAfter::Junk => refused.with("retry-after", "soon"),
            RetryAfter::Date => {
                let date = http_date((unix_ms / 1000).saturating_add(seconds));
                refused.with("retry-after", date)
            }
        }
    }

    /// The refusal that a fault stands for; absent for faults of another kind.
    pub fn of(fault: Fault, context: &Context<'_>) -> Option<Self> {
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
            Fault::RateLimited => limited(RetryAfter::None, 0),
            Fault::RateLimitedSeconds => limited(RetryAfter::Seconds, 1),
            Fault::RateLimitedDate => limited(RetryAfter::Date, 2),
            Fault::RateLimitedJunk => limited(RetryAfter::Junk, 0),
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

/// What the bodies of refusals repeat.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The id asked for.
    pub model: &'a str,
    /// The id of the answer that there will not be.
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
fn type_mismatch(context: &Context<'_>) -> Refused {
    let message = format!("Model '{}' is not a language model", context.model);
    let param = json!({
        "error": message, "type": "invalid_request_error", "statusCode": 400,
        "name": "ModelTypeMismatchError", "message": message,
    });
    let error = json!({ "message": message, "type": "invalid_request_error", "param": param });
    let body = json!({ "error": error, "providerMetadata": context.routing() });
    Refused {
        body: body.to_string().into_bytes(),
        ..Refused::saying("invalid_request_error", 400, &error)
    }
}

fn forbidden() -> Refused {
    let error = json!({
        "message": "A routing rule of your team forbids this model",
        "type": "forbidden",
        "param": { "ruleId": "rule_simulated" },
    });
    Refused::saying("forbidden", 403, &error)
}

/// The recorded 429 of a free tier: the error once more inside `param`, and routing beside it.
fn free_tier(context: &Context<'_>) -> Refused {
    let inner = json!({ "message": "Free tier limit reached", "type": "rate_limit_exceeded" });
    let mut error = inner.clone();
    error["param"] = inner;
    let body = json!({
        "error": error,
        "generationId": context.generation_id,
        "providerMetadata": context.routing(),
    });
    Refused {
        body: body.to_string().into_bytes(),
        ..Refused::saying("rate_limit_exceeded", 429, &error)
    }
}

/// A provider's own words, passed through.
fn provider_limit() -> Refused {
    let error = json!({
        "type": "rate_limit_error",
        "message": "Number of request tokens has exceeded your per-minute rate limit",
    });
    Refused::json(429, &json!({ "type": "error", "error": error }))
}

/// `OpenRouter`'s shape: a numeric code and metadata.
fn overloaded() -> Refused {
    let metadata = json!({ "error_type": "provider_overloaded" });
    let error = json!({ "code": 529, "message": "Provider overloaded", "metadata": metadata });
    Refused::saying("overloaded_error", 529, &error)
}

/// An instant as HTTP writes it (RFC 9110 section 5.6.7).
fn http_date(unix_seconds: u64) -> String {
    let seconds = i64::try_from(unix_seconds).unwrap_or(0);
    let instant = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    let printer = jiff::fmt::rfc2822::DateTimePrinter::new();
    // Years beyond 9999 cannot be written; no clock says so.
    printer
        .timestamp_to_rfc9110_string(&instant)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_not_found_body_is_repeated() {
        // The one error body that was recorded whole: clients read the model id out of it.
        let refused = Refused::unknown_model("a/b");
        let body: Value = serde_json::from_slice(&refused.body).unwrap();
        let recorded: Value = serde_json::from_str(
            r#"{"error":{"message":"Model 'a/b' not found","type":"model_not_found","param":{"modelId":"a/b"}}}"#,
        )
        .unwrap();
        assert_eq!((refused.status, body), (404, recorded));
    }

    #[test]
    fn retry_after_speaks_each_of_its_languages() {
        // A client must read seconds and dates, and survive the rest.
        let header = |hint| {
            let refused = Refused::rate_limited(hint, 2, 784_111_775_000);
            let found = refused.headers.into_iter().find(|h| h.0 == "retry-after");
            found.map(|(_, value)| value)
        };
        assert_eq!(header(RetryAfter::Seconds).as_deref(), Some("2"));
        let date = header(RetryAfter::Date);
        assert_eq!(date.as_deref(), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
        assert_eq!(header(RetryAfter::Junk).as_deref(), Some("soon"));
        assert_eq!(header(RetryAfter::None), None);
    }
}
