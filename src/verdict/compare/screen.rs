//! What stands between two sides and a fair comparison: errors, retries, caches, reasoning.
//!
//! Owns what is counted of each side. Must not know effects. Invariant: exchanging the sides exchanges the shares and changes nothing else.

use crate::suite::Metric;
use crate::verdict::conditions::{
    self, CACHE_KNOWN_MIN, RETRIES_APART, SHARES_APART, feels_errors, feels_retries,
    too_many_errors,
};
use crate::verdict::evidence::{Observation, VariantEvidence};
use crate::verdict::judgement::Reason;

use super::sides::{Pair, is_to_first_token};

/// A share of each side: (reference, candidate).
pub(in crate::verdict) type Both = (f64, f64);

/// Shares of both sides, up to a round.
#[derive(Debug, Clone)]
pub(in crate::verdict) struct Facts {
    rounds: u32,
    /// Answers that were set aside from times to a first token.
    pub(in crate::verdict) set_aside: Both,
    /// Answers that came from the prompt cache; absent where a side does not say.
    pub(in crate::verdict) cache_hits: Option<Both>,
    /// Trials with more than one attempt.
    pub(in crate::verdict) retried: Both,
    /// Answers before which readable reasoning came.
    reasoning: Both,
    /// Answers by provider: its place in the list of names.
    pub(in crate::verdict) providers: Vec<(u32, Both)>,
}

impl Facts {
    /// What holds for this pair up to a round.
    pub(in crate::verdict) fn of(pair: &Pair<'_>, rounds: u32) -> Self {
        let both = |share: &dyn Fn(&VariantEvidence) -> f64| {
            (share(pair.reference), share(pair.candidate))
        };
        let of_answers = |yes: fn(&Observation) -> bool| {
            both(&|side| share(side, rounds, Observation::answered, yes))
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
        let places = 0..u32::try_from(pair.evidence.providers.len()).unwrap_or(0);
        Self {
            rounds,
            set_aside: of_answers(|one| one.set_aside),
            cache_hits: is_known.then_some(hits),
            retried: both(&|side| share(side, rounds, |_| true, |one| one.retried)),
            reasoning: of_answers(|one| one.visible_reasoning),
            providers: places
                .map(|place| {
                    let by = |side: &VariantEvidence| {
                        let named = |one: &Observation| one.answered() && one.provider.is_some();
                        share(side, rounds, named, |one| one.provider == Some(place))
                    };
                    (place, both(&by))
                })
                .filter(|(_, shares)| shares.0 > 0.0 || shares.1 > 0.0)
                .collect(),
        }
    }

    /// Whether one side shows its reasoning and the other does not.
    pub(in crate::verdict) fn reasoning_differs(&self) -> bool {
        apart(self.reasoning, SHARES_APART)
    }

    /// Whether the time since the first attempt is another question than that of the answered one.
    pub(in crate::verdict) fn retries_differ(&self) -> bool {
        apart(self.retried, RETRIES_APART)
    }

    /// The shares of cache hits where they differ, for the metrics that feel a hit in time.
    pub(in crate::verdict) fn cache_divides(&self, metric: Metric) -> Option<Both> {
        let felt = is_to_first_token(metric) || metric == Metric::Latency;
        self.cache_hits
            .filter(|&hits| felt && apart(hits, SHARES_APART))
    }

    /// Whether other providers answer one side than the other although some answer both.
    pub(in crate::verdict) fn routes_differ(&self) -> bool {
        let shared = |(_, shares): &(u32, Both)| shares.0 > 0.0 && shares.1 > 0.0;
        self.providers.iter().any(shared)
            && self
                .providers
                .iter()
                .any(|(_, shares)| apart(*shares, SHARES_APART))
    }

    /// Whether any sample of either side was set aside.
    pub(in crate::verdict) fn any_set_aside(&self) -> bool {
        self.set_aside.0 > 0.0 || self.set_aside.1 > 0.0
    }

    /// Why there can be no verdict on this metric, before any value is looked at.
    pub(in crate::verdict) fn withheld(&self, pair: &Pair<'_>, metric: Metric) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if feels_errors(metric) {
            let share = self
                .lost(pair.reference, metric)
                .max(self.lost(pair.candidate, metric));
            reasons.extend(too_many_errors(share));
        }
        // The first token of reasoning is not the first of an answer.
        let of_any_token = is_to_first_token(metric) && metric != Metric::Ttfa;
        if of_any_token && self.reasoning_differs() {
            reasons.push(Reason::ReasoningDiffers);
        }
        if is_to_first_token(metric) && apart(self.set_aside, SHARES_APART) {
            reasons.push(self.set_aside_reason());
        }
        reasons
    }

    /// The reason that samples were set aside.
    pub(in crate::verdict) fn set_aside_reason(&self) -> Reason {
        let (reference, candidate) = self.set_aside;
        Reason::SetAside {
            reference,
            candidate,
        }
    }

    /// What to say beside a verdict on this metric.
    pub(in crate::verdict) fn beside(&self, metric: Metric) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if feels_retries(metric) && self.retries_differ() {
            let (reference, candidate) = self.retried;
            reasons.push(Reason::RetriesDiffer {
                reference,
                candidate,
            });
        }
        // A bill is a bill, but whoever reads it must know why it differs.
        let billed = self
            .cache_hits
            .filter(|&hits| metric == Metric::Cost && apart(hits, SHARES_APART));
        if let Some((reference, candidate)) = billed {
            reasons.push(Reason::CacheHitsDiffer {
                reference,
                candidate,
                apart: false,
            });
        }
        if metric != Metric::Completed && self.routes_differ() {
            reasons.push(Reason::RouteShift);
        }
        reasons
    }

    /// The share of a side's requests that failed, or of whose time only a lower bound is known.
    fn lost(&self, side: &VariantEvidence, metric: Metric) -> f64 {
        share(
            side,
            self.rounds,
            |_| true,
            |one| !one.answered() || one.value(metric).is_some_and(|value| value.censored),
        )
    }
}

fn apart(shares: Both, by_more_than: f64) -> bool {
    conditions::apart(shares.0, shares.1, by_more_than)
}

/// The share of what `counts` that `holds`; 0 of nothing.
fn share(
    side: &VariantEvidence,
    rounds: u32,
    counts: impl Fn(&Observation) -> bool,
    holds: impl Fn(&Observation) -> bool,
) -> f64 {
    let (mut of, mut yes) = (0_u64, 0_u64);
    for one in side.prompts.iter().flatten() {
        if one.round <= rounds && counts(one) {
            of += 1;
            yes += u64::from(holds(one));
        }
    }
    if of == 0 { 0.0 } else { yes as f64 / of as f64 }
}
