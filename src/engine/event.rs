//! Events that the engine sends during a run.

use crate::record::{Outcome, Sample};
use crate::units::{Nanos, Usd};

/// One event of a run. Consumers (journal, progress display, exporters) do not know each other and never
/// answer; the decision after a look has its own channel ([`super::ContinueSignal`]).
#[derive(Debug, Clone, PartialEq)]
pub enum RunEvent {
    /// An untimed request of a variant ended: one of the warm-up before the first round or, where the suite
    /// warms caches, one before a trial. It is not a sample.
    WarmedUp {
        /// Index of the variant.
        variant: usize,
        /// True if it was sent before a trial, to warm a cache.
        for_cache: bool,
        /// The outcome.
        outcome: Outcome,
        /// The cost, as far as it is known: billed or at list price, whichever is more.
        spent: Option<Usd>,
    },
    /// The trials of a slot were sent.
    Started {
        /// Number of the slot.
        slot: u64,
        /// The instant at which it was due.
        scheduled: Nanos,
    },
    /// An attempt failed and another will follow.
    Retried {
        /// Number of the trial.
        trial: u64,
        /// Number of the attempt that failed, from 1.
        attempt: u32,
        /// The outcome.
        outcome: Outcome,
        /// The wait before the next attempt.
        wait: Nanos,
    },
    /// A trial ended.
    Finished(Box<Sample>),
    /// Every trial of the rounds so far has ended, nothing is in flight, and the run waits for the decision to
    /// continue (see [`super::RunContext::looks`]).
    Look {
        /// The last completed round, from 1.
        round: u32,
    },
    /// No further slot will start, for this reason.
    Stopping(String),
}
