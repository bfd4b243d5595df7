//! `report.md`: the view as Markdown, to paste into a pull request.
//!
//! Owns the page's layout. Must not know how a number was computed. Invariant: it adds nothing to the
//! view, and text from outside cannot act on the page.

use super::caching::CachingSection;
use super::output_tokens::Outputs;
use super::table::FigureTable;
use super::text::{self, push};
use super::verdicts::{Section, Verdicts};
use super::view::View;

/// Maximum rows of the per-prompt table: more would not fit a pull request. The comparison as JSON
/// has them all.
const MAX_PROMPT_ROWS: usize = 200;
/// Maximum rows of the table of errors; the rest is counted.
const MAX_ERROR_ROWS: usize = 20;

/// Renders the page.
pub(super) fn page(view: &View) -> String {
    let mut page = format!("# bakeoff: {}\n\n", text::markdown(&view.suite));
    if let Some(description) = &view.description {
        push(
            &mut page,
            format_args!("{}\n\n", text::markdown(description)),
        );
    }
    if let Some(warning) = &view.warning {
        push(
            &mut page,
            format_args!("> **{}**\n\n", text::markdown(warning)),
        );
    }
    let finding: Vec<String> = view.finding.iter().map(|s| text::markdown(s)).collect();
    push(&mut page, format_args!("{}\n\n", finding.join(" ")));
    push_table(&mut page, &view.comparison, usize::MAX);
    page.push('\n');
    for note in &view.notes {
        push(&mut page, format_args!("- {}\n", text::markdown(note)));
    }
    push_verdicts(&mut page, &view.verdicts);
    if let Some(caching) = &view.caching {
        push_caching(&mut page, caching);
    }
    page.push_str("\n## What went wrong\n\n");
    push_problems(&mut page, view);
    page.push_str("\n## By prompt\n\n<details><summary>Figures of each prompt</summary>\n\n");
    push_table(&mut page, &view.prompts, MAX_PROMPT_ROWS);
    page.push_str("\n</details>\n\n## How it was run\n\n| | |\n| --- | --- |\n");
    for (name, value) in &view.method {
        push(
            &mut page,
            format_args!("| {name} | {} |\n", text::markdown(value)),
        );
    }
    page
}

/// Renders judgements as a page of their own.
pub(super) fn verdicts_page(suite: &str, scope: &str, verdicts: &Verdicts) -> String {
    let (suite, scope) = (text::markdown(suite), text::markdown(scope));
    let mut page = format!("# bakeoff: {suite}\n\n{scope}\n");
    push_verdicts(&mut page, verdicts);
    page
}

fn push_caching(page: &mut String, caching: &CachingSection) {
    page.push_str("\n## Prompt caches\n\n");
    for sentence in &caching.sentences {
        push(page, format_args!("- {}\n", text::markdown(sentence)));
    }
    page.push('\n');
    push_table(page, &caching.table, usize::MAX);
    page.push('\n');
    for line in &caching.legend {
        push(page, format_args!("- {}\n", text::markdown(line)));
    }
}

/// Adds every judgement, then the limits.
fn push_verdicts(page: &mut String, verdicts: &Verdicts) {
    if !verdicts.sections.is_empty() {
        page.push_str("\n## Verdicts\n");
    }
    for section in &verdicts.sections {
        push_section(page, section);
    }
    if !verdicts.limits.rows.is_empty() {
        page.push_str("\n## Limits\n\n");
        push_table(page, &verdicts.limits, usize::MAX);
    }
    push_outputs(page, &verdicts.outputs);
}

/// Adds the section on answer length, unless it has nothing to show.
fn push_outputs(page: &mut String, outputs: &Outputs) {
    if !outputs.is_notable() {
        return;
    }
    page.push_str("\n## Output tokens\n\n");
    for line in [&outputs.paragraphs, &outputs.hidden, &outputs.notes]
        .into_iter()
        .flatten()
    {
        push(page, format_args!("- {}\n", text::markdown(line)));
    }
    page.push('\n');
    push_table(page, &outputs.models, usize::MAX);
    page.push_str("\n<details><summary>Output tokens on each prompt</summary>\n\n");
    push_table(page, &outputs.prompts, MAX_PROMPT_ROWS);
    page.push_str("\n</details>\n");
}

fn push_section(page: &mut String, section: &Section) {
    push(
        page,
        format_args!("\n### {}\n\n", text::markdown(&section.title)),
    );
    for alert in &section.alerts {
        push(
            page,
            format_args!("> **{}**\n\n", text::markdown(&alert.text)),
        );
    }
    for text in &section.comparison_texts {
        let sentences = std::iter::once(&text.sentence).chain(&text.own_remarks);
        let sentences: Vec<String> = sentences.map(|s| text::markdown(s)).collect();
        let word = text.verdict.word();
        push(
            page,
            format_args!("- **{word}**: {}\n", sentences.join(" ")),
        );
    }
    for note in section.shared_remarks.iter().chain(&section.notes) {
        push(page, format_args!("- {}\n", text::markdown(note)));
    }
    if !section.primary.rows.is_empty() {
        page.push('\n');
        push_table(page, &section.primary, usize::MAX);
    }
    if !section.legend.is_empty() {
        page.push('\n');
    }
    for line in &section.legend {
        push(page, format_args!("- {}\n", text::markdown(line)));
    }
    for (summary, table, below) in [
        (
            "Exploratory comparisons: not corrected for their number, and they never fail",
            &section.exploratory_shown,
            section.exploratory_reasons.as_slice(),
        ),
        (
            "On how many prompts, and where most",
            &section.extremes,
            &[],
        ),
        ("The effect on each prompt", &section.prompts, &[]),
        ("Within the answers of one provider", &section.routes, &[]),
    ] {
        push_folded(page, summary, table, below);
    }
    push_folded(
        page,
        "How it was judged, and why so",
        &FigureTable::default(),
        &section.method,
    );
}

/// Adds a folded table with its notes; nothing if both are empty.
fn push_folded(page: &mut String, summary: &str, table: &FigureTable, below: &[String]) {
    if table.rows.is_empty() && below.is_empty() {
        return;
    }
    push(
        page,
        format_args!("\n<details><summary>{summary}</summary>\n\n"),
    );
    if !table.rows.is_empty() {
        push_table(page, table, MAX_PROMPT_ROWS);
    }
    if !table.rows.is_empty() && !below.is_empty() {
        page.push('\n');
    }
    for line in below {
        push(page, format_args!("- {}\n", text::markdown(line)));
    }
    page.push_str("\n</details>\n");
}

fn push_problems(page: &mut String, view: &View) {
    if view.problems.is_empty() {
        page.push_str("Nothing that was noticed.\n");
    }
    for problem in &view.problems {
        let (subject, text) = (
            text::markdown(&problem.subject),
            text::markdown(&problem.text),
        );
        let remedy = problem
            .remedy
            .map(|remedy| format!(" ({})", text::markdown(remedy)));
        let remedy = remedy.unwrap_or_default();
        push(page, format_args!("- **{subject}**: {text}{remedy}.\n"));
    }
    if !view.errors.rows.is_empty() {
        page.push('\n');
        push_table(page, &view.errors, MAX_ERROR_ROWS);
    }
}

/// Adds the shown columns of a table, and the number of rows that were left out.
fn push_table(page: &mut String, table: &FigureTable, max_rows: usize) {
    let shown = table.shown();
    let headings: Vec<&str> = shown.iter().map(|(_, shown)| shown.heading).collect();
    let rules = shown.iter().map(
        |&(index, _)| {
            if table.is_words(index) { "---" } else { "---:" }
        },
    );
    let rules: Vec<&str> = rules.collect();
    push(
        page,
        format_args!("| {} |\n| {} |\n", headings.join(" | "), rules.join(" | ")),
    );
    for row in table.rows.iter().take(max_rows) {
        let cells = shown
            .iter()
            .map(|&(index, shown)| text::markdown(&row[index].shown(shown.interval.is_some())));
        let cells: Vec<String> = cells.collect();
        push(page, format_args!("| {} |\n", cells.join(" | ")));
    }
    let left_out = table.rows.len().saturating_sub(max_rows);
    if left_out > 0 {
        push(
            page,
            format_args!("\n{left_out} more rows are in the comparison as JSON.\n"),
        );
    }
}
