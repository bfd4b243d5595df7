//! The timelines of the slowest requests, and the run over time.
//!
//! Owns which requests are drawn, and the bands of the run. Must not know how a request's time was split.
//! Invariant: every failed request within the limit is drawn, and the slowest before any other.

use maud::{Markup, html};

use crate::report::figure::{Figure, Thousandths};
use crate::threads::Threads;
use crate::units::{Nanos, one_line, plural};
use crate::verdict::{LevelDrift, PromptSummaries, RunTimings, TrialTiming};

use super::parts::{parts_bar, parts_cells, parts_headings, parts_key};
use super::roster::{Roster, RosterEntry, shown_time, tick_time};
use super::scale::ValueAxis;
use super::svg::{
    Anchor, Canvas, ChartText, Drawing, chart, crosses, dots, fitted, label, line, mark,
    names_width, push, px, squares, text_width,
};
use super::tables::plain_table;

/// Requests that are drawn of a run with one model.
const ALONE: usize = 10;
/// Requests that are drawn of each model otherwise.
const EACH: usize = 2;
/// Maximum points of a band of the run over time, failures and retries not counted.
const MAX_POINTS: usize = 200;
/// Maximum failures, and maximum retries, of a band.
const MAX_EVENTS: usize = 100;
/// Width of the running median.
const WINDOW: usize = 25;

/// Renders both sections.
pub(super) fn sections(
    roster: &Roster,
    prompts: PromptSummaries<'_>,
    timings: &RunTimings,
) -> Markup {
    let slowest = slowest(roster, timings);
    html! {
        @if !slowest.is_empty() {
            section aria-labelledby="timelines" {
                h2 id="timelines" { "Timelines" }
                p {
                    @if roster.models.len() > 1 { "The two slowest requests of each model" }
                    @else { "The " (plural(slowest.len() as u64, "slowest request")) }
                    ", from the moment at which they were due to their end. Gateway and provider cannot be separated: \
                     both are in the time to the headers and to the first token."
                }
                (timeline_chart(&slowest, prompts))
            }
            section aria-labelledby="course" {
                h2 id="course" { "The run over time" }
                (course(roster, timings))
            }
        }
    }
}

/// The slowest requests, model by model.
fn slowest<'a>(
    roster: &'a Roster,
    timings: &'a RunTimings,
) -> Vec<(&'a RosterEntry, TrialTiming<'a>)> {
    let count = if roster.models.len() > 1 { EACH } else { ALONE };
    let of_models = Threads::for_processors().map(&roster.models, |model| {
        let trials = timings.variant(model.index).slowest(count);
        let trials = trials.into_iter().map(move |trial| (model, trial));
        trials.collect::<Vec<_>>()
    });
    of_models.into_iter().flatten().collect()
}

/// The words behind a bar: its length, its attempts, its failure.
fn ending(trial: &TrialTiming<'_>) -> String {
    let mut text = shown_time(trial.total());
    if trial.is_retried() {
        push(
            &mut text,
            format_args!(", {} attempts", trial.observation.attempts()),
        );
    }
    if !trial.observation.outcome.answered() {
        let outcome = trial.observation.outcome.word().replace('_', " ");
        push(&mut text, format_args!(", ✕ {outcome}"));
    }
    text
}

fn timeline_chart(
    slowest: &[(&RosterEntry, TrialTiming<'_>)],
    prompts: PromptSummaries<'_>,
) -> Markup {
    let prompt = |trial: &TrialTiming<'_>| one_line(prompts.id(trial.prompt as usize)).into_owned();
    let names: Vec<String> = slowest
        .iter()
        .map(|(model, trial)| format!("{} · {}", model.name, prompt(trial)))
        .collect();
    let texts: Vec<String> = names
        .iter()
        .zip(slowest)
        .map(|(name, (_, trial))| format!("{name}: {}", ending(trial)))
        .collect();
    let rows: Vec<Vec<String>> = slowest
        .iter()
        .map(|(model, trial)| {
            let mut row = vec![
                model.marked_name(),
                prompt(trial),
                trial.observation.round.to_string(),
            ];
            row.push(trial.observation.outcome.word().to_owned());
            row.extend(parts_cells(&trial.parts()));
            row
        })
        .collect();
    let mut headings = vec!["model", "prompt", "repetition", "outcome"];
    headings.extend(parts_headings());
    let description = texts.join("; ");
    let text = ChartText {
        id: "chart-timelines",
        title: "Timelines of the slowest requests",
        description: &description,
        has_marks: false,
    };
    let table = plain_table("Parts of the slowest requests", &headings, &rows);
    chart(&text, &table, |canvas| {
        draw_timelines(canvas, slowest, &names)
    })
}

fn draw_timelines(
    canvas: &Canvas,
    slowest: &[(&RosterEntry, TrialTiming<'_>)],
    names: &[String],
) -> Drawing {
    let (key, key_height) = parts_key(canvas);
    let widths = names.iter().map(|name| text_width(name, 12.5));
    let longest_name = widths.fold(0.0, f64::max);
    let (left, row) = if canvas.is_narrow {
        (2.0, 42.0)
    } else {
        (longest_name.clamp(120.0, 280.0) + 24.0, 26.0)
    };
    let longest = slowest
        .iter()
        .map(|(_, trial)| text_width(&ending(trial), 12.0))
        .fold(0.0, f64::max);
    let reserve = if canvas.is_narrow {
        8.0
    } else {
        longest.min(230.0) + 12.0
    };
    let right = canvas.width - reserve;
    let top = key_height + 8.0;
    let end = top + row * slowest.len() as f64;
    let totals = slowest.iter().map(|(_, trial)| trial.total().0 as f64);
    let axis = ValueAxis::from_zero(totals, (left, right));
    let shapes = html! {
        (key)
        (time_grid(&axis, (top, end)))
        (label(right, end + 38.0, "lab", Anchor::End, "time since the request was due →"))
        @for (index, ((model, trial), name)) in slowest.iter().zip(names).enumerate() {
            @let begin = top + row * index as f64;
            @let bar = if canvas.is_narrow { begin + 22.0 } else { begin + 5.0 };
            @let parts = trial.parts();
            @if canvas.is_narrow {
                (mark(model, (6.0, begin + 11.0), 4.5))
                (label(16.0, begin + 15.0, "name", Anchor::Start, &fitted(&format!("{name}: {}", ending(trial)), 334.0, 12.0)))
            } @else {
                (mark(model, (left - 10.0, begin + 13.0), 4.5))
                (label(left - 22.0, begin + 17.0, "name", Anchor::End, &fitted(name, left - 24.0, 12.5)))
                (label(axis.at(trial.total().0 as f64) + 6.0, begin + 17.0, "tick", Anchor::Start, &fitted(&ending(trial), 230.0, 12.0)))
            }
            (parts_bar(name, &parts, &axis, (bar, 15.0)))
        }
    };
    Drawing {
        height: end + 44.0,
        shapes,
    }
}

/// Vertical lines and texts of an axis of times that begins at 0.
pub(super) fn time_grid(axis: &ValueAxis, (top, end): (f64, f64)) -> Markup {
    let ticks = axis.ticks(60.0);
    html! {
        @for tick in &ticks {
            (line("grid", (axis.at(*tick), top), (axis.at(*tick), end)))
            (label(axis.at(*tick), end + 18.0, "tick", if *tick > 0.0 { Anchor::Middle } else { Anchor::Start },
                &tick_time(*tick)))
        }
        (line("ax", (axis.from, end), (axis.to, end)))
    }
}

/// The marks of one model over the run.
struct CourseBand<'a> {
    model: &'a RosterEntry,
    /// Moments and values of answers, thinned.
    points: Vec<(Nanos, Nanos)>,
    /// The running median.
    medians: Vec<(Nanos, Nanos)>,
    failed: Vec<Nanos>,
    retried: Vec<(Nanos, Nanos)>,
    paused: Vec<Nanos>,
    drift: Option<LevelDrift>,
    counts: [usize; 4],
}

impl<'a> CourseBand<'a> {
    fn new(model: &'a RosterEntry, roster: &Roster, timings: &RunTimings) -> Self {
        let of_model = timings.variant(model.index);
        let trials = || of_model.trials();
        let measured =
            |trial: TrialTiming<'_>| Some((trial.observation.due_ns, trial.speed(roster.speed)?));
        let values: Vec<(Nanos, Nanos)> = trials().filter_map(measured).collect();
        let retried = trials().filter(TrialTiming::is_retried);
        let retried: Vec<(Nanos, Nanos)> = retried.filter_map(measured).collect();
        let failed = trials().filter(|trial| !trial.observation.outcome.answered());
        let failed: Vec<Nanos> = failed.map(|trial| trial.observation.due_ns).collect();
        let paused = trials().filter(|trial| trial.observation.paused);
        let paused: Vec<Nanos> = paused.map(|trial| trial.observation.due_ns).collect();
        Self {
            model,
            counts: [values.len(), failed.len(), retried.len(), paused.len()],
            medians: running_medians(&values),
            points: notable(&values),
            failed: thinned(&failed, MAX_EVENTS),
            retried: thinned(&retried, MAX_EVENTS),
            paused: thinned(&paused, MAX_EVENTS),
            drift: of_model.drift(roster.speed),
        }
    }
}

/// At most this many of some values, evenly.
fn thinned<T: Copy>(values: &[T], max: usize) -> Vec<T> {
    let count = values.len();
    if count <= max {
        return values.to_vec();
    }
    (0..max).map(|place| values[place * count / max]).collect()
}

/// The slowest values and an even choice of the others, in the order of time.
fn notable(values: &[(Nanos, Nanos)]) -> Vec<(Nanos, Nanos)> {
    if values.len() <= MAX_POINTS {
        return values.to_vec();
    }
    let slowest = values.len().div_ceil(20).min(MAX_POINTS / 2);
    let mut order: Vec<usize> = (0..values.len()).collect();
    // Of equal values the earlier ones.
    order.select_nth_unstable_by_key(slowest, |&index| {
        (std::cmp::Reverse(values[index].1), index)
    });
    let (first, rest) = order.split_at_mut(slowest);
    rest.sort_unstable();
    let mut chosen = [&*first, &thinned(rest, MAX_POINTS - slowest)].concat();
    chosen.sort_unstable();
    chosen.into_iter().map(|index| values[index]).collect()
}

/// The median of the [`WINDOW`] values around a value, fewer at both ends, at the moment of that value.
fn running_medians(values: &[(Nanos, Nanos)]) -> Vec<(Nanos, Nanos)> {
    // Windows that are not drawn need not be sorted.
    let stride = values.len().div_ceil(MAX_POINTS).max(1);
    let indices = (0..values.len()).step_by(stride);
    indices
        .filter(|_| values.len() >= WINDOW)
        .map(|index| {
            let from = index.saturating_sub(WINDOW / 2);
            let to = (index + WINDOW / 2 + 1).min(values.len());
            let mut sorted: Vec<Nanos> = values[from..to].iter().map(|(_, value)| *value).collect();
            sorted.sort_unstable();
            (values[index].0, sorted[sorted.len() / 2])
        })
        .collect()
}

fn course(roster: &Roster, timings: &RunTimings) -> Markup {
    let bands = Threads::for_processors().map(&roster.models, |model| {
        CourseBand::new(model, roster, timings)
    });
    let speed = roster.speed_name();
    let drifts: Vec<String> = bands.iter().filter_map(drift_sentence).collect();
    let drawn_less = bands.iter().any(|band| band.counts[0] > MAX_POINTS);
    let texts: Vec<String> = bands
        .iter()
        .map(|band| {
            let [answers, failed, retried, paused] = band.counts;
            format!(
                "{}: {}, {failed} failed, {retried} retried, {paused} while this process paused",
                band.model.name,
                plural(answers as u64, "answer")
            )
        })
        .collect();
    let description = format!(
        "{speed} of each answer by the moment at which it was due. {}.",
        texts.join("; ")
    );
    let rows: Vec<Vec<String>> = bands
        .iter()
        .map(|band| {
            let drift = band.drift.map_or_else(
                || "none found".to_owned(),
                |drift| format!("{} after {}", ratio_text(drift.ratio), shown_time(drift.at)),
            );
            let counts = band.counts.map(|count| count.to_string());
            [vec![band.model.marked_name()], counts.to_vec(), vec![drift]].concat()
        })
        .collect();
    let headings = ["model", "answers", "failed", "retried", "paused", "drift"];
    let table = plain_table("Events of the run", &headings, &rows);
    let text = ChartText {
        id: "chart-course",
        title: "The run over time",
        description: &description,
        has_marks: false,
    };
    html! {
        p {
            (speed) ", logarithmic scale, by the moment at which a request was due. Line: running median of " (WINDOW)
            ". ✕ failed, □ retried"
            @if bands.iter().any(|band| band.counts[3] > 0) { ", dashed: this process did not run" }
            "."
            @if drawn_less { " At most " (MAX_POINTS) " answers of a model are drawn; the line is of all." }
        }
        @for sentence in &drifts { p.note { (sentence) } }
        (chart(&text, &table, |canvas| draw_course(canvas, &bands)))
    }
}

fn ratio_text(ratio: f64) -> String {
    Figure::from_option(Some(ratio), |value: Thousandths| Figure::Ratio(value)).shown()
}

fn drift_sentence(band: &CourseBand<'_>) -> Option<String> {
    let drift = band.drift?;
    Some(format!(
        "{} drifted: its level after {} is {} the level before, beyond chance at 1 %.",
        band.model.name,
        shown_time(drift.at),
        ratio_text(drift.ratio)
    ))
}

fn draw_course(canvas: &Canvas, bands: &[CourseBand<'_>]) -> Drawing {
    let (left, band_height) = if canvas.is_narrow {
        (50.0, 84.0)
    } else {
        (
            names_width(bands.iter().map(|band| band.model)).max(150.0),
            72.0,
        )
    };
    let right = canvas.width - 8.0;
    let head = if canvas.is_narrow { 20.0 } else { 8.0 };
    let end = 6.0 + band_height * bands.len() as f64;
    let height = end + 44.0;
    let moments = bands.iter().flat_map(|band| {
        let points = band.points.iter().map(|(due, _)| *due);
        points.chain(band.failed.iter().copied())
    });
    let moments: Vec<f64> = moments.map(|due| due.0 as f64).collect();
    let ends = (left, right);
    // Warm-up comes before the first request: an axis from 0 would be empty there.
    let x = ValueAxis::linear(moments.iter().copied(), ends);
    let x = x.unwrap_or_else(|| ValueAxis::from_zero(moments, ends));
    let values = || {
        bands
            .iter()
            .flat_map(|band| &band.points)
            .map(|(_, value)| value.0.max(1_000) as f64)
    };
    let shapes = html! {
        (time_grid(&x, (6.0, end)))
        (label(right, end + 38.0, "lab", Anchor::End, "time since the run began →"))
        @for (index, band) in bands.iter().enumerate() {
            @let top = 6.0 + band_height * index as f64;
            @let y = ValueAxis::log(values(), (top + band_height - 8.0, top + head + 10.0));
            (line("grid", (left, top + band_height), (right, top + band_height)))
            @if canvas.is_narrow {
                (mark(band.model, (6.0, top + 9.0), 4.5))
                (label(16.0, top + 13.0, "name", Anchor::Start, &fitted(&band.model.marked_name(), 320.0, 12.5)))
            } @else {
                (label(0.0, top + 16.0, "name", Anchor::Start, &fitted(&band.model.marked_name(), left - 4.0, 12.5)))
            }
            @if let Some(y) = y { (draw_band(band, &x, &y, (left, top + head, top + band_height))) }
        }
    };
    Drawing { height, shapes }
}

fn draw_band(
    band: &CourseBand<'_>,
    x: &ValueAxis,
    y: &ValueAxis,
    (left, top, end): (f64, f64, f64),
) -> Markup {
    let at = |&(due, value): &(Nanos, Nanos)| (x.at(due.0 as f64), y.at(value.0 as f64));
    let mut path = String::new();
    for (index, point) in band.medians.iter().enumerate() {
        let (px_x, px_y) = at(point);
        let command = if index == 0 { 'M' } else { 'L' };
        push(
            &mut path,
            format_args!("{command}{} {}", px(px_x), px(px_y)),
        );
    }
    let ticks = y.ticks(22.0);
    let ticks = match ticks.as_slice() {
        [first, .., last] => vec![*first, *last],
        ticks => ticks.to_vec(),
    };
    html! {
        @for tick in ticks { (label(left - 6.0, y.at(tick) + 4.0, "tick", Anchor::End, &tick_time(tick))) }
        @for due in &band.paused {
            @let place = x.at(due.0 as f64);
            (line("pause", (place, top), (place, end)))
        }
        @if let Some(drift) = band.drift {
            @let place = x.at(drift.at.0 as f64);
            (line("drift", (place, top), (place, end)))
        }
        (dots(&format!("pt {}", band.model.class()), band.points.iter().map(at)))
        @if !path.is_empty() { path.run d=(path) {} }
        (squares("retry", band.retried.iter().map(at)))
        (crosses("bad", band.failed.iter().map(|due| (x.at(due.0 as f64), top + 3.0))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_drops_the_usual_values_first() {
        // A reader looks for the slow ones: these are drawn whatever their number.
        let values: Vec<(Nanos, Nanos)> = (0..10_000)
            .map(|index| {
                (
                    Nanos(index),
                    Nanos(if index % 100 == 3 {
                        9_000
                    } else {
                        100 + index % 50
                    }),
                )
            })
            .collect();
        let chosen = notable(&values);
        assert_eq!(chosen.len(), MAX_POINTS);
        assert!(chosen.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(
            chosen.iter().filter(|(_, value)| value.0 == 9_000).count(),
            100
        );
    }
}
