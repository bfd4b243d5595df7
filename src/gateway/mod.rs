//! One exchange: a request, and its response from bytes to an answer with its times.
//!
//! Owns the wire formats of OpenAI-compatible endpoints (and of Anthropic's route) and is the only user of the
//! HTTP client. Must not know the order of a suite, retries, budgets or reports. Invariant: nothing that costs
//! time runs between two stamps. While an answer arrives its bytes are only copied into a [`Recording`];
//! afterwards [`read`] converts it into a [`Reading`], a pure function whose result does not depend on how the
//! network cut the bytes.

pub mod account;
mod bill;
mod body;
mod body_form;
mod chat;
pub mod chunk;
mod clock;
pub mod decode;
mod descriptors;
pub mod explain;
pub mod fault;
mod lenient;
pub mod listing;
mod messages;
mod model_name;
mod outside;
pub mod reading;
pub mod recording;
pub mod request;
pub mod response_cache;
mod responses;
pub mod route;
pub mod sse;
mod stamps;
mod transcript;
mod transport;
pub mod usage;
mod usage_dialect;
mod wire;

pub use bill::ReportedBill;
pub use body::UnsupportedParameter;
pub use clock::Clock;
pub use descriptors::TooFewDescriptors;
pub use explain::{Explanation, FailureContext, explain};
pub use reading::{GapList, Reading, RetryAfter, read};
pub use recording::{
    Body, BodyFrame, BodyTooLarge, Deadline, DoneWatch, ExchangeEnd, Recording, Response,
};
pub use transport::{Endpoint, OpenError, OutgoingRequest, Transport, settings};
