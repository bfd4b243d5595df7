//! The calibration of this machine: the error of its times to a first token, by the number of streams at once.
//!
//! Owns the stored form and what it means to carry a load. Must not know how errors are measured. Invariant: a stored
//! calibration names nothing of the machine.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::input::{open_regular, read_at_most};
use crate::private_file;
use crate::suite::ClockSource;
use crate::units::Nanos;

use super::CalibratedError;

/// Maximum size of a stored calibration, in bytes.
const MAX_FILE_BYTES: u64 = 64 << 10;

/// The calibration by one clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Version of this format: [`Calibration::VERSION`].
    pub version: u32,
    /// Name and version of the program.
    pub tool: String,
    /// Time of the measurement, UTC.
    pub measured_at: Timestamp,
    /// The clock that stamped what arrived.
    pub clock: ClockSource,
    /// The p99 of the error up to which a load is carried.
    pub bound_ns: Nanos,
    /// The loads that were tried, by rising number of streams.
    pub levels: Vec<CalibrationLevel>,
}

/// The error at one number of streams.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CalibrationLevel {
    /// Streams at once.
    pub streams: u32,
    /// Complete answers.
    pub answers: u64,
    /// Other ones.
    pub failed: u64,
    /// Median of the error of TTFT; absent without an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_p50_ns: Option<Nanos>,
    /// Its 99th percentile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_p99_ns: Option<Nanos>,
    /// Share of all processors that the program used, the simulated gateway included; absent where the system does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_share: Option<f64>,
}

impl Calibration {
    /// Version of the stored format; files of another version are ignored.
    pub const VERSION: u32 = 1;

    /// Returns true if every answer at this level was complete, and the error within the bound.
    pub fn is_carried(&self, level: &CalibrationLevel) -> bool {
        level.failed == 0
            && level
                .error_p99_ns
                .is_some_and(|error| error <= self.bound_ns)
    }

    /// The highest number of streams that this machine carries; 0 if it carries none. One late answer among the few of a lower level
    /// takes nothing away.
    pub fn carried(&self) -> u32 {
        let mut levels = self.levels.iter().rev();
        let carried = levels.find(|level| self.is_carried(level));
        carried.map_or(0, |level| level.streams)
    }

    /// The error with so many requests at once: the larger one of the next levels above and below; `None` above the highest
    /// level, where it is not known.
    pub fn error_at(&self, requests: u64) -> Option<CalibratedError> {
        let above = |level: &&CalibrationLevel| u64::from(level.streams) >= requests;
        let next = self.levels.iter().find(above)?;
        let below = self.levels.iter().rev().find(|level| !above(level));
        let below = below.filter(|_| u64::from(next.streams) > requests);
        let p99_ns = next.error_p99_ns?;
        Some(CalibratedError {
            requests,
            p99_ns: below
                .and_then(|level| level.error_p99_ns)
                .map_or(p99_ns, |error| error.max(p99_ns)),
            measured_at: self.measured_at,
        })
    }

    /// Reads the calibration by this clock from a folder; `None` if there is none that can be read.
    pub fn read(folder: &Path, clock: ClockSource) -> Option<Self> {
        let file = open_regular(&path(folder, clock)).ok()?;
        let bytes = read_at_most(file, MAX_FILE_BYTES).ok()??;
        let stored: Self = serde_json::from_slice(&bytes).ok()?;
        (stored.version == Self::VERSION && stored.clock == clock).then_some(stored)
    }

    /// Stores it in a folder, in place of an earlier one.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be created or the file cannot be written.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(self)?;
        private_file::replace(&path(folder, self.clock), &text)
    }
}

fn path(folder: &Path, clock: ClockSource) -> PathBuf {
    folder.join(format!("calibration-{}.json", clock.word()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calibration(levels: &[(u32, u64, u64)]) -> Calibration {
        let level = |(streams, failed, error_ms): &(u32, u64, u64)| CalibrationLevel {
            streams: *streams,
            answers: 10,
            failed: *failed,
            error_p50_ns: Some(Nanos::ZERO),
            error_p99_ns: Some(Nanos::from_millis(*error_ms)),
            cpu_share: Some(0.5),
        };
        Calibration {
            version: Calibration::VERSION,
            tool: "bakeoff 0.2.0".to_owned(),
            measured_at: Timestamp::UNIX_EPOCH,
            clock: ClockSource::Kernel,
            bound_ns: Nanos::from_millis(10),
            levels: levels.iter().map(level).collect(),
        }
    }

    #[test]
    fn the_highest_load_within_the_bound_is_carried() {
        for (levels, carried) in [
            (&[][..], 0),
            (&[(1, 0, 11)], 0),
            (&[(1, 0, 0), (64, 0, 10), (256, 0, 11)], 64),
            (&[(1, 0, 0), (64, 1, 0)], 1),
            (&[(1, 0, 11), (64, 0, 1), (256, 0, 20)], 64),
        ] {
            assert_eq!(calibration(levels).carried(), carried, "{levels:?}");
        }
    }

    #[test]
    fn between_two_levels_the_larger_error_stands() {
        // One stream wakes a sleeping processor for each chunk, so that few streams can have a larger error than many.
        let found = calibration(&[(1, 0, 3), (64, 0, 1), (256, 0, 9), (1_000, 4, 52)]);
        for (requests, error) in [
            (1, Some(3)),
            (2, Some(3)),
            (64, Some(1)),
            (65, Some(9)),
            (256, Some(9)),
            (1_000, Some(52)),
            (1_001, None),
        ] {
            let p99 = found.error_at(requests).map(|error| error.p99_ns);
            assert_eq!(p99, error.map(Nanos::from_millis), "{requests}");
        }
        assert_eq!(calibration(&[]).error_at(1), None);
    }

    #[test]
    fn a_calibration_is_read_as_it_was_written() {
        // By its clock alone: errors by one say nothing of the other.
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("cache");
        let stored = calibration(&[(1, 0, 0), (64, 2, 30)]);
        stored.write(&folder).unwrap();
        assert_eq!(
            Calibration::read(&folder, ClockSource::Kernel),
            Some(stored)
        );
        assert_eq!(Calibration::read(&folder, ClockSource::User), None);
        std::fs::write(path(&folder, ClockSource::User), "{}").unwrap();
        assert_eq!(Calibration::read(&folder, ClockSource::User), None);
    }
}
