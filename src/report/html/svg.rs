//! The pieces that every chart is drawn of, and the frame around a chart.
//!
//! Owns the two sizes of a chart, its name for screen readers, and its table. Must not know what a chart shows.
//! Invariant: no attribute holds a style, so that a page needs no exception from its policy; text is never scaled
//! below the size that the style sheet gives it.

use std::fmt::Write as _;

use maud::{Markup, html};

use crate::units::one_line;

use super::roster::RosterEntry;

/// The space that a chart is drawn in. Every chart is drawn twice, and the style sheet shows one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Canvas {
    /// Width in units; text has the same size on both.
    pub(super) width: f64,
    /// True for a telephone.
    pub(super) is_narrow: bool,
}

/// The sizes of a chart.
pub(super) const CANVASES: [Canvas; 2] = [
    Canvas {
        width: 900.0,
        is_narrow: false,
    },
    Canvas {
        width: 352.0,
        is_narrow: true,
    },
];

/// A chart on one canvas.
pub(super) struct Drawing {
    /// Height in units.
    pub(super) height: f64,
    /// The shapes.
    pub(super) shapes: Markup,
}

/// The words of a chart.
pub(super) struct ChartText<'a> {
    /// The id of the chart in the page.
    pub(super) id: &'a str,
    /// The name of the chart.
    pub(super) title: &'a str,
    /// The content of the chart in words.
    pub(super) description: &'a str,
    /// True if it has marks that the keyboard reaches.
    pub(super) has_marks: bool,
}

/// Renders a chart on both canvases, with its table of values below.
pub(super) fn chart(
    text: &ChartText<'_>,
    table: &Markup,
    draw: impl Fn(&Canvas) -> Drawing,
) -> Markup {
    let drawn = CANVASES.map(|canvas| (canvas, draw(&canvas)));
    let ChartText {
        id,
        title,
        description,
        has_marks,
    } = text;
    html! {
        div.fig id=(id) {
            @for (canvas, drawing) in &drawn {
                @let size = if canvas.is_narrow { "nar" } else { "wide" };
                @let name = format!("{id}-{size}");
                svg.(size) viewBox=(format!("0 0 {} {}", px(canvas.width), px(drawing.height)))
                    role=(if *has_marks { "group" } else { "img" })
                    aria-labelledby=(format!("{name}-t")) aria-describedby=(format!("{name}-d")) {
                    title id=(format!("{name}-t")) { (one_line(title)) }
                    desc id=(format!("{name}-d")) { (one_line(description)) }
                    (drawing.shapes)
                }
            }
            p.readout hidden aria-hidden="true" {
                @if *has_marks { "Point at a mark, or move to it with the Tab key, to read its value." }
                @else { "Point at a mark to read its value." }
            }
            details { summary { "Values as a table" } (table) }
        }
    }
}

/// A coordinate with at most one decimal.
pub(super) fn px(value: f64) -> String {
    let tenths = (value * 10.0).round() / 10.0;
    // Never `-0`.
    format!("{}", tenths + 0.0)
}

/// The anchor of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A text at a place; `class` says which kind of text it is.
pub(super) fn label(x: f64, y: f64, class: &str, anchor: Anchor, text: &str) -> Markup {
    let class = match (anchor, class) {
        (Anchor::Start, class) => class.to_owned(),
        (Anchor::Middle, class) => format!("{class} c"),
        (Anchor::End, class) => format!("{class} e"),
    };
    html! { text x=(px(x)) y=(px(y)) class=(class.trim()) { (one_line(text)) } }
}

/// A straight line.
pub(super) fn line(class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) -> Markup {
    let mut path = String::new();
    if (x1 - x2).abs() < f64::EPSILON {
        push(&mut path, format_args!("M{} {}V{}", px(x1), px(y1), px(y2)));
    } else if (y1 - y2).abs() < f64::EPSILON {
        push(&mut path, format_args!("M{} {}H{}", px(x1), px(y1), px(x2)));
    } else {
        push(
            &mut path,
            format_args!("M{} {}L{} {}", px(x1), px(y1), px(x2), px(y2)),
        );
    }
    html! { path.(class) d=(path) {} }
}

/// A rectangle; `text` is read out when it is pointed at.
pub(super) fn rect(
    class: &str,
    (x, y): (f64, f64),
    (width, height): (f64, f64),
    text: Option<&str>,
) -> Markup {
    html! {
        rect class=(class) x=(px(x)) y=(px(y)) width=(px(width.max(0.0))) height=(px(height.max(0.0))) data-t=[text.map(one_line)] {}
    }
}

/// Many dots as one shape: a line of length 0 with round ends for each.
pub(super) fn dots(class: &str, places: impl IntoIterator<Item = (f64, f64)>) -> Markup {
    let mut path = String::new();
    for (x, y) in places {
        push(&mut path, format_args!("M{} {}h0", px(x), px(y)));
    }
    html! { @if !path.is_empty() { path class=(class) d=(path) {} } }
}

/// Small crosses as one shape.
pub(super) fn crosses(class: &str, places: impl IntoIterator<Item = (f64, f64)>) -> Markup {
    let mut path = String::new();
    for (x, y) in places {
        push(
            &mut path,
            format_args!("M{} {}l7 7m0-7l-7 7", px(x - 3.5), px(y - 3.5)),
        );
    }
    html! { @if !path.is_empty() { path class=(class) d=(path) {} } }
}

/// Small squares as one shape.
pub(super) fn squares(class: &str, places: impl IntoIterator<Item = (f64, f64)>) -> Markup {
    let mut path = String::new();
    for (x, y) in places {
        push(
            &mut path,
            format_args!("M{} {}h8v8h-8z", px(x - 4.0), px(y - 4.0)),
        );
    }
    html! { @if !path.is_empty() { path class=(class) d=(path) {} } }
}

/// The mark of a model: its shape in its colour.
pub(super) fn mark(model: &RosterEntry, (x, y): (f64, f64), size: f64) -> Markup {
    let class = format!("mk {}", model.class());
    let polygon = |points: [(f64, f64); 4], count: usize| {
        let mut path = String::new();
        for (index, (dx, dy)) in points.into_iter().take(count).enumerate() {
            let command = if index == 0 { 'M' } else { 'L' };
            push(
                &mut path,
                format_args!("{command}{} {}", px(x + dx * size), px(y + dy * size)),
            );
        }
        path.push('Z');
        html! { path class=(class) d=(path) {} }
    };
    match model.slot {
        Some(1) => polygon([(0.0, -1.1), (1.05, 0.8), (-1.05, 0.8), (0.0, 0.0)], 3),
        Some(2) => polygon(
            [(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)],
            4,
        ),
        Some(3) => polygon([(0.0, -1.2), (1.2, 0.0), (0.0, 1.2), (-1.2, 0.0)], 4),
        Some(4) => polygon([(0.0, 1.1), (1.05, -0.8), (-1.05, -0.8), (0.0, 0.0)], 3),
        _ => html! { circle class=(class) cx=(px(x)) cy=(px(y)) r=(px(size)) {} },
    }
}

/// A group that the keyboard reaches and that is read out.
pub(super) fn focusable(text: &str, class: &str, shapes: &Markup) -> Markup {
    html! { g class=(class) role="img" tabindex="0" aria-label=(one_line(text)) { (shapes) } }
}

/// The width of a text, by the widest usual font.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    0.6 * size * unicode_width::UnicodeWidthStr::width(text) as f64
}

/// Width of the column with the names of these models and their marks in a wide chart: as the longest name needs.
pub(super) fn names_width<'a>(models: impl IntoIterator<Item = &'a RosterEntry>) -> f64 {
    let names = models.into_iter().map(RosterEntry::marked_name);
    let longest = names
        .map(|name| text_width(&name, 12.5))
        .fold(0.0, f64::max);
    (longest + 32.0).clamp(120.0, 240.0)
}

/// Shortens a name to what fits into a width.
pub(super) fn fitted(name: &str, width: f64, size: f64) -> String {
    if text_width(name, size) <= width {
        return name.to_owned();
    }
    let mut cut = String::new();
    for c in name.chars() {
        if text_width(&cut, size) + text_width("……", size) > width {
            break;
        }
        cut.push(c);
    }
    cut.push('…');
    cut
}

/// Appends to the data of a path.
pub(super) fn push(path: &mut String, text: std::fmt::Arguments<'_>) {
    path.write_fmt(text).expect("a String can always grow");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_are_short() {
        // A page holds ten thousand of them.
        for (value, text) in [
            (12.0, "12"),
            (12.34, "12.3"),
            (-0.01, "0"),
            (0.96, "1"),
            (-3.25, "-3.3"),
        ] {
            assert_eq!(px(value), text);
        }
    }

    #[test]
    fn a_name_is_cut_to_its_width() {
        // A label that runs into the chart hides what it names.
        assert_eq!(fitted("gpt-5-mini", 100.0, 12.0), "gpt-5-mini");
        let cut = fitted("a-very-long-name-of-a-model-2026-11-30", 140.0, 12.0);
        assert!(
            cut.ends_with('…') && text_width(&cut, 12.0) <= 140.0,
            "{cut}"
        );
    }
}
