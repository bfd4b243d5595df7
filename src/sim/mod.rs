//! A gateway to practise on: the Vercel dialect, from a world in TOML, without key or network.
//!
//! Owns what a request gets and the server that plays it. Must not know the other rooms: it has
//! its own reading of the wire, of prices and of bills, so that two readings check each other.
//! Invariant: everything but `server` is a pure function of its arguments.
//!
//! The way of a request: [`request`] reads it, [`fault`] reads what its model id asks for,
//! [`state`] adds what came before, [`answer`] draws what is said and when, [`render`], [`ending`]
//! and [`framing`] turn that into bytes, [`script`] holds the result, `server` plays it and
//! [`truth`] records when each byte really left.

pub mod answer;
pub mod bill;
pub mod catalogue;
pub mod character;
pub mod chat;
pub mod draw;
pub mod ending;
pub mod fault;
pub mod framing;
pub mod listing;
pub mod refusal;
pub mod render;
pub mod request;
pub mod script;
mod server;
pub mod state;
pub mod truth;
pub mod words;
pub mod world;

pub use server::{Running, Simulator, serve};
pub use world::World;

#[cfg(test)]
mod tests;
