//! What exists and what it costs: models, their prices, and the cost of a request.
//!
//! Owns the list of models, the formula of cost and the nearest ids to a wrong one. Must not know
//! what is asked, nor talk to an endpoint: lists come as bytes. Invariant: money is exact, and a
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
mod search;
mod tokens;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::suite::OwnPrice;
use crate::units::{ModelId, Usd, counted, digest};

pub use bound::{PriceBound, Request, Unbounded};
pub use cache::{Cache, Cached};
pub use diff::{Change, Fact, ListDiff, Pair, Value};
pub use estimate::{Asking, Basis, CostEstimate, PromptEstimate, Sums, VariantEstimate};
pub use model::{Kind, Model};
pub use offer::{Offer, Offers, Percentiles, Window};
pub use past::{Past, PastAnswer, PastVariant};
pub use price::{Prices, Rates, Tier, TiersError, TokenCounts, cost};
pub use pricing::{OtherPrice, Treatment};
pub use search::{BadQuery, Sort};
pub use tokens::{Counter, TokenEstimate, prompt_tokens, text_tokens_at_most};

use model::WireModel;
use search::Word;

/// The list that is compiled in: the facts this program uses of a gateway's `/v1/models`.
const SNAPSHOT: &str = include_str!("snapshot.json");

/// Bytes of a model list: the largest known one, 377 models, is below 1 MiB.
pub const MAX_LIST_BYTES: usize = 32 << 20;
/// Models of a list: an order of magnitude above the largest known one.
const MAX_MODELS: usize = 10_000;
/// Below this similarity (0 to 1) an id is not "near": a wrong hint is worse than none.
const LEAST_SIMILARITY: f64 = 0.8;

/// Characters of a wrong id that are compared: no id is longer, and comparing takes their product.
const MAX_WRONG_CHARS: usize = 200;

/// Which models exist and what they cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Catalog {
    models: BTreeMap<ModelId, Model>,
    source: Source,
    unreadable_entries: usize,
    listed_twice: BTreeSet<ModelId>,
}

/// Where a list came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// In words, for a report.
    pub words: String,
    /// Date of the list, `YYYY-MM-DD`.
    pub date: String,
    /// Digest of the list, own prices included.
    pub digest: String,
}

/// Bytes that are not a model list.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// Not JSON, or not of the shape `{"data": [...]}`.
    #[error("this is not a list of models: {0}")]
    NotAList(#[from] serde_json::Error),
    /// More than [`Catalog::read`] accepts.
    #[error("a list of models may have {MAX_MODELS} models and {MAX_LIST_BYTES} bytes")]
    TooLarge,
}

/// The whole answer of `GET /v1/models`. An entry is read by itself, so that one that cannot be
/// understood does not take the others with it.
#[derive(Debug, Deserialize)]
struct WireList<'a> {
    /// Null where a server has no model at all (Ollama).
    #[serde(borrow, deserialize_with = "Option::deserialize")]
    data: Option<Vec<&'a RawValue>>,
}

/// What only the compiled-in list has.
#[derive(Debug, Deserialize)]
struct WireSnapshot {
    header: WireHeader,
}

#[derive(Debug, Deserialize)]
struct WireHeader {
    source: String,
    date: String,
}

/// What stands in a source's words before the number of own prices.
const OWN_PRICES: &str = "; own prices of ";

impl Source {
    /// Whether the user declared some of the prices.
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

    /// Reads the answer of `GET /v1/models`. `words` and `date` (`YYYY-MM-DD`) say where and when
    /// it was obtained. Of two entries with one id the first counts; see [`Catalog::doubts`].
    ///
    /// # Errors
    /// Where the bytes are no such list, or too many.
    pub fn read(list: &str, words: String, date: String) -> Result<Self, ListError> {
        if list.len() > MAX_LIST_BYTES {
            return Err(ListError::TooLarge);
        }
        let wire: WireList<'_> = serde_json::from_str(list)?;
        let entries = wire.data.unwrap_or_default();
        if entries.len() > MAX_MODELS {
            return Err(ListError::TooLarge);
        }
        let mut models = BTreeMap::new();
        let mut unreadable_entries = 0;
        let mut listed_twice = BTreeSet::new();
        for entry in entries {
            let checked = serde_json::from_str::<WireModel<'_>>(entry.get())
                .ok()
                .and_then(WireModel::checked);
            match checked {
                Some(model) => match models.entry(model.id.clone()) {
                    Entry::Vacant(place) => {
                        place.insert(model);
                    }
                    Entry::Occupied(first) if first.get().has_prices_of(&model) => {}
                    Entry::Occupied(_) => {
                        listed_twice.insert(model.id);
                    }
                },
                None => unreadable_entries += 1,
            }
        }
        Ok(Self {
            models,
            source: Source {
                words,
                date,
                digest: digest(list.as_bytes()),
            },
            unreadable_entries,
            listed_twice,
        })
    }

    /// The same list with prices that the user declared: they win over the list's, whole, and a
    /// model that is not listed is added.
    #[must_use]
    pub fn with_own_prices(mut self, own: &[OwnPrice]) -> Self {
        if own.is_empty() {
            return self;
        }
        let declared: Vec<String> = own.iter().map(line_of).collect();
        let digested = format!("{}\n{}", self.source.digest, declared.join("\n"));
        let models = counted(own.len(), "model");
        self.source = Source {
            words: format!("{}{OWN_PRICES}{models}", self.source.words),
            digest: digest(digested.as_bytes()),
            ..self.source
        };
        for price in own {
            let rates = Rates {
                input: Some(price.input_usd),
                output: Some(price.output_usd),
                cache_read: price.cache_read_usd,
                cache_write: price.cache_write_usd,
            };
            let model = self
                .models
                .entry(price.model.clone())
                .or_insert_with(|| Model::unlisted(price.model.clone()));
            model.prices = Some(Prices::flat(rates));
            model.regional.clear();
            model.other_prices.clear();
            self.listed_twice.remove(&price.model);
        }
        self
    }

    /// The model with this id.
    pub fn get(&self, id: &ModelId) -> Option<&Model> {
        self.models.get(id)
    }

    /// Every model, in order of ids.
    pub fn models(&self) -> impl DoubleEndedIterator<Item = &Model> {
        self.models.values()
    }

    /// Up to `most` ids that look like `wrong`, the nearest first; empty where none does. Ids are
    /// compared whole and by the part after the `/`: creators are renamed, and often left out.
    pub fn nearest(&self, wrong: &str, most: usize) -> Vec<&ModelId> {
        let wrong: String = wrong.to_lowercase().chars().take(MAX_WRONG_CHARS).collect();
        let mut near: Vec<(f64, &ModelId)> = self
            .models
            .keys()
            .map(|id| (similarity(&wrong, &id.as_str().to_lowercase()), id))
            .filter(|(similarity, _)| *similarity >= LEAST_SIMILARITY)
            .collect();
        near.sort_by(|(a, a_id), (b, b_id)| b.total_cmp(a).then_with(|| a_id.cmp(b_id)));
        near.into_iter().take(most).map(|(_, id)| id).collect()
    }

    /// Whether a request for this id can be meant for a model of the list. Beyond the ids that are
    /// listed: an id without its tag where the server has a default one (`llama3`, listed as
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

    /// The ids under which another creator offers what `wrong` names: gateways rename creators and
    /// move models between them, and an id of another gateway may have none.
    pub fn moved(&self, wrong: &str) -> Vec<&ModelId> {
        let model_part = |id: &str| id.rsplit('/').next().unwrap_or_default().to_lowercase();
        let wanted = model_part(wrong);
        let same = |id: &&ModelId| id.as_str() != wrong && model_part(id.as_str()) == wanted;
        self.models.keys().filter(same).collect()
    }

    /// The models of which every word of `words` says something true: a substring of the id, the
    /// name or a tag, or a glob (`*`, `?`, `[...]`) of a whole id or tag; `|` stands between
    /// alternatives. Case does not matter.
    ///
    /// # Errors
    /// The word that is a broken glob or has an empty alternative.
    pub fn search(&self, words: &[String]) -> Result<Vec<&Model>, BadQuery> {
        let words = words.iter().map(|word| Word::read(word));
        let words = words.collect::<Result<Vec<_>, _>>()?;
        let every = |model: &&Model| words.iter().all(|word| word.fits(model));
        Ok(self.models.values().filter(every).collect())
    }

    /// Whether any model has a price per token. Lists of plain servers have none.
    pub fn has_prices(&self) -> bool {
        self.models.values().any(|model| model.prices.is_some())
    }

    /// Where the list came from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// What of the prices is not to be relied on, a sentence each: ids that are listed twice with other
    /// prices, and models whose prices cannot be believed.
    pub fn doubts(&self) -> Vec<String> {
        let twice = self.listed_twice.iter();
        let twice = twice.map(|id| {
            format!("`{id}` is listed twice with other prices: the first ones count; `prices` in bakeoff.toml \
                     declare what holds")
        });
        let unbelieved = self.models.values().filter(|m| m.has_unbelieved_price());
        let unbelieved: Vec<&ModelId> = unbelieved.map(|model| &model.id).collect();
        let unbelieved = unbelieved.first().map(|first| {
            format!(
                "prices of {} cannot be believed, and none of theirs is used: `bakeoff models show {first}` \
                 tells why",
                counted(unbelieved.len(), "model")
            )
        });
        twice.chain(unbelieved).collect()
    }

    /// Entries that were left out because they have no usable id.
    pub fn unreadable_entries(&self) -> usize {
        self.unreadable_entries
    }
}

/// An own price as one line of text, for the digest.
fn line_of(price: &OwnPrice) -> String {
    let optional = |usd: Option<Usd>| usd.map_or_else(|| "-".to_owned(), |usd| usd.to_string());
    format!(
        "{} {} {} {} {}",
        price.model,
        price.input_usd,
        price.output_usd,
        optional(price.cache_read_usd),
        optional(price.cache_write_usd),
    )
}

/// How alike two ids are, 0 to 1. Jaro-Winkler because ids share their beginnings (`gpt-5-...`)
/// and differ in a letter or a suffix.
fn similarity(a: &str, b: &str) -> f64 {
    let model_part = |id: &str| id.rsplit('/').next().unwrap_or_default().to_owned();
    let whole = strsim::jaro_winkler(a, b);
    whole.max(strsim::jaro_winkler(&model_part(a), &model_part(b)))
}

#[cfg(test)]
mod tests;
