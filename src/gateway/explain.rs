//! Failures and their remedies in one sentence each, for the user at the terminal.
//!
//! Owns the words. Must not know how they are shown, and looks nothing up: nearest ids and the like are
//! arguments. Invariant: whatever the outcome, the remedy is something that the reader can do now.

use super::fault;
use crate::record::{ErrorReport, Flag, Outcome};
use crate::units::{ModelId, one_line};

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
    if context.flags.contains(&Flag::EatenByReasoning) {
        return Some(Explanation::new(
            format!("`{model}` used up the token limit by reasoning and gave no answer."),
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
        Outcome::ProtocolError | Outcome::TooLarge => protocol(context),
        Outcome::Refused => Explanation::new(
            format!("`{model}` refused to answer."),
            "Read the refusal in `samples.jsonl`; reword the prompt if it should be answered.",
        ),
        Outcome::Filtered => Explanation::new(
            format!("a content filter stopped the answer of `{model}`."),
            "Reword the prompt, or ask another provider, whose filter may differ.",
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
                "{base_url} wants a key, but the endpoint `{profile}` is set up without one{}.",
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
            "Check the value of {}: a gateway's key is good at the gateway's URL only, a provider's key at the provider's.",
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
            format!("`{profile}` wants the account verified first{quoted}."),
            "Add a payment card to the account; until then unknown models are answered this way too.",
        ),
        (Outcome::Forbidden, _) => Explanation::new(
            format!("`{profile}` forbids this key to use `{model}`{quoted}."),
            "Check the plan, the allowed models and the routing rules of the key's team.",
        ),
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
    let remedy = if nearest.is_empty() {
        format!("Look the id up: `bakeoff models --endpoint {profile}` lists them.")
    } else {
        format!("Did you mean {}?", join_or(nearest))
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
    match context.error.and_then(|error| error.status) {
        Some(status @ 300..=399) => Explanation::new(
            format!("{base_url} answered with a redirect (HTTP {status}), which is not followed."),
            "Set the base URL to the place it redirects to.",
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
            format!("the request to `{model}` was turned down{quoted}."),
            "Set `stream_options = false` for the endpoint in bakeoff.toml.",
        ),
        _ => Explanation::new(
            format!("the request to `{model}` was turned down{quoted}."),
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
            "Install the certificate authority's certificate (a company proxy may have its own), and check the clock.",
        ),
        Outcome::TlsFailed => Explanation::new(
            format!("no TLS connection to {base_url}{quoted}."),
            "If the server speaks plain HTTP, write `http://` in the base URL.",
        ),
        Outcome::ConnectionLost => Explanation::new(
            format!("the connection broke before `{model}` had answered{quoted}."),
            "Run again; if it persists, ask whether a proxy on the way ends long answers.",
        ),
        _ => Explanation::new(
            format!("the answer of `{model}` stopped in the middle, without a reason for its end."),
            "Run again; if it persists, the provider or a proxy on the way cuts answers off.",
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
            format!("`{model}` fell silent in the middle of its answer"),
            "gap",
        ),
        _ => (
            format!("`{model}` did not finish its answer in time"),
            "total",
        ),
    };
    Explanation::new(
        format!("{what}."),
        format!("If it deserves more patience, raise `{setting}` in `[timeouts]` of the suite."),
    )
}

fn server(context: &FailureContext<'_>) -> Explanation {
    let FailureContext { profile, model, .. } = context;
    let quoted = quoted_message(context);
    if context.outcome == Outcome::StreamError {
        return Explanation::new(
            format!("`{model}` began to answer and then failed{quoted}."),
            "Run again; if it persists, pin another provider with `provider_options`.",
        );
    }
    let status = context.error.and_then(|error| error.status);
    let status = status.map_or_else(String::new, |status| format!(" (HTTP {status})"));
    Explanation::new(
        format!("`{profile}` failed to serve `{model}`{status}{quoted}."),
        "Run again later; if only this model fails, its provider is down.",
    )
}

fn protocol(context: &FailureContext<'_>) -> Explanation {
    let FailureContext {
        base_url, model, ..
    } = context;
    let quoted = quoted_message(context);
    if context.outcome == Outcome::TooLarge {
        return Explanation::new(
            format!("the answer of `{model}` is larger than is read{quoted}."),
            "Lower `max_tokens`; an answer of this size is more likely a fault of the server.",
        );
    }
    let message = context.error.map_or("", |error| error.message.as_str());
    if message.starts_with(fault::HTML_PAGE) {
        return Explanation::new(
            format!("{base_url} answered with {}.", one_line(message)),
            "Check the base URL (it usually ends in `/v1`), and whether a proxy or a log-in page stands in between.",
        );
    }
    Explanation::new(
        format!("{base_url} did not answer as a chat endpoint does{quoted}."),
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
mod tests {
    use super::*;

    fn report(status: Option<u16>, kind: &str, message: &str) -> ErrorReport {
        ErrorReport {
            status,
            kind: Some(kind.to_owned()).filter(|kind| !kind.is_empty()),
            message: message.to_owned(),
        }
    }

    fn explain_outcome(
        outcome: Outcome,
        error: Option<&ErrorReport>,
        flags: &[Flag],
    ) -> Option<String> {
        let model = "openai/gpt-5-mni".parse().unwrap();
        let context = FailureContext {
            outcome,
            error,
            flags,
            profile: "vercel",
            base_url: "https://ai-gateway.vercel.sh/v1",
            key_variables: &[
                "AI_GATEWAY_API_KEY".to_owned(),
                "VERCEL_OIDC_TOKEN".to_owned(),
            ],
            model: &model,
            nearest: &[
                "openai/gpt-5-mini".to_owned(),
                "openai/gpt-5-nano".to_owned(),
            ],
        };
        explain(&context).map(|explanation| format!("{}\n{}", explanation.what, explanation.remedy))
    }

    #[test]
    fn every_failure_is_explained_and_no_answer_is() {
        // A failure without a remedy does not help its user.
        for outcome in Outcome::ALL {
            let text = explain_outcome(outcome, None, &[]);
            assert_eq!(text.is_some(), outcome.failure().is_some(), "{outcome:?}");
            if let Some(text) = text {
                assert!(
                    text.lines().all(|line| line.ends_with(['.', '?'])),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn the_common_failures_read_well() {
        // These sentences are all that most users will ever see of a failure.
        let cases = [
            (
                Outcome::Unauthorized,
                report(Some(401), "authentication_error", "Invalid API key"),
            ),
            (
                Outcome::ModelNotFound,
                report(
                    Some(404),
                    "model_not_found",
                    "Model 'openai/gpt-5-mni' not found",
                ),
            ),
            (
                Outcome::ProtocolError,
                report(Some(200), "", "an HTML page titled \"Log in\""),
            ),
            (
                Outcome::ConnectFailed,
                report(None, "", "connection refused"),
            ),
            (Outcome::TimedOutGap, report(None, "", "")),
        ];
        let text: Vec<String> = cases
            .iter()
            .filter_map(|(outcome, report)| explain_outcome(*outcome, Some(report), &[]))
            .collect();
        insta::assert_snapshot!(text.join("\n\n"), @r#"
        https://ai-gateway.vercel.sh/v1 did not accept the key: "Invalid API key".
        Check the value of `AI_GATEWAY_API_KEY` or `VERCEL_OIDC_TOKEN`: a gateway's key is good at the gateway's URL only, a provider's key at the provider's.

        `vercel` does not know the model `openai/gpt-5-mni`: "Model 'openai/gpt-5-mni' not found".
        Did you mean `openai/gpt-5-mini` or `openai/gpt-5-nano`?

        https://ai-gateway.vercel.sh/v1 answered with an HTML page titled "Log in".
        Check the base URL (it usually ends in `/v1`), and whether a proxy or a log-in page stands in between.

        no connection to https://ai-gateway.vercel.sh/v1: "connection refused".
        Check the URL, that the server is running, and the network.

        `openai/gpt-5-mni` fell silent in the middle of its answer.
        If it deserves more patience, raise `gap` in `[timeouts]` of the suite.
        "#);
    }

    #[test]
    fn a_limit_used_up_by_reasoning_has_a_remedy() {
        // An empty answer that ended by length looks like a broken model without this explanation.
        let text = explain_outcome(Outcome::Length, None, &[Flag::EatenByReasoning]).unwrap();
        assert!(text.contains("max_tokens") && text.contains("reasoning_effort"));
    }

    #[test]
    fn a_missing_key_names_its_variables() {
        // The first error that a new user meets.
        let text = missing_key(
            "vercel",
            &[
                "AI_GATEWAY_API_KEY".to_owned(),
                "VERCEL_OIDC_TOKEN".to_owned(),
            ],
        );
        insta::assert_snapshot!(format!("{}\n{}", text.what, text.remedy), @r"
        no key for the endpoint `vercel`: none was found in `AI_GATEWAY_API_KEY` or `VERCEL_OIDC_TOKEN`.
        Set AI_GATEWAY_API_KEY in the environment or in a `.env` file; `--endpoint sim` needs no key.
        ");
    }
}
