//! Endpoint profiles: where requests go, which variable holds the key, and what is known of it.

use schemars::JsonSchema;

use crate::suite::value::price::OwnPrice;

use super::rate_limits::RateLimits;
use super::suite::TokenLimitName;
use super::surcharge::Surcharge;

/// A checked endpoint profile, built in or from `bakeoff.toml`. It never holds a key, only the
/// names of the variables that may.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Its name, or the base URL itself for an endpoint given by URL.
    pub name: String,
    /// Base URL without a trailing slash, `/v1` included; absent for the embedded simulator.
    pub base_url: Option<String>,
    /// Environment variables that may hold the key, first found wins; empty: keyless.
    pub key_variables: Vec<String>,
    /// Further request headers, in order. Values are not secrets: secrets belong in variables.
    pub headers: Vec<(String, String)>,
    /// Prices of models that no catalogue knows; they win over the catalogue's.
    pub prices: Vec<OwnPrice>,
    /// What it may bill beside tokens; of two that fit a model the first holds.
    pub surcharges: Vec<Surcharge>,
    /// What the endpoint allows a minute.
    pub limits: RateLimits,
    /// How its requests are worded.
    pub wording: Wording,
    /// Header that bears the bare key; absent: `authorization: Bearer KEY`.
    pub key_header: Option<String>,
    /// Sent as `?api-version=` with every request (Azure); absent: not sent.
    pub api_version: Option<String>,
}

/// How requests to an endpoint are worded, where endpoints differ and their answers do not say it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wording {
    /// The route on which it is asked.
    pub api: Api,
    /// Name of the token limit for every model, on the chat route; absent: decided by model.
    pub max_tokens_name: Option<TokenLimitName>,
    /// How the reasoning effort is said, on the chat route.
    pub reasoning_name: ReasoningName,
}

/// The routes on which a model can be asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Api {
    /// `/chat/completions`, which most servers have.
    #[default]
    Chat,
    /// `/messages`, Anthropic's.
    Messages,
    /// `/responses`, `OpenAI`'s newer one.
    Responses,
}

impl Api {
    /// Every route by its word.
    pub const WORDS: [(&'static str, Self); 3] = [
        ("chat", Self::Chat),
        ("messages", Self::Messages),
        ("responses", Self::Responses),
    ];

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Messages => "messages",
            Self::Responses => "responses",
        }
    }
}

/// The key under which the chat route takes the reasoning effort.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReasoningName {
    /// `reasoning_effort = "low"`.
    #[default]
    ReasoningEffort,
    /// `reasoning = { effort = "low" }`, of gateways.
    Reasoning,
    /// `chat_template_kwargs`, of servers that hand it to the model's own template.
    ChatTemplateKwargs,
}

impl ReasoningName {
    /// Every key by its word.
    pub const WORDS: [(&'static str, Self); 3] = [
        ("reasoning_effort", Self::ReasoningEffort),
        ("reasoning", Self::Reasoning),
        ("chat_template_kwargs", Self::ChatTemplateKwargs),
    ];

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::ReasoningEffort => "reasoning_effort",
            Self::Reasoning => "reasoning",
            Self::ChatTemplateKwargs => "chat_template_kwargs",
        }
    }
}

/// Name of the embedded simulator's profile.
pub const SIM: &str = "sim";

/// What a built-in profile knows.
pub(in crate::suite) struct BuiltIn {
    pub(in crate::suite) name: &'static str,
    base_url: Option<&'static str>,
    key_variables: &'static [&'static str],
    api: Api,
    key_header: Option<&'static str>,
}

impl BuiltIn {
    /// One that is asked on the chat route, its key sent as a bearer.
    const fn chat(
        name: &'static str,
        base_url: Option<&'static str>,
        key_variables: &'static [&'static str],
    ) -> Self {
        Self {
            name,
            base_url,
            key_variables,
            api: Api::Chat,
            key_header: None,
        }
    }
}

/// Every built-in profile.
pub(in crate::suite) const BUILT_IN: [BuiltIn; 5] = [
    BuiltIn::chat(SIM, None, &[]),
    BuiltIn::chat(
        "vercel",
        Some("https://ai-gateway.vercel.sh/v1"),
        // In the order of Vercel's own clients: a key that is set and bad is not replaced.
        &["AI_GATEWAY_API_KEY", "VERCEL_OIDC_TOKEN"],
    ),
    BuiltIn::chat(
        "openrouter",
        Some("https://openrouter.ai/api/v1"),
        &["OPENROUTER_API_KEY"],
    ),
    BuiltIn::chat(
        "openai",
        Some("https://api.openai.com/v1"),
        &["OPENAI_API_KEY"],
    ),
    BuiltIn {
        name: "anthropic",
        base_url: Some("https://api.anthropic.com/v1"),
        key_variables: &["ANTHROPIC_API_KEY"],
        api: Api::Messages,
        key_header: Some("x-api-key"),
    },
];

impl Profile {
    /// The built-in profile of this name.
    pub fn built_in(name: &str) -> Option<Self> {
        let built_in = BUILT_IN.iter().find(|profile| profile.name == name)?;
        let keys = built_in.key_variables.iter();
        Some(Self {
            base_url: built_in.base_url.map(str::to_owned),
            key_variables: keys.map(|&variable| variable.to_owned()).collect(),
            wording: Wording {
                api: built_in.api,
                ..Wording::default()
            },
            key_header: built_in.key_header.map(str::to_owned),
            ..Self::bare(built_in.name.to_owned())
        })
    }

    /// The profile of an endpoint that is given by its checked base URL.
    pub(in crate::suite) fn keyless(base_url: String) -> Self {
        Self {
            base_url: Some(base_url.clone()),
            ..Self::bare(base_url)
        }
    }

    fn bare(name: String) -> Self {
        Self {
            name,
            base_url: None,
            key_variables: Vec::new(),
            headers: Vec::new(),
            prices: Vec::new(),
            surcharges: Vec::new(),
            limits: RateLimits::default(),
            wording: Wording::default(),
            key_header: None,
            api_version: None,
        }
    }
}
