//! The comparison on a terminal.
//!
//! Owns alignment, colours and the order in which columns are dropped. Must not know whether the output is a
//! terminal: `Style` says so. Invariant: no line of the table is wider than the terminal unless the columns
//! that always stay are, and colour never changes a width.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr as _;

use crate::verdict::Verdict;

use super::caching::CachingSection;
use super::figure::{Figure, FigureCell};
use super::output_tokens::Outputs;
use super::table::{ColumnDisplay, FigureTable};
use super::text;
use super::verdicts::{Section, Verdicts};
use super::view::View;

/// The capabilities of the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// True to use colours.
    pub colour: bool,
    /// Width in columns.
    pub width: usize,
}

/// Spaces between two columns of a table.
const GUTTER: usize = 2;
/// Maximum width of one cell: names and messages may be long.
const MAX_CELL_WIDTH: usize = 48;
/// Pointer to the parts of the verdicts that only the Markdown page has.
const MARKDOWN_POINTER: &str =
    "In report.md: exploratory comparisons, the effect on each prompt, and how it was judged.";
const EXPLORATORY: &str = "Exploratory: not corrected for their number, and they never fail";
const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const RESET: &str = "\x1b[0m";

/// Renders warning, table, finding and problems.
pub(super) fn screen(view: &View, style: Style) -> String {
    let mut screen = String::new();
    if let Some(warning) = &view.warning {
        push_line(&mut screen, style, YELLOW, &text::one_line(warning));
        screen.push('\n');
    }
    push_table(&mut screen, &view.comparison, style);
    screen.push('\n');
    for sentence in &view.finding {
        push_line(&mut screen, style, "", &text::one_line(sentence));
    }
    push_verdicts(&mut screen, &view.verdicts, style);
    let outputs = &view.verdicts.outputs;
    if outputs.is_notable() {
        push_outputs(&mut screen, outputs, style);
    }
    if !view.verdicts.sections.is_empty() {
        push_line(&mut screen, style, DIM, MARKDOWN_POINTER);
    }
    // If the suite does not configure caching, the Markdown page is enough.
    if let Some(caching) = view
        .caching
        .as_ref()
        .filter(|caching| caching.suite_uses_caches)
    {
        push_caching(&mut screen, caching, style);
    }
    if !view.problems.is_empty() {
        screen.push('\n');
        push_line(&mut screen, style, BOLD, "What went wrong");
    }
    for problem in &view.problems {
        let remedy = problem.remedy.map(|remedy| format!(" ({remedy})"));
        let line = format!(
            "{}: {}{}",
            problem.subject,
            problem.text,
            remedy.unwrap_or_default()
        );
        push_line(&mut screen, style, YELLOW, &text::one_line(&line));
    }
    if !view.errors.rows.is_empty() {
        screen.push('\n');
        push_table(&mut screen, &view.errors, style);
    }
    screen.push('\n');
    for note in &view.notes {
        push_line(&mut screen, style, DIM, note);
    }
    screen
}

fn push_caching(screen: &mut String, caching: &CachingSection, style: Style) {
    screen.push('\n');
    push_line(screen, style, BOLD, "Prompt caches");
    push_table(screen, &caching.table, style);
    for sentence in &caching.sentences {
        push_line(screen, style, "", &text::one_line(sentence));
    }
    for line in &caching.legend {
        push_line(screen, style, DIM, &text::one_line(line));
    }
}

/// Renders judgements on their own.
pub(super) fn verdicts(scope: &str, verdicts: &Verdicts, style: Style) -> String {
    let mut screen = String::new();
    push_line(&mut screen, style, "", &text::one_line(scope));
    push_verdicts(&mut screen, verdicts, style);
    let outputs = &verdicts.outputs;
    if outputs.is_notable() {
        push_outputs(&mut screen, outputs, style);
        for line in outputs.paragraphs.iter().chain(&outputs.hidden) {
            push_line(&mut screen, style, "", &text::one_line(line));
        }
        for note in &outputs.notes {
            push_line(&mut screen, style, DIM, note);
        }
    }
    let exploratory = |section: &&Section| !section.exploratory.rows.is_empty();
    for section in verdicts.sections.iter().filter(exploratory) {
        screen.push('\n');
        push_line(&mut screen, style, BOLD, EXPLORATORY);
        if !section.exploratory_shown.rows.is_empty() {
            push_table(&mut screen, &section.exploratory_shown, style);
        }
        for line in &section.exploratory_reasons {
            push_line(&mut screen, style, DIM, &text::one_line(line));
        }
    }
    screen
}

/// Renders a table alone, with notes below it.
pub(super) fn table(table: &FigureTable, notes: &[String], style: Style) -> String {
    let mut screen = String::new();
    push_table(&mut screen, table, style);
    screen.push('\n');
    for note in notes {
        push_line(&mut screen, style, DIM, &text::one_line(note));
    }
    screen
}

/// Adds the differences in answer length.
fn push_outputs(screen: &mut String, outputs: &Outputs, style: Style) {
    screen.push('\n');
    let title = format!("Output tokens, {} (95 % intervals)", outputs.over);
    push_line(screen, style, BOLD, &title);
    push_table(screen, &outputs.models, style);
}

/// Adds every judgement with its notes, then the limits.
fn push_verdicts(screen: &mut String, verdicts: &Verdicts, style: Style) {
    let mut printed: Vec<&str> = Vec::new();
    for section in &verdicts.sections {
        screen.push('\n');
        let title = text::one_line(&section.title);
        push_line(screen, style, BOLD, &title);
        for alert in &section.alerts {
            push_line(screen, style, YELLOW, &text::one_line(&alert.text));
        }
        if !section.primary.rows.is_empty() {
            push_table(screen, &section.primary, style);
        }
        for remark in section.remarks.iter().chain(&section.notes) {
            push_line(screen, style, "", &text::one_line(remark));
        }
        // A legend line is printed once, not for each judgement.
        for line in &section.legend {
            if !printed.contains(&line.as_str()) {
                push_line(screen, style, DIM, &text::one_line(line));
                printed.push(line);
            }
        }
    }
    if !verdicts.limits.rows.is_empty() {
        screen.push('\n');
        push_line(screen, style, BOLD, "Limits");
        push_table(screen, &verdicts.limits, style);
    }
}

/// Adds text wrapped at spaces to the terminal's width, in one colour (none if it is empty).
fn push_line(screen: &mut String, style: Style, colour: &str, line: &str) {
    for part in wrap(line, style.width) {
        push_painted(screen, style, colour, &part);
        screen.push('\n');
    }
}

fn push_painted(screen: &mut String, style: Style, colour: &str, text: &str) {
    let (before, after) = if style.colour && !colour.is_empty() {
        (colour, RESET)
    } else {
        ("", "")
    };
    write!(screen, "{before}{text}{after}").expect("a String can always grow");
}

/// Wraps text into lines, each within `width` unless a word is wider.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A column with its rendered cells.
struct ColumnLayout {
    index: usize,
    shown: ColumnDisplay,
    is_left_aligned: bool,
    with_interval: bool,
    cells: Vec<String>,
    colours: Vec<&'static str>,
    width: usize,
}

impl ColumnLayout {
    fn new(table: &FigureTable, index: usize, shown: ColumnDisplay) -> Self {
        let mut layout = Self {
            index,
            shown,
            is_left_aligned: table.is_words(index),
            with_interval: shown.interval.is_some(),
            cells: Vec::new(),
            colours: table
                .rows
                .iter()
                .map(|row| cell_colour(&row[index]))
                .collect(),
            width: 0,
        };
        layout.fill(table);
        layout
    }

    fn fill(&mut self, table: &FigureTable) {
        let cells = table.rows.iter().map(|row| &row[self.index]);
        self.cells = cells
            .map(|cell| clip(&cell.shown(self.with_interval)))
            .collect();
        let widest = self.cells.iter().map(|text| text.width()).max();
        self.width = widest.unwrap_or(0).max(self.shown.heading.width());
    }

    /// The drop priority of this column: of its intervals, or of all of it.
    fn drop_priority(&self) -> u8 {
        let interval = self.shown.interval.filter(|_| self.with_interval);
        interval.unwrap_or(0).max(self.shown.drop_priority)
    }

    /// The spaces before and after text that align it in the column.
    fn padding(&self, text: &str) -> (String, String) {
        let pad = " ".repeat(self.width.saturating_sub(text.width()));
        if self.is_left_aligned {
            (String::new(), pad)
        } else {
            (pad, String::new())
        }
    }
}

/// The colour of a cell: a verdict by its meaning for a switch, a figure with low n dim.
fn cell_colour(cell: &FigureCell) -> &'static str {
    match cell.figure {
        Figure::Verdict(Verdict::Regressed) => RED,
        Figure::Verdict(Verdict::Improved) => GREEN,
        Figure::Verdict(Verdict::Inconclusive) => YELLOW,
        _ if cell.low_n => DIM,
        _ => "",
    }
}

/// Clips text to one line of at most the maximum cell width.
fn clip(text: &str) -> String {
    let line = text::one_line(text);
    if line.width() <= MAX_CELL_WIDTH {
        return line.into_owned();
    }
    let mut text = String::new();
    for c in line.chars() {
        text.push(c);
        if text.width() >= MAX_CELL_WIDTH {
            text.pop();
            break;
        }
    }
    text.push('…');
    text
}

/// Selects the columns that fit: the highest drop priority goes first, the rightmost among equals; a column's
/// intervals may go before the column does.
fn fit_columns(table: &FigureTable, width: usize) -> Vec<ColumnLayout> {
    let shown = table.shown().into_iter();
    let mut columns: Vec<ColumnLayout> = shown
        .map(|(index, shown)| ColumnLayout::new(table, index, shown))
        .collect();
    let needed = |columns: &[ColumnLayout]| -> usize {
        let widths: usize = columns.iter().map(|column| column.width).sum();
        widths + GUTTER * columns.len().saturating_sub(1)
    };
    while needed(&columns) > width {
        let indices = columns.iter().enumerate();
        let max = indices.max_by_key(|(_, column)| column.drop_priority());
        match max {
            Some((_, column)) if column.drop_priority() == 0 => break,
            Some((index, column)) if column.shown.drop_priority == column.drop_priority() => {
                columns.remove(index);
            }
            Some((index, _)) => {
                columns[index].with_interval = false;
                columns[index].fill(table);
            }
            None => break,
        }
    }
    columns
}

fn push_table(screen: &mut String, table: &FigureTable, style: Style) {
    let columns = fit_columns(table, style.width);
    let headings = columns
        .iter()
        .map(|column| (column, column.shown.heading, BOLD));
    push_row(screen, style, headings);
    for row in 0..table.rows.len() {
        let cells = columns.iter().map(|column| {
            let text = column.cells[row].as_str();
            (column, text, column.colours[row])
        });
        push_row(screen, style, cells);
    }
    let visible = columns.iter().map(|column| column.shown.heading);
    let visible: Vec<&str> = visible.collect();
    let shown = table.shown().into_iter().map(|(_, shown)| shown.heading);
    let left_out: Vec<&str> = shown.filter(|heading| !visible.contains(heading)).collect();
    if !left_out.is_empty() {
        let line = format!("left out at this width: {}", left_out.join(", "));
        push_line(screen, style, DIM, &line);
    }
}

fn push_row<'a>(
    screen: &mut String,
    style: Style,
    cells: impl Iterator<Item = (&'a ColumnLayout, &'a str, &'static str)>,
) {
    let gutter = " ".repeat(GUTTER);
    let mut pending = String::new();
    for (index, (column, text, colour)) in cells.enumerate() {
        if index > 0 {
            pending.push_str(&gutter);
        }
        let (before, after) = column.padding(text);
        // Trailing spaces are held back until something follows, so that no line ends in them.
        pending.push_str(&before);
        screen.push_str(&pending);
        push_painted(screen, style, colour, text);
        pending = after;
    }
    screen.push('\n');
}
