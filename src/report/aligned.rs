//! Text in columns: the alignment of all tables in monospaced text.
//!
//! Owns padding and cutting by the width that a terminal shows. Must not know what a column means, nor colours. Invariant:
//! no line ends in spaces.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::text;

/// Spaces between two columns.
pub(super) const GUTTER: usize = 2;

/// Width below which the last column is not cut.
const MIN_TEXT_WIDTH: usize = 12;

/// The alignment of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    /// Text.
    Left,
    /// Figures.
    Right,
}

impl Align {
    /// Left for text, right for figures.
    pub(super) const fn left_if(is_text: bool) -> Self {
        if is_text { Self::Left } else { Self::Right }
    }
}

/// The columns of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TableShape {
    /// Names, then figures.
    Figures,
    /// Names, then figures, then text.
    FiguresThenText,
    /// Figures alone, then text.
    OnlyFiguresThenText,
}

impl TableShape {
    fn align(self, column: usize, count: usize) -> Align {
        let is_last = column + 1 == count;
        Align::left_if(match self {
            Self::Figures => column == 0,
            Self::FiguresThenText => column == 0 || is_last,
            Self::OnlyFiguresThenText => is_last,
        })
    }
}

/// Aligns rows of as many cells each in columns. `width`: columns of the terminal, beyond which lines are cut.
pub(super) fn align_columns(
    rows: &[Vec<String>],
    columns: TableShape,
    width: Option<usize>,
) -> String {
    let count = rows.first().map_or(0, Vec::len);
    let widest = |column: usize| {
        rows.iter()
            .map(|row| row[column].width())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(widest).collect();
    let before_last: usize = widths
        .iter()
        .rev()
        .skip(1)
        .map(|width| width + GUTTER)
        .sum();
    let max = width.map(|width| width.max(before_last + MIN_TEXT_WIDTH));
    let mut table = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate();
        let cells =
            cells.map(|(column, (cell, width))| padded(cell, *width, columns.align(column, count)));
        let line = cells.collect::<Vec<_>>().join(&" ".repeat(GUTTER));
        table.push_str(clip(line.trim_end(), max.unwrap_or(usize::MAX)).trim_end());
        table.push('\n');
    }
    table
}

/// The spaces before and after text that align it in a column of this width.
pub(super) fn padding(text: &str, width: usize, align: Align) -> (String, String) {
    let pad = " ".repeat(width.saturating_sub(text.width()));
    match align {
        Align::Left => (String::new(), pad),
        Align::Right => (pad, String::new()),
    }
}

/// Returns text padded to a width.
pub(super) fn padded(text: &str, width: usize, align: Align) -> String {
    let (before, after) = padding(text, width, align);
    format!("{before}{text}{after}")
}

/// Clips text to one line of at most this width, with `…` in place of the rest.
pub(super) fn clip(text: &str, max_width: usize) -> String {
    let line = text::one_line(text);
    if line.width() <= max_width {
        return line.into_owned();
    }
    let mut text = String::new();
    let mut width = 1;
    for c in line.chars() {
        width += c.width().unwrap_or(0);
        if width > max_width {
            break;
        }
        text.push(c);
    }
    text.push('…');
    text
}

/// Indents each line by two spaces.
pub(super) fn indent(lines: &str) -> String {
    let lines = lines.lines().map(|line| format!("  {line}\n"));
    lines.collect()
}
