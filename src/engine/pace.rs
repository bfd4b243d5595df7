//! The limits per minute, shared by everything that a run sends.
//!
//! Owns the one state that slots, retries and warm-up requests have in common. Must not know how
//! limits are reckoned. Invariant: every request is counted once, by whoever sends it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::plan::{Load, Pacer};
use crate::units::Nanos;

/// A pacer that many may ask.
#[derive(Debug)]
pub struct Pace(Mutex<Pacer>);

impl Pace {
    /// Of a pacer that has counted nothing yet.
    pub fn new(pacer: Pacer) -> Self {
        Self(Mutex::new(pacer))
    }

    /// How long from `now` on these requests must wait. They count as sent then: ask once.
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
