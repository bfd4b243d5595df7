//! One exchange: a request, and its response from bytes to an answer with its times.
//!
//! Owns the wire formats of OpenAI-compatible endpoints (and of Anthropic's route) and everything that speaks HTTP
//! to them. Must not know the order of a suite, retries, budgets or reports. Invariant: nothing that costs
//! time runs between two stamps. While an answer arrives its bytes are only copied into a [`Recording`];
//! afterwards [`read`] converts it into a [`Reading`], a pure function whose result does not depend on how the
//! network cut the bytes.

pub mod account;
mod body;
mod chat;
pub mod chunk;
mod clock;
mod connect;
mod connection;
pub mod decode;
mod descriptors;
mod endpoint;
mod exchange;
pub mod explain;
pub mod fault;
mod http1;
mod lenient;
pub mod listing;
mod location;
mod memory;
mod messages;
mod model_name;
mod outside;
mod pauses;
mod proxy;
pub mod reading;
pub mod recording;
pub mod request;
mod responses;
pub mod route;
mod settings;
pub mod sse;
mod stamps;
mod transcript;
mod transport;
mod wire;

pub use body::UnsupportedParameter;
pub use clock::Clock;
pub use descriptors::TooFewDescriptors;
pub use endpoint::{Endpoint, OpenError};
pub use explain::{Explanation, FailureContext, explain};
pub use proxy::{Proxy, ProxyError};
pub use reading::{GapList, Reading, RetryAfter, read};
pub use recording::{
    Body, BodyFrame, BodyTooLarge, Deadline, DoneWatch, ExchangeEnd, Recording, Response,
};
pub use settings::settings;
pub use transport::{OutgoingRequest, Transport};
