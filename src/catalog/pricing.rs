//! One `pricing` object of a list: from its bytes to checked [`Prices`].
//!
//! Owns the names that gateways give to prices. Must not know whose prices they are. Invariant: what
//! cannot be read in full is no price, because a cost with a part missing would be wrong.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::units::Usd;

use super::listed::{cut_to, shortened};
use super::price::{Prices, Rates, Tier};

/// Tiers of one price: real lists have two; more than this is not a price list.
const MAX_TIERS: usize = 64;
/// The dearest token that is believed, ten thousand USD a million: above it a list counts in another
/// unit (some servers list USD per million tokens under the same names). The dearest known is 0.0006.
const MAX_USD_PER_TOKEN: Usd = Usd(Usd::PICO / 100);
/// Prices that replace others under conditions which are not described: with one of them no price is known.
const CONDITIONAL: &str = "overrides";
/// The price of an image: of one that is shown, or, where a model makes them, of one that is made.
pub(super) const IMAGE: &str = "image";
/// The beginning of the names of prices of prompt tokens that are written to a cache of a stated lifetime:
/// `input_cache_write_1h`.
const WRITE_BY_LIFETIME: &str = "input_cache_write_";
/// What the whole of a model's prices is called where it is no table of them.
const PRICING: &str = "pricing";
/// Prices per token that hold where a request is kept in a region.
pub(super) const REGIONAL: &str = "regional";

/// Characters of a further price that are kept: a map of regions is some hundred for each of them.
const MAX_VALUE_CHARS: usize = 4_000;

/// What becomes of a price that is not one of the four per token. A cost by tokens leaves out all of them;
/// what was billed shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Treatment {
    /// Caps and worst cases take it in.
    Bounded,
    /// It is billed for images that are shown alone: under a cap these are refused until a surcharge says the
    /// most that one can be.
    Images,
    /// Nothing takes it in: under a cap the model is refused until a surcharge says the most it can be.
    Declare,
    /// It would be a price per token but cannot be believed: the model has no prices until the user declares
    /// them.
    Unbelieved,
}

impl Treatment {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Bounded => "counted by caps and worst cases, not by list costs",
            Self::Images => {
                "billed for images alone: caps refuse images until `usd_per_image` declares it"
            }
            Self::Declare => {
                "not supported: caps refuse the model until `surcharges` declare its most"
            }
            Self::Unbelieved => {
                "no price of this list is used: this is not 0 to 0.01 USD a token, or has holes between its \
                 tiers; `prices` in bakeoff.toml declare what holds"
            }
        }
    }
}

/// A price that is not one of the four per token, or one of them that cannot be believed, as the list has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OtherPrice {
    /// Its name in the list: `web_search`, `image`, `regional`, ...
    pub name: String,
    /// Its value as the list spells it: a text without its quotes, anything else as JSON.
    pub value: String,
}

impl OtherPrice {
    fn new(name: &str, raw: &RawValue) -> Self {
        Self {
            name: shortened(name.to_owned()),
            value: verbatim(raw),
        }
    }

    /// What becomes of it, apart from what it is a part of.
    pub(super) fn treatment(&self, makes_images: bool) -> Treatment {
        match self.name.as_str() {
            IMAGE if !makes_images => Treatment::Images,
            _ if self.of_write().is_some() => Treatment::Bounded,
            name if name == PRICING || is_per_token(name) => Treatment::Unbelieved,
            _ => Treatment::Declare,
        }
    }

    /// What an image costs, where this is the price of one.
    pub(super) fn of_image(&self) -> Option<Usd> {
        let price = (self.name == IMAGE).then(|| self.value.parse().ok());
        price.flatten().filter(|price| *price > Usd::ZERO)
    }

    /// The price of a prompt token that is written to a cache of a stated lifetime, USD, where this is one that can be believed.
    pub(super) fn of_write(&self) -> Option<Usd> {
        let is_write = self.name.starts_with(WRITE_BY_LIFETIME) && !is_per_token(&self.name);
        let price: Option<Usd> = is_write.then(|| self.value.parse().ok()).flatten();
        price.filter(|price| (Usd::ZERO..=MAX_USD_PER_TOKEN).contains(price))
    }
}

/// The prices per token; by name all others, and those per token that cannot be believed.
pub(super) fn read_pricing(raw: Option<&RawValue>) -> (Option<Prices>, Vec<OtherPrice>) {
    let Some(raw) = raw.filter(|raw| !is_empty(raw)) else {
        return (None, Vec::new());
    };
    let Ok(pricing) = serde_json::from_str::<WirePricing<'_>>(raw.get()) else {
        return (None, vec![OtherPrice::new(PRICING, raw)]);
    };
    let prices = token_prices(&pricing).unwrap_or(None);
    (prices, other_prices(&pricing))
}

/// The prices of regions; `None` where one of them cannot be read in full.
pub(super) fn read_regional(raw: Option<&RawValue>) -> Option<Vec<Prices>> {
    let Some(raw) = raw else {
        return Some(Vec::new());
    };
    let pricing: WirePricing<'_> = serde_json::from_str(raw.get()).ok()?;
    let Some(regional) = pricing.get(REGIONAL).filter(|raw| !is_empty(raw)) else {
        return Some(Vec::new());
    };
    let regions: BTreeMap<String, &RawValue> = serde_json::from_str(regional.get()).ok()?;
    let prices = regions
        .into_values()
        .map(|raw| match read_pricing(Some(raw)) {
            (Some(prices), others) if others.is_empty() => Some(prices),
            _ => None,
        });
    prices.collect()
}

/// One tier of one price: `min` is inclusive, `max` exclusive and absent in the last.
#[derive(Debug, Deserialize)]
struct WireTier<'a> {
    #[serde(borrow)]
    cost: &'a RawValue,
    min: u64,
    #[serde(default)]
    max: Option<u64>,
}

/// Keys of `pricing`, by name. Values stay text: through a float they would lose digits.
type WirePricing<'a> = BTreeMap<String, &'a RawValue>;

/// The four prices per token with their names in `pricing` (Vercel's list; OpenRouter's, which is also
/// that of both gateways' lists of providers), and where each goes in [`Rates`].
const TOKEN_PRICES: [TokenPrice; 4] = [
    TokenPrice {
        flat: &["input", "prompt"],
        tiers: &["input_tiers", "prompt_tiers"],
        place: |rates| &mut rates.input,
    },
    TokenPrice {
        flat: &["output", "completion"],
        tiers: &["output_tiers", "completion_tiers"],
        place: |rates| &mut rates.output,
    },
    TokenPrice {
        flat: &["input_cache_read"],
        tiers: &["input_cache_read_tiers"],
        place: |rates| &mut rates.cache_read,
    },
    TokenPrice {
        flat: &["input_cache_write"],
        tiers: &["input_cache_write_tiers"],
        place: |rates| &mut rates.cache_write,
    },
];

struct TokenPrice {
    flat: &'static [&'static str],
    tiers: &'static [&'static str],
    place: fn(&mut Rates) -> &mut Option<Usd>,
}

impl TokenPrice {
    /// The name and the value that count: tiers win over the flat price, which repeats the first of them.
    fn of<'p>(&self, pricing: &WirePricing<'p>) -> Option<(&'static str, &'p RawValue)> {
        let names = self.tiers.iter().chain(self.flat);
        names
            .copied()
            .find_map(|name| Some((name, *pricing.get(name)?)))
    }
}

/// Whether a price of this name is one of the four per token.
fn is_per_token(name: &str) -> bool {
    (TOKEN_PRICES.iter()).any(|price| price.flat.contains(&name) || price.tiers.contains(&name))
}

/// What a price list holds but this program cannot read: then no price is known, because a cost
/// with a part missing would be wrong.
struct Unreadable;

/// The prices per token; `Ok(None)` where there are none.
fn token_prices(pricing: &WirePricing<'_>) -> Result<Option<Prices>, Unreadable> {
    if pricing.get(CONDITIONAL).is_some_and(|raw| !is_empty(raw)) {
        return Err(Unreadable);
    }
    let lists = TOKEN_PRICES
        .iter()
        .map(|price| Ok((price.place, steps(pricing, price)?)))
        .collect::<Result<Vec<_>, Unreadable>>()?;
    if lists.iter().all(|(_, steps)| steps.is_empty()) {
        return Ok(None);
    }
    // Each price has boundaries of its own; a tier begins wherever one of them changes.
    let boundaries: BTreeSet<u64> = (lists.iter())
        .flat_map(|(_, steps)| steps.iter().map(|(from, _)| *from))
        .collect();
    let tiers = (boundaries.into_iter())
        .map(|from_prompt_tokens| {
            let mut rates = Rates::default();
            for (place, steps) in &lists {
                let reached = steps.iter().rfind(|(from, _)| *from <= from_prompt_tokens);
                *place(&mut rates) = reached.map(|(_, usd)| *usd);
            }
            Tier {
                from_prompt_tokens,
                rates,
            }
        })
        .collect();
    Prices::tiered(tiers).map(Some).map_err(|_| Unreadable)
}

/// One price as steps (from this many prompt tokens on, USD per token), the first from 0; empty
/// where it is not listed.
fn steps(pricing: &WirePricing<'_>, price: &TokenPrice) -> Result<Vec<(u64, Usd)>, Unreadable> {
    let Some((name, raw)) = price.of(pricing) else {
        return Ok(Vec::new());
    };
    if price.flat.contains(&name) {
        return Ok(vec![(0, usd(raw)?)]);
    }
    let tiers: Vec<WireTier<'_>> = serde_json::from_str(raw.get()).map_err(|_| Unreadable)?;
    // Without a hole, and open at the end: every prompt falls in one tier.
    let mut expected = Some(0);
    for tier in &tiers {
        let ascends = tier.max.is_none_or(|max| tier.min < max);
        if expected != Some(tier.min) || !ascends {
            return Err(Unreadable);
        }
        expected = tier.max;
    }
    if expected.is_some() || tiers.len() > MAX_TIERS {
        return Err(Unreadable);
    }
    (tiers.iter())
        .map(|tier| Ok((tier.min, usd(tier.cost)?)))
        .collect()
}

/// An amount, as text or as a number, by its digits. Negative ones are some lists' way to say
/// that a price varies.
fn usd(raw: &RawValue) -> Result<Usd, Unreadable> {
    let text = raw.get();
    let amount: Usd = if text.starts_with('"') {
        serde_json::from_str(text).map_err(|_| Unreadable)?
    } else {
        text.parse().map_err(|_| Unreadable)?
    };
    if amount < Usd::ZERO || amount > MAX_USD_PER_TOKEN {
        return Err(Unreadable);
    }
    Ok(amount)
}

fn other_prices(pricing: &WirePricing<'_>) -> Vec<OtherPrice> {
    let others = pricing
        .iter()
        .filter(|(name, raw)| !is_per_token(name) && !is_empty(raw))
        .map(|(name, raw)| OtherPrice::new(name, raw));
    let unbelieved = TOKEN_PRICES.iter().filter_map(|price| {
        let (name, raw) = price.of(pricing)?;
        let unbelieved = steps(pricing, price).is_err();
        unbelieved.then(|| OtherPrice::new(name, raw))
    });
    let mut prices: Vec<OtherPrice> = others.chain(unbelieved).collect();
    prices.sort();
    prices
}

/// A value as the list spells it, on one line.
fn verbatim(raw: &RawValue) -> String {
    let text = serde_json::from_str(raw.get()).unwrap_or_else(|_| raw.get().to_owned());
    cut_to(text, MAX_VALUE_CHARS)
}

/// Whether a value says that there is no such price: lists put a 0 or nothing under every name they know.
fn is_empty(raw: &RawValue) -> bool {
    let text = raw.get();
    matches!(text, "null" | "[]" | "{}") || usd(raw).is_ok_and(|amount| amount == Usd::ZERO)
}
