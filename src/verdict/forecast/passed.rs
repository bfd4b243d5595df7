//! The answers of a month that pass, and what each of them costs.
//!
//! Owns the pass rate of a mix. Must not know grades' rows. Invariant: an answer that passes costs at least as much as an answer.

use crate::stats::cost::{CostMean, mean_cost, mean_cost_of_all, ratio, ratio_of_all};
use crate::stats::interval::Interval;
use crate::stats::mean::Weights;

use super::{ALPHA, Retries, VariantCosts, has_usable_interval, mean};

/// Graded answers of one prompt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct GradedAnswers {
    pub(super) graded: u64,
    pub(super) passed: u64,
}

/// A prompt with its share, its graded answers and the costs of its answers.
type RatedPrompt<'a> = (f64, GradedAnswers, &'a [f64]);

/// The forecast of answers that pass.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PassedForecast {
    /// Share of answers that pass, in the mix.
    pub pass_rate: f64,
    /// Its 95 % interval.
    pub pass_rate_interval: Interval,
    /// Passed answers of a month, at the middle of the traffic.
    pub month: f64,
    /// Cost of a passed answer, retries included, USD; absent if none passed.
    pub per_passed: Option<f64>,
    /// Its 95 % interval.
    pub per_passed_interval: Interval,
}

impl GradedAnswers {
    fn rate(self) -> f64 {
        self.passed as f64 / self.graded as f64
    }

    /// 1 for each answer that passed, 0 for each other.
    fn values(self) -> Vec<f64> {
        let value = |number| if number < self.passed { 1.0 } else { 0.0 };
        (0..self.graded).map(value).collect()
    }
}

/// The passed answers of a variant; `None` if none of its answers to prompts of the mix was graded.
pub(super) fn passed_forecast(
    costs: &VariantCosts,
    by_prompt: &[GradedAnswers],
    retries: &Retries,
    (complete, month_requests): (bool, f64),
) -> Option<PassedForecast> {
    let prompts = costs.prompts.iter().filter_map(|(share, at, costs)| {
        let grades = by_prompt.get(*at).filter(|grades| grades.graded > 0)?;
        Some((*share, *grades, costs.as_slice()))
    });
    let prompts: Vec<RatedPrompt<'_>> = prompts.collect();
    let shares: Vec<f64> = prompts.iter().map(|(share, ..)| *share).collect();
    let weights = Weights::new(&shares)?;
    let of_all = |values: &dyn Fn(&RatedPrompt<'_>) -> Vec<f64>| -> Option<CostMean> {
        let lists: Vec<Vec<f64>> = prompts.iter().map(values).collect();
        mean_cost_of_all(&lists, &weights)
    };
    let (rate, over) = if complete {
        let rate = of_all(&|(_, grades, _)| grades.values())?;
        let cost = of_all(&|(.., costs)| costs.to_vec())?;
        let over = ratio_of_all(&rate, &cost, ALPHA);
        (rate, over)
    } else {
        let rates: Vec<f64> = prompts.iter().map(|(_, grades, _)| grades.rate()).collect();
        let pairs = prompts
            .iter()
            .map(|(_, grades, costs)| (grades.rate(), mean(costs)));
        let pairs: Vec<(f64, f64)> = pairs.collect();
        (
            mean_cost(&rates, &weights)?,
            ratio(&pairs, &weights, ALPHA)?,
        )
    };
    let pass_rate_interval = if has_usable_interval(&rate, complete) {
        let interval = rate.interval(ALPHA);
        Interval {
            upper: interval.upper.map(|end| end.min(1.0)),
            ..interval
        }
    } else {
        Interval::NONE
    };
    let with_retries = |rate: f64| move |cost: f64| cost * (1.0 + rate);
    let pass_rate = rate.mean.estimate;
    Some(PassedForecast {
        pass_rate,
        pass_rate_interval,
        month: month_requests * pass_rate,
        per_passed: over.estimate.map(with_retries(retries.rate)),
        per_passed_interval: Interval {
            lower: over.interval.lower.map(with_retries(retries.limits.0)),
            upper: (over.interval.upper.map(with_retries(retries.limits.1)))
                .filter(|end| end.is_finite()),
        },
    })
}
