//! The signals that request the end of the process.
//!
//! Owns the set of signals. Must not know how they are handled. Invariant: a signal that the parent process set
//! to be ignored, as `nohup` does, stays ignored.

/// Listens for Ctrl-C and, on Unix, SIGTERM (CI services, containers) and SIGHUP (a terminal or an ssh session
/// that closes). Signals that come between two calls of [`Signals::next`] are not lost.
pub(in crate::command) struct Signals {
    #[cfg(unix)]
    streams: Vec<tokio::signal::unix::Signal>,
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
        }
    }

    /// Returns with the next signal; if none can be received, never.
    pub(in crate::command) async fn next(&mut self) {
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
        Self {}
    }

    /// Returns with the next signal; if none can be received, never.
    pub(in crate::command) async fn next(&mut self) {
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
