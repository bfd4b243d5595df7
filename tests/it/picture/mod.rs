//! A terminal's text as a picture: SVG, for light and dark pages.
//!
//! Owns the drawing. Must not know what the text says. Invariant: a column of the terminal is a
//! column of the picture, whatever monospaced font the reader has.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr as _;

/// Width of a character and distance of lines, in the picture's units.
const ADVANCE: f64 = 8.4;
const LINE: f64 = 20.0;
/// Around the text.
const MARGIN: f64 = 20.0;

/// Light, and dark where the reader's system is.
const STYLE: &str = "\
    rect { fill: #ffffff; stroke: #d1d9e0; }\n\
    text { fill: #1f2328; white-space: pre; font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, \
    'DejaVu Sans Mono', monospace; }\n\
    .bold { font-weight: 600; }\n\
    .dim { fill: #59636e; }\n\
    .warning { fill: #9a6700; }\n\
    .bad { fill: #d1242f; }\n\
    .good { fill: #1a7f37; }\n\
    @media (prefers-color-scheme: dark) {\n\
    rect { fill: #0d1117; stroke: #3d444d; }\n\
    text { fill: #e6edf3; }\n\
    .dim { fill: #9198a1; }\n\
    .warning { fill: #d29922; }\n\
    .bad { fill: #f85149; }\n\
    .good { fill: #3fb950; }\n\
    }\n";

/// Words in one style, from a column on.
#[derive(Debug, PartialEq, Eq)]
struct Piece<'a> {
    column: usize,
    class: &'static str,
    words: &'a str,
}

/// The picture of `screen`, text with the escapes of colours that `bakeoff` writes.
pub(crate) fn svg(title: &str, screen: &str) -> String {
    let lines: Vec<Vec<Piece<'_>>> = screen.lines().map(pieces).collect();
    let ends = lines
        .iter()
        .flatten()
        .map(|piece| piece.column + piece.words.width());
    let columns = ends.max().unwrap_or(0);
    let width = 2.0 * MARGIN + columns as f64 * ADVANCE;
    let height = 2.0 * MARGIN + lines.len() as f64 * LINE;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.1} {height:.1}\" role=\"img\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n\
         <rect x=\"0.5\" y=\"0.5\" width=\"{:.1}\" height=\"{:.1}\" rx=\"8\"/>\n",
        escaped(title),
        width - 1.0,
        height - 1.0,
    );
    for (number, line) in lines.iter().enumerate() {
        // 0.7: from the top of a line to the foot of its letters.
        let y = MARGIN + (number as f64 + 0.7) * LINE;
        for piece in line {
            let x = MARGIN + piece.column as f64 * ADVANCE;
            let length = piece.words.width() as f64 * ADVANCE;
            let class = match piece.class {
                "" => String::new(),
                class => format!(" class=\"{class}\""),
            };
            writeln!(
                svg,
                "<text x=\"{x:.1}\" y=\"{y:.1}\" textLength=\"{length:.1}\"{class}>{}</text>",
                escaped(piece.words)
            )
            .expect("a String can always grow");
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// A line's pieces: cut where the style changes, and at two spaces or more, so that the columns of
/// a table stand under each other.
fn pieces(line: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut column, mut class) = (0, "");
    for (index, part) in line.split("\u{1b}[").enumerate() {
        let mut rest = part;
        if index > 0 {
            let (code, text) = part
                .split_once('m')
                .expect("an escape of a colour ends in m");
            class = class_of(code);
            rest = text;
        }
        while !rest.is_empty() {
            let spaces = rest.len() - rest.trim_start_matches(' ').len();
            column += spaces;
            rest = &rest[spaces..];
            let end = rest.find("  ").unwrap_or(rest.len());
            let words = rest[..end].trim_end();
            if !words.is_empty() {
                pieces.push(Piece {
                    column,
                    class,
                    words,
                });
            }
            column += rest[..end].width();
            rest = &rest[end..];
        }
    }
    pieces
}

fn class_of(code: &str) -> &'static str {
    match code {
        "0" => "",
        "1" => "bold",
        "2" => "dim",
        "31" => "bad",
        "32" => "good",
        "33" => "warning",
        other => panic!("the picture has no style for the escape {other}: give it one"),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[test]
fn every_word_stands_in_its_column() {
    // A table whose cells are not under their headings cannot be read.
    let line = "\u{1b}[1mname\u{1b}[0m    \u{1b}[1mTTFT p50\u{1b}[0m  a – b\u{1b}[2m 7†\u{1b}[0m";
    let piece = |column, class, words| Piece {
        column,
        class,
        words,
    };
    assert_eq!(
        pieces(line),
        [
            piece(0, "bold", "name"),
            piece(8, "bold", "TTFT p50"),
            piece(18, "", "a – b"),
            piece(24, "dim", "7†"),
        ]
    );
}

#[test]
fn text_cannot_become_markup() {
    // A message of a server may stand in the picture.
    assert!(svg("t", "<script>&").contains(">&lt;script&gt;&amp;</text>"));
}
