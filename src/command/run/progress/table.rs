//! The live table: drawn by a thread of its own, a few times a second.
//!
//! Owns that thread and what it shares with the events of the run. Must not know the events. Invariants: adding an
//! event never waits for the terminal; when [`LiveTable::end`] returns the table is gone and every note is printed.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use terminal_size::{Height, Width};

use super::block::TerminalBlock;
use super::tally::TrialTally;
use crate::command::base::stdio;
use crate::report::{self, Style};
use crate::threads::lock;

/// Time between two redraws: enough for an eye, little enough for the machine that measures.
const REDRAW_EVERY: Duration = Duration::from_millis(250);
/// The size of a terminal that does not report one.
const USUAL_SIZE: (Width, Height) = (Width(80), Height(24));

/// A table on standard error, and its thread.
pub(in crate::command::run) struct LiveTable {
    shared: Arc<DrawnState>,
    thread: Option<JoinHandle<()>>,
}

struct DrawnState {
    state: Mutex<Shown>,
    ended: Condvar,
}

/// The content of the display.
struct Shown {
    tally: TrialTally,
    /// Lines to print above the table.
    notes: Vec<String>,
    ended: bool,
}

impl LiveTable {
    /// Starts to draw.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(super) fn start(tally: TrialTally) -> io::Result<Self> {
        let state = Shown {
            tally,
            notes: Vec::new(),
            ended: false,
        };
        let shared = Arc::new(DrawnState {
            state: Mutex::new(state),
            ended: Condvar::new(),
        });
        let drawn = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("live-table".to_owned())
            .spawn(move || drawn.draw())?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Changes the counts.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut TrialTally) -> T) -> T {
        change(&mut self.shared.lock().tally)
    }

    /// Prints a line above the table with its next redraw.
    pub(super) fn note(&self, text: &str) {
        self.shared.lock().notes.push(text.to_owned());
    }

    /// Prints what is left and takes the table away.
    pub(super) fn end(&mut self) {
        self.shared.lock().ended = true;
        self.shared.ended.notify_all();
        if let Some(thread) = self.thread.take() {
            // A display that failed is no failure of the run.
            let _ = thread.join();
        }
    }
}

impl DrawnState {
    /// The content, also after a panic elsewhere: counts cannot be half changed.
    fn lock(&self) -> MutexGuard<'_, Shown> {
        lock(&self.state)
    }

    /// Redraws until the end.
    fn draw(&self) {
        let mut err = io::stderr();
        let colour = stdio::colour(&err);
        let unicode = stdio::unicode();
        let began = Instant::now();
        let mut block = TerminalBlock::default();
        let mut last = (Vec::new(), USUAL_SIZE);
        let mut ended = false;
        while !ended {
            let (state, notes) = {
                let shown = self.lock();
                let waiting = |shown: &mut Shown| !shown.ended;
                let waited = self.ended.wait_timeout_while(shown, REDRAW_EVERY, waiting);
                let (mut shown, _) = waited.unwrap_or_else(PoisonError::into_inner);
                ended = shown.ended;
                let notes = std::mem::take(&mut shown.notes);
                (shown.tally.state(began.elapsed().into()), notes)
            };
            let size = terminal_size::terminal_size_of(&err).unwrap_or(USUAL_SIZE);
            let (Width(columns), Height(rows)) = size;
            let width = usize::from(columns);
            let mut lines = if ended {
                Vec::new()
            } else {
                state.lines(Style { colour, width }, rows.into())
            };
            if !unicode {
                lines = lines.iter().map(|line| report::ascii(line)).collect();
            }
            if notes.is_empty() && (&lines, size) == (&last.0, last.1) {
                continue;
            }
            let bytes = block.redraw(&notes, &lines, width);
            // A closed standard error is no reason to end a run.
            let _ = err.write_all(bytes.as_bytes());
            last = (lines, size);
        }
    }
}

/// Returns true if standard error is a terminal on which lines can be redrawn.
pub(super) fn can_redraw() -> bool {
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    io::stderr().is_terminal() && !dumb
}
