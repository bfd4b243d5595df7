//! What went wrong and what to do about it, in one sentence each, for the person at the terminal.
//!
//! Owns the words. Must not know how they are shown, and looks nothing up: nearest ids and the like
//! are given. Invariant: whatever the outcome, the remedy is something the reader can do now.

use super::fault;
use crate::record::{ErrorReport, Flag, Outcome};
use crate::units::{ModelId, one_line};

/// What is known of a failure.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// How it ended.
    pub outcome: Outcome,
    /// What was told.
    pub error: Option<&'a ErrorReport>,
    /// The answer's flags.
    pub flags: &'a [Flag],
    /// Name of the endpoint's profile.
    pub profile: &'a str,
    /// Where requests went.
    pub base_url: &'a str,
    /// Variables that may hold the key; empty for a keyless endpoint.
    pub key_variables: &'a [String],
    /// The model asked for.
    pub model: &'a ModelId,
    /// Ids that exist and look like it, the nearest first.
    pub nearest: &'a [String],
}

/// One sentence for what happened, one for what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What happened.
    pub what: String,
    /// What to do.
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

/// No variable of the profile holds a key; nothing was sent.
pub fn missing_key(profile: &str, key_variables: &[String]) -> Explanation {
    Explanation::new(
        format!(
            "no key for the endpoint `{profile}`: none was found in {}.",
            either(key_variables)
        ),
        format!(
            "Set {} in the environment or in a `.env` file; `--endpoint sim` needs no key.",
            key_variables.first().map_or("the variable", String::as_str)
        ),
    )
}

/// The explanation of a failure, or of an answer that needs one (an empty answer whose token limit
/// was used up by reasoning); `None` for an answer with nothing wrong.
pub fn explain(situation: &Situation<'_>) -> Option<Explanation> {
    let model = situation.model;
    if situation.flags.contains(&Flag::EatenByReasoning) {
        return Some(Explanation::new(
            format!("`{model}` used up the token limit by reasoning and gave no answer."),
            "Raise `max_tokens`, or lower `reasoning_effort`, for this model.",
        ));
    }
    Some(match situation.outcome {
        // An abandoned request: the run ended it, and says why.
        Outcome::Complete | Outcome::Length | Outcome::Ended | Outcome::Abandoned => return None,
        Outcome::Unauthorized => unauthorized(situation),
        Outcome::PaymentRequired | Outcome::Forbidden | Outcome::RateLimited => {
            allowance(situation)
        }
        Outcome::ModelNotFound => model_not_found(situation),
        Outcome::Rejected => rejected(situation),
        Outcome::ConnectFailed | Outcome::TlsFailed | Outcome::ConnectionLost | Outcome::Cut => {
            connection(situation)
        }
        Outcome::TimedOutConnect
        | Outcome::TimedOutHeaders
        | Outcome::TimedOutGap
        | Outcome::TimedOutTotal => timeout(situation),
        Outcome::ServerError | Outcome::StreamError => server(situation),
        Outcome::ProtocolError | Outcome::TooLarge => protocol(situation),
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

fn unauthorized(situation: &Situation<'_>) -> Explanation {
    let Situation {
        profile,
        base_url,
        key_variables,
        ..
    } = situation;
    if key_variables.is_empty() {
        return Explanation::new(
            format!(
                "{base_url} wants a key, but the endpoint `{profile}` is set up without one{}.",
                words(situation)
            ),
            "Name the variable that holds the key as `key` of this endpoint in `bakeoff.toml`.",
        );
    }
    Explanation::new(
        format!("{base_url} did not accept the key{}.", words(situation)),
        format!(
            "Check the value of {}: a gateway's key is good at the gateway's URL only, a provider's key at the provider's.",
            either(key_variables)
        ),
    )
}

fn allowance(situation: &Situation<'_>) -> Explanation {
    let Situation { profile, model, .. } = situation;
    let kind = situation.error.and_then(|error| error.kind.as_deref());
    let said = words(situation);
    match (situation.outcome, kind) {
        (Outcome::PaymentRequired, Some("quota_for_entity_exceeded")) => Explanation::new(
            format!("a budget at `{profile}` is used up{said}."),
            "Raise the budget, wait for its reset, or use a key with another budget.",
        ),
        (Outcome::PaymentRequired, _) => Explanation::new(
            format!("the account at `{profile}` has no balance left{said}."),
            "Add credit to the account, then run again.",
        ),
        (Outcome::Forbidden, Some("customer_verification_required")) => Explanation::new(
            format!("`{profile}` wants the account verified first{said}."),
            "Add a payment card to the account; until then unknown models are answered this way too.",
        ),
        (Outcome::Forbidden, _) => Explanation::new(
            format!("`{profile}` forbids this key to use `{model}`{said}."),
            "Check the plan, the allowed models and the routing rules of the key's team.",
        ),
        _ => Explanation::new(
            format!("`{profile}` limits the rate of requests to `{model}`{said}."),
            "Lower `concurrency`, or set `requests_per_minute` of this endpoint in `bakeoff.toml`.",
        ),
    }
}

fn model_not_found(situation: &Situation<'_>) -> Explanation {
    let Situation {
        profile,
        model,
        nearest,
        ..
    } = situation;
    let remedy = if nearest.is_empty() {
        format!("Look the id up: `bakeoff models --endpoint {profile}` lists them.")
    } else {
        format!("Did you mean {}?", either(nearest))
    };
    Explanation::new(
        format!(
            "`{profile}` does not know the model `{model}`{}.",
            words(situation)
        ),
        remedy,
    )
}

fn rejected(situation: &Situation<'_>) -> Explanation {
    let Situation {
        base_url, model, ..
    } = situation;
    let said = words(situation);
    match situation.error.and_then(|error| error.status) {
        Some(status @ 300..=399) => Explanation::new(
            format!("{base_url} answered with a redirect (HTTP {status}), which is not followed."),
            "Set the base URL to the place it redirects to.",
        ),
        Some(status @ (404 | 405)) => Explanation::new(
            format!("there is no chat endpoint under {base_url} (HTTP {status}){said}."),
            "Check the base URL: it usually ends in `/v1`.",
        ),
        Some(413) => Explanation::new(
            format!("the request to `{model}` is too large{said}."),
            "Shorten the prompt.",
        ),
        _ => Explanation::new(
            format!("the request to `{model}` was turned down{said}."),
            "Change or remove the parameter it names; a model's own table in the suite may set parameters for it alone.",
        ),
    }
}

fn connection(situation: &Situation<'_>) -> Explanation {
    let Situation {
        base_url, model, ..
    } = situation;
    let said = words(situation);
    match situation.outcome {
        Outcome::ConnectFailed => Explanation::new(
            format!("no connection to {base_url}{said}."),
            "Check the URL, that the server is running, and the network.",
        ),
        Outcome::TlsFailed if said.to_lowercase().contains("certificate") => Explanation::new(
            format!("the certificate of {base_url} is not trusted{said}."),
            "Install the certificate authority's certificate (a company proxy may have its own), and check the clock.",
        ),
        Outcome::TlsFailed => Explanation::new(
            format!("no TLS connection to {base_url}{said}."),
            "If the server speaks plain HTTP, write `http://` in the base URL.",
        ),
        Outcome::ConnectionLost => Explanation::new(
            format!("the connection broke before `{model}` had answered{said}."),
            "Run again; if it persists, ask whether a proxy on the way ends long answers.",
        ),
        _ => Explanation::new(
            format!("the answer of `{model}` stopped in the middle, without a reason for its end."),
            "Run again; if it persists, the provider or a proxy on the way cuts answers off.",
        ),
    }
}

fn timeout(situation: &Situation<'_>) -> Explanation {
    let Situation {
        base_url, model, ..
    } = situation;
    let (what, setting) = match situation.outcome {
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

fn server(situation: &Situation<'_>) -> Explanation {
    let Situation { profile, model, .. } = situation;
    let said = words(situation);
    if situation.outcome == Outcome::StreamError {
        return Explanation::new(
            format!("`{model}` began to answer and then failed{said}."),
            "Run again; if it persists, pin another provider with `provider_options`.",
        );
    }
    let status = situation.error.and_then(|error| error.status);
    let status = status.map_or_else(String::new, |status| format!(" (HTTP {status})"));
    Explanation::new(
        format!("`{profile}` failed to serve `{model}`{status}{said}."),
        "Run again later; if only this model fails, its provider is down.",
    )
}

fn protocol(situation: &Situation<'_>) -> Explanation {
    let Situation {
        base_url, model, ..
    } = situation;
    let said = words(situation);
    if situation.outcome == Outcome::TooLarge {
        return Explanation::new(
            format!("the answer of `{model}` is larger than is read{said}."),
            "Lower `max_tokens`; an answer of this size is more likely a fault of the server.",
        );
    }
    let message = situation.error.map_or("", |error| error.message.as_str());
    if message.starts_with(fault::HTML_PAGE) {
        return Explanation::new(
            format!("{base_url} answered with {}.", one_line(message)),
            "Check the base URL (it usually ends in `/v1`), and whether a proxy or a log-in page stands in between.",
        );
    }
    Explanation::new(
        format!("{base_url} did not answer as a chat endpoint does{said}."),
        "Check that the base URL is that of an OpenAI-compatible endpoint.",
    )
}

/// Most characters of the server's words inside a sentence; the records have them whole.
const QUOTED_CHARS: usize = 200;

/// The server's or the client's own words: `: "…"`, or nothing.
fn words(situation: &Situation<'_>) -> String {
    let message = situation.error.map_or("", |error| error.message.trim());
    let line: Vec<&str> = message.split_whitespace().collect();
    let line = line.join(" ");
    let line = one_line(&line);
    match (line.is_empty(), line.char_indices().nth(QUOTED_CHARS)) {
        (true, _) => String::new(),
        (_, Some((at, _))) => format!(": \"{}…\"", &line[..at]),
        (_, None) => format!(": \"{line}\""),
    }
}

/// `a`, `a` or `b`.
fn either(names: &[String]) -> String {
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

    fn told(outcome: Outcome, error: Option<&ErrorReport>, flags: &[Flag]) -> Option<String> {
        let model = "openai/gpt-5-mni".parse().unwrap();
        let situation = Situation {
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
        explain(&situation)
            .map(|explanation| format!("{}\n{}", explanation.what, explanation.remedy))
    }

    #[test]
    fn every_failure_is_explained_and_no_answer_is() {
        // A failure without a remedy leaves its user alone.
        for outcome in Outcome::ALL {
            let told = told(outcome, None, &[]);
            assert_eq!(told.is_some(), outcome.failure().is_some(), "{outcome:?}");
            if let Some(told) = told {
                assert!(
                    told.lines().all(|line| line.ends_with(['.', '?'])),
                    "{told}"
                );
            }
        }
    }

    #[test]
    fn the_common_failures_read_well() {
        // These sentences are what most users will ever see of a failure.
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
        let told: Vec<String> = cases
            .iter()
            .filter_map(|(outcome, report)| told(*outcome, Some(report), &[]))
            .collect();
        insta::assert_snapshot!(told.join("\n\n"), @r#"
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
    fn eaten_by_reasoning_is_named_with_its_remedy() {
        // An empty answer that ended by length looks like a broken model unless this is said.
        let told = told(Outcome::Length, None, &[Flag::EatenByReasoning]).unwrap();
        assert!(told.contains("max_tokens") && told.contains("reasoning_effort"));
    }

    #[test]
    fn a_missing_key_names_its_variables() {
        // The first thing a new user meets.
        let told = missing_key(
            "vercel",
            &[
                "AI_GATEWAY_API_KEY".to_owned(),
                "VERCEL_OIDC_TOKEN".to_owned(),
            ],
        );
        insta::assert_snapshot!(format!("{}\n{}", told.what, told.remedy), @r"
        no key for the endpoint `vercel`: none was found in `AI_GATEWAY_API_KEY` or `VERCEL_OIDC_TOKEN`.
        Set AI_GATEWAY_API_KEY in the environment or in a `.env` file; `--endpoint sim` needs no key.
        ");
    }
}
