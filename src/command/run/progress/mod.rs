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

/// Most lines over a whole run where there is no terminal.
const PLAIN_LINES_MAX: u64 = 100;

/// The display of progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProgressMode {
    /// A table that redraws itself.
    Table,
    /// A line per slot.
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

/// Progress in lines: one for so many trials.
pub(super) struct PlainLines {
    tally: TrialTally,
    trials_per_line: u64,
    /// The time after which a run that time ends prints its next line.
    next_line: Nanos,
}

impl Progress {
    /// The display of a part that is to send so many trials, and that began at `start` on the clock of its run: the
    /// time left is estimated from its own trials.
    pub(super) fn new(suite: &Suite, trials: u64, start: Nanos, mode: ProgressMode) -> Self {
        let mut tally = TrialTally::new(suite, trials);
        tally.start = start;
        match mode {
            ProgressMode::Table => LiveTable::start(tally).map_or(Self::Nothing, Self::Table),
            ProgressMode::Lines => {
                let slot = suite.variants.len().max(1) as u64;
                let slots_per_line = trials.div_ceil(slot * PLAIN_LINES_MAX).max(1);
                Self::Lines(PlainLines {
                    tally,
                    trials_per_line: slot * slots_per_line,
                    next_line: Nanos::ZERO,
                })
            }
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
    /// Prints the state of the run if a line is due.
    fn print(&mut self, err: &mut dyn Write) {
        let (done, planned) = (self.tally.done, self.tally.planned);
        let is_due = match self.tally.time_limit {
            None => done.is_multiple_of(self.trials_per_line) || done == planned,
            Some(limit) => {
                let active = self.tally.active();
                let is_due = active >= self.next_line;
                if is_due {
                    self.next_line = Nanos(active.0.saturating_add(limit.0 / PLAIN_LINES_MAX));
                }
                is_due
            }
        };
        if done > 0 && is_due {
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

    #[test]
    fn a_log_has_a_line_per_slot_and_at_most_a_hundred() {
        // The log of a build is read by people: a run of hours must not fill it.
        for (slots, lines) in [(3_u64, 3), (100, 100), (1_000, 100), (250, 84)] {
            let suite = example::suite(1, 1, 1);
            let trials = slots * suite.variants.len() as u64;
            let mut progress = Progress::new(&suite, trials, Nanos::ZERO, ProgressMode::Lines);
            let mut output = Vec::new();
            for trial in 0..trials {
                let event = RunEvent::Finished(Box::new(plain_sample(trial)));
                progress.update(&event, &mut output);
            }
            let output = String::from_utf8(output).unwrap();
            assert_eq!(output.lines().count(), lines, "{slots} slots");
            let last = output.lines().last().unwrap();
            assert!(last.starts_with(&format!("{trials}/{trials} trials, about 0.0 s left")));
        }
    }
}
