//! The one clock of a run.
//!
//! Owns the origin of every time stamp. Must not know what is stamped. Invariant: stamps never go backwards,
//! and wall time never enters a difference.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

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

    /// Nanoseconds from the origin to an instant; negative before it.
    pub(super) fn signed(self, instant: tokio::time::Instant) -> i64 {
        let instant = instant.into_std();
        let after = instant.saturating_duration_since(self.origin);
        let before = self.origin.saturating_duration_since(instant);
        let nanos = |span: Duration| i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
        nanos(after) - nanos(before)
    }

    /// The instant at which this clock reads `at`, for the runtime's timers.
    pub fn instant(self, at: Nanos) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.origin + Duration::from(at))
    }
}

/// Wall-clock time in nanoseconds since 1970, read between an instant and the end of the time after it.
pub(super) fn wall_reading() -> Option<(tokio::time::Instant, Duration, i64)> {
    let before = Instant::now();
    let wall = SystemTime::now();
    let width = before.elapsed();
    let wall = wall.duration_since(UNIX_EPOCH).ok()?;
    let wall = i64::try_from(wall.as_nanos()).ok()?;
    Some((tokio::time::Instant::from_std(before), width, wall))
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
