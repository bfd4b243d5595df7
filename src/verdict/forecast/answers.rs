//! The answers of a run as a forecast needs them: what each cost, and its tokens.
//!
//! Owns which samples are answers and which were paid for beside them, and an answer's cost by other prices.
//! Must not know the mix nor the traffic. Invariant: own keys change nothing, because a cost is a list price:
//! the gateway's own where it told one, else the catalogue's.

use std::collections::HashMap;

use crate::catalog::{Prices, TokenCounts, cost};
use crate::record::{Manifest, Sample};
use crate::units::Usd;

use super::Mix;

/// The shortest prompt that is taken to be cached: the least that most providers ask for, in tokens.
pub const CACHED_FROM_TOKENS: u64 = 1_024;

/// What is paid in place of what was recorded.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WhatIf {
    /// One a variant, in the order of the suite.
    pub pricing: Vec<Pricing>,
    /// Share of prompt tokens, 0 to 1, that are read from the cache where a prompt can be cached; absent:
    /// as recorded.
    pub cache_hit_rate: Option<f64>,
}

/// By which prices the answers of a variant are counted.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Pricing {
    /// Those of the run.
    #[default]
    Recorded,
    /// These.
    By(Prices),
    /// Others were wanted, and there are none.
    Unknown,
}

/// The answers of every variant.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answers {
    pub(super) variants: Vec<VariantAnswers>,
}

/// The answers of one variant.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct VariantAnswers {
    /// One list a prompt, in the order of the suite.
    pub(super) prompts: Vec<Vec<Answer>>,
    /// Samples, whether answered or not.
    pub(super) trials: u64,
    /// Answers, whether their cost is known or not.
    pub(super) answered: u64,
    /// Attempts that failed and may have been billed.
    pub(super) paid_failures: u64,
}

/// One answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    list: Option<Usd>,
    counts: Option<TokenCounts>,
    /// Whether its token counts contradict each other, or have no reading or several: no prices make a cost of them.
    has_contradiction: bool,
}

/// The fold that makes [`Answers`]: from a manifest, fed with samples.
#[derive(Debug)]
pub struct AnswersFold {
    variants: HashMap<String, usize>,
    prompts: HashMap<String, usize>,
    answers: Answers,
}

impl AnswersFold {
    /// An empty one for the variants and prompts of this run.
    pub fn new(manifest: &Manifest) -> Self {
        let suite = &manifest.suite;
        let prompts = suite.prompts.iter().map(|prompt| prompt.id.clone());
        let variants = suite.variants.iter().map(|variant| variant.label.clone());
        let none = VariantAnswers {
            prompts: vec![Vec::new(); suite.prompts.len()],
            ..VariantAnswers::default()
        };
        Self {
            variants: variants.zip(0..).collect(),
            prompts: prompts.zip(0..).collect(),
            answers: Answers {
                variants: vec![none; suite.variants.len()],
            },
        }
    }

    /// Adds a sample; one that the manifest does not name is left out.
    pub fn add(&mut self, sample: &Sample) {
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
        if answered {
            variant.answered += 1;
            variant.prompts[prompt].push(Answer {
                list: sample.market_price(),
                counts: sample.known_usage().and_then(|usage| usage.counts()),
                has_contradiction: sample.has_unknown_usage()
                    || sample.usage.is_some_and(|usage| usage.contradicts_itself()),
            });
        }
    }

    /// What was added.
    pub fn finish(self) -> Answers {
        self.answers
    }
}

impl VariantAnswers {
    /// Answers to prompts of the mix whose cost the what-if changes by cache hits.
    pub(super) fn cacheable(&self, place: usize, mix: &Mix, what_if: &WhatIf) -> u64 {
        let (Some(_), Some(Pricing::By(prices))) =
            (what_if.cache_hit_rate, what_if.pricing.get(place))
        else {
            return 0;
        };
        let counted = mix.shares.iter().zip(&self.prompts);
        let answers = counted.filter(|(share, _)| share.is_some());
        let can = answers
            .flat_map(|(_, answers)| answers)
            .filter(|answer| answer.counts.is_some_and(|counts| can_hit(prices, &counts)));
        can.count() as u64
    }
}

impl Answer {
    /// Whether no prices make a cost of its token counts.
    pub(super) fn has_contradiction(&self) -> bool {
        self.has_contradiction
    }

    /// What it cost, or would cost a variant at this place of the suite; a negative cost is none.
    pub(super) fn cost(&self, place: usize, what_if: Option<&WhatIf>) -> Option<Usd> {
        let recorded = self.list.filter(|usd| *usd >= Usd::ZERO);
        let Some(what_if) = what_if else {
            return recorded;
        };
        match what_if.pricing.get(place)? {
            Pricing::Recorded => recorded,
            Pricing::Unknown => None,
            Pricing::By(prices) => {
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

/// Whether a prompt can be cached: it is long enough, and reading it from a cache has a price of its own.
fn can_hit(prices: &Prices, counts: &TokenCounts) -> bool {
    counts.prompt >= CACHED_FROM_TOKENS && prices.rates(counts.prompt).cache_read.is_some()
}

/// A share of so many tokens, rounded.
fn part(tokens: u64, share: f64) -> u64 {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share from 0 to 1 of a number that a float holds"
    )]
    let part = (tokens as f64 * share.clamp(0.0, 1.0)).round() as u64;
    part.min(tokens)
}
