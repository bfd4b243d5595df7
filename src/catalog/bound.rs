//! The most that one request can cost: what a cap and a worst case stand on.
//!
//! Owns the bound. Must not know who asks, nor how often a request is sent. Invariant: under the declared
//! prices, surcharges and token limit no bill of one attempt is above its bound; what cannot be bounded
//! says what is missing, and never counts as 0.

use serde_json::{Map, Value as Json};

use crate::suite::{Message, Parameters, Surcharge};
use crate::units::{ModelId, Usd};

use super::price::{Prices, Rates, TokenCounts, cost};
use super::pricing::{IMAGE, Treatment};
use super::tokens::text_tokens_at_most;
use super::{Catalog, Offers};

/// The key by which a body states the lifetime of a cache. Inside a text the quotes would be escaped.
const LIFETIME: &[u8] = br#""ttl":"#;
/// The shortest lifetime, whose price is the list's `input_cache_write`.
const SHORT_LIFETIME: &[u8] = br#""5m""#;
/// A token written to a longer-lived cache, in halves of the input price, where no list has a price for it: 2.5 is the highest
/// factor of any maker (12 hours of `OpenAI`'s gpt-6 family, by `LiteLLM`'s price table of November 2026; Anthropic's hour costs 2).
const UNLISTED_WRITE_HALF_INPUTS: u64 = 5;
/// A surcharge that stands as an example where no list has a price.
const EXAMPLE_SURCHARGE: Usd = Usd(Usd::PICO / 100);
/// Keys of `extra` by which a request can cost more than its model's tokens.
const DEAR_EXTRA: [&str; 6] = ["audio", "best_of", "modalities", "models", "n", "plugins"];
/// Keys that do so wherever they stand in `extra` or `provider_options`, in lower case without `_`: tiers and
/// places that cost more, and tools that the provider runs.
const DEAR_ANYWHERE: [&str; 7] = [
    "codeexecution",
    "container",
    "inferencegeo",
    "mcpservers",
    "servicetier",
    "speed",
    "tools",
];
/// What names a search, wherever it stands: `web_search_options`, `searchParameters`, `useSearchGrounding`.
const SEARCHES: [&str; 2] = ["search", "grounding"];
/// The same within `provider_options.gateway`.
const DEAR_GATEWAY: [&str; 8] = [
    "disallowPromptTraining",
    "models",
    "only",
    "quotaEntityId",
    "serviceTier",
    "tags",
    "user",
    "zeroDataRetention",
];

/// The dearest that the tokens of one model can be, and what may come on top.
#[derive(Debug, Clone, PartialEq)]
pub struct PriceBound {
    model: ModelId,
    /// Of every endpoint and region that may answer; at least one.
    lists: Vec<Prices>,
    per_request: Option<Usd>,
    per_image: Option<Usd>,
    /// The highest listed price of a prompt token written to a cache of a stated lifetime.
    long_write: Option<Usd>,
    /// The dearest image of any list, shown or made.
    listed_image: Option<Usd>,
}

/// One request as it would be sent.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Its body, JSON without spaces between tokens, as `gateway::request::body` makes it.
    pub body: &'a [u8],
    /// Its conversation, system text included.
    pub messages: &'a [Message],
    /// Its parameters, all levels laid over each other.
    pub parameters: &'a Parameters,
}

/// Why nothing bounds what a request can cost.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Unbounded {
    /// The list has no price for prompt or completion tokens.
    #[error("`{model}` has no price{}", of_provider(provider.as_deref()))]
    NoPrice {
        /// The model.
        model: ModelId,
        /// The provider whose price is missing; absent: the list's.
        provider: Option<String>,
    },
    /// Nothing limits the answer.
    #[error("`{model}` is asked without max_tokens")]
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
        /// What an image costs by the list, where that is among them.
        image: Option<Usd>,
    },
    /// The request has images, which are paid by their pixels.
    #[error("`{model}` is shown images, whose price nobody declared")]
    Images {
        /// The model.
        model: ModelId,
        /// What an image costs by the list, where it says so.
        listed: Option<Usd>,
    },
    /// The request has a key that can make it dearer than its tokens.
    #[error("`{model}` is asked with `{key}`, which can cost more than its tokens")]
    DearKey {
        /// The model.
        model: ModelId,
        /// The key, with the parameter it stands in.
        key: String,
    },
    /// The bound is beyond the range of [`Usd`].
    #[error("a request to `{model}` has a bound beyond all sums of money")]
    TooLarge {
        /// The model.
        model: ModelId,
    },
}

fn of_provider(provider: Option<&str>) -> String {
    provider.map_or_else(String::new, |provider| format!(" from {provider}"))
}

impl Unbounded {
    /// What to add so that there is a bound; `endpoint`: the profile's name, under which it stands in
    /// `bakeoff.toml`.
    pub fn remedy(&self, endpoint: &str) -> String {
        let surcharge = |model: &ModelId, key: &str, listed: Option<Usd>| {
            let most = listed.unwrap_or(EXAMPLE_SURCHARGE);
            format!(
                "declare the most it can be: [[endpoints.{endpoint}.surcharges]] with model = \"{model}\" \
                 and {key} = {most} in bakeoff.toml"
            )
        };
        match self {
            Self::NoPrice { model, .. } => format!(
                "add its price to bakeoff.toml: [[endpoints.{endpoint}.prices]] with model = \"{model}\", \
                 input_usd_per_mtok = 1 and output_usd_per_mtok = 2"
            ),
            Self::NoTokenLimit { .. } | Self::TooLarge { .. } => {
                "add max_tokens = 1000 to [parameters] of the suite".to_owned()
            }
            Self::OtherPrices { model, image, .. } => surcharge(model, "usd_per_request", *image),
            Self::DearKey { model, .. } => surcharge(model, "usd_per_request", None),
            Self::Images { model, listed } => surcharge(model, "usd_per_image", *listed),
        }
    }
}

impl PriceBound {
    /// The bound of a model's prices. `catalog` has the endpoint's own prices laid over it already
    /// ([`Catalog::with_own_prices`]), `surcharges` are the endpoint's; `offers`: who serves the model,
    /// where that is known, absent where its price is the user's own.
    ///
    /// # Errors
    /// Where the list or a provider has no price, or has prices for more than tokens and no surcharge per
    /// request was declared.
    pub fn of(
        model: &ModelId,
        catalog: &Catalog,
        offers: Option<&Offers>,
        surcharges: &[Surcharge],
    ) -> Result<Self, Unbounded> {
        let no_price = |provider: Option<&String>| Unbounded::NoPrice {
            model: model.clone(),
            provider: provider.cloned(),
        };
        let listed = catalog.get(model).ok_or_else(|| no_price(None))?;
        let of_offers = offers.map_or(&[][..], |offers| &offers.0);
        let own = (None, listed.prices.as_ref());
        let regional = listed.regional.iter().map(|prices| (None, Some(prices)));
        let offered = of_offers
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
        let of_list = listed.other_prices.iter();
        let of_list = of_list.map(|price| (price, listed.treatment(price)));
        let offered = of_offers.iter().flat_map(|offer| {
            let prices = offer.other_prices.iter();
            prices.map(|price| (price, listed.offer_treatment(price)))
        });
        let (mut names, mut listed_image, mut long_write) = (Vec::new(), None, None);
        for (price, treatment) in of_list.chain(offered) {
            if treatment == Treatment::Declare {
                names.push(price.name.clone());
            }
            listed_image = listed_image.max(price.of_image());
            long_write = long_write.max(price.of_write());
        }
        let per_request = surcharge.and_then(|surcharge| surcharge.per_request);
        let image = listed_image.filter(|_| names.iter().any(|name| name == IMAGE));
        if per_request.is_none() && !names.is_empty() {
            names.sort();
            names.dedup();
            let model = model.clone();
            return Err(Unbounded::OtherPrices {
                model,
                names,
                image,
            });
        }
        Ok(Self {
            model: model.clone(),
            lists,
            // What was declared below the list's own price bounds nothing.
            per_request: per_request.map(|most| image.map_or(most, |image| most.max(image))),
            per_image: surcharge.and_then(|surcharge| surcharge.per_image),
            long_write,
            listed_image,
        })
    }

    /// The most that one attempt of this request can be billed. A retry is another attempt.
    ///
    /// # Errors
    /// What the request lacks, or has that nobody bounds.
    pub fn of_attempt(&self, request: &Request<'_>) -> Result<Usd, Unbounded> {
        let model = || self.model.clone();
        let Some(completion) = request.parameters.max_tokens else {
            return Err(Unbounded::NoTokenLimit { model: model() });
        };
        if self.per_request.is_none()
            && let Some(key) = dear_key(request.parameters)
        {
            let model = model();
            return Err(Unbounded::DearKey { model, key });
        }
        let images: u64 = (request.messages.iter())
            .map(|message| message.images.len() as u64)
            .sum();
        let for_images = match (images, self.per_image) {
            (0, _) => Some(Usd::ZERO),
            (_, None) => {
                return Err(Unbounded::Images {
                    model: model(),
                    listed: self.listed_image,
                });
            }
            (images, Some(each)) => each.max(self.listed_image.unwrap_or(each)).times(images),
        };
        let tools = request.parameters.tools.as_ref().map_or(0, Vec::len);
        let body_bytes = request.body.len() as u64;
        let prompt = text_tokens_at_most(body_bytes, request.messages, tools);
        let sum = self
            .of_tokens(prompt, completion, has_long_lifetime(request.body))
            .zip(for_images)
            .and_then(|(tokens, images)| tokens.plus(images))
            .and_then(|sum| sum.plus(self.per_request.unwrap_or(Usd::ZERO)));
        sum.ok_or_else(|| Unbounded::TooLarge { model: model() })
    }

    /// The most that a request with these counts and so many images can have been billed, where no bill says who answered: at
    /// the most expensive list, with the declared surcharges. `None`: a price is missing, or the sum is beyond all sums of money.
    pub fn of_counts(&self, counts: &TokenCounts, images: u64) -> Option<Usd> {
        let of_list = |prices: &Prices| {
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

    /// The dearest of all lists and of every tier that a prompt of up to `prompt` tokens can reach: a
    /// shorter prompt may be in a dearer tier.
    fn of_tokens(&self, prompt: u64, completion: u64, long_lifetime: bool) -> Option<Usd> {
        let unlisted = long_lifetime && self.long_write.is_none();
        let tiers = self.lists.iter().flat_map(Prices::tiers);
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

/// Whether a body states a lifetime of a cache other than the shortest.
fn has_long_lifetime(body: &[u8]) -> bool {
    memchr::memmem::find_iter(body, LIFETIME)
        .any(|at| !body[at + LIFETIME.len()..].starts_with(SHORT_LIFETIME))
}

/// A key by which a request can cost more than its model's tokens, if it has one.
fn dear_key(parameters: &Parameters) -> Option<String> {
    let has = |key: &&&str| parameters.extra.contains_key(**key);
    let in_extra = DEAR_EXTRA.iter().find(has);
    let anywhere = || {
        let extra = dear_below("extra", &parameters.extra);
        extra.or_else(|| dear_below("provider_options", &parameters.provider_options))
    };
    let gateway = parameters.provider_options.get("gateway");
    let has = |key: &&&str| gateway.is_some_and(|gateway| gateway.get(**key).is_some());
    let in_gateway = || DEAR_GATEWAY.iter().find(has);
    let named = in_extra.map(|key| format!("extra.{key}")).or_else(|| {
        let key = in_gateway()?;
        Some(format!("provider_options.gateway.{key}"))
    });
    named.or_else(anywhere)
}

/// The first key of a table that is dear wherever it stands, with the way to it. One that is switched off is
/// not.
fn dear_below(way: &str, table: &Map<String, Json>) -> Option<String> {
    table.iter().find_map(|(key, value)| {
        let way = format!("{way}.{key}");
        let plain = key.replace('_', "").to_lowercase();
        let dear = DEAR_ANYWHERE.contains(&plain.as_str())
            || SEARCHES.iter().any(|search| plain.contains(search));
        if dear && !matches!(value, Json::Null | Json::Bool(false)) {
            return Some(way);
        }
        dear_within(&way, value)
    })
}

fn dear_within(way: &str, value: &Json) -> Option<String> {
    match value {
        Json::Object(table) => dear_below(way, table),
        Json::Array(items) => items.iter().find_map(|item| dear_within(way, item)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
