//! The run: slots in flight, trials side by side, retries, and the events of all of it.
//!
//! Owns the order of requests in time. Must not know the consumers of its events, the storage of samples or
//! their meaning. Invariants: all trials of a slot start together, those of models that fail left out; no variant has more requests in flight than
//! `concurrency`; every trial that was sent is one [`RunEvent::Finished`], if only as abandoned.

mod budget;
mod cache;
mod cap;
mod event;
mod event_queue;
mod finished;
mod grading;
mod load;
mod orders;
mod pacer;
mod prepared;
mod request;
mod run;
mod settle;
mod slots;
mod trial;
mod trial_sample;
mod warm_up;
mod warmth;
mod worst_case;

#[cfg(test)]
mod tests;

pub use cap::Cap;
pub use event::{ModelPause, RunEvent, SendingState};
pub use finished::FinishedTrials;
pub use orders::{Client, ContinueSignal, RunContext, Stop, StopRequest};
pub use pacer::Pacer;
pub use request::unsupported_parameters;
pub use run::{RunEnd, run};
pub use warmth::CacheUses;
pub use worst_case::worst_case;
