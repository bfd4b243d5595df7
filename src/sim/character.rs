//! How one model behaves: times, lengths, thinking, caching, providers, faults.
//!
//! Owns the keys of a character and their ranges. Must not know which model it belongs to or what
//! is drawn from it. Invariant: a number outside its range cannot be read, so the reader of a world
//! learns of it with line and column.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::dialect::Dialect;
use super::fault::Fault;
use crate::units::{Nanos, Usd};

/// The longest time a world may ask for: ten minutes, near the longest a gateway is known to wait.
pub const MAX_MILLIS: f64 = 600_000.0;
/// The most tokens one answer has: it is kept in memory while it is sent.
pub const MAX_ANSWER_TOKENS: u64 = 200_000;
/// The most providers of one model; the longest list met in the wild has 17.
pub const MAX_PROVIDERS: usize = 32;

/// Declares a number that is checked when it is read.
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
            /// The number.
            pub const fn get(self) -> f64 {
                self.0
            }

            /// The nearest number within the range.
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
    /// How long a cache keeps something, in seconds; a day is the longest that a provider offers.
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
    /// A relative change per minute: at most one hundredfold, at least to nothing.
    Drift, -1.0, 100.0, "(a relative change per minute)"
}

impl Millis {
    /// The same time in nanoseconds.
    pub fn nanos(self) -> Nanos {
        nanos_of_millis(self.0)
    }
}

impl Seconds {
    /// The same time in nanoseconds.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within 0..=86400 seconds"
    )]
    pub fn nanos(self) -> Nanos {
        Nanos((self.0 * 1e9).round() as u64)
    }
}

/// Milliseconds to whole nanoseconds; what is negative or beyond ten minutes is cut off.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to 0..=6e11 first"
)]
pub fn nanos_of_millis(millis: f64) -> Nanos {
    Nanos((millis.clamp(0.0, MAX_MILLIS) * 1e6).round() as u64)
}

/// A log-normal time with a share of outliers.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// Median.
    pub median_ms: Millis,
    /// Deviation of the logarithm.
    pub sigma: Sigma,
    /// Share of draws that are outliers.
    #[serde(default = "Spread::no_outliers")]
    pub outlier_share: Share,
    /// How many times longer an outlier takes.
    #[serde(default = "Spread::same")]
    pub outlier_factor: Factor,
}

impl Spread {
    fn no_outliers() -> Share {
        Share(0.0)
    }

    fn same() -> Factor {
        Factor(1.0)
    }

    /// Always that time.
    pub fn exactly(median_ms: Millis) -> Self {
        Self {
            median_ms,
            sigma: Sigma(0.0),
            outlier_share: Share(0.0),
            outlier_factor: Factor(1.0),
        }
    }

    /// The same shape, so many times as long.
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
    /// Deviation of the logarithm.
    pub sigma: Sigma,
}

impl TokenSpread {
    /// Always that many, if an answer may have so many.
    pub fn exactly(median: u32) -> Option<Self> {
        let sigma = Sigma(0.0);
        (u64::from(median) <= MAX_ANSWER_TOKENS).then_some(Self { median, sigma })
    }
}

/// Thinking before the answer.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reasoning {
    /// Median tokens at medium effort; 0: it does not think.
    pub median: u32,
    /// Deviation of the logarithm.
    pub sigma: Sigma,
    /// How much of it is shown.
    pub shown: Shown,
}

/// How much of the thinking is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shown {
    /// All of it, as text.
    Visible,
    /// Short texts, then an encrypted block.
    Summary,
    /// An encrypted block alone.
    Encrypted,
    /// Nothing: only the usage tells.
    Hidden,
}

/// The prompt cache.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// When a prefix is cached.
    pub kind: CacheKind,
    /// Shorter prefixes are not cached.
    pub min_tokens: u32,
    /// Prefixes count in multiples of this.
    pub step_tokens: std::num::NonZeroU32,
    /// What a hit multiplies the TTFT by.
    pub ttft_factor: Factor,
    /// How long a prefix is kept since it was last written or read.
    #[serde(default = "Cache::five_minutes")]
    pub ttl_s: Seconds,
}

impl Cache {
    /// What most providers promise.
    pub const fn five_minutes() -> Seconds {
        Seconds(300.0)
    }
}

/// When a prefix is cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CacheKind {
    /// Never.
    None,
    /// Whenever it is long enough.
    Implicit,
    /// When the request marks it.
    Explicit,
}

/// Who really answers.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// Its slug.
    pub name: String,
    /// Its price in parts of the list price; thousandths count.
    #[serde(default = "Spread::same")]
    pub price_factor: Factor,
    /// How often an attempt fails.
    #[serde(default = "Spread::no_outliers")]
    pub failure_share: Share,
}

impl Provider {
    /// The price factor in thousandths.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a factor lies in 0..=1000"
    )]
    pub fn price_per_mille(&self) -> u32 {
        (self.price_factor.0 * 1000.0).round() as u32
    }
}

/// USD per token of a model that the world declares.
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
    /// The `pricing` object that `/v1/models` shows.
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

/// Declares the layers of a character: each key present or left to the layer below.
macro_rules! layers {
    ($($key:ident: $kind:ty,)*) => {
        /// A character as a world writes it: what is absent comes from the layer below.
        #[derive(Debug, Clone, Default, PartialEq, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct CharacterWire {
            $(#[doc = concat!("The key `", stringify!($key), "` of a world.")] pub $key: Option<$kind>,)*
        }

        impl CharacterWire {
            /// This layer on top of `below`.
            #[must_use]
            pub fn over(self, below: Self) -> Self {
                Self { $($key: self.$key.or(below.$key),)* }
            }
        }
    };
}

layers! {
    ttft: Spread,
    prefill_ms_per_ktok: Millis,
    headers_share: Share,
    gap: Spread,
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
}

/// How one model behaves.
#[derive(Debug, Clone, PartialEq)]
pub struct Character {
    /// Time to the first token.
    pub ttft: Spread,
    /// Further TTFT for every 1000 prompt tokens outside the cache.
    pub prefill_ms_per_ktok: Millis,
    /// Share of the TTFT after which headers and role chunk leave.
    pub headers_share: Share,
    /// Time between chunks.
    pub gap: Spread,
    /// Tokens of the answer, reasoning apart.
    pub tokens: TokenSpread,
    /// Mean tokens in a chunk.
    pub tokens_per_chunk: u32,
    /// Thinking first.
    pub reasoning: Reasoning,
    /// The prompt cache.
    pub cache: Cache,
    /// Providers in order of choice; never empty.
    pub providers: Vec<Provider>,
    /// Shares of requests that get a fault; they add up to 1 at most.
    pub faults: BTreeMap<Fault, Share>,
    /// Faults that every answer has.
    pub always: Vec<Fault>,
    /// In whose words it answers; absent: in those of the world.
    pub dialect: Option<Dialect>,
    /// Relative change of the TTFT for each minute.
    pub drift_per_minute: Drift,
}

impl CharacterWire {
    /// A layer without chance: the bottom for models with exact times.
    pub fn plain() -> Self {
        Self {
            headers_share: Some(Share(0.5)),
            tokens_per_chunk: Some(std::num::NonZeroU32::MIN),
            reasoning: Some(Reasoning {
                median: 0,
                sigma: Sigma(0.0),
                shown: Shown::Hidden,
            }),
            cache: Some(Cache {
                kind: CacheKind::None,
                min_tokens: 0,
                step_tokens: std::num::NonZeroU32::MIN,
                ttft_factor: Factor(1.0),
                ttl_s: Cache::five_minutes(),
            }),
            ..Self::default()
        }
    }

    /// The whole character; `creator` names the provider where none is given.
    pub fn character(self, creator: &str) -> Result<Character, String> {
        let missing = |key: &str| format!("no layer has `{key}`");
        let mut providers = self.providers.unwrap_or_default();
        if providers.len() > MAX_PROVIDERS {
            return Err(format!("at most {MAX_PROVIDERS} providers"));
        }
        if providers.is_empty() {
            providers.push(Provider {
                name: creator.to_owned(),
                price_factor: Spread::same(),
                failure_share: Spread::no_outliers(),
            });
        }
        let faults = self.faults.unwrap_or_default();
        // A hair above 1 is rounding of decimal shares, not a mistake.
        if faults.values().map(|share| share.0).sum::<f64>() > 1.0 + 1e-9 {
            return Err("the shares in `faults` add up to more than 1".to_owned());
        }
        let zero = Millis(0.0);
        Ok(Character {
            ttft: self.ttft.ok_or_else(|| missing("ttft"))?,
            prefill_ms_per_ktok: self.prefill_ms_per_ktok.unwrap_or(zero),
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
        })
    }
}
