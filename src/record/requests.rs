//! The log of requests: each is written before it is sent, so that the cost of a killed run can be settled.
//!
//! Owns the stored form, and the lock that lasts as long as the run's process. Must not know how anything is
//! sent or what it costs in the end. Invariants: a request that was sent has a line, which the kernel had
//! before; nothing waits for the disk; and while a process holds the log, no other treats its run as ended.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use serde::{Deserialize, Serialize};

use crate::input::open_regular_to_write;
use crate::threads::lock;
use crate::units::{ModelId, Usd, digest};

use super::journal::{
    Entry, JournalError, JournalReader, JournalWriter, LockHolder, TruncatedLine, file_error,
    lock_holder, move_truncated_line,
};
use super::{InvalidRecord, Outcome};

/// One line of `requests.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestLine {
    /// Version of this format: [`RequestLine::VERSION`].
    pub version: u32,
    /// The event.
    pub event: RequestEvent,
}

/// One step of a run's requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestEvent {
    /// The log was opened: the first line, and once more for each part of a resumed run.
    Opened {
        /// Digest of the system's name for the time since it was started; absent where it has none. After a crash
        /// of the system the last lines of a log may be lost.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        boot: Option<String>,
        /// In a resumed run under a cap: reserved for requests of earlier parts whose lines may be lost.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reserved_usd: Option<Usd>,
    },
    /// A request is about to be sent.
    Sent {
        /// Its `x-request-id`.
        request_id: String,
        /// The model.
        model: ModelId,
        /// Under a cap: the most that it can cost.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bound_usd: Option<Usd>,
    },
    /// A request that leaves no sample (a warm-up, or one that fills a cache) ended.
    Ended {
        /// Its `x-request-id`.
        request_id: String,
        /// Its outcome.
        outcome: Outcome,
        /// Its cost, if known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        spent_usd: Option<Usd>,
    },
}

impl RequestLine {
    /// Name of the file in the run's folder.
    pub const FILE: &'static str = "requests.jsonl";
    /// Version of the stored format.
    pub const VERSION: u32 = 1;
}

impl Entry for RequestLine {
    const FILE: &'static str = Self::FILE;
    const VERSION: u32 = Self::VERSION;

    fn version(&self) -> u32 {
        self.version
    }

    fn check(&self) -> Result<(), InvalidRecord> {
        let negative = |usd: Option<Usd>| usd.is_some_and(|usd| usd < Usd::ZERO);
        match &self.event {
            RequestEvent::Sent { bound_usd, .. } if negative(*bound_usd) => {
                Err(InvalidRecord::new("bound_usd", "is negative"))
            }
            RequestEvent::Ended { spent_usd, .. } if negative(*spent_usd) => {
                Err(InvalidRecord::new("spent_usd", "is negative"))
            }
            RequestEvent::Opened { reserved_usd, .. } if negative(*reserved_usd) => {
                Err(InvalidRecord::new("reserved_usd", "is negative"))
            }
            RequestEvent::Opened { .. }
            | RequestEvent::Sent { .. }
            | RequestEvent::Ended { .. } => Ok(()),
        }
    }
}

/// The log of a run under way, locked until it is dropped. The system releases the lock however the process ends.
#[derive(Debug)]
pub struct RequestLog(Mutex<LogState>);

#[derive(Debug)]
struct LogState {
    writer: JournalWriter<RequestLine>,
    failure: Option<String>,
}

impl RequestLog {
    /// Opens a new log in the run's folder; `None`, and no file, if the file system has no locks: without one a
    /// run that goes on cannot be distinguished from a killed one.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn create(folder: &Path) -> Result<Option<Self>, JournalError> {
        let mut writer = JournalWriter::create(folder)?;
        if !matches!(writer.try_lock(), Ok(true)) {
            drop(writer);
            let _ = fs::remove_file(folder.join(RequestLine::FILE));
            return Ok(None);
        }
        Self::opened(writer, None).map(Some)
    }

    /// Takes over the log of a run whose process is gone, to append the next part to it. A last line that was never
    /// finished is moved out first.
    ///
    /// # Errors
    /// If another process holds it, or it cannot be read or written.
    pub fn take_over(folder: &Path) -> Result<TakenLog, JournalError> {
        let path = folder.join(RequestLine::FILE);
        let mut writer = JournalWriter::append_to(folder)?;
        let locked = writer.try_lock();
        if !locked.map_err(|source| file_error(&path, source))? {
            let holder = writer.holder();
            return Err(JournalError::Held { path, holder });
        }
        let truncated = move_truncated_line(&path)?;
        Ok(TakenLog {
            writer,
            path,
            truncated,
        })
    }

    fn opened(
        mut writer: JournalWriter<RequestLine>,
        reserved_usd: Option<Usd>,
    ) -> Result<Self, JournalError> {
        writer.append(&RequestLine {
            version: RequestLine::VERSION,
            event: RequestEvent::Opened {
                boot: boot(),
                reserved_usd,
            },
        })?;
        let failure = None;
        Ok(Self(Mutex::new(LogState { writer, failure })))
    }

    /// Appends events as one write. `false` where that fails, now or earlier.
    #[must_use]
    pub fn append(&self, events: Vec<RequestEvent>) -> bool {
        let version = RequestLine::VERSION;
        let lines = events.into_iter();
        let lines: Vec<_> = lines.map(|event| RequestLine { version, event }).collect();
        let mut state = self.state();
        if state.failure.is_some() {
            return false;
        }
        if let Err(error) = state.writer.append_all(&lines) {
            state.failure = Some(format!("requests cannot be written down: {error}"));
        }
        state.failure.is_none()
    }

    /// The reason why an event could not be appended, if that happened.
    pub fn failure(&self) -> Option<String> {
        self.state().failure.clone()
    }

    fn state(&self) -> MutexGuard<'_, LogState> {
        // A line that was cut short is terminated by the writer.
        lock(&self.0)
    }
}

/// The log of a run that is about to be resumed, locked.
#[derive(Debug)]
pub struct TakenLog {
    writer: JournalWriter<RequestLine>,
    path: PathBuf,
    /// The line that was moved out, if there was one.
    pub truncated: Option<TruncatedLine>,
}

impl TakenLog {
    /// Reads the requests of the earlier parts.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub(super) fn history(&self) -> Result<RequestHistory, JournalError> {
        RequestHistory::read(self.writer.read()?)
    }

    /// The folder of the run.
    pub(super) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// Begins the next part, of which earlier requests have this much reserved because their lines may be lost.
    ///
    /// # Errors
    /// If the log cannot be written.
    pub fn begin(self, reserved_usd: Option<Usd>) -> Result<RequestLog, JournalError> {
        RequestLog::opened(self.writer, reserved_usd)
    }
}

/// The contents of the log of requests.
#[derive(Debug, Default)]
pub(super) struct RequestHistory {
    /// Every request, in order: its id, its model and its bound.
    pub(super) sent: Vec<(String, ModelId, Option<Usd>)>,
    /// Outcome and cost of the requests that leave no sample.
    pub(super) ended: HashMap<String, (Outcome, Option<Usd>)>,
    /// Reserved for requests whose lines may be lost, by an earlier look at the log.
    pub(super) reserved: Option<Usd>,
    /// True if no other line can be missing.
    pub(super) is_whole: bool,
}

impl RequestHistory {
    /// Reads a log to its end.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn read(
        lines: JournalReader<impl BufRead, RequestLine>,
    ) -> Result<Self, JournalError> {
        let mut log = Self::default();
        let mut broken = false;
        // A last line that was cut short is of a request that was not sent.
        for line in lines {
            match line.map(|line| line.event) {
                Ok(RequestEvent::Opened { boot, reserved_usd }) => {
                    // Lines of earlier parts that may be lost were counted when this one began.
                    log.is_whole = !is_of_another_boot(boot.as_deref());
                    log.reserved = reserved_usd;
                    broken = false;
                }
                Ok(RequestEvent::Sent {
                    request_id,
                    model,
                    bound_usd,
                }) => log.sent.push((request_id, model, bound_usd)),
                Ok(RequestEvent::Ended {
                    request_id,
                    outcome,
                    spent_usd,
                }) => {
                    log.ended.insert(request_id, (outcome, spent_usd));
                }
                Err(JournalError::Line { .. }) => broken = true,
                Err(error) => return Err(error),
            }
        }
        log.is_whole &= !broken;
        Ok(log)
    }
}

/// Digest of the system's name for the time since it was started, where it has one.
fn boot() -> Option<String> {
    let id = fs::read("/proc/sys/kernel/random/boot_id").ok()?;
    Some(digest(id.trim_ascii()))
}

/// The state of the process that opened a log.
#[derive(Debug)]
pub(super) enum Liveness {
    /// It goes on: this one, if the system says which it is.
    Alive(Option<LockHolder>),
    /// It is gone; the log is locked until this is dropped.
    Ended(File),
    /// There is no log, or its lock cannot be tried.
    Unknown,
}

/// Determines the state of the run in this folder. The caller must hold the ledger, so that only one process at
/// a time tries the lock.
pub(super) fn liveness(folder: &Path) -> Liveness {
    let path = folder.join(RequestLine::FILE);
    // Some network file systems lock only what can be written.
    let Ok(file) = open_regular_to_write(&path, OpenOptions::new().read(true).write(true)) else {
        return Liveness::Unknown;
    };
    loop {
        match file.try_lock() {
            Ok(()) => return Liveness::Ended(file),
            Err(TryLockError::WouldBlock) => return Liveness::Alive(lock_holder(&file)),
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(TryLockError::Error(_)) => return Liveness::Unknown,
        }
    }
}

/// Returns true if a log of this boot may lack lines, because the system was started anew since.
fn is_of_another_boot(opened: Option<&str>) -> bool {
    opened
        .zip(boot())
        .is_some_and(|(opened, now)| opened != now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(request_id: &str) -> RequestEvent {
        RequestEvent::Sent {
            request_id: request_id.to_owned(),
            model: "maker/m".parse().unwrap(),
            bound_usd: Some(Usd(5)),
        }
    }

    #[test]
    fn a_log_is_alive_as_long_as_it_is_held() {
        // A run that goes on must never be taken for one that was killed.
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(liveness(folder.path()), Liveness::Unknown));
        let log = RequestLog::create(folder.path()).unwrap().unwrap();
        assert!(log.append(vec![sent("r-0-1"), sent("r-1-1")]));
        assert!(matches!(liveness(folder.path()), Liveness::Alive(_)));
        drop(log);
        assert!(matches!(liveness(folder.path()), Liveness::Ended(_)));
        let lines = JournalReader::<_, RequestLine>::open(folder.path()).unwrap();
        let events: Vec<_> = lines.map(|line| line.unwrap().event).collect();
        assert!(matches!(events[0], RequestEvent::Opened { .. }));
        assert_eq!(events[1..], [sent("r-0-1"), sent("r-1-1")]);
    }

    #[test]
    fn only_another_boot_is_one() {
        // Where the system has no name for it, a killed process is the likelier cause by far.
        assert!(!is_of_another_boot(None));
        assert!(!is_of_another_boot(boot().as_deref()));
        assert_eq!(is_of_another_boot(Some("another")), boot().is_some());
    }
}
