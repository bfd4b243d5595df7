//! Room for a run's connections in the process's table of open files.
//!
//! Owns how many descriptors a run needs. Must not know what is sent over them. Invariant: a run that
//! needs more than the system allows is refused before anything is sent.

use std::net::SocketAddr;

/// Descriptors kept for everything that is not a lane: files, the runtime, connections that are
/// being replaced.
const OTHER_DESCRIPTORS: u64 = 256;

/// The system allows fewer open files than the connections need: half a run would fail.
#[derive(Debug, thiserror::Error)]
#[error(
    "{lanes} requests at once need {needed} open files, and the system allows {granted}\n  \
     lower the concurrency or ask fewer models at once, or raise the limit (`ulimit -n {needed}`)"
)]
pub struct TooFewDescriptors {
    /// Connections wanted.
    pub lanes: usize,
    /// Descriptors they need, with what else is open.
    pub needed: u64,
    /// The limit, raised as far as it goes.
    pub granted: u64,
}

/// Makes room for `lanes` connections to these addresses.
pub(super) fn reserve_descriptors(lanes: usize, addresses: &[SocketAddr]) -> Result<(), TooFewDescriptors> {
    let needed = lanes as u64 * local_ends(addresses) + OTHER_DESCRIPTORS;
    let granted = grow_table(needed);
    if granted < needed {
        return Err(TooFewDescriptors {
            lanes,
            needed,
            granted,
        });
    }
    Ok(())
}

/// Ends of each connection that lie in this process: the embedded simulator, which is always on the
/// loopback interface, holds the other one.
fn local_ends(addresses: &[SocketAddr]) -> u64 {
    let loopback = addresses.iter().any(|address| address.ip().is_loopback());
    if loopback { 2 } else { 1 }
}

/// Raises the limit of open descriptors to what is needed and makes the kernel's table that large
/// now: when it grows in mid-run, every thread waits. Returns the limit that now holds.
fn grow_table(needed: u64) -> u64 {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = getrlimit(Resource::Nofile);
        let new_limit = limit.maximum.map_or(needed, |max| needed.min(max));
        if limit.current.is_some_and(|current| current < new_limit) {
            // A refusal leaves the old limit, which is then told.
            let _ = setrlimit(
                Resource::Nofile,
                Rlimit {
                    current: Some(new_limit),
                    maximum: limit.maximum,
                },
            );
        }
        if let (Ok(highest), Ok(anchor)) = (
            i32::try_from(new_limit.saturating_sub(1)),
            std::fs::File::open("/dev/null"),
        ) {
            let _ = rustix::io::fcntl_dupfd_cloexec(&anchor, highest);
        }
        getrlimit(Resource::Nofile).current.unwrap_or(needed)
    }
    #[cfg(not(unix))]
    needed
}
