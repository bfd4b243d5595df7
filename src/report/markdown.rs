//! `report.md`: the view as Markdown, to paste into a pull request.
//!
//! Owns the page's layout. Must not know how a number was computed. Invariant: it adds nothing to the
//! view, and text from outside cannot act on the page.

use super::caching::CachingSection;
use super::load::LoadSection;
use super::output_tokens::Outputs;
use super::problems::RunProblem;
use super::screen::ResultScreen;
use super::table::{FigureTable, MAX_PROMPT_ROWS};
use super::text::{self, push};
use super::verdicts::{Section, Verdicts};
use super::view::View;
/// Maximum rows of the table of errors; the rest is counted.
const MAX_ERROR_ROWS: usize = 20;

/// Renders the page: the result as a reader needs it, then everything else, folded.
pub(super) fn page(view: &View) -> String {
    let mut page = format!("# bakeoff: {}\n\n", text::markdown(&view.suite));
    push_result(&mut page, &view.screen, view.warning.as_deref());
    if let Some(load) = &view.load {
        push_load(&mut page, load);
    }
    push_fold(&mut page, "All figures, with 95 % intervals", |page| {
        push_table(page, &view.comparison, usize::MAX);
        page.push('\n');
        push_list(page, &view.notes);
    });
    for section in &view.verdicts.sections {
        let summary = format!("Verdicts: {}", section.title);
        push_fold(&mut page, &summary, |page| push_section(page, section));
        push_section_folds(&mut page, section);
    }
    if !view.verdicts.limits.rows.is_empty() {
        push_fold(&mut page, "Limits", |page| {
            push_table(page, &view.verdicts.limits, usize::MAX);
        });
    }
    if view.verdicts.outputs.is_notable() {
        push_fold(&mut page, "Output tokens", |page| {
            push_outputs(page, &view.verdicts.outputs);
        });
    }
    if let Some(caching) = &view.caching {
        push_fold(&mut page, "Prompt caches", |page| {
            push_caching(page, caching);
        });
    }
    if !view.problems.is_empty() || !view.errors.rows.is_empty() {
        push_fold(&mut page, "Problems", |page| push_problems(page, view));
    }
    if !view.remarks.is_empty() {
        push_fold(&mut page, "Remarks", |page| {
            push_problem_list(page, &view.remarks);
        });
    }
    push_fold(&mut page, "Figures of each prompt", |page| {
        push_table(page, &view.prompts, MAX_PROMPT_ROWS);
    });
    push_fold(&mut page, "How it was run", |page| {
        if let Some(description) = &view.description {
            push(page, format_args!("{}\n\n", text::markdown(description)));
        }
        page.push_str("| | |\n| --- | --- |\n");
        for (name, value) in &view.method {
            push(
                page,
                format_args!("| {name} | {} |\n", text::markdown(value)),
            );
        }
    });
    page
}

/// Adds the result of a run: the mark of simulated figures, the heading, the table with the recommendations, the
/// gate, and the problems that change how it is read.
pub(super) fn push_result(page: &mut String, screen: &ResultScreen, warning: Option<&str>) {
    let marks = screen.simulated.as_deref().into_iter().chain(warning);
    for mark in marks {
        push(page, format_args!("> **{}**\n\n", text::markdown(mark)));
    }
    push(
        page,
        format_args!("{}\n\n", text::markdown(&screen.heading)),
    );
    push_table(page, &screen.page_table, usize::MAX);
    page.push('\n');
    if !screen.notes.is_empty() {
        let notes = text::markdown(&screen.notes.join(" "));
        push(page, format_args!("{notes}\n\n"));
    }
    for line in &screen.gate {
        push(page, format_args!("- {}\n", text::markdown(&line.text)));
    }
    for alert in &screen.alerts {
        push(page, format_args!("- {}\n", text::markdown(&alert.line())));
    }
}

fn push_list(page: &mut String, lines: &[String]) {
    for line in lines {
        push(page, format_args!("- {}\n", text::markdown(line)));
    }
}

/// Adds a folded part of the page.
fn push_fold(page: &mut String, summary: &str, content: impl FnOnce(&mut String)) {
    let summary = text::markdown(summary);
    push(
        page,
        format_args!("\n<details><summary>{summary}</summary>\n\n"),
    );
    content(page);
    page.push_str("\n</details>\n");
}

/// Renders judgements as a page of their own.
pub(super) fn verdicts_page(
    suite: &str,
    scope: &str,
    mark: Option<&str>,
    verdicts: &Verdicts,
) -> String {
    let (suite, scope) = (text::markdown(suite), text::markdown(scope));
    let mut page = format!("# bakeoff: {suite}\n\n");
    if let Some(mark) = mark {
        push(
            &mut page,
            format_args!("> **{}**\n\n", text::markdown(mark)),
        );
    }
    push(&mut page, format_args!("{scope}\n"));
    for (index, switch) in verdicts.switches.iter().enumerate() {
        page.push_str(if index == 0 { "\n" } else { "" });
        push(
            &mut page,
            format_args!("- {}\n", text::markdown(&switch.sentence)),
        );
    }
    push_verdicts(&mut page, verdicts);
    page
}

fn push_load(page: &mut String, load: &LoadSection) {
    page.push_str("\n## Load\n\n");
    push_list(page, &load.sentences);
    page.push('\n');
    push_table(page, &load.table, usize::MAX);
    page.push('\n');
    push_list(page, &load.legend);
}

fn push_caching(page: &mut String, caching: &CachingSection) {
    push_list(page, &caching.sentences);
    page.push('\n');
    push_table(page, &caching.table, usize::MAX);
    page.push('\n');
    push_list(page, &caching.legend);
}

/// Adds every judgement, then the limits.
fn push_verdicts(page: &mut String, verdicts: &Verdicts) {
    if !verdicts.sections.is_empty() {
        page.push_str("\n## Verdicts\n");
    }
    for section in &verdicts.sections {
        push(
            page,
            format_args!("\n### {}\n\n", text::markdown(&section.title)),
        );
        push_section(page, section);
        push_section_folds(page, section);
    }
    if !verdicts.limits.rows.is_empty() {
        page.push_str("\n## Limits\n\n");
        push_table(page, &verdicts.limits, usize::MAX);
    }
    if verdicts.outputs.is_notable() {
        page.push_str("\n## Output tokens\n\n");
        push_outputs(page, &verdicts.outputs);
    }
}

/// Adds the section on answer length.
fn push_outputs(page: &mut String, outputs: &Outputs) {
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
    for alert in &section.alerts {
        push(
            page,
            format_args!("> **{}**\n\n", text::markdown(&alert.text)),
        );
    }
    for text in &section.comparison_texts {
        let sentences = std::iter::once(&text.sentence).chain(&text.own_remarks);
        let sentences: Vec<String> = sentences.map(|s| text::markdown(s)).collect();
        let word = text.verdict.printed_word(text.design);
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
    push_list(page, &section.legend);
}

/// Adds the parts of a section that are always folded.
fn push_section_folds(page: &mut String, section: &Section) {
    for (summary, table, below) in [
        (
            "Exploratory comparisons, adjusted for their number (Benjamini-Hochberg); they fail nothing",
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
    push_problem_list(page, &view.problems);
    if !view.errors.rows.is_empty() {
        page.push('\n');
        push_table(page, &view.errors, MAX_ERROR_ROWS);
    }
}

fn push_problem_list(page: &mut String, problems: &[RunProblem]) {
    for problem in problems {
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
    let left_out = table.row_count().saturating_sub(max_rows);
    if left_out > 0 {
        push(
            page,
            format_args!("\n{left_out} more rows are in the comparison as JSON.\n"),
        );
    }
}
