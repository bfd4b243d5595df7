//! The profile of a model: times, lengths, reasoning, caching, providers, faults.
//!
//! Owns the keys of a profile and their ranges. Must not know which model it belongs to or what is drawn from
//! it. Invariant: a number outside its range cannot be read, so that the error names line and column.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::dialect::Dialect;
use super::fault::Fault;
use crate::units::{Nanos, Usd};

/// The maximum time in a scenario: ten minutes, near the longest wait known of a gateway.
pub const MAX_MILLIS: f64 = 600_000.0;
/// The maximum number of tokens of one answer: it is held in memory while it is sent.
pub const MAX_ANSWER_TOKENS: u64 = 200_000;
/// The maximum number of providers of one model; the longest list seen in practice has 17.
pub const MAX_PROVIDERS: usize = 32;

/// Declares a number type whose range is checked when it is read.
macro_rules! checked {
    ($(#[$doc:meta])* $name:ident, $low:expr, $high:expr, $unit:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
        #[serde(try_from = "f64")]
        pub struct $name(f64);

        impl TryFrom<f64> for $name {
            type Error = String;

            fn try_from(value: f64) -> Result<Self, String> {
                if ($low..=$high).contains(&value) {
                    Ok(Self(value))
                } else {
                    Err(format!("{value} is not between {} and {} {}", $low, $high, $unit))
                }
            }
        }

        impl $name {
            /// Returns the number.
            pub const fn get(self) -> f64 {
                self.0
            }

            /// Returns the nearest number within the range.
            pub const fn clamped(value: f64) -> Self {
                Self(value.clamp($low, $high))
            }
        }
    };
}

checked! {
    /// A time in milliseconds.
    Millis, 0.0, MAX_MILLIS, "milliseconds"
}
checked! {
    /// The lifetime of a cache entry, in seconds; a day is the longest that a provider offers.
    Seconds, 0.0, 86_400.0, "seconds"
}
checked! {
    /// The standard deviation of a logarithm: 3 already spans from a twentieth to twenty times.
    Sigma, 0.0, 3.0, "(deviation of a logarithm)"
}
checked! {
    /// A share of all requests.
    Share, 0.0, 1.0, "(a share)"
}
checked! {
    /// A factor.
    Factor, 0.0, 1000.0, "(a factor)"
}
checked! {
    /// A relative change per minute: at most one hundredfold, at least down to zero.
    Drift, -1.0, 100.0, "(a relative change per minute)"
}

impl Millis {
    /// Returns the same time in nanoseconds.
    pub fn nanos(self) -> Nanos {
        nanos_of_millis(self.0)
    }
}

impl Seconds {
    /// Returns the same time in nanoseconds.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within 0..=86400 seconds"
    )]
    pub fn nanos(self) -> Nanos {
        Nanos((self.0 * 1e9).round() as u64)
    }
}

/// Converts milliseconds to whole nanoseconds, clamped to 0 to 10 minutes.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to 0..=6e11 first"
)]
pub fn nanos_of_millis(millis: f64) -> Nanos {
    Nanos((millis.clamp(0.0, MAX_MILLIS) * 1e6).round() as u64)
}

/// The maximum capacity of a model: as many instants are stored.
pub const MAX_CAPACITY: u32 = 10_000;

/// The number of requests that a model answers at once; others wait, in the order of their arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u32")]
pub struct ServerCapacity(u32);

impl TryFrom<u32> for ServerCapacity {
    type Error = String;

    fn try_from(places: u32) -> Result<Self, String> {
        if (1..=MAX_CAPACITY).contains(&places) {
            Ok(Self(places))
        } else {
            Err(format!(
                "a capacity is between 1 and {MAX_CAPACITY}, not {places}"
            ))
        }
    }
}

impl ServerCapacity {
    /// Returns the number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// A log-normal time with a share of outliers.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeSpread {
    /// Median.
    pub median_ms: Millis,
    /// Standard deviation of the logarithm.
    pub sigma: Sigma,
    /// Share of draws that are outliers.
    #[serde(default = "TimeSpread::zero")]
    pub outlier_share: Share,
    /// The factor by which an outlier takes longer.
    #[serde(default = "TimeSpread::one")]
    pub outlier_factor: Factor,
}

impl TimeSpread {
    fn zero() -> Share {
        Share(0.0)
    }

    fn one() -> Factor {
        Factor(1.0)
    }

    /// Creates a constant time.
    pub fn exactly(median_ms: Millis) -> Self {
        Self {
            median_ms,
            sigma: Sigma(0.0),
            outlier_share: Share(0.0),
            outlier_factor: Factor(1.0),
        }
    }

    /// Returns the same distribution with times multiplied by `factor`.
    #[must_use]
    pub fn scaled(self, factor: Factor) -> Self {
        Self {
            median_ms: Millis::clamped(self.median_ms.0 * factor.0),
            ..self
        }
    }
}

/// A log-normal number of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenSpread {
    /// Median.
    pub median: u32,
    /// Standard deviation of the logarithm.
    pub sigma: Sigma,
}

impl TokenSpread {
    /// Creates a constant number; `None` above the maximum of an answer.
    pub fn exactly(median: u32) -> Option<Self> {
        let sigma = Sigma(0.0);
        (u64::from(median) <= MAX_ANSWER_TOKENS).then_some(Self { median, sigma })
    }
}

/// Reasoning before the answer.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reasoning {
    /// Median tokens at medium effort; 0: no reasoning.
    pub median: u32,
    /// Standard deviation of the logarithm.
    pub sigma: Sigma,
    /// The visibility of the reasoning.
    pub display: ReasoningDisplay,
}

/// The visibility of reasoning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReasoningDisplay {
    /// Complete, as text.
    Visible,
    /// Short texts, then an encrypted block.
    Summary,
    /// An encrypted block only.
    Encrypted,
    /// Invisible: only the usage reports it.
    Hidden,
}

/// The prompt cache.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// The condition under which a prefix is cached.
    pub kind: PromptCacheKind,
    /// The minimum length of a cached prefix, in tokens.
    pub min_tokens: u32,
    /// The granularity of prefixes, in tokens.
    pub step_tokens: std::num::NonZeroU32,
    /// The factor by which a hit multiplies the TTFT.
    pub ttft_factor: Factor,
    /// The lifetime of a prefix since it was last written or read.
    #[serde(default = "Cache::five_minutes")]
    pub ttl_s: Seconds,
}

impl Cache {
    /// The lifetime that most providers promise.
    pub const fn five_minutes() -> Seconds {
        Seconds(300.0)
    }
}

/// The condition under which a prefix is cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PromptCacheKind {
    /// Never.
    None,
    /// If it is long enough.
    Implicit,
    /// If the request marks it.
    Explicit,
}

/// A provider that serves the model.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// Its slug.
    pub name: String,
    /// Its price relative to the list price, with a precision of 0.001.
    #[serde(default = "TimeSpread::one")]
    pub price_factor: Factor,
    /// The probability that an attempt fails.
    #[serde(default = "TimeSpread::zero")]
    pub failure_share: Share,
}

impl Provider {
    /// Returns the price factor in thousandths.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a factor lies in 0..=1000"
    )]
    pub fn price_per_mille(&self) -> u32 {
        (self.price_factor.0 * 1000.0).round() as u32
    }
}

/// The prices of a model that the scenario declares, USD per token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceWire {
    /// A prompt token.
    pub input: Usd,
    /// A completion token.
    pub output: Usd,
    /// A prompt token from the cache.
    pub cache_read: Option<Usd>,
    /// A prompt token into the cache.
    pub cache_write: Option<Usd>,
}

impl PriceWire {
    /// Returns the `pricing` object of `/v1/models`.
    pub fn entry(&self) -> Value {
        let mut pricing = json!({ "input": self.input, "output": self.output });
        if let Some(usd) = self.cache_read {
            pricing["input_cache_read"] = json!(usd);
        }
        if let Some(usd) = self.cache_write {
            pricing["input_cache_write"] = json!(usd);
        }
        pricing
    }
}

/// Declares the layers of a profile: each key is present or taken from the layer below.
macro_rules! layers {
    ($($key:ident: $kind:ty,)*) => {
        /// A profile as a scenario writes it: absent keys come from the layer below.
        #[derive(Debug, Clone, Default, PartialEq, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct ModelProfileWire {
            $(#[doc = concat!("The key `", stringify!($key), "` of a scenario.")] pub $key: Option<$kind>,)*
        }

        impl ModelProfileWire {
            /// Returns this layer on top of `below`.
            #[must_use]
            pub fn over(self, below: Self) -> Self {
                Self { $($key: self.$key.or(below.$key),)* }
            }
        }
    };
}

layers! {
    ttft: TimeSpread,
    prefill_ms_per_ktok: Millis,
    headers_share: Share,
    gap: TimeSpread,
    tokens: TokenSpread,
    tokens_per_chunk: std::num::NonZeroU32,
    reasoning: Reasoning,
    cache: Cache,
    providers: Vec<Provider>,
    faults: BTreeMap<Fault, Share>,
    always: Vec<Fault>,
    dialect: Dialect,
    drift_per_minute: Drift,
    price: PriceWire,
    max_tokens: u64,
    right_share: Share,
    refusal_share: Share,
    capacity: ServerCapacity,
}

/// The behaviour of one model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelProfile {
    /// Time to the first token.
    pub ttft: TimeSpread,
    /// Additional TTFT for every 1000 prompt tokens outside the cache.
    pub prefill_ms_per_ktok: Millis,
    /// The share of the TTFT after which headers and role chunk are sent.
    pub headers_share: Share,
    /// Time between chunks.
    pub gap: TimeSpread,
    /// Tokens of the answer without reasoning.
    pub tokens: TokenSpread,
    /// Mean tokens in a chunk.
    pub tokens_per_chunk: u32,
    /// Reasoning before the answer.
    pub reasoning: Reasoning,
    /// The prompt cache.
    pub cache: Cache,
    /// Providers in order of preference; never empty.
    pub providers: Vec<Provider>,
    /// Probabilities of the faults of a request; their sum is at most 1.
    pub faults: BTreeMap<Fault, Share>,
    /// Faults of every answer.
    pub always: Vec<Fault>,
    /// Its dialect; absent: that of the scenario.
    pub dialect: Option<Dialect>,
    /// Relative change of the TTFT per minute.
    pub drift_per_minute: Drift,
    /// The probability that a scripted answer is the right one.
    pub right_share: Share,
    /// The probability that a scripted answer refuses.
    pub refusal_share: Share,
    /// Requests that it answers at once; absent: any number.
    pub capacity: Option<ServerCapacity>,
}

impl ModelProfileWire {
    /// A layer without randomness: the lowest one for models with exact times.
    pub fn deterministic() -> Self {
        Self {
            headers_share: Some(Share(0.5)),
            tokens_per_chunk: Some(std::num::NonZeroU32::MIN),
            reasoning: Some(Reasoning {
                median: 0,
                sigma: Sigma(0.0),
                display: ReasoningDisplay::Hidden,
            }),
            cache: Some(Cache {
                kind: PromptCacheKind::None,
                min_tokens: 0,
                step_tokens: std::num::NonZeroU32::MIN,
                ttft_factor: Factor(1.0),
                ttl_s: Cache::five_minutes(),
            }),
            ..Self::default()
        }
    }

    /// Builds the complete profile; `creator` names the provider if none is given.
    pub fn into_profile(self, creator: &str) -> Result<ModelProfile, String> {
        let missing = |key: &str| format!("no layer has `{key}`");
        let mut providers = self.providers.unwrap_or_default();
        if providers.len() > MAX_PROVIDERS {
            return Err(format!("at most {MAX_PROVIDERS} providers"));
        }
        if providers.is_empty() {
            providers.push(Provider {
                name: creator.to_owned(),
                price_factor: TimeSpread::one(),
                failure_share: TimeSpread::zero(),
            });
        }
        let faults = self.faults.unwrap_or_default();
        // A sum slightly above 1 comes from rounding decimal shares.
        if faults.values().map(|share| share.0).sum::<f64>() > 1.0 + 1e-9 {
            return Err("the shares in `faults` add up to more than 1".to_owned());
        }
        let no_time = Millis(0.0);
        Ok(ModelProfile {
            ttft: self.ttft.ok_or_else(|| missing("ttft"))?,
            prefill_ms_per_ktok: self.prefill_ms_per_ktok.unwrap_or(no_time),
            headers_share: self.headers_share.unwrap_or(Share(0.5)),
            gap: self.gap.ok_or_else(|| missing("gap"))?,
            tokens: self.tokens.ok_or_else(|| missing("tokens"))?,
            tokens_per_chunk: self.tokens_per_chunk.map_or(1, std::num::NonZeroU32::get),
            reasoning: self.reasoning.ok_or_else(|| missing("reasoning"))?,
            cache: self.cache.ok_or_else(|| missing("cache"))?,
            providers,
            faults,
            always: self.always.unwrap_or_default(),
            dialect: self.dialect,
            drift_per_minute: self.drift_per_minute.unwrap_or(Drift(0.0)),
            right_share: self.right_share.unwrap_or(Share(1.0)),
            refusal_share: self.refusal_share.unwrap_or(Share(0.0)),
            capacity: self.capacity,
        })
    }
}
