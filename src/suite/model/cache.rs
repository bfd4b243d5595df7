//! The words of prompt caches: the mode, what requests share, marks.
//!
//! Owns the types. Must not know how any of them is read or sent. Invariant: what a suite does not say is not
//! stored, so that suites from before these keys keep their digests.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::Nanos;

/// What a run does about prompt caches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CacheMode {
    /// Nothing: hits and misses come as they come.
    #[default]
    AsIs,
    /// A number of its own opens the system text of every trial, so that no cache holds its prompt.
    Bust,
    /// The same request goes before each trial, untimed, so that the cache holds its prompt.
    Warm,
}

impl CacheMode {
    /// Every mode by its word.
    pub const WORDS: [(&'static str, Self); 3] = [
        ("as-is", Self::AsIs),
        ("bust", Self::Bust),
        ("warm", Self::Warm),
    ];

    /// Whether it is the default, which is not stored.
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
    pub(in crate::suite) fn is_as_is(&self) -> bool {
        *self == Self::AsIs
    }

    /// Requests that each trial sends, retries apart.
    pub const fn requests_per_trial(self) -> u32 {
        match self {
            Self::AsIs | Self::Bust => 1,
            Self::Warm => 2,
        }
    }
}

/// What requests share, and how soon it is used again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reuse {
    /// A text in front of every system text; a prompt without one gets it as its system text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Of [`CacheMode::Warm`]: nothing is sent to warm what was used so short a time ago; absent: every
    /// trial is warmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within_ns: Option<Nanos>,
}

impl Reuse {
    /// Whether nothing was said, which is not stored.
    pub(in crate::suite) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Whether the gateway is to mark prompts for its providers' caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Caching {
    /// It marks them where a provider wants marks: `providerOptions.gateway.caching = "auto"`.
    Auto,
    /// It is not asked to, whatever the levels below say.
    Off,
}

impl Caching {
    /// Every choice by its word.
    pub const WORDS: [(&'static str, Self); 2] = [("auto", Self::Auto), ("off", Self::Off)];
}

/// A mark of the suite: the prompt up to the end of what bears it may be kept in a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheControl {
    /// The kind of cache.
    #[serde(rename = "type")]
    pub kind: CacheKind,
    /// How long it is kept; absent: as the provider does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<CacheTtl>,
}

/// The one kind of cache that marks know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CacheKind {
    /// Kept for minutes, for as long as it is read now and then.
    Ephemeral,
}

/// How long a marked prompt is kept.
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
    /// Every kind by its word.
    pub const WORDS: [(&'static str, Self); 1] = [("ephemeral", Self::Ephemeral)];
}

impl CacheTtl {
    /// Every span by its word.
    pub const WORDS: [(&'static str, Self); 2] = [("5m", Self::FiveMinutes), ("1h", Self::Hour)];
}
