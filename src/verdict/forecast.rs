//! What a model will cost a month at somebody's traffic, from the samples of a run.
//!
//! Owns the mean cost of a request in a mix of prompts, what retries add to it, and what other prices or
//! cache hits would change. Must not know where prices come from, nor how it is told. Invariant: an
//! interval contains its point; what is not known is absent with its reason, never 0; the order of samples
//! changes nothing.

mod answers;
mod mix;
#[cfg(test)]
mod tests;
mod traffic;

pub use answers::{Answers, AnswersFold, CACHED_FROM_TOKENS, Pricing, WhatIf};
pub use mix::{Mix, MixError, MixProblem};
pub use traffic::{MONTH_DAYS, Traffic, TrafficError};

use crate::stats::cost::{CostMean, mean_cost, mean_cost_of_all, ratio, ratio_of_all};
use crate::stats::interval::{Alpha, Interval};
use crate::stats::mean::Weights;
use crate::stats::rates::wilson;
use crate::suite::{Suite, Variant};
use crate::units::{ModelId, Usd};

use answers::{Answer, VariantAnswers};

/// Degrees of freedom of an interval that is told: those of three prompts of equal share.
const FEWEST_DF: f64 = 2.0;
/// The level of every interval.
const ALPHA: Alpha = Alpha::FIVE_PERCENT;

/// What a forecast is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// How many requests.
    pub traffic: Traffic,
    /// Of which kinds.
    pub mix: Mix,
    /// Whether the prompts are every kind of request that there is, and the mix is known: then only
    /// repetitions vary. Otherwise the prompts are a sample of such requests.
    pub mix_complete: bool,
    /// Attempts that are paid beside an answer; absent: as many as the run shows.
    pub retry_rate: Option<f64>,
    /// Other prices, or cache hits; absent: as recorded.
    pub what_if: Option<WhatIf>,
}

/// The forecast of every variant of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// The cheapest first; those without a forecast last, in the order of the suite.
    pub variants: Vec<VariantForecast>,
}

/// What one variant will cost.
#[derive(Debug, Clone, PartialEq)]
pub struct VariantForecast {
    /// Its label.
    pub label: String,
    /// The model asked for.
    pub model: ModelId,
    /// Whether it is the one in use today.
    pub reference: bool,
    /// Trials of the run, answered or not.
    pub trials: u64,
    /// Attempts that were paid for beside answers.
    pub retries: Retries,
    /// By the list prices of the run.
    pub recorded: Result<Monthly, Unknown>,
    /// By other prices or cache hits, where that was asked for.
    pub what_if: Option<Result<Monthly, Unknown>>,
    /// Answers whose cost the what-if changes by cache hits.
    pub cacheable: u64,
}

/// What a month costs. Sums of money are USD.
#[derive(Debug, Clone, PartialEq)]
pub struct Monthly {
    /// Mean of a request, retries included.
    pub per_request: f64,
    /// Its 95 % interval.
    pub per_request_interval: Interval,
    /// Of the month, at the middle of the traffic.
    pub month: f64,
    /// From the lower end at the least traffic to the upper end at the most.
    pub month_interval: Interval,
    /// The mean cost of an answer over the reference's, on the prompts that both answered, without
    /// retries; absent of the reference itself, and where one has none.
    pub ratio: Option<Ratio>,
    /// What it stands on.
    pub basis: Basis,
}

/// A mean over another, and how sure that is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio {
    /// `None` where the reference costs nothing.
    pub estimate: Option<f64>,
    /// No ends for the reason that `unbounded` says.
    pub interval: Interval,
    /// Why the interval has no ends; absent where it has.
    pub unbounded: Option<Unbounded>,
}

/// Why a ratio has no bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unbounded {
    /// Both answered one prompt.
    OnePrompt,
    /// One of them answered a prompt only once, and repetitions are all that varies.
    OneAnswer,
    /// The reference's mean cannot be told from 0.
    ReferenceNearZero,
}

/// What a figure stands on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Basis {
    /// Prompts of the mix with an answer whose cost is known.
    pub prompts: usize,
    /// Those answers.
    pub answers: u64,
    /// Answers to prompts of the mix whose cost is not known.
    pub unpriced: u64,
    /// Of these: answers whose counts of tokens contradict each other.
    pub contradicting: u64,
    /// Share of the mix, 0 to 1, of which there is no answer with a cost.
    pub missing_share: f64,
}

/// Attempts that were paid for beside an answer: those that failed, and may have been billed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retries {
    /// Attempts that failed and may have been billed.
    pub failed: u64,
    /// The same, and answers.
    pub of: u64,
    /// Paid attempts beside an answer, a request.
    pub rate: f64,
    /// From its lower to its upper 95 % limit.
    pub ends: (f64, f64),
    /// Whether it was declared, and not measured.
    pub declared: bool,
}

/// Why there is no forecast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unknown {
    /// No trial of a prompt of the mix was answered.
    NoAnswers,
    /// There are answers, and none has a cost: the run knew no price.
    NoCost,
    /// There are answers, and none has a cost: the counts of tokens of each contradict each other.
    Contradicting,
    /// There are answers, and the other prices have none for this model or for its tokens.
    NoOtherPrice,
}

impl Retries {
    fn of(answers: &VariantAnswers, declared: Option<f64>) -> Self {
        let (failed, of) = (
            answers.paid_failures,
            answers.paid_failures + answers.answered,
        );
        if let Some(rate) = declared {
            return Self {
                failed,
                of,
                rate,
                ends: (rate, rate),
                declared: true,
            };
        }
        // Of attempts that are paid, a share q fails; until one answers, q / (1 - q) fail.
        let odds = |share: f64| share / (1.0 - share);
        let limits = wilson(failed as f64, of as f64, ALPHA);
        let rate = if of == 0 {
            0.0
        } else {
            failed as f64 / of as f64
        };
        Self {
            failed,
            of,
            rate: odds(rate),
            ends: (
                odds(limits.lower.unwrap_or(0.0)),
                odds(limits.upper.unwrap_or(1.0)),
            ),
            declared: false,
        }
    }
}

/// Forecasts every variant of a run of this suite.
pub fn forecast(suite: &Suite, answers: &Answers, terms: &Terms) -> Forecast {
    let costs = |what_if: Option<&WhatIf>| -> Vec<Costs> {
        let variants = answers.variants.iter().enumerate();
        variants
            .map(|(place, variant)| Costs::of(variant, place, &terms.mix, what_if))
            .collect()
    };
    let recorded = costs(None);
    let changed = terms.what_if.as_ref().map(|what_if| costs(Some(what_if)));
    let reference = (suite.variants.iter()).position(|variant| variant.label == suite.reference);
    let of_variant = |place: usize, variant: &Variant| {
        let retries = Retries::of(&answers.variants[place], terms.retry_rate);
        let monthly = |costs: &[Costs]| -> Result<Monthly, Unknown> {
            let beside = reference.filter(|at| *at != place).map(|at| &costs[at]);
            monthly(&costs[place], beside, &retries, terms)
        };
        let what_if = terms.what_if.as_ref();
        VariantForecast {
            label: variant.label.clone(),
            model: variant.model.clone(),
            reference: reference == Some(place),
            trials: answers.variants[place].trials,
            retries,
            recorded: monthly(&recorded),
            what_if: changed.as_deref().map(|costs| {
                monthly(costs).map_err(|why| match why {
                    Unknown::NoCost => Unknown::NoOtherPrice,
                    why => why,
                })
            }),
            cacheable: what_if.map_or(0, |what_if| {
                answers.variants[place].cacheable(place, &terms.mix, what_if)
            }),
        }
    };
    let variants = suite.variants.iter().enumerate();
    let mut variants: Vec<VariantForecast> = variants
        .map(|(place, variant)| of_variant(place, variant))
        .collect();
    variants.sort_by(|a, b| a.ranked_by().total_cmp(&b.ranked_by()));
    Forecast { variants }
}

impl VariantForecast {
    /// The forecast by which variants are ranked: what would be, where that was asked for.
    pub fn shown(&self) -> Result<&Monthly, Unknown> {
        let shown = self.what_if.as_ref().unwrap_or(&self.recorded);
        shown.as_ref().map_err(|why| *why)
    }

    fn ranked_by(&self) -> f64 {
        self.shown().map_or(f64::INFINITY, |monthly| monthly.month)
    }
}

/// The costs of a variant's answers to the prompts of a mix, USD.
struct Costs {
    /// Share of each prompt of the mix, its place, and the costs of its answers (at least one).
    prompts: Vec<(f64, usize, Vec<f64>)>,
    basis: Basis,
    answered: bool,
}

impl Costs {
    fn of(variant: &VariantAnswers, place: usize, mix: &Mix, what_if: Option<&WhatIf>) -> Self {
        let mut costs = Self {
            prompts: Vec::new(),
            basis: Basis::default(),
            answered: false,
        };
        let (mut all, mut missing) = (0.0, 0.0);
        for (at, (share, answers)) in mix.shares.iter().zip(&variant.prompts).enumerate() {
            let Some(share) = *share else { continue };
            all += share;
            costs.answered |= !answers.is_empty();
            let cost = |answer: &Answer| answer.cost(place, what_if);
            let contradicts =
                |answer: &&Answer| cost(answer).is_none() && answer.has_contradiction();
            costs.basis.contradicting += answers.iter().filter(contradicts).count() as u64;
            let of_answers: Vec<f64> = (answers.iter()).filter_map(cost).map(Usd::as_f64).collect();
            costs.basis.answers += of_answers.len() as u64;
            costs.basis.unpriced += (answers.len() - of_answers.len()) as u64;
            if of_answers.is_empty() {
                missing += share;
            } else {
                costs.prompts.push((share, at, of_answers));
            }
        }
        costs.basis.prompts = costs.prompts.len();
        costs.basis.missing_share = if all > 0.0 { missing / all } else { 0.0 };
        costs
    }

    /// The mean, over the prompts for which `counts` holds.
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
        let found = self.prompts.iter().find(|(_, place, _)| *place == at);
        found.map(|(.., costs)| costs.as_slice())
    }
}

/// The mean of at least one cost, the same in every order.
fn mean(costs: &[f64]) -> f64 {
    let mut rising = costs.to_vec();
    rising.sort_unstable_by(f64::total_cmp);
    if rising.first() == rising.last() {
        return rising[0];
    }
    rising.iter().sum::<f64>() / rising.len() as f64
}

fn monthly(
    costs: &Costs,
    reference: Option<&Costs>,
    retries: &Retries,
    terms: &Terms,
) -> Result<Monthly, Unknown> {
    let unknown = match &costs.basis {
        _ if !costs.answered => Unknown::NoAnswers,
        basis if basis.contradicting == basis.unpriced => Unknown::Contradicting,
        _ => Unknown::NoCost,
    };
    let mean = costs.mean(terms.mix_complete, |_| true).ok_or(unknown)?;
    let answer = if bounds(&mean, terms.mix_complete) {
        mean.interval(ALPHA)
    } else {
        Interval::NONE
    };
    let with = |rate: f64| move |cost: f64| cost * (1.0 + rate);
    let per_request_interval = Interval {
        lower: answer.lower.map(with(retries.ends.0)),
        upper: (answer.upper.map(with(retries.ends.1))).filter(|end| end.is_finite()),
    };
    let per_request = with(retries.rate)(mean.mean.estimate);
    let traffic = terms.traffic;
    Ok(Monthly {
        per_request,
        per_request_interval,
        month: traffic.middle() * per_request,
        month_interval: Interval {
            lower: per_request_interval.lower.map(|end| end * traffic.lower()),
            upper: per_request_interval.upper.map(|end| end * traffic.upper()),
        },
        ratio: reference.and_then(|reference| ratio_to(costs, reference, terms.mix_complete)),
        basis: costs.basis.clone(),
    })
}

/// Whether the interval of a mean says anything: with fewer than three prompts' worth its ends lie orders of
/// magnitude apart.
fn bounds(mean: &CostMean, complete: bool) -> bool {
    complete || mean.mean.df >= FEWEST_DF
}

/// The mean cost of an answer over the reference's, on the prompts that both answered.
fn ratio_to(costs: &Costs, reference: &Costs, complete: bool) -> Option<Ratio> {
    let both = |at: usize| costs.prompt(at).is_some() && reference.prompt(at).is_some();
    let (found, too_few) = if complete {
        let (a, b) = (reference.mean(true, both)?, costs.mean(true, both)?);
        let once = a.mean.standard_error.is_none() || b.mean.standard_error.is_none();
        let too_few = once.then_some(Unbounded::OneAnswer);
        (ratio_of_all(&a, &b, ALPHA), too_few)
    } else {
        let both = costs.prompts.iter().filter_map(|(share, at, costs)| {
            Some((*share, (mean(reference.prompt(*at)?), mean(costs))))
        });
        let (shares, pairs): (Vec<f64>, Vec<(f64, f64)>) = both.unzip();
        let too_few = (pairs.len() < 2).then_some(Unbounded::OnePrompt);
        (ratio(&pairs, &Weights::new(&shares)?, ALPHA)?, too_few)
    };
    let near_zero = too_few.unwrap_or(Unbounded::ReferenceNearZero);
    Some(Ratio {
        estimate: found.estimate,
        interval: found.interval,
        unbounded: (found.interval == Interval::NONE).then_some(near_zero),
    })
}
