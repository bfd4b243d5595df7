//! The forest plot: the effects of each judgement with their intervals, against tolerance and margin.
//!
//! Owns the panels and their scales. Must not know how an effect was computed. Invariant: what is judged together
//! is drawn on one scale, and exploratory comparisons are in no panel.

use maud::{Markup, html};

use crate::report::recommendations::{effect_text, metric_words};
use crate::report::verdicts::Section;
use crate::report::view::View;
use crate::report::wording;
use crate::suite::{Bounds, Direction, Metric, Scale};
use crate::units::one_line;
use crate::verdict::{Comparison, ComparisonDesign, Evaluation, Judgement, Verdict};

use super::roster::{Roster, RosterEntry};
use super::scale::ValueAxis;
use super::svg::{
    Anchor, Canvas, ChartText, Drawing, chart, fitted, focusable, label, line, mark, names_width,
    rect,
};
use super::tables::{figure_table, prose, sentences};

/// Height of a row.
const ROW: f64 = 26.0;
/// The same on a telephone, where the name stands above the interval.
const NARROW_ROW: f64 = 44.0;

/// Renders one section per judgement.
pub(super) fn sections(roster: &Roster, view: &View, evaluation: &Evaluation) -> Markup {
    let judgements = evaluation.judgements.iter().map(|gated| &gated.judgement);
    html! {
        @for judgement in judgements.filter(|judgement| !judgement.comparisons.is_empty()) {
            @let section = view.verdicts.sections.iter().find(|one| one.design == judgement.design);
            @if let Some(section) = section { (judgement_section(roster, judgement, section)) }
        }
    }
}

fn judgement_section(roster: &Roster, judgement: &Judgement, section: &Section) -> Markup {
    let id = format!("against-{}", section.design.word().replace('_', "-"));
    let panels = panels(judgement);
    html! {
        section aria-labelledby=(id) {
            h2 id=(id) { (one_line(&section.title)) }
            p {
                "Dark band: the tolerance, too small to matter. Light band: up to the margin. An interval wholly beyond \
                 the tolerance is " (verdict_words(judgement.design)) "; one that ends before the margin is "
                (Verdict::Ok.printed_word(judgement.design)) "."
            }
            @for alert in &section.alerts { p.alert { (prose(&alert.text)) } }
            @if panels.iter().any(|panel| panel.iter().any(|one| one.effect.is_some())) {
                (forest_chart(roster, judgement.design, &panels, section))
            } @else {
                p.note { "No comparison has an effect to draw." }
                (figure_table("Verdicts", &roster.sorted(&section.primary), true))
            }
            (sentences(&section.remarks))
        }
    }
}

fn verdict_words(design: ComparisonDesign) -> String {
    let better = Verdict::Improved.printed_word(design);
    format!("{better} or {}", Verdict::Regressed.printed_word(design))
}

/// The primary comparisons by metric.
fn panels(judgement: &Judgement) -> Vec<Vec<&Comparison>> {
    let mut panels: Vec<Vec<&Comparison>> = Vec::new();
    for comparison in judgement.comparisons.iter().filter(|one| one.primary) {
        match panels
            .iter_mut()
            .find(|panel| panel[0].metric == comparison.metric)
        {
            Some(panel) => panel.push(comparison),
            None => panels.push(vec![comparison]),
        }
    }
    panels.sort_by_key(|panel| panel[0].metric);
    panels
}

fn forest_chart(
    roster: &Roster,
    design: ComparisonDesign,
    panels: &[Vec<&Comparison>],
    section: &Section,
) -> Markup {
    let texts = panels
        .iter()
        .flatten()
        .map(|one| comparison_text(roster, design, one));
    let description = texts.collect::<Vec<_>>().join("; ");
    let id = format!("chart-{}", section.design.word().replace('_', "-"));
    let text = ChartText {
        id: &id,
        title: &section.title,
        description: &description,
        has_marks: true,
    };
    let table = html! {
        (figure_table("Primary comparisons", &roster.sorted(&section.primary), true))
        @if !section.exploratory_shown.rows.is_empty() {
            @let exploratory = roster.sorted(&section.exploratory_shown);
            (figure_table("Exploratory comparisons, which decide nothing", &exploratory, true))
        }
        (sentences(&section.legend))
    };
    chart(&text, &table, |canvas| draw(canvas, roster, design, panels))
}

/// `gpt-4.1-nano: cost 0.19x (0.16–0.22), better`.
fn comparison_text(roster: &Roster, design: ComparisonDesign, one: &Comparison) -> String {
    let [_, _, metric] = metric_words(one.metric);
    let name = roster
        .of_label(&one.candidate)
        .map_or(one.candidate.as_str(), |model| &model.name);
    format!(
        "{name}: {metric} {}, {}",
        effect_words(one),
        one.verdict.printed_word(design)
    )
}

/// `0.19x (0.16–0.22)`; a dash without an effect.
fn effect_words(one: &Comparison) -> String {
    let cell = one
        .effect
        .as_ref()
        .map(|effect| wording::effect_cell(one.metric.scale(), effect));
    cell.map_or_else(|| "–".to_owned(), |cell| cell.shown(true))
}

/// The sign of a verdict; colour repeats it.
const fn verdict_sign(verdict: Verdict) -> (&'static str, &'static str) {
    match verdict {
        Verdict::Improved => ("+", "good"),
        Verdict::Regressed => ("−", "bad"),
        Verdict::Ok => ("=", "even"),
        Verdict::Inconclusive => ("?", "even"),
    }
}

fn draw(
    canvas: &Canvas,
    roster: &Roster,
    design: ComparisonDesign,
    panels: &[Vec<&Comparison>],
) -> Drawing {
    let mut top = 0.0;
    let mut drawn = Vec::new();
    for panel in panels {
        let rows = sorted(roster, panel);
        drawn.push(draw_panel(canvas, roster, design, &rows, top));
        let row = if canvas.is_narrow { NARROW_ROW } else { ROW };
        top += 24.0 + row * rows.len() as f64 + 52.0;
    }
    Drawing {
        height: top,
        shapes: html! { @for panel in &drawn { (panel) } },
    }
}

/// The comparisons of a panel in the order of the charts.
fn sorted<'a>(roster: &Roster, panel: &[&'a Comparison]) -> Vec<&'a Comparison> {
    let mut rows = panel.to_vec();
    rows.sort_by_key(|one| {
        roster
            .models
            .iter()
            .position(|model| model.label == one.candidate)
    });
    rows
}

/// The two bands of a metric: the tolerance on both sides, and the margin on the side of a worsening.
fn bands(metric: Metric, bounds: Bounds) -> [(f64, f64); 2] {
    let away = |share: f64| match metric.scale() {
        Scale::Ratio => (1.0 / (1.0 + share), 1.0 + share),
        Scale::Points => (-share, share),
    };
    let tolerance = away(bounds.tolerance);
    let margin = away(bounds.margin);
    let none = match metric.scale() {
        Scale::Ratio => 1.0,
        Scale::Points => 0.0,
    };
    let worse = match metric.direction() {
        Direction::LowerIsBetter => (none, margin.1),
        Direction::HigherIsBetter => (margin.0, none),
    };
    [worse, tolerance]
}

fn draw_panel(
    canvas: &Canvas,
    roster: &Roster,
    design: ComparisonDesign,
    rows: &[&Comparison],
    top: f64,
) -> Markup {
    let metric = rows[0].metric;
    let [_, _, name] = metric_words(metric);
    let (left, right) = if canvas.is_narrow {
        (4.0, canvas.width - 4.0)
    } else {
        (names_width(&roster.models), 560.0)
    };
    let row = if canvas.is_narrow { NARROW_ROW } else { ROW };
    let (begin, end) = (top + 24.0, top + 24.0 + row * rows.len() as f64);
    let bands = bands(metric, rows[0].bounds);
    let effects = rows.iter().filter_map(|one| one.effect.as_ref());
    let ends = effects.flat_map(|effect| {
        [
            Some(effect.estimate),
            effect.interval.lower,
            effect.interval.upper,
        ]
    });
    let shown = ends
        .flatten()
        .chain(bands.into_iter().flat_map(|(low, high)| [low, high]));
    let axis = match metric.scale() {
        Scale::Ratio => ValueAxis::log(shown, (left, right)),
        Scale::Points => ValueAxis::linear(shown, (left, right)),
    };
    let Some(axis) = axis else { return html! {} };
    let none = if metric.scale() == Scale::Ratio {
        1.0
    } else {
        0.0
    };
    let unit = if metric.scale() == Scale::Ratio {
        ""
    } else {
        ", difference in percentage points"
    };
    html! {
        (label(0.0, top + 13.0, "gh", Anchor::Start, &format!("{}{unit}", capitalised(name))))
        @for ((low, high), class) in bands.into_iter().zip(["margin", "toler"]) {
            (rect(class, (axis.at(low), begin), (axis.at(high) - axis.at(low), end - begin), None))
        }
        @for tick in axis.ticks(52.0) {
            (line("grid", (axis.at(tick), begin), (axis.at(tick), end)))
            (label(axis.at(tick), end + 17.0, "tick", Anchor::Middle, &tick_text(metric.scale(), tick)))
        }
        (line("one", (axis.at(none), begin), (axis.at(none), end)))
        (line("ax", (left, end), (right, end)))
        (label(left, end + 34.0, "lab", Anchor::Start, "← less"))
        (label(f64::midpoint(left, right), end + 34.0, "lab", Anchor::Middle, &bounds_text(metric, rows[0].bounds)))
        (label(right, end + 34.0, "lab", Anchor::End, "more →"))
        @for (index, one) in rows.iter().enumerate() {
            @let middle = begin + row * index as f64 + if canvas.is_narrow { 31.0 } else { row / 2.0 };
            (comparison_marks(canvas, roster.of_label(&one.candidate), &comparison_text(roster, design, one),
                (one, design), &axis, middle))
        }
    }
}

/// One comparison: its name, its interval and its verdict.
fn comparison_marks(
    canvas: &Canvas,
    model: Option<&RosterEntry>,
    text: &str,
    (one, design): (&Comparison, ComparisonDesign),
    axis: &ValueAxis,
    middle: f64,
) -> Markup {
    let Some(model) = model else { return html! {} };
    let (sign, class) = verdict_sign(one.verdict);
    let verdict = format!("{sign} {}", one.verdict.printed_word(design));
    let shapes = html! {
        @if let Some(effect) = &one.effect {
            @let ends = [effect.interval.lower, effect.interval.upper];
            @let places = ends.map(|end| end.map(|end| axis.at(end)));
            @let estimate = axis.at(effect.estimate);
            (line("iv", (places[0].unwrap_or(estimate), middle), (places[1].unwrap_or(estimate), middle)))
            @for place in places.into_iter().flatten() {
                (line("iv", (place, middle - 4.0), (place, middle + 4.0)))
            }
            (mark(model, (estimate, middle), 5.0))
        }
    };
    let words = if canvas.is_narrow {
        html! {
            (label(4.0, middle - 12.0, "name halo", Anchor::Start, &fitted(&model.name, 150.0, 12.5)))
            (label(canvas.width - 4.0, middle - 12.0, &format!("v-{class} halo"), Anchor::End,
                &format!("{} {verdict}", short_effect(one))))
        }
    } else {
        html! {
            (label(axis.from - 10.0, middle + 4.0, "name", Anchor::End, &fitted(&model.name, axis.from - 12.0, 12.5)))
            (label(576.0, middle + 4.0, "name", Anchor::Start, &effect_words(one)))
            (label(772.0, middle + 4.0, &format!("v-{class}"), Anchor::Start, &verdict))
        }
    };
    focusable(
        text,
        &format!("pick {}", model.class()),
        &html! { (shapes) (words) },
    )
}

fn short_effect(one: &Comparison) -> String {
    let cell = one
        .effect
        .as_ref()
        .map(|effect| wording::effect_cell(one.metric.scale(), effect));
    cell.map_or_else(String::new, |cell| effect_text(&cell, false))
}

fn tick_text(scale: Scale, value: f64) -> String {
    let rounded = (value * 1_000.0).round() / 1_000.0;
    match scale {
        Scale::Ratio => format!("{rounded}x"),
        Scale::Points => {
            let points = (value * 1_000.0).round() / 10.0 + 0.0;
            if points > 0.0 {
                format!("+{points}")
            } else {
                format!("{points}").replace('-', "−")
            }
        }
    }
}

fn bounds_text(metric: Metric, bounds: Bounds) -> String {
    let unit = if metric.scale() == Scale::Ratio {
        " %"
    } else {
        ""
    };
    let percent = |share: f64| (share * 1_000.0).round() / 10.0;
    format!(
        "tolerance {}{unit}, margin {}{unit}",
        percent(bounds.tolerance),
        percent(bounds.margin)
    )
}

/// The text with a capital letter at its beginning.
fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string());
    first.unwrap_or_default() + chars.as_str()
}
