//! The estimated cost of a run, and its actual cost.
//!
//! Owns the stored form of an estimate. Must not know how one is made. Invariant: the actual cost is counted
//! from samples alone, and a cost that is not known is left out with its count, never added as 0.

use std::iter::Sum;

use serde::{Deserialize, Serialize};

use crate::catalog::{CostEstimate, PastVariant, VariantEstimate};
use crate::units::{ModelId, Usd};

use super::{Outcome, Sample};

/// The estimate of a run, made before anything was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EstimateRecord {
    /// The list cost as corrected by past runs; absent: no price was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_usd: Option<Usd>,
    /// The cost that nine runs of ten stay below; absent below nine past runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound_90_usd: Option<Usd>,
    /// The cost that no run exceeds; absent where nothing bounds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst_usd: Option<Usd>,
    /// In the suite's order.
    pub variants: Vec<EstimatedVariant>,
}

/// The estimate of one variant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EstimatedVariant {
    /// Its label.
    pub variant: String,
    /// Its model.
    pub model: ModelId,
    /// Without warm-up and retries.
    pub requests: u64,
    /// Requests whose answers were expected to be as long as past ones; 0 also where this was not stored.
    #[serde(default)]
    pub learned_requests: u64,
    /// As counted, before past runs corrected it; absent: not counted, because no price needed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted_prompt_tokens: Option<u64>,
    /// As corrected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_tokens: Option<u64>,
    /// Reasoning included.
    pub completion_tokens: u64,
    /// These tokens by list prices; absent: no price was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_usd: Option<Usd>,
    /// Actual tokens and cost; absent where no sample reported either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actual: Option<ActualUsage>,
}

/// The tokens and cost that samples report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActualUsage {
    /// Samples whose tokens are known.
    pub measured: u64,
    /// Their prompt tokens.
    pub prompt_tokens: u64,
    /// Their completion tokens.
    pub completion_tokens: u64,
    /// Samples whose cost is known.
    pub costed: u64,
    /// That cost: of each sample the largest of list price, bill and the gateway's list price.
    pub cost_usd: Usd,
}

impl EstimateRecord {
    /// The record of an estimate, with nothing spent yet.
    pub fn new(estimate: &CostEstimate) -> Self {
        Self {
            expected_usd: estimate.total.expected,
            bound_90_usd: estimate.total.bound_90,
            worst_usd: estimate.total.worst.as_ref().ok().copied(),
            variants: estimate
                .variants
                .iter()
                .map(EstimatedVariant::new)
                .collect(),
        }
    }

    /// The same estimate, with nothing spent yet.
    #[must_use]
    pub fn without_actual(mut self) -> Self {
        for variant in &mut self.variants {
            variant.actual = None;
        }
        self
    }

    /// The estimate of two shares of one plan; `None` if either is unknown. What nine of ten runs stay below does not
    /// follow.
    pub fn sum(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        let (one, other) = (one?, other?);
        let variants = one.variants.into_iter().map(|variant| {
            let mut others = other.variants.iter();
            match others.find(|other| other.variant == variant.variant) {
                Some(other) => variant.sum(other),
                None => variant,
            }
        });
        Some(Self {
            expected_usd: sum_if_known(one.expected_usd, other.expected_usd),
            bound_90_usd: None,
            worst_usd: sum_if_known(one.worst_usd, other.worst_usd),
            variants: variants.collect(),
        })
    }

    /// Adds the tokens and cost of a sample.
    pub fn add(&mut self, sample: &Sample) {
        let mut variants = self.variants.iter_mut();
        if let Some(variant) = variants.find(|variant| variant.variant == sample.variant) {
            variant.add(sample);
        }
    }

    /// The figures that later runs learn from.
    pub fn past(&self) -> Vec<PastVariant<'_>> {
        self.variants.iter().map(EstimatedVariant::past).collect()
    }

    /// Actual cost of the samples whose cost is known; absent where none is.
    pub fn cost(&self) -> Option<Usd> {
        let actual = self.variants.iter().filter_map(|variant| variant.actual);
        let costed: Vec<Usd> = actual
            .filter(|actual| actual.costed > 0)
            .map(|actual| actual.cost_usd)
            .collect();
        (!costed.is_empty()).then(|| costed.into_iter().sum())
    }

    /// Actual over expected cost; absent where either is not known or nothing was expected.
    pub fn ratio(&self) -> Option<f64> {
        let expected = self.expected_usd.filter(|usd| *usd > Usd::ZERO)?;
        Some(self.cost()?.as_f64() / expected.as_f64())
    }
}

impl EstimatedVariant {
    fn new(estimate: &VariantEstimate) -> Self {
        Self {
            variant: estimate.variant.clone(),
            model: estimate.model.clone(),
            requests: estimate.sums.requests,
            learned_requests: estimate.learned_requests(),
            counted_prompt_tokens: estimate.counted_prompt_tokens,
            prompt_tokens: estimate.sums.prompt_tokens,
            completion_tokens: estimate.sums.completion_tokens,
            list_usd: estimate.sums.list,
            actual: None,
        }
    }

    fn sum(self, other: &Self) -> Self {
        let actual = [self.actual, other.actual].into_iter().flatten();
        Self {
            requests: self.requests + other.requests,
            learned_requests: self.learned_requests + other.learned_requests,
            counted_prompt_tokens: sum_if_known(
                self.counted_prompt_tokens,
                other.counted_prompt_tokens,
            ),
            prompt_tokens: sum_if_known(self.prompt_tokens, other.prompt_tokens),
            completion_tokens: self.completion_tokens + other.completion_tokens,
            list_usd: sum_if_known(self.list_usd, other.list_usd),
            actual: actual.reduce(|one, other| ActualUsage {
                measured: one.measured + other.measured,
                prompt_tokens: one.prompt_tokens.saturating_add(other.prompt_tokens),
                completion_tokens: one
                    .completion_tokens
                    .saturating_add(other.completion_tokens),
                costed: one.costed + other.costed,
                cost_usd: [one.cost_usd, other.cost_usd].into_iter().sum(),
            }),
            ..self
        }
    }

    fn add(&mut self, sample: &Sample) {
        let usage = sample.known_usage();
        let tokens = usage.and_then(|usage| usage.prompt_tokens.zip(usage.completion_tokens));
        // A rejected request used no tokens and cost nothing: it says nothing about an answer.
        let spent = sample.spent();
        if sample.outcome == Outcome::Rejected || (tokens.is_none() && spent.is_none()) {
            return;
        }
        let actual = self.actual.get_or_insert_default();
        if let Some((prompt, completion)) = tokens {
            actual.measured += 1;
            actual.prompt_tokens = actual.prompt_tokens.saturating_add(prompt);
            actual.completion_tokens = actual.completion_tokens.saturating_add(completion);
        }
        if let Some(cost) = spent {
            actual.costed += 1;
            actual.cost_usd = [actual.cost_usd, cost].into_iter().sum();
        }
    }

    fn past(&self) -> PastVariant<'_> {
        let actual = self.actual.unwrap_or_default();
        PastVariant {
            variant: &self.variant,
            model: &self.model,
            requests: self.requests,
            learned: self.learned_requests,
            counted_prompt_tokens: self.counted_prompt_tokens,
            list: self.list_usd,
            costed: (actual.costed, actual.cost_usd),
            measured: (actual.measured, actual.prompt_tokens),
        }
    }
}

fn sum_if_known<T: Sum>(one: Option<T>, other: Option<T>) -> Option<T> {
    Some([one?, other?].into_iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Usage, example};

    #[test]
    fn a_run_is_measured_by_what_is_known_of_it() {
        // A trial without usage and a variant without price must not make a run look cheap.
        let sample = example::plain_sample(0);
        let row = |variant: &str| EstimatedVariant {
            variant: variant.to_owned(),
            model: sample.model.clone(),
            requests: 2,
            learned_requests: 0,
            counted_prompt_tokens: Some(20),
            prompt_tokens: Some(20),
            completion_tokens: 40,
            list_usd: Some(Usd(100)),
            actual: None,
        };
        let mut record = EstimateRecord {
            expected_usd: Some(Usd(200)),
            bound_90_usd: None,
            worst_usd: None,
            variants: vec![row(&sample.variant), row("another")],
        };
        assert_eq!((record.cost(), record.ratio()), (None, None));
        let known = Sample {
            usage: Some(Usage {
                prompt_tokens: Some(30),
                completion_tokens: Some(50),
                ..Usage::default()
            }),
            cost_usd: Some(Usd(150)),
            ..sample.clone()
        };
        let unknown = Sample {
            usage: None,
            cost_usd: None,
            ..sample
        };
        record.add(&known);
        record.add(&unknown);
        assert_eq!(record.cost(), Some(Usd(150)));
        assert_eq!(record.ratio(), Some(0.75));
        let past = record.past();
        assert_eq!((past[0].costed, past[0].measured), ((1, Usd(150)), (1, 30)));
        assert_eq!((past[1].costed, past[1].measured), ((0, Usd::ZERO), (0, 0)));
    }
}
