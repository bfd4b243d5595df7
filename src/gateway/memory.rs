//! The memory that the answers in flight may take together.
//!
//! Owns the count. Must not know what is stored. Invariant: what a body was granted is given back when it is
//! dropped, and the sum never exceeds the limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes for all answers, in addition to those for each lane.
const BYTES: usize = 256 << 20;

/// Bytes for each lane: thousands of tokens with their envelopes. One answer may have more, while not all do.
const BYTES_PER_LANE: usize = 1 << 20;

/// A limit that the answers of all lanes share.
#[derive(Debug)]
pub(super) struct MemoryLimit {
    used: AtomicUsize,
    limit: usize,
}

impl MemoryLimit {
    /// The limit for so many lanes.
    pub(super) fn new(lanes: usize) -> Arc<Self> {
        Arc::new(Self {
            used: AtomicUsize::new(0),
            limit: lanes.saturating_mul(BYTES_PER_LANE).saturating_add(BYTES),
        })
    }
}

/// The part of a limit that one body uses. A copy is not counted, and all are equal: it says nothing of the body.
#[derive(Debug, Default)]
pub(super) struct MemoryShare {
    limit: Option<Arc<MemoryLimit>>,
    bytes: usize,
}

impl MemoryShare {
    /// An empty part.
    pub(super) fn new(limit: &Arc<MemoryLimit>) -> Self {
        Self {
            limit: Some(Arc::clone(limit)),
            bytes: 0,
        }
    }

    /// Adds bytes; `false`, and nothing is added, where the limit leaves less.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        let Some(limit) = &self.limit else {
            return true;
        };
        let fits = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= limit.limit);
        let grown = limit
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits);
        if grown.is_ok() {
            self.bytes += bytes;
        }
        grown.is_ok()
    }
}

impl Drop for MemoryShare {
    fn drop(&mut self) {
        if let Some(limit) = &self.limit {
            limit.used.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

impl Clone for MemoryShare {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for MemoryShare {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for MemoryShare {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_share_the_limit_and_give_it_back() {
        // Many hostile answers at once must not fill the machine's memory, nor end the run's other answers for good.
        let limit = MemoryLimit::new(2);
        let whole = BYTES + 2 * BYTES_PER_LANE;
        let mut first = MemoryShare::new(&limit);
        let mut second = MemoryShare::new(&limit);
        assert!(first.grow(whole - 10) && second.grow(10));
        assert!(!first.grow(1) && !second.grow(usize::MAX));
        drop(first.clone());
        assert!(!second.grow(1));
        drop(first);
        assert!(second.grow(whole - 10));
        drop(second);
        assert_eq!(limit.used.load(Ordering::Relaxed), 0);
        assert!(MemoryShare::default().grow(usize::MAX));
    }
}
