//! Suite files and project files (`bakeoff.toml`), from TOML to checked values.
//!
//! Owns the file formats, their defaults and every problem a file can have, with its place. Must not know how
//! or when requests are sent. Invariant: a [`Suite`] or [`Profile`] that exists is valid; every error was
//! reported while it was built.

pub mod import;
mod model;
mod parse;
#[cfg(test)]
mod tests;
mod value;

pub use model::assert::{Assert, Asserts, Check, Extract, TextCheck, TextsCheck};
pub use model::cache::{CacheControl, CacheKind, CacheMode, CacheTtl, Caching, Reuse};
pub use model::clock_source::ClockSource;
pub use model::exposed::{ExposedSecret, NamedSecret, exposed_secrets};
pub use model::gate::{
    Bounds, Gate, GateLimit, LimitBound, OnExceeded, OnInconclusive, SharedShiftLimit, SwitchRule,
};
pub use model::load::{
    ArrivalProcess, ConcurrencyStage, LoadProfile, LoadStage, RateStage, Slo, SloMetric, TraceStage,
};
pub use model::load_settings::LoadSettings;
pub use model::measure::{Measure, Quotient, Statistic, TrialCount, Unit};
pub use model::metric::{Direction, Metric, Scale};
pub use model::parameters::{Parameters, ReasoningEffort, SharedParameters, TokenLimitName, Tool};
pub use model::profile::{Api, Profile, ReasoningName, SIM, Wording};
pub use model::prompt::{DeclaredCall, Image, Message, Prompt, PromptList, Role, Turns};
pub use model::quantity::Quantity;
pub use model::rare::{Rare, SharedDefault};
pub use model::rate_limits::{ModelLimit, PerMinute, RateLimits};
pub use model::retirement::OwnRetirement;
pub use model::select::{SelectError, named, select};
pub use model::suite::{Suite, Timeouts, Variant, prompt_canonical};
pub use model::surcharge::Surcharge;
pub use parse::problem::{Code, Place, Problem, ProblemDocument, Problems, render};
pub use parse::project::{EndpointError, Project, ProjectBudget, parse_project};
pub use parse::rows::{BadRow, Row, each_record};
pub use parse::schema;
pub use parse::sources::{FileKind, FileRef, LoadedFile, LoadedFiles};
pub use parse::suite::{SuiteReading, parse_suite, read_suite};
pub use parse::trace::{RequestTrace, TraceOptions, TraceUnit};
pub use parse::{needs_toml_1_1, parse_load_time, parse_time};
pub use value::answer_schema::AnswerSchema;
pub use value::glob::{Glob, GlobStyle};
pub use value::money::parse_dollars;
pub use value::pattern::compile_pattern;
pub use value::percent::parse_percent;
pub use value::price::{OwnPrice, is_standard_tier, parse_own_price};
pub use value::redactor::{REDACTED, Redact, Redacted, Redactor};
pub use value::{defaults, limits};
