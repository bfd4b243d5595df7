//! One `pricing` object of a list: from its bytes to checked [`TokenPrices`].
//!
//! Owns the names that gateways give to prices. Must not know which model they are for. Invariant: a price list
//! that cannot be read in full yields no price, because a cost with a part missing would be wrong.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::units::Usd;

use super::listed::{sanitize, sanitize_word};
use super::price::{Rates, Tier, TokenPrices};
use super::service_tier::ServiceTiers;

/// Maximum tiers of one price: real lists have two.
const MAX_TIERS: usize = 64;
/// Maximum plausible price of a token, ten thousand USD per million: above it a list uses another
/// unit (some servers list USD per million tokens under the same names). The highest known is 0.0006.
const MAX_USD_PER_TOKEN: Usd = Usd(Usd::PICO / 100);
/// Prices that replace others under conditions (`OpenRouter`), in order: the last that applies wins.
pub(super) const OVERRIDES: &str = "overrides";
/// The condition on the size of a prompt: it applies to more tokens than this.
const MIN_PROMPT_TOKENS: &str = "min_prompt_tokens";
/// Conditions on the time of day and the day of the week, UTC.
const HOURS: [&str; 3] = ["utc_start", "utc_end", "utc_days"];
/// The part of each price that is taken off, from 0 to 1 (`OpenRouter`).
const DISCOUNT: &str = "discount";
/// Most overrides of one model: real lists have two.
const MAX_OVERRIDES: usize = 64;
/// Prices of requests that name a service tier, by its word (Vercel).
const SERVICE_TIERS: &str = "service_tiers";
/// Most service tiers of one model: real lists have two.
const MAX_SERVICE_TIERS: usize = 16;
/// Prices of a service tier for long prompts, and the size above which they apply.
const LONG_CONTEXT: &str = "long_context";
const THRESHOLD: &str = "threshold";
/// The factor of all prices at certain hours (Vercel, for `DeepSeek`'s models): the list states those outside of them.
pub(super) const PEAK: &str = "peak_pricing";
/// The largest factor that is believed: the known one is 2.
const MAX_PEAK_FACTOR: Usd = Usd(100 * Usd::PICO);
/// The price of an image: of an input image, or, if the model makes images, of an output image.
pub(super) const IMAGE: &str = "image";
/// The beginning of the names of prices of an hour-long cache write in bounds, that are written to a cache of a stated lifetime:
/// `input_cache_write_1h`.
const WRITE_BY_LIFETIME: &str = "input_cache_write_";
/// Name for all of a model's prices if `pricing` is not a table.
const PRICING: &str = "pricing";
/// Prices per token for requests that stay in a region.
pub(super) const REGIONAL: &str = "regional";

/// Maximum characters of a further price: a map of regions has some hundred per region.
const MAX_VALUE_CHARS: usize = 4_000;

/// The treatment of a price that is not one of the four per token. A cost by tokens excludes all of them;
/// the billed amount includes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Treatment {
    /// Included in caps and worst cases.
    Bounded,
    /// Billed only for input images: under a cap, requests with images are refused until a surcharge declares
    /// the maximum price of one.
    Images,
    /// Included in list costs and caps of what uses it: a service tier, a lifetime of a cache write.
    Counted,
    /// Not included: under a cap the model is refused until a surcharge declares its maximum.
    Declare,
    /// An invalid price per token: the model has no prices until the user declares
    /// them.
    Unbelieved,
}

impl Treatment {
    /// The treatment in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Bounded => "counted in caps and worst cases, not in list costs",
            Self::Images => {
                "billed for images only: caps reject images until `usd_per_image` declares it"
            }
            Self::Counted => "counted in the costs of what uses it, and in caps",
            Self::Declare => {
                "not supported: caps refuse the model until `surcharges` declares its maximum"
            }
            Self::Unbelieved => {
                "no price of this list is used: it is not 0 to 0.01 USD per token, or its tiers have gaps; declare it under `prices` in bakeoff.toml"
            }
        }
    }
}

/// A price that is not one of the four per token, or an invalid one of them, as in the list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OtherPrice {
    /// Its name in the list: `web_search`, `image`, `regional`, ...
    pub name: String,
    /// Its value as the list spells it: a string without its quotes, anything else as JSON.
    pub value: String,
}

impl OtherPrice {
    fn new(name: &str, raw: &RawValue) -> Self {
        Self {
            name: sanitize_word(name.to_owned()),
            value: verbatim(raw),
        }
    }

    /// The treatment of it, apart from what it is the same list.
    pub(super) fn treatment(&self, makes_images: bool) -> Treatment {
        match self.name.as_str() {
            IMAGE if !makes_images => Treatment::Images,
            SERVICE_TIERS => Treatment::Counted,
            name if is_write_by_lifetime(name) && self.is_readable_write() => Treatment::Counted,
            _ if self.of_write().is_some() => Treatment::Bounded,
            DISCOUNT => Treatment::Unbelieved,
            name if name == PRICING || is_per_token(name) => Treatment::Unbelieved,
            _ => Treatment::Declare,
        }
    }

    /// The price of an image, if this is one.
    pub(super) fn image_price(&self) -> Option<Usd> {
        let price = (self.name == IMAGE).then(|| self.value.parse().ok());
        price.flatten().filter(|price| *price > Usd::ZERO)
    }

    /// Returns true if it is the price of a cache write by lifetime, or a list of such prices, that can be believed.
    fn is_readable_write(&self) -> bool {
        let tiers = || {
            let raw = RawValue::from_string(self.value.clone()).ok()?;
            let pricing = BTreeMap::from([(self.name.clone(), &*raw)]);
            let mut known = WRITES_BY_LIFETIME.iter();
            let price = known.find(|price| price.tiers.contains(&self.name.as_str()))?;
            steps(&pricing, price).ok()
        };
        self.of_write().is_some() || tiers().is_some()
    }

    /// The price of a prompt token that is written to a cache of a stated lifetime, USD, where this is one that can be believed.
    pub(super) fn of_write(&self) -> Option<Usd> {
        let is_write = self.name.starts_with(WRITE_BY_LIFETIME) && !is_per_token(&self.name);
        let price: Option<Usd> = is_write.then(|| self.value.parse().ok()).flatten();
        price.filter(|price| (Usd::ZERO..=MAX_USD_PER_TOKEN).contains(price))
    }
}

/// Reads the prices per token, and by name all others, with invalid prices per token among them.
pub(super) fn read_pricing(raw: Option<&RawValue>) -> (Option<TokenPrices>, Vec<OtherPrice>) {
    let Some(raw) = raw.filter(|raw| !is_blank(raw)) else {
        return (None, Vec::new());
    };
    let Ok(pricing) = serde_json::from_str::<WirePricing<'_>>(raw.get()) else {
        return (None, vec![OtherPrice::new(PRICING, raw)]);
    };
    let prices = token_prices(&pricing).unwrap_or(None);
    (prices, other_prices(&pricing))
}

/// Reads the prices of certain hours, one list for each override by time with those after it; `None` if one of them cannot be
/// read in full.
pub(super) fn read_hourly(raw: Option<&RawValue>) -> Option<Vec<TokenPrices>> {
    let Some(raw) = raw else {
        return Some(Vec::new());
    };
    let pricing: WirePricing<'_> = serde_json::from_str(raw.get()).ok()?;
    let overrides = read_overrides(&pricing).ok()?;
    let timed = overrides.iter().filter(|entry| entry.is_timed);
    let lists = timed.map(|entry| {
        let applies = |other: &PriceOverride| !other.is_timed || std::ptr::eq(other, entry);
        with_overrides(&pricing, overrides.iter().filter(|other| applies(other))).ok()?
    });
    let peak = pricing.get(PEAK).filter(|raw| !is_blank(raw));
    let peak = peak.map(|raw| peak_prices(&token_prices(&pricing).ok()??, raw));
    lists.chain(peak).collect()
}

/// The prices times the factor of peak hours; `None` if it is no factor of 1 or more.
fn peak_prices(prices: &TokenPrices, peak: &RawValue) -> Option<TokenPrices> {
    let fields: WirePricing<'_> = serde_json::from_str(peak.get()).ok()?;
    let factor: Usd = fields
        .get("multiplier")?
        .get()
        .trim_matches('"')
        .parse()
        .ok()?;
    if !(Usd(Usd::PICO)..=MAX_PEAK_FACTOR).contains(&factor) {
        return None;
    }
    let tiers = prices.tiers().iter().map(|tier| {
        let mut rates = tier.rates;
        for field in RATE_FIELDS {
            if let Some(price) = field(&mut rates) {
                // At most 10^10 x 10^14, far below the range of the type.
                price.0 = (price.0 * factor.0 + Usd::PICO - 1).div_euclid(Usd::PICO);
            }
        }
        Tier { rates, ..*tier }
    });
    TokenPrices::tiered(tiers.collect()).ok()
}

/// Reads the prices of service tiers; a tier that cannot be read in full has none.
pub(super) fn read_service_tiers(raw: Option<&RawValue>) -> ServiceTiers {
    let tiers = raw.and_then(|raw| {
        let pricing: WirePricing<'_> = serde_json::from_str(raw.get()).ok()?;
        let tiers = pricing.get(SERVICE_TIERS)?;
        serde_json::from_str::<WirePricing<'_>>(tiers.get()).ok()
    });
    let mut read = ServiceTiers::default();
    for (tier, raw) in tiers
        .unwrap_or_default()
        .into_iter()
        .take(MAX_SERVICE_TIERS)
    {
        if let Ok(Some(prices)) = service_tier_prices(raw) {
            read.insert(&tier, prices);
        }
    }
    read
}

/// The prices of one service tier, those for long prompts included.
fn service_tier_prices(raw: &RawValue) -> Result<Option<TokenPrices>, Unreadable> {
    let mut pricing: WirePricing<'_> = serde_json::from_str(raw.get()).map_err(|_| Unreadable)?;
    let long = pricing.remove(LONG_CONTEXT).filter(|raw| !is_blank(raw));
    if !other_prices(&pricing)
        .iter()
        .all(|price| price.of_write().is_some())
    {
        return Err(Unreadable);
    }
    let long = long.map(|raw| {
        let mut entry: WirePricing<'_> = serde_json::from_str(raw.get()).map_err(|_| Unreadable)?;
        let threshold = entry.remove(THRESHOLD).ok_or(Unreadable)?;
        entry.insert(MIN_PROMPT_TOKENS.to_owned(), threshold);
        read_override(&entry)
    });
    with_overrides(&pricing, long.transpose()?.iter())
}

/// Reads the prices of regions; `None` if one of them cannot be read in full.
pub(super) fn read_regional(raw: Option<&RawValue>) -> Option<Vec<TokenPrices>> {
    let Some(raw) = raw else {
        return Some(Vec::new());
    };
    let pricing: WirePricing<'_> = serde_json::from_str(raw.get()).ok()?;
    let Some(regional) = pricing.get(REGIONAL).filter(|raw| !is_blank(raw)) else {
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

/// Keys of `pricing`, by name. Values stay text: a float would lose digits.
type WirePricing<'a> = BTreeMap<String, &'a RawValue>;

/// The four prices per token with their names in `pricing` (Vercel's list; OpenRouter's, which both
/// gateways' lists of providers use), and the field of [`Rates`] for each.
const TOKEN_PRICES: [TokenPrice; 4] = [
    TokenPrice {
        flat: &["input", "prompt"],
        tiers: &["input_tiers", "prompt_tiers"],
        field: |rates| &mut rates.input,
    },
    TokenPrice {
        flat: &["output", "completion"],
        tiers: &["output_tiers", "completion_tiers"],
        field: |rates| &mut rates.output,
    },
    TokenPrice {
        flat: &["input_cache_read"],
        tiers: &["input_cache_read_tiers"],
        field: |rates| &mut rates.cache_read,
    },
    TokenPrice {
        flat: &["input_cache_write"],
        tiers: &["input_cache_write_tiers"],
        field: |rates| &mut rates.cache_write,
    },
];

/// A field of [`Rates`].
type RateField = fn(&mut Rates) -> &mut Option<Usd>;

/// Prices of cache writes of a stated lifetime: they are in list costs. A price of a gateway's list is in every bound, because the
/// gateway may choose the lifetime; those by the size of the prompt, which the compiled-in list alone has, are in bounds of requests that
/// state a lifetime: they are of makers that write so on demand alone.
const WRITES_BY_LIFETIME: [TokenPrice; 2] = [
    TokenPrice {
        flat: &["input_cache_write_1h"],
        tiers: &["input_cache_write_1h_tiers"],
        field: |rates| &mut rates.cache_write_1h,
    },
    TokenPrice {
        flat: &["input_cache_write_12h"],
        tiers: &["input_cache_write_12h_tiers"],
        field: |rates| &mut rates.cache_write_12h,
    },
];

/// Every field of [`Rates`].
const RATE_FIELDS: [RateField; 6] = [
    |rates| &mut rates.input,
    |rates| &mut rates.output,
    |rates| &mut rates.cache_read,
    |rates| &mut rates.cache_write,
    |rates| &mut rates.cache_write_1h,
    |rates| &mut rates.cache_write_12h,
];

struct TokenPrice {
    flat: &'static [&'static str],
    tiers: &'static [&'static str],
    field: RateField,
}

impl TokenPrice {
    /// The name and the value that count: tiers override the flat price, which repeats the first of them.
    fn find<'p>(&self, pricing: &WirePricing<'p>) -> Option<(&'static str, &'p RawValue)> {
        let names = self.tiers.iter().chain(self.flat);
        names
            .copied()
            .find_map(|name| Some((name, *pricing.get(name)?)))
    }
}

/// Returns true if this is the name of a price per token.
fn is_per_token(name: &str) -> bool {
    (TOKEN_PRICES.iter()).any(|price| price.flat.contains(&name) || price.tiers.contains(&name))
}

/// Returns true if this is the name of prices of a cache write of a lifetime that costs know.
fn is_write_by_lifetime(name: &str) -> bool {
    let mut known = WRITES_BY_LIFETIME.iter();
    known.any(|price| price.flat.contains(&name) || price.tiers.contains(&name))
}

/// Error for a price list that cannot be read in full: then no price is known, because a cost
/// with a part missing would be wrong.
struct Unreadable;

/// Prices that replace those of the list under a condition.
struct PriceOverride {
    /// The smallest prompt, in tokens, to which it applies.
    from_prompt_tokens: u64,
    /// True if it applies at certain hours or days alone.
    is_timed: bool,
    /// The prices that it sets; others are inherited.
    rates: Rates,
}

/// Reads the overrides in order. A condition or a price that is not known makes all prices unreliable.
fn read_overrides(pricing: &WirePricing<'_>) -> Result<Vec<PriceOverride>, Unreadable> {
    let Some(raw) = pricing.get(OVERRIDES).filter(|raw| !is_blank(raw)) else {
        return Ok(Vec::new());
    };
    let entries: Vec<WirePricing<'_>> = serde_json::from_str(raw.get()).map_err(|_| Unreadable)?;
    if entries.len() > MAX_OVERRIDES {
        return Err(Unreadable);
    }
    entries.iter().map(read_override).collect()
}

fn read_override(entry: &WirePricing<'_>) -> Result<PriceOverride, Unreadable> {
    let mut read = PriceOverride {
        from_prompt_tokens: 0,
        is_timed: false,
        rates: Rates::default(),
    };
    for (name, raw) in entry {
        let name = name.as_str();
        let price = TOKEN_PRICES.iter().find(|price| price.flat.contains(&name));
        let lifetime = WRITES_BY_LIFETIME
            .iter()
            .find(|price| price.flat.contains(&name));
        if let Some(price) = price.or(lifetime) {
            *(price.field)(&mut read.rates) = Some(usd(raw)?);
        } else if raw.get() == "null" {
        } else if name == MIN_PROMPT_TOKENS {
            let min: u64 = serde_json::from_str(raw.get()).map_err(|_| Unreadable)?;
            // Strictly more tokens than the minimum.
            read.from_prompt_tokens = min.checked_add(1).ok_or(Unreadable)?;
        } else if HOURS.contains(&name) {
            read.is_timed = true;
        } else if !is_blank(raw) {
            return Err(Unreadable);
        }
    }
    Ok(read)
}

/// The part of each price that is paid, in pico: 10^12 without a discount.
fn paid_share(pricing: &WirePricing<'_>) -> Result<i128, Unreadable> {
    let Some(raw) = pricing.get(DISCOUNT).filter(|raw| raw.get() != "null") else {
        return Ok(Usd::PICO);
    };
    let text: String = serde_json::from_str(raw.get()).unwrap_or_else(|_| raw.get().to_owned());
    let discount: Usd = text.parse().map_err(|_| Unreadable)?;
    if discount < Usd::ZERO || discount.0 > Usd::PICO {
        return Err(Unreadable);
    }
    Ok(Usd::PICO - discount.0)
}

/// The prices per token outside of certain hours; `Ok(None)` if there are none.
fn token_prices(pricing: &WirePricing<'_>) -> Result<Option<TokenPrices>, Unreadable> {
    let overrides = read_overrides(pricing)?;
    with_overrides(pricing, overrides.iter().filter(|entry| !entry.is_timed))
}

/// The prices per token under these overrides; `Ok(None)` if there are none.
fn with_overrides<'o>(
    pricing: &WirePricing<'_>,
    overrides: impl Iterator<Item = &'o PriceOverride>,
) -> Result<Option<TokenPrices>, Unreadable> {
    let overrides: Vec<&PriceOverride> = overrides.collect();
    let share = paid_share(pricing)?;
    let mut lists = TOKEN_PRICES
        .iter()
        .map(|price| Ok((price.field, steps(pricing, price)?)))
        .collect::<Result<Vec<_>, Unreadable>>()?;
    if lists.iter().all(|(_, steps)| steps.is_empty()) {
        return Ok(None);
    }
    // A price of 0 or one that cannot be read is not one of a lifetime: such writes have no cost.
    let writes = WRITES_BY_LIFETIME.iter().filter_map(|price| {
        let (_, raw) = price.find(pricing)?;
        let steps = steps(pricing, price).ok().filter(|_| !is_blank(raw))?;
        Some((price.field, steps))
    });
    lists.extend(writes);
    // Each price has boundaries of its own; a tier begins at each of them.
    let boundaries: BTreeSet<u64> = (lists.iter())
        .flat_map(|(_, steps)| steps.iter().map(|(from, _)| *from))
        .chain(overrides.iter().map(|entry| entry.from_prompt_tokens))
        .chain([0])
        .collect();
    let tiers = (boundaries.into_iter())
        .map(|from_prompt_tokens| {
            let mut rates = Rates::default();
            for (field, steps) in &lists {
                let reached = steps.iter().rfind(|(from, _)| *from <= from_prompt_tokens);
                *field(&mut rates) = reached.map(|(_, usd)| *usd);
            }
            let reached = |entry: &&&PriceOverride| entry.from_prompt_tokens <= from_prompt_tokens;
            for entry in overrides.iter().filter(reached) {
                let mut theirs = entry.rates;
                for field in RATE_FIELDS {
                    if let Some(price) = *field(&mut theirs) {
                        *field(&mut rates) = Some(price);
                    }
                }
            }
            for field in RATE_FIELDS {
                if let Some(price) = field(&mut rates) {
                    *price = discounted(*price, share);
                }
            }
            Tier {
                from_prompt_tokens,
                rates,
            }
        })
        .collect();
    TokenPrices::tiered(tiers).map(Some).map_err(|_| Unreadable)
}

/// The price less its discount, rounded half up to a pico-dollar.
fn discounted(price: Usd, share: i128) -> Usd {
    // At most 10^10 x 10^12, far below the range of the type.
    Usd((price.0 * share + Usd::PICO / 2).div_euclid(Usd::PICO))
}

/// One price as steps (from this many prompt tokens on, USD per token), the first from 0; empty
/// if it is not listed.
fn steps(pricing: &WirePricing<'_>, price: &TokenPrice) -> Result<Vec<(u64, Usd)>, Unreadable> {
    let Some((name, raw)) = price.find(pricing) else {
        return Ok(Vec::new());
    };
    if price.flat.contains(&name) {
        return Ok(vec![(0, usd(raw)?)]);
    }
    let tiers: Vec<WireTier<'_>> = serde_json::from_str(raw.get()).map_err(|_| Unreadable)?;
    // Without a gap, and open at the end: every prompt falls in one tier.
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

/// Parses an amount, as text or as a number, by its digits. Some lists use negative ones to say
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
        .filter(|(name, raw)| !is_per_token(name) && !is_blank(raw))
        // Applied to the prices per token, where they can be read.
        .filter(|(name, _)| match name.as_str() {
            DISCOUNT => paid_share(pricing).is_err(),
            OVERRIDES => !read_overrides(pricing)
                .is_ok_and(|entries| entries.iter().all(|entry| !entry.is_timed)),
            _ => true,
        })
        .map(|(name, raw)| OtherPrice::new(name, raw));
    let invalid = TOKEN_PRICES.iter().filter_map(|price| {
        let (name, raw) = price.find(pricing)?;
        let invalid = steps(pricing, price).is_err();
        invalid.then(|| OtherPrice::new(name, raw))
    });
    let mut prices: Vec<OtherPrice> = others.chain(invalid).collect();
    prices.sort_unstable();
    prices
}

/// A value as the list spells it, on one line.
fn verbatim(raw: &RawValue) -> String {
    let text = serde_json::from_str(raw.get()).unwrap_or_else(|_| raw.get().to_owned());
    sanitize(text, MAX_VALUE_CHARS)
}

/// Returns true if a value means that there is no such price: lists put a 0 or nothing under every name they know.
fn is_blank(raw: &RawValue) -> bool {
    let text = raw.get();
    matches!(text, "null" | "[]" | "{}") || usd(raw).is_ok_and(|amount| amount == Usd::ZERO)
}

#[cfg(test)]
#[path = "pricing_tests.rs"]
mod tests;
