//! Types of prompt caching: the mode, the shared prefix, cache marks.
//!
//! Owns the types. Must not know how any of them is read or sent. Invariant: a key that a suite does not set is
//! not stored, so that suites written before these keys existed keep their digests.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::Nanos;

/// The treatment of prompt caches during a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CacheMode {
    /// No action: hits and misses occur as they do.
    #[default]
    AsIs,
    /// Prepends a unique number to the system text of every trial, so that no cache holds its prompt.
    Bust,
    /// Sends the same request before each trial, untimed, so that the cache holds its prompt.
    Warm,
}

impl CacheMode {
    /// Every mode with its word.
    pub const WORDS: [(&'static str, Self); 3] = [
        ("as-is", Self::AsIs),
        ("bust", Self::Bust),
        ("warm", Self::Warm),
    ];

    /// Returns true for the default mode, which is not stored.
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
    pub(in crate::suite) fn is_as_is(&self) -> bool {
        *self == Self::AsIs
    }

    /// Requests that each trial sends, retries excluded.
    pub const fn requests_per_trial(self) -> u32 {
        match self {
            Self::AsIs | Self::Bust => 1,
            Self::Warm => 2,
        }
    }
}

/// The prefix that requests share, and the span within which it is used again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reuse {
    /// Text in front of every system text; a prompt without one gets it as its system text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// With [`CacheMode::Warm`]: no warming request is sent if the prefix was used within this span; absent:
    /// every trial is warmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within_ns: Option<Nanos>,
}

impl Reuse {
    /// Returns true if no key was set; such a value is not stored.
    pub(in crate::suite) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Request to the gateway to mark prompts for its providers' caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Caching {
    /// The gateway marks prompts where a provider needs marks: `providerOptions.gateway.caching = "auto"`.
    Auto,
    /// No request to the gateway, whatever the levels below set.
    Off,
}

impl Caching {
    /// Every choice with its word.
    pub const WORDS: [(&'static str, Self); 2] = [("auto", Self::Auto), ("off", Self::Off)];
}

/// A cache mark of the suite: the prompt up to the end of the marked part may be cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheControl {
    /// The kind of cache.
    #[serde(rename = "type")]
    pub kind: CacheKind,
    /// Time to live in the cache; absent: the provider's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<CacheTtl>,
}

/// The only kind of cache that marks support.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CacheKind {
    /// Cached for minutes, and longer if it is read again in time.
    Ephemeral,
}

/// Time to live of a marked prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CacheTtl {
    /// Five minutes since it was last read.
    #[serde(rename = "5m")]
    FiveMinutes,
    /// An hour; writing costs more.
    #[serde(rename = "1h")]
    Hour,
}

impl CacheKind {
    /// Every kind with its word.
    pub const WORDS: [(&'static str, Self); 1] = [("ephemeral", Self::Ephemeral)];
}

impl CacheTtl {
    /// Every time to live with its word.
    pub const WORDS: [(&'static str, Self); 2] = [("5m", Self::FiveMinutes), ("1h", Self::Hour)];
}
