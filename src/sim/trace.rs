//! The server trace: for each answer the instants at which its parts were sent.
//!
//! Owns the record and its storage. Must not know how an answer is made. Invariant: each instant of arrival is
//! taken after the event and each instant of sending before it, so that a time measured by a client is never
//! shorter than the one recorded here.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::units::{Nanos, Usd};

/// The version of the record's format.
pub const TRACE_VERSION: u32 = 2;
/// Records held in memory for tests in the same process; older ones are dropped.
pub const MAX_RECORDS_IN_MEMORY: usize = 4_096;
/// Instants recorded for one answer; later chunks are counted, not listed.
pub const MAX_CHUNK_INSTANTS: usize = 20_000;

/// The outcome of playing a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Playback {
    /// Complete: to the last byte, with the ending of the script.
    Whole,
    /// Aborted by the client.
    Abandoned,
}

/// One answered request. Instants are nanoseconds since the simulator began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TraceRecord {
    /// [`TRACE_VERSION`].
    pub version: u32,
    /// The request's `x-request-id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The requested model id, as far as it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Digest of the request's body; absent: it was not read, or is no valid request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_digest: Option<String>,
    /// Requests with the same body before this one.
    pub ordinal: u64,
    /// HTTP status; 0: none was sent.
    pub status: u16,
    /// Names of the faults that shaped the answer.
    pub faults: Vec<String>,
    /// Taken after the request had been read completely.
    pub arrival_ns: Nanos,
    /// Taken before the head was sent; absent: it was not sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers_ns: Option<Nanos>,
    /// Taken before the first token was sent; absent: there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_token_ns: Option<Nanos>,
    /// Taken before each token-bearing chunk was sent, the first included.
    pub chunks_ns: Vec<Nanos>,
    /// Token-bearing chunks sent.
    pub chunks: u64,
    /// Taken after the last byte was sent, or when the client disconnected.
    pub end_ns: Nanos,
    /// Completion tokens billed.
    pub completion_tokens: u64,
    /// Reasoning tokens, a part of the completion tokens.
    pub reasoning_tokens: u64,
    /// Prompt tokens billed.
    pub prompt_tokens: u64,
    /// Prompt tokens read from the cache, a part of the prompt tokens.
    pub cached_tokens: u64,
    /// Prompt tokens written to the cache, a part of the prompt tokens.
    pub cache_write_tokens: u64,
    /// The gateway's charge for inference; absent for refusals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<Usd>,
    /// The provider that answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The generation id; absent for refusals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation_id: Option<String>,
    /// True if it is the right answer of a script; absent: it is not scripted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub right: Option<bool>,
    /// The outcome of playing its script.
    pub playback: Playback,
}

impl TraceRecord {
    /// The true time to first token: from the arrival of the request. Absent: there was no token.
    pub fn ttft(&self) -> Option<Nanos> {
        self.first_token_ns
            .map(|first| first.since(self.arrival_ns))
    }
}

/// The store of trace records: the newest in memory, all of them in a file if there is one.
pub struct ServerTrace {
    store: Mutex<TraceStore>,
}

struct TraceStore {
    records: VecDeque<TraceRecord>,
    file: Option<Box<dyn Write + Send>>,
    /// The first error of writing; nothing is written after it.
    failure: Option<std::io::Error>,
}

impl ServerTrace {
    /// Creates a trace that also writes JSON lines to `file`.
    pub fn new(file: Option<Box<dyn Write + Send>>) -> Self {
        let store = TraceStore {
            records: VecDeque::new(),
            file,
            failure: None,
        };
        Self {
            store: Mutex::new(store),
        }
    }

    /// Adds a record.
    pub fn push(&self, record: TraceRecord) {
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = store.file.as_mut() {
            let mut line = serde_json::to_vec(&record)
                .expect("a record has text keys and numbers that JSON can hold");
            line.push(b'\n');
            if let Err(error) = file.write_all(&line).and_then(|()| file.flush()) {
                store.file = None;
                store.failure = Some(error);
            }
        }
        if store.records.len() >= MAX_RECORDS_IN_MEMORY {
            store.records.pop_front();
        }
        store.records.push_back(record);
    }

    /// Returns the newest records, oldest first.
    pub fn records(&self) -> Vec<TraceRecord> {
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        store.records.iter().cloned().collect()
    }

    /// Takes the error that ended the writing of the file, if one did.
    pub fn take_failure(&self) -> Option<std::io::Error> {
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        store.failure.take()
    }
}
