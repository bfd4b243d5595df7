//! The process: its name, its threads, its end, and random numbers.
//!
//! Owns these. Must not know what is run. Invariant: random numbers name runs and sim seeds, and never make an
//! order.

use std::io;

use rand::TryRng;

use super::failure::Failure;
use super::signals::Signals;

/// Name and version of the program, as stored in records.
pub(in crate::command) const TOOL: &str = concat!("bakeoff ", env!("CARGO_PKG_VERSION"));

/// A random number: for names of runs and sim seeds, never for an order.
pub(in crate::command) fn random_number() -> Result<u64, Failure> {
    rand::rngs::SysRng.try_next_u64().map_err(|error| {
        Failure::usage(format!(
            "the operating system returned no random number: {error}"
        ))
    })
}

/// The runtime of everything that waits: as many workers as the machine has processors, at least
/// two, so that one stream's work does not hold up another's stamp.
pub(in crate::command) fn runtime() -> io::Result<tokio::runtime::Runtime> {
    let processors = std::thread::available_parallelism().map_or(2, usize::from);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(processors.max(2))
        // Answers are read on one thread next to the workers: more would compete with the threads that stamp.
        .max_blocking_threads(1)
        .enable_all()
        .build()
}

/// Returns when the process is requested to end (see [`Signals`]).
pub(in crate::command) async fn interrupted() {
    Signals::new().next().await;
}
