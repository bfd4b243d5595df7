//! The trend of a history as a page: a chart for each model, with its baseline and the changes of its level.
//!
//! Owns the charts and their tables. Must not know how levels and changes were computed. Invariant: every run of a
//! trend is a mark and a row; what was decided about it stands in its shape and in words.

use maud::{Markup, html};

use crate::record::RunStanding;
use crate::report::trends::{Trends, standing_words};
use crate::suite::Scale;
use crate::units::{one_line, plural};
use crate::verdict::{Trend, TrendPoint};

use super::page::document;
use super::roster::{tick_money, tick_time};
use super::scale::ValueAxis;
use super::svg::{
    Anchor, Canvas, ChartText, Drawing, chart, focusable, label, line, push, px, rect,
};
use super::tables::{plain_table, sentences};

/// Runs that are drawn; older ones are in the table.
const MAX_DRAWN: usize = 200;

/// Renders the page of a history.
pub fn history_page(trends: &Trends) -> String {
    let header = html! {
        h1 { (one_line(trends.suite())) }
        p.sub { (trends.heading()) }
        nav aria-label="Models" {
            @for (index, trend) in trends.variants().iter().enumerate() {
                a href=(format!("#model-{index}")) { (one_line(&trend.variant)) } " "
            }
        }
    };
    let main = html! {
        @if trends.variants().is_empty() { p.note { "No run has a level of " (trends.metric_name()) "." } }
        @for (index, trend) in trends.variants().iter().enumerate() { (trend_section(trends, trend, index)) }
    };
    let footer = html! {
        p {
            "Made by bakeoff from a history. This page is one file, requests nothing from any host, and works offline. \
             The level of a run is a geometric mean over prompts, or a share."
        }
    };
    let title = format!("{}: bakeoff history", one_line(trends.suite()));
    document(&title, &header, &main, &footer)
}

fn trend_section(trends: &Trends, trend: &Trend, index: usize) -> Markup {
    let name = trends.metric_name();
    let id = format!("model-{index}");
    let facts = trends.facts(trend);
    let rows: Vec<Vec<String>> = trend
        .points
        .iter()
        .enumerate()
        .rev()
        .map(|(place, point)| {
            let change = trend.changes.iter().find(|change| change.at == place);
            vec![
                one_line(&point.run).into_owned(),
                point.started_at.strftime("%Y-%m-%d %H:%M").to_string(),
                trends.shown_level(point.level),
                standing_words(point).to_owned(),
                change.map_or_else(|| "–".to_owned(), |change| trends.shift(change.shift)),
            ]
        })
        .collect();
    let headings = ["run", "began (UTC)", name, "standing", "change of level"];
    let table = plain_table(
        &format!("{name} of {}, newest run first", trend.variant),
        &headings,
        &rows,
    );
    let chart_id = format!("chart-{index}");
    let title = format!("{name} of {} over its runs", one_line(&trend.variant));
    let description = format!(
        "{}. {}",
        plural(trend.points.len() as u64, "run"),
        facts.join(" ")
    );
    let text = ChartText {
        id: &chart_id,
        title: &title,
        description: &description,
        has_marks: true,
    };
    html! {
        section aria-labelledby=(id) {
            h2 id=(id) { (one_line(&trend.variant)) }
            p {
                (name) " of each run. ● accepted, ○ found regressed or not decided; the shaded runs are the baseline that the \
                 next run is compared with; dashed: the level changed."
            }
            (chart(&text, &table, |canvas| draw(canvas, trends, trend)))
            (sentences(&facts))
        }
    }
}

/// The scales of a trend.
struct TrendPlot<'a> {
    points: &'a [TrendPoint],
    y: ValueAxis,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl TrendPlot<'_> {
    /// The place of a run: runs are equally far apart, so that those of one day stand apart.
    fn x(&self, index: usize) -> f64 {
        let count = self.points.len().max(2) - 1;
        let inset = 12.0;
        self.left + inset + index as f64 / count as f64 * (self.right - self.left - 2.0 * inset)
    }

    /// The drawn index of the first run of the baseline.
    fn baseline_begin(&self) -> usize {
        let is_reset = |point: &TrendPoint| point.standing == RunStanding::BaselineReset;
        self.points.iter().rposition(is_reset).unwrap_or(0)
    }
}

fn draw(canvas: &Canvas, trends: &Trends, trend: &Trend) -> Drawing {
    let first = trend.points.len().saturating_sub(MAX_DRAWN);
    let points = &trend.points[first..];
    let (left, right) = (
        if canvas.is_narrow { 56.0 } else { 72.0 },
        canvas.width - 8.0,
    );
    let (top, bottom) = (24.0, 224.0);
    let levels = points.iter().map(|point| trends.scaled(point.level));
    let axis = match trends.scale() {
        Scale::Ratio => ValueAxis::log(levels, (bottom, top)),
        Scale::Points => ValueAxis::linear(levels, (bottom, top)),
    };
    let height = bottom + 44.0;
    let Some(y) = axis else {
        return Drawing {
            height,
            shapes: html! {},
        };
    };
    let plot = TrendPlot {
        points,
        y,
        left,
        right,
        top,
        bottom,
    };
    let shapes = html! {
        (frame(canvas, trends, &plot))
        (level_line(trends, &plot))
        @for change in trend.changes.iter().filter(|change| change.at >= first) {
            @let index = change.at - first;
            @let x = f64::midpoint(plot.x(index), plot.x(index.saturating_sub(1)));
            (line("drift", (x, top), (x, bottom)))
            (label(x, top - 4.0, "tick", Anchor::Middle, &trends.shift(change.shift)))
        }
        @for (index, point) in points.iter().enumerate() { (point_mark(trends, &plot, index, point)) }
    };
    Drawing { height, shapes }
}

fn frame(canvas: &Canvas, trends: &Trends, plot: &TrendPlot<'_>) -> Markup {
    let TrendPlot {
        left,
        right,
        top,
        bottom,
        ..
    } = *plot;
    let begin = plot.baseline_begin();
    let from = if begin == 0 {
        left
    } else {
        plot.x(begin) - 8.0
    };
    let places = if canvas.is_narrow { 3 } else { 7 };
    let last = plot.points.len().saturating_sub(1);
    let mut labelled: Vec<usize> = (0..places)
        .map(|place| place * last / (places - 1))
        .collect();
    labelled.dedup();
    let dates = dates(plot.points, &labelled);
    html! {
        (rect("margin", (from, top), (right - from, bottom - top), None))
        @for tick in plot.y.ticks(30.0) {
            (line("grid", (left, plot.y.at(tick)), (right, plot.y.at(tick))))
            (label(left - 6.0, plot.y.at(tick) + 4.0, "tick", Anchor::End, &tick_text(trends, tick)))
        }
        (line("ax", (left, bottom), (right, bottom)))
        @for (index, date) in dates {
            @let anchor = if index == 0 { Anchor::Start } else if index == last { Anchor::End } else { Anchor::Middle };
            (label(plot.x(index), bottom + 18.0, "tick", anchor, &date))
        }
        (label(right, bottom + 38.0, "lab", Anchor::End, "runs, oldest first →"))
    }
}

/// The labels of these runs: the date, or the time of a run on the same day as the one labelled before it.
fn dates(points: &[TrendPoint], labelled: &[usize]) -> Vec<(usize, String)> {
    let mut day = String::new();
    let text = |&index: &usize| {
        let began = points[index].started_at;
        let date = began.strftime("%Y-%m-%d").to_string();
        let text = if date == day {
            began.strftime("%H:%M").to_string()
        } else {
            date.clone()
        };
        day = date;
        (index, text)
    };
    labelled.iter().map(text).collect()
}

fn level_line(trends: &Trends, plot: &TrendPlot<'_>) -> Markup {
    let mut path = String::new();
    for (index, point) in plot.points.iter().enumerate() {
        let command = if index == 0 { 'M' } else { 'L' };
        let y = plot.y.at(trends.scaled(point.level));
        push(
            &mut path,
            format_args!("{command}{} {}", px(plot.x(index)), px(y)),
        );
    }
    html! { path.trend d=(path) {} }
}

fn point_mark(trends: &Trends, plot: &TrendPlot<'_>, index: usize, point: &TrendPoint) -> Markup {
    let (x, y) = (plot.x(index), plot.y.at(trends.scaled(point.level)));
    let text = format!(
        "{}, {}: {}, {}",
        point.started_at.strftime("%Y-%m-%d %H:%M"),
        one_line(&point.run),
        trends.shown_level(point.level),
        standing_words(point)
    );
    let is_accepted = point.standing.accepted();
    let class = if is_accepted { "mk m0" } else { "open" };
    let shapes = html! { circle class=(class) cx=(px(x)) cy=(px(y)) r="5" {} };
    focusable(&text, "pick", &shapes)
}

fn tick_text(trends: &Trends, value: f64) -> String {
    match trends.unit() {
        "ns" => tick_time(value),
        "pico-USD" => tick_money(value),
        "share" => format!("{} %", (value * 1_000.0).round() / 10.0),
        _ => format!("{}", (value * 100.0).round() / 100.0),
    }
}
