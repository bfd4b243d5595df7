//! The top of the page: the heading, the recommendations, and the main figures.
//!
//! Owns their markup. Must not know how advice is given. Invariant: the words are those of every other format; a
//! mark repeats the advice in its sign and its shape, not in its colour alone.

use maud::{Markup, html};

use crate::report::recommendations::{RecommendationText, advice_words};
use crate::report::view::View;
use crate::units::one_line;
use crate::verdict::{Advice, RunSummary, VariantSummary};

use super::decision::single;
use super::roster::Roster;
use super::tables::{figure_table, prose, sentences};

/// Renders the header of the page.
pub(super) fn header(view: &View, started: &str, links: &[(&str, String)]) -> Markup {
    // The title stands above it already.
    let full = view.screen.heading.as_str();
    let heading = full
        .strip_prefix(view.suite.as_str())
        .and_then(|rest| rest.strip_prefix(": "));
    let heading = heading.unwrap_or(full);
    html! {
        h1 { (one_line(&view.suite)) }
        @if let Some(description) = &view.description { p.about { (one_line(description)) } }
        p.sub { (one_line(heading)) }
        p.sub { "Run " (one_line(&view.run)) ", " (started) }
        @if let Some(mark) = &view.screen.simulated { p.sim { (capital(&one_line(mark))) "." } }
        @if let Some(warning) = &view.warning { p.alert { (one_line(warning)) } }
        nav aria-label="Sections" { @for (id, title) in links { a href=(format!("#{id}")) { (title) } " " } }
    }
}

/// Renders the section.
pub(super) fn section(roster: &Roster, view: &View, summary: &RunSummary) -> Markup {
    let screen = &view.screen;
    let answered = summary
        .variants
        .iter()
        .any(|variant| variant.figures.counts.answered > 0);
    html! {
        section aria-labelledby="result" {
            h2 id="result" { (title(view, answered)) }
            @if let Some(first) = screen.recommendations.first() {
                p { "Against the reference " (one_line(&first.reference)) ". Ratios are candidate over reference, with the \
                    intervals that the verdicts use." }
                ul.rec { @for text in &screen.recommendations { (recommendation(text)) } }
            } @else if let [model] = roster.models.as_slice() {
                p { (one_line(&single(model, summary, roster))) }
            }
            @for variant in unanswered(view, summary) {
                p.alert { "No answer from " (one_line(&variant.label)) "; see Problems." }
            }
            @for line in &screen.gate { p.note { (prose(&line.text)) } }
            @for alert in &screen.alerts { p.note { strong { "! " } (prose(&alert.line())) } }
            (sentences(&screen.notes))
            (figure_table("Main figures of each model", &roster.sorted(&screen.table), false))
            details {
                summary { "All figures, with 95 % intervals" }
                (figure_table("All figures of each model", &roster.sorted(&view.comparison), true))
                (sentences(&view.notes))
            }
            @if !view.verdicts.limits.rows.is_empty() {
                details {
                    summary { "Limits" }
                    (figure_table("Limits", &roster.sorted(&view.verdicts.limits), true))
                }
            }
        }
    }
}

/// The models that answered nothing, but for candidates: their recommendation says so.
fn unanswered<'a>(
    view: &'a View,
    summary: &'a RunSummary,
) -> impl Iterator<Item = &'a VariantSummary> {
    let texts = &view.screen.recommendations;
    let variants = summary.variants.iter();
    variants.filter(|one| {
        one.figures.counts.answered == 0 && texts.iter().all(|text| text.candidate != one.label)
    })
}

fn title(view: &View, answered: bool) -> &'static str {
    if !answered {
        "No answer"
    } else if view.screen.recommendations.is_empty() {
        "Figures"
    } else {
        "Recommendations"
    }
}

fn recommendation(text: &RecommendationText) -> Markup {
    let (sign, class) = match text.advice {
        Advice::Switch => ("+", "a-switch"),
        Advice::TradeOff => ("~", "a-trade"),
        Advice::Undecided => ("?", "a-undecided"),
        Advice::KeepReference => ("−", "a-keep"),
        Advice::NoResult => ("✕", "a-none"),
    };
    // The longest form of the sentence; its last words are the advice, which stands in front of it here.
    let words = text.forms()[0]
        .rsplit_once(": ")
        .map_or("", |(reasons, _)| reasons);
    html! {
        li {
            span.adv.(class) { b aria-hidden="true" { (sign) } (capital(advice_words(text.advice))) }
            p { strong { (one_line(&text.candidate)) } " " span.why { (unbroken(words)) "." } }
        }
    }
}

/// The text with its brackets kept in one line: an interval that is broken reads as two numbers.
fn unbroken(text: &str) -> Markup {
    let text = one_line(text);
    let pieces = text
        .split_inclusive(')')
        .map(|piece| piece.split_once('(').ok_or(piece));
    html! {
        @for piece in pieces {
            @match piece {
                Ok((before, inside)) => { (before) span.nb { "(" (inside) } }
                Err(piece) => { (piece) }
            }
        }
    }
}

/// The text with a capital letter at its beginning.
fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string());
    first.unwrap_or_default() + chars.as_str()
}
