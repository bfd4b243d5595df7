//! What stands between today and the past: errors, drift, answers of another kind, other routes.
//!
//! Owns what is counted of today and of the past. Must not know levels. Invariant: only counts enter, and of the past those of all its accepted runs together.

use std::collections::BTreeMap;

use crate::record::{AnswerMix, HistoryRun, HistoryVariant};
use crate::suite::Metric;

use super::super::compare::sides::is_to_first_token;
use super::super::conditions::{
    self, CACHE_KNOWN_MIN, RETRIES_APART, SHARES_APART, feels_errors, feels_retries,
    too_many_errors,
};
use super::super::judgement::Reason;
use super::matching::{Matching, same_variant};

/// What the runs that match say of one variant.
pub(super) struct Subject<'a> {
    pub today: &'a HistoryRun,
    pub variant: &'a HistoryVariant,
    pub control: Option<&'a HistoryVariant>,
    pub matching: &'a Matching<'a>,
    /// All that its accepted runs answered, together.
    pub pooled: Pooled,
}

/// What accepted runs of a variant answered, together.
#[derive(Default)]
pub(super) struct Pooled {
    /// How many runs have the variant.
    pub runs: usize,
    asked: u64,
    completed: u64,
    mix: AnswerMix,
    providers: BTreeMap<String, u64>,
}

impl Pooled {
    pub(super) fn of(variant: &HistoryVariant, runs: &[&HistoryRun]) -> Self {
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
            self.asked += u64::from(prompt.asked);
            self.completed += u64::from(prompt.completed);
        }
        for (provider, count) in &then.providers {
            let sum = self.providers.entry(provider.clone()).or_insert(0);
            *sum = sum.saturating_add(*count);
        }
        let (sum, own) = (&mut self.mix, &then.mix);
        sum.answered = sum.answered.saturating_add(own.answered);
        sum.set_aside = sum.set_aside.saturating_add(own.set_aside);
        sum.retried = sum.retried.saturating_add(own.retried);
        sum.reasoned = sum.reasoned.saturating_add(own.reasoned);
        sum.cache_told = sum.cache_told.saturating_add(own.cache_told);
        sum.cache_hits = sum.cache_hits.saturating_add(own.cache_hits);
    }

    fn error_share(&self) -> f64 {
        share(self.asked.saturating_sub(self.completed), self.asked).unwrap_or(0.0)
    }
}

fn share(part: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| part as f64 / of as f64)
}

/// Both shares, where they are further apart than `points`.
fn apart(then: Option<f64>, now: Option<f64>, points: f64) -> Option<(f64, f64)> {
    let (then, now) = (then?, now?);
    conditions::apart(then, now, points).then_some((then, now))
}

impl Subject<'_> {
    fn now(&self) -> Pooled {
        let mut now = Pooled::default();
        now.add(self.variant);
        now
    }

    /// Whether reasoning is shown on one side and not on the other.
    pub(super) fn reasoning_differs(&self) -> bool {
        let shown = |mix: AnswerMix| share(mix.reasoned, mix.answered);
        apart(
            shown(self.pooled.mix),
            shown(self.variant.mix),
            SHARES_APART,
        )
        .is_some()
    }

    /// Whether answers needed more attempts than before, or fewer.
    pub(super) fn retries_differ(&self) -> Option<(f64, f64)> {
        let retried = |mix: AnswerMix| share(mix.retried, mix.answered);
        let (then, now) = (retried(self.pooled.mix), retried(self.variant.mix));
        apart(then, now, RETRIES_APART)
    }

    fn routes_differ(&self) -> bool {
        let total = |providers: &BTreeMap<String, u64>| {
            let counts = providers.values();
            counts.fold(0_u64, |sum, count| sum.saturating_add(*count))
        };
        let (then, now) = (&self.pooled.providers, &self.variant.providers);
        let of = |providers: &BTreeMap<String, u64>, name: &String| {
            share(providers.get(name).copied().unwrap_or(0), total(providers))
        };
        let mut names = then.keys().chain(now.keys());
        names.any(|name| apart(of(then, name), of(now, name), SHARES_APART).is_some())
    }

    /// Why a metric cannot be judged, whatever its figures.
    pub(super) fn withheld(&self, metric: Metric) -> Vec<Reason> {
        let mut reasons = Vec::new();
        let rated = feels_errors(metric);
        let to_first_token = is_to_first_token(metric);
        let (then, now) = (self.pooled.mix, self.variant.mix);
        let errors = self.pooled.error_share().max(self.now().error_share());
        if rated {
            reasons.extend(too_many_errors(errors));
        }
        // A control that drifts alike takes the drift off.
        let drifts_apart = self.variant.drifted != self.control.is_some_and(|c| c.drifted);
        if rated && drifts_apart {
            reasons.push(Reason::Drift);
        }
        if matches!(metric, Metric::Ttft | Metric::ExperiencedTtft) && self.reasoning_differs() {
            reasons.push(Reason::ReasoningDiffers);
        }
        let aside = |mix: AnswerMix| share(mix.set_aside, mix.answered);
        if let Some((reference, candidate)) = apart(aside(then), aside(now), SHARES_APART)
            && to_first_token
        {
            reasons.push(Reason::SetAside {
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

    /// What to know beside a verdict.
    pub(super) fn beside(&self, metric: Metric) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if feels_retries(metric)
            && let Some((reference, candidate)) = self.retries_differ()
        {
            reasons.push(Reason::RetriesDiffer {
                reference,
                candidate,
            });
        }
        // A bill is a bill, but whoever reads it must know why it changed.
        if metric == Metric::Cost {
            reasons.extend(self.cache_hits_differ());
        }
        if metric != Metric::Completed && self.routes_differ() {
            reasons.push(Reason::RouteShift);
        }
        reasons
    }

    /// Levels hold hits and misses of the prompt cache together: where their shares change, so do levels.
    fn cache_hits_differ(&self) -> Option<Reason> {
        let hits = |mix: AnswerMix| {
            let told = share(mix.cache_told, mix.answered)? >= CACHE_KNOWN_MIN;
            share(mix.cache_hits, mix.cache_told).filter(|_| told)
        };
        let (then, now) = (hits(self.pooled.mix), hits(self.variant.mix));
        let (reference, candidate) = apart(then, now, SHARES_APART)?;
        Some(Reason::CacheHitsDiffer {
            reference,
            candidate,
            apart: false,
        })
    }
}
