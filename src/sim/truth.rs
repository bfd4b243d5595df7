//! What really happened: for each answer the instants at which its parts left.
//!
//! Owns the record and where it is kept. Must not know how an answer is made. Invariant: each
//! instant of arrival is taken after the fact and each instant of sending before it, so that what
//! a client measures is never shorter than what stands here.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::units::{Nanos, Usd};

/// The version of the record's format.
pub const TRUTH_VERSION: u32 = 1;
/// Records kept in memory for tests in the same process; older ones are forgotten.
pub const MAX_RECORDS_IN_MEMORY: usize = 4_096;
/// Instants kept for one answer; later chunks are counted, not listed.
pub const MAX_CHUNK_INSTANTS: usize = 20_000;

/// How the playing of a script ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Played {
    /// To the last byte, and the end that the script has.
    Whole,
    /// The client left before.
    Abandoned,
}

/// One answered request. Instants are nanoseconds since the simulator began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// [`TRUTH_VERSION`].
    pub version: u32,
    /// The request's `x-request-id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The id asked for, as far as it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Requests with the same body before this one.
    pub ordinal: u64,
    /// HTTP status; 0: none was sent.
    pub status: u16,
    /// Names of the faults that shaped the answer.
    pub faults: Vec<String>,
    /// After the request had been read whole.
    pub arrival_ns: Nanos,
    /// Before the head was handed over; absent: it never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers_ns: Option<Nanos>,
    /// Before the first token was handed over; absent: there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_token_ns: Option<Nanos>,
    /// Before each token-bearing chunk was handed over, the first included.
    pub chunks_ns: Vec<Nanos>,
    /// Token-bearing chunks handed over.
    pub chunks: u64,
    /// After the last byte was handed over, or when the client left.
    pub end_ns: Nanos,
    /// Completion tokens billed.
    pub completion_tokens: u64,
    /// Of these: reasoning.
    pub reasoning_tokens: u64,
    /// Prompt tokens billed.
    pub prompt_tokens: u64,
    /// Of these: read from the cache.
    pub cached_tokens: u64,
    /// Of these: written to the cache.
    pub cache_write_tokens: u64,
    /// What the gateway charges for inference; absent for refusals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<Usd>,
    /// Who answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The generation id; absent for refusals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation_id: Option<String>,
    /// How the playing ended.
    pub played: Played,
}

/// Keeps records: the newest in memory, all of them in a file where there is one.
pub struct Log {
    kept: Mutex<Kept>,
}

struct Kept {
    records: VecDeque<Truth>,
    file: Option<Box<dyn Write + Send>>,
    /// The first error of writing; nothing is written after it.
    failure: Option<std::io::Error>,
}

impl Log {
    /// A log that also writes JSON lines to `file`.
    pub fn new(file: Option<Box<dyn Write + Send>>) -> Self {
        let kept = Kept {
            records: VecDeque::new(),
            file,
            failure: None,
        };
        Self {
            kept: Mutex::new(kept),
        }
    }

    /// Keeps a record.
    pub fn push(&self, truth: Truth) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = kept.file.as_mut() {
            let mut line = serde_json::to_vec(&truth)
                .expect("a record has text keys and numbers that JSON can hold");
            line.push(b'\n');
            if let Err(error) = file.write_all(&line).and_then(|()| file.flush()) {
                kept.file = None;
                kept.failure = Some(error);
            }
        }
        if kept.records.len() >= MAX_RECORDS_IN_MEMORY {
            kept.records.pop_front();
        }
        kept.records.push_back(truth);
    }

    /// The newest records, oldest first.
    pub fn records(&self) -> Vec<Truth> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.records.iter().cloned().collect()
    }

    /// Takes the error that ended the writing of the file, if one did.
    pub fn take_failure(&self) -> Option<std::io::Error> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.failure.take()
    }
}
