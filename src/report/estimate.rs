//! The cost estimate of a run: a table for people, CSV and JSON for programs, and one line before a run.
//!
//! Owns its columns and sentences. Must not know how an estimate is computed. Invariant: the same numbers
//! stand in every format; whatever an estimate excludes is named wherever a person reads it.

use std::collections::BTreeMap;
use std::io;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::catalog::{AnswerBasis, CostEstimate, GraderEstimate, Source, Sums, UnboundedCost};
use crate::record::{EstimateRecord, PriceSource};
use crate::suite::{CacheMode, Suite};
use crate::units::{ModelId, Usd, plural};

use super::csv;
use super::figure::{Figure, count};
use super::table::{FigureRow, FigureTable};
use super::terminal::{self, Style};

/// Version of the JSON's layout.
const VERSION: u32 = 1;
/// Past runs needed for a 90 % bound.
const MIN_RUNS_FOR_BOUND: usize = 9;
/// Reasons for a missing worst case that are listed one by one; the rest is counted.
const MAX_REASONS: usize = 5;
/// Costs that no figure of an estimate includes.
const NOT_COVERED: &str = "Not included: warm-up and retries (except in the worst case), prompt-cache discounts, own provider keys, surcharges that no past run had, price changes.";

/// A cost estimate, ready to be rendered.
#[derive(Debug, Clone, Copy)]
pub struct EstimateView<'a> {
    /// The estimate.
    pub estimate: &'a CostEstimate,
    /// The suite it belongs to.
    pub suite: &'a Suite,
    /// Name of the endpoint's profile.
    pub endpoint: &'a str,
    /// The source of the list prices.
    pub prices: &'a Source,
}

/// The document that `estimate --json` prints.
#[derive(Serialize, JsonSchema)]
pub struct EstimateDocument<'a> {
    /// Version of this document.
    version: u32,
    /// Name of the suite.
    suite: &'a str,
    /// Name of the endpoint's profile, or its URL.
    endpoint: &'a str,
    /// Source of the list prices.
    prices: PricesDocument<'a>,
    /// Past runs that the total learned from.
    past_runs: usize,
    /// Number of variants excluded from the total.
    unpriced: usize,
    /// Sums over all variants.
    total: SumsDocument,
    /// One entry per variant, in the order of the suite.
    variants: Vec<VariantEstimateDocument<'a>>,
    /// The models that grade answers after the run, excluded from the total; absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    graders: Vec<GraderDocument<'a>>,
}

/// The estimate of a model that grades answers.
#[derive(Serialize, JsonSchema)]
struct GraderDocument<'a> {
    /// The key of the suite that names it: `judge` or `embedding_model`.
    key: &'static str,
    /// The model.
    #[schemars(with = "String")]
    model: &'a ModelId,
    /// Gradings, if no two answers are the same.
    gradings: u64,
    /// Expected cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    expected_usd: Option<Usd>,
}

/// Source of list prices.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct PricesDocument<'a> {
    /// The source in words.
    source: &'a str,
    /// `YYYY-MM-DD`.
    date: &'a str,
    /// Digest of the list.
    digest: &'a str,
}

/// The estimate of one variant.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "VariantDocument")]
struct VariantEstimateDocument<'a> {
    /// Its label.
    variant: &'a str,
    /// The requested model.
    #[schemars(with = "String")]
    model: &'a ModelId,
    /// True if its prompts were counted with its own vocabulary.
    own_vocabulary: bool,
    /// Past runs that its estimate learned from.
    past_runs: usize,
    /// Sums over all its prompts.
    total: SumsDocument,
    /// One entry per prompt.
    #[schemars(with = "Vec<PromptDocument<'_>>")]
    prompts: PromptDocuments<'a>,
}

/// The prompts of a variant, each made when it is written: a suite has many.
struct PromptDocuments<'a> {
    view: &'a EstimateView<'a>,
    variant: usize,
}

impl Serialize for PromptDocuments<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let EstimateView {
            estimate, suite, ..
        } = self.view;
        let prompts = estimate.variants[self.variant].prompts.iter();
        let documents = prompts.zip(&suite.prompts).enumerate();
        serializer.collect_seq(documents.map(|(index, (one, prompt))| PromptDocument {
            prompt: &prompt.id,
            answer_basis: one.basis.word(),
            total: (&estimate.prompt_sums(self.variant, index)).into(),
        }))
    }
}

/// The estimate of one prompt of a variant.
#[derive(Serialize, JsonSchema)]
struct PromptDocument<'a> {
    /// Its id.
    prompt: &'a str,
    /// Basis of the expected answer length.
    answer_basis: &'static str,
    /// Sums over all its repetitions.
    total: SumsDocument,
}

/// Sums of tokens and money; money is a decimal string, absent if not known.
#[derive(Serialize, JsonSchema)]
struct SumsDocument {
    /// Requests without warm-up and retries.
    requests: u64,
    /// Expected prompt tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_tokens: Option<u64>,
    /// Expected completion tokens.
    completion_tokens: u64,
    /// Cost at list prices, before correction by past runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    list_usd: Option<Usd>,
    /// Expected cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    expected_usd: Option<Usd>,
    /// Bound that nine of ten such runs stay below.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    bound_90_usd: Option<Usd>,
    /// Bound that no run exceeds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    worst_usd: Option<Usd>,
    /// Reason why there is no worst case.
    #[serde(skip_serializing_if = "Option::is_none")]
    unbounded: Option<String>,
}

impl<'a> From<&'a Source> for PricesDocument<'a> {
    fn from(prices: &'a Source) -> Self {
        Self {
            source: &prices.words,
            date: &prices.date,
            digest: &prices.digest,
        }
    }
}

impl<'a> From<&'a PriceSource> for PricesDocument<'a> {
    fn from(prices: &'a PriceSource) -> Self {
        Self {
            source: &prices.source,
            date: &prices.date,
            digest: &prices.digest,
        }
    }
}

impl From<&Sums> for SumsDocument {
    fn from(sums: &Sums) -> Self {
        Self {
            requests: sums.requests,
            prompt_tokens: sums.prompt_tokens,
            completion_tokens: sums.completion_tokens,
            list_usd: sums.list,
            expected_usd: sums.expected,
            bound_90_usd: sums.bound_90,
            worst_usd: sums.worst.as_ref().ok().copied(),
            unbounded: sums.worst.as_ref().err().map(ToString::to_string),
        }
    }
}

impl EstimateView<'_> {
    /// Renders one row per variant and the total for a terminal, then the assumptions.
    pub fn terminal(&self, style: Style) -> String {
        let rows = self.estimate.variants.iter();
        let rows = rows.map(|of| row(&of.variant, of.model.as_str(), None, None, &of.sums));
        let total = row("total", "", None, None, &self.estimate.total);
        let table = FigureTable::from_rows(rows.chain([total]));
        terminal::table(&table, &self.notes(), style)
    }

    /// Writes one row per variant and prompt, one per variant (without a prompt) and the total (without a
    /// variant).
    ///
    /// # Errors
    /// Returns an error if writing to `out` fails.
    pub fn write_csv(&self, out: impl io::Write) -> io::Result<()> {
        let variants = self.estimate.variants.iter().enumerate();
        let rows = variants.flat_map(|(variant, of)| {
            let prompts = of.prompts.iter().zip(&self.suite.prompts).enumerate();
            let prompts = prompts.map(move |(index, (one, prompt))| {
                row(
                    &of.variant,
                    of.model.as_str(),
                    Some(&prompt.id),
                    Some(one.basis),
                    &self.estimate.prompt_sums(variant, index),
                )
            });
            prompts.chain([row(&of.variant, of.model.as_str(), None, None, &of.sums)])
        });
        let total = row("", "", None, None, &self.estimate.total);
        csv::write_rows(rows.chain([total]), out)
    }

    /// Writes the estimate as JSON.
    ///
    /// # Errors
    /// Returns an error if writing to `out` fails.
    pub fn write_json(&self, mut out: impl io::Write) -> io::Result<()> {
        let variants = self.estimate.variants.iter().enumerate();
        let variants = variants.map(|(variant, of)| VariantEstimateDocument {
            variant: &of.variant,
            model: &of.model,
            own_vocabulary: of.own_vocabulary,
            past_runs: of.sums.past_runs,
            total: (&of.sums).into(),
            prompts: PromptDocuments {
                view: self,
                variant,
            },
        });
        let document = EstimateDocument {
            version: VERSION,
            suite: &self.suite.name,
            endpoint: self.endpoint,
            prices: self.prices.into(),
            past_runs: self.estimate.total.past_runs,
            unpriced: self.estimate.unpriced,
            total: (&self.estimate.total).into(),
            variants: variants.collect(),
            graders: (self.estimate.graders.iter())
                .map(|grader| GraderDocument {
                    key: grader.key,
                    model: &grader.model,
                    gradings: grader.gradings,
                    expected_usd: grader.expected,
                })
                .collect(),
        };
        serde_json::to_writer_pretty(&mut out, &document)?;
        writeln!(out)
    }

    /// The estimate in one line, printed before a run.
    pub fn line(&self) -> String {
        let total = &self.estimate.total;
        let Some(expected) = total.expected else {
            return "the cost is unknown: no model has a price".to_owned();
        };
        let expected = money(expected);
        let bound = (total.bound_90).map_or_else(String::new, |bound| {
            format!(", below {} in 9 of 10 runs", money(bound))
        });
        let worst = match &total.worst {
            Ok(worst) => format!(", at most {}", money(*worst)),
            Err(_) => ", without an upper bound".to_owned(),
        };
        let left_out = match self.estimate.unpriced {
            0 => String::new(),
            unpriced => {
                let all = self.estimate.variants.len();
                format!("; without {unpriced} of {all} models, which have no price")
            }
        };
        let date = &self.prices.date;
        let own = if self.prices.has_own_prices() {
            ", and own prices"
        } else {
            ""
        };
        let grading = match self.estimate.grading() {
            Usd::ZERO => String::new(),
            usd => format!("; grading about {} more", money(usd)),
        };
        format!(
            "expected to cost about {expected}{bound}{worst}{left_out}{grading} (prices of {date}{own})"
        )
    }

    /// The assumptions behind the figures, and what they exclude.
    fn notes(&self) -> Vec<String> {
        let total = &self.estimate.total;
        let Source { words, date, .. } = self.prices;
        let mut notes = vec![format!("Prices of {date}: {words}."), self.lengths()];
        let runs = total.past_runs;
        if runs < MIN_RUNS_FOR_BOUND {
            notes.push(format!(
                "No 90 % bound: it needs {MIN_RUNS_FOR_BOUND} complete past runs with an estimated output length; there are {runs}."
            ));
        }
        if let (Some(list), Some(expected)) = (total.list, total.expected)
            && list > Usd::ZERO
            && runs > 0
        {
            notes.push(format!(
                "Expected: these tokens at list prices, times what past runs came to over that: {:.2} for the \
                 total ({}).",
                expected.as_f64() / list.as_f64(),
                plural(runs as u64, "run")
            ));
        }
        if self.estimate.unpriced > 0 {
            let (unpriced, all) = (self.estimate.unpriced, self.estimate.variants.len());
            let all = plural(all as u64, "model");
            notes.push(format!(
                "The total leaves out {unpriced} of {all}, because they have no price."
            ));
        }
        let own = self.estimate.variants.iter().all(|of| of.own_vocabulary);
        if !own {
            notes.push(
                "Prompt tokens of models of other companies are counted with OpenAI's tokenizer and corrected by past runs."
                    .to_owned(),
            );
        }
        notes.extend(self.unbounded());
        notes.extend(grader_lines(&self.estimate.graders));
        notes.push(NOT_COVERED.to_owned());
        if self.suite.cache == CacheMode::Warm {
            notes.push(
                "Also included in the worst case only: requests that warm caches.".to_owned(),
            );
        }
        notes
    }

    /// Describes the basis of the expected answer lengths.
    fn lengths(&self) -> String {
        let mut counts: BTreeMap<AnswerBasis, u64> = BTreeMap::new();
        let all = self.estimate.variants.iter().flat_map(|of| &of.prompts);
        for prompt in all {
            *counts.entry(prompt.basis).or_default() += u64::from(prompt.requests);
        }
        let words = counts.into_iter().map(|(basis, requests)| {
            let words = match basis {
                AnswerBasis::SamePrompt => "from past answers to the same prompt",
                AnswerBasis::SameTags => "from past answers to prompts with the same tags",
                AnswerBasis::OtherPrompts => "from past answers to other prompts",
                AnswerBasis::TokenLimit => "from max_tokens and the reasoning effort",
                AnswerBasis::Assumed => "assumed, without max_tokens or a past run",
            };
            format!("{words} ({requests} requests)")
        });
        let words: Vec<String> = words.collect();
        format!("Output tokens: {}.", words.join(", "))
    }

    /// Reasons why there is no worst case, each with its remedy.
    fn unbounded(&self) -> Vec<String> {
        let sums = self.estimate.variants.iter().map(|of| &of.sums);
        let mut reasons: Vec<&UnboundedCost> =
            sums.filter_map(|sums| sums.worst.as_ref().err()).collect();
        reasons.sort_unstable();
        reasons.dedup();
        let lines = reasons.iter().take(MAX_REASONS);
        let mut lines: Vec<String> = lines
            .map(|reason| format!("No worst case: {reason}; {}.", reason.remedy(self.endpoint)))
            .collect();
        if reasons.len() > MAX_REASONS {
            lines.push(format!(
                "No worst case for {} more models.",
                reasons.len() - MAX_REASONS
            ));
        }
        lines
    }
}

/// The expected cost of each model that grades, one sentence each.
pub fn grader_lines(graders: &[GraderEstimate]) -> Vec<String> {
    let line = |grader: &GraderEstimate| {
        let cost = grader.expected.map_or_else(
            || "a cost that is not known".to_owned(),
            |usd| format!("about {}", money(usd)),
        );
        format!(
            "The {} `{}` grades after the run: {cost} for up to {}, not in the figures above; under a cap it uses what is left.",
            grader.key.replace('_', " "),
            grader.model,
            plural(grader.gradings, "answer")
        )
    };
    graders.iter().map(line).collect()
}

/// Compares the cost of a run with its estimate, in one line; `None` if no cost is known.
pub fn actual_cost_line(record: &EstimateRecord) -> Option<String> {
    let cost = money(record.cost()?);
    Some(match record.ratio() {
        Some(ratio) => format!("cost {cost}, {ratio:.2}x the estimate"),
        None => format!("cost {cost}"),
    })
}

fn money(usd: Usd) -> String {
    Figure::Money(usd).shown()
}

/// One row of the table and of the CSV, which have the same columns.
fn row(
    variant: &str,
    model: &str,
    prompt: Option<&str>,
    basis: Option<AnswerBasis>,
    sums: &Sums,
) -> FigureRow {
    let text = |text: &str| match text {
        "" => Figure::Absent,
        text => Figure::Text(text.to_owned()),
    };
    let usd = |usd: Option<Usd>| usd.map_or(Figure::Absent, Figure::Money);
    let mut row = FigureRow::default();
    row.put_figure("variant", text(variant));
    row.put_figure("model", text(model));
    row.put_figure("prompt", text(prompt.unwrap_or_default()));
    row.put_figure("answer_basis", text(basis.map_or("", AnswerBasis::word)));
    row.put_figure("requests", count(sums.requests));
    row.put_figure(
        "prompt_tokens",
        sums.prompt_tokens.map_or(Figure::Absent, count),
    );
    row.put_figure("completion_tokens", count(sums.completion_tokens));
    row.put_figure("list_usd", usd(sums.list));
    row.put_figure("expected_usd", usd(sums.expected));
    row.put_figure("bound_90_usd", usd(sums.bound_90));
    row.put_figure("worst_usd", usd(sums.worst.as_ref().ok().copied()));
    for (name, heading, drop_priority) in [
        ("variant", "model", 0),
        ("requests", "requests", 1),
        ("prompt_tokens", "prompt tokens", 3),
        ("completion_tokens", "output tokens", 2),
        ("expected_usd", "expected", 0),
        ("bound_90_usd", "9 runs of 10 below", 0),
        ("worst_usd", "worst case", 0),
    ] {
        row.show(name, heading, drop_priority);
    }
    row
}
