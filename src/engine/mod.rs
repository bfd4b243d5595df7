//! Asking everything: slots in flight, trials side by side, retries, and the events that tell of it.
//!
//! Owns the order of requests in time. Must not know who listens to its events, where samples are
//! kept or what they mean. Invariants: all trials of a slot start together; no variant has more
//! requests in flight than `concurrency`; every trial that was started and could end is one
//! [`Event::Finished`].

mod budget;
mod cache;
mod cap;
mod event;
mod orders;
mod pace;
mod request;
mod retry;
mod run;
mod settle;
mod trial;
mod warmth;
mod worst;

#[cfg(test)]
mod tests;

pub use cap::Cap;
pub use event::Event;
pub use orders::{Ask, GoOn, Orders, Stop};
pub use pace::Pace;
pub use request::unsayable;
pub use run::{Ending, run};
pub use warmth::Warmth;
pub use worst::{Bounded, Worst};
