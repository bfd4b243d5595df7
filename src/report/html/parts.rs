//! The parts of a request's time as bars: one bar per request or group, one piece per part.
//!
//! Owns names, colours and the key of the parts. Must not know which requests are drawn. Invariant: the pieces of a
//! bar stand in the order in which the parts pass, and add up to its length.

use maud::{Markup, html};

use crate::units::Nanos;
use crate::verdict::TimePart;

use super::roster::shown_time;
use super::scale::ValueAxis;
use super::svg::{Anchor, Canvas, label, rect, text_width};

/// Height of a line of the key.
const KEY_LINE: f64 = 20.0;

/// The name of a part.
pub(super) const fn part_name(part: TimePart) -> &'static str {
    match part {
        TimePart::Client => "our client",
        TimePart::Retries => "rate limits and retries",
        TimePart::Connect => "connect",
        TimePart::Tls => "TLS",
        TimePart::Headers => "headers",
        TimePart::FirstToken => "headers to first token",
        TimePart::Reasoning => "reasoning",
        TimePart::Answer => "answer",
        TimePart::Stall => "stall",
    }
}

/// The class of the colour of a part.
pub(super) const fn part_class(part: TimePart) -> &'static str {
    match part {
        TimePart::Client => "p0",
        TimePart::Retries => "p1",
        TimePart::Connect => "p2",
        TimePart::Headers => "p3",
        TimePart::FirstToken => "p4",
        TimePart::Reasoning => "p5",
        TimePart::Answer => "p6",
        TimePart::Stall => "p7",
        TimePart::Tls => "p8",
    }
}

/// The key of the parts, and its height.
pub(super) fn parts_key(canvas: &Canvas) -> (Markup, f64) {
    let (mut x, mut y) = (0.0, 0.0);
    let mut places = Vec::new();
    for part in TimePart::ALL {
        let width = 18.0 + text_width(part_name(part), 12.0) + 8.0;
        if x + width > canvas.width && x > 0.0 {
            (x, y) = (0.0, y + KEY_LINE);
        }
        places.push((part, x, y));
        x += width;
    }
    let key = html! {
        @for (part, x, y) in places {
            (rect(part_class(part), (x, y + 2.0), (12.0, 11.0), None))
            (label(x + 17.0, y + 12.0, "tick", Anchor::Start, part_name(part)))
        }
    };
    (key, y + KEY_LINE + 6.0)
}

/// A bar of parts; `name` says what it shows when a piece is pointed at.
pub(super) fn parts_bar(
    name: &str,
    parts: &[Nanos; TimePart::ALL.len()],
    axis: &ValueAxis,
    (top, height): (f64, f64),
) -> Markup {
    let mut begin = 0;
    let mut pieces = Vec::new();
    for (part, span) in TimePart::ALL.into_iter().zip(parts) {
        let end = begin + span.0;
        if *span > Nanos::ZERO {
            let text = format!("{name}: {} {}", part_name(part), shown_time(*span));
            pieces.push((part, axis.at(begin as f64), axis.at(end as f64), text));
        }
        begin = end;
    }
    html! {
        @for (part, from, to, text) in &pieces {
            // A piece that is narrower than a hair is not seen: its number is in the table.
            @if to - from >= 0.3 { (rect(part_class(*part), (*from, top), (to - from, height), Some(text))) }
        }
    }
}

/// The cells of a table's row: each part, then the sum.
pub(super) fn parts_cells(parts: &[Nanos; TimePart::ALL.len()]) -> Vec<String> {
    let total = Nanos(parts.iter().map(|part| part.0).sum());
    parts
        .iter()
        .copied()
        .chain([total])
        .map(|span| {
            if span == Nanos::ZERO {
                "0".to_owned()
            } else {
                shown_time(span)
            }
        })
        .collect()
}

/// The headings of such cells.
pub(super) fn parts_headings() -> Vec<&'static str> {
    TimePart::ALL
        .map(part_name)
        .into_iter()
        .chain(["total"])
        .collect()
}
