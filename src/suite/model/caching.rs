//! Prompt caching of a whole suite, over all of its levels.
//!
//! Owns the queries that need a whole suite. Must not know how any of it is sent.

use crate::units::ModelId;

use super::cache::{CacheControl, CacheMode, CacheTtl, Caching};
use super::parameters::Parameters;
use super::prompt::Prompt;
use super::suite::{Suite, Variant};

impl Suite {
    /// Models that several variants use with the same prompts, each with the labels of these variants: within a
    /// slot, one variant can hit the cache entry that another wrote. Empty where the mode keeps caches out, or
    /// fills them for every trial.
    pub fn shared_caches(&self) -> Vec<(&ModelId, Vec<&str>)> {
        let mut shared = Vec::new();
        let as_is = |variant: &&Variant| self.cache_of(variant) == CacheMode::AsIs;
        let busted = |variant: &Variant| self.cache_of(variant) == CacheMode::Bust;
        for (index, first) in self.variants.iter().enumerate() {
            if busted(first) {
                continue;
            }
            // Text before a prompt's own turns: where it differs, nothing is shared.
            let same = |other: &&Variant| {
                !busted(other)
                    && other.model == first.model
                    && other.system == first.system
                    && other.parameters.tools == first.parameters.tools
            };
            if self.variants[..index].iter().any(|other| same(&other)) {
                continue;
            }
            // A variant that is warmed for each trial is warm anyway; the others hit the entries that it
            // leaves.
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
    /// The cache mode of a variant.
    pub fn cache_of(&self, variant: &Variant) -> CacheMode {
        variant.cache.unwrap_or(self.cache)
    }

    /// Returns true if the suite configures prompt caching: a mode, a shared prefix, a mark, or `caching =
    /// "auto"`.
    pub fn configures_caches(&self) -> bool {
        let uses_auto = |parameters: &Parameters| parameters.caching == Some(Caching::Auto);
        let modes = self.variants.iter().map(|variant| self.cache_of(variant));
        !self.reuse.is_default()
            || modes.into_iter().any(|mode| mode != CacheMode::AsIs)
            || self.levels().any(uses_auto)
            || self.marks().next().is_some()
    }

    /// Returns true if a variant writes cache entries (by marks, or by `caching = "auto"`) although its mode is
    /// `bust`, so that no request can read them. The writes are billed all the same.
    pub fn writes_unused_cache(&self, variant: &Variant) -> bool {
        let requests_caching = |prompt: &Prompt| {
            let caching = self.parameter_of(prompt, variant, |level| level.caching.as_ref());
            let mark = |level: &Parameters| level.system_cache_control.is_some();
            let of_system =
                self.parameter_of(prompt, variant, |level| mark(level).then_some(level));
            let mut messages = prompt.messages.iter();
            caching == Some(&Caching::Auto)
                || of_system.is_some() && self.opening_of(prompt, variant).next().is_some()
                || messages.any(|message| message.cache_control.is_some())
        };
        self.cache_of(variant) == CacheMode::Bust && self.prompts.iter().any(requests_caching)
    }

    /// Variants whose caches are filled by separate requests.
    pub fn warmed_variants(&self) -> impl Iterator<Item = &Variant> {
        let variants = self.variants.iter();
        variants.filter(|variant| self.cache_of(variant) == CacheMode::Warm)
    }

    /// Largest number of requests that a trial sends, retries excluded.
    pub fn requests_per_trial(&self) -> u32 {
        let modes = self.variants.iter().map(|variant| self.cache_of(variant));
        modes.map(CacheMode::requests_per_trial).max().unwrap_or(1)
    }

    /// Returns true if a mark has this time to live.
    pub fn has_mark_with_ttl(&self, ttl: CacheTtl) -> bool {
        self.marks().any(|mark| mark.ttl == Some(ttl))
    }

    /// The request parameters of every level.
    fn levels(&self) -> impl Iterator<Item = &Parameters> {
        let variants = self.variants.iter().map(|variant| &variant.parameters);
        let prompts = self.prompts.iter().map(|prompt| &*prompt.parameters);
        std::iter::once(&self.parameters)
            .chain(variants)
            .chain(prompts)
    }

    fn marks(&self) -> impl Iterator<Item = CacheControl> {
        let messages = self
            .prompts
            .iter()
            .flat_map(|prompt| prompt.messages.iter());
        let of_messages = messages.filter_map(|message| message.cache_control);
        let of_systems = self.levels().filter_map(|level| level.system_cache_control);
        of_systems.chain(of_messages)
    }
}
