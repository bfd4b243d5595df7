//! The first instant of requests that are sent together.
//!
//! Owns the earliest `sent` of a slot. Must not know what is sent. Invariant: it never gets later.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::units::Nanos;

/// The earliest instant at which one of several requests was sent.
#[derive(Debug)]
pub struct FirstSent(AtomicU64);

impl Default for FirstSent {
    fn default() -> Self {
        Self(AtomicU64::new(u64::MAX))
    }
}

impl FirstSent {
    /// Notes that one of them was sent at this instant.
    pub fn note(&self, sent: Nanos) {
        self.0.fetch_min(sent.0, Ordering::Relaxed);
    }

    /// The earliest instant; `None` before the first.
    pub fn get(&self) -> Option<Nanos> {
        let first = self.0.load(Ordering::Relaxed);
        (first < u64::MAX).then_some(Nanos(first))
    }
}
