//! The history: one line a run of a suite, the past that CI compares with.
//!
//! Owns the stored form of a run's levels and of what was decided about it. Must not know how levels are
//! computed or compared. Invariant: lines are only appended; of marks of one run the last one wins.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::suite::Metric;
use crate::units::ModelId;

/// A run, condensed: a robust level of each metric, prompt by prompt.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HistoryRun {
    /// Name of the run.
    pub run: String,
    /// Name of its suite.
    pub suite: String,
    /// When it began, UTC.
    pub started_at: jiff::Timestamp,
    /// Name and version of the program.
    pub tool: String,
    /// What must be the same for levels to be comparable.
    pub conditions: Conditions,
    /// One a variant, in the order of the suite.
    pub variants: Vec<HistoryVariant>,
}

/// What must be the same for two runs to be comparable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conditions {
    /// Name of the endpoint's profile, or its URL.
    pub endpoint: String,
    /// Slots in flight at once.
    pub concurrency: u32,
    /// Requests sent at the same moment.
    pub slot_size: u32,
    /// Whether answers were streamed.
    pub stream: bool,
    /// The user's label of where the run was made (`--environment`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
}

/// A variant of a condensed run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryVariant {
    /// Its label.
    pub label: String,
    /// The model asked for.
    pub model: ModelId,
    /// Digest of what the variant itself adds to requests: system text and parameters.
    pub overrides: String,
    /// Answers by the provider that gave them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub providers: BTreeMap<String, u64>,
    /// Whether its level moved during the run (`stats::drift`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drifted: bool,
    /// One a prompt, in the order of the suite.
    pub prompts: Vec<HistoryPrompt>,
}

/// A prompt of a condensed variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryPrompt {
    /// Its id.
    pub prompt: String,
    /// Digest of what it asks.
    pub digest: String,
    /// Trials, rate-limited ones left out.
    pub asked: u32,
    /// Trials answered to the end.
    pub completed: u32,
    /// Answers that were graded.
    #[serde(default)]
    pub graded: u32,
    /// Graded answers that passed.
    #[serde(default)]
    pub passed: u32,
    /// Level by metric.
    pub levels: BTreeMap<Metric, Level>,
}

/// The level of a metric on one prompt.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// Natural logarithm of the level, in the metric's unit (ns, tokens a second, tokens, pico-dollars):
    /// the Hodges-Lehmann estimate of logarithms, of cost the logarithm of the mean.
    pub ln: f64,
    /// Values it was computed from.
    pub n: u32,
}
