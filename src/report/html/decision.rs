//! The decision charts: what a model costs against how fast it is, and how often it is right.
//!
//! Owns the marks of the charts and the frontier within each. Must not know how costs and times were computed. Invariant: a
//! model without a price or a time is named below the chart, never drawn at 0.

mod points;

use maud::{Markup, html};

use crate::report::figure::Figure;
use crate::stats::interval::Interval;
use crate::verdict::{Frontier, FrontierStanding, RunSummary};

use super::labels::{Area, place};
use super::roster::{Roster, RosterEntry, shown_ns, tick_money};
use super::scale::ValueAxis;
use super::svg::{
    Anchor, Canvas, ChartText, Drawing, chart, fitted, focusable, label, line, mark, push, px,
    text_width,
};
use super::tables::plain_table;
pub(in crate::report::html) use points::mean_cost;
use points::{DecisionAxes, DecisionPoint, DecisionWords, points};

/// Size of the names in the chart.
const NAME_SIZE: f64 = 12.5;

/// Renders the section; nothing for one model.
pub(super) fn section(roster: &Roster, summary: &RunSummary, standings: &Frontier) -> Markup {
    if roster.models.len() < 2 {
        return html! {};
    }
    let speed = roster.speed_name();
    let is_graded = standings.has_quality;
    let axes = if is_graded {
        DecisionAxes::PassedCostAndSpeed
    } else {
        DecisionAxes::CostAndSpeed
    };
    let (drawn, missing) = points(roster, summary, axes);
    let (graded, _) = if is_graded {
        points(roster, summary, DecisionAxes::CostAndQuality)
    } else {
        (Vec::new(), Vec::new())
    };
    let value = format!("{speed} p50");
    let words = DecisionWords {
        axes,
        value: &value,
        per: if is_graded {
            "per passed answer"
        } else {
            "per request"
        },
    };
    let quality = DecisionWords {
        axes: DecisionAxes::CostAndQuality,
        value: "not passed",
        per: "per request",
    };
    html! {
        section aria-labelledby="decision" {
            h2 id="decision" { @if is_graded { "Quality, cost and speed" } @else { "Cost and speed" } }
            @if drawn.len() < 2 {
                p { "Fewer than two models have both a price and a time, so that there is nothing to weigh." }
            } @else {
                p {
                    "Left costs less, down is faster. Crosses are 95 % intervals; the dotted lines pass through the \
                     reference. "
                    @if is_graded { "The cost is that of an answer that passed: failures, retries and wrong answers are paid for. " }
                    (frontier_sentence(&drawn, "is faster"))
                }
                (decision_chart(roster, &drawn, words, standings))
            }
            @if graded.len() >= 2 {
                p { "Left costs less, down is right more often. " (frontier_sentence(&graded, "has a higher pass rate")) }
                (decision_chart(roster, &graded, quality, standings))
                p { (dominated_sentence(roster, standings)) }
            }
            @for (name, what) in &missing { p.note { (name) " is not in the chart: " (what) "." } }
            @if roster.models.iter().all(|model| mean_cost(model.summary(summary)).is_none()) {
                p.note {
                    "No model has a known price; " (speed) " alone is compared below. Prices can be declared in "
                    code { "bakeoff.toml" } "."
                }
            }
        }
    }
}

/// The models that another one beats in quality, speed and cost together.
fn dominated_sentence(roster: &Roster, standings: &Frontier) -> String {
    let name = |index: usize| {
        let mut models = roster.models.iter();
        models
            .find(|model| model.index == index)
            .map_or("", |model| model.name.as_str())
    };
    let dominated: Vec<String> = dominators(standings)
        .map(|(index, by)| format!("{} (by {})", name(index), name(by)))
        .collect();
    if dominated.is_empty() {
        return "By pass rate, speed and cost together no model is dominated by another."
            .to_owned();
    }
    format!(
        "By pass rate, speed and cost together these are dominated, and drawn faint: {}.",
        dominated.join(", ")
    )
}

/// The dominated variants, each with its dominator.
fn dominators(standings: &Frontier) -> impl Iterator<Item = (usize, usize)> {
    let all = standings.standings.iter().enumerate();
    all.filter_map(|(index, standing)| match standing {
        FrontierStanding::Dominated(by) => Some((index, *by)),
        FrontierStanding::OnFrontier | FrontierStanding::Unknown => None,
    })
}

/// The models that no other beats in both values, by cost.
fn frontier<'a, 'b>(points: &'b [DecisionPoint<'a>]) -> Vec<&'b DecisionPoint<'a>> {
    let mut sorted: Vec<&DecisionPoint<'_>> = points.iter().collect();
    sorted.sort_by(|a, b| a.cost.total_cmp(&b.cost).then(a.value.total_cmp(&b.value)));
    let mut best = f64::INFINITY;
    sorted.retain(|point| {
        let is_better = point.value < best;
        best = best.min(point.value);
        is_better
    });
    sorted
}

/// The frontier of a chart; `better`: what one model does better than another beside its cost.
fn frontier_sentence(points: &[DecisionPoint<'_>], better: &str) -> String {
    let names: Vec<&str> = frontier(points)
        .iter()
        .map(|point| point.model.name.as_str())
        .collect();
    let max = match better {
        "is faster" => "is the fastest",
        _ => "passes most often",
    };
    match names.as_slice() {
        [name] => format!(
            "{name} costs least and {max}: it is the whole frontier, and every other model lies in the \
             shaded area."
        ),
        names => format!(
            "The frontier is {}: each other model lies in the shaded area, where one of these costs less and {better}.",
            names.join(", ")
        ),
    }
}

fn decision_chart(
    roster: &Roster,
    points: &[DecisionPoint<'_>],
    words: DecisionWords<'_>,
    standings: &Frontier,
) -> Markup {
    let texts: Vec<String> = points.iter().map(|point| point.text(words)).collect();
    let value_words = match words.axes {
        DecisionAxes::CostAndQuality => "share of answers that did not pass".to_owned(),
        _ => format!(
            "median {}, both on logarithmic scales",
            roster.speed_words()
        ),
    };
    let cost_words = match words.axes {
        DecisionAxes::PassedCostAndSpeed => "Cost of an answer that passed",
        _ => "Mean cost per request",
    };
    let description = format!("{cost_words} against {value_words}. {}.", texts.join("; "));
    let is_on_frontier = |point: &DecisionPoint<'_>| {
        frontier(points)
            .iter()
            .any(|other| other.model.index == point.model.index)
    };
    let rows: Vec<Vec<String>> = points
        .iter()
        .map(|point| {
            vec![
                point.model.marked_name(),
                point.cost_cell(words.axes).shown(true),
                point.value_cell(words.axes).shown(true),
                if is_on_frontier(point) { "yes" } else { "no" }.to_owned(),
            ]
        })
        .collect();
    let (id, title, caption, cost_heading) = match words.axes {
        DecisionAxes::CostAndSpeed => (
            "chart-decision",
            "Cost and speed of each model",
            "Cost and speed, with 95 % intervals",
            "cost/request",
        ),
        DecisionAxes::PassedCostAndSpeed => (
            "chart-decision",
            "Cost of a passed answer and speed of each model",
            "Cost and speed, with 95 % intervals of times",
            "cost/passed answer",
        ),
        DecisionAxes::CostAndQuality => (
            "chart-quality",
            "Cost and quality of each model",
            "Cost and quality, with 95 % intervals",
            "cost/request",
        ),
    };
    let headings = ["model", cost_heading, words.value, "on the frontier"];
    let table = plain_table(caption, &headings, &rows);
    let text = ChartText {
        id,
        title,
        description: &description,
        has_marks: true,
    };
    chart(&text, &table, |canvas| {
        draw(canvas, points, words, standings)
    })
}

/// The plot area of the chart.
struct Plot {
    area: Area,
    x: ValueAxis,
    y: ValueAxis,
    /// The place of models that cost nothing, left of the axis.
    free: Option<f64>,
}

impl Plot {
    fn new(canvas: &Canvas, points: &[DecisionPoint<'_>], axes: DecisionAxes) -> Option<Self> {
        let area = Area {
            left: if canvas.is_narrow { 48.0 } else { 64.0 },
            top: 28.0,
            right: canvas.width - 12.0,
            bottom: if canvas.is_narrow { 300.0 } else { 348.0 },
        };
        let has_free = points.iter().any(|point| point.cost <= 0.0);
        let from = if has_free {
            area.left + 54.0
        } else {
            area.left
        };
        let ends = |value: f64, interval: Interval| {
            [Some(value), interval.lower, interval.upper]
                .into_iter()
                .flatten()
        };
        let costs = points
            .iter()
            .flat_map(|point| ends(point.cost, point.cost_interval));
        let values = points
            .iter()
            .flat_map(|point| ends(point.value, point.value_interval));
        let x = ValueAxis::log(costs, (from, area.right))
            .or_else(|| ValueAxis::linear([0.0, 1.0], (from, area.right)));
        Some(Self {
            x: x?,
            y: match axes {
                DecisionAxes::CostAndQuality => {
                    ValueAxis::from_zero(values, (area.bottom, area.top))
                }
                _ => ValueAxis::log(values, (area.bottom, area.top))?,
            },
            free: has_free.then_some(area.left + 24.0),
            area,
        })
    }

    fn at(&self, point: &DecisionPoint<'_>) -> (f64, f64) {
        let x = match self.free {
            Some(free) if point.cost <= 0.0 => free,
            _ => self.x.at(point.cost),
        };
        (x, self.y.at(point.value))
    }
}

fn draw(
    canvas: &Canvas,
    points: &[DecisionPoint<'_>],
    words: DecisionWords<'_>,
    standings: &Frontier,
) -> Drawing {
    let height = if canvas.is_narrow { 352.0 } else { 400.0 };
    let Some(plot) = Plot::new(canvas, points, words.axes) else {
        return Drawing {
            height,
            shapes: html! {},
        };
    };
    let Area {
        left,
        top,
        right,
        bottom,
    } = plot.area;
    let (dominated, step) = frontier_paths(&plot, points);
    let shapes = html! {
        path.dom d=(dominated) {}
        path.front d=(step) {}
        (axes(canvas, &plot, words))
        @for point in points.iter().filter(|point| point.model.is_reference) {
            @let (x, y) = plot.at(point);
            (line("refl", (x, top), (x, bottom)))
            (line("refl", (left, y), (right, y)))
        }
        (marks(&plot, points, words, standings))
    };
    Drawing { height, shapes }
}

/// The outline of the dominated area, and the frontier as a line of steps.
fn frontier_paths(plot: &Plot, points: &[DecisionPoint<'_>]) -> (String, String) {
    let Area { top, right, .. } = plot.area;
    let mut step = String::new();
    for (index, point) in frontier(points).into_iter().enumerate() {
        let (x, y) = plot.at(point);
        if index == 0 {
            push(&mut step, format_args!("M{} {}V{}", px(x), px(top), px(y)));
        } else {
            push(&mut step, format_args!("H{}V{}", px(x), px(y)));
        }
    }
    push(&mut step, format_args!("H{}", px(right)));
    (format!("{step}V{}Z", px(top)), step)
}

fn axes(canvas: &Canvas, plot: &Plot, words: DecisionWords<'_>) -> Markup {
    let Area {
        left,
        top,
        right,
        bottom,
    } = plot.area;
    let has_priced = plot.x.ticks(70.0);
    let cost = match words.axes {
        DecisionAxes::PassedCostAndSpeed => "cost per passed answer, log scale →",
        _ => "mean cost per request, log scale →",
    };
    let value = match words.axes {
        DecisionAxes::CostAndQuality => "↑ answers that did not pass".to_owned(),
        _ => format!("↑ {}, log scale", words.value),
    };
    html! {
        (line("ax", (left, bottom), (right, bottom)))
        @for tick in has_priced {
            @let x = plot.x.at(tick);
            (line("ax", (x, bottom), (x, bottom + 5.0)))
            (label(x, bottom + 18.0, "tick", Anchor::Middle, &tick_money(tick)))
        }
        @if let Some(x) = plot.free {
            (label(x, bottom + 18.0, "tick", Anchor::Middle, "free"))
            (line("grid", (left + 48.0, top), (left + 48.0, bottom)))
        }
        @for tick in plot.y.ticks(34.0) {
            @let y = plot.y.at(tick);
            (line("grid", (left, y), (right, y)))
            (label(left - 6.0, y + 4.0, "tick", Anchor::End, &words.axes.tick(tick)))
        }
        (label(if canvas.is_narrow { 0.0 } else { 24.0 }, 14.0, "lab", Anchor::Start, &value))
        (label(right, bottom + 38.0, "lab", Anchor::End, cost))
    }
}

/// The crosses, marks and names; the reference is named first.
fn marks(
    plot: &Plot,
    points: &[DecisionPoint<'_>],
    words: DecisionWords<'_>,
    standings: &Frontier,
) -> Markup {
    let mut taken: Vec<Area> = Vec::new();
    for point in points {
        let (x, y) = plot.at(point);
        taken.push(Area::around(
            (x, y),
            (x, y),
            if point.model.is_reference { 11.0 } else { 7.0 },
        ));
        let (across, along) = cross(plot, point);
        taken.push(Area::around((across.0, y), (across.1, y), 2.0));
        taken.push(Area::around((x, along.0), (x, along.1), 2.0));
    }
    let corners = frontier(points);
    for (index, point) in corners.iter().enumerate() {
        let (x, y) = plot.at(point);
        let next = corners
            .get(index + 1)
            .map_or(plot.area.right, |next| plot.at(next).0);
        let above = if index == 0 {
            plot.area.top
        } else {
            plot.at(corners[index - 1]).1
        };
        taken.push(Area::around((x, y), (next, y), 2.0));
        taken.push(Area::around((x, above), (x, y), 2.0));
    }
    let room = (plot.area.right - plot.area.left) * 0.6;
    html! {
        @for point in points {
            @let (x, y) = plot.at(point);
            @let (across, along) = cross(plot, point);
            @let name = fitted(&point.model.marked_name(), room, NAME_SIZE);
            @let placed = place((x, y), text_width(&name, NAME_SIZE), &plot.area, &mut taken);
            @let is_dominated = standings.has_quality && dominators(standings).any(|(index, _)| index == point.model.index);
            @let faint = if is_dominated { " faint" } else { "" };
            (focusable(&point.text(words), &format!("pick {}{faint}", point.model.class()), &html! {
                (line("iv", (across.0, y), (across.1, y)))
                (line("iv", (x, along.0), (x, along.1)))
                @if let Some(end) = placed.leader { (line("lead", (x, y), end)) }
                @if point.model.is_reference { circle.ring cx=(px(x)) cy=(px(y)) r="9.5" {} }
                (mark(point.model, (x, y), 5.5))
                (label(placed.x, placed.y, "name halo", Anchor::Start, &name))
            }))
        }
    }
}

/// The ends of the two intervals of a model; an open end is drawn at the mark.
fn cross(plot: &Plot, point: &DecisionPoint<'_>) -> ((f64, f64), (f64, f64)) {
    let (x, y) = plot.at(point);
    let end = |axis: &ValueAxis, end: Option<f64>, own: f64| end.map_or(own, |end| axis.at(end));
    let across = if point.cost > 0.0 {
        (
            end(&plot.x, point.cost_interval.lower, x),
            end(&plot.x, point.cost_interval.upper, x),
        )
    } else {
        (x, x)
    };
    let along = (
        end(&plot.y, point.value_interval.lower, y),
        end(&plot.y, point.value_interval.upper, y),
    );
    (across, along)
}

/// The costs and medians as one sentence each, for models whose chart is left out.
pub(super) fn single(model: &RosterEntry, summary: &RunSummary, roster: &Roster) -> String {
    let variant = model.summary(summary);
    let time = super::roster::speed_median(&variant.figures, roster.speed);
    let cost = mean_cost(variant).map(|(cost, _)| Figure::from_usd(cost).shown());
    let parts = [
        time.map(|time| format!("{} p50 {}", roster.speed_name(), shown_ns(time))),
        cost.map(|cost| format!("{cost} per request")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!("{}: {}.", model.name, parts.join(", "))
}
