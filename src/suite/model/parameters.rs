//! The parameters of requests.
//!
//! Owns the keys, and how the levels of suite, prompt and variant are merged. Must not know how a request is written. Invariant:
//! an absent key is not sent.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, LazyLock};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use super::cache::{CacheControl, Caching};

/// Request parameters; an absent one is not sent. Three levels are merged: the suite's, then the prompt's, then
/// the variant's (the last one that sets a key wins, key by key).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Parameters {
    /// Maximum number of tokens in the answer, reasoning included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// Name under which `max_tokens` is sent; absent: the endpoint's and model's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens_name: Option<TokenLimitName>,
    /// Sampling temperature, 0 to 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Nucleus sampling, above 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Texts that end the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<Vec<String>>,
    /// Seed of the model's sampling, where the endpoint honours one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Reasoning effort of a reasoning model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<ReasoningEffort>,
    /// Tools that the model may call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<Tool>>,
    /// The form of the answer, as the chat route spells it (`json_schema` ...).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_format: Option<Value>,
    /// Request to the gateway to mark prompts for caches; absent: not sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caching: Option<Caching>,
    /// Cache mark of the system text, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_cache_control: Option<CacheControl>,
    /// Sent as `providerOptions`; merged key by key with the level below.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub provider_options: Map<String, Value>,
    /// Any other key of the request body; merged key by key with the level below.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
}

/// The two names of the token limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenLimitName {
    /// `max_tokens`, the older name, understood by most servers.
    MaxTokens,
    /// `max_completion_tokens`, required by the reasoning models of `OpenAI`.
    MaxCompletionTokens,
}

/// Reasoning effort of a reasoning model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // The words are the wire's own.
pub enum ReasoningEffort {
    None,
    Minimal,
    Low,
    Medium,
    High,
    Xhigh,
    Max,
}

impl TokenLimitName {
    /// Every name by its word.
    pub const WORDS: [(&'static str, Self); 2] = [
        ("max_tokens", Self::MaxTokens),
        ("max_completion_tokens", Self::MaxCompletionTokens),
    ];
}

impl ReasoningEffort {
    /// Every effort by its word.
    pub const WORDS: [(&'static str, Self); 7] = [
        ("none", Self::None),
        ("minimal", Self::Minimal),
        ("low", Self::Low),
        ("medium", Self::Medium),
        ("high", Self::High),
        ("xhigh", Self::Xhigh),
        ("max", Self::Max),
    ];
}

/// Parameters that prompts with the same ones share, such as those of the rows of one file. Changing shared ones copies them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "Parameters")]
pub struct SharedParameters(Arc<Parameters>);

impl From<Parameters> for SharedParameters {
    fn from(parameters: Parameters) -> Self {
        static NONE: LazyLock<Arc<Parameters>> = LazyLock::new(Arc::default);
        if parameters == Parameters::default() {
            return Self(Arc::clone(&NONE));
        }
        Self(Arc::new(parameters))
    }
}

impl Default for SharedParameters {
    fn default() -> Self {
        Parameters::default().into()
    }
}

impl Deref for SharedParameters {
    type Target = Parameters;

    fn deref(&self) -> &Parameters {
        &self.0
    }
}

impl DerefMut for SharedParameters {
    fn deref_mut(&mut self) -> &mut Parameters {
        Arc::make_mut(&mut self.0)
    }
}

impl Serialize for SharedParameters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}

/// A tool that the model may call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// The function's name.
    pub name: String,
    /// Description of the tool, for the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// JSON schema of its arguments.
    pub parameters: Value,
}

impl Parameters {
    /// `self` laid over `below`: what `self` says wins, objects merge key by key at their top.
    #[must_use]
    pub fn over(&self, below: &Self) -> Self {
        let merged = |above: &Map<String, Value>, below: &Map<String, Value>| {
            let mut all = below.clone();
            all.extend(above.clone());
            all
        };
        Self {
            max_tokens: self.max_tokens.or(below.max_tokens),
            max_tokens_name: self.max_tokens_name.or(below.max_tokens_name),
            temperature: self.temperature.or(below.temperature),
            top_p: self.top_p.or(below.top_p),
            stop: self.stop.clone().or_else(|| below.stop.clone()),
            seed: self.seed.or(below.seed),
            reasoning_effort: self.reasoning_effort.or(below.reasoning_effort),
            tools: self.tools.clone().or_else(|| below.tools.clone()),
            response_format: self
                .response_format
                .clone()
                .or_else(|| below.response_format.clone()),
            caching: self.caching.or(below.caching),
            system_cache_control: self.system_cache_control.or(below.system_cache_control),
            provider_options: merged(&self.provider_options, &below.provider_options),
            extra: merged(&self.extra, &below.extra),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_parameters_are_copied_when_they_change() {
        // Prompts without parameters of their own share none; a change of one prompt's is not another's.
        let read = |text: &str| -> SharedParameters { serde_json::from_str(text).unwrap() };
        let (mut one, other) = (read("{}"), SharedParameters::default());
        assert!(Arc::ptr_eq(&one.0, &other.0));
        one.max_tokens = Some(5);
        assert_eq!((one.max_tokens, other.max_tokens), (Some(5), None));
        assert_eq!(serde_json::to_string(&one).unwrap(), r#"{"max_tokens":5}"#);
    }
}
