//! The scenario of the simulator: its models, their behaviour, access and limits.
//!
//! Owns the TOML of scenarios and the layers of model profiles: built-in default, price and tags, built-in
//! model, the user's default, the user's model. Must not know how a profile is used; that is in `answer`.
//! Invariant: every number in a [`Scenario`] is within its documented range, because its type checked it when
//! the file was read.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::answer_script::AnswerScript;
use super::bill::{Prices, TieredPrice};
use super::catalog::{self, SnapshotModel};
use super::dialect::Dialect;
use super::fault::ModelSelector;
use super::model_profile::{
    Cache, Factor, Millis, ModelProfile, ModelProfileWire, PriceWire, PromptCacheKind, Reasoning,
    ReasoningDisplay, Share, Sigma, TimeSpread, TokenSpread,
};
use super::outage::{Outage, ServerPause};
use crate::renamed::{NamePlace, renamed_error};
use crate::units::{Nanos, Usd};

/// The built-in scenario: the gateway of the quickstart, and the reference of every key.
pub const DEFAULT_SCENARIO: &str = include_str!("default_scenario.toml");

/// The maximum size of a scenario file, in bytes: far above any real one, so that a wrong path to a huge file
/// ends in an error.
pub const MAX_SCENARIO_BYTES: usize = 1024 * 1024;

/// The token limit of models for which nothing else is known.
const DEFAULT_MAX_TOKENS: u64 = 8_000;

/// A string that is not a valid scenario. The message holds line, column and excerpt where there is a position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ScenarioError(String);

/// Everything that the simulator simulates.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The seed of every draw.
    pub seed: u64,
    /// True if the sim seed of a run is ignored.
    pub fixed_sim_seed: bool,
    /// The dialect of models without one of their own, and of the other routes.
    pub dialect: Dialect,
    /// The access control.
    pub access: Access,
    /// The initial balance of `/v1/credits`.
    pub credits: Usd,
    /// The time for which `/v1/generation` answers 404.
    pub generation_delay: Nanos,
    /// Spending per key after which requests get 402.
    pub budget: Option<Usd>,
    /// The request limit of each model.
    pub rate_limit: Option<RateLimit>,
    /// Spans of time in which models fail.
    pub outages: Vec<Outage>,
    /// Spans of time in which the server sends nothing.
    pub pauses: Vec<ServerPause>,
    /// The differences between prompts.
    pub prompts: PromptEffect,
    /// Scripted answers; the first that is for a prompt counts.
    pub answers: Vec<AnswerScript>,
    models: BTreeMap<String, Arc<SimulatedModel>>,
}

/// The access control: accepted keys, and the response without a key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// Accepted keys; empty: any.
    pub keys: Vec<String>,
    /// The response to a request without a key.
    pub missing_key: MissingKey,
}

/// The response to a request without a key.
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
    /// The form of the 429's `Retry-After`.
    pub retry_after: RetryAfterForm,
}

/// The form of a 429's `Retry-After`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RetryAfterForm {
    /// Whole seconds.
    Seconds,
    /// An HTTP date.
    Date,
    /// A meaningless text.
    Junk,
    /// No such header.
    None,
}

/// The differences between prompts, for all models alike.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptEffect {
    /// Standard deviation of the logarithm of the answer's length.
    pub tokens_sigma: Sigma,
    /// Standard deviation of the logarithm of the TTFT.
    pub ttft_sigma: Sigma,
    /// Share of scripted answers that are right or wrong by a draw that all answers to the prompt share.
    #[serde(default = "no_share")]
    pub difficulty: Share,
}

fn no_share() -> Share {
    Share::clamped(0.0)
}

/// One model as this scenario offers it.
#[derive(Debug, Clone)]
pub struct SimulatedModel {
    /// `creator/model`.
    pub id: String,
    /// True if it answers chats.
    pub language: bool,
    /// Its behaviour.
    pub profile: ModelProfile,
    /// List prices; absent: unpriced.
    pub prices: Option<Prices>,
    /// The maximum number of completion tokens.
    pub max_tokens: u64,
    /// True if times and lengths are exact: no effect of prompts, no drift.
    pub exact: bool,
    /// Its entry under `/v1/models`.
    pub entry: Value,
}

impl SimulatedModel {
    /// Returns the medians of an answer at medium effort, without faults and effects of prompts: time to the
    /// first token, time per further token, and number of tokens.
    pub fn typical(&self) -> (Nanos, Nanos, u64) {
        let ModelProfile {
            ttft,
            gap,
            tokens,
            tokens_per_chunk,
            reasoning,
            ..
        } = &self.profile;
        let per_token = Nanos(gap.median_ms.nanos().0 / u64::from((*tokens_per_chunk).max(1)));
        let tokens = u64::from(tokens.median) + u64::from(reasoning.median);
        (ttft.median_ms.nanos(), per_token, tokens)
    }

    /// The part of the id before the slash.
    pub fn creator(&self) -> &str {
        self.id.split('/').next().unwrap_or_default()
    }
}

/// A scenario file as it is written; absent keys take their value from the built-in scenario.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ScenarioWire {
    seed: Option<u64>,
    fixed_sim_seed: Option<bool>,
    dialect: Option<Dialect>,
    access: Option<Access>,
    credits_usd: Option<Usd>,
    generation_delay_ms: Option<Millis>,
    budget: Option<BudgetWire>,
    rate_limit: Option<RateLimit>,
    outages: Option<Vec<Outage>>,
    pauses: Vec<ServerPause>,
    prompts: Option<PromptEffect>,
    answers: Vec<AnswerScript>,
    #[serde(rename = "default")]
    every: ModelProfileWire,
    models: BTreeMap<String, ModelProfileWire>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BudgetWire {
    usd_per_key: Usd,
}

impl Scenario {
    /// Returns the built-in scenario.
    pub fn built_in() -> Self {
        Self::parse("").expect("the built-in scenario is compiled in, and a test reads it")
    }

    /// Reads a scenario file; keys it leaves out have the values of [`DEFAULT_SCENARIO`].
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        if text.len() > MAX_SCENARIO_BYTES {
            let message = format!("a scenario has at most {MAX_SCENARIO_BYTES} bytes");
            return Err(ScenarioError(message));
        }
        let read = |text| toml::from_str::<ScenarioWire>(text).map_err(|e| from_toml(&e));
        Self::from_layers(read(DEFAULT_SCENARIO)?, read(text)?)
    }

    fn from_layers(built_in: ScenarioWire, own: ScenarioWire) -> Result<Self, ScenarioError> {
        let missing = |key: &str| ScenarioError(format!("the built-in scenario lacks `{key}`"));
        let models = models(&built_in, &own)?;
        if let Some(problem) = own.answers.iter().find_map(AnswerScript::problem) {
            return Err(ScenarioError(problem.to_owned()));
        }
        let delay = own.generation_delay_ms.or(built_in.generation_delay_ms);
        let credits = own.credits_usd.or(built_in.credits_usd);
        Ok(Self {
            seed: own.seed.or(built_in.seed).ok_or(missing("seed"))?,
            fixed_sim_seed: own
                .fixed_sim_seed
                .or(built_in.fixed_sim_seed)
                .unwrap_or_default(),
            dialect: own.dialect.or(built_in.dialect).unwrap_or_default(),
            access: own.access.or(built_in.access).ok_or(missing("access"))?,
            credits: credits.ok_or(missing("credits_usd"))?,
            generation_delay: delay.ok_or(missing("generation_delay_ms"))?.nanos(),
            budget: own.budget.map(|budget| budget.usd_per_key),
            rate_limit: own.rate_limit,
            outages: own.outages.unwrap_or_default(),
            pauses: own.pauses,
            prompts: own.prompts.or(built_in.prompts).ok_or(missing("prompts"))?,
            answers: [own.answers, built_in.answers].concat(),
            models,
        })
    }

    /// Returns the models on offer, by id.
    pub fn models(&self) -> impl Iterator<Item = &SimulatedModel> {
        self.models.values().map(Arc::as_ref)
    }

    /// Returns the dialect of a request's answer: that of its model id, else that of the model, else that of
    /// the scenario.
    pub fn dialect_for(&self, model: &SimulatedModel, selector: &ModelSelector) -> Dialect {
        let own = selector.dialect.or(model.profile.dialect);
        own.unwrap_or(self.dialect)
    }

    /// Returns the model with that id (without faults); `sim/constant-TTFTms-GAPms-TOKENS` always exists.
    pub fn model(&self, id: &str) -> Option<Arc<SimulatedModel>> {
        if let Some(times) = id.strip_prefix("sim/constant-") {
            return constant(id, times).map(Arc::new);
        }
        // Ollama's ids have a tag; an id without one means the latest.
        let plain = id.strip_suffix(":latest");
        let plain = plain.filter(|_| self.dialect == Dialect::Ollama);
        self.models.get(plain.unwrap_or(id)).cloned()
    }
}

/// The error of a scenario file, with the new name of a key that was renamed.
fn from_toml(error: &toml::de::Error) -> ScenarioError {
    let message = error.message();
    let unknown = message.strip_prefix("unknown field `");
    let key = unknown.and_then(|rest| rest.split('`').next());
    let renamed = key.and_then(|key| renamed_error(NamePlace::ScenarioKey, key));
    let text = error.to_string();
    ScenarioError(renamed.map_or_else(|| text.clone(), |renamed| text.replace(message, &renamed)))
}

/// Builds every model's profile from its layers.
fn models(
    built_in: &ScenarioWire,
    own: &ScenarioWire,
) -> Result<BTreeMap<String, Arc<SimulatedModel>>, ScenarioError> {
    let mut listings = catalog::listings();
    for (id, wire) in &own.models {
        if !listings.iter().any(|listing| listing.id == *id) {
            listings.push(unlisted_model(id, wire)?);
        }
    }
    let empty = ModelProfileWire::default();
    let mut models = BTreeMap::new();
    for listing in listings {
        let id = listing.id.clone();
        let model_layer = |wire: &ScenarioWire| wire.models.get(&id).unwrap_or(&empty).clone();
        let layers = model_layer(own)
            .over(own.every.clone())
            .over(model_layer(built_in))
            .over(from_listing(&listing, &built_in.every))
            .over(built_in.every.clone());
        let model =
            model(listing, layers).map_err(|e| ScenarioError(format!("model `{id}`: {e}")))?;
        models.insert(id, Arc::new(model));
    }
    Ok(models)
}

/// Builds a model that is defined in the scenario file only.
fn unlisted_model(id: &str, wire: &ModelProfileWire) -> Result<SnapshotModel, ScenarioError> {
    let Some(price) = &wire.price else {
        let message = format!("model `{id}` is not in the catalog: give it a `price`");
        return Err(ScenarioError(message));
    };
    if id.contains('+') || !id.contains('/') || id.starts_with("sim/") {
        let message =
            format!("`{id}` cannot be a model: write creator/model without `+`, and not sim/");
        return Err(ScenarioError(message));
    }
    Ok(SnapshotModel {
        id: id.to_owned(),
        language: true,
        reasoning: false,
        explicit_caching: false,
        prices: Some(prices(price)),
        max_tokens: wire.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS),
        entry: json!({
            "id": id, "object": "model", "created": 1_755_815_280,
            "owned_by": id.split('/').next(), "name": id, "description": "Made by a scenario file.",
            "type": "language", "tags": [],
            "context_window": 128_000,
            "max_tokens": wire.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS),
            "pricing": {},
        }),
    })
}

fn prices(wire: &PriceWire) -> Prices {
    Prices {
        input: TieredPrice::flat(wire.input),
        output: TieredPrice::flat(wire.output),
        cache_read: wire.cache_read.map(TieredPrice::flat),
        cache_write: wire.cache_write.map(TieredPrice::flat),
    }
}

/// Derives a profile from price and tags: more expensive models are slower, tagged ones reason and cache.
fn from_listing(listing: &SnapshotModel, base: &ModelProfileWire) -> ModelProfileWire {
    let output_usd = listing.prices.as_ref().map(|prices| prices.output.at(0));
    let per_mtok = output_usd.map_or(1.0, |usd| usd.as_f64() * 1e6);
    // 0.4 USD per million tokens: about the default; 25 USD: about three times as slow.
    let slowness = Factor::clamped(0.8 + 0.7 * (1.0 + per_mtok).ln().max(0.0));
    let caches = listing
        .prices
        .as_ref()
        .is_some_and(|prices| prices.cache_read.is_some());
    let kind = match (listing.explicit_caching, caches) {
        (true, _) => PromptCacheKind::Explicit,
        (false, true) => PromptCacheKind::Implicit,
        (false, false) => PromptCacheKind::None,
    };
    let reasoning = listing.reasoning.then_some(Reasoning {
        median: 40,
        sigma: Sigma::clamped(0.4),
        display: ReasoningDisplay::Visible,
    });
    ModelProfileWire {
        ttft: base.ttft.map(|ttft| ttft.scaled(slowness)),
        gap: base.gap.map(|gap| gap.scaled(slowness)),
        reasoning,
        cache: base.cache.map(|cache| Cache { kind, ..cache }),
        ..ModelProfileWire::default()
    }
}

fn model(listing: SnapshotModel, layers: ModelProfileWire) -> Result<SimulatedModel, String> {
    let own_prices = layers.price.as_ref().map(prices);
    let max_tokens = layers.max_tokens.unwrap_or(listing.max_tokens);
    let mut entry = listing.entry;
    if let Some(price) = &layers.price {
        entry["pricing"] = price.entry();
    }
    let creator = listing.id.split('/').next().unwrap_or_default();
    Ok(SimulatedModel {
        profile: layers.into_profile(creator)?,
        id: listing.id,
        language: listing.language,
        prices: own_prices.or(listing.prices),
        max_tokens,
        exact: false,
        entry,
    })
}

/// Builds the model with exact times: `TTFTms-GAPms-TOKENS`, fractions of milliseconds allowed.
fn constant(id: &str, times: &str) -> Option<SimulatedModel> {
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
    let layers = ModelProfileWire {
        ttft: Some(TimeSpread::exactly(ttft)),
        gap: Some(TimeSpread::exactly(gap)),
        tokens: Some(TokenSpread::exactly(tokens)?),
        prefill_ms_per_ktok: Some(Millis::clamped(0.0)),
        ..ModelProfileWire::deterministic()
    };
    Some(SimulatedModel {
        id: id.to_owned(),
        language: true,
        profile: layers.into_profile("sim").ok()?,
        prices: Some(Prices::free()),
        max_tokens: u64::from(tokens),
        exact: true,
        entry: Value::Null,
    })
}
