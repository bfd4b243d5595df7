//! The comparison on a terminal.
//!
//! Owns alignment, colours and the order in which columns are dropped. Must not know whether the output is a
//! terminal: `Style` says so. Invariant: no line of the table is wider than the terminal unless the columns
//! that always stay are, and colour never changes a width.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr as _;

use crate::units::plural;
use crate::verdict::{Advice, GateStatus, Verdict};

use super::aligned::{Align, GUTTER, clip, padding};
use super::caching::CachingSection;
use super::figure::{Figure, FigureCell};
use super::load::LoadSection;
use super::output_tokens::Outputs;
use super::problems::RunProblem;
use super::recommendations::{RecommendationText, symbol};
use super::spread::{BAR_WIDTH_MAX, BAR_WIDTH_MIN, SpreadColumn};
use super::table::{ColumnDisplay, FigureTable};
use super::text::{self, push};
use super::verdicts::{Section, Verdicts};
use super::view::View;

/// The capabilities of the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// True to use colours.
    pub colour: bool,
    /// Width in columns; [`usize::MAX`] where nothing is to be cut.
    pub width: usize,
}

/// Maximum width of one cell: names and messages may be long.
const MAX_CELL_WIDTH: usize = 48;
/// Maximum width of a candidate's name before its recommendation.
const MAX_NAME_WIDTH: usize = 32;
/// Maximum problems next to the result; the rest is counted.
const MAX_ALERTS: usize = 5;
/// Width below which the text of a column is not cut further.
const MIN_COLUMN_WIDTH: usize = 10;
const EXPLORATORY: &str =
    "Exploratory, adjusted for their number (Benjamini-Hochberg); they fail nothing";
const BOLD: &str = "\x1b[1m";
pub(super) const DIM: &str = "\x1b[2m";
pub(super) const RED: &str = "\x1b[31m";
pub(super) const GREEN: &str = "\x1b[32m";
pub(super) const YELLOW: &str = "\x1b[33m";
const RESET: &str = "\x1b[0m";

/// Renders the result of a run: heading, table, recommendations and the problems that change how it is read.
pub(super) fn screen(view: &View, style: Style) -> String {
    let content = &view.screen;
    let mut screen = String::new();
    push_line(&mut screen, style, BOLD, &text::one_line(&content.heading));
    if let Some(mark) = &content.simulated {
        push_line(&mut screen, style, DIM, &text::one_line(mark));
    }
    if let Some(warning) = &view.warning {
        push_marked(&mut screen, style, (YELLOW, '!'), 2, warning);
    }
    screen.push('\n');
    push_columns(&mut screen, &content.table, Some(&content.spread), style);
    screen.push('\n');
    push_recommendations(&mut screen, &content.recommendations, style);
    for line in &content.gate {
        let (colour, mark) = gate_mark(line.status);
        push_marked(&mut screen, style, (colour, mark), 2, &line.text);
    }
    let notes = content.notes.iter().map(String::as_str);
    let notes: Vec<&str> = notes.chain(content.abbreviation).collect();
    if !notes.is_empty() {
        push_line(&mut screen, style, "", &text::one_line(&notes.join(" ")));
    }
    if let Some(load) = &view.load {
        push_load(&mut screen, load, style);
    }
    for alert in content.alerts.iter().take(MAX_ALERTS) {
        let whole = alert.line();
        let fits = whole.width().saturating_add(2) <= style.width;
        let line = if fits { &whole } else { &alert.text };
        push_marked(&mut screen, style, (YELLOW, '!'), 2, line);
    }
    if content.alerts.len() > MAX_ALERTS {
        let more = content.alerts.len() - MAX_ALERTS;
        let line = format!("{} in report.md", plural(more as u64, "more problem"));
        push_marked(&mut screen, style, (YELLOW, '!'), 2, &line);
    }
    screen
}

/// Renders everything that the result of a run leaves out: figures with intervals, all verdicts, problems,
/// legends.
pub(super) fn details(view: &View, style: Style) -> String {
    let mut screen = String::new();
    screen.push('\n');
    push_line(&mut screen, style, BOLD, "Figures, with 95 % intervals");
    push_table(&mut screen, &view.comparison, style);
    push_verdicts(&mut screen, &view.verdicts, style, true);
    push_exploratory(&mut screen, &view.verdicts, style);
    let outputs = &view.verdicts.outputs;
    if outputs.is_notable() {
        push_outputs(&mut screen, outputs, style);
    }
    // If the suite does not configure caching, the Markdown page is enough.
    if let Some(caching) = view
        .caching
        .as_ref()
        .filter(|caching| caching.suite_uses_caches)
    {
        push_caching(&mut screen, caching, style);
    }
    for line in view.load.iter().flat_map(|load| &load.legend) {
        push_line(&mut screen, style, DIM, &text::one_line(line));
    }
    push_problems(&mut screen, "Problems", &view.problems, style);
    if !view.errors.rows.is_empty() {
        screen.push('\n');
        push_table(&mut screen, &view.errors, style);
    }
    push_problems(&mut screen, "Remarks", &view.remarks, style);
    screen.push('\n');
    for note in &view.notes {
        push_line(&mut screen, style, DIM, note);
    }
    screen
}

/// The colour and the mark of a line about a gate.
const fn gate_mark(status: GateStatus) -> (&'static str, char) {
    match status {
        GateStatus::Passed => (GREEN, '+'),
        GateStatus::Inconclusive => (YELLOW, '~'),
        GateStatus::Failed => (RED, '-'),
    }
}

fn push_problems(screen: &mut String, title: &str, problems: &[RunProblem], style: Style) {
    if !problems.is_empty() {
        screen.push('\n');
        push_line(screen, style, BOLD, title);
    }
    for problem in problems {
        let remedy = problem.remedy.map(|remedy| format!(" ({remedy})"));
        let line = format!(
            "{}: {}{}",
            problem.subject,
            problem.text,
            remedy.unwrap_or_default()
        );
        push_line(screen, style, "", &text::one_line(&line));
    }
}

/// Adds one line per candidate, in the longest form that fits.
fn push_recommendations(screen: &mut String, texts: &[RecommendationText], style: Style) {
    let max_width = if style.width == usize::MAX {
        usize::MAX
    } else {
        MAX_NAME_WIDTH
    };
    let names = texts.iter().map(|text| clip(&text.name, max_width));
    let names: Vec<String> = names.collect();
    let widest = names.iter().map(|name| name.width()).max().unwrap_or(0);
    for (text, name) in texts.iter().zip(&names) {
        let colour = match text.advice {
            Advice::Switch => GREEN,
            Advice::TradeOff | Advice::Undecided => YELLOW,
            Advice::KeepReference | Advice::NoResult => RED,
        };
        let pad = " ".repeat(widest - name.width());
        // The mark, a space, the name and two spaces.
        let indent = widest + 4;
        let [_, _, shortest] = text.forms();
        let fits = |form: &&String| indent.saturating_add(form.width()) <= style.width;
        let form = text.forms().iter().find(fits).unwrap_or(shortest);
        let line = format!("{name}{pad}  {form}");
        let hanging = if indent * 2 > style.width { 2 } else { indent };
        push_marked(screen, style, (colour, symbol(text.advice)), hanging, &line);
    }
}

/// Adds a line that begins with a coloured mark; what does not fit is indented by `hanging` columns.
fn push_marked(
    screen: &mut String,
    style: Style,
    (colour, mark): (&str, char),
    hanging: usize,
    line: &str,
) {
    push_painted(screen, style, colour, &mark.to_string());
    let rest = style.width.saturating_sub(hanging).max(1);
    let line = text::one_line(line);
    let first_width = style.width.saturating_sub(2).max(1);
    let mut parts = wrap(&line, first_width).into_iter();
    let first = parts.next().unwrap_or_default();
    push(screen, format_args!(" {first}\n"));
    let others: Vec<String> = parts.collect();
    for part in wrap(&others.join(" "), rest)
        .iter()
        .filter(|part| !part.is_empty())
    {
        push(screen, format_args!("{}{part}\n", " ".repeat(hanging)));
    }
}

fn push_load(screen: &mut String, load: &LoadSection, style: Style) {
    screen.push('\n');
    push_columns(screen, &load.table, None, style);
    screen.push('\n');
    for sentence in &load.sentences {
        push_line(screen, style, "", &text::one_line(sentence));
    }
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

/// Renders judgements on their own. `mark`: of simulated figures; `is_verbose`: with legends, the table of answer lengths
/// and exploratory comparisons.
pub(super) fn verdicts(
    scope: &str,
    mark: Option<&str>,
    verdicts: &Verdicts,
    style: Style,
    is_verbose: bool,
) -> String {
    let mut screen = String::new();
    push_line(&mut screen, style, BOLD, &text::one_line(scope));
    if let Some(mark) = mark {
        push_line(&mut screen, style, DIM, &text::one_line(mark));
    }
    for switch in &verdicts.switches {
        let (colour, mark) = gate_mark(switch.status());
        push_marked(&mut screen, style, (colour, mark), 2, &switch.sentence);
    }
    push_verdicts(&mut screen, verdicts, style, is_verbose);
    let outputs = &verdicts.outputs;
    if !is_verbose {
        for line in &outputs.paragraphs {
            push_line(&mut screen, style, "", &text::one_line(line));
        }
        let more = "More: --verbose has legends and exploratory comparisons";
        push_line(&mut screen, style, DIM, more);
        return screen;
    }
    if outputs.is_notable() {
        push_outputs(&mut screen, outputs, style);
        for line in outputs.paragraphs.iter().chain(&outputs.hidden) {
            push_line(&mut screen, style, "", &text::one_line(line));
        }
        for note in &outputs.notes {
            push_line(&mut screen, style, DIM, note);
        }
    }
    push_exploratory(&mut screen, verdicts, style);
    screen
}

fn push_exploratory(screen: &mut String, verdicts: &Verdicts, style: Style) {
    let exploratory = |section: &&Section| !section.exploratory.rows.is_empty();
    for section in verdicts.sections.iter().filter(exploratory) {
        screen.push('\n');
        push_line(screen, style, BOLD, EXPLORATORY);
        if !section.exploratory_shown.rows.is_empty() {
            push_table(screen, &section.exploratory_shown, style);
        }
        for line in &section.exploratory_reasons {
            push_line(screen, style, DIM, &text::one_line(line));
        }
    }
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

/// Adds every judgement with its notes, then the limits. `is_verbose`: with legends.
fn push_verdicts(screen: &mut String, verdicts: &Verdicts, style: Style, is_verbose: bool) {
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
        for line in section.legend.iter().filter(|_| is_verbose) {
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

pub(super) fn push_painted(screen: &mut String, style: Style, colour: &str, text: &str) {
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
    align: Align,
    with_interval: bool,
    cells: Vec<String>,
    colours: Vec<&'static str>,
    width: usize,
    max_width: usize,
}

impl ColumnLayout {
    fn new(table: &FigureTable, (index, shown): (usize, ColumnDisplay), max_width: usize) -> Self {
        let mut layout = Self {
            index,
            shown,
            align: Align::left_if(table.is_words(index)),
            with_interval: shown.interval.is_some(),
            cells: Vec::new(),
            colours: table
                .rows
                .iter()
                .map(|row| cell_colour(&row[index]))
                .collect(),
            width: 0,
            max_width,
        };
        layout.fill(table);
        layout
    }

    /// The column of a spread's bars; `None` if there is nothing to draw.
    fn bars(spread: &SpreadColumn, width: usize) -> Option<Self> {
        let cells = spread.bars(width);
        let any = cells.iter().any(|bar| !bar.is_empty());
        any.then(|| Self {
            index: usize::MAX,
            shown: ColumnDisplay {
                heading: spread.heading,
                drop_priority: 0,
                interval: None,
            },
            align: Align::Left,
            with_interval: false,
            colours: vec![""; cells.len()],
            cells,
            width,
            max_width: width,
        })
    }

    fn fill(&mut self, table: &FigureTable) {
        let cells = table.rows.iter().map(|row| &row[self.index]);
        self.cells = cells
            .map(|cell| clip(&cell.shown(self.with_interval), self.max_width))
            .collect();
        let widest = self.cells.iter().map(|text| text.width()).max();
        self.width = widest.unwrap_or(0).max(self.shown.heading.width());
    }

    /// The drop priority of this column: of its intervals, or of all of it.
    fn drop_priority(&self) -> u8 {
        let interval = self.shown.interval.filter(|_| self.with_interval);
        interval.unwrap_or(0).max(self.shown.drop_priority)
    }
}

/// The colour of a cell: a verdict by its meaning for a switch, a figure with low n dim.
fn cell_colour(cell: &FigureCell) -> &'static str {
    match cell.figure {
        Figure::Verdict(Verdict::Regressed, _) => RED,
        Figure::Verdict(Verdict::Improved, _) => GREEN,
        Figure::Verdict(Verdict::Inconclusive, _) => YELLOW,
        _ if cell.low_n => DIM,
        _ => "",
    }
}

/// The width of a table with these columns.
fn needed_width(columns: &[ColumnLayout]) -> usize {
    let widths: usize = columns.iter().map(|column| column.width).sum();
    widths + GUTTER * columns.len().saturating_sub(1)
}

/// Selects the columns that fit: the highest drop priority goes first, the rightmost among equals; a column's
/// intervals may go before the column does.
fn fit_columns(table: &FigureTable, width: usize) -> Vec<ColumnLayout> {
    let shown = table.shown().into_iter();
    // Where width is unlimited, nothing is cut.
    let max_cell_width = if width == usize::MAX {
        usize::MAX
    } else {
        MAX_CELL_WIDTH
    };
    let mut columns: Vec<ColumnLayout> = shown
        .map(|column| ColumnLayout::new(table, column, max_cell_width))
        .collect();
    while needed_width(&columns) > width {
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
    // No row wraps: as a last resort text is cut, the widest first.
    while needed_width(&columns) > width {
        let excess = needed_width(&columns) - width;
        let texts = columns.iter_mut().filter(|column| {
            column.align == Align::Left
                && column.width > MIN_COLUMN_WIDTH.max(column.shown.heading.width())
        });
        let Some(widest) = texts.max_by_key(|column| column.width) else {
            break;
        };
        let min = MIN_COLUMN_WIDTH.max(widest.shown.heading.width());
        widest.max_width = widest.width.saturating_sub(excess).max(min);
        widest.fill(table);
    }
    columns
}

/// Adds the columns of a table that fit, and names those that were left out.
fn push_table(screen: &mut String, table: &FigureTable, style: Style) {
    let visible = push_columns(screen, table, None, style);
    let shown = table.shown().into_iter().map(|(_, shown)| shown.heading);
    let left_out: Vec<&str> = shown.filter(|heading| !visible.contains(heading)).collect();
    if !left_out.is_empty() {
        let line = format!("left out at this width: {}", left_out.join(", "));
        push_line(screen, style, DIM, &line);
    }
}

/// Adds the columns of a table that fit, then bars of a spread where they have room, and returns the headings.
fn push_columns(
    screen: &mut String,
    table: &FigureTable,
    spread: Option<&SpreadColumn>,
    style: Style,
) -> Vec<&'static str> {
    let mut columns = fit_columns(table, style.width);
    if let Some(spread) = spread.filter(|_| style.width < usize::MAX) {
        let room = style.width.saturating_sub(needed_width(&columns) + GUTTER);
        if room >= BAR_WIDTH_MIN.max(spread.heading.width()) {
            columns.extend(ColumnLayout::bars(spread, room.min(BAR_WIDTH_MAX)));
        }
    }
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
    columns.iter().map(|column| column.shown.heading).collect()
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
        let (before, after) = padding(text, column.width, column.align);
        // Trailing spaces are held back until something follows, so that no line ends in them.
        pending.push_str(&before);
        screen.push_str(&pending);
        push_painted(screen, style, colour, text);
        pending = after;
    }
    screen.push('\n');
}
