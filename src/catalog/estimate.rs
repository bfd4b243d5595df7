//! What a run will cost, before anything is sent.
//!
//! Owns the estimate: what is expected, what nine runs of ten stay below, and what no run exceeds. Must
//! not know where past runs are kept or how a request is worded. Invariant: expected costs are sums over
//! prompts; a cost that cannot be known is absent, never 0.

use crate::stats::cost::conformal_factor;
use crate::suite::{Prompt, Suite, Variant};
use crate::units::{ModelId, Usd};

use super::bound::Unbounded;
use super::past::{Likeness, Medians, Past};
use super::price::{TokenCounts, cost};
use super::tokens::Counter;
use super::{Catalog, Prices};

/// Of ten runs this many stay below the bound.
const LEVEL: f64 = 0.9;
/// An answer is expected to take this part of its token limit where no past one is known.
const PART_OF_LIMIT: u64 = 4;
/// Tokens of an answer without limit and without a past one.
const UNLIMITED_ANSWER: u64 = 300;

/// What is to be estimated.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    /// After flags and selection.
    pub suite: &'a Suite,
    /// One a prompt, in the suite's order.
    pub prompt_digests: &'a [String],
    /// Own prices laid over it.
    pub catalog: &'a Catalog,
    /// Earlier runs of the suite at this endpoint.
    pub past: &'a Past,
    /// What is asked before the first round; with the suite's number of times for each variant.
    pub warm_up: &'a Prompt,
    /// The most that one attempt can cost: of a prompt, and a variant by its place.
    pub bound: &'a dyn Fn(&Prompt, usize) -> Result<Usd, Unbounded>,
}

/// The cost of a run before it began.
#[derive(Debug, Clone, PartialEq)]
pub struct CostEstimate {
    /// In the suite's order.
    pub variants: Vec<VariantEstimate>,
    /// Of all of them.
    pub total: Sums,
    /// Variants without a price: they are not in the total.
    pub unpriced: usize,
}

/// The cost of one variant.
#[derive(Debug, Clone, PartialEq)]
pub struct VariantEstimate {
    /// Its label.
    pub variant: String,
    /// Its model.
    pub model: ModelId,
    /// Prompt tokens before past runs corrected them.
    pub counted_prompt_tokens: u64,
    /// Whether they were counted with the model's own vocabulary.
    pub own_vocabulary: bool,
    /// All of its requests together.
    pub sums: Sums,
    /// In the suite's order.
    pub prompts: Vec<PromptEstimate>,
}

/// The cost of one prompt on one variant, all repetitions together.
#[derive(Debug, Clone, PartialEq)]
pub struct PromptEstimate {
    /// Place of the prompt in the suite.
    pub prompt: usize,
    /// Where the length of its answer comes from.
    pub basis: Basis,
    /// What it comes to; no bound: that holds for sums.
    pub sums: Sums,
}

/// Where the expected length of an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Basis {
    /// Past answers to the same prompt.
    SamePrompt,
    /// Past answers to prompts with the same tags.
    SameTags,
    /// Past answers to other prompts of the suite.
    OtherPrompts,
    /// A quarter of the token limit.
    TokenLimit,
    /// Nothing: there is no limit and no past.
    Assumed,
}

/// Requests and what they come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sums {
    /// Without warm-up and retries.
    pub requests: u64,
    /// As corrected by past runs.
    pub prompt_tokens: u64,
    /// Reasoning included.
    pub completion_tokens: u64,
    /// Tokens by list prices: what later runs compare with their actual cost. Absent: no price.
    pub list: Option<Usd>,
    /// The same as past runs correct it: times the median of their actual over estimated cost.
    pub expected: Option<Usd>,
    /// What nine runs of ten stay below; absent below nine past runs.
    pub bound_90: Option<Usd>,
    /// Past runs that this bound stands on, or would.
    pub past_runs: usize,
    /// What no run exceeds, every attempt and the warm-up included; else why there is no such sum.
    pub worst: Result<Usd, Unbounded>,
}

impl Basis {
    /// The stored word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::SamePrompt => "same_prompt",
            Self::SameTags => "same_tags",
            Self::OtherPrompts => "other_prompts",
            Self::TokenLimit => "token_limit",
            Self::Assumed => "assumed",
        }
    }
}

impl VariantEstimate {
    /// Requests whose answers are expected to be as long as past ones.
    pub fn learned_requests(&self) -> u64 {
        let guessed = |basis| matches!(basis, Basis::TokenLimit | Basis::Assumed);
        let learned = self.prompts.iter().filter(|prompt| !guessed(prompt.basis));
        learned.map(|prompt| prompt.sums.requests).sum()
    }
}

impl Asking<'_> {
    /// What the run will cost.
    pub fn estimate(&self) -> CostEstimate {
        let mut counter = Counter::default();
        let medians = self.past.medians();
        let variants = self.suite.variants.iter().enumerate();
        let variants: Vec<VariantEstimate> = variants
            .map(|(place, variant)| self.of_variant(place, variant, &mut counter, &medians))
            .collect();
        let sums = variants.iter().map(|variant| &variant.sums);
        let mut total = Sums::of_all(sums.clone());
        // A model without a price costs something all the same: the total says how many it leaves out.
        let lists: Vec<Usd> = sums.filter_map(|sums| sums.list).collect();
        let unpriced = variants.len() - lists.len();
        total.list = (!lists.is_empty()).then(|| lists.into_iter().sum());
        total.correct(self.past.run_ratios());
        CostEstimate {
            variants,
            total,
            unpriced,
        }
    }

    fn of_variant<'s>(
        &'s self,
        place: usize,
        variant: &'s Variant,
        counter: &mut Counter<'s>,
        medians: &Medians,
    ) -> VariantEstimate {
        let prices = self.catalog.get(&variant.model);
        let prices = prices.and_then(|model| model.prices.as_ref());
        let correction = self.past.correction(&variant.model);
        let (mut counted_prompt_tokens, mut own_vocabulary) = (0, true);
        let mut prompts = Vec::with_capacity(self.suite.prompts.len());
        for (number, prompt) in self.suite.prompts.iter().enumerate() {
            let system = self.suite.opening_of(prompt, variant);
            let tools = |of: &'s crate::suite::Parameters| of.tools.as_deref();
            let tools = self.suite.parameter_of(prompt, variant, tools);
            let prompt_count = counter.prompt_tokens(
                &variant.model,
                system,
                &prompt.messages,
                tools.unwrap_or_default(),
            );
            own_vocabulary &= prompt_count.own_vocabulary;
            counted_prompt_tokens += prompt_count.tokens * u64::from(self.suite.repetitions);
            let (completion, basis) = self.answer(number, prompt, variant, medians);
            let counts = TokenCounts {
                prompt: scaled(prompt_count.tokens, correction),
                completion,
                ..TokenCounts::default()
            };
            let worst = (self.bound)(prompt, place);
            let sums = self.of_prompt(&counts, prices, worst, variant);
            prompts.push(PromptEstimate {
                prompt: number,
                basis,
                sums,
            });
        }
        let ratios = self.past.ratios(&variant.label, &variant.model);
        for prompt in &mut prompts {
            prompt.sums.expect(ratios);
        }
        let mut sums = Sums::of_all(prompts.iter().map(|prompt| &prompt.sums));
        let warm_up = u64::from(self.suite.warmup);
        if warm_up > 0 {
            let worst = (self.bound)(self.warm_up, place)
                .and_then(|worst| product(worst, warm_up, &variant.model));
            sums.worst = sum(sums.worst, worst, &variant.model);
        }
        sums.correct(ratios);
        VariantEstimate {
            variant: variant.label.clone(),
            model: variant.model.clone(),
            counted_prompt_tokens,
            own_vocabulary,
            sums,
            prompts,
        }
    }

    fn of_prompt(
        &self,
        counts: &TokenCounts,
        prices: Option<&Prices>,
        worst: Result<Usd, Unbounded>,
        variant: &Variant,
    ) -> Sums {
        let requests = u64::from(self.suite.repetitions);
        // Besides the attempts of each trial, the request that warms its cache, where the suite wants that.
        let before = self.suite.cache_of(variant).requests_per_trial() - 1;
        let attempts = requests * u64::from(self.suite.max_attempts + before);
        let list = prices.and_then(|prices| cost(prices, counts)?.times(requests));
        Sums {
            requests,
            prompt_tokens: counts.prompt * requests,
            completion_tokens: counts.completion * requests,
            list,
            expected: list,
            bound_90: None,
            past_runs: 0,
            worst: worst.and_then(|worst| product(worst, attempts, &variant.model)),
        }
    }

    /// The expected length of an answer, never above its limit.
    fn answer(
        &self,
        number: usize,
        prompt: &Prompt,
        variant: &Variant,
        medians: &Medians,
    ) -> (u64, Basis) {
        let limit = |of: &crate::suite::Parameters| of.max_tokens;
        let levels = [
            &variant.parameters,
            &prompt.parameters,
            &self.suite.parameters,
        ];
        let limit = levels.into_iter().find_map(limit);
        let who = (variant.label.as_str(), &variant.model);
        let digest = &self.prompt_digests[number];
        let (tokens, basis) = match (medians.answer(who, digest, &prompt.tags), limit) {
            (Some((tokens, Likeness::Prompt)), _) => (tokens, Basis::SamePrompt),
            (Some((tokens, Likeness::Tags)), _) => (tokens, Basis::SameTags),
            (Some((tokens, Likeness::Any)), _) => (tokens, Basis::OtherPrompts),
            (None, Some(limit)) => (limit.div_ceil(PART_OF_LIMIT), Basis::TokenLimit),
            (None, None) => (UNLIMITED_ANSWER, Basis::Assumed),
        };
        (limit.map_or(tokens, |limit| tokens.min(limit)), basis)
    }
}

impl Sums {
    /// The sum of all; without a price where one has none.
    fn of_all<'a>(all: impl Iterator<Item = &'a Self>) -> Self {
        let mut sums = Self {
            requests: 0,
            prompt_tokens: 0,
            completion_tokens: 0,
            list: Some(Usd::ZERO),
            expected: None,
            bound_90: None,
            past_runs: 0,
            worst: Ok(Usd::ZERO),
        };
        for one in all {
            sums.requests += one.requests;
            sums.prompt_tokens += one.prompt_tokens;
            sums.completion_tokens += one.completion_tokens;
            sums.list = sums.list.zip(one.list).and_then(|(a, b)| a.plus(b));
            sums.worst = match (sums.worst, &one.worst) {
                (Ok(before), Ok(worst)) => Ok(Usd(before.0.saturating_add(worst.0))),
                (Err(unbounded), _) => Err(unbounded),
                (Ok(_), Err(unbounded)) => Err(unbounded.clone()),
            };
        }
        sums
    }

    /// Lays over the list cost what past runs teach: their actual over estimated costs.
    fn correct(&mut self, ratios: &[f64]) {
        self.past_runs = ratios.len();
        self.bound_90 = conformal_factor(ratios, LEVEL).and_then(|factor| self.at_most(factor));
        self.expect(ratios);
    }

    /// The same of what is expected alone.
    fn expect(&mut self, ratios: &[f64]) {
        self.expected = median(ratios).map_or(self.list, |factor| self.at_most(factor));
    }

    /// The list cost times a factor. Past runs may have been allowed longer answers: nothing exceeds the
    /// worst case.
    fn at_most(&self, factor: f64) -> Option<Usd> {
        let product = times(self.list?, factor)?;
        Some((self.worst.as_ref()).map_or(product, |worst| product.min(*worst)))
    }
}

fn median(ratios: &[f64]) -> Option<f64> {
    let mut rising = ratios.to_vec();
    rising.sort_unstable_by(f64::total_cmp);
    let upper = rising.get(rising.len() / 2)?;
    let lower = rising[(rising.len() - 1) / 2];
    Some(f64::midpoint(lower, *upper))
}

/// An estimate times a factor, rounded up to a pico-dollar: it is no bill, and need not be exact.
fn times(usd: Usd, factor: f64) -> Option<Usd> {
    let product = (usd.0 as f64 * factor).ceil();
    #[allow(
        clippy::cast_possible_truncation,
        reason = "checked to be far within the range of the type"
    )]
    (0.0..1e30)
        .contains(&product)
        .then_some(Usd(product as i128))
}

/// Tokens times a factor, to the nearest one.
fn scaled(tokens: u64, factor: f64) -> u64 {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a conversion that saturates: a factor is at least 0"
    )]
    let tokens = (tokens as f64 * factor).round() as u64;
    tokens
}

fn product(usd: Usd, count: u64, model: &ModelId) -> Result<Usd, Unbounded> {
    let model = || model.clone();
    usd.times(count)
        .ok_or_else(|| Unbounded::TooLarge { model: model() })
}

fn sum(
    a: Result<Usd, Unbounded>,
    b: Result<Usd, Unbounded>,
    model: &ModelId,
) -> Result<Usd, Unbounded> {
    let model = || model.clone();
    a?.plus(b?)
        .ok_or_else(|| Unbounded::TooLarge { model: model() })
}

#[cfg(test)]
mod tests;
