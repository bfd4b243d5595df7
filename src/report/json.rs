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
use super::output_tokens::Outputs;
use super::problems::Problem;
use super::table::Table;
use super::verdicts::{Section, Verdicts};
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
    /// Each judgement: the gating one first.
    verdicts: Vec<SectionDocument<'a>>,
    /// One row for each variant and absolute limit.
    limits: Rows<'a>,
    /// What prompt caches did, in sentences; absent where they played no part.
    #[serde(skip_serializing_if = "Option::is_none")]
    caching: Option<&'a [String]>,
    /// How much longer answers are than the reference's; absent of a single variant.
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens: Option<OutputsDocument<'a>>,
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
        comparison: Rows(vec![&view.comparison]),
        verdicts: sections(&view.verdicts),
        limits: Rows(vec![&view.verdicts.limits]),
        caching: view.caching.as_ref().map(|caching| caching.told.as_slice()),
        output_tokens: OutputsDocument::of(&view.verdicts.outputs),
        prompts: Rows(vec![&view.prompts]),
        errors: Rows(vec![&view.errors]),
        problems: &view.problems,
        method: Pairs(&view.method),
    };
    pretty(&document)
}

/// Version of the layout of judgements on their own.
const VERDICTS_VERSION: u32 = 1;

/// A comparison that is not the report of one run.
#[derive(Serialize, JsonSchema)]
pub struct VerdictsDocument<'a> {
    /// Version of this document.
    version: u32,
    /// Name and version of the program that judged.
    tool: &'a str,
    /// Name of the suite.
    suite: &'a str,
    /// What was compared with what.
    compared: &'a str,
    /// The judgements.
    verdicts: Vec<SectionDocument<'a>>,
    /// One row for each variant and absolute limit.
    limits: Rows<'a>,
    /// How much longer answers are than the reference's, or than before.
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens: Option<OutputsDocument<'a>>,
}

/// How much longer answers are.
#[derive(Serialize, JsonSchema)]
struct OutputsDocument<'a> {
    /// One paragraph for each candidate whose answers differ in length beyond the noise.
    told: &'a [String],
    /// One sentence for each side whose reasoning was hidden.
    hidden: &'a [String],
    /// How to read it.
    notes: &'a [String],
    /// One row for each candidate.
    models: Rows<'a>,
    /// One row for each candidate and prompt, the largest change first.
    prompts: Rows<'a>,
}

impl<'a> OutputsDocument<'a> {
    fn of(outputs: &'a Outputs) -> Option<Self> {
        (!outputs.models.rows.is_empty()).then(|| Self {
            told: &outputs.told,
            hidden: &outputs.hidden,
            notes: &outputs.notes,
            models: Rows(vec![&outputs.models]),
            prompts: Rows(vec![&outputs.prompts]),
        })
    }
}

/// Judgements that are not those of a run's report.
pub(super) fn verdicts_document(
    tool: &str,
    suite: &str,
    compared: &str,
    verdicts: &Verdicts,
) -> String {
    pretty(&VerdictsDocument {
        version: VERDICTS_VERSION,
        tool,
        suite,
        compared,
        verdicts: sections(verdicts),
        limits: Rows(vec![&verdicts.limits]),
        output_tokens: OutputsDocument::of(&verdicts.outputs),
    })
}

fn pretty(document: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(document)
        .expect("strings, numbers and lists can always be written as JSON");
    text.push('\n');
    text
}

/// A judgement.
#[derive(Serialize, JsonSchema)]
struct SectionDocument<'a> {
    /// Which question was asked.
    situation: &'static str,
    /// The same in words.
    title: &'a str,
    /// Whether it can fail a build.
    gates: bool,
    /// The primary comparisons in words.
    told: Vec<ToldDocument<'a>>,
    /// One row for each candidate and metric, primary ones first.
    comparisons: Rows<'a>,
    /// One row for each prompt and candidate.
    prompts: Rows<'a>,
    /// One row for each provider, where the sides were answered by different ones.
    routes: Rows<'a>,
    /// What the words mean.
    reading: &'a [String],
    /// How it was judged.
    method: &'a [String],
    /// What a reader must know beside it.
    notes: &'a [String],
}

/// A primary comparison in words.
#[derive(Serialize, JsonSchema)]
struct ToldDocument<'a> {
    /// Label of the candidate.
    candidate: &'a str,
    /// What is compared.
    metric: &'static str,
    /// The answer.
    verdict: &'static str,
    /// The answer in a sentence.
    sentence: &'a str,
    /// Why, and what to do.
    remarks: &'a [String],
}

fn sections(verdicts: &Verdicts) -> Vec<SectionDocument<'_>> {
    let sections = verdicts.sections.iter();
    sections.map(SectionDocument::of).collect()
}

impl<'a> SectionDocument<'a> {
    fn of(section: &'a Section) -> Self {
        let told = section.told.iter().map(|told| ToldDocument {
            candidate: &told.candidate,
            metric: told.metric,
            verdict: told.verdict.word(),
            sentence: &told.sentence,
            remarks: &told.remarks,
        });
        Self {
            situation: section.situation,
            title: &section.title,
            gates: section.gates,
            told: told.collect(),
            comparisons: Rows(vec![&section.primary, &section.exploratory]),
            prompts: Rows(vec![&section.prompts]),
            routes: Rows(vec![&section.routes]),
            reading: &section.reading,
            method: &section.method,
            notes: &section.notes,
        }
    }
}

/// Tables with the same columns as one list of objects.
struct Rows<'a>(Vec<&'a Table>);

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let count = self.0.iter().map(|table| table.rows.len()).sum();
        let mut rows = serializer.serialize_seq(Some(count))?;
        for table in &self.0 {
            for row in 0..table.rows.len() {
                rows.serialize_element(&Row(table, row))?;
            }
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
                "properties": {
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
            Figure::Text(_)
            | Figure::Label(..)
            | Figure::Money(_)
            | Figure::Plan(..)
            | Figure::Verdict(_) => serializer.serialize_str(&self.0.plain()),
            Figure::Millis(value)
            | Figure::Rate(value)
            | Figure::Mean(value)
            | Figure::Ratio(value)
            | Figure::Share(value)
            | Figure::Worse(value)
            | Figure::WorsePoints(value) => serializer.serialize_f64(value.as_f64()),
            Figure::Points(thousandths) => {
                serializer.serialize_f64(f64::from(*thousandths) / 1000.0)
            }
            Figure::Chance(chance) => serializer.serialize_f64(chance.as_f64()),
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
