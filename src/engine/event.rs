//! Events that the engine sends during a run.

use crate::record::{Outcome, Sample};
use crate::units::{ModelId, Nanos, Usd};

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
    /// The sending of requests to a model changed, because it fails or answers again.
    Sending {
        /// The model.
        model: ModelId,
        /// Its state now.
        state: SendingState,
    },
    /// The concurrency of a variant was halved after a 429.
    Yielded {
        /// Index of the variant.
        variant: usize,
        /// Requests that may be in flight from then on.
        in_flight: usize,
    },
    /// No further slot will start, for this reason.
    Stopping(String),
}

/// The state of the sending of requests to a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendingState {
    /// It fails: one request at a time tests if it answers again.
    Paused(ModelPause),
    /// It answers again.
    Resumed,
    /// It failed for longer than the patience, or in a way that no wait mends: it is sent nothing more.
    Dropped {
        /// Its last failure.
        outcome: Outcome,
        /// The time for which it has failed.
        failing_for: Nanos,
    },
}

/// A pause of a model that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelPause {
    /// Its last failure.
    pub outcome: Outcome,
    /// The time for which it has failed.
    pub failing_for: Nanos,
    /// The wait before the next test.
    pub next_try: Nanos,
    /// The time after which it is dropped.
    pub patience: Nanos,
}
