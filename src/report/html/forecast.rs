//! The forecast of a month's cost as a page.
//!
//! Owns the chart of the monthly costs. Must not know how they are computed. Invariant: bars begin at 0, and the
//! assumptions stand on the page.

use maud::{Markup, html};

use crate::report::figure::{Figure, FigureCell};
use crate::report::table::FigureTable;
use crate::stats::interval::Interval;
use crate::units::one_line;

use super::page::document;
use super::roster::tick_money;
use super::scale::ValueAxis;
use super::svg::{Anchor, Canvas, ChartText, Drawing, chart, fitted, label, line, rect};
use super::tables::{figure_table, sentences};

/// The content of the page.
pub(in crate::report) struct ForecastPage<'a> {
    /// Name of the suite.
    pub(in crate::report) suite: &'a str,
    /// The traffic in words.
    pub(in crate::report) traffic: &'a str,
    /// Warnings to read first.
    pub(in crate::report) warnings: &'a [String],
    /// The table.
    pub(in crate::report) table: &'a FigureTable,
    /// Monthly costs in USD, lowest first.
    pub(in crate::report) bars: &'a [ForecastBar],
    /// The assumptions, and what is not covered.
    pub(in crate::report) notes: &'a [String],
}

/// The monthly cost of one model.
pub(in crate::report) struct ForecastBar {
    /// Its label.
    pub(in crate::report) label: String,
    /// USD a month.
    pub(in crate::report) month: f64,
    /// Its interval.
    pub(in crate::report) interval: Interval,
}

impl ForecastBar {
    fn cell(&self) -> FigureCell {
        FigureCell::within(
            Figure::from_usd(self.month),
            self.interval,
            Figure::from_usd,
        )
    }
}

/// Renders the page of a forecast.
pub(in crate::report) fn forecast_page(page: &ForecastPage<'_>) -> String {
    let header = html! {
        h1 { (one_line(page.suite)) ": cost of a month" }
        p.sub { (one_line(page.traffic)) }
        @for warning in page.warnings { p.sim { (one_line(warning)) } }
    };
    let texts: Vec<String> = page
        .bars
        .iter()
        .map(|bar| format!("{}: {}", bar.label, bar.cell().shown(true)))
        .collect();
    let description = texts.join("; ");
    let text = ChartText {
        id: "chart-forecast",
        title: "Cost of a month by model",
        description: &description,
        has_marks: false,
    };
    let table = figure_table("Cost of a month, lowest first", page.table, true);
    let main = html! {
        section aria-labelledby="forecast" {
            h2 id="forecast" { "Cost of a month" }
            p { "Bars are means, lines their intervals; the lowest cost is first." }
            @if page.bars.is_empty() { p.note { "No model has a forecast." } (table) }
            @else { (chart(&text, &table, |canvas| draw(canvas, page.bars))) }
        }
        section aria-labelledby="assumptions" {
            h2 id="assumptions" { "Assumptions" }
            p { "What the figures rest on, and what is not in them." }
            (sentences(page.notes))
        }
    };
    let footer = html! {
        p { "Made by " code { "bakeoff forecast" } ". This page is one file and requests nothing from any host." }
    };
    let title = format!("{}: bakeoff forecast", one_line(page.suite));
    document(&title, &header, &main, &footer)
}

fn draw(canvas: &Canvas, bars: &[ForecastBar]) -> Drawing {
    let (left, row) = if canvas.is_narrow {
        (2.0, 46.0)
    } else {
        (230.0, 30.0)
    };
    let right = canvas.width - if canvas.is_narrow { 10.0 } else { 230.0 };
    let end = 6.0 + row * bars.len() as f64;
    let ends = bars
        .iter()
        .map(|bar| bar.interval.upper.unwrap_or(bar.month).max(bar.month));
    let axis = ValueAxis::from_zero(ends, (left, right));
    let shapes = html! {
        @for tick in axis.ticks(72.0) {
            (line("grid", (axis.at(tick), 6.0), (axis.at(tick), end)))
            (label(axis.at(tick), end + 18.0, "tick", if tick > 0.0 { Anchor::Middle } else { Anchor::Start }, &tick_money(tick)))
        }
        (line("ax", (left, end), (right, end)))
        (label(right, end + 38.0, "lab", Anchor::End, "USD a month →"))
        @for (index, bar) in bars.iter().enumerate() {
            (draw_bar(canvas, bar, &axis, (left, 6.0 + row * index as f64, row)))
        }
    };
    Drawing {
        height: end + 44.0,
        shapes,
    }
}

fn draw_bar(
    canvas: &Canvas,
    bar: &ForecastBar,
    axis: &ValueAxis,
    (left, top, row): (f64, f64, f64),
) -> Markup {
    let middle = if canvas.is_narrow {
        top + row - 12.0
    } else {
        top + row / 2.0
    };
    let shown = bar.cell().shown(true);
    let ends =
        [bar.interval.lower, bar.interval.upper].map(|end| axis.at(end.unwrap_or(bar.month)));
    html! {
        @if canvas.is_narrow {
            (label(0.0, top + 16.0, "name", Anchor::Start, &fitted(&format!("{}: {shown}", bar.label), canvas.width, 12.5)))
        } @else {
            (label(left - 10.0, middle + 4.0, "name", Anchor::End, &fitted(&bar.label, left - 12.0, 12.5)))
            (label(axis.at(bar.month).max(ends[1]) + 8.0, middle + 4.0, "tick", Anchor::Start, &shown))
        }
        (rect("bar", (left, middle - 7.0), (axis.at(bar.month) - left, 14.0), Some(&format!("{}: {shown}", bar.label))))
        (line("q", (ends[0], middle), (ends[1], middle)))
    }
}
