//! Live progress: a consumer of the engine's events.
//!
//! Owns which display suits standard error, and what each event changes in it. Must not know the journal or the final
//! report. Invariant: counts are a function of the events so far; only the table reads a clock.

mod block;
mod table;
mod tally;
mod time_left;

use std::io::Write;

use crate::engine::RunEvent;
use crate::suite::Suite;
use crate::units::{Nanos, one_line};

use table::LiveTable;
use tally::TrialTally;

/// Parts of a run after each of which a log gets a line.
const LINES_PER_RUN: u64 = 10;
/// Least time between two lines: a short run needs few.
const LINE_SPACING_MIN: Nanos = Nanos::from_millis(5_000);
/// Most time between two lines: CI services end jobs that print nothing for ten minutes.
const LINE_SPACING_MAX: Nanos = Nanos::from_millis(300_000);

/// The display of progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProgressMode {
    /// A table that redraws itself.
    Table,
    /// A few lines over the whole run.
    Lines,
    /// Nothing.
    Nothing,
}

impl ProgressMode {
    /// The display that suits standard error.
    pub(super) fn new(quiet: bool) -> Self {
        match (quiet, table::can_redraw()) {
            (true, _) => Self::Nothing,
            (false, true) => Self::Table,
            (false, false) => Self::Lines,
        }
    }
}

/// The display, with its counts.
pub(super) enum Progress {
    /// A table.
    Table(LiveTable),
    /// Lines.
    Lines(PlainLines),
    /// Nothing.
    Nothing,
}

/// Progress in lines: one for each part of the run, neither too soon nor too late after the last one.
pub(super) struct PlainLines {
    tally: TrialTally,
    /// Parts that have ended.
    parts: u64,
    /// The time of the last line since the first request; absent before the first line.
    printed_at: Option<Nanos>,
}

impl Progress {
    /// The display of a part that is to send so many trials, and that began at `start` on the clock of its run: the
    /// time left is estimated from its own trials.
    pub(super) fn new(suite: &Suite, trials: u64, start: Nanos, mode: ProgressMode) -> Self {
        let mut tally = TrialTally::new(suite, trials);
        tally.start = start;
        match mode {
            ProgressMode::Table => LiveTable::start(tally).map_or(Self::Nothing, Self::Table),
            ProgressMode::Lines => Self::Lines(PlainLines {
                tally,
                parts: 0,
                printed_at: None,
            }),
            ProgressMode::Nothing => Self::Nothing,
        }
    }

    /// Adds one event and updates the display.
    pub(super) fn update(&mut self, event: &RunEvent, err: &mut dyn Write) {
        match event {
            RunEvent::Finished(sample) => {
                self.change(|tally| tally.add(sample));
                if let Self::Lines(lines) = self {
                    lines.print(err);
                }
            }
            // Counted, not listed: an outage brings many, and the state of its model is shown.
            RunEvent::Retried { .. } => {
                self.change(|tally| tally.retries += 1);
            }
            RunEvent::Sending { model, state } => {
                if let Some(text) = self.change(|tally| tally.set_sending(model, *state)) {
                    self.note(&text, err);
                }
            }
            RunEvent::Stopping(reason) => self.note(&format!("stopping: {reason}"), err),
            // No trial, but money all the same.
            RunEvent::WarmedUp { variant, spent, .. } => {
                self.change(|tally| tally.pay(*variant, *spent));
            }
            RunEvent::Look { .. } | RunEvent::Yielded { .. } => {}
        }
    }

    /// Prints a line next to the progress.
    pub(super) fn note(&self, text: &str, err: &mut dyn Write) {
        match self {
            Self::Table(table) => table.note(&format!("  {}", one_line(text))),
            Self::Lines(_) => {
                // A closed standard error is no reason to end a run.
                let _ = writeln!(err, "{text}");
            }
            Self::Nothing => {}
        }
    }

    /// Leaves the terminal clean for what follows.
    pub(super) fn end(&mut self) {
        if let Self::Table(table) = self {
            table.end();
        }
    }

    fn change<T>(&mut self, change: impl FnOnce(&mut TrialTally) -> T) -> Option<T> {
        match self {
            Self::Table(table) => Some(table.change(change)),
            Self::Lines(lines) => Some(change(&mut lines.tally)),
            Self::Nothing => None,
        }
    }
}

/// The terminal is left clean however the run ends, by a panic as well.
impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}

impl PlainLines {
    /// Prints the state of the run if a line is due. None is at the end: the result follows.
    fn print(&mut self, err: &mut dyn Write) {
        let (parts, now) = (self.tally.parts_ended(LINES_PER_RUN), self.tally.active());
        let silence = now.since(self.printed_at.unwrap_or_default());
        let is_spaced = self.printed_at.is_none() || silence >= LINE_SPACING_MIN;
        let has_part_ended = parts > std::mem::replace(&mut self.parts, parts);
        let is_due = (has_part_ended && is_spaced) || silence >= LINE_SPACING_MAX;
        if is_due && parts < LINES_PER_RUN {
            self.printed_at = Some(now);
            // A closed standard error is no reason to end a run.
            let _ = writeln!(err, "{}", self.tally.state(Nanos::ZERO).line());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::example;
    use crate::record::example::plain_sample;
    use crate::suite::{ConcurrencyStage, LoadProfile, LoadStage};

    /// The lines of a run of so many trials that ends with `seconds`; `is_timed`: time ends it, and the number is not known.
    fn lines(trials: u64, seconds: u64, is_timed: bool) -> Vec<String> {
        let mut suite = example::suite(1, 1, 1);
        let span = Nanos::from_millis(1_000 * seconds);
        suite.load = is_timed.then(|| LoadProfile {
            stages: vec![LoadStage::Concurrency(ConcurrencyStage {
                duration_ns: Some(span),
                ..ConcurrencyStage::new(1)
            })],
            ..LoadProfile::default()
        });
        let planned = if is_timed { 1 } else { trials };
        let mut progress = Progress::new(&suite, planned, Nanos::ZERO, ProgressMode::Lines);
        let mut output = Vec::new();
        for trial in 0..trials {
            let mut sample = plain_sample(trial);
            sample.sent_ns = Nanos(span.0 * trial / trials);
            sample.latency_ns = Some(Nanos(span.0 / trials));
            progress.update(&RunEvent::Finished(Box::new(sample)), &mut output);
        }
        let output = String::from_utf8(output).unwrap();
        output.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_log_has_few_lines_and_is_never_silent_for_long() {
        // People read the log of a build: 32 lines in 23 s were too many, and nine minutes of silence look like a hang.
        for (trials, seconds, expected) in [
            (1, 1, 0),
            (160, 2, 1),
            (160, 23, 3),
            (160, 600, 9),
            (100_000, 3_000, 9),
            (100_000, 36_000, 119),
        ] {
            for is_timed in [false, true] {
                let lines = lines(trials, seconds, is_timed);
                assert_eq!(lines.len(), expected, "{trials} in {seconds} s: {lines:#?}");
            }
        }
        let first = [false, true].map(|is_timed| lines(160, 23, is_timed)[0].clone());
        let begins = |line: &str, words: &str| assert!(line.starts_with(words), "{line}");
        begins(&first[0], "16/160 trials, about ");
        begins(&first[1], "16 trials, about ");
    }
}
