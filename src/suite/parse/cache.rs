//! Prompt caches, as far as a suite has a say in them: the mode, the gateway's own marks, marks of
//! the suite.
//!
//! Owns the words and how a mark is read. Must not know how any of them is sent. Invariant: what a
//! suite does not say is not stored, so that suites from before these keys keep their digests.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::{ModelId, Nanos};

use super::problem::Code;
use super::reader::{Table, Value};
use super::sources::Sources;
use super::suite::{said, system_file, timeout};
use crate::suite::model::suite::{Parameters, Prompt, Suite, Variant};

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
    pub(in crate::suite) fn is_nothing(&self) -> bool {
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

impl Suite {
    /// Models that several variants ask with the same prompts, each with the labels of these: in a
    /// slot one of them finds in the model's prompt cache what another left there. None where the
    /// mode keeps caches out, or fills them for every trial.
    pub fn shared_caches(&self) -> Vec<(&ModelId, Vec<&str>)> {
        let mut shared = Vec::new();
        let as_is = |variant: &&Variant| self.cache_of(variant) == CacheMode::AsIs;
        let busted = |variant: &Variant| self.cache_of(variant) == CacheMode::Bust;
        for (place, first) in self.variants.iter().enumerate() {
            if busted(first) {
                continue;
            }
            // What stands before a prompt's own turns: where that differs, nothing is shared.
            let same = |other: &&Variant| {
                !busted(other)
                    && other.model == first.model
                    && other.system == first.system
                    && other.parameters.tools == first.parameters.tools
            };
            if self.variants[..place].iter().any(|other| same(&other)) {
                continue;
            }
            // What is warmed for each trial is warm whoever else asks; the others find what is left there.
            let finds = self.variants.iter().filter(same).any(|other| as_is(&other));
            let labels = self.variants.iter().filter(same);
            let labels: Vec<&str> = labels.map(|variant| variant.label.as_str()).collect();
            if finds && labels.len() > 1 {
                shared.push((&first.model, labels));
            }
        }
        shared
    }
}

impl Suite {
    /// What is done about the prompt caches of a variant.
    pub fn cache_of(&self, variant: &Variant) -> CacheMode {
        variant.cache.unwrap_or(self.cache)
    }

    /// Whether it says anything of prompt caches: a mode, what is shared, a mark, or a word to the gateway.
    pub fn speaks_of_caches(&self) -> bool {
        let asked = |parameters: &Parameters| parameters.caching == Some(Caching::Auto);
        let modes = self.variants.iter().map(|variant| self.cache_of(variant));
        !self.reuse.is_nothing()
            || modes.into_iter().any(|mode| mode != CacheMode::AsIs)
            || self.levels().any(asked)
            || self.marks().next().is_some()
    }

    /// Whether a variant asks for its prompts to be kept in a cache in which, its caches being busted, nobody
    /// finds them: by marks, or by `caching = "auto"`. What is written is paid for all the same.
    pub fn writes_unread(&self, variant: &Variant) -> bool {
        let asks = |prompt: &Prompt| {
            let caching = self.parameter_of(prompt, variant, |level| level.caching.as_ref());
            let mark = |level: &Parameters| level.system_cache_control.is_some();
            let of_system =
                self.parameter_of(prompt, variant, |level| mark(level).then_some(level));
            let mut messages = prompt.messages.iter();
            caching == Some(&Caching::Auto)
                || of_system.is_some() && self.opening_of(prompt, variant).next().is_some()
                || messages.any(|message| message.cache_control.is_some())
        };
        self.cache_of(variant) == CacheMode::Bust && self.prompts.iter().any(asks)
    }

    /// Variants whose caches are filled by requests of their own.
    pub fn warmed_variants(&self) -> impl Iterator<Item = &Variant> {
        let variants = self.variants.iter();
        variants.filter(|variant| self.cache_of(variant) == CacheMode::Warm)
    }

    /// Most requests that a trial sends, retries apart.
    pub fn requests_per_trial(&self) -> u32 {
        let modes = self.variants.iter().map(|variant| self.cache_of(variant));
        modes.map(CacheMode::requests_per_trial).max().unwrap_or(1)
    }

    /// Whether something is marked to be kept that long.
    pub fn marks_for(&self, ttl: CacheTtl) -> bool {
        self.marks().any(|mark| mark.ttl == Some(ttl))
    }

    /// The request parameters of every level.
    fn levels(&self) -> impl Iterator<Item = &Parameters> {
        let variants = self.variants.iter().map(|variant| &variant.parameters);
        let prompts = self.prompts.iter().map(|prompt| &prompt.parameters);
        std::iter::once(&self.parameters)
            .chain(variants)
            .chain(prompts)
    }

    fn marks(&self) -> impl Iterator<Item = CacheControl> {
        let messages = self.prompts.iter().flat_map(|prompt| &prompt.messages);
        let of_messages = messages.filter_map(|message| message.cache_control);
        let of_systems = self.levels().filter_map(|level| level.system_cache_control);
        of_systems.chain(of_messages)
    }
}

/// The mode as its word, or a table that also says what is shared and how soon it is used again.
pub(super) fn cache_plan(value: &Value<'_>, sources: &Sources<'_>) -> Option<(CacheMode, Reuse)> {
    if value.is_table() {
        return value.table("`cache`", |table| plan(table, sources))?;
    }
    if !value.is_text() {
        let wanted =
            "\"as-is\", \"bust\", \"warm\" or a table such as { mode = \"warm\", within = \"5m\" }";
        value.wrong(Code::WrongType, wanted, None);
        return None;
    }
    Some((value.word(&CacheMode::WORDS)?, Reuse::default()))
}

/// The mode of one variant: its word alone, because what is shared is shared by all.
pub(super) fn cache_word(value: &Value<'_>) -> Option<CacheMode> {
    if value.is_table() {
        let help = "a variant says the mode alone; `within` and `prefix` stand in the `cache` at the top of the suite, \
                    for all variants";
        let wanted = "\"as-is\", \"bust\" or \"warm\"";
        value.wrong(Code::WrongType, wanted, Some(help.to_owned()));
        return None;
    }
    value.word(&CacheMode::WORDS)
}

fn plan(table: &mut Table<'_>, sources: &Sources<'_>) -> Option<(CacheMode, Reuse)> {
    let written = table.field("mode");
    let mode = match &written {
        Some(value) => value.word(&CacheMode::WORDS),
        None => Some(CacheMode::default()),
    };
    let within = table.field("within");
    let within_ns = within.as_ref().and_then(timeout);
    let prefix = match (table.field("prefix"), table.field("prefix_file")) {
        (Some(_), Some(file)) => {
            let message = "there is both a `prefix` and a `prefix_file`".to_owned();
            file.say(Code::Conflict, message, Some("keep one of them".to_owned()));
            None
        }
        (Some(value), None) => said(&value).map(str::to_owned),
        (None, Some(value)) => system_file(&value, sources),
        (None, None) => None,
    };
    Some((mode?, Reuse { prefix, within_ns }))
}

/// Says so when the suite trusts warmed caches and no variant has any.
pub(super) fn trust_in_nothing(table: &Table<'_>, mode: CacheMode, variants: &[Variant]) {
    let modes = variants.iter().map(|variant| variant.cache.unwrap_or(mode));
    let within = table.peek("cache").and_then(|cache| cache.inside("within"));
    if let Some(within) = within
        && !modes.into_iter().any(|mode| mode == CacheMode::Warm)
    {
        let message =
            "`within` says how long a warmed cache is trusted, and nothing is warmed here";
        let help = "add `mode = \"warm\"`, or leave `within` out".to_owned();
        within.say(Code::Conflict, message.to_owned(), Some(help));
    }
}

/// A mark, as its word or as the table that the wire has.
pub(in crate::suite) fn cache_control(value: &Value<'_>) -> Option<CacheControl> {
    if value.is_text() {
        let kind = value.word(&CacheKind::WORDS)?;
        return Some(CacheControl { kind, ttl: None });
    }
    if !value.is_table() {
        let wanted = "\"ephemeral\" or a table such as { type = \"ephemeral\", ttl = \"1h\" }";
        value.wrong(Code::WrongType, wanted, None);
        return None;
    }
    value.table("a cache mark", mark)?
}

fn mark(table: &mut Table<'_>) -> Option<CacheControl> {
    let kind = table
        .required("type", "add `type = \"ephemeral\"`")
        .and_then(|value| value.word(&CacheKind::WORDS));
    let ttl = match table.field("ttl") {
        Some(value) => Some(value.word(&CacheTtl::WORDS)?),
        None => None,
    };
    Some(CacheControl { kind: kind?, ttl })
}
