//! Endpoint profiles: where requests go, which variable holds the key, and what is known of it.

use crate::units::{ModelId, Usd};

use super::TokenLimitName;

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
    /// Requests a minute that the endpoint allows.
    pub requests_per_minute: Option<u32>,
    /// Tokens a minute, prompt and completion, that the endpoint allows.
    pub tokens_per_minute: Option<u64>,
    /// Name of the token limit for every model of this endpoint; absent: decided by model.
    pub max_tokens_name: Option<TokenLimitName>,
}

/// A price the user declares, USD per token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnPrice {
    /// The id as the endpoint spells it.
    pub model: ModelId,
    /// A prompt token.
    pub input_usd: Usd,
    /// A completion token.
    pub output_usd: Usd,
    /// A prompt token read from the prompt cache; absent: as input.
    pub cache_read_usd: Option<Usd>,
    /// A prompt token written to the prompt cache; absent: as input.
    pub cache_write_usd: Option<Usd>,
}

/// Name of the embedded simulator's profile.
pub const SIM: &str = "sim";

/// What a built-in profile knows.
pub(super) struct BuiltIn {
    pub(super) name: &'static str,
    base_url: Option<&'static str>,
    key_variables: &'static [&'static str],
}

/// Every built-in profile.
pub(super) const BUILT_IN: [BuiltIn; 4] = [
    BuiltIn {
        name: SIM,
        base_url: None,
        key_variables: &[],
    },
    BuiltIn {
        name: "vercel",
        base_url: Some("https://ai-gateway.vercel.sh/v1"),
        // In the order of Vercel's own clients: a key that is set and bad is not replaced.
        key_variables: &["AI_GATEWAY_API_KEY", "VERCEL_OIDC_TOKEN"],
    },
    BuiltIn {
        name: "openrouter",
        base_url: Some("https://openrouter.ai/api/v1"),
        key_variables: &["OPENROUTER_API_KEY"],
    },
    BuiltIn {
        name: "openai",
        base_url: Some("https://api.openai.com/v1"),
        key_variables: &["OPENAI_API_KEY"],
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
            ..Self::bare(built_in.name.to_owned())
        })
    }

    /// The profile of an endpoint that is given by its checked base URL.
    pub(super) fn keyless(base_url: String) -> Self {
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
            requests_per_minute: None,
            tokens_per_minute: None,
            max_tokens_name: None,
        }
    }
}
