//! The answers of a run as a forecast needs them: cost and tokens of each.
//!
//! Owns which samples are answers and which attempts were paid in addition, and an answer's cost at other
//! prices. Must not know the mix or the traffic. Invariant: own keys change nothing, because a cost is a list
//! price: the gateway's own if it reported one, else the catalog's.

use std::collections::HashMap;

use crate::catalog::{TokenCounts, TokenPrices, cost};
use crate::record::{Manifest, Sample};
use crate::units::Usd;

use super::Mix;
use super::passed::GradedAnswers;

/// The shortest prompt that is assumed to be cached, in tokens: the minimum of most providers.
pub const CACHED_FROM_TOKENS: u64 = 1_024;

/// Prices and cache hits that replace the recorded ones.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WhatIf {
    /// One per variant, in the order of the suite.
    pub pricing: Vec<Pricing>,
    /// Share of prompt tokens, 0 to 1, read from the cache for prompts that can be cached; absent: as recorded.
    pub cache_hit_rate: Option<f64>,
}

/// The prices for the answers of a variant.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Pricing {
    /// The prices of the run.
    #[default]
    Recorded,
    /// These prices.
    Custom(TokenPrices),
    /// Other prices were requested, but there are none.
    Unknown,
}

/// The answers of every variant.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunAnswers {
    pub(super) variants: Vec<VariantAnswers>,
}

/// The answers of one variant.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct VariantAnswers {
    /// One list a prompt, in the order of the suite.
    pub(super) prompts: Vec<Vec<AnswerCost>>,
    /// Graded answers of each prompt, in the same order.
    pub(super) grades: Vec<GradedAnswers>,
    /// Samples, answered or not.
    pub(super) trials: u64,
    /// Answers, with known cost or not.
    pub(super) answered: u64,
    /// Attempts that failed and may have been billed.
    pub(super) paid_failures: u64,
}

/// The recorded cost and tokens of one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AnswerCost {
    list: Option<Usd>,
    counts: Option<TokenCounts>,
    /// True if its token counts contradict each other, or have no reading or several: no prices make a cost of them.
    has_contradiction: bool,
}

/// The fold that builds [`RunAnswers`] from a manifest and its samples.
#[derive(Debug)]
pub struct AnswersFold {
    variants: HashMap<String, usize>,
    prompts: HashMap<String, usize>,
    answers: RunAnswers,
}

impl AnswersFold {
    /// An empty fold for the variants and prompts of this run.
    pub fn new(manifest: &Manifest) -> Self {
        let suite = &manifest.suite;
        let prompts = suite.prompts.iter().map(|prompt| prompt.id.clone());
        let variants = suite.variants.iter().map(|variant| variant.label.clone());
        let empty = VariantAnswers {
            prompts: vec![Vec::new(); suite.prompts.len()],
            grades: vec![GradedAnswers::default(); suite.prompts.len()],
            ..VariantAnswers::default()
        };
        Self {
            variants: variants.zip(0..).collect(),
            prompts: prompts.zip(0..).collect(),
            answers: RunAnswers {
                variants: vec![empty; suite.variants.len()],
            },
        }
    }

    /// Adds a sample; one that the manifest does not name, or that was abandoned, is skipped.
    pub fn add(&mut self, sample: &Sample) {
        if sample.outcome.is_abandoned() {
            return;
        }
        let variant = self.variants.get(&sample.variant);
        let prompt = self.prompts.get(&sample.prompt);
        let (Some(&variant), Some(&prompt)) = (variant, prompt) else {
            return;
        };
        let variant = &mut self.answers.variants[variant];
        variant.trials += 1;
        let answered = sample.outcome.answered();
        let failed = sample.attempts.iter().filter(|attempt| {
            !attempt.outcome.answered() && !attempt.outcome.costs_nothing(attempt.status)
        });
        variant.paid_failures += failed.count() as u64;
        if let Some(passed) = sample.passed() {
            let grades = &mut variant.grades[prompt];
            grades.graded += 1;
            grades.passed += u64::from(passed);
        }
        if answered {
            variant.answered += 1;
            variant.prompts[prompt].push(AnswerCost {
                list: sample.market_price(),
                counts: sample.known_usage().and_then(|usage| usage.counts()),
                has_contradiction: sample.has_unknown_usage()
                    || sample.usage.is_some_and(|usage| usage.contradicts_itself()),
            });
        }
    }

    /// The answers that were added.
    pub fn finish(self) -> RunAnswers {
        self.answers
    }
}

impl VariantAnswers {
    /// The number of answers to prompts of the mix whose cost the what-if changes through cache hits.
    pub(super) fn cacheable(&self, index: usize, mix: &Mix, what_if: &WhatIf) -> u64 {
        let (Some(_), Some(Pricing::Custom(prices))) =
            (what_if.cache_hit_rate, what_if.pricing.get(index))
        else {
            return 0;
        };
        let with_share = mix.shares.iter().zip(&self.prompts);
        let answers = with_share.filter(|(share, _)| share.is_some());
        let can_be_cached = answers
            .flat_map(|(_, answers)| answers)
            .filter(|answer| answer.counts.is_some_and(|counts| can_hit(prices, &counts)));
        can_be_cached.count() as u64
    }
}

impl AnswerCost {
    /// Returns no prices have no cost at its token counts.
    pub(super) fn has_contradiction(&self) -> bool {
        self.has_contradiction
    }

    /// The recorded cost, or the cost that a variant at this index in the suite would have; a negative cost
    /// counts as unknown.
    pub(super) fn cost(&self, index: usize, what_if: Option<&WhatIf>) -> Option<Usd> {
        let recorded = self.list.filter(|usd| *usd >= Usd::ZERO);
        let Some(what_if) = what_if else {
            return recorded;
        };
        match what_if.pricing.get(index)? {
            Pricing::Recorded => recorded,
            Pricing::Unknown => None,
            Pricing::Custom(prices) => {
                let mut counts = self.counts?;
                if let Some(rate) = what_if.cache_hit_rate
                    && can_hit(prices, &counts)
                {
                    counts.cached = part(counts.prompt, rate);
                    counts.cache_write = 0;
                }
                cost(prices, &counts)
            }
        }
    }
}

/// Returns true if a prompt can be cached: it is long enough, and cache reads have their own price.
fn can_hit(prices: &TokenPrices, counts: &TokenCounts) -> bool {
    counts.prompt >= CACHED_FROM_TOKENS && prices.rates(counts.prompt).cache_read.is_some()
}

/// A share of the tokens, rounded.
fn part(tokens: u64, share: f64) -> u64 {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share from 0 to 1 of a number that a float holds"
    )]
    let part = (tokens as f64 * share.clamp(0.0, 1.0)).round() as u64;
    part.min(tokens)
}
