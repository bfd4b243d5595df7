//! The quantities that limits apply to.
//!
//! Owns their keys in `[gate.limits]`, their units, and whether a bound is a maximum. Must not know how any is
//! measured. Invariant: one key each, which is also the word in reports, and no two the same.

use serde::{Deserialize, Serialize};

use crate::units::Nanos;

use super::measure::{Measure, Quotient, Statistic, TrialCount, Unit};
use super::metric::Metric;

/// A quantity that a limit can apply to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// A percentile (50, 75, 90, 95, 99) of a time: TTFT, TTFA, experienced TTFT, latency or mean gap.
    Time {
        /// The time.
        metric: Metric,
        /// The percentile, in percent.
        percent: u8,
    },
    /// Another statistic of one of these times, or any of another measure.
    Spread {
        /// The measure.
        measure: Measure,
        /// The statistic.
        statistic: Statistic,
    },
    /// Share of trials answered within a time, rate-limited ones excluded: a service level objective.
    Within {
        /// The metric.
        metric: Metric,
        /// The time.
        time: Nanos,
    },
    /// Share of trials that were not answered to the end, rate-limited ones excluded.
    ErrorRate,
    /// Mean list price of a request.
    CostPerRequest,
    /// Share of graded answers that passed.
    PassRate,
    /// A quotient of two sums over trials.
    Quotient(Quotient),
    /// A number of trials.
    Count(TrialCount),
}

/// The times whose values are known as lower bounds where a deadline passed.
const TIMES: [(Metric, Measure); 5] = [
    (Metric::Ttft, Measure::Ttft),
    (Metric::Ttfa, Measure::Ttfa),
    (Metric::ExperiencedTtft, Measure::ExperiencedTtft),
    (Metric::Latency, Measure::Latency),
    (Metric::InterTokenLatency, Measure::RequestGap),
];

/// The times that a share of trials can be held within.
const WITHIN: [Metric; 4] = [
    Metric::Ttft,
    Metric::Ttfa,
    Metric::ExperiencedTtft,
    Metric::Latency,
];

impl Quantity {
    /// Every quantity that can be limited, in the order of the documentation; shares within a time have the time 0.
    pub fn all() -> impl Iterator<Item = Self> {
        let spreads = Measure::all().flat_map(|measure| {
            let statistics = measure.statistics().iter();
            statistics.map(move |statistic| Self::of(measure, *statistic))
        });
        let within = WITHIN.map(|metric| Self::Within {
            metric,
            time: Nanos(0),
        });
        let others = [Self::ErrorRate, Self::CostPerRequest, Self::PassRate];
        (spreads.chain(within).chain(others))
            .chain(Quotient::all().map(Self::Quotient))
            .chain(TrialCount::all().map(Self::Count))
    }

    fn of(measure: Measure, statistic: Statistic) -> Self {
        let metric = Self::Spread { measure, statistic }.time_metric();
        match (metric, statistic.percentile()) {
            (Some(metric), Some(percentile)) => Self::Time {
                metric,
                percent: u8::try_from(percentile.percent()).unwrap_or(u8::MAX),
            },
            _ => Self::Spread { measure, statistic },
        }
    }

    /// The time of a trial that a statistic is of, if a comparison knows it.
    pub fn time_metric(self) -> Option<Metric> {
        let (measure, _) = self.spread()?;
        let found = TIMES.iter().find(|(_, named)| *named == measure);
        found.map(|(metric, _)| *metric)
    }

    /// The measure and its statistic; `None` for other quantities, and for a combination that no suite can name.
    pub fn spread(self) -> Option<(Measure, Statistic)> {
        match self {
            Self::Time { metric, percent } => {
                let (_, measure) = TIMES.into_iter().find(|(named, _)| *named == metric)?;
                let is_named = |statistic: &&Statistic| {
                    let percentile = statistic.percentile();
                    percentile.is_some_and(|one| one.percent() == u64::from(percent))
                };
                let statistic = measure.statistics().iter().find(is_named)?;
                Some((measure, *statistic))
            }
            Self::Spread { measure, statistic } => Some((measure, statistic)),
            _ => None,
        }
    }

    /// Returns true if its bound is a minimum.
    pub const fn has_minimum(self) -> bool {
        match self {
            Self::PassRate | Self::Within { .. } => true,
            Self::Spread { measure, .. } => measure.has_minimum(),
            Self::Quotient(quotient) => quotient.has_minimum(),
            Self::Time { .. } | Self::ErrorRate | Self::CostPerRequest | Self::Count(_) => false,
        }
    }

    /// Returns true if the best case of a trial that is not sent is known, so that a run can end as soon as the limit
    /// is broken whatever comes.
    pub const fn can_abort(self) -> bool {
        match self {
            Self::Spread {
                measure: Measure::Gap,
                statistic,
            } => matches!(statistic, Statistic::Max),
            Self::Quotient(quotient) => !matches!(
                quotient,
                Quotient::CoalescedShare | Quotient::CacheReadShare | Quotient::Consistency
            ),
            _ => true,
        }
    }

    /// Returns true if the answers to one prompt can show that a limit is met.
    pub const fn can_be_per_prompt(self) -> bool {
        !matches!(self, Self::Quotient(Quotient::Consistency))
    }

    /// Returns true if only graded answers have it.
    pub const fn needs_grades(self) -> bool {
        match self {
            Self::PassRate => true,
            Self::Spread { measure, .. } => matches!(measure, Measure::Score),
            Self::Quotient(quotient) => matches!(
                quotient,
                Quotient::Consistency | Quotient::CostPerPassed | Quotient::LatencyPerPassed
            ),
            _ => false,
        }
    }

    /// Returns true if it is a fact of a run rather than an estimate: a minimum, a maximum or a number of trials.
    pub const fn is_fact(self) -> bool {
        match self {
            Self::Count(_) => true,
            Self::Spread { statistic, .. } => matches!(statistic, Statistic::Min | Statistic::Max),
            _ => false,
        }
    }

    /// The unit of its bound.
    pub const fn unit(self) -> Unit {
        match self {
            Self::Time { .. } => Unit::Time,
            Self::Spread { measure, .. } => measure.unit(),
            Self::Within { .. } | Self::ErrorRate | Self::PassRate => Unit::Share,
            Self::CostPerRequest => Unit::Usd,
            Self::Quotient(quotient) => quotient.unit(),
            Self::Count(_) => Unit::Trials,
        }
    }

    /// Its key in `[gate.limits]`, also the word in reports; `time` for a combination that no suite can name.
    pub fn word(self) -> String {
        match self {
            Self::Within { metric, .. } => format!("{}_within", metric.word()),
            Self::ErrorRate => "error_rate".to_owned(),
            Self::CostPerRequest => "cost_per_request".to_owned(),
            Self::PassRate => "pass_rate".to_owned(),
            Self::Quotient(quotient) => quotient.word().to_owned(),
            Self::Count(count) => count.word().to_owned(),
            Self::Time { .. } | Self::Spread { .. } => match self.spread() {
                Some((measure, statistic)) => format!("{}_{}", measure.word(), statistic.word()),
                None => "time".to_owned(),
            },
        }
    }

    /// The description of the limited quantity in the schema.
    pub fn description(self) -> String {
        let noun = match self {
            Self::Within { metric, .. } => {
                let measure = TIMES.into_iter().find(|(named, _)| *named == metric);
                let noun = measure.map_or("time", |(_, measure)| measure.noun());
                format!("Share of trials with a {noun} within a time, failed ones included")
            }
            Self::ErrorRate => {
                "Share of trials that were not answered to the end, rate-limited ones left out"
                    .to_owned()
            }
            Self::CostPerRequest => "Mean list price of a request".to_owned(),
            Self::PassRate => "Share of graded answers that passed".to_owned(),
            Self::Quotient(quotient) => quotient.noun().to_owned(),
            Self::Count(count) => format!("Number of trials {}", count.noun()),
            Self::Time { .. } | Self::Spread { .. } => match self.spread() {
                Some((measure, statistic)) => {
                    format!("The {} of the {}", statistic.noun(), measure.noun())
                }
                None => "A time".to_owned(),
            },
        };
        let min_or_max = if self.has_minimum() {
            "at least"
        } else {
            "at most"
        };
        let needs = match self.spread() {
            Some((measure, statistic)) if measure != Measure::Gap => statistic.percentile(),
            _ => None,
        };
        let needs = needs.map_or(String::new(), |percentile| {
            format!("; needs {} answers", percentile.min_for_bounds())
        });
        format!("{noun}, {min_or_max}{needs}.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_named_by_their_keys() {
        // The key in a suite is the word in a report: one each, no two the same.
        let mut words: Vec<String> = Quantity::all().map(Quantity::word).collect();
        let count = words.len();
        assert!(count > 100 && !words.contains(&"time".to_owned()));
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), count);
    }
}
