//! The worst-case cost of each request of a suite.
//!
//! Owns the list of requests to bound. Must not know how a bound is computed. Invariant: every request that a
//! run can send has a bound, or the run has none.

use std::collections::BTreeMap;

use crate::plan::warm_up_prompt;
use crate::suite::{CacheMode, Message, Parameters, Prompt, Suite, Variant, Wording};
use crate::units::Usd;

use super::request;

/// The most that one attempt of each request can be billed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorstCase {
    /// By prompt and variant, in the suite's order.
    trials: Vec<Vec<Usd>>,
    /// By variant.
    warm_ups: Vec<Usd>,
}

/// A request to bound.
#[derive(Debug, Clone, Copy)]
pub struct BoundedRequest<'a> {
    /// The variant's index in the suite.
    pub variant: usize,
    /// A body as long as the one that is sent.
    pub body: &'a [u8],
    /// The conversation, system text included.
    pub messages: &'a [Message],
    /// The parameters, all levels merged.
    pub parameters: &'a Parameters,
}

impl WorstCase {
    /// The worst case of every request that a run of this suite sends.
    ///
    /// # Errors
    /// The requests without a bound, each reason once, with the first prompt and variant that has it.
    pub fn from_suite<E: Ord>(
        suite: &Suite,
        wording: Wording,
        bound: impl Fn(&BoundedRequest<'_>) -> Result<Usd, E>,
    ) -> Result<Self, Vec<(E, String)>> {
        let mut unbounded = BTreeMap::new();
        let mut of_prompt = |prompt: &Prompt, is_trial: bool| {
            let variants = suite.variants.iter().enumerate();
            let each = variants.map(|(index, variant)| {
                let bust = is_trial && suite.cache_of(variant) == CacheMode::Bust;
                let bound_result =
                    request_bound(suite, wording, prompt, (index, variant), bust, &bound);
                bound_result.unwrap_or_else(|what| {
                    let met_in = || format!("{} on {}", prompt.id, variant.label);
                    unbounded.entry(what).or_insert_with(met_in);
                    Usd::ZERO
                })
            });
            each.collect::<Vec<_>>()
        };
        let trials = suite.prompts.iter();
        let trials = trials.map(|prompt| of_prompt(prompt, true)).collect();
        let warm_ups = if suite.warmup > 0 {
            of_prompt(&warm_up_prompt(suite), false)
        } else {
            vec![Usd::ZERO; suite.variants.len()]
        };
        if unbounded.is_empty() {
            Ok(Self { trials, warm_ups })
        } else {
            Err(unbounded.into_iter().collect())
        }
    }

    /// The bound of one attempt of a trial of this prompt and variant, by their indices in the suite.
    pub fn trial(&self, prompt: usize, variant: usize) -> Usd {
        self.trials[prompt][variant]
    }

    /// The largest bound of any request of the variant: its trials and its warm-up.
    pub fn largest(&self, variant: usize) -> Usd {
        let trials = self.trials.iter().chain([&self.warm_ups]);
        let most = trials.map(|of_prompt| of_prompt[variant]).max();
        most.unwrap_or(Usd::ZERO)
    }

    /// The bound of one warm-up request, by variant.
    pub(super) fn warm_ups(&self) -> &[Usd] {
        &self.warm_ups
    }
}

fn request_bound<E>(
    suite: &Suite,
    wording: Wording,
    prompt: &Prompt,
    (index, variant): (usize, &Variant),
    bust: bool,
    bound: &impl Fn(&BoundedRequest<'_>) -> Result<Usd, E>,
) -> Result<Usd, E> {
    let mut messages = suite.messages_of(prompt, variant);
    if bust {
        // Any nonce will do: all have the same length.
        request::add_nonce(&mut messages, "", 0);
    }
    let body = request::body(suite, prompt, variant, &messages, wording);
    bound(&BoundedRequest {
        variant: index,
        body: &body,
        messages: &messages,
        parameters: &suite.parameters_of(prompt, variant),
    })
}
