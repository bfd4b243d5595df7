//! The distribution of the speed metric: a curve per model, and every sample below it.
//!
//! Owns curves and strips, and how they are thinned. Must not know percentiles' rules: it marks those that the
//! summary has. Invariant: the slowest samples are drawn before any other is; the output depends on nothing but the
//! samples.

use maud::{Markup, html};

use crate::stats::quantile::Percentile;
use crate::threads::Threads;
use crate::units::Nanos;
use crate::verdict::{RunSummary, RunTimings};

use super::roster::{Roster, RosterEntry, shown_ns, speed_distribution, tick_time};
use super::scale::ValueAxis;
use super::svg::{
    Anchor, Canvas, ChartText, Drawing, chart, dots, fitted, focusable, label, line, mark,
    names_width, push, px,
};
use super::tables::plain_table;

/// Maximum steps of a curve.
const MAX_STEPS: usize = 200;
/// Maximum points of a strip.
const MAX_POINTS: usize = 200;
/// The share of the points of a strip that the slowest samples may take.
const SLOWEST_POINTS: usize = 100;
/// The marked percentiles.
const MARKED: [Percentile; 3] = [Percentile::P50, Percentile::P75, Percentile::P95];
/// Height of the curves.
const CURVES: f64 = 260.0;

/// The values of one model, ascending.
struct ModelValues<'a> {
    model: &'a RosterEntry,
    values: Vec<Nanos>,
    /// The marked percentiles that the number of values supports, ns.
    percentiles: Vec<(Percentile, f64)>,
}

/// Renders the section.
pub(super) fn section(roster: &Roster, summary: &RunSummary, timings: &RunTimings) -> Markup {
    let mut all = Threads::for_processors().map(&roster.models, |model| {
        ModelValues::new(model, roster, summary, timings)
    });
    all.retain(|of_model| !of_model.values.is_empty());
    let max = all
        .iter()
        .map(|of_model| of_model.values.len())
        .max()
        .unwrap_or(0);
    html! {
        section aria-labelledby="distribution" {
            h2 id="distribution" { "Distribution of the " (roster.speed_words()) }
            @if all.is_empty() {
                p { "No answer has this time." }
            } @else {
                p {
                    "A curve further left is faster; a long flat top is a long tail. Below, each dot is one answer; bars \
                     mark p50 and p95."
                    @if max > MAX_POINTS {
                        " Of " (max) " answers of a model at most " (MAX_POINTS) " are drawn, the slowest among them; \
                         curves and percentiles are of all."
                    }
                }
                (values_chart(roster, &all, summary))
            }
        }
    }
}

impl<'a> ModelValues<'a> {
    fn new(
        model: &'a RosterEntry,
        roster: &Roster,
        summary: &RunSummary,
        timings: &RunTimings,
    ) -> Self {
        let figures = &model.summary(summary).figures;
        let distribution = speed_distribution(figures, roster.speed);
        let value = |percentile: Percentile| {
            let estimate = distribution?.percentile(percentile)?;
            Some((percentile, estimate.value))
        };
        Self {
            model,
            values: timings.variant(model.index).sorted(roster.speed),
            percentiles: MARKED.into_iter().filter_map(value).collect(),
        }
    }

    /// The corners of the curve: share of the values up to each time, in at most [`MAX_STEPS`] steps.
    fn steps(&self) -> Vec<(f64, f64)> {
        let count = self.values.len();
        let stride = count.div_ceil(MAX_STEPS).max(1);
        let last = count - 1;
        let indices = (0..count).step_by(stride).chain([last]);
        let mut steps: Vec<(f64, f64)> = indices
            .map(|index| {
                (
                    self.values[index].0 as f64,
                    (index + 1) as f64 / count as f64,
                )
            })
            .collect();
        steps.dedup();
        steps
    }

    /// The drawn values with their number in the order of values: the slowest 5 %, the others evenly by rank.
    fn points(&self) -> Vec<(usize, f64)> {
        let count = self.values.len();
        let value = |index: usize| (index, self.values[index].0 as f64);
        if count <= MAX_POINTS {
            return (0..count).map(value).collect();
        }
        let slowest = count.div_ceil(20).min(SLOWEST_POINTS);
        let (rest, room) = (count - slowest, MAX_POINTS - slowest);
        let evenly = (0..room).map(|place| place * rest / room);
        evenly.chain(rest..count).map(value).collect()
    }
}

fn values_chart(roster: &Roster, all: &[ModelValues<'_>], summary: &RunSummary) -> Markup {
    let speed = roster.speed_name();
    let sentences: Vec<String> = all.iter().map(ModelValues::sentence).collect();
    let description = format!(
        "Cumulative share of answers by {speed}. {}.",
        sentences.join("; ")
    );
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|of_model| {
            let figures = &of_model.model.summary(summary).figures;
            let distribution = speed_distribution(figures, roster.speed);
            let percentile = |percentile: Percentile| {
                let estimate = distribution.and_then(|all| all.percentile(percentile));
                estimate.map_or_else(|| "–".to_owned(), |estimate| shown_ns(estimate.value))
            };
            let end = |value: Option<&Nanos>| value.map_or(String::new(), |v| shown_ns(v.0 as f64));
            let mut row = vec![
                of_model.model.marked_name(),
                of_model.values.len().to_string(),
            ];
            row.push(end(of_model.values.first()));
            row.extend(Percentile::ALL.map(percentile));
            row.push(end(of_model.values.last()));
            row
        })
        .collect();
    let headings = [
        "model", "answers", "min", "p50", "p75", "p90", "p95", "p99", "max",
    ];
    let table = plain_table(&format!("{speed} of each model"), &headings, &rows);
    let title = format!("Distribution of {speed} of each model");
    let text = ChartText {
        id: "chart-distribution",
        title: &title,
        description: &description,
        has_marks: true,
    };
    chart(&text, &table, |canvas| draw(canvas, all, speed))
}

impl ModelValues<'_> {
    fn sentence(&self) -> String {
        let percentiles = self.percentiles.iter();
        let parts: Vec<String> = percentiles
            .map(|(percentile, value)| format!("{} {}", percentile.word(), shown_ns(*value)))
            .collect();
        format!("{}: {}", self.model.marked_name(), parts.join(", "))
    }
}

fn draw(canvas: &Canvas, all: &[ModelValues<'_>], speed: &str) -> Drawing {
    let (left, row) = if canvas.is_narrow {
        (40.0, 40.0)
    } else {
        (names_width(all.iter().map(|of_model| of_model.model)), 27.0)
    };
    let right = canvas.width - 8.0;
    let (top, bottom) = (26.0, 26.0 + CURVES);
    let strips = bottom + 14.0;
    let end = strips + row * all.len() as f64;
    let ends = all
        .iter()
        .flat_map(|of_model| [of_model.values.first(), of_model.values.last()]);
    let ends = ends.flatten().map(|value| value.0.max(1_000) as f64);
    let height = end + 44.0;
    let Some(x) = ValueAxis::log(ends, (left, right)) else {
        return Drawing {
            height,
            shapes: html! {},
        };
    };
    let y = |share: f64| bottom - share * (bottom - top);
    let shapes = html! {
        (label(0.0, 13.0, "lab", Anchor::Start, "↑ share of answers up to that time"))
        @for (share, text) in [(0.0, "0 %"), (0.5, "p50"), (0.75, "p75"), (0.95, "p95"), (1.0, "100 %")] {
            (line("grid", (left, y(share)), (right, y(share))))
            @if share < 0.99 || !canvas.is_narrow {
                @let rise = if share > 0.99 { 0.0 } else { 4.0 };
                (label(left - 6.0, y(share) + rise, "tick", Anchor::End, text))
            }
        }
        @for tick in x.ticks(62.0) {
            (line("grid", (x.at(tick), top), (x.at(tick), end)))
            (label(x.at(tick), end + 18.0, "tick", Anchor::Middle, &tick_time(tick)))
        }
        (line("ax", (left, end), (right, end)))
        (label(right, end + 38.0, "lab", Anchor::End, &format!("{speed}, log scale →")))
        // The reference is drawn last, on top of the others.
        @for of_model in all.iter().rev() { (curve(of_model, &x, &y)) }
        @for (index, of_model) in all.iter().enumerate() {
            (strip(canvas, of_model, &x, (strips + row * index as f64, row), left))
        }
        @for of_model in all { (percentile_marks(of_model, &x, &y, speed)) }
    };
    Drawing { height, shapes }
}

fn curve(of_model: &ModelValues<'_>, x: &ValueAxis, y: &impl Fn(f64) -> f64) -> Markup {
    let mut path = String::new();
    for (index, (value, share)) in of_model.steps().into_iter().enumerate() {
        if index == 0 {
            push(
                &mut path,
                format_args!("M{} {}", px(x.at(value)), px(y(0.0))),
            );
        } else {
            push(&mut path, format_args!("H{}", px(x.at(value))));
        }
        push(&mut path, format_args!("V{}", px(y(share))));
    }
    let class = format!("ec {}", of_model.model.class());
    html! { path class=(class) d=(path) data-t=(of_model.sentence()) {} }
}

/// The samples of a model as dots, with bars at p50 and p95, and its name.
fn strip(
    canvas: &Canvas,
    of_model: &ModelValues<'_>,
    x: &ValueAxis,
    (top, row): (f64, f64),
    left: f64,
) -> Markup {
    let model = of_model.model;
    let middle = if canvas.is_narrow {
        top + row - 13.0
    } else {
        top + row / 2.0
    };
    let places = of_model
        .points()
        .into_iter()
        .map(|(index, value)| (x.at(value), middle + jitter(index)));
    html! {
        @if canvas.is_narrow {
            (mark(model, (6.0, top + 9.0), 4.5))
            (label(16.0, top + 13.0, "name", Anchor::Start, &fitted(&model.marked_name(), 300.0, 12.5)))
        } @else {
            (mark(model, (left - 14.0, middle), 4.5))
            (label(left - 26.0, middle + 4.0, "name", Anchor::End, &fitted(&model.marked_name(), left - 26.0, 12.5)))
        }
        (dots(&format!("pt {}", model.class()), places))
        @for (_, value) in of_model.percentiles.iter().filter(|(percentile, _)| *percentile != Percentile::P75) {
            (line("q", (x.at(*value), middle - 8.0), (x.at(*value), middle + 8.0)))
        }
    }
}

fn percentile_marks(
    of_model: &ModelValues<'_>,
    x: &ValueAxis,
    y: &impl Fn(f64) -> f64,
    speed: &str,
) -> Markup {
    html! {
        @for (percentile, value) in &of_model.percentiles {
            @let word = percentile.word();
            @let text = format!("{}: {speed} {word} {}", of_model.model.marked_name(), shown_ns(*value));
            (focusable(&text, "pick", &mark(of_model.model, (x.at(*value), y(percentile.q())), 4.5)))
        }
    }
}

/// The vertical distance of a dot from the middle of its strip: from a hash of its number, so that dots of equal
/// values do not cover each other and every drawing is the same.
fn jitter(index: usize) -> f64 {
    let hash = (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    (hash % 1_000) as f64 / 1_000.0 * 12.0 - 6.0
}
