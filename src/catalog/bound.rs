//! The maximum cost of one request: the basis of caps and worst cases.
//!
//! Owns the bound. Must not know its callers, nor how often a request is sent. Invariant: under the declared
//! prices, surcharges and token limit no bill of one attempt is above its bound; a missing bound
//! names the missing declaration, and never counts as 0.

use serde_json::{Map, Value as Json};

use crate::suite::{Message, Parameters, Surcharge};
use crate::units::{ModelId, Usd};

use super::price::{Rates, TokenCounts, cost};
use super::pricing::{IMAGE, Treatment};
use super::tokens::max_text_tokens;
use super::{Catalog, Offers, TokenPrices};

/// The key by which a body states the lifetime of a cache. Inside a string the quotes would be escaped.
const LIFETIME: &[u8] = br#""ttl":"#;
/// The shortest lifetime, whose price is the list's `input_cache_write`.
const SHORT_LIFETIME: &[u8] = br#""5m""#;
/// A token written to a longer-lived cache, in halves of the input price, where no list has a price for it: 2.5 is the highest
/// factor of any maker (12 hours of `OpenAI`'s gpt-6 family, by `LiteLLM`'s price table of November 2026; Anthropic's hour costs 2).
const UNLISTED_WRITE_HALF_INPUTS: u64 = 5;
/// A surcharge that stands in an example, if no list has a price.
const EXAMPLE_SURCHARGE: Usd = Usd(Usd::PICO / 100);
/// Keys of `extra` by which a request can cost more than its model's tokens.
const COSTLY_EXTRA: [&str; 6] = ["audio", "best_of", "modalities", "models", "n", "plugins"];
/// Keys that do so at any depth of `extra` or `provider_options`, in lower case without `_`: tiers and
/// regions that cost more, and tools that the provider runs.
const COSTLY_ANYWHERE: [&str; 7] = [
    "codeexecution",
    "container",
    "inferencegeo",
    "mcpservers",
    "servicetier",
    "speed",
    "tools",
];
/// Parts of keys that request a search, at any depth: `web_search_options`, `searchParameters`, `useSearchGrounding`.
const SEARCHES: [&str; 2] = ["search", "grounding"];
/// Keys that do so within `provider_options.gateway`.
const COSTLY_GATEWAY: [&str; 8] = [
    "disallowPromptTraining",
    "models",
    "only",
    "quotaEntityId",
    "serviceTier",
    "tags",
    "user",
    "zeroDataRetention",
];

/// The highest prices of one model's tokens, with surcharges.
#[derive(Debug, Clone, PartialEq)]
pub struct PriceBound {
    model: ModelId,
    /// Prices of every endpoint and region that may answer; at least one.
    lists: Vec<TokenPrices>,
    per_request: Option<Usd>,
    per_image: Option<Usd>,
    /// The highest listed price of a prompt token written to a cache of a stated lifetime.
    long_write: Option<Usd>,
    /// The highest price of an image in any list, input or output.
    listed_image: Option<Usd>,
}

/// One request as it would be sent.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Its body, JSON without spaces between tokens, as `gateway::request::body` makes it.
    pub body: &'a [u8],
    /// Its conversation, system text included.
    pub messages: &'a [Message],
    /// Its parameters, merged from all levels.
    pub parameters: &'a Parameters,
}

/// The reason why the cost of a request has no bound.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum UnboundedCost {
    /// The list has no price for prompt or completion tokens.
    #[error("`{model}` has no price{}", provider_clause(provider.as_deref()))]
    NoPrice {
        /// The model.
        model: ModelId,
        /// The provider whose price is missing; absent for the list's own.
        provider: Option<String>,
    },
    /// The answer has no token limit.
    #[error("`{model}` has no max_tokens")]
    NoTokenLimit {
        /// The model.
        model: ModelId,
    },
    /// The list has prices for more than tokens.
    #[error("`{model}` has prices that tokens do not bound: {}", names.join(", "))]
    OtherPrices {
        /// The model.
        model: ModelId,
        /// Their names in the list, sorted.
        names: Vec<String>,
        /// List price of an image, if that is among them.
        image: Option<Usd>,
    },
    /// The request has images, which are billed by their pixels.
    #[error("`{model}` is sent images, whose price is not declared")]
    Images {
        /// The model.
        model: ModelId,
        /// List price of an image, if there is one.
        listed: Option<Usd>,
    },
    /// The request has a key by which it can cost more than its tokens.
    #[error("`{model}` has `{key}`, which can cost more than its tokens")]
    CostlyKey {
        /// The model.
        model: ModelId,
        /// The key, with its parameter.
        key: String,
    },
    /// The bound is beyond the range of [`Usd`].
    #[error("a request to `{model}` has no finite upper bound of its cost")]
    TooLarge {
        /// The model.
        model: ModelId,
    },
}

fn provider_clause(provider: Option<&str>) -> String {
    provider.map_or_else(String::new, |provider| format!(" from {provider}"))
}

/// Name in remedies of an endpoint that has only a URL.
const EXAMPLE_NAME: &str = "own";

/// The header of an endpoint's table in `bakeoff.toml`, and what must stand there before it.
fn endpoint_table(endpoint: &str, list: &str) -> (String, String) {
    if endpoint.contains("://") {
        let named = format!(
            "name the endpoint ([endpoints.{EXAMPLE_NAME}] with base_url = \"{endpoint}\") and run with --endpoint {EXAMPLE_NAME}; "
        );
        return (format!("[[endpoints.{EXAMPLE_NAME}.{list}]]"), named);
    }
    let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let key = if endpoint.chars().all(is_bare) {
        endpoint.to_owned()
    } else {
        format!("\"{endpoint}\"")
    };
    (format!("[[endpoints.{key}.{list}]]"), String::new())
}

impl UnboundedCost {
    /// The declaration that would give a bound; `endpoint` is the name of the profile in
    /// `bakeoff.toml`, or the URL of an endpoint without one.
    pub fn remedy(&self, endpoint: &str) -> String {
        let surcharge = |model: &ModelId, key: &str, listed: Option<Usd>| {
            let max = listed.unwrap_or(EXAMPLE_SURCHARGE);
            let (table, named) = endpoint_table(endpoint, "surcharges");
            format!(
                "{named}declare its maximum: {table} with model = \"{model}\" \
                 and {key} = {max} in bakeoff.toml"
            )
        };
        match self {
            Self::NoPrice { model, .. } => {
                let (table, named) = endpoint_table(endpoint, "prices");
                format!(
                    "{named}add its price to bakeoff.toml: {table} with model = \"{model}\", \
                     input_usd_per_mtok = 1 and output_usd_per_mtok = 2"
                )
            }
            Self::NoTokenLimit { .. } | Self::TooLarge { .. } => {
                "add max_tokens = 1000 to [parameters] of the suite".to_owned()
            }
            Self::OtherPrices { model, image, .. } => surcharge(model, "usd_per_request", *image),
            Self::CostlyKey { model, .. } => surcharge(model, "usd_per_request", None),
            Self::Images { model, listed } => surcharge(model, "usd_per_image", *listed),
        }
    }
}

impl PriceBound {
    /// Creates the bound of a model's prices. `catalog` includes the endpoint's own prices
    /// ([`Catalog::with_own_prices`]), `surcharges` are the endpoint's; `offers` are the providers of the model, if
    /// known, and absent if its price is the user's own.
    ///
    /// # Errors
    /// Returns an error if the list or a provider has no price, or has prices for more than tokens and no surcharge per
    /// request was declared.
    pub fn new(
        model: &ModelId,
        catalog: &Catalog,
        offers: Option<&Offers>,
        surcharges: &[Surcharge],
    ) -> Result<Self, UnboundedCost> {
        let no_price = |provider: Option<&String>| UnboundedCost::NoPrice {
            model: model.clone(),
            provider: provider.cloned(),
        };
        let listed = catalog.get(model).ok_or_else(|| no_price(None))?;
        let provider_offers = offers.map_or(&[][..], |offers| &offers.0);
        let own = (None, listed.prices.as_ref());
        let regional = listed.regional.iter().chain(&listed.hourly);
        let regional = regional.map(|prices| (None, Some(prices)));
        let offered = provider_offers
            .iter()
            .map(|offer| (Some(&offer.provider), offer.prices.as_ref()));
        let lists = std::iter::once(own)
            .chain(regional)
            .chain(offered)
            .map(|(provider, prices)| {
                let whole = prices.filter(|prices| {
                    (prices.tiers().iter())
                        .all(|tier| tier.rates.input.is_some() && tier.rates.output.is_some())
                });
                whole.cloned().ok_or_else(|| no_price(provider))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let surcharge = surcharges.iter().find(|surcharge| surcharge.fits(model));
        let list_prices = listed.other_prices.iter();
        let list_prices = list_prices.map(|price| (price, listed.treatment(price)));
        let offered = provider_offers.iter().flat_map(|offer| {
            let prices = offer.other_prices.iter();
            prices.map(|price| (price, listed.offer_treatment(price)))
        });
        let (mut names, mut listed_image, mut long_write) = (Vec::new(), None, None);
        for (price, treatment) in list_prices.chain(offered) {
            if treatment == Treatment::Declare {
                names.push(price.name.clone());
            }
            listed_image = listed_image.max(price.image_price());
            long_write = long_write.max(price.of_write());
        }
        let per_request = surcharge.and_then(|surcharge| surcharge.per_request);
        let image = listed_image.filter(|_| names.iter().any(|name| name == IMAGE));
        if per_request.is_none() && !names.is_empty() {
            names.sort();
            names.dedup();
            let model = model.clone();
            return Err(UnboundedCost::OtherPrices {
                model,
                names,
                image,
            });
        }
        Ok(Self {
            model: model.clone(),
            lists,
            // A surcharge declared below the list's own price is no bound.
            per_request: per_request.map(|max| image.map_or(max, |image| max.max(image))),
            per_image: surcharge.and_then(|surcharge| surcharge.per_image),
            long_write,
            listed_image,
        })
    }

    /// The maximum bill of one attempt of this request. A retry is another attempt.
    ///
    /// # Errors
    /// Returns the missing limit, or the part of the request that has no bound.
    pub fn max_attempt_cost(&self, request: &Request<'_>) -> Result<Usd, UnboundedCost> {
        let model = || self.model.clone();
        let Some(completion) = request.parameters.max_tokens else {
            return Err(UnboundedCost::NoTokenLimit { model: model() });
        };
        if self.per_request.is_none()
            && let Some(key) = costly_key(request.parameters)
        {
            let model = model();
            return Err(UnboundedCost::CostlyKey { model, key });
        }
        let images: u64 = (request.messages.iter())
            .map(|message| message.images.len() as u64)
            .sum();
        let for_images = match (images, self.per_image) {
            (0, _) => Some(Usd::ZERO),
            (_, None) => {
                return Err(UnboundedCost::Images {
                    model: model(),
                    listed: self.listed_image,
                });
            }
            (images, Some(each)) => each.max(self.listed_image.unwrap_or(each)).times(images),
        };
        let tools = request.parameters.tools.as_ref().map_or(0, Vec::len);
        let body_bytes = request.body.len() as u64;
        let prompt = max_text_tokens(body_bytes, request.messages, tools);
        let sum = self
            .max_token_cost(prompt, completion, has_long_lifetime(request.body))
            .zip(for_images)
            .and_then(|(tokens, images)| tokens.plus(images))
            .and_then(|sum| sum.plus(self.per_request.unwrap_or(Usd::ZERO)));
        sum.ok_or_else(|| UnboundedCost::TooLarge { model: model() })
    }

    /// The most that a request with these counts and so many images can have been billed, where no bill says who answered: at
    /// the most expensive list, with the declared surcharges. `None`: a price is missing, or the sum is beyond all sums of money.
    pub fn of_counts(&self, counts: &TokenCounts, images: u64) -> Option<Usd> {
        let of_list = |prices: &TokenPrices| {
            let rates = prices.rates(counts.prompt);
            let written = rates.cache_write.or(rates.input).unwrap_or(Usd::ZERO);
            let longer = Usd(self.long_write.unwrap_or(written).0 - written.0).max(Usd::ZERO);
            cost(prices, counts)?.plus(longer.times(counts.cache_write)?)
        };
        let costs = self.lists.iter().map(of_list);
        let tokens = costs.collect::<Option<Vec<_>>>()?.into_iter().max()?;
        let image = self.per_image.max(self.listed_image);
        let for_images = match images {
            0 => Usd::ZERO,
            images => image?.times(images)?,
        };
        tokens
            .plus(for_images)?
            .plus(self.per_request.unwrap_or(Usd::ZERO))
    }

    /// The maximum over all lists and over every tier that a prompt of up to `prompt` tokens can reach: a
    /// shorter prompt may be in a more expensive tier.
    fn max_token_cost(&self, prompt: u64, completion: u64, long_lifetime: bool) -> Option<Usd> {
        let unlisted = long_lifetime && self.long_write.is_none();
        let tiers = self.lists.iter().flat_map(TokenPrices::tiers);
        let reached = tiers.filter(|tier| tier.from_prompt_tokens <= prompt);
        let costs = reached.map(|tier| {
            let most =
                highest_input(&tier.rates, unlisted)?.max(self.long_write.unwrap_or(Usd::ZERO));
            let input = most.times(prompt)?;
            input.plus(tier.rates.output?.times(completion)?)
        });
        costs.collect::<Option<Vec<_>>>()?.into_iter().max()
    }
}

/// The highest listed price of a prompt token: plain, read from a cache or written to it. `unlisted`: it may be written to a
/// longer-lived cache, which no list has a price for.
fn highest_input(rates: &Rates, unlisted: bool) -> Option<Usd> {
    let input = rates.input?;
    let long_write = if unlisted {
        Some(Usd(input
            .times(UNLISTED_WRITE_HALF_INPUTS)?
            .0
            .saturating_add(1)
            / 2))
    } else {
        None
    };
    let classes = [rates.cache_read, rates.cache_write, long_write];
    classes.into_iter().flatten().chain([input]).max()
}

/// Returns true if a body states a lifetime of a cache other than the shortest.
fn has_long_lifetime(body: &[u8]) -> bool {
    memchr::memmem::find_iter(body, LIFETIME)
        .any(|at| !body[at + LIFETIME.len()..].starts_with(SHORT_LIFETIME))
}

/// A key by which a request can cost more than its model's tokens, if it has one.
fn costly_key(parameters: &Parameters) -> Option<String> {
    let is_present = |key: &&&str| parameters.extra.contains_key(**key);
    let in_extra = COSTLY_EXTRA.iter().find(is_present);
    let anywhere = || {
        let extra = costly_key_in("extra", &parameters.extra);
        extra.or_else(|| costly_key_in("provider_options", &parameters.provider_options))
    };
    let gateway = parameters.provider_options.get("gateway");
    let is_present = |key: &&&str| gateway.is_some_and(|gateway| gateway.get(**key).is_some());
    let in_gateway = || COSTLY_GATEWAY.iter().find(is_present);
    let named = in_extra.map(|key| format!("extra.{key}")).or_else(|| {
        let key = in_gateway()?;
        Some(format!("provider_options.gateway.{key}"))
    });
    named.or_else(anywhere)
}

/// Returns the path of the first costly key of a table, at any depth; a key that is switched off is
/// skipped.
fn costly_key_in(path: &str, table: &Map<String, Json>) -> Option<String> {
    table.iter().find_map(|(key, value)| {
        let path = format!("{path}.{key}");
        let plain = key.replace('_', "").to_lowercase();
        let is_costly = COSTLY_ANYWHERE.contains(&plain.as_str())
            || SEARCHES.iter().any(|search| plain.contains(search));
        if is_costly && !matches!(value, Json::Null | Json::Bool(false)) {
            return Some(path);
        }
        costly_key_within(&path, value)
    })
}

fn costly_key_within(path: &str, value: &Json) -> Option<String> {
    match value {
        Json::Object(table) => costly_key_in(path, table),
        Json::Array(items) => items.iter().find_map(|item| costly_key_within(path, item)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
