//! The process: its name, its threads, what ends it, and chance.
//!
//! Owns these. Must not know what is run. Invariant: chance names runs and salts, and never makes an order.

use std::io;

use rand::TryRng;

use super::failure::Failure;

/// Name and version of the program, as records keep them.
pub(in crate::command) const TOOL: &str = concat!("bakeoff ", env!("CARGO_PKG_VERSION"));

/// A number that nobody can foresee: for names of runs and salts, never for an order.
pub(in crate::command) fn unforeseen() -> Result<u64, Failure> {
    rand::rngs::SysRng
        .try_next_u64()
        .map_err(|error| Failure::usage(format!("the system gave no random number: {error}")))
}

/// The runtime of everything that waits: as many workers as the machine has processors, at least
/// two, so that one stream's work does not hold up another's stamp.
pub(in crate::command) fn runtime() -> io::Result<tokio::runtime::Runtime> {
    let processors = std::thread::available_parallelism().map_or(2, usize::from);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(processors.max(2))
        // Answers are read on one thread beside the workers: many would take the processors away
        // from those who stamp.
        .max_blocking_threads(1)
        .enable_all()
        .build()
}

/// Returns when someone asks the process to end: Ctrl-C, or the request that a CI service or a
/// container sends. Where no signal can be heard it never returns.
pub(in crate::command) async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut asked) = signal(SignalKind::terminate()) {
            tokio::select! {
                result = tokio::signal::ctrl_c() => if result.is_ok() { return },
                Some(()) = asked.recv() => return,
            }
        }
    }
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
