//! Endpoint profiles: where requests go, which variable holds the key, and how requests are worded.

use std::collections::BTreeSet;
use std::path::PathBuf;

use schemars::JsonSchema;

use crate::suite::value::price::OwnPrice;
use crate::units::ModelId;

use super::parameters::TokenLimitName;
use super::rate_limits::RateLimits;
use super::retirement::OwnRetirement;
use super::select::{fits, is_pattern};
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
    /// Further request headers, in order. Values are not secrets: secrets belong in environment variables.
    pub headers: Vec<(String, String)>,
    /// Prices of models that no catalog lists; they take precedence over the catalog's.
    pub prices: Vec<OwnPrice>,
    /// Possible charges in addition to tokens; the first that matches a model applies.
    pub surcharges: Vec<Surcharge>,
    /// Models, as ids or globs, whose route ignores `max_tokens`.
    pub ignoring_max_tokens: Vec<String>,
    /// Retirement dates of its models; the first that matches a model applies, before those of lists.
    pub retirements: Vec<OwnRetirement>,
    /// Rate limits of the endpoint, per minute.
    pub limits: RateLimits,
    /// The wording of its requests.
    pub wording: Wording,
    /// Header that holds the bare key; absent: `authorization: Bearer KEY`.
    pub key_header: Option<String>,
    /// Sent as `?api-version=` with every request (Azure); absent: not sent.
    pub api_version: Option<String>,
    /// PEM file of certificate authorities that are trusted beside the system's. As it is read, a relative path starts at the
    /// project file's folder.
    pub ca_file: Option<PathBuf>,
}

/// The wording of requests, where endpoints differ and their answers do not show it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wording {
    /// The route to which requests are sent.
    pub api: Api,
    /// Name of the token limit for every model, on the chat route; absent: decided by model.
    pub max_tokens_name: Option<TokenLimitName>,
    /// Key of the reasoning effort, on the chat route.
    pub reasoning_name: ReasoningName,
    /// True if `stream_options` is left out on the chat route: strict servers reject it.
    pub omits_stream_options: bool,
}

/// The API routes that requests can use.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, JsonSchema, strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Api {
    /// `/chat/completions`, which most servers have.
    #[default]
    Chat,
    /// `/messages`, Anthropic's.
    Messages,
    /// `/responses`, `OpenAI`'s newer one.
    Responses,
}

impl Profile {
    /// Returns true if the route of this model was declared to ignore `max_tokens`.
    pub fn ignores_max_tokens(&self, model: &ModelId) -> bool {
        let mut patterns = self.ignoring_max_tokens.iter();
        patterns.any(|pattern| pattern == model.as_str() || fits(pattern, model))
    }

    /// The declared prices of each of these models: of the first table of each service tier whose id or glob matches, and of every id
    /// that is no glob.
    pub fn prices_of<'a>(&'a self, models: impl IntoIterator<Item = &'a ModelId>) -> Vec<OwnPrice> {
        let exact = self.prices.iter().map(|price| &price.model);
        let exact = exact.filter(|id| !is_pattern(id.as_str()));
        let models: BTreeSet<&ModelId> = models.into_iter().chain(exact).collect();
        let tiers: BTreeSet<Option<&str>> = self
            .prices
            .iter()
            .map(|price| price.service_tier.as_deref())
            .collect();
        let price_of = |model: &ModelId, tier: Option<&str>| {
            let is_meant =
                |price: &&OwnPrice| price.model == *model || fits(price.model.as_str(), model);
            let mut of_tier = self
                .prices
                .iter()
                .filter(|price| price.service_tier.as_deref() == tier);
            let first = of_tier.find(is_meant)?;
            Some(OwnPrice {
                model: model.clone(),
                ..first.clone()
            })
        };
        let prices = models.into_iter().flat_map(|model| {
            let tiers = tiers.iter();
            tiers.filter_map(move |tier| price_of(model, *tier))
        });
        prices.collect()
    }
}

impl Api {
    /// Every route with its word.
    pub const WORDS: [(&'static str, Self); 3] = [
        ("chat", Self::Chat),
        ("messages", Self::Messages),
        ("responses", Self::Responses),
    ];

    /// Its word.
    pub fn word(self) -> &'static str {
        self.into()
    }
}

/// The key under which the chat route takes the reasoning effort.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, JsonSchema, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
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
    /// Every key with its word.
    pub const WORDS: [(&'static str, Self); 3] = [
        ("reasoning_effort", Self::ReasoningEffort),
        ("reasoning", Self::Reasoning),
        ("chat_template_kwargs", Self::ChatTemplateKwargs),
    ];

    /// Its word.
    pub fn word(self) -> &'static str {
        self.into()
    }
}

/// Name of the embedded simulator's profile.
pub const SIM: &str = "sim";

/// The data of a built-in profile.
pub(in crate::suite) struct BuiltIn {
    pub(in crate::suite) name: &'static str,
    base_url: Option<&'static str>,
    key_variables: &'static [&'static str],
    api: Api,
    key_header: Option<&'static str>,
}

impl BuiltIn {
    /// A profile of the chat route whose key is sent as a bearer token.
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
        // In the order of Vercel's own clients: a key that is set and invalid is not replaced.
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
            ignoring_max_tokens: Vec::new(),
            retirements: Vec::new(),
            limits: RateLimits::default(),
            wording: Wording::default(),
            key_header: None,
            api_version: None,
            ca_file: None,
        }
    }
}
