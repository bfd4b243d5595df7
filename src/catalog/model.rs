//! One entry of a model list: from the bytes of `GET /v1/models` to a checked [`Model`].
//!
//! Owns the wire shape of an entry. Must not know where the list came from. Invariant: a fact that
//! is missing or cannot be understood is absent; only an entry without an id is turned down.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer};
use serde_json::value::RawValue;

use crate::units::{ModelId, Usd};

use super::price::{Prices, Rates, Tier};

/// Tiers of one price: real lists have two; more than this is not a price list.
const MAX_TIERS: usize = 64;
/// Tags kept of one model: real lists have up to 8.
const MAX_TAGS: usize = 64;
/// Characters kept of a name or a tag: they end in tables.
const MAX_WORD_CHARS: usize = 200;

/// A model that an endpoint offers.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// The id as the endpoint spells it.
    pub id: ModelId,
    /// Its name for people; the id where the list has none.
    pub name: String,
    /// What it makes.
    pub kind: Kind,
    /// Most tokens of prompt and answer together.
    pub context_window: Option<u64>,
    /// Most tokens of one answer. Absent for kinds that do not answer in tokens: lists put other
    /// numbers there, such as the size of an embedding.
    pub max_tokens: Option<u64>,
    /// `reasoning`, `tool-use`, `vision`, ...
    pub tags: Vec<String>,
    /// List prices per token; absent where the list has none.
    pub prices: Option<Prices>,
    /// Names of further prices (per image, per search, by region, ...) that a cost by tokens
    /// leaves out, sorted.
    pub other_prices: Vec<String>,
}

/// What a model makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The words are the wire's own.
pub enum Kind {
    Language,
    Embedding,
    Image,
    Video,
    Reranking,
    Transcription,
    Speech,
    Realtime,
    /// A kind this program does not know, or none was given, as in the lists of plain servers.
    Other,
}

/// One entry of `data`, as sent. Keys that are not here are not used.
#[derive(Debug, Deserialize)]
pub(super) struct WireModel<'a> {
    id: String,
    #[serde(default, deserialize_with = "understood")]
    name: Option<String>,
    #[serde(rename = "type", default, deserialize_with = "understood")]
    kind: Option<String>,
    #[serde(default, deserialize_with = "understood")]
    context_window: Option<u64>,
    #[serde(default, deserialize_with = "understood")]
    max_tokens: Option<u64>,
    #[serde(default, deserialize_with = "understood")]
    tags: Option<Vec<String>>,
    #[serde(default, borrow)]
    pricing: Option<&'a RawValue>,
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

/// The four prices per token with their names in `pricing`, and where each goes in [`Rates`].
const TOKEN_PRICES: [TokenPrice; 4] = [
    TokenPrice {
        flat: "input",
        tiers: "input_tiers",
        place: |rates| &mut rates.input,
    },
    TokenPrice {
        flat: "output",
        tiers: "output_tiers",
        place: |rates| &mut rates.output,
    },
    TokenPrice {
        flat: "input_cache_read",
        tiers: "input_cache_read_tiers",
        place: |rates| &mut rates.cache_read,
    },
    TokenPrice {
        flat: "input_cache_write",
        tiers: "input_cache_write_tiers",
        place: |rates| &mut rates.cache_write,
    },
];

struct TokenPrice {
    flat: &'static str,
    tiers: &'static str,
    place: fn(&mut Rates) -> &mut Option<Usd>,
}

/// What a price list holds but this program cannot read: then no price is known, because a cost
/// with a part missing would be wrong.
struct Unreadable;

impl<'a> WireModel<'a> {
    /// The checked entry; `None` where its id is not one.
    pub(super) fn checked(self) -> Option<Model> {
        let id: ModelId = self.id.parse().ok()?;
        let kind = self.kind.as_deref().map_or(Kind::Other, Kind::from_wire);
        let pricing: WirePricing<'a> = self
            .pricing
            .and_then(|raw| serde_json::from_str(raw.get()).ok())
            .unwrap_or_default();
        let answers_in_tokens = matches!(kind, Kind::Language | Kind::Other);
        Some(Model {
            name: self.name.map_or_else(|| id.to_string(), shortened),
            kind,
            context_window: self.context_window,
            max_tokens: self.max_tokens.filter(|_| answers_in_tokens),
            tags: (self.tags.unwrap_or_default().into_iter())
                .take(MAX_TAGS)
                .map(shortened)
                .collect(),
            prices: token_prices(&pricing).unwrap_or(None),
            other_prices: other_prices(&pricing),
            id,
        })
    }
}

impl Model {
    /// A model of which nothing but its id is known.
    pub(super) fn unlisted(id: ModelId) -> Self {
        Self {
            name: id.to_string(),
            id,
            kind: Kind::Other,
            context_window: None,
            max_tokens: None,
            tags: Vec::new(),
            prices: None,
            other_prices: Vec::new(),
        }
    }
}

impl Kind {
    fn from_wire(word: &str) -> Self {
        match word {
            "language" => Self::Language,
            "embedding" => Self::Embedding,
            "image" => Self::Image,
            "video" => Self::Video,
            "reranking" => Self::Reranking,
            "transcription" => Self::Transcription,
            "speech" => Self::Speech,
            "realtime" => Self::Realtime,
            _ => Self::Other,
        }
    }
}

/// Reads a value of the wanted type, or leaves it absent when it has another one.
fn understood<'de, D: Deserializer<'de>, T: DeserializeOwned>(d: D) -> Result<Option<T>, D::Error> {
    let value = serde_json::Value::deserialize(d)?;
    Ok(serde_json::from_value(value).ok())
}

fn shortened(word: String) -> String {
    if word.chars().count() > MAX_WORD_CHARS {
        word.chars().take(MAX_WORD_CHARS).collect()
    } else {
        word
    }
}

/// The prices per token; `Ok(None)` where there are none.
fn token_prices(pricing: &WirePricing<'_>) -> Result<Option<Prices>, Unreadable> {
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
/// where it is not listed. Tiers win over the flat price, which repeats the first of them.
fn steps(pricing: &WirePricing<'_>, price: &TokenPrice) -> Result<Vec<(u64, Usd)>, Unreadable> {
    let Some(raw) = pricing.get(price.tiers) else {
        let flat = pricing.get(price.flat);
        return flat.map(|raw| Ok((0, usd(raw)?))).into_iter().collect();
    };
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
    if amount < Usd::ZERO {
        return Err(Unreadable);
    }
    Ok(amount)
}

fn other_prices(pricing: &WirePricing<'_>) -> Vec<String> {
    let per_token = |name: &str| {
        TOKEN_PRICES
            .iter()
            .any(|price| price.flat == name || price.tiers == name)
    };
    pricing
        .keys()
        .filter(|name| !per_token(name))
        .cloned()
        .map(shortened)
        .collect()
}
