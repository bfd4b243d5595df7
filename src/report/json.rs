//! The comparison as a JSON document.
//!
//! Owns its layout and version. Must not know how a number was computed. Invariant: names and numbers
//! are those of `comparison.csv`; what is absent there is absent here; money is a decimal string.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write as _};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::{SerializeMap as _, SerializeSeq as _};
use serde::{Serialize, Serializer};

use crate::record::Manifest;
use crate::verdict::{PromptSummaries, RunSummary};

use super::columns::prompt_rows;
use super::figure::{Figure, FigureCell};
use super::output_tokens::Outputs;
use super::problems::RunProblem;
use super::prompt_effects::PromptEffects;
use super::screen::ResultScreen;
use super::table::{Column, FigureRow, FigureTable};
use super::verdicts::{Section, Verdicts};
use super::view::View;

/// Version of the layout.
const VERSION: u32 = 2;

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
    /// Status of the run.
    status: &'static str,
    /// Warning to read first; absent for a complete run.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<&'a str>,
    /// The mark of simulated figures; absent for a real endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    simulated: Option<&'a str>,
    /// Definition of every percentile.
    quantiles: &'static str,
    /// The result, sentence by sentence.
    finding: Vec<String>,
    /// One recommendation for each candidate.
    recommendations: Vec<RecommendationDocument<'a>>,
    /// One row for each variant; FORMAT.md defines each name, under `comparison.csv`.
    comparison: RowsDocument<'a>,
    /// The judgements, the one that can fail a build first.
    verdicts: Vec<SectionDocument<'a>>,
    /// The decision of the switch gate on each candidate; absent without that gate.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    switch: Vec<SwitchDocument<'a>>,
    /// One row for each variant and absolute limit.
    limits: RowsDocument<'a>,
    /// Effect of prompt caches, in sentences; absent if caching played no part.
    #[serde(skip_serializing_if = "Option::is_none")]
    caching: Option<&'a [String]>,
    /// The stages of a load; absent for a run without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    load: Option<LoadDocument<'a>>,
    /// Differences in answer length from the reference; absent for a single variant.
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens: Option<OutputsDocument<'a>>,
    /// One row for each prompt and variant.
    #[schemars(with = "RowsDocument<'_>")]
    prompts: PromptRowsDocument<'a>,
    /// One row for each kind of error and variant.
    errors: RowsDocument<'a>,
    /// Problems of the run: what is wrong with it.
    problems: &'a [RunProblem],
    /// Facts about the run that are not wrong.
    remarks: &'a [RunProblem],
    /// Settings and circumstances of the run.
    #[schemars(with = "BTreeMap<String, String>")]
    method: MethodDocument<'a>,
}

/// Writes the document, pretty-printed, with a line break at its end.
pub(super) fn write_document(
    manifest: &Manifest,
    view: &View,
    (summary, prompts): (&RunSummary, PromptSummaries<'_>),
    out: impl io::Write,
) -> io::Result<()> {
    let document = Document {
        version: VERSION,
        tool: &manifest.tool,
        suite: &view.suite,
        run: &view.run,
        status: view.status,
        warning: view.warning.as_deref(),
        simulated: view.screen.simulated.as_deref(),
        quantiles: "type 8",
        finding: view.screen.sentences(),
        recommendations: recommendations(&view.screen),
        comparison: RowsDocument(vec![&view.comparison]),
        verdicts: sections(&view.verdicts),
        switch: switches(&view.verdicts),
        limits: RowsDocument(vec![&view.verdicts.limits]),
        caching: view
            .caching
            .as_ref()
            .map(|caching| caching.sentences.as_slice()),
        load: view.load.as_ref().map(|load| LoadDocument {
            stages: RowsDocument(vec![&load.table]),
            finding: &load.sentences,
        }),
        output_tokens: OutputsDocument::from_outputs(&view.verdicts.outputs),
        prompts: PromptRowsDocument { summary, prompts },
        errors: RowsDocument(vec![&view.errors]),
        problems: &view.problems,
        remarks: &view.remarks,
        method: MethodDocument(&view.method),
    };
    write_pretty(&document, out)
}

/// Writes a document, whose text may be large, as [`pretty`] renders it.
fn write_pretty(document: &impl Serialize, out: impl io::Write) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    serde_json::to_writer_pretty(&mut out, document)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// The stages of a load.
#[derive(Serialize, JsonSchema)]
struct LoadDocument<'a> {
    /// One row for each stage and variant; FORMAT.md defines each name, under `load.csv`.
    stages: RowsDocument<'a>,
    /// The load that each model takes, in sentences.
    finding: &'a [String],
}

/// The recommendation on a candidate.
#[derive(Serialize, JsonSchema)]
struct RecommendationDocument<'a> {
    /// Label of the candidate.
    candidate: &'a str,
    /// Label of the reference.
    reference: &'a str,
    /// `switch`, `trade_off`, `undecided`, `keep_reference` or `no_result`.
    advice: &'static str,
    /// The recommendation in a sentence.
    sentence: &'a str,
    /// The verdict of each primary metric, by the metric's stored word.
    verdicts: BTreeMap<&'static str, &'static str>,
}

fn recommendations(screen: &ResultScreen) -> Vec<RecommendationDocument<'_>> {
    let texts = screen.recommendations.iter();
    let documents = texts.map(|text| RecommendationDocument {
        candidate: &text.candidate,
        reference: &text.reference,
        advice: text.advice.word(),
        sentence: text.sentence(),
        verdicts: text.components.iter().copied().collect(),
    });
    documents.collect()
}

/// The decision of the switch gate on a candidate.
#[derive(Serialize, JsonSchema)]
struct SwitchDocument<'a> {
    /// Label of the candidate.
    candidate: &'a str,
    /// Label of the reference.
    reference: &'a str,
    /// `switch`, `undecided` or `do_not_switch`.
    outcome: &'static str,
    /// The decision in sentences.
    sentence: &'a str,
    /// `met`, `refuted` or `open`, by the metric's stored word.
    conditions: BTreeMap<&'static str, &'static str>,
    /// Further prompts that would settle what is open; absent where no number would.
    #[serde(skip_serializing_if = "Option::is_none")]
    more_prompts: Option<u64>,
}

fn switches(verdicts: &Verdicts) -> Vec<SwitchDocument<'_>> {
    let texts = verdicts.switches.iter();
    let documents = texts.map(|text| SwitchDocument {
        candidate: &text.candidate,
        reference: &text.reference,
        outcome: text.outcome.word(),
        sentence: &text.sentence,
        conditions: text.conditions.iter().copied().collect(),
        more_prompts: text.more_prompts,
    });
    documents.collect()
}

/// Version of the layout of judgements on their own.
const VERDICTS_VERSION: u32 = 2;

/// The comparison of `bakeoff compare`, which may span runs.
#[derive(Serialize, JsonSchema)]
pub struct VerdictsDocument<'a> {
    /// Version of this document.
    version: u32,
    /// Name and version of the program that judged.
    tool: &'a str,
    /// Name of the suite.
    suite: &'a str,
    /// The runs or variants compared.
    compared: &'a str,
    /// The mark of simulated figures; absent for a real endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    simulated: Option<&'a str>,
    /// The judgements.
    verdicts: Vec<SectionDocument<'a>>,
    /// The decision of the switch gate on each candidate; absent without that gate.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    switch: Vec<SwitchDocument<'a>>,
    /// One row for each variant and absolute limit.
    limits: RowsDocument<'a>,
    /// Differences in answer length from the reference, or from the earlier run.
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens: Option<OutputsDocument<'a>>,
}

/// Differences in answer length.
#[derive(Serialize, JsonSchema)]
struct OutputsDocument<'a> {
    /// One paragraph for each candidate whose answers differ in length beyond the noise.
    paragraphs: &'a [String],
    /// One sentence for each side whose reasoning was hidden.
    hidden: &'a [String],
    /// Explanations of the rows.
    notes: &'a [String],
    /// One row for each candidate.
    models: RowsDocument<'a>,
    /// One row for each candidate and prompt, the largest change first.
    #[schemars(with = "RowsDocument<'_>")]
    prompts: OutputRowsDocument<'a>,
}

impl<'a> OutputsDocument<'a> {
    fn from_outputs(outputs: &'a Outputs) -> Option<Self> {
        (!outputs.models.rows.is_empty()).then(|| Self {
            paragraphs: &outputs.paragraphs,
            hidden: &outputs.hidden,
            notes: &outputs.notes,
            models: RowsDocument(vec![&outputs.models]),
            prompts: OutputRowsDocument(outputs),
        })
    }
}

/// Writes the judgements of `bakeoff compare`.
pub(super) fn write_verdicts(
    tool: &str,
    (suite, compared): (&str, &str),
    simulated: Option<&str>,
    verdicts: &Verdicts,
    out: impl io::Write,
) -> io::Result<()> {
    let document = VerdictsDocument {
        version: VERDICTS_VERSION,
        tool,
        suite,
        compared,
        simulated,
        verdicts: sections(verdicts),
        switch: switches(verdicts),
        limits: RowsDocument(vec![&verdicts.limits]),
        output_tokens: OutputsDocument::from_outputs(&verdicts.outputs),
    };
    write_pretty(&document, out)
}

/// Pretty-prints a document, with a line break at its end.
pub(super) fn pretty(document: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(document)
        .expect("strings, numbers and lists can always be written as JSON");
    text.push('\n');
    text
}

/// A judgement.
#[derive(Serialize, JsonSchema)]
struct SectionDocument<'a> {
    /// The comparison design: `interleaved`, `two_runs` or `history`.
    design: &'static str,
    /// The design in words.
    title: &'a str,
    /// True if it can fail a build.
    gates: bool,
    /// Text to read before the verdicts; absent if there is nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    alerts: Vec<AlertDocument<'a>>,
    /// The primary comparisons in words.
    primary: Vec<ComparisonTextDocument<'a>>,
    /// One row for each candidate and metric, primary ones first.
    comparisons: RowsDocument<'a>,
    /// One row for each prompt and candidate.
    #[schemars(with = "RowsDocument<'_>")]
    prompts: EffectRowsDocument<'a>,
    /// One row for each provider, if different providers answered the sides.
    routes: RowsDocument<'a>,
    /// Legend of the verdicts.
    reading: &'a [String],
    /// Procedures and error rate of the judgement.
    method: &'a [String],
    /// Notes on the judgement as a whole.
    notes: &'a [String],
}

/// A finding on a judgement as a whole.
#[derive(Serialize, JsonSchema)]
struct AlertDocument<'a> {
    /// Its kind: `incomparable` or `shared_shift`.
    kind: &'static str,
    /// The finding in a sentence.
    text: &'a str,
}

/// A primary comparison in words.
#[derive(Serialize, JsonSchema)]
struct ComparisonTextDocument<'a> {
    /// Label of the candidate.
    candidate: &'a str,
    /// Stored word of the metric.
    metric: &'static str,
    /// The verdict.
    verdict: &'static str,
    /// The verdict in a sentence.
    sentence: &'a str,
    /// Reasons, and what to do.
    remarks: &'a [String],
}

fn sections(verdicts: &Verdicts) -> Vec<SectionDocument<'_>> {
    let sections = verdicts.sections.iter();
    sections.map(SectionDocument::new).collect()
}

impl<'a> SectionDocument<'a> {
    fn new(section: &'a Section) -> Self {
        let texts = section
            .comparison_texts
            .iter()
            .map(|text| ComparisonTextDocument {
                candidate: &text.candidate,
                metric: text.metric,
                verdict: text.verdict.word(text.design),
                sentence: &text.sentence,
                remarks: &text.remarks,
            });
        let alerts = section.alerts.iter().map(|alert| AlertDocument {
            kind: alert.kind,
            text: &alert.text,
        });
        Self {
            design: section.design.word(),
            title: &section.title,
            gates: section.gates,
            alerts: alerts.collect(),
            primary: texts.collect(),
            comparisons: RowsDocument(vec![&section.primary, &section.exploratory]),
            prompts: EffectRowsDocument(&section.effects),
            routes: RowsDocument(vec![&section.routes]),
            reading: &section.legend,
            method: &section.method,
            notes: &section.notes,
        }
    }
}

/// Tables with the same columns, serialised as one list of objects.
struct RowsDocument<'a>(Vec<&'a FigureTable>);

impl Serialize for RowsDocument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let count = self.0.iter().map(|table| table.rows.len()).sum();
        let mut rows = serializer.serialize_seq(Some(count))?;
        for table in &self.0 {
            for cells in &table.rows {
                rows.serialize_element(&FigureRowDocument(&table.columns, cells))?;
            }
        }
        rows.end()
    }
}

/// The rows of all prompts, each made when it is written.
struct PromptRowsDocument<'a> {
    summary: &'a RunSummary,
    prompts: PromptSummaries<'a>,
}

impl Serialize for PromptRowsDocument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { summary, prompts } = *self;
        let prompts = prompts.of(0..prompts.len());
        collect_rows(
            serializer,
            prompts.flat_map(|prompt| prompt_rows(summary, &prompt)),
        )
    }
}

/// The rows of the effects on all prompts, each made when it is written.
struct EffectRowsDocument<'a>(&'a PromptEffects);

impl Serialize for EffectRowsDocument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        collect_rows(serializer, self.0.rows())
    }
}

/// The rows of the differences in answer length on all prompts, each made when it is written.
struct OutputRowsDocument<'a>(&'a Outputs);

impl Serialize for OutputRowsDocument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        collect_rows(serializer, self.0.prompt_rows())
    }
}

fn collect_rows<S: Serializer>(
    serializer: S,
    rows: impl Iterator<Item = FigureRow>,
) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(None)?;
    for row in rows {
        let (columns, cells) = row.finish();
        list.serialize_element(&FigureRowDocument(&columns, &cells))?;
    }
    list.end()
}

/// The columns depend on the run, so a row's names are not in the schema; the types of values
/// are.
impl JsonSchema for RowsDocument<'_> {
    fn schema_name() -> Cow<'static, str> {
        "Rows".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "low_n": {
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

/// One row, with the names of the columns whose n is too low for an interval.
struct FigureRowDocument<'a>(&'a [Column], &'a [FigureCell]);

impl Serialize for FigureRowDocument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_map(None)?;
        let mut low_n: Vec<&str> = Vec::new();
        for (column, cell) in self.0.iter().zip(self.1) {
            if cell.figure != Figure::Absent {
                row.serialize_entry(&column.name, &FigureValue(&cell.figure))?;
            }
            if cell.low_n {
                low_n.push(&column.name);
            }
        }
        if !low_n.is_empty() {
            row.serialize_entry("low_n", &low_n)?;
        }
        row.end()
    }
}

/// A figure, serialised by its type.
struct FigureValue<'a>(&'a Figure);

impl Serialize for FigureValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Figure::Absent => serializer.serialize_none(),
            Figure::Bool(truth) => serializer.serialize_bool(*truth),
            Figure::Count(count) => serializer.serialize_u128(*count),
            Figure::PartOf(part, _) => serializer.serialize_u64(*part),
            Figure::Text(_)
            | Figure::Label(..)
            | Figure::Money(_)
            | Figure::Plan(..)
            | Figure::Verdict(..) => serializer.serialize_str(&self.0.plain()),
            Figure::Millis(value)
            | Figure::Rate(value)
            | Figure::Mean(value)
            | Figure::Ratio(value)
            | Figure::Share(value)
            | Figure::Worsening(value)
            | Figure::WorseningPoints(value) => serializer.serialize_f64(value.as_f64()),
            Figure::Points(thousandths) => {
                serializer.serialize_f64(f64::from(*thousandths) / 1000.0)
            }
            Figure::Probability(chance) => serializer.serialize_f64(chance.as_f64()),
        }
    }
}

/// Names and values, serialised as one object.
struct MethodDocument<'a>(&'a [(&'static str, String)]);

impl Serialize for MethodDocument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}
