//! What to ask: suite files and project files (`bakeoff.toml`), from TOML to checked values.
//!
//! Owns the file formats, their defaults and every problem a file can have, with its place. Must
//! not know how or when anything is asked. Invariant: a [`Suite`] or [`Profile`] that exists is
//! valid; everything that could be wrong was said while it was made.

mod base_url;
mod by_model;
mod cache;
pub mod defaults;
mod disguise;
mod dollars;
mod duration;
mod exposed;
mod gate;
mod gate_table;
pub mod import;
pub mod limits;
mod metric;
mod model;
mod parameters;
mod parse;
mod percent;
mod price;
mod problem;
mod profile;
mod project;
mod prompt_files;
mod prompts;
mod rate;
mod reader;
mod redactor;
mod row;
mod secret;
mod select;
mod source;
mod surcharge;
mod syntax;
mod template;
#[cfg(test)]
mod tests;
pub mod wire;

pub use cache::{CacheControl, CacheKind, CacheMode, CacheTtl, Caching, Reuse};
pub use dollars::parse_dollars;
pub use exposed::{ExposedSecret, NamedSecret, exposed_secrets};
pub use gate::{Bounds, Gate, Limit, LimitBound, OnInconclusive, Quantity};
pub use metric::{Direction, Metric, Scale};
pub use model::{
    DeclaredCall, Image, Message, Parameters, Prompt, ReasoningEffort, Role, Suite, Timeouts,
    TokenLimitName, Tool, Variant, prompt_canonical,
};
pub use parse::{Reading, parse_suite, read_suite};
pub use percent::parse_percent;
pub use price::parse_own_price;
pub use problem::{Code, Place, Problem, ProblemDocument, Problems, render};
pub use profile::{Api, OwnPrice, Profile, ReasoningName, SIM, Wording};
pub use project::{Budget, EndpointError, Project, parse_project};
pub use rate::{ModelLimit, PerMinute, RateLimits};
pub use redactor::{REDACTED, Redact, Redacted, Redactor};
pub use row::{BadRow, Row, each_record};
pub use select::{SelectError, named, select};
pub use source::{Found, FoundFile, Wanted, WantedKind};
pub use surcharge::Surcharge;
