//! How large a suite must be, as JSON for other programs.
//!
//! Owns its layout and version. Must not compute. Invariant: the numbers are those of the table; what is
//! not known is absent.

use schemars::JsonSchema;
use serde::Serialize;

use crate::suite::Metric;
use crate::units::Usd;

use super::suite_check::{NoiseSource, Sizing, rows};

/// Version of the layout.
const VERSION: u32 = 1;

/// What `size --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SizesDocument<'a> {
    /// Version of this document.
    version: u32,
    /// Name of the suite.
    suite: &'a str,
    /// The metric that is planned for.
    metric: Metric,
    /// Prompts of the suite.
    prompts: usize,
    /// As many equally weighted prompts as these are worth.
    prompts_worth: u64,
    /// Repetitions of each.
    repetitions: u32,
    /// The smallest change that the suite finds as it is: 0.2 for +20 %.
    #[serde(skip_serializing_if = "Option::is_none")]
    smallest_change_now: Option<f64>,
    /// The change that shall be found.
    detect: f64,
    /// The chance with which it shall be found.
    power: f64,
    /// What is tolerated of it.
    tolerance: f64,
    /// Two-sided error rate of each comparison.
    alpha: f64,
    /// Comparisons that share the suite's error rate.
    comparisons: u64,
    /// The noise that was counted with.
    noise: NoiseDocument<'a>,
    /// Sizes that find what was asked for, by their prompts.
    sizes: Vec<SizeDocument>,
}

/// How much values vary, as natural logarithms, and how that is known.
#[derive(Debug, Serialize, JsonSchema)]
struct NoiseDocument<'a> {
    /// Standard deviation between repetitions of a prompt.
    within: f64,
    /// Standard deviation between prompts of the true ratio.
    between: f64,
    /// `typical`: assumed; `run`: shown by a run.
    source: &'static str,
    /// Name of that run.
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<&'a str>,
    /// Label of the candidate that showed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    candidate: Option<&'a str>,
}

/// A size that would do.
#[derive(Debug, Serialize, JsonSchema)]
struct SizeDocument {
    /// Prompts.
    prompts: u64,
    /// Repetitions of each; absent where no number of them is enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    repetitions: Option<u64>,
    /// Requests to each model.
    #[serde(skip_serializing_if = "Option::is_none")]
    requests_per_model: Option<u64>,
    /// Requests to all models.
    #[serde(skip_serializing_if = "Option::is_none")]
    requests: Option<u64>,
    /// USD at most, as a decimal; absent where a price or a token limit is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    cost_usd_max: Option<Usd>,
    /// Whether these are the suite's own prompts.
    this_suite: bool,
}

impl<'a> SizesDocument<'a> {
    /// Of what was found out.
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
            this_suite: row.own,
        });
        Self {
            version: VERSION,
            suite: &sizing.suite.name,
            metric: Metric::Ttft,
            prompts: sizing.suite.prompts.len(),
            prompts_worth: sizing.prompts_worth,
            repetitions: sizing.suite.repetitions,
            smallest_change_now: sizing.found_now,
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
