//! The models of a run in the order and with the marks that the whole page uses.
//!
//! Owns order, colour and shape. Must not know charts. Invariant: a model has the same mark in every chart and the same
//! place in every chart and table: the reference is first, the others go by speed. No two of the marked models share a
//! mark.
//!
//! Text formats keep the order of the suite instead, as hyperfine's tables keep that of its commands: their rows are
//! compared from run to run, and models that are about as fast would change places by chance. A page is read by itself,
//! and there a table is looked up from the chart above it.

use crate::stats::quantile::Percentile;
use crate::suite::Metric;
use crate::units::{Nanos, one_line};
use crate::verdict::{
    Distribution, Figures, Frontier, FrontierStanding, RunSummary, VariantSummary,
};

use crate::report::figure::{Figure, FigureCell};
use crate::report::recommendations::{RecommendationText, ShortNames};
use crate::report::table::FigureTable;

/// Number of distinct marks; more are hard to distinguish.
const MARKS: usize = 5;

/// A model of the run.
#[derive(Debug, Clone)]
pub(super) struct RosterEntry {
    /// Its index in the suite.
    pub(super) index: usize,
    /// Its label.
    pub(super) label: String,
    /// Its label without the creator, where that is unique.
    pub(super) name: String,
    /// True for the reference.
    pub(super) is_reference: bool,
    /// The number of its mark; `None` for a model that has none of its own.
    pub(super) slot: Option<usize>,
}

/// The models of a run.
#[derive(Debug, Clone)]
pub(super) struct Roster {
    /// In the order of the charts: the reference, then by speed.
    pub(super) models: Vec<RosterEntry>,
    /// The speed metric of the run.
    pub(super) speed: Metric,
}

impl RosterEntry {
    /// The class of its colour.
    pub(super) const fn class(&self) -> &'static str {
        match self.slot {
            Some(0) => "m0",
            Some(1) => "m1",
            Some(2) => "m2",
            Some(3) => "m3",
            Some(4) => "m4",
            _ => "mx",
        }
    }

    /// Its name, and that it is the reference.
    pub(super) fn marked_name(&self) -> String {
        let suffix = if self.is_reference { " (ref)" } else { "" };
        format!("{}{suffix}", self.name)
    }

    /// Its figures.
    pub(super) fn summary<'a>(&self, summary: &'a RunSummary) -> &'a VariantSummary {
        &summary.variants[self.index]
    }
}

impl Roster {
    /// The models of a run. The reference, the frontier and then `recommendations`, in the order of their use, decide
    /// who has a mark of its own.
    pub(super) fn new(
        summary: &RunSummary,
        recommendations: &[RecommendationText],
        frontier: &Frontier,
        speed: Metric,
    ) -> Self {
        let labels = summary
            .variants
            .iter()
            .map(|variant| variant.label.as_str());
        let names = ShortNames::new(labels);
        let variants = summary.variants.iter().enumerate();
        let mut models: Vec<RosterEntry> = variants
            .map(|(index, variant)| RosterEntry {
                index,
                label: variant.label.clone(),
                name: one_line(&names.of(&variant.label)).into_owned(),
                is_reference: variant.is_reference,
                slot: None,
            })
            .collect();
        let median = |model: &RosterEntry| {
            let figures = &summary.variants[model.index].figures;
            speed_median(figures, speed).unwrap_or(f64::INFINITY)
        };
        models.sort_by(|a, b| {
            let rank = |model: &RosterEntry| (!model.is_reference, median(model));
            let ((first, a_median), (second, b_median)) = (rank(a), rank(b));
            first
                .cmp(&second)
                .then(a_median.total_cmp(&b_median))
                .then_with(|| a.label.cmp(&b.label))
        });
        give_marks(&mut models, recommendations, frontier);
        Self { models, speed }
    }

    /// A table with its rows in this order, within each stage of a load; rows of one model keep theirs.
    pub(super) fn sorted(&self, table: &FigureTable) -> FigureTable {
        let column = |name: &str| {
            let mut columns = table.columns.iter();
            columns.position(|column| column.name == name)
        };
        let (label, stage) = (
            column("variant").or_else(|| column("candidate")),
            column("stage"),
        );
        let place = |row: &Vec<FigureCell>| {
            let stage = stage.map(|index| match row[index].figure {
                Figure::Count(number) => number,
                _ => u128::MAX,
            });
            let label = label.map(|index| row[index].figure.plain());
            let mut models = self.models.iter();
            let model = models.position(|model| label.as_ref() == Some(&model.label));
            (stage, model.unwrap_or(usize::MAX))
        };
        let mut sorted = table.clone();
        sorted.rows.sort_by_cached_key(place);
        sorted
    }

    /// The entry of a label.
    pub(super) fn of_label(&self, label: &str) -> Option<&RosterEntry> {
        self.models.iter().find(|model| model.label == label)
    }

    /// The name of the speed metric: `TTFA`.
    pub(super) const fn speed_name(&self) -> &'static str {
        match self.speed {
            Metric::Ttft => "TTFT",
            Metric::Ttfa => "TTFA",
            _ => "latency",
        }
    }

    /// The speed metric in words.
    pub(super) const fn speed_words(&self) -> &'static str {
        match self.speed {
            Metric::Ttft => "time to first token (TTFT)",
            Metric::Ttfa => "time to first answer token (TTFA)",
            _ => "time to the end of the answer (latency)",
        }
    }
}

fn give_marks(
    models: &mut [RosterEntry],
    recommendations: &[RecommendationText],
    frontier: &Frontier,
) {
    let rank = |model: &RosterEntry| {
        let recommended = recommendations
            .iter()
            .position(|text| text.candidate == model.label);
        let is_dominated =
            frontier.standings.get(model.index) != Some(&FrontierStanding::OnFrontier);
        (
            !model.is_reference,
            is_dominated,
            recommended.unwrap_or(usize::MAX),
        )
    };
    let mut order: Vec<usize> = (0..models.len()).collect();
    order.sort_by_key(|&index| rank(&models[index]));
    let marked: Vec<usize> = order.into_iter().take(MARKS).collect();
    let mut slot = usize::from(!models.first().is_some_and(|first| first.is_reference));
    for (index, model) in models.iter_mut().enumerate() {
        if marked.contains(&index) {
            model.slot = Some(slot).filter(|slot| *slot < MARKS);
            slot += 1;
        }
    }
}

/// The distribution of a speed metric.
pub(super) const fn speed_distribution(figures: &Figures, speed: Metric) -> Option<&Distribution> {
    match speed {
        Metric::Ttft => figures.ttft_ns.as_ref(),
        Metric::Ttfa => figures.ttfa_ns.as_ref(),
        _ => figures.latency_ns.as_ref(),
    }
}

/// The median of a speed metric, in ns.
pub(super) fn speed_median(figures: &Figures, speed: Metric) -> Option<f64> {
    let distribution = speed_distribution(figures, speed)?;
    Some(distribution.percentile(Percentile::P50)?.value)
}

/// A time as every format shows it.
pub(super) fn shown_ns(nanos: f64) -> String {
    Figure::from_ns(nanos).shown()
}

/// A time as every format shows it.
pub(super) fn shown_time(span: Nanos) -> String {
    shown_ns(span.0 as f64)
}

/// A time on an axis: without decimals that mean nothing.
pub(super) fn tick_time(nanos: f64) -> String {
    let (value, unit) = if nanos >= 0.9995e9 {
        (nanos / 1e9, "s")
    } else if nanos >= 0.9995e6 || nanos <= 0.0 {
        (nanos / 1e6, "ms")
    } else {
        (nanos / 1e3, "us")
    };
    if nanos <= 0.0 {
        return "0".to_owned();
    }
    let rounded = (value * 100.0).round() / 100.0;
    format!("{rounded} {unit}")
}

/// Money on an axis: `$0.0002`.
pub(super) fn tick_money(dollars: f64) -> String {
    if dollars <= 0.0 {
        return "$0".to_owned();
    }
    let decimals = (1.0 - dollars.log10().floor()).clamp(0.0, 12.0);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 0..=12 in the line before"
    )]
    let text = format!("{dollars:.*}", decimals as usize);
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    format!("${text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_read_as_people_write_them() {
        // The axis of a chart is read before its marks.
        for (nanos, text) in [
            (2e8, "200 ms"),
            (1e9, "1 s"),
            (1.5e9, "1.5 s"),
            (5e5, "500 us"),
            (0.0, "0"),
        ] {
            assert_eq!(tick_time(nanos), text);
        }
        for (dollars, text) in [
            (0.00002, "$0.00002"),
            (0.015, "$0.015"),
            (1.0, "$1"),
            (20.0, "$20"),
            (0.0, "$0"),
        ] {
            assert_eq!(tick_money(dollars), text);
        }
    }
}
