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
use super::{Catalog, Offers, ServiceTiers, TokenPrices, requested_service_tier};

/// The key by which a body states the lifetime of a cache. Inside a string the quotes would be escaped.
const LIFETIME: &[u8] = br#""ttl":"#;
/// The shortest lifetimes, Anthropic's and `OpenAI`'s, whose price is the list's `input_cache_write`.
const SHORT_LIFETIMES: [&[u8]; 2] = [br#""5m""#, br#""30m""#];
/// The lifetime of an hour.
const HOUR: &[u8] = br#""1h""#;
/// The lifetime of twelve hours.
const HALF_DAY: &[u8] = br#""12h""#;
/// A token written to a longer-lived cache, in halves of the input price, where no list has a price for it: 2.5 is the highest
/// factor of any maker (12 hours of `OpenAI`'s gpt-6 family, by `LiteLLM`'s price table of November 2026; Anthropic's hour costs 2).
const UNLISTED_WRITE_HALF_INPUTS: u64 = 5;
/// A surcharge that stands in an example, if no list has a price.
const EXAMPLE_SURCHARGE: Usd = Usd(Usd::PICO / 100);
/// Keys of `extra` by which a request can cost more than its model's tokens.
const COSTLY_EXTRA: [&str; 8] = [
    "audio",
    "best_of",
    "context_management",
    "fallbacks",
    "modalities",
    "models",
    "n",
    "plugins",
];
/// Keys that do so at any depth of `extra` or `provider_options`, in lower case without `_`: tiers and
/// regions that cost more, and tools that the provider runs.
const COSTLY_ANYWHERE: [&str; 7] = [
    "codeexecution",
    "container",
    "inferencegeo",
    "mcpservers",
    SERVICE_TIER,
    "speed",
    "tools",
];
/// The key of a service tier, which is no more costly than its prices where these are known.
const SERVICE_TIER: &str = "servicetier";
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
    /// Prices of service tiers: the list's and those of each provider that may answer.
    service_tiers: Vec<ServiceTiers>,
    per_request: Option<Usd>,
    per_image: Option<Usd>,
    /// The highest listed price of a prompt token written to a cache of a stated lifetime.
    long_write: Option<Usd>,
    /// The highest price of an image in any list, input or output.
    listed_image: Option<Usd>,
    /// The most tokens of one answer by any list, where one says so.
    max_answer: Option<u64>,
    /// True if answers may be as long as that, whatever their token limit.
    has_ignored_limit: bool,
}

/// Returns true if an answer of so many tokens shows that its route ignores token limits. Servers that count a few tokens of
/// their own (a closing mark, a chat format) do not.
pub const fn is_above_limit(written: u64, limit: u64) -> bool {
    written > limit.saturating_add(limit / 10).saturating_add(16)
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
    /// The number of requests has no limit.
    #[error("a closed loop for a time has no number of requests")]
    OpenEnded,
    /// The answer has no token limit.
    #[error("`{model}` has no max_tokens")]
    NoTokenLimit {
        /// The model.
        model: ModelId,
    },
    /// The list has prices for more than tokens.
    #[error("`{model}` has prices that do not depend on tokens: {}", names.join(", "))]
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
    /// Its route ignores token limits, and no list says how long an answer can be.
    #[error("`{model}` ignores max_tokens, and no list has its longest answer")]
    IgnoredLimit {
        /// The model.
        model: ModelId,
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
            Self::OpenEnded => "add --max-cost, or --requests".to_owned(),
            Self::IgnoredLimit { model } => {
                format!("leave `{model}` out, or run it without a cap")
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
        // A model without a limit of its own writes no more than its context holds.
        let offered_limits = provider_offers.iter().map(|offer| offer.max_tokens);
        let contexts = provider_offers.iter().map(|offer| offer.context_window);
        let max_answer = offered_limits.fold(listed.max_tokens, Option::max);
        let max_answer = max_answer.or_else(|| contexts.fold(listed.context_window, Option::max));
        // At certain hours and in certain regions their prices are not known.
        let has_tiers = listed.regional.is_empty() && listed.hourly.is_empty();
        let service_tiers = std::iter::once(&listed.service_tiers)
            .chain(provider_offers.iter().map(|offer| &offer.service_tiers))
            .filter(|_| has_tiers);
        let service_tiers = service_tiers.cloned().collect();
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
            service_tiers,
            // A surcharge declared below the list's own price is no bound.
            per_request: per_request.map(|max| image.map_or(max, |image| max.max(image))),
            per_image: surcharge.and_then(|surcharge| surcharge.per_image),
            long_write,
            listed_image,
            max_answer,
            has_ignored_limit: false,
        })
    }

    /// The same for a route that ignores token limits, if it does.
    #[must_use]
    pub fn with_ignored_limit(mut self, is_ignored: bool) -> Self {
        self.has_ignored_limit = is_ignored;
        self
    }

    /// Returns true if answers may be longer than their token limit.
    pub const fn has_ignored_limit(&self) -> bool {
        self.has_ignored_limit
    }

    /// The maximum bill of one attempt of this request. A retry is another attempt.
    ///
    /// # Errors
    /// Returns the missing limit, or the part of the request that has no bound.
    pub fn max_attempt_cost(&self, request: &Request<'_>) -> Result<Usd, UnboundedCost> {
        let model = || self.model.clone();
        let Some(limit) = request.parameters.max_tokens else {
            return Err(UnboundedCost::NoTokenLimit { model: model() });
        };
        let completion = match (self.has_ignored_limit, self.max_answer) {
            (false, _) => limit,
            (true, Some(max)) => max.max(limit),
            (true, None) => return Err(UnboundedCost::IgnoredLimit { model: model() }),
        };
        let tier = requested_service_tier(request.parameters);
        let tier_lists = tier.map(|tier| self.service_tier_prices(tier));
        let has_priced_tier = tier_lists.as_ref().is_some_and(|lists| !lists.is_empty());
        if self.per_request.is_none()
            && let Some(key) = costly_key(request.parameters, tier.filter(|_| has_priced_tier))
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
        let tier_lists = tier_lists.unwrap_or_default();
        let sum = self
            .max_token_cost(prompt, completion, request.body, &tier_lists)
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
    fn max_token_cost(
        &self,
        prompt: u64,
        completion: u64,
        body: &[u8],
        service_tier: &[&TokenPrices],
    ) -> Option<Usd> {
        let is_stated = long_lifetimes(body).next().is_some();
        let unlisted = self.has_unlisted_lifetime(body);
        let lists = self.lists.iter().chain(service_tier.iter().copied());
        let tiers = lists.flat_map(TokenPrices::tiers);
        let reached = tiers.filter(|tier| tier.from_prompt_tokens <= prompt);
        let costs = reached.map(|tier| {
            let max = highest_input(&tier.rates, is_stated, unlisted)?
                .max(self.long_write.unwrap_or(Usd::ZERO));
            let input = max.times(prompt)?;
            input.plus(tier.rates.output?.times(completion)?)
        });
        costs.collect::<Option<Vec<_>>>()?.into_iter().max()
    }
}

impl PriceBound {
    /// The price lists of a service tier; empty if one of those who may answer has such tiers without a price for this one.
    fn service_tier_prices(&self, tier: &str) -> Vec<&TokenPrices> {
        let (list, offers) = match self.service_tiers.split_first() {
            Some((list, offers)) => (list.get(tier), offers),
            None => return Vec::new(),
        };
        let offered = offers
            .iter()
            .filter(|tiers| **tiers != ServiceTiers::default());
        let all = std::iter::once(list).chain(offered.map(|tiers| tiers.get(tier)));
        let priced: Option<Vec<&TokenPrices>> = all
            .map(|prices| prices.filter(|prices| is_whole(prices)))
            .collect();
        priced.unwrap_or_default()
    }

    /// Returns true if a body states a lifetime of a cache that no list has a price for.
    fn has_unlisted_lifetime(&self, body: &[u8]) -> bool {
        let has_price = |rate: fn(&Rates) -> Option<Usd>| {
            let mut tiers = self.lists.iter().flat_map(TokenPrices::tiers);
            tiers.any(|tier| rate(&tier.rates).is_some())
        };
        long_lifetimes(body).any(|value| match value {
            value if value.starts_with(HOUR) => !has_price(|rates| rates.cache_write_1h),
            value if value.starts_with(HALF_DAY) => !has_price(|rates| rates.cache_write_12h),
            _ => self.long_write.is_none(),
        })
    }
}

/// The lifetimes of caches that a body states, other than the shortest, each to the end of the body.
fn long_lifetimes(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let values = memchr::memmem::find_iter(body, LIFETIME).map(|at| &body[at + LIFETIME.len()..]);
    values.filter(|value| {
        let mut short = SHORT_LIFETIMES.iter();
        !short.any(|short| value.starts_with(short))
    })
}

/// Returns true if every tier has the two prices that a request cannot do without.
fn is_whole(prices: &TokenPrices) -> bool {
    let mut tiers = prices.tiers().iter();
    tiers.all(|tier| tier.rates.input.is_some() && tier.rates.output.is_some())
}

/// The maximum bill of a request with this many bytes of text to a model that writes no tokens, such as one of embeddings.
///
/// # Errors
/// Returns an error if the list has no price of its prompt tokens, or prices for more than tokens and no surcharge was declared.
pub fn max_input_cost(
    model: &ModelId,
    catalog: &Catalog,
    surcharges: &[Surcharge],
    bytes: u64,
) -> Result<Usd, UnboundedCost> {
    let no_price = || UnboundedCost::NoPrice {
        model: model.clone(),
        provider: None,
    };
    let listed = catalog.get(model).ok_or_else(no_price)?;
    let prices = listed.prices.as_ref().ok_or_else(no_price)?;
    let surcharge = surcharges.iter().find(|surcharge| surcharge.fits(model));
    let per_request = surcharge.and_then(|surcharge| surcharge.per_request);
    let others = listed.other_prices.iter();
    let others = others.filter(|price| listed.treatment(price) == Treatment::Declare);
    let mut names: Vec<String> = others.map(|price| price.name.clone()).collect();
    if per_request.is_none() && !names.is_empty() {
        names.sort();
        return Err(UnboundedCost::OtherPrices {
            model: model.clone(),
            names,
            image: None,
        });
    }
    let lists = std::iter::once(prices)
        .chain(&listed.regional)
        .chain(&listed.hourly);
    let rates = lists.flat_map(TokenPrices::tiers);
    let rates = rates.map(|tier| tier.rates.input.ok_or_else(no_price));
    let rates = rates.collect::<Result<Vec<Usd>, _>>()?;
    let max = rates.into_iter().max().ok_or_else(no_price)?;
    let sum = max.times(bytes);
    let sum = sum.and_then(|sum| sum.plus(per_request.unwrap_or(Usd::ZERO)));
    sum.ok_or_else(|| UnboundedCost::TooLarge {
        model: model.clone(),
    })
}

/// The highest listed price of a prompt token: plain, read from a cache or written to it. `is_stated`: the request states a longer
/// lifetime of the cache, and `unlisted`: one that no list has a price for.
fn highest_input(rates: &Rates, is_stated: bool, unlisted: bool) -> Option<Usd> {
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
    let stated =
        [rates.cache_write_1h, rates.cache_write_12h].map(|rate| rate.filter(|_| is_stated));
    let classes = [rates.cache_read, rates.cache_write, long_write];
    classes
        .into_iter()
        .chain(stated)
        .flatten()
        .chain([input])
        .max()
}

/// A key by which a request can cost more than its model's tokens, if it has one.
/// `priced_tier`: the service tier that it may name, because its prices are known.
fn costly_key(parameters: &Parameters, priced_tier: Option<&str>) -> Option<String> {
    let is_priced = |key: &str, value: &Json| {
        priced_tier.is_some() && plain_key(key) == SERVICE_TIER && value.as_str() == priced_tier
    };
    let is_present = |key: &&&str| parameters.extra.contains_key(**key);
    let in_extra = COSTLY_EXTRA.iter().find(is_present);
    let anywhere = || {
        let extra = costly_key_in("extra", &parameters.extra, &is_priced);
        extra
            .or_else(|| costly_key_in("provider_options", &parameters.provider_options, &is_priced))
    };
    let gateway = parameters.provider_options.get("gateway");
    let is_present = |key: &&&str| {
        let value = gateway.and_then(|gateway| gateway.get(**key));
        value.is_some_and(|value| !is_priced(key, value))
    };
    let in_gateway = || COSTLY_GATEWAY.iter().find(is_present);
    let named = in_extra.map(|key| format!("extra.{key}")).or_else(|| {
        let key = in_gateway()?;
        Some(format!("provider_options.gateway.{key}"))
    });
    named.or_else(anywhere)
}

/// A key in lower case without `_`.
fn plain_key(key: &str) -> String {
    key.replace('_', "").to_lowercase()
}

/// Returns the path of the first costly key of a table, at any depth; a key that is switched off, or that `is_priced` knows, is
/// skipped.
fn costly_key_in(
    path: &str,
    table: &Map<String, Json>,
    is_priced: &impl Fn(&str, &Json) -> bool,
) -> Option<String> {
    table.iter().find_map(|(key, value)| {
        let path = format!("{path}.{key}");
        let plain = plain_key(key);
        let is_costly = COSTLY_ANYWHERE.contains(&plain.as_str())
            || SEARCHES.iter().any(|search| plain.contains(search));
        let is_off = matches!(value, Json::Null | Json::Bool(false));
        if is_costly && !is_off && !is_priced(key, value) {
            return Some(path);
        }
        costly_key_within(&path, value, is_priced)
    })
}

fn costly_key_within(
    path: &str,
    value: &Json,
    is_priced: &impl Fn(&str, &Json) -> bool,
) -> Option<String> {
    match value {
        Json::Object(table) => costly_key_in(path, table, is_priced),
        Json::Array(items) => {
            let mut items = items.iter();
            items.find_map(|item| costly_key_within(path, item, is_priced))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
