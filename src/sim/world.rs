//! The world that the simulator plays: which models exist, how they behave, who may ask.
//!
//! Owns the TOML of worlds and the layers of characters: built-in default, price and tags,
//! built-in model, your default, your model. Must not know what is done with a character; that is
//! `answer`'s. Invariant: every number in a [`World`] is within its documented range, because its
//! type checked it when the file was read.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::bill::{Prices, Rate};
use super::catalogue::{self, Listing};
use super::character::{
    Cache, CacheKind, Character, CharacterWire, Factor, Millis, PriceWire, Reasoning, Shown, Sigma,
    Spread, TokenSpread,
};
use super::dialect::Dialect;
use super::fault::Selection;
use crate::units::{Nanos, Usd};

/// The built-in world: the quickstart's gateway, and the reference of every key.
pub const DEFAULT_WORLD: &str = include_str!("default_world.toml");

/// The longest world file, in bytes: far above any real one, so that a wrong path to a huge file
/// ends in an error.
pub const MAX_WORLD_BYTES: usize = 1024 * 1024;

/// The token limit of models for which nothing else is known.
const DEFAULT_MAX_TOKENS: u64 = 8_000;

/// A text that is not a world. The message holds line, column and excerpt where there is a place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WorldError(String);

/// Everything the simulator plays.
#[derive(Debug, Clone)]
pub struct World {
    /// The number from which every draw follows.
    pub seed: u64,
    /// Whether the salt of a run is left out.
    pub fixed_salt: bool,
    /// Whose ways every model has that says nothing else, and whose the other routes have.
    pub dialect: Dialect,
    /// Who may ask.
    pub access: Access,
    /// The balance that `/v1/credits` begins with.
    pub credits: Usd,
    /// How long `/v1/generation` answers 404.
    pub generation_delay: Nanos,
    /// Spending per key after which requests get 402.
    pub budget: Option<Usd>,
    /// Requests per model.
    pub rate_limit: Option<RateLimit>,
    /// How much prompts differ.
    pub prompts: PromptEffect,
    models: BTreeMap<String, Arc<Model>>,
}

/// Who may ask.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// Accepted keys; empty: any.
    pub keys: Vec<String>,
    /// What happens without a key.
    pub missing_key: MissingKey,
}

/// What a request without a key gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MissingKey {
    /// An answer.
    Accept,
    /// 401.
    Refuse,
}

/// A token bucket per model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Requests that become free each minute.
    pub requests_per_minute: std::num::NonZeroU32,
    /// Requests that may come at once.
    pub burst: std::num::NonZeroU32,
    /// How the 429 says when to come back.
    pub retry_after: RetryAfter,
}

/// How a 429 says when to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RetryAfter {
    /// Whole seconds.
    Seconds,
    /// An HTTP date.
    Date,
    /// A text that means nothing.
    Junk,
    /// Not at all.
    None,
}

/// How much prompts differ, for all models alike.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptEffect {
    /// Deviation of the logarithm of the answer's length.
    pub tokens_sigma: Sigma,
    /// Deviation of the logarithm of the TTFT.
    pub ttft_sigma: Sigma,
}

/// One model as this world offers it.
#[derive(Debug, Clone)]
pub struct Model {
    /// `creator/model`.
    pub id: String,
    /// Whether it answers chats.
    pub language: bool,
    /// How it behaves.
    pub character: Character,
    /// List prices, where there are any.
    pub prices: Option<Prices>,
    /// The most completion tokens it writes.
    pub max_tokens: u64,
    /// Whether times and lengths are exact: no effect of prompts, no drift.
    pub exact: bool,
    /// Its entry under `/v1/models`.
    pub entry: Value,
}

impl Model {
    /// Medians of an answer at medium effort, faults and prompts apart: to the first token, for each
    /// further one, and its tokens.
    pub fn typical(&self) -> (Nanos, Nanos, u64) {
        let Character {
            ttft,
            gap,
            tokens,
            tokens_per_chunk,
            reasoning,
            ..
        } = &self.character;
        let per_token = Nanos(gap.median_ms.nanos().0 / u64::from((*tokens_per_chunk).max(1)));
        let tokens = u64::from(tokens.median) + u64::from(reasoning.median);
        (ttft.median_ms.nanos(), per_token, tokens)
    }

    /// The part of the id before the slash.
    pub fn creator(&self) -> &str {
        self.id.split('/').next().unwrap_or_default()
    }
}

/// A world file as it is written; absent keys fall back to the built-in world.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WorldWire {
    seed: Option<u64>,
    fixed_salt: Option<bool>,
    dialect: Option<Dialect>,
    access: Option<Access>,
    credits_usd: Option<Usd>,
    generation_delay_ms: Option<Millis>,
    budget: Option<BudgetWire>,
    rate_limit: Option<RateLimit>,
    prompts: Option<PromptEffect>,
    #[serde(rename = "default")]
    every: CharacterWire,
    models: BTreeMap<String, CharacterWire>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BudgetWire {
    usd_per_key: Usd,
}

impl World {
    /// The built-in world.
    pub fn built_in() -> Self {
        Self::parse("").expect("the built-in world is compiled in, and a test reads it")
    }

    /// Reads a world file; keys it leaves out keep the values of [`DEFAULT_WORLD`].
    pub fn parse(text: &str) -> Result<Self, WorldError> {
        if text.len() > MAX_WORLD_BYTES {
            let message = format!("a world has at most {MAX_WORLD_BYTES} bytes");
            return Err(WorldError(message));
        }
        let read = |text| toml::from_str::<WorldWire>(text).map_err(|e| WorldError(e.to_string()));
        Self::layered(read(DEFAULT_WORLD)?, read(text)?)
    }

    fn layered(built_in: WorldWire, own: WorldWire) -> Result<Self, WorldError> {
        let missing = |key: &str| WorldError(format!("the built-in world lacks `{key}`"));
        let models = models(&built_in, &own)?;
        let delay = own.generation_delay_ms.or(built_in.generation_delay_ms);
        let credits = own.credits_usd.or(built_in.credits_usd);
        Ok(Self {
            seed: own.seed.or(built_in.seed).ok_or(missing("seed"))?,
            fixed_salt: own.fixed_salt.or(built_in.fixed_salt).unwrap_or_default(),
            dialect: own.dialect.or(built_in.dialect).unwrap_or_default(),
            access: own.access.or(built_in.access).ok_or(missing("access"))?,
            credits: credits.ok_or(missing("credits_usd"))?,
            generation_delay: delay.ok_or(missing("generation_delay_ms"))?.nanos(),
            budget: own.budget.map(|budget| budget.usd_per_key),
            rate_limit: own.rate_limit,
            prompts: own.prompts.or(built_in.prompts).ok_or(missing("prompts"))?,
            models,
        })
    }

    /// The models on offer, by id.
    pub fn models(&self) -> impl Iterator<Item = &Model> {
        self.models.values().map(Arc::as_ref)
    }

    /// In whose words a request's answer is told: as its model id says, else as the model's
    /// character says, else as the world says.
    pub fn dialect_of(&self, model: &Model, selection: &Selection) -> Dialect {
        let own = selection.dialect.or(model.character.dialect);
        own.unwrap_or(self.dialect)
    }

    /// The model of that id (without faults); `sim/constant-TTFTms-GAPms-TOKENS` is always there.
    pub fn model(&self, id: &str) -> Option<Arc<Model>> {
        if let Some(times) = id.strip_prefix("sim/constant-") {
            return constant(id, times).map(Arc::new);
        }
        // Ollama's ids have a tag, and one without means the latest.
        let plain = id.strip_suffix(":latest");
        let plain = plain.filter(|_| self.dialect == Dialect::Ollama);
        self.models.get(plain.unwrap_or(id)).cloned()
    }
}

/// Lays every model's character out of its layers.
fn models(
    built_in: &WorldWire,
    own: &WorldWire,
) -> Result<BTreeMap<String, Arc<Model>>, WorldError> {
    let mut listings = catalogue::listings();
    for (id, character) in &own.models {
        if !listings.iter().any(|listing| listing.id == *id) {
            listings.push(unlisted(id, character)?);
        }
    }
    let nothing = CharacterWire::default();
    let mut models = BTreeMap::new();
    for listing in listings {
        let id = listing.id.clone();
        let model_layer = |wire: &WorldWire| wire.models.get(&id).unwrap_or(&nothing).clone();
        let layers = model_layer(own)
            .over(own.every.clone())
            .over(model_layer(built_in))
            .over(from_listing(&listing, &built_in.every))
            .over(built_in.every.clone());
        let model = model(listing, layers).map_err(|e| WorldError(format!("model `{id}`: {e}")))?;
        models.insert(id, Arc::new(model));
    }
    Ok(models)
}

/// A model that only the world file knows.
fn unlisted(id: &str, character: &CharacterWire) -> Result<Listing, WorldError> {
    let Some(price) = &character.price else {
        let message = format!("model `{id}` is not in the catalogue: give it a `price`");
        return Err(WorldError(message));
    };
    if id.contains('+') || !id.contains('/') || id.starts_with("sim/") {
        let message =
            format!("`{id}` cannot be a model: write creator/model without `+`, and not sim/");
        return Err(WorldError(message));
    }
    Ok(Listing {
        id: id.to_owned(),
        language: true,
        reasoning: false,
        explicit_caching: false,
        prices: Some(prices(price)),
        max_tokens: character.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS),
        entry: json!({
            "id": id, "object": "model", "created": 1_755_815_280,
            "owned_by": id.split('/').next(), "name": id, "description": "Made by a world file.",
            "type": "language", "tags": [],
            "context_window": 128_000,
            "max_tokens": character.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS),
            "pricing": {},
        }),
    })
}

fn prices(wire: &PriceWire) -> Prices {
    Prices {
        input: Rate::flat(wire.input),
        output: Rate::flat(wire.output),
        cache_read: wire.cache_read.map(Rate::flat),
        cache_write: wire.cache_write.map(Rate::flat),
    }
}

/// What price and tags say of a model: dearer ones are slower, tagged ones think and cache.
fn from_listing(listing: &Listing, base: &CharacterWire) -> CharacterWire {
    let output_usd = listing.prices.as_ref().map(|prices| prices.output.at(0));
    let per_mtok = output_usd.map_or(1.0, |usd| usd.as_f64() * 1e6);
    // 0.4 USD per million tokens: about the default; 25 USD: about three times as slow.
    let slowness = Factor::clamped(0.8 + 0.7 * (1.0 + per_mtok).ln().max(0.0));
    let caches = listing
        .prices
        .as_ref()
        .is_some_and(|prices| prices.cache_read.is_some());
    let kind = match (listing.explicit_caching, caches) {
        (true, _) => CacheKind::Explicit,
        (false, true) => CacheKind::Implicit,
        (false, false) => CacheKind::None,
    };
    let thinks = listing.reasoning.then_some(Reasoning {
        median: 40,
        sigma: Sigma::clamped(0.4),
        shown: Shown::Visible,
    });
    CharacterWire {
        ttft: base.ttft.map(|ttft| ttft.scaled(slowness)),
        gap: base.gap.map(|gap| gap.scaled(slowness)),
        reasoning: thinks,
        cache: base.cache.map(|cache| Cache { kind, ..cache }),
        ..CharacterWire::default()
    }
}

fn model(listing: Listing, layers: CharacterWire) -> Result<Model, String> {
    let own_prices = layers.price.as_ref().map(prices);
    let max_tokens = layers.max_tokens.unwrap_or(listing.max_tokens);
    let mut entry = listing.entry;
    if let Some(price) = &layers.price {
        entry["pricing"] = price.entry();
    }
    let creator = listing.id.split('/').next().unwrap_or_default();
    Ok(Model {
        character: layers.character(creator)?,
        id: listing.id,
        language: listing.language,
        prices: own_prices.or(listing.prices),
        max_tokens,
        exact: false,
        entry,
    })
}

/// The model with exact times: `TTFTms-GAPms-TOKENS`, fractions of milliseconds allowed.
fn constant(id: &str, times: &str) -> Option<Model> {
    let mut parts = times.split('-');
    let mut millis = || -> Option<Millis> {
        let text = parts.next()?.strip_suffix("ms")?;
        Millis::try_from(text.parse::<f64>().ok()?).ok()
    };
    let (ttft, gap) = (millis()?, millis()?);
    let tokens = parts.next()?.parse::<u32>().ok()?;
    if parts.next().is_some() {
        return None;
    }
    let layers = CharacterWire {
        ttft: Some(Spread::exactly(ttft)),
        gap: Some(Spread::exactly(gap)),
        tokens: Some(TokenSpread::exactly(tokens)?),
        prefill_ms_per_ktok: Some(Millis::clamped(0.0)),
        ..CharacterWire::plain()
    };
    Some(Model {
        id: id.to_owned(),
        language: true,
        character: layers.character("sim").ok()?,
        prices: Some(Prices::free()),
        max_tokens: u64::from(tokens),
        exact: true,
        entry: Value::Null,
    })
}
