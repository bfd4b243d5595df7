//! The catalog: models, their prices, and the cost of a request.
//!
//! Owns the list of models, the cost formula and the search for similar ids. Must not know
//! requests, nor connect to an endpoint: lists are passed in as bytes. Invariant: money is exact, and a
//! price that is not known is absent, never 0.

mod bound;
mod cache;
mod diff;
mod estimate;
#[cfg(test)]
pub(crate) mod fixture;
mod listed;
mod model;
mod offer;
mod past;
mod price;
mod pricing;
mod retirement;
mod search;
mod service_tier;
mod tokens;
mod worst_case;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::suite::OwnPrice;
use crate::units::{ModelId, Usd, digest, plural};

pub use bound::{PriceBound, Request, UnboundedCost, is_above_limit, max_input_cost};
pub use cache::{CachedList, ListCache};
pub use diff::{Fact, FactChange, FactValue, ListDiff, ModelPair};
pub use estimate::{
    AnswerBasis, CostEstimate, CountedPrompts, EstimateInputs, GraderEstimate, PromptEstimate,
    Sums, VariantEstimate, expected_reasoning,
};
pub use model::{ListedModel, ModelKind};
pub use offer::{Offer, Offers, Percentiles, Window};
pub use past::{CostHistory, PastAnswer, PastVariant};
pub use price::{Rates, Tier, TiersError, TokenCounts, TokenPrices, cost};
pub use pricing::{OtherPrice, Treatment};
pub use retirement::Retirement;
pub use search::{QueryError, Sort};
pub use service_tier::{ServiceTiers, requested_service_tier};
pub use tokens::{TokenCounter, TokenEstimate, Vocabularies, max_text_tokens, prompt_tokens};
pub use worst_case::WorstCase;

/// Maximum number of ids that are suggested for one that is not known.
pub const MAX_SUGGESTIONS: usize = 3;

use model::WireModel;
use search::Word;

/// The compiled-in list: the facts of a gateway's `/v1/models` that this program uses.
const SNAPSHOT: &str = include_str!("snapshot.json");

/// Maximum size of a model list in bytes: the largest known one, 377 models, is below 1 MiB.
pub const MAX_LIST_BYTES: usize = 32 << 20;
/// Maximum number of models in a list: an order of magnitude above the largest known one.
const MAX_MODELS: usize = 10_000;
/// Minimum similarity (0 to 1) of a suggested id: a wrong hint is worse than none.
const MIN_SIMILARITY: f64 = 0.8;

/// Bytes from which a part of an id says which one was meant.
const MIN_PART_BYTES: usize = 4;

/// Characters of a wrong id that are compared: no id is longer, and comparing takes their product.
const MAX_WRONG_CHARS: usize = 200;

/// The models of an endpoint and their prices.
#[derive(Debug, Clone, PartialEq)]
pub struct Catalog {
    models: BTreeMap<ModelId, ListedModel>,
    source: Source,
    unreadable_entries: usize,
    duplicate_ids: BTreeSet<ModelId>,
}

/// Source of a model list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// In words, for a report.
    pub words: String,
    /// Date of the list, `YYYY-MM-DD`.
    pub date: String,
    /// Digest of the list, own prices included.
    pub digest: String,
}

/// Error of reading a model list.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// Not JSON, or neither of the shape `{"data": [...]}` nor an array.
    #[error("not a model list: {0}")]
    NotAList(#[from] serde_json::Error),
    /// Larger than [`Catalog::read`] accepts.
    #[error("a model list has at most {MAX_MODELS} models and {MAX_LIST_BYTES} bytes")]
    TooLarge,
}

/// The response of `GET /v1/models`. Each entry is parsed by itself, so that an entry that cannot be
/// parsed does not affect the others.
#[derive(Debug, Deserialize)]
struct WireList<'a> {
    /// Null if a server has no model at all (Ollama).
    #[serde(borrow, deserialize_with = "Option::deserialize")]
    data: Option<Vec<&'a RawValue>>,
}

/// The header that only the compiled-in list has.
#[derive(Debug, Deserialize)]
struct WireSnapshot {
    header: WireHeader,
}

#[derive(Debug, Deserialize)]
struct WireHeader {
    source: String,
    date: String,
}

/// Text in `Source::words` before the number of own prices.
const OWN_PRICES: &str = "; own prices of ";

impl Source {
    /// Returns true if the user declared some of the prices.
    pub fn has_own_prices(&self) -> bool {
        self.words.contains(OWN_PRICES)
    }
}

impl Catalog {
    /// The list that is compiled into the program.
    pub fn snapshot() -> Self {
        let read = || -> Result<Self, ListError> {
            let WireSnapshot { header } = serde_json::from_str(SNAPSHOT)?;
            Self::read(SNAPSHOT, header.source, header.date)
        };
        read().expect("the snapshot is a valid list: it is compiled in, and a test reads it")
    }

    /// Reads the response of `GET /v1/models`. `words` and `date` (`YYYY-MM-DD`) describe its
    /// source. Of two entries with one id the first counts; see [`Catalog::price_warnings`].
    ///
    /// # Errors
    /// Returns an error if the bytes are not such a list, or too many.
    pub fn read(list: &str, words: String, date: String) -> Result<Self, ListError> {
        if list.len() > MAX_LIST_BYTES {
            return Err(ListError::TooLarge);
        }
        // Together AI sends the entries without an object around them.
        let is_array = list.trim_start().starts_with('[');
        let entries = if is_array {
            serde_json::from_str(list)?
        } else {
            let wire: WireList<'_> = serde_json::from_str(list)?;
            wire.data.unwrap_or_default()
        };
        if entries.len() > MAX_MODELS {
            return Err(ListError::TooLarge);
        }
        let mut models = BTreeMap::new();
        let mut unreadable_entries = 0;
        let mut duplicate_ids = BTreeSet::new();
        for entry in entries {
            let parsed = serde_json::from_str::<WireModel<'_>>(entry.get())
                .ok()
                .and_then(WireModel::into_model);
            match parsed {
                Some(model) => match models.entry(model.id.clone()) {
                    Entry::Vacant(slot) => {
                        slot.insert(model);
                    }
                    Entry::Occupied(first) if first.get().has_same_prices(&model) => {}
                    Entry::Occupied(_) => {
                        duplicate_ids.insert(model.id);
                    }
                },
                None => unreadable_entries += 1,
            }
        }
        if is_array && models.is_empty() {
            // An array of anything else must not look like a list without models.
            let no_model = <serde_json::Error as serde::de::Error>::custom("no entry is a model");
            return Err(ListError::NotAList(no_model));
        }
        Ok(Self {
            models,
            source: Source {
                words,
                date,
                digest: digest(list.as_bytes()),
            },
            unreadable_entries,
            duplicate_ids,
        })
    }

    /// Applies prices that the user declared: they replace all of the list's prices of a model, and a
    /// model that is not listed is added.
    #[must_use]
    pub fn with_own_prices(mut self, own: &[OwnPrice]) -> Self {
        if own.is_empty() {
            return self;
        }
        let declared: Vec<String> = own.iter().map(price_line).collect();
        let digested = format!("{}\n{}", self.source.digest, declared.join("\n"));
        let models = plural(own.len(), "model");
        self.source = Source {
            words: format!("{}{OWN_PRICES}{models}", self.source.words),
            digest: digest(digested.as_bytes()),
            ..self.source
        };
        // The standard prices of a model, which replace all others, before those of its service tiers.
        let (tiers, standard): (Vec<_>, Vec<_>) =
            own.iter().partition(|price| price.service_tier.is_some());
        for price in standard.into_iter().chain(tiers) {
            let prices = TokenPrices::flat(price.into());
            let model = self
                .models
                .entry(price.model.clone())
                .or_insert_with(|| ListedModel::from_id(price.model.clone()));
            if let Some(tier) = &price.service_tier {
                model.service_tiers.insert(tier, prices);
                continue;
            }
            model.prices = Some(prices);
            model.regional.clear();
            model.hourly.clear();
            model.service_tiers.clear();
            model.other_prices.clear();
            self.duplicate_ids.remove(&price.model);
        }
        self
    }

    /// The model with this id.
    pub fn get(&self, id: &ModelId) -> Option<&ListedModel> {
        self.models.get(id)
    }

    /// All models, ordered by id.
    pub fn models(&self) -> impl DoubleEndedIterator<Item = &ListedModel> {
        self.models.values()
    }

    /// Returns up to `max` ids similar to `wrong`, the most similar first. Ids are
    /// compared whole and by the part after the `/`: creators are renamed, and often left out.
    pub fn nearest(&self, wrong: &str, max: usize) -> Vec<&ModelId> {
        let wrong: String = wrong.to_lowercase().chars().take(MAX_WRONG_CHARS).collect();
        let mut near: Vec<(f64, &ModelId)> = self
            .models
            .keys()
            .map(|id| (similarity(&wrong, &id.as_str().to_lowercase()), id))
            .filter(|(similarity, _)| *similarity >= MIN_SIMILARITY)
            .collect();
        near.sort_by(|(a, a_id), (b, b_id)| b.total_cmp(a).then_with(|| a_id.cmp(b_id)));
        near.into_iter().take(max).map(|(_, id)| id).collect()
    }

    /// Returns true if a request for this id can mean a model of the list. Accepted besides listed
    /// ids: an id without its tag if the server has a default one (`llama3`, listed as
    /// `llama3:latest`), and a listed id with a routing suffix (`openai/gpt-5:nitro`).
    pub fn offers(&self, id: &ModelId) -> bool {
        let listed = |text: &str| {
            let id = text.parse::<ModelId>();
            id.is_ok_and(|id| self.models.contains_key(&id))
        };
        let text = id.as_str();
        let bare = text.rsplit_once(':').map(|(bare, _)| bare);
        listed(text) || listed(&format!("{text}:latest")) || bare.is_some_and(listed)
    }

    /// Returns the ids of other creators with the same model part as `wrong`: gateways rename creators and
    /// move models between them, and an id of another gateway may have none.
    pub fn moved(&self, wrong: &str) -> Vec<&ModelId> {
        let model_part = |id: &str| id.rsplit('/').next().unwrap_or_default().to_lowercase();
        let model_name = model_part(wrong);
        let same = |id: &&ModelId| id.as_str() != wrong && model_part(id.as_str()) == model_name;
        self.models.keys().filter(same).collect()
    }

    /// Returns the models that match every word of `words`: a substring of the id, the
    /// name or a tag, or a glob (`*`, `?`, `[...]`) of a whole id or tag; `|` separates
    /// alternatives. Case is ignored.
    ///
    /// # Errors
    /// Returns an error for a word that is an invalid glob or has an empty alternative.
    pub fn search(&self, words: &[String]) -> Result<Vec<&ListedModel>, QueryError> {
        let words = words.iter().map(|word| Word::read(word));
        let words = words.collect::<Result<Vec<_>, _>>()?;
        let every = |model: &&ListedModel| words.iter().all(|word| word.matches(model));
        Ok(self.models.values().filter(every).collect())
    }

    /// Returns true if any model has a price per token. Lists of plain servers have none.
    pub fn has_prices(&self) -> bool {
        self.models.values().any(|model| model.prices.is_some())
    }

    /// The source of the list.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Returns warnings about unreliable prices, a sentence each: ids that are listed twice with different
    /// prices, and models with invalid prices.
    pub fn price_warnings(&self) -> Vec<String> {
        let twice = self.duplicate_ids.iter();
        let twice = twice.map(|id| {
            format!("`{id}` is listed twice with different prices: the first ones are used; to set others, declare `prices` in bakeoff.toml")
        });
        let invalid = self.models.values().filter(|m| m.has_invalid_price());
        let invalid: Vec<&ModelId> = invalid.map(|model| &model.id).collect();
        let invalid = invalid.first().map(|first| {
            format!(
                "prices of {} are invalid and are not used: see `bakeoff models show {first}`",
                plural(invalid.len(), "model")
            )
        });
        twice.chain(invalid).collect()
    }

    /// Number of entries that were skipped because they have no valid id.
    pub fn unreadable_entries(&self) -> usize {
        self.unreadable_entries
    }
}

/// Formats an own price as one line of text, for the digest.
fn price_line(price: &OwnPrice) -> String {
    let optional = |usd: Option<Usd>| usd.map_or_else(|| "-".to_owned(), |usd| usd.to_string());
    let mut line = format!(
        "{} {} {} {} {}",
        price.model,
        price.input_usd,
        price.output_usd,
        optional(price.cache_read_usd),
        optional(price.cache_write_usd),
    );
    // Absent in prices of older projects, whose digests stay as they were.
    let lifetimes = [price.cache_write_1h_usd, price.cache_write_12h_usd];
    if lifetimes.iter().any(Option::is_some) {
        line = format!(
            "{line} {} {}",
            optional(lifetimes[0]),
            optional(lifetimes[1])
        );
    }
    if let Some(tier) = &price.service_tier {
        line = format!("{line} {tier}");
    }
    line
}

/// The similarity of two ids, 0 to 1. Jaro-Winkler because ids share their beginnings (`gpt-5-...`)
/// and differ in a letter or a suffix. A part of an id (`haiku`) is similar to it, the more of it there is.
fn similarity(a: &str, b: &str) -> f64 {
    let model_part = |id: &str| id.rsplit('/').next().unwrap_or_default().to_owned();
    let whole = strsim::jaro_winkler(a, b);
    let is_part = a.len() >= MIN_PART_BYTES && b.contains(a);
    let part = if is_part {
        let share = a.len() as f64 / b.len() as f64;
        MIN_SIMILARITY + (1.0 - MIN_SIMILARITY) / 2.0 * share
    } else {
        0.0
    };
    whole
        .max(part)
        .max(strsim::jaro_winkler(&model_part(a), &model_part(b)))
}

#[cfg(test)]
mod tests;
