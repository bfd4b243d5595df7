//! Conditions that make a comparison unfair: errors, retries, caches, reasoning.
//!
//! Owns the shares that are counted per side. Must not know effects. Invariant: exchanging the sides exchanges
//! the shares and changes nothing else.

use crate::suite::Metric;
use crate::verdict::conditions::{
    self, CACHE_KNOWN_MIN, RETRIES_APART, SHARES_APART, SharePair, is_affected_by_errors,
    is_affected_by_retries, route_shift, too_many_errors,
};
use crate::verdict::evidence::{Evidence, VariantEvidence};
use crate::verdict::judgement::Reason;
use crate::verdict::observation::Observation;

use super::sides::{VariantPair, is_to_first_token};

/// Shares of both sides, up to a round.
#[derive(Debug, Clone)]
pub(in crate::verdict) struct Comparability {
    rounds: u32,
    /// Answers excluded from times to a first token.
    pub(in crate::verdict) excluded: SharePair,
    /// Answers read from the prompt cache; absent where a side does not report it.
    pub(in crate::verdict) cache_hits: Option<SharePair>,
    /// Trials with more than one attempt.
    pub(in crate::verdict) retried: SharePair,
    /// Answers with readable reasoning before them.
    reasoning: SharePair,
    /// Answers by provider: its index in the list of names.
    pub(in crate::verdict) providers: Vec<(u32, SharePair)>,
}

impl Comparability {
    /// Counts the shares of this pair up to a round.
    pub(in crate::verdict) fn new(pair: &VariantPair<'_>, rounds: u32) -> Self {
        let both = |share: &dyn Fn(&VariantEvidence) -> f64| {
            (share(pair.reference), share(pair.candidate))
        };
        let of_answers = |predicate: fn(&Observation) -> bool| {
            both(&|side| share(side, rounds, Observation::answered, predicate))
        };
        let known = of_answers(|one| one.cache_hit.is_some());
        let hits = both(&|side| {
            share(
                side,
                rounds,
                |one| one.answered() && one.cache_hit.is_some(),
                |one| one.cache_hit == Some(true),
            )
        });
        let is_known = known.0 >= CACHE_KNOWN_MIN && known.1 >= CACHE_KNOWN_MIN;
        let providers = 0..u32::try_from(pair.evidence.providers.len()).unwrap_or(0);
        Self {
            rounds,
            excluded: of_answers(|one| one.excluded),
            cache_hits: is_known.then_some(hits),
            retried: both(&|side| share(side, rounds, |_| true, |one| one.retried)),
            reasoning: of_answers(|one| one.visible_reasoning),
            providers: providers
                .map(|provider| {
                    let by = |side: &VariantEvidence| {
                        let named =
                            |one: &Observation| one.answered() && one.provider.get().is_some();
                        share(side, rounds, named, |one| {
                            one.provider.get() == Some(provider)
                        })
                    };
                    (provider, both(&by))
                })
                .filter(|(_, shares)| shares.0 > 0.0 || shares.1 > 0.0)
                .collect(),
        }
    }

    /// Returns true if one side shows its reasoning and the other does not.
    pub(in crate::verdict) fn reasoning_differs(&self) -> bool {
        apart(self.reasoning, SHARES_APART)
    }

    /// Returns true if the shares of retries differ, so that the time since the first attempt must be compared
    /// as well.
    pub(in crate::verdict) fn retries_differ(&self) -> bool {
        apart(self.retried, RETRIES_APART)
    }

    /// The shares of cache hits where they differ, for metrics whose time depends on a hit.
    pub(in crate::verdict) fn differing_cache_hits(&self, metric: Metric) -> Option<SharePair> {
        let felt = is_to_first_token(metric) || metric == Metric::Latency;
        self.cache_hits
            .filter(|&hits| felt && apart(hits, SHARES_APART))
    }

    /// The provider whose shares differ most, if they make another route although at least one answers both sides.
    pub(in crate::verdict) fn route_shift(&self) -> Option<(u32, SharePair)> {
        let shared = |(_, shares): &(u32, SharePair)| shares.0 > 0.0 && shares.1 > 0.0;
        let any_shared = self.providers.iter().any(shared);
        route_shift(&self.providers).copied().filter(|_| any_shared)
    }

    /// Returns true if any sample of either side is excluded.
    pub(in crate::verdict) fn has_exclusions(&self) -> bool {
        self.excluded.0 > 0.0 || self.excluded.1 > 0.0
    }

    /// The reasons that withhold a verdict on this metric, before any value is compared.
    pub(in crate::verdict) fn withhold_reasons(
        &self,
        pair: &VariantPair<'_>,
        metric: Metric,
    ) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if is_affected_by_errors(metric) {
            let share = self
                .failed_share(pair.reference, metric)
                .max(self.failed_share(pair.candidate, metric));
            reasons.extend(too_many_errors(share));
        }
        // The first token of reasoning is not the first of an answer.
        let of_any_token = is_to_first_token(metric) && metric != Metric::Ttfa;
        if of_any_token && self.reasoning_differs() {
            reasons.push(Reason::ReasoningDiffers);
        }
        if is_to_first_token(metric) && apart(self.excluded, SHARES_APART) {
            reasons.push(self.exclusion_reason());
        }
        reasons
    }

    /// The reason for samples that are excluded.
    pub(in crate::verdict) fn exclusion_reason(&self) -> Reason {
        let (reference, candidate) = self.excluded;
        Reason::Excluded {
            reference,
            candidate,
        }
    }

    /// The caveats of a verdict on this metric.
    pub(in crate::verdict) fn caveats(
        &self,
        pair: &VariantPair<'_>,
        metric: Metric,
    ) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if is_affected_by_retries(metric) && self.retries_differ() {
            let (reference, candidate) = self.retried;
            reasons.push(Reason::RetriesDiffer {
                reference,
                candidate,
            });
        }
        // A bill is a fact, but its reader must know why it differs.
        let billed = self
            .cache_hits
            .filter(|&hits| metric == Metric::Cost && apart(hits, SHARES_APART));
        if let Some((reference, candidate)) = billed {
            reasons.push(Reason::CacheHitsDiffer {
                reference,
                candidate,
                split: false,
            });
        }
        let names = &pair.evidence.providers;
        if metric != Metric::Completed
            && let Some((provider, (reference, candidate))) = self.route_shift()
            && let Some(provider) = names.get(provider as usize)
        {
            reasons.push(Reason::RouteShift {
                provider: provider.clone(),
                reference,
                candidate,
            });
        }
        reasons
    }

    /// The share of a side's requests that failed, or whose time is only known as a lower bound.
    fn failed_share(&self, side: &VariantEvidence, metric: Metric) -> f64 {
        share(
            side,
            self.rounds,
            |_| true,
            |one| !one.answered() || one.value(metric).is_some_and(|value| value.censored),
        )
    }
}

/// Returns true if more than a stray answer of any variant came with reasoning, readable or hidden: the first
/// tokens of such a run are not all those of an answer.
pub(in crate::verdict) fn any_variant_reasons(evidence: &Evidence, rounds: u32) -> bool {
    let reasons = |one: &Observation| one.visible_reasoning || one.hidden_reasoning;
    let mut variants = evidence.variants.iter();
    variants.any(|variant| {
        let reasoned = share(variant, rounds, Observation::answered, reasons);
        apart((0.0, reasoned), SHARES_APART)
    })
}

fn apart(shares: SharePair, by_more_than: f64) -> bool {
    conditions::differ_by_more_than(shares.0, shares.1, by_more_than)
}

/// The share that satisfies `holds` among observations that satisfy `counts`; 0 if there are none.
fn share(
    side: &VariantEvidence,
    rounds: u32,
    counts: impl Fn(&Observation) -> bool,
    holds: impl Fn(&Observation) -> bool,
) -> f64 {
    let (mut total, mut matching) = (0_u64, 0_u64);
    for one in side.prompts.iter().flatten() {
        if one.round <= rounds && counts(one) {
            total += 1;
            matching += u64::from(holds(one));
        }
    }
    if total == 0 {
        0.0
    } else {
        matching as f64 / total as f64
    }
}
