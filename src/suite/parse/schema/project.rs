//! `bakeoff.toml` as it is written.
//!
//! Owns the documentation of its keys. Must not read anything. Invariant: as of [`super`].

use std::collections::BTreeMap;

use schemars::JsonSchema;

use crate::suite::model::parameters::TokenLimitName;
use crate::suite::model::profile::{Api, ReasoningName};
use crate::suite::value::limits;

use super::{Decimal, OneOrMore};

/// `bakeoff.toml`, the project file of bakeoff: endpoints of your own.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ProjectFile {
    /// Expected cost of a run in USD above which it needs confirmation at a terminal, such as `"$5"`. Default:
    /// 1.
    pub confirm_above: Option<Decimal>,
    /// Spending limits.
    pub budget: Option<BudgetTable>,
    /// Endpoints by name. One that has the name of a built-in one changes it.
    pub endpoints: Option<BTreeMap<String, EndpointTable>>,
}

/// Cost caps of every run. The smallest of these, the suite's and `--max-cost` applies.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct BudgetTable {
    /// The maximum cost of one run in USD, such as `"$0.50"`. Default: no limit.
    pub max_cost_per_run: Option<Decimal>,
    /// The maximum cost of all runs of a day (UTC) together, by their ledger. Default: no limit.
    pub max_cost_per_day: Option<Decimal>,
}

/// An endpoint: where requests go and which variable holds the key. Never the key itself.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct EndpointTable {
    /// Base URL of its OpenAI-compatible API, mostly with `/v1` at the end.
    #[schemars(length(min = 1, max = limits::URL_BYTES), extend("pattern" = "^https?://"))]
    pub base_url: Option<String>,
    /// Environment variable that holds the key, or several of which the first one set wins.
    /// Default: keyless, or as built in.
    pub key: Option<OneOrMore>,
    /// Further request headers. Never secrets.
    pub headers: Option<BTreeMap<String, String>>,
    /// Requests a minute that the endpoint allows.
    #[schemars(range(min = 1, max = limits::REQUESTS_PER_MINUTE))]
    pub requests_per_minute: Option<u32>,
    /// Tokens a minute, prompt and completion, that the endpoint allows.
    #[schemars(range(min = 1, max = limits::TOKENS_PER_MINUTE))]
    pub tokens_per_minute: Option<u64>,
    /// Additional limits of single models, each under `[[endpoints.NAME.limits]]`. The first that matches a
    /// model applies to it.
    #[schemars(length(max = limits::MODEL_LIMITS))]
    pub limits: Option<Vec<LimitTable>>,
    /// Name of the token limit for every model here, on the chat route. Default: decided by model.
    pub max_tokens_name: Option<TokenLimitName>,
    /// The API route to which requests are sent. Default: `chat`, or as built in.
    pub api: Option<Api>,
    /// Key under which the chat route takes the reasoning effort. Default: `reasoning_effort`.
    pub reasoning_name: Option<ReasoningName>,
    /// False for servers that reject `stream_options`, on the chat route; then token counts come only from servers that send
    /// them unrequested. Default: true.
    pub stream_options: Option<bool>,
    /// Header that bears the key alone, such as `api-key` for Azure.
    /// Default: `authorization`, behind `Bearer`; or as built in.
    pub key_header: Option<String>,
    /// Sent as `?api-version=` with every request, for Azure.
    pub api_version: Option<String>,
    /// PEM file of certificate authorities to trust in addition to the system's; a relative path starts at this file's folder.
    /// Default: the system's alone.
    #[schemars(length(min = 1))]
    pub ca_file: Option<String>,
    /// Prices of models that no catalog lists, each under `[[endpoints.NAME.prices]]`.
    #[schemars(length(max = limits::PRICES))]
    pub prices: Option<Vec<PriceTable>>,
    /// Possible charges of requests in addition to tokens, each under `[[endpoints.NAME.surcharges]]`. The
    /// first that matches a model applies to it. Worst cases depend on it.
    #[schemars(length(max = limits::SURCHARGES))]
    pub surcharges: Option<Vec<SurchargeTable>>,
    /// Models, by their id or a glob such as `creator/*`, whose route ignores `max_tokens`. Under a cap their answers count with the most
    /// that the model can write. Default: none.
    #[schemars(length(max = limits::PRICES))]
    pub ignores_max_tokens: Option<Vec<String>>,
    /// The day from which a model is no longer served, such as `"2027-01-14"`, or `"never"`, by its id or a glob
    /// such as `creator/*`. Dates of the endpoint's list and of the program are not used for it. Default: these.
    pub retires: Option<BTreeMap<String, String>>,
}

/// The maximum surcharge of a request to each model that matches, as a number or a string.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SurchargeTable {
    /// The id as the endpoint spells it, or a glob such as `creator/*`.
    #[schemars(length(min = 1, max = limits::PATTERN_BYTES))]
    pub model: String,
    /// USD a request, for everything except tokens and images. Default: refused if the model has such a price.
    pub usd_per_request: Option<Decimal>,
    /// USD an image of the prompt, in place of its tokens. Default: images are refused.
    pub usd_per_image: Option<Decimal>,
}

/// The limits of each model that matches, over all variants that use it.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct LimitTable {
    /// The id as the endpoint spells it, or a glob such as `creator/*`.
    #[schemars(length(min = 1, max = limits::PATTERN_BYTES))]
    pub model: String,
    /// Requests a minute.
    #[schemars(range(min = 1, max = limits::REQUESTS_PER_MINUTE))]
    pub requests_per_minute: Option<u32>,
    /// Tokens a minute, prompt and completion.
    #[schemars(range(min = 1, max = limits::TOKENS_PER_MINUTE))]
    pub tokens_per_minute: Option<u64>,
}

/// The price of a model in USD per million tokens, as a number or a text.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct PriceTable {
    /// The id as the endpoint spells it, or a glob such as `creator/*`; the first that matches a model applies.
    #[schemars(length(min = 1, max = 200))]
    pub model: String,
    /// A million prompt tokens.
    pub input_usd_per_mtok: Decimal,
    /// A million completion tokens.
    pub output_usd_per_mtok: Decimal,
    /// A million prompt tokens read from the prompt cache. Default: as input.
    pub cache_read_usd_per_mtok: Option<Decimal>,
    /// A million prompt tokens written to the prompt cache for its shortest lifetime. Default: as input.
    pub cache_write_usd_per_mtok: Option<Decimal>,
    /// A million prompt tokens written to the prompt cache for an hour. Default: unknown, and such answers have no cost.
    pub cache_write_1h_usd_per_mtok: Option<Decimal>,
    /// A million prompt tokens written to the prompt cache for twelve hours. Default: unknown, and such answers have no cost.
    pub cache_write_12h_usd_per_mtok: Option<Decimal>,
    /// Service tier that has these prices, such as `"flex"`. Default: the standard one.
    #[schemars(length(min = 1, max = limits::ID_CHARS))]
    pub service_tier: Option<String>,
}
