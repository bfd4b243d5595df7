//! `bakeoff schema`: the JSON schema of every file that is read and of every document that is printed.
//!
//! What is printed is the committed text. Generating it again takes half a megabyte of code, which only tests need.

use std::io::Write;

use serde_json::Value;
use strum::VariantArray as _;

use crate::report::spend::SpendDocument;
use crate::report::{
    Document, EstimateDocument, ForecastDocument, ModelShownDocument, ModelsDiffDocument,
    ModelsDocument, PlanDocument, PruneDocument, RunsDocument, SizesDocument, TrendsDocument,
    VerdictsDocument, VerificationDocument,
};
use crate::suite::schema::{SUITE_SCHEMA, printed_schema, project_schema, suite_schema};

use super::accept::Done;
use super::base::exit;
use super::base::failure::Failure;
use super::base::stdio::stdout;
use super::suite::CheckDocument;

/// The files and documents that have a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Shape {
    /// A suite.
    Suite,
    /// `bakeoff.toml`.
    Project,
    /// `run --json` and `report --format json`.
    Comparison,
    /// `run --list --json`.
    Plan,
    /// `run --verify --json`.
    Verification,
    /// `suite check --json`.
    Check,
    /// `models --json`.
    Models,
    /// `models show --json`.
    Model,
    /// `models diff --json`.
    #[strum(serialize = "models-diff")]
    ModelsDiff,
    /// `runs --json`.
    Runs,
    /// `runs prune --json`.
    Prune,
    /// `size --json`.
    Sizes,
    /// `compare --format json`.
    Verdicts,
    /// `accept --json`.
    Accepted,
    /// `history --json`.
    Trends,
    /// `estimate --json`.
    Estimate,
    /// `forecast --json`.
    Forecast,
    /// `spend --json`.
    #[strum(serialize = "spend")]
    Spent,
}

impl Shape {
    /// Every one.
    pub const ALL: [Self; Self::VARIANTS.len()] = *Self::VARIANTS.first_chunk().expect("as many");

    /// Its name on the command line, and of its file under `docs/schemas/`.
    pub fn word(self) -> &'static str {
        self.into()
    }

    /// A description of the document.
    pub const fn describes(self) -> &'static str {
        match self {
            Self::Suite => "a suite",
            Self::Project => "bakeoff.toml",
            Self::Comparison => "output of `run --json` and `report --format json`",
            Self::Plan => "output of `run --list --json`",
            Self::Verification => "output of `run --verify --json`",
            Self::Check => "output of `suite check --json`",
            Self::Models => "output of `models --json`",
            Self::Model => "output of `models show --json`",
            Self::ModelsDiff => "output of `models diff --json`",
            Self::Runs => "output of `runs --json`",
            Self::Prune => "output of `runs prune --json`",
            Self::Sizes => "output of `size --json`",
            Self::Verdicts => "output of `compare --format json`",
            Self::Accepted => "output of `accept --json`",
            Self::Trends => "output of `history --json`",
            Self::Estimate => "output of `estimate --json`",
            Self::Forecast => "output of `forecast --json`",
            Self::Spent => "output of `spend --json`",
        }
    }

    /// The text of its schema, as it is committed.
    pub const fn committed(self) -> &'static str {
        match self {
            Self::Suite => SUITE_SCHEMA,
            Self::Project => include_str!("../../suites/bakeoff.schema.json"),
            Self::Comparison => include_str!("../../docs/schemas/comparison.schema.json"),
            Self::Plan => include_str!("../../docs/schemas/plan.schema.json"),
            Self::Verification => include_str!("../../docs/schemas/verification.schema.json"),
            Self::Check => include_str!("../../docs/schemas/check.schema.json"),
            Self::Models => include_str!("../../docs/schemas/models.schema.json"),
            Self::Model => include_str!("../../docs/schemas/model.schema.json"),
            Self::ModelsDiff => include_str!("../../docs/schemas/models-diff.schema.json"),
            Self::Runs => include_str!("../../docs/schemas/runs.schema.json"),
            Self::Prune => include_str!("../../docs/schemas/prune.schema.json"),
            Self::Sizes => include_str!("../../docs/schemas/sizes.schema.json"),
            Self::Verdicts => include_str!("../../docs/schemas/verdicts.schema.json"),
            Self::Accepted => include_str!("../../docs/schemas/accepted.schema.json"),
            Self::Trends => include_str!("../../docs/schemas/trends.schema.json"),
            Self::Estimate => include_str!("../../docs/schemas/estimate.schema.json"),
            Self::Forecast => include_str!("../../docs/schemas/forecast.schema.json"),
            Self::Spent => include_str!("../../docs/schemas/spend.schema.json"),
        }
    }

    /// The schema, generated from the types. Tests hold the committed text to it.
    pub fn schema(self) -> Value {
        match self {
            Self::Suite => suite_schema(),
            Self::Project => project_schema(),
            Self::Comparison => printed_schema::<Document<'_>>("Comparison of models"),
            Self::Plan => printed_schema::<PlanDocument<'_>>("Plan of a run"),
            Self::Verification => printed_schema::<VerificationDocument>("Verification of a suite"),
            Self::Check => printed_schema::<CheckDocument>("Checked suites"),
            Self::Models => printed_schema::<ModelsDocument<'_>>("Models of an endpoint"),
            Self::Model => printed_schema::<ModelShownDocument<'_>>("Model of an endpoint"),
            Self::ModelsDiff => printed_schema::<ModelsDiffDocument<'_>>("Changes in a model list"),
            Self::Runs => printed_schema::<RunsDocument>("Runs in a folder"),
            Self::Prune => printed_schema::<PruneDocument>("Pruned runs"),
            Self::Sizes => printed_schema::<SizesDocument<'_>>("Sample sizes that detect a change"),
            Self::Verdicts => printed_schema::<VerdictsDocument<'_>>("Verdicts"),
            Self::Accepted => printed_schema::<Done<'_>>("Accepted run"),
            Self::Trends => printed_schema::<TrendsDocument<'_>>("Trends in a history"),
            Self::Estimate => printed_schema::<EstimateDocument<'_>>("Cost estimate of a run"),
            Self::Forecast => printed_schema::<ForecastDocument<'_>>("Cost forecast of a month"),
            Self::Spent => printed_schema::<SpendDocument<'_>>("Cost of runs"),
        }
    }
}

/// Prints one schema.
pub(crate) fn execute(shape: Shape) -> Result<u8, Failure> {
    stdout().write_all(shape.committed().as_bytes())?;
    Ok(exit::DONE)
}
