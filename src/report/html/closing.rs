//! The end of the page: problems, how the run was made, and definitions.
//!
//! Owns their markup and the definitions. Must not know how a problem is found. Invariant: every word of the charts
//! that is not plain English is defined here.

use maud::{Markup, html};

use crate::record::Manifest;
use crate::report::problems::RunProblem;
use crate::report::view::View;
use crate::units::one_line;
use crate::verdict::{STALL_GAPS, STALL_MIN};

use super::roster::Roster;
use super::tables::{figure_table, plain_table, prose};

/// Renders the sections.
pub(super) fn sections(roster: &Roster, view: &View, manifest: &Manifest) -> Markup {
    html! {
        section aria-labelledby="problems" {
            h2 id="problems" { "Problems" }
            @if view.problems.is_empty() && view.errors.rows.is_empty() {
                p { "None was found." }
            } @else {
                p { "What changes how the figures are read, and what to do about it." }
                (problem_list(&view.problems))
                @if !view.errors.rows.is_empty() { (figure_table("Failures by kind", &roster.sorted(&view.errors), false)) }
            }
            @if !view.remarks.is_empty() { details { summary { "Remarks" } (problem_list(&view.remarks)) } }
        }
        section aria-labelledby="method" {
            h2 id="method" { "How it was run" }
            p { "Settings and circumstances." }
            dl { @for (name, value) in &view.method { dt { (name) } dd { (one_line(value)) } } }
            @if !manifest.client.is_empty() {
                @let rows: Vec<Vec<String>> = manifest.client.iter()
                    .map(|one| vec![one.name.clone(), one.words(), one.reason.clone()]).collect();
                details {
                    summary { "Settings of the HTTP client" }
                    (plain_table("Settings of the HTTP client", &["setting", "value", "reason"], &rows))
                }
            }
        }
        section aria-labelledby="definitions" {
            h2 id="definitions" { "Definitions" }
            p { "Formulae are in METHODOLOGY.md." }
            dl { @for (word, meaning) in definitions() { dt { (word) } dd { (meaning) } } }
        }
    }
}

/// The problems; one that several models share is one line, with the counts of each.
fn problem_list(problems: &[RunProblem]) -> Markup {
    let shared = |problem: &RunProblem| {
        let (words, _) = problem.text.rsplit_once(": ")?;
        let of_others = problems.iter().filter(|other| {
            other.remedy == problem.remedy
                && other
                    .text
                    .rsplit_once(": ")
                    .is_some_and(|(same, _)| same == words)
        });
        let all: Vec<&RunProblem> = of_others.collect();
        (all.len() > 1).then_some((words.to_owned(), all))
    };
    let mut printed: Vec<(String, Option<&str>)> = Vec::new();
    html! {
        ul.notes {
            @for problem in problems {
                @match shared(problem) {
                    None => li {
                        strong { (one_line(&problem.subject)) } ": " (prose(&problem.text)) (remedy(problem)) "."
                    },
                    Some((words, all)) => {
                        @let key = (words, problem.remedy);
                        @if !printed.contains(&key) {
                            li {
                                (prose(&key.0)) (remedy(problem)) ":"
                                @for (index, one) in all.iter().enumerate() {
                                    @if index > 0 { ";" }
                                    @let count = one.text.rsplit_once(": ").map_or("", |(_, count)| count);
                                    " " strong { (one_line(&one.subject)) } " " (one_line(count))
                                }
                                "."
                            }
                            @let () = printed.push(key);
                        }
                    }
                }
            }
        }
    }
}

fn remedy(problem: &RunProblem) -> Markup {
    html! { @if let Some(remedy) = problem.remedy { " (" (prose(remedy)) ")" } }
}

fn definitions() -> Vec<(&'static str, String)> {
    let fixed = [
        (
            "TTFT",
            "Time from sending the answered attempt to its first token, reasoning included.",
        ),
        (
            "TTFA",
            "The same to the first token of the answer: content, refusal or tool call, without reasoning. None where \
            half or more of the answers are empty.",
        ),
        (
            "latency",
            "Time from sending the answered attempt to the end of the answer.",
        ),
        (
            "p50, p95",
            "Half, and 95 %, of the values lie below; quantiles of type 8.",
        ),
        ("tok/s", "Completion tokens a second after the first chunk."),
        (
            "cost",
            "Mean list price of a request, over requests whose tokens are known.",
        ),
        (
            "tolerance, margin",
            "A difference within the tolerance does not matter. Not worse: a worsening beyond the margin \
            is excluded; it does not claim equality.",
        ),
        (
            "frontier",
            "The models that no other model beats in both cost and speed.",
        ),
        (
            "our client",
            "Delay of this program before the first request, without rate limits.",
        ),
        (
            "rate limits and retries",
            "Failed attempts, rate limits, and the waits between attempts.",
        ),
    ];
    let stall = format!(
        "The longest gap of an answer, if it lasts {STALL_MIN} or more and {STALL_GAPS} times the median gap; or the \
         silence that a deadline ended."
    );
    let fixed = fixed.map(|(word, meaning)| (word, meaning.to_owned()));
    fixed.into_iter().chain([("stall", stall)]).collect()
}
