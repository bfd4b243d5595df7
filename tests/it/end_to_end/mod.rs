//! The whole program, as its users start it.

#![allow(
    clippy::unwrap_used,
    reason = "a failed step of a test is a failed test"
)]

use crate::support::program;
use crate::support::server;

mod abandoned;
mod bills;
mod caches;
mod caps;
mod endings;
mod estimates;
mod faults;
mod keys;
mod leaks;
mod limits;
mod measuring;
mod mistakes;
mod outages;
mod preflight;
mod resumed;
mod torture;

/// Two prompts, three models, two repetitions: 12 trials.
const SUITE: &str = r#"
name = "small"
reference = "openai/gpt-4.1-nano"
models = ["openai/gpt-4.1-nano", "openai/gpt-5-mini", "anthropic/claude-haiku-4.5"]
repetitions = 2
concurrency = 1

[parameters]
max_tokens = 400

[[prompts]]
id = "capital"
user = "What is the capital of Australia?"

[[prompts]]
id = "sky"
user = "Why is the sky blue?"
"#;
