//! The one clock of a run.
//!
//! Owns the origin of every time stamp. Must not know what is stamped. Invariant: stamps never go backwards,
//! and wall time never enters a difference.

use std::time::{Duration, Instant};

use crate::units::Nanos;

/// A monotonic clock that starts with the run. Copies share the origin.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock that starts now.
    #[allow(clippy::new_without_default)] // A clock by default would have a hidden origin.
    pub fn new() -> Self {
        Self {
            origin: Instant::now(),
        }
    }

    /// Time since the origin.
    pub fn now(self) -> Nanos {
        Nanos::from(self.origin.elapsed())
    }

    /// The instant at which this clock reads `at`, for the runtime's timers.
    pub fn instant(self, at: Nanos) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.origin + Duration::from(at))
    }
}

/// The time that the machine was suspended since its start, where the system says so: the difference of two of its
/// clocks, of which one stands still meanwhile.
#[cfg(target_os = "linux")]
pub(super) fn suspended() -> Option<Duration> {
    use rustix::time::{ClockId, clock_gettime};
    let read = |id| Duration::try_from(clock_gettime(id)).ok();
    let (before, total) = (read(ClockId::Monotonic)?, read(ClockId::Boottime)?);
    let after = read(ClockId::Monotonic)?;
    // Between two reads the process may have been held up.
    let is_exact = after.saturating_sub(before) < Duration::from_millis(1);
    is_exact.then(|| total.saturating_sub(before))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn suspended() -> Option<Duration> {
    None
}
