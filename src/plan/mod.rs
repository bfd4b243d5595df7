//! The plan of a run: a suite becomes rounds of slots of trials.
//!
//! Owns the order and its seeded derivation, its shares, its listing, the pacing under an endpoint's limits, and
//! the expected answers and durations of a run. Must not know clocks, prices or how anything is sent. Invariant: the same suite
//! and seed give the same plan, byte for byte, on every machine and with every version that says
//! the same [`ORDER_VERSION`].

mod arrivals;
mod duration;
#[cfg(test)]
pub(crate) mod example;
mod load;
mod order;
mod pace;
mod reasoning;
mod shard;
mod tokens;

pub use arrivals::{Arrivals, distance_to_plan};
pub use duration::{Basis, ExpectedAnswer, RunDuration, expected_loop_requests, run_duration};
pub use load::{LoadPlan, PlannedStage, fix_load};
pub use order::{ORDER_VERSION, Plan, Slot, Trial, WarmUp, plan, warm_up_prompt};
pub use pace::{LimitUnit, Load, PacingLimit, RatePacer};
pub use reasoning::{assumed, reasoning_min_tokens, token_limit};
pub use shard::Shard;
pub use tokens::{prompt_tokens, reserved_tokens};
