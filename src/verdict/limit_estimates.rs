//! Estimates of limited quantities, with their intervals.
//!
//! Owns which procedure a quantity has. Must not know which limits there are. Invariants: a limit is never called met by
//! values that are only known as lower bounds; a minimum, a maximum and a number of trials are facts of the run, which
//! have no interval.

use crate::record::empty_histogram;
use crate::stats::cost::mean_cost;
use crate::stats::interval::{Alpha, Interval};
use crate::stats::mean::{Mean, Weights};
use crate::stats::quantile::{Percentile, Support, quantile_f64};
use crate::stats::quantile_interval::{for_prompts_like_these, order_statistics};
use crate::stats::rates::{Passes, rate};
use crate::suite::{Measure, Metric, Quantity, Quotient, Statistic, Unit};
use crate::units::Usd;

use super::conditions::MAX_FAILED_SHARE;
use super::evidence::Evidence;
use super::judgement::LimitStatus;
use super::limit_values::LimitValue;
use super::observation::{MetricValue, Observation};
use super::quality::agreement;

/// The trials that a limit is checked on, by the units that vary independently: the prompts of a variant, or the
/// trials of one prompt.
pub(super) struct Trials<'a> {
    observations: Vec<&'a [Observation]>,
    /// One a unit.
    weights: Vec<f64>,
    /// A quantity that observations do not have.
    values: Vec<&'a [LimitValue]>,
}

/// The estimate of a quantity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct LimitEstimate {
    pub estimate: Option<f64>,
    pub interval: Interval,
    pub n: u64,
    /// True if so many trials failed that the others may meet a limit only because they survived.
    survivors_only: bool,
    /// True if the estimate is a fact of the run.
    is_exact: bool,
}

impl LimitEstimate {
    const NONE: Self = Self {
        estimate: None,
        interval: Interval::NONE,
        n: 0,
        survivors_only: false,
        is_exact: false,
    };

    const fn exact(value: Option<f64>, n: u64) -> Self {
        Self {
            estimate: value,
            n,
            is_exact: true,
            ..Self::NONE
        }
    }

    pub(super) fn status(&self, quantity: Quantity, bound: f64) -> LimitStatus {
        let Interval { lower, upper } = match self.estimate {
            Some(fact) if self.is_exact => Interval::new(fact, fact),
            _ => self.interval,
        };
        let (within, beyond) = if quantity.has_minimum() {
            (
                lower.is_some_and(|end| end >= bound),
                upper.is_some_and(|end| end < bound),
            )
        } else {
            (
                upper.is_some_and(|end| end <= bound),
                lower.is_some_and(|end| end > bound),
            )
        };
        match (within, beyond) {
            (_, true) => LimitStatus::Exceeded,
            (true, false) if !self.survivors_only => LimitStatus::Within,
            _ => LimitStatus::Inconclusive,
        }
    }
}

impl<'a> Trials<'a> {
    /// The trials of a variant, or of one of its prompts.
    pub(super) fn new(
        evidence: &'a Evidence,
        variant: usize,
        prompt: Option<usize>,
        quantity: Quantity,
    ) -> Self {
        let observations = &evidence.variants[variant].prompts;
        let limited = evidence.limited.iter();
        let mut limited = limited.filter(|limited| limited.quantity == quantity);
        let values = limited.next().map(|limited| &limited.values[variant]);
        if let Some(prompt) = prompt {
            let observations: Vec<_> = observations[prompt].chunks(1).collect();
            return Self {
                weights: vec![1.0; observations.len()],
                observations,
                values: values.map_or(Vec::new(), |values| values[prompt].chunks(1).collect()),
            };
        }
        Self {
            observations: observations.iter().map(Vec::as_slice).collect(),
            weights: evidence
                .prompts
                .iter()
                .map(|prompt| prompt.weight)
                .collect(),
            values: values.map_or(Vec::new(), |values| {
                values.iter().map(Vec::as_slice).collect()
            }),
        }
    }

    /// The estimate of the quantity that these trials were chosen for.
    pub(super) fn estimate(&self, quantity: Quantity, alpha: Alpha) -> LimitEstimate {
        let counted = |observed: &Observation| observed.counts_toward_completion();
        match quantity {
            Quantity::Time { .. } | Quantity::Spread { .. } => match quantity.spread() {
                Some((measure, statistic)) => self.statistic(quantity, measure, statistic, alpha),
                None => LimitEstimate::NONE,
            },
            Quantity::Within { metric, time } => {
                let is_valid =
                    |observed: &Observation| metric == Metric::Latency || !observed.excluded;
                let is_within = |observed: &Observation| {
                    let value = observed.value(metric);
                    value.is_some_and(|value| !value.censored && value.value <= time.0 as f64)
                };
                // An excluded sample has no first token of the model's; a failed one is not within.
                let has_value = |observed: &Observation| !observed.answered() || is_valid(observed);
                self.share(
                    |observed| counted(observed) && has_value(observed),
                    |observed| observed.answered() && is_within(observed),
                    alpha,
                )
            }
            Quantity::ErrorRate => self.share(counted, |observed| !observed.answered(), alpha),
            Quantity::PassRate => {
                let graded = |observed: &Observation| observed.passed.is_some();
                self.share(graded, |observed| observed.passed == Some(true), alpha)
            }
            Quantity::CostPerRequest => self.cost(alpha),
            Quantity::Quotient(Quotient::Consistency) => self.consistency(alpha),
            Quantity::Quotient(Quotient::CacheHitShare) => {
                let passes = self.values.iter().filter_map(|values| {
                    let hits = numbers(values).filter(|part| *part > 0.0).count();
                    passes(hits, values.len())
                });
                rate_of(&passes.collect::<Vec<_>>(), alpha)
            }
            Quantity::Quotient(_) => self.quotient(quantity.unit(), alpha),
            Quantity::Count(_) => {
                let n = self.values.iter().map(|values| values.len() as u64).sum();
                let counted = self.values.iter().copied().flat_map(numbers).sum();
                LimitEstimate::exact((n > 0).then_some(counted), n)
            }
        }
    }

    fn statistic(
        &self,
        quantity: Quantity,
        measure: Measure,
        statistic: Statistic,
        alpha: Alpha,
    ) -> LimitEstimate {
        let metric = quantity.time_metric();
        let survivors_only = match (metric, measure) {
            (_, Measure::Lag) => false,
            (Some(metric), _) => self.is_of_survivors(|observed| observed.value(metric).is_none()),
            (None, _) => self.is_of_survivors(|_| true),
        };
        let estimate = match (metric, statistic.percentile()) {
            (None, Some(percentile)) if measure == Measure::Gap => self.gaps(percentile, alpha),
            (None, None) if statistic == Statistic::Mean => self.quotient(measure.unit(), alpha),
            (None, percentile) => {
                let values = self.values.iter().copied().flat_map(numbers);
                let known = |value| MetricValue {
                    value,
                    censored: false,
                };
                let values: Vec<MetricValue> = values.map(known).collect();
                match percentile {
                    Some(percentile) => percentile_of(&values, percentile, alpha),
                    None => extreme(&values, statistic),
                }
            }
            (Some(metric), percentile) => {
                let by_unit = self.times(metric);
                let values: Vec<MetricValue> = by_unit.iter().flatten().copied().collect();
                match percentile {
                    Some(percentile) => percentile_of(&values, percentile, alpha),
                    None if statistic == Statistic::Mean => mean_time(&by_unit, alpha),
                    None => extreme(&values, statistic),
                }
            }
        };
        LimitEstimate {
            survivors_only,
            ..estimate
        }
    }

    /// The values of a time, by unit.
    fn times(&self, metric: Metric) -> Vec<Vec<MetricValue>> {
        // The total time of an answer is valid even if the time of its first token is not.
        let is_valid = |observed: &&Observation| {
            let is_valid = metric == Metric::Latency || !observed.excluded;
            observed.counts_toward_completion() && is_valid
        };
        let values = |unit: &&[Observation]| {
            let valid = unit.iter().filter(is_valid);
            valid
                .filter_map(|observed| observed.value(metric))
                .collect()
        };
        self.observations.iter().map(values).collect()
    }

    fn is_of_survivors(&self, has_no_value: impl Fn(&Observation) -> bool) -> bool {
        let counted = || {
            let all = self.observations.iter().copied().flatten();
            all.filter(|observed| observed.counts_toward_completion())
        };
        let failed = counted().filter(|observed| has_no_value(observed) && !observed.answered());
        failed.count() as f64 > MAX_FAILED_SHARE * counted().count() as f64
    }

    /// The share of `counted` trials that satisfy `happened`.
    fn share(
        &self,
        counted: impl Fn(&Observation) -> bool,
        happened: impl Fn(&Observation) -> bool,
        alpha: Alpha,
    ) -> LimitEstimate {
        let units = self.observations.iter().filter_map(|observations| {
            let counted = observations.iter().filter(|observed| counted(observed));
            let (total, passed) = counted.fold((0, 0), |(total, passed), observed| {
                (total + 1, passed + usize::from(happened(observed)))
            });
            passes(passed, total)
        });
        rate_of(&units.collect::<Vec<_>>(), alpha)
    }

    /// The mean list price per request at the suite's weights, over units with a known price.
    fn cost(&self, alpha: Alpha) -> LimitEstimate {
        let mut n = 0;
        let (mut costs, mut weights) = (Vec::new(), Vec::new());
        for (observations, weight) in self.observations.iter().zip(&self.weights) {
            let known: Vec<Usd> = observations
                .iter()
                .filter_map(|seen| seen.cost.get())
                .collect();
            if !known.is_empty() {
                let sum: Usd = known.iter().copied().sum();
                costs.push(sum.as_f64() / known.len() as f64);
                weights.push(*weight);
                n += known.len() as u64;
            }
        }
        let mean = Weights::new(&weights).and_then(|weights| mean_cost(&costs, &weights));
        mean.map_or(LimitEstimate::NONE, |cost| LimitEstimate {
            estimate: Some(cost.mean.estimate),
            interval: cost.interval(alpha),
            n,
            ..LimitEstimate::NONE
        })
    }

    /// The quotient of the sums of both parts. A unit that adds nothing to the divisor leaves it without an interval.
    fn quotient(&self, unit: Unit, alpha: Alpha) -> LimitEstimate {
        let graded = self.values.iter().copied().flatten();
        let known = graded.filter_map(|value| match value {
            LimitValue::Parts { whole, .. } => *whole,
            LimitValue::Gaps { .. } => None,
        });
        let known: Vec<f64> = known.collect();
        let pass_rate = known.iter().sum::<f64>() / known.len() as f64;
        let units = self.values.iter().filter(|values| !values.is_empty());
        let sums: Vec<(f64, f64)> = units
            .map(|values| {
                let mut parts: Vec<(f64, f64)> = values
                    .iter()
                    .filter_map(|value| match value {
                        LimitValue::Parts { part, whole } => {
                            Some((*part, whole.unwrap_or(pass_rate)))
                        }
                        LimitValue::Gaps { .. } => None,
                    })
                    .collect();
                parts.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
                let add = |(part, whole), &(more, of): &(f64, f64)| (part + more, whole + of);
                parts.iter().fold((0.0, 0.0), add)
            })
            .collect();
        let (parts, wholes): (Vec<f64>, Vec<f64>) = sums.into_iter().unzip();
        let quotient = ordered_sum(&parts) / ordered_sum(&wholes);
        let ratios: Vec<f64> = parts.iter().zip(&wholes).map(|(a, b)| a / b).collect();
        let interval = Weights::new(&wholes).map_or(Interval::NONE, |weights| {
            // A share is bounded, and savings may be losses: neither is skewed like amounts and times.
            let skewed = mean_cost(&ratios, &weights).filter(|_| unit != Unit::Share);
            let plain = || Mean::weighted(&ratios, &weights).map(|mean| mean.interval(alpha));
            skewed
                .map(|mean| mean.interval(alpha))
                .or_else(plain)
                .unwrap_or(Interval::NONE)
        });
        LimitEstimate {
            estimate: Some(quotient).filter(|quotient| quotient.is_finite()),
            interval,
            n: self.values.iter().map(|values| values.len() as u64).sum(),
            ..LimitEstimate::NONE
        }
    }

    /// The mean over units of the chance that two of their answers agree.
    fn consistency(&self, alpha: Alpha) -> LimitEstimate {
        let agreements = self.values.iter().filter_map(|values| {
            let passed = numbers(values).filter(|part| *part > 0.0).count() as u64;
            agreement(values.len() as u64, passed)
        });
        let agreements: Vec<f64> = agreements.collect();
        let mean = Mean::from_values(&agreements);
        mean.map_or(LimitEstimate::NONE, |mean| LimitEstimate {
            estimate: Some(mean.estimate),
            interval: mean.interval(alpha),
            n: self.values.iter().map(|values| values.len() as u64).sum(),
            ..LimitEstimate::NONE
        })
    }

    /// A percentile of all gaps together, by the histogram that reports use. Those of one answer depend on each other:
    /// answers are the units of its interval.
    fn gaps(&self, percentile: Percentile, alpha: Alpha) -> LimitEstimate {
        let mut histogram = empty_histogram();
        let mut longest_ns = 0;
        let mut answers: Vec<Vec<f64>> = Vec::new();
        for value in self.values.iter().copied().flatten() {
            let LimitValue::Gaps { counters, longest } = value else {
                continue;
            };
            longest_ns = longest_ns.max(longest.0);
            let mut gaps = Vec::new();
            for &(us, count) in counters {
                let recorded = histogram.record_n(u64::from(us), u64::from(count));
                if recorded.is_ok() {
                    gaps.extend((0..count).map(|_| f64::from(us) * 1e3));
                }
            }
            if !gaps.is_empty() {
                answers.push(gaps);
            }
        }
        let n = histogram.len();
        // The upper end of a bucket may exceed the longest gap; no percentile may.
        let bucket_ns = histogram.value_at_quantile(percentile.q()) as f64 * 1e3;
        let estimate = bucket_ns.min(longest_ns as f64);
        let clustered = for_prompts_like_these(&answers, percentile.q(), alpha);
        LimitEstimate {
            estimate: Some(estimate).filter(|_| percentile.support(n) != Support::TooFew),
            interval: clustered.map_or(Interval::NONE, |clustered| clustered.interval),
            n,
            ..LimitEstimate::NONE
        }
    }
}

/// The values that are numbers by themselves.
fn numbers(values: &[LimitValue]) -> impl Iterator<Item = f64> {
    values.iter().filter_map(|value| match value {
        LimitValue::Parts { part, .. } => Some(*part),
        LimitValue::Gaps { .. } => None,
    })
}

fn passes(passed: usize, total: usize) -> Option<Passes> {
    Passes::new(u32::try_from(passed).ok()?, u32::try_from(total).ok()?)
}

fn rate_of(units: &[Passes], alpha: Alpha) -> LimitEstimate {
    rate(units, alpha).map_or(LimitEstimate::NONE, |rate| LimitEstimate {
        estimate: Some(rate.estimate),
        interval: rate.interval,
        n: rate.answers,
        ..LimitEstimate::NONE
    })
}

/// The sum in rising order, so that the order of trials changes nothing.
fn ordered_sum(values: &[f64]) -> f64 {
    let mut rising = values.to_vec();
    rising.sort_unstable_by(f64::total_cmp);
    rising.iter().sum()
}

/// A percentile, type 8, and its interval from order statistics. A value known only as a lower bound is entered
/// as that bound where this makes the percentile smaller, and as infinite where it makes it larger; a
/// percentile that falls on an infinite value has no point estimate.
fn percentile_of(values: &[MetricValue], percentile: Percentile, alpha: Alpha) -> LimitEstimate {
    let sorted_by = |key: fn(&MetricValue) -> f64| {
        let mut sorted: Vec<f64> = values.iter().map(key).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted
    };
    let min_values = sorted_by(|value| value.value);
    let max_values = sorted_by(|value| {
        if value.censored {
            f64::INFINITY
        } else {
            value.value
        }
    });
    let n = values.len() as u64;
    let ranks = order_statistics(n, percentile.q(), alpha);
    let at = |sorted: &[f64], rank: Option<u64>| {
        let index = usize::try_from(rank?.checked_sub(1)?).ok()?;
        sorted.get(index).copied().filter(|end| end.is_finite())
    };
    let estimate = || quantile_f64(&max_values, percentile.q()).filter(|value| value.is_finite());
    LimitEstimate {
        estimate: (percentile.support(n) != Support::TooFew)
            .then(estimate)
            .flatten(),
        interval: Interval {
            lower: at(&min_values, ranks.lower),
            upper: at(&max_values, ranks.upper),
        },
        n,
        ..LimitEstimate::NONE
    }
}

/// The smallest or largest value; where it may be one that is known only as a lower bound, it is such a bound.
fn extreme(values: &[MetricValue], statistic: Statistic) -> LimitEstimate {
    let known = values.iter().filter(|value| !value.censored);
    let known = known.map(|value| value.value);
    let all = values.iter().map(|value| value.value);
    let n = values.len() as u64;
    let (known, all) = if statistic == Statistic::Min {
        (known.reduce(f64::min), all.reduce(f64::min))
    } else {
        let is_whole = values.iter().all(|value| !value.censored);
        (
            known.reduce(f64::max).filter(|_| is_whole),
            all.reduce(f64::max),
        )
    };
    if known == all {
        return LimitEstimate::exact(known, n);
    }
    LimitEstimate {
        interval: Interval {
            lower: all,
            upper: known,
        },
        n,
        ..LimitEstimate::NONE
    }
}

/// The mean of a time over all trials, with the interval of skewed amounts. With a value that is known only as a lower
/// bound, the mean has no estimate and no upper end.
fn mean_time(by_unit: &[Vec<MetricValue>], alpha: Alpha) -> LimitEstimate {
    let filled = || by_unit.iter().filter(|unit| !unit.is_empty());
    let sum = |unit: &Vec<MetricValue>| {
        ordered_sum(&unit.iter().map(|one| one.value).collect::<Vec<_>>())
    };
    let means: Vec<f64> = filled().map(|unit| sum(unit) / unit.len() as f64).collect();
    let counts: Vec<f64> = filled().map(|unit| unit.len() as f64).collect();
    let mean = Weights::new(&counts).and_then(|weights| mean_cost(&means, &weights));
    let n = by_unit.iter().map(|unit| unit.len() as u64).sum();
    let is_censored = by_unit.iter().flatten().any(|value| value.censored);
    mean.map_or(LimitEstimate::NONE, |mean| {
        let interval = mean.interval(alpha);
        LimitEstimate {
            estimate: (!is_censored).then_some(mean.mean.estimate),
            interval: Interval {
                upper: interval.upper.filter(|_| !is_censored),
                ..interval
            },
            n,
            ..LimitEstimate::NONE
        }
    })
}
