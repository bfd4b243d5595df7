//! The values of the decision charts.
//!
//! Owns which figures of a model are drawn. Must not know how. Invariant: less is better in both values of a point.

use crate::report::figure::{Figure, FigureCell, share};
use crate::stats::interval::Interval;
use crate::stats::quantile::Percentile;
use crate::suite::Metric;
use crate::units::Usd;
use crate::verdict::{RunSummary, VariantSummary};

use super::super::roster::{Roster, RosterEntry, speed_distribution, tick_time};

/// The values of a chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DecisionAxes {
    /// Cost of a request against the speed metric.
    CostAndSpeed,
    /// Cost of an answer that passed against the speed metric.
    PassedCostAndSpeed,
    /// Cost of a request against the share of answers that did not pass.
    CostAndQuality,
}

/// A model with both values; less is better in both.
pub(super) struct DecisionPoint<'a> {
    pub(super) model: &'a RosterEntry,
    /// Cost, USD.
    pub(super) cost: f64,
    pub(super) cost_interval: Interval,
    /// Median time, ns, or a share.
    pub(super) value: f64,
    pub(super) value_interval: Interval,
}

/// The words of a chart.
#[derive(Debug, Clone, Copy)]
pub(super) struct DecisionWords<'a> {
    pub(super) axes: DecisionAxes,
    /// `TTFT p50`.
    pub(super) value: &'a str,
    /// `per request`.
    pub(super) per: &'static str,
}

impl DecisionAxes {
    pub(super) fn figure(self, value: f64) -> Figure {
        match self {
            Self::CostAndQuality => share(value),
            _ => Figure::from_ns(value),
        }
    }

    pub(super) fn tick(self, value: f64) -> String {
        match self {
            Self::CostAndQuality => format!("{:.0} %", value * 100.0),
            _ => tick_time(value),
        }
    }
}

impl DecisionPoint<'_> {
    pub(super) fn cost_cell(&self, axes: DecisionAxes) -> FigureCell {
        if axes == DecisionAxes::PassedCostAndSpeed {
            return FigureCell::certain(Figure::from_usd(self.cost));
        }
        FigureCell::within(
            Figure::from_usd(self.cost),
            self.cost_interval,
            Figure::from_usd,
        )
    }

    pub(super) fn value_cell(&self, axes: DecisionAxes) -> FigureCell {
        let figure: fn(f64) -> Figure = match axes {
            DecisionAxes::CostAndQuality => share,
            _ => Figure::from_ns,
        };
        FigureCell::within(axes.figure(self.value), self.value_interval, figure)
    }

    pub(super) fn text(&self, words: DecisionWords<'_>) -> String {
        format!(
            "{}: {} {}, {} {}",
            self.model.marked_name(),
            self.cost_cell(words.axes).shown(true),
            words.per,
            words.value,
            self.value_cell(words.axes).shown(true)
        )
    }
}

/// The mean cost of a request with its interval: at list price, else at the gateway's.
pub(in crate::report::html) fn mean_cost(variant: &VariantSummary) -> Option<(f64, Interval)> {
    let money = &variant.figures.money;
    let interval = if money.list.n > 0 {
        variant.means.list_usd
    } else {
        variant.means.market_usd
    };
    let mean = variant.figures.ranked_cost().mean().map(Usd::as_f64)?;
    Some((mean, interval))
}

/// The models with both values, and the others with what they lack.
pub(super) fn points<'a>(
    roster: &'a Roster,
    summary: &RunSummary,
    axes: DecisionAxes,
) -> (Vec<DecisionPoint<'a>>, Vec<(&'a str, &'static str)>) {
    let (mut points, mut missing) = (Vec::new(), Vec::new());
    for model in &roster.models {
        let variant = model.summary(summary);
        let cost = match axes {
            DecisionAxes::PassedCostAndSpeed => {
                let cost = variant.figures.cost_per_passed();
                cost.map(|cost| (cost, Interval::NONE))
            }
            _ => mean_cost(variant),
        };
        let value = match axes {
            DecisionAxes::CostAndQuality => not_passed(variant),
            _ => median_time(variant, roster.speed),
        };
        match (cost, value) {
            (Some((cost, cost_interval)), Some((value, value_interval))) => {
                points.push(DecisionPoint {
                    model,
                    cost,
                    cost_interval,
                    value,
                    value_interval,
                });
            }
            (None, Some(_)) => missing.push((
                model.name.as_str(),
                match axes {
                    DecisionAxes::PassedCostAndSpeed => {
                        "its price is not known, or no answer passed"
                    }
                    _ => "its price is not known",
                },
            )),
            (Some(_), None) => missing.push((model.name.as_str(), "it has too few answers")),
            (None, None) => {
                missing.push((
                    model.name.as_str(),
                    "it has neither a price nor enough answers",
                ));
            }
        }
    }
    (points, missing)
}

fn median_time(variant: &VariantSummary, speed: Metric) -> Option<(f64, Interval)> {
    let median = speed_distribution(&variant.figures, speed)?.percentile(Percentile::P50)?;
    Some((median.value, median.interval.unwrap_or(Interval::NONE)))
}

/// The share of graded answers that did not pass.
fn not_passed(variant: &VariantSummary) -> Option<(f64, Interval)> {
    let rate = variant.means.pass_rate?;
    let interval = rate.interval.unwrap_or(Interval::NONE);
    let interval = Interval {
        lower: interval.upper.map(|upper| 1.0 - upper),
        upper: interval.lower.map(|lower| 1.0 - lower),
    };
    Some((1.0 - rate.value, interval))
}
