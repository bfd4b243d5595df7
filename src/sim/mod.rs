//! A gateway to practise on: the Vercel AI Gateway and the servers beside it, from a world in TOML,
//! without key or network.
//!
//! Owns what a request gets and the server that plays it. Must not know the other rooms: it has
//! its own reading of the wire, of prices and of bills, so that two readings check each other.
//! Invariant: everything but `server` is a pure function of its arguments.
//!
//! The way of a request: [`request`] reads it, whatever route it came by, [`fault`] reads what its
//! model id asks for, [`state`] adds what came before, [`answer`] draws what is said and when,
//! [`render`] (chats), [`messages`] and [`responses`] tell it in the words of a [`dialect`],
//! [`ending`] and [`framing`] turn that into bytes, [`script`] holds the result, `server` plays it
//! and [`truth`] records when each byte really left.

pub mod answer;
pub mod bill;
pub mod catalogue;
pub mod character;
pub mod chat;
pub mod dialect;
pub mod draw;
pub mod ending;
pub mod envelope;
pub mod fault;
pub mod framing;
pub mod listing;
pub mod messages;
pub mod miscount;
pub mod refusal;
pub mod render;
pub mod request;
pub mod responses;
pub mod script;
mod server;
pub mod state;
pub mod translation;
pub mod truth;
pub mod words;
pub mod world;

pub use server::{Running, Simulator, serve};
pub use world::World;

#[cfg(test)]
mod dialect_tests;
#[cfg(test)]
mod tests;
