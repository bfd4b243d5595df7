//! An assert as it is written.
//!
//! Owns the documentation of its keys. Must not read anything. Invariant: as of [`super`].

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use super::Decimal;
use crate::suite::parse::assert::TYPES;
use crate::suite::value::{defaults, limits};

/// One check of every answer. `{{column}}` in the texts of `value` stands for a value of a prompt file's row.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct AssertTable {
    /// The check; the prefix `not-` inverts it.
    #[schemars(rename = "type")]
    pub kind: AssertType,
    /// The value of the check: a string, an array of strings, a pattern, a number or a JSON schema, by its type. A schema is
    /// a table, or `{ file = "schema.json" }`.
    pub value: Option<Value>,
    /// Limit of the check: edits of `levenshtein`, min score of `rouge-n`, `bleu`, `judge`, `similar` and `exec`, USD of `cost`,
    /// and a time (`"2s"`, or milliseconds) of `latency` and `ttft`.
    pub threshold: Option<Decimal>,
    /// Treats upper and lower case alike.
    #[schemars(extend("default" = false))]
    pub ignore_case: Option<bool>,
    /// Words of an n-gram of `rouge-n`.
    #[schemars(range(min = 1, max = limits::ASSERT_NGRAM), extend("default" = 1))]
    pub n: Option<usize>,
    /// The conditions of a right answer, for the `judge`.
    #[schemars(length(min = 1, max = limits::ASSERT_VALUE_BYTES))]
    pub rubric: Option<String>,
    /// Program and arguments of `exec`: reads the sample as JSON, prints a score. Runs with `--allow-exec` alone.
    #[schemars(length(min = 1, max = limits::ASSERT_VALUES))]
    pub command: Option<Vec<String>>,
    /// The time after which `exec` is stopped. Default: `"10s"`.
    pub timeout: Option<String>,
    /// Name of its grades. Default: the type, numbered where there are several.
    #[schemars(length(min = 1, max = limits::ID_CHARS))]
    pub name: Option<String>,
    /// Weight in the score of an answer; 0 reports the grade and decides nothing.
    #[schemars(range(min = 0, max = limits::WEIGHT_MAX), extend("default" = defaults::WEIGHT))]
    pub weight: Option<f64>,
    /// Part of the answer that is graded: `json`, `last-line`, `all`, or a regular expression, whose first group
    /// counts. Default: the prompt's, else the suite's, else `all`.
    #[schemars(length(min = 1, max = limits::ASSERT_PATTERN_BYTES))]
    pub extract: Option<String>,
    /// In the suite's own `assert`: only prompts with one of these tags. Default: all prompts.
    #[schemars(length(max = limits::TAGS))]
    pub tags: Option<Vec<String>>,
}

/// A type of assert, with or without `not-`.
pub struct AssertType;

impl JsonSchema for AssertType {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "AssertType".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let plain = TYPES.iter().map(|word| (*word).to_owned());
        let negated = TYPES.iter().map(|word| format!("not-{word}"));
        let words: Vec<String> = plain.chain(negated).collect();
        json_schema!({ "type": "string", "enum": words })
    }
}
