//! Failures and their remedies in one sentence each, for the user at the terminal.
//!
//! Owns the words. Must not know how they are shown, and looks nothing up: nearest ids and the like are
//! arguments. Invariant: whatever the outcome, the remedy is something that the reader can do now.

use super::error_class::{ErrorCause, cause_of_report};
use super::waits::HONOURED_WAIT_MAX;
use super::{fault, proxy_page, tls_fault};
use crate::record::{ErrorReport, Flag, Outcome};
use crate::units::{ModelId, Nanos, one_line};

/// The facts known about a failure.
#[derive(Debug, Clone, Copy)]
pub struct FailureContext<'a> {
    /// The outcome.
    pub outcome: Outcome,
    /// The reported error.
    pub error: Option<&'a ErrorReport>,
    /// The answer's flags.
    pub flags: &'a [Flag],
    /// Name of the endpoint's profile.
    pub profile: &'a str,
    /// The base URL of the requests.
    pub base_url: &'a str,
    /// Variables that may hold the key; empty for a keyless endpoint.
    pub key_variables: &'a [String],
    /// The requested model.
    pub model: &'a ModelId,
    /// Existing ids similar to it, nearest first.
    pub nearest: &'a [String],
    /// True if another model of the endpoint answered.
    pub others_answer: bool,
    /// The wait that the server demanded at last.
    pub retry_after: Option<Nanos>,
}

impl FailureContext<'_> {
    fn cause(&self) -> Option<ErrorCause> {
        self.error.and_then(cause_of_report)
    }

    fn status(&self) -> Option<u16> {
        self.error.and_then(|error| error.status)
    }
}

/// One sentence for the failure, one for the remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The failure.
    pub what: String,
    /// The remedy.
    pub remedy: String,
}

impl Explanation {
    fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            remedy: remedy.into(),
        }
    }
}

/// The explanation where no variable of the profile holds a key; nothing was sent.
pub fn missing_key(profile: &str, key_variables: &[String]) -> Explanation {
    Explanation::new(
        format!(
            "no key for the endpoint `{profile}`: none was found in {}.",
            join_or(key_variables)
        ),
        format!(
            "Set {} in the environment or in a `.env` file; `--endpoint sim` needs no key.",
            key_variables.first().map_or("the variable", String::as_str)
        ),
    )
}

/// The explanation of a failure, or of an answer that needs one (an empty answer whose token limit
/// was used up by reasoning); `None` for an answer with nothing wrong.
pub fn explain(context: &FailureContext<'_>) -> Option<Explanation> {
    let model = context.model;
    if context.flags.contains(&Flag::TruncatedInReasoning) {
        return Some(Explanation::new(
            format!("`{model}` used its whole token limit for reasoning and gave no answer."),
            "Raise `max_tokens`, or lower `reasoning_effort`, for this model.",
        ));
    }
    Some(match context.outcome {
        // An abandoned request: the run ended it, and reports the reason itself.
        Outcome::Complete | Outcome::Length | Outcome::Ended | Outcome::Abandoned => return None,
        Outcome::Unauthorized => unauthorized(context),
        Outcome::PaymentRequired | Outcome::Forbidden | Outcome::RateLimited => allowance(context),
        Outcome::ModelNotFound => model_not_found(context),
        Outcome::Rejected => rejected(context),
        Outcome::ConnectFailed | Outcome::TlsFailed | Outcome::ConnectionLost | Outcome::Cut => {
            connection(context)
        }
        Outcome::TimedOutConnect
        | Outcome::TimedOutHeaders
        | Outcome::TimedOutGap
        | Outcome::TimedOutTotal => timeout(context),
        Outcome::ServerError | Outcome::StreamError => server(context),
        Outcome::Incomplete => Explanation::new(
            format!(
                "`{model}` stopped before its answer was whole{}.",
                quoted_message(context)
            ),
            "Read what the server's documents say of this finish reason; such answers count as failures.",
        ),
        // Without the model: one line for each word and any model.
        Outcome::UnknownFinish => Explanation::new(
            format!("a finish reason is not known{}.", quoted_message(context)),
            "Such answers count as failures. Report the word to bakeoff, so that its table gets it.",
        ),
        Outcome::Empty => Explanation::new(
            format!(
                "`{model}` answered with nothing{}.",
                quoted_message(context)
            ),
            "Look into the server's log: it may have lost an error. If the tokens were hidden reasoning, raise `max_tokens`.",
        ),
        Outcome::ProtocolError | Outcome::TooLarge => protocol(context),
        Outcome::Refused => Explanation::new(
            format!("`{model}` refused to answer."),
            "Read the refusal in `samples.jsonl`; reword the prompt if it should be answered.",
        ),
        Outcome::Filtered => Explanation::new(
            format!(
                "a content filter stopped the answer of `{model}`{}.",
                quoted_message(context)
            ),
            "Reword the prompt, or use another provider, whose filter may differ.",
        ),
    })
}

fn unauthorized(context: &FailureContext<'_>) -> Explanation {
    let FailureContext {
        profile,
        base_url,
        key_variables,
        ..
    } = context;
    if key_variables.is_empty() {
        return Explanation::new(
            format!(
                "{base_url} requires a key, but the endpoint `{profile}` is configured without one{}.",
                quoted_message(context)
            ),
            "Name the variable that holds the key as `key` of this endpoint in `bakeoff.toml`.",
        );
    }
    Explanation::new(
        format!(
            "{base_url} did not accept the key{}.",
            quoted_message(context)
        ),
        format!(
            "Check the value of {}: a gateway's key works at the gateway's URL only, a provider's key at the provider's.",
            join_or(key_variables)
        ),
    )
}

fn allowance(context: &FailureContext<'_>) -> Explanation {
    let FailureContext { profile, model, .. } = context;
    let kind = context.error.and_then(|error| error.kind.as_deref());
    let quoted = quoted_message(context);
    match (context.outcome, kind) {
        (Outcome::PaymentRequired, Some("quota_for_entity_exceeded")) => Explanation::new(
            format!("a budget at `{profile}` is used up{quoted}."),
            "Raise the budget, wait for its reset, or use a key with another budget.",
        ),
        (Outcome::PaymentRequired, _) => Explanation::new(
            format!("the account at `{profile}` has no balance left{quoted}."),
            "Add credit to the account, then run again.",
        ),
        (Outcome::Forbidden, Some("customer_verification_required")) => Explanation::new(
            format!("`{profile}` requires a verified account{quoted}."),
            "Add a payment card to the account; until then unknown models get the same answer.",
        ),
        (Outcome::Forbidden, _) if context.cause() == Some(ErrorCause::AccountSetting) => {
            Explanation::new(
                format!(
                    "a setting of the account at `{profile}` excludes every provider of `{model}`{quoted}."
                ),
                "Change the setting that the message names, or choose another model.",
            )
        }
        (Outcome::Forbidden, _) => Explanation::new(
            format!("`{profile}` does not allow this key to use `{model}`{quoted}."),
            "Check the plan, the allowed models and the routing rules of the key's team.",
        ),
        _ if context.retry_after > Some(HONOURED_WAIT_MAX) => {
            let wait = context.retry_after.unwrap_or_default();
            Explanation::new(
                format!(
                    "`{profile}` limits the rate of requests to `{model}` and demands a wait of {wait}{quoted}."
                ),
                format!(
                    "Run again after that wait: more than {HONOURED_WAIT_MAX} is not waited for."
                ),
            )
        }
        _ => Explanation::new(
            format!("`{profile}` limits the rate of requests to `{model}`{quoted}."),
            "Lower `concurrency`, or set `requests_per_minute` of this endpoint in `bakeoff.toml`.",
        ),
    }
}

fn model_not_found(context: &FailureContext<'_>) -> Explanation {
    let FailureContext {
        profile,
        model,
        nearest,
        ..
    } = context;
    let others: Vec<String> = (nearest.iter())
        .filter(|id| !id.eq_ignore_ascii_case(model.as_str()))
        .cloned()
        .collect();
    let is_listed = others.len() < nearest.len();
    let remedy = match (is_listed, others.is_empty()) {
        (true, true) => {
            "The list of models has this id, but no provider serves it now: choose another model."
                .to_owned()
        }
        (true, false) => format!(
            "The list of models has this id, but no provider serves it now. Near ids are {}.",
            join_or(&others)
        ),
        (false, true) => {
            format!("To see the ids: `bakeoff models --endpoint {profile}`.")
        }
        (false, false) => format!("Did you mean {}?", join_or(&others)),
    };
    Explanation::new(
        format!(
            "`{profile}` does not know the model `{model}`{}.",
            quoted_message(context)
        ),
        remedy,
    )
}

fn rejected(context: &FailureContext<'_>) -> Explanation {
    let FailureContext {
        base_url, model, ..
    } = context;
    let quoted = quoted_message(context);
    match context.cause() {
        Some(ErrorCause::ContextLength) => {
            return Explanation::new(
                format!("the request to `{model}` is longer than it can read{quoted}."),
                "Shorten the prompt, or choose a model with a longer context.",
            );
        }
        Some(ErrorCause::Parameter) => {
            return Explanation::new(
                format!("no provider of `{model}` takes a parameter of the request{quoted}."),
                "Leave out the parameter that the message names (in the model's own table of the suite, for it alone), or choose another model.",
            );
        }
        _ => {}
    }
    match context.status() {
        Some(status @ 300..=399) => Explanation::new(
            format!("{base_url} answered with a redirect (HTTP {status}), which is not followed."),
            "Set the base URL to the redirect's target.",
        ),
        Some(404) if context.others_answer => Explanation::new(
            format!("`{model}` has no endpoint under {base_url} (HTTP 404){quoted}."),
            "Other models answer there, so the base URL is right: check this model's id and parameters.",
        ),
        Some(status @ (404 | 405)) => Explanation::new(
            format!("there is no chat endpoint under {base_url} (HTTP {status}){quoted}."),
            "Check the base URL: it usually ends in `/v1`.",
        ),
        Some(413) => Explanation::new(
            format!("the request to `{model}` is too large{quoted}."),
            "Shorten the prompt.",
        ),
        // The suite cannot take this key away: it is ours.
        _ if quoted.contains("stream_options") => Explanation::new(
            format!("the request to `{model}` was rejected{quoted}."),
            "Set `stream_options = false` for the endpoint in bakeoff.toml.",
        ),
        _ => Explanation::new(
            format!("the request to `{model}` was rejected{quoted}."),
            "Change or remove the parameter it names; a model's own table in the suite may set parameters for it alone.",
        ),
    }
}

fn connection(context: &FailureContext<'_>) -> Explanation {
    let FailureContext {
        base_url, model, ..
    } = context;
    let quoted = quoted_message(context);
    match context.outcome {
        Outcome::ConnectFailed => Explanation::new(
            format!("no connection to {base_url}{quoted}."),
            "Check the URL, that the server is running, and the network.",
        ),
        Outcome::TlsFailed if quoted.to_lowercase().contains("certificate") => Explanation::new(
            format!("the certificate of {base_url} is not trusted{quoted}."),
            tls_fault::remedy(&quoted),
        ),
        Outcome::TlsFailed => Explanation::new(
            format!("no TLS connection to {base_url}{quoted}."),
            tls_fault::remedy(&quoted),
        ),
        Outcome::ConnectionLost => Explanation::new(
            format!("the connection broke before `{model}` answered{quoted}."),
            "Run again; if it persists, check whether a proxy between ends long answers.",
        ),
        _ => Explanation::new(
            format!("the answer of `{model}` stopped in the middle, without a reason for its end."),
            "Run again; if it persists, the provider or a proxy between cuts answers off.",
        ),
    }
}

fn timeout(context: &FailureContext<'_>) -> Explanation {
    let FailureContext {
        base_url, model, ..
    } = context;
    let (what, setting) = match context.outcome {
        Outcome::TimedOutConnect => (format!("no connection to {base_url} in time"), "connect"),
        Outcome::TimedOutHeaders => (
            format!("`{model}` did not begin to answer in time"),
            "headers",
        ),
        Outcome::TimedOutGap => (
            format!("`{model}` stopped sending in the middle of its answer"),
            "gap",
        ),
        _ => (
            format!("`{model}` did not finish its answer in time"),
            "total",
        ),
    };
    Explanation::new(
        format!("{what}."),
        format!("To wait longer, raise `timeouts.{setting}` in the suite."),
    )
}

fn server(context: &FailureContext<'_>) -> Explanation {
    let FailureContext { profile, model, .. } = context;
    let quoted = quoted_message(context);
    let message = context.error.map_or("", |error| error.message.as_str());
    if let Some(proxy) = proxy_page::of_message(message) {
        return explain_proxy_page(context, proxy);
    }
    if context.outcome == Outcome::StreamError {
        return Explanation::new(
            format!("`{model}` began to answer and then failed{quoted}."),
            "Run again; if it persists, pin another provider with `provider_options`.",
        );
    }
    let status = context.status();
    let status = status.map_or_else(String::new, |status| format!(" (HTTP {status})"));
    Explanation::new(
        format!("`{profile}` failed to serve `{model}`{status}{quoted}."),
        "Run again later; if only this model fails, its provider is down.",
    )
}

/// The explanation of an error page that a proxy wrote in place of the endpoint.
fn explain_proxy_page(context: &FailureContext<'_>, proxy: &proxy_page::PageProxy) -> Explanation {
    let FailureContext { profile, .. } = context;
    let status = context.status().unwrap_or_default();
    let name = proxy.name;
    let is_timeout = matches!(status, 408 | 504 | 522 | 524);
    match proxy.timeout {
        Some(setting) if is_timeout => Explanation::new(
            format!(
                "the proxy {name} in front of `{profile}` gave up waiting for an answer (HTTP {status})."
            ),
            format!("Raise its time-out (`{setting}`), or ask who runs it."),
        ),
        _ if is_timeout => Explanation::new(
            format!(
                "the proxy {name} in front of `{profile}` gave up waiting for an answer (HTTP {status})."
            ),
            "Ask who runs it: its time-out is shorter than this answer takes.",
        ),
        _ => Explanation::new(
            format!(
                "the proxy {name} in front of `{profile}` got no answer from it (HTTP {status})."
            ),
            "Run again later; if it persists, ask who runs the proxy, not the model's provider.",
        ),
    }
}

fn protocol(context: &FailureContext<'_>) -> Explanation {
    let FailureContext {
        base_url, model, ..
    } = context;
    let quoted = quoted_message(context);
    if context.outcome == Outcome::TooLarge {
        return Explanation::new(
            format!("the answer of `{model}` is too large to be read{quoted}."),
            "Lower `max_tokens`; an answer of this size is probably a server fault.",
        );
    }
    let message = context.error.map_or("", |error| error.message.as_str());
    if message.starts_with(fault::HTML_PAGE) {
        return Explanation::new(
            format!("{base_url} answered with {}.", one_line(message)),
            "Check the base URL (it usually ends in `/v1`), and whether a proxy or a log-in page answers in its place.",
        );
    }
    Explanation::new(
        format!("{base_url} did not answer like a chat endpoint{quoted}."),
        "Check that the base URL is that of an OpenAI-compatible endpoint.",
    )
}

/// Most characters of the server's message inside a sentence; the records have all of it.
const QUOTED_CHARS: usize = 200;

/// The message of the server or the client, `: "…"`, or an empty string.
fn quoted_message(context: &FailureContext<'_>) -> String {
    let message = context.error.map_or("", |error| error.message.trim());
    let line: Vec<&str> = message.split_whitespace().collect();
    let line = line.join(" ");
    let line = one_line(&line);
    match (line.is_empty(), line.char_indices().nth(QUOTED_CHARS)) {
        (true, _) => String::new(),
        (_, Some((at, _))) => format!(": \"{}…\"", &line[..at]),
        (_, None) => format!(": \"{line}\""),
    }
}

/// `a`, or `a` or `b`.
fn join_or(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(" or ")
}

#[cfg(test)]
#[path = "explain_tests.rs"]
mod tests;
