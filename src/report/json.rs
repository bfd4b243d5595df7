//! The comparison as JSON, for other programs.
//!
//! Owns its layout and version. Must not know how a number came about. Invariant: names and numbers
//! are those of `comparison.csv`; what is absent there is absent here; money is a decimal string.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::{SerializeMap as _, SerializeSeq as _};
use serde::{Serialize, Serializer};

use crate::record::Manifest;

use super::figure::Figure;
use super::problems::Problem;
use super::table::Table;
use super::view::View;

/// Version of the layout.
const VERSION: u32 = 1;

/// The comparison of a run.
#[derive(Serialize, JsonSchema)]
pub struct Document<'a> {
    /// Version of this document.
    version: u32,
    /// Name and version of the program that made the run.
    tool: &'a str,
    /// Name of the suite.
    suite: &'a str,
    /// Name of the run.
    run: &'a str,
    /// How the run went.
    status: &'static str,
    /// What a reader must know first; absent for a complete run.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<&'a str>,
    /// The definition of every percentile.
    quantiles: &'static str,
    /// The finding, sentence by sentence.
    finding: &'a [String],
    /// One row for each variant; FORMAT.md says what each name means, under `comparison.csv`.
    comparison: Rows<'a>,
    /// One row for each prompt and variant.
    prompts: Rows<'a>,
    /// One row for each kind of error and variant.
    errors: Rows<'a>,
    /// What went wrong.
    problems: &'a [Problem],
    /// How it was run.
    #[schemars(with = "BTreeMap<String, String>")]
    method: Pairs<'a>,
}

/// The document, pretty-printed, with a line break at its end.
pub(super) fn document(manifest: &Manifest, view: &View) -> String {
    let document = Document {
        version: VERSION,
        tool: &manifest.tool,
        suite: &view.suite,
        run: &view.run,
        status: view.status,
        warning: view.warning.as_deref(),
        quantiles: "type 8",
        finding: &view.finding,
        comparison: Rows(&view.comparison),
        prompts: Rows(&view.prompts),
        errors: Rows(&view.errors),
        problems: &view.problems,
        method: Pairs(&view.method),
    };
    let mut text = serde_json::to_string_pretty(&document)
        .expect("strings, numbers and lists can always be written as JSON");
    text.push('\n');
    text
}

/// A table as a list of objects.
struct Rows<'a>(&'a Table);

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut rows = serializer.serialize_seq(Some(self.0.rows.len()))?;
        for row in 0..self.0.rows.len() {
            rows.serialize_element(&Row(self.0, row))?;
        }
        rows.end()
    }
}

/// Columns come and go with what a run holds, so that a row's names are not in the schema; what a
/// value may be is.
impl JsonSchema for Rows<'_> {
    fn schema_name() -> Cow<'static, str> {
        "Rows".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "array",
            "items": {
                "type": "object",
                "required": ["variant"],
                "properties": {
                    "variant": { "description": "Label of the variant.", "type": "string" },
                    "thin": {
                        "description": "Figures of too few samples for an interval.",
                        "type": "array",
                        "items": { "type": "string" }
                    }
                },
                "additionalProperties": { "type": ["string", "number", "boolean"] }
            }
        })
    }
}

/// One row, with the names of the columns that stand on too few samples for an interval.
struct Row<'a>(&'a Table, usize);

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_map(None)?;
        let mut thin: Vec<&str> = Vec::new();
        for (column, cell) in self.0.columns.iter().zip(&self.0.rows[self.1]) {
            if cell.figure != Figure::Absent {
                row.serialize_entry(&column.name, &Value(&cell.figure))?;
            }
            if cell.thin {
                thin.push(&column.name);
            }
        }
        if !thin.is_empty() {
            row.serialize_entry("thin", &thin)?;
        }
        row.end()
    }
}

/// A figure, as its type wants it.
struct Value<'a>(&'a Figure);

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Figure::Absent => serializer.serialize_none(),
            Figure::Truth(truth) => serializer.serialize_bool(*truth),
            Figure::Count(count) => serializer.serialize_u128(*count),
            Figure::PartOf(part, _) => serializer.serialize_u64(*part),
            Figure::Text(_) | Figure::Label(..) | Figure::Money(_) => {
                serializer.serialize_str(&self.0.plain())
            }
            Figure::Millis(value)
            | Figure::Rate(value)
            | Figure::Mean(value)
            | Figure::Ratio(value)
            | Figure::Share(value) => serializer.serialize_f64(value.as_f64()),
        }
    }
}

/// Names and values as an object.
struct Pairs<'a>(&'a [(&'static str, String)]);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}
