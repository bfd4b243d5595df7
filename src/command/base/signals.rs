//! The signals that request the end of the process.
//!
//! Owns the set of signals, and what counts as one request. Must not know how they are handled. Invariant: a signal that the
//! parent process set to be ignored, as `nohup` does, stays ignored.

use std::time::{Duration, Instant};

/// Signals that come within this time after one are the same request: GNU `timeout` signals its child, and then its whole process
/// group. A user who presses twice takes longer.
const ONE_REQUEST: Duration = Duration::from_millis(250);

/// Listens for Ctrl-C and, on Unix, SIGTERM (CI services, containers) and SIGHUP (a terminal or an ssh session
/// that closes). Signals that come between two calls of [`Signals::next`] are not lost.
pub(in crate::command) struct Signals {
    #[cfg(unix)]
    streams: Vec<tokio::signal::unix::Signal>,
    last_request: Option<Instant>,
}

impl Signals {
    /// Returns with the next request to end; if no signal can be received, never.
    pub(in crate::command) async fn next(&mut self) {
        loop {
            self.receive().await;
            if self.is_new_request(Instant::now()) {
                return;
            }
        }
    }

    /// Returns true if a signal at this instant is no repetition of the last request.
    fn is_new_request(&mut self, now: Instant) -> bool {
        let is_new = self
            .last_request
            .is_none_or(|last| now.duration_since(last) >= ONE_REQUEST);
        if is_new {
            self.last_request = Some(now);
        }
        is_new
    }
}

#[cfg(unix)]
impl Signals {
    /// Begins to listen; a signal that cannot be received is left out.
    pub(in crate::command) fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate()];
        if !ignored_signals().is_some_and(hangup_is_among) {
            kinds.push(SignalKind::hangup());
        }
        let streams = kinds.into_iter().filter_map(|kind| signal(kind).ok());
        Self {
            streams: streams.collect(),
            last_request: None,
        }
    }

    async fn receive(&mut self) {
        std::future::poll_fn(|context| {
            let mut came = false;
            for stream in &mut self.streams {
                came |= stream.poll_recv(context) == std::task::Poll::Ready(Some(()));
            }
            if came {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        })
        .await;
    }
}

#[cfg(not(unix))]
impl Signals {
    /// Begins to listen.
    pub(in crate::command) fn new() -> Self {
        Self { last_request: None }
    }

    async fn receive(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Makes a write beyond the limit of a file's size (`ulimit -f`) an error, which is reported, instead of a signal
/// that ends the process.
#[cfg(unix)]
pub(super) fn outlive_file_size_limit() {
    use tokio::signal::unix::{SignalKind, signal};
    // The handler is there for the rest of the process, whatever becomes of this runtime.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build();
    if let Ok(runtime) = runtime {
        let kind = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
        runtime.block_on(async {
            // Without the handler such a write ends the process, as before.
            let _ = signal(kind);
        });
    }
}

#[cfg(not(unix))]
pub(super) fn outlive_file_size_limit() {}

/// The signals that this process ignores, one bit each, where the system says so (Linux). Read before the
/// first of ours is set up: from then on it is not ignored any more.
#[cfg(unix)]
fn ignored_signals() -> Option<u64> {
    static IGNORED: std::sync::OnceLock<Option<u64>> = std::sync::OnceLock::new();
    *IGNORED.get_or_init(|| ignored_in(&std::fs::read_to_string("/proc/self/status").ok()?))
}

/// The mask in the text of `/proc/self/status`.
#[cfg(unix)]
fn ignored_in(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

/// Returns true if SIGHUP, which is signal 1, is in the mask.
#[cfg(unix)]
const fn hangup_is_among(mask: u64) -> bool {
    mask & 1 == 1
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_signal_that_is_sent_twice_is_one_request() {
        // `timeout 5m bakeoff run` in CI ended without reports: its second SIGTERM was taken for an impatient user's.
        let mut signals = Signals::new();
        let first = Instant::now();
        assert!(signals.is_new_request(first));
        assert!(!signals.is_new_request(first + ONE_REQUEST / 50));
        assert!(!signals.is_new_request(first + ONE_REQUEST / 2));
        assert!(signals.is_new_request(first + ONE_REQUEST));
        assert!(!signals.is_new_request(first + ONE_REQUEST * 3 / 2));
    }

    #[test]
    fn a_mask_of_ignored_signals_is_read() {
        // Under `nohup` a closed terminal must not end a run of hours.
        let status =
            |mask: &str| format!("SigBlk:\t0000000000000000\nSigIgn:\t{mask}\nSigCgt:\t1\n");
        let ignores = |mask| ignored_in(&status(mask)).map(hangup_is_among);
        assert_eq!(ignores("0000000000000001"), Some(true));
        assert_eq!(ignores("0000000000001000"), Some(false));
        assert_eq!(ignores("none"), None);
        assert_eq!(ignored_in(""), None);
    }
}
