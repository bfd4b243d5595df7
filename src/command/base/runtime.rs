//! The process: its name, its threads, its end, and random numbers.
//!
//! Owns these. Must not know what is run. Invariant: random numbers name runs and sim seeds, and never make an
//! order.

use std::io;

use rand::TryRng;
use tokio::runtime::{Builder, Runtime};

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

/// The niceness of the threads that work beside a measurement: a tenth of the processor time of one that reads, where both
/// want the same processor.
const NICENESS: i32 = 10;

/// That of the thread that makes samples, beyond: a seventh of the time of one that starts requests.
const SAMPLES_NICENESS: i32 = 19;

/// The runtime of everything that waits: as many workers as the machine has processors, at least
/// two, so that one stream's work does not hold up another's start.
pub(in crate::command) fn runtime() -> io::Result<Runtime> {
    builder().build()
}

/// The runtime of a measurement: its threads yield to those that read connections, which the calling thread starts.
pub(in crate::command) fn measuring_runtime() -> io::Result<Runtime> {
    builder()
        .on_thread_start(|| yield_to_others(NICENESS))
        .build()
}

/// The runtime of the one thread that makes samples of a measurement, which yields to all others.
pub(in crate::command) fn sample_runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("samples")
        .on_thread_start(|| yield_to_others(SAMPLES_NICENESS))
        .build()
}

fn builder() -> Builder {
    let processors = std::thread::available_parallelism().map_or(2, usize::from);
    let mut builder = Builder::new_multi_thread();
    builder
        .worker_threads(processors.max(2))
        // Long answers are read on one thread next to the workers: more would compete with the threads that stamp.
        .max_blocking_threads(1)
        .enable_all();
    builder
}

/// Lowers the priority of the calling thread. Elsewhere than on Linux it would be that of the process.
fn yield_to_others(niceness: i32) {
    #[cfg(target_os = "linux")]
    // Refused, the run goes on as before.
    let _ = rustix::process::nice(niceness);
    #[cfg(not(target_os = "linux"))]
    let _ = niceness;
}

/// Returns when the process is requested to end (see [`Signals`]).
pub(in crate::command) async fn interrupted() {
    Signals::new().next().await;
}
