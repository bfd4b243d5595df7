//! File descriptors for a run's connections.
//!
//! Owns the number of descriptors that a run needs. Must not know what is sent over them. Invariant: a run that
//! needs more than the system allows is rejected before anything is sent.

use std::net::SocketAddr;

/// Descriptors for everything that is not a lane: files, the runtime, connections that are being replaced.
const OTHER_DESCRIPTORS: u64 = 256;

/// The system allows fewer open files than the connections need: half of a run would fail.
#[derive(Debug, thiserror::Error)]
#[error(
    "{lanes} requests at once need {needed} open files, and the system allows {granted}\n  \
     lower the concurrency or compare fewer models at once, or raise the limit (`ulimit -n {needed}`)"
)]
pub struct TooFewDescriptors {
    /// Connections needed.
    pub lanes: usize,
    /// Descriptors that they need, including other open files.
    pub needed: u64,
    /// The limit, raised as far as possible.
    pub granted: u64,
}

/// Reserves descriptors for `lanes` connections to these addresses.
pub(super) fn reserve_descriptors(
    lanes: usize,
    addresses: &[SocketAddr],
) -> Result<(), TooFewDescriptors> {
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

/// The number of ends of each connection in this process: 2 for the embedded simulator, which is always on the
/// loopback interface, else 1.
fn local_ends(addresses: &[SocketAddr]) -> u64 {
    let loopback = addresses.iter().any(|address| address.ip().is_loopback());
    if loopback { 2 } else { 1 }
}

/// Raises the limit of open descriptors to `needed` and makes the kernel's table that large now: if it grows
/// during a run, every thread waits. Returns the limit now in force.
fn grow_table(needed: u64) -> u64 {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = getrlimit(Resource::Nofile);
        let new_limit = limit.maximum.map_or(needed, |max| needed.min(max));
        if limit.current.is_some_and(|current| current < new_limit) {
            // If it is refused the old limit stays, and is returned.
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
