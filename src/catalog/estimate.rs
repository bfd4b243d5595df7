//! The estimated cost of a run, before anything is sent.
//!
//! Owns the estimate: the expected cost, a 90 % bound, and the worst case. Must
//! not know where past runs are stored or how a request is written. Invariant: expected costs are sums over
//! prompts; a cost that is not known is absent, never 0.

use crate::stats::cost::conformal_factor;
use crate::suite::{Prompt, ReasoningEffort, Suite, Variant};
use crate::units::compact::{OptionalCount, OptionalUsd};
use crate::units::{ModelId, Usd};

use super::bound::UnboundedCost;
use super::past::{AnswerMatch, CostHistory, Medians};
use super::price::{TokenCounts, cost};
use super::tokens::{TokenCounter, Vocabularies};
use super::worst_case::WorstCase;
use super::{Catalog, requested_service_tier};

/// Share of runs that stay below the bound.
const BOUND_LEVEL: f64 = 0.9;
/// Mean tokens of an answer without reasoning, without a limit and without past answers.
const UNLIMITED_ANSWER: u32 = 300;

/// The mean tokens of reasoning of an answer without a token limit.
pub const fn expected_reasoning(effort: Option<ReasoningEffort>) -> u32 {
    match effort {
        None | Some(ReasoningEffort::None | ReasoningEffort::Minimal) => 0,
        Some(ReasoningEffort::Low) => 500,
        Some(ReasoningEffort::Medium) => 1_500,
        Some(ReasoningEffort::High) => 4_000,
        Some(ReasoningEffort::Xhigh) => 8_000,
        Some(ReasoningEffort::Max) => 16_000,
    }
}

/// Mean tokens of an answer without a limit, reasoning included, at this effort.
const fn unlimited_answer(effort: Option<ReasoningEffort>) -> u32 {
    UNLIMITED_ANSWER + expected_reasoning(effort)
}

/// The mean length of an answer under a limit, in tokens, if unlimited ones have this mean.
///
/// Lengths are taken as exponential, which assumes the least of all distributions with that mean (maximum entropy). Then the
/// mean of the smaller of length and limit is `mean x (1 - exp(-limit / mean))`: nine tenths of a limit of 60 tokens, a twelfth of one
/// of 3,600, and the mean itself without a limit.
fn limited_answer(mean: u32, limit: u64) -> u64 {
    let mean = f64::from(mean);
    let expected = mean * -(-(limit as f64) / mean).exp_m1();
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and a mean that has 32 bits"
    )]
    let expected = expected.ceil() as u64;
    expected.min(limit)
}

/// The prompts whose tokens an estimate counts. The first count builds a vocabulary of 24 MB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountedPrompts {
    /// All of them.
    All,
    /// Those that have a price: the expected cost of others is not known in any case.
    Priced,
    /// None: only requests and expected output lengths are used.
    None,
}

/// The inputs of an estimate.
pub struct EstimateInputs<'a> {
    /// The suite, after flags and selection.
    pub suite: &'a Suite,
    /// Digests of the prompts, in the suite's order; empty without past answers.
    pub prompt_digests: &'a [String],
    /// Requests to each variant for each prompt, in the suite's order.
    pub repetitions: &'a [u32],
    /// The vocabularies by which prompts are counted.
    pub vocabularies: &'a Vocabularies,
    /// The prompts that are counted.
    pub counted: CountedPrompts,
    /// The catalog, own prices included.
    pub catalog: &'a Catalog,
    /// Cost history of the suite at this endpoint.
    pub past: &'a CostHistory,
    /// The maximum cost of the suite's requests.
    pub worst: WorstCase,
}

/// The estimated cost of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct CostEstimate {
    /// Estimates per variant, in the suite's order.
    pub variants: Vec<VariantEstimate>,
    /// Sums over all variants.
    pub total: Sums,
    /// Number of variants without a price: they are not in the total.
    pub unpriced: usize,
    /// The models that grade answers after the run: they are not in the total.
    pub graders: Vec<GraderEstimate>,
    worst: WorstCase,
    /// The reason why nothing has an upper limit, whatever the worst case of its requests.
    unbounded: Option<UnboundedCost>,
}

/// The estimated cost of a model that grades answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraderEstimate {
    /// The key of the suite that names it: `judge` or `embedding_model`.
    pub key: &'static str,
    /// The model.
    pub model: ModelId,
    /// Number of gradings if no two answers are the same: of an earlier run's answers they cost nothing.
    pub gradings: u64,
    /// Expected cost; absent without a price.
    pub expected: Option<Usd>,
}

impl CostEstimate {
    /// The expected cost of grading, as far as it is known.
    pub fn grading(&self) -> Usd {
        let known = self.graders.iter().filter_map(|grader| grader.expected);
        known.sum()
    }

    /// Replaces every upper limit by the reason why there is none.
    pub fn take_bounds_away(&mut self, reason: &UnboundedCost) {
        let of_variants = self.variants.iter_mut().map(|variant| &mut variant.sums);
        for sums in of_variants.chain([&mut self.total]) {
            sums.worst = Err(reason.clone());
            sums.bound_90 = None;
        }
        self.unbounded = Some(reason.clone());
    }

    /// The sums of one prompt over its repetitions, by the indices of variant and prompt in the suite; without a bound, which
    /// only larger sums have.
    pub fn prompt_sums(&self, variant: usize, prompt: usize) -> Sums {
        let of = &self.variants[variant];
        let mut sums = of.prompts[prompt].sums(&self.worst, (variant, prompt));
        sums.expect(of.ratio);
        if let Some(reason) = &self.unbounded {
            sums.worst = Err(reason.clone());
        }
        sums
    }
}

/// The estimated cost of one variant.
#[derive(Debug, Clone, PartialEq)]
pub struct VariantEstimate {
    /// Its label.
    pub variant: String,
    /// Its model.
    pub model: ModelId,
    /// Prompt tokens before correction by past runs; absent where a prompt was not counted.
    pub counted_prompt_tokens: Option<u64>,
    /// True if none was counted with another vocabulary than the model's own.
    pub own_vocabulary: bool,
    /// Sums over all its requests.
    pub sums: Sums,
    /// Estimates per prompt, in the suite's order.
    pub prompts: Vec<PromptEstimate>,
    /// The median ratio of actual to estimated cost of past runs; absent without any.
    ratio: Option<f64>,
}

/// The estimate of one prompt on one variant, in 24 bytes: a suite has many. [`CostEstimate::prompt_sums`] computes its sums.
#[derive(Debug, Clone, PartialEq)]
pub struct PromptEstimate {
    /// List price of one request; absent without a price.
    list: OptionalUsd,
    /// Number of requests, without warm-up and retries.
    pub requests: u32,
    /// Prompt tokens of one request, corrected by past runs; absent if not counted.
    prompt_tokens: OptionalCount,
    /// Completion tokens of one request, reasoning included.
    completion_tokens: OptionalCount,
    /// Basis of the expected answer length.
    pub basis: AnswerBasis,
}

/// The basis of an expected answer length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum AnswerBasis {
    /// Past answers to the same prompt.
    SamePrompt,
    /// Past answers to prompts with the same tags.
    SameTags,
    /// Past answers to other prompts of the suite.
    OtherPrompts,
    /// The token limit and the reasoning effort.
    TokenLimit,
    /// An assumption: there is neither a limit nor a past answer.
    Assumed,
}

/// Sums over requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sums {
    /// Number of requests, without warm-up and retries.
    pub requests: u64,
    /// Prompt tokens, corrected by past runs; absent where a prompt was not counted.
    pub prompt_tokens: Option<u64>,
    /// Completion tokens, reasoning included.
    pub completion_tokens: u64,
    /// Cost at list prices: later runs compare their actual cost with it. Absent without a price.
    pub list: Option<Usd>,
    /// Expected cost: the list cost times the median ratio of actual to estimated cost of past runs.
    pub expected: Option<Usd>,
    /// Bound that nine of ten runs stay below; absent below nine past runs.
    pub bound_90: Option<Usd>,
    /// Number of past runs available for the bound.
    pub past_runs: usize,
    /// Maximum cost, every attempt and the warm-up included; otherwise the reason why there is none.
    pub worst: Result<Usd, UnboundedCost>,
}

impl AnswerBasis {
    /// The word that documents store.
    pub fn word(self) -> &'static str {
        self.into()
    }
}

impl VariantEstimate {
    /// Number of requests whose answer length was estimated from past answers.
    pub fn learned_requests(&self) -> u64 {
        let guessed = |basis| matches!(basis, AnswerBasis::TokenLimit | AnswerBasis::Assumed);
        let learned = self.prompts.iter().filter(|prompt| !guessed(prompt.basis));
        learned.map(|prompt| u64::from(prompt.requests)).sum()
    }
}

impl PromptEstimate {
    /// Expected completion tokens of one answer, reasoning included.
    pub fn answer_tokens(&self) -> u64 {
        self.completion_tokens.get().unwrap_or_default()
    }

    /// Its sums over all requests, before correction by past runs.
    fn sums(&self, worst: &WorstCase, (variant, prompt): (usize, usize)) -> Sums {
        let requests = u64::from(self.requests);
        let list = self.list.get().and_then(|list| list.times(requests));
        Sums {
            requests,
            prompt_tokens: self.prompt_tokens.get().map(|tokens| tokens * requests),
            completion_tokens: self.answer_tokens() * requests,
            list,
            expected: list,
            bound_90: None,
            past_runs: 0,
            worst: worst.trials(prompt, variant, requests),
        }
    }
}

impl EstimateInputs<'_> {
    /// Estimates the cost of the run.
    pub fn estimate(self) -> CostEstimate {
        let mut counter = TokenCounter::new(self.vocabularies);
        let medians = self.past.medians();
        let variants = self.suite.variants.iter().enumerate();
        let variants: Vec<VariantEstimate> = variants
            .map(|(index, variant)| self.variant_estimate(index, variant, &mut counter, &medians))
            .collect();
        let sums = variants.iter().map(|variant| &variant.sums);
        let mut total = Sums::total(sums.clone().cloned());
        // A model without a price is not free: the total reports the number of models it leaves out.
        let lists: Vec<Usd> = sums.filter_map(|sums| sums.list).collect();
        let unpriced = variants.len() - lists.len();
        total.list = (!lists.is_empty()).then(|| lists.into_iter().sum());
        total.correct(self.past.run_ratios());
        CostEstimate {
            variants,
            total,
            unpriced,
            graders: Vec::new(),
            worst: self.worst,
            unbounded: None,
        }
    }

    fn variant_estimate<'s>(
        &'s self,
        index: usize,
        variant: &'s Variant,
        counter: &mut TokenCounter<'_, 's>,
        medians: &Medians,
    ) -> VariantEstimate {
        let listed = self.catalog.get(&variant.model);
        let correction = self.past.correction(&variant.model);
        let (mut counted_prompt_tokens, mut own_vocabulary) = (Some(0), true);
        let mut prompts = Vec::with_capacity(self.suite.prompts.len());
        for (number, prompt) in self.suite.prompts.iter().enumerate() {
            let system = self.suite.opening_of(prompt, variant);
            let tools = |of: &'s crate::suite::Parameters| of.tools.as_deref();
            let tools = self.suite.parameter_of(prompt, variant, tools);
            let parameters = self.suite.parameters_of(prompt, variant);
            let prices = listed.and_then(|model| match requested_service_tier(&parameters) {
                Some(tier) => model.service_tiers.get(tier),
                None => model.prices.as_ref(),
            });
            let is_counted = match self.counted {
                CountedPrompts::All => true,
                CountedPrompts::Priced => prices.is_some(),
                CountedPrompts::None => false,
            };
            let tools = tools.unwrap_or_default();
            let count = is_counted
                .then(|| counter.prompt_tokens(&variant.model, system, &prompt.messages, tools));
            own_vocabulary &= count.is_none_or(|count| count.own_vocabulary);
            counted_prompt_tokens = counted_prompt_tokens
                .zip(count)
                .map(|(sum, count)| sum + count.tokens * u64::from(self.repetitions[number]));
            let (completion, basis) = self.answer(number, prompt, variant, medians);
            let corrected = count.map(|count| scaled(count.tokens, correction));
            let list = prices.zip(corrected).and_then(|(prices, prompt)| {
                let counts = TokenCounts {
                    prompt,
                    completion,
                    ..TokenCounts::default()
                };
                cost(prices, &counts)
            });
            prompts.push(PromptEstimate {
                list: list.into(),
                requests: self.repetitions[number],
                prompt_tokens: corrected.into(),
                completion_tokens: Some(completion).into(),
                basis,
            });
        }
        let ratios = self.past.ratios(&variant.label, &variant.model);
        let of_prompts = prompts.iter().enumerate();
        let of_prompts = of_prompts.map(|(number, one)| one.sums(&self.worst, (index, number)));
        let mut sums = Sums::total(of_prompts);
        sums.worst = sum(sums.worst, self.worst.warm_up(index), &variant.model);
        sums.correct(ratios);
        VariantEstimate {
            variant: variant.label.clone(),
            model: variant.model.clone(),
            counted_prompt_tokens,
            own_vocabulary,
            sums,
            prompts,
            ratio: median(ratios),
        }
    }

    /// The expected length of an answer, never above its limit, and its basis.
    fn answer(
        &self,
        number: usize,
        prompt: &Prompt,
        variant: &Variant,
        medians: &Medians,
    ) -> (u64, AnswerBasis) {
        let limit = |of: &crate::suite::Parameters| of.max_tokens;
        let levels = [
            &variant.parameters,
            &prompt.parameters,
            &self.suite.parameters,
        ];
        let limit = levels.into_iter().find_map(limit);
        let variant_key = (variant.label.as_str(), &variant.model);
        let digest = self.prompt_digests.get(number);
        let digest = digest.map_or("", String::as_str);
        let effort = |of: &crate::suite::Parameters| of.reasoning_effort;
        let unlimited = unlimited_answer(levels.into_iter().find_map(effort));
        let (tokens, basis) = match (medians.answer(variant_key, digest, &prompt.tags), limit) {
            (Some((tokens, AnswerMatch::Prompt)), _) => (tokens, AnswerBasis::SamePrompt),
            (Some((tokens, AnswerMatch::Tags)), _) => (tokens, AnswerBasis::SameTags),
            (Some((tokens, AnswerMatch::Any)), _) => (tokens, AnswerBasis::OtherPrompts),
            (None, Some(limit)) => (limited_answer(unlimited, limit), AnswerBasis::TokenLimit),
            (None, None) => (unlimited.into(), AnswerBasis::Assumed),
        };
        (limit.map_or(tokens, |limit| tokens.min(limit)), basis)
    }
}

impl Sums {
    /// The total of all sums; without a price if one of them has none.
    fn total(all: impl Iterator<Item = Self>) -> Self {
        let mut sums = Self {
            requests: 0,
            prompt_tokens: Some(0),
            completion_tokens: 0,
            list: Some(Usd::ZERO),
            expected: None,
            bound_90: None,
            past_runs: 0,
            worst: Ok(Usd::ZERO),
        };
        for one in all {
            sums.requests += one.requests;
            sums.prompt_tokens = (sums.prompt_tokens.zip(one.prompt_tokens)).map(|(a, b)| a + b);
            sums.completion_tokens += one.completion_tokens;
            sums.list = sums.list.zip(one.list).and_then(|(a, b)| a.plus(b));
            sums.worst = match (sums.worst, one.worst) {
                (Ok(before), Ok(worst)) => Ok(Usd(before.0.saturating_add(worst.0))),
                (Err(unbounded), _) | (Ok(_), Err(unbounded)) => Err(unbounded),
            };
        }
        sums
    }

    /// Corrects the list cost by past runs: their ratios of actual to estimated cost.
    fn correct(&mut self, ratios: &[f64]) {
        self.past_runs = ratios.len();
        self.bound_90 =
            conformal_factor(ratios, BOUND_LEVEL).and_then(|factor| self.capped(factor));
        self.expect(median(ratios));
    }

    /// Corrects the expected cost alone, by the median ratio of past runs.
    fn expect(&mut self, ratio: Option<f64>) {
        self.expected = ratio.map_or(self.list, |factor| self.capped(factor));
    }

    /// The list cost times a factor, capped at the worst case: past runs may have been allowed longer answers.
    fn capped(&self, factor: f64) -> Option<Usd> {
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

/// Multiplies an estimate by a factor, to the nearest pico-dollar: it is no bill, and need not be exact.
fn times(usd: Usd, factor: f64) -> Option<Usd> {
    let product = (usd.0 as f64 * factor).round();
    #[allow(
        clippy::cast_possible_truncation,
        reason = "checked to be far within the range of the type"
    )]
    (0.0..1e30)
        .contains(&product)
        .then_some(Usd(product as i128))
}

/// Multiplies tokens by a factor, to the nearest one.
fn scaled(tokens: u64, factor: f64) -> u64 {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a conversion that saturates: a factor is at least 0"
    )]
    let tokens = (tokens as f64 * factor).round() as u64;
    tokens
}

fn sum(
    a: Result<Usd, UnboundedCost>,
    b: Result<Usd, UnboundedCost>,
    model: &ModelId,
) -> Result<Usd, UnboundedCost> {
    let model = || model.clone();
    a?.plus(b?)
        .ok_or_else(|| UnboundedCost::TooLarge { model: model() })
}

#[cfg(test)]
mod tests;
