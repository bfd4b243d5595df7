//! The simulated gateway: the Vercel AI Gateway and similar servers, from a scenario in TOML, without key or
//! network.
//!
//! Owns the response to a request and the server that sends it. Must not know the other folders: it has its own
//! reading of the wire, of prices and of bills, so that two readings check each other. Invariant: everything
//! but `server` is a pure function of its arguments.
//!
//! The path of a request: [`request`] parses it, whatever its route, [`fault`] parses the faults in its model
//! id, [`state`] adds the effects of earlier requests, [`answer`] draws content and times, [`render`] (chats),
//! [`messages`] and [`responses`] write it in a [`dialect`], [`ending`] and [`framing`] turn that into bytes,
//! [`script`] holds the result, `server` sends it and [`trace`] records when each byte was sent.

pub mod answer;
pub mod answer_script;
pub mod bill;
pub mod catalog;
pub mod chat;
pub mod delay;
pub mod dialect;
pub mod draw;
pub mod embeddings;
pub mod ending;
pub mod envelope;
pub mod fault;
pub mod framing;
pub mod listing;
pub mod messages;
pub mod miscount;
pub mod model_profile;
pub mod outage;
pub mod refusal;
pub mod render;
pub mod request;
pub mod responses;
pub mod scenario;
pub mod script;
pub mod scripted;
mod server;
pub mod state;
pub mod trace;
pub mod translation;
pub mod words;

pub use scenario::Scenario;
pub use server::{Simulator, SimulatorHandle, serve};

#[cfg(test)]
mod dialect_tests;
#[cfg(test)]
mod tests;
