//! `bakeoff schema`: the JSON schema of every file that is read and of every document that is printed.

use serde_json::Value;

use crate::report::spend::SpendDocument;
use crate::report::{
    Document, EstimateDocument, ForecastDocument, ModelShownDocument, ModelsDiffDocument,
    ModelsDocument, PlanDocument, PruneDocument, RunsDocument, SizesDocument, TrendsDocument,
    VerdictsDocument, VerificationDocument,
};
use crate::suite::wire::{printed_schema, project_schema, suite_schema};

use super::accept::Done;
use super::base::exit;
use super::base::failure::Failure;
use super::base::json::print_json;
use super::base::stdio::stdout;
use super::suite::CheckDocument;

/// The files and documents that have a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    Spent,
}

impl Shape {
    /// Every one.
    pub const ALL: [Self; 18] = [
        Self::Suite,
        Self::Project,
        Self::Comparison,
        Self::Plan,
        Self::Verification,
        Self::Check,
        Self::Models,
        Self::Model,
        Self::ModelsDiff,
        Self::Runs,
        Self::Prune,
        Self::Sizes,
        Self::Verdicts,
        Self::Accepted,
        Self::Trends,
        Self::Estimate,
        Self::Forecast,
        Self::Spent,
    ];

    /// Its name on the command line, and of its file under `docs/schemas/`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Suite => "suite",
            Self::Project => "project",
            Self::Comparison => "comparison",
            Self::Plan => "plan",
            Self::Verification => "verification",
            Self::Check => "check",
            Self::Models => "models",
            Self::Model => "model",
            Self::ModelsDiff => "models-diff",
            Self::Runs => "runs",
            Self::Prune => "prune",
            Self::Sizes => "sizes",
            Self::Verdicts => "verdicts",
            Self::Accepted => "accepted",
            Self::Trends => "trends",
            Self::Estimate => "estimate",
            Self::Forecast => "forecast",
            Self::Spent => "spend",
        }
    }

    /// A description of the document.
    pub const fn describes(self) -> &'static str {
        match self {
            Self::Suite => "a suite",
            Self::Project => "bakeoff.toml",
            Self::Comparison => "what `run --json` and `report --format json` print",
            Self::Plan => "what `run --list --json` prints",
            Self::Verification => "what `run --verify --json` prints",
            Self::Check => "what `suite check --json` prints",
            Self::Models => "what `models --json` prints",
            Self::Model => "what `models show --json` prints",
            Self::ModelsDiff => "what `models diff --json` prints",
            Self::Runs => "what `runs --json` prints",
            Self::Prune => "what `runs prune --json` prints",
            Self::Sizes => "what `size --json` prints",
            Self::Verdicts => "what `compare --format json` prints",
            Self::Accepted => "what `accept --json` prints",
            Self::Trends => "what `history --json` prints",
            Self::Estimate => "what `estimate --json` prints",
            Self::Forecast => "what `forecast --json` prints",
            Self::Spent => "what `spend --json` prints",
        }
    }

    /// The schema.
    pub fn schema(self) -> Value {
        match self {
            Self::Suite => suite_schema(),
            Self::Project => project_schema(),
            Self::Comparison => printed_schema::<Document<'_>>("A comparison by bakeoff"),
            Self::Plan => printed_schema::<PlanDocument<'_>>("A plan of bakeoff"),
            Self::Verification => {
                printed_schema::<VerificationDocument>("A verification by bakeoff")
            }
            Self::Check => printed_schema::<CheckDocument>("Suites checked by bakeoff"),
            Self::Models => printed_schema::<ModelsDocument<'_>>("The models of an endpoint"),
            Self::Model => printed_schema::<ModelShownDocument<'_>>("A model of an endpoint"),
            Self::ModelsDiff => {
                printed_schema::<ModelsDiffDocument<'_>>("What changed in a list of models")
            }
            Self::Runs => printed_schema::<RunsDocument>("The runs in a folder"),
            Self::Prune => printed_schema::<PruneDocument>("What was pruned of a folder of runs"),
            Self::Sizes => {
                printed_schema::<SizesDocument<'_>>("Sizes of a suite that find a change")
            }
            Self::Verdicts => printed_schema::<VerdictsDocument<'_>>("Verdicts of bakeoff"),
            Self::Accepted => printed_schema::<Done<'_>>("A run that joined a history"),
            Self::Trends => printed_schema::<TrendsDocument<'_>>("The trends in a history"),
            Self::Estimate => printed_schema::<EstimateDocument<'_>>("What a run will cost"),
            Self::Forecast => printed_schema::<ForecastDocument<'_>>("What a month will cost"),
            Self::Spent => printed_schema::<SpendDocument<'_>>("What runs cost"),
        }
    }
}

/// Prints one schema.
pub(crate) fn execute(shape: Shape) -> Result<u8, Failure> {
    print_json(&mut stdout(), &shape.schema())?;
    Ok(exit::DONE)
}
