//! Waiting for a lock that another process holds.
//!
//! Owns the line about it, and the signals that end the wait. Must not know what is locked. Invariant: a user who
//! waits for longer than a second sees for whom, and can give up.

use std::io::Write as _;
use std::ops::ControlFlow;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;

use crate::record::HeldLock;

use super::signals::Signals;
use super::stdio::stderr;

/// Time between two attempts.
const POLL: Duration = Duration::from_millis(50);

/// Attempts before the wait is reported: most locks are held for an instant.
const SILENT_POLLS: u32 = 20;

/// A wait for locks. Signals are heard from the first attempt that failed.
#[derive(Default)]
pub(in crate::command) struct LockPatience {
    polls: u32,
    listening: Option<(Runtime, Signals)>,
}

impl LockPatience {
    /// Waits until the next attempt; gives up at a signal.
    pub(in crate::command) fn wait(&mut self, lock: &HeldLock<'_>) -> ControlFlow<()> {
        self.polls = self.polls.saturating_add(1);
        if self.polls == SILENT_POLLS {
            let holder = lock.holder();
            let holder = holder.map_or_else(|| "another process".to_owned(), |one| one.to_string());
            // With standard error closed the line is lost.
            let _ = writeln!(
                stderr(),
                "waiting for {}, which is in use by {holder}; Ctrl-C gives up",
                lock.path().display()
            );
        }
        if self.listening.is_none() {
            let runtime = Builder::new_current_thread().enable_all().build();
            self.listening = runtime.ok().map(|runtime| {
                let signals = runtime.block_on(async { Signals::new() });
                (runtime, signals)
            });
        }
        let Some((runtime, signals)) = &mut self.listening else {
            std::thread::sleep(POLL);
            return ControlFlow::Continue(());
        };
        runtime.block_on(async {
            tokio::select! {
                () = signals.next() => ControlFlow::Break(()),
                () = sleep(POLL) => ControlFlow::Continue(()),
            }
        })
    }
}
