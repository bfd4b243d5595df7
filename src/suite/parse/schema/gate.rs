//! `[gate]` of a suite file as it is written.
//!
//! Owns the documentation of its keys. Must not read anything. Invariant: as of [`super`].

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::suite::model::measure::Unit;
use crate::suite::model::metric::Metric;
use crate::suite::model::quantity::Quantity;
use crate::suite::value::limits;

/// Form of a percentage.
const PERCENT: &str = "^\\s*[0-9]+(\\.[0-9]+)?\\s*%\\s*$";
/// Form of an amount of money.
const AMOUNT: &str = "^\\s*\\$\\s*[0-9]*\\.?[0-9]+\\s*$";

/// Rules by which a run passes: the differences that count, their confidence, and limits.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct GateTable {
    /// The metrics that can fail a build; all others are shown as exploratory.
    #[schemars(length(min = 1), extend("uniqueItems" = true, "default" = ["ttft", "cost", "completed"]))]
    pub primary: Option<Vec<Metric>>,
    /// Chance of a false alarm on either side, of all primary comparisons of a run together.
    #[schemars(range(max = limits::ALPHA_MAX), extend("exclusiveMinimum" = 0, "default" = 0.05))]
    pub alpha: Option<f64>,
    /// Worse by up to this is no regression: of every metric that is compared as a ratio.
    #[schemars(extend("pattern" = PERCENT, "default" = "5%"))]
    pub tolerance: Option<String>,
    /// `ok` means surely not worse by more than this: of every metric that is compared as a ratio.
    #[schemars(extend("pattern" = PERCENT, "default" = "20%"))]
    pub margin: Option<String>,
    /// Effect of an inconclusive primary comparison or limit.
    #[schemars(extend("default" = "warn"))]
    pub on_inconclusive: Option<OnInconclusiveWord>,
    /// Requires that a second run, an hour or more later, repeats a regression against a history before it
    /// fails.
    #[schemars(extend("default" = false))]
    pub confirm: Option<bool>,
    /// Makes `run` fail if a candidate is worse than the reference of the same run.
    #[schemars(extend("default" = false))]
    pub against_reference: Option<bool>,
    /// Label of an unchanged variant: against a history, what slows it is taken off every other's.
    pub control: Option<String>,
    /// Limit of a shift that two or more unchanged models share since the past, such as that of a slow gateway.
    pub shared_shift: Option<SharedShiftTable>,
    /// The switch gate: whether traffic should move to a candidate. Its margins are those of `pass_rate` and `ttft`.
    pub switch: Option<SwitchTable>,
    /// Tolerance, margin and floor of single metrics.
    pub metrics: Option<GateMetricsTable>,
    /// Limits that must hold for every variant, independent of comparisons.
    pub limits: Option<GateLimitsTable>,
}

/// The switch gate.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SwitchTable {
    /// The candidate must cost less by at least this.
    #[schemars(extend("pattern" = PERCENT, "default" = "10%"))]
    pub saving: Option<String>,
}

/// The limit of a shared shift.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SharedShiftTable {
    /// Everything may be worse by up to this.
    #[schemars(extend("pattern" = PERCENT, "default" = "5%"))]
    pub max: Option<String>,
    /// Effect of a larger shift.
    #[schemars(extend("default" = "warn"))]
    pub on_exceeded: Option<OnExceededWord>,
}

/// The effect of an exceeded limit.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum OnExceededWord {
    /// Exit code 0 and a line in the report.
    Pass,
    /// Exit code 0 and a warning.
    Warn,
    /// Exit code 1.
    Fail,
}

/// The effect of an inconclusive result.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum OnInconclusiveWord {
    /// Exit code 0 and a line in the report.
    Pass,
    /// Exit code 0 and a warning.
    Warn,
    /// Exit code 3.
    Fail,
}

/// The metrics, each with its bounds.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct GateMetricsTable {
    /// Time to first token.
    pub ttft: Option<TimeBoundsTable>,
    /// Time to the first token of the answer, reasoning left out.
    pub ttfa: Option<TimeBoundsTable>,
    /// Time to first token, failed attempts and the waits between them included.
    pub experienced_ttft: Option<TimeBoundsTable>,
    /// Time to the end of the answer.
    pub latency: Option<TimeBoundsTable>,
    /// Share of answers whose TTFT lies beyond the common 90th percentile.
    pub ttft_tail: Option<PointsBoundsTable>,
    /// Mean gap between token-bearing chunks of an answer.
    pub inter_token_latency: Option<TimeBoundsTable>,
    /// Completion tokens a second.
    pub output_rate: Option<RatioBoundsTable>,
    /// Completion tokens of an answer.
    pub output_tokens: Option<RatioBoundsTable>,
    /// List price of a request.
    pub cost: Option<RatioBoundsTable>,
    /// Share of trials that were answered to the end.
    pub completed: Option<PointsBoundsTable>,
    /// Share of graded answers that passed.
    pub pass_rate: Option<PointsBoundsTable>,
}

/// Bounds of a time.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct TimeBoundsTable {
    /// Longer by up to this is no regression. Default: the gate's own.
    #[schemars(extend("pattern" = PERCENT))]
    pub tolerance: Option<String>,
    /// `ok` means surely not longer by more than this. Default: the gate's own.
    #[schemars(extend("pattern" = PERCENT))]
    pub margin: Option<String>,
    /// The median over prompts must also have changed by this time. Default: 10 ms, of gaps none.
    pub floor: Option<String>,
}

/// Bounds of another ratio.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct RatioBoundsTable {
    /// Worse by up to this is no regression. Default: the gate's own.
    #[schemars(extend("pattern" = PERCENT))]
    pub tolerance: Option<String>,
    /// `ok` means surely not worse by more than this. Default: the gate's own.
    #[schemars(extend("pattern" = PERCENT))]
    pub margin: Option<String>,
}

/// Bounds of a share, in percentage points.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct PointsBoundsTable {
    /// Worse by up to so many points is no regression.
    #[schemars(extend("pattern" = PERCENT, "default" = "2%"))]
    pub tolerance: Option<String>,
    /// `ok` means surely not worse by more than so many points.
    #[schemars(extend("pattern" = PERCENT, "default" = "5%"))]
    pub margin: Option<String>,
}

/// A share of trials within a time: a service level objective.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct WithinTable {
    /// The time, such as `"1.5s"`.
    pub time: String,
    /// The share, at least.
    #[schemars(extend("pattern" = PERCENT))]
    pub share: String,
    /// Each prompt must meet the limit alone.
    #[schemars(extend("default" = false))]
    pub per_prompt: Option<bool>,
    /// Ends the run, with exit code 1, as soon as the limit can no longer hold.
    #[schemars(extend("default" = false))]
    pub abort: Option<bool>,
}

/// A limit with more than its bound.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct GateLimitTable {
    /// The bound.
    pub limit: LimitBoundForm,
    /// Each prompt must meet the limit alone.
    #[schemars(extend("default" = false))]
    pub per_prompt: Option<bool>,
    /// Ends the run, with exit code 1, as soon as the limit can no longer hold.
    #[schemars(extend("default" = false))]
    pub abort: Option<bool>,
}

/// A bound: a text with its unit, or a number.
pub struct LimitBoundForm;

impl JsonSchema for LimitBoundForm {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "LimitBoundForm".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number"] })
    }
}

/// Limits, judged with their intervals: one holds only where the whole interval lies within. Times are texts such as
/// `"1.5s"`.
pub struct GateLimitsTable;

impl JsonSchema for GateLimitsTable {
    fn schema_name() -> Cow<'static, str> {
        "GateLimitsTable".into()
    }

    /// A key for each quantity: its bound, or a table with it.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let properties = Quantity::all().map(|quantity| {
            let table = match quantity {
                Quantity::Within { .. } => generator.subschema_for::<WithinTable>(),
                _ => generator.subschema_for::<GateLimitTable>(),
            };
            let bound = match quantity.unit() {
                Unit::Time => json_schema!({ "type": "string" }),
                Unit::Share => json_schema!({ "type": "string", "pattern": PERCENT }),
                Unit::Usd => json_schema!({ "type": "string", "pattern": AMOUNT }),
                Unit::Number => json_schema!({ "type": "number", "exclusiveMinimum": 0 }),
                Unit::Trials => json_schema!({
                    "type": "integer", "minimum": 0, "maximum": limits::LIMIT_TRIALS_MAX
                }),
            };
            let description = quantity.description();
            let form = match quantity {
                Quantity::Within { .. } => {
                    json_schema!({ "description": description, "allOf": [table] })
                }
                _ => json_schema!({ "description": description, "anyOf": [bound, table] }),
            };
            (quantity.word(), form.to_value())
        });
        let properties: serde_json::Map<String, serde_json::Value> = properties.collect();
        json_schema!({
            "description": "Limits, judged with their intervals: one holds only where the whole interval lies within. \
                            Times are texts such as `\"1.5s\"`.",
            "type": "object",
            "properties": properties,
            "additionalProperties": false,
        })
    }
}
