//! The plan of a run: a suite becomes rounds of slots of trials.
//!
//! Owns the order and its seeded derivation, its listing, the pacing under an endpoint's limits, and
//! the checks and duration estimates before a run. Must not know clocks, prices or how anything is sent. Invariant: the same suite
//! and seed give the same plan, byte for byte, on every machine and with every version that says
//! the same [`ORDER_VERSION`].

mod duration;
#[cfg(test)]
pub(crate) mod example;
mod order;
mod pace;
mod preflight;
mod tokens;

pub use duration::{Basis, ExpectedAnswer, RunDuration, run_duration};
pub use order::{ORDER_VERSION, Plan, Slot, Trial, WarmUp, plan, warm_up_prompt};
pub use pace::{LimitUnit, Load, PacingLimit, RatePacer};
pub use preflight::{ModelLint, assumed, lint_models};
pub use tokens::{prompt_tokens, reserved_tokens};
