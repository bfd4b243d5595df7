//! The error of a run's times to a first token.
//!
//! Owns what is known of it, and which of two findings stands. Must not know how an error is measured. Invariant:
//! nothing is stated that neither a calibration nor the run itself has measured.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::suite::ClockSource;
use crate::units::Nanos;

/// The evidence of how much too high a time to a first token can be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TtftError {
    /// The error of the machine at as many requests at once; absent where no calibration by the clock of the run covers them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibrated: Option<CalibratedError>,
    /// The delay of the program during the run; absent in a run that is too short for a percentile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_delay: Option<ClientDelay>,
}

/// The error of times to a first token that a calibration found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalibratedError {
    /// Requests at once for which it holds: as many as the run has in flight at most.
    pub requests: u64,
    /// Its 99th percentile.
    pub p99_ns: Nanos,
    /// Time of the calibration, UTC.
    pub measured_at: Timestamp,
}

/// The time for which a thread that reads answers waited for a processor, measured by a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientDelay {
    /// Ticks of the run.
    pub ticks: u64,
    /// The 99th percentile: at least so much, because the step of the timer is left out.
    pub p99_ns: Nanos,
}

impl TtftError {
    /// The 99th percentile of the error by this clock, from the evidence that says more. Delays of the program are no error
    /// of the kernel's clock.
    pub fn p99(self, clock: ClockSource) -> Option<Nanos> {
        let calibrated = self.calibrated.map(|error| error.p99_ns);
        let delay = self.client_delay.map(|delay| delay.p99_ns);
        calibrated.max(delay.filter(|_| clock == ClockSource::User))
    }

    /// The larger errors of two parts of a run. A calibration that one of them lacks says nothing of both.
    #[must_use]
    pub fn combine(self, other: Self) -> Self {
        let calibrated = self.calibrated.zip(other.calibrated);
        let calibrated = calibrated.map(|(one, other)| larger(one, other, |error| error.p99_ns));
        Self {
            calibrated,
            client_delay: self.client_delay,
        }
        .with_delay(other.client_delay)
    }

    /// The same with the delay of another part, where it is the larger one.
    #[must_use]
    pub fn with_delay(self, delay: Option<ClientDelay>) -> Self {
        let client_delay = match (self.client_delay, delay) {
            (Some(one), Some(other)) => Some(larger(one, other, |delay| delay.p99_ns)),
            (one, other) => one.or(other),
        };
        Self {
            client_delay,
            ..self
        }
    }

    /// Returns true if nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn larger<T>(one: T, other: T, p99: impl Fn(&T) -> Nanos) -> T {
    if p99(&other) > p99(&one) { other } else { one }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(calibrated_ms: Option<u64>, delay_ms: Option<u64>) -> TtftError {
        TtftError {
            calibrated: calibrated_ms.map(|millis| CalibratedError {
                requests: 64,
                p99_ns: Nanos::from_millis(millis),
                measured_at: Timestamp::UNIX_EPOCH,
            }),
            client_delay: delay_ms.map(|millis| ClientDelay {
                ticks: 500,
                p99_ns: Nanos::from_millis(millis),
            }),
        }
    }

    #[test]
    fn the_larger_evidence_stands() {
        // A calibration of a quiet machine must not hide that the run met a busy one; the kernel stamps what a busy program reads late.
        for (calibrated, delay, user, kernel) in [
            (None, None, None, None),
            (Some(3), None, Some(3), Some(3)),
            (Some(3), Some(2), Some(3), Some(3)),
            (Some(3), Some(9), Some(9), Some(3)),
            (None, Some(9), Some(9), None),
        ] {
            let p99 = |clock| error(calibrated, delay).p99(clock);
            assert_eq!(p99(ClockSource::User), user.map(Nanos::from_millis));
            assert_eq!(p99(ClockSource::Kernel), kernel.map(Nanos::from_millis));
        }
    }

    #[test]
    fn parts_of_a_run_have_the_error_of_the_worst() {
        // A calibration of one machine says nothing of a shard on another; a delay that was measured was there.
        for (one, other, both) in [
            ((Some(3), Some(9)), (Some(5), Some(2)), (Some(5), Some(9))),
            ((Some(3), None), (None, Some(2)), (None, Some(2))),
            ((None, Some(2)), (None, None), (None, Some(2))),
            ((None, None), (None, None), (None, None)),
        ] {
            let of = |(calibrated, delay)| error(calibrated, delay);
            assert_eq!(of(one).combine(of(other)), of(both));
            assert_eq!(of(other).combine(of(one)), of(both));
        }
    }
}
