//! All integration tests in one binary, a module per topic: one link instead of thirty.

#![allow(
    clippy::unwrap_used,
    reason = "a failed step of a test is a failed test"
)]

mod browser;
mod caching;
mod cap;
mod ci;
mod clock;
mod conformance;
mod csv_fractions;
mod dialect_page;
mod dialects;
mod end_to_end;
mod example;
mod fault_page;
mod first_gate;
mod first_steps;
mod forecast;
mod format;
mod gate_changes;
mod grading;
mod habits;
mod help_examples;
mod hostile_inputs;
mod import;
mod journal_kill;
mod json_documents;
mod judging;
mod load;
mod models;
mod money;
mod outcomes;
mod pages;
mod panics;
mod picture;
mod prices;
mod project_files;
mod promptfoo_pairs;
mod prompts;
mod quality;
mod readme;
mod renamed;
mod retirement;
mod routes;
mod server_trace;
mod shards;
mod sim;
mod size;
mod stat_vectors;
mod stream_quirks;
mod suite_files;
mod suite_problems;
mod support;
mod tidy;
mod tls;
mod transport;
mod usage_places;
mod verdicts;
mod years;
