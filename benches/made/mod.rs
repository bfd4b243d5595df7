//! The manifest of a generated run, for benchmarks: its suite is read from text, as users' are.

use std::fmt::Write as _;

use bakeoff::record::Manifest;
use bakeoff::suite::parse_suite;
use serde_json::json;

/// Builds a complete run of `models` (the items of a suite's list, the first is the reference), on prompts
/// `p0`, `p1`, ...
pub(crate) fn manifest(models: &[String], prompts: usize, repetitions: usize) -> Manifest {
    let mut text = format!(
        "name = \"made\"\nmodels = [{}]\nrepetitions = {repetitions}\nwarmup = 0\nconcurrency = 1\n\
         seed = 7\nmax_attempts = 1\n",
        models.join(", ")
    );
    for place in 0..prompts {
        let _ = write!(text, "[[prompts]]\nid = \"p{place}\"\nuser = \"Why?\"\n");
    }
    let suite = parse_suite(&text).expect("it was written just above");
    let manifest = json!({
        "version": Manifest::VERSION,
        "tool": "bakeoff 0.1.0",
        "run": "made",
        "started_at": "1970-01-01T00:00:00Z",
        "status": "complete",
        "suite_digest": "",
        "suite": suite,
        "selection": {},
        "endpoint": { "name": "sim" },
        "client": [],
        "planned_trials": models.len() * prompts * repetitions,
        "plan_digest": "",
        "platform": "",
    });
    serde_json::from_value(manifest).expect("all that a manifest must have")
}
