//! The maximum cost of a suite's requests: of attempts, trials, warm-ups and rounds.
//!
//! Owns the one walk over prompts, variants and attempts. Must not know how a request is written or bounded.
//! Invariant: every *at most* of a suite (caps, estimates, sizes, questions) is a sum over this table.

use std::collections::BTreeMap;

use crate::suite::{Prompt, Suite};
use crate::units::{ModelId, Usd};

use super::bound::UnboundedCost;

/// The maximum cost of one request, or the reason why there is none.
type MaxCostResult = Result<Usd, UnboundedCost>;

/// The most that the requests of a suite can be billed.
#[derive(Debug, Clone, PartialEq)]
pub struct WorstCase {
    variants: Vec<VariantRequests>,
    prompts: usize,
    /// One attempt of a trial, prompt by prompt, by variant: a suite has many.
    attempts: Vec<MaxAttemptCost>,
    /// Every reason why an attempt has no maximum cost, once, with the first request that has it.
    reasons: Vec<(UnboundedCost, String)>,
    /// One warm-up request, by variant; nothing without warm-up.
    warm_ups: Vec<MaxCostResult>,
    /// Warm-up requests of each variant.
    warm_up_count: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct VariantRequests {
    label: String,
    model: ModelId,
    /// Requests of a trial that may be billed: its attempts, and the one that fills its cache.
    per_trial: u64,
}

/// The maximum cost of one attempt of up to 9.2 million USD, or the index of the reason why there is none, in 8 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct MaxAttemptCost(i64);

impl MaxAttemptCost {
    /// Packs a cost; `None`: it is too large.
    fn new(cost: Usd) -> Option<Self> {
        let cost = i64::try_from(cost.0.max(0)).ok()?;
        Some(Self(cost))
    }

    /// No cost, for the reason at this index.
    const fn unbounded(reason: u32) -> Self {
        Self(-1 - reason as i64)
    }

    /// The cost, or the index of the reason.
    fn get(self) -> Result<Usd, usize> {
        if self.0 >= 0 {
            return Ok(Usd(self.0.into()));
        }
        Err(usize::try_from(-1 - self.0).unwrap_or(usize::MAX))
    }
}

impl WorstCase {
    /// The worst case of every request that a run of this suite sends. `bound` returns the maximum bill of one
    /// request for a prompt (`None`: of the warm-up) to the variant at an index in the suite. A request that fills a
    /// cache costs as much as the one that it is for.
    pub fn new(suite: &Suite, bound: impl Fn(Option<&Prompt>, usize) -> MaxCostResult) -> Self {
        let indices = 0..suite.variants.len();
        let warm_ups = indices.map(|variant| match suite.warmup {
            0 => Ok(Usd::ZERO),
            _ => bound(None, variant),
        });
        let warm_ups = warm_ups.collect();
        let mut indices_of = BTreeMap::new();
        let mut reasons = Vec::new();
        let mut attempts = Vec::with_capacity(suite.prompts.len() * suite.variants.len());
        for prompt in &suite.prompts {
            for (index, variant) in suite.variants.iter().enumerate() {
                let cost = bound(Some(prompt), index).and_then(|cost| {
                    MaxAttemptCost::new(cost).ok_or_else(|| UnboundedCost::TooLarge {
                        model: variant.model.clone(),
                    })
                });
                attempts.push(cost.unwrap_or_else(|reason| {
                    let reason = indices_of.entry(reason).or_insert_with_key(|reason| {
                        let first_use = format!("{} on {}", prompt.id, variant.label);
                        reasons.push((reason.clone(), first_use));
                        u32::try_from(reasons.len() - 1).unwrap_or(u32::MAX)
                    });
                    MaxAttemptCost::unbounded(*reason)
                }));
            }
        }
        let variants = suite.variants.iter().map(|variant| VariantRequests {
            label: variant.label.clone(),
            model: variant.model.clone(),
            per_trial: u64::from(suite.max_attempts)
                + u64::from(suite.cache_of(variant).requests_per_trial())
                - 1,
        });
        Self {
            variants: variants.collect(),
            prompts: suite.prompts.len(),
            attempts,
            reasons,
            warm_ups,
            warm_up_count: suite.warmup.into(),
        }
    }

    /// The labels of the variants, in the suite's order.
    pub fn labels(&self) -> impl ExactSizeIterator<Item = &str> {
        self.variants.iter().map(|variant| variant.label.as_str())
    }

    /// Every reason why a request has no bound, once, with the first request that has it: `PROMPT on VARIANT`.
    pub fn unbounded(&self) -> Vec<(UnboundedCost, String)> {
        let mut first_uses: BTreeMap<_, _> = self.reasons.iter().cloned().collect();
        for (cost, variant) in self.warm_ups.iter().zip(&self.variants) {
            if let Err(reason) = cost {
                let first_use = || format!("warm-up on {}", variant.label);
                first_uses.entry(reason.clone()).or_insert_with(first_use);
            }
        }
        first_uses.into_iter().collect()
    }

    /// One attempt of a trial, by the indices of prompt and variant in the suite.
    ///
    /// # Errors
    /// The reason why there is no bound, as of all methods.
    pub fn attempt(&self, prompt: usize, variant: usize) -> MaxCostResult {
        let cost = self.attempts[prompt * self.variants.len() + variant];
        cost.get().map_err(|reason| self.reasons[reason].0.clone())
    }

    /// All attempts of so many trials, with the requests that fill their caches.
    ///
    /// # Errors
    /// As [`WorstCase::attempt`].
    pub fn trials(&self, prompt: usize, variant: usize, count: u64) -> MaxCostResult {
        let requests = count * self.variants[variant].per_trial;
        self.product(self.attempt(prompt, variant)?, requests, variant)
    }

    /// One trial of every prompt.
    ///
    /// # Errors
    /// As [`WorstCase::attempt`].
    pub fn round(&self, variant: usize) -> MaxCostResult {
        let mut prompts = 0..self.prompts;
        prompts.try_fold(Usd::ZERO, |sum, prompt| {
            let trial = self.trials(prompt, variant, 1)?;
            sum.plus(trial).ok_or_else(|| self.too_large(variant))
        })
    }

    /// One warm-up request.
    ///
    /// # Errors
    /// As [`WorstCase::attempt`].
    pub fn warm_up_request(&self, variant: usize) -> MaxCostResult {
        self.warm_ups[variant].clone()
    }

    /// All warm-up requests.
    ///
    /// # Errors
    /// As [`WorstCase::attempt`].
    pub fn warm_up(&self, variant: usize) -> MaxCostResult {
        self.product(self.warm_up_request(variant)?, self.warm_up_count, variant)
    }

    /// The most expensive request: one attempt of a trial or of the warm-up.
    ///
    /// # Errors
    /// As [`WorstCase::attempt`].
    pub fn max_request(&self, variant: usize) -> MaxCostResult {
        let mut prompts = 0..self.prompts;
        prompts.try_fold(self.warm_up_request(variant)?, |max, prompt| {
            Ok(max.max(self.attempt(prompt, variant)?))
        })
    }

    fn product(&self, each: Usd, count: u64, variant: usize) -> MaxCostResult {
        each.times(count).ok_or_else(|| self.too_large(variant))
    }

    fn too_large(&self, variant: usize) -> UnboundedCost {
        let model = self.variants[variant].model.clone();
        UnboundedCost::TooLarge { model }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::{CacheMode, parse_suite};

    const SUITE: &str = "name = \"x\"\nmodels = [\"a/x\", \"b/y\"]\nmax_attempts = 3\nwarmup = 2\n\
                         [[prompts]]\nid = \"p\"\nuser = \"P\"\n[[prompts]]\nid = \"q\"\nuser = \"Q\"\n";

    #[test]
    fn every_request_that_may_be_billed_is_counted() {
        // A maximum that leaves out a retry, a warm-up or the request that fills a cache is none.
        let mut suite = parse_suite(SUITE).unwrap();
        let bound = |prompt: Option<&Prompt>, _: usize| {
            Ok(Usd(prompt.map_or(1, |prompt| match prompt.id.as_str() {
                "p" => 7,
                _ => 30,
            })))
        };
        let worst = WorstCase::new(&suite, bound);
        assert_eq!(worst.attempt(0, 1), Ok(Usd(7)));
        assert_eq!(worst.trials(1, 0, 4), Ok(Usd(4 * 3 * 30)));
        assert_eq!(worst.round(0), Ok(Usd(3 * 37)));
        assert_eq!(worst.warm_up(1), Ok(Usd(2)));
        assert_eq!(worst.max_request(0), Ok(Usd(30)));
        // Of variants with caches of their own, only those that are filled pay for it.
        suite.variants[1].cache = Some(CacheMode::Warm);
        let worst = WorstCase::new(&suite, bound);
        assert_eq!(
            (worst.round(0), worst.round(1)),
            (Ok(Usd(3 * 37)), Ok(Usd(4 * 37)))
        );
        suite.warmup = 0;
        assert_eq!(WorstCase::new(&suite, bound).warm_up(0), Ok(Usd::ZERO));
    }

    #[test]
    fn every_reason_is_named_once_with_its_first_request() {
        // A user mends the suite from this list: one model without a price is one line, not one for each prompt.
        let suite = parse_suite(SUITE).unwrap();
        let model: ModelId = "b/y".parse().unwrap();
        let reason = UnboundedCost::NoTokenLimit { model };
        let worst = WorstCase::new(&suite, |prompt, variant| {
            let is_bounded = variant == 0 || prompt.is_some_and(|prompt| prompt.id == "p");
            is_bounded.then_some(Usd(5)).ok_or(reason.clone())
        });
        assert_eq!(worst.unbounded(), [(reason.clone(), "q on b/y".to_owned())]);
        assert_eq!(worst.trials(0, 1, 1), Ok(Usd(15)));
        assert_eq!(worst.round(1), Err(reason.clone()));
        assert_eq!(worst.max_request(1), Err(reason));
        // A bill beyond all money is no bound.
        let huge = WorstCase::new(&suite, |_, _| Ok(Usd(i128::MAX / 2)));
        assert!(matches!(huge.round(0), Err(UnboundedCost::TooLarge { .. })));
        assert_eq!(huge.unbounded()[0].1, "p on a/x");
        let largest = WorstCase::new(&suite, |_, _| Ok(Usd(i64::MAX.into())));
        assert_eq!(largest.attempt(1, 1), Ok(Usd(i64::MAX.into())));
        assert_eq!(largest.unbounded(), []);
    }
}
