//! The thread that writes the log of requests.
//!
//! Owns the order of waiting writes. Must not know what a request is. Invariant: no task that stamps waits for the
//! file system, and events that wait at the same time are one write.

use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

use crate::record::{RequestEvent, RequestLog};

/// The log of a run's requests, written by a thread of its own. When it is dropped the thread has ended, and has
/// released the log.
#[derive(Debug)]
pub struct RequestWriter {
    log: Arc<RequestLog>,
    waiting: Option<mpsc::Sender<Batch>>,
    thread: Option<JoinHandle<()>>,
}

/// Events for the log, and the channel for the result.
type Batch = (Vec<RequestEvent>, oneshot::Sender<bool>);

impl RequestWriter {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(log: Arc<RequestLog>) -> std::io::Result<Self> {
        let (waiting, batches) = mpsc::channel();
        let writer = Arc::clone(&log);
        let thread = thread::Builder::new()
            .name("request-log".to_owned())
            .spawn(move || write(&writer, &batches))?;
        Ok(Self {
            log,
            waiting: Some(waiting),
            thread: Some(thread),
        })
    }

    /// Appends events; `false` where that failed, now or earlier.
    pub(super) async fn append(&self, events: Vec<RequestEvent>) -> bool {
        let (result, written) = oneshot::channel();
        let sent = self
            .waiting
            .as_ref()
            .map(|waiting| waiting.send((events, result)));
        matches!(sent, Some(Ok(()))) && written.await.unwrap_or(false)
    }

    /// The reason why an event could not be appended, if that happened.
    pub(super) fn failure(&self) -> Option<String> {
        self.log.failure()
    }
}

/// Appends what waits, until nothing more can come.
fn write(log: &RequestLog, batches: &mpsc::Receiver<Batch>) {
    while let Ok((mut events, first)) = batches.recv() {
        let mut results = vec![first];
        for (more, result) in batches.try_iter() {
            events.extend(more);
            results.push(result);
        }
        let is_written = log.append(events);
        for result in results {
            // The receiver is gone if the run was stopped meanwhile.
            let _ = result.send(is_written);
        }
    }
}

impl Drop for RequestWriter {
    fn drop(&mut self) {
        self.waiting = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
