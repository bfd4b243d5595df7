//! The comparison as JSON, for other programs.
//!
//! Owns its layout and version. Must not know how a number came about. Invariant: names and numbers
//! are those of `comparison.csv`; what is absent there is absent here; money is a decimal string.

use serde::ser::{SerializeMap as _, SerializeSeq as _};
use serde::{Serialize, Serializer};

use crate::record::Manifest;

use super::figure::Figure;
use super::problems::Problem;
use super::table::Table;
use super::verdicts::{Section, Verdicts};
use super::view::View;

/// Version of the layout.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    tool: &'a str,
    suite: &'a str,
    run: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<&'a str>,
    /// The definition of every percentile.
    quantiles: &'static str,
    finding: &'a [String],
    comparison: Rows<'a>,
    verdicts: Vec<SectionDocument<'a>>,
    limits: Rows<'a>,
    prompts: Rows<'a>,
    errors: Rows<'a>,
    problems: &'a [Problem],
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
        prompts: Rows(vec![&view.prompts]),
        errors: Rows(vec![&view.errors]),
        problems: &view.problems,
        method: Pairs(&view.method),
    };
    pretty(&document)
}

/// Version of the layout of judgements on their own.
const VERDICTS_VERSION: u32 = 1;

#[derive(Serialize)]
struct VerdictsDocument<'a> {
    version: u32,
    tool: &'a str,
    suite: &'a str,
    compared: &'a str,
    verdicts: Vec<SectionDocument<'a>>,
    limits: Rows<'a>,
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
    })
}

fn pretty(document: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(document)
        .expect("strings, numbers and lists can always be written as JSON");
    text.push('\n');
    text
}

/// A judgement.
#[derive(Serialize)]
struct SectionDocument<'a> {
    situation: &'static str,
    title: &'a str,
    gates: bool,
    told: Vec<ToldDocument<'a>>,
    comparisons: Rows<'a>,
    prompts: Rows<'a>,
    routes: Rows<'a>,
    reading: &'a [String],
    method: &'a [String],
    notes: &'a [String],
}

/// A primary comparison in words.
#[derive(Serialize)]
struct ToldDocument<'a> {
    candidate: &'a str,
    metric: &'static str,
    verdict: &'static str,
    sentence: &'a str,
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
