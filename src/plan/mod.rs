//! In what order to ask, and how fast: a suite becomes rounds of slots of trials.
//!
//! Owns the order and its seeded derivation, its listing, and the pacing under an endpoint's
//! limits. Must not know clocks, models' prices or how anything is sent. Invariant: the same suite
//! and seed give the same plan, byte for byte, on every machine and with every version that says
//! the same [`ORDER_VERSION`].

#[cfg(test)]
pub(crate) mod example;
mod listing;
mod order;
mod pace;
mod tokens;

pub use listing::{Listing, PlanDocument};
pub use order::{ORDER_VERSION, Plan, Slot, Trial, WarmUp, plan, warm_up_prompt};
pub use pace::{Load, Pacer};
pub use tokens::{prompt_tokens, reserved_tokens};
