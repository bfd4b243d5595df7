//! One exchange: a request, and its response from bytes to an answer with its times.
//!
//! Owns the wire formats of OpenAI-compatible endpoints (and of Anthropic's route) and everything that speaks HTTP
//! to them. Must not know the order of a suite, retries, budgets or reports. Invariant: nothing that costs
//! time runs between two stamps. While an answer arrives its bytes are only copied into a [`Recording`];
//! afterwards [`read`] converts it into a [`Reading`], a pure function whose result does not depend on how the
//! network cut the bytes.

pub mod account;
mod authorities;
mod bill;
mod body;
mod body_form;
mod chat;
pub mod chunk;
mod clock;
mod connect;
mod connection;
pub mod decode;
mod delta_template;
mod descriptors;
pub mod embeddings;
mod ending;
mod endpoint;
pub mod error_class;
mod exchange;
pub mod explain;
pub mod fault;
pub mod finish;
mod first_sent;
mod first_unit;
mod gather;
pub mod http1;
mod kernel_clock;
mod lenient;
pub mod listing;
mod location;
mod memory;
mod messages;
mod model_name;
#[cfg(feature = "otel")]
mod otlp;
mod outside;
mod pauses;
mod proxy;
pub mod proxy_page;
pub mod reading;
pub mod reasoning_tags;
mod receive;
pub mod recording;
pub mod request;
pub mod response_cache;
mod responses;
pub mod route;
mod set_up;
mod settings;
pub mod sse;
mod stamps;
mod surrogates;
mod tls_fault;
mod transcript;
mod transport;
pub mod usage;
mod usage_dialect;
pub mod waits;
mod wire;

pub use authorities::{Authorities, BadAuthorities};
pub use bill::ReportedBill;
pub use body::UnsupportedParameter;
pub use clock::Clock;
pub use descriptors::TooFewDescriptors;
pub use endpoint::{Endpoint, OpenError};
pub use explain::{Explanation, FailureContext, explain};
pub use first_sent::FirstSent;
pub use model_name::same_model;
#[cfg(feature = "otel")]
pub use otlp::OtlpSender;
pub use proxy::{Proxy, ProxyError, percent_decode};
pub use reading::{GapList, Reading, read};
pub use receive::supported_clock;
pub use recording::{
    Body, BodyFrame, BodyTooLarge, Deadline, DoneWatch, ExchangeEnd, OpeningTimes, Recording,
    Response,
};
pub use settings::settings;
pub use transport::{OutgoingRequest, Transport};
pub use usage::UsagePart;
pub use waits::{HONOURED_WAIT_MAX, RetryAfter};
