//! The values of one metric of two variants, prompt by prompt.
//!
//! Owns which sample gives a value for which metric, and which prompts take part. Must not know procedures.
//! Invariant: every prompt that takes part has values on both sides, of slots in which both were sent at the same
//! moment; values are in the order of slots.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::stats::mean::Weights;
use crate::stats::paired::PromptValues;
use crate::suite::Metric;
use crate::verdict::evidence::{Evidence, VariantEvidence};
use crate::verdict::observation::Observation;

/// A candidate and its reference.
#[derive(Debug, Clone)]
pub(in crate::verdict) struct VariantPair<'a> {
    /// The evidence that contains both.
    pub(in crate::verdict) evidence: &'a Evidence,
    /// The variant to compare with.
    pub(in crate::verdict) reference: &'a VariantEvidence,
    /// The variant to judge.
    pub(in crate::verdict) candidate: &'a VariantEvidence,
    /// The slots of each prompt in which both were sent.
    slots: Arc<[PairedSlots]>,
}

impl<'a> VariantPair<'a> {
    /// Pairs two variants of `evidence`.
    pub(in crate::verdict) fn new(
        evidence: &'a Evidence,
        reference: &'a VariantEvidence,
        candidate: &'a VariantEvidence,
    ) -> Self {
        let both = reference.prompts.iter().zip(&candidate.prompts);
        Self {
            evidence,
            reference,
            candidate,
            slots: both
                .map(|(a, b)| PairedSlots::new(evidence, a, b))
                .collect(),
        }
    }
}

/// A filter for the samples that take part.
#[derive(Debug, Clone, Copy)]
pub(in crate::verdict) struct SampleFilter {
    /// Rounds up to this one.
    pub(in crate::verdict) rounds: u32,
    /// True to include the samples that are excluded from times to a first token.
    pub(in crate::verdict) with_excluded: bool,
    /// Only hits (true) or only misses (false) of the prompt cache.
    pub(in crate::verdict) cache_hit: Option<bool>,
    /// Only the answers of one provider.
    pub(in crate::verdict) provider: Option<u32>,
}

impl SampleFilter {
    /// All samples up to a round, except the excluded ones.
    pub(in crate::verdict) fn up_to(rounds: u32) -> Self {
        Self {
            rounds,
            with_excluded: false,
            cache_hit: None,
            provider: None,
        }
    }

    fn holds(&self, metric: Metric, observed: &Observation) -> bool {
        observed.round <= self.rounds
            && (self.with_excluded || !observed.excluded || !is_to_first_token(metric))
            && self
                .cache_hit
                .is_none_or(|hit| observed.cache_hit == Some(hit))
            && self
                .provider
                .is_none_or(|provider| observed.provider.get() == Some(provider))
    }
}

/// Returns true for a time to a first token: that of buffered, cold and client-limited samples is not the
/// model's.
pub(in crate::verdict) const fn is_to_first_token(metric: Metric) -> bool {
    matches!(
        metric,
        Metric::Ttft | Metric::Ttfa | Metric::ExperiencedTtft | Metric::TtftTail
    )
}

/// The value of a trial: in the metric's unit, or 1 and 0 for success and failure.
fn value(metric: Metric, observed: &Observation) -> Option<f64> {
    let success = |yes: bool| if yes { 1.0 } else { 0.0 };
    let value = match metric {
        Metric::Completed => observed
            .counts_toward_completion()
            .then(|| success(observed.answered()))?,
        Metric::PassRate => success(observed.passed?),
        // A free request has a cost of 0, which counts. That of a failure says nothing about the price of an
        // answer: a model that gives up early would cost less.
        Metric::Cost if observed.answered() => observed.cost.get()?.0 as f64,
        _ => observed.value(metric)?.value,
    };
    (value.is_finite() && value >= 0.0).then_some(value)
}

/// The slots in which both sides were sent at the same moment: a trial whose partner is missing, or was sent at
/// another time, would bring the state of its own moment into the comparison.
#[derive(Debug)]
enum PairedSlots {
    /// All of them, as in nearly every run.
    All,
    /// These, ascending.
    Some(Vec<u32>),
}

impl PairedSlots {
    fn new(evidence: &Evidence, reference: &[Observation], candidate: &[Observation]) -> Self {
        // A slot that a resumed run sent in two parts was not sent at the same moment.
        let moment = |one: &Observation| (one.slot, evidence.part_at(one.sent_ns));
        let is_same =
            |a: &Observation, b: &Observation| moment(a) == moment(b) && !a.deferred && !b.deferred;
        let mut both = reference.iter().zip(candidate);
        if reference.len() == candidate.len() && both.all(|(a, b)| is_same(a, b)) {
            return Self::All;
        }
        let sent = |side: &[Observation]| -> BTreeSet<(u32, usize)> {
            let in_time = side.iter().filter(|one| !one.deferred);
            in_time.map(moment).collect()
        };
        let (reference, candidate) = (sent(reference), sent(candidate));
        let both = reference.intersection(&candidate);
        Self::Some(both.map(|(slot, _)| *slot).collect())
    }

    fn contains(&self, slot: u32) -> bool {
        match self {
            Self::All => true,
            Self::Some(slots) => slots.binary_search(&slot).is_ok(),
        }
    }
}

/// The values of both sides on the prompts where both have any.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::verdict) struct MetricSides {
    /// Indices of these prompts in [`Evidence::prompts`].
    pub(in crate::verdict) indices: Vec<usize>,
    /// Those of the reference and of the candidate per prompt, in the order of slots.
    pub(in crate::verdict) values: PromptValues,
    /// One weight per prompt.
    pub(in crate::verdict) weights: Weights,
    /// The number of prompts that were sent, or graded, and so could have values.
    pub(in crate::verdict) eligible: usize,
    /// True for the reference, and the candidate, if it has any value at all.
    pub(in crate::verdict) has_values: (bool, bool),
}

impl MetricSides {
    /// The values of a metric among the samples that `filter` accepts.
    pub(in crate::verdict) fn new<'a>(
        pair: &'a VariantPair<'_>,
        metric: Metric,
        part: SampleFilter,
    ) -> Self {
        let values_of = |observed: &'a [Observation], slots: &'a PairedSlots| {
            let accepted = observed.iter().filter(move |one| part.holds(metric, one));
            let accepted = accepted.filter(move |one| slots.contains(one.slot));
            accepted.filter_map(move |one| value(metric, one))
        };
        let was_sent = |observed: &[Observation]| observed.iter().any(|o| o.round <= part.rounds);
        let both = pair.reference.prompts.iter().zip(&pair.candidate.prompts);
        let count = both.clone().map(|(a, b)| a.len() + b.len()).sum();
        let mut values = PromptValues::with_capacity(both.len(), count);
        let mut indices = Vec::with_capacity(both.len());
        let (mut eligible, mut has_values) = (0, (false, false));
        for (index, ((reference, candidate), slots)) in both.zip(&*pair.slots).enumerate() {
            let (of_a, of_b) =
                values.push(values_of(reference, slots), values_of(candidate, slots));
            eligible += usize::from(if metric == Metric::PassRate {
                of_a > 0 || of_b > 0
            } else {
                was_sent(reference) || was_sent(candidate)
            });
            has_values = (has_values.0 || of_a > 0, has_values.1 || of_b > 0);
            if of_a > 0 && of_b > 0 {
                indices.push(index);
            }
        }
        let shares: Vec<f64> = indices
            .iter()
            .filter_map(|&index| Some(pair.evidence.prompts.get(index)?.weight))
            .collect();
        Self {
            weights: weights(&shares, indices.len()),
            indices,
            values,
            eligible,
            has_values,
        }
    }

    /// The number of values on all prompts, including those where only one side has any.
    pub(in crate::verdict) fn count_values(
        pair: &VariantPair<'_>,
        metric: Metric,
        part: SampleFilter,
    ) -> usize {
        let sides = [pair.reference, pair.candidate];
        let all = sides
            .into_iter()
            .flat_map(|side| side.prompts.iter().flatten());
        all.filter(|one| part.holds(metric, one) && value(metric, one).is_some())
            .count()
    }

    /// The number of values of each side on these prompts.
    pub(in crate::verdict) fn counts(&self) -> (usize, usize) {
        let reference = self.values.iter().map(|sides| sides.a().len()).sum();
        (reference, self.values.value_count() - reference)
    }

    /// The same without one of these prompts; `None` if it is the only one.
    pub(in crate::verdict) fn without(&self, absent: usize) -> Option<Self> {
        let mut indices = self.indices.clone();
        indices.remove(absent);
        let mut shares = self.weights.shares().to_vec();
        shares.remove(absent);
        (!indices.is_empty()).then(|| Self {
            indices,
            values: self.values.without(absent),
            weights: weights(&shares, shares.len()),
            ..*self
        })
    }
}

/// The shares as weights; equal weights if the shares cannot be used.
fn weights(shares: &[f64], count: usize) -> Weights {
    let proper = shares.len() == count;
    let weights = if proper { Weights::new(shares) } else { None };
    weights.unwrap_or_else(|| Weights::equal(count))
}
