//! `report.html`: the view as a page with charts that needs nothing but itself.
//!
//! Owns the order of the sections. Must not know how a number was computed. Invariant: a pure function of the
//! report, byte for byte; text from outside is escaped by the markup library, and no prompt or answer is in a page
//! without `--with-answers`.

mod answers;
mod closing;
mod costs;
mod decision;
mod distributions;
mod forecast;
mod forest;
mod heat;
mod history;
mod index;
mod labels;
mod load;
mod page;
mod parts;
mod result;
mod roster;
mod scale;
mod slowest;
mod svg;
mod tables;
mod timelines;

use std::io::{self, Write};

use maud::{Markup, html};

use crate::record::Manifest;
use crate::suite::Metric;
use crate::threads::Threads;
use crate::units::one_line;
use crate::verdict::{Evaluation, PromptSummaries, RunSummary, RunTimings, frontier};

use super::view::View;

pub use answers::PageAnswers;
pub(super) use forecast::{ForecastBar, ForecastPage, forecast_page};
pub use history::history_page;
pub use index::{IndexEntry, index_page};
use page::PageFrame;
use roster::Roster;

/// Everything that the page of a run is made from.
pub(super) struct RunPage<'a> {
    /// The manifest.
    pub(super) manifest: &'a Manifest,
    /// The content that all formats share.
    pub(super) view: &'a View,
    /// The figures.
    pub(super) summary: &'a RunSummary,
    /// The figures of each prompt.
    pub(super) prompts: PromptSummaries<'a>,
    /// The judgements.
    pub(super) evaluation: &'a Evaluation,
    /// The times of every trial.
    pub(super) timings: &'a RunTimings,
    /// Texts of prompts and answers; absent without `--with-answers`.
    pub(super) answers: Option<&'a PageAnswers>,
    /// The speed metric of the run.
    pub(super) speed: Metric,
}

/// A section of the page: its id, its title, its content, which is empty where the run has nothing to show there.
type PageSection = (&'static str, &'static str, Markup);

impl RunPage<'_> {
    /// Writes the page, section by section: those of a run of many prompts are large.
    pub(super) fn write(&self, mut out: impl Write) -> io::Result<()> {
        let sections = self.sections();
        let frame = self.frame(&sections);
        out.write_all(frame.before.as_bytes())?;
        for (_, _, section) in &sections {
            out.write_all(section.0.as_bytes())?;
        }
        out.write_all(frame.after.as_bytes())
    }

    /// The sections of the page; several are made at once.
    fn sections(&self) -> Vec<PageSection> {
        let Self {
            manifest,
            view,
            summary,
            prompts,
            evaluation,
            timings,
            answers,
            speed,
        } = *self;
        let frontier = &frontier(summary, speed);
        let roster = &Roster::new(summary, &view.screen.recommendations, frontier, speed);
        let sections: [(&str, &str, &(dyn Fn() -> Markup + Sync)); 10] = [
            ("result", "Result", &|| {
                result::section(roster, view, summary)
            }),
            ("decision", "Cost and speed", &|| {
                decision::section(roster, summary, frontier)
            }),
            ("load", "Load", &|| load::section(roster, view, summary)),
            ("distribution", "Distribution", &|| {
                distributions::section(roster, summary, timings)
            }),
            ("against-interleaved", "Against the reference", &|| {
                forest::sections(roster, view, evaluation)
            }),
            ("prompts", "Prompts", &|| {
                heat::section(roster, prompts, timings, answers)
            }),
            ("timelines", "Timelines", &|| {
                timelines::sections(roster, prompts, timings)
            }),
            ("slowest", "Slowest requests", &|| {
                slowest::section(roster, timings)
            }),
            ("costs", "Tokens and cost", &|| {
                costs::section(roster, view, summary)
            }),
            ("problems", "Problems, method, definitions", &|| {
                closing::sections(roster, view, manifest)
            }),
        ];
        Threads::for_processors().map(sections, |(id, title, content)| (id, title, content()))
    }

    /// The frame of the page; its header links the sections that are there.
    fn frame(&self, sections: &[PageSection]) -> PageFrame {
        let is_there = |section: &&PageSection| {
            let id = format!("id=\"{}\"", section.0);
            section.2.0.contains(&id)
        };
        let links: Vec<(&str, String)> = sections
            .iter()
            .filter(is_there)
            .map(|(id, title, _)| (*id, (*title).to_owned()))
            .collect();
        let started = self.manifest.started_at;
        let started = started.strftime("%Y-%m-%d %H:%M UTC").to_string();
        let header = result::header(self.view, &started, &links);
        let texts = if self.answers.is_some() {
            "It holds prompts and answers."
        } else {
            "It holds no prompt and no answer."
        };
        let footer = html! {
            p { (one_line(&self.manifest.tool)) ". This page is one file, requests nothing from any host, and works offline. " (texts) }
        };
        let title = format!("{}: bakeoff report", one_line(&self.view.suite));
        PageFrame::new(&title, &header, &footer)
    }
}
