//! Conditions that make a comparison with the past unfair: errors, drift, answers of another kind, other
//! routes.
//!
//! Owns the counts of today and of the past. Must not know levels. Invariant: only counts enter, and for the
//! past those of all its accepted runs together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::record::{AnswerMix, HistoryRun, HistoryVariant};
use crate::suite::Metric;

use super::super::compare::sides::is_to_first_token;
use super::super::conditions::{
    self, CACHE_KNOWN_MIN, RETRIES_APART, SHARES_APART, SharePair, is_affected_by_errors,
    is_affected_by_retries, route_shift, too_many_errors,
};
use super::super::judgement::Reason;
use super::departures::Departures;
use super::matching::{MatchingRuns, same_variant};

/// One variant today, and the matching runs to compare it with.
pub(super) struct VariantHistory<'a> {
    pub today: &'a HistoryRun,
    pub variant: &'a HistoryVariant,
    pub control: Option<&'a HistoryVariant>,
    /// The departures from the shift that all models share, by metric.
    pub departures: &'a BTreeMap<Metric, Departures<'a>>,
    pub matching: &'a MatchingRuns<'a>,
    /// The counts of all its accepted runs together.
    pub pooled: PooledCounts,
    /// Ids of its prompts today, which its comparisons share.
    pub prompt_ids: Arc<[Arc<str>]>,
}

/// The counts of all accepted runs of a variant together.
#[derive(Default)]
pub(super) struct PooledCounts {
    /// The number of runs with the variant.
    pub runs: usize,
    requests: u64,
    completed: u64,
    mix: AnswerMix,
    providers: BTreeMap<String, u64>,
}

impl PooledCounts {
    pub(super) fn new(variant: &HistoryVariant, runs: &[&HistoryRun]) -> Self {
        let mut pooled = Self::default();
        let same = |run: &&HistoryRun| run.variants.iter().any(|v| same_variant(v, variant));
        pooled.runs = runs.iter().filter(|run| same(run)).count();
        let all = runs.iter().flat_map(|run| &run.variants);
        for then in all.filter(|then| same_variant(then, variant)) {
            pooled.add(then);
        }
        pooled
    }

    fn add(&mut self, then: &HistoryVariant) {
        for prompt in &then.prompts {
            self.requests += u64::from(prompt.trials);
            self.completed += u64::from(prompt.completed);
        }
        for (provider, count) in &then.providers {
            let sum = self.providers.entry(provider.clone()).or_insert(0);
            *sum = sum.saturating_add(*count);
        }
        let (sum, own) = (&mut self.mix, &then.mix);
        sum.answered = sum.answered.saturating_add(own.answered);
        sum.excluded = sum.excluded.saturating_add(own.excluded);
        sum.retried = sum.retried.saturating_add(own.retried);
        sum.reasoned = sum.reasoned.saturating_add(own.reasoned);
        sum.cache_reported = sum.cache_reported.saturating_add(own.cache_reported);
        sum.cache_hits = sum.cache_hits.saturating_add(own.cache_hits);
    }

    fn error_share(&self) -> f64 {
        share(self.requests.saturating_sub(self.completed), self.requests).unwrap_or(0.0)
    }
}

fn share(part: u64, total: u64) -> Option<f64> {
    (total > 0).then(|| part as f64 / total as f64)
}

/// Both shares, if they differ by more than `points`.
fn differing(then: Option<f64>, now: Option<f64>, points: f64) -> Option<(f64, f64)> {
    let (then, now) = (then?, now?);
    conditions::differ_by_more_than(then, now, points).then_some((then, now))
}

/// The shares of the answers by provider, then and now; empty if a side has none with a provider.
pub(super) fn provider_shares<'a>(
    then: &'a BTreeMap<String, u64>,
    now: &'a BTreeMap<String, u64>,
) -> Vec<(&'a str, SharePair)> {
    let total = |providers: &BTreeMap<String, u64>| {
        let counts = providers.values();
        counts.fold(0_u64, |sum, count| sum.saturating_add(*count))
    };
    let share_of = |providers: &BTreeMap<String, u64>, name: &str| {
        share(providers.get(name).copied().unwrap_or(0), total(providers))
    };
    let names: BTreeSet<&str> = then.keys().chain(now.keys()).map(String::as_str).collect();
    let shares =
        |name| -> Option<SharePair> { Some((share_of(then, name)?, share_of(now, name)?)) };
    let names = names.into_iter();
    names
        .filter_map(|name| Some((name, shares(name)?)))
        .collect()
}

impl<'a> VariantHistory<'a> {
    pub(super) fn new(
        today: &'a HistoryRun,
        variant: &'a HistoryVariant,
        control: Option<&'a HistoryVariant>,
        departures: &'a BTreeMap<Metric, Departures<'a>>,
        matching: &'a MatchingRuns<'a>,
    ) -> Self {
        Self {
            today,
            variant,
            control,
            departures,
            matching,
            pooled: PooledCounts::new(variant, &matching.accepted),
            prompt_ids: (variant.prompts.iter())
                .map(|prompt| Arc::clone(&prompt.prompt))
                .collect(),
        }
    }
}

impl VariantHistory<'_> {
    fn now(&self) -> PooledCounts {
        let mut now = PooledCounts::default();
        now.add(self.variant);
        now
    }

    /// Returns true if reasoning is shown on one side and not on the other.
    pub(super) fn reasoning_differs(&self) -> bool {
        let shown = |mix: AnswerMix| share(mix.reasoned, mix.answered);
        differing(
            shown(self.pooled.mix),
            shown(self.variant.mix),
            SHARES_APART,
        )
        .is_some()
    }

    /// The shares of retried answers, if they differ.
    pub(super) fn retries_differ(&self) -> Option<(f64, f64)> {
        let retried = |mix: AnswerMix| share(mix.retried, mix.answered);
        let (then, now) = (retried(self.pooled.mix), retried(self.variant.mix));
        differing(then, now, RETRIES_APART)
    }

    /// The shares of the answers by provider, in the past and today; empty if a side has none with a provider.
    pub(super) fn provider_shares(&self) -> Vec<(&str, SharePair)> {
        provider_shares(&self.pooled.providers, &self.variant.providers)
    }

    fn route_shift(&self) -> Option<Reason> {
        let providers = self.provider_shares();
        let &(provider, (reference, candidate)) = route_shift(&providers)?;
        Some(Reason::RouteShift {
            provider: provider.to_owned(),
            reference,
            candidate,
        })
    }

    /// The reasons that withhold a verdict on a metric against these controls, whatever its figures.
    pub(super) fn withhold_reasons(
        &self,
        metric: Metric,
        controls: &[&HistoryVariant],
    ) -> Vec<Reason> {
        let mut reasons = Vec::new();
        let needs_answers = is_affected_by_errors(metric);
        let to_first_token = is_to_first_token(metric);
        let (then, now) = (self.pooled.mix, self.variant.mix);
        let errors = self.pooled.error_share().max(self.now().error_share());
        if needs_answers {
            reasons.extend(too_many_errors(errors));
        }
        // A drift that others in the same slots share cancels, and one of the model's own is a change of it.
        if needs_answers && controls.is_empty() && self.variant.drifted {
            reasons.push(Reason::Drift);
        }
        if matches!(metric, Metric::Ttft | Metric::ExperiencedTtft) && self.reasoning_differs() {
            reasons.push(Reason::ReasoningDiffers);
        }
        let excluded = |mix: AnswerMix| share(mix.excluded, mix.answered);
        if let Some((reference, candidate)) = differing(excluded(then), excluded(now), SHARES_APART)
            && to_first_token
        {
            reasons.push(Reason::Excluded {
                reference,
                candidate,
            });
        }
        if (to_first_token || metric == Metric::Latency)
            && let Some(hits) = self.cache_hits_differ()
        {
            reasons.push(hits);
        }
        reasons
    }

    /// The caveats of a verdict.
    pub(super) fn caveats(&self, metric: Metric) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if is_affected_by_retries(metric)
            && let Some((reference, candidate)) = self.retries_differ()
        {
            reasons.push(Reason::RetriesDiffer {
                reference,
                candidate,
            });
        }
        // A bill is a fact, but its reader must know why it changed.
        if metric == Metric::Cost {
            reasons.extend(self.cache_hits_differ());
        }
        if metric != Metric::Completed {
            reasons.extend(self.route_shift());
        }
        reasons
    }

    /// Levels mix hits and misses of the prompt cache: if their shares change, so do the levels.
    fn cache_hits_differ(&self) -> Option<Reason> {
        let hits = |mix: AnswerMix| {
            let is_known = share(mix.cache_reported, mix.answered)? >= CACHE_KNOWN_MIN;
            share(mix.cache_hits, mix.cache_reported).filter(|_| is_known)
        };
        let (then, now) = (hits(self.pooled.mix), hits(self.variant.mix));
        let (reference, candidate) = differing(then, now, SHARES_APART)?;
        Some(Reason::CacheHitsDiffer {
            reference,
            candidate,
            split: false,
        })
    }
}
