//! The load section of the page: how times grow with load, and a table of the stages.
//!
//! Owns the chart. Must not know how a figure was computed. Invariant: a run without a load has no section; a stage without
//! enough answers has no point.

use maud::{Markup, html};

use crate::report::view::View;
use crate::stats::quantile::Percentile;
use crate::verdict::{LoadSummary, RunSummary};

use super::labels::Area;
use super::roster::{Roster, RosterEntry, shown_ns, tick_time};
use super::scale::ValueAxis;
use super::svg::{Anchor, Canvas, ChartText, Drawing, chart, focusable, label, line, mark};
use super::tables::{figure_table, plain_table, sentences};

/// Size of a mark.
const MARK_SIZE: f64 = 4.5;

/// A stage of one model in the chart.
struct LoadMark<'a> {
    model: &'a RosterEntry,
    /// Index of the stage.
    stage: usize,
    /// Requests in flight, or per second.
    level: f64,
    /// Response TTFT p95, ns; latency where nothing was streamed.
    time: f64,
    text: String,
}

/// Renders the section; nothing for a run without a load.
pub(super) fn section(roster: &Roster, view: &View, summary: &RunSummary) -> Markup {
    let (Some(section), Some(load)) = (&view.load, &summary.load) else {
        return html! {};
    };
    let marks = marks(roster, load);
    html! {
        section aria-labelledby="load" {
            h2 id="load" { "Load" }
            (sentences(&section.sentences))
            @if load.stages.len() > 1 && !marks.is_empty() { (load_chart(load, &marks)) }
            (figure_table("Stages of the load", &roster.sorted(&section.table), true))
            (sentences(&section.legend))
        }
    }
}

fn marks<'a>(roster: &'a Roster, load: &LoadSummary) -> Vec<LoadMark<'a>> {
    let mut marks = Vec::new();
    for model in &roster.models {
        for (stage, of_stage) in load.stages.iter().enumerate() {
            let figures = of_stage
                .variants
                .iter()
                .find(|one| one.label == model.label);
            let time = figures.and_then(|figures| {
                let times = figures.ttft.as_ref().or(figures.latency.as_ref())?;
                let p95 = times.percentile(Percentile::P95);
                Some(p95.or_else(|| times.percentile(Percentile::P50))?.value)
            });
            let Some(time) = time.filter(|time| *time > 0.0) else {
                continue;
            };
            let at = &of_stage.planned.stage;
            marks.push(LoadMark {
                model,
                stage,
                level: at.level(),
                time,
                text: format!("{}, {at}: {}", model.marked_name(), shown_ns(time)),
            });
        }
    }
    marks
}

fn load_chart(load: &LoadSummary, marks: &[LoadMark<'_>]) -> Markup {
    let texts: Vec<&str> = marks.iter().map(|mark| mark.text.as_str()).collect();
    let description = format!(
        "Response TTFT p95 of each stage against its load, both on logarithmic scales. {}.",
        texts.join("; ")
    );
    let rows = marks.iter().map(|mark| {
        let stage = load.stages[mark.stage].planned.stage.to_string();
        vec![mark.model.marked_name(), stage, shown_ns(mark.time)]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let table = plain_table(
        "Response TTFT by load",
        &["model", "load", "TTFT p95"],
        &rows,
    );
    let text = ChartText {
        id: "chart-load",
        title: "Response TTFT by load",
        description: &description,
        has_marks: true,
    };
    chart(&text, &table, |canvas| draw(canvas, marks))
}

fn draw(canvas: &Canvas, marks: &[LoadMark<'_>]) -> Drawing {
    let area = Area {
        left: if canvas.is_narrow { 48.0 } else { 64.0 },
        top: 28.0,
        right: canvas.width - 12.0,
        bottom: if canvas.is_narrow { 260.0 } else { 300.0 },
    };
    let height = area.bottom + 44.0;
    let levels = marks.iter().map(|mark| mark.level);
    let times = marks.iter().map(|mark| mark.time);
    let axes = ValueAxis::log(levels, (area.left + 12.0, area.right - 12.0))
        .zip(ValueAxis::log(times, (area.bottom - 8.0, area.top + 8.0)));
    let Some((x, y)) = axes else {
        return Drawing {
            height,
            shapes: html! {},
        };
    };
    let at = |mark: &LoadMark<'_>| (x.at(mark.level), y.at(mark.time));
    let is_next = |pair: &&[LoadMark<'_>]| {
        pair[0].model.index == pair[1].model.index && pair[0].level < pair[1].level
    };
    let shapes = html! {
        (line("ax", (area.left, area.bottom), (area.right, area.bottom)))
        @for tick in x.ticks(60.0) {
            (line("ax", (x.at(tick), area.bottom), (x.at(tick), area.bottom + 5.0)))
            (label(x.at(tick), area.bottom + 18.0, "tick", Anchor::Middle, &format!("{tick}")))
        }
        @for tick in y.ticks(34.0) {
            (line("grid", (area.left, y.at(tick)), (area.right, y.at(tick))))
            (label(area.left - 6.0, y.at(tick) + 4.0, "tick", Anchor::End, &tick_time(tick)))
        }
        (label(if canvas.is_narrow { 0.0 } else { 24.0 }, 14.0, "lab", Anchor::Start, "↑ response TTFT p95, log scale"))
        (label(area.right, area.bottom + 38.0, "lab", Anchor::End, "requests in flight, or per second, log scale →"))
        @for pair in marks.windows(2).filter(is_next) {
            g.(pair[0].model.class()) { (line("iv", at(&pair[0]), at(&pair[1]))) }
        }
        @for one in marks {
            (focusable(&one.text, &format!("pick {}", one.model.class()), &mark(one.model, at(one), MARK_SIZE)))
        }
        @for one in last_marks(marks) {
            @let name = one.model.marked_name();
            (label(at(one).0 - 8.0, at(one).1 - 8.0, "name halo", Anchor::End, &name))
        }
    };
    Drawing { height, shapes }
}

/// The mark of the highest stage of each model, which bears its name.
fn last_marks<'m, 'a>(marks: &'m [LoadMark<'a>]) -> impl Iterator<Item = &'m LoadMark<'a>> {
    let is_last = |(place, one): &(usize, &LoadMark<'_>)| {
        marks
            .get(place + 1)
            .is_none_or(|next| next.model.index != one.model.index)
    };
    marks.iter().enumerate().filter(is_last).map(|(_, one)| one)
}
