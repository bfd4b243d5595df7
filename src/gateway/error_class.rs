//! Causes of errors: the words and phrases by which servers report them.
//!
//! Owns both tables, of which `docs/dialects.md` is a copy. Must not know the shapes of bodies. Invariant: a cause
//! follows from words alone; what the words do not say is left to the status.

use super::finish::plain_word;
use crate::record::{ErrorReport, Outcome};

/// A cause of an error, as far as words prove it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCause {
    /// Too many requests or tokens in some span of time.
    RateLimit,
    /// No balance, or a budget is used up.
    Money,
    /// A key that is missing or wrong.
    Key,
    /// A key that may not do this.
    Permission,
    /// A setting of the account excludes every provider of the model.
    AccountSetting,
    /// A model that does not exist, or no longer.
    Model,
    /// No provider of the model takes a parameter, or the model itself does not.
    Parameter,
    /// A prompt that is longer than the model reads.
    ContextLength,
    /// A policy or a filter blocks the prompt.
    Policy,
    /// The model refused.
    Refusal,
    /// The server, or one behind it, failed.
    Server,
    /// The request is rejected for another reason.
    Request,
}

impl ErrorCause {
    /// The outcome of an attempt that failed for this cause.
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::RateLimit => Outcome::RateLimited,
            Self::Money => Outcome::PaymentRequired,
            Self::Key => Outcome::Unauthorized,
            Self::Permission | Self::AccountSetting => Outcome::Forbidden,
            Self::Model => Outcome::ModelNotFound,
            Self::Parameter | Self::ContextLength | Self::Request => Outcome::Rejected,
            Self::Policy => Outcome::Filtered,
            Self::Refusal => Outcome::Refused,
            Self::Server => Outcome::ServerError,
        }
    }
}

/// A word in the `type` or `code` of an error.
#[derive(Debug, Clone, Copy)]
pub struct ErrorWord {
    /// The word; case and separators do not matter.
    pub word: &'static str,
    /// Its meaning.
    pub cause: ErrorCause,
}

/// A phrase in the message of an error.
#[derive(Debug, Clone, Copy)]
pub struct ErrorPhrase {
    /// Parts in lower case that the message must all contain.
    pub parts: &'static [&'static str],
    /// Its meaning.
    pub cause: ErrorCause,
    /// The vendors or packages that write it.
    pub source: &'static str,
}

const fn word(word: &'static str, cause: ErrorCause) -> ErrorWord {
    ErrorWord { word, cause }
}

const fn phrase(
    parts: &'static [&'static str],
    cause: ErrorCause,
    source: &'static str,
) -> ErrorPhrase {
    ErrorPhrase {
        parts,
        cause,
        source,
    }
}

/// Servers of no particular vendor.
const OTHERS: &str = "unverified";

/// Every word that is known. General ones (`invalid_request_error`, `api_error`) are none of them: they come with
/// statuses that are more specific.
pub const ERROR_WORDS: [ErrorWord; 58] = [
    word("429", ErrorCause::RateLimit),
    word("rate_limit", ErrorCause::RateLimit),
    word("rate_limited", ErrorCause::RateLimit),
    word("rate_limit_error", ErrorCause::RateLimit),
    word("rate_limit_exceeded", ErrorCause::RateLimit),
    word("too_many_requests", ErrorCause::RateLimit),
    word("resource_exhausted", ErrorCause::RateLimit),
    word("throttling_exception", ErrorCause::RateLimit),
    word("base_resp 1002", ErrorCause::RateLimit),
    word("base_resp 1039", ErrorCause::RateLimit),
    word("base_resp 2045", ErrorCause::RateLimit),
    word("insufficient_funds", ErrorCause::Money),
    word("insufficient_quota", ErrorCause::Money),
    word("insufficient_credits", ErrorCause::Money),
    word("insufficient_balance", ErrorCause::Money),
    word("quota_for_entity_exceeded", ErrorCause::Money),
    word("payment_required", ErrorCause::Money),
    word("billing_error", ErrorCause::Money),
    word("billing_hard_limit_reached", ErrorCause::Money),
    word("base_resp 1008", ErrorCause::Money),
    word("authentication_error", ErrorCause::Key),
    word("invalid_api_key", ErrorCause::Key),
    word("api_key_invalid", ErrorCause::Key),
    word("unauthorized", ErrorCause::Key),
    word("unauthenticated", ErrorCause::Key),
    word("base_resp 1004", ErrorCause::Key),
    word("base_resp 2049", ErrorCause::Key),
    word("forbidden", ErrorCause::Permission),
    word("permission_error", ErrorCause::Permission),
    word("permission_denied", ErrorCause::Permission),
    word("customer_verification_required", ErrorCause::Permission),
    word("model_not_found", ErrorCause::Model),
    word("model_decommissioned", ErrorCause::Model),
    word("model_not_exist", ErrorCause::Model),
    word("model_not_available", ErrorCause::Model),
    word("deployment_not_found", ErrorCause::Model),
    word("invalid_model", ErrorCause::Model),
    word("unknown_model", ErrorCause::Model),
    word("unsupported_parameter", ErrorCause::Parameter),
    word("unsupported_value", ErrorCause::Parameter),
    word("context_length_exceeded", ErrorCause::ContextLength),
    word("exceed_context_size_error", ErrorCause::ContextLength),
    word("context_window_exceeded_error", ErrorCause::ContextLength),
    word("content_filter", ErrorCause::Policy),
    word("moderation", ErrorCause::Policy),
    word("prohibited_content", ErrorCause::Policy),
    word("data_inspection_failed", ErrorCause::Policy),
    word("invalid_prompt", ErrorCause::Policy),
    word("base_resp 1026", ErrorCause::Policy),
    word("base_resp 1027", ErrorCause::Policy),
    word("refusal", ErrorCause::Refusal),
    word("failed_dependency", ErrorCause::Request),
    word("internal_server_error", ErrorCause::Server),
    word("service_unavailable_error", ErrorCause::Server),
    word("overloaded_error", ErrorCause::Server),
    word("provider_overloaded", ErrorCause::Server),
    word("provider_unavailable", ErrorCause::Server),
    word("engine_overloaded", ErrorCause::Server),
];

/// Every phrase that is known, in the order in which they are searched: the narrower ones first.
pub const ERROR_PHRASES: [ErrorPhrase; 63] = [
    phrase(
        &["maximum context length"],
        ErrorCause::ContextLength,
        "OpenAI, DeepSeek, OpenRouter, vLLM (recorded body)",
    ),
    phrase(
        &["exceeds the context window"],
        ErrorCause::ContextLength,
        "OpenAI Responses (public clients)",
    ),
    phrase(
        &["prompt is too long"],
        ErrorCause::ContextLength,
        "Anthropic (recorded body)",
    ),
    phrase(
        &["exceed context limit"],
        ErrorCause::ContextLength,
        "Anthropic (litellm 1.110.2)",
    ),
    phrase(
        &["context size"],
        ErrorCause::ContextLength,
        "llama.cpp (recorded body)",
    ),
    phrase(
        &["contextwindowexceedederror"],
        ErrorCause::ContextLength,
        "LiteLLM (recorded body)",
    ),
    phrase(
        &["too many tokens"],
        ErrorCause::ContextLength,
        "Cohere (recorded body)",
    ),
    phrase(
        &["input tokens exceed"],
        ErrorCause::ContextLength,
        "Perplexity (recorded body)",
    ),
    phrase(
        &["input token count", "exceeds"],
        ErrorCause::ContextLength,
        "Gemini (public clients)",
    ),
    phrase(
        &["maximum prompt length"],
        ErrorCause::ContextLength,
        "xAI (pydantic-ai-slim 2.68.0)",
    ),
    phrase(
        &["reduce the length of the messages"],
        ErrorCause::ContextLength,
        "OpenAI, Groq (pydantic-ai-slim 2.68.0)",
    ),
    phrase(
        &["too large for model with", "context length"],
        ErrorCause::ContextLength,
        "Mistral (public clients)",
    ),
    phrase(
        &["input is too long for requested model"],
        ErrorCause::ContextLength,
        "Amazon Bedrock (public clients)",
    ),
    phrase(
        &["exceeds the context length"],
        ErrorCause::ContextLength,
        "Ollama (unverified)",
    ),
    phrase(
        &["context window exceeds limit"],
        ErrorCause::ContextLength,
        "MiniMax (public clients)",
    ),
    phrase(
        &["exceeded model token limit"],
        ErrorCause::ContextLength,
        "Moonshot (public clients)",
    ),
    phrase(
        &["maximum model length"],
        ErrorCause::ContextLength,
        "vLLM (unverified)",
    ),
    phrase(
        &["insufficient balance"],
        ErrorCause::Money,
        "DeepSeek, Moonshot, MiniMax (unverified)",
    ),
    phrase(
        &["insufficient credit"],
        ErrorCause::Money,
        "OpenRouter (openrouter 1.3.84)",
    ),
    phrase(
        &["insufficient funds"],
        ErrorCause::Money,
        "Vercel (unverified)",
    ),
    phrase(
        &["credit balance is too low"],
        ErrorCause::Money,
        "Anthropic (pydantic-ai-slim 2.68.0)",
    ),
    phrase(&["out of credit"], ErrorCause::Money, OTHERS),
    phrase(
        &["requires more credits"],
        ErrorCause::Money,
        "OpenRouter (public clients)",
    ),
    phrase(
        &["purchase", "credits"],
        ErrorCause::Money,
        "OpenRouter, xAI (unverified)",
    ),
    phrase(
        &["used all available credits"],
        ErrorCause::Money,
        "xAI (public clients)",
    ),
    phrase(
        &["spending limit"],
        ErrorCause::Money,
        "xAI, Anthropic (public clients)",
    ),
    phrase(
        &["billing hard limit"],
        ErrorCause::Money,
        "OpenAI (public clients)",
    ),
    phrase(
        &["budget has been exceeded"],
        ErrorCause::Money,
        "LiteLLM (litellm 1.110.2)",
    ),
    phrase(
        &["account is suspended", "billing"],
        ErrorCause::Money,
        "Moonshot (unverified)",
    ),
    phrase(
        &["incorrect api key"],
        ErrorCause::Key,
        "OpenAI, xAI (with 400; recorded body)",
    ),
    phrase(
        &["invalid api key"],
        ErrorCause::Key,
        "Groq, Vercel (pydantic-ai-slim 2.68.0)",
    ),
    phrase(
        &["invalid x-api-key"],
        ErrorCause::Key,
        "Anthropic (unverified)",
    ),
    phrase(
        &["api key not valid"],
        ErrorCause::Key,
        "Gemini (with 400; litellm 1.110.2)",
    ),
    phrase(
        &["api key not found"],
        ErrorCause::Key,
        "Gemini (with 400; unverified)",
    ),
    phrase(
        &["api key expired"],
        ErrorCause::Key,
        "Gemini (with 400; unverified)",
    ),
    phrase(
        &["no endpoints found matching your data policy"],
        ErrorCause::AccountSetting,
        "OpenRouter (with 404; recorded body)",
    ),
    phrase(
        &["no endpoints available matching your guardrail"],
        ErrorCause::AccountSetting,
        "OpenRouter (with 404; unverified)",
    ),
    phrase(
        &["no endpoints found that"],
        ErrorCause::Parameter,
        "OpenRouter (with 404; recorded body)",
    ),
    phrase(
        &["no allowed providers are available"],
        ErrorCause::Parameter,
        "OpenRouter (with 404; public clients)",
    ),
    phrase(
        &["is not supported in this model"],
        ErrorCause::Parameter,
        "OpenAI (with 404; recorded body)",
    ),
    phrase(
        &["is not supported with this model"],
        ErrorCause::Parameter,
        "OpenAI (unverified)",
    ),
    phrase(
        &["is not supported by this model"],
        ErrorCause::Parameter,
        OTHERS,
    ),
    phrase(
        &["model does not support"],
        ErrorCause::Parameter,
        "OpenAI, vLLM (unverified)",
    ),
    phrase(
        &["does not support tools"],
        ErrorCause::Parameter,
        "Ollama (unverified)",
    ),
    phrase(
        &["no endpoints found for"],
        ErrorCause::Model,
        "OpenRouter (with 404; recorded body)",
    ),
    phrase(
        &["is not a valid model id"],
        ErrorCause::Model,
        "OpenRouter (with 400; recorded body)",
    ),
    phrase(
        &["model not found"],
        ErrorCause::Model,
        "xAI (with 400; recorded body)",
    ),
    phrase(
        &["supported api model names"],
        ErrorCause::Model,
        "DeepSeek (with 400; recorded body)",
    ),
    phrase(
        &["model not exist"],
        ErrorCause::Model,
        "DeepSeek (with 400; public clients)",
    ),
    phrase(
        &["model", "decommissioned"],
        ErrorCause::Model,
        "Groq (with 400; recorded body)",
    ),
    phrase(&["model", "has been retired"], ErrorCause::Model, OTHERS),
    phrase(
        &["model", "has been deprecated"],
        ErrorCause::Model,
        "OpenAI (unverified)",
    ),
    phrase(
        &["invalid model name"],
        ErrorCause::Model,
        "LiteLLM (with 400; litellm 1.110.2)",
    ),
    phrase(
        &["invalid model:"],
        ErrorCause::Model,
        "Mistral (with 400; unverified)",
    ),
    phrase(
        &["the model `", "does not exist"],
        ErrorCause::Model,
        "OpenAI, vLLM (litellm 1.110.2)",
    ),
    phrase(&["unknown model"], ErrorCause::Model, OTHERS),
    phrase(
        &["content violates usage guidelines"],
        ErrorCause::Policy,
        "xAI (with 403; public clients)",
    ),
    phrase(
        &["input was flagged"],
        ErrorCause::Policy,
        "OpenRouter (with 403; recorded body)",
    ),
    phrase(
        &["flagged as potentially violating"],
        ErrorCause::Policy,
        "OpenAI (public clients)",
    ),
    phrase(
        &["violat", "usage polic"],
        ErrorCause::Policy,
        "OpenAI (public clients)",
    ),
    phrase(
        &["requires moderation"],
        ErrorCause::Policy,
        "OpenRouter (with 403; unverified)",
    ),
    phrase(
        &["content management policy"],
        ErrorCause::Policy,
        "Azure (unverified)",
    ),
    phrase(
        &["content exists risk"],
        ErrorCause::Policy,
        "DeepSeek (with 400; public clients)",
    ),
];

/// Suffixes of words of policies: `bio_policy`, `cyber_policy`, `image_content_policy_violation`.
const POLICY_SUFFIXES: [&str; 2] = ["policy", "policyviolation"];

/// Words that end like those of policies and mean a setting of the account.
const SETTINGS: [&str; 1] = ["datapolicy"];

/// The cause that a word of an error means.
pub(super) fn cause_of_word(word: &str) -> Option<ErrorCause> {
    let plain = plain_word(word);
    let known = ERROR_WORDS
        .iter()
        .find(|known| plain_word(known.word) == plain);
    if let Some(known) = known {
        return Some(known.cause);
    }
    let ends = |suffix: &&str| plain.ends_with(suffix);
    match POLICY_SUFFIXES.iter().any(ends) {
        true if SETTINGS.contains(&plain.as_str()) => Some(ErrorCause::AccountSetting),
        true => Some(ErrorCause::Policy),
        false => None,
    }
}

/// The cause that the message of an error means.
pub(super) fn cause_of_message(message: &str) -> Option<ErrorCause> {
    let lower = message.to_lowercase();
    let known = ERROR_PHRASES
        .iter()
        .find(|known| known.parts.iter().all(|part| lower.contains(part)));
    known.map(|known| known.cause)
}

/// The cause of an error with these words, this message and this status, if there is one of an error.
///
/// A limit on the rate keeps its status whatever else is said, unless that is about money; a payload that is too
/// large was not read. Otherwise words have precedence over phrases, and both over the status: gateways send the
/// same error with several statuses.
pub(super) fn cause(words: &[String], message: &str, status: Option<u16>) -> Option<ErrorCause> {
    let by_word = words.iter().find_map(|word| cause_of_word(word));
    let by_message = cause_of_message(message);
    match status {
        Some(429) => {
            let by_words = words.iter().filter_map(|word| cause_of_word(word));
            let mut all = by_words.chain(by_message);
            let is_money = all.any(|cause| cause == ErrorCause::Money);
            return Some(if is_money {
                ErrorCause::Money
            } else {
                ErrorCause::RateLimit
            });
        }
        Some(413) => return Some(ErrorCause::ContextLength),
        _ => {}
    }
    let prefers_message = match by_word {
        None => true,
        // A general word beside a sentence that says more.
        Some(ErrorCause::Permission | ErrorCause::Request) => by_message.is_some(),
        Some(ErrorCause::Server | ErrorCause::Key) => by_message == Some(ErrorCause::ContextLength),
        Some(_) => false,
    };
    let by_words = if prefers_message { by_message } else { by_word };
    by_words.or_else(|| status.and_then(|status| cause_of_status(status, message)))
}

/// The cause that the status alone means.
fn cause_of_status(status: u16, message: &str) -> Option<ErrorCause> {
    match status {
        401 => Some(ErrorCause::Key),
        402 => Some(ErrorCause::Money),
        403 => Some(ErrorCause::Permission),
        // A 404 that does not mention the model is a wrong path: the base URL.
        404 if message.to_lowercase().contains("model") => Some(ErrorCause::Model),
        300..=499 => Some(ErrorCause::Request),
        500..=599 => Some(ErrorCause::Server),
        _ => None,
    }
}

/// The cause of an error on record.
pub(super) fn cause_of_report(report: &ErrorReport) -> Option<ErrorCause> {
    let words: Vec<String> = report.kind.iter().cloned().collect();
    cause(&words, &report.message, report.status)
}

#[cfg(test)]
#[path = "error_class_tests.rs"]
mod tests;
