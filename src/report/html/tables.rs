//! Tables of the page.
//!
//! Owns their markup. Must not know what a table shows. Invariant: every table has a caption, its rows and columns
//! have headers, and its box is reached by the keyboard where it scrolls.

use maud::{Markup, html};

use crate::report::table::FigureTable;
use crate::units::{one_line, plural};

/// Maximum rows of a table of the page: the comparison as JSON has them all.
pub(super) const MAX_ROWS: usize = 500;

/// A table whose cells are ready; the first of each row is its header.
pub(super) fn plain_table(caption: &str, headings: &[&str], rows: &[Vec<String>]) -> Markup {
    let left_out = rows.len().saturating_sub(MAX_ROWS);
    let content = html! {
        table {
            caption { (caption) }
            thead { tr { @for heading in headings { th scope="col" { (heading) } } } }
            tbody {
                @for row in rows.iter().take(MAX_ROWS) {
                    tr {
                        @for (index, cell) in row.iter().enumerate() {
                            @if index == 0 { th scope="row" { (one_line(cell)) } } @else { td { (one_line(cell)) } }
                        }
                    }
                }
            }
        }
    };
    html! {
        (scroll_box(caption, &content))
        @if left_out > 0 { p.note { (plural(left_out as u64, "further row")) " not shown." } }
    }
}

/// The shown columns of a table of figures, with intervals if `with_intervals`.
pub(super) fn figure_table(caption: &str, table: &FigureTable, with_intervals: bool) -> Markup {
    let shown = table.shown();
    let left_out = table.rows.len().saturating_sub(MAX_ROWS);
    let content = html! {
        table {
            caption { (caption) }
            thead {
                tr {
                    @for (column, &(index, shown)) in shown.iter().enumerate() {
                        th scope="col" class=[(column > 0 && table.is_words(index)).then_some("l")] { (shown.heading) }
                    }
                }
            }
            tbody {
                @for row in table.rows.iter().take(MAX_ROWS) {
                    tr {
                        @for (column, &(index, shown)) in shown.iter().enumerate() {
                            @let with_interval = with_intervals && shown.interval.is_some();
                            @let text = row[index].shown(with_interval);
                            @if column == 0 { th scope="row" { (one_line(&text)) } }
                            @else if with_interval { td.iv { (estimate_and_interval(&text)) } }
                            @else { td class=[table.is_words(index).then_some("l")] { (one_line(&text)) } }
                        }
                    }
                }
            }
        }
    };
    html! {
        (scroll_box(caption, &content))
        @if left_out > 0 { p.note { (left_out) " more rows are in the comparison as JSON." } }
    }
}

/// A cell that may be broken before its interval and nowhere else.
fn estimate_and_interval(text: &str) -> Markup {
    let text = one_line(text);
    html! {
        @match text.split_once(" (") {
            Some((estimate, interval)) => { span.nb { (estimate) } " " span.nb { "(" (interval) } }
            None => { (text) }
        }
    }
}

/// A box that scrolls sideways, with a name and a place in the order of the keyboard.
pub(super) fn scroll_box(name: &str, content: &Markup) -> Markup {
    html! { div.scroll role="region" tabindex="0" aria-label=(one_line(name)) { (content) } }
}

/// The same, into the page, with what `content` adds to it.
pub(super) fn scroll_box_to(page: &mut String, name: &str, content: impl FnOnce(&mut String)) {
    const END: &str = "</div>";
    let empty = scroll_box(name, &html! {}).0;
    page.push_str(empty.strip_suffix(END).expect("it is a `div`"));
    content(page);
    page.push_str(END);
}

/// A list of sentences; nothing without one.
pub(super) fn sentences(lines: &[String]) -> Markup {
    html! {
        @if !lines.is_empty() { ul.notes { @for line in lines { li { (prose(line)) } } } }
    }
}

/// A sentence in which words between backticks are code.
pub(super) fn prose(text: &str) -> Markup {
    let text = one_line(text);
    let pieces: Vec<&str> = text.split('`').collect();
    // An odd backtick is one of the text.
    if pieces.len().is_multiple_of(2) {
        return html! { (text) };
    }
    html! {
        @for (index, piece) in pieces.into_iter().enumerate() {
            @if index.is_multiple_of(2) { (piece) } @else { code { (piece) } }
        }
    }
}
