//! The slowest requests explained: the parts of their time against those of the usual requests.
//!
//! Owns the chart and its sentences. Must not know which requests are slow. Invariant: a sentence names the part
//! that the explanation names.

use maud::{Markup, html};

use crate::threads::Threads;
use crate::units::plural;
use crate::verdict::{MeanParts, RunTimings, TailExplanation, TimePart};

use super::parts::{part_name, parts_bar, parts_cells, parts_headings, parts_key};
use super::roster::{Roster, RosterEntry, shown_time};
use super::scale::ValueAxis;
use super::svg::{Anchor, Canvas, ChartText, Drawing, chart, fitted, label, mark, names_width};
use super::tables::{plain_table, sentences};
use super::timelines::time_grid;

/// Renders the section; nothing where no model has enough requests.
pub(super) fn section(roster: &Roster, timings: &RunTimings) -> Markup {
    let explained = Threads::for_processors().map(&roster.models, |model| {
        Some((model, TailExplanation::new(&timings.variant(model.index))?))
    });
    let explained: Vec<(&RosterEntry, TailExplanation)> = explained.into_iter().flatten().collect();
    if explained.is_empty() {
        return html! {};
    }
    let lines: Vec<String> = explained
        .iter()
        .map(|(model, tail)| sentence(model, tail))
        .collect();
    let description = lines.join(" ");
    let text = ChartText {
        id: "chart-slowest",
        title: "Where the slowest requests spent their time",
        description: &description,
        has_marks: false,
    };
    let rows: Vec<Vec<String>> = explained
        .iter()
        .flat_map(|(model, tail)| {
            [
                ("middle half", &tail.middle),
                ("slowest 5 %", &tail.slowest),
            ]
            .map(|(group, mean)| {
                let counts = [mean.trials, mean.failed].map(|count| count.to_string());
                let names = vec![model.marked_name(), group.to_owned()];
                [names, counts.to_vec(), parts_cells(&mean.parts)].concat()
            })
        })
        .collect();
    let mut headings = vec!["model", "requests", "number", "failed"];
    headings.extend(parts_headings());
    let table = plain_table("Mean parts of requests", &headings, &rows);
    html! {
        section aria-labelledby="slowest" {
            h2 id="slowest" { "The slowest requests" }
            p {
                "Mean time of a request from the moment at which it was due: the middle half of each model against its \
                 slowest 5 %, failures included."
            }
            (chart(&text, &table, |canvas| draw(canvas, &explained)))
            (sentences(&lines))
        }
    }
}

/// The remedy for a long part, or its meaning.
const fn advice(part: TimePart) -> &'static str {
    match part {
        TimePart::Client => "this machine was late: lower `concurrency`, or use a quieter machine",
        TimePart::Retries => "failed attempts, rate limits and the waits for them",
        TimePart::Connect => "new connections: a proxy or the network closes those that are open",
        TimePart::Tls => "TLS handshakes of new connections",
        TimePart::Headers => "network, gateway and provider, before anything came back",
        TimePart::FirstToken => {
            "the provider, after it had accepted the request; hidden reasoning counts here"
        }
        TimePart::Reasoning => "longer or slower reasoning",
        TimePart::Answer => "longer or slower answers",
        TimePart::Stall => "streams that stopped between two chunks",
    }
}

fn sentence(model: &RosterEntry, tail: &TailExplanation) -> String {
    let begin = format!(
        "{}: the slowest {} took {} on average, the middle half {}",
        model.name,
        plural(tail.slowest.trials, "request"),
        shown_time(tail.slowest.total()),
        shown_time(tail.middle.total()),
    );
    match tail.largest_part() {
        Some((part, excess)) => format!(
            "{begin}. The largest part of the excess, {} of {}, is {}: {}.",
            shown_time(excess),
            shown_time(tail.excess()),
            part_name(part),
            advice(part)
        ),
        None => format!("{begin}."),
    }
}

fn draw(canvas: &Canvas, explained: &[(&RosterEntry, TailExplanation)]) -> Drawing {
    let (key, key_height) = parts_key(canvas);
    let (left, row) = if canvas.is_narrow {
        (2.0, 66.0)
    } else {
        (names_width(explained.iter().map(|(model, _)| *model)), 46.0)
    };
    let right = canvas.width - if canvas.is_narrow { 130.0 } else { 190.0 };
    let top = key_height + 8.0;
    let end = top + row * explained.len() as f64;
    let totals = explained
        .iter()
        .flat_map(|(_, tail)| [tail.middle.total(), tail.slowest.total()]);
    let axis = ValueAxis::from_zero(totals.map(|total| total.0 as f64), (left, right));
    let shapes = html! {
        (key)
        (time_grid(&axis, (top, end)))
        (label(right, end + 38.0, "lab", Anchor::End, "mean time of a request →"))
        @for (index, (model, tail)) in explained.iter().enumerate() {
            @let begin = top + row * index as f64;
            @let bars = if canvas.is_narrow { begin + 22.0 } else { begin + 5.0 };
            @if canvas.is_narrow {
                (mark(model, (6.0, begin + 11.0), 4.5))
                (label(16.0, begin + 15.0, "name", Anchor::Start, &fitted(&model.marked_name(), 330.0, 12.5)))
            } @else {
                (mark(model, (left - 12.0, begin + 20.0), 4.5))
                (label(left - 24.0, begin + 24.0, "name", Anchor::End, &fitted(&model.marked_name(), left - 26.0, 12.5)))
            }
            (mean_bar(&axis, "middle half", &tail.middle, bars))
            (mean_bar(&axis, "slowest 5 %", &tail.slowest, bars + 18.0))
        }
    };
    Drawing {
        height: end + 44.0,
        shapes,
    }
}

fn mean_bar(axis: &ValueAxis, group: &str, mean: &MeanParts, top: f64) -> Markup {
    let total = mean.total();
    html! {
        (parts_bar(group, &mean.parts, axis, (top, 14.0)))
        (label(axis.at(total.0 as f64) + 6.0, top + 11.0, "tick", Anchor::Start,
            &format!("{}, {group}", shown_time(total))))
    }
}
