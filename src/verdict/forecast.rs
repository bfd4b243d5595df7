//! The monthly cost of a model at given traffic, from the samples of a run.
//!
//! Owns the mean cost of a request in a mix of prompts, the extra cost of retries, and the effect of other
//! prices or cache hits. Must not know where prices come from, nor how the result is shown. Invariant: an
//! interval contains its point; an unknown figure is absent with its reason, never 0; the order of samples
//! changes nothing.

mod answers;
mod mix;
mod passed;
#[cfg(test)]
mod tests;
mod traffic;

pub use answers::{AnswersFold, CACHED_FROM_TOKENS, Pricing, RunAnswers, WhatIf};
pub use mix::{Mix, MixError, MixProblem};
pub use passed::PassedForecast;
pub use traffic::{MONTH_DAYS, Traffic, TrafficError};

use crate::stats::cost::{CostMean, mean_cost, mean_cost_of_all, ratio, ratio_of_all};
use crate::stats::interval::{Alpha, Interval};
use crate::stats::mean::Weights;
use crate::stats::rates::wilson;
use crate::suite::{Suite, Variant};
use crate::units::{ModelId, Usd};

use answers::{AnswerCost, VariantAnswers};
use passed::passed_forecast;

/// The minimum degrees of freedom of a reported interval: those of three prompts of equal share.
const MIN_DF: f64 = 2.0;
/// The level of every interval.
const ALPHA: Alpha = Alpha::FIVE_PERCENT;

/// The inputs of a forecast.
#[derive(Debug, Clone, PartialEq)]
pub struct ForecastOptions {
    /// Requests per month.
    pub traffic: Traffic,
    /// Shares of the prompts.
    pub mix: Mix,
    /// True if the prompts are all kinds of request that exist, and the mix is known: then only repetitions
    /// vary. Otherwise the prompts are a sample of such requests.
    pub mix_complete: bool,
    /// Paid attempts per answer in addition to it; absent: as measured in the run.
    pub retry_rate: Option<f64>,
    /// Other prices, or cache hits; absent: as recorded.
    pub what_if: Option<WhatIf>,
}

/// The forecast of every variant of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// Variants, cheapest first; those without a forecast last, in the order of the suite.
    pub variants: Vec<VariantForecast>,
}

/// The forecast of one variant.
#[derive(Debug, Clone, PartialEq)]
pub struct VariantForecast {
    /// Label of the variant.
    pub label: String,
    /// The requested model.
    pub model: ModelId,
    /// True for the reference: the variant in use today.
    pub reference: bool,
    /// Trials of the run, answered or not.
    pub trials: u64,
    /// Attempts that were paid in addition to answers.
    pub retries: Retries,
    /// At the list prices of the run.
    pub recorded: Result<MonthlyCost, NoForecast>,
    /// At other prices or cache hits, if requested.
    pub what_if: Option<Result<MonthlyCost, NoForecast>>,
    /// Answers whose cost the what-if changes through cache hits.
    pub cacheable: u64,
}

/// The cost per month. Sums of money are in USD.
#[derive(Debug, Clone, PartialEq)]
pub struct MonthlyCost {
    /// Mean cost per request, including retries.
    pub per_request: f64,
    /// Its 95 % interval.
    pub per_request_interval: Interval,
    /// Cost per month, at the middle of the traffic.
    pub month: f64,
    /// From the lower end at the lowest traffic to the upper end at the highest.
    pub month_interval: Interval,
    /// The mean cost of an answer divided by the reference's, on the prompts that both answered, without
    /// retries; absent for the reference itself, and where one has none.
    pub ratio: Option<Ratio>,
    /// The answers that pass; absent if none was graded.
    pub passed: Option<PassedForecast>,
    /// The sample behind the forecast.
    pub basis: ForecastBasis,
}

/// A ratio of two means, with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio {
    /// `None` if the reference costs nothing.
    pub estimate: Option<f64>,
    /// Its 95 % interval; without ends for the reason in `unbounded`.
    pub interval: Interval,
    /// The reason why the interval has no ends; absent if it has.
    pub unbounded: Option<UnboundedRatio>,
}

/// The reason why a ratio has no bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnboundedRatio {
    /// Both answered one prompt.
    OnePrompt,
    /// One of them answered a prompt only once, and only repetitions vary.
    OneAnswer,
    /// The reference's mean is not distinguishable from 0.
    ReferenceNearZero,
}

/// The sample behind a forecast.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ForecastBasis {
    /// Prompts of the mix with an answer of known cost.
    pub prompts: usize,
    /// Answers of known cost.
    pub answers: u64,
    /// Answers to prompts of the mix with unknown cost.
    pub unpriced: u64,
    /// Answers among these whose token counts contradict each other.
    pub contradicting: u64,
    /// Share of the mix, 0 to 1, of which there is no answer with a cost.
    pub missing_share: f64,
}

/// Attempts that were paid in addition to answers: those that failed, and may have been billed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retries {
    /// Attempts that failed and may have been billed.
    pub failed: u64,
    /// Those attempts and the answers.
    pub total: u64,
    /// Additional paid attempts per request.
    pub rate: f64,
    /// Its lower and upper 95 % limit.
    pub limits: (f64, f64),
    /// True if the rate was declared rather than measured.
    pub declared: bool,
}

/// The reason why there is no forecast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoForecast {
    /// No trial of a prompt of the mix was answered.
    NoAnswers,
    /// There are answers, but none has a cost: the run knew no price.
    NoCost,
    /// There are answers, but none has a cost: the token counts of each contradict each other.
    Contradicting,
    /// There are answers, but the other prices do not cover this model or its tokens.
    NoOtherPrice,
}

impl Retries {
    fn new(answers: &VariantAnswers, declared: Option<f64>) -> Self {
        let (failed, total) = (
            answers.paid_failures,
            answers.paid_failures + answers.answered,
        );
        if let Some(rate) = declared {
            return Self {
                failed,
                total,
                rate,
                limits: (rate, rate),
                declared: true,
            };
        }
        // If a share q of paid attempts fails, there are q / (1 - q) failures per answer.
        let odds = |share: f64| share / (1.0 - share);
        let limits = wilson(failed as f64, total as f64, ALPHA);
        let rate = if total == 0 {
            0.0
        } else {
            failed as f64 / total as f64
        };
        Self {
            failed,
            total,
            rate: odds(rate),
            limits: (
                odds(limits.lower.unwrap_or(0.0)),
                odds(limits.upper.unwrap_or(1.0)),
            ),
            declared: false,
        }
    }
}

/// Forecasts every variant of a run of this suite.
pub fn forecast(suite: &Suite, answers: &RunAnswers, options: &ForecastOptions) -> Forecast {
    let costs = |what_if: Option<&WhatIf>| -> Vec<VariantCosts> {
        let variants = answers.variants.iter().enumerate();
        variants
            .map(|(index, variant)| VariantCosts::new(variant, index, &options.mix, what_if))
            .collect()
    };
    let recorded = costs(None);
    let changed = options.what_if.as_ref().map(|what_if| costs(Some(what_if)));
    let reference = (suite.variants.iter()).position(|variant| variant.label == suite.reference);
    let of_variant = |index: usize, variant: &Variant| {
        let retries = Retries::new(&answers.variants[index], options.retry_rate);
        let monthly_cost = |costs: &[VariantCosts]| -> Result<MonthlyCost, NoForecast> {
            let reference = reference.filter(|at| *at != index).map(|at| &costs[at]);
            let mut monthly = monthly_cost(&costs[index], reference, &retries, options)?;
            let terms = (options.mix_complete, options.traffic.middle());
            let grades = &answers.variants[index].grades;
            monthly.passed = passed_forecast(&costs[index], grades, &retries, terms);
            Ok(monthly)
        };
        let what_if = options.what_if.as_ref();
        VariantForecast {
            label: variant.label.clone(),
            model: variant.model.clone(),
            reference: reference == Some(index),
            trials: answers.variants[index].trials,
            retries,
            recorded: monthly_cost(&recorded),
            what_if: changed.as_deref().map(|costs| {
                monthly_cost(costs).map_err(|why| match why {
                    NoForecast::NoCost => NoForecast::NoOtherPrice,
                    why => why,
                })
            }),
            cacheable: what_if.map_or(0, |what_if| {
                answers.variants[index].cacheable(index, &options.mix, what_if)
            }),
        }
    };
    let variants = suite.variants.iter().enumerate();
    let mut variants: Vec<VariantForecast> = variants
        .map(|(index, variant)| of_variant(index, variant))
        .collect();
    variants.sort_by(|a, b| a.ranking_cost().total_cmp(&b.ranking_cost()));
    Forecast { variants }
}

impl VariantForecast {
    /// The forecast by which variants are ranked: that of the what-if, if requested.
    pub fn ranking_forecast(&self) -> Result<&MonthlyCost, NoForecast> {
        let ranking_forecast = self.what_if.as_ref().unwrap_or(&self.recorded);
        ranking_forecast.as_ref().map_err(|why| *why)
    }

    fn ranking_cost(&self) -> f64 {
        self.ranking_forecast()
            .map_or(f64::INFINITY, |monthly_cost| monthly_cost.month)
    }
}

/// The costs of a variant's answers to the prompts of a mix, USD.
struct VariantCosts {
    /// Share of each prompt of the mix, its index, and the costs of its answers (at least one).
    prompts: Vec<(f64, usize, Vec<f64>)>,
    basis: ForecastBasis,
    answered: bool,
}

impl VariantCosts {
    fn new(variant: &VariantAnswers, index: usize, mix: &Mix, what_if: Option<&WhatIf>) -> Self {
        let mut costs = Self {
            prompts: Vec::new(),
            basis: ForecastBasis::default(),
            answered: false,
        };
        let (mut all, mut missing) = (0.0, 0.0);
        for (at, (share, answers)) in mix.shares.iter().zip(&variant.prompts).enumerate() {
            let Some(share) = *share else { continue };
            all += share;
            costs.answered |= !answers.is_empty();
            let cost = |answer: &AnswerCost| answer.cost(index, what_if);
            let contradicts =
                |answer: &&AnswerCost| cost(answer).is_none() && answer.has_contradiction();
            costs.basis.contradicting += answers.iter().filter(contradicts).count() as u64;
            let priced: Vec<f64> = (answers.iter()).filter_map(cost).map(Usd::as_f64).collect();
            costs.basis.answers += priced.len() as u64;
            costs.basis.unpriced += (answers.len() - priced.len()) as u64;
            if priced.is_empty() {
                missing += share;
            } else {
                costs.prompts.push((share, at, priced));
            }
        }
        costs.basis.prompts = costs.prompts.len();
        costs.basis.missing_share = if all > 0.0 { missing / all } else { 0.0 };
        costs
    }

    /// The mean over the prompts that satisfy `counts`.
    fn mean(&self, complete: bool, counts: impl Fn(usize) -> bool) -> Option<CostMean> {
        let counted = || self.prompts.iter().filter(|(_, at, _)| counts(*at));
        let shares: Vec<f64> = counted().map(|(share, ..)| *share).collect();
        let weights = Weights::new(&shares)?;
        if complete {
            let costs: Vec<Vec<f64>> = counted().map(|(.., costs)| costs.clone()).collect();
            return mean_cost_of_all(&costs, &weights);
        }
        let means: Vec<f64> = counted().map(|(.., costs)| mean(costs)).collect();
        mean_cost(&means, &weights)
    }

    fn prompt(&self, at: usize) -> Option<&[f64]> {
        let prompt = self.prompts.iter().find(|(_, index, _)| *index == at);
        prompt.map(|(.., costs)| costs.as_slice())
    }
}

/// The mean of at least one cost, independent of their order.
fn mean(costs: &[f64]) -> f64 {
    let mut ascending = costs.to_vec();
    ascending.sort_unstable_by(f64::total_cmp);
    if ascending.first() == ascending.last() {
        return ascending[0];
    }
    ascending.iter().sum::<f64>() / ascending.len() as f64
}

fn monthly_cost(
    costs: &VariantCosts,
    reference: Option<&VariantCosts>,
    retries: &Retries,
    options: &ForecastOptions,
) -> Result<MonthlyCost, NoForecast> {
    let unknown = match &costs.basis {
        _ if !costs.answered => NoForecast::NoAnswers,
        basis if basis.contradicting == basis.unpriced => NoForecast::Contradicting,
        _ => NoForecast::NoCost,
    };
    let mean = costs.mean(options.mix_complete, |_| true).ok_or(unknown)?;
    let answer = if has_usable_interval(&mean, options.mix_complete) {
        mean.interval(ALPHA)
    } else {
        Interval::NONE
    };
    let with_retries = |rate: f64| move |cost: f64| cost * (1.0 + rate);
    let per_request_interval = Interval {
        lower: answer.lower.map(with_retries(retries.limits.0)),
        upper: (answer.upper.map(with_retries(retries.limits.1))).filter(|end| end.is_finite()),
    };
    let per_request = with_retries(retries.rate)(mean.mean.estimate);
    let traffic = options.traffic;
    Ok(MonthlyCost {
        per_request,
        per_request_interval,
        month: traffic.middle() * per_request,
        month_interval: Interval {
            lower: per_request_interval.lower.map(|end| end * traffic.lower()),
            upper: per_request_interval.upper.map(|end| end * traffic.upper()),
        },
        ratio: reference.and_then(|reference| ratio_to(costs, reference, options.mix_complete)),
        passed: None,
        basis: costs.basis.clone(),
    })
}

/// Returns true if the interval of a mean is usable: with fewer than three prompts' worth its ends lie orders
/// of magnitude apart.
fn has_usable_interval(mean: &CostMean, complete: bool) -> bool {
    complete || mean.mean.df >= MIN_DF
}

/// The mean cost of an answer divided by the reference's, on the prompts that both answered.
fn ratio_to(costs: &VariantCosts, reference: &VariantCosts, complete: bool) -> Option<Ratio> {
    let both = |at: usize| costs.prompt(at).is_some() && reference.prompt(at).is_some();
    let (ratio_result, too_few) = if complete {
        let (a, b) = (reference.mean(true, both)?, costs.mean(true, both)?);
        let once = a.mean.standard_error.is_none() || b.mean.standard_error.is_none();
        let too_few = once.then_some(UnboundedRatio::OneAnswer);
        (ratio_of_all(&a, &b, ALPHA), too_few)
    } else {
        let both = costs.prompts.iter().filter_map(|(share, at, costs)| {
            Some((*share, (mean(reference.prompt(*at)?), mean(costs))))
        });
        let (shares, pairs): (Vec<f64>, Vec<(f64, f64)>) = both.unzip();
        let too_few = (pairs.len() < 2).then_some(UnboundedRatio::OnePrompt);
        (ratio(&pairs, &Weights::new(&shares)?, ALPHA)?, too_few)
    };
    let near_zero = too_few.unwrap_or(UnboundedRatio::ReferenceNearZero);
    Some(Ratio {
        estimate: ratio_result.estimate,
        interval: ratio_result.interval,
        unbounded: (ratio_result.interval == Interval::NONE).then_some(near_zero),
    })
}
