//! Two variants side by side: the values of one metric, prompt by prompt.
//!
//! Owns which sample gives a value for which metric, and which prompts take part. Must not know
//! procedures. Invariant: every prompt that takes part has values on both sides; values stand in the
//! order of slots.

use crate::stats::mean::Weights;
use crate::suite::Metric;
use crate::verdict::evidence::{Evidence, Observation, VariantEvidence};

/// A candidate and its reference.
#[derive(Debug, Clone, Copy)]
pub(in crate::verdict) struct Pair<'a> {
    /// Where both come from.
    pub(in crate::verdict) evidence: &'a Evidence,
    /// What is compared with.
    pub(in crate::verdict) reference: &'a VariantEvidence,
    /// What is compared.
    pub(in crate::verdict) candidate: &'a VariantEvidence,
}

/// Which part of the samples takes part.
#[derive(Debug, Clone, Copy)]
pub(in crate::verdict) struct Part {
    /// Rounds up to this one.
    pub(in crate::verdict) rounds: u32,
    /// The samples that are set aside from times to a first token as well.
    pub(in crate::verdict) with_set_aside: bool,
    /// Only hits or only misses of the prompt cache.
    pub(in crate::verdict) cache_hit: Option<bool>,
    /// Only the answers of one provider.
    pub(in crate::verdict) provider: Option<u32>,
}

impl Part {
    /// All samples up to a round, but for those set aside.
    pub(in crate::verdict) fn up_to(rounds: u32) -> Self {
        Self {
            rounds,
            with_set_aside: false,
            cache_hit: None,
            provider: None,
        }
    }

    fn holds(&self, metric: Metric, observed: &Observation) -> bool {
        observed.round <= self.rounds
            && (self.with_set_aside || !observed.set_aside || !is_to_first_token(metric))
            && self
                .cache_hit
                .is_none_or(|hit| observed.cache_hit == Some(hit))
            && self
                .provider
                .is_none_or(|provider| observed.provider == Some(provider))
    }
}

/// Whether a metric is about the time to a first token: buffered, cold and client-limited samples have
/// one that is not the model's.
pub(in crate::verdict) const fn is_to_first_token(metric: Metric) -> bool {
    matches!(
        metric,
        Metric::Ttft | Metric::Ttfa | Metric::ExperiencedTtft | Metric::TtftTail
    )
}

/// The value that a trial gives: in the metric's unit, of a share 1 for a success and 0 for none.
fn value(metric: Metric, observed: &Observation) -> Option<f64> {
    let success = |yes: bool| if yes { 1.0 } else { 0.0 };
    let value = match metric {
        Metric::Completed => observed
            .counts_as_asked()
            .then(|| success(observed.answered()))?,
        Metric::PassRate => success(observed.passed?),
        // What costs nothing has a cost.
        Metric::Cost => observed.cost?.0 as f64,
        _ => observed.value(metric)?.value,
    };
    (value.is_finite() && value >= 0.0).then_some(value)
}

/// The values of both sides on the prompts where both have any.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::verdict) struct Sides {
    /// Places of these prompts in [`Evidence::prompts`].
    pub(in crate::verdict) places: Vec<usize>,
    /// Of each: (reference, candidate), in the order of slots.
    pub(in crate::verdict) values: Vec<(Vec<f64>, Vec<f64>)>,
    /// Of each.
    pub(in crate::verdict) weights: Weights,
    /// Prompts that were asked, or graded: those that might have had values.
    pub(in crate::verdict) asked: usize,
    /// Whether the reference has any value at all, and the candidate.
    pub(in crate::verdict) measured: (bool, bool),
}

impl Sides {
    /// The values of a metric in a part of the samples.
    pub(in crate::verdict) fn of(pair: &Pair<'_>, metric: Metric, part: Part) -> Self {
        let values_of = |observed: &[Observation]| -> Vec<f64> {
            let held = observed.iter().filter(|one| part.holds(metric, one));
            held.filter_map(|one| value(metric, one)).collect()
        };
        let asked_of = |observed: &[Observation]| observed.iter().any(|o| o.round <= part.rounds);
        let (mut places, mut values) = (Vec::new(), Vec::new());
        let (mut asked, mut measured) = (0, (false, false));
        let both = pair.reference.prompts.iter().zip(&pair.candidate.prompts);
        for (place, (reference, candidate)) in both.enumerate() {
            let (a, b) = (values_of(reference), values_of(candidate));
            asked += usize::from(if metric == Metric::PassRate {
                !a.is_empty() || !b.is_empty()
            } else {
                asked_of(reference) || asked_of(candidate)
            });
            measured = (measured.0 || !a.is_empty(), measured.1 || !b.is_empty());
            if !a.is_empty() && !b.is_empty() {
                places.push(place);
                values.push((a, b));
            }
        }
        let shares: Vec<f64> = places
            .iter()
            .filter_map(|&place| Some(pair.evidence.prompts.get(place)?.weight))
            .collect();
        Self {
            weights: weights(&shares, places.len()),
            places,
            values,
            asked,
            measured,
        }
    }

    /// How many values there are on all prompts, also on those where only one side has any.
    pub(in crate::verdict) fn values_in(pair: &Pair<'_>, metric: Metric, part: Part) -> usize {
        let sides = [pair.reference, pair.candidate];
        let all = sides
            .into_iter()
            .flat_map(|side| side.prompts.iter().flatten());
        all.filter(|one| part.holds(metric, one) && value(metric, one).is_some())
            .count()
    }

    /// How many values each side has on these prompts.
    pub(in crate::verdict) fn counts(&self) -> (usize, usize) {
        let of = |side: fn(&(Vec<f64>, Vec<f64>)) -> usize| self.values.iter().map(side).sum();
        (of(|(a, _)| a.len()), of(|(_, b)| b.len()))
    }

    /// The same without one of these prompts; `None` of the last.
    pub(in crate::verdict) fn without(&self, absent: usize) -> Option<Self> {
        let mut rest = self.clone();
        rest.places.remove(absent);
        rest.values.remove(absent);
        let mut shares = self.weights.shares().to_vec();
        shares.remove(absent);
        rest.weights = weights(&shares, shares.len());
        (!rest.places.is_empty()).then_some(rest)
    }
}

/// Shares as weights; equal ones where they cannot be used.
fn weights(shares: &[f64], count: usize) -> Weights {
    let proper = shares.len() == count;
    let made = if proper { Weights::new(shares) } else { None };
    made.unwrap_or_else(|| Weights::equal(count))
}
