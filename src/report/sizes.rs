//! The sample sizes that a suite needs, as JSON.
//!
//! Owns its layout and version. Must not compute. Invariant: the numbers are those of the table; an unknown
//! number is absent.

use schemars::JsonSchema;
use serde::Serialize;

use crate::suite::Metric;
use crate::units::Usd;

use super::suite_check::{NoiseSource, Sizing, rows};

/// Version of the layout.
const VERSION: u32 = 2;

/// The document that `size --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SizesDocument<'a> {
    /// Version of this document.
    version: u32,
    /// Name of the suite.
    suite: &'a str,
    /// The metric that the sizes are computed for.
    metric: Metric,
    /// Prompts of the suite.
    prompts: usize,
    /// Effective number of equally weighted prompts.
    effective_prompts: u64,
    /// Repetitions of each.
    repetitions: u32,
    /// The smallest change that the suite detects as it is: 0.2 for +20 %.
    #[serde(skip_serializing_if = "Option::is_none")]
    smallest_change_now: Option<f64>,
    /// The change to detect.
    detect: f64,
    /// The probability of detecting it.
    power: f64,
    /// The tolerance.
    tolerance: f64,
    /// Two-sided error rate of each comparison.
    alpha: f64,
    /// Comparisons that share the suite's error rate.
    comparisons: u64,
    /// The assumed noise.
    noise: NoiseDocument<'a>,
    /// Sizes that detect the change, by number of prompts.
    sizes: Vec<SizeDocument>,
}

/// Variation of values, as natural logarithms, and its source.
#[derive(Debug, Serialize, JsonSchema)]
struct NoiseDocument<'a> {
    /// Standard deviation between repetitions of a prompt.
    within: f64,
    /// Standard deviation between prompts of the true ratio.
    between: f64,
    /// `typical`: assumed; `run`: measured in a run.
    source: &'static str,
    /// Name of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<&'a str>,
    /// Label of the candidate it was measured on.
    #[serde(skip_serializing_if = "Option::is_none")]
    candidate: Option<&'a str>,
}

/// A sufficient size.
#[derive(Debug, Serialize, JsonSchema)]
struct SizeDocument {
    /// Prompts.
    prompts: u64,
    /// Repetitions of each; absent if no number of them is sufficient.
    #[serde(skip_serializing_if = "Option::is_none")]
    repetitions: Option<u64>,
    /// Requests to each model.
    #[serde(skip_serializing_if = "Option::is_none")]
    requests_per_model: Option<u64>,
    /// Requests to all models.
    #[serde(skip_serializing_if = "Option::is_none")]
    requests: Option<u64>,
    /// Maximum cost in USD, as a decimal; absent if a price or a token limit is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    cost_usd_max: Option<Usd>,
    /// True if these are the suite's own prompts.
    this_suite: bool,
}

impl<'a> SizesDocument<'a> {
    /// Creates the document of computed sizes.
    pub fn new(sizing: &'a Sizing<'_>) -> Self {
        let (source, run, candidate) = match &sizing.source {
            NoiseSource::Typical(_) => ("typical", None, None),
            NoiseSource::Run { run, candidate, .. } => {
                ("run", Some(run.as_str()), Some(candidate.as_str()))
            }
        };
        let sizes = rows(sizing).into_iter().map(|row| SizeDocument {
            prompts: row.prompts,
            repetitions: row.repetitions,
            requests_per_model: row.requests_a_model,
            requests: row.requests,
            cost_usd_max: row.cost,
            this_suite: row.is_suite,
        });
        Self {
            version: VERSION,
            suite: &sizing.suite.name,
            metric: Metric::Ttft,
            prompts: sizing.suite.prompts.len(),
            effective_prompts: sizing.effective_prompts,
            repetitions: sizing.suite.repetitions,
            smallest_change_now: sizing.detectable_now,
            detect: sizing.aim.change,
            power: sizing.aim.power,
            tolerance: sizing.aim.tolerance,
            alpha: sizing.aim.alpha.two_sided(),
            comparisons: sizing.comparisons,
            noise: NoiseDocument {
                within: sizing.noise.within,
                between: sizing.noise.between,
                source,
                run,
                candidate,
            },
            sizes: sizes.collect(),
        }
    }
}
