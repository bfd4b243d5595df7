//! What leaves the engine while it works.

use crate::record::{Outcome, Sample};
use crate::units::{Nanos, Usd};

/// One thing that happened. Consumers (journal, progress display, exporters) know nothing of each
/// other and never answer; whether to go on after a look is told beside them ([`super::ContinueSignal`]).
#[derive(Debug, Clone, PartialEq)]
pub enum RunEvent {
    /// An untimed request of a variant (by its index in the suite) ended: a warm-up's before the first
    /// round or, where the suite warms caches, one before a trial. It is not a sample.
    WarmedUp {
        /// Index of the variant.
        variant: usize,
        /// Whether it went before a trial, to warm a cache.
        for_cache: bool,
        /// How it ended.
        outcome: Outcome,
        /// What it cost, as far as that is known: billed or by list, whichever is more.
        spent: Option<Usd>,
    },
    /// The trials of a slot were sent.
    Started {
        /// Number of the slot.
        slot: u64,
        /// When it was due.
        scheduled: Nanos,
    },
    /// An attempt failed and another will follow.
    Retried {
        /// Number of the trial.
        trial: u64,
        /// Number of the attempt that failed, from 1.
        attempt: u32,
        /// How it ended.
        outcome: Outcome,
        /// How long until the next one.
        wait: Nanos,
    },
    /// A trial ended.
    Finished(Box<Sample>),
    /// Every trial of the rounds so far has ended, nothing is in flight, and the run waits to be told
    /// whether to go on (see [`super::RunContext::looks`]).
    Look {
        /// The last round that was carried out, from 1.
        round: u32,
    },
    /// No further slot will start, for this reason.
    Stopping(String),
}
