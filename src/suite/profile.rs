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
