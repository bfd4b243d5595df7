//! The comparison in a terminal.
//!
//! Owns alignment, colours and what goes where there is no room. Must not know whether it is a
//! terminal: it is told. Invariant: no line of the table is wider than the terminal unless its
//! indispensable columns are, and colour never changes a width.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr as _;

use crate::verdict::Verdict;

use super::caching::CachingTold;
use super::figure::{Cell, Figure};
use super::output_tokens::Outputs;
use super::table::{Shown, Table};
use super::text;
use super::verdicts::{Section, Verdicts};
use super::view::View;

/// How to write for this terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether to use colours.
    pub colour: bool,
    /// Columns of the terminal.
    pub width: usize,
}

/// Between two columns of a table.
const GUTTER: usize = 2;
/// Most columns of one cell: names and messages may be long.
const CELL_WIDTH: usize = 48;
/// What of the verdicts stands in the page alone.
const IN_THE_PAGE: &str =
    "In report.md: exploratory comparisons, the effect on each prompt, and how it was judged.";
const EXPLORATORY: &str = "Exploratory: not corrected for their number, and they never fail";
const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const RESET: &str = "\x1b[0m";

/// Warning, table, finding and what went wrong.
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
    if outputs.is_worth_telling() {
        push_outputs(&mut screen, outputs, style);
    }
    if !view.verdicts.sections.is_empty() {
        push_line(&mut screen, style, DIM, IN_THE_PAGE);
    }
    // Where nobody asked for it, the page is place enough.
    if let Some(caching) = view.caching.as_ref().filter(|caching| caching.asked) {
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

fn push_caching(screen: &mut String, caching: &CachingTold, style: Style) {
    screen.push('\n');
    push_line(screen, style, BOLD, "Prompt caches");
    push_table(screen, &caching.table, style);
    for sentence in &caching.told {
        push_line(screen, style, "", &text::one_line(sentence));
    }
    for line in &caching.reading {
        push_line(screen, style, DIM, &text::one_line(line));
    }
}

/// Judgements on their own.
pub(super) fn verdicts(what: &str, verdicts: &Verdicts, style: Style) -> String {
    let mut screen = String::new();
    push_line(&mut screen, style, "", &text::one_line(what));
    push_verdicts(&mut screen, verdicts, style);
    let outputs = &verdicts.outputs;
    if outputs.is_worth_telling() {
        push_outputs(&mut screen, outputs, style);
        for line in outputs.told.iter().chain(&outputs.hidden) {
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
        if !section.explored.rows.is_empty() {
            push_table(&mut screen, &section.explored, style);
        }
        for line in &section.unexplored {
            push_line(&mut screen, style, DIM, &text::one_line(line));
        }
    }
    screen
}

/// A table alone, with notes below it.
pub(super) fn table(table: &Table, notes: &[String], style: Style) -> String {
    let mut screen = String::new();
    push_table(&mut screen, table, style);
    screen.push('\n');
    for note in notes {
        push_line(&mut screen, style, DIM, &text::one_line(note));
    }
    screen
}

/// How much longer answers are, in figures.
fn push_outputs(screen: &mut String, outputs: &Outputs, style: Style) {
    screen.push('\n');
    let title = format!("Output tokens, {} (95 % intervals)", outputs.over);
    push_line(screen, style, BOLD, &title);
    push_table(screen, &outputs.models, style);
}

/// Every judgement with what to know beside it, then the limits.
fn push_verdicts(screen: &mut String, verdicts: &Verdicts, style: Style) {
    let mut read: Vec<&str> = Vec::new();
    for section in &verdicts.sections {
        screen.push('\n');
        let title = text::one_line(&section.title);
        push_line(screen, style, BOLD, &title);
        if !section.primary.rows.is_empty() {
            push_table(screen, &section.primary, style);
        }
        for remark in section.remarks.iter().chain(&section.notes) {
            push_line(screen, style, "", &text::one_line(remark));
        }
        // What was said of one judgement need not be said again of the next.
        for line in &section.reading {
            if !read.contains(&line.as_str()) {
                push_line(screen, style, DIM, &text::one_line(line));
                read.push(line);
            }
        }
    }
    if !verdicts.limits.rows.is_empty() {
        screen.push('\n');
        push_line(screen, style, BOLD, "Limits");
        push_table(screen, &verdicts.limits, style);
    }
}

/// A text broken at spaces so that it fits the terminal, in one colour (none where it is empty).
fn push_line(screen: &mut String, style: Style, colour: &str, line: &str) {
    for part in wrapped(line, style.width) {
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

/// The lines of a text, each within `width` unless a word is wider.
fn wrapped(text: &str, width: usize) -> Vec<String> {
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

/// A column as it is going to be written.
struct Drawn {
    place: usize,
    shown: Shown,
    on_the_left: bool,
    with_interval: bool,
    cells: Vec<String>,
    colours: Vec<&'static str>,
    width: usize,
}

impl Drawn {
    fn new(table: &Table, place: usize, shown: Shown) -> Self {
        let mut drawn = Self {
            place,
            shown,
            on_the_left: table.is_words(place),
            with_interval: shown.interval.is_some(),
            cells: Vec::new(),
            colours: table
                .rows
                .iter()
                .map(|row| colour_of(&row[place]))
                .collect(),
            width: 0,
        };
        drawn.fill(table);
        drawn
    }

    fn fill(&mut self, table: &Table) {
        let cells = table.rows.iter().map(|row| &row[self.place]);
        self.cells = cells
            .map(|cell| clipped(&cell.shown(self.with_interval)))
            .collect();
        let widest = self.cells.iter().map(|text| text.width()).max();
        self.width = widest.unwrap_or(0).max(self.shown.heading.width());
    }

    /// How soon something of this column goes where there is no room: its intervals, or all of it.
    fn dispensable(&self) -> u8 {
        let interval = self.shown.interval.filter(|_| self.with_interval);
        interval.unwrap_or(0).max(self.shown.dispensable)
    }

    /// A text with the spaces that make it as wide as the column, before or after it.
    fn pads(&self, text: &str) -> (String, String) {
        let pad = " ".repeat(self.width.saturating_sub(text.width()));
        if self.on_the_left {
            (String::new(), pad)
        } else {
            (pad, String::new())
        }
    }
}

/// A verdict by what it means for a switch; a figure that its samples hardly support is dim.
fn colour_of(cell: &Cell) -> &'static str {
    match cell.figure {
        Figure::Verdict(Verdict::Regressed) => RED,
        Figure::Verdict(Verdict::Improved) => GREEN,
        Figure::Verdict(Verdict::Inconclusive) => YELLOW,
        _ if cell.thin => DIM,
        _ => "",
    }
}

/// On one line, and no wider than a cell may be.
fn clipped(text: &str) -> String {
    let line = text::one_line(text);
    if line.width() <= CELL_WIDTH {
        return line.into_owned();
    }
    let mut clipped = String::new();
    for c in line.chars() {
        clipped.push(c);
        if clipped.width() >= CELL_WIDTH {
            clipped.pop();
            break;
        }
    }
    clipped.push('…');
    clipped
}

/// The columns that fit: the most dispensable go first, the rightmost among equals; a column's
/// intervals may go before the column does.
fn fitting(table: &Table, width: usize) -> Vec<Drawn> {
    let shown = table.shown().into_iter();
    let mut columns: Vec<Drawn> = shown
        .map(|(place, shown)| Drawn::new(table, place, shown))
        .collect();
    let needed = |columns: &[Drawn]| -> usize {
        let widths: usize = columns.iter().map(|column| column.width).sum();
        widths + GUTTER * columns.len().saturating_sub(1)
    };
    while needed(&columns) > width {
        let places = columns.iter().enumerate();
        let most = places.max_by_key(|(_, column)| column.dispensable());
        match most {
            Some((_, column)) if column.dispensable() == 0 => break,
            Some((place, column)) if column.shown.dispensable == column.dispensable() => {
                columns.remove(place);
            }
            Some((place, _)) => {
                columns[place].with_interval = false;
                columns[place].fill(table);
            }
            None => break,
        }
    }
    columns
}

fn push_table(screen: &mut String, table: &Table, style: Style) {
    let columns = fitting(table, style.width);
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
    let kept = columns.iter().map(|column| column.shown.heading);
    let kept: Vec<&str> = kept.collect();
    let shown = table.shown().into_iter().map(|(_, shown)| shown.heading);
    let left_out: Vec<&str> = shown.filter(|heading| !kept.contains(heading)).collect();
    if !left_out.is_empty() {
        let line = format!("left out at this width: {}", left_out.join(", "));
        push_line(screen, style, DIM, &line);
    }
}

fn push_row<'a>(
    screen: &mut String,
    style: Style,
    cells: impl Iterator<Item = (&'a Drawn, &'a str, &'static str)>,
) {
    let gutter = " ".repeat(GUTTER);
    let mut pending = String::new();
    for (place, (column, text, colour)) in cells.enumerate() {
        if place > 0 {
            pending.push_str(&gutter);
        }
        let (before, after) = column.pads(text);
        // Spaces are held back until something follows: no line ends in them.
        pending.push_str(&before);
        screen.push_str(&pending);
        push_painted(screen, style, colour, text);
        pending = after;
    }
    screen.push('\n');
}
