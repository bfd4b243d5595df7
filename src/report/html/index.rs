//! The page over all runs of a folder: a table for each suite, with a link to the page of each run.
//!
//! Owns the order and the links. Must not know how runs are found. Invariant: a link is relative and stays within the
//! folder, so that the folder can be moved or served as it is.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use maud::{Markup, html};

use crate::record::{Status, StoredRun};
use crate::report::figure::Figure;
use crate::units::{Usd, one_line, plural};

use super::page::document;
use super::tables::scroll_box;

/// A run of the index.
#[derive(Debug)]
pub struct IndexEntry {
    /// The run.
    pub run: StoredRun,
    /// The names of the folders from the index to the run.
    pub folders: Vec<String>,
    /// True if the run has a page.
    pub has_page: bool,
    /// Its cost by the ledger, if that has it.
    pub cost: Option<Usd>,
    /// True if its figures are the simulator's.
    pub simulated: bool,
}

/// Renders the index of these runs, newest first; `unreadable` folders are listed with their problems.
pub fn index_page(entries: &[IndexEntry], unreadable: &[String]) -> String {
    let mut suites: BTreeMap<&str, Vec<&IndexEntry>> = BTreeMap::new();
    for entry in entries {
        suites.entry(&entry.run.suite).or_default().push(entry);
    }
    let header = html! {
        h1 { "Runs" }
        p.sub { (plural(entries.len() as u64, "run")) " of " (plural(suites.len() as u64, "suite")) ", newest first" }
        nav aria-label="Suites" {
            @for (index, suite) in suites.keys().enumerate() { a href=(format!("#suite-{index}")) { (one_line(suite)) } " " }
        }
    };
    let main = html! {
        @for (index, (suite, runs)) in suites.iter().enumerate() {
            section aria-labelledby=(format!("suite-{index}")) {
                h2 id=(format!("suite-{index}")) { (one_line(suite)) }
                (runs_table(suite, runs))
            }
        }
        @if !unreadable.is_empty() {
            section aria-labelledby="unreadable" {
                h2 id="unreadable" { "Folders that cannot be read" }
                ul.notes { @for problem in unreadable { li { (one_line(problem)) } } }
            }
        }
    };
    let footer = html! {
        p { "Made by " code { "bakeoff runs index" } ". This page requests nothing from any host." }
    };
    document("Runs: bakeoff", &header, &main, &footer)
}

/// The columns, and whether they hold words, which are aligned to the left.
const HEADINGS: [(&str, bool); 6] = [
    ("began (UTC)", true),
    ("run", true),
    ("status", true),
    ("trials", false),
    ("cost", false),
    ("endpoint", true),
];

fn runs_table(suite: &str, runs: &[&IndexEntry]) -> Markup {
    let content = html! {
        table {
            caption { (plural(runs.len() as u64, "run")) " of " (one_line(suite)) }
            thead {
                tr {
                    @for (heading, is_words) in HEADINGS { th.l[is_words] scope="col" { (heading) } }
                }
            }
            tbody {
                @for entry in runs {
                    tr {
                        th scope="row" { (entry.run.started_at.strftime("%Y-%m-%d %H:%M").to_string()) }
                        td.l {
                            @if entry.has_page { a href=(link(&entry.folders)) { (one_line(&entry.run.run)) } }
                            @else { (one_line(&entry.run.run)) }
                            @if entry.run.is_latest { " (latest)" }
                        }
                        td.l { (status_word(&entry.run.status)) }
                        td { (entry.run.planned_trials) }
                        td { (entry.cost.map_or_else(|| "–".to_owned(), |cost| Figure::Money(cost).shown())) }
                        td.l { @if entry.simulated { "simulated" } @else { "real" } }
                    }
                }
            }
        }
    };
    html! {
        (scroll_box(&format!("Runs of {suite}"), &content))
        @if runs.iter().any(|entry| !entry.has_page) {
            p.note { "A run without a link has no page yet: " code { "bakeoff report RUN" } " makes it." }
        }
    }
}

const fn status_word(status: &Status) -> &'static str {
    match status {
        Status::Running => "running or killed",
        Status::Complete => "complete",
        Status::Interrupted => "interrupted",
        Status::Incomplete(_) => "incomplete",
    }
}

/// The relative address of the page of a run.
fn link(folders: &[String]) -> String {
    let mut address = String::new();
    for folder in folders {
        for byte in folder.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                address.push(char::from(byte));
            } else {
                write!(address, "%{byte:02X}").expect("a String can always grow");
            }
        }
        address.push('/');
    }
    address + "report.html"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_stays_in_its_folder() {
        // A folder can have any name; none of its characters may end the address or the attribute.
        let names = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            link(&names(&["quickstart", "20260101T000000Z-ab"])),
            "quickstart/20260101T000000Z-ab/report.html"
        );
        assert_eq!(
            link(&names(&["a b/c?d#\"é"])),
            "a%20b%2Fc%3Fd%23%22%C3%A9/report.html"
        );
    }
}
