//! The limits per minute, shared by everything that a run sends.
//!
//! Owns the one state that slots, retries and warm-up requests share. Must not know how limits are computed.
//! Invariant: every request is counted once, by its sender.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::plan::{Load, Pacer};
use crate::units::Nanos;

/// A pacer that several tasks share.
#[derive(Debug)]
pub struct Pace(Mutex<Pacer>);

impl Pace {
    /// A shared pacer from one that has counted nothing yet.
    pub fn new(pacer: Pacer) -> Self {
        Self(Mutex::new(pacer))
    }

    /// The wait from `now` on before these requests may be sent. They are counted by this call.
    pub(super) fn wait(&self, now: Nanos, loads: &[Load]) -> Nanos {
        self.pacer().wait(now, loads).since(now)
    }

    /// Counts a request that is sent at `now` without a wait.
    pub(super) fn take(&self, now: Nanos, load: Load) {
        self.pacer().take(now, &[load]);
    }

    fn pacer(&self) -> MutexGuard<'_, Pacer> {
        // Its arithmetic never panics, so that there is nothing half done behind a poisoned lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
